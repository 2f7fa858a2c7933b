//! The peers' streams: every element is an envelope of its stream's class; one that is not is refused and noted, and the
//! stream goes on.

use crate::config::Limits;
use crate::server::driver::Inbox;
use crate::server::frames::Frames;
use crate::server::{Reporter, link};
use bytes::Bytes;
use prost::Message as _;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::{Corrupt, Message, Method};
use tidemark_proto::wire::{Envelope, peer_server};
use tokio::sync::watch;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::metadata::MetadataMap;
use tonic::server::{ClientStreamingService, Grpc, NamedService};
use tonic::{Request, Response, Status, Streaming};

/// Where the streams of other nodes come in.
#[derive(Clone)]
pub(in crate::server) struct Peers {
    pub(in crate::server) known: BTreeSet<NodeId>,
    pub(in crate::server) inbox: Inbox,
    pub(in crate::server) stopping: watch::Receiver<bool>,
    pub(in crate::server) reporter: Reporter,
    pub(in crate::server) limits: Limits,
}

impl NamedService for Peers {
    const NAME: &'static str = peer_server::SERVICE_NAME;
}

/// The generated service would end a stream at the first element that it cannot decode.
impl Service<http::Request<Body>> for Peers {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let name = request.uri().path().rsplit('/').next().unwrap_or_default();
        let method = Method::PEER
            .iter()
            .copied()
            .find(|method| method.name() == name);
        let peers = self.clone();
        Box::pin(async move {
            let Some(method) = method else {
                return Ok(Status::unimplemented("").into_http());
            };
            let most = envelope_bytes(&peers.limits);
            let mut grpc = Grpc::new(Frames).apply_max_message_size_config(Some(most), None);
            Ok(grpc
                .client_streaming(Class { method, peers }, request)
                .await)
        })
    }
}

/// The streams of one message class.
struct Class {
    method: Method,
    peers: Peers,
}

impl ClientStreamingService<Bytes> for Class {
    type Response = Option<Message>;
    type Future = BoxFuture<Response<Self::Response>, Status>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let (method, peers) = (self.method, self.peers.clone());
        Box::pin(async move {
            let from = peers.sender(request.metadata())?;
            peers.receive(from, method, request.into_inner()).await?;
            Ok(Response::new(None))
        })
    }
}

impl Peers {
    fn sender(&self, metadata: &MetadataMap) -> Result<NodeId, Status> {
        let name = metadata.get(link::FROM).and_then(|name| name.to_str().ok());
        let name = name.unwrap_or_default();
        let sender = name.parse().ok().filter(|id| self.known.contains(id));
        sender.ok_or_else(|| {
            let known: Vec<_> = self.known.iter().map(NodeId::to_string).collect();
            let (field, known) = (link::FROM, known.join(", "));
            Status::invalid_argument(format!(
                "{field} is {name:?}, no peer of this node; choose one of: {known}"
            ))
        })
    }

    /// Hands over what comes, until the stream ends or the node stops.
    async fn receive(
        mut self,
        from: NodeId,
        method: Method,
        mut stream: Streaming<Bytes>,
    ) -> Result<(), Status> {
        let mut stop = pin!(self.stopping.wait_for(|stop| *stop));
        loop {
            // The stream first: it pauses soon enough, and asking for a stop before each message costs more than most.
            let frame = tokio::select! {
                biased;
                frame = stream.message() => frame?,
                _ = &mut stop => return Ok(()),
            };
            let Some(frame) = frame else {
                return Ok(());
            };
            match open(method, frame) {
                Ok(message) => self.inbox.hear(from, message),
                Err(corrupt) => {
                    let reason = format!("from {from}: {corrupt}");
                    self.reporter.refuse(OperationId::NONE, reason);
                }
            }
        }
    }
}

fn open(method: Method, frame: Bytes) -> Result<Message, Corrupt> {
    let envelope = Envelope::decode(frame).map_err(|_| Corrupt::Body(method))?;
    Message::open(method, envelope)
}

/// A peer's message at its largest: all siblings of a key, each with a clock no larger than its value may be.
fn envelope_bytes(limits: &Limits) -> usize {
    let version = 2 * limits.value_bytes as usize + ROOM;
    limits.key_bytes as usize + version.saturating_mul(limits.siblings.max(1) as usize)
}

/// For a small clock and all other fields.
const ROOM: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_proto::wire;

    #[test]
    fn one_flipped_bit_anywhere_is_refused() {
        let message = Message::StoreReply(wire::StoreReply {
            durable: true,
            request: 7,
            operation: 9,
            refusal: None,
        });
        let frame = message.seal().encode_to_vec();
        assert_eq!(open(Method::StoreReply, frame.clone().into()), Ok(message));
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let opened = open(Method::StoreReply, flipped.into());
            assert!(opened.is_err(), "bit {bit}: {opened:?}");
        }
    }
}
