//! What is remembered of writes, messages and machines, so that a replica's ignorance can be explained.

use super::{Blame, Cause};
use crate::lookup::{Lookup, Recent, memory};
use bytes::Bytes;
use smallvec::SmallVec;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_proto::event::{Event, FaultSpan, MachineChange, Operation, Passage, Verdict};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Method;
use tidemark_proto::upkeep::{Chore, Upkeep};

/// The writes of a run with their messages, and what befell machines.
///
/// It needs every event. A write that all who were sent it have had for ten seconds of the plan's time is forgotten.
pub struct Evidence {
    memory: Duration,
    writes: Lookup<OperationId, Write>,
    sweep_at: usize,
    /// Which write a message number is of, until it is known what the network did with it.
    sent: Lookup<Number, OperationId>,
    /// When a node was asked for a read what it holds.
    asked: Recent<(OperationId, NodeId), Duration>,
    replicas: Lookup<Bytes, SmallVec<[NodeId; 3]>>,
    machines: BTreeMap<NodeId, Vec<(Duration, MachineChange)>>,
    collected: Lookup<(NodeId, Bytes), Duration>,
    faults: Vec<FaultSpan>,
}

/// A `Store` message's number on its link.
type Number = (NodeId, NodeId, u64);

#[derive(Default)]
struct Write {
    begun: Duration,
    legs: SmallVec<[Leg; 3]>,
    hints: SmallVec<[Hint; 1]>,
}

/// What became of a write at one node.
struct Leg {
    to: NodeId,
    way: Option<Way>,
    /// When the node began to handle its message.
    received: Option<Duration>,
    /// When the node had it for the first time, whatever brought it.
    held: Option<Duration>,
}

/// What the network did with a message.
struct Way {
    /// None: it never arrived.
    arrives: Option<Duration>,
    /// The fault among the rules that touched it, by its place.
    fault: Option<usize>,
    is_faulty: bool,
}

/// What is kept of a write in a node's place.
struct Hint {
    of: NodeId,
    kept: Duration,
    /// When it was forgotten without having come home.
    dropped: Option<Duration>,
}

impl Evidence {
    /// Of a run whose times were stretched by `time_scale`, nothing yet.
    #[must_use]
    pub fn new(time_scale: f64) -> Self {
        Self {
            memory: memory(time_scale),
            writes: Lookup::default(),
            sweep_at: 0,
            sent: Lookup::default(),
            asked: Recent::default(),
            replicas: Lookup::default(),
            machines: BTreeMap::new(),
            collected: Lookup::default(),
            faults: Vec::new(),
        }
    }

    /// Takes in the next event.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Invoked(invocation) => {
                self.write(invocation.id).begun = invocation.invoked;
                self.forget(invocation.invoked);
            }
            Event::Placed { key, nodes } => {
                self.replicas
                    .insert(key.clone(), nodes.iter().copied().collect());
            }
            Event::Sent {
                operation,
                from,
                to,
                method: Method::Store,
                k,
                ..
            } => self.send(*operation, (*from, *to, *k)),
            Event::Received {
                at,
                operation,
                to,
                method: Method::Store,
                ..
            } => {
                self.write(*operation).leg(*to).received.get_or_insert(*at);
            }
            Event::Received {
                at,
                operation,
                to,
                method: Method::Fetch,
                ..
            } => {
                self.asked.insert(*at, self.memory, (*operation, *to), *at);
            }
            Event::Fate(passage) if passage.method == Method::Store.name() => self.pass(passage),
            Event::Stored(stored) => {
                for version in &stored.versions {
                    if let Some(write) = self.writes.get_mut(version) {
                        write.leg(stored.node).held.get_or_insert(stored.at);
                    }
                }
            }
            Event::Upkeep(upkeep) => self.upkeep(upkeep),
            Event::Fault(span) => self.faults.push((**span).clone()),
            Event::Machine { at, node, change } => {
                self.machines.entry(*node).or_default().push((*at, *change));
            }
            Event::Returned(_)
            | Event::Sent { .. }
            | Event::Received { .. }
            | Event::Refused { .. }
            | Event::Fate(_)
            | Event::Milestone { .. }
            | Event::Gap(_) => {}
        }
    }

    /// Why a read missed writes, given with their ends: the first of the causes at the replicas that answered it, and the
    /// replica. Of more than a hundred it is the newest that are looked at.
    #[must_use]
    pub fn label(
        &self,
        read: &Operation,
        missed: &[(OperationId, Duration)],
    ) -> (Blame, Option<NodeId>) {
        let by_age = |(id, finish): &(OperationId, Duration)| (Reverse(*finish), *id);
        let mut newest = missed.to_vec();
        if newest.len() > LOOKED_AT {
            newest.select_nth_unstable_by_key(LOOKED_AT - 1, by_age);
            newest.truncate(LOOKED_AT);
        }
        let causes = read.answered.iter().filter_map(|node| {
            let blames = newest.iter();
            let blames = blames.map(|missed| self.blame(read, *missed, *node));
            Some((blames.reduce(Blame::and)?, Some(*node)))
        });
        causes.min().unwrap_or((Blame::UNMATCHED, None))
    }

    /// Why a node that answered a read did not have a write, which is given with its end.
    #[must_use]
    pub fn blame(
        &self,
        read: &Operation,
        (write, finish): (OperationId, Duration),
        node: NodeId,
    ) -> Blame {
        let asked = self.asked.get(&(read.id, node));
        let asked = asked.copied().unwrap_or(read.invoked);
        let Some(write) = self.writes.get(&write) else {
            // It is forgotten, since all have had it.
            let gone = self.gone(node, &read.key, finish, asked);
            return gone.unwrap_or(Blame::UNMATCHED);
        };
        let leg = write.legs.iter().find(|leg| leg.to == node);
        let blame = match leg {
            Some(Leg {
                held: Some(held), ..
            }) if *held <= asked => self.gone(node, &read.key, *held, asked),
            Some(Leg {
                way: Some(way),
                received,
                ..
            }) => self.under_way(node, way, *received, asked),
            Some(_) | None => self.never_sent(node, &read.key, write, asked),
        };
        blame.unwrap_or(Blame::UNMATCHED)
    }

    /// Of a node that had the write and has not got it any more.
    fn gone(&self, node: NodeId, key: &Bytes, held: Duration, asked: Duration) -> Option<Blame> {
        let is_between = |at: Duration| held < at && at <= asked;
        let changes = self.machines.get(&node);
        let ended = changes
            .into_iter()
            .flatten()
            .find(|(at, change)| is_between(*at) && is_down_after(*change));
        if let Some((at, change)) = ended {
            return Some(self.machine(Cause::RestartedWithout, node, *at, *change));
        }
        let collected = self.collected.get(&(node, key.clone()));
        if collected.is_some_and(|at| is_between(*at)) {
            return Some(Blame {
                cause: Cause::Collected,
                fault: None,
            });
        }
        self.skewed(asked)
    }

    /// Of a node that was sent the write.
    fn under_way(
        &self,
        node: NodeId,
        way: &Way,
        received: Option<Duration>,
        asked: Duration,
    ) -> Option<Blame> {
        let fault = || way.fault.map(|fault| self.faults[fault].name.clone());
        let is_cut = way
            .fault
            .is_some_and(|fault| self.faults[fault].kind == PARTITION);
        let Some(arrives) = way.arrives else {
            let cause = if is_cut { Cause::Cut } else { Cause::Dropped };
            return Some(Blame {
                cause,
                fault: fault(),
            });
        };
        if arrives > asked {
            let cause = match way.is_faulty {
                true => Cause::Delayed,
                false => Cause::InFlight,
            };
            return Some(Blame {
                cause,
                fault: fault(),
            });
        }
        match self.state(node, arrives) {
            Some((at, change)) if is_down_after(change) => {
                Some(self.machine(Cause::Down, node, at, change))
            }
            Some((at, MachineChange::Paused)) => {
                Some(self.machine(Cause::Paused, node, at, MachineChange::Paused))
            }
            _ if received.is_none_or(|received| received > asked) => Some(Blame {
                cause: Cause::InFlight,
                fault: None,
            }),
            // It was handled and is not held.
            _ => self.skewed(asked),
        }
    }

    /// Of a node that was not sent the write: whoever coordinated it did not ask it.
    fn never_sent(
        &self,
        node: NodeId,
        key: &Bytes,
        write: &Write,
        asked: Duration,
    ) -> Option<Blame> {
        if let Some((at, change)) = self.state(node, write.begun)
            && is_down_after(change)
        {
            return Some(self.machine(Cause::Down, node, at, change));
        }
        let mut hints = write.hints.iter();
        if let Some(hint) = hints.find(|hint| hint.of == node && hint.kept <= asked) {
            let is_dropped = hint.dropped.is_some_and(|dropped| dropped <= asked);
            let cause = match is_dropped {
                true => Cause::HintDropped,
                false => Cause::HintPending,
            };
            return Some(Blame {
                cause,
                fault: self.partition(write.begun),
            });
        }
        let replicas = self.replicas.get(key);
        if replicas.is_some_and(|replicas| !replicas.contains(&node)) {
            return Some(Blame {
                cause: Cause::Fallback,
                fault: self.partition(write.begun),
            });
        }
        None
    }

    fn skewed(&self, asked: Duration) -> Option<Blame> {
        let skews = self.machines.iter().flat_map(|(node, changes)| {
            let skews = changes
                .iter()
                .filter(|(_, change)| *change == MachineChange::ClockSkewed);
            skews.map(|(at, change)| (*node, *at, *change))
        });
        let last = skews
            .filter(|(_, at, _)| *at <= asked)
            .max_by_key(|(_, at, _)| *at);
        let (node, at, change) = last?;
        Some(self.machine(Cause::SkewedClock, node, at, change))
    }

    /// What a machine did last before a moment that it is still in.
    fn state(&self, node: NodeId, at: Duration) -> Option<(Duration, MachineChange)> {
        let changes = self.machines.get(&node)?.iter();
        let mut states = changes.filter(|(_, change)| is_state(*change));
        states.rfind(|(since, _)| *since <= at).copied()
    }

    /// A cause that a machine's change is, with the fault that did it.
    fn machine(&self, cause: Cause, node: NodeId, at: Duration, change: MachineChange) -> Blame {
        let name = node.to_string();
        let mut faults = self.faults.iter().filter(|fault| {
            Some(fault.kind.as_str()) == change.fault() && fault.from <= at && at <= fault.until
        });
        let is_about = |fault: &&FaultSpan| {
            let mut words = fault.about.split(|c: char| !c.is_alphanumeric());
            words.any(|word| word == name)
        };
        let fault = faults.clone().find(is_about).or_else(|| faults.next());
        Blame {
            cause,
            fault: fault.map(|fault| fault.name.clone()),
        }
    }

    /// The partition in force at a moment, if there is one.
    fn partition(&self, at: Duration) -> Option<String> {
        let mut faults = self.faults.iter();
        let cut = faults.find(|f| f.kind == PARTITION && f.from <= at && at <= f.until);
        cut.map(|fault| fault.name.clone())
    }

    fn write(&mut self, id: OperationId) -> &mut Write {
        self.writes.entry(id).or_default()
    }

    fn send(&mut self, operation: OperationId, number: Number) {
        self.sent.insert(number, operation);
        self.write(operation).leg(number.1);
    }

    fn pass(&mut self, passage: &Passage) {
        let number = (passage.from, passage.to, passage.k);
        let rules = passage.rules.split('+');
        let mut places =
            rules.filter_map(|rule| self.faults.iter().position(|fault| fault.name == rule));
        let way = Way {
            arrives: match passage.verdict {
                Verdict::Delivered | Verdict::Duplicated => {
                    Some(passage.at + passage.achieved.unwrap_or(passage.intended))
                }
                Verdict::Lost | Verdict::Answered | Verdict::Reset => None,
            },
            fault: places.next(),
            is_faulty: passage.faulty,
        };
        // A node that is started again counts anew: each number is used up by its fate.
        if let Some(operation) = self.sent.remove(&number) {
            self.write(operation).leg(number.1).way = Some(way);
        }
    }

    fn upkeep(&mut self, upkeep: &Upkeep) {
        let Upkeep {
            at,
            node,
            chore,
            peer,
            operation,
            key,
            ..
        } = upkeep;
        match (chore, peer) {
            (Chore::HintKept | Chore::HintDropped, Some(of)) => {
                let dropped = (*chore == Chore::HintDropped).then_some(*at);
                self.write(*operation).hints.push(Hint {
                    of: *of,
                    kept: *at,
                    dropped,
                });
            }
            (Chore::HintExpired, Some(of)) => {
                let hints = &mut self.write(*operation).hints;
                for hint in hints.iter_mut().filter(|hint| hint.of == *of) {
                    hint.dropped = Some(*at);
                }
            }
            (Chore::HintDelivered, Some(of)) => {
                if let Some(write) = self.writes.get_mut(operation) {
                    write.hints.retain(|hint| hint.of != *of);
                }
            }
            (Chore::Collected, _) => {
                self.collected.insert((*node, key.clone()), *at);
            }
            _ => {}
        }
    }

    /// Forgets what nobody will ask for, now and then.
    fn forget(&mut self, now: Duration) {
        if self.writes.len() < self.sweep_at.max(LEAST_SWEEP) {
            return;
        }
        let is_old = |at: Duration| at + self.memory / EVERYWHERE < now;
        self.writes.retain(|_, write| {
            let is_everywhere = write.legs.iter().all(|leg| leg.held.is_some_and(is_old));
            !(is_old(write.begun) && is_everywhere && write.hints.is_empty())
        });
        self.sweep_at = 2 * self.writes.len();
    }
}

impl Write {
    fn leg(&mut self, to: NodeId) -> &mut Leg {
        let place = self.legs.iter().position(|leg| leg.to == to);
        let place = place.unwrap_or_else(|| {
            self.legs.push(Leg {
                to,
                way: None,
                received: None,
                held: None,
            });
            self.legs.len() - 1
        });
        &mut self.legs[place]
    }
}

/// Whether a machine is down after a change.
fn is_down_after(change: MachineChange) -> bool {
    use MachineChange::{Crashed, Died, LostPower, Wiped};
    matches!(change, Crashed | LostPower | Wiped | Died)
}

/// Whether a change says whether the machine is up, down or stopped.
fn is_state(change: MachineChange) -> bool {
    use MachineChange::{Paused, Restarted, RestartedEmpty, Resumed, Started};
    is_down_after(change)
        || matches!(
            change,
            Started | Restarted | RestartedEmpty | Paused | Resumed
        )
}

/// The kind of the rule that cuts.
const PARTITION: &str = "partition";
/// What is everywhere is remembered for so small a part of a run's memory.
const EVERYWHERE: u32 = 6;
const LEAST_SWEEP: usize = 1 << 16;
/// So many of the writes that a read misses are looked at.
const LOOKED_AT: usize = 100;
