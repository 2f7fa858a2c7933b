//! Real processes on loopback: a process a node, the fault proxy between all of them, an observer that writes it down.

pub mod child;
mod cluster;
mod doors;
mod load;
mod members;
mod observer;
pub mod process;

pub(crate) use cluster::Cluster;
pub(crate) use members::Changes;

use super::{Backend, Build, Run};
use crate::administrator::Administrator;
use crate::command::exit::{Class, Classed as _};
use crate::plan::machine::{Blow, Strike, strikes};
use crate::record::Folder;
use anyhow::Context as _;
use load::Load;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tidemark_netfuzz::Network;
use tidemark_observer::service::Reporter;
use tidemark_proto::event::{Event, FaultSpan, Milestone};
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, Options, resolve, schema};
use tokio::runtime::{Handle, Runtime};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "real",
    about: "a process a node on loopback, behind the fault proxy, by the wall clock",
    promises: &[],
    resolve: resolve::<NoOptions>,
    schema: schema::<NoOptions>,
    build: |_: &Options| Box::new(Real),
};

/// It has none.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoOptions {}

struct Real;

/// What the plan does at a time.
enum Step {
    Begin(FaultSpan),
    Strike(Vec<NodeId>, Blow),
    Mend(Vec<NodeId>, Blow),
    Milestone(Milestone),
}

impl Backend for Real {
    fn run(&self, run: &Run, folder: &Folder) -> anyhow::Result<Milestone> {
        let runtime = runtime()?;
        let steps = steps(run)?;
        let ended = with_cluster(run, folder, None, runtime.handle(), |cluster| {
            let load = Load::start(run, cluster, runtime.handle())?;
            let administrator = Administrator::of(&run.plan);
            let changes = Changes::start(administrator, cluster, runtime.handle())?;
            let ended = carry_out(run, steps, cluster);
            changes.end();
            load.end();
            ended
        });
        runtime.shutdown_background();
        ended
    }
}

/// Starts the cluster of a plan, does something with it, and ends it; what was seen of it is then in the folder.
/// Clients dial member i at `port` + i if a port is given.
pub(crate) fn with_cluster(
    run: &Run,
    folder: &Folder,
    port: Option<u16>,
    runtime: &Handle,
    work: impl FnOnce(&mut Cluster) -> anyhow::Result<Milestone>,
) -> anyhow::Result<Milestone> {
    let _entered = runtime.enter();
    let mut cluster = Cluster::start(run, folder, port, runtime)?;
    let reporter = Reporter::connect(cluster.observer(), RUNNER);
    let detail = run.plan.events;
    cluster.note_with({
        let reporter = reporter.clone();
        Arc::new(move |event: Event| {
            if event.detail() <= detail {
                reporter.report(event);
            }
        })
    });
    let ended = work(&mut cluster);
    cluster.reach(*ended.as_ref().unwrap_or(&Milestone::Aborted));
    cluster.stop_members();
    let lost = cluster.close(reporter);
    let observed = cluster.stop_observer();
    let ended = ended?;
    observed?;
    anyhow::ensure!(
        lost == 0,
        "{lost} events of the clients did not reach the observer"
    );
    Ok(ended)
}

/// What carries the connections of a run.
pub(crate) fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

/// Waits for each step of the plan and takes it, until the run is over or shall end.
fn carry_out(
    run: &Run,
    steps: Vec<(Duration, Step)>,
    cluster: &mut Cluster,
) -> anyhow::Result<Milestone> {
    let clock = cluster.clock();
    for (at, step) in steps {
        while let Some(left) = at
            .checked_sub(clock.elapsed())
            .filter(|left| !left.is_zero())
        {
            run.progress.reach(clock.elapsed());
            if run.progress.is_stopped() {
                return Ok(Milestone::Interrupted);
            }
            cluster.look_after().class(Class::Process)?;
            process::wait(left.min(LOOK_EVERY));
        }
        match step {
            Step::Begin(span) => cluster.note(Event::Fault(Box::new(span))),
            Step::Strike(nodes, blow) => cluster.strike(&nodes, blow)?,
            Step::Mend(nodes, blow) => cluster.mend(&nodes, blow)?,
            Step::Milestone(milestone) => {
                if milestone == Milestone::Healed {
                    cluster.heal()?;
                }
                if milestone == Milestone::Ended {
                    return Ok(milestone);
                }
                cluster.reach(milestone);
            }
        }
    }
    Ok(Milestone::Ended)
}

fn steps(run: &Run) -> anyhow::Result<Vec<(Duration, Step)>> {
    let plan = &run.plan;
    let network = Network::new(plan.seed, &plan.spec()).context("the network")?;
    let healed = plan.duration.0;
    let mut steps: Vec<(Duration, Step)> = network
        .spans()
        .into_iter()
        .map(|span| (span.from, Step::Begin(span)))
        .collect();
    for Strike { nodes, blow, span } in strikes(plan) {
        let (from, until) = (span.from, span.until);
        steps.extend([
            (from, Step::Begin(span)),
            (from, Step::Strike(nodes.clone(), blow)),
            (until, Step::Mend(nodes, blow)),
        ]);
    }
    steps.extend([
        (plan.warmup.0, Step::Milestone(Milestone::Started)),
        (healed, Step::Milestone(Milestone::Healed)),
        (healed + plan.settle.0, Step::Milestone(Milestone::Ended)),
    ]);
    steps.sort_by_key(|(at, _)| *at);
    Ok(steps)
}

/// The name under which the runner and its clients report.
const RUNNER: &str = "runner";
/// How often the runner looks whether its processes live and whether it shall end.
const LOOK_EVERY: Duration = Duration::from_millis(50);
