//! Who is in the cluster and who is up: the seam of membership strategies.
//!
//! A strategy tells the node's [`View`](crate::view::View) what it believes; replication and repair look there. Whoever
//! watches for crashes notes of everybody, when a life begins, that it believes them to be up: what is seen of a run tells
//! who watches whom.

mod fixed;
mod heartbeat;
mod swim;

use crate::chance;
use crate::context::Context;
use bytes::Bytes;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::time::Duration;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options};
use tidemark_proto::upkeep::Chore;

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
pub const ENTRIES: &[Entry<Build>] = &[fixed::ENTRY, heartbeat::ENTRY, swim::ENTRY];

impl Seat {
    /// This life's stream of chance for one purpose.
    fn chance(self, purpose: &str) -> Xoshiro256PlusPlus {
        chance::stream(self.seed, &format!("{purpose} {}", self.life), self.id)
    }

    /// The first number of this life, by which what was said in it is told from what was said earlier.
    fn first_number(self) -> u64 {
        u64::from(self.life) << 32
    }
}

/// Everybody but this node that it has not been watching, which it does from now on.
fn newcomers(context: &mut Context<'_>, is_watched: impl Fn(NodeId) -> bool) -> Vec<NodeId> {
    let members = context.view.nodes().iter().chain(context.view.gateways());
    let newcomers = members.filter(|node| **node != context.id && !is_watched(**node));
    let newcomers: Vec<_> = newcomers.copied().collect();
    for node in &newcomers {
        context.note_chore(Chore::BelievesUp, *node, |_| {});
    }
    newcomers
}

/// Whether a node is still one of the cluster's.
fn is_member(context: &Context<'_>, node: NodeId) -> bool {
    context.view.nodes().contains(&node) || context.view.gateways().contains(&node)
}

/// A part of a period: nodes that start together do not act together.
fn stagger(chance: &mut Xoshiro256PlusPlus, period: Duration) -> Duration {
    const STEPS: u32 = 1 << 16;
    period * chance::below(chance, STEPS as usize) as u32 / STEPS
}

/// One of those who are believed to be down, to be asked whether it is: the more of them there are, the more often. Without
/// it, parts of a cluster that were cut off from each other would never meet again.
///
/// Reference: Cassandra's gossip to unreachable endpoints, with the same probability, down / (up + 1).
fn sought(chance: &mut Xoshiro256PlusPlus, up: usize, down: &[NodeId]) -> Option<NodeId> {
    let place = chance::below(chance, up + 1);
    (place < down.len()).then(|| down[chance::below(chance, down.len())])
}
