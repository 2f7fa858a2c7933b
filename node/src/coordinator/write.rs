//! One write in flight: stamps it, sends it to all its targets, and replies when enough have acknowledged.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.5, §4.6.

use super::NOBODY_WAITS;
use super::answer::answer;
use super::counters::Counters;
use super::header::Header;
use super::quorums::Writing;
use super::route::Route;
use super::votes::Votes;
use crate::context::Context;
use crate::request::{Answer, Code, Refusal, Reply, Siblings};
use crate::versioning::{Stamp, Updated, Versions, Write as Stamped};
use bytes::Bytes;
use smallvec::SmallVec;
use std::time::Duration;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::{Message, Method};
use tidemark_proto::wire;

pub(super) struct Write {
    header: Header,
    writing: Writing,
    /// What the others are sent.
    sent: Versions,
    /// Covers the write.
    covered: Bytes,
    /// The reply as it will be, but for who acknowledged; gone once it has left.
    reply: Answer,
    acknowledged: SmallVec<[NodeId; 5]>,
    /// Who cannot hold it.
    unable: SmallVec<[NodeId; 5]>,
    votes: Votes,
    /// Until when more is waited for than is needed.
    patient_until: Duration,
    method: Method,
}

/// Stamps a write: onto what this node holds if it is a replica, from its own counter if not.
pub(super) fn stamp(
    context: &mut Context<'_>,
    counters: &mut Counters,
    header: &Header,
    seen: &[u8],
    value: Option<Bytes>,
) -> Result<Updated, Refusal> {
    let is_replica = header.replicas.contains(&context.id);
    let (held, stamp) = if is_replica {
        let held = context.load(&header.key, header.operation)?;
        let actor = context.versioning.actor(&held, counters.replica(context));
        let actor = actor.unwrap_or_else(|| counters.new_actor(context));
        (held, Stamp::Replica(actor))
    } else {
        let (actor, counter) = counters.next(context, &header.key);
        (Versions::new(), Stamp::Outside(actor, counter))
    };
    if !context.versioning.admits(seen, &held) {
        return Err(stale(context, header, seen, &held));
    }
    let write = Stamped {
        context: seen,
        value,
        operation: header.operation,
        stamp,
        now: context.now,
    };
    let updated = context.versioning.update(&held, write);
    let (siblings, limits) = (updated.held.len(), context.limits);
    if siblings > limits.siblings as usize && siblings > held.len() {
        let most = limits.siblings;
        let message =
            format!("the key has {most} siblings, the limit; read them and write them back as one");
        return Err(Refusal::new(Code::ResourceExhausted, message));
    }
    if siblings > limits.warn_siblings as usize {
        let warning = format!(
            "a warning, nothing is refused: the key has {siblings} siblings, and limits.warn_siblings is {}",
            limits.warn_siblings
        );
        context.refuse(header.operation, warning);
    }
    Ok(updated)
}

/// Refuses a write whose context is behind what this node holds.
fn stale(context: &Context<'_>, header: &Header, seen: &[u8], held: &Versions) -> Refusal {
    let text = |clock: &[u8]| {
        let pairs = context.versioning.describe(clock).into_iter();
        let pairs: Vec<_> = pairs
            .map(|(actor, count)| format!("{actor}:{count}"))
            .collect();
        format!("{{{}}}", pairs.join(" "))
    };
    let (key, held) = (header.key.escape_ascii(), context.versioning.resolve(held));
    let message = format!(
        "the context is stale: it covers {}, but \"{key}\" is at {}; read it and write with the context of that",
        text(seen),
        text(&held)
    );
    Refusal::new(Code::FailedPrecondition, message)
}

impl Write {
    /// A write that was stamped, and what this node holds then if it is a replica.
    pub(super) fn new(
        context: &Context<'_>,
        header: Header,
        writing: Writing,
        stamped: Updated,
        siblings: Siblings,
    ) -> (Self, Versions) {
        let (listed, covered) = match siblings {
            Siblings::Omitted => (&Versions::new(), stamped.context.clone()),
            Siblings::Returned => {
                let covered = context.versioning.resolve(&stamped.held);
                (&stamped.held, covered)
            }
        };
        let reply = answer(context, &header.key, listed, covered, Vec::new());
        let is_delete = stamped
            .sent
            .iter()
            .any(|version| version.value.is_none() && version.operation == header.operation.bits());
        let method = if is_delete {
            Method::Delete
        } else {
            Method::Put
        };
        let write = Self {
            header,
            writing,
            sent: stamped.sent,
            covered: stamped.context,
            reply,
            acknowledged: SmallVec::new(),
            unable: SmallVec::new(),
            votes: Votes::default(),
            patient_until: Duration::ZERO,
            method,
        };
        (write, stamped.held)
    }

    /// Waits for more than is needed, if more is wanted. Tells when it wants to be woken.
    pub(super) fn be_patient(&mut self, context: &Context<'_>, time: Duration) -> Option<Duration> {
        if self.writing.want == self.writing.need {
            return None;
        }
        self.patient_until = context.now.elapsed + self.header.patience(context, time);
        Some(self.patient_until)
    }

    /// Sends it to every target; this node's own acknowledgement is there at once. Tells whether all is done.
    ///
    /// # Errors
    /// This node is a replica and cannot hold it. Then nobody is sent it: its next write would be stamped with the same dot.
    pub(super) fn send(
        &mut self,
        context: &mut Context<'_>,
        number: u64,
        held: Versions,
    ) -> Result<bool, Refusal> {
        let (here, begun) = (self.header.place_of(context.id), context.outputs.len());
        let held = here.map(|place| self.hold(context, place, held));
        if let Some(Err(refusal)) = &held
            && self.header.replicas.contains(&context.id)
        {
            return Err(refusal.clone());
        }
        // What the others are sent leaves ahead of what this node notes of itself.
        let noted = context.outputs.len() - begun;
        for place in (0..self.header.targets.len()).filter(|place| Some(*place) != here) {
            self.store(context, number, place);
        }
        context.outputs[begun..].rotate_left(noted);
        if let Some(held) = held {
            return Ok(self.heard(context, context.id, held));
        }
        self.conclude(context);
        Ok(false)
    }

    /// A replica has acknowledged, and says whether durably, unless it refuses. Tells whether all have answered.
    pub(super) fn heard(
        &mut self,
        context: &mut Context<'_>,
        from: NodeId,
        held: Result<bool, Refusal>,
    ) -> bool {
        if let Some(place) = self.header.place_of(from)
            && !self.has_heard(from)
        {
            match held {
                Ok(durable) => {
                    self.acknowledged.push(from);
                    self.votes.add(&self.header.targets[place], durable);
                    self.conclude(context);
                }
                Err(refusal) => self.do_without(context, from, refusal),
            }
        }
        self.have_all_answered()
    }

    /// Refuses who waits once too few replicas are left that can hold it, and it is known what became of the write: it
    /// is nowhere, or on some.
    fn do_without(&mut self, context: &mut Context<'_>, from: NodeId, refusal: Refusal) {
        self.unable.push(from);
        let need = self.writing.need;
        let is_nowhere = self.unable.len() == self.header.targets.len();
        let code = match self.acknowledged.len() {
            _ if self.header.reach_without(&self.unable).reach(&need) => return,
            0 if !is_nowhere => return,
            0 => refusal.code,
            _ => Code::Unavailable,
        };
        let refusal = Refusal { code, ..refusal };
        self.header
            .refuse_unable(context, refusal, self.votes, need, "acknowledged");
    }

    fn has_heard(&self, node: NodeId) -> bool {
        self.acknowledged.contains(&node) || self.unable.contains(&node)
    }

    fn have_all_answered(&self) -> bool {
        self.acknowledged.len() + self.unable.len() == self.header.targets.len()
    }

    /// Replies if enough have acknowledged.
    pub(super) fn conclude(&mut self, context: &mut Context<'_>) {
        let Writing { need, want } = self.writing;
        let waits = context.now.elapsed < self.patient_until && !self.have_all_answered();
        let goal = if waits { want } else { need };
        if self.votes.reach(&goal)
            && let Some(requester) = self.header.requester.take()
        {
            let mut reply = std::mem::take(&mut self.reply);
            reply.answered = self.acknowledged.to_vec();
            requester.answer(context, self.header.operation, Reply::Written(reply));
        }
    }

    /// The number of the roll by which it was begun.
    pub(super) fn roll(&self) -> u64 {
        self.header.roll
    }

    pub(super) fn key(&self) -> &Bytes {
        &self.header.key
    }

    /// Whether it waits for a node's acknowledgement.
    pub(super) fn misses(&self, node: NodeId) -> bool {
        self.header.place_of(node).is_some() && !self.has_heard(node)
    }

    /// A node went down that it waits for: who is to be sent it now and was not before is sent it in its place.
    pub(super) fn replace(
        &mut self,
        context: &mut Context<'_>,
        number: u64,
        down: NodeId,
        route: &Route,
    ) {
        if let Some(place) = self.header.replace(down, route) {
            self.store(context, number, place);
        }
    }

    /// Whether as many have acknowledged as are needed.
    pub(super) fn is_done(&self) -> bool {
        self.votes.reach(&self.writing.need)
    }

    /// Too few have acknowledged in time.
    pub(super) fn refuse_overdue(&mut self, context: &mut Context<'_>) {
        let (heard, need) = (self.votes, self.writing.need);
        self.header
            .refuse_overdue(context, heard, need, "acknowledged");
    }

    /// Keeps it for every replica that has not acknowledged.
    pub(super) fn keep_hints(self, context: &mut Context<'_>) {
        let Header { operation, key, .. } = &self.header;
        for target in &self.header.targets {
            if !self.acknowledged.contains(&target.node) {
                let replica = target.stands_for.unwrap_or(target.node);
                // One hint too many is noted, and not kept.
                let _ = context.keep_hint(replica, key, &self.sent, *operation);
            }
        }
    }

    /// Sends those who have acknowledged a tombstone over it, which is an operation of its own.
    pub(super) fn roll_back(
        mut self,
        context: &mut Context<'_>,
        counters: &mut Counters,
        operation: OperationId,
    ) {
        self.header.operation = operation;
        let stamped = stamp(context, counters, &self.header, &self.covered, None);
        let Updated { held, sent, .. } = match stamped {
            Ok(stamped) => stamped,
            Err(refusal) => return context.refuse(operation, refusal.message),
        };
        (self.sent, self.method) = (sent, Method::Delete);
        let here = self.header.place_of(context.id);
        let here = here.filter(|_| self.acknowledged.contains(&context.id));
        // What cannot be held is noted, and the write stays: the dot is not to be used twice.
        if here.is_some_and(|place| self.hold(context, place, held).is_err()) {
            return;
        }
        for node in std::mem::take(&mut self.acknowledged) {
            let place = self.header.place_of(node).filter(|_| node != context.id);
            if let Some(place) = place {
                self.store(context, NOBODY_WAITS, place);
            }
        }
    }

    /// Holds it here. Tells whether durably.
    fn hold(
        &self,
        context: &mut Context<'_>,
        place: usize,
        held: Versions,
    ) -> Result<bool, Refusal> {
        let Header { operation, key, .. } = &self.header;
        match self.header.targets[place].stands_for {
            None => context.replace(key, held, *operation, self.method)?,
            Some(replica) => context.stand_in(replica, key, &self.sent, *operation)?,
        }
        Ok(context.is_durable())
    }

    fn store(&self, context: &mut Context<'_>, number: u64, place: usize) {
        let target = self.header.targets[place];
        let store = wire::Store {
            request: number,
            key: self.header.key.clone(),
            versions: self.sent.clone(),
            operation: self.header.operation.bits(),
            hint_for: target.stands_for.map(|replica| replica.bits().into()),
            durable: self.writing.need.durable > 0,
            roll: self.header.roll,
        };
        context.send(target.node, Message::Store(store));
    }
}
