//! One read in flight: asks its read set, replies when enough have answered, and listens on for the repairs.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.5, §5. Digests, speculation and repair before the reply are those of
//! Cassandra; not-founds that do not count are Riak's.

use super::answer::answer;
use super::header::Header;
use super::quorums::{Quorums, ReadSet, Reading, Writing};
use super::route::{Route, Target};
use super::votes::Votes;
use crate::context::{Context, digest};
use crate::repair::FinishedRead;
use crate::request::{Refusal, Reply};
use crate::versioning::Versions;
use bytes::Bytes;
use std::time::Duration;
use tidemark_proto::id::NodeId;
use tidemark_proto::message::{Message, Method};
use tidemark_proto::wire;

pub(super) struct Read {
    header: Header,
    reading: Reading,
    then: Then,
    began: Duration,
    /// How many of the targets have been asked, from the first.
    asked: usize,
    /// How many of them were asked at once.
    asked_at_once: usize,
    /// Whether hashes are enough of all but the first.
    by_digest: bool,
    /// Until when more is waited for than is needed.
    patient_until: Duration,
    /// When one more is asked.
    speculates_at: Option<Duration>,
    answers: Vec<Heard>,
    /// Who cannot tell what it holds.
    damaged: Vec<NodeId>,
    /// What the replicas are brought to before the reply leaves.
    repairing: Option<Versions>,
}

/// What the read is for.
#[derive(Clone, Copy)]
pub(super) enum Then {
    /// The client wants to know.
    Reply,
    /// A delete without a context wants to know what to supersede.
    Delete(Writing),
}

/// What is to be done after an answer.
#[derive(Default)]
pub(super) struct Step {
    /// Every replica that was asked has answered.
    pub(super) over: bool,
    /// Enough have answered: the delete, what it waits for, and what it supersedes.
    pub(super) delete: Option<(Header, Writing, Bytes)>,
}

/// What a replica tells.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told {
    Versions(Versions),
    /// A hash of them.
    Digest(u64),
}

struct Heard {
    target: Target,
    told: Told,
}

impl Read {
    pub(super) fn new(
        context: &Context<'_>,
        mut header: Header,
        reading: Reading,
        then: Then,
        quorums: &Quorums,
        speculate_after: Option<Duration>,
    ) -> Self {
        let patience = header.patience(context, quorums.preferred_within.0);
        let (now, targets) = (context.now.elapsed, &mut header.targets);
        let asked = match quorums.read_set {
            ReadSet::All => targets.len(),
            ReadSet::Quorum | ReadSet::Digest | ReadSet::Speculative => {
                // What is held here costs no message.
                if let Some(here) = targets.iter().position(|target| target.node == context.id) {
                    targets[..=here].rotate_right(1);
                }
                let mut votes = Votes::default();
                let enough = targets.iter().position(|target| {
                    votes.add(target, false);
                    votes.reach(&reading.want)
                });
                enough.map_or(targets.len(), |last| last + 1)
            }
        };
        let speculates = quorums.read_set == ReadSet::Speculative && asked < targets.len();
        let patience = if reading.want == reading.need {
            Duration::ZERO
        } else {
            patience
        };
        Self {
            answers: Vec::with_capacity(asked),
            damaged: Vec::new(),
            header,
            reading,
            then,
            began: now,
            asked,
            asked_at_once: asked,
            by_digest: quorums.read_set == ReadSet::Digest,
            patient_until: now + patience,
            speculates_at: speculate_after
                .filter(|_| speculates)
                .map(|after| now + after),
            repairing: None,
        }
    }

    /// When it wants to be woken.
    pub(super) fn alarms(&self) -> impl Iterator<Item = Duration> + use<> {
        let patience = Some(self.patient_until).filter(|until| *until > self.began);
        patience.into_iter().chain(self.speculates_at)
    }

    /// Asks its read set; this node's own answer is there at once.
    pub(super) fn ask(&mut self, context: &mut Context<'_>, number: u64) -> Step {
        let mut here = false;
        for place in 0..self.asked {
            if self.header.targets[place].node == context.id {
                here = true;
            } else {
                self.fetch(context, number, place);
            }
        }
        if here {
            let known = context.known(&self.header.key, self.header.operation);
            return self.heard(context, number, context.id, known.map(Told::Versions));
        }
        Step::default()
    }

    /// How long an answer took of one who was asked at once.
    pub(super) fn latency(&self, from: NodeId, now: Duration) -> Option<Duration> {
        let at_once = &self.header.targets[..self.asked_at_once];
        let is_one = at_once.iter().any(|target| target.node == from);
        (is_one && !self.has_heard(from)).then(|| now - self.began)
    }

    /// A replica has answered. A second answer of the same one is ignored, and a hash that is of no use any more.
    pub(super) fn heard(
        &mut self,
        context: &mut Context<'_>,
        number: u64,
        from: NodeId,
        told: Result<Told, Refusal>,
    ) -> Step {
        let is_of_use = self.by_digest || !told.as_ref().is_ok_and(Told::is_digest);
        let place = self.header.place_of(from);
        let Some(place) = place.filter(|place| *place < self.asked && is_of_use) else {
            return Step::default();
        };
        if self.has_heard(from) {
            return Step::default();
        }
        let target = self.header.targets[place];
        match told {
            Ok(told) => self.answers.push(Heard { target, told }),
            Err(refusal) => self.do_without(context, number, from, refusal),
        }
        self.go_on(context, number)
    }

    /// Asks another in the place of one that cannot tell what it holds, and refuses who waits once too few are left.
    fn do_without(
        &mut self,
        context: &mut Context<'_>,
        number: u64,
        from: NodeId,
        refusal: Refusal,
    ) {
        self.damaged.push(from);
        let need = self.reading.need;
        if !self.header.reach_without(&self.damaged).reach(&need) {
            let heard = self.votes(true);
            self.header
                .refuse_unable(context, refusal, heard, need, "answered");
        }
        self.ask_one_more(context, number);
    }

    /// A replica that was behind holds what was read.
    pub(super) fn repaired(&mut self, context: &mut Context<'_>, from: NodeId) -> Step {
        let Some(merged) = self.repairing.clone() else {
            return Step::default();
        };
        let replica = |heard: &&mut Heard| heard.target.node == from;
        if let Some(heard) = self.answers.iter_mut().find(replica) {
            heard.told = Told::Versions(merged);
        }
        self.go_on(context, 0)
    }

    /// An alarm rings.
    pub(super) fn wake(&mut self, context: &mut Context<'_>, number: u64) -> Step {
        if self
            .speculates_at
            .is_some_and(|at| at <= context.now.elapsed)
        {
            self.speculates_at = None;
            self.ask_one_more(context, number);
        }
        self.go_on(context, number)
    }

    pub(super) fn key(&self) -> &Bytes {
        &self.header.key
    }

    /// Whether it waits for a node's answer.
    pub(super) fn misses(&self, node: NodeId) -> bool {
        let asked = &self.header.targets[..self.asked];
        self.header.requester.is_some()
            && asked.iter().any(|target| target.node == node)
            && !self.has_heard(node)
    }

    /// A node went down that it waits for: who is to be asked now and was not before is asked in its place.
    pub(super) fn replace(
        &mut self,
        context: &mut Context<'_>,
        number: u64,
        down: NodeId,
        route: &Route,
    ) {
        if let Some(place) = self.header.replace(down, route) {
            self.fetch(context, number, place);
        }
    }

    /// Time is up.
    pub(super) fn overdue(mut self, context: &mut Context<'_>) {
        let (heard, verb) = match &self.repairing {
            Some(merged) => (self.holders(merged), "held what was read"),
            None => (self.votes(true), "answered"),
        };
        self.header
            .refuse_overdue(context, heard, self.reading.need, verb);
        self.finish(context);
    }

    /// Replies if enough has come, and says what follows.
    fn go_on(&mut self, context: &mut Context<'_>, number: u64) -> Step {
        let mut delete = None;
        if self.header.requester.is_some() && self.is_enough(context.now.elapsed) {
            if self.differs_by_digest() {
                self.ask_again(context, number);
            } else if let Some(merged) = self.settle(context, number) {
                delete = self.reply(context, &merged);
            }
        }
        let over = self.header.requester.is_none() && self.have_all_answered();
        if over {
            self.finish(context);
        }
        Step { over, delete }
    }

    fn is_enough(&self, now: Duration) -> bool {
        let Reading {
            need,
            want,
            not_found_ok,
            basic_quorum,
        } = self.reading;
        if !self.answers.iter().any(|heard| !heard.told.is_digest()) {
            return false;
        }
        if self.have_all_answered() {
            return self.votes(true).reach(&need);
        }
        let goal = if now < self.patient_until { want } else { need };
        let found = self.votes(not_found_ok);
        let not_found = self.answers.len() - found.all;
        found.reach(&goal) || basic_quorum && not_found > self.header.replicas.len() / 2
    }

    /// Answers, or those alone that found something.
    fn votes(&self, not_found_counts: bool) -> Votes {
        let mut votes = Votes::default();
        for heard in &self.answers {
            if not_found_counts || heard.told.is_found() {
                votes.add(&heard.target, false);
            }
        }
        votes
    }

    /// Those who hold exactly this; hashes have been compared.
    fn holders(&self, merged: &Versions) -> Votes {
        let mut votes = Votes::default();
        for heard in &self.answers {
            let holds = match &heard.told {
                Told::Versions(versions) => versions == merged,
                Told::Digest(_) => true,
            };
            if holds {
                votes.add(&heard.target, false);
            }
        }
        votes
    }

    fn has_heard(&self, node: NodeId) -> bool {
        let mut told = self.answers.iter().map(|heard| heard.target.node);
        told.any(|other| other == node) || self.damaged.contains(&node)
    }

    fn have_all_answered(&self) -> bool {
        self.answers.len() + self.damaged.len() == self.asked
    }

    fn ask_one_more(&mut self, context: &mut Context<'_>, number: u64) {
        if self.header.requester.is_some() && self.asked < self.header.targets.len() {
            self.asked += 1;
            self.fetch(context, number, self.asked - 1);
        }
    }

    /// Whether a hash is not that of what the one who tells all has told.
    fn differs_by_digest(&self) -> bool {
        let full = self.answers.iter().find_map(|heard| heard.told.versions());
        let hashes = self.answers.iter().filter_map(|heard| match heard.told {
            Told::Digest(hash) => Some(hash),
            Told::Versions(_) => None,
        });
        let mut hashes = hashes.peekable();
        hashes.peek().is_some() && {
            let held = full.map(digest);
            hashes.any(|hash| Some(hash) != held)
        }
    }

    /// Asks those for what they hold who have told a hash of it.
    fn ask_again(&mut self, context: &mut Context<'_>, number: u64) {
        self.by_digest = false;
        let hashes: Vec<_> = self
            .answers
            .extract_if(.., |heard| heard.told.is_digest())
            .collect();
        for heard in hashes {
            if let Some(place) = self.header.place_of(heard.target.node) {
                self.fetch(context, number, place);
            }
        }
    }

    /// What has been read, once it may be told: where a repair strategy asks for it, those who were behind are brought up
    /// to date first, and enough of them must have acknowledged.
    fn settle(&mut self, context: &mut Context<'_>, number: u64) -> Option<Versions> {
        let merged = match self.repairing.take() {
            Some(merged) => merged,
            None => {
                let merged = self.merged(context);
                if context.blocks_reads {
                    self.bring_up(context, number, &merged);
                }
                merged
            }
        };
        if !context.blocks_reads || self.holders(&merged).reach(&self.reading.need) {
            return Some(merged);
        }
        self.repairing = Some(merged);
        None
    }

    /// Sends what has been read to those who were behind.
    fn bring_up(&mut self, context: &mut Context<'_>, number: u64, merged: &Versions) {
        let Header { operation, key, .. } = &self.header;
        for heard in &mut self.answers {
            let node = heard.target.node;
            match &heard.told {
                Told::Versions(versions) if versions != merged => {}
                Told::Versions(_) | Told::Digest(_) => continue,
            }
            match heard.target.stands_for {
                None if node == context.id => {
                    let held = context.hold(key, merged, *operation, Method::Repair);
                    if held.is_ok() {
                        heard.told = Told::Versions(merged.clone());
                    }
                }
                None => {
                    let repair = wire::Repair {
                        key: key.clone(),
                        versions: merged.clone(),
                        operation: operation.bits(),
                        request: number,
                    };
                    context.send(node, Message::Repair(repair));
                }
                Some(replica) => {
                    let store = wire::Store {
                        request: number,
                        key: key.clone(),
                        versions: merged.clone(),
                        operation: operation.bits(),
                        hint_for: Some(replica.bits().into()),
                        durable: false,
                        roll: self.header.roll,
                    };
                    context.send(node, Message::Store(store));
                }
            }
        }
    }

    fn merged(&self, context: &mut Context<'_>) -> Versions {
        let mut answers = self
            .answers
            .iter()
            .filter_map(|heard| heard.told.versions());
        context.versioning.merge(&mut answers)
    }

    fn reply(
        &mut self,
        context: &mut Context<'_>,
        merged: &Versions,
    ) -> Option<(Header, Writing, Bytes)> {
        let covered = context.versioning.resolve(merged);
        match self.then {
            Then::Reply => {
                let requester = self.header.requester.take()?;
                let answered = self.answers.iter().map(|heard| heard.target.node).collect();
                let answer = answer(context, &self.header.key, merged, covered, answered);
                requester.answer(context, self.header.operation, Reply::Got(answer));
                None
            }
            Then::Delete(writing) => {
                let header = self.header.clone();
                self.header.requester = None;
                Some((header, writing, covered))
            }
        }
    }

    fn fetch(&self, context: &mut Context<'_>, number: u64, place: usize) {
        let fetch = wire::Fetch {
            request: number,
            key: self.header.key.clone(),
            operation: self.header.operation.bits(),
            digest: self.by_digest && place > 0,
            roll: self.header.roll,
        };
        context.send(self.header.targets[place].node, Message::Fetch(fetch));
    }

    fn finish(&mut self, context: &mut Context<'_>) {
        let answers = self.answers.drain(..);
        let answers = answers.filter_map(|Heard { target, told }| match told {
            Told::Versions(versions) => Some((target.node, versions)),
            Told::Digest(_) => None,
        });
        let answers = answers.collect();
        context.finish_read(FinishedRead {
            operation: self.header.operation,
            key: self.header.key.clone(),
            answers,
            damaged: std::mem::take(&mut self.damaged),
        });
    }
}

impl Told {
    fn is_digest(&self) -> bool {
        matches!(self, Self::Digest(_))
    }

    fn versions(&self) -> Option<&Versions> {
        match self {
            Self::Versions(versions) => Some(versions),
            Self::Digest(_) => None,
        }
    }

    fn is_found(&self) -> bool {
        match self {
            Self::Versions(versions) => !versions.is_empty(),
            Self::Digest(hash) => *hash != digest(&Versions::new()),
        }
    }
}
