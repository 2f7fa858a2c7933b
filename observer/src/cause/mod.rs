//! Why a replica that answered a read did not have the write that the read missed, and what gave it to it afterwards.
//!
//! Operation, message number, fate and node event are joined: the write's messages to the replica, what the network did with
//! them, and what befell the machine. Where several causes hold for one replica, the first in the order of [`Cause::ALL`] is
//! named, what the plan did before what networks do every day; so it is among the replicas that answered one read. That a
//! cause is one can be tried in the simulator: with the same seed and without it the read is fresh, and without another it is not.

mod evidence;

pub use evidence::Evidence;

use serde::{Deserialize, Serialize};
use tidemark_proto::event::Stored;
use tidemark_proto::message::Method;

/// Why a replica did not have a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A partition held the write's message back.
    Cut,
    /// The replica's machine was down when the message came, or its coordinator took it to be.
    Down,
    /// The replica's machine had been stopped when the message came.
    Paused,
    /// The replica had the write and was started again without it.
    RestartedWithout,
    /// The replica was given the write and does not hold it, which nothing else explains, and a clock had been wrong before:
    /// the write lost to another one by its stamp.
    SkewedClock,
    /// The network lost the message.
    Dropped,
    /// A fault delayed the message.
    Delayed,
    /// A hint that was to bring the write was dropped or forgotten.
    HintDropped,
    /// A hint that is to bring the write had not come home.
    HintPending,
    /// The one who answered is not among the key's replicas and stood in for one of them.
    Fallback,
    /// The tombstone that would have told of the delete had been collected.
    Collected,
    /// The replica did not have several writes that the read missed, and not all for one reason: to take one away is not
    /// enough.
    Several,
    /// The message was on its way, as long as the network takes every day, or waited for its turn at the replica.
    InFlight,
    /// Nothing that was noted explains it.
    Unmatched,
}

impl Cause {
    /// Every cause; who comes first is named.
    pub const ALL: [Self; 14] = [
        Self::Cut,
        Self::Down,
        Self::Paused,
        Self::RestartedWithout,
        Self::SkewedClock,
        Self::Dropped,
        Self::Delayed,
        Self::HintDropped,
        Self::HintPending,
        Self::Fallback,
        Self::Collected,
        Self::Several,
        Self::InFlight,
        Self::Unmatched,
    ];

    /// The cause in words, of a replica that did not have a write: `cut by a partition`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Cut => "cut by a partition",
            Self::Down => "replica down",
            Self::Paused => "replica paused",
            Self::RestartedWithout => "restarted without it",
            Self::SkewedClock => "a skewed clock won",
            Self::Dropped => "dropped",
            Self::Delayed => "delayed by a fault",
            Self::HintDropped => "hint dropped",
            Self::HintPending => "hint pending",
            Self::Fallback => "fallback answered",
            Self::Collected => "tombstone collected",
            Self::Several => "several causes",
            Self::InFlight => "still in flight",
            Self::Unmatched => "unmatched",
        }
    }
}

/// A cause, and the fault of the plan that it is, if it is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Blame {
    /// Why the replica did not have the write.
    pub cause: Cause,
    /// The plan's name for the fault.
    pub fault: Option<String>,
}

impl Blame {
    /// Nothing explains it.
    pub const UNMATCHED: Self = Self {
        cause: Cause::Unmatched,
        fault: None,
    };

    /// Why a replica did not have two writes, one for this and one for the other reason.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (&self.fault, &other.fault) {
            (Some(one), Some(another)) if one == another => self.min(other),
            _ if self == other => self,
            _ => Self {
                cause: Cause::Several,
                fault: None,
            },
        }
    }
}

/// What gave a write to a replica that had not had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cure {
    /// Its own message, late.
    Write,
    /// A later write, which supersedes it.
    LaterWrite,
    /// Repair after a read.
    ReadRepair,
    /// A hint that came home.
    Hint,
    /// A sweep.
    Sweep,
    /// Keys that moved, or were pulled.
    HandOver,
    /// Nothing, up to the end.
    Nothing,
}

impl Cure {
    /// Every cure.
    pub const ALL: [Self; 7] = [
        Self::Write,
        Self::LaterWrite,
        Self::ReadRepair,
        Self::Hint,
        Self::Sweep,
        Self::HandOver,
        Self::Nothing,
    ];

    /// The cure in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Write => "the write itself",
            Self::LaterWrite => "a later write",
            Self::ReadRepair => "read repair",
            Self::Hint => "hint",
            Self::Sweep => "sweep",
            Self::HandOver => "hand-over",
            Self::Nothing => "nothing",
        }
    }

    /// What it is that a replica stored the missed write, or one that supersedes it; none: it only told what is held.
    #[must_use]
    pub fn by(stored: &Stored, is_itself: bool) -> Option<Self> {
        match stored.method {
            Method::Store | Method::Put | Method::Delete | Method::Forward if is_itself => {
                Some(Self::Write)
            }
            Method::Store | Method::Put | Method::Delete | Method::Forward => {
                Some(Self::LaterWrite)
            }
            // A repair that names no read is a sweep's.
            Method::Repair if stored.operation.is_none() => Some(Self::Sweep),
            Method::Repair => Some(Self::ReadRepair),
            Method::Handoff => Some(Self::Hint),
            Method::Sweep => Some(Self::Sweep),
            Method::Move | Method::BulkReply => Some(Self::HandOver),
            Method::Get
            | Method::StoreReply
            | Method::Fetch
            | Method::FetchReply
            | Method::ForwardReply
            | Method::HandoffReply
            | Method::Gossip
            | Method::Bulk
            | Method::MoveReply
            | Method::Collect
            | Method::Members
            | Method::MembersReply => None,
        }
    }
}
