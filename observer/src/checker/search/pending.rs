//! Operations of unknown outcome, in groups that ask for the same: of a group the one that started first is used first,
//! since it can stand wherever another can.

use super::Bits;
use crate::checker::model::Object;
use std::collections::BTreeMap;

/// The operations of unknown outcome.
pub(super) struct Unknowns {
    groups: Vec<Group>,
    /// The group of each call.
    numbers: BTreeMap<u32, u32>,
    /// Which are used, group after group.
    used: Bits,
}

struct Group {
    call: u32,
    /// Where it begins among all.
    offset: u32,
    /// Start and index in the recording, in the order of the starts.
    operations: Vec<(u64, usize)>,
    used: usize,
}

impl Unknowns {
    /// Of call, start and index in the recording.
    pub(super) fn new(mut operations: Vec<(u32, u64, usize)>) -> Self {
        operations.sort_unstable();
        let mut groups: Vec<Group> = Vec::new();
        for (offset, (call, start, index)) in (0..).zip(&operations) {
            if groups.last().is_none_or(|group| group.call != *call) {
                groups.push(Group {
                    call: *call,
                    offset,
                    operations: Vec::new(),
                    used: 0,
                });
            }
            let group = groups.last_mut().expect("one was pushed");
            group.operations.push((*start, *index));
        }
        let calls = groups.iter().map(|group| group.call);
        Self {
            numbers: calls.zip(0..).collect(),
            groups,
            used: Bits::new(operations.len()),
        }
    }

    pub(super) fn groups(&self) -> u32 {
        self.groups.len() as u32
    }

    pub(super) fn call(&self, group: u32) -> u32 {
        self.groups[group as usize].call
    }

    pub(super) fn used(&self) -> &Bits {
        &self.used
    }

    /// The group of a call, if an operation of it is left that started by this time.
    pub(super) fn available(&self, call: u32, by: u64) -> Option<u32> {
        let group = *self.numbers.get(&call)?;
        let Group {
            operations, used, ..
        } = &self.groups[group as usize];
        operations
            .get(*used)
            .is_some_and(|(start, _)| *start <= by)
            .then_some(group)
    }

    /// Whether one of them that started by this time overwrites, used or not.
    pub(super) fn may_overwrite(&self, by: u64, object: &dyn Object) -> bool {
        self.groups
            .iter()
            .any(|group| group.operations[0].0 <= by && object.overwrites(group.call))
    }

    /// Uses the next of a group; gives its index in the recording.
    pub(super) fn take_out(&mut self, group: u32) -> usize {
        let group = &mut self.groups[group as usize];
        self.used.flip(group.offset + group.used as u32);
        group.used += 1;
        group.operations[group.used - 1].1
    }

    pub(super) fn put_back(&mut self, group: u32) {
        let group = &mut self.groups[group as usize];
        group.used -= 1;
        self.used.flip(group.offset + group.used as u32);
    }
}
