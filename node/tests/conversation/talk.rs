//! A conversation as it is held, with the true history of what each client had seen.
//!
//! What a write may replace is judged by the contexts that clients used, never by a clock.

use crate::act::{Act, FINAL, KEYS, Seen};
use crate::harness::{Cluster, Shape, delete, get, put, replies};
use crate::layout::promises;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidemark_node::config::Config;
use tidemark_node::replica::Output;
use tidemark_node::request::{Answer, Reply, Request, Ticket};
use tidemark_node::storage::Kept;
use tidemark_proto::event::{Event, Stored};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Method;
use tidemark_proto::registry::Promise;

/// Clients that talk to a cluster, and the true history of what each of them had seen.
pub(crate) struct Talk {
    cluster: Cluster,
    shape: Shape,
    promises: BTreeSet<Promise>,
    sequence: u64,
    open: BTreeMap<Ticket, Open>,
    /// Of each client and key: the contexts it was given, each with the writes that it covers.
    contexts: BTreeMap<(u8, u8), Vec<Known>>,
    /// Of each write: the writes that its client had seen.
    ancestors: BTreeMap<OperationId, BTreeSet<OperationId>>,
    /// Deletes, and what their clients had seen. A read does not list a delete, but its context covers it, so what a
    /// delete had seen may be gone with nobody left to show why.
    deleted: BTreeSet<OperationId>,
    pub(crate) written: Writes,
    acknowledged: Writes,
    /// Of each replica and key: the writes that it held at any time of its present life.
    reached: BTreeMap<(NodeId, Bytes), BTreeSet<OperationId>>,
    /// Of each replica and key: those of them that it holds no longer.
    left: BTreeMap<(NodeId, Bytes), BTreeSet<OperationId>>,
    /// Requests that were handed to their coordinator twice: each of their two stamps is a version of its own.
    repeated: BTreeSet<OperationId>,
    /// Contexts that writes were answered with.
    stamped: BTreeSet<(u8, Bytes)>,
    /// Whether a node died, with all the requests that it had in flight.
    crashed: bool,
    /// Whether a node lost what it held.
    forgetful: bool,
}

/// Of each key: some of its writes.
pub(crate) type Writes = BTreeMap<u8, BTreeSet<OperationId>>;

/// A context, and the writes that it covers.
type Known = (Bytes, BTreeSet<OperationId>);

/// A request whose answer is still out.
struct Open {
    client: u8,
    key: u8,
    operation: OperationId,
    /// What had been acknowledged when it was asked.
    before: BTreeSet<OperationId>,
}

impl Talk {
    pub(crate) fn held(config: Config, shape: Shape, acts: &[Act]) -> Result<Self, TestCaseError> {
        let mut talk = Self {
            promises: promises(&config),
            cluster: Cluster::new(config),
            shape,
            sequence: 0,
            open: BTreeMap::new(),
            contexts: BTreeMap::new(),
            ancestors: BTreeMap::new(),
            deleted: BTreeSet::new(),
            written: Writes::new(),
            acknowledged: Writes::new(),
            reached: BTreeMap::new(),
            left: BTreeMap::new(),
            repeated: BTreeSet::new(),
            stamped: BTreeSet::new(),
            crashed: false,
            forgetful: false,
        };
        for act in acts {
            talk.act(act)?;
        }
        Ok(talk)
    }

    fn act(&mut self, act: &Act) -> Result<(), TestCaseError> {
        let waiting = self.cluster.bag.len();
        match act {
            Act::Get { client, key, via } => {
                self.get(*client, *key, *via.get(&self.cluster.ids()), None)
            }
            Act::Put {
                client,
                key,
                via,
                seen,
            } => {
                let known = self
                    .contexts
                    .get(&(*client, *key))
                    .map_or(&[][..], Vec::as_slice);
                let (seen, covered) = match seen {
                    Seen::Once(index) if !known.is_empty() => index.get(known).clone(),
                    Seen::Newest if !known.is_empty() => known[known.len() - 1].clone(),
                    Seen::Nothing | Seen::Once(_) | Seen::Newest => Default::default(),
                };
                self.put(*client, *key, *via.get(&self.cluster.ids()), seen, covered)
            }
            Act::Delete { client, key, via } => {
                let known = self
                    .contexts
                    .get(&(*client, *key))
                    .and_then(|known| known.last());
                match known.filter(|(seen, _)| !seen.is_empty()).cloned() {
                    Some((seen, covered)) => {
                        let via = *via.get(&self.cluster.ids());
                        self.deleted.extend(&covered);
                        let operation = self.write(*client, *key, covered);
                        self.deleted.insert(operation);
                        let request = delete(operation, &name(*key), seen);
                        self.ask(*client, *key, via, request)
                    }
                    None => Ok(()),
                }
            }
            Act::Deliver(_) | Act::Duplicate(_) | Act::Drop(_) if waiting == 0 => Ok(()),
            Act::Deliver(index) => {
                let outputs = self.cluster.deliver(index.index(waiting));
                self.absorb(&outputs)
            }
            Act::Duplicate(index) => {
                let parcel = index.get(&self.cluster.bag).clone();
                if parcel.message.method() == Method::Forward {
                    self.repeated.insert(parcel.message.operation());
                }
                self.cluster.bag.push(parcel);
                Ok(())
            }
            Act::Drop(index) => {
                self.cluster.bag.remove(index.index(waiting));
                Ok(())
            }
            Act::Wait(milliseconds) => self.wait(Duration::from_millis(*milliseconds)),
            Act::Crash(index) => {
                let node = *index.get(&self.cluster.ids());
                self.crashed = true;
                if self.cluster.crash(node) == Some(Kept::Nothing) {
                    self.forgetful = true;
                    self.reached.retain(|(holder, _), _| *holder != node);
                    self.left.retain(|(holder, _), _| *holder != node);
                }
                self.cluster.restart(node);
                Ok(())
            }
        }
    }

    fn get(
        &mut self,
        client: u8,
        key: u8,
        via: NodeId,
        quorum: Option<usize>,
    ) -> Result<(), TestCaseError> {
        let request = get(self.next(client), &name(key), quorum);
        self.ask(client, key, via, request)
    }

    fn put(
        &mut self,
        client: u8,
        key: u8,
        via: NodeId,
        seen: Bytes,
        covered: BTreeSet<OperationId>,
    ) -> Result<(), TestCaseError> {
        let operation = self.write(client, key, covered);
        let request = put(operation, &name(key), &operation.to_string(), seen);
        self.ask(client, key, via, request)
    }

    /// Names a write whose client has seen what its context covers.
    fn write(&mut self, client: u8, key: u8, covered: BTreeSet<OperationId>) -> OperationId {
        let operation = self.next(client);
        self.ancestors.insert(operation, covered);
        self.written.entry(key).or_default().insert(operation);
        operation
    }

    fn next(&mut self, client: u8) -> OperationId {
        self.sequence += 1;
        OperationId::new(NodeId::client(u16::from(client) + 1), self.sequence)
    }

    fn ask(
        &mut self,
        client: u8,
        key: u8,
        via: NodeId,
        request: Request,
    ) -> Result<(), TestCaseError> {
        let before = self.acknowledged.get(&key).cloned().unwrap_or_default();
        let operation = request.operation;
        let (ticket, outputs) = self.cluster.ask(via, request);
        self.open.insert(
            ticket,
            Open {
                client,
                key,
                operation,
                before,
            },
        );
        self.absorb(&outputs)
    }

    fn wait(&mut self, time: Duration) -> Result<(), TestCaseError> {
        for (_, outputs) in self.cluster.wait(time) {
            self.absorb(&outputs)?;
        }
        Ok(())
    }

    /// Sees what became of an input.
    fn absorb(&mut self, outputs: &[Output]) -> Result<(), TestCaseError> {
        for output in outputs {
            if let Output::Note(Event::Stored(stored)) = output {
                self.stored(stored)?;
            }
        }
        for (ticket, reply) in replies(outputs) {
            let open = self.open.remove(&ticket);
            prop_assert!(open.is_some(), "{ticket:?} is answered twice: {reply:?}");
            match (open, reply) {
                (Some(open), Reply::Got(answer)) => self.got(open, answer)?,
                (Some(open), Reply::Written(answer)) => self.written(open, answer)?,
                (_, Reply::Refused(refusal)) => {
                    prop_assert!(refusal.code.leaves_unknown(), "{refusal:?}");
                }
                (None, _) => {}
            }
        }
        Ok(())
    }

    /// Whatever reached a replica is held there, or was seen by a writer of what is held, and then does not come back.
    fn stored(&mut self, stored: &Stored) -> Result<(), TestCaseError> {
        let held: BTreeSet<_> = stored.versions.iter().copied().collect();
        let place = (stored.node, stored.key.clone());
        let reached = self.reached.entry(place.clone()).or_default();
        reached.extend(&held);
        let reached = reached.clone();
        if self.promises.contains(&Promise::KeepsConcurrent) {
            self.check_accounted(&reached, &held, "a replica")?;
        }
        let left = self.left.entry(place).or_default();
        if self.promises.contains(&Promise::DeletesForGood)
            && self.promises.contains(&Promise::KeepsConcurrent)
        {
            let mut back = left
                .intersection(&held)
                .filter(|one| !self.repeated.contains(one));
            let back = back.next();
            prop_assert!(back.is_none(), "{back:?} came back to {}", stored.node);
        }
        left.extend(reached.difference(&held));
        if self.promises.contains(&Promise::NoSiblings) {
            prop_assert!(held.len() <= 1, "{held:?} are siblings at {}", stored.node);
        }
        Ok(())
    }

    fn got(&mut self, open: Open, answer: Answer) -> Result<(), TestCaseError> {
        let found = answer
            .versions
            .iter()
            .map(|version| version.operation)
            .collect();
        let Shape { n, r, w, .. } = self.shape;
        let fresh = self.promises.contains(&Promise::FreshWhenQuorumsOverlap)
            && self.promises.contains(&Promise::KeepsConcurrent);
        if fresh && r + w > n && !self.forgetful {
            self.check_accounted(&open.before, &found, "a read of overlapping quorums")?;
        }
        let covered = self.with_ancestors(&found);
        self.learn(&open, answer.context, covered);
        Ok(())
    }

    fn written(&mut self, open: Open, answer: Answer) -> Result<(), TestCaseError> {
        if self.promises.contains(&Promise::KeepsConcurrent) {
            let is_new = self.stamped.insert((open.key, answer.context.clone()));
            prop_assert!(
                is_new,
                "{} was stamped as another write was",
                open.operation
            );
        }
        self.acknowledged
            .entry(open.key)
            .or_default()
            .insert(open.operation);
        let covered = self.with_ancestors(&BTreeSet::from([open.operation]));
        self.learn(&open, answer.context, covered);
        Ok(())
    }

    fn learn(&mut self, open: &Open, context: Bytes, covered: BTreeSet<OperationId>) {
        let known = self.contexts.entry((open.client, open.key)).or_default();
        known.push((context, covered));
    }

    /// What is on its way arrives, and requests that cannot be answered any more time out.
    pub(crate) fn finish(&mut self) -> Result<(), TestCaseError> {
        self.settle()?;
        self.wait(Duration::from_secs(60))?;
        self.settle()?;
        prop_assert!(
            self.open.is_empty() || self.crashed,
            "a request was never answered"
        );
        Ok(())
    }

    fn settle(&mut self) -> Result<(), TestCaseError> {
        let outputs = self.cluster.settle();
        self.absorb(&outputs)
    }

    /// The writes that the store may not lose, if it promises to lose none that it has acknowledged.
    pub(crate) fn acknowledged(&self) -> Writes {
        match self.promises.contains(&Promise::KeepsAcknowledged) {
            true => self.acknowledged.clone(),
            false => Writes::new(),
        }
    }

    /// A read of all replicas accounts for these writes and for all that any replica holds; it makes the replicas
    /// equal; and one write with its context leaves one version.
    pub(crate) fn check_last_reads(&mut self, owed: &Writes) -> Result<(), TestCaseError> {
        let n = self.shape.n;
        for key in 0..KEYS {
            let text = name(key);
            let replicas = self.cluster.replicas(&text, n);
            let via = self.cluster.ids()[usize::from(key) % self.cluster.ids().len()];
            let reached = self
                .reached
                .iter()
                .filter(|((_, of), _)| of == text.as_bytes());
            let mut reached: BTreeSet<OperationId> =
                reached.flat_map(|(_, writes)| writes).copied().collect();
            reached.extend(owed.get(&key).into_iter().flatten());

            self.get(FINAL, key, via, Some(n))?;
            self.settle()?;
            let Some((context, covered)) = self
                .contexts
                .get(&(FINAL, key))
                .and_then(|known| known.last())
                .cloned()
            else {
                return Err(TestCaseError::fail(
                    "a read of all replicas was not answered",
                ));
            };
            if self.promises.contains(&Promise::KeepsConcurrent) {
                self.check_accounted(&reached, &covered, "the last read")?;
            }
            if self.promises.contains(&Promise::RepairsWhatIsRead) {
                let held: BTreeSet<_> = replicas
                    .iter()
                    .map(|node| format!("{:?}", self.cluster.held(*node, &text)))
                    .collect();
                prop_assert_eq!(
                    held.len(),
                    1,
                    "replicas differ after a read of all: {:#?}",
                    held
                );
            }

            self.put(FINAL, key, via, context, covered)?;
            self.settle()?;
            for node in replicas {
                let held = self.cluster.held(node, &text);
                let held: Vec<_> = held.iter().map(|version| version.operation).collect();
                let last = OperationId::new(NodeId::client(u16::from(FINAL) + 1), self.sequence);
                prop_assert_eq!(
                    held,
                    [last.bits()],
                    "a write over all siblings, at {}",
                    node
                );
            }
        }
        Ok(())
    }

    fn check_accounted(
        &self,
        writes: &BTreeSet<OperationId>,
        shown: &BTreeSet<OperationId>,
        by: &str,
    ) -> Result<(), TestCaseError> {
        let accounted = self.with_ancestors(shown);
        let is_lost =
            |write: &&OperationId| !accounted.contains(write) && !self.deleted.contains(write);
        let lost: Vec<_> = writes.iter().filter(is_lost).collect();
        prop_assert!(
            lost.is_empty(),
            "{by} has lost {lost:?} and shows {shown:?}, whose writers had not seen it",
        );
        Ok(())
    }

    fn with_ancestors(&self, writes: &BTreeSet<OperationId>) -> BTreeSet<OperationId> {
        let seen = writes.iter().filter_map(|write| self.ancestors.get(write));
        seen.flatten().chain(writes).copied().collect()
    }
}

fn name(key: u8) -> String {
    format!("key {key}")
}
