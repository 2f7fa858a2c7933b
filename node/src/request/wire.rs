//! Requests and replies as the `.proto` files have them, and back.

use super::{
    Answer, AnsweredVersion, Call, Code, Enrolled, ReadNeeds, Refusal, Reply, Request, Siblings,
    WriteNeeds,
};
use bytes::Bytes;
use std::time::Duration;
use tidemark_proto::id::{Actor, NodeId, OperationId};
use tidemark_proto::wire;

impl From<wire::GetRequest> for Request {
    fn from(get: wire::GetRequest) -> Self {
        Self {
            operation: OperationId::from_bits(get.operation),
            key: Bytes::from(get.key),
            timeout: get.timeout_ms.map(milliseconds),
            call: if get.local {
                Call::Probe
            } else {
                let needs = ReadNeeds {
                    quorum: get.read_quorum,
                    primaries: get.primary_read,
                    nodes: get.node_confirms,
                    not_found_ok: get.not_found_ok,
                    basic_quorum: get.basic_quorum,
                };
                Call::Get { needs }
            },
        }
    }
}

impl From<wire::PutRequest> for Request {
    fn from(put: wire::PutRequest) -> Self {
        Self {
            operation: OperationId::from_bits(put.operation),
            key: Bytes::from(put.key),
            timeout: put.timeout_ms.map(milliseconds),
            call: Call::Put {
                value: put.value,
                context: put.context,
                needs: WriteNeeds {
                    quorum: put.write_quorum,
                    primaries: put.primary_write,
                    durable: put.durable_write,
                    nodes: put.node_confirms,
                },
                checksum: put.checksum,
                siblings: if put.return_siblings {
                    Siblings::Returned
                } else {
                    Siblings::Omitted
                },
            },
        }
    }
}

impl From<wire::DeleteRequest> for Request {
    fn from(delete: wire::DeleteRequest) -> Self {
        Self {
            operation: OperationId::from_bits(delete.operation),
            key: Bytes::from(delete.key),
            timeout: delete.timeout_ms.map(milliseconds),
            call: Call::Delete {
                context: delete.context,
                read_quorum: delete.read_quorum,
                needs: WriteNeeds {
                    quorum: delete.write_quorum,
                    primaries: delete.primary_write,
                    durable: delete.durable_write,
                    nodes: delete.node_confirms,
                },
            },
        }
    }
}

impl From<wire::forward::Call> for Request {
    fn from(call: wire::forward::Call) -> Self {
        match call {
            wire::forward::Call::Get(get) => get.into(),
            wire::forward::Call::Put(put) => put.into(),
            wire::forward::Call::Delete(delete) => delete.into(),
        }
    }
}

impl TryFrom<Request> for wire::forward::Call {
    type Error = Refusal;

    /// Only text is a key on the wire.
    fn try_from(request: Request) -> Result<Self, Refusal> {
        let key = String::from_utf8(request.key.to_vec())
            .map_err(|_| Refusal::invalid("the key is not UTF-8 text"))?;
        let operation = request.operation.bits();
        let timeout_ms = request.timeout.map(|timeout| {
            // Rounded up: a forwarded request must not be given less time than was asked for.
            u32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
        });
        Ok(match request.call {
            Call::Get { needs } => Self::Get(wire::GetRequest {
                key,
                read_quorum: needs.quorum,
                timeout_ms,
                operation,
                primary_read: needs.primaries,
                node_confirms: needs.nodes,
                not_found_ok: needs.not_found_ok,
                basic_quorum: needs.basic_quorum,
                local: false,
            }),
            Call::Probe => Self::Get(wire::GetRequest {
                key,
                timeout_ms,
                operation,
                local: true,
                ..wire::GetRequest::default()
            }),
            Call::Put {
                value,
                context,
                needs,
                checksum,
                siblings,
            } => Self::Put(wire::PutRequest {
                key,
                value,
                context,
                write_quorum: needs.quorum,
                timeout_ms,
                operation,
                checksum,
                return_siblings: siblings == Siblings::Returned,
                primary_write: needs.primaries,
                durable_write: needs.durable,
                node_confirms: needs.nodes,
            }),
            Call::Delete {
                context,
                read_quorum,
                needs,
            } => Self::Delete(wire::DeleteRequest {
                key,
                context,
                write_quorum: needs.quorum,
                timeout_ms,
                operation,
                read_quorum,
                primary_write: needs.primaries,
                durable_write: needs.durable,
                node_confirms: needs.nodes,
            }),
        })
    }
}

impl From<Answer> for wire::GetReply {
    fn from(answer: Answer) -> Self {
        Self {
            found: !answer.versions.is_empty(),
            clock: clock_to_wire(&answer.clock),
            versions: versions_to_wire(answer.versions),
            context: answer.context,
            answered: names(&answer.answered),
            coordinator: answer
                .coordinator
                .map(|node| node.to_string())
                .unwrap_or_default(),
        }
    }
}

impl From<Answer> for wire::PutReply {
    fn from(answer: Answer) -> Self {
        Self {
            clock: clock_to_wire(&answer.clock),
            siblings: versions_to_wire(answer.versions),
            context: answer.context,
            answered: names(&answer.answered),
            coordinator: answer
                .coordinator
                .map(|node| node.to_string())
                .unwrap_or_default(),
        }
    }
}

impl From<wire::GetReply> for Answer {
    fn from(reply: wire::GetReply) -> Self {
        Self {
            versions: versions_from_wire(reply.versions),
            context: reply.context,
            clock: clock_from_wire(&reply.clock),
            answered: nodes(&reply.answered),
            coordinator: reply.coordinator.parse().ok(),
        }
    }
}

impl From<wire::PutReply> for Answer {
    fn from(reply: wire::PutReply) -> Self {
        Self {
            versions: versions_from_wire(reply.siblings),
            context: reply.context,
            clock: clock_from_wire(&reply.clock),
            answered: nodes(&reply.answered),
            coordinator: reply.coordinator.parse().ok(),
        }
    }
}

impl From<Reply> for wire::forward_reply::Result {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Got(answer) => Self::Get(answer.into()),
            Reply::Written(answer) => Self::Put(answer.into()),
            Reply::Refused(refusal) => Self::Refusal(refusal.into()),
        }
    }
}

impl From<wire::forward_reply::Result> for Reply {
    fn from(result: wire::forward_reply::Result) -> Self {
        match result {
            wire::forward_reply::Result::Get(reply) => Self::Got(reply.into()),
            wire::forward_reply::Result::Put(reply) => Self::Written(reply.into()),
            wire::forward_reply::Result::Refusal(refusal) => Self::Refused(refusal.into()),
        }
    }
}

impl From<Refusal> for wire::Refusal {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code as u32,
            message: refusal.message.into_owned(),
        }
    }
}

impl From<Enrolled> for wire::RollReply {
    fn from(enrolled: Enrolled) -> Self {
        let roll = enrolled.roll;
        let under_way = roll.under_way;
        Self {
            number: roll.number,
            members: names(roll.roster.nodes()),
            change: under_way.map_or_else(String::new, |it| it.change.to_string()),
            step: under_way.map_or_else(String::new, |it| it.step.name().to_owned()),
            down: names(&enrolled.down),
            registrar: enrolled
                .registrar
                .map_or_else(String::new, |node| node.to_string()),
            awaited: names(&enrolled.awaited),
            moved_percent: enrolled.moved_percent,
        }
    }
}

impl From<wire::Refusal> for Refusal {
    fn from(refusal: wire::Refusal) -> Self {
        let code = Code::ALL
            .into_iter()
            .find(|code| *code as u32 == refusal.code);
        Self::new(code.unwrap_or(Code::Unavailable), refusal.message)
    }
}

fn milliseconds(number: u32) -> Duration {
    Duration::from_millis(number.into())
}

fn names(nodes: &[NodeId]) -> Vec<String> {
    nodes.iter().map(NodeId::to_string).collect()
}

fn nodes(names: &[String]) -> Vec<NodeId> {
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

fn clock_to_wire(clock: &[(Actor, u64)]) -> Vec<wire::ClockEntry> {
    let entry = |&(actor, counter): &(Actor, u64)| wire::ClockEntry {
        actor: actor.to_string(),
        counter,
    };
    clock.iter().map(entry).collect()
}

fn clock_from_wire(clock: &[wire::ClockEntry]) -> Vec<(Actor, u64)> {
    clock
        .iter()
        .filter_map(|entry| Some((entry.actor.parse().ok()?, entry.counter)))
        .collect()
}

fn versions_to_wire(versions: Vec<AnsweredVersion>) -> Vec<wire::Version> {
    let convert = |version: AnsweredVersion| wire::Version {
        value: version.value,
        clock: clock_to_wire(&version.clock),
        operation: version.operation.bits(),
    };
    versions.into_iter().map(convert).collect()
}

fn versions_from_wire(versions: Vec<wire::Version>) -> Vec<AnsweredVersion> {
    let convert = |version: wire::Version| AnsweredVersion {
        value: version.value,
        clock: clock_from_wire(&version.clock),
        operation: OperationId::from_bits(version.operation),
    };
    versions.into_iter().map(convert).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, a forwarded request is not the one that the client made.
    #[test]
    fn a_forwarded_request_arrives_as_it_left() {
        let bytes = Bytes::from_static;
        let calls = [
            Call::Probe,
            Call::Get {
                needs: ReadNeeds {
                    quorum: Some(2),
                    primaries: Some(1),
                    nodes: Some(3),
                    not_found_ok: Some(false),
                    basic_quorum: Some(true),
                },
            },
            Call::Put {
                value: bytes(b"value"),
                context: bytes(b"context"),
                needs: WriteNeeds {
                    primaries: Some(3),
                    durable: Some(2),
                    ..WriteNeeds::default()
                },
                checksum: Some(7),
                siblings: Siblings::Returned,
            },
            Call::Delete {
                context: bytes(b""),
                read_quorum: Some(1),
                needs: WriteNeeds {
                    quorum: Some(3),
                    nodes: Some(2),
                    ..WriteNeeds::default()
                },
            },
        ];
        for call in calls {
            let request = Request {
                operation: OperationId::new(NodeId::client(1), 2),
                key: bytes(b"key"),
                timeout: Some(Duration::from_millis(20)),
                call,
            };
            let wire = wire::forward::Call::try_from(request.clone()).unwrap();
            assert_eq!(Request::from(wire), request);
        }
        let call = Call::Probe;
        let key = bytes(b"\xff");
        let request = Request {
            operation: OperationId::NONE,
            key,
            timeout: None,
            call,
        };
        assert!(
            wire::forward::Call::try_from(request).is_err(),
            "only text is a key"
        );
    }

    /// If this fails, a client learns something else through a node that forwarded than the coordinator said.
    #[test]
    fn a_forwarded_reply_arrives_as_it_left() {
        let clock = vec![(Actor::new(NodeId::node(1), 2, 1), 3)];
        let version = AnsweredVersion {
            value: Bytes::from_static(b"value"),
            operation: OperationId::new(NodeId::client(1), 2),
            clock: clock.clone(),
        };
        let answer = Answer {
            versions: vec![version],
            context: Bytes::from_static(b"context"),
            clock,
            answered: vec![NodeId::node(2), NodeId::node(1)],
            coordinator: Some(NodeId::gateway(1)),
        };
        let refusals = Code::ALL.map(|code| Reply::Refused(Refusal::new(code, code.name())));
        for reply in [Reply::Got(answer.clone()), Reply::Written(answer)]
            .into_iter()
            .chain(refusals)
        {
            let wire = wire::forward_reply::Result::from(reply.clone());
            assert_eq!(Reply::from(wire), reply);
        }
    }
}
