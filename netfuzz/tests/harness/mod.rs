//! A proxy in this process, the services behind it, and the journal of what passed.

use bytes::Bytes;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tidemark_netfuzz::proxy::{Journal, serve};
use tidemark_proto::clock::Clock;
use tidemark_proto::event::{Detail, Event, Passage};
use tidemark_proto::wire::kv_server::{Kv, KvServer};
use tidemark_proto::wire::netfuzz_client::NetfuzzClient;
use tidemark_proto::wire::peer_server::{Peer, PeerServer};
use tidemark_proto::wire::{
    Closed, DeleteRequest, Envelope, GetReply, GetRequest, Link, LoadRequest, OpenRequest,
    PutReply, PutRequest,
};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status, Streaming};

/// A proxy and its journal.
pub(crate) struct Proxy {
    /// Its control service.
    pub(crate) control: NetfuzzClient<Channel>,
    journal: Arc<Mutex<Vec<Passage>>>,
    more: Arc<Notify>,
    _stop: oneshot::Sender<()>,
}

impl Proxy {
    /// Starts a proxy without rules.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let journal = Arc::new(Mutex::new(Vec::new()));
        let more = Arc::new(Notify::new());
        let (seen, news) = (journal.clone(), more.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let note = move |event| match event {
                Event::Fate(passage) => {
                    seen.lock().unwrap().push(*passage);
                    news.notify_one();
                }
                other => panic!("the proxy reports nothing but fates, not {other:?}"),
            };
            let shutdown = async { drop(stopped.await) };
            let journal = Journal {
                keep: Detail::All,
                note: Arc::new(note),
            };
            serve(listener, journal, shutdown).await.unwrap();
        });
        let control = NetfuzzClient::connect(format!("http://{address}"))
            .await
            .unwrap();
        Self {
            control,
            journal,
            more,
            _stop: stop,
        }
    }

    /// Opens a link and tells where it listens.
    pub(crate) async fn open(
        &mut self,
        from: &str,
        to: &str,
        upstream: SocketAddr,
        datagram: bool,
    ) -> String {
        let link = Link {
            from: from.to_owned(),
            to: to.to_owned(),
            upstream: upstream.to_string(),
            datagram,
            port: 0,
        };
        let reply = self
            .control
            .open(OpenRequest { links: vec![link] })
            .await
            .unwrap();
        reply.into_inner().listeners.remove(0)
    }

    /// Loads rules; the run begins now.
    pub(crate) async fn load(&mut self, network: Value, fault: Value) {
        let spec =
            json!({ "participants": ["n1", "n2", "c1"], "network": network, "fault": fault });
        let request = LoadRequest {
            rules_json: spec.to_string(),
            seed: 7,
            epoch_ns: Clock::start().epoch_ns(),
        };
        self.control.load(request).await.unwrap();
    }

    /// Takes what has been journalled, once there is so much, by method, direction and number.
    pub(crate) async fn passages(&self, count: usize) -> Vec<Passage> {
        while self.journal.lock().unwrap().len() < count {
            self.more.notified().await;
        }
        let mut passages = std::mem::take(&mut *self.journal.lock().unwrap());
        passages.sort_by(|a, b| (&a.method, a.direction, a.k).cmp(&(&b.method, b.direction, b.k)));
        passages
    }
}

/// A store that answers every put with its key, and a peer that tells what it receives.
#[derive(Clone)]
pub(crate) struct Echo {
    seen: mpsc::UnboundedSender<Bytes>,
}

/// A server with a runtime of its own: when it is dropped, its connections break, as those of a killed process do.
pub(crate) struct Killable(Option<Runtime>);

impl Drop for Killable {
    fn drop(&mut self) {
        self.0.take().unwrap().shutdown_background();
    }
}

/// Serves an [`Echo`] until it is dropped; keys and envelopes come out of the receiver.
pub(crate) fn echo(listener: TcpListener) -> (Killable, mpsc::UnboundedReceiver<Bytes>) {
    let (seen, receiver) = mpsc::unbounded_channel();
    let echo = Echo { seen };
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let listener = listener.into_std().unwrap();
    runtime.spawn(async move {
        let listener = TcpListener::from_std(listener).unwrap();
        Server::builder()
            .add_service(KvServer::new(echo.clone()))
            .add_service(PeerServer::new(echo))
            .serve_with_incoming(TcpListenerStream::new(listener))
            .await
            .unwrap();
    });
    (Killable(Some(runtime)), receiver)
}

/// A listener on a free port of loopback.
pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tonic::async_trait]
impl Kv for Echo {
    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetReply>, Status> {
        let mut status = Status::not_found(format!("no {}", request.into_inner().key));
        status
            .metadata_mut()
            .insert("why", "an echo holds nothing".parse().unwrap());
        Err(status)
    }

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutReply>, Status> {
        let timeout = request.metadata().get("grpc-timeout").cloned();
        let key = request.into_inner().key;
        let _ = self.seen.send(key.clone().into());
        let mut response = Response::new(PutReply {
            coordinator: key,
            ..PutReply::default()
        });
        if let Some(timeout) = timeout {
            response.metadata_mut().insert("timeout", timeout);
        }
        Ok(response)
    }

    async fn delete(&self, _: Request<DeleteRequest>) -> Result<Response<PutReply>, Status> {
        std::future::pending().await
    }
}

macro_rules! peer {
    ($($method:ident),*) => {
        #[tonic::async_trait]
        impl Peer for Echo {
            $(async fn $method(&self, request: Request<Streaming<Envelope>>) -> Result<Response<Closed>, Status> {
                let mut stream = request.into_inner();
                while let Some(envelope) = stream.message().await? {
                    let _ = self.seen.send(envelope.body);
                }
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
