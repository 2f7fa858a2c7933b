//! All clients of a run as one state machine: open-loop arrivals, probes, reconciling, retries. It does no I/O; the
//! back-ends carry out what it wants done and tell it what came back, so both see the same load.

mod options;
mod route;
mod value;

pub use options::ClientOptions;
pub use route::Route;

use crate::plan::Plan;
use crate::workload::{self, Intent, Workload};
use bytes::Bytes;
use options::{Arrivals, Reconcile, Update};
use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use route::Router;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;
use tidemark_node::chance;
use tidemark_node::request::{Answer, Call, Code, Refusal, Reply, Request, Siblings};
use tidemark_proto::event::{Event, Invocation, Kind, Operation, Outcome, Purpose};
use tidemark_proto::id::{NodeId, OperationId};
use value::{value_of, writer_of};
use xxhash_rust::xxh3::xxh3_64;

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
    chance: Chance,
    all_replicas: u32,
    value_bytes: usize,
    /// When the next arrival is due; none: there will be no more.
    arrival: Option<Duration>,
    last_arrival: Duration,
    sessions: Vec<Session>,
    /// What is to be done at a time, in the order in which it was planned.
    due: BinaryHeap<Reverse<(Duration, u64)>>,
    tasks: BTreeMap<u64, Task>,
    planned: u64,
    /// Attempts under way. All have one timeout, so the first is the first to be given up.
    flights: BTreeMap<u64, Flight>,
    attempts: u64,
}

/// One stream of chance per purpose.
struct Chance {
    arrivals: Xoshiro256PlusPlus,
    clients: Xoshiro256PlusPlus,
    intents: Xoshiro256PlusPlus,
}

/// What one client knows.
#[derive(Default)]
struct Session {
    operations: u64,
    /// The last context that it was given for a key.
    seen: BTreeMap<Bytes, Seen>,
}

/// A context and the operation whose answer gave it.
#[derive(Clone)]
struct Seen {
    context: Bytes,
    from: OperationId,
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
    Retry(Box<Flight>),
}

/// An operation under way.
struct Flight {
    operation: Operation,
    request: Request,
    then: Then,
    deadline: Duration,
    sent: u32,
}

/// What follows an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Nothing,
    /// The read was made in order to write.
    Write,
    /// The write was made in order to be read after this time.
    Read(Duration),
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
            chance: Chance {
                arrivals: stream("arrivals"),
                clients: stream("clients"),
                intents: stream("intents"),
            },
            all_replicas: u32::try_from(plan.replicas())?,
            value_bytes: workload.value_bytes(),
            arrival: None,
            last_arrival: plan.duration.0.saturating_sub(workload.lead()),
            sessions: plan.clients().iter().map(|_| Session::default()).collect(),
            due: BinaryHeap::new(),
            tasks: BTreeMap::new(),
            planned: 0,
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
        clients.arrival = clients.arrival_after(first);
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
            self.arrival = self.arrival_after(intended);
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
        let waiting = std::mem::take(&mut self.tasks)
            .into_values()
            .filter_map(|task| match task {
                Task::Retry(flight) => Some(*flight),
                Task::Preload(_) | Task::ProbeWrite { .. } | Task::ProbeRead { .. } => None,
            });
        let under_way = std::mem::take(&mut self.flights)
            .into_values()
            .chain(waiting);
        for mut flight in under_way.collect::<Vec<_>>() {
            flight.operation.outcome = Outcome::Unknown;
            flight.operation.status = Cow::Borrowed("CANCELLED");
            flight.operation.returned = now;
            wants.push(Want::Note(Event::Returned(Box::new(flight.operation))));
        }
        self.arrival = None;
        self.due.clear();
    }

    fn arrive(&mut self, now: Duration, intended: Duration, wants: &mut Vec<Want>) {
        let count = u64::from(self.options.count);
        let index = (u128::from(self.chance.clients.next_u64()) * u128::from(count)) >> 64;
        let client = NodeId::client(1 + index as u16);
        match self.workload.next(&mut self.chance.intents) {
            Intent::Read(key) => {
                self.get(
                    now,
                    intended,
                    client,
                    key,
                    Purpose::Load,
                    Then::Nothing,
                    wants,
                );
            }
            Intent::Update(key) => match self.options.update {
                Update::ReadFirst => {
                    self.get(
                        now,
                        intended,
                        client,
                        key,
                        Purpose::ReadFirst,
                        Then::Write,
                        wants,
                    );
                }
                Update::Remembered => {
                    let seen = self.session(client).seen.get(&key).cloned();
                    let write = Writing::new(client, key, seen);
                    self.put(now, intended, write, wants);
                }
                Update::Blind => self.put(now, intended, Writing::new(client, key, None), wants),
            },
            Intent::Probe { key, wait } => {
                self.preload(now, intended, client, key.clone(), wants);
                let task = Task::ProbeWrite { client, key, wait };
                self.plan(intended + self.workload.lead(), task);
            }
        }
    }

    fn carry_out(&mut self, now: Duration, intended: Duration, task: Task, wants: &mut Vec<Want>) {
        match task {
            Task::Preload(key) => {
                let turn = self.planned.wrapping_sub(self.tasks.len() as u64);
                let client = 1 + (turn % u64::from(self.options.count)) as u16;
                self.preload(now, intended, NodeId::client(client), key, wants);
            }
            Task::ProbeWrite { client, key, wait } => {
                let seen = self.session(client).seen.remove(&key);
                let write = Writing {
                    then: Then::Read(wait),
                    ..Writing::new(client, key, seen)
                };
                self.put(now, intended, write, wants);
            }
            Task::ProbeRead { client, key } => {
                self.get(
                    now,
                    intended,
                    client,
                    key,
                    Purpose::Load,
                    Then::Nothing,
                    wants,
                );
            }
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
        let nodes = self.router.replicas(&key);
        wants.push(Want::Note(Event::Placed {
            key: key.clone(),
            nodes,
        }));
        let write = Writing {
            purpose: Purpose::Preload,
            quorum: Some(self.all_replicas),
            ..Writing::new(client, key, None)
        };
        self.put(now, intended, write, wants);
    }

    #[expect(clippy::too_many_arguments, reason = "an operation has as many parts")]
    fn get(
        &mut self,
        now: Duration,
        intended: Duration,
        client: NodeId,
        key: Bytes,
        purpose: Purpose,
        then: Then,
        wants: &mut Vec<Want>,
    ) {
        let id = self.next_operation(client);
        let call = Call::Get { read_quorum: None };
        let flight = self.flight(now, intended, id, key, Kind::Get, purpose, call, then);
        self.send(now, flight, wants);
    }

    fn put(&mut self, now: Duration, intended: Duration, write: Writing, wants: &mut Vec<Want>) {
        let Writing {
            client,
            key,
            seen,
            purpose,
            quorum,
            then,
        } = write;
        let id = self.next_operation(client);
        let value = value_of(id, self.value_bytes);
        let bytes = u32::try_from(value.len()).unwrap_or(u32::MAX);
        let context_from = seen.as_ref().map(|seen| seen.from);
        let call = Call::Put {
            checksum: Some(xxh3_64(&value)),
            value,
            context: seen.map_or_else(Bytes::new, |seen| seen.context),
            write_quorum: quorum,
            siblings: Siblings::Omitted,
        };
        let invocation = Invocation {
            id,
            purpose,
            kind: Kind::Put,
            key: key.clone(),
            intended,
            invoked: now,
            context_from,
        };
        wants.push(Want::Note(Event::Invoked(Box::new(invocation))));
        let mut flight = self.flight(now, intended, id, key, Kind::Put, purpose, call, then);
        flight.operation.context_from = context_from;
        flight.operation.value_bytes = bytes;
        self.send(now, flight, wants);
    }

    #[expect(clippy::too_many_arguments, reason = "an operation has as many parts")]
    fn flight(
        &self,
        now: Duration,
        intended: Duration,
        id: OperationId,
        key: Bytes,
        kind: Kind,
        purpose: Purpose,
        call: Call,
        then: Then,
    ) -> Flight {
        Flight {
            request: Request {
                operation: id,
                key: key.clone(),
                timeout: None,
                call,
            },
            then,
            deadline: Duration::ZERO,
            sent: 0,
            operation: Operation {
                id,
                purpose,
                kind,
                key,
                intended,
                invoked: now,
                returned: now,
                outcome: Outcome::Unknown,
                status: Cow::Borrowed("OK"),
                asked: id.issuer(),
                coordinator: None,
                answered: Vec::new(),
                versions: Vec::new(),
                context_from: None,
                clock: Vec::new(),
                context_bytes: 0,
                value_bytes: 0,
                attempts: 0,
            },
        }
    }

    fn send(&mut self, now: Duration, mut flight: Flight, wants: &mut Vec<Want>) {
        let client = flight.operation.id.issuer();
        let node = self.router.choose(client, &flight.operation.key);
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
        let Flight {
            mut operation,
            then,
            ..
        } = flight;
        let client = operation.id.issuer();
        operation.returned = now;
        operation.outcome = Outcome::Ok;
        operation.coordinator = answer.coordinator;
        operation.answered = answer.answered;
        operation.context_bytes = u32::try_from(answer.context.len()).unwrap_or(u32::MAX);
        operation.clock = answer.clock;
        if operation.kind == Kind::Get {
            let bytes: usize = answer
                .versions
                .iter()
                .map(|version| version.value.len())
                .sum();
            operation.value_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            let writers = answer
                .versions
                .iter()
                .map(|version| writer_of(&version.value).unwrap_or(version.operation));
            operation.versions = writers.collect();
        }
        let seen = Seen {
            context: answer.context,
            from: operation.id,
        };
        let (key, kind) = (operation.key.clone(), operation.kind);
        let purpose = operation.purpose;
        let has_siblings = kind == Kind::Get && operation.versions.len() > 1;
        wants.push(Want::Note(Event::Returned(Box::new(operation))));
        let is_remembered = self.options.update == Update::Remembered
            || purpose == Purpose::Preload && self.workload.lead() > Duration::ZERO;
        match then {
            Then::Write => {
                let write = Writing::new(client, key, Some(seen));
                self.put(now, now, write, wants);
            }
            Then::Read(wait) => self.plan(now + wait, Task::ProbeRead { client, key }),
            Then::Nothing if has_siblings && self.options.reconcile == Reconcile::WriteBack => {
                let purpose = Purpose::Reconcile;
                let write = Writing {
                    purpose,
                    ..Writing::new(client, key, Some(seen))
                };
                self.put(now, now, write, wants);
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
        let may_have_happened = flight.operation.kind != Kind::Get && refusal.code.leaves_unknown();
        // Whatever comes later, an attempt that may have happened stays one.
        let unknown = may_have_happened
            || flight.operation.status != "OK"
                && flight.operation.outcome == Outcome::Unknown
                && flight.operation.kind != Kind::Get;
        flight.operation.status = Cow::Borrowed(refusal.code.name());
        flight.operation.outcome = if unknown {
            Outcome::Unknown
        } else {
            Outcome::Failed
        };
        let is_passing = refusal.code.leaves_unknown() || refusal.code == Code::ResourceExhausted;
        if is_passing && flight.sent <= self.options.retries {
            self.plan(now + self.options.backoff.0, Task::Retry(Box::new(flight)));
            return;
        }
        flight.operation.returned = now;
        let never_written = (flight.then == Then::Write).then(|| Operation {
            id: self.next_operation(flight.operation.id.issuer()),
            purpose: Purpose::Load,
            kind: Kind::Put,
            intended: now,
            invoked: now,
            outcome: Outcome::Failed,
            attempts: 0,
            ..flight.operation.clone()
        });
        wants.push(Want::Note(Event::Returned(Box::new(flight.operation))));
        // A write whose read failed is a write that failed, though it was never sent.
        wants.extend(never_written.map(|write| Want::Note(Event::Returned(Box::new(write)))));
    }

    fn plan(&mut self, at: Duration, task: Task) {
        self.planned += 1;
        self.due.push(Reverse((at, self.planned)));
        self.tasks.insert(self.planned, task);
    }

    fn arrival_after(&mut self, last: Duration) -> Option<Duration> {
        let gap = match self.options.arrivals {
            Arrivals::Fixed => 1.0,
            Arrivals::Poisson => {
                // From 0 (excluded) to 1: its logarithm is finite.
                let unit =
                    ((self.chance.arrivals.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64;
                -libm::log(unit)
            }
        };
        let next = last + Duration::from_nanos(libm::round(gap / self.options.rate * 1e9) as u64);
        (next < self.last_arrival).then_some(next)
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

/// A put about to be sent.
struct Writing {
    client: NodeId,
    key: Bytes,
    seen: Option<Seen>,
    purpose: Purpose,
    quorum: Option<u32>,
    then: Then,
}

impl Writing {
    fn new(client: NodeId, key: Bytes, seen: Option<Seen>) -> Self {
        Self {
            client,
            key,
            seen,
            purpose: Purpose::Load,
            quorum: None,
            then: Then::Nothing,
        }
    }
}
