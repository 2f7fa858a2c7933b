//! The recording of a run of ours: a register a key, whose values are the names of the operations that wrote them.
//!
//! A delete writes nil, a read that found nothing read it, and one that returned siblings read a list. A client that has
//! several operations in flight is several processes, and who does not know what became of an operation is a new process
//! afterwards, as in Jepsen.

use super::format::RecordingError;
use super::{Call, Recorded, Recording, Times, Value};
use crate::history::Key;
use crate::lookup::Lookup;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidemark_proto::event::{Event, Invocation, Kind, Operation, Outcome};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::time::nanoseconds;

/// A run's operations as they are heard of.
#[derive(Default)]
pub struct Run {
    operations: Vec<(OperationId, Recorded)>,
    /// Where each is, and the line that told what came of it, if one has.
    places: Lookup<OperationId, (usize, Option<u64>)>,
}

impl Run {
    /// Takes in an event: operations are what it looks for.
    ///
    /// # Errors
    /// An operation returns a second time, or before it was invoked.
    pub fn observe(&mut self, event: &Event) -> Result<(), RecordingError> {
        match event {
            Event::Invoked(invocation) => {
                self.begin(invocation);
                Ok(())
            }
            Event::Returned(operation) => self.add(0, operation),
            Event::Placed { .. }
            | Event::Stored(_)
            | Event::Sent { .. }
            | Event::Received { .. }
            | Event::Refused { .. }
            | Event::Upkeep(_)
            | Event::Fate(_)
            | Event::Fault(_)
            | Event::Machine { .. }
            | Event::Milestone { .. } => Ok(()),
        }
    }

    fn begin(&mut self, invocation: &Invocation) {
        let Invocation { id, kind, key, .. } = invocation;
        let recorded = Recorded {
            line: 0,
            process: 0,
            key: name(key),
            call: call(*kind, *id, &[]),
            start: nanoseconds(invocation.invoked),
            end: u64::MAX,
            outcome: Outcome::Unknown,
        };
        self.places.insert(*id, (self.operations.len(), None));
        self.operations.push((*id, recorded));
    }

    /// Adds an operation that stands on a line of its file.
    pub(super) fn add(&mut self, line: u64, operation: &Operation) -> Result<(), RecordingError> {
        let Operation { id, kind, key, .. } = operation;
        let (invoked, returned) = (operation.invoked, operation.returned);
        let recorded = Recorded {
            line,
            process: 0,
            key: name(key),
            call: call(*kind, *id, &operation.versions),
            start: nanoseconds(invoked),
            end: match operation.outcome {
                Outcome::Ok | Outcome::Failed => nanoseconds(returned),
                Outcome::Unknown => u64::MAX,
            },
            outcome: operation.outcome,
        };
        if returned < invoked {
            let what = format!(
                "operation {id} returns at {returned:?}, before it is invoked at {invoked:?}"
            );
            return Err(RecordingError::new(line, what));
        }
        match self.places.get_mut(id) {
            None => {
                let place = (self.operations.len(), Some(line));
                self.places.insert(*id, place);
                self.operations.push((*id, recorded));
            }
            Some((place, told @ None)) => {
                *told = Some(line);
                self.operations[*place].1 = recorded;
            }
            Some((_, Some(before))) => {
                let what = format!("operation {id} stands on line {before} already");
                return Err(RecordingError::new(line, what));
            }
        }
        Ok(())
    }

    /// All operations, each with its process.
    #[must_use]
    pub fn recording(self) -> Recording {
        let mut operations = self.operations;
        operations.sort_by_key(|(id, operation)| (operation.start, *id));
        let mut processes = Processes::default();
        let operations = operations.into_iter().map(|(id, mut operation)| {
            operation.process = processes.process(id.issuer(), &operation);
            operation
        });
        Recording {
            operations: operations.collect(),
            times: Times::Nanoseconds,
        }
    }
}

/// Gives operations to processes, in the order of their starts.
#[derive(Default)]
struct Processes {
    count: u64,
    /// The processes of a client that can still do something, each with its last operation's start and end.
    living: BTreeMap<NodeId, Vec<(u64, [u64; 2])>>,
}

impl Processes {
    fn process(&mut self, client: NodeId, operation: &Recorded) -> u64 {
        let Recorded { start, end, .. } = *operation;
        let living = self.living.entry(client).or_default();
        living.retain(|(_, last)| last[1] != u64::MAX);
        let is_idle = |last: [u64; 2]| last[1] < start || last[1] == start && last[0] < start;
        if let Some((process, last)) = living.iter_mut().find(|(_, last)| is_idle(*last)) {
            *last = [start, end];
            return *process;
        }
        let process = self.count;
        self.count += 1;
        living.push((process, [start, end]));
        process
    }
}

fn call(kind: Kind, id: OperationId, versions: &[OperationId]) -> Call {
    let value = |id: &OperationId| Value::Text(id.to_string().into());
    match (kind, versions) {
        (Kind::Put, _) => Call::Write(value(&id)),
        (Kind::Delete, _) => Call::Write(Value::Nil),
        (Kind::Get, []) => Call::Read(Some(Value::Nil)),
        (Kind::Get, [version]) => Call::Read(Some(value(version))),
        (Kind::Get, versions) => {
            Call::Read(Some(Value::List(versions.iter().map(value).collect())))
        }
    }
}

fn name(key: &[u8]) -> Arc<str> {
    Key(key).to_string().into()
}
