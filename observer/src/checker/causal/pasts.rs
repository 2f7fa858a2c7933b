//! What comes before each operation, as so many operations of each process.
//!
//! Reference: Fidge, Timestamps in message-passing systems that preserve the partial ordering, 1988; Mattern, Virtual time and
//! global states of distributed systems, 1989 (vector clocks).

use super::before::Before;
use super::sessions::{Sessions, Source};
use crate::checker::budget::{Budget, Doubt};
use std::collections::{BTreeMap, VecDeque};

/// The past of each operation, itself included.
pub(super) struct Pasts {
    width: usize,
    counts: Vec<u32>,
}

/// Operations each of which comes before the next, and the last before the first.
pub(super) type Cycle = Vec<u32>;

impl Pasts {
    /// The pasts by PO, RF and what else comes before what; of the operations within a past, or of all. Or a cycle.
    pub(super) fn new(
        sessions: &Sessions,
        before: &Before,
        within: Option<&[u32]>,
        budget: &mut Budget<'_>,
    ) -> Result<Result<Self, Cycle>, Doubt> {
        let width = sessions.width();
        budget.hold(sessions.len() * width * size_of::<u32>())?;
        let order = match Self::order(sessions, before, within, budget)? {
            Ok(order) => order,
            Err(cycle) => return Ok(Err(cycle)),
        };
        let mut counts = vec![0; sessions.len() * width];
        for number in order {
            budget.spend(1 + width / 8)?;
            let own = number as usize * width;
            for earlier in just_before(sessions, before, number) {
                let earlier = earlier as usize * width;
                for session in 0..width {
                    counts[own + session] = counts[own + session].max(counts[earlier + session]);
                }
            }
            let node = sessions.node(number);
            counts[own + node.session as usize] = node.place + 1;
        }
        Ok(Ok(Self { width, counts }))
    }

    /// How many operations of each process come before one, itself included.
    pub(super) fn of(&self, number: u32) -> &[u32] {
        &self.counts[number as usize * self.width..][..self.width]
    }

    /// Whether one operation comes before another one or is it.
    pub(super) fn precedes(&self, sessions: &Sessions, earlier: u32, later: u32) -> bool {
        let node = sessions.node(earlier);
        node.place < self.of(later)[node.session as usize]
    }

    /// The operations within a past, or all, each after what comes before it. Or a cycle.
    pub(super) fn order(
        sessions: &Sessions,
        before: &Before,
        within: Option<&[u32]>,
        budget: &mut Budget<'_>,
    ) -> Result<Result<Vec<u32>, Cycle>, Doubt> {
        let is_within = |number: &u32| {
            let node = sessions.node(*number);
            within.is_none_or(|past| node.place < past[node.session as usize])
        };
        let mut order = Vec::new();
        let mut states = vec![State::New; sessions.len()];
        // What is open, with what is still to be looked at before it.
        let mut open: Vec<(u32, Vec<u32>)> = Vec::new();
        for root in (0..sessions.len() as u32).filter(is_within) {
            if states[root as usize] == State::New {
                states[root as usize] = State::Open;
                open.push((root, just_before(sessions, before, root).collect()));
            }
            while let Some((number, rest)) = open.last_mut() {
                budget.spend(1)?;
                match rest.pop() {
                    Some(earlier) if states[earlier as usize] == State::New => {
                        states[earlier as usize] = State::Open;
                        open.push((earlier, just_before(sessions, before, earlier).collect()));
                    }
                    Some(earlier) if states[earlier as usize] == State::Open => {
                        return Ok(Err(cycle(sessions, before, earlier)));
                    }
                    Some(_) => {}
                    None => {
                        states[*number as usize] = State::Done;
                        order.push(*number);
                        open.pop();
                    }
                }
            }
        }
        Ok(Ok(order))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}

/// What comes just before an operation.
fn just_before<'a>(
    sessions: &'a Sessions,
    before: &'a Before,
    number: u32,
) -> impl Iterator<Item = u32> + 'a {
    let source = match sessions.node(number).source {
        Source::Write(write) => Some(write),
        Source::Itself | Source::Initial => None,
    };
    let previous = sessions.previous(number);
    previous
        .into_iter()
        .chain(source)
        .chain(before.of(number).iter().copied())
}

/// A shortest cycle through an operation that is on one, without those that only stand between others of their process.
fn cycle(sessions: &Sessions, before: &Before, start: u32) -> Cycle {
    let mut later: BTreeMap<u32, u32> = BTreeMap::new();
    let mut next = VecDeque::from([start]);
    while let Some(number) = next.pop_front() {
        for earlier in just_before(sessions, before, number) {
            if later.contains_key(&earlier) {
                continue;
            }
            later.insert(earlier, number);
            next.push_back(earlier);
        }
        if later.contains_key(&start) {
            break;
        }
    }
    let mut cycle = vec![start];
    let mut at = later[&start];
    while at != start {
        cycle.push(at);
        at = later[&at];
    }
    let follows = |place: usize| {
        let earlier = cycle[(place + cycle.len() - 1) % cycle.len()];
        sessions.previous(cycle[place]) == Some(earlier)
    };
    let is_needed = |place: &usize| !(follows(*place) && follows((place + 1) % cycle.len()));
    (0..cycle.len())
        .filter(is_needed)
        .map(|place| cycle[place])
        .collect()
}
