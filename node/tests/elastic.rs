//! Members come and go while clients read and write, messages overtake each other, and some are lost: no acknowledged
//! write is lost, none is missed by a read, and in the end keys are where they belong and nowhere else.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod harness;

use bytes::Bytes;
use harness::{Cluster, Shape, choice_of, config, get, put, replies};
use rand::RngExt as _;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_node::chance;
use tidemark_node::config::partitioner_of;
use tidemark_node::partitioner::Change;
use tidemark_node::replica::{Input, Output};
use tidemark_node::request::{Answer, Enrolled, Reply, Ticket};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Message;
use tidemark_proto::wire;

/// If this fails, a read during a change of the members misses a write, or a change loses one or never ends.
#[test]
fn members_come_and_go_and_no_read_misses_a_write() {
    let mut moved = 0;
    for seed in 0..SEEDS {
        moved += Story::of(seed).play();
    }
    assert!(
        moved > 0,
        "nothing was ever handed over: the test tests nothing"
    );
}

/// If this fails, a node that nobody waits for, since it has left or is yet to join, coordinates by a roll whose quorums
/// need not meet those of today.
#[test]
fn whoever_is_asked_no_read_misses_a_write() {
    for seed in 0..SEEDS {
        let mut story = Story::of(1_000 + seed);
        story.asked = Asked::Anybody;
        story.play();
    }
}

/// If this fails, somebody may begin a change that cannot be, and is not told why.
#[test]
fn changes_that_cannot_be_are_refused_with_their_reason() {
    let mut story = Story::of(1);
    let mut refused = |node: u16, change: &str| {
        let change: Change = change.parse().unwrap();
        match story.enrol(NodeId::node(node), Some(change)) {
            Err(reason) => reason,
            Ok(enrolled) => panic!("{change} was begun: {enrolled:?}"),
        }
    };
    assert_eq!(
        refused(2, "+n4"),
        "n1 keeps the roll of the members; ask it"
    );
    assert_eq!(
        refused(1, "+n2"),
        "n2 is a member already; the members are n1, n2, n3"
    );
    assert_eq!(
        refused(1, "+n9"),
        "n9 is not known here; the nodes are n1, n2, n3, n4, n5, n6"
    );
    assert_eq!(
        refused(1, "-n5"),
        "n5 is no member; the members are n1, n2, n3"
    );
    assert_eq!(
        refused(1, "-n3"),
        "3 members hold 3 replicas of each key: none can leave; let another join first"
    );
    story
        .enrol(NodeId::node(1), Some("+n4".parse().unwrap()))
        .unwrap();
    let reason = match story.enrol(NodeId::node(1), Some("+n5".parse().unwrap())) {
        Err(reason) => reason,
        Ok(enrolled) => panic!("two changes at once: {enrolled:?}"),
    };
    assert_eq!(reason, "a change is under way: +n4; wait until it is over");
}

/// If this fails, somebody is told that a change has begun which nobody will ever hear of.
#[test]
fn a_change_that_cannot_be_kept_is_refused() {
    let mut story = Story::on_disk(1);
    let n1 = NodeId::node(1);
    story.cluster.disk(n1).limit(Some(0));
    let join: Change = "+n4".parse().unwrap();
    let reason = match story.enrol(n1, Some(join)) {
        Err(reason) => reason,
        Ok(enrolled) => panic!("it was begun: {enrolled:?}"),
    };
    assert_eq!(
        reason,
        "n1 cannot keep the new roll of the members: its disk takes nothing"
    );
    story.cluster.disk(n1).limit(None);
    let enrolled = story.enrol(n1, Some(join)).unwrap();
    assert_eq!(enrolled.roll.number, 1);
}

/// If this fails, a node that crashes when a change is over keeps others' keys until the next change.
#[test]
fn who_restarts_after_a_change_gives_up_what_is_no_longer_its_own() {
    let mut story = Story::on_disk(1);
    let [n1, n4] = [1, 4].map(NodeId::node);
    for key in 0..KEYS {
        let operation = OperationId::new(NodeId::client(1), u64::from(key) + 1);
        let name = format!("key{key}");
        let _ = (story.cluster).ask(n1, put(operation, &name, "value", Bytes::new()));
    }
    story.cluster.settle();
    story.complete("+n4");
    assert!(story.held_for_others(n1) > 0, "nothing is to be given up");
    story.cluster.crash(n1);
    story.cluster.restart(n1);
    story.pass(Duration::from_secs(10));
    assert_eq!(story.held_for_others(n1), 0);
    assert!((0..KEYS).any(|key| !story.cluster.held(n4, &format!("key{key}")).is_empty()));
}

/// If this fails, nodes tell the registrar again and again what it knows.
#[test]
fn who_has_nothing_new_to_say_says_nothing() {
    let mut story = Story::on_disk(1);
    let n1 = NodeId::node(1);
    for key in 0..200 {
        let operation = OperationId::new(NodeId::client(1), key + 1);
        let name = format!("key{key}");
        let _ = (story.cluster).ask(n1, put(operation, &name, "value", Bytes::new()));
    }
    story.cluster.settle();
    story.enrol(n1, Some("+n4".parse().unwrap())).unwrap();
    let (mut told, mut answered) = (0, 0);
    for _ in 0..1_000 {
        for parcel in &story.cluster.bag {
            told += u32::from(matches!(parcel.message, Message::Members(_)));
            answered += u32::from(matches!(parcel.message, Message::MembersReply(_)));
        }
        let bag = story.cluster.bag.len();
        for _ in 0..bag {
            story.cluster.deliver(0);
        }
        story.wait(Duration::from_millis(1));
    }
    let roll = story.roll(n1).unwrap().roll;
    assert_eq!(roll.under_way, None);
    // Beside what it is asked, each node but the registrar has one thing to say: that it has moved its keys.
    assert!(answered <= told + 5, "{told} told, {answered} answered");
}

/// If this fails, a change goes on without a quorum of those who hold a key: what they alone acknowledged is not moved.
#[test]
fn a_change_waits_for_whom_a_quorum_needs() {
    let roll = |down: &[&str]| {
        let mut story = Story::of(1);
        let mut config = story.cluster.config.clone();
        let down: BTreeMap<_, _> = down.iter().map(|node| (*node, "0s")).collect();
        config.membership.options = serde_json::from_value(json!({ "down": down })).unwrap();
        story.cluster = Cluster::new(config);
        story.pass(Duration::from_millis(10));
        let n1 = NodeId::node(1);
        story.enrol(n1, Some("+n4".parse().unwrap())).unwrap();
        for _ in 0..100 {
            story.pass(Duration::from_millis(20));
        }
        story.roll(n1).unwrap().roll.number
    };
    // Reads and writes take two replicas of three: one may be left behind, and not two.
    assert_eq!(roll(&["n3"]), 5, "it is over");
    assert_eq!(roll(&["n2", "n3"]), 1, "it is announced, and no more");
}

/// If this fails, a change stops for ever whose registrar has died, and no other can be begun.
#[test]
fn who_takes_the_place_of_the_registrar_goes_on_with_its_change() {
    let mut story = Story::of(1);
    let mut config = story.cluster.config.clone();
    config.membership.options =
        serde_json::from_value(json!({ "down": { "n1": "500ms" } })).unwrap();
    story.cluster = Cluster::new(config);
    let [n1, n2] = [1, 2].map(NodeId::node);
    story.enrol(n1, Some("+n4".parse().unwrap())).unwrap();
    for _ in 0..100 {
        if story.roll(n2).unwrap().roll.number == 1 {
            break;
        }
        if story.cluster.bag.is_empty() {
            story.wait(Duration::from_millis(1));
        } else {
            story.cluster.deliver(0);
        }
    }
    story.cluster.crash(n1);
    story.pass(Duration::from_millis(400));
    let under_way = story.roll(n2).unwrap().roll.under_way;
    assert!(under_way.is_some(), "n1 is still waited for");
    for _ in 0..100 {
        story.pass(Duration::from_millis(20));
    }
    let enrolled = story.roll(n2).unwrap();
    assert_eq!(
        (enrolled.registrar, enrolled.roll.under_way),
        (Some(n2), None)
    );
    assert!(story.enrol(n2, Some("+n5".parse().unwrap())).is_ok());
}

/// If this fails, what is kept for a node is lost when that leaves.
#[test]
fn what_was_kept_for_who_has_left_goes_to_who_holds_the_key_now() {
    let [n1, n2, n3, n4] = [1, 2, 3, 4].map(NodeId::node);
    let mut story = Story::of(1);
    let operation = OperationId::new(NodeId::client(1), 1);
    let _ = (story.cluster).ask(n1, put(operation, "key", "value", Bytes::new()));
    let versions = story.cluster.held(n1, "key");
    let mut config = story.cluster.config.clone();
    config.repair = vec![choice_of("hint")];
    config.membership.options = serde_json::from_value(json!({ "down": { "n3": "0s" } })).unwrap();
    story.cluster = Cluster::new(config);
    story.pass(Duration::from_millis(10));
    let store = wire::Store {
        request: 1,
        key: "key".into(),
        versions: versions.clone(),
        operation: operation.bits(),
        hint_for: Some(n3.bits().into()),
        durable: false,
        roll: 0,
    };
    let _ = (story.cluster).handle(n1, Input::Message(n2, Message::Store(store)));
    story.enrol(n1, Some("n3>n4".parse().unwrap())).unwrap();
    let held = |story: &Story| [n1, n2, n4].map(|node| story.cluster.held(node, "key"));
    for _ in 0..200 {
        story.pass(Duration::from_millis(20));
        if story.roll(n1).unwrap().roll.under_way.is_some() {
            assert_eq!(
                held(&story),
                [vec![], vec![], vec![]],
                "it is kept until then"
            );
        }
    }
    assert_eq!(story.roll(n1).unwrap().roll.under_way, None);
    assert_eq!(held(&story), [versions.clone(), versions.clone(), versions]);
}

/// A cluster, its clients, and what they know.
struct Story {
    seed: u64,
    cluster: Cluster,
    chance: Xoshiro256PlusPlus,
    /// Each key has one writer.
    keys: BTreeMap<String, Key>,
    open: BTreeMap<Ticket, Open>,
    operations: u64,
    changes: Vec<Change>,
    handed_over: u64,
    asked: Asked,
}

/// Whom clients ask.
#[derive(Clone, Copy, PartialEq)]
enum Asked {
    Members,
    /// Also those who have left, and those who have yet to join.
    Anybody,
}

#[derive(Default)]
struct Key {
    /// The last write that was acknowledged.
    acknowledged: u64,
    /// The context of the last answer.
    context: Bytes,
    writing: bool,
}

/// A request that waits for its reply.
struct Open {
    key: String,
    /// The write's number; none: it reads.
    write: Option<u64>,
    /// The last write that was acknowledged when it began.
    owed: u64,
}

impl Story {
    fn of(seed: u64) -> Self {
        let shape = Shape {
            nodes: 3,
            gateways: 0,
            n: 3,
            r: 2,
            w: 2,
        };
        let mut config = config(shape, json!({}), &[]);
        config.seed = seed;
        config.spares = (4..=6).map(NodeId::node).collect();
        config.handover.batch = 4;
        let changes = ["+n4", "+n5", "+n6", "-n2", "n3>n2", "-n1"];
        let changes = changes
            .iter()
            .rev()
            .map(|text| text.parse().expect("it is a change"));
        Self {
            seed,
            cluster: Cluster::new(config),
            chance: chance::stream(seed, "elastic", NodeId::client(1)),
            keys: (0..KEYS)
                .map(|key| (format!("key{key}"), Key::default()))
                .collect(),
            open: BTreeMap::new(),
            operations: 0,
            changes: changes.collect(),
            handed_over: 0,
            asked: Asked::Members,
        }
    }

    /// The same with storage that outlives a process.
    fn on_disk(seed: u64) -> Self {
        let mut story = Self::of(seed);
        let mut config = story.cluster.config.clone();
        config.storage = choice_of("model");
        story.cluster = Cluster::new(config);
        story
    }

    /// Asks n1 for a change, and lets it come to its end.
    fn complete(&mut self, change: &str) {
        let n1 = NodeId::node(1);
        self.enrol(n1, Some(change.parse().unwrap())).unwrap();
        for _ in 0..100 {
            self.pass(Duration::from_millis(10));
            if self.roll(n1).unwrap().roll.under_way.is_none() {
                return;
            }
        }
        panic!("{change} is not over after a second");
    }

    fn pass(&mut self, time: Duration) {
        self.cluster.settle();
        self.wait(time);
        self.cluster.settle();
    }

    /// How many keys a node holds of which it is no replica.
    fn held_for_others(&mut self, node: NodeId) -> usize {
        let roster = self.roll(node).unwrap().roll.roster;
        let partitioner = partitioner_of(&self.cluster.config, &roster).unwrap();
        let keys = (0..KEYS).map(|key| format!("key{key}"));
        let others = keys.filter(|key| !partitioner.preference(key.as_bytes(), 3).contains(&node));
        others
            .filter(|key| !self.cluster.held(node, key).is_empty())
            .count()
    }

    /// Gives how many keys were handed over.
    fn play(mut self) -> u64 {
        for _ in 0..MOST_STEPS {
            match self.chance.random_range(0..20u32) {
                // As many messages leave the bag as come into it.
                0 => self.ask(),
                1..=16 if !self.cluster.bag.is_empty() => {
                    let index = self.chance.random_range(0..self.cluster.bag.len());
                    if self.chance.random_ratio(1, 50) {
                        self.cluster.bag.remove(index);
                    } else {
                        let outputs = self.cluster.deliver(index);
                        self.absorb(outputs);
                    }
                }
                17 => self.wait(Duration::from_millis(20)),
                18 => self.change(),
                _ => {}
            }
            if self.changes.is_empty()
                && self
                    .roll(NodeId::node(4))
                    .is_some_and(|it| it.roll.under_way.is_none())
            {
                break;
            }
        }
        assert!(
            self.changes.is_empty(),
            "seed {}: {:?} were never begun",
            self.seed,
            self.changes
        );
        // All is delivered, and what waits for time gets it.
        for _ in 0..100 {
            let outputs = self.cluster.settle();
            self.absorb(outputs);
            self.wait(Duration::from_millis(100));
        }
        self.check_places();
        self.handed_over
    }

    /// In the end all members go by one roll, and who holds a key is who is to hold it.
    fn check_places(&mut self) {
        let seed = self.seed;
        let rolls: Vec<_> = (1..=6).map(|node| self.roll(NodeId::node(node))).collect();
        let first = rolls[0].clone().expect("n1 answers").roll;
        assert_eq!(
            first.under_way, None,
            "seed {seed}: the last change never ended"
        );
        for roll in rolls.into_iter().flatten() {
            assert_eq!(roll.roll, first, "seed {seed}: two rolls");
        }
        let members = first.roster.nodes().to_vec();
        let names: Vec<_> = members.iter().map(NodeId::to_string).collect();
        assert_eq!(names, ["n2", "n4", "n5", "n6"], "seed {seed}");
        let partitioner = partitioner_of(&self.cluster.config, &first.roster)
            .expect("keys can be laid out over the members");
        for (name, key) in &self.keys {
            let holders = partitioner.preference(name.as_bytes(), 3);
            let holds = |node: u16| -> u64 {
                let held = self.cluster.held(NodeId::node(node), name);
                let numbers = held
                    .iter()
                    .map(|version| OperationId::from_bits(version.operation).sequence());
                numbers.max().unwrap_or(0)
            };
            let fresh = holders
                .iter()
                .filter(|node| holds(node.number()) >= key.acknowledged)
                .count();
            assert!(
                fresh >= 2 || key.acknowledged == 0,
                "seed {seed}: {name} is on {fresh} of {holders:?}"
            );
            for node in (1..=6).filter(|node| !holders.contains(&NodeId::node(*node))) {
                assert_eq!(holds(node), 0, "seed {seed}: n{node} still holds {name}");
            }
        }
    }

    /// A client reads or writes some key through some node that was once a member.
    fn ask(&mut self) {
        let members: Vec<NodeId> = match (self.asked, self.roll(NodeId::node(4))) {
            (Asked::Anybody, _) => self.cluster.ids(),
            (Asked::Members, Some(enrolled)) => enrolled.roll.roster.nodes().to_vec(),
            (Asked::Members, None) => return,
        };
        let node = members[self.chance.random_range(0..members.len())];
        let name = format!("key{}", self.chance.random_range(0..KEYS));
        let writes = self.chance.random_ratio(1, 2);
        let key = self.keys.get_mut(&name).expect("it is one of them");
        self.operations += 1;
        let operation = OperationId::new(NodeId::client(1), self.operations);
        let write = (writes && !key.writing).then_some(self.operations);
        let request = match write {
            Some(_) => put(operation, &name, "value", key.context.clone()),
            None => get(operation, &name, None),
        };
        key.writing |= write.is_some();
        let owed = key.acknowledged;
        let (ticket, outputs) = self.cluster.ask(node, request);
        self.open.insert(
            ticket,
            Open {
                key: name,
                write,
                owed,
            },
        );
        self.absorb(outputs);
    }

    fn change(&mut self) {
        let Some(change) = self.changes.last().copied() else {
            return;
        };
        for node in 1..=6 {
            if self.enrol(NodeId::node(node), Some(change)).is_ok() {
                self.changes.pop();
                return;
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        let rung = self.cluster.wait(time);
        for (_, outputs) in rung {
            self.absorb(outputs);
        }
    }

    fn roll(&mut self, node: NodeId) -> Option<Enrolled> {
        self.enrol(node, None).ok()
    }

    fn enrol(&mut self, node: NodeId, change: Option<Change>) -> Result<Enrolled, String> {
        let outputs = self.cluster.handle(node, Input::Enrol(Ticket(0), change));
        let enrolled = outputs.into_iter().find_map(|output| match output {
            Output::Enrolled(_, enrolled) => Some(enrolled),
            Output::Reply(..) | Output::Send(..) | Output::Note(_) => None,
        });
        let enrolled = enrolled.expect("it is answered at once");
        enrolled.map_or_else(|refusal| Err(refusal.message.into_owned()), |it| Ok(*it))
    }

    fn absorb(&mut self, outputs: Vec<Output>) {
        for output in &outputs {
            if let Output::Note(tidemark_proto::event::Event::Upkeep(upkeep)) = output
                && upkeep.chore == tidemark_proto::upkeep::Chore::HandedOver
            {
                self.handed_over += upkeep.count;
            }
        }
        for (ticket, reply) in replies(&outputs) {
            let Some(Open {
                key: name,
                write,
                owed,
            }) = self.open.remove(&ticket)
            else {
                continue;
            };
            let key = self.keys.get_mut(&name).expect("it is one of them");
            key.writing &= write.is_none();
            match (reply, write) {
                (Reply::Got(answer), _) => {
                    let newest = newest(&answer);
                    assert!(
                        newest >= owed,
                        "seed {}: a read of {name} misses write {owed}: it has {newest}, by {:?}",
                        self.seed,
                        answer.answered
                    );
                    key.context = answer.context;
                }
                (Reply::Written(answer), Some(number)) => {
                    key.acknowledged = number;
                    key.context = answer.context;
                }
                _ => {}
            }
        }
    }
}

fn newest(answer: &Answer) -> u64 {
    let numbers = answer
        .versions
        .iter()
        .map(|version| version.operation.sequence());
    numbers.max().unwrap_or(0)
}

const SEEDS: u64 = 100;
const KEYS: u32 = 40;
const MOST_STEPS: u32 = 60_000;
