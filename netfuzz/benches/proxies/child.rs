//! The processes that the driver starts from its own executable: the echo server and the fault proxy.

use clap::ValueEnum;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidemark_netfuzz::proxy;
use tidemark_proto::event::Detail;
use tidemark_proto::wire::kv_server::{Kv, KvServer};
use tidemark_proto::wire::peer_server::{Peer, PeerServer};
use tidemark_proto::wire::{
    Closed, DeleteRequest, Envelope, GetReply, GetRequest, PutReply, PutRequest,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

/// What the fault proxy does with the fates of messages.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Journalling {
    /// Each is made out and counted.
    Counted,
    /// Nobody wants to know.
    Off,
}

impl Journalling {
    /// As the child is told.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Off => "off",
        }
    }
}

/// A process of ours. It ends when it is dropped, or when this process ends.
pub(crate) struct Child(std::process::Child);

impl Child {
    /// Starts one and tells where it listens.
    pub(crate) fn start(role: &[&str]) -> (Self, SocketAddr) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut words = BufReader::new(child.stdout.take().unwrap());
        words.read_line(&mut line).unwrap();
        (Self(child), line.trim().parse().unwrap())
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Answers every put with its value, and takes in streams.
pub(crate) async fn server(listen: SocketAddr) {
    let listener = TcpListener::bind(listen).await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let served = tonic::transport::Server::builder()
        .initial_stream_window_size(2 << 20)
        .initial_connection_window_size(8 << 20)
        .max_concurrent_streams(4096)
        .add_service(KvServer::new(Echo))
        .add_service(PeerServer::new(Echo))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
    tokio::select! {
        served = tokio::spawn(served) => served.unwrap().unwrap(),
        () = abandoned() => {}
    }
}

/// The fault proxy, as a run starts it.
pub(crate) async fn proxy(journalling: Journalling) {
    let control = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", control.local_addr().unwrap());
    let seen = AtomicU64::new(0);
    let journal = proxy::Journal {
        keep: match journalling {
            Journalling::Counted => Detail::All,
            Journalling::Off => Detail::None,
        },
        note: Arc::new(move |_| {
            seen.fetch_add(1, Ordering::Relaxed);
        }),
    };
    proxy::serve(control, journal, abandoned()).await.unwrap();
}

/// Ends when the parent has closed this process's standard input, or is gone.
async fn abandoned() {
    // An error means that the other end is gone.
    let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
}

#[derive(Clone, Copy)]
struct Echo;

#[tonic::async_trait]
impl Kv for Echo {
    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutReply>, Status> {
        Ok(Response::new(PutReply {
            context: request.into_inner().value,
            ..PutReply::default()
        }))
    }

    async fn get(&self, _: Request<GetRequest>) -> Result<Response<GetReply>, Status> {
        Err(Status::unimplemented("an echo holds nothing"))
    }

    async fn delete(&self, _: Request<DeleteRequest>) -> Result<Response<PutReply>, Status> {
        Err(Status::unimplemented("an echo holds nothing"))
    }
}

macro_rules! peer {
    ($($method:ident),*) => {
        #[tonic::async_trait]
        impl Peer for Echo {
            $(async fn $method(&self, request: Request<Streaming<Envelope>>) -> Result<Response<Closed>, Status> {
                let mut stream = request.into_inner();
                while stream.message().await?.is_some() {}
                Ok(Response::new(Closed {}))
            })*
        }
    };
}
peer!(
    store,
    store_reply,
    fetch,
    fetch_reply,
    forward,
    forward_reply,
    repair,
    handoff,
    handoff_reply,
    gossip,
    sweep,
    bulk,
    bulk_reply,
    collect,
    members,
    members_reply,
    r#move,
    move_reply
);
