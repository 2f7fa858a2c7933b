//! What one session knows of a key: when it first wrote it, and which versions it has read.
//!
//! A session is whoever issues operations: a client, or by hand a node.

use super::order::{Moment, precedes};
use crate::ranges::Ranges;
use smallvec::SmallVec;
use std::time::Duration;

/// What a session has done with a key.
#[derive(Default)]
pub(super) struct Session {
    /// The first end of a write of its own that was acknowledged.
    pub(super) wrote: Option<Moment>,
    found: SmallVec<[Found; 1]>,
}

/// A version that one of its reads has returned.
struct Found {
    index: u32,
    /// The end of the first such read.
    read: Moment,
    /// When a later read had superseded it without returning it.
    replaced: Option<Duration>,
}

impl Session {
    /// The versions that it had read before an operation of its own began, and when it had first.
    pub(super) fn found_before(&self, began: Moment) -> impl Iterator<Item = (u32, Duration)> {
        let found = self.found.iter();
        found
            .filter(move |found| precedes(found.read, began))
            .map(|found| (found.index, found.read.0))
    }

    /// Notes what a read of its own has returned, which supersedes `covered`.
    pub(super) fn read(&mut self, read: Moment, returned: &[u32], covered: &Ranges) {
        for found in &mut self.found {
            if covered.contains(found.index) && !returned.contains(&found.index) {
                found.replaced.get_or_insert(read.0);
            }
        }
        // Whoever reads it began before it was replaced; to miss what replaced it is to miss it as well.
        self.found.retain(|found| {
            found
                .replaced
                .is_none_or(|at| at + LONGEST_OPERATION >= read.0)
        });
        for index in returned {
            if !self.found.iter().any(|found| found.index == *index) {
                self.found.push(Found {
                    index: *index,
                    read,
                    replaced: None,
                });
            }
        }
        let excess = self.found.len().saturating_sub(MOST_FOUND);
        self.found.drain(..excess);
    }
}

/// An operation that takes longer may be held to have begun after what it could not have known was replaced.
const LONGEST_OPERATION: Duration = Duration::from_secs(60);
/// How many versions of a key a session remembers that it has read, the last ones.
const MOST_FOUND: usize = 64;
