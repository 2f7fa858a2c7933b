//! The proxy's control service: opens links, loads and heals the network, tells how it stands.

use super::judge::Judge;
use super::link::Link;
use super::{Journal, Limits};
use crate::schedule::Network;
use crate::spec::Spec;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidemark_proto::id::NodeId;
use tidemark_proto::wire;
use tidemark_proto::wire::netfuzz_server::{self, Netfuzz, NetfuzzServer};
use tidemark_proto::wire::{
    HealReply, HealRequest, LoadReply, LoadRequest, OpenReply, OpenRequest, StatusReply,
    StatusRequest,
};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// Serves the control service on `control`, and every link that it is told to open, until `shutdown`.
///
/// # Errors
/// The timer's thread cannot be started, or the listener fails.
pub async fn serve(
    control: TcpListener,
    journal: Journal,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    serve_within(Limits::default(), control, journal, shutdown).await
}

/// As [`serve`], within these limits.
///
/// # Errors
/// As [`serve`].
pub async fn serve_within(
    limits: Limits,
    control: TcpListener,
    journal: Journal,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let proxy = Proxy {
        judge: Arc::new(Judge::new(journal, limits)?),
        links: Mutex::default(),
    };
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(wire::DESCRIPTORS)
            .with_service_name(netfuzz_server::SERVICE_NAME)
    };
    tonic::transport::Server::builder()
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(NetfuzzServer::new(proxy).max_decoding_message_size(limits.message_bytes))
        .serve_with_incoming_shutdown(TcpListenerStream::new(control), shutdown)
        .await?;
    Ok(())
}

/// All links. They close when it is dropped.
struct Proxy {
    judge: Arc<Judge>,
    links: Mutex<Links>,
}

#[derive(Default)]
struct Links {
    open: BTreeMap<(NodeId, NodeId), (Arc<Link>, SocketAddr)>,
    tasks: JoinSet<()>,
}

#[tonic::async_trait]
impl Netfuzz for Proxy {
    async fn open(&self, request: Request<OpenRequest>) -> Result<Response<OpenReply>, Status> {
        let mut links = self.links.lock().await;
        let mut listeners = Vec::new();
        for asked in request.into_inner().links {
            let ends = (end(&asked.from)?, end(&asked.to)?);
            if !links.open.contains_key(&ends) {
                let limit = self.judge.limits.links;
                if links.open.len() >= limit {
                    return Err(Status::resource_exhausted(format!(
                        "{limit} links are open, the most there can be"
                    )));
                }
                let listener = listener(&asked).await?;
                let address = listener.local_addr()?;
                let upstream = asked.upstream.clone();
                let link = Arc::new(Link::new(ends.0, ends.1, upstream, self.judge.clone()));
                links.tasks.spawn(link.clone().serve(listener));
                links.open.insert(ends, (link, address));
            }
            let (link, address) = &links.open[&ends];
            link.upstream.redirect(asked.upstream);
            link.datagram.store(asked.datagram, Ordering::Relaxed);
            listeners.push(address.to_string());
        }
        Ok(Response::new(OpenReply { listeners }))
    }

    async fn load(&self, request: Request<LoadRequest>) -> Result<Response<LoadReply>, Status> {
        let request = request.into_inner();
        let refuse = |error: &dyn std::fmt::Display| Status::invalid_argument(error.to_string());
        let spec: Spec =
            serde_json::from_str(&request.rules_json).map_err(|error| refuse(&error))?;
        let network = Network::new(request.seed, &spec).map_err(|error| refuse(&error))?;
        self.judge
            .load(network, Duration::from_nanos(request.epoch_ns));
        Ok(Response::new(LoadReply {}))
    }

    async fn heal(&self, _: Request<HealRequest>) -> Result<Response<HealReply>, Status> {
        self.judge.heal();
        Ok(Response::new(HealReply {}))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        Ok(Response::new(StatusReply {
            messages: self.judge.messages.load(Ordering::Relaxed),
            lost: self.judge.lost.load(Ordering::Relaxed),
            held: self.judge.held.load(Ordering::Relaxed),
            in_force: self.judge.in_force(),
        }))
    }
}

async fn listener(link: &wire::Link) -> Result<TcpListener, Status> {
    let wire::Link { from, to, port, .. } = link;
    let refuse = |error: &dyn std::fmt::Display| {
        let message = format!("the link {from} -> {to} cannot listen on 127.0.0.1:{port}: {error}");
        Status::already_exists(message)
    };
    let port = u16::try_from(*port).map_err(|error| refuse(&error))?;
    let bound = TcpListener::bind(("127.0.0.1", port)).await;
    bound.map_err(|error| refuse(&error))
}

fn end(name: &str) -> Result<NodeId, Status> {
    name.parse()
        .map_err(|error: tidemark_proto::id::NameError| Status::invalid_argument(error.to_string()))
}
