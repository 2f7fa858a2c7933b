//! The recording of a run of ours: a register a key, whose values are the names of the operations that wrote them.
//!
//! A delete writes nil, a read that found nothing read it, and one that returned siblings read a list. A client that has
//! several operations in flight is several processes, and who does not know what became of an operation is a new process
//! afterwards, as in Jepsen.

use super::format::RecordingError;
use super::{Call, Recorded, Recording, Times, Value};
use crate::history::{Invocations, Key, Operations};
use crate::lookup::Lookup;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use tidemark_proto::event::{Invocation, Kind, Operation, Outcome};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::time::nanoseconds;

/// A run's operations as its tables have them.
#[derive(Default)]
pub struct Run {
    operations: Vec<(OperationId, Recorded)>,
    /// The line that each stands on.
    lines: Lookup<OperationId, u64>,
}

impl Run {
    /// Takes in a run's `ops.csv`: what has returned.
    ///
    /// # Errors
    /// It is no such table, or has an operation twice or one that returns before it is invoked. A last line that was cut
    /// short, as a run that was killed leaves it, is dropped.
    pub fn returned(&mut self, table: impl Read) -> Result<(), RecordingError> {
        self.add_all(&mut Operations::new(table)?)
    }

    pub(super) fn add_all(
        &mut self,
        rows: &mut Operations<impl Read>,
    ) -> Result<(), RecordingError> {
        while let Some((line, operation)) = rows.next()? {
            self.add(line, &operation)?;
        }
        Ok(())
    }

    /// Takes in a run's `events.csv`, after its `ops.csv`: what was in flight at the end.
    ///
    /// # Errors
    /// It is no such table.
    pub fn begun(&mut self, table: impl Read) -> Result<(), RecordingError> {
        let mut rows = Invocations::new(table)?;
        while let Some((line, invocation)) = rows.next()? {
            self.begin(line, &invocation);
        }
        Ok(())
    }

    fn begin(&mut self, line: u64, invocation: &Invocation) {
        let Invocation { id, kind, key, .. } = invocation;
        if self.lines.contains_key(id) {
            return;
        }
        self.lines.insert(*id, line);
        let recorded = unfinished(line, *id, *kind, key, invocation.invoked);
        self.operations.push((*id, recorded));
    }

    /// Adds an operation that stands on a line of its file.
    fn add(&mut self, line: u64, operation: &Operation) -> Result<(), RecordingError> {
        let Operation { id, kind, key, .. } = operation;
        let (invoked, returned) = (operation.invoked, operation.returned);
        let recorded = Recorded {
            call: call(operation.outcome, *kind, *id, &operation.versions),
            end: match operation.outcome {
                Outcome::Ok | Outcome::Failed => nanoseconds(returned),
                Outcome::Unknown => u64::MAX,
            },
            outcome: operation.outcome,
            ..unfinished(line, *id, *kind, key, invoked)
        };
        if returned < invoked {
            let what = format!(
                "operation {id} returns at {returned:?}, before it is invoked at {invoked:?}"
            );
            return Err(RecordingError::new(line, what));
        }
        if let Some(before) = self.lines.insert(*id, line) {
            let what = format!("operation {id} stands on line {before} already");
            return Err(RecordingError::new(line, what));
        }
        self.operations.push((*id, recorded));
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
    /// The processes of a client that can still do something, each with when its last operation ended.
    living: BTreeMap<NodeId, Vec<(u64, u64)>>,
}

impl Processes {
    fn process(&mut self, client: NodeId, operation: &Recorded) -> u64 {
        let Recorded { start, end, .. } = *operation;
        let living = self.living.entry(client).or_default();
        living.retain(|(_, free)| *free != u64::MAX);
        if let Some((process, free)) = living.iter_mut().find(|(_, free)| *free <= start) {
            *free = end;
            return *process;
        }
        let process = self.count;
        self.count += 1;
        living.push((process, end));
        process
    }
}

/// An operation of which nobody knows the end.
fn unfinished(line: u64, id: OperationId, kind: Kind, key: &[u8], invoked: Duration) -> Recorded {
    Recorded {
        line,
        name: Some(id.to_string().into()),
        process: 0,
        key: name(key),
        call: call(Outcome::Unknown, kind, id, &[]),
        start: nanoseconds(invoked),
        end: u64::MAX,
        outcome: Outcome::Unknown,
    }
}

/// What an operation asked for; what it read only if it was answered.
fn call(outcome: Outcome, kind: Kind, id: OperationId, versions: &[OperationId]) -> Call {
    let value = |id: &OperationId| Value::Text(id.to_string().into());
    match (kind, versions) {
        (Kind::Put, _) => Call::Write(value(&id)),
        (Kind::Delete, _) => Call::Write(Value::Nil),
        (Kind::Get, _) if outcome != Outcome::Ok => Call::Read(None),
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
