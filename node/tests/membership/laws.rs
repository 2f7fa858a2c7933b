//! Laws of every strategy that promises to detect crashes, with several of its options.

use crate::group::{Group, lossy};
use crate::harness::tries;
use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use std::time::Duration;
use tidemark_node::membership;
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Message;
use tidemark_proto::registry::Promise;
use tidemark_proto::wire;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..tries() })]

    /// If this fails, a node passes for down for ever though it answers, or one that is down passes for up: after lost
    /// messages, crashes, restarts and cuts, whatever was believed meanwhile.
    #[test]
    fn once_messages_arrive_beliefs_are_true(
        nodes in 2..8_u16, seed: u64, acts in prop::collection::vec(act(), 0..6),
    ) {
        for (kind, options) in strategies() {
            let mut group = Group::new(nodes, seed, kind, &options);
            for act in &acts {
                act.perform(&mut group, seed);
            }
            group.quiet(BOUND);
            prop_assert_eq!(group.errors(), [], "{} {}", kind, options);
        }
    }

    /// If this fails, the same seed gives another run, or messages grow with what has happened.
    #[test]
    fn the_same_seed_says_the_same_and_messages_are_bounded(
        nodes in 2..8_u16, seed: u64, acts in prop::collection::vec(act(), 0..4),
    ) {
        for (kind, options) in strategies() {
            let run = || {
                let mut group = Group::new(nodes, seed, kind, &options);
                for act in &acts {
                    act.perform(&mut group, seed);
                }
                group
            };
            let (one, other) = (run(), run());
            prop_assert_eq!(&one.sent, &other.sent, "{}", kind);
            prop_assert_eq!(&one.notes, &other.notes, "{}", kind);
            let longest = one.sent.iter().map(|parcel| parcel.message.size()).max();
            let most = 32 + 11 * usize::from(nodes);
            prop_assert!(longest <= Some(most), "{kind} {options}: {longest:?} bytes");
        }
    }

    /// If this fails, bytes from nowhere stop a node, or make it believe for ever what is not.
    #[test]
    fn bytes_that_nobody_sent_do_no_lasting_harm(
        seed: u64, acts in prop::collection::vec(damage(), 1..20),
    ) {
        for (kind, options) in strategies() {
            let mut group = Group::new(4, seed, kind, &options);
            group.quiet(Duration::from_secs(3));
            for damage in &acts {
                let gossip = damage.body(&group);
                group.say(damage.from, damage.to, Message::Gossip(wire::Gossip { body: gossip }));
                group.quiet(Duration::from_millis(300));
            }
            group.crash(NodeId::node(4));
            group.quiet(BOUND);
            prop_assert_eq!(group.errors(), [], "{} {}", kind, options);
            group.restart(NodeId::node(4));
            group.quiet(BOUND);
            prop_assert_eq!(group.errors(), [], "{} {}, after a restart", kind, options);
        }
    }
}

/// Every entry that makes the promise, with its defaults, and what else the files of this seam know.
fn strategies() -> Vec<(&'static str, Value)> {
    let promising = membership::ENTRIES
        .iter()
        .filter(|entry| entry.promises.contains(&Promise::DetectsCrashes));
    let defaults = promising.map(|entry| (entry.name, json!({})));
    let others = [
        (
            "heartbeat",
            json!({ "detector": { "phi": {} }, "fanout": 1 }),
        ),
        ("heartbeat", json!({ "kill_after": "5s" })),
        ("swim", json!({ "k": 0, "suspicion": 0, "probe": "random" })),
        (
            "swim",
            json!({ "k": 1, "refutation": false, "piggyback": "all" }),
        ),
    ];
    defaults.chain(others).collect()
}

/// What happens to a group.
#[derive(Clone, Debug)]
enum Act {
    /// So many messages of a hundred are lost for so many seconds.
    Lose(u8, u64),
    /// One is cut off from all others for so many seconds.
    Cut(Index, u64),
    /// One dies, or comes back.
    Toggle(Index),
    /// So many seconds pass.
    Wait(u64),
}

impl Act {
    fn perform(&self, group: &mut Group, seed: u64) {
        let ids = group.cluster.ids();
        match self {
            Self::Lose(share, seconds) => {
                let lost = lossy(seed, f64::from(*share) / 100.0);
                group.run(Duration::from_secs(*seconds), lost);
            }
            Self::Cut(index, seconds) => {
                let cut = ids[index.index(ids.len())];
                let seconds = Duration::from_secs(*seconds);
                group.run(seconds, |parcel| (parcel.from == cut) != (parcel.to == cut));
            }
            Self::Toggle(index) => {
                let node = ids[index.index(ids.len())];
                if group.down.contains(&node) {
                    group.restart(node);
                } else {
                    group.crash(node);
                }
            }
            Self::Wait(seconds) => group.quiet(Duration::from_secs(*seconds)),
        }
    }
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (10..100_u8, 1..30_u64).prop_map(|(share, seconds)| Act::Lose(share, seconds)),
        (any::<Index>(), 1..40_u64).prop_map(|(node, seconds)| Act::Cut(node, seconds)),
        any::<Index>().prop_map(Act::Toggle),
        (1..10_u64).prop_map(Act::Wait),
    ]
}

/// Bytes from somebody, perhaps a stranger: what was once sent, damaged, or made up.
#[derive(Clone, Debug)]
struct Damage {
    from: NodeId,
    to: NodeId,
    of: Option<Index>,
    at: Index,
    bytes: Vec<u8>,
}

impl Damage {
    fn body(&self, group: &Group) -> Bytes {
        let sent = self.of.filter(|_| !group.sent.is_empty());
        let message = sent.map(|index| &group.sent[index.index(group.sent.len())].message);
        let Some(Message::Gossip(gossip)) = message else {
            return self.bytes.clone().into();
        };
        let mut body = gossip.body.to_vec();
        let at = self.at.index(body.len());
        let end = body.len().min(at + self.bytes.len());
        body.splice(at..end, self.bytes.iter().copied());
        body.into()
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let byte = prop_oneof![Just(0), Just(1), Just(0x7f), any::<u8>()];
    (
        1..7_u16,
        1..5_u16,
        prop::option::weighted(0.8, any::<Index>()),
        any::<Index>(),
        prop::collection::vec(byte, 1..12),
    )
        .prop_map(|(from, to, of, at, bytes)| Damage {
            from: NodeId::node(from),
            to: NodeId::node(to),
            of,
            at,
            bytes,
        })
}

/// After so many periods of a second all is known: no probability is left that a test would see.
const BOUND: Duration = Duration::from_secs(120);
