//! Repair: what each path has mended and what it has cost, what became of hints, and what was repaired at idle.
//!
//! A replica is mended when what it holds of a key changes through a repair. Idle is the time from a second after the last
//! client's operation returned and the last difference between replicas vanished: a read or an exchange that began before may
//! still end in it. Its repairs are the messages that bring versions to a replica.

use super::{Metric, Run, Seen};
use crate::figures::{Hints, Measured, RepairPath, Repairs};
use crate::lookup::Recent;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_proto::event::{Detail, Event, MachineChange};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Method;
use tidemark_proto::upkeep::Chore;

#[derive(Default)]
pub(crate) struct Repair {
    paths: [Path; PATHS.len()],
    /// Of repairs on their way, what they were sent for: only the sender says.
    sent: Recent<(NodeId, NodeId, u64), usize>,
    /// When repairs were sent since everything healed.
    since_heal: Vec<Duration>,
    is_healed: bool,
    /// When the last operation returned.
    returned: Duration,
    compared: u64,
    compared_after_heal: u64,
    hints: Hints,
    /// Of each node, the hints that it keeps.
    kept: BTreeMap<NodeId, u64>,
}

/// What one path has done.
#[derive(Clone, Copy, Default)]
struct Path {
    mended: u64,
    messages: u64,
    bytes: u64,
}

impl Repair {
    /// What was repaired although nothing differed, if the replicas were equal so long after everything healed.
    pub(crate) fn at_idle(&self, run: &Run<'_>, after_heal_s: Option<f64>) -> Measured<u64> {
        if let Some(reason) = run.lacks(Detail::All) {
            return Measured::Missing(reason);
        }
        let (Some(healed), Some(after)) = (run.healed, after_heal_s) else {
            return Measured::Missing("the replicas were never equal".to_owned());
        };
        let equal = healed + Duration::from_secs_f64(after);
        let idle = equal.max(self.returned) + SETTLING;
        let at_idle = self.since_heal.iter().filter(|at| **at >= idle);
        Measured::Known(at_idle.count() as u64)
    }

    fn message(&mut self, path: usize, bytes: u32) {
        self.paths[path].messages += 1;
        self.paths[path].bytes += u64::from(bytes);
    }
}

impl Metric for Repair {
    type Figures = Measured<Repairs>;

    fn observe(&mut self, seen: &Seen<'_>) {
        match seen.event {
            Event::Stored(stored) => {
                if let Some(path) = path(stored.method, stored.operation) {
                    self.paths[path].mended += 1;
                }
            }
            Event::Sent {
                at,
                operation,
                from,
                to,
                method,
                k,
            } => {
                if *method == Method::Repair
                    && let Some(path) = path(*method, *operation)
                {
                    self.sent.insert(*at, seen.memory, (*from, *to, *k), path);
                }
                if self.is_healed && matches!(method, Method::Repair | Method::Handoff) {
                    self.since_heal.push(*at);
                }
            }
            Event::Fate(passage) => {
                let link = (passage.from, passage.to, passage.k);
                match passage.method.parse() {
                    Ok(Method::Repair) => {
                        if let Some(path) = self.sent.get(&link).copied() {
                            self.message(path, passage.size);
                        }
                    }
                    Ok(method) => {
                        if let Some(path) = path(method, OperationId::NONE) {
                            self.message(path, passage.size);
                        }
                    }
                    Err(_) => {}
                }
            }
            Event::Returned(_) => self.returned = self.returned.max(seen.event.at()),
            Event::Upkeep(upkeep) => {
                let hints = match upkeep.chore {
                    Chore::HintKept => &mut self.hints.kept,
                    Chore::HintDelivered => &mut self.hints.delivered,
                    Chore::HintExpired => &mut self.hints.expired,
                    Chore::HintDropped => &mut self.hints.dropped,
                    Chore::Swept => {
                        self.compared += upkeep.count;
                        self.compared_after_heal += u64::from(self.is_healed) * upkeep.count;
                        return;
                    }
                    _ => return,
                };
                *hints += 1;
                self.kept.insert(upkeep.node, upkeep.count);
            }
            Event::Machine {
                node,
                change: MachineChange::RestartedEmpty,
                ..
            } => {
                self.kept.remove(node);
            }
            Event::Milestone { .. } => self.is_healed |= seen.phases.healed().is_some(),
            _ => {}
        }
    }

    fn report(&self, run: &Run<'_>) -> Measured<Repairs> {
        if let Some(reason) = run.lacks(Detail::Arrivals) {
            return Measured::Missing(reason);
        }
        let messages = |count: u64| match run.lacks(Detail::All) {
            Some(reason) => Measured::Missing(reason),
            None => Measured::Known(count),
        };
        let paths = PATHS
            .iter()
            .zip(&self.paths)
            .map(|(name, path)| RepairPath {
                name: (*name).to_owned(),
                mended: path.mended,
                messages: messages(path.messages),
                bytes: messages(path.bytes),
            });
        Measured::Known(Repairs {
            paths: paths.collect(),
            compared: self.compared,
            compared_after_heal: self.compared_after_heal,
            hints: Hints {
                outstanding: self.kept.values().sum(),
                ..self.hints
            },
        })
    }
}

/// The strategy that sends messages of this class: a repair without an operation is no read's.
fn path(method: Method, operation: OperationId) -> Option<usize> {
    match method {
        Method::Repair if !operation.is_none() => Some(0),
        Method::Handoff | Method::HandoffReply => Some(1),
        Method::Repair | Method::Sweep => Some(2),
        Method::Bulk | Method::BulkReply => Some(3),
        _ => None,
    }
}

const PATHS: [&str; 4] = ["read", "hint", "sweep", "pull"];
const SETTLING: Duration = Duration::from_secs(1);
