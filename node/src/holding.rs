//! What every replica does whoever coordinates: holds what it is sent, tells what it holds.

use crate::context::{Context, digest};
use crate::handover::{self, Handover};
use crate::request::{Code, Refusal};
use crate::versioning::Versions;
use bytes::Bytes;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::{Message, Method};
use tidemark_proto::wire;

/// For whom a message is that is more than what every replica does.
pub(crate) enum Left {
    Nothing,
    /// For the coordinator.
    Answer(Message),
    /// For the membership strategy.
    Gossip(Bytes),
    /// For one of the repairs.
    Repair(Message),
    /// For the deletion strategy.
    Collect(wire::Collect),
    /// For whom the members concern.
    Members(Message),
}

/// Does what every replica does whoever coordinates: holds what it is sent, tells what it holds.
pub(crate) fn hold(
    context: &mut Context<'_>,
    handover: &mut Handover,
    from: NodeId,
    message: Message,
) -> Left {
    let operation = message.operation();
    let Some(message) = up_to_date(context, from, message) else {
        return Left::Nothing;
    };
    match message {
        Message::Store(store) => {
            let (key, versions) = (&store.key, &store.versions);
            if !context.versioning.accepts_versions(versions) {
                context.refuse(operation, MALFORMED);
                return Left::Nothing;
            }
            let replica = store.hint_for.map(|bits| node(context, bits));
            let held = match replica {
                Some(Some(replica)) => context.stand_in(replica, key, versions, operation),
                Some(None) => {
                    context.refuse(operation, STRANGER);
                    Err(Refusal::new(Code::InvalidArgument, STRANGER))
                }
                None => context.hold(key, versions, operation, Method::Store),
            };
            let durable = store.durable && context.is_durable();
            let held = held.map(|()| durable);
            acknowledge(context, from, store.request, operation, held);
            Left::Nothing
        }
        Message::Repair(repair) => {
            if context.versioning.accepts_versions(&repair.versions) {
                // A refusal is noted, and whoever waits is told.
                let held = context.hold(&repair.key, &repair.versions, operation, Method::Repair);
                let held = held.map(|()| false);
                acknowledge(context, from, repair.request, operation, held);
            } else {
                context.refuse(operation, MALFORMED);
            }
            Left::Nothing
        }
        Message::Handoff(hint) => {
            if context.versioning.accepts_versions(&hint.versions) {
                // What cannot be held is noted, and the hint stays where it is.
                if (context.hold(&hint.key, &hint.versions, operation, Method::Handoff)).is_ok() {
                    let reply = wire::HandoffReply {
                        request: hint.request,
                        operation: hint.operation,
                    };
                    context.send(from, Message::HandoffReply(reply));
                }
                handover.missed(context, &hint.key);
            } else {
                context.refuse(operation, MALFORMED);
            }
            Left::Nothing
        }
        Message::Fetch(fetch) => {
            let known = context.known(&fetch.key, operation);
            answer(context, from, &fetch, known);
            Left::Nothing
        }
        Message::FetchReply(reply) if !context.versioning.accepts_versions(&reply.versions) => {
            context.refuse(operation, MALFORMED);
            Left::Nothing
        }
        Message::StoreReply(_)
        | Message::FetchReply(_)
        | Message::Forward(_)
        | Message::ForwardReply(_) => Left::Answer(message),
        Message::Gossip(gossip) => Left::Gossip(gossip.body),
        Message::Collect(collect) => Left::Collect(collect),
        Message::HandoffReply(_) | Message::Sweep(_) | Message::Bulk(_) | Message::BulkReply(_) => {
            Left::Repair(message)
        }
        Message::Members(_)
        | Message::MembersReply(_)
        | Message::Move(_)
        | Message::MoveReply(_) => Left::Members(message),
    }
}

/// The node of the cluster with these bits.
fn node(context: &Context<'_>, bits: u32) -> Option<NodeId> {
    let node = NodeId::from_bits(u16::try_from(bits).ok()?);
    context.view.known().contains(&node).then_some(node)
}

/// Tells who waits for it that versions are held and whether durably, or why they are not.
fn acknowledge(
    context: &mut Context<'_>,
    to: NodeId,
    request: u64,
    operation: OperationId,
    held: Result<bool, Refusal>,
) {
    if request != 0 {
        let reply = wire::StoreReply {
            request,
            operation: operation.bits(),
            durable: held.as_ref().is_ok_and(|durable| *durable),
            refusal: held.err().map(Into::into),
        };
        context.send(to, Message::StoreReply(reply));
    }
}

/// Answers who asks what is held; a hash is enough where only that is wanted.
fn answer(
    context: &mut Context<'_>,
    to: NodeId,
    fetch: &wire::Fetch,
    known: Result<Versions, Refusal>,
) {
    let (versions, digest, refusal) = match known {
        Ok(known) if fetch.digest => (Versions::new(), Some(digest(&known)), None),
        Ok(known) => (known, None, None),
        Err(refusal) => (Versions::new(), None, Some(refusal.into())),
    };
    let reply = wire::FetchReply {
        request: fetch.request,
        versions,
        operation: fetch.operation,
        digest,
        refusal,
    };
    context.send(to, Message::FetchReply(reply));
}

/// Gives a request back unless its coordinator goes by a roll of members that is more than a step behind: its quorum need
/// not meet those of today. It is refused, and told the roll.
fn up_to_date(context: &mut Context<'_>, from: NodeId, message: Message) -> Option<Message> {
    let now = context.view.roll().number;
    let (roll, operation) = match &message {
        Message::Store(store) => (store.roll, message.operation()),
        Message::Fetch(fetch) => (fetch.roll, message.operation()),
        _ => return Some(message),
    };
    if roll.saturating_add(1) >= now {
        return Some(message);
    }
    let reason = format!("{from} goes by roll {roll} of the members, but {now} is that of today");
    context.refuse(operation, reason.clone());
    handover::tell(context, from);
    let refusal = Err(Refusal::new(Code::Unavailable, reason));
    match message {
        Message::Store(store) => acknowledge(context, from, store.request, operation, refusal),
        Message::Fetch(fetch) => answer(context, from, &fetch, refusal.map(|_| Versions::new())),
        _ => {}
    }
    None
}

const STRANGER: &str = "a hint is for a node that is not of this cluster";
const MALFORMED: &str = "a peer's versions are not of this cluster's versioning";
