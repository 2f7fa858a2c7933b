//! The shell: a driver on its own thread, a link to every other node, and the door by which clients and peers come in.

mod door;
mod driver;
mod frames;
mod link;
mod outbox;
mod queue;

use crate::conditions::Shared;
use crate::config::{self, Config, ConfigError};
use crate::disk::Disk;
use crate::replica::Replica;
use crate::storage::Failed;
use door::{Reception, grpc, peer::Peers};
use driver::Driver;
use link::Links;
use queue::Queue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tidemark_proto::clock::Clock;
use tidemark_proto::event::{Detail, Event};
use tidemark_proto::id::{NodeId, OperationId};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// What one node's process is told.
pub struct Settings {
    /// What the nodes of the cluster are to be.
    pub config: Config,
    /// Which of them this is.
    pub id: NodeId,
    /// Which of its lives this is, from 1.
    pub life: u32,
    /// Where to dial each other node, host:port: the listener of the directed link to it.
    pub links: BTreeMap<NodeId, String>,
    /// The run's clock.
    pub clock: Clock,
    /// A folder of its own, for storage on disk.
    pub data: Option<PathBuf>,
    /// What is wrong with the machine, from moment to moment.
    pub conditions: Shared,
}

/// Takes what a node notes; must be cheap and never wait.
pub type Note = Arc<dyn Fn(Event) + Send + Sync>;

/// Why a node cannot serve, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It cannot be built.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A link has no address.
    #[error("the link to {to} cannot be dialled at {address:?}: {error}; write host:port")]
    Link {
        /// The other node.
        to: NodeId,
        /// What was given.
        address: String,
        /// What is wrong with it.
        error: tonic::transport::Error,
    },
    /// The driver's thread cannot be started.
    #[error("the driver's thread cannot be started: {0}")]
    Thread(std::io::Error),
    /// The listener failed.
    #[error("the listener failed: {0}")]
    Listener(#[from] tonic::transport::Error),
    /// The storage can neither be written nor be trusted any more.
    #[error("{0} cannot go on: {1}")]
    Storage(NodeId, Failed),
    /// The driver's thread died of a bug, or the door closed by itself.
    #[error("the {0} of {1} has ended though nobody asked it to")]
    Ended(&'static str, NodeId),
}

/// Serves as one node until `shutdown`. Then new calls are refused, those in flight get their answers, and what was
/// stored is synced. If nobody takes its notes, it makes as few as it can.
///
/// # Errors
/// The node cannot be built from its settings, or a part of it fails.
pub async fn serve(
    listener: TcpListener,
    settings: Settings,
    note: Option<Note>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let Settings {
        mut config,
        id,
        life,
        links,
        clock,
        data,
        conditions,
    } = settings;
    if note.is_none() {
        config.detail = Detail::None;
    }
    let reporter = Reporter { id, clock, note };
    let storage = config::storage(&config, id, data.as_deref())?;
    let disk = Disk::under(storage, conditions.clone());
    let replica = Replica::new(&config, id, life, disk)?;
    let mut lanes = JoinSet::new();
    let outgoing = Links::open(&links, &config, &reporter, &mut lanes)?;
    let limit = config.limits.queue;
    // Every request that waits for its reply, and what waits for the links.
    let outbox = Arc::new(Queue::new(limit.saturating_add(config.limits.requests)));
    lanes.spawn(outbox::deliver(Arc::clone(&outbox), outgoing));
    let driver = Driver::new(replica, limit, outbox, reporter.clone(), conditions);
    let mut bells = JoinSet::new();
    let (inbox, thread, died) = driver.start(&mut bells).map_err(ServeError::Thread)?;

    let health = HealthReporter::new();
    let (stop, stopping) = watch::channel(false);
    let reception = Reception::new(inbox.clone(), reporter.clone(), life);
    let peers = Peers {
        known: links.into_keys().collect(),
        inbox: inbox.clone(),
        stopping,
        reporter,
        limits: config.limits.clone(),
    };
    let mut server = pin!(grpc::open(listener, &reception, peers, &health));
    let closing = async {
        shutdown.await;
        grpc::set_health(&health, ServingStatus::NotServing).await;
        let closed = timeout(ANSWERED_WITHIN, reception.close()).await;
        stop.send_replace(true);
        closed
    };
    let _closed = tokio::select! {
        closed = closing => closed,
        ended = &mut server => {
            ended?;
            return Err(ServeError::Ended("listener", id));
        }
        _ = died => return Err(ended(thread.join(), id)),
    };
    // What does not end by itself in time ends when it is dropped: none of it is owed to anybody.
    let _ = timeout(DRAINED_WITHIN, server).await;
    let joined = spawn_blocking(move || {
        inbox.stop();
        thread.join()
    });
    match joined.await {
        Ok(Ok(Ok(()))) => {}
        Ok(joined) => return Err(ended(joined, id)),
        Err(_) => return Err(ServeError::Ended("driver", id)),
    }
    let _ = timeout(DRAINED_WITHIN, lanes.join_all()).await;
    Ok(())
}

/// Why the driver has ended though nobody asked it to.
fn ended(joined: thread::Result<Result<(), Failed>>, id: NodeId) -> ServeError {
    match joined {
        Ok(Err(failed)) => ServeError::Storage(id, failed),
        Ok(Ok(())) | Err(_) => ServeError::Ended("driver", id),
    }
}

/// Notes what this node's shell sees.
#[derive(Clone)]
struct Reporter {
    id: NodeId,
    clock: Clock,
    /// None: nobody listens.
    note: Option<Note>,
}

impl Reporter {
    fn note(&self, event: Event) {
        if let Some(note) = &self.note {
            note(event);
        }
    }

    fn refuse(&self, operation: OperationId, reason: impl Into<Cow<'static, str>>) {
        self.note(Event::Refused {
            at: self.clock.elapsed(),
            node: self.id,
            operation,
            reason: reason.into(),
        });
    }
}

/// How long calls in flight may take when the node shuts down.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);
/// How long connections, and afterwards links, may take to carry what was handed to them.
const DRAINED_WITHIN: Duration = Duration::from_millis(200);
