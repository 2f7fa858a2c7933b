//! Disks that fill up while writes, hints, epochs and rolls go onto them: clients are told, and nothing acknowledged is lost.

mod harness;

use bytes::Bytes;
use harness::{Cluster, Shape, choice_of, config, get, put, replies};
use rand::RngExt as _;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_node::chance;
use tidemark_node::config::Choice;
use tidemark_node::partitioner::Change;
use tidemark_node::replica::{Input, Output};
use tidemark_node::request::{Answer, Reply, Ticket};
use tidemark_proto::event::Event;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::upkeep::Chore;

/// If this fails, something was acknowledged, by a hint or a new epoch or under new members, that a full disk did not take.
#[test]
fn what_is_acknowledged_while_disks_fill_up_is_there_afterwards() {
    let mut seen = BTreeMap::new();
    for (kind, seed) in ["strict", "sloppy"]
        .into_iter()
        .flat_map(|kind| (0..SEEDS).map(move |seed| (kind, seed)))
    {
        let mut story = Story::new(kind, seed);
        story.play();
        story.check();
        for (what, count) in story.seen {
            *seen.entry(what).or_insert(0) += count;
        }
    }
    for what in [
        "acknowledged",
        "refused",
        "full",
        "hints",
        "members changed",
        "restarts",
    ] {
        let count = seen.get(what).copied().unwrap_or(0);
        assert!(
            count as u64 > SEEDS,
            "{what}: only {count} in {SEEDS} seeds: {seen:?}"
        );
    }
}

/// If this fails, a client waits in vain for a store whose disks are full, or is told something else.
#[test]
fn a_client_is_told_that_the_disks_are_full_and_can_read() {
    let mut story = Story::new("strict", 1);
    story.write();
    story.settle(0);
    assert!(story.keys.values().any(|key| key.acknowledged > 0));
    for node in (1..=SHAPE.nodes).map(NodeId::node) {
        story.cluster.disk(node).limit(Some(0));
    }
    for node in story.cluster.ids() {
        let request = put(story.operation(), "another", "1", Bytes::new());
        let (asked, outputs) = story.cluster.ask(node, request);
        let mut told = replies(&outputs);
        told.extend(replies(&story.cluster.settle()));
        let reasons = told.iter().filter_map(|(ticket, reply)| match reply {
            Reply::Refused(refusal) if *ticket == asked => Some(&refusal.message),
            _ => None,
        });
        let reasons: Vec<_> = reasons.collect();
        assert!(
            matches!(reasons[..], [reason] if reason.contains("is full")),
            "{node}: {reasons:?}"
        );
    }
    story.check();
}

/// A cluster, its clients, and what they were told.
struct Story {
    kind: &'static str,
    seed: u64,
    cluster: Cluster,
    chance: Xoshiro256PlusPlus,
    /// Each key has one writer.
    keys: BTreeMap<String, Key>,
    /// What was written under which key, through whom.
    open: BTreeMap<Ticket, (String, u64, NodeId)>,
    operations: u64,
    seen: BTreeMap<&'static str, usize>,
}

#[derive(Default)]
struct Key {
    written: u64,
    acknowledged: u64,
    context: Bytes,
}

impl Story {
    fn new(kind: &'static str, seed: u64) -> Self {
        let options = json!({ "failed_write": "hint", "timeout": "500ms" });
        let mut config = config(SHAPE, options, &["read", "hint", "sweep"]);
        config.replication.kind = kind.to_owned();
        config.storage = choice_of("model");
        config.versioning = choice_of("dotted");
        let membership = json!({ "period": "200ms", "detector": { "dead_after": "1s" } });
        config.membership = Choice {
            kind: "heartbeat".to_owned(),
            options: membership.as_object().cloned().expect("a table"),
        };
        config.spares = vec![SPARE];
        config.limits.counters = 2;
        config.seed = seed;
        Self {
            kind,
            seed,
            cluster: Cluster::new(config),
            chance: chance::stream(seed, "full disks", NodeId::client(1)),
            keys: (0..6)
                .map(|key| (format!("key{key}"), Key::default()))
                .collect(),
            open: BTreeMap::new(),
            operations: 0,
            seen: BTreeMap::new(),
        }
    }

    fn play(&mut self) {
        for step in 0..STEPS {
            match self.chance.random_range(0..40_u32) {
                0..=11 => self.write(),
                12 => {
                    let node = self.node();
                    self.cluster.disk(node).limit(Some(0));
                }
                13 => {
                    let node = self.node();
                    self.cluster.disk(node).limit(None);
                }
                14 if step > STEPS / 4 => self.restart(),
                15 if step > STEPS / 4 => self.join(),
                16..=20 => {
                    let time = Duration::from_millis(self.chance.random_range(0..400));
                    for (_, outputs) in self.cluster.wait(time) {
                        self.absorb(&outputs);
                    }
                }
                _ => self.settle(20),
            }
        }
    }

    fn write(&mut self) {
        let number = self.chance.random_range(0..self.keys.len());
        let operation = self.operation();
        let nodes = self.cluster.ids();
        let node = nodes[self.chance.random_range(0..nodes.len())];
        let (name, key) = self
            .keys
            .iter_mut()
            .nth(number)
            .expect("it is below their number");
        key.written += 1;
        let request = put(
            operation,
            name,
            &key.written.to_string(),
            key.context.clone(),
        );
        let (name, written) = (name.clone(), key.written);
        let (ticket, outputs) = self.cluster.ask(node, request);
        self.open.insert(ticket, (name, written, node));
        self.absorb(&outputs);
    }

    /// Delivers what waits, in any order; one message of so many is lost.
    fn settle(&mut self, lost: u32) {
        for _ in 0..MOST_DELIVERED {
            if self.cluster.bag.is_empty() {
                return;
            }
            let index = self.chance.random_range(0..self.cluster.bag.len());
            if lost > 0 && self.chance.random_ratio(1, lost) {
                self.cluster.bag.remove(index);
                continue;
            }
            let outputs = self.cluster.deliver(index);
            self.absorb(&outputs);
        }
    }

    /// A process dies and comes back on what its disk has.
    fn restart(&mut self) {
        let node = self.node();
        self.cluster.crash(node);
        // Nobody answers these any more.
        self.open.retain(|_, (.., via)| *via != node);
        self.settle(20);
        for (_, outputs) in self.cluster.wait(Duration::from_secs(2)) {
            self.absorb(&outputs);
        }
        self.cluster.restart(node);
        self.count("restarts", 1);
    }

    /// Somebody joins, if there is room for the roll.
    fn join(&mut self) {
        for node in self.cluster.ids() {
            let enrol = Input::Enrol(Ticket(0), Some(Change::Join(SPARE)));
            let outputs = self.cluster.handle(node, enrol);
            self.absorb(&outputs);
        }
    }

    fn absorb(&mut self, outputs: &[Output]) {
        for output in outputs {
            match output {
                Output::Note(Event::Refused { reason, .. }) if reason.contains("is full") => {
                    self.count("full", 1)
                }
                Output::Note(Event::Upkeep(note)) if note.chore == Chore::HintKept => {
                    self.count("hints", 1)
                }
                Output::Note(Event::Upkeep(note)) if note.chore == Chore::MembersChanged => {
                    self.count("members changed", 1)
                }
                _ => {}
            }
        }
        for (ticket, reply) in replies(outputs) {
            let Some((name, number, _)) = self.open.remove(&ticket) else {
                continue;
            };
            let Reply::Written(answer) = reply else {
                self.count("refused", 1);
                continue;
            };
            self.count("acknowledged", 1);
            let key = self.keys.get_mut(&name).expect("it was written");
            if number > key.acknowledged {
                key.acknowledged = number;
                key.context = answer.context;
            }
        }
    }

    /// Every disk has room again, and all is delivered: a read of everybody finds what was acknowledged last, or newer.
    fn check(&mut self) {
        for node in self.cluster.ids() {
            self.cluster.disk(node).limit(None);
        }
        for _ in 0..60 {
            self.settle(0);
            for (_, outputs) in self.cluster.wait(Duration::from_millis(500)) {
                self.absorb(&outputs);
            }
        }
        let owed: Vec<_> = self
            .keys
            .iter()
            .map(|(name, key)| (name.clone(), key.acknowledged))
            .collect();
        for (name, acknowledged) in owed {
            let operation = self.operation();
            let (asked, mut outputs) = self
                .cluster
                .ask(NodeId::node(1), get(operation, &name, Some(SHAPE.n)));
            outputs.extend(self.cluster.settle());
            let answer = replies(&outputs)
                .into_iter()
                .find(|(ticket, _)| *ticket == asked);
            let Some((_, Reply::Got(answer))) = answer else {
                panic!("{} {}: {name}: {answer:?}", self.kind, self.seed);
            };
            let newest = newest(&answer);
            assert!(
                newest >= acknowledged,
                "{} {}: {name} is {newest}, {acknowledged} was acknowledged",
                self.kind,
                self.seed
            );
        }
        assert!(self.open.is_empty(), "{:?} have no answer", self.open);
    }

    fn node(&mut self) -> NodeId {
        NodeId::node(self.chance.random_range(1..=SHAPE.nodes))
    }

    fn operation(&mut self) -> OperationId {
        self.operations += 1;
        OperationId::new(NodeId::client(1), self.operations)
    }

    fn count(&mut self, what: &'static str, by: usize) {
        *self.seen.entry(what).or_insert(0) += by;
    }
}

fn newest(answer: &Answer) -> u64 {
    let number = |value: &Bytes| std::str::from_utf8(value).ok()?.parse().ok();
    let numbers = answer
        .versions
        .iter()
        .filter_map(|version| number(&version.value));
    numbers.max().unwrap_or(0)
}

const SHAPE: Shape = Shape {
    nodes: 4,
    gateways: 1,
    n: 3,
    r: 2,
    w: 2,
};
const SPARE: NodeId = NodeId::node(5);
const SEEDS: u64 = 40;
const STEPS: u32 = 300;
const MOST_DELIVERED: usize = 200;
