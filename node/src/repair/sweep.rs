//! Anti-entropy: nodes compare the hash trees of the keys that they have in common, level by level, and send each other
//! what differs.
//!
//! Each node takes up one other at a time, in turn. It asks step by step, and says a step again that is not answered; the
//! other answers each step from what it holds then. So what is lost, late or repeated does no harm, and nodes whose trees
//! are equal say no more than the hashes of their roots. A value that differs goes to the asking node, which joins it with
//! its own and sends back what the other lacks of that: the two cannot exchange their values for ever.
//!
//! It yields to clients that wait for their turn, and while more requests than `yield_above` are in flight at a node: their
//! number is their rate times their latency (Little, 1961), so this also heeds a latency that rises.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.7; Demers et al., Epidemic algorithms for replicated database
//! maintenance, PODC 1987, §1.3 (push-pull anti-entropy).

use super::{Build, News, Repair};
use crate::admission::{PUT_OFF, Turn};
use crate::chance::stream;
use crate::comparison::{Sent, join, repair, set_of};
use crate::context::{Context, digest};
use crate::forest::{Forest, ReplicaSet, place_of, replicas};
use crate::membership::Seat;
use crate::merkle::{LeafHash, MOST_LEAVES, Shape};
use crate::versioning::Versions;
use bytes::Bytes;
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Message;
use tidemark_proto::registry::{Entry, OptionError, Options, Promise, parse, resolve, schema};
use tidemark_proto::span::Span;
use tidemark_proto::upkeep::Chore;
use tidemark_proto::wire::{self, sweep::Body};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "sweep",
    about: "nodes compare hash trees of what they hold in common, and send each other what differs",
    promises: &[Promise::Converges],
    resolve: resolve::<SweepOptions>,
    schema: schema::<SweepOptions>,
    build,
};

/// How often, how finely and how gently it compares.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct SweepOptions {
    /// How long after one node the next is taken up, give or take a tenth. Too short: hashes are sent all the time; too
    /// long: what differs stays so.
    period: Span,
    /// Leaves of a tree, a power of two. Too few: many equal keys are compared for each that differs; too many: memory,
    /// 8 bytes each for every set of replicas.
    leaves: u32,
    /// Children of a tree's nodes, a power of two. Few: small steps, and many of them; many: few that are large.
    fanout: u32,
    /// What a leaf is of its keys.
    leaf_hash: LeafHash,
    /// Keys compared in one step, and so values in flight each way. Too few: a step a key; too many: large messages.
    #[schemars(range(min = 1))]
    batch: u32,
    /// How long an answer is waited for before the step is said again. Too short: work done twice; too long: lost time.
    timeout: Span,
    /// Requests in flight at the node above which it puts its steps off. Too few: it never ends under load; too many:
    /// clients feel it.
    yield_above: u32,
}

impl Default for SweepOptions {
    fn default() -> Self {
        Self {
            period: Span(Duration::from_secs(1)),
            leaves: 1 << 10,
            fanout: 32,
            leaf_hash: LeafHash::Sum,
            batch: 100,
            timeout: Span(Duration::from_millis(500)),
            yield_above: 64,
        }
    }
}

struct Sweep {
    options: SweepOptions,
    forest: Forest,
    jitter: Xoshiro256PlusPlus,
    /// How many nodes have been taken up.
    turns: u64,
    /// When the next is.
    due: Duration,
    exchange: Option<Exchange>,
    turn: Turn,
}

/// A comparison with another node that this one has begun.
struct Exchange {
    number: u64,
    peer: NodeId,
    /// Of which nothing has been compared yet.
    sets: Vec<ReplicaSet>,
    /// Of which keys are being compared.
    set: ReplicaSet,
    phase: Phase,
    /// The number of what was said last.
    step: u32,
    /// How often that was said.
    tries: u32,
    /// When it is said, or said again.
    due: Duration,
    /// Keys compared so far.
    compared: u64,
}

/// How far the comparison of one set is.
enum Phase {
    /// These nodes of a level are to be compared; those were found to differ.
    Hashes {
        level: u32,
        nodes: VecDeque<u32>,
        differing: Vec<u32>,
    },
    /// The keys of these leaves are to be compared, those behind `after`; the first few have been asked about.
    Keys {
        leaves: VecDeque<u32>,
        after: Option<Bytes>,
        asked: usize,
    },
}

impl Repair for Sweep {
    fn hear(&mut self, context: &mut Context<'_>, news: &News) {
        if let News::Stored(change) = news {
            self.forest.look_around(context);
            self.forest.follow(context, change);
        }
    }

    fn message(
        &mut self,
        context: &mut Context<'_>,
        from: NodeId,
        message: Message,
    ) -> Option<Message> {
        let Message::Sweep(mut sweep) = message else {
            return Some(message);
        };
        // Trees that are not complete would differ in everything. Who asks about them will ask again.
        if !self.forest.is_complete() {
            return None;
        }
        let answer = match sweep.body.take()? {
            Body::Hashes(hashes) => self
                .forest
                .compare_hashes(&set_of(context, from, &sweep)?, &hashes),
            Body::Keys(keys) => {
                let set = set_of(context, from, &sweep)?;
                let limit = self.options.batch as usize;
                self.forest.compare_keys(context, from, &set, keys, limit)
            }
            Body::Differing(answer) => {
                self.differing(context, from, &sweep, answer);
                return None;
            }
            Body::Missing(answer) => {
                self.missing(context, from, &sweep, answer);
                return None;
            }
            Body::Value(value) => {
                join(context, from, value);
                return None;
            }
        };
        if answer.is_some() {
            sweep.body = answer;
            context.send(from, Message::Sweep(sweep));
        } else {
            context.refuse(OperationId::NONE, "a sweep asks about what no tree has");
        }
        None
    }

    fn timeout(&mut self, context: &mut Context<'_>) {
        self.forest.look_around(context);
        if !self.forest.is_complete() {
            self.exchange = None;
            // What this very input has stored is still to be heard of, and would be counted twice.
            if context.news.is_empty() {
                self.forest.scan(context, SCANNED_AT_ONCE);
            }
            let share = self.jitter.random_range(0.0..1.0);
            self.due = context.now.elapsed + self.options.period.0.mul_f64(share);
        } else if self.exchange.is_some() {
            self.say(context);
        } else {
            self.begin(context);
        }
    }

    fn next_timeout(&self) -> Option<Duration> {
        if !self.forest.is_complete() {
            return Some(Duration::ZERO);
        }
        let exchange = self.exchange.as_ref();
        Some(exchange.map_or(self.due, |exchange| exchange.due))
    }

    fn follows_stores(&self) -> bool {
        true
    }
}

impl Sweep {
    /// Takes up the next node that is up.
    fn begin(&mut self, context: &mut Context<'_>) {
        let share = self.jitter.random_range(0.9..1.1);
        self.due = context.now.elapsed + self.options.period.0.mul_f64(share);
        let is_other = |node: &&NodeId| **node != context.id && context.view.is_up(**node);
        let others: Vec<_> = context.view.nodes().iter().filter(is_other).collect();
        let Some(turn) = self.turns.checked_rem(others.len() as u64) else {
            return;
        };
        let peer = *others[turn as usize];
        self.turns += 1;
        self.exchange = Some(Exchange {
            number: u64::from(context.life) << 32 | self.turns,
            peer,
            sets: self.forest.shared_with(peer).cloned().collect(),
            set: ReplicaSet::new(),
            phase: Phase::over(),
            step: 0,
            tries: 0,
            due: self.due,
            compared: 0,
        });
        self.go_on(context);
    }

    /// Goes on to what comes next: the children of what differs, the keys of leaves, the next set, the end.
    fn go_on(&mut self, context: &mut Context<'_>) {
        let Some(exchange) = &mut self.exchange else {
            return;
        };
        while exchange.phase.is_over() {
            let phase = std::mem::replace(&mut exchange.phase, Phase::over());
            if let Some(next) = phase.next(self.forest.shape()) {
                exchange.phase = next;
            } else if let Some(set) = exchange.sets.pop() {
                exchange.set = set;
                exchange.phase = Phase::of_root();
            } else {
                let compared = exchange.compared;
                context.note_chore(Chore::Swept, exchange.peer, |note| note.count = compared);
                self.exchange = None;
                return;
            }
        }
        exchange.tries = 0;
        self.say(context);
    }

    /// Says what the exchange waits for, unless clients come first or it has been said often enough.
    fn say(&mut self, context: &mut Context<'_>) {
        let Some(exchange) = &mut self.exchange else {
            return;
        };
        let is_busy = context.in_flight > self.options.yield_above as usize;
        let later = is_busy.then(|| context.now.elapsed + PUT_OFF);
        if let Some(later) = later.or_else(|| self.turn.put_off(context)) {
            exchange.due = later;
            return;
        }
        if exchange.tries == MOST_TRIES {
            self.exchange = None;
            return;
        }
        exchange.tries += 1;
        exchange.step = exchange.step.wrapping_add(1);
        exchange.due = context.now.elapsed + self.options.timeout.0;
        let set = &exchange.set;
        let body = match &mut exchange.phase {
            Phase::Hashes { level, nodes, .. } => {
                let nodes: Vec<_> = nodes.iter().take(HASHES_AT_ONCE).copied().collect();
                let hash = |node: &u32| self.forest.hash(set, *level, *node);
                let hashes = nodes.iter().map(hash).collect();
                let level = *level;
                Body::Hashes(wire::SweepHashes {
                    level,
                    nodes,
                    hashes,
                })
            }
            Phase::Keys {
                leaves,
                after,
                asked,
            } => {
                let limit = self.options.batch as usize;
                let all = leaves.iter().copied();
                let page = self.forest.page(context, set, all, after.as_ref(), limit);
                *asked = page.leaves.len();
                let key = |(key, held): (Bytes, Versions)| wire::SweepKey {
                    digest: digest(&held),
                    key,
                };
                Body::Keys(wire::SweepKeys {
                    leaves: page.leaves,
                    after: after.clone(),
                    through: page.through,
                    keys: page.held.into_iter().map(key).collect(),
                })
            }
        };
        let sweep = wire::Sweep {
            exchange: exchange.number,
            step: exchange.step,
            replicas: set.iter().map(|node| node.bits().into()).collect(),
            body: Some(body),
        };
        context.send(exchange.peer, Message::Sweep(Box::new(sweep)));
    }

    /// Some of the hashes asked about are others there.
    fn differing(
        &mut self,
        context: &mut Context<'_>,
        from: NodeId,
        sweep: &wire::Sweep,
        answer: wire::SweepDiffering,
    ) {
        let exchange = self.exchange.as_mut();
        let Some(Phase::Hashes {
            nodes, differing, ..
        }) = exchange
            .filter(|exchange| exchange.waits_for(from, sweep))
            .map(|exchange| &mut exchange.phase)
        else {
            return;
        };
        let answer: BTreeSet<u32> = answer.nodes.into_iter().collect();
        let asked = nodes.drain(..nodes.len().min(HASHES_AT_ONCE));
        differing.extend(asked.filter(|node| answer.contains(node)));
        self.go_on(context);
    }

    /// Some of the keys asked about are not there, and what else differs is on its way.
    fn missing(
        &mut self,
        context: &mut Context<'_>,
        from: NodeId,
        sweep: &wire::Sweep,
        answer: wire::SweepMissing,
    ) {
        let shape = self.forest.shape();
        let exchange = self.exchange.as_mut();
        let Some(exchange) = exchange.filter(|exchange| exchange.waits_for(from, sweep)) else {
            return;
        };
        let Phase::Keys {
            leaves,
            after,
            asked,
        } = &mut exchange.phase
        else {
            return;
        };
        match answer.through {
            None => {
                leaves.drain(..*asked);
                *after = None;
            }
            Some(key) => {
                let done = leaves.iter().position(|leaf| *leaf == shape.leaf(&key));
                let is_further = after
                    .as_ref()
                    .is_none_or(|after| place_of(after) < place_of(&key));
                let Some(done) = done.filter(|done| is_further && done < asked) else {
                    return;
                };
                leaves.drain(..done);
                *after = Some(key);
            }
        }
        exchange.compared = exchange.compared.saturating_add(answer.compared);
        let mut sent = Sent::default();
        for key in answer.keys.into_iter().take(self.options.batch as usize) {
            let held = context.load(&key, OperationId::NONE).unwrap_or_default();
            if !held.is_empty() && replicas(context, &key) == exchange.set {
                sent.add(&key, &held);
                repair(context, from, key, held);
            }
        }
        sent.note(context, from);
        self.go_on(context);
    }
}

impl Exchange {
    fn waits_for(&self, from: NodeId, sweep: &wire::Sweep) -> bool {
        self.peer == from && (self.number, self.step) == (sweep.exchange, sweep.step)
    }
}

impl Phase {
    fn of_root() -> Self {
        Self::Hashes {
            level: 0,
            nodes: VecDeque::from([0]),
            differing: Vec::new(),
        }
    }

    /// Nothing is left to be compared.
    fn over() -> Self {
        Self::Keys {
            leaves: VecDeque::new(),
            after: None,
            asked: 0,
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::Hashes { nodes, .. } => nodes.is_empty(),
            Self::Keys { leaves, .. } => leaves.is_empty(),
        }
    }

    /// What is to be compared once this is over.
    fn next(self, shape: Shape) -> Option<Self> {
        match self {
            Self::Hashes {
                level, differing, ..
            } if level < shape.leaf_level() => {
                let children = differing
                    .iter()
                    .flat_map(|node| shape.children(level, *node));
                let nodes: VecDeque<_> = children.collect();
                (!nodes.is_empty()).then(|| Self::Hashes {
                    level: level + 1,
                    nodes,
                    differing: Vec::new(),
                })
            }
            Self::Hashes { differing, .. } => (!differing.is_empty()).then(|| Self::Keys {
                leaves: differing.into(),
                after: None,
                asked: 0,
            }),
            Self::Keys { .. } => None,
        }
    }
}

fn build(options: &Options, seat: Seat) -> Result<Box<dyn Repair>, OptionError> {
    let options: SweepOptions = parse(options)?;
    let (leaves, fanout) = (options.leaves, options.fanout);
    let Some(shape) = Shape::new(leaves, fanout) else {
        let is_fanout = leaves.is_power_of_two() && leaves <= MOST_LEAVES;
        let (name, number) = if is_fanout {
            ("fanout", fanout)
        } else {
            ("leaves", leaves)
        };
        let reason = format!(
            "{name} is {number}, but it is a power of two; choose 2, 4, 8 and so on to {MOST_LEAVES}"
        );
        return Err(OptionError::of(name, reason));
    };
    if options.batch == 0 {
        return Err(OptionError::of(
            "batch",
            "batch is 0; no key would ever be compared",
        ));
    }
    for (name, span) in [("period", options.period), ("timeout", options.timeout)] {
        if span.0.is_zero() {
            let reason = format!("{name} is 0s; a sweep would never pause");
            return Err(OptionError::of(name, reason));
        }
    }
    Ok(Box::new(Sweep {
        forest: Forest::new(shape, options.leaf_hash),
        options,
        jitter: stream(seat.seed, &format!("sweep {}", seat.life), seat.id),
        turns: 0,
        due: Duration::ZERO,
        exchange: None,
        turn: Turn::default(),
    }))
}

/// Keys looked through by one alarm while the trees are made.
const SCANNED_AT_ONCE: usize = 1_000;
/// Hashes in one step.
const HASHES_AT_ONCE: usize = 1_024;
/// How often a step is said before the exchange is given up: its set has its turn again.
const MOST_TRIES: u32 = 8;
