//! The gRPC door: the client service, the peers' streams, reflection and health, on one listener.

use super::Reception;
use super::peer::Peers;
use crate::config::Limits;
use crate::partitioner::Change;
use crate::request::{Call, Refusal, Reply};
use bytes::Bytes;
use std::convert::Infallible;
use std::task::{Context, Poll};
use tidemark_proto::id::NodeId;
use tidemark_proto::wire;
use tidemark_proto::wire::kv_server::{self, Kv, KvServer};
use tidemark_proto::wire::membership_server::{self, Membership, MembershipServer};
use tidemark_proto::wire::peer_server;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Error, Server};
use tonic::{Code, Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{self, HealthServer};
use tonic_health::server::{HealthReporter, HealthService};

/// Serves until the peers' streams are told to stop and all connections are closed.
pub(in crate::server) async fn open(
    listener: TcpListener,
    reception: &Reception,
    peers: Peers,
    health: &HealthReporter,
) -> Result<(), Error> {
    set_health(health, ServingStatus::Serving).await;
    let mut stopping = peers.stopping.clone();
    let kv = KvServer::new(Clients(reception.clone()))
        .max_decoding_message_size(request_bytes(&peers.limits));
    let health = HealthService::from_health_reporter(health.clone());
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(wire::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name(kv_server::SERVICE_NAME)
            .with_service_name(membership_server::SERVICE_NAME)
            .with_service_name(peer_server::SERVICE_NAME)
            .with_service_name(health_server::SERVICE_NAME)
    };
    let rest = Routes::new(HealthServer::new(health))
        .add_service(MembershipServer::new(Clients(reception.clone())))
        .add_service(reflection().build_v1().expect(COMPILED))
        .add_service(reflection().build_v1alpha().expect(COMPILED));
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .http2_max_pending_accept_reset_streams(Some(STREAMS as usize))
        .http2_max_local_error_reset_streams(Some(STREAMS as usize))
        .serve_with_incoming_shutdown(
            Services {
                kv,
                peers,
                rest: rest.prepare(),
            },
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            async move {
                let _ = stopping.wait_for(|stop| *stop).await;
            },
        )
        .await
}

/// Tells health checks how the node and its client service are.
pub(in crate::server) async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for service in ["", kv_server::SERVICE_NAME] {
        health.set_service_status(service, status).await;
    }
}

/// What is behind the door. Clients' and peers' calls find it without the general router, which boxes each of them and
/// its body once more.
#[derive(Clone)]
struct Services {
    kv: KvServer<Clients>,
    peers: Peers,
    rest: Routes,
}

impl Service<http::Request<Body>> for Services {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if !is_grpc(request.headers()) {
            return Box::pin(async { Ok(unsupported()) });
        }
        let service = request.uri().path().split('/').nth(1);
        match service.unwrap_or_default() {
            kv_server::SERVICE_NAME => self.kv.call(request),
            peer_server::SERVICE_NAME => self.peers.call(request),
            _ => Box::pin(self.rest.call(request)),
        }
    }
}

/// Whether a call says that it speaks gRPC, as it has to.
fn is_grpc(headers: &http::HeaderMap) -> bool {
    let kind = headers.get(http::header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// What gRPC over HTTP/2 wants to be told to whoever speaks something else.
fn unsupported() -> http::Response<Body> {
    let mut response = http::Response::new(Body::new(NOT_GRPC.to_owned()));
    *response.status_mut() = http::StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
}

struct Clients(Reception);

#[tonic::async_trait]
impl Kv for Clients {
    async fn get(
        &self,
        request: Request<wire::GetRequest>,
    ) -> Result<Response<wire::GetReply>, Status> {
        match self.0.ask(request.into_inner().into()).await {
            Reply::Got(answer) => Ok(Response::new(answer.into())),
            reply => Err(refused(reply)),
        }
    }

    async fn put(
        &self,
        request: Request<wire::PutRequest>,
    ) -> Result<Response<wire::PutReply>, Status> {
        self.write(request.into_inner().into()).await
    }

    async fn delete(
        &self,
        request: Request<wire::DeleteRequest>,
    ) -> Result<Response<wire::PutReply>, Status> {
        self.write(request.into_inner().into()).await
    }
}

impl Clients {
    async fn write(
        &self,
        mut request: crate::request::Request,
    ) -> Result<Response<wire::PutReply>, Status> {
        if let Call::Put { value, .. } = &mut request.call {
            // A slice would keep the call's whole receive buffer for as long as the value is stored.
            *value = Bytes::copy_from_slice(value);
        }
        match self.0.ask(request).await {
            Reply::Written(answer) => Ok(Response::new(answer.into())),
            reply => Err(refused(reply)),
        }
    }
}

#[tonic::async_trait]
impl Membership for Clients {
    async fn join(
        &self,
        request: Request<wire::JoinRequest>,
    ) -> Result<Response<wire::RollReply>, Status> {
        let node = node("node", &request.get_ref().node)?;
        self.enrol(Some(Change::Join(node))).await
    }

    async fn leave(
        &self,
        request: Request<wire::LeaveRequest>,
    ) -> Result<Response<wire::RollReply>, Status> {
        let node = node("node", &request.get_ref().node)?;
        self.enrol(Some(Change::Leave(node))).await
    }

    async fn replace(
        &self,
        request: Request<wire::ReplaceRequest>,
    ) -> Result<Response<wire::RollReply>, Status> {
        let wire::ReplaceRequest { old, new } = request.get_ref();
        let (old, new) = (node("old", old)?, node("new", new)?);
        self.enrol(Some(Change::Replace { old, new })).await
    }

    async fn roll(
        &self,
        _: Request<wire::RollRequest>,
    ) -> Result<Response<wire::RollReply>, Status> {
        self.enrol(None).await
    }
}

impl Clients {
    async fn enrol(&self, change: Option<Change>) -> Result<Response<wire::RollReply>, Status> {
        match self.0.enrol(change).await {
            Ok(enrolled) => Ok(Response::new((*enrolled).into())),
            Err(refusal) => Err(refused(Reply::Refused(refusal))),
        }
    }
}

fn node(field: &str, name: &str) -> Result<NodeId, Status> {
    name.parse::<NodeId>()
        .map_err(|error| Status::invalid_argument(format!("{field}: {error}")))
}

/// The status for a reply that does not answer the call.
fn refused(reply: Reply) -> Status {
    match reply {
        Reply::Refused(Refusal { code, message }) => {
            Status::new(Code::from_i32(code as i32), message)
        }
        Reply::Got(_) | Reply::Written(_) => Status::internal("the reply is to another call"),
    }
}

/// A client's request at its largest, with room to be a little too large: the node's own refusal says by how much.
fn request_bytes(limits: &Limits) -> usize {
    2 * (limits.value_bytes as usize + limits.key_bytes as usize) + CONTEXT_BYTES
}

/// Room for a request's context: far more actors than a run has.
const CONTEXT_BYTES: usize = 1 << 20;
/// Calls open at once on a connection; as many may be cancelled before they were begun without costing the connection.
const STREAMS: u32 = 1 << 16;
/// What a sender may have under way before it has to wait: a hundred milliseconds of a busy link, many times over.
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;
const NOT_GRPC: &str =
    "this is a gRPC service: the content type must begin with application/grpc\n";
const COMPILED: &str = "the compiler wrote these descriptors";
