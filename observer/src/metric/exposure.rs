//! Fault exposure: the messages and the operations that a fault actually touched. A fault that touched nothing is vacuous.
//!
//! The network says of every message which rules touched it; the message's number k joins it to what its sender sent, and so
//! to an operation. Machine faults touch no message: what they did is told by the machines' changes.

use super::{Metric, Phased, Run, Seen};
use crate::figures::{FaultFigures, Measured};
use crate::lookup::{Lookup, Recent};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidemark_proto::event::{Detail, Direction, Event, FaultSpan, MachineChange, Passage};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Method;
use tidemark_proto::upkeep::Chore;

#[derive(Default)]
pub(crate) struct Exposure {
    sent: Recent<(NodeId, NodeId, Method, u64), OperationId>,
    /// In which phase each operation of the load began.
    load: Lookup<OperationId, usize>,
    messages: Phased<Messages>,
    /// By the fault's beginning and name.
    faults: BTreeMap<(Duration, String), Touched>,
}

#[derive(Clone, Copy, Default)]
struct Messages {
    all: u64,
    touched: u64,
}

#[derive(Default)]
struct Touched {
    messages: u64,
    operations: BTreeSet<OperationId>,
    machines: u64,
}

/// What the faults touched, by phase and by fault.
pub(crate) struct Exposed {
    pub(crate) whole: Touches,
    pub(crate) phases: Vec<Touches>,
    pub(crate) faults: Vec<FaultFigures>,
}

/// What passed in a phase, and what of it a fault touched.
pub(crate) struct Touches {
    pub(crate) messages: Measured<u64>,
    pub(crate) messages_touched: Measured<u64>,
    pub(crate) operations_touched: Measured<u64>,
}

impl Metric for Exposure {
    type Figures = Exposed;

    fn observe(&mut self, seen: &Seen<'_>) {
        match seen.event {
            Event::Sent {
                at,
                operation,
                from,
                to,
                method,
                k,
            } => self
                .sent
                .insert(*at, seen.memory, (*from, *to, *method, *k), *operation),
            Event::Fate(passage) => self.passage(seen, passage),
            Event::Returned(_) if !seen.phases.spans().is_empty() => {
                if let Some((operation, place)) = seen.load() {
                    self.load.insert(operation.id, place.phase);
                }
            }
            Event::Machine { at, node, change } => {
                let Some(kind) = change.fault() else { return };
                let spans = seen.phases.spans().iter();
                let strikes = |span: &&FaultSpan| {
                    span.kind == kind && in_force(span, *at) && concerns(span, *node)
                };
                for span in spans.filter(strikes) {
                    self.fault(span).machines += 1;
                }
            }
            Event::Upkeep(upkeep) if upkeep.chore == Chore::MembersChanged => {
                let at = upkeep.at;
                let spans = seen.phases.spans().iter();
                let is_under_way =
                    |span: &&FaultSpan| span.is_change_of_members() && in_force(span, at);
                for span in spans.filter(is_under_way) {
                    self.fault(span).machines += 1;
                }
            }
            _ => {}
        }
    }

    fn report(&self, run: &Run<'_>) -> Exposed {
        let known = |needed: Detail, count: u64| match run.lacks(needed) {
            None => Measured::Known(count),
            Some(reason) => Measured::Missing(reason),
        };
        let touches = |messages: Messages, operations: usize| Touches {
            messages: known(Detail::All, messages.all),
            messages_touched: known(Detail::Faults, messages.touched),
            operations_touched: known(Detail::All, operations as u64),
        };
        let touched: BTreeSet<_> = self
            .faults
            .values()
            .flat_map(|fault| &fault.operations)
            .collect();
        let phase = |operation: &&OperationId| self.load.get(*operation).copied();
        let mut operations = vec![0; run.phases.len()];
        for phase in touched.iter().filter_map(phase) {
            operations[phase.min(run.phases.len() - 1)] += 1;
        }
        let messages = self.messages.all(run);
        let whole = Messages {
            all: messages.iter().map(|messages| messages.all).sum(),
            touched: messages.iter().map(|messages| messages.touched).sum(),
        };
        let nothing = Touched::default();
        let fault = |span: &FaultSpan| {
            let (from, until) = span.extent();
            let touched = self
                .faults
                .get(&(span.extent().0, span.name.clone()))
                .unwrap_or(&nothing);
            let of_load = touched
                .operations
                .iter()
                .filter(|id| self.load.contains_key(id));
            let any = known(Detail::Faults, touched.messages);
            FaultFigures {
                name: span.name.clone(),
                kind: span.kind.clone(),
                about: span.about.clone(),
                from_s: from.as_secs_f64(),
                until_s: until.as_secs_f64(),
                messages: any.clone(),
                operations: known(Detail::All, of_load.count() as u64),
                machines: touched.machines,
                vacuous: if is_machines(span) || span.is_change_of_members() {
                    Measured::Known(touched.machines == 0)
                } else {
                    any.map(|messages| *messages == 0)
                },
            }
        };
        let mut told = BTreeSet::new();
        let faults = run.faults.iter();
        let faults =
            faults.filter(|span| span.series.is_none() || told.insert((span.series, &span.name)));
        Exposed {
            whole: touches(whole, operations.iter().sum()),
            phases: messages
                .into_iter()
                .zip(operations)
                .map(|(messages, operations)| touches(messages, operations))
                .collect(),
            faults: faults.map(fault).collect(),
        }
    }
}

impl Exposure {
    fn passage(&mut self, seen: &Seen<'_>, passage: &Passage) {
        if let Some(place) = seen.phases.place(passage.at) {
            let messages = self.messages.at(place.phase);
            messages.all += 1;
            messages.touched += u64::from(passage.faulty);
        }
        if !passage.faulty {
            return;
        }
        let (caller, callee) = match passage.direction {
            Direction::Request => (passage.from, passage.to),
            Direction::Response => (passage.to, passage.from),
        };
        let method = passage.method.parse::<Method>().ok();
        let call = method.map(|method| (caller, callee, method, passage.k));
        let operation = call.and_then(|call| self.sent.get(&call).copied());
        let rules = format!("+{}+", passage.rules);
        let named = |span: &&FaultSpan| rules.contains(&format!("+{}+", span.name));
        let mut spans: Vec<&FaultSpan> = seen.phases.spans().iter().filter(named).collect();
        spans.sort_by_key(|span| &span.name);
        for same in spans.chunk_by(|a, b| a.name == b.name) {
            let begun = same.partition_point(|span| span.from <= passage.at);
            let touched = self.fault(same[begun.saturating_sub(1)]);
            touched.messages += 1;
            touched.operations.extend(operation);
        }
    }

    fn fault(&mut self, span: &FaultSpan) -> &mut Touched {
        self.faults
            .entry((span.extent().0, span.name.clone()))
            .or_default()
    }
}

/// Whether a fault is done to a machine, not to messages.
fn is_machines(span: &FaultSpan) -> bool {
    let mut kinds = MachineChange::ALL
        .into_iter()
        .filter_map(MachineChange::fault);
    kinds.any(|kind| kind == span.kind)
}

/// Whether a node is among those whom a machine fault names.
fn concerns(span: &FaultSpan, node: NodeId) -> bool {
    span.about.split(", ").any(|name| name == node.to_string())
}

fn in_force(span: &FaultSpan, at: Duration) -> bool {
    span.from <= at && at <= span.until
}
