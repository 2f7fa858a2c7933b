//! A process of a run as it sees itself: binds a port, says which, is told what to do, and does it until its standard
//! input closes or its parent dies.

use crate::record::{Begun, Folder, Ledger};
use anyhow::Context as _;
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidemark_netfuzz::proxy;
use tidemark_node::conditions::{Conditions, Shared};
use tidemark_node::config::Config;
use tidemark_node::server::{self, Settings};
use tidemark_observer::service::{self, Reporter};
use tidemark_proto::clock::Clock;
use tidemark_proto::event::{Detail, Event};
use tidemark_proto::id::NodeId;
use tokio::io::{AsyncBufReadExt as _, BufReader, Stdin};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::transport::server::TcpIncoming;

/// What a process is told to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Be a node.
    Node(Box<NodeStart>),
    /// Be the network.
    Netfuzz(Reporting),
    /// Write the history down in this folder.
    Observer {
        /// The run's folder.
        folder: PathBuf,
    },
}

/// What a node is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeStart {
    /// What the nodes of the cluster are to be.
    pub config: Config,
    /// Which of them it is.
    pub id: NodeId,
    /// Which of its lives this is.
    pub life: u32,
    /// Where to dial the others.
    pub links: BTreeMap<NodeId, String>,
    /// The run's epoch on CLOCK_MONOTONIC, in nanoseconds.
    pub epoch_ns: u64,
    /// What is wrong with its machine at its start; later, each line on its standard input says what is from then on.
    pub conditions: Conditions,
    /// To whom to report; none: to nobody.
    pub reporting: Option<Reporting>,
    /// Where its data is, if its storage is on disk.
    pub data: Option<PathBuf>,
}

/// To whom a process reports, and how much.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reporting {
    /// The observer's address.
    pub observer: SocketAddr,
    /// Under which name.
    pub source: String,
    /// What is kept.
    pub detail: Detail,
}

/// What a process says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// It listens here.
    Listening(SocketAddr),
    /// It does what it was told.
    Ready,
}

/// Runs as a process of a run that listens there, whatever it is told to be.
pub fn run(listen: SocketAddr) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let runtime = runtime()?;
    let result = runtime.block_on(work(listen));
    runtime.shutdown_background();
    result
}

/// What carries the connections of a node, a netfuzz or an observer: one thread, beside the one that has the state. Of several,
/// each would run a connection as soon as one reply is in it, and so send every reply by itself.
pub fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

async fn work(listen: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    say(Said::Listening(listener.local_addr()?))?;
    let mut orders = BufReader::new(tokio::io::stdin());
    let mut line = String::new();
    if orders.read_line(&mut line).await? == 0 {
        return Ok(());
    }
    let start: Start = serde_json::from_str(&line).context("the order cannot be read")?;
    let conditions = Shared::default();
    let (ready, shutdown) = (|| say(Said::Ready), closed(orders, conditions.clone()));
    match start {
        Start::Node(start) => {
            conditions.set(start.conditions);
            node(listener, *start, conditions, ready, shutdown).await
        }
        Start::Netfuzz(reporting) => netfuzz(listener, Some(reporting), ready, shutdown).await,
        Start::Observer { folder } => {
            let (folder, _) = Folder::open(&folder)?;
            let ledger = Ledger::open(&folder)?;
            observer(listener, &folder, ledger, ready, shutdown).await
        }
    }
}

/// Is a node until `shutdown`, on a machine under such conditions; calls `ready` when it is about to serve.
pub async fn node(
    listener: TcpListener,
    start: NodeStart,
    conditions: Shared,
    ready: impl FnOnce() -> anyhow::Result<()>,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let (reporter, note) = report_to(start.reporting.as_ref()).unzip();
    let settings = Settings {
        config: start.config,
        id: start.id,
        life: start.life,
        links: start.links,
        clock: Clock::since(start.epoch_ns),
        data: start.data,
        conditions,
    };
    ready()?;
    let served = server::serve(listener, settings, note, shutdown).await;
    finish(reporter).await;
    Ok(served?)
}

/// Is the network until `shutdown`; calls `ready` when it is about to serve.
pub async fn netfuzz(
    listener: TcpListener,
    reporting: Option<Reporting>,
    ready: impl FnOnce() -> anyhow::Result<()>,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let keep = reporting.as_ref().map_or(Detail::None, |to| to.detail);
    let (reporter, note) = report_to(reporting.as_ref()).unzip();
    let note = note.unwrap_or_else(|| Arc::new(drop));
    ready()?;
    let served = proxy::serve(listener, proxy::Journal { keep, note }, shutdown).await;
    finish(reporter).await;
    served.map_err(anyhow::Error::from_boxed)
}

/// Writes the folder's history down until `shutdown`; calls `ready` when it is about to serve.
pub async fn observer(
    listener: TcpListener,
    folder: &Folder,
    (ledger, begun): (Ledger, Begun),
    ready: impl FnOnce() -> anyhow::Result<()>,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    ready()?;
    // A receipt that waits for others makes a clock's bound wider.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    tonic::transport::Server::builder()
        .http2_keepalive_interval(None)
        .add_service(service::server(ledger, begun.settled))
        .serve_with_incoming_shutdown(incoming, shutdown)
        .await?;
    Ledger::close(folder)
}

type Note = Arc<dyn Fn(Event) + Send + Sync>;

/// A line to the observer, if there is one, and what passes on what is to be kept.
fn report_to(reporting: Option<&Reporting>) -> Option<(Reporter, Note)> {
    let reporting = reporting?;
    let reporter = Reporter::connect(reporting.observer, &reporting.source);
    let (line, detail) = (reporter.clone(), reporting.detail);
    let note = move |event: Event| {
        if event.detail() <= detail {
            line.report(event);
        }
    };
    Some((reporter, Arc::new(note)))
}

/// What was seen reaches the observer before the process ends.
async fn finish(reporter: Option<Reporter>) {
    if let Some(reporter) = reporter {
        reporter.close(REPORTED_WITHIN).await;
    }
}

/// Ends when the parent closes this process's standard input, or is gone; until then each line says how the machine is.
async fn closed(mut orders: BufReader<Stdin>, conditions: Shared) {
    let mut line = String::new();
    // An error means that the other end is gone, or talks nonsense, which it does not.
    while orders
        .read_line(&mut line)
        .await
        .is_ok_and(|length| length > 0)
    {
        let Ok(order) = serde_json::from_str(&line) else {
            return;
        };
        conditions.set(order);
        line.clear();
    }
}

fn say(said: Said) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(&said)?)?;
    Ok(out.flush()?)
}

const REPORTED_WITHIN: Duration = Duration::from_secs(5);
