//! Talks to the cluster that is up.

use crate::command::exit::{Class, Classed as _};
use crate::record::ClusterRecord;
use anyhow::{Context as _, anyhow};
use std::path::Path;
use std::time::Duration;
use tidemark_node::partitioner::Change;
use tidemark_proto::wire::cluster_client::ClusterClient;
use tidemark_proto::wire::{
    ClusterChangeReply, ClusterChangeRequest, ClusterDownReply, ClusterDownRequest,
    ClusterFaultReply, ClusterFaultRequest, ClusterHealReply, ClusterHealRequest,
    ClusterStatusReply, ClusterStatusRequest,
};
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

/// Puts a fault in force in the cluster with results in `out`.
pub fn fault(out: &Path, request: ClusterFaultRequest) -> anyhow::Result<ClusterFaultReply> {
    call(out, async |mut cluster| cluster.fault(request).await)
}

/// Ends every fault in it.
pub fn heal(out: &Path) -> anyhow::Result<ClusterHealReply> {
    call(out, async |mut cluster| {
        cluster.heal(ClusterHealRequest {}).await
    })
}

/// Begins a change of its members.
pub fn change(out: &Path, change: Change) -> anyhow::Result<ClusterChangeReply> {
    let change = change.to_string();
    call(out, async |mut cluster| {
        cluster.change(ClusterChangeRequest { change }).await
    })
}

/// Asks how it stands.
pub fn status(out: &Path) -> anyhow::Result<ClusterStatusReply> {
    call(out, async |mut cluster| {
        cluster.status(ClusterStatusRequest {}).await
    })
}

/// Ends it, and waits until the run's folder is written.
pub fn down(out: &Path) -> anyhow::Result<ClusterDownReply> {
    call(out, async |mut cluster| {
        cluster.down(ClusterDownRequest {}).await
    })
}

fn call<T>(
    out: &Path,
    ask: impl AsyncFnOnce(ClusterClient<Channel>) -> Result<Response<T>, Status>,
) -> anyhow::Result<T> {
    let up = ClusterRecord::read(out).class(Class::Cluster)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let reply: anyhow::Result<_> = runtime.block_on(async {
        let endpoint = Endpoint::from_shared(format!("http://{}", up.control))?;
        let channel = endpoint.connect_timeout(CONNECTED_WITHIN).connect().await;
        let channel = channel.with_context(|| {
            format!(
                "the cluster kept by process {} does not answer at {}",
                up.pid, up.control
            )
        })?;
        let reply = ask(ClusterClient::new(channel)).await;
        let reply = reply.map_err(|status| anyhow!("{}", status.message()))?;
        Ok(reply.into_inner())
    });
    reply.class(Class::Cluster)
}

const CONNECTED_WITHIN: Duration = Duration::from_secs(2);
