//! Divergence windows: for how long two replicas of a key had each what the other had not, or had it in another order.
//!
//! *Content divergence*: each of the two holds a write that the other neither holds nor has superseded. *Order divergence*: each
//! of the two holds a write that the other held once and has replaced, and these are two: they took in the same writes in
//! opposite orders. A window begins when what the two hold comes to be so, and ends when it no longer is; one that has not
//! ended is counted apart. A replica remembers the last 16 writes that it has replaced.
//!
//! Departs from the paper, in which clients ask the replicas: here replicas note what they store. There the order is that of a
//! list of posts, here that in which one write took another's place.
//!
//! Reference: F. Freitas et al., “Characterizing the consistency of online services”, DSN 2016, §III (ConProbe).

use super::{Metric, Run, Seen};
use crate::judge::Judge;
use crate::spread::Distribution;
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_proto::event::{Event, Stored};
use tidemark_proto::id::{NodeId, OperationId};

#[derive(Default)]
pub(crate) struct Divergence {
    keys: BTreeMap<Bytes, Key>,
    content: Distribution,
    order: Distribution,
}

#[derive(Default)]
struct Key {
    replicas: SmallVec<[(NodeId, Replica); 3]>,
    /// Since when two of them, the lesser first, have diverged.
    content: BTreeMap<(NodeId, NodeId), Duration>,
    order: BTreeMap<(NodeId, NodeId), Duration>,
}

#[derive(Default)]
struct Replica {
    held: SmallVec<[OperationId; 1]>,
    replaced: SmallVec<[OperationId; 2]>,
}

/// The windows that have ended, and how many have not.
pub(crate) struct Windows {
    pub(crate) content: Distribution,
    pub(crate) content_open: u64,
    pub(crate) order: Distribution,
    pub(crate) order_open: u64,
}

impl Metric for Divergence {
    type Figures = Windows;

    fn observe(&mut self, seen: &Seen<'_>) {
        let Event::Stored(stored) = seen.event else {
            return;
        };
        let placed = seen.holdings.of(&stored.key);
        if !placed.is_some_and(|key| key.replicas.contains(&stored.node)) {
            return;
        }
        let key = self.keys.entry(stored.key.clone()).or_default();
        let mut replicas = key.replicas.iter();
        let place = replicas.position(|(node, _)| *node == stored.node);
        let place = place.unwrap_or_else(|| {
            key.replicas.push((stored.node, Replica::default()));
            key.replicas.len() - 1
        });
        key.replicas[place].1.take(stored);
        let own = &key.replicas[place].1;
        for (node, other) in &key.replicas {
            if *node == stored.node {
                continue;
            }
            let pair = (stored.node.min(*node), stored.node.max(*node));
            let content = own.has_unseen(other, seen.judge) && other.has_unseen(own, seen.judge);
            let order = own.has_in_another_order(other);
            turn(
                &mut key.content,
                &mut self.content,
                pair,
                stored.at,
                content,
            );
            turn(&mut key.order, &mut self.order, pair, stored.at, order);
        }
    }

    fn report(&self, _: &Run<'_>) -> Windows {
        let open = |of: fn(&Key) -> usize| self.keys.values().map(of).sum::<usize>() as u64;
        Windows {
            content: self.content.clone(),
            content_open: open(|key| key.content.len()),
            order: self.order.clone(),
            order_open: open(|key| key.order.len()),
        }
    }
}

impl Replica {
    fn take(&mut self, stored: &Stored) {
        let gone = self.held.iter().filter(|id| !stored.versions.contains(id));
        for id in gone.copied().collect::<Vec<_>>() {
            self.replaced.push(id);
        }
        let excess = self.replaced.len().saturating_sub(MOST_REPLACED);
        self.replaced.drain(..excess);
        self.held = SmallVec::from_slice(&stored.versions);
    }

    /// Whether it holds a write that the other neither holds nor has superseded.
    fn has_unseen(&self, other: &Self, judge: &Judge) -> bool {
        self.held.iter().any(|id| {
            let mut others = other.held.iter();
            !others.any(|held| held == id || judge.supersedes(*held, *id))
        })
    }

    fn has_in_another_order(&self, other: &Self) -> bool {
        let replaced_by = |one: &Self, other: &Self| {
            let mut held = one.held.iter();
            held.find(|id| other.replaced.contains(id)).copied()
        };
        let (own, others) = (replaced_by(self, other), replaced_by(other, self));
        own.is_some() && others.is_some() && own != others
    }
}

/// Opens or closes the window of a pair.
fn turn(
    open: &mut BTreeMap<(NodeId, NodeId), Duration>,
    windows: &mut Distribution,
    pair: (NodeId, NodeId),
    at: Duration,
    diverged: bool,
) {
    if diverged {
        open.entry(pair).or_insert(at);
    } else if let Some(since) = open.remove(&pair) {
        windows.add_time(at.saturating_sub(since));
    }
}

const MOST_REPLACED: usize = 16;
