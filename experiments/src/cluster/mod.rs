//! A cluster that stays up to be poked by hand: as the back-end `real` starts it, without its load, with faults as people
//! type them, and at the end with all that a run leaves behind.

mod client;
mod faults;
mod hand;
mod service;
mod welcome;

pub use client::{change, down, fault, heal, status};

use crate::administrator::Administrator;
use crate::backend::real::{Changes, Cluster, runtime, with_cluster};
use crate::backend::{Progress, Run};
use crate::plan::{Plan, load};
use crate::record::{ClusterClaim, ClusterRecord, Folder};
use crate::run::{Say, ctrlc, print, quoted, say};
use anyhow::ensure;
use hand::Hand;
use service::Desk;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidemark_proto::event::Milestone;
use tidemark_proto::id::NodeId;
use tidemark_proto::span::Span;

/// What `tidemark cluster up` was asked for.
#[derive(Clone, Debug)]
pub struct UpRequest {
    /// A file, or the name of a built-in plan.
    pub plan: String,
    /// In place of the plan's seed.
    pub seed: Option<u64>,
    /// Changes to the plan, `key=value`.
    pub sets: Vec<String>,
    /// Where results go.
    pub out: PathBuf,
    /// The control service listens here, and clients dial the i-th node at this port + i; none: at any free ports.
    pub port: Option<u16>,
    /// How long it stays up, unless it is ended before.
    pub length: Span,
}

/// Keeps a cluster up until it is told to end, then writes the run's folder.
pub fn up(request: &UpRequest) -> anyhow::Result<()> {
    let (name, mut plan) = prepared(request)?;
    let left_out = std::mem::take(&mut plan.fault).len();
    let claim = ClusterClaim::take(&request.out)?;
    let progress = Arc::new(Progress::default());
    let stop = Arc::clone(&progress);
    ctrlc(move || stop.stop())?;
    let runtime = runtime()?;
    let mut desk = Desk::open(request.port.unwrap_or(0), runtime.handle())?;
    let replay = replay(request, plan.seed);
    let (folder, record) = Folder::create(&request.out, &name, "real", &plan, Vec::new(), replay)?;
    let run = Run {
        plan: plan.clone().scaled(),
        progress,
    };
    let work = |cluster: &mut Cluster| {
        let dialled = cluster.client_links().into_iter();
        let dialled = dialled.filter(|((from, _), _)| *from == NodeId::client(1));
        let up = ClusterRecord {
            pid: std::process::id(),
            control: desk.address(),
            folder: folder.path().to_owned(),
            plan: name.clone(),
            nodes: dialled.map(|((_, to), address)| (to, address)).collect(),
        };
        cluster.wait_until(Duration::from_nanos(1));
        cluster.reach(Milestone::Started);
        claim.say(&up)?;
        print(&welcome::text(request, &plan, &up, left_out)?)?;
        let administrator = Administrator::of(&run.plan);
        let changes = Changes::start(administrator, cluster, runtime.handle())?;
        let mut hand = Hand::new(cluster, plan.clone(), &run, &folder, up, &changes);
        let served = hand.serve(&mut desk);
        let ended = hand.end(served);
        changes.end();
        ended
    };
    let ended = with_cluster(&run, &folder, request.port, runtime.handle(), work);
    let said = say(&folder, &record, Say::Text);
    drop(claim);
    desk.close(&folder, runtime.handle());
    runtime.shutdown_background();
    ended?;
    said
}

/// The plan as it is without its load: it is measured from the beginning, and as long as it may be up.
fn prepared(request: &UpRequest) -> anyhow::Result<(String, Plan)> {
    let mut sets = request.sets.clone();
    sets.extend(request.seed.map(|seed| format!("seed={seed}")));
    let (name, mut plan) = load(&request.plan, "real", &sets)?;
    ensure!(
        !request.length.0.is_zero(),
        "--for is 0: nothing would happen"
    );
    plan.duration = request.length.scaled(1.0 / plan.time_scale);
    plan.warmup = Span::default();
    plan.settle = plan.settle.min(LONGEST_SETTLE);
    if let Some(port) = request.port {
        let members = u16::try_from(plan.members().len())?;
        let most = u16::MAX - members;
        ensure!(
            (1..=most).contains(&port),
            "--port is {port}, but a port follows for each of {members} nodes; choose 1 to {most}"
        );
    }
    Ok((name, plan))
}

/// The command that starts such a cluster again.
fn replay(request: &UpRequest, seed: u64) -> String {
    let plan = quoted(&request.plan);
    let mut command = format!("tidemark cluster up {plan} --seed {seed}");
    for set in &request.sets {
        command += &format!(" --set {}", quoted(set));
    }
    command
}

/// How long the quiet phase at the end may be: whoever ends it waits for it.
const LONGEST_SETTLE: Span = Span(Duration::from_secs(1));
