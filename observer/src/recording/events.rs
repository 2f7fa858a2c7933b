//! A recording of registers as the events of a run, so that every metric of a run is computed of it too.
//!
//! A register has one value: a write takes the place of all that was complete when it began. That is said as runs say it, by a
//! read before each write, which is not measured and found all of that. Processes are clients, and nothing is known but what
//! they saw.

use super::{Call, Recorded, Recording, Times, Value};
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_proto::event::{Event, Invocation, Kind, Milestone, Operation, Outcome, Purpose};
use tidemark_proto::id::{NodeId, OperationId};

impl Recording {
    /// Its events, in the order of their times.
    ///
    /// # Errors
    /// Why there are none: it has no times, knows more than reads and writes, or writes a value twice.
    pub fn events(&self, initial: &Value) -> Result<Vec<Event>, String> {
        if self.times != Times::Nanoseconds {
            return Err("the file has no times".to_owned());
        }
        let mut replay = Replay::new(self, initial)?;
        for (index, operation) in self.operations.iter().enumerate() {
            replay.add(index, operation);
        }
        replay.events.sort_by_key(Event::at);
        Ok(replay.events)
    }
}

/// A recording on its way to events.
struct Replay<'a> {
    ids: Vec<OperationId>,
    /// The operation that wrote a value of a key.
    writers: BTreeMap<(&'a str, &'a Value), OperationId>,
    /// By key, the complete writes and those under way, each with its start and its end, but for those that took the place
    /// of which was taken.
    latest: BTreeMap<&'a str, Vec<(OperationId, u64, u64)>>,
    events: Vec<Event>,
}

impl<'a> Replay<'a> {
    fn new(recording: &'a Recording, initial: &'a Value) -> Result<Self, String> {
        let mut clients: BTreeMap<u64, u16> = BTreeMap::new();
        let mut writers = BTreeMap::new();
        let mut ids = Vec::with_capacity(recording.operations.len());
        for (sequence, operation) in (1..).zip(&recording.operations) {
            let next = clients.len() + 1;
            let client = clients
                .entry(operation.process)
                .or_insert_with(|| u16::try_from(next).unwrap_or(u16::MAX));
            if *client > NodeId::MAX_NUMBER {
                let most = NodeId::MAX_NUMBER;
                return Err(format!("there are more than {most} processes"));
            }
            // Every operation leaves a number for the read before it.
            let id = OperationId::new(NodeId::client(*client), 2 * sequence);
            ids.push(id);
            let (key, line) = (&*operation.key, operation.line);
            match &operation.call {
                Call::Read(_) => {}
                Call::Write(value) => {
                    if value == initial || writers.insert((key, value), id).is_some() {
                        return Err(format!(
                            "line {line} writes {value}, which was there before: what a read of it returned is not known"
                        ));
                    }
                }
                call @ (Call::Cas(..) | Call::Append(_) | Call::Add(_)) => {
                    return Err(format!(
                        "line {line}: {} is no function of a plain register",
                        call.function()
                    ));
                }
            }
        }
        let start = recording.operations.first().map_or(0, |first| first.start);
        Ok(Self {
            ids,
            writers,
            latest: BTreeMap::new(),
            events: vec![Event::Milestone {
                at: Duration::from_nanos(start),
                milestone: Milestone::Started,
            }],
        })
    }

    fn add(&mut self, index: usize, operation: &'a Recorded) {
        let id = self.ids[index];
        match &operation.call {
            Call::Read(Some(value)) if operation.outcome == Outcome::Ok => {
                let writer = |value| self.writers.get(&(&*operation.key, value)).copied();
                let versions = match (writer(value), value) {
                    (None, Value::List(siblings)) => siblings.iter().filter_map(writer).collect(),
                    (writer, _) => writer.into_iter().collect(),
                };
                let read = returned(id, Purpose::Load, Kind::Get, operation, versions);
                self.events.push(Event::Returned(Box::new(read)));
            }
            Call::Write(_) => self.write(id, operation),
            // Nobody knows what it returned.
            Call::Read(_) | Call::Cas(..) | Call::Append(_) | Call::Add(_) => {}
        }
    }

    fn write(&mut self, id: OperationId, operation: &'a Recorded) {
        let start = operation.start;
        let latest = self.latest.entry(&operation.key).or_default();
        let over = |end: u64| end < start;
        let last = latest.iter().filter(|(_, _, end)| over(*end));
        if let Some(last) = last.map(|(_, start, _)| *start).max() {
            latest.retain(|(_, _, end)| *end >= last);
        }
        let told = latest.iter().filter(|(_, _, end)| over(*end));
        let told: Vec<_> = told.map(|(id, ..)| *id).collect();
        if operation.outcome != Outcome::Failed {
            latest.push((id, start, operation.end));
        }
        let source = OperationId::new(id.issuer(), id.sequence() - 1);
        let at_once = Recorded {
            end: start,
            outcome: Outcome::Ok,
            ..operation.clone()
        };
        let read = returned(source, Purpose::Preload, Kind::Get, &at_once, told);
        self.events.push(Event::Returned(Box::new(read)));
        self.events.push(Event::Invoked(Box::new(Invocation {
            id,
            purpose: Purpose::Load,
            kind: Kind::Put,
            key: key(operation),
            intended: Duration::from_nanos(start),
            invoked: Duration::from_nanos(start),
            context_from: Some(source),
        })));
        if operation.outcome != Outcome::Unknown {
            let mut write = returned(id, Purpose::Load, Kind::Put, operation, Vec::new());
            write.context_from = Some(source);
            self.events.push(Event::Returned(Box::new(write)));
        }
    }
}

/// An operation that has returned, of which nothing is known but what its client saw.
fn returned(
    id: OperationId,
    purpose: Purpose,
    kind: Kind,
    operation: &Recorded,
    versions: Vec<OperationId>,
) -> Operation {
    let start = Duration::from_nanos(operation.start);
    Operation {
        id,
        purpose,
        kind,
        key: key(operation),
        intended: start,
        invoked: start,
        returned: Duration::from_nanos(operation.end),
        outcome: operation.outcome,
        status: Cow::Borrowed(""),
        asked: NodeId::node(1),
        coordinator: None,
        answered: Vec::new(),
        versions,
        context_from: None,
        clock: Vec::new(),
        context_bytes: 0,
        value_bytes: 0,
        attempts: 1,
    }
}

fn key(operation: &Recorded) -> Bytes {
    Bytes::copy_from_slice(operation.key.as_bytes())
}
