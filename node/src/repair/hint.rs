//! Hinted hand-off: what a node keeps in another's place is delivered once that can be reached, and forgotten once it is
//! acknowledged.
//!
//! It yields to clients that wait for their turn. Nodes believed to be down are left alone; with a membership that never
//! doubts anybody, a hint is sent again and again. What was kept for a node that has left is for those who hold the key now.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.6. Departs from it: what a hint says of a key is joined with what
//! another says of it, so that a node that was away is sent each key once.

use super::{Build, News, Repair};
use crate::admission::Turn;
use crate::context::{Context, bytes_of, digest};
use crate::hints::{HintLimits, Overflow};
use crate::membership::Seat;
use crate::view::Belief;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Message;
use tidemark_proto::registry::{Entry, OptionError, Options, Promise, parse, resolve, schema};
use tidemark_proto::span::Span;
use tidemark_proto::upkeep::Chore;
use tidemark_proto::wire;

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "hint",
    about: "what a node keeps in another's place is delivered once that can be reached",
    promises: &[Promise::DeliversHints],
    resolve: resolve::<HintOptions>,
    schema: schema::<HintOptions>,
    build,
};

/// How much is kept, for how long, and how fast it goes home.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct HintOptions {
    /// Hints kept, a key and a node each. Too few: writes are refused or dropped in an outage; too many: memory.
    max_hints: u32,
    /// Bytes of keys, values and clocks kept. Too few and too many: the same.
    max_bytes: u64,
    /// How long a hint is kept. Too short: it is gone before the node is back, and only a sweep mends that; too long: it
    /// brings back what has long been deleted and collected.
    max_age: Span,
    /// What becomes of a hint for which there is no room.
    overflow: Overflow,
    /// Hints delivered per second, to all nodes together. Too few: replicas differ for long; too many: a node that has
    /// just come back is flooded.
    #[schemars(range(min = 1))]
    rate: u32,
    /// Hints on their way to one node.
    #[schemars(range(min = 1))]
    batch: u32,
    /// How long an acknowledgement is waited for before a hint is sent again. Too short: sent twice; too long: lost time.
    retry: Span,
}

impl Default for HintOptions {
    fn default() -> Self {
        Self {
            max_hints: 100_000,
            max_bytes: 256 << 20,
            max_age: Span(Duration::from_secs(3 * 60 * 60)),
            overflow: Overflow::Refuse,
            rate: 1_000,
            batch: 100,
            retry: Span(Duration::from_secs(1)),
        }
    }
}

struct HintRepair {
    options: HintOptions,
    /// Hints on their way, by their numbers.
    sent: BTreeMap<u64, Sent>,
    /// The last number given; no other life has it.
    number: u64,
    /// The node that was served last.
    last: Option<NodeId>,
    /// When the next may leave.
    free: Duration,
    due: Option<Duration>,
    turn: Turn,
}

/// A hint on its way.
struct Sent {
    to: NodeId,
    key: Bytes,
    digest: u64,
    /// When it counts as lost.
    until: Duration,
}

impl Repair for HintRepair {
    fn hear(&mut self, context: &mut Context<'_>, news: &News) {
        match news {
            News::HintKept(_) | News::Believed(_, Belief::Up) | News::Enrolled => {
                self.set_alarm(context);
            }
            News::Believed(..) | News::ReadFinished(_) | News::Stored(_) => {}
        }
    }

    fn message(
        &mut self,
        context: &mut Context<'_>,
        from: NodeId,
        message: Message,
    ) -> Option<Message> {
        let Message::HandoffReply(reply) = message else {
            return Some(message);
        };
        // An answer that nobody waits for is late or repeated.
        let is_of = |sent: &Sent| sent.to == from;
        if self.sent.get(&reply.request).is_some_and(is_of)
            && let Some(Sent { key, digest, .. }) = self.sent.remove(&reply.request)
        {
            delivered(context, from, &key, digest);
            self.set_alarm(context);
        }
        None
    }

    fn timeout(&mut self, context: &mut Context<'_>) {
        let now = context.now.elapsed;
        while let Some((since, replica, key)) = context.hints.oldest()
            && since + self.options.max_age.0 <= now
        {
            let key = key.clone();
            forget(context, replica, &key, Chore::HintExpired);
        }
        self.sent.retain(|_, sent| sent.until > now);
        if self.free <= now
            && let Some(left) = left(context)
        {
            self.readdress(context, left);
        }
        if self.free <= now
            && let Some(to) = self.next(context)
        {
            match self.turn.put_off(context) {
                Some(later) => self.free = later,
                None => self.deliver(context, to),
            }
        }
        self.set_alarm(context);
    }

    fn next_timeout(&self) -> Option<Duration> {
        self.due
    }

    fn hint_limits(&self) -> Option<HintLimits> {
        Some(HintLimits {
            hints: self.options.max_hints as usize,
            bytes: self.options.max_bytes,
            overflow: self.options.overflow,
        })
    }
}

impl HintRepair {
    /// Keeps for those who hold the keys now what was kept for a node that has left.
    fn readdress(&mut self, context: &mut Context<'_>, left: NodeId) {
        let kept = context.hints.of(left).take(self.options.batch as usize);
        let kept: Vec<_> = kept
            .map(|(key, hint)| (key.clone(), hint.clone()))
            .collect();
        self.free = context.now.elapsed + self.options.retry.0;
        for (key, hint) in kept {
            let replicas = context.view.preference(&key, context.replicas);
            let is_kept = replicas.iter().all(|replica| {
                let kept = context.stand_in(*replica, &key, &hint.versions, hint.operation);
                kept.is_ok()
            });
            if is_kept {
                forget(context, left, &key, Chore::HintDelivered);
            }
        }
    }

    /// Sends hints to a node that waits for some.
    fn deliver(&mut self, context: &mut Context<'_>, to: NodeId) {
        let on_their_way = self.sent.values().filter(|sent| sent.to == to);
        let on_their_way: Vec<Bytes> = on_their_way.map(|sent| sent.key.clone()).collect();
        let room = self.options.batch as usize - on_their_way.len();
        let waiting = context.hints.of(to);
        let waiting = waiting
            .filter(|(key, _)| !on_their_way.contains(key))
            .take(room);
        let waiting: Vec<_> = waiting
            .map(|(key, hint)| (key.clone(), hint.clone()))
            .collect();
        let now = context.now.elapsed;
        self.last = Some(to);
        self.free = now + Duration::from_secs(1) * waiting.len() as u32 / self.options.rate;
        for (key, hint) in waiting {
            self.number += 1;
            let sent = Sent {
                to,
                key: key.clone(),
                digest: digest(&hint.versions),
                until: now + self.options.retry.0,
            };
            self.sent.insert(self.number, sent);
            let handoff = wire::Handoff {
                request: self.number,
                key,
                versions: hint.versions,
                operation: hint.operation.bits(),
            };
            context.send(to, Message::Handoff(handoff));
        }
    }

    /// The node behind the last one that waits for hints and can be reached.
    fn next(&self, context: &Context<'_>) -> Option<NodeId> {
        let is_ready = |(replica, hints): &(NodeId, usize)| {
            let sent = self
                .sent
                .values()
                .filter(|sent| sent.to == *replica)
                .count();
            context.view.nodes().contains(replica)
                && context.view.is_up(*replica)
                && sent < *hints
                && sent < self.options.batch as usize
        };
        let ready = || {
            context
                .hints
                .replicas()
                .filter(is_ready)
                .map(|(replica, _)| replica)
        };
        let behind = ready().find(|replica| Some(*replica) > self.last);
        behind.or_else(|| ready().next())
    }

    fn set_alarm(&mut self, context: &Context<'_>) {
        let expires = context
            .hints
            .oldest()
            .map(|(since, ..)| since + self.options.max_age.0);
        let ready = self.next(context).or_else(|| left(context));
        let ready = ready.map(|_| self.free.max(context.now.elapsed));
        let lost = self.sent.values().map(|sent| sent.until).min();
        self.due = expires.into_iter().chain(ready).chain(lost).min();
    }
}

/// A node for which something is kept and which has left; none while a change is under way.
fn left(context: &Context<'_>) -> Option<NodeId> {
    let is_settled = context.view.roll().under_way.is_none();
    let kept_for = context.hints.replicas().filter(|_| is_settled);
    let mut kept_for = kept_for.map(|(replica, _)| replica);
    kept_for.find(|replica| !context.view.nodes().contains(replica))
}

/// Forgets a hint that was acknowledged, unless more has been kept of its key meanwhile.
fn delivered(context: &mut Context<'_>, to: NodeId, key: &Bytes, sent: u64) {
    let hint = context.hints.get(to, key);
    if hint.is_some_and(|hint| digest(&hint.versions) == sent) {
        forget(context, to, key, Chore::HintDelivered);
    }
}

fn forget(context: &mut Context<'_>, replica: NodeId, key: &Bytes, why: Chore) {
    if let Some(hint) = context.hints.forget(context.storage, replica, key) {
        let count = context.hints.len() as u64;
        context.note_chore(why, replica, |note| {
            note.operation = hint.operation;
            note.key = key.clone();
            note.count = count;
            note.bytes = bytes_of(key, &hint.versions);
        });
    }
}

fn build(options: &Options, seat: Seat) -> Result<Box<dyn Repair>, OptionError> {
    let options: HintOptions = parse(options)?;
    for (name, number) in [("rate", options.rate), ("batch", options.batch)] {
        if number == 0 {
            let reason = format!("{name} is 0; no hint would ever be delivered");
            return Err(OptionError::of(name, reason));
        }
    }
    if options.retry.0.is_zero() {
        let reason = "retry is 0s; hints would be sent without end";
        return Err(OptionError::of("retry", reason));
    }
    Ok(Box::new(HintRepair {
        options,
        sent: BTreeMap::new(),
        number: u64::from(seat.life) << 32,
        last: None,
        free: Duration::ZERO,
        due: Some(Duration::ZERO),
        turn: Turn::default(),
    }))
}
