//! One node of the store: inputs come in by one way, and what it wants done goes out by one way.

use crate::admission::{Admission, Answered};
use crate::config::{Config, ConfigError, Limits, build, partitioner, partitioner_of};
use crate::context::{Context, digest, operations};
use crate::deletion::{self, Deletion};
use crate::durability::{Due, Durability, Sync};
use crate::handover::Handover;
use crate::hints::Hints;
use crate::holding::{Left, hold};
use crate::membership::{self, Membership, Seat};
use crate::negative;
use crate::partitioner::{Change, Roster};
use crate::repair::{self, News, Repair};
use crate::replication::{self, Replication};
use crate::request::{Code, Enrolled, Refusal, Reply, Request, Ticket};
use crate::roll::Roll;
use crate::storage::{Failed, Kept, Storage};
use crate::versioning::{self, Versioning};
use crate::view::View;
use bytes::Bytes;
use std::time::Duration;
use tidemark_proto::event::{Detail, Event, Stored};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::{Message, Method};
use tidemark_proto::registry::OptionError;
use tidemark_proto::time::Now;

/// What comes in.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A client asks; the ticket stands for its open call.
    Request(Ticket, Request),
    /// Another node says something.
    Message(NodeId, Message),
    /// Somebody asks who the members are, or wants that changed.
    Enrol(Ticket, Option<Change>),
    /// The alarm that [`Replica::next_timeout`] asked for is due.
    Timeout,
}

/// What goes out.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// To the client that holds the ticket.
    Reply(Ticket, Reply),
    /// To whom asked for the members, or for a change of them.
    Enrolled(Ticket, Result<Box<Enrolled>, Refusal>),
    /// To another node.
    Send(NodeId, Message),
    /// To whom it may concern.
    Note(Event),
}

/// One node.
pub struct Replica {
    id: NodeId,
    life: u32,
    limits: Limits,
    admission: Admission,
    detail: Detail,
    view: View,
    versioning: Box<dyn Versioning>,
    membership: Box<dyn Membership>,
    replication: Box<dyn Replication>,
    repairs: Vec<Box<dyn Repair>>,
    deletion: Box<dyn Deletion>,
    handover: Handover,
    /// N: how many nodes hold a key.
    replicas: usize,
    storage: Box<dyn Storage>,
    /// When what the kernel has is to be on the disk.
    sync_due: Option<Duration>,
    hints: Hints,
    /// What the repairs have not heard yet; empty between inputs.
    news: Vec<News>,
    follows_stores: bool,
    blocks_reads: bool,
}

impl Replica {
    /// A node in its `life`, on what its storage holds.
    ///
    /// Lives count from 1, and every start is a new one, also on storage that was kept: the counters of a coordinator
    /// that holds no replica are gone, and versions whose sync a power loss forestalled may be with the peers already.
    ///
    /// # Errors
    /// A seam has no entry of the name that was asked for, or the entry refuses its options.
    pub fn new(
        config: &Config,
        id: NodeId,
        life: u32,
        storage: Box<dyn Storage>,
    ) -> Result<Self, ConfigError> {
        let seat = Seat {
            seed: config.seed,
            id,
            life,
        };
        let repairs = config.repair.iter().map(|choice| {
            build("repair", repair::ENTRIES, choice, |build| {
                build(&choice.options, seat)
            })
        });
        let repairs: Vec<_> = repairs.collect::<Result<_, _>>()?;
        let view = view(config, &*storage)?;
        Ok(Self {
            id,
            life,
            limits: config.limits.clone(),
            admission: Admission::new(config.admission.clone()),
            detail: config.detail,
            handover: Handover::new(config.handover.clone(), view.roll()),
            view,
            versioning: build(
                "versioning",
                versioning::ENTRIES,
                &config.versioning,
                |build| build(&config.versioning.options, seat),
            )?,
            membership: build(
                "membership",
                membership::ENTRIES,
                &config.membership,
                |build| build(&config.membership.options, seat),
            )?,
            replication: build(
                "replication",
                negative::among(
                    replication::ENTRIES,
                    negative::REPLICATION,
                    &config.replication.kind,
                ),
                &config.replication,
                |build| build(&config.replication.options),
            )?,
            deletion: build("deletion", deletion::ENTRIES, &config.deletion, |build| {
                build(&config.deletion.options, seat)
            })?,
            replicas: config.replicas(),
            follows_stores: repairs.iter().any(|repair| repair.follows_stores()),
            blocks_reads: repairs.iter().any(|repair| repair.blocks_reads()),
            hints: Hints::new(
                repairs.iter().find_map(|repair| repair.hint_limits()),
                &*storage,
            ),
            repairs,
            storage,
            sync_due: None,
            news: Vec::new(),
        })
    }

    /// The only way in. What the replica wants done comes back, in order.
    #[must_use]
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Output> {
        let mut outputs = Vec::with_capacity(4);
        let is_changing = self.view.roll().under_way.is_some();
        let oldest_write = is_changing
            .then(|| self.replication.oldest_write())
            .flatten();
        let mut context = Context {
            now,
            id: self.id,
            life: self.life,
            limits: &self.limits,
            admission: &self.admission,
            detail: self.detail,
            versioning: &mut *self.versioning,
            view: &mut self.view,
            storage: &mut *self.storage,
            hints: &mut self.hints,
            in_flight: self.replication.in_flight(),
            outputs: &mut outputs,
            news: &mut self.news,
            follows_stores: self.follows_stores,
            blocks_reads: self.blocks_reads,
            keeps_tombstones: self.deletion.keeps_tombstones(),
            replicas: self.replicas,
            oldest_write,
            may_leave_behind: self.replication.may_leave_behind(),
        };
        match input {
            Input::Request(ticket, request) => {
                self.replication.request(&mut context, ticket, request);
            }
            Input::Message(from, message) => {
                let (membership, replication) = (&mut *self.membership, &mut *self.replication);
                match hold(&mut context, &mut self.handover, from, message) {
                    Left::Members(message) => self.handover.message(&mut context, from, message),
                    Left::Nothing => {}
                    Left::Answer(answer) => replication.message(&mut context, from, answer),
                    Left::Collect(collect) => {
                        deletion::message(&mut *self.deletion, &mut context, from, collect);
                    }
                    Left::Gossip(body) => membership.message(&mut context, from, body),
                    Left::Repair(message) => {
                        let mut left = Some(message);
                        for repair in &mut self.repairs {
                            left = left.and_then(|one| repair.message(&mut context, from, one));
                        }
                        if let Some(message) = left {
                            let method = message.method();
                            let reason = format!("nobody here takes a {method} message");
                            context.refuse(message.operation(), reason);
                        }
                    }
                }
            }
            Input::Enrol(ticket, change) => {
                let enrolled = enrol(&mut context, &mut self.handover, change);
                context.outputs.push(Output::Enrolled(ticket, enrolled));
            }
            Input::Timeout => {
                let is_due = |due: Option<Duration>| due.is_some_and(|due| due <= now.elapsed);
                if is_due(self.replication.next_timeout()) {
                    self.replication.timeout(&mut context);
                }
                if is_due(self.handover.next_timeout()) {
                    self.handover.timeout(&mut context);
                }
                if is_due(self.membership.next_timeout()) {
                    self.membership.timeout(&mut context);
                }
                if is_due(self.deletion.next_timeout()) {
                    self.deletion.timeout(&mut context);
                }
                for repair in &mut self.repairs {
                    if is_due(repair.next_timeout()) {
                        repair.timeout(&mut context);
                    }
                }
            }
        }
        // What one repair does may be news to the others.
        for _ in 0..MOST_ROUNDS {
            for news in std::mem::take(context.news) {
                if let News::Believed(node, belief) = news {
                    self.replication.believed(&mut context, node, belief);
                    self.handover.believed(&context);
                }
                for repair in &mut self.repairs {
                    repair.hear(&mut context, &news);
                }
                if let News::ReadFinished(read) = &news {
                    self.deletion.read_finished(&mut context, read);
                }
            }
        }
        context.news.clear();
        for output in &outputs {
            match output {
                Output::Reply(_, Reply::Refused(_)) => self.admission.answered(Answered::Refused),
                Output::Reply(..) => self.admission.answered(Answered::Ok),
                Output::Enrolled(..) | Output::Send(..) | Output::Note(_) => {}
            }
        }
        outputs
    }

    /// Hears how long the next input has waited for its turn. Whoever hands inputs over tells it of each but alarms.
    pub fn hear_wait(&mut self, now: Duration, waited: Duration) {
        self.admission.hear(now, waited);
    }

    /// Whether a client's request is taken on that has waited so long; if not, it is not to be handed over.
    ///
    /// # Errors
    /// There is too much to do.
    pub fn admit(&mut self, waited: Duration) -> Result<(), Refusal> {
        if self.admission.admit(waited) {
            return Ok(());
        }
        let message = format!("{} has too much to do: it would be late", self.id);
        Err(Refusal::new(Code::ResourceExhausted, message))
    }

    /// When `Input::Timeout` is due. The driver keeps this one alarm and no other.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        let repairs = self.repairs.iter().map(|repair| repair.next_timeout());
        [
            self.replication.next_timeout(),
            self.membership.next_timeout(),
            self.deletion.next_timeout(),
            self.sync_due,
            self.handover.next_timeout(),
        ]
        .into_iter()
        .chain(repairs)
        .flatten()
        .min()
    }

    /// Whether what claims durability may leave only after the end of the batch.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        self.storage.is_dirty() && self.storage.durability().sync != Sync::Off
    }

    /// What the end of a batch has to do now.
    #[must_use]
    pub fn due(&self, now: Duration) -> Due {
        let is_dirty = self.storage.is_dirty();
        match self.storage.durability().sync {
            Sync::Batch if is_dirty => Due::Sync,
            Sync::Interval if self.sync_due.is_some_and(|due| due <= now) => Due::Sync,
            Sync::Interval | Sync::Off if is_dirty => Due::Commit,
            Sync::Batch | Sync::Interval | Sync::Off => Due::Nothing,
        }
    }

    /// Makes what was written as durable as it is to be before acknowledgements, replies and read answers leave.
    ///
    /// # Errors
    /// The storage has failed: they may never leave.
    pub fn end_batch(&mut self, now: Duration) -> Result<(), Failed> {
        match self.due(now) {
            Due::Nothing => Ok(()),
            Due::Sync => self.sync(),
            Due::Commit => {
                let Durability { sync, interval } = self.storage.durability();
                if sync == Sync::Interval {
                    self.sync_due.get_or_insert(now + interval);
                }
                self.storage.commit()
            }
        }
    }

    /// Makes durable what was written.
    ///
    /// # Errors
    /// The storage has failed.
    pub fn sync(&mut self) -> Result<(), Failed> {
        self.sync_due = None;
        self.storage.sync()
    }

    /// The process dies: what its storage keeps is left.
    #[must_use]
    pub fn crash(mut self) -> (Box<dyn Storage>, Kept) {
        let kept = self.storage.crash();
        (self.storage, kept)
    }

    /// The machine loses power: what its storage keeps through that is left.
    #[must_use]
    pub fn power_loss(mut self) -> (Box<dyn Storage>, Kept) {
        let kept = self.storage.power_loss();
        (self.storage, kept)
    }

    /// What this node holds, for what a machine does to its disk.
    pub fn disk(&mut self) -> &mut dyn Storage {
        &mut *self.storage
    }

    /// What this node holds of every key, as events: what a start finds, whoever thinks that more was there.
    pub fn inventory(&self, at: Duration) -> impl Iterator<Item = Event> + '_ {
        let mut page = Vec::new().into_iter();
        let mut last: Option<Bytes> = None;
        let keys = std::iter::from_fn(move || {
            if page.len() == 0 {
                let keys = self.storage.keys(0..=u64::MAX, last.as_ref(), PAGE);
                page = keys.into_iter();
            }
            last = page.next();
            last.clone()
        });
        keys.filter_map(move |key| {
            let versions = self.storage.load(&key).ok()?;
            let (node, operation, method) = (self.id, OperationId::NONE, Method::FetchReply);
            Some(Event::Stored(Box::new(Stored {
                at,
                node,
                operation,
                method,
                digest: digest(&versions),
                versions: operations(&versions),
                key,
            })))
        })
    }

    /// What this node holds.
    #[must_use]
    pub fn storage(&self) -> &dyn Storage {
        &*self.storage
    }
}

/// The storage of a node, in a folder of its own if it was given one: what it kept is there.
/// What a node knows of the cluster when it starts: the roll of its last life, or in its first that of the plan.
fn view(config: &Config, storage: &dyn Storage) -> Result<View, ConfigError> {
    let own = config.clone();
    let lists =
        move |roster: &Roster| partitioner_of(&own, roster).map_err(|error| error.to_string());
    let first = Roll::of(Roster::of(config.nodes.iter().copied()));
    let known = storage
        .record(ROLL)
        .and_then(|bytes| Roll::from_bytes(&bytes));
    // Says what is wrong with the options, where they are wrong.
    partitioner(config)?;
    let all = config.nodes.iter().chain(&config.spares).copied().collect();
    let view = View::new(
        known.unwrap_or(first),
        all,
        config.gateways.clone(),
        Box::new(lists),
    );
    view.map_err(|reason| ConfigError::Options {
        seam: "partitioner",
        kind: config.partitioner.kind.clone(),
        error: OptionError::new(reason),
    })
}

/// Tells the members, after a change of them was begun if one is wanted.
fn enrol(
    context: &mut Context<'_>,
    handover: &mut Handover,
    change: Option<Change>,
) -> Result<Box<Enrolled>, Refusal> {
    if let Some(change) = change {
        let begun = handover.begin(context, change);
        begun.map_err(|error| Refusal::new(Code::FailedPrecondition, error.to_string()))?;
    }
    Ok(Box::new(handover.enrolled(context)))
}

/// How often the repairs hear what has come of what they did; two would do, since a repair stores and no more.
const MOST_ROUNDS: usize = 4;
/// Keys that an inventory asks its storage for at once.
const PAGE: usize = 1_024;
/// The storage's record of the roll.
pub(crate) const ROLL: &[u8] = b"roll";
