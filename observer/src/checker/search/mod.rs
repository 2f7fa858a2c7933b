//! Whether one key's operations are linearizable, by search: for any model.
//!
//! Operations are put into an order one after the other; what took effect and the state it left are remembered, so that
//! nothing is tried twice. A read that is possible takes effect at once: no later moment is better. Where a return is met whose operation has not taken effect, the last step is taken back.
//! Operations of unknown outcome may take effect at any time after their start, or never. Three things keep them from
//! making the search explode: of those that ask for the same only the one that started first is tried; what was seen with
//! fewer of them used is not looked at with more; and where one can only be told by a read, or by what does not overwrite
//! it, it takes effect just before that.
//!
//! A state that cannot lead to the next read which returns is left at once. Everything else that returns before that read
//! is possible in any state, so that exactly this read would turn out to be what cannot be placed.
//!
//! Reference: Wing and Gong, Testing and verifying concurrent objects, 1993, §3; Lowe, Testing for linearizability, 2017,
//! §4 (remembered configurations, a linked list of calls and returns).

mod events;
mod order;
mod pending;
mod seen;

use super::budget::{Budget, Doubt};
use super::model::{Model, Object, Pending};
use super::report::{Finding, Verdict};
use crate::recording::{Call, Recording};
use events::{Definite, Event, Events, Links};
use foldhash::fast::FixedState;
use order::Order;
use pending::Unknowns;
use seen::{Bits, Configuration, Seen, share};
use smallvec::SmallVec;
use std::collections::HashMap;
use tidemark_proto::event::Outcome;

/// Searches for a linearization of one key's operations, which `operations` gives by their indices in the recording.
///
/// # Panics
/// The model does not admit one of them.
pub fn search(
    recording: &Recording,
    operations: &[usize],
    model: &Model,
    budget: &mut Budget<'_>,
) -> Finding {
    let mut calls = Calls::default();
    let mut definite = Vec::new();
    let mut unknown = Vec::new();
    for &index in operations {
        if let Err(doubt) = budget.spend(1) {
            return Finding::unknown(doubt, Vec::new());
        }
        let operation = &recording.operations[index];
        let only_reads = matches!(operation.call, Call::Read(_));
        // Whatever was there may be what was not told.
        let tells = operation.call != Call::Read(None);
        match operation.outcome {
            Outcome::Ok if tells => definite.push(Definite {
                index,
                call: calls.number(&operation.call),
                start: operation.start,
                end: operation.end,
            }),
            Outcome::Unknown if !only_reads => {
                unknown.push((calls.number(&operation.call), operation.start, index));
            }
            Outcome::Ok | Outcome::Unknown | Outcome::Failed => {}
        }
    }
    let entry = model.entry();
    let object = (entry.object)(model.initial(), &calls.distinct);
    unknown.retain(|(call, ..)| object.is_noticed(*call));
    match Search::new(
        definite,
        Unknowns::new(unknown),
        object,
        entry.pending,
        budget,
    ) {
        Ok(search) => search.run(budget),
        Err(doubt) => Finding::unknown(doubt, Vec::new()),
    }
}

/// The calls of a key, no two of them equal.
#[derive(Default)]
struct Calls<'a> {
    numbers: HashMap<&'a Call, u32, FixedState>,
    distinct: Vec<&'a Call>,
}

struct Search {
    definite: Vec<Definite>,
    events: Events,
    /// The reads, and what overwrites, in the orders of their returns and of their starts.
    reads: Order,
    overwrites: Order,
    unknowns: Unknowns,
    object: Box<dyn Object>,
    pending: Pending,
    state: u32,
    done: Bits,
    hash: u64,
    /// No operation from this one on took effect.
    until: u32,
    seen: Seen,
    steps: Vec<Step>,
    /// The operations that took effect, by their indices in the recording.
    path: Vec<usize>,
    best: Best,
}

/// What is undone when a step is taken back.
struct Step {
    what: Tried,
    state: u32,
    until: u32,
    /// The groups of the operations of unknown outcome that took effect with it.
    groups: SmallVec<[u32; 1]>,
}

#[derive(Clone, Copy)]
enum Tried {
    /// A read that was possible as things were: there is no better moment for it.
    Read(u32),
    /// Another operation of known outcome, or a read and what it needs.
    Definite(u32),
    /// One of unknown outcome, of this group.
    Unknown(u32),
}

/// Where the next candidate is looked for.
#[derive(Clone, Copy)]
enum Cursor {
    /// At this event.
    Event(u32),
    /// In this group of operations of unknown outcome, after all events up to the return of an operation.
    Group { group: u32, returning: u32 },
}

/// The farthest that the search came.
#[derive(Default)]
struct Best {
    /// The operation at whose return it was stuck.
    failing: Option<u32>,
    path: Vec<usize>,
    /// How much of that path is the search's still.
    shared: usize,
}

impl<'a> Calls<'a> {
    fn number(&mut self, call: &'a Call) -> u32 {
        let next = self.distinct.len() as u32;
        let number = *self.numbers.entry(call).or_insert(next);
        if number == next {
            self.distinct.push(call);
        }
        number
    }
}

impl Search {
    fn new(
        definite: Vec<Definite>,
        unknowns: Unknowns,
        object: Box<dyn Object>,
        pending: Pending,
        budget: &mut Budget<'_>,
    ) -> Result<Self, Doubt> {
        let events = Events::new(&definite, budget)?;
        let numbers = || 0..definite.len() as u32;
        let call = |number: u32| definite[number as usize].call;
        let mut reads: Vec<_> = numbers()
            .filter(|number| object.only_reads(call(*number)))
            .collect();
        budget.sort(&mut reads, |number| events.place_of_return(*number))?;
        let overwrites = numbers().filter(|number| object.overwrites(call(*number)));
        Ok(Self {
            reads: Order::new(definite.len(), reads),
            overwrites: Order::new(definite.len(), overwrites.collect()),
            done: Bits::new(definite.len()),
            definite,
            events,
            unknowns,
            object,
            pending,
            state: 0,
            hash: 0,
            until: 0,
            seen: Seen::new(),
            steps: Vec::new(),
            path: Vec::new(),
            best: Best::default(),
        })
    }

    fn run(mut self, budget: &mut Budget<'_>) -> Finding {
        match self.find(budget) {
            Ok(true) => Finding::linearizable(),
            Ok(false) => Finding {
                linearizable: Verdict::False,
                failing: self.failing().map(|failing| failing.index),
                prefix: self.prefix(),
            },
            Err(doubt) => Finding::unknown(doubt, self.prefix()),
        }
    }

    /// Whether there is a linearization.
    fn find(&mut self, budget: &mut Budget<'_>) -> Result<bool, Doubt> {
        let mut cursor = self.enter();
        loop {
            budget.spend(1)?;
            let next = match cursor {
                _ if self.events.left() == 0 => return Ok(true),
                Some(Cursor::Event(place)) => match self.events.at(place) {
                    Event::Call(number) if self.take(number) => self.enter(),
                    Event::Call(_) => Some(Cursor::Event(self.events.after(place))),
                    Event::Return(returning) => Some(Cursor::Group {
                        group: 0,
                        returning,
                    }),
                },
                Some(Cursor::Group { group, returning }) if group < self.groups() => {
                    if self.take_unknown(group, returning) {
                        self.enter()
                    } else {
                        let group = group + 1;
                        Some(Cursor::Group { group, returning })
                    }
                }
                Some(Cursor::Group { returning, .. }) => {
                    self.stuck(returning);
                    None
                }
                None => match self.take_back() {
                    Some(cursor) => Some(cursor),
                    None => return Ok(false),
                },
            };
            budget.hold(self.seen.bytes() + self.object.bytes() + self.events.bytes())?;
            cursor = next;
        }
    }

    /// The first candidate in a configuration; none if the search was there or if it leads nowhere.
    fn enter(&mut self) -> Option<Cursor> {
        self.take_reads();
        let first = match self.events.first() {
            0 => return None,
            place => self.events.at(place),
        };
        let (Event::Call(from) | Event::Return(from)) = first;
        let is_new = self.seen.insert(&Configuration {
            state: self.state,
            done: &self.done,
            hash: self.hash,
            from,
            until: self.until,
            used: self.unknowns.used(),
        });
        if !is_new {
            return None;
        }
        if let Some(read) = self.reads.first() {
            let Definite { call, end, .. } = self.definite[read as usize];
            let overwrite = self.overwrites.first();
            let may_be_overwritten = overwrite
                .is_some_and(|number| self.definite[number as usize].start <= end)
                || self.unknowns.may_overwrite(end, &*self.object);
            let is_possible = self.object.is_possible(call)
                && (may_be_overwritten || self.object.may_lead(self.state, call));
            if !is_possible {
                self.stuck(read);
                return None;
            }
        }
        Some(Cursor::Event(self.events.first()))
    }

    /// Lets all reads take effect that can: later they could do no more, and they change nothing.
    fn take_reads(&mut self) {
        let mut place = self.events.first();
        while place != 0 {
            let Event::Call(number) = self.events.at(place) else {
                break;
            };
            place = self.events.after(place);
            let call = self.definite[number as usize].call;
            if self.object.only_reads(call) && self.object.step(self.state, call).is_some() {
                self.advance(Tried::Read(number), self.state, SmallVec::new());
            }
        }
    }

    /// How many groups of operations of unknown outcome are candidates by themselves.
    fn groups(&self) -> u32 {
        match self.pending {
            Pending::WhenRead => 0,
            Pending::Anywhere => self.unknowns.groups(),
        }
    }

    /// Lets an operation of known outcome take effect; tells whether it could.
    fn take(&mut self, number: u32) -> bool {
        let call = self.definite[number as usize].call;
        // What took effect before without being seen might as well not have.
        if matches!(self.steps.last(), Some(step) if matches!(step.what, Tried::Unknown(_)))
            && self.object.overwrites(call)
        {
            return false;
        }
        let mut groups = SmallVec::new();
        let state = match self.object.step(self.state, call) {
            Some(state) => state,
            None => match self.help(number) {
                Some((state, helpers)) => {
                    groups = helpers;
                    state
                }
                None => return false,
            },
        };
        self.advance(Tried::Definite(number), state, groups);
        true
    }

    /// The state after a read, and the groups of those which have to take effect just before it, if that is all it needs.
    fn help(&mut self, number: u32) -> Option<(u32, SmallVec<[u32; 1]>)> {
        if self.pending != Pending::WhenRead || self.unknowns.groups() == 0 {
            return None;
        }
        let call = self.definite[number as usize].call;
        let first_return = self.events.first_return(self.events.first());
        let by = self.definite[first_return? as usize].end;
        let mut groups = SmallVec::new();
        let mut state = self.state;
        for helper in self.object.help(self.state, call) {
            groups.push(self.unknowns.available(helper, by)?);
            state = self.object.step(state, helper)?;
        }
        Some((self.object.step(state, call)?, groups))
    }

    /// Lets the next operation of a group take effect; tells whether it could and changed anything.
    fn take_unknown(&mut self, group: u32, returning: u32) -> bool {
        let by = self.definite[returning as usize].end;
        let call = self.unknowns.call(group);
        let follows_another =
            matches!(self.steps.last(), Some(step) if matches!(step.what, Tried::Unknown(_)));
        if self.unknowns.available(call, by).is_none()
            || follows_another && self.object.overwrites(call)
        {
            return false;
        }
        match self.object.step(self.state, call) {
            Some(state) if state != self.state => {
                self.advance(Tried::Unknown(group), state, SmallVec::from_slice(&[group]));
                true
            }
            Some(_) | None => false,
        }
    }

    /// Takes a step.
    fn advance(&mut self, what: Tried, state: u32, groups: SmallVec<[u32; 1]>) {
        let step = Step {
            what,
            state: std::mem::replace(&mut self.state, state),
            until: self.until,
            groups,
        };
        for group in &step.groups {
            self.path.push(self.unknowns.take_out(*group));
        }
        if let Tried::Definite(number) | Tried::Read(number) = what {
            self.events.take_out(number);
            self.reads.take_out(number);
            self.overwrites.take_out(number);
            self.done.flip(number);
            self.hash ^= share(number);
            self.until = self.until.max(number + 1);
            self.path.push(self.definite[number as usize].index);
        }
        self.steps.push(step);
    }

    /// Takes back the last step to which there is an alternative, and all after it; gives where to look for that, or none
    /// if there was no such step.
    fn take_back(&mut self) -> Option<Cursor> {
        loop {
            let step = self.steps.pop()?;
            if let Some(cursor) = self.undo(step) {
                return Some(cursor);
            }
        }
    }

    /// Undoes a step; gives where to look for an alternative if there is one.
    fn undo(&mut self, step: Step) -> Option<Cursor> {
        self.state = step.state;
        self.until = step.until;
        let cursor = match step.what {
            Tried::Definite(number) | Tried::Read(number) => {
                self.path.pop();
                self.hash ^= share(number);
                self.done.flip(number);
                self.overwrites.put_back(number);
                self.reads.put_back(number);
                self.events.put_back(number);
                let next = self.events.after(self.events.place_of_call(number));
                matches!(step.what, Tried::Definite(_)).then_some(Cursor::Event(next))
            }
            Tried::Unknown(group) => Some(Cursor::Group {
                group: group + 1,
                returning: self
                    .events
                    .first_return(self.events.first())
                    .expect("a search with nothing left is over"),
            }),
        };
        for group in step.groups.iter().rev() {
            self.path.pop();
            self.unknowns.put_back(*group);
        }
        self.best.shared = self.best.shared.min(self.path.len());
        cursor
    }

    /// Takes note of how far the search came before it was stuck at the return of an operation.
    fn stuck(&mut self, failing: u32) {
        let place = |number| self.events.place_of_return(number);
        if self
            .best
            .failing
            .is_some_and(|best| place(best) >= place(failing))
        {
            return;
        }
        self.best.failing = Some(failing);
        self.best.path.truncate(self.best.shared);
        self.best
            .path
            .extend_from_slice(&self.path[self.best.shared..]);
        self.best.shared = self.path.len();
    }

    fn failing(&self) -> Option<&Definite> {
        self.best
            .failing
            .map(|number| &self.definite[number as usize])
    }

    /// The best path, and behind it what else returned before the search was stuck: that is possible in any state.
    fn prefix(&self) -> Vec<usize> {
        let mut path = self.best.path.clone();
        let Some(failing) = self.best.failing else {
            path.extend_from_slice(&self.path[self.best.shared..]);
            return path;
        };
        let place = |number: &u32| self.events.place_of_return(*number);
        let mut placed = path.clone();
        placed.sort_unstable();
        let numbers = 0..self.definite.len() as u32;
        let is_missing = |number: &u32| {
            let index = self.definite[*number as usize].index;
            place(number) < place(&failing) && placed.binary_search(&index).is_err()
        };
        let mut missing: Vec<u32> = numbers.filter(is_missing).collect();
        missing.sort_unstable_by_key(place);
        path.extend(
            missing
                .into_iter()
                .map(|number| self.definite[number as usize].index),
        );
        path
    }
}
