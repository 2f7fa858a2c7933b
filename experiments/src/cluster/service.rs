//! The control service of a cluster that is up: hands every call to whoever keeps the cluster, and waits for the answer.

use crate::record::Folder;
use anyhow::Context as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tidemark_proto::wire::cluster_server::{Cluster, ClusterServer, SERVICE_NAME};
use tidemark_proto::wire::{
    self, ClusterChangeReply, ClusterChangeRequest, ClusterDownReply, ClusterDownRequest,
    ClusterFaultReply, ClusterFaultRequest, ClusterHealReply, ClusterHealRequest,
    ClusterStatusReply, ClusterStatusRequest,
};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// What somebody wants of the cluster.
pub(super) enum Order {
    Fault(ClusterFaultRequest, Answer<ClusterFaultReply>),
    Heal(Answer<ClusterHealReply>),
    Change(ClusterChangeRequest, Answer<ClusterChangeReply>),
    Status(Answer<ClusterStatusReply>),
    Down(Answer<ClusterDownReply>),
}

/// Who waits for what comes of it.
pub(super) type Answer<T> = oneshot::Sender<Result<T, Status>>;

/// Where orders come in, and those wait who have asked for the end.
pub(super) struct Desk {
    address: SocketAddr,
    orders: Receiver<Order>,
    leaving: Vec<Answer<ClusterDownReply>>,
    stop: Arc<Notify>,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Desk {
    /// Opens the control service at a port of loopback; 0: any that is free.
    pub(super) fn open(port: u16, runtime: &Handle) -> anyhow::Result<Self> {
        let listener = runtime
            .block_on(TcpListener::bind(("127.0.0.1", port)))
            .with_context(|| format!("the control service cannot listen on 127.0.0.1:{port}"))?;
        let address = listener.local_addr()?;
        let (sender, orders) = sync_channel(MOST_ORDERS);
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(wire::DESCRIPTORS)
                .with_service_name(SERVICE_NAME)
        };
        let router = Server::builder()
            .add_service(ClusterServer::new(Door(sender)))
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?);
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let server = runtime.spawn(async move {
            let incoming = TcpIncoming::from(listener);
            router
                .serve_with_incoming_shutdown(incoming, stopped.notified())
                .await
        });
        Ok(Self {
            address,
            orders,
            leaving: Vec::new(),
            stop,
            server,
        })
    }

    /// Where it is.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next order, if one comes in time.
    pub(super) fn next(&self, within: Duration) -> Option<Order> {
        self.orders.recv_timeout(within).ok()
    }

    /// Whoever waits for this will be told of the end.
    pub(super) fn promise(&mut self, answer: Answer<ClusterDownReply>) {
        self.leaving.push(answer);
    }

    /// Tells everybody who has asked for the end that this folder is written, and closes.
    pub(super) fn close(mut self, folder: &Folder, runtime: &Handle) {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Down(answer) => self.promise(answer),
                // They hear that the cluster is going down.
                Order::Fault(..) | Order::Heal(_) | Order::Change(..) | Order::Status(_) => {}
            }
        }
        drop(self.orders);
        for answer in self.leaving {
            let folder = folder.path().display().to_string();
            // Whoever asked may be gone.
            let _ = answer.send(Ok(ClusterDownReply { folder }));
        }
        self.stop.notify_one();
        // A caller that keeps its connection does not keep the program.
        let _ = runtime.block_on(async { timeout(SAID_WITHIN, self.server).await });
    }
}

struct Door(SyncSender<Order>);

#[tonic::async_trait]
impl Cluster for Door {
    async fn fault(
        &self,
        request: Request<ClusterFaultRequest>,
    ) -> Result<Response<ClusterFaultReply>, Status> {
        let request = request.into_inner();
        self.ask(|answer| Order::Fault(request, answer)).await
    }

    async fn heal(
        &self,
        _: Request<ClusterHealRequest>,
    ) -> Result<Response<ClusterHealReply>, Status> {
        self.ask(Order::Heal).await
    }

    async fn change(
        &self,
        request: Request<ClusterChangeRequest>,
    ) -> Result<Response<ClusterChangeReply>, Status> {
        let request = request.into_inner();
        self.ask(|answer| Order::Change(request, answer)).await
    }

    async fn status(
        &self,
        _: Request<ClusterStatusRequest>,
    ) -> Result<Response<ClusterStatusReply>, Status> {
        self.ask(Order::Status).await
    }

    async fn down(
        &self,
        _: Request<ClusterDownRequest>,
    ) -> Result<Response<ClusterDownReply>, Status> {
        self.ask(Order::Down).await
    }
}

impl Door {
    async fn ask<T>(&self, order: impl FnOnce(Answer<T>) -> Order) -> Result<Response<T>, Status> {
        let ending = || Status::unavailable("the cluster is going down");
        let (answer, answered) = oneshot::channel();
        self.0
            .try_send(order(answer))
            .map_err(|error| match error {
                TrySendError::Full(_) => Status::resource_exhausted("too many orders wait already"),
                TrySendError::Disconnected(_) => ending(),
            })?;
        answered.await.map_err(|_| ending())?.map(Response::new)
    }
}

/// How long the last answers may take to reach whoever asked.
const SAID_WITHIN: Duration = Duration::from_secs(2);
/// How many orders may wait.
const MOST_ORDERS: usize = 64;
