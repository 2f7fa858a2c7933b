//! Events as the `Seen…` messages of `observer.proto` carry them, and back.

use crate::event::{Event, FaultSpan, Gap, Invocation, Operation, Passage, Stored};
use crate::id::{Actor, NodeId, OperationId};
use crate::time::nanoseconds;
use crate::upkeep::Upkeep;
use crate::wire::{self, seen_event::Event as Seen};
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as WordError, StrDeserializer};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

/// A message that carries no event, and the field that is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Unreadable {
    field: &'static str,
    reason: String,
}

impl From<&Event> for wire::SeenEvent {
    fn from(event: &Event) -> Self {
        let seen = match event {
            Event::Invoked(invocation) => Seen::Invoked(invocation.as_ref().into()),
            Event::Returned(operation) => Seen::Returned(operation.as_ref().into()),
            Event::Placed { key, nodes } => Seen::Placed(wire::SeenPlacement {
                key: key.clone(),
                nodes: nodes.iter().map(ToString::to_string).collect(),
            }),
            Event::Stored(stored) => Seen::Stored(stored.as_ref().into()),
            Event::Sent {
                at,
                operation,
                from,
                to,
                method,
                k,
            } => Seen::Sent(wire::SeenMessage {
                at_ns: nanoseconds(*at),
                operation: operation.bits(),
                from: from.to_string(),
                to: to.to_string(),
                method: method.to_string(),
                k: *k,
            }),
            Event::Received {
                at,
                operation,
                from,
                to,
                method,
            } => Seen::Received(wire::SeenMessage {
                at_ns: nanoseconds(*at),
                operation: operation.bits(),
                from: from.to_string(),
                to: to.to_string(),
                method: method.to_string(),
                k: 0,
            }),
            Event::Refused {
                at,
                node,
                operation,
                reason,
            } => Seen::Refused(wire::SeenRefusal {
                at_ns: nanoseconds(*at),
                node: node.to_string(),
                operation: operation.bits(),
                reason: reason.clone().into_owned(),
            }),
            Event::Upkeep(upkeep) => Seen::Upkeep(upkeep.as_ref().into()),
            Event::Fate(passage) => Seen::Fate(passage.as_ref().into()),
            Event::Fault(span) => Seen::Fault(span.as_ref().into()),
            Event::Machine { at, node, change } => Seen::Machine(wire::SeenMachine {
                at_ns: nanoseconds(*at),
                node: node.to_string(),
                change: word(change),
            }),
            Event::Milestone { at, milestone } => Seen::Milestone(wire::SeenMilestone {
                at_ns: nanoseconds(*at),
                milestone: word(milestone),
            }),
            Event::Gap(gap) => Seen::Gap(wire::SeenGap {
                source: gap.source.clone(),
                from_ns: nanoseconds(gap.from),
                until_ns: nanoseconds(gap.until),
                count: gap.count,
            }),
        };
        Self { event: Some(seen) }
    }
}

impl TryFrom<wire::SeenEvent> for Event {
    type Error = Unreadable;

    fn try_from(seen: wire::SeenEvent) -> Result<Self, Unreadable> {
        Ok(match present("event", seen.event)? {
            Seen::Invoked(seen) => Self::Invoked(Box::new(seen.try_into()?)),
            Seen::Returned(seen) => Self::Returned(Box::new(seen.try_into()?)),
            Seen::Placed(seen) => Self::Placed {
                key: seen.key,
                nodes: names("nodes", &seen.nodes)?,
            },
            Seen::Stored(seen) => Self::Stored(Box::new(seen.try_into()?)),
            Seen::Sent(seen) => Self::Sent {
                at: Duration::from_nanos(seen.at_ns),
                operation: OperationId::from_bits(seen.operation),
                from: name("from", &seen.from)?,
                to: name("to", &seen.to)?,
                method: name("method", &seen.method)?,
                k: seen.k,
            },
            Seen::Received(seen) => Self::Received {
                at: Duration::from_nanos(seen.at_ns),
                operation: OperationId::from_bits(seen.operation),
                from: name("from", &seen.from)?,
                to: name("to", &seen.to)?,
                method: name("method", &seen.method)?,
            },
            Seen::Refused(seen) => Self::Refused {
                at: Duration::from_nanos(seen.at_ns),
                node: name("node", &seen.node)?,
                operation: OperationId::from_bits(seen.operation),
                reason: seen.reason.into(),
            },
            Seen::Upkeep(seen) => Self::Upkeep(Box::new(seen.try_into()?)),
            Seen::Fate(seen) => Self::Fate(Box::new(seen.try_into()?)),
            Seen::Fault(seen) => Self::Fault(Box::new(seen.into())),
            Seen::Machine(seen) => Self::Machine {
                at: Duration::from_nanos(seen.at_ns),
                node: name("node", &seen.node)?,
                change: variant("change", &seen.change)?,
            },
            Seen::Milestone(seen) => Self::Milestone {
                at: Duration::from_nanos(seen.at_ns),
                milestone: variant("milestone", &seen.milestone)?,
            },
            Seen::Gap(seen) => Self::Gap(Box::new(Gap {
                source: seen.source,
                from: Duration::from_nanos(seen.from_ns),
                until: Duration::from_nanos(seen.until_ns),
                count: seen.count,
            })),
        })
    }
}

impl From<&Invocation> for wire::SeenInvocation {
    fn from(invocation: &Invocation) -> Self {
        Self {
            operation: invocation.id.bits(),
            purpose: word(&invocation.purpose),
            kind: word(&invocation.kind),
            key: invocation.key.clone(),
            intended_ns: nanoseconds(invocation.intended),
            invoked_ns: nanoseconds(invocation.invoked),
            context_from: invocation.context_from.map_or(0, OperationId::bits),
        }
    }
}

impl TryFrom<wire::SeenInvocation> for Invocation {
    type Error = Unreadable;

    fn try_from(seen: wire::SeenInvocation) -> Result<Self, Unreadable> {
        let context_from = OperationId::from_bits(seen.context_from);
        Ok(Self {
            id: OperationId::from_bits(seen.operation),
            purpose: variant("purpose", &seen.purpose)?,
            kind: variant("kind", &seen.kind)?,
            key: seen.key,
            intended: Duration::from_nanos(seen.intended_ns),
            invoked: Duration::from_nanos(seen.invoked_ns),
            context_from: (!context_from.is_none()).then_some(context_from),
        })
    }
}

impl From<&Operation> for wire::SeenOperation {
    fn from(operation: &Operation) -> Self {
        Self {
            invocation: Some(wire::SeenInvocation {
                operation: operation.id.bits(),
                purpose: word(&operation.purpose),
                kind: word(&operation.kind),
                key: operation.key.clone(),
                intended_ns: nanoseconds(operation.intended),
                invoked_ns: nanoseconds(operation.invoked),
                context_from: operation.context_from.map_or(0, OperationId::bits),
            }),
            returned_ns: nanoseconds(operation.returned),
            outcome: word(&operation.outcome),
            status: operation.status.clone().into_owned(),
            asked: operation.asked.to_string(),
            coordinator: operation
                .coordinator
                .map_or_else(String::new, |node| node.to_string()),
            answered: operation.answered.iter().map(ToString::to_string).collect(),
            versions: operation.versions.iter().map(|id| id.bits()).collect(),
            clock: operation
                .clock
                .iter()
                .map(|(actor, counter)| wire::SeenClockEntry {
                    actor: actor.bits(),
                    counter: *counter,
                })
                .collect(),
            context_bytes: operation.context_bytes,
            value_bytes: operation.value_bytes,
            attempts: operation.attempts,
        }
    }
}

impl TryFrom<wire::SeenOperation> for Operation {
    type Error = Unreadable;

    fn try_from(seen: wire::SeenOperation) -> Result<Self, Unreadable> {
        let invocation: Invocation = present("invocation", seen.invocation)?.try_into()?;
        Ok(Self {
            id: invocation.id,
            purpose: invocation.purpose,
            kind: invocation.kind,
            key: invocation.key,
            intended: invocation.intended,
            invoked: invocation.invoked,
            returned: Duration::from_nanos(seen.returned_ns),
            outcome: variant("outcome", &seen.outcome)?,
            status: seen.status.into(),
            asked: name("asked", &seen.asked)?,
            coordinator: match seen.coordinator.as_str() {
                "" => None,
                text => Some(name("coordinator", text)?),
            },
            answered: names("answered", &seen.answered)?,
            versions: operations(&seen.versions),
            context_from: invocation.context_from,
            clock: seen
                .clock
                .iter()
                .map(|entry| (Actor::from_bits(entry.actor), entry.counter))
                .collect(),
            context_bytes: seen.context_bytes,
            value_bytes: seen.value_bytes,
            attempts: seen.attempts,
        })
    }
}

impl From<&Stored> for wire::SeenStored {
    fn from(stored: &Stored) -> Self {
        Self {
            at_ns: nanoseconds(stored.at),
            node: stored.node.to_string(),
            operation: stored.operation.bits(),
            method: stored.method.to_string(),
            key: stored.key.clone(),
            digest: stored.digest,
            versions: stored.versions.iter().map(|id| id.bits()).collect(),
        }
    }
}

impl TryFrom<wire::SeenStored> for Stored {
    type Error = Unreadable;

    fn try_from(seen: wire::SeenStored) -> Result<Self, Unreadable> {
        Ok(Self {
            at: Duration::from_nanos(seen.at_ns),
            node: name("node", &seen.node)?,
            operation: OperationId::from_bits(seen.operation),
            method: name("method", &seen.method)?,
            key: seen.key,
            digest: seen.digest,
            versions: operations(&seen.versions),
        })
    }
}

impl From<&Upkeep> for wire::SeenUpkeep {
    fn from(upkeep: &Upkeep) -> Self {
        Self {
            at_ns: nanoseconds(upkeep.at),
            node: upkeep.node.to_string(),
            chore: word(&upkeep.chore),
            peer: upkeep
                .peer
                .map_or_else(String::new, |peer| peer.to_string()),
            operation: upkeep.operation.bits(),
            key: upkeep.key.clone(),
            count: upkeep.count,
            bytes: upkeep.bytes,
        }
    }
}

impl TryFrom<wire::SeenUpkeep> for Upkeep {
    type Error = Unreadable;

    fn try_from(seen: wire::SeenUpkeep) -> Result<Self, Unreadable> {
        Ok(Self {
            at: Duration::from_nanos(seen.at_ns),
            node: name("node", &seen.node)?,
            chore: variant("chore", &seen.chore)?,
            peer: match seen.peer.as_str() {
                "" => None,
                text => Some(name("peer", text)?),
            },
            operation: OperationId::from_bits(seen.operation),
            key: seen.key,
            count: seen.count,
            bytes: seen.bytes,
        })
    }
}

impl From<&Passage> for wire::SeenPassage {
    fn from(passage: &Passage) -> Self {
        Self {
            at_ns: nanoseconds(passage.at),
            from: passage.from.to_string(),
            to: passage.to.to_string(),
            method: passage.method.clone().into_owned(),
            direction: word(&passage.direction),
            k: passage.k,
            size_bytes: passage.size,
            verdict: word(&passage.verdict),
            intended_ns: nanoseconds(passage.intended),
            achieved_ns: passage.achieved.map(nanoseconds),
            rules: passage.rules.clone().into_owned(),
            faulty: passage.faulty,
        }
    }
}

impl TryFrom<wire::SeenPassage> for Passage {
    type Error = Unreadable;

    fn try_from(seen: wire::SeenPassage) -> Result<Self, Unreadable> {
        Ok(Self {
            at: Duration::from_nanos(seen.at_ns),
            from: name("from", &seen.from)?,
            to: name("to", &seen.to)?,
            method: seen.method.into(),
            direction: variant("direction", &seen.direction)?,
            k: seen.k,
            size: seen.size_bytes,
            verdict: variant("verdict", &seen.verdict)?,
            intended: Duration::from_nanos(seen.intended_ns),
            achieved: seen.achieved_ns.map(Duration::from_nanos),
            rules: seen.rules.into(),
            faulty: seen.faulty,
        })
    }
}

impl From<&FaultSpan> for wire::SeenFault {
    fn from(span: &FaultSpan) -> Self {
        Self {
            name: span.name.clone(),
            kind: span.kind.clone(),
            from_ns: nanoseconds(span.from),
            until_ns: nanoseconds(span.until),
            about: span.about.clone(),
            series: span.series.map(|(from, until)| wire::SeenSeries {
                from_ns: nanoseconds(from),
                until_ns: nanoseconds(until),
            }),
        }
    }
}

impl From<wire::SeenFault> for FaultSpan {
    fn from(seen: wire::SeenFault) -> Self {
        Self {
            name: seen.name,
            kind: seen.kind,
            from: Duration::from_nanos(seen.from_ns),
            until: Duration::from_nanos(seen.until_ns),
            about: seen.about,
            series: seen.series.map(|series| {
                let wire::SeenSeries { from_ns, until_ns } = series;
                (
                    Duration::from_nanos(from_ns),
                    Duration::from_nanos(until_ns),
                )
            }),
        }
    }
}

/// Shows an enum's variant as serde names it.
struct Word<'a, T>(&'a T);

impl<T: Serialize> Display for Word<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.serialize(f)
    }
}

fn word(variant: &impl Serialize) -> String {
    Word(variant).to_string()
}

fn variant<'a, T: Deserialize<'a>>(field: &'static str, text: &'a str) -> Result<T, Unreadable> {
    let word: StrDeserializer<'a, WordError> = text.into_deserializer();
    T::deserialize(word).map_err(|error| unreadable(field, error))
}

fn name<T: FromStr<Err: Display>>(field: &'static str, text: &str) -> Result<T, Unreadable> {
    text.parse().map_err(|error| unreadable(field, error))
}

fn names(field: &'static str, texts: &[String]) -> Result<Vec<NodeId>, Unreadable> {
    texts.iter().map(|text| name(field, text)).collect()
}

fn operations(bits: &[u64]) -> Vec<OperationId> {
    bits.iter().copied().map(OperationId::from_bits).collect()
}

fn present<T>(field: &'static str, value: Option<T>) -> Result<T, Unreadable> {
    value.ok_or_else(|| unreadable(field, "it is missing"))
}

fn unreadable(field: &'static str, reason: impl Display) -> Unreadable {
    Unreadable {
        field,
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Direction, Kind, MachineChange, Milestone, Outcome, Purpose, Verdict};
    use crate::message::Method;
    use crate::upkeep::Chore;
    use bytes::Bytes;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;
    use prost::Message as _;

    fn time() -> impl Strategy<Value = Duration> {
        any::<u64>().prop_map(Duration::from_nanos)
    }

    fn node() -> impl Strategy<Value = NodeId> {
        let build = select(vec![NodeId::node, NodeId::gateway, NodeId::client]);
        (build, 1..=NodeId::MAX_NUMBER).prop_map(|(build, number)| build(number))
    }

    fn operation_id() -> impl Strategy<Value = OperationId> {
        (node(), 1_u64..1 << 48).prop_map(|(issuer, sequence)| OperationId::new(issuer, sequence))
    }

    fn bytes() -> impl Strategy<Value = Bytes> {
        vec(any::<u8>(), 0..20).prop_map(Bytes::from)
    }

    fn method() -> impl Strategy<Value = Method> {
        select(Method::ALL.to_vec())
    }

    fn invocation() -> impl Strategy<Value = Invocation> {
        (
            operation_id(),
            select(vec![
                Purpose::Load,
                Purpose::Preload,
                Purpose::ReadFirst,
                Purpose::Reconcile,
            ]),
            select(vec![Kind::Get, Kind::Put, Kind::Delete]),
            bytes(),
            time(),
            time(),
            option::of(operation_id()),
        )
            .prop_map(
                |(id, purpose, kind, key, intended, invoked, context_from)| Invocation {
                    id,
                    purpose,
                    kind,
                    key,
                    intended,
                    invoked,
                    context_from,
                },
            )
    }

    fn operation() -> impl Strategy<Value = Operation> {
        let outcome = select(vec![Outcome::Ok, Outcome::Failed, Outcome::Unknown]);
        let clock = vec(
            (node(), 1_u32..9, 1_u32..9, any::<u64>())
                .prop_map(|(node, life, epoch, counter)| (Actor::new(node, life, epoch), counter)),
            0..4,
        );
        (
            invocation(),
            (time(), outcome, "[A-Z_]{0,9}", node(), option::of(node())),
            vec(node(), 0..4),
            vec(operation_id(), 0..4),
            clock,
            any::<[u32; 3]>(),
        )
            .prop_map(|(invocation, end, answered, versions, clock, sizes)| {
                let (returned, outcome, status, asked, coordinator) = end;
                let [context_bytes, value_bytes, attempts] = sizes;
                Operation {
                    id: invocation.id,
                    purpose: invocation.purpose,
                    kind: invocation.kind,
                    key: invocation.key,
                    intended: invocation.intended,
                    invoked: invocation.invoked,
                    returned,
                    outcome,
                    status: status.into(),
                    asked,
                    coordinator,
                    answered,
                    versions,
                    context_from: invocation.context_from,
                    clock,
                    context_bytes,
                    value_bytes,
                    attempts,
                }
            })
    }

    fn stored() -> impl Strategy<Value = Stored> {
        (
            time(),
            node(),
            operation_id(),
            method(),
            bytes(),
            any::<u64>(),
            vec(operation_id(), 0..4),
        )
            .prop_map(
                |(at, node, operation, method, key, digest, versions)| Stored {
                    at,
                    node,
                    operation,
                    method,
                    key,
                    digest,
                    versions,
                },
            )
    }

    fn passage() -> impl Strategy<Value = Passage> {
        let verdict = select(vec![
            Verdict::Delivered,
            Verdict::Lost,
            Verdict::Duplicated,
            Verdict::Answered,
            Verdict::Reset,
        ]);
        (
            (time(), node(), node(), "[a-zA-Z/.]{0,9}"),
            select(vec![Direction::Request, Direction::Response]),
            (any::<u64>(), any::<u32>(), verdict),
            (time(), option::of(time()), ".{0,9}", any::<bool>()),
        )
            .prop_map(|(link, direction, message, fate)| Passage {
                at: link.0,
                from: link.1,
                to: link.2,
                method: link.3.into(),
                direction,
                k: message.0,
                size: message.1,
                verdict: message.2,
                intended: fate.0,
                achieved: fate.1,
                rules: fate.2.into(),
                faulty: fate.3,
            })
    }

    fn fault() -> impl Strategy<Value = FaultSpan> {
        let series = option::of((time(), time()));
        (".{0,9}", ".{0,9}", time(), time(), ".{0,9}", series).prop_map(
            |(name, kind, from, until, about, series)| FaultSpan {
                name,
                kind,
                from,
                until,
                about,
                series,
            },
        )
    }

    fn upkeep() -> impl Strategy<Value = Upkeep> {
        let about = (option::of(node()), operation_id(), bytes());
        let numbers = (any::<u64>(), any::<u64>());
        (time(), node(), select(Chore::ALL.to_vec()), about, numbers).prop_map(
            |(at, node, chore, (peer, operation, key), (count, bytes))| Upkeep {
                at,
                node,
                chore,
                peer,
                operation,
                key,
                count,
                bytes,
            },
        )
    }

    fn event() -> impl Strategy<Value = Event> {
        let message = || (time(), operation_id(), node(), node(), method());
        let change = select(MachineChange::ALL.to_vec());
        let milestone = select(vec![
            Milestone::Started,
            Milestone::Healed,
            Milestone::Ended,
            Milestone::Interrupted,
            Milestone::Aborted,
        ]);
        prop_oneof![
            invocation().prop_map(|it| Event::Invoked(Box::new(it))),
            operation().prop_map(|it| Event::Returned(Box::new(it))),
            (bytes(), vec(node(), 0..4)).prop_map(|(key, nodes)| Event::Placed { key, nodes }),
            stored().prop_map(|it| Event::Stored(Box::new(it))),
            (message(), any::<u64>()).prop_map(|((at, operation, from, to, method), k)| {
                Event::Sent {
                    at,
                    operation,
                    from,
                    to,
                    method,
                    k,
                }
            }),
            message().prop_map(|(at, operation, from, to, method)| Event::Received {
                at,
                operation,
                from,
                to,
                method,
            }),
            (time(), node(), operation_id(), ".{0,9}").prop_map(|(at, node, operation, reason)| {
                Event::Refused {
                    at,
                    node,
                    operation,
                    reason: reason.into(),
                }
            }),
            upkeep().prop_map(|it| Event::Upkeep(Box::new(it))),
            passage().prop_map(|it| Event::Fate(Box::new(it))),
            fault().prop_map(|it| Event::Fault(Box::new(it))),
            (time(), node(), change).prop_map(|(at, node, change)| Event::Machine {
                at,
                node,
                change
            }),
            (time(), milestone).prop_map(|(at, milestone)| Event::Milestone { at, milestone }),
            (".{0,9}", time(), time(), any::<u64>()).prop_map(|(source, from, until, count)| {
                Event::Gap(Box::new(Gap {
                    source,
                    from,
                    until,
                    count,
                }))
            }),
        ]
    }

    proptest! {
        #[test]
        fn an_event_comes_back_from_the_wire_as_it_was(event in event()) {
            let bytes = wire::SeenEvent::from(&event).encode_to_vec();
            let seen = wire::SeenEvent::decode(bytes.as_slice()).expect("what was encoded decodes");
            prop_assert_eq!(Event::try_from(seen), Ok(event));
        }

        /// If this fails, an event of another clock is corrected in part.
        #[test]
        fn an_event_is_moved_as_a_whole(event in event()) {
            let second = Duration::from_secs(1);
            let mut later = event.clone();
            later.each_moment(|at| *at += second);
            match (&event, &later) {
                (Event::Placed { .. }, _) => prop_assert_eq!(&later, &event),
                (Event::Invoked(a), Event::Invoked(b)) => {
                    prop_assert_eq!((b.intended, b.invoked), (a.intended + second, a.invoked + second));
                }
                (Event::Returned(a), Event::Returned(b)) => prop_assert_eq!(
                    (b.intended, b.invoked, b.returned),
                    (a.intended + second, a.invoked + second, a.returned + second)
                ),
                (Event::Fault(a), Event::Fault(b)) => {
                    let series = a.series.map(|(from, until)| (from + second, until + second));
                    prop_assert_eq!((b.from, b.until, b.series), (a.from + second, a.until + second, series));
                }
                (Event::Gap(a), Event::Gap(b)) => {
                    prop_assert_eq!((b.from, b.until), (a.from + second, a.until + second));
                }
                (a, b) => prop_assert_eq!(b.at(), a.at() + second),
            }
            later.each_moment(|at| *at -= second);
            prop_assert_eq!(later, event, "lengths of time stay as they were");
        }
    }

    #[test]
    fn errors_name_the_field_the_value_and_the_choices() {
        let machine = |node: &str, change: &str| wire::SeenEvent {
            event: Some(Seen::Machine(wire::SeenMachine {
                at_ns: 0,
                node: node.to_owned(),
                change: change.to_owned(),
            })),
        };
        let error =
            |seen: wire::SeenEvent| Event::try_from(seen).expect_err("unreadable").to_string();
        let unknown = error(machine("n1", "melted"));
        for part in ["change", "melted", "restarted-empty"] {
            assert!(unknown.contains(part), "{unknown}");
        }
        assert_eq!(
            error(machine("x1", "died")),
            "node: \"x1\" names no participant; write it like n1, g1 or c1"
        );
        assert_eq!(
            error(wire::SeenEvent { event: None }),
            "event: it is missing"
        );
    }

    #[test]
    fn words_are_those_of_the_results() {
        assert_eq!(word(&MachineChange::RestartedEmpty), "restarted-empty");
        assert_eq!(word(&Purpose::ReadFirst), "read-first");
    }
}
