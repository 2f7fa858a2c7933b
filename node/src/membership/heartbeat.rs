//! Gossip of heartbeat counters: who is not heard of for too long is believed to be down.
//!
//! Every node counts its own heartbeats, and tells some others, drawn anew each period, the largest count that it knows of
//! each member. A count that grows is a sign of life, whoever tells of it.
//!
//! Reference: van Renesse, Minsky, Hayden, A gossip-style failure detection service, Middleware 1998, §2.
//! Departs from it: a count begins with the number of the node's life, as in Cassandra, so that a node that was started
//! anew is heard at once; counts of the dead are kept, though not told, so that nobody is revived by an old one; whoever
//! is believed to be down is sought.

use super::{Build, Membership, Seat, is_member, newcomers, sought, stagger};
use crate::chance;
use crate::context::Context;
use crate::phi::{Intervals, Phi};
use crate::view::Belief;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use rand_xoshiro::Xoshiro256PlusPlus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Message;
use tidemark_proto::registry::{Entry, OptionError, Options, Promise, parse, resolve, schema};
use tidemark_proto::span::Span;
use tidemark_proto::wire;

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "heartbeat",
    about: "counters of heartbeats are gossiped; whose counter stands still is believed to be down",
    promises: &[Promise::DetectsCrashes],
    resolve: resolve::<Heartbeat>,
    schema: schema::<Heartbeat>,
    build: |options: &Options, seat: Seat| {
        let options = checked(parse::<Heartbeat>(options)?)?;
        Ok(Box::new(Table::new(options, seat)))
    },
};

/// How often is told to how many, and what silence means.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Heartbeat {
    /// Between two heartbeats. Too short: messages; too long: crashes are found late.
    period: Span,
    /// How many others are told each time. Too few: news is slow, and lost messages pass for crashes; too many: messages.
    #[schemars(range(min = 1))]
    fanout: u32,
    /// What silence means that a node is down.
    detector: Detector,
    /// For how long nothing was heard of a node when it is forgotten: nobody is told of it any more. Too short: nodes that
    /// come back are strangers; too long: dead entries are sent about.
    kill_after: Span,
    /// Whether nobody looks for a node that is forgotten. Nodes that were cut off for longer stay alone, as Cassiopeia's do.
    forget_when_isolated: bool,
}

/// What silence means that a node is down.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Detector {
    /// One that lasts so long. Too short: slow news passes for a crash; too long: crashes are found late.
    DeadAfter(Span),
    /// One that is improbable, as the node was heard until now.
    Phi(Phi),
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self {
            period: Span(Duration::from_secs(1)),
            fanout: 3,
            detector: Detector::DeadAfter(Span(Duration::from_secs(5))),
            kill_after: Span(Duration::from_secs(20)),
            forget_when_isolated: false,
        }
    }
}

/// What a node knows of the others.
struct Table {
    options: Heartbeat,
    seat: Seat,
    chance: Xoshiro256PlusPlus,
    /// How many deviations beyond the mean a silence is too long, if that is the detector.
    deviations: f64,
    count: u64,
    peers: BTreeMap<NodeId, Peer>,
    /// When the next heartbeat is due; none: this life has not begun.
    beat: Option<Duration>,
    due: Duration,
}

/// What is known of a peer.
struct Peer {
    count: u64,
    /// When its count last grew.
    heard: Duration,
    /// From how long a silence on it is believed to be down.
    patience: Duration,
    intervals: Intervals,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Up,
    Down,
    Forgotten,
}

impl Membership for Table {
    fn message(&mut self, context: &mut Context<'_>, _: NodeId, gossip: Bytes) {
        let Some(counts) = decode(gossip) else {
            return context.refuse(
                OperationId::NONE,
                "a peer's gossip is no table of heartbeats",
            );
        };
        for (node, count) in counts {
            if node == self.seat.id {
                // Whoever has heard more of this node than it has said would not believe its next heartbeats.
                self.count = self.count.max(count);
            } else {
                self.hear(context, node, count);
            }
        }
        self.due = self.next_due();
    }

    fn timeout(&mut self, context: &mut Context<'_>) {
        let now = context.now.elapsed;
        self.judge(context);
        match self.beat {
            None => {
                self.admit(context);
                self.beat = Some(now + stagger(&mut self.chance, self.options.period.0));
            }
            Some(beat) if beat <= now => {
                self.admit(context);
                self.tell(context);
                self.beat = Some((beat + self.options.period.0).max(now));
            }
            Some(_) => {}
        }
        self.due = self.next_due();
    }

    fn next_timeout(&self) -> Option<Duration> {
        Some(self.due)
    }
}

impl Table {
    fn new(options: Heartbeat, seat: Seat) -> Self {
        let deviations = match &options.detector {
            Detector::DeadAfter(_) => 0.0,
            Detector::Phi(phi) => phi.deviations(),
        };
        Self {
            options,
            seat,
            chance: seat.chance("heartbeat"),
            deviations,
            count: seat.first_number(),
            peers: BTreeMap::new(),
            beat: None,
            due: Duration::ZERO,
        }
    }

    /// Watches those who have joined, and no longer those who have left.
    fn admit(&mut self, context: &mut Context<'_>) {
        self.peers.retain(|node, _| is_member(context, *node));
        for node in newcomers(context, |node| self.peers.contains_key(&node)) {
            let intervals = match &self.options.detector {
                Detector::DeadAfter(_) => Intervals::default(),
                Detector::Phi(phi) => Intervals::new(phi),
            };
            let peer = Peer {
                count: 0,
                heard: context.now.elapsed,
                patience: self.options.patience(&intervals, self.deviations),
                intervals,
                state: State::Up,
            };
            self.peers.insert(node, peer);
        }
    }

    /// Somebody tells of a peer's count; of strangers nothing is kept.
    fn hear(&mut self, context: &mut Context<'_>, node: NodeId, count: u64) {
        let now = context.now.elapsed;
        let Some(peer) = self.peers.get_mut(&node).filter(|peer| peer.count < count) else {
            return;
        };
        // While it was down it was silent for another reason.
        if let (State::Up, Detector::Phi(phi)) = (peer.state, &self.options.detector) {
            peer.intervals.add(now - peer.heard, phi);
            peer.patience = self.options.patience(&peer.intervals, self.deviations);
        }
        (peer.count, peer.heard, peer.state) = (count, now, State::Up);
        context.believe(node, Belief::Up);
    }

    /// Draws the conclusions from who has been silent for how long.
    fn judge(&mut self, context: &mut Context<'_>) {
        for (node, peer) in &mut self.peers {
            let silence = context.now.elapsed - peer.heard;
            if peer.state == State::Up && silence >= peer.patience {
                peer.state = State::Down;
                context.believe(*node, Belief::Down);
            }
            if peer.state == State::Down && silence >= self.options.kill_after.0 {
                peer.state = State::Forgotten;
            }
        }
    }

    /// A heartbeat: some of those who are up are told, and one who is down is sought.
    fn tell(&mut self, context: &mut Context<'_>) {
        self.count += 1;
        let of = |is_wanted: fn(State) -> bool| -> Vec<NodeId> {
            let peers = self.peers.iter().filter(|(_, peer)| is_wanted(peer.state));
            peers.map(|(node, _)| *node).collect()
        };
        let up = of(|state| state == State::Up);
        let down = if self.options.forget_when_isolated {
            of(|state| state == State::Down)
        } else {
            of(|state| state != State::Up)
        };
        let sought = sought(&mut self.chance, up.len(), &down);
        let told = chance::draw(&mut self.chance, up, self.options.fanout as usize);
        for node in told.into_iter().chain(sought) {
            let body = encode(self.counts(node));
            context.send(node, Message::Gossip(wire::Gossip { body }));
        }
    }

    /// What a peer is told: of those who are not forgotten, of itself in any case, and of this node.
    fn counts(&self, to: NodeId) -> impl Iterator<Item = (NodeId, u64)> {
        let is_told = move |(node, peer): &(&NodeId, &Peer)| {
            peer.count > 0 && (peer.state != State::Forgotten || **node == to)
        };
        let peers = self.peers.iter().filter(is_told);
        let counts = peers.map(|(node, peer)| (*node, peer.count));
        counts.chain([(self.seat.id, self.count)])
    }

    fn next_due(&self) -> Duration {
        let peers = self.peers.values().filter_map(|peer| match peer.state {
            State::Up => Some(peer.heard + peer.patience),
            State::Down => Some(peer.heard + self.options.kill_after.0),
            State::Forgotten => None,
        });
        peers.chain(self.beat).min().unwrap_or_default()
    }
}

impl Heartbeat {
    fn patience(&self, intervals: &Intervals, deviations: f64) -> Duration {
        match &self.detector {
            Detector::DeadAfter(silence) => silence.0,
            Detector::Phi(phi) => intervals.patience(deviations, phi),
        }
    }
}

fn checked(options: Heartbeat) -> Result<Heartbeat, OptionError> {
    if options.period.0.is_zero() {
        return Err(OptionError::of("period", "period is 0s; choose more"));
    }
    if options.fanout == 0 {
        return Err(OptionError::of("fanout", "fanout is 0; tell at least 1"));
    }
    if let Detector::DeadAfter(dead) = options.detector
        && options.kill_after < dead
    {
        let reason = format!(
            "kill_after is {}, but detector.dead_after is {dead}; a node is forgotten after it is dead",
            options.kill_after
        );
        return Err(OptionError::of("kill_after", reason));
    }
    if let Detector::Phi(phi) = &options.detector
        && !(phi.window > 0 && phi.threshold >= 0.1 && phi.threshold <= 300.0)
    {
        let reason = format!(
            "detector has threshold {} and window {}; choose 0.1 to 300, and at least 1",
            phi.threshold, phi.window
        );
        return Err(OptionError::of("detector", reason));
    }
    Ok(options)
}

fn encode(counts: impl Iterator<Item = (NodeId, u64)>) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u8(FORM);
    for (node, count) in counts {
        body.put_u16(node.bits());
        body.put_u64(count);
    }
    body.freeze()
}

/// None if it is no table.
fn decode(mut body: Bytes) -> Option<Vec<(NodeId, u64)>> {
    if body.try_get_u8() != Ok(FORM) || !body.len().is_multiple_of(ROW) {
        return None;
    }
    let rows = body.chunks_exact(ROW).map(|mut row| {
        let (node, count) = (NodeId::from_bits(row.get_u16()), row.get_u64());
        (count < LIMIT).then_some((node, count))
    });
    rows.collect()
}

/// The first byte of a table.
const FORM: u8 = b'h';
/// The bytes of a row.
const ROW: usize = 10;
/// Counts stay below it, so that each can be followed by others.
const LIMIT: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_it_was_written_and_nothing_else_is_a_table() {
        let counts = [(NodeId::node(3), 1 << 32), (NodeId::gateway(1), 7)];
        let body = encode(counts.into_iter());
        assert_eq!(decode(body.clone()), Some(counts.to_vec()));
        assert_eq!(decode(body.slice(..body.len() - 1)), None);
        assert_eq!(decode(Bytes::new()), None);
        assert_eq!(decode(encode([(NodeId::node(1), LIMIT)].into_iter())), None);
    }
}
