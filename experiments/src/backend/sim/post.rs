//! How messages take to the simulated network, and what becomes of them.

use super::calls::OpenCall;
use super::happening::Happening;
use super::world::World;
use tidemark_netfuzz::{Fate, LaneId};
use tidemark_node::request::{Call, Code, Refusal, Reply, Request, Ticket};
use tidemark_proto::event::{Detail, Event};
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Message;

impl World<'_> {
    /// A client's request takes to the network.
    pub(super) fn request(&mut self, attempt: u64, client: NodeId, node: NodeId, request: Request) {
        let method = request.method();
        let (lane, k) = self.lanes.next(&mut self.network, client, node, method);
        let size = request.key.len() + value_size(&request.call);
        let operation = request.operation;
        self.note(Event::Sent {
            at: self.now,
            operation,
            from: client,
            to: node,
            method,
            k,
        });
        let fate = self.fate(lane, k, size);
        if let Some(answer) = fate.answer {
            let refusal = Refusal::new(Code::Unavailable, answer.message);
            let reply = Box::new(Reply::Refused(refusal));
            self.queue
                .push(self.now, Happening::Answer { attempt, reply });
            return;
        }
        let call = OpenCall {
            attempt,
            client,
            node: self.lanes.member(node),
            method,
            k,
        };
        for copy in &fate.copies {
            let request = Box::new(request.clone());
            self.queue
                .push(self.now + copy.delay, Happening::Ask { call, request });
        }
    }

    /// A message between nodes takes to the network.
    pub(super) fn send(&mut self, from: NodeId, to: NodeId, message: Message) {
        let method = message.method();
        let (lane, k) = self.lanes.next(&mut self.network, from, to, method);
        let operation = message.operation();
        self.note(Event::Sent {
            at: self.now,
            operation,
            from,
            to,
            method,
            k,
        });
        let fate = self.fate(lane, k, message.size());
        let to = self.lanes.member(to);
        let last = fate.copies.len().saturating_sub(1);
        let mut message = Some(message);
        for (index, copy) in fate.copies.iter().enumerate() {
            let taken = if index == last {
                message.take()
            } else {
                message.clone()
            };
            let Some(mut copied) = taken else { continue };
            if let Some(corruption) = copy.corruption {
                let mut envelope = copied.seal();
                let mut body = envelope.body.to_vec();
                corruption.apply(&mut body);
                envelope.body = body.into();
                match Message::open(method, envelope) {
                    Ok(message) => copied = message,
                    Err(corrupt) => {
                        let node = self.machines[to].id;
                        let at = self.now + copy.delay;
                        let reason = corrupt.to_string().into();
                        self.note(Event::Refused {
                            at,
                            node,
                            operation,
                            reason,
                        });
                        continue;
                    }
                }
            }
            self.queue.push(
                self.now + copy.delay,
                Happening::Arrive {
                    from,
                    to,
                    message: copied,
                },
            );
        }
    }

    /// An answer takes to the network.
    pub(super) fn reply(&mut self, ticket: Ticket, reply: Reply) {
        let Some(call) = self.calls.close(ticket) else {
            return;
        };
        let node = self.machines[call.node].id;
        let lane = self
            .lanes
            .response(&mut self.network, call.client, node, call.method);
        let size = match &reply {
            Reply::Got(answer) | Reply::Written(answer) => {
                answer.versions.iter().map(|v| v.value.len()).sum::<usize>() + answer.context.len()
            }
            Reply::Refused(refusal) => refusal.message.len(),
        };
        let fate = self.fate(lane, call.k, size);
        if let Some(copy) = fate.copies.first() {
            let (attempt, reply) = (call.attempt, Box::new(reply));
            self.queue
                .push(self.now + copy.delay, Happening::Answer { attempt, reply });
        }
    }

    fn fate(&mut self, lane: LaneId, k: u64, size: usize) -> Fate {
        let fate = self.network.fate(self.now, lane, k, size);
        let is_kept = self.detail >= Detail::All
            || self.detail >= Detail::Faults && self.network.is_faulty(fate.touched_by);
        if is_kept {
            let achieved = fate.copies.first().map(|copy| copy.delay);
            let passage = self
                .network
                .passage(self.now, lane, k, size, &fate, achieved);
            self.note(Event::Fate(Box::new(passage)));
        }
        fate
    }
}

fn value_size(call: &Call) -> usize {
    match call {
        Call::Get { .. } | Call::Probe => 0,
        Call::Put { value, context, .. } => value.len() + context.len(),
        Call::Delete { context, .. } => context.len(),
    }
}
