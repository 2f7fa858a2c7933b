//! The session guarantees that an answer keeps or breaks.
//!
//! Reference: D. Terry et al., “Session guarantees for weakly consistent replicated data”, PDIS 1994; F. Freitas et al.,
//! “Characterizing the consistency of online services”, DSN 2016, for what of them a reader can see.

use super::Staleness;
use super::missing::staleness;
use super::order::{Moment, precedes};
use super::session::Session;
use super::writes::{Uncovered, Write, Writes};
use crate::ranges::Ranges;
use smallvec::SmallVec;
use std::time::Duration;
use tidemark_proto::id::OperationId;

/// What a read says of each guarantee; none: it could not have broken it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guarantees {
    /// Its session had written the key, and been acknowledged, before it began.
    pub read_your_writes: Option<Guarantee>,
    /// The same in the single-value view.
    pub read_your_writes_single_value: Option<Guarantee>,
    /// Its session had read a version of the key before it began.
    pub monotonic_reads: Option<Guarantee>,
    /// The same in the single-value view.
    pub monotonic_reads_single_value: Option<Guarantee>,
    /// It returned a write before which the same session had written the key, and been acknowledged.
    pub monotonic_writes: Option<Guarantee>,
    /// It returned a write before which the same session had read a version of the key.
    pub writes_follow_reads: Option<Guarantee>,
}

/// Whether a guarantee that a read could have broken was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// Nothing was missing.
    Kept,
    /// So many writes were missing, and for so long.
    Broken(Staleness),
}

impl Guarantee {
    fn new(missing: Option<Staleness>) -> Self {
        missing.map_or(Self::Kept, Self::Broken)
    }
}

/// An answered read, and what it lacks.
pub(super) struct Reading<'a> {
    pub(super) writes: &'a Writes,
    pub(super) begun: Moment,
    pub(super) returned: &'a [u32],
    pub(super) uncovered: &'a Uncovered<'a>,
    /// The finishes of what it may be held to have returned, in the single-value view.
    pub(super) answer: &'a [Moment],
}

impl<'a> Reading<'a> {
    /// What the read says of its session, and of those whose writes it returned.
    pub(super) fn guarantees(&self) -> Guarantees {
        let own = self.writes.session(self.begun.1);
        let wrote = own.and_then(|session| session.wrote);
        let wrote = wrote.filter(|wrote| precedes(*wrote, self.begun));
        let read_before = own.filter(|own| own.found_before(self.begun).next().is_some());
        Guarantees {
            read_your_writes: wrote.map(|_| {
                let own = self
                    .missed_before(self.begun)
                    .filter(|write| is_of_one_session(write.id, self.begun.1));
                Guarantee::new(staleness(self.begun.0, own))
            }),
            read_your_writes_single_value: wrote.map(|_| {
                let own = self
                    .writes
                    .newer(self.begun, self.answer)
                    .filter(|write| is_of_one_session(write.id, self.begun.1));
                Guarantee::new(staleness(self.begun.0, own))
            }),
            monotonic_reads: read_before
                .map(|own| Guarantee::new(self.forgot(own.found_before(self.begun)))),
            monotonic_reads_single_value: read_before
                .map(|own| Guarantee::new(self.went_back(own))),
            monotonic_writes: self.monotonic_writes(),
            writes_follow_reads: self.writes_follow_reads(),
        }
    }

    fn monotonic_writes(&self) -> Option<Guarantee> {
        let returned = self
            .returned
            .iter()
            .filter_map(|index| self.writes.get(*index));
        let wrote_before = |write: &&Write| {
            let session = self.writes.session(write.id);
            let wrote = session.and_then(|session| session.wrote);
            wrote.is_some_and(|wrote| precedes(wrote, (write.begun, write.id)))
        };
        let later: SmallVec<[&Write; 4]> = returned.filter(wrote_before).collect();
        if later.is_empty() {
            return None;
        }
        let missed = self.missed_before(self.begun).filter(|missed| {
            later.iter().any(|write| {
                is_of_one_session(write.id, missed.id)
                    && precedes(missed.finish(), (write.begun, write.id))
            })
        });
        Some(Guarantee::new(staleness(self.begun.0, missed)))
    }

    fn writes_follow_reads(&self) -> Option<Guarantee> {
        let returned = self
            .returned
            .iter()
            .filter_map(|index| self.writes.get(*index));
        let mut follows = returned.filter(|write| write.follows_reads).peekable();
        follows.peek()?;
        let read = follows.flat_map(|write| {
            let apart = write.read_apart.iter().flat_map(|apart| apart.iter());
            apart.map(|index| (*index, write.begun))
        });
        Some(Guarantee::new(self.forgot(read)))
    }

    /// How many of these versions and of their ancestors are missing, and since when.
    fn forgot(&self, known: impl Iterator<Item = (u32, Duration)>) -> Option<Staleness> {
        let mut since: Option<Duration> = None;
        let mut lost = Ranges::default();
        for (index, at) in known {
            let write = self.writes.get(index);
            // What failed did not happen: nobody is owed it.
            if self.uncovered.covered.contains(index) || write.is_some_and(Write::has_failed) {
                continue;
            }
            since = Some(since.map_or(at, |since| since.min(at)));
            lost.add(index);
            if let Some(write) = write {
                lost.extend(&write.ancestors);
            }
        }
        let since = since?;
        let missing = self.uncovered.writes.iter();
        let missing = missing.filter(|(index, write)| lost.contains(*index) && !write.has_failed());
        Some(Staleness {
            t: self.begun.0.saturating_sub(since),
            k: (missing.count() as u64).max(1),
        })
    }

    /// How many of the versions that its session had read are newer than every version that this read returned.
    fn went_back(&self, own: &Session) -> Option<Staleness> {
        let mut back: Option<Staleness> = None;
        for (index, at) in own.found_before(self.begun) {
            // What is newer than the answer was not read before that was complete.
            if self.answer.iter().any(|(finish, _)| *finish > at) {
                continue;
            }
            let write = self.writes.get(index).filter(|write| !write.has_failed());
            let is_newer = write.is_some_and(|write| {
                let started = (write.begun, write.id);
                (self.answer.iter()).all(|answered| precedes(*answered, started))
            });
            if is_newer {
                let t = self.begun.0.saturating_sub(at);
                let before = back.unwrap_or(Staleness { t, k: 0 });
                back = Some(Staleness {
                    t: before.t.max(t),
                    k: before.k + 1,
                });
            }
        }
        back
    }

    /// The acknowledged writes that were complete at a moment, and are missing.
    fn missed_before(&self, moment: Moment) -> impl Iterator<Item = &'a Write> + use<'a> {
        let missed = self.writes.missed(self.uncovered, self.returned);
        missed.filter(move |write| precedes(write.finish(), moment))
    }
}

fn is_of_one_session(one: OperationId, other: OperationId) -> bool {
    one.issuer() == other.issuer()
}
