//! Who is in the cluster and who is up: the seam of membership strategies.
//!
//! A strategy tells the node's [`View`](crate::view::View) what it believes; replication and repair look there.

mod fixed;

use crate::context::Context;
use bytes::Bytes;
use std::time::Duration;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options};

/// A way of finding out who is up.
pub trait Membership: Send {
    /// Another node's strategy says something.
    fn message(&mut self, context: &mut Context<'_>, from: NodeId, gossip: Bytes);

    /// The alarm is due.
    fn timeout(&mut self, context: &mut Context<'_>);

    /// When it will be due next; at the start of a life zero, if the strategy has anything to do.
    fn next_timeout(&self) -> Option<Duration>;
}

/// Which node it is that a strategy is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The run's seed.
    pub seed: u64,
    /// The node.
    pub id: NodeId,
    /// Which of its lives, from 1.
    pub life: u32,
}

/// How an entry is built.
pub type Build = fn(&Options, Seat) -> Result<Box<dyn Membership>, OptionError>;

/// Every membership strategy.
pub const ENTRIES: &[Entry<Build>] = &[fixed::ENTRY];
