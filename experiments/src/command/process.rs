//! `tidemark node`, `netfuzz`, `observer`: the processes of a deployment that somebody makes by hand.
//!
//! They belong to no run, so their times count from the machine's start, which all of them can read.

use super::plan_name::PlanName;
use crate::backend::real::child::{self, NodeStart, Reporting};
use crate::plan::{Plan, load, to_toml};
use crate::record::{Folder, Ledger};
use crate::run::{print, quoted};
use anyhow::{Context as _, anyhow, bail, ensure};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tidemark_node::conditions::{Conditions, Shared};
use tidemark_observer::service::Reporter;
use tidemark_proto::clock::Clock;
use tidemark_proto::event::{Event, Gap, Milestone};
use tidemark_proto::id::{NodeId, Role};
use tidemark_proto::wire::netfuzz_client::NetfuzzClient;
use tidemark_proto::wire::{Link, LoadRequest, OpenRequest};
use tokio::net::TcpListener;

#[derive(clap::Args)]
struct Deployed {
    /// What is deployed: a plan file, or the name of a built-in plan.
    #[arg(long, value_parser = PlanName, hide_possible_values = true)]
    plan: String,
    /// Change the plan: `--set replication.r=2`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Where to listen, on loopback; port 0: any that is free.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", value_parser = loopback)]
    listen: SocketAddr,
}

#[derive(clap::Args)]
pub(super) struct Node {
    /// Which of the plan's nodes and gateways it is.
    #[arg(long)]
    id: NodeId,
    #[command(flatten)]
    deployed: Deployed,
    /// Where to dial another node: `n2=127.0.0.1:7002`; once for each.
    #[arg(long = "peer", value_name = "NAME=ADDRESS", value_parser = peer)]
    peers: Vec<(NodeId, SocketAddr)>,
    /// Which of its lives this is: one more each time it is started again.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    life: u32,
    /// The observer to report to.
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    observer: Option<SocketAddr>,
    /// The folder in which its storage keeps its data, if the plan's storage is on disk; it is of this node alone.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(super) struct Netfuzz {
    #[command(flatten)]
    deployed: Deployed,
    /// Open a listener for a link: `n1 -> n2 = 127.0.0.1:7002`, where the address is that of n2; a port of one's choice:
    /// `n1 -> n2 = 127.0.0.1:7002 at 7102`. May be repeated.
    #[arg(long = "link", value_name = "FROM -> TO = ADDRESS", value_parser = link)]
    links: Vec<Link>,
    /// The observer to report to.
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    observer: Option<SocketAddr>,
}

#[derive(clap::Args)]
pub(super) struct Observer {
    #[command(flatten)]
    deployed: Deployed,
    /// Where results go.
    #[arg(long, default_value = "results")]
    out: PathBuf,
    /// Go on with the history in this folder, whose observer died, instead of making one below `--out`: nodes and proxy send
    /// what has no receipt if this one listens where that did.
    #[arg(long, value_name = "FOLDER", conflicts_with = "out")]
    resume: Option<PathBuf>,
}

/// A process as a run starts it: it is told where to listen, if it is not to choose, and what to do on its standard input.
pub(super) fn supervised(listen: Option<&str>) -> anyhow::Result<ExitCode> {
    child::run(loopback(listen.unwrap_or("127.0.0.1:0"))?)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn node(node: Node) -> anyhow::Result<ExitCode> {
    let (_, plan) = node.deployed.load()?;
    let (id, life) = (node.id, node.life);
    let start = NodeStart {
        config: plan.config(),
        id,
        life,
        links: links(&plan, id, &node.peers)?,
        epoch_ns: EPOCH_NS,
        conditions: Conditions::default(),
        reporting: reporting(node.observer, format!("{id}~{life}"), &plan),
        data: node.data,
    };
    serve(async {
        let (listener, address) = bind(node.deployed.listen).await?;
        let ready = || print(&format!("{id} listens at {address}\n"));
        child::node(listener, start, Shared::default(), ready, interrupted()?).await
    })
}

pub(super) fn netfuzz(netfuzz: Netfuzz) -> anyhow::Result<ExitCode> {
    let (_, plan) = netfuzz.deployed.load()?;
    // One that is started again counts its events from 0 again.
    let source = format!("netfuzz~{}", std::process::id());
    let reporting = reporting(netfuzz.observer, source, &plan);
    serve(async {
        let (listener, address) = bind(netfuzz.deployed.listen).await?;
        let (ready, shutdown) = (|| Ok(()), interrupted()?);
        let opened = async {
            let text = open(&plan, address, &netfuzz.links).await?;
            print(&text)?;
            std::future::pending::<anyhow::Result<()>>().await
        };
        tokio::select! {
            served = child::netfuzz(listener, reporting, ready, shutdown) => served,
            failed = opened => failed,
        }
    })
}

pub(super) fn observer(observer: Observer) -> anyhow::Result<ExitCode> {
    serve(async {
        let (listener, address) = bind(observer.deployed.listen).await?;
        let folder = observer.folder()?;
        let (ledger, begun) = Ledger::open(&folder)?;
        let clock = Clock::since(EPOCH_NS);
        // One that is started again counts its events from 0 again.
        let reporter = Reporter::connect(address, &format!("{RUNNER}{}", std::process::id()));
        let milestone = |milestone| Event::Milestone {
            at: clock.elapsed(),
            milestone,
        };
        let has_begun = |(source, next): (&String, &u64)| source.starts_with(RUNNER) && *next > 0;
        if !begun.settled.iter().any(has_begun) {
            reporter.report(milestone(Milestone::Started));
        }
        if observer.resume.is_some() {
            reporter.report(Event::Gap(Box::new(down(begun.reached, clock)?)));
        }
        let path = folder.path().display();
        let ready = || {
            print(&format!(
                "the observer listens at {address}\nit writes {path}\n"
            ))
        };
        let interrupted = interrupted()?;
        let mut lost = 0;
        let shutdown = async {
            interrupted.await;
            reporter.report(milestone(Milestone::Ended));
            lost = reporter.close(REPORTED_WITHIN).await;
        };
        child::observer(listener, &folder, (ledger, begun), ready, shutdown).await?;
        ensure!(
            lost == 0,
            "{lost} events of the observer itself are not written down: the history in {path} is not whole"
        );
        print(&format!(
            "tidemark observe {} computes its figures\n",
            quoted(&path.to_string())
        ))
    })
}

/// The time in which nobody observed.
fn down(from: Duration, clock: Clock) -> anyhow::Result<Gap> {
    let until = clock.elapsed();
    ensure!(
        from <= until,
        "the machine has been started anew since its history began: the times of what is to come do not compare with those in it"
    );
    Ok(Gap {
        source: Gap::OBSERVER.to_owned(),
        from,
        until,
        count: 0,
    })
}

impl Observer {
    /// The folder of a new run, or of the one that is to be gone on with.
    fn folder(&self) -> anyhow::Result<Folder> {
        let Deployed { plan, sets, .. } = &self.deployed;
        let mut replay = format!("tidemark observer --plan {}", quoted(plan));
        for set in sets {
            write!(replay, " --set {}", quoted(set))?;
        }
        let (name, plan) = self.deployed.load()?;
        let Some(path) = &self.resume else {
            let created = Folder::create(&self.out, &name, "real", &plan, Vec::new(), replay);
            return Ok(created?.0);
        };
        let (folder, record) = Folder::open(path)?;
        let path = path.display();
        ensure!(
            Ledger::is_open(&folder),
            "the history in {path} is complete; start a new one without --resume"
        );
        ensure!(
            record.manifest.plan_toml == to_toml(&plan)?,
            "{path} is of another plan; it was begun by: {}",
            record.manifest.replay
        );
        Ok(folder)
    }
}

impl Deployed {
    fn load(&self) -> anyhow::Result<(String, Plan)> {
        let (name, plan) = load(&self.plan, "real", &self.sets)?;
        Ok((name, plan.scaled()))
    }
}

fn serve(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<ExitCode> {
    let runtime = child::runtime()?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result.map(|()| ExitCode::SUCCESS)
}

async fn bind(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("{address} cannot be listened at"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Ends at Ctrl-C, or when the process is asked to end.
fn interrupted() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn reporting(observer: Option<SocketAddr>, source: String, plan: &Plan) -> Option<Reporting> {
    observer.map(|observer| Reporting {
        observer,
        source,
        detail: plan.events,
    })
}

/// Where to dial each other member of the plan.
fn links(
    plan: &Plan,
    id: NodeId,
    peers: &[(NodeId, SocketAddr)],
) -> anyhow::Result<BTreeMap<NodeId, String>> {
    let members = plan.members();
    let names: Vec<_> = members.iter().map(NodeId::to_string).collect();
    let names = names.join(", ");
    ensure!(members.contains(&id), "--id is {id}; the plan has {names}");
    let mut links = BTreeMap::new();
    for (peer, address) in peers {
        ensure!(
            members.contains(peer) && *peer != id,
            "--peer names {peer}; the plan has {names}, and {id} is this one"
        );
        if links.insert(*peer, address.to_string()).is_some() {
            bail!("--peer names {peer} twice");
        }
    }
    let missing = members
        .iter()
        .find(|member| **member != id && !links.contains_key(member));
    if let Some(missing) = missing {
        bail!("no --peer says where {missing} is; the plan has {names}");
    }
    Ok(links)
}

/// Puts the plan's weather in force, opens the links, and tells where they listen.
async fn open(plan: &Plan, control: SocketAddr, links: &[Link]) -> anyhow::Result<String> {
    let mut proxy = NetfuzzClient::connect(format!("http://{control}")).await?;
    let mut spec = plan.spec();
    spec.fault.clear();
    let known: Vec<_> = spec.participants.iter().map(NodeId::to_string).collect();
    for end in links.iter().flat_map(|link| [&link.from, &link.to]) {
        ensure!(
            known.contains(end),
            "--link names {end}; the plan has {}",
            known.join(", ")
        );
    }
    proxy
        .load(LoadRequest {
            rules_json: serde_json::to_string(&spec)?,
            seed: plan.seed,
            epoch_ns: EPOCH_NS,
        })
        .await?;
    let opened = proxy
        .open(OpenRequest {
            links: links.to_vec(),
        })
        .await
        .map_err(|status| anyhow!("links cannot be opened: {}", status.message()))?;
    let mut text = format!("netfuzz listens at {control}\n");
    for (link, listener) in links.iter().zip(opened.into_inner().listeners) {
        let Link {
            from, to, upstream, ..
        } = link;
        writeln!(
            text,
            "{from} -> {to} listens at {listener}, leads to {upstream}"
        )?;
    }
    Ok(text)
}

fn loopback(text: &str) -> anyhow::Result<SocketAddr> {
    let address: SocketAddr = text.parse().context("write it like 127.0.0.1:7001")?;
    ensure!(
        address.ip().is_loopback(),
        "it is not on loopback, and there is neither TLS nor a token yet to keep strangers out; choose 127.0.0.1 or [::1]"
    );
    Ok(address)
}

fn peer(text: &str) -> anyhow::Result<(NodeId, SocketAddr)> {
    let (name, address) = text
        .split_once('=')
        .context("write it like n2=127.0.0.1:7002")?;
    Ok((name.trim().parse()?, loopback(address.trim())?))
}

fn link(text: &str) -> anyhow::Result<Link> {
    let example = "write it like n1 -> n2 = 127.0.0.1:7002";
    let (from, rest) = text.split_once("->").context(example)?;
    let (rest, port) = rest.split_once(" at ").unwrap_or((rest, "0"));
    let port: u16 = port
        .trim()
        .parse()
        .context("its port is no number up to 65535")?;
    let (from, (to, upstream)) = (from.trim().parse::<NodeId>()?, peer(rest)?);
    Ok(Link {
        from: from.to_string(),
        to: to.to_string(),
        upstream: upstream.to_string(),
        datagram: from.role() != Role::Client,
        port: port.into(),
    })
}

const EPOCH_NS: u64 = 0;
/// What an observer calls itself, before the number of its process.
const RUNNER: &str = "runner~";
const REPORTED_WITHIN: Duration = Duration::from_secs(5);
