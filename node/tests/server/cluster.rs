//! A cluster of three whose nodes run only while they are started, and a peer that only listens.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tidemark_node::config::Config;
use tidemark_node::server::{ServeError, Settings, serve};
use tidemark_proto::clock::Clock;
use tidemark_proto::event::{Event, Outcome};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::{Message, Method};
use tidemark_proto::wire::kv_client::KvClient;
use tidemark_proto::wire::peer_server::{Peer, PeerServer};
use tidemark_proto::wire::{Closed, Envelope, GetReply, GetRequest, PutReply, PutRequest, Store};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint, Server, server::TcpIncoming};
use tonic::{Request, Response, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

pub(crate) type Begun = (OperationId, Option<OperationId>);
pub(crate) type Ended = (OperationId, Outcome, Vec<OperationId>);

pub(crate) const NODES: [NodeId; 3] = [N1, N2, N3];
pub(crate) const N1: NodeId = NodeId::node(1);
pub(crate) const N2: NodeId = NodeId::node(2);
pub(crate) const N3: NodeId = NodeId::node(3);
pub(crate) const KV: &str = "tidemark.v1.Kv";

/// Three nodes that hold every key, R = W = 2; each runs only while it is started.
pub(crate) struct Cluster {
    config: Config,
    addresses: BTreeMap<NodeId, String>,
    /// Bound and never listening: nobody else is given the ports while their nodes are down.
    _reserved: Vec<TcpSocket>,
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    clock: Clock,
}

pub(crate) struct Node {
    shutdown: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), ServeError>>,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Cluster {
    /// Finds three free addresses; `changes` replaces tables of the configuration.
    pub(crate) fn bind(changes: Value) -> Self {
        let mut config = json!({
            "seed": 7, "nodes": NODES, "gateways": [],
            "partitioner": { "kind": "token-ring" }, "versioning": { "kind": "vector" },
            "membership": { "kind": "fixed" }, "repair": [], "storage": { "kind": "memory" },
            "replication": { "kind": "strict", "n": 3, "r": 2, "w": 2, "timeout": "400ms" },
            "limits": {},
        });
        for (table, change) in changes.as_object().unwrap() {
            config[table] = change.clone();
        }
        let mut addresses = BTreeMap::new();
        let mut reserved = Vec::new();
        for node in NODES {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
            addresses.insert(node, socket.local_addr().unwrap().to_string());
            reserved.push(socket);
        }
        Self {
            config: serde_json::from_value(config).unwrap(),
            addresses,
            _reserved: reserved,
            nodes: BTreeMap::new(),
            clock: Clock::start(),
        }
    }

    pub(crate) async fn start_all(&mut self) {
        for node in NODES {
            self.start(node, 1).await;
        }
    }

    pub(crate) async fn start(&mut self, id: NodeId, life: u32) {
        let listener = TcpListener::bind(&self.addresses[&id]).await.unwrap();
        let mut links = self.addresses.clone();
        links.remove(&id);
        let settings = Settings {
            conditions: Default::default(),
            config: self.config.clone(),
            id,
            life,
            links,
            clock: self.clock,
            data: None,
        };
        let events = Arc::<Mutex<Vec<Event>>>::default();
        let note = Arc::clone(&events);
        let (shutdown, asked) = oneshot::channel();
        let task = tokio::spawn(serve(
            listener,
            settings,
            Some(Arc::new(move |event| note.lock().unwrap().push(event))),
            async move { drop(asked.await) },
        ));
        let shutdown = Some(shutdown);
        self.nodes.insert(
            id,
            Node {
                shutdown,
                task,
                events,
            },
        );
    }

    pub(crate) async fn stop(&mut self, id: NodeId) {
        let mut node = self.nodes.remove(&id).unwrap();
        node.shut_down();
        bounded(node.task).await.unwrap().unwrap();
    }

    pub(crate) async fn stop_all(&mut self) {
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.stop(id).await;
        }
    }

    /// Puts a peer that only listens in the place of a node.
    pub(crate) async fn fake(&self, id: NodeId, after: AfterEach) -> Fake {
        let fake = Fake {
            after,
            seen: Arc::default(),
        };
        let listener = TcpListener::bind(&self.addresses[&id]).await.unwrap();
        let server = Server::builder().add_service(PeerServer::new(fake.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        fake
    }

    pub(crate) fn address(&self, id: NodeId) -> &str {
        &self.addresses[&id]
    }

    pub(crate) fn channel(&self, id: NodeId) -> Channel {
        let address = format!("http://{}", self.address(id));
        Endpoint::from_shared(address).unwrap().connect_lazy()
    }

    pub(crate) fn kv(&self, id: NodeId) -> KvClient<Channel> {
        KvClient::new(self.channel(id))
    }

    pub(crate) async fn get(&self, id: NodeId, get: GetRequest) -> Result<GetReply, Status> {
        self.kv(id).get(get).await.map(Response::into_inner)
    }

    pub(crate) async fn put(&self, id: NodeId, put: PutRequest) -> Result<PutReply, Status> {
        self.kv(id).put(put).await.map(Response::into_inner)
    }

    pub(crate) async fn health(&self, id: NodeId, service: &str) -> Result<&'static str, Status> {
        let service = service.to_owned();
        let mut health = HealthClient::new(self.channel(id));
        let checked = health.check(HealthCheckRequest { service }).await?;
        Ok(checked.into_inner().status().as_str_name())
    }

    /// What a node has noted of operations: which writes began with whose context, and what came of which operation.
    pub(crate) fn by_hand(&self, id: NodeId) -> (Vec<Begun>, Vec<Ended>) {
        let (mut begun, mut ended) = (Vec::new(), Vec::new());
        for event in self.nodes[&id].events().iter() {
            match event {
                Event::Invoked(write) => begun.push((write.id, write.context_from)),
                Event::Returned(it) => ended.push((it.id, it.outcome, it.versions.clone())),
                _ => {}
            }
        }
        (begun, ended)
    }

    /// Waits until a node has noted such an event.
    pub(crate) async fn sees(&self, id: NodeId, wanted: impl Fn(&Event) -> bool) {
        until(|| self.nodes[&id].events().iter().any(&wanted)).await;
    }

    /// The number of each operation's message of one class from one node to another.
    pub(crate) fn numbers(
        &self,
        id: NodeId,
        to: NodeId,
        class: Method,
    ) -> BTreeMap<OperationId, u64> {
        let events = self.nodes[&id].events();
        let sent = events.iter().filter_map(|event| match event {
            Event::Sent {
                operation,
                to: other,
                method,
                k,
                ..
            } if (*other, *method) == (to, class) => Some((*operation, *k)),
            _ => None,
        });
        sent.collect()
    }
}

impl Node {
    pub(crate) fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap()
    }

    pub(crate) fn shut_down(&mut self) {
        drop(self.shutdown.take());
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum AfterEach {
    Close,
    GoOn,
}

/// A peer that keeps the first message of every Store stream, with what the stream opened with, and never answers.
#[derive(Clone)]
pub(crate) struct Fake {
    after: AfterEach,
    seen: Arc<Mutex<Vec<(String, u64, Store)>>>,
}

impl Fake {
    pub(crate) fn seen(&self) -> MutexGuard<'_, Vec<(String, u64, Store)>> {
        self.seen.lock().unwrap()
    }
}

type Streamed = Request<Streaming<Envelope>>;
type End = Result<Response<Closed>, Status>;

/// A peer that takes `Store` messages and none of these classes.
macro_rules! takes_no {
    ($($method:ident),*) => {
        #[tonic::async_trait]
        impl Peer for Fake {
            async fn store(&self, request: Streamed) -> End {
                let metadata = request.metadata();
                let text = |key| metadata.get(key).unwrap().to_str().unwrap().to_owned();
                let (from, k) = (text("tidemark-from"), text("tidemark-k").parse().unwrap());
                let mut stream = request.into_inner();
                let envelope = stream.message().await?.unwrap();
                let Ok(Message::Store(store)) = Message::open(Method::Store, envelope) else {
                    panic!("not a Store message");
                };
                self.seen().push((from, k, store));
                while self.after == AfterEach::GoOn && stream.message().await?.is_some() {}
                Ok(Response::new(Closed {}))
            }

            $(async fn $method(&self, _: Streamed) -> End {
                Err(Status::unimplemented(""))
            })*
        }
    };
}
takes_no!(
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

pub(crate) fn put(key: &str, value: &str) -> PutRequest {
    PutRequest {
        key: key.to_owned(),
        value: value.to_owned().into(),
        ..PutRequest::default()
    }
}

pub(crate) fn get(key: &str) -> GetRequest {
    GetRequest {
        key: key.to_owned(),
        ..GetRequest::default()
    }
}

pub(crate) fn operation(sequence: u64) -> OperationId {
    OperationId::new(NodeId::client(1), sequence)
}

pub(crate) fn stored_by(event: &Event, operation: OperationId) -> bool {
    matches!(event, Event::Stored(stored) if stored.operation == operation)
}

pub(crate) fn values(read: &GetReply) -> Vec<&str> {
    let mut values: Vec<_> = read
        .versions
        .iter()
        .map(|version| std::str::from_utf8(&version.value).unwrap())
        .collect();
    values.sort_unstable();
    values
}

pub(crate) async fn until(condition: impl Fn() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    bounded(async {
        while !condition() {
            ticks.tick().await;
        }
    })
    .await;
}

pub(crate) async fn bounded<T>(future: impl Future<Output = T>) -> T {
    let bound = Duration::from_secs(20);
    tokio::time::timeout(bound, future)
        .await
        .expect("it never happens")
}
