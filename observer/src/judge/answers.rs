//! What the answers of the last operations told of: a context is looked up here, and so is a version by its id.

use super::Indices;
use crate::lookup::Lookup;
use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use tidemark_proto::id::{NodeId, OperationId};

/// What the answer of an operation told of.
pub(super) struct Answer {
    pub(super) place: u32,
    pub(super) is_write: bool,
    /// It told of versions as well that were forgotten by then.
    pub(super) has_forgotten: bool,
    /// Of a write, the first is the write itself.
    pub(super) versions: Indices,
}

/// The answers of so many operations; those before them are forgotten, and it is known that they were.
pub(super) struct Answers {
    horizon: usize,
    answers: Lookup<OperationId, Answer>,
    /// In the order in which they came.
    order: VecDeque<OperationId>,
    /// Of each issuer the last operation that was forgotten.
    forgotten: Lookup<NodeId, u64>,
}

impl Answers {
    pub(super) fn new(horizon: usize) -> Self {
        Self {
            horizon,
            answers: Lookup::default(),
            order: VecDeque::new(),
            forgotten: Lookup::default(),
        }
    }

    pub(super) fn get(&self, id: OperationId) -> Option<&Answer> {
        self.answers.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: OperationId) -> Option<&mut Answer> {
        self.answers.get_mut(&id)
    }

    /// Adds an answer, unless the operation has one; gives the one whose turn it is to be forgotten, if there are too many.
    pub(super) fn insert(&mut self, id: OperationId, answer: Answer) -> Option<OperationId> {
        let Entry::Vacant(place) = self.answers.entry(id) else {
            return None;
        };
        place.insert(answer);
        self.order.push_back(id);
        let is_full = self.order.len() > self.horizon;
        is_full.then(|| self.order.pop_front()).flatten()
    }

    /// Forgets an answer.
    pub(super) fn forget(&mut self, id: OperationId) {
        self.answers.remove(&id);
        let last = self.forgotten.entry(id.issuer()).or_default();
        *last = id.sequence().max(*last);
    }

    /// Whether there may have been such an operation whose answer is forgotten by now.
    pub(super) fn is_forgotten(&self, id: OperationId) -> bool {
        let last = self.forgotten.get(&id.issuer());
        last.is_some_and(|last| id.sequence() <= *last) && !self.answers.contains_key(&id)
    }
}
