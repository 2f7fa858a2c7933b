//! Which requests are taken on at all: what clients send is within its bounds, and not too much of it is in flight.

use crate::context::Context;
use crate::request::{Call, Code, Refusal, Request};
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

/// Whether a request can be begun beside those in flight.
pub(super) fn check(
    context: &Context<'_>,
    request: &Request,
    in_flight: usize,
) -> Result<(), Refusal> {
    let limits = context.limits;
    let refuse = |code, message: String| Err(Refusal::new(code, message));
    if in_flight >= limits.requests as usize {
        let message = format!("{} requests are in flight, the limit", limits.requests);
        return refuse(Code::ResourceExhausted, message);
    }
    if request.key.is_empty() {
        return refuse(Code::InvalidArgument, "the key is empty".to_owned());
    }
    if request.key.len() > limits.key_bytes as usize {
        let (length, most) = (request.key.len(), limits.key_bytes);
        let message = format!("the key has {length} bytes; at most {most}");
        return refuse(Code::InvalidArgument, message);
    }
    let sent = match &request.call {
        Call::Get { .. } | Call::Probe => return Ok(()),
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
                let message = "the value does not match its checksum";
                return refuse(Code::DataLoss, message.to_owned());
            }
            context
        }
        Call::Delete { context, .. } => context,
    };
    opened(context, &request.key, sent).map(|_| ())
}

/// The context in what a client sent with a write.
pub(super) fn opened(context: &Context<'_>, key: &[u8], sent: &Bytes) -> Result<Bytes, Refusal> {
    context.versioning.open(key, sent).ok_or_else(|| {
        let message =
            "the context is not one that this store gave out; use that of a reply, or none";
        Refusal::new(Code::InvalidArgument, message)
    })
}
