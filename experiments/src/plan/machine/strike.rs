//! When machine faults strike, and whom: drawn from the plan alone, so that both back-ends carry out the same.

use super::{Harm, MachineFault};
use crate::plan::{Fault, Plan};
use rand::Rng as _;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_node::chance;
use tidemark_node::conditions::Conditions;
use tidemark_proto::event::{FaultSpan, MachineChange};
use tidemark_proto::id::NodeId;
use tidemark_proto::skew::{Offset, Skew};
use tidemark_proto::span::Span;

/// One time that a machine fault strikes, on the run's clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Strike {
    /// Whom; somebody at least.
    pub nodes: Vec<NodeId>,
    /// What is done to them.
    pub blow: Blow,
    /// What results say of it.
    pub span: FaultSpan,
}

/// What is done to a machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Blow {
    /// Its process is killed.
    Crash,
    /// It loses power.
    PowerLoss,
    /// Its process is killed and its disk emptied.
    Wipe,
    /// It is stopped where it stands.
    Pause,
    /// Its wall clock is set wrong.
    Skew(Skew),
    /// Its syncs take so much longer.
    SlowSync(Duration),
    /// Its disk takes nothing more.
    FillDisk,
}

/// What of a machine a fault is about: it can be struck there once at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Process,
    Clock,
    Sync,
    Disk,
}

/// Every time that a machine fault of the plan strikes somebody, in order; all are over when the plan heals.
#[must_use]
pub fn strikes(plan: &Plan) -> Vec<Strike> {
    let healed = plan.duration.0;
    let faults = plan.fault.iter().filter_map(|fault| match fault {
        Fault::Machine(fault) => Some(&**fault),
        Fault::Members(_) | Fault::Rule(_) => None,
    });
    let mut names: BTreeMap<String, u32> = BTreeMap::new();
    let mut faults: Vec<(&MachineFault, String, Xoshiro256PlusPlus)> = faults
        .map(|fault| {
            let name = fault.called();
            let number = names.entry(name.clone()).or_default();
            *number += 1;
            let purpose = format!("fault {name} {number}");
            let chance = chance::stream(plan.seed, &purpose, NodeId::client(1));
            (fault, name, chance)
        })
        .collect();
    let mut moments = Vec::new();
    for (place, (fault, _, chance)) in faults.iter_mut().enumerate() {
        let drawn = fault.moments(healed).map(|at| at + fault.delay(chance));
        let before_all_heals = drawn.filter(|at| *at < healed);
        moments.extend(before_all_heals.map(|at| (at, place)));
    }
    moments.sort_unstable();
    let mut struck: BTreeMap<(Part, NodeId), Duration> = BTreeMap::new();
    let mut strikes = Vec::new();
    for (at, place) in moments {
        let (fault, name, chance) = &mut faults[place];
        let part = fault.harm.part();
        let is_free = |id| struck.get(&(part, id)).is_none_or(|until| *until <= at);
        let nodes = fault.harm.whom().draw(plan, is_free, chance);
        if nodes.is_empty() {
            continue;
        }
        let strike = fault.strike(at, healed, name.clone(), nodes);
        let until = strike.span.until;
        struck.extend(strike.nodes.iter().map(|id| ((part, *id), until)));
        strikes.push(strike);
    }
    strikes
}

impl MachineFault {
    /// When it strikes, in a run that heals then.
    pub(super) fn moments(&self, healed: Duration) -> impl Iterator<Item = Duration> {
        let end = self.until.map_or(healed, |until| until.0.min(healed));
        let next = move |at: &Duration| {
            let every = self.every.map(|every| every.0);
            at.checked_add(every.filter(|every| !every.is_zero())?)
        };
        std::iter::successors(Some(self.at.0), next)
            .take_while(move |at| *at < end)
            .take(MOST_STRIKES)
    }

    /// By how much a strike comes later.
    fn delay(&self, chance: &mut Xoshiro256PlusPlus) -> Duration {
        let most = self.jitter.map_or(Duration::ZERO, |jitter| jitter.0);
        if most.is_zero() {
            return most;
        }
        most.mul_f64((chance.next_u64() >> 11) as f64 / 2f64.powi(53))
    }

    fn strike(&self, at: Duration, healed: Duration, name: String, nodes: Vec<NodeId>) -> Strike {
        let end = |at: Duration| {
            let length = self.length.map_or(Duration::MAX, |length| length.0);
            at.saturating_add(length).min(healed)
        };
        let series = self.every.and_then(|_| {
            let jitter = self.jitter.map_or(Duration::ZERO, |jitter| jitter.0);
            let last = self.moments(healed).last()?.saturating_add(jitter);
            Some((self.at.0, end(last)))
        });
        let names: Vec<_> = nodes.iter().map(NodeId::to_string).collect();
        let blow = self.harm.blow(at);
        Strike {
            span: FaultSpan {
                name,
                kind: self.harm.kind().to_owned(),
                from: at,
                until: end(at),
                about: names.join(", ") + &blow.about(),
                series,
            },
            nodes,
            blow,
        }
    }
}

impl Harm {
    fn blow(&self, at: Duration) -> Blow {
        match self {
            Self::Crash(_) => Blow::Crash,
            Self::PowerLoss(_) => Blow::PowerLoss,
            Self::Wipe(_) => Blow::Wipe,
            Self::Pause(_) => Blow::Pause,
            Self::Clock(clock) => Blow::Skew(clock.skew(at)),
            Self::SlowSync(slow) => Blow::SlowSync(slow.by.0),
            Self::DiskFull(_) => Blow::FillDisk,
        }
    }

    pub(super) fn part(&self) -> Part {
        match self {
            Self::Crash(_) | Self::PowerLoss(_) | Self::Wipe(_) | Self::Pause(_) => Part::Process,
            Self::Clock(_) => Part::Clock,
            Self::SlowSync(_) => Part::Sync,
            Self::DiskFull(_) => Part::Disk,
        }
    }
}

impl Blow {
    /// What becomes of a machine that it strikes.
    #[must_use]
    pub fn change(self) -> MachineChange {
        match self {
            Self::Crash => MachineChange::Crashed,
            Self::PowerLoss => MachineChange::LostPower,
            Self::Wipe => MachineChange::Wiped,
            Self::Pause => MachineChange::Paused,
            Self::Skew(_) => MachineChange::ClockSkewed,
            Self::SlowSync(_) => MachineChange::SyncSlowed,
            Self::FillDisk => MachineChange::DiskFilled,
        }
    }

    /// Puts a machine that lives on under it; tells what becomes of it. None: it concerns the process.
    pub fn worsen(self, conditions: &mut Conditions) -> Option<MachineChange> {
        match self {
            Self::Crash | Self::PowerLoss | Self::Wipe | Self::Pause => return None,
            Self::Skew(skew) => conditions.skew = skew,
            Self::SlowSync(by) => conditions.slow_sync = by,
            Self::FillDisk => conditions.disk_full = true,
        }
        Some(self.change())
    }

    /// Takes it from a machine that lives on; tells what becomes of it. None: it concerns the process.
    pub fn mend(self, conditions: &mut Conditions) -> Option<MachineChange> {
        let right = Conditions::default();
        Some(match self {
            Self::Crash | Self::PowerLoss | Self::Wipe | Self::Pause => return None,
            Self::Skew(_) => {
                conditions.skew = right.skew;
                MachineChange::ClockMended
            }
            Self::SlowSync(_) => {
                conditions.slow_sync = right.slow_sync;
                MachineChange::SyncMended
            }
            Self::FillDisk => {
                conditions.disk_full = right.disk_full;
                MachineChange::DiskFreed
            }
        })
    }

    /// By how much, in words behind whom it strikes.
    fn about(self) -> String {
        match self {
            Self::Skew(Skew::Offset(Offset(ns))) if ns < 0 => {
                format!(", behind by {}", Offset(-ns))
            }
            Self::Skew(Skew::Offset(offset)) => format!(", ahead by {offset}"),
            Self::Skew(Skew::Drift { rate, .. }) => format!(", gaining {rate} s a second"),
            Self::Skew(Skew::Strobe { by, every, .. }) => {
                format!(", off by {by} for every other {}", Span(every))
            }
            Self::SlowSync(by) => format!(", by {}", Span(by)),
            Self::Skew(Skew::None)
            | Self::Crash
            | Self::PowerLoss
            | Self::Wipe
            | Self::Pause
            | Self::FillDisk => String::new(),
        }
    }
}

/// How often one fault may strike.
pub(super) const MOST_STRIKES: usize = 10_000;
