//! Coordinating requests: each one in flight is a small state machine; this file hands it what concerns it.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.5, §5. Strategies say which replicas a request goes to and how
//! many must answer; what happens from there is the same for all of them.

mod answer;
mod counters;
mod flights;
mod read;
mod write;

use crate::context::Context;
use crate::partitioner::PreferenceList;
use crate::request::{Call, Code, Refusal, Reply, Request, Siblings, Ticket};
use bytes::Bytes;
use counters::Counters;
use flights::Flights;
use read::{Read, Then};
use std::time::Duration;
use tidemark_proto::id::{NodeId, OperationId, Role};
use tidemark_proto::message::Message;
use tidemark_proto::wire;
use write::Write;
use xxhash_rust::xxh3::xxh3_64;

/// The requests that a node has in flight.
#[derive(Default)]
pub struct Coordinator {
    flights: Flights<Flight>,
    counters: Counters,
    /// How many operations this node has named, in this life.
    named: u64,
}

/// Where a request goes and how many must answer it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The replicas asked.
    pub replicas: PreferenceList,
    /// How many of them a read needs, unless it says otherwise.
    pub r: usize,
    /// How many of them a write needs, unless it says otherwise.
    pub w: usize,
    /// How long to wait for them, unless the request says otherwise.
    pub timeout: Duration,
}

/// Who waits for the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requester {
    /// A client of this node.
    Client(Ticket),
    /// A node that forwarded its client's request under this number.
    Peer(NodeId, u64),
}

/// A request in flight.
enum Flight {
    Read(Read),
    Write(Write),
    /// Handed to another coordinator.
    Forwarded(Ticket),
}

/// What all requests in flight have in common.
struct Header {
    operation: OperationId,
    key: Bytes,
    replicas: PreferenceList,
    deadline: Duration,
    /// Whoever still waits for the reply; none once it has left.
    requester: Option<Requester>,
}

impl Coordinator {
    /// Coordinates a request, or refuses it.
    pub fn begin(
        &mut self,
        context: &mut Context<'_>,
        requester: Requester,
        mut request: Request,
        route: Route,
    ) {
        let operation = self.name(context, &mut request);
        if let Err(refusal) = self
            .check(context, &request)
            .and_then(|()| self.start(context, requester, request, route))
        {
            context.refuse(operation, refusal.message.clone());
            requester.answer(context, operation, Reply::Refused(refusal));
        }
    }

    /// Hands a client's request to a node that shall coordinate it.
    pub fn forward(
        &mut self,
        context: &mut Context<'_>,
        ticket: Ticket,
        mut request: Request,
        to: NodeId,
        timeout: Duration,
    ) {
        let operation = self.name(context, &mut request);
        let deadline = context.now.elapsed + request.timeout.unwrap_or(timeout);
        let call = self
            .check(context, &request)
            .and_then(|()| request.try_into());
        match call {
            Ok(call) => {
                let number = self
                    .flights
                    .insert(deadline, operation, Flight::Forwarded(ticket));
                let forward = wire::Forward {
                    request: number,
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
    pub fn answered(&mut self, context: &mut Context<'_>, from: NodeId, message: Message) {
        let operation = message.operation();
        match message {
            Message::FetchReply(reply) => {
                let Some(Flight::Read(read)) = self.flights.find(reply.request, operation) else {
                    return;
                };
                let held = reply
                    .refusal
                    .map_or(Ok(reply.versions), |no| Err(no.into()));
                let then = read.heard(context, from, held);
                self.advance(context, reply.request, then);
            }
            Message::StoreReply(reply) => {
                let Some(Flight::Write(write)) = self.flights.find(reply.request, operation) else {
                    return;
                };
                if write.heard(context, from, reply.refusal.map(Refusal::from)) {
                    self.flights.remove(reply.request);
                }
            }
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
            | Message::Collect(_) => {}
        }
    }

    /// Ends what is overdue: who still waits is refused, and what was heard goes to the repairs.
    pub fn timeout(&mut self, context: &mut Context<'_>) {
        while let Some(flight) = self.flights.pop_overdue(context.now.elapsed) {
            match flight {
                Flight::Read(read) => read.overdue(context),
                Flight::Write(write) => write.overdue(context),
                Flight::Forwarded(ticket) => {
                    let refusal = Refusal::new(
                        Code::DeadlineExceeded,
                        "the coordinator that the request was forwarded to did not answer in time",
                    );
                    context.reply(ticket, Reply::Refused(refusal));
                }
            }
        }
    }

    /// How many requests are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// When the next request in flight is overdue.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        self.flights.next_deadline()
    }

    /// The request's operation; where the client named none, its first node does, since answers are told by it.
    fn name(&mut self, context: &Context<'_>, request: &mut Request) -> OperationId {
        if request.operation.is_none() {
            self.named += 1;
            let sequence = u64::from(context.life) << 32 | self.named;
            request.operation = OperationId::new(context.id, sequence);
        }
        request.operation
    }

    fn check(&self, context: &Context<'_>, request: &Request) -> Result<(), Refusal> {
        let limits = context.limits;
        let refuse = |code, message: String| Err(Refusal::new(code, message));
        if self.flights.len() >= limits.requests as usize {
            let message = format!("{} requests are in flight, the limit", limits.requests);
            return refuse(Code::ResourceExhausted, message);
        }
        if request.key.is_empty() {
            return refuse(Code::InvalidArgument, "the key is empty".to_owned());
        }
        if request.key.len() > limits.key_bytes as usize {
            let (length, most) = (request.key.len(), limits.key_bytes);
            return refuse(
                Code::InvalidArgument,
                format!("the key has {length} bytes; at most {most}"),
            );
        }
        let sent = match &request.call {
            Call::Get { .. } => return Ok(()),
            Call::Put {
                value,
                context,
                checksum,
                ..
            } => {
                if value.len() > limits.value_bytes as usize {
                    let (length, most) = (value.len(), limits.value_bytes);
                    let message = format!("the value has {length} bytes; at most {most}");
                    return refuse(Code::InvalidArgument, message);
                }
                if checksum.is_some_and(|checksum| checksum != xxh3_64(value)) {
                    return refuse(
                        Code::DataLoss,
                        "the value does not match its checksum".to_owned(),
                    );
                }
                context
            }
            Call::Delete { context, .. } => context,
        };
        opened(context, &request.key, sent).map(|_| ())
    }

    fn start(
        &mut self,
        context: &mut Context<'_>,
        requester: Requester,
        request: Request,
        route: Route,
    ) -> Result<(), Refusal> {
        let n = route.replicas.len();
        let header = Header {
            operation: request.operation,
            key: request.key,
            replicas: route.replicas,
            deadline: context.now.elapsed + request.timeout.unwrap_or(route.timeout),
            requester: Some(requester),
        };
        match request.call {
            Call::Get { read_quorum } => {
                let needed = quorum("read_quorum", read_quorum, route.r, n)?;
                self.read(context, header, needed, Then::Reply);
            }
            Call::Put {
                value,
                context: seen,
                write_quorum,
                siblings,
                checksum: _,
            } => {
                let needed = quorum("write_quorum", write_quorum, route.w, n)?;
                let seen = opened(context, &header.key, &seen)?;
                self.write(context, header, needed, &seen, Some(value), siblings)?;
            }
            Call::Delete {
                context: seen,
                read_quorum,
                write_quorum,
            } => {
                let w = quorum("write_quorum", write_quorum, route.w, n)?;
                if seen.is_empty() {
                    let r = quorum("read_quorum", read_quorum, route.r, n)?;
                    self.read(context, header, r, Then::Delete { w });
                } else {
                    let seen = opened(context, &header.key, &seen)?;
                    self.write(context, header, w, &seen, None, Siblings::Omitted)?;
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, context: &mut Context<'_>, header: Header, needed: usize, then: Then) {
        let (operation, deadline) = (header.operation, header.deadline);
        let read = Read::new(header, needed, then);
        let number = self.flights.insert(deadline, operation, Flight::Read(read));
        let Some(Flight::Read(read)) = self.flights.find(number, operation) else {
            return;
        };
        let then = read.ask(context, number);
        self.advance(context, number, then);
    }

    /// Does what a read wants done after an answer.
    fn advance(&mut self, context: &mut Context<'_>, number: u64, step: read::Step) {
        if step.over {
            self.flights.remove(number);
        }
        let Some((header, w, seen)) = step.delete else {
            return;
        };
        let (operation, requester) = (header.operation, header.requester);
        if let Err(refusal) = self.write(context, header, w, &seen, None, Siblings::Omitted)
            && let Some(requester) = requester
        {
            requester.answer(context, operation, Reply::Refused(refusal));
        }
    }

    fn write(
        &mut self,
        context: &mut Context<'_>,
        header: Header,
        needed: usize,
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
        let write = Write::new(context, header, needed, &stamped, siblings);
        let number = self
            .flights
            .insert(deadline, operation, Flight::Write(write));
        if let Some(Flight::Write(write)) = self.flights.find(number, operation)
            && write.send(context, number, stamped)
        {
            self.flights.remove(number);
        }
        Ok(())
    }
}

impl Requester {
    fn answer(self, context: &mut Context<'_>, operation: OperationId, reply: Reply) {
        match self {
            Self::Client(ticket) => context.reply(ticket, reply),
            Self::Peer(node, request) => {
                let reply = wire::ForwardReply {
                    request,
                    operation: operation.bits(),
                    result: Some(reply.into()),
                };
                context.send(node, Message::ForwardReply(Box::new(reply)));
            }
        }
    }
}

impl Header {
    /// Refuses whoever still waits, since too few of the replicas answered in time.
    fn refuse_overdue(
        &mut self,
        context: &mut Context<'_>,
        heard: usize,
        needed: usize,
        verb: &str,
    ) {
        let n = self.replicas.len();
        let message = format!("{heard} of {n} replicas {verb} in time, {needed} needed");
        self.refuse(context, Refusal::new(Code::DeadlineExceeded, message));
    }

    /// Refuses whoever still waits, since so many replicas cannot do it that too few are left.
    fn refuse_unable(
        &mut self,
        context: &mut Context<'_>,
        code: Code,
        reason: &str,
        heard: usize,
        needed: usize,
        verb: &str,
    ) {
        let n = self.replicas.len();
        let message = format!("{reason}; {heard} of {n} replicas {verb}, {needed} needed");
        self.refuse(context, Refusal::new(code, message));
    }

    fn refuse(&mut self, context: &mut Context<'_>, refusal: Refusal) {
        if let Some(requester) = self.requester.take() {
            requester.answer(context, self.operation, Reply::Refused(refusal));
        }
    }
}

/// The context in what a client sent with a write.
fn opened(context: &Context<'_>, key: &[u8], sent: &Bytes) -> Result<Bytes, Refusal> {
    context.versioning.open(key, sent).ok_or_else(|| {
        let message =
            "the context is not one that this store gave out; use that of a reply, or none";
        Refusal::new(Code::InvalidArgument, message)
    })
}

fn quorum(field: &str, asked: Option<u32>, default: usize, n: usize) -> Result<usize, Refusal> {
    let quorum = asked.map_or(default, |asked| asked as usize);
    if (1..=n).contains(&quorum) {
        return Ok(quorum);
    }
    let message = format!("{field} is {quorum}; the key has {n} replicas, choose 1 to {n}");
    Err(Refusal::new(Code::InvalidArgument, message))
}
