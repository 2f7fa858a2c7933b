//! The control service of a cluster that is up: hands every call to whoever keeps the cluster, and waits for the answer.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use tidemark_proto::wire::cluster_server::{Cluster, ClusterServer, SERVICE_NAME};
use tidemark_proto::wire::{
    self, ClusterDownReply, ClusterDownRequest, ClusterFaultReply, ClusterFaultRequest,
    ClusterHealReply, ClusterHealRequest, ClusterStatusReply, ClusterStatusRequest,
};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// What somebody wants of the cluster.
pub(super) enum Order {
    Fault(ClusterFaultRequest, Answer<ClusterFaultReply>),
    Heal(Answer<ClusterHealReply>),
    Status(Answer<ClusterStatusReply>),
    Down(Answer<ClusterDownReply>),
}

/// Who waits for what comes of it.
pub(super) type Answer<T> = oneshot::Sender<Result<T, Status>>;

/// Serves until it is told to stop and every call has its answer.
pub(super) async fn serve(
    listener: TcpListener,
    orders: SyncSender<Order>,
    stop: Arc<Notify>,
) -> anyhow::Result<()> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(wire::DESCRIPTORS)
            .with_service_name(SERVICE_NAME)
    };
    Server::builder()
        .add_service(ClusterServer::new(Desk(orders)))
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), stop.notified())
        .await?;
    Ok(())
}

struct Desk(SyncSender<Order>);

#[tonic::async_trait]
impl Cluster for Desk {
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

impl Desk {
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
