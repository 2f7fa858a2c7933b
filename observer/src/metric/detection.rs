//! Failure detection: how soon crashes were noticed, and how often and for how long nodes that were up passed for down.
//!
//! Who watches whom is known from the beliefs that a node notes when its life begins. A node is up from its start to its
//! crash, whoever can reach it: one that is cut off or paused is up, and whoever believes it to be down errs.

use super::{Metric, Run, Seen};
use crate::figures::{Detection as Figures, Measured};
use crate::spread::{Distribution, MS};
use crate::tally::deflated;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidemark_proto::event::{Detail, Event, MachineChange};
use tidemark_proto::id::NodeId;
use tidemark_proto::upkeep::{Chore, Upkeep};

#[derive(Default)]
pub(crate) struct Detection {
    /// Who watches a peer, and which observers believe wrongly that it is down.
    watchers: BTreeMap<NodeId, BTreeMap<NodeId, Option<Wrong>>>,
    /// The crashes of nodes that are down.
    crashes: BTreeMap<NodeId, Crash>,
    crashed: u64,
    /// Pairs of a crash and one who watched.
    watched: u64,
    detected: u64,
    first: Distribution,
    each: Distribution,
    all: Distribution,
    first_probe: Distribution,
    /// The same in whole seconds, summed.
    first_probe_whole_s: u64,
    errors: Errors,
}

/// What was believed wrongly in the measured time.
#[derive(Default)]
struct Errors {
    failed_probes: u64,
    suspicions: u64,
    false_positives: u64,
    /// How long those lasted that ended.
    lasted: Distribution,
}

/// Since when a belief has been wrong, and whether that was in the measured time.
#[derive(Clone, Copy)]
struct Wrong {
    since: Duration,
    is_measured: bool,
}

/// A crash, and who has not noticed it.
struct Crash {
    at: Duration,
    unaware: BTreeSet<NodeId>,
    is_noticed: bool,
    is_probed: bool,
}

impl Metric for Detection {
    type Figures = Measured<Figures>;

    fn observe(&mut self, seen: &Seen<'_>) {
        match seen.event {
            Event::Upkeep(upkeep) => {
                if let Some(peer) = upkeep.peer {
                    let is_measured =
                        seen.phases.place(upkeep.at).is_some() && seen.phases.healed().is_none();
                    self.hear(upkeep, peer, is_measured);
                }
            }
            Event::Machine { at, node, change } => match change {
                MachineChange::Crashed
                | MachineChange::LostPower
                | MachineChange::Wiped
                | MachineChange::Died => self.crash(*node, *at),
                MachineChange::Started
                | MachineChange::Restarted
                | MachineChange::RestartedEmpty => {
                    self.crashes.remove(node);
                }
                MachineChange::Paused
                | MachineChange::Resumed
                | MachineChange::ClockSkewed
                | MachineChange::ClockMended
                | MachineChange::SyncSlowed
                | MachineChange::SyncMended
                | MachineChange::DiskFilled
                | MachineChange::DiskFreed => {}
            },
            _ => {}
        }
    }

    fn report(&self, run: &Run<'_>) -> Measured<Figures> {
        if let Some(reason) = run.lacks(Detail::Faults) {
            return Measured::Missing(reason);
        }
        if self.watchers.values().all(BTreeMap::is_empty) {
            return Measured::Missing("nobody watches for crashes".to_owned());
        }
        let lengths = run.phases.iter().map(|phase| phase.until - phase.from);
        let minutes = lengths.sum::<Duration>().as_secs_f64() / 60.0;
        let per_minute = |count: u64| (minutes > 0.0).then(|| count as f64 / minutes);
        let (errors, probed) = (&self.errors, self.first_probe.count());
        Measured::Known(Figures {
            crashes: self.crashed,
            detected: deflated((self.detected, self.watched), 1.0),
            first_ms: self.first.spread(MS),
            each_ms: self.each.spread(MS),
            all_ms: self.all.spread(MS),
            first_failed_probe_ms: self.first_probe.spread(MS),
            first_failed_probe_whole_s: (probed > 0)
                .then(|| self.first_probe_whole_s as f64 / probed as f64),
            false_positives: errors.false_positives,
            false_positives_per_minute: per_minute(errors.false_positives),
            false_positive_ms: errors.lasted.spread(MS),
            false_suspicions_per_minute: per_minute(errors.suspicions),
            false_probes_per_minute: per_minute(errors.failed_probes),
        })
    }
}

impl Detection {
    /// How long it took each observer to notice each crash, and how long false positives lasted, for sweeps.
    pub(crate) fn distributions(&self) -> [(String, Distribution); 2] {
        [
            ("time_to_detect", &self.each),
            ("false_positive", &self.errors.lasted),
        ]
        .map(|(name, distribution)| (name.to_owned(), distribution.clone()))
    }

    fn hear(&mut self, upkeep: &Upkeep, peer: NodeId, is_measured: bool) {
        let (observer, at) = (upkeep.node, upkeep.at);
        let crash = self.crashes.get_mut(&peer);
        match (upkeep.chore, crash) {
            (Chore::BelievesUp, crash) => {
                let watchers = self.watchers.entry(peer).or_default();
                let wrong = watchers.insert(observer, None).flatten();
                if crash.is_none() {
                    self.errors.end(wrong, at);
                }
            }
            (Chore::BelievesDown, Some(crash)) => {
                if crash.unaware.remove(&observer) {
                    let after = at - crash.at;
                    self.detected += 1;
                    self.each.add_time(after);
                    if !std::mem::replace(&mut crash.is_noticed, true) {
                        self.first.add_time(after);
                    }
                    if crash.unaware.is_empty() {
                        self.all.add_time(after);
                    }
                }
            }
            (Chore::BelievesDown, None) => {
                self.errors.false_positives += u64::from(is_measured);
                let wrong = Wrong {
                    since: at,
                    is_measured,
                };
                let watchers = self.watchers.entry(peer).or_default();
                watchers.insert(observer, Some(wrong));
            }
            (Chore::Suspects, None) => self.errors.suspicions += u64::from(is_measured),
            (Chore::ProbeFailed, None) => self.errors.failed_probes += u64::from(is_measured),
            (Chore::ProbeFailed, Some(crash)) => {
                if !std::mem::replace(&mut crash.is_probed, true) {
                    self.first_probe.add_time(at - crash.at);
                    self.first_probe_whole_s += (at - crash.at).as_secs();
                }
            }
            (
                Chore::Suspects
                | Chore::HintKept
                | Chore::HintDelivered
                | Chore::HintExpired
                | Chore::HintDropped
                | Chore::Swept
                | Chore::SweepSent
                | Chore::HandedOver
                | Chore::GaveUp
                | Chore::Pulled
                | Chore::Collected
                | Chore::MembersChanged,
                _,
            ) => {}
        }
    }

    /// Whoever watches the node may notice now; what the node itself believed ends with it.
    fn crash(&mut self, node: NodeId, at: Duration) {
        let mut unaware = BTreeSet::new();
        for (observer, wrong) in self.watchers.entry(node).or_default() {
            match wrong.take() {
                Some(wrong) => self.errors.end(Some(wrong), at),
                None => drop(unaware.insert(*observer)),
            }
        }
        for watchers in self.watchers.values_mut() {
            watchers.remove(&node);
        }
        for crash in self.crashes.values_mut() {
            self.watched -= u64::from(crash.unaware.remove(&node));
        }
        self.crashed += u64::from(!unaware.is_empty());
        self.watched += unaware.len() as u64;
        let crash = Crash {
            at,
            unaware,
            is_noticed: false,
            is_probed: false,
        };
        self.crashes.insert(node, crash);
    }
}

impl Errors {
    /// What was wrong is no longer believed, or no longer wrong.
    fn end(&mut self, wrong: Option<Wrong>, at: Duration) {
        if let Some(wrong) = wrong.filter(|wrong| wrong.is_measured) {
            self.lasted.add_time(at - wrong.since);
        }
    }
}
