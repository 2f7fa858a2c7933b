//! Messages and requests that pass every checksum and mean nothing: whatever a peer or a client says, a node goes on, answers
//! who asks, and holds what it held of other keys.

#[path = "../harness/mod.rs"]
mod harness;
mod spoken;

use bytes::Bytes;
use harness::{Cluster, Shape, get, put, replies};
use prost::Message as _;
use spoken::{STORES, Store};
use std::collections::BTreeSet;
use std::time::Duration;
use tidemark_node::partitioner::Roster;
use tidemark_node::replica::{Input, Output};
use tidemark_node::request::{Reply, Request, Ticket};
use tidemark_node::roll::Roll;
use tidemark_node::versioning::Versions;
use tidemark_proto::event::Event;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::{Message, Method};
use tidemark_proto::wire::{self, Envelope};
use xxhash_rust::xxh3::xxh3_64;

/// If this fails, a message that is intact and means nothing ends a node, makes it deaf, or changes keys that it does not name.
#[test]
fn a_message_that_means_nothing_ends_no_node_and_touches_no_other_key() {
    bolero::check!()
        .with_iterations(1_500)
        .with_type::<(u8, Vec<Said>)>()
        .for_each(|(store, said)| {
            let store = &STORES[usize::from(*store) % STORES.len()];
            let mut place = Place::new(store);
            let mut about_members = false;
            for (which, to, pause, changes) in said.iter().take(MOST_SAID) {
                let of_class = store
                    .corpus
                    .values()
                    .nth(usize::from(*which) % store.corpus.len());
                let original = pick(of_class.expect("it is below their number"), *which);
                let Some(message) = changed(original, changes, pick(&store.bodies, *pause)) else {
                    continue;
                };
                about_members |= IS_ABOUT_MEMBERS.contains(&message.method());
                place.hear(*to, message, *pause);
            }
            place.check(!about_members);
        });
}

/// If this fails, a client can end a node with a request, or waits for ever for its answer.
#[test]
fn a_request_that_means_nothing_is_answered_and_touches_no_other_key() {
    bolero::check!()
        .with_iterations(1_500)
        .with_type::<(u8, Vec<Said>)>()
        .for_each(|(store, said)| {
            let store = &STORES[usize::from(*store) % STORES.len()];
            let mut place = Place::new(store);
            for (which, to, pause, changes) in said.iter().take(MOST_SAID) {
                let body = altered(
                    pick(&store.requests, *which),
                    changes,
                    pick(&store.bodies, *pause),
                );
                let body = &body[..];
                let request: Option<Request> = match which % 3 {
                    0 => wire::GetRequest::decode(body).ok().map(Into::into),
                    1 => wire::PutRequest::decode(body).ok().map(Into::into),
                    _ => wire::DeleteRequest::decode(body).ok().map(Into::into),
                };
                if let Some(request) = request {
                    place.ask(*to, request, *pause);
                }
            }
            place.check(true);
        });
}

/// If this fails, the first test leaves out a class of messages.
#[test]
fn every_class_of_messages_is_among_what_is_said() {
    let said: BTreeSet<Method> = STORES
        .iter()
        .flat_map(|store| store.heard.clone())
        .collect();
    let never: Vec<_> = Method::PEER
        .iter()
        .filter(|method| !said.contains(method))
        .collect();
    assert!(
        never.is_empty(),
        "{never:?} are never said by any of the stores"
    );
}

/// If this fails, a roll that no registrar has made ends a node, at once or when it starts again.
#[test]
fn a_roll_that_cannot_be_is_refused_and_is_not_what_the_next_life_starts_with() {
    let node = NodeId::node(2);
    for (number, members, reason) in [
        (3, &[1, 2, 9][..], "n9 is not known here"),
        (3, &[], "it has no members"),
        (u64::MAX, &[1, 2, 3], "no roll could come after it"),
    ] {
        let mut place = Place::new(&STORES[0]);
        let roll = Roll {
            number,
            roster: Roster::of(members.iter().map(|member| NodeId::node(*member))),
            under_way: None,
        };
        let roll = roll.to_bytes().into();
        let message = Message::Members(wire::Members { roll });
        let outputs = place
            .cluster
            .handle(node, Input::Message(NodeId::node(1), message));
        let refused = outputs.iter().any(|output| {
            matches!(output, Output::Note(Event::Refused { reason: why, .. }) if why.contains(reason))
        });
        assert!(refused, "{reason}: {outputs:?}");
        place.cluster.crash(node);
        place.cluster.restart(node);
        place.check(true);
    }
}

/// If this fails, a hint that can never be delivered counts as an acknowledgement, or as a version of the keeper's own.
#[test]
fn a_hint_for_a_stranger_is_refused() {
    for stranger in [u32::from(NodeId::node(9).bits()), u32::MAX] {
        let mut place = Place::new(&STORES[1]);
        let (keeper, _, versions) = place.held[0].clone();
        let store = wire::Store {
            request: 1,
            key: "owed".into(),
            versions,
            hint_for: Some(stranger),
            ..Default::default()
        };
        let other = place.cluster.ids().into_iter().find(|id| *id != keeper);
        let from = other.expect("there are others");
        let outputs = place
            .cluster
            .handle(keeper, Input::Message(from, Message::Store(store)));
        let refused = outputs.iter().any(|output| {
            matches!(output, Output::Send(_, Message::StoreReply(reply)) if reply.refusal.is_some())
        });
        assert!(refused, "{outputs:?}");
        assert_eq!(place.cluster.held(keeper, "owed"), Versions::new());
        place.cluster.bag.clear();
        place.check(true);
    }
}

/// What is said: which message, to whom, how long after, and what is changed in it.
type Said = (u16, u8, u8, Vec<Alteration>);
/// One change of a message's bytes: what kind, where, and with what.
type Alteration = (u8, u16, u64);

/// A cluster that holds something which nothing that is said names.
struct Place {
    cluster: Cluster,
    held: Vec<(NodeId, String, Versions)>,
    open: BTreeSet<Ticket>,
}

impl Place {
    fn new(store: &Store) -> Self {
        let mut cluster = Cluster::new(store.config.clone());
        let keys: Vec<_> = (0..4)
            .map(|key| format!("what nobody names {key}"))
            .collect();
        for (number, key) in (1..).zip(&keys) {
            let operation = OperationId::new(NodeId::client(7), number);
            drop(cluster.ask(NodeId::node(1), put(operation, key, VALUE, Bytes::new())));
            cluster.settle();
        }
        let nodes = (1..=SHAPE.nodes).map(NodeId::node);
        let held = nodes.flat_map(|node| keys.iter().map(move |key| (node, key.clone())));
        let held: Vec<_> = held
            .map(|(node, key)| {
                let versions = cluster.held(node, &key);
                (node, key, versions)
            })
            .collect();
        let held: Vec<_> = held
            .into_iter()
            .filter(|(.., versions)| !versions.is_empty())
            .collect();
        assert_eq!(held.len(), keys.len() * SHAPE.n, "every replica holds it");
        Self {
            cluster,
            held,
            open: BTreeSet::new(),
        }
    }

    fn hear(&mut self, to: u8, message: Message, pause: u8) {
        let ids = self.cluster.ids();
        let to = ids[usize::from(to) % ids.len()];
        let mut others = ids.into_iter().filter(|id| *id != to).cycle();
        let from = others.nth(usize::from(pause)).expect("there are others");
        let outputs = self.cluster.handle(to, Input::Message(from, message));
        self.go_on(outputs, pause);
    }

    fn ask(&mut self, to: u8, request: Request, pause: u8) {
        let ids = self.cluster.ids();
        let to = ids[usize::from(to) % ids.len()];
        let (ticket, outputs) = self.cluster.ask(to, request);
        self.open.insert(ticket);
        self.go_on(outputs, pause);
    }

    /// Takes in what came of something, and lets some time pass.
    fn go_on(&mut self, outputs: Vec<Output>, pause: u8) {
        self.take(&outputs);
        for _ in 0..MOST_DELIVERED {
            if self.cluster.bag.is_empty() {
                break;
            }
            let outputs = self.cluster.deliver(0);
            self.take(&outputs);
        }
        self.cluster.bag.clear();
        // Mostly none, and sometimes enough for alarms to ring.
        let pause = Duration::from_millis(u64::from(pause.saturating_sub(200)) * 50);
        for (_, outputs) in self.cluster.wait(pause) {
            self.take(&outputs);
        }
    }

    fn take(&mut self, outputs: &[Output]) {
        for output in outputs {
            if let Output::Send(to, message) = output {
                assert!(
                    self.cluster.ids().contains(to),
                    "to {to}, a stranger: {message:?}"
                );
            }
        }
        for (ticket, _) in replies(outputs) {
            assert!(self.open.remove(&ticket), "{ticket:?} is answered twice");
        }
    }

    /// Everybody answers, and holds what it held.
    fn check(mut self, is_held_still: bool) {
        for (node, key, versions) in self.held.clone() {
            if is_held_still {
                assert_eq!(self.cluster.held(node, &key), versions, "{node} of {key}");
            }
        }
        let key = self.held[0].1.clone();
        for node in self.cluster.ids() {
            let operation = OperationId::new(NodeId::client(8), u64::from(node.bits()));
            let (asked, mut outputs) = self.cluster.ask(node, get(operation, &key, None));
            for _ in 0..20 {
                outputs.extend(self.settle());
                let rung = self.cluster.wait(Duration::from_millis(500));
                outputs.extend(rung.into_iter().flat_map(|(_, outputs)| outputs));
            }
            let mut replies = replies(&outputs);
            self.open
                .retain(|open| !replies.iter().any(|(ticket, _)| ticket == open));
            replies.retain(|(ticket, _)| *ticket == asked);
            assert_eq!(replies.len(), 1, "{node} answers {replies:?}");
            if let (true, Reply::Got(answer)) = (is_held_still, &replies[0].1) {
                let values: Vec<_> = answer.versions.iter().map(|one| &one.value[..]).collect();
                assert_eq!(values, [VALUE.as_bytes()], "{node}");
            }
        }
        assert!(self.open.is_empty(), "{:?} have no answer", self.open);
    }

    /// Delivers what waits and what is sent meanwhile, within bounds: nodes may have been told to send without end.
    fn settle(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        for _ in 0..MOST_DELIVERED {
            if self.cluster.bag.is_empty() {
                break;
            }
            outputs.extend(self.cluster.deliver(0));
        }
        self.cluster.bag.clear();
        outputs
    }
}

/// A message with its bytes changed, if it is one still.
fn changed(message: &Message, changes: &[Alteration], other: &Bytes) -> Option<Message> {
    let body = altered(&message.seal().body, changes, other);
    let checksum = xxh3_64(&body);
    Message::open(message.method(), Envelope { checksum, body }).ok()
}

/// Bytes with bits flipped, parts cut out, doubled, or taken from others.
fn altered(bytes: &Bytes, changes: &[Alteration], other: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    let count = changes
        .first()
        .map_or(0, |(kind, ..)| usize::from(*kind) % 4);
    for (kind, at, value) in changes.iter().take(count) {
        let at = usize::from(*at) % (bytes.len() + 1);
        let value_bytes = value.to_le_bytes();
        let end = bytes.len().min(at + value_bytes[0] as usize % 16);
        match kind / 4 % 8 {
            0..=2 if at < bytes.len() => bytes[at] ^= 1 << (value % 8),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..end)),
            5 => drop(bytes.splice(at..at, value_bytes)),
            // The largest number there is, or a length that is not.
            6 => drop(bytes.splice(at..end, LARGEST)),
            7 => {
                let from = *value as usize % (other.len() + 1);
                drop(bytes.splice(at..end, other[from..].iter().copied().take(64)));
            }
            _ => {}
        }
    }
    bytes.into()
}

fn pick<T>(all: &[T], which: impl Into<u64>) -> &T {
    let which = xxh3_64(&which.into().to_le_bytes()) as usize;
    &all[which % all.len()]
}

const SHAPE: Shape = Shape {
    nodes: 3,
    gateways: 1,
    n: 2,
    r: 1,
    w: 1,
};
const SPARE: NodeId = NodeId::node(4);
const VALUE: &str = "what was stored before";
/// What moves keys, and with them what the nodes hold.
const IS_ABOUT_MEMBERS: [Method; 4] = [
    Method::Members,
    Method::MembersReply,
    Method::Move,
    Method::MoveReply,
];
const LARGEST: [u8; 10] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
const MOST_SAID: usize = 12;
const MOST_DELIVERED: usize = 300;
