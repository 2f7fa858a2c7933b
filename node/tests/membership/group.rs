//! A cluster of which nothing is asked: its gossip, which takes at most a step, and what comes of it.

use crate::harness::{Cluster, Parcel, Shape, config};
use rand::Rng as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_node::chance;
use tidemark_node::config::Choice;
use tidemark_node::replica::{Input, Output};
use tidemark_node::view::Belief;
use tidemark_proto::event::Event;
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Message;
use tidemark_proto::upkeep::{Chore, Upkeep};

/// A cluster whose nodes watch each other.
pub(crate) struct Group {
    pub(crate) cluster: Cluster,
    /// Everything that nodes have noted, in order.
    pub(crate) notes: Vec<Upkeep>,
    /// The messages that were sent.
    pub(crate) sent: Vec<Parcel>,
    /// What each believes of each other, and since when: by observer, then by peer.
    pub(crate) beliefs: BTreeMap<(NodeId, NodeId), (Belief, Duration)>,
    pub(crate) down: Vec<NodeId>,
}

impl Group {
    /// So many nodes with a membership strategy.
    pub(crate) fn new(nodes: u16, seed: u64, kind: &str, options: &Value) -> Self {
        let shape = Shape {
            nodes,
            gateways: 0,
            n: 1,
            r: 1,
            w: 1,
        };
        let mut config = config(shape, json!({}), &[]);
        config.seed = seed;
        config.membership = Choice {
            kind: kind.to_owned(),
            options: options.as_object().cloned().expect("options are a table"),
        };
        Self {
            cluster: Cluster::new(config),
            notes: Vec::new(),
            sent: Vec::new(),
            beliefs: BTreeMap::new(),
            down: Vec::new(),
        }
    }

    /// Lets time pass; a message arrives unless it is lost.
    pub(crate) fn run(&mut self, time: Duration, mut lost: impl FnMut(&Parcel) -> bool) {
        let end = self.cluster.elapsed + time;
        while self.cluster.elapsed < end {
            let step = STEP.min(end - self.cluster.elapsed);
            for (_, outputs) in self.cluster.wait(step) {
                self.note(&outputs);
            }
            while !self.cluster.bag.is_empty() {
                let parcel = self.cluster.bag[0].clone();
                if lost(&parcel) {
                    self.cluster.bag.remove(0);
                } else {
                    let outputs = self.cluster.deliver(0);
                    self.note(&outputs);
                }
                self.sent.push(parcel);
            }
        }
    }

    /// Lets time pass while every message arrives.
    pub(crate) fn quiet(&mut self, time: Duration) {
        self.run(time, |_| false);
    }

    /// Somebody says something to a node.
    pub(crate) fn say(&mut self, from: NodeId, to: NodeId, message: Message) {
        let outputs = self.cluster.handle(to, Input::Message(from, message));
        self.note(&outputs);
    }

    pub(crate) fn crash(&mut self, node: NodeId) {
        self.cluster.crash(node);
        self.down.push(node);
    }

    /// What it believed is forgotten, until it says what it believes in its new life.
    pub(crate) fn restart(&mut self, node: NodeId) {
        self.cluster.restart(node);
        self.down.retain(|other| *other != node);
        self.beliefs.retain(|(observer, _), _| *observer != node);
    }

    /// Beliefs of those who are up that are not what is.
    pub(crate) fn errors(&self) -> Vec<(NodeId, NodeId, Belief)> {
        let ids = self.cluster.ids();
        let up = ids.iter().filter(|node| !self.down.contains(node));
        let pairs = up.flat_map(|observer| ids.iter().map(move |peer| (*observer, *peer)));
        let believed = pairs
            .filter(|(observer, peer)| observer != peer)
            .map(|(observer, peer)| {
                let belief = self.beliefs.get(&(observer, peer));
                (
                    observer,
                    peer,
                    belief.map_or(Belief::Suspected, |belief| belief.0),
                )
            });
        let wrong = |(_, peer, belief): &(NodeId, NodeId, Belief)| {
            let expected = if self.down.contains(peer) {
                Belief::Down
            } else {
                Belief::Up
            };
            *belief != expected
        };
        believed.filter(wrong).collect()
    }

    /// How often it was noted of a peer.
    pub(crate) fn count(&self, chore: Chore, peer: NodeId) -> usize {
        let notes = self.notes.iter();
        notes
            .filter(|note| note.chore == chore && note.peer == Some(peer))
            .count()
    }

    fn note(&mut self, outputs: &[Output]) {
        for output in outputs {
            let Output::Note(Event::Upkeep(upkeep)) = output else {
                continue;
            };
            let belief = match upkeep.chore {
                Chore::BelievesUp => Some(Belief::Up),
                Chore::Suspects => Some(Belief::Suspected),
                Chore::BelievesDown => Some(Belief::Down),
                _ => None,
            };
            if let (Some(belief), Some(peer)) = (belief, upkeep.peer) {
                self.beliefs
                    .insert((upkeep.node, peer), (belief, upkeep.at));
            }
            self.notes.push((**upkeep).clone());
        }
    }
}

/// Loses messages with a probability.
pub(crate) fn lossy(seed: u64, share: f64) -> impl FnMut(&Parcel) -> bool {
    let mut chance = chance::stream(seed, "loss", NodeId::node(1));
    move |_| (chance.next_u64() >> 11) as f64 / ((1_u64 << 53) as f64) < share
}

/// How long a message takes at most.
const STEP: Duration = Duration::from_millis(10);
