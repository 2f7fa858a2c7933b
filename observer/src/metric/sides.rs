//! Availability by side: how clients were served who asked the nodes on one side of a partition, before and after those
//! nodes believed all others to be down.
//!
//! An operation belongs to the side of the node that it asked, if it began while the partition was in force. Which groups a
//! partition makes, and what placement gives each of them, is told with the run: its history knows neither.
//!
//! Reference: Brewer, CAP twelve years later, IEEE Computer 45(2), 2012: a partition is what a node believes to be one.

use super::{Metric, Run, Seen};
use crate::figures::SideFigures;
use crate::observe::Side;
use crate::tally::{Tally, shares};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidemark_proto::event::{Event, Operation, Outcome};
use tidemark_proto::id::NodeId;
use tidemark_proto::upkeep::Chore;

pub(crate) struct Sides {
    sides: Vec<Half>,
    /// Whom each node believes to be down.
    down: BTreeMap<NodeId, BTreeSet<NodeId>>,
}

/// A side, and what is known of it.
struct Half {
    side: Side,
    /// Who holds keys on the other sides of the partition.
    others: BTreeSet<NodeId>,
    /// From when and until when each of its nodes last believed all others to be down.
    aware: BTreeMap<NodeId, (Duration, Option<Duration>)>,
    undetected: Tally,
    detected: Tally,
}

impl Sides {
    pub(crate) fn new(sides: &[Side]) -> Self {
        let half = |side: &Side| {
            let others = sides
                .iter()
                .filter(|other| other.fault == side.fault && other.nodes != side.nodes)
                .flat_map(|other| other.holders());
            Half {
                others: others.collect(),
                side: side.clone(),
                aware: BTreeMap::new(),
                undetected: Tally::default(),
                detected: Tally::default(),
            }
        };
        Self {
            sides: sides.iter().map(half).collect(),
            down: BTreeMap::new(),
        }
    }

    fn believe(&mut self, node: NodeId, at: Duration, change: impl FnOnce(&mut BTreeSet<NodeId>)) {
        let down = self.down.entry(node).or_default();
        change(down);
        let own = |half: &&mut Half| half.side.nodes.contains(&node);
        for half in self.sides.iter_mut().filter(own) {
            let is_aware = half.others.is_subset(down);
            match half.aware.get_mut(&node) {
                Some((_, until @ None)) if !is_aware => *until = Some(at),
                None | Some((_, Some(_))) if is_aware => {
                    half.aware.insert(node, (at, None));
                }
                _ => {}
            }
        }
    }
}

impl Half {
    fn is_aware(&self, operation: &Operation) -> bool {
        let begun = operation.invoked;
        let aware = self.aware.get(&operation.asked);
        aware.is_some_and(|(from, until)| *from <= begun && until.is_none_or(|end| begun < end))
    }
}

impl Metric for Sides {
    type Figures = Vec<SideFigures>;

    fn observe(&mut self, seen: &Seen<'_>) {
        if self.sides.is_empty() {
            return;
        }
        if let Event::Upkeep(upkeep) = seen.event
            && let Some(peer) = upkeep.peer
        {
            match upkeep.chore {
                Chore::BelievesDown => self.believe(upkeep.node, upkeep.at, |down| {
                    down.insert(peer);
                }),
                Chore::BelievesUp => self.believe(upkeep.node, upkeep.at, |down| {
                    down.remove(&peer);
                }),
                _ => {}
            }
        }
        let Some((operation, place)) = seen.load() else {
            return;
        };
        let begun = operation.invoked;
        for half in &mut self.sides {
            let is_split = seen.phases.spans().iter().any(|span| {
                span.name == half.side.fault && span.from <= begun && begun < span.until
            });
            if !is_split || !half.side.nodes.contains(&operation.asked) {
                continue;
            }
            let is_ok = operation.outcome == Outcome::Ok;
            if half.is_aware(operation) {
                half.detected.add(place.block, is_ok);
            } else {
                half.undetected.add(place.block, is_ok);
            }
        }
    }

    fn report(&self, run: &Run<'_>) -> Vec<SideFigures> {
        let figures = self.sides.iter().enumerate().map(|(number, half)| {
            let tallies = [half.undetected.clone(), half.detected.clone()];
            let shares = shares(&tallies, run.seed, &format!("side {number}"));
            let nodes: Vec<_> = half.side.nodes.iter().map(NodeId::to_string).collect();
            SideFigures {
                fault: half.side.fault.clone(),
                nodes: nodes.join(", "),
                expected: half.side.expected,
                available: shares.whole,
                undetected: shares.parts[0],
                detected: shares.parts[1],
            }
        });
        figures.collect()
    }
}
