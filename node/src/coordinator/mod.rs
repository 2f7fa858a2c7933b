//! Coordinating requests: each one in flight is a small state machine; this file hands it what concerns it.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.5, §5. Quorum strategies say which nodes stand for a key's replicas;
//! what happens from there is the same for all of them.

mod admission;
mod answer;
mod counters;
mod flights;
mod header;
mod latencies;
mod quorums;
mod read;
mod route;
mod votes;
mod write;

use crate::context::Context;
use crate::replication::Replication;
use crate::request::{Call, Code, ReadNeeds, Refusal, Reply, Request, Siblings, Ticket};
use crate::view::{Belief, View};
use bytes::Bytes;
use counters::Counters;
use flights::{Due, Flights};
use header::{Header, Requester};
use latencies::Latencies;
pub use quorums::Quorums;
use quorums::{FailedWrite, Place, ReadSet, Reading, SpeculateAfter, Writing};
use read::{Read, Then, Told};
pub use route::{Route, Routing, Side, Target, Targets};
use std::time::Duration;
use tidemark_proto::id::{NodeId, OperationId, Role};
use tidemark_proto::message::Message;
use tidemark_proto::wire;
use votes::Votes;
use write::Write;

/// The requests that a node has in flight.
pub struct Coordinator {
    quorums: Quorums,
    routing: Routing,
    flights: Flights<Flight>,
    counters: Counters,
    latencies: Latencies,
    /// How many operations this node has named, in this life.
    named: u64,
}

/// A request in flight.
enum Flight {
    Read(Read),
    Write(Write),
    /// Handed to another coordinator.
    Forwarded(Ticket),
}

impl Coordinator {
    /// One with nothing in flight.
    #[must_use]
    pub fn new(quorums: Quorums, routing: Routing) -> Self {
        let share = match quorums.speculate_after {
            SpeculateAfter::Share(share) => share,
            SpeculateAfter::Time(_) => 0.0,
        };
        Self {
            quorums,
            routing,
            flights: Flights::default(),
            counters: Counters::default(),
            latencies: Latencies::new(share),
            named: 0,
        }
    }

    /// Coordinates a request, or refuses it.
    fn begin(
        &mut self,
        context: &mut Context<'_>,
        requester: Requester,
        request: Request,
        route: Route,
    ) {
        let operation = request.operation;
        let begun = admission::check(context, &request, self.flights.len())
            .and_then(|()| self.start(context, requester, request, route));
        if let Err(refusal) = begun {
            context.refuse(operation, refusal.message.clone());
            requester.answer(context, operation, Reply::Refused(refusal));
        }
    }

    /// Hands a client's request to a node that shall coordinate it.
    fn forward(&mut self, context: &mut Context<'_>, ticket: Ticket, request: Request, to: NodeId) {
        let operation = request.operation;
        let timeout = request.timeout.unwrap_or(self.quorums.timeout.0);
        let deadline = context.now.elapsed + timeout;
        let call = admission::check(context, &request, self.flights.len())
            .and_then(|()| request.try_into());
        match call {
            Ok(call) => {
                let flight = Flight::Forwarded(ticket);
                let forward = wire::Forward {
                    request: self.flights.insert(deadline, operation, flight),
                    call: Some(call),
                };
                context.send(to, Message::Forward(Box::new(forward)));
            }
            Err(refusal) => {
                context.refuse(operation, refusal.message.clone());
                context.reply(ticket, Reply::Refused(refusal));
            }
        }
    }

    /// A replica or another coordinator answers. An answer that nobody waits for is late or repeated: it is ignored.
    fn answered(&mut self, context: &mut Context<'_>, from: NodeId, message: Message) {
        let operation = message.operation();
        match message {
            Message::FetchReply(reply) => {
                let Some(Flight::Read(read)) = self.flights.find(reply.request, operation) else {
                    return;
                };
                if self.quorums.read_set == ReadSet::Speculative
                    && let Some(latency) = read.latency(from, context.now.elapsed)
                {
                    self.latencies.add(latency);
                }
                let number = reply.request;
                let step = read.heard(context, number, from, told(reply));
                self.advance(context, number, step);
            }
            Message::StoreReply(reply) => match self.flights.find(reply.request, operation) {
                Some(Flight::Write(write)) => {
                    let held = match reply.refusal {
                        None => Ok(reply.durable),
                        Some(refusal) => Err(refusal.into()),
                    };
                    let is_over = write.heard(context, from, held);
                    self.end(context, reply.request, is_over);
                }
                Some(Flight::Read(read)) if reply.refusal.is_none() => {
                    let step = read.repaired(context, from);
                    self.advance(context, reply.request, step);
                }
                Some(_) | None => {}
            },
            Message::ForwardReply(reply) => {
                let Some(Flight::Forwarded(ticket)) = self.flights.find(reply.request, operation)
                else {
                    return;
                };
                let ticket = *ticket;
                self.flights.remove(reply.request);
                let nothing = || {
                    Reply::Refused(Refusal::new(
                        Code::Unavailable,
                        "the coordinator's reply is empty",
                    ))
                };
                context.reply(ticket, reply.result.map_or_else(nothing, Reply::from));
            }
            Message::Store(_)
            | Message::Fetch(_)
            | Message::Repair(_)
            | Message::Forward(_)
            | Message::Handoff(_)
            | Message::HandoffReply(_)
            | Message::Gossip(_)
            | Message::Sweep(_)
            | Message::Bulk(_)
            | Message::BulkReply(_)
            | Message::Collect(_)
            | Message::Members(_)
            | Message::MembersReply(_)
            | Message::Move(_)
            | Message::MoveReply(_) => {}
        }
    }

    /// The request's operation; where the client named none, its first node does, since answers are told by it.
    fn name(&mut self, context: &Context<'_>, request: &mut Request) {
        if request.operation.is_none() {
            self.named += 1;
            let sequence = u64::from(context.life) << 32 | self.named;
            request.operation = OperationId::new(context.id, sequence);
        }
    }

    fn start(
        &mut self,
        context: &mut Context<'_>,
        requester: Requester,
        request: Request,
        route: Route,
    ) -> Result<(), Refusal> {
        let (n, quorums) = (route.replicas.len(), &self.quorums);
        let timeout = request.timeout.unwrap_or(quorums.timeout.0);
        let header = Header {
            operation: request.operation,
            key: request.key,
            replicas: route.replicas,
            targets: route.targets,
            roll: context.view.roll().number,
            deadline: context.now.elapsed + timeout,
            requester: Some(requester),
        };
        match request.call {
            Call::Probe => {
                let reply = Reply::Got(answer::known_here(context, &header.key, header.operation)?);
                requester.answer(context, header.operation, reply);
            }
            Call::Get { needs } => {
                let reading = quorums.reading(&needs, n)?;
                header.check_reach(reading.need)?;
                self.read(context, header, reading, Then::Reply);
            }
            Call::Put {
                value,
                context: seen,
                needs,
                siblings,
                checksum: _,
            } => {
                let writing = quorums.writing(&needs, n)?;
                header.check_reach(writing.need)?;
                let seen = admission::opened(context, &header.key, &seen)?;
                self.write(context, header, writing, &seen, Some(value), siblings)?;
            }
            Call::Delete {
                context: seen,
                read_quorum,
                needs,
            } => {
                let writing = quorums.writing(&needs, n)?;
                header.check_reach(writing.need)?;
                if seen.is_empty() {
                    let needs = ReadNeeds {
                        quorum: read_quorum,
                        ..ReadNeeds::default()
                    };
                    let reading = quorums.reading(&needs, n)?;
                    header.check_reach(reading.need)?;
                    self.read(context, header, reading, Then::Delete(writing));
                } else {
                    let seen = admission::opened(context, &header.key, &seen)?;
                    self.write(context, header, writing, &seen, None, Siblings::Omitted)?;
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, context: &mut Context<'_>, header: Header, reading: Reading, then: Then) {
        let (operation, deadline) = (header.operation, header.deadline);
        let speculate_after = match self.quorums.speculate_after {
            SpeculateAfter::Share(_) => self.latencies.quantile(),
            SpeculateAfter::Time(time) => Some(time.0),
        };
        let read = Read::new(
            context,
            header,
            reading,
            then,
            &self.quorums,
            speculate_after,
        );
        let alarms = read.alarms();
        let number = self.flights.insert(deadline, operation, Flight::Read(read));
        let Some(Flight::Read(read)) = self.flights.find(number, operation) else {
            return;
        };
        let step = read.ask(context, number);
        self.advance(context, number, step);
        self.flights.wake(number, alarms);
    }

    /// Does what a read wants done after an answer.
    fn advance(&mut self, context: &mut Context<'_>, number: u64, step: read::Step) {
        if step.over {
            self.flights.remove(number);
        }
        let Some((header, writing, seen)) = step.delete else {
            return;
        };
        let (operation, requester) = (header.operation, header.requester);
        if let Err(refusal) = self.write(context, header, writing, &seen, None, Siblings::Omitted)
            && let Some(requester) = requester
        {
            requester.answer(context, operation, Reply::Refused(refusal));
        }
    }

    fn write(
        &mut self,
        context: &mut Context<'_>,
        mut header: Header,
        mut writing: Writing,
        seen: &[u8],
        value: Option<Bytes>,
        siblings: Siblings,
    ) -> Result<(), Refusal> {
        let (operation, deadline) = (header.operation, header.deadline);
        let stamped = write::stamp(context, &mut self.counters, &header, seen, value)?;
        // The clients of a run say themselves where their keys are.
        if operation.issuer().role() != Role::Client {
            context.place(&header.key, &header.replicas);
        }
        if let Some(there) = context.view.other_side(&header.key, header.replicas.len()) {
            header.join(&there);
            writing.join();
        }
        let (mut write, held) = Write::new(context, header, writing, stamped, siblings);
        if writing.need == Votes::default() {
            write.send(context, NOBODY_WAITS, held)?;
            return Ok(());
        }
        let alarm = write.be_patient(context, self.quorums.preferred_within.0);
        let number = self
            .flights
            .insert(deadline, operation, Flight::Write(write));
        let Some(Flight::Write(write)) = self.flights.find(number, operation) else {
            return Ok(());
        };
        let sent = write.send(context, number, held);
        if sent.is_err() {
            self.flights.remove(number);
        }
        let is_over = sent?;
        self.end(context, number, is_over);
        self.flights.wake(number, alarm);
        Ok(())
    }

    /// Ends a write that has heard from all.
    fn end(&mut self, context: &mut Context<'_>, number: u64, is_over: bool) {
        if is_over && let Some(Flight::Write(write)) = self.flights.remove(number) {
            self.give_up(context, write);
        }
    }

    /// Nobody more is waited for: if too few have acknowledged, the write may be on some replicas and may yet reach others.
    fn give_up(&mut self, context: &mut Context<'_>, mut write: Write) {
        if write.is_done() {
            return;
        }
        write.refuse_overdue(context);
        match self.quorums.failed_write {
            FailedWrite::Leave => {}
            FailedWrite::Hint => write.keep_hints(context),
            FailedWrite::RollBack => {
                self.named += 1;
                let sequence = u64::from(context.life) << 32 | OF_ROLL_BACKS | self.named;
                let operation = OperationId::new(context.id, sequence);
                write.roll_back(context, &mut self.counters, operation);
            }
        }
    }

    /// The gateway for a key, by its first replica: the same for every node that forwards.
    fn gateway_of(view: &View, route: &Route) -> Option<NodeId> {
        let gateways = view.gateways();
        let first = route.replicas.first()?;
        let index = usize::from(first.number()).checked_rem(gateways.len())?;
        gateways.get(index).copied()
    }
}

impl Replication for Coordinator {
    fn request(&mut self, context: &mut Context<'_>, ticket: Ticket, mut request: Request) {
        self.name(context, &mut request);
        let route = (self.routing)(context.view, &request.key, self.quorums.n);
        let place = match request.call {
            Call::Probe => Place::Any,
            Call::Get { .. } | Call::Put { .. } | Call::Delete { .. } => self.quorums.coordinator,
        };
        let coordinator = match place {
            Place::Any => Some(context.id),
            Place::First => route.targets.first().map(|target| target.node),
            Place::Gateway if context.id.role() == Role::Gateway => Some(context.id),
            Place::Gateway => Self::gateway_of(context.view, &route),
        };
        match coordinator {
            Some(node) if node == context.id => {
                self.begin(context, Requester::Client(ticket), request, route);
            }
            Some(node) => self.forward(context, ticket, request, node),
            None => {
                let message = match place {
                    Place::Any | Place::First => "no node is up that may coordinate",
                    Place::Gateway => "no node may coordinate: the cluster has no gateway",
                };
                let refusal = Refusal::new(Code::FailedPrecondition, message);
                context.reply(ticket, Reply::Refused(refusal));
            }
        }
    }

    fn message(&mut self, context: &mut Context<'_>, from: NodeId, message: Message) {
        let operation = message.operation();
        let Message::Forward(forward) = message else {
            return self.answered(context, from, message);
        };
        match forward.call.map(Request::from) {
            Some(mut request) => {
                self.name(context, &mut request);
                let route = (self.routing)(context.view, &request.key, self.quorums.n);
                let requester = Requester::Peer(from, forward.request);
                self.begin(context, requester, request, route);
            }
            None => context.refuse(operation, "a forwarded request is empty"),
        }
    }

    fn believed(&mut self, context: &mut Context<'_>, node: NodeId, belief: Belief) {
        if !self.quorums.retarget || belief != Belief::Down {
            return;
        }
        let (routing, n) = (self.routing, self.quorums.n);
        for number in self.flights.numbers() {
            match self.flights.get(number) {
                Some(Flight::Read(read)) if read.misses(node) => {
                    let route = routing(context.view, read.key(), n);
                    read.replace(context, number, node, &route);
                }
                Some(Flight::Write(write)) if write.misses(node) => {
                    let route = routing(context.view, write.key(), n);
                    write.replace(context, number, node, &route);
                }
                Some(_) | None => {}
            }
        }
    }

    fn timeout(&mut self, context: &mut Context<'_>) {
        while let Some(due) = self.flights.pop_due(context.now.elapsed) {
            match due {
                Due::Alarm(number) => match self.flights.get(number) {
                    Some(Flight::Read(read)) => {
                        let step = read.wake(context, number);
                        self.advance(context, number, step);
                    }
                    Some(Flight::Write(write)) => write.conclude(context),
                    Some(Flight::Forwarded(_)) | None => {}
                },
                Due::Deadline(Flight::Read(read)) => read.overdue(context),
                Due::Deadline(Flight::Write(write)) => self.give_up(context, write),
                Due::Deadline(Flight::Forwarded(ticket)) => {
                    let refusal = Refusal::new(
                        Code::DeadlineExceeded,
                        "the coordinator that the request was forwarded to did not answer in time",
                    );
                    context.reply(ticket, Reply::Refused(refusal));
                }
            }
        }
    }

    fn next_timeout(&self) -> Option<Duration> {
        self.flights.next_alarm()
    }

    fn in_flight(&self) -> usize {
        self.flights.len()
    }

    fn may_leave_behind(&self) -> usize {
        let Quorums { n, r, w, .. } = self.quorums;
        // Where quorums need not meet, nothing is to be kept.
        if r + w > n { r.min(w) - 1 } else { usize::MAX }
    }

    fn oldest_write(&self) -> Option<u64> {
        let roll = |flight: &Flight| match flight {
            Flight::Write(write) => Some(write.roll()),
            Flight::Read(_) | Flight::Forwarded(_) => None,
        };
        self.flights.iter().filter_map(roll).min()
    }
}

/// What a replica tells, or why it cannot.
fn told(reply: wire::FetchReply) -> Result<Told, Refusal> {
    match (reply.refusal, reply.digest) {
        (Some(refusal), _) => Err(refusal.into()),
        (None, Some(digest)) => Ok(Told::Digest(digest)),
        (None, None) => Ok(Told::Versions(reply.versions)),
    }
}

/// The number of requests that are sent to be forgotten.
const NOBODY_WAITS: u64 = 0;
/// Operations that this node names for itself have numbers of their own.
const OF_ROLL_BACKS: u64 = 1 << 31;
