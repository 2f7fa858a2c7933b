//! How a write reaches its replicas and a read finds them: the seam of replication strategies.

mod fire_and_forget;
mod sloppy;
mod strict;

use crate::context::Context;
use crate::request::{Request, Ticket};
use crate::view::Belief;
use std::time::Duration;
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Message;
use tidemark_proto::registry::{Entry, OptionError, Options};

/// A way of coordinating requests.
pub trait Replication: Send {
    /// How many requests it has in flight.
    fn in_flight(&self) -> usize;

    /// The least roll of the members by which a write was begun that is still in flight.
    fn oldest_write(&self) -> Option<u64>;

    /// How many nodes may be left behind when members change, and yet no read misses a write: what they hold alone is no
    /// write that was acknowledged, and what they say alone is no read.
    fn may_leave_behind(&self) -> usize;

    /// A client asks.
    fn request(&mut self, context: &mut Context<'_>, ticket: Ticket, request: Request);

    /// A peer answers, or asks this node to coordinate; what every replica does is done elsewhere.
    fn message(&mut self, context: &mut Context<'_>, from: NodeId, message: Message);

    /// What this node believes of another is no longer what it was.
    fn believed(&mut self, _context: &mut Context<'_>, _node: NodeId, _belief: Belief) {}

    /// The alarm is due.
    fn timeout(&mut self, context: &mut Context<'_>);

    /// When it will be due next.
    fn next_timeout(&self) -> Option<Duration>;
}

/// How an entry is built from its options.
pub type Build = fn(&Options) -> Result<Box<dyn Replication>, OptionError>;

/// Every replication strategy.
pub const ENTRIES: &[Entry<Build>] = &[strict::ENTRY, sloppy::ENTRY, fire_and_forget::ENTRY];
