//! Random past: a strict quorum whose coordinators answer a read with what they once found of its key, drawn at random.
//!
//! Replicas hold what they should: it is only told wrongly.

use crate::chance::{below, stream};
use crate::context::Context;
use crate::coordinator::{Coordinator, Quorums, Route};
use crate::replica::Output;
use crate::replication::{Build, Replication};
use crate::request::{Answer, Call, Reply, Request, Ticket};
use crate::view::Belief;
use bytes::Bytes;
use rand_xoshiro::Xoshiro256PlusPlus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Message;
use tidemark_proto::registry::{Entry, OptionError, Options, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "random-past",
    about: "a strict quorum that answers a read with one of the last states in which it found the key",
    promises: &[],
    resolve: resolve::<RandomPastOptions>,
    schema: schema::<RandomPastOptions>,
    build,
};

/// How far back it goes, and what a strict quorum has.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct RandomPastOptions {
    /// How many states of a key are remembered, the present one among them. One: nothing is wrong.
    states: usize,
    /// What is drawn follows from it.
    seed: u64,
    #[serde(flatten)]
    quorums: Options,
}

fn build(options: &Options) -> Result<Box<dyn Replication>, OptionError> {
    let RandomPastOptions {
        states,
        seed,
        quorums,
    } = parse(options)?;
    if states == 0 {
        return Err(OptionError::of(
            "states",
            "states is 0; the present one is a state too: choose 1 or more",
        ));
    }
    let quorums: Quorums = parse(&quorums)?;
    quorums.check(1)?;
    Ok(Box::new(RandomPast {
        coordinator: Coordinator::new(quorums, Route::to_replicas),
        states,
        seed,
        chance: None,
        asked: BTreeMap::new(),
        past: BTreeMap::new(),
    }))
}

struct RandomPast {
    coordinator: Coordinator,
    states: usize,
    seed: u64,
    /// None before it knows of which node it is.
    chance: Option<Xoshiro256PlusPlus>,
    /// The keys of reads in flight.
    asked: BTreeMap<Ticket, Bytes>,
    /// What reads of a key have found, the last at the end.
    past: BTreeMap<Bytes, VecDeque<Answer>>,
}

impl RandomPast {
    fn wrongly(
        &mut self,
        context: &mut Context<'_>,
        work: impl FnOnce(&mut Coordinator, &mut Context<'_>),
    ) {
        let before = context.outputs.len();
        work(&mut self.coordinator, context);
        for output in &mut context.outputs[before..] {
            if let Output::Reply(ticket, reply) = output
                && let Some(key) = self.asked.remove(ticket)
                && let Reply::Got(answer) = reply
            {
                self.recall(context.id, key, answer);
            }
        }
    }

    /// Remembers an answer, and puts one of those remembered in its place. Who answered stays as it was.
    fn recall(&mut self, node: NodeId, key: Bytes, answer: &mut Answer) {
        let past = self.past.entry(key).or_default();
        let last = past.back();
        if last.is_none_or(|last| last.versions != answer.versions) {
            past.push_back(answer.clone());
        }
        if past.len() > self.states {
            past.pop_front();
        }
        let seed = self.seed;
        let chance = (self.chance).get_or_insert_with(|| stream(seed, ENTRY.name, node));
        let drawn = past[below(chance, past.len())].clone();
        *answer = Answer {
            versions: drawn.versions,
            context: drawn.context,
            clock: drawn.clock,
            answered: std::mem::take(&mut answer.answered),
            coordinator: answer.coordinator,
        };
    }
}

impl Replication for RandomPast {
    fn in_flight(&self) -> usize {
        self.coordinator.in_flight()
    }

    fn oldest_write(&self) -> Option<u64> {
        self.coordinator.oldest_write()
    }

    fn may_leave_behind(&self) -> usize {
        self.coordinator.may_leave_behind()
    }

    fn request(&mut self, context: &mut Context<'_>, ticket: Ticket, request: Request) {
        if let Call::Get { .. } = request.call {
            self.asked.insert(ticket, request.key.clone());
        }
        self.wrongly(context, |it, context| it.request(context, ticket, request));
    }

    fn message(&mut self, context: &mut Context<'_>, from: NodeId, message: Message) {
        self.wrongly(context, |it, context| it.message(context, from, message));
    }

    fn believed(&mut self, context: &mut Context<'_>, node: NodeId, belief: Belief) {
        self.wrongly(context, |it, context| it.believed(context, node, belief));
    }

    fn timeout(&mut self, context: &mut Context<'_>) {
        self.wrongly(context, |it, context| it.timeout(context));
    }

    fn next_timeout(&self) -> Option<Duration> {
        self.coordinator.next_timeout()
    }
}
