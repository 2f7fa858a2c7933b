//! Which writes of a key are forgotten, and what is left of them.

use super::{State, Write, Writes};
use smallvec::SmallVec;
use std::collections::VecDeque;
use tidemark_proto::event::Kind;
use tidemark_proto::id::OperationId;

impl Writes {
    /// The first write is old: it, and what was kept before, is forgotten if it has been superseded. Gives who was.
    pub(in crate::judge) fn retire(&mut self) -> SmallVec<[OperationId; 2]> {
        let mut forgotten = SmallVec::new();
        if let Some(write) = self.recent.pop_front() {
            self.kept.insert(self.past.base, Box::new(write));
            if self.recent.is_empty() {
                self.recent = VecDeque::new();
            }
            self.past.base += 1;
            forgotten.extend(self.forget(self.past.base - 1));
        }
        let doubted = self.kept.range(self.doubted..).next();
        let doubted = doubted.or_else(|| self.kept.first_key_value());
        if let Some(index) = doubted.map(|(index, _)| *index) {
            self.doubted = index + 1;
            forgotten.extend(self.forget(index));
        }
        forgotten
    }

    /// Forgets a kept write if no read can miss it alone.
    fn forget(&mut self, index: u32) -> Option<OperationId> {
        let write = self.kept.get(&index)?;
        let is_deleted =
            write.kind == Kind::Put && self.open_deletes == 0 && self.deleted.contains(index);
        let is_over = self.superseded.contains(index) || is_deleted;
        let is_void = write.state == State::Failed && write.seen.is_none();
        if !is_over && !is_void || write.state == State::Open {
            return None;
        }
        if let State::Complete(finish) = write.state {
            let until = self.complete_until(finish);
            let place = (0..until)
                .rev()
                .find(|place| self.complete[*place].1 == index);
            place.and_then(|place| self.complete.remove(place));
        }
        let write = self.kept.remove(&index)?;
        let past = &mut self.past;
        if let State::Complete(finish) = write.state {
            past.complete.add(finish);
            past.last = past.last.max(Some((finish, write.id)));
        }
        let lasting = match write.state {
            State::Complete(finish) if write.kind == Kind::Put => Some(finish),
            State::Complete(_) | State::Open | State::Failed | State::Unknown => None,
        };
        if is_deleted || lasting.is_none() && write.seen.is_none() {
            past.idle.add(index);
        } else {
            past.seen = past.seen.into_iter().chain(write.seen).min();
            lasting
                .into_iter()
                .for_each(|finish| past.lasting.add(finish));
        }
        self.forget_delete(&write, index);
        Some(write.id)
    }

    fn forget_delete(&mut self, write: &Write, index: u32) {
        let Some(place) = self.deletes.iter().position(|delete| delete.index == index) else {
            return;
        };
        let delete = self.deletes.remove(place);
        self.past.deleted.extend(&delete.deletes);
        self.past.last_delete = self.past.last_delete.max(Some(write.finish()));
        if !delete.is_blind && matches!(write.state, State::Complete(_)) {
            let surely = self.past.surely_deleted.get_or_insert_default();
            surely.extend(&delete.deletes);
        }
    }
}
