//! What is seen of a run: the one sequence from which every figure is computed.
//!
//! Clients report operations, nodes what they stored, sent and refused, the proxy or the simulator the fate of every
//! message, the runner faults and the run's own milestones. All times are since the run's epoch.

mod moments;

use crate::id::{Actor, NodeId, OperationId};
use crate::message::Method;
use crate::upkeep::Upkeep;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;

/// One thing that was seen.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub enum Event {
    /// A client began a write: it may take effect from now on, whatever becomes of its answer.
    Invoked(Box<Invocation>),
    /// A client's operation came to its end.
    Returned(Box<Operation>),
    /// These nodes are the key's preference list, first N, in order.
    Placed { key: Bytes, nodes: Vec<NodeId> },
    /// What a replica holds of a key changed.
    Stored(Box<Stored>),
    /// A node handed a message to the link.
    Sent {
        at: Duration,
        operation: OperationId,
        from: NodeId,
        to: NodeId,
        method: Method,
        k: u64,
    },
    /// A node began to handle a message.
    Received {
        at: Duration,
        operation: OperationId,
        from: NodeId,
        to: NodeId,
        method: Method,
    },
    /// A node refused a request or ignored a message, and why.
    Refused {
        at: Duration,
        node: NodeId,
        operation: OperationId,
        reason: Cow<'static, str>,
    },
    /// A node did something for the cluster's sake, not for a client's.
    Upkeep(Box<Upkeep>),
    /// What the network did with a message.
    Fate(Box<Passage>),
    /// A fault was in force, or is due to be: noted when it begins if its end is known then, else when it ends.
    Fault(Box<FaultSpan>),
    /// A machine changed its state.
    Machine {
        at: Duration,
        node: NodeId,
        change: MachineChange,
    },
    /// The run reached a milestone.
    Milestone { at: Duration, milestone: Milestone },
    /// Something was not written down.
    Gap(Box<Gap>),
}

impl Event {
    /// The least level of detail at which it is kept.
    #[must_use]
    pub fn detail(&self) -> Detail {
        match self {
            Self::Invoked(_)
            | Self::Returned(_)
            | Self::Fault(_)
            | Self::Machine { .. }
            | Self::Milestone { .. }
            | Self::Gap(_) => Detail::None,
            Self::Refused { .. } => Detail::Faults,
            Self::Upkeep(upkeep) => upkeep.chore.detail(),
            Self::Placed { .. } | Self::Stored(_) => Detail::Arrivals,
            Self::Received { method, .. } => match method {
                Method::Store | Method::Fetch => Detail::Arrivals,
                Method::Get
                | Method::Put
                | Method::Delete
                | Method::StoreReply
                | Method::FetchReply
                | Method::Forward
                | Method::ForwardReply
                | Method::Repair
                | Method::Handoff
                | Method::HandoffReply
                | Method::Gossip
                | Method::Sweep
                | Method::Bulk
                | Method::BulkReply
                | Method::Collect
                | Method::Members
                | Method::MembersReply
                | Method::Move
                | Method::MoveReply => Detail::All,
            },
            Self::Fate(passage) if passage.faulty => Detail::Faults,
            Self::Fate(_) | Self::Sent { .. } => Detail::All,
        }
    }
}

/// How much of a run is kept: each level has what those before it have.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Detail {
    /// Operations, faults and milestones: staleness, latency and availability.
    None,
    /// And refusals, and every message that a fault touched: fault exposure.
    Faults,
    /// And what reached which replica when: lost writes, convergence, arrival-based t-visibility.
    Arrivals,
    /// And every message, with its fate: measured legs.
    #[default]
    All,
}

/// What a client asked for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A read.
    Get,
    /// A write.
    Put,
    /// A write of a tombstone.
    Delete,
}

/// Why a client asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// The plan's load.
    Load,
    /// It wrote what the load or a probe finds: before the measured time, or without being measured.
    Preload,
    /// It read in order to write.
    ReadFirst,
    /// It wrote back one version in place of siblings.
    Reconcile,
}

impl Purpose {
    /// Whether it is part of what is measured: all that the load does of its own accord, reads before writes included.
    #[must_use]
    pub fn is_measured(self) -> bool {
        match self {
            Self::Load | Self::ReadFirst => true,
            Self::Preload | Self::Reconcile => false,
        }
    }
}

/// What came of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It happened.
    Ok,
    /// It did not happen.
    Failed,
    /// It may have happened, at any time after its start.
    Unknown,
}

/// The start of a write.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    /// The operation.
    pub id: OperationId,
    /// Why it was issued.
    pub purpose: Purpose,
    /// What was asked for.
    pub kind: Kind,
    /// Of which key.
    pub key: Bytes,
    /// When the workload wanted it to start.
    pub intended: Duration,
    /// When it started.
    pub invoked: Duration,
    /// The operation whose answer's context it carries.
    pub context_from: Option<OperationId>,
}

/// A client operation, whole: one row of `ops.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The operation; its issuer is the client, or by hand the node that was asked.
    pub id: OperationId,
    /// Why it was issued.
    pub purpose: Purpose,
    /// What was asked for.
    pub kind: Kind,
    /// Of which key.
    pub key: Bytes,
    /// When the workload wanted it to start: latency is measured from here.
    pub intended: Duration,
    /// When it started: staleness is measured from here.
    pub invoked: Duration,
    /// When its answer arrived, or the client gave up.
    pub returned: Duration,
    /// What came of it.
    pub outcome: Outcome,
    /// The gRPC status, as the specification writes it: `OK`, `DEADLINE_EXCEEDED`, …
    pub status: Cow<'static, str>,
    /// The node that the client asked.
    pub asked: NodeId,
    /// The node that coordinated, where an answer told.
    pub coordinator: Option<NodeId>,
    /// The replicas that had answered, in the order in which they did.
    pub answered: Vec<NodeId>,
    /// The writes whose values a read returned, or a put was told of; siblings if more than one.
    pub versions: Vec<OperationId>,
    /// The operation whose answer's context it carried; none: a blind write, or a read.
    pub context_from: Option<OperationId>,
    /// The context that came back, in readable form.
    pub clock: Vec<(Actor, u64)>,
    /// The size of the context that came back, in bytes.
    pub context_bytes: u32,
    /// The size of the value written, or of all values read, in bytes.
    pub value_bytes: u32,
    /// How often it was sent: 1 without retries.
    pub attempts: u32,
}

/// What a replica holds of a key after a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// When it changed.
    pub at: Duration,
    /// The replica.
    pub node: NodeId,
    /// The operation that changed it (for a repair: the read that found it behind; none: it was no read).
    pub operation: OperationId,
    /// What brought the change: `Put` and `Delete` are the coordinator's own write; `FetchReply`: nothing changed, but the
    /// replica tells after its start what it holds.
    pub method: Method,
    /// The key.
    pub key: Bytes,
    /// A hash of all that is held of the key, clocks included: equal exactly if replicas are equal.
    pub digest: u64,
    /// The writes held, tombstones included.
    pub versions: Vec<OperationId>,
}

/// A message's way through the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    /// When the network took it.
    pub at: Duration,
    /// The sender.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
    /// The method's short name (`Store`), or of foreign traffic the full path.
    pub method: Cow<'static, str>,
    /// Which half of a call.
    pub direction: Direction,
    /// The sender's count per (from, to, method, direction).
    pub k: u64,
    /// The payload's size in bytes.
    pub size: u32,
    /// What became of it.
    pub verdict: Verdict,
    /// The delay that the rules asked for; of the first copy, if there are several.
    pub intended: Duration,
    /// The delay that it had; none: not delivered, or not yet.
    pub achieved: Option<Duration>,
    /// The names of the rules that touched it, in their order, joined by `+`; empty: none did.
    pub rules: Cow<'static, str>,
    /// Whether one of them belongs to a fault, not to the base network.
    pub faulty: bool,
}

/// Which half of a call a message is; a streamed message is a request.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the caller.
    Request,
    /// To the caller.
    Response,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It arrived once.
    Delivered,
    /// It never arrived.
    Lost,
    /// It arrived more than once.
    Duplicated,
    /// It was answered with a status in place of its receiver.
    Answered,
    /// Its call was reset.
    Reset,
}

/// A span in which a fault of the plan was in force: one row of `faults.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultSpan {
    /// The plan's name for it.
    pub name: String,
    /// What it does: a rule's or a machine fault's kind.
    pub kind: String,
    /// When it began.
    pub from: Duration,
    /// When it ended, or was due to.
    pub until: Duration,
    /// Whom it concerns, in words.
    pub about: String,
    /// Of a fault that comes again and again: from when to when it does.
    pub series: Option<(Duration, Duration)>,
}

impl FaultSpan {
    /// Whether it is a change of the members, which is not undone at its end.
    #[must_use]
    pub fn is_change_of_members(&self) -> bool {
        matches!(self.kind.as_str(), "join" | "leave" | "replace")
    }

    /// From when to when it was in force, or the series that it is one of.
    #[must_use]
    pub fn extent(&self) -> (Duration, Duration) {
        self.series.unwrap_or((self.from, self.until))
    }
}

/// What was not written down: a source's events that did not reach the observer, or a time in which it was down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Who reported in vain: `n3~1`, `netfuzz`, `runner`; [`Gap::OBSERVER`]: nobody could, the observer was down.
    pub source: String,
    /// When it began, at the earliest.
    pub from: Duration,
    /// When it ended, at the latest.
    pub until: Duration,
    /// How many events are missing; none, if the sources sent all of them again.
    pub count: u64,
}

impl Gap {
    /// The source of a gap in which the observer was down.
    pub const OBSERVER: &str = "observer";
}

/// How a machine's state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MachineChange {
    /// It was started, at the run's start.
    Started,
    /// The plan killed it; what storage does not keep is gone.
    Crashed,
    /// The plan took its power; what was not synced is gone too.
    LostPower,
    /// The plan killed it and emptied its disk.
    Wiped,
    /// It was started again, with what its storage had kept: it tells at once what that is.
    Restarted,
    /// It was started again, and its storage had kept nothing.
    RestartedEmpty,
    /// It died, and the plan had not asked for it.
    Died,
    /// It was stopped where it stood; what comes to it waits.
    Paused,
    /// It goes on.
    Resumed,
    /// Its wall clock is wrong from now on.
    ClockSkewed,
    /// Its wall clock is right again.
    ClockMended,
    /// Its syncs take longer from now on.
    SyncSlowed,
    /// Its syncs take their own time again.
    SyncMended,
    /// Its disk takes nothing more.
    DiskFilled,
    /// Its disk takes what comes again.
    DiskFreed,
}

impl MachineChange {
    /// Every change.
    pub const ALL: [Self; 15] = [
        Self::Started,
        Self::Crashed,
        Self::LostPower,
        Self::Wiped,
        Self::Restarted,
        Self::RestartedEmpty,
        Self::Died,
        Self::Paused,
        Self::Resumed,
        Self::ClockSkewed,
        Self::ClockMended,
        Self::SyncSlowed,
        Self::SyncMended,
        Self::DiskFilled,
        Self::DiskFreed,
    ];

    /// The kind of the machine fault that strikes so, if one does.
    #[must_use]
    pub fn fault(self) -> Option<&'static str> {
        match self {
            Self::Crashed => Some("crash"),
            Self::LostPower => Some("power_loss"),
            Self::Wiped => Some("wipe"),
            Self::Paused => Some("pause"),
            Self::ClockSkewed => Some("clock"),
            Self::SyncSlowed => Some("slow_sync"),
            Self::DiskFilled => Some("disk_full"),
            Self::Started
            | Self::Restarted
            | Self::RestartedEmpty
            | Self::Died
            | Self::Resumed
            | Self::ClockMended
            | Self::SyncMended
            | Self::DiskFreed => None,
        }
    }
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Milestone {
    /// The cluster is up: measured time begins.
    Started,
    /// The last operation was issued, and everything heals.
    Healed,
    /// The run is over, as planned.
    Ended,
    /// The run was ended before its time, and from outside.
    Interrupted,
    /// The run could not go on.
    Aborted,
}
