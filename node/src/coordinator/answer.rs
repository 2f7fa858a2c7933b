//! What a client is told of versions that replicas hold.

use crate::context::Context;
use crate::request::{Answer, AnsweredVersion, Code, Refusal};
use crate::versioning::Versions;
use bytes::Bytes;
use tidemark_proto::id::{NodeId, OperationId, Role};

/// The reply that lists `versions` of a key under a context. A write that a retry stamped twice is listed once.
pub(super) fn answer(
    context: &Context<'_>,
    key: &[u8],
    versions: &Versions,
    covered: Bytes,
    answered: Vec<NodeId>,
) -> Answer {
    let mut listed: Vec<AnsweredVersion> = Vec::with_capacity(versions.len());
    for version in versions {
        let operation = OperationId::from_bits(version.operation);
        let Some(value) = &version.value else {
            continue;
        };
        if listed.iter().all(|other| other.operation != operation) {
            let clock = context.versioning.describe(&version.clock);
            listed.push(AnsweredVersion {
                value: value.clone(),
                operation,
                clock,
            });
        }
    }
    Answer {
        versions: listed,
        clock: context.versioning.describe(&covered),
        context: context.versioning.seal(key, covered),
        answered,
        coordinator: Some(context.id),
    }
}

/// What this node knows itself of a key.
pub(super) fn known_here(
    context: &mut Context<'_>,
    key: &Bytes,
    operation: OperationId,
) -> Result<Answer, Refusal> {
    if context.id.role() == Role::Gateway {
        let message = format!("{} holds no keys; ask a node what it holds", context.id);
        return Err(Refusal::new(Code::FailedPrecondition, message));
    }
    let known = context.known(key, operation)?;
    let covered = context.versioning.resolve(&known);
    Ok(answer(context, key, &known, covered, vec![context.id]))
}
