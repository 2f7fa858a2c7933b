//! All clients of a run as one state machine: open-loop arrivals, probes, reconciling, retries. It does no I/O; the
//! back-ends carry out what it wants done and tell it what came back, so both see the same load.

mod arrivals;
mod flight;
mod options;
mod route;
mod script;
mod value;

pub use options::{ClientOptions, MoveAfter, Update};
pub use route::Route;

use crate::plan::Plan;
use crate::workload::{self, Deed, Intent, Workload};
use arrivals::ArrivalTimes;
use bytes::Bytes;
use flight::{Beginning, Flight, Seen, Then, never_written};
use options::Reconcile;
use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use route::Router;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;
use tidemark_node::chance;
use tidemark_node::request::{Answer, Code, ReadNeeds, Refusal, Reply, Request, WriteNeeds};
use tidemark_proto::event::{Event, Kind, Operation, Purpose};
use tidemark_proto::id::{NodeId, OperationId};

/// What the clients want done.
#[derive(Debug)]
pub enum Want {
    /// Send a request, and tell what came of it under this number.
    Send {
        /// The attempt's number.
        attempt: u64,
        /// Who asks.
        client: NodeId,
        /// Whom.
        node: NodeId,
        /// For what.
        request: Request,
    },
    /// Pass an event on.
    Note(Event),
}

/// The clients of a run.
pub struct Clients {
    options: ClientOptions,
    workload: Box<dyn Workload>,
    router: Router,
    /// Who acts next, and what it asks.
    choices: Xoshiro256PlusPlus,
    intents: Xoshiro256PlusPlus,
    arrivals: ArrivalTimes,
    /// How long values are.
    lengths: Xoshiro256PlusPlus,
    all_replicas: u32,
    /// When the next arrival is due; none: there will be no more.
    arrival: Option<Duration>,
    sessions: Vec<Session>,
    /// What is to be done at a time, in the order in which it was planned.
    due: BinaryHeap<Reverse<(Duration, u64)>>,
    tasks: BTreeMap<u64, Task>,
    planned: u64,
    preloads: u64,
    /// The script's keys with which something has been done.
    begun: BTreeSet<Bytes>,
    /// Attempts under way. All have one timeout, so the first is the first to be given up.
    flights: BTreeMap<u64, Flight>,
    attempts: u64,
}

/// What one client knows.
#[derive(Default)]
struct Session {
    operations: u64,
    /// The last context that it was given for a key, where it is to remember that.
    seen: BTreeMap<Bytes, Seen>,
}

/// Something to be done at its time.
enum Task {
    Preload(Bytes),
    ProbeWrite {
        client: NodeId,
        key: Bytes,
        wait: Duration,
    },
    ProbeRead {
        client: NodeId,
        key: Bytes,
    },
    Step(Box<Deed>),
    Retry(Box<Flight>),
}

impl Clients {
    /// The clients of a plan whose times are scaled.
    pub fn new(plan: &Plan) -> anyhow::Result<Self> {
        let workload = workload::build(plan)?;
        let first = plan.warmup.0.saturating_sub(workload.lead());
        let stream = |purpose| chance::stream(plan.seed, purpose, NodeId::client(1));
        let mut clients = Self {
            options: plan.client.clone(),
            router: Router::new(plan)?,
            choices: stream("clients"),
            intents: stream("intents"),
            arrivals: ArrivalTimes::new(
                &plan.client,
                plan.duration.0.saturating_sub(workload.lead()),
                stream("arrivals"),
            ),
            all_replicas: u32::try_from(plan.replicas())?,
            lengths: stream("value lengths"),
            arrival: None,
            sessions: plan.clients().iter().map(|_| Session::default()).collect(),
            due: BinaryHeap::new(),
            tasks: BTreeMap::new(),
            planned: 0,
            preloads: 0,
            begun: BTreeSet::new(),
            flights: BTreeMap::new(),
            attempts: 0,
            workload,
        };
        let keys = clients.workload.preload();
        // Spread over the first half of the warm-up, so that the second half can settle.
        let pace = plan.warmup.0.div_f64(2.0 * keys.len().max(1) as f64);
        for (key, index) in keys.into_iter().zip(0u32..) {
            clients.plan(pace.saturating_mul(index), Task::Preload(key));
        }
        if !clients.plan_script()? {
            clients.arrival = clients.arrivals.after(first);
        }
        Ok(clients)
    }

    /// When there is something to do next, if nothing is answered before.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        let planned = self.due.peek().map(|Reverse((time, _))| *time);
        let given_up = self
            .flights
            .first_key_value()
            .map(|(_, flight)| flight.deadline);
        [self.arrival, planned, given_up]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due by now.
    pub fn act(&mut self, now: Duration, wants: &mut Vec<Want>) {
        while let Some(intended) = self.arrival.filter(|arrival| *arrival <= now) {
            self.arrive(now, intended, wants);
            self.arrival = self.arrivals.after(intended);
        }
        while let Some(Reverse((intended, number))) = self.due.peek().copied()
            && intended <= now
        {
            self.due.pop();
            if let Some(task) = self.tasks.remove(&number) {
                self.carry_out(now, intended, task, wants);
            }
        }
        while let Some(entry) = self.flights.first_entry()
            && entry.get().deadline <= now
        {
            let flight = entry.remove();
            let refusal = Refusal::new(Code::DeadlineExceeded, "the client gave up");
            self.conclude(now, flight, Reply::Refused(refusal), wants);
        }
    }

    /// Takes what came of an attempt; too late, it is ignored.
    pub fn answered(&mut self, now: Duration, attempt: u64, reply: Reply, wants: &mut Vec<Want>) {
        if let Some(flight) = self.flights.remove(&attempt) {
            self.conclude(now, flight, reply, wants);
        }
    }

    /// The run is over: what is under way ends, its outcome unknown.
    pub fn abandon(&mut self, now: Duration, wants: &mut Vec<Want>) {
        let tasks = std::mem::take(&mut self.tasks).into_values();
        let waiting = tasks.filter_map(|task| match task {
            Task::Retry(flight) => Some(*flight),
            Task::Preload(_) | Task::ProbeWrite { .. } | Task::ProbeRead { .. } | Task::Step(_) => {
                None
            }
        });
        let under_way = std::mem::take(&mut self.flights).into_values();
        wants.extend(
            under_way
                .chain(waiting)
                .map(|flight| returned(flight.abandoned(now))),
        );
        self.arrival = None;
        self.due.clear();
    }

    fn arrive(&mut self, now: Duration, intended: Duration, wants: &mut Vec<Want>) {
        let count = u64::from(self.options.count);
        let index = (u128::from(self.choices.next_u64()) * u128::from(count)) >> 64;
        let client = NodeId::client(1 + index as u16);
        let Some(intent) = self.workload.next(&mut self.intents) else {
            return;
        };
        match intent {
            Intent::Read(key) => {
                let read = self.beginning(now, intended, client, key);
                self.get(read, wants);
            }
            Intent::Update(key) => {
                let first = self.beginning(now, intended, client, key);
                self.update(first, Kind::Put, wants);
            }
            Intent::Delete(key) => {
                let first = self.beginning(now, intended, client, key);
                self.update(first, Kind::Delete, wants);
            }
            Intent::ReadModifyWrite(key) => {
                let first = self.beginning(now, intended, client, key);
                self.read_first(first, Kind::Put, wants);
            }
            Intent::Insert(key) => {
                wants.push(self.placed(&key));
                let write = self.beginning(now, intended, client, key);
                self.put(write, None, WriteNeeds::default(), wants);
            }
            Intent::Scan(keys) => {
                for key in keys {
                    let read = self.beginning(now, intended, client, key);
                    self.get(read, wants);
                }
            }
            Intent::Probe { key, wait } => {
                self.preload(now, intended, client, key.clone(), wants);
                let task = Task::ProbeWrite { client, key, wait };
                self.plan(intended + self.workload.lead(), task);
            }
        }
    }

    fn update(&mut self, first: Beginning, kind: Kind, wants: &mut Vec<Want>) {
        match self.options.update {
            Update::ReadFirst => self.read_first(first, kind, wants),
            Update::Remembered => {
                let seen = self.seen(first.id.issuer(), &first.key);
                self.write(first, kind, seen, wants);
            }
            Update::Blind => self.write(first, kind, None, wants),
        }
    }

    fn read_first(&mut self, first: Beginning, kind: Kind, wants: &mut Vec<Want>) {
        let (purpose, then) = (Purpose::ReadFirst, Then::Write(kind));
        self.get(
            Beginning {
                purpose,
                then,
                ..first
            },
            wants,
        );
    }

    fn carry_out(&mut self, now: Duration, intended: Duration, task: Task, wants: &mut Vec<Want>) {
        match task {
            Task::Preload(key) => {
                self.preloads += 1;
                let client = 1 + (self.preloads % u64::from(self.options.count)) as u16;
                self.preload(now, intended, NodeId::client(client), key, wants);
            }
            Task::ProbeWrite { client, key, wait } => {
                let seen = self.session(client).seen.remove(&key);
                let write = self.beginning(now, intended, client, key);
                let then = Then::Read(wait);
                self.put(
                    Beginning { then, ..write },
                    seen,
                    WriteNeeds::default(),
                    wants,
                );
            }
            Task::ProbeRead { client, key } => {
                let read = self.beginning(now, intended, client, key);
                self.get(read, wants);
            }
            Task::Step(deed) => self.step(now, intended, *deed, wants),
            Task::Retry(flight) => self.send(now, *flight, wants),
        }
    }

    /// Writes a key to all its replicas, before it is measured.
    fn preload(
        &mut self,
        now: Duration,
        intended: Duration,
        client: NodeId,
        key: Bytes,
        wants: &mut Vec<Want>,
    ) {
        wants.push(self.placed(&key));
        let write = self.beginning(now, intended, client, key);
        let purpose = Purpose::Preload;
        let needs = WriteNeeds {
            quorum: Some(self.all_replicas),
            ..WriteNeeds::default()
        };
        self.put(Beginning { purpose, ..write }, None, needs, wants);
    }

    /// Tells where a key that is written for the first time belongs.
    fn placed(&self, key: &Bytes) -> Want {
        Want::Note(Event::Placed {
            key: key.clone(),
            nodes: self.router.replicas(key),
        })
    }

    fn get(&mut self, beginning: Beginning, wants: &mut Vec<Want>) {
        self.begin(Flight::get(beginning, ReadNeeds::default()), wants);
    }

    /// Puts or deletes, as the cluster has it.
    fn write(
        &mut self,
        beginning: Beginning,
        kind: Kind,
        seen: Option<Seen>,
        wants: &mut Vec<Want>,
    ) {
        let needs = WriteNeeds::default();
        if kind == Kind::Delete {
            self.begin(Flight::delete(beginning, seen, needs), wants);
        } else {
            self.put(beginning, seen, needs, wants);
        }
    }

    fn put(
        &mut self,
        beginning: Beginning,
        seen: Option<Seen>,
        needs: WriteNeeds,
        wants: &mut Vec<Want>,
    ) {
        let value_bytes = self.value_bytes();
        self.begin(Flight::put(beginning, seen, value_bytes, needs), wants);
    }

    fn value_bytes(&mut self) -> u64 {
        self.workload.value_bytes().draw(&mut self.lengths)
    }

    fn begin(&mut self, flight: Flight, wants: &mut Vec<Want>) {
        let invoked = flight.operation.invoked;
        if flight.operation.kind != Kind::Get {
            wants.push(Want::Note(Event::Invoked(Box::new(flight.invocation()))));
        }
        self.send(invoked, flight, wants);
    }

    /// An operation of the load that begins now, and that nothing follows.
    fn beginning(
        &mut self,
        now: Duration,
        intended: Duration,
        client: NodeId,
        key: Bytes,
    ) -> Beginning {
        let id = self.next_operation(client);
        let (purpose, then) = (Purpose::Load, Then::Nothing);
        Beginning {
            id,
            key,
            purpose,
            intended,
            invoked: now,
            then,
        }
    }

    fn send(&mut self, now: Duration, mut flight: Flight, wants: &mut Vec<Want>) {
        let client = flight.operation.id.issuer();
        let routed = || self.router.choose(now, client, &flight.operation.key);
        let node = flight.node.unwrap_or_else(routed);
        self.attempts += 1;
        flight.sent += 1;
        flight.deadline = now + self.options.timeout.0;
        flight.operation.asked = node;
        flight.operation.attempts = flight.sent;
        let (attempt, request) = (self.attempts, flight.request.clone());
        wants.push(Want::Send {
            attempt,
            client,
            node,
            request,
        });
        self.flights.insert(attempt, flight);
    }

    fn conclude(&mut self, now: Duration, flight: Flight, reply: Reply, wants: &mut Vec<Want>) {
        match reply {
            Reply::Got(answer) | Reply::Written(answer) => {
                self.succeed(now, flight, answer, wants);
            }
            Reply::Refused(refusal) => self.fail(now, flight, &refusal, wants),
        }
    }

    fn succeed(&mut self, now: Duration, flight: Flight, answer: Answer, wants: &mut Vec<Want>) {
        let then = flight.then;
        let (operation, seen) = flight.succeeded(now, answer);
        let (client, key) = (operation.id.issuer(), operation.key.clone());
        let has_siblings = operation.kind == Kind::Get && operation.versions.len() > 1;
        let is_remembered = self.options.update == Update::Remembered
            || operation.purpose == Purpose::Preload && self.workload.lead() > Duration::ZERO
            || self.workload.script().is_some();
        wants.push(returned(operation));
        match then {
            Then::Write(kind) => {
                let write = self.beginning(now, now, client, key);
                self.write(write, kind, Some(seen), wants);
            }
            Then::Read(wait) => self.plan(now + wait, Task::ProbeRead { client, key }),
            Then::Nothing if has_siblings && self.options.reconcile == Reconcile::WriteBack => {
                let write = self.beginning(now, now, client, key);
                let purpose = Purpose::Reconcile;
                let needs = WriteNeeds::default();
                self.put(Beginning { purpose, ..write }, Some(seen), needs, wants);
            }
            Then::Nothing if is_remembered => {
                self.session(client).seen.insert(key, seen);
            }
            Then::Nothing => {}
        }
    }

    fn fail(
        &mut self,
        now: Duration,
        mut flight: Flight,
        refusal: &Refusal,
        wants: &mut Vec<Want>,
    ) {
        flight.refused(refusal);
        let is_passing = refusal.code.leaves_unknown() || refusal.code == Code::ResourceExhausted;
        if is_passing && flight.sent <= self.options.retries {
            self.plan(now + self.options.backoff.0, Task::Retry(Box::new(flight)));
            return;
        }
        let operation = Operation {
            returned: now,
            ..flight.operation
        };
        let never = match flight.then {
            Then::Write(kind) => {
                let id = self.next_operation(operation.id.issuer());
                Some(never_written(id, kind, &operation))
            }
            Then::Read(_) | Then::Nothing => None,
        };
        wants.extend([Some(operation), never].into_iter().flatten().map(returned));
    }

    fn plan(&mut self, at: Duration, task: Task) {
        self.planned += 1;
        self.due.push(Reverse((at, self.planned)));
        self.tasks.insert(self.planned, task);
    }

    /// What a client has last seen of a key, where it remembers that.
    fn seen(&mut self, client: NodeId, key: &Bytes) -> Option<Seen> {
        self.session(client).seen.get(key).cloned()
    }

    fn session(&mut self, client: NodeId) -> &mut Session {
        &mut self.sessions[usize::from(client.number()) - 1]
    }

    fn next_operation(&mut self, client: NodeId) -> OperationId {
        let session = self.session(client);
        session.operations += 1;
        OperationId::new(client, session.operations)
    }
}

fn returned(operation: Operation) -> Want {
    Want::Note(Event::Returned(Box::new(operation)))
}
