//! The operations of a recording by the processes that asked for them, and which write each read returned.

use super::{Pattern, Violation};
use crate::checker::budget::{Budget, Doubt};
use crate::recording::{Recorded, Recording, Value};
use foldhash::fast::FixedState;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tidemark_proto::event::Outcome;

/// The operations that count.
pub(super) struct Sessions {
    nodes: Vec<Node>,
    /// The nodes of each process in the order in which it asked for them.
    sessions: Vec<Vec<u32>>,
    /// Of each key: who wrote it, and where in their sessions.
    writes: Vec<Vec<Writer>>,
    /// The first read of what nobody wrote, by its index in the recording.
    pub(super) thin_air: Option<usize>,
}

/// An operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// Its index in the recording.
    pub(super) index: usize,
    pub(super) session: u32,
    /// How many operations of its session come before it.
    pub(super) place: u32,
    pub(super) key: u32,
    pub(super) source: Source,
}

/// Where an operation's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It is a write.
    Itself,
    /// It is a read of what was there at the beginning.
    Initial,
    /// It is a read of what this node wrote.
    Write(u32),
}

struct Writer {
    session: u32,
    /// In the order of the session.
    places: Vec<u32>,
}

impl Sessions {
    /// Of a recording of registers that begin with this value.
    pub(super) fn new(
        recording: &Recording,
        initial: &Value,
        budget: &mut Budget<'_>,
    ) -> Result<Self, Doubt> {
        let mut keys: HashMap<&str, u32, FixedState> = HashMap::default();
        let mut writers: HashMap<(u32, &Value), usize, FixedState> = HashMap::default();
        for (index, operation) in recording.operations.iter().enumerate() {
            budget.spend(1)?;
            let next = keys.len() as u32;
            let key = *keys.entry(&*operation.key).or_insert(next);
            if let Some(value) = operation.written()
                && (value == initial || writers.insert((key, value), index).is_some())
            {
                return Err(Doubt::ValueRepeats(operation.line));
            }
        }
        let key = |operation: &Recorded| keys[&*operation.key];
        let mut thin_air = None;
        let mut read: BTreeSet<usize> = BTreeSet::new();
        for (index, operation) in recording.operations.iter().enumerate() {
            budget.spend(1)?;
            match operation.returned() {
                Some(value) if value != initial => match writers.get(&(key(operation), value)) {
                    Some(write) => drop(read.insert(*write)),
                    None if value.is_siblings(|value| {
                        value == initial || writers.contains_key(&(key(operation), value))
                    }) =>
                    {
                        return Err(Doubt::Siblings(operation.line));
                    }
                    None => thin_air = thin_air.or(Some(index)),
                },
                Some(_) | None => {}
            }
        }
        let mut sessions = Self {
            nodes: Vec::new(),
            sessions: Vec::new(),
            writes: (0..keys.len()).map(|_| Vec::new()).collect(),
            thin_air,
        };
        let mut processes: BTreeMap<u64, u32> = BTreeMap::new();
        let mut numbers: HashMap<usize, u32, FixedState> = HashMap::default();
        for (index, operation) in recording.operations.iter().enumerate() {
            budget.spend(1)?;
            let is_write = operation.written().is_some()
                && (operation.outcome == Outcome::Ok || read.contains(&index));
            let source = if is_write {
                Source::Itself
            } else {
                Source::Initial
            };
            if is_write || operation.returned().is_some() {
                let next = processes.len() as u32;
                let session = *processes.entry(operation.process).or_insert(next);
                let number = sessions.push(index, session, key(operation), source);
                numbers.insert(index, number);
            }
        }
        for node in &mut sessions.nodes {
            let operation = &recording.operations[node.index];
            let value = operation.returned().filter(|value| *value != initial);
            let write = value.and_then(|value| writers.get(&(key(operation), value)));
            if let Some(write) = write {
                node.source = Source::Write(numbers[write]);
            }
        }
        Ok(sessions)
    }

    fn push(&mut self, index: usize, session: u32, key: u32, source: Source) -> u32 {
        if self.sessions.len() == session as usize {
            self.sessions.push(Vec::new());
        }
        let number = self.nodes.len() as u32;
        let own = &mut self.sessions[session as usize];
        let place = own.len() as u32;
        own.push(number);
        self.nodes.push(Node {
            index,
            session,
            place,
            key,
            source,
        });
        if source == Source::Itself {
            let writers = &mut self.writes[key as usize];
            match writers.iter_mut().find(|writer| writer.session == session) {
                Some(writer) => writer.places.push(place),
                None => writers.push(Writer {
                    session,
                    places: vec![place],
                }),
            }
        }
        number
    }

    pub(super) fn node(&self, number: u32) -> &Node {
        &self.nodes[number as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// How many processes there are.
    pub(super) fn width(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn reads(&self) -> impl Iterator<Item = u32> {
        (0..self.nodes.len() as u32).filter(|number| self.node(*number).source != Source::Itself)
    }

    /// The last operation of each process.
    pub(super) fn lasts(&self) -> impl Iterator<Item = u32> {
        self.sessions
            .iter()
            .filter_map(|session| session.last().copied())
    }

    /// The reads of the process of an operation.
    pub(super) fn reads_of(&self, number: u32) -> impl Iterator<Item = u32> {
        let session = &self.sessions[self.node(number).session as usize];
        session
            .iter()
            .copied()
            .filter(|number| self.node(*number).source != Source::Itself)
    }

    /// What its process asked for just before.
    pub(super) fn previous(&self, number: u32) -> Option<u32> {
        let Node { session, place, .. } = *self.node(number);
        let place = place.checked_sub(1)?;
        Some(self.sessions[session as usize][place as usize])
    }

    /// How many processes wrote a key.
    pub(super) fn writers(&self, key: u32) -> usize {
        1 + self.writes[key as usize].len()
    }

    /// The last write of a key by each process within a past, which has so many operations of each.
    pub(super) fn last_writes<'a>(
        &'a self,
        key: u32,
        past: &'a [u32],
    ) -> impl Iterator<Item = u32> + 'a {
        self.writes[key as usize].iter().filter_map(|writer| {
            let session = writer.session as usize;
            let count = writer
                .places
                .partition_point(|place| *place < past[session]);
            let place = *writer.places[..count].last()?;
            Some(self.sessions[session][place as usize])
        })
    }

    pub(super) fn violation(&self, pattern: Pattern, nodes: &[u32]) -> Violation {
        Violation {
            pattern,
            witness: nodes.iter().map(|node| self.node(*node).index).collect(),
        }
    }
}
