//! When what was written reaches the engine and the disk, and what may leave before that: group commit.
//!
//! Reference: Gray and Reuter, Transaction Processing, 1993, §9.4.7. A batch of inputs is handled, what it wrote is made
//! durable at once, and then everything leaves that somebody could take for a promise.

use crate::replica::Output;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidemark_proto::message::Method;
use tidemark_proto::registry::OptionError;
use tidemark_proto::span::Span;

/// What has to be done before an acknowledgement leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sync {
    /// Its batch is on the disk: a power loss takes back nothing that was acknowledged.
    #[default]
    Batch,
    /// Its batch is with the kernel: a crash takes nothing back, a power loss what was written since the last interval.
    Interval,
    /// Nothing: a crash takes back what the engine was not given yet, a power loss all that the kernel has kept.
    Off,
}

/// How durable an engine is asked to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durability {
    /// What acknowledgements wait for.
    pub sync: Sync,
    /// How long what was written may wait for the disk, if they wait for the kernel alone.
    pub interval: Duration,
}

/// What the end of a batch has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// Hand what was written to the engine.
    Commit,
    /// Hand it to the engine and on to the disk.
    Sync,
}

impl Durability {
    /// What an engine's options ask for.
    ///
    /// # Errors
    /// The interval is none.
    pub fn new(sync: Sync, interval: Span) -> Result<Self, OptionError> {
        if interval.0.is_zero() {
            let reason = "interval is 0s; choose sync = \"batch\" to sync always";
            return Err(OptionError::of("interval", reason));
        }
        let interval = interval.0;
        Ok(Self { sync, interval })
    }
}

/// The interval of who names none.
#[must_use]
pub fn default_interval() -> Span {
    Span(Duration::from_secs(1))
}

/// Whether an output may mean to somebody that what was stored is durable. Requests to peers and notes do not.
#[must_use]
pub fn claims_durability(output: &Output) -> bool {
    match output {
        Output::Reply(..) | Output::Enrolled(..) => true,
        Output::Note(_) => false,
        Output::Send(_, message) => match message.method() {
            Method::Store
            | Method::Fetch
            | Method::Forward
            | Method::Repair
            | Method::Handoff
            | Method::Gossip
            | Method::Bulk
            | Method::Members
            | Method::Move => false,
            Method::StoreReply
            | Method::FetchReply
            | Method::ForwardReply
            | Method::HandoffReply
            | Method::Sweep
            | Method::BulkReply
            | Method::Collect
            | Method::MembersReply
            | Method::MoveReply
            | Method::Get
            | Method::Put
            | Method::Delete => true,
        },
    }
}

/// Whether what handles an input of this method may store something. In a batch, what stores nothing comes first: whatever
/// it brings about leaves at once, and not after the sync that the others need.
#[must_use]
pub fn may_store(method: Method) -> bool {
    match method {
        Method::Get
        | Method::Fetch
        | Method::FetchReply
        | Method::StoreReply
        | Method::ForwardReply
        | Method::Gossip
        | Method::Bulk => false,
        Method::Put
        | Method::Delete
        | Method::Store
        | Method::Forward
        | Method::Repair
        | Method::Handoff
        | Method::HandoffReply
        | Method::Sweep
        | Method::BulkReply
        | Method::Collect
        | Method::Members
        | Method::MembersReply
        | Method::Move
        | Method::MoveReply => true,
    }
}

/// Inputs handled between two syncs, at most. Fewer: more syncs; more: the first of them waits longer for the last.
pub const BATCH: usize = 512;
