//! A cluster that stays up to be poked by hand: as the back-end `real` starts it, without its load, with faults as people
//! type them, and at the end with all that a run leaves behind.

mod client;
mod faults;
mod service;
mod welcome;

pub use client::{down, fault, heal, status};

use crate::backend::real::{Cluster, runtime, with_cluster};
use crate::backend::{Progress, Run};
use crate::plan::{Fault, load};
use crate::record::{ClusterClaim, ClusterRecord, Folder};
use crate::run::{Say, ctrlc, print, quoted, say};
use anyhow::{Context as _, ensure};
use faults::{Faults, Standing};
use service::{Answer, Order};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;
use tidemark_proto::event::{Event, Milestone};
use tidemark_proto::id::NodeId;
use tidemark_proto::span::Span;
use tidemark_proto::wire;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;
use tonic::Status;

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
    let mut sets = request.sets.clone();
    sets.extend(request.seed.map(|seed| format!("seed={seed}")));
    let (name, mut plan) = load(&request.plan, "real", &sets)?;
    let left_out = std::mem::take(&mut plan.fault).len();
    ensure!(
        !request.length.0.is_zero(),
        "--for is 0: nothing would happen"
    );
    plan.duration = request.length.scaled(1.0 / plan.time_scale);
    plan.warmup = Span::default();
    plan.settle = plan.settle.min(LONGEST_SETTLE);
    let members = plan.members();
    let last = u16::try_from(members.len())?;
    if let Some(port) = request.port {
        let most = u16::MAX - last;
        ensure!(
            (1..=most).contains(&port),
            "--port is {port}, but ports follow for {last} nodes; choose 1 to {most}"
        );
    }
    let claim = ClusterClaim::take(&request.out)?;
    let progress = Arc::new(Progress::default());
    let stop = Arc::clone(&progress);
    ctrlc(move || stop.stop())?;

    let runtime = runtime()?;
    let port = request.port.unwrap_or(0);
    let control = runtime
        .block_on(TcpListener::bind(("127.0.0.1", port)))
        .with_context(|| format!("the control service cannot listen on 127.0.0.1:{port}"))?;
    let address = control.local_addr()?;
    let (folder, record) = Folder::create(
        &request.out,
        &name,
        "real",
        &plan,
        replay(request, plan.seed),
    )?;
    let (desk, orders) = sync_channel(MOST_ORDERS);
    let stop_server = Arc::new(Notify::new());
    let server = runtime.spawn(service::serve(control, desk, Arc::clone(&stop_server)));

    let run = Run {
        plan: plan.clone().scaled(),
        progress,
    };
    let mut waiting = Vec::new();
    let work = |cluster: &mut Cluster| {
        let dialled = cluster.client_links().into_iter();
        let dialled = dialled.filter(|((from, _), _)| *from == NodeId::client(1));
        let up = ClusterRecord {
            pid: std::process::id(),
            control: address,
            folder: folder.path().to_owned(),
            plan: name.clone(),
            nodes: dialled.map(|((_, to), address)| (to, address)).collect(),
        };
        cluster.wait_until(Duration::from_nanos(1));
        cluster.reach(Milestone::Started);
        claim.say(&up)?;
        print(&welcome::text(request, &plan, &up, left_out)?)?;
        let mut hand = Hand {
            faults: Faults::new(plan.clone()),
            cluster,
            run: &run,
            folder: &folder,
            up,
        };
        let served = hand.serve(&orders, &mut waiting);
        hand.end(served)
    };
    let ended = with_cluster(&run, &folder, request.port, runtime.handle(), work);
    let said = say(&folder, &record, Say::Text);
    drop(claim);
    // Who asked for the end while it was under way waits for it too.
    waiting.extend(orders.try_iter().filter_map(|order| match order {
        Order::Down(answer) => Some(answer),
        Order::Fault(..) | Order::Heal(_) | Order::Status(_) => None,
    }));
    drop(orders);
    for answer in waiting {
        let folder = folder.path().display().to_string();
        // Whoever asked may be gone.
        let _ = answer.send(Ok(wire::ClusterDownReply { folder }));
    }
    stop_server.notify_one();
    // A caller that keeps its connection does not keep the program.
    let _ = runtime.block_on(async { timeout(SAID_WITHIN, server).await });
    runtime.shutdown_background();
    ended?;
    said
}

/// The cluster in the hands of whoever pokes it.
struct Hand<'a> {
    cluster: &'a mut Cluster,
    faults: Faults,
    run: &'a Run,
    folder: &'a Folder,
    up: ClusterRecord,
}

impl Hand<'_> {
    /// Does what is asked for, until the cluster shall end.
    fn serve(
        &mut self,
        orders: &Receiver<Order>,
        waiting: &mut Vec<Answer<wire::ClusterDownReply>>,
    ) -> anyhow::Result<()> {
        while !self.run.progress.is_stopped() && self.now() < self.run.plan.duration.0 {
            match orders.recv_timeout(LOOK_EVERY) {
                Ok(Order::Fault(request, answer)) => reply(answer, self.fault(&request)),
                Ok(Order::Heal(answer)) => reply(answer, self.heal()),
                Ok(Order::Status(answer)) => reply(answer, self.status()),
                Ok(Order::Down(answer)) => {
                    waiting.push(answer);
                    return Ok(());
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            for (node, status) in self.cluster.look_after()? {
                eprintln!("{node} has died: {status}; `tidemark cluster heal` starts it again");
            }
            for over in self.faults.over(self.now()) {
                self.conclude(over)?;
            }
        }
        Ok(())
    }

    /// Heals, and waits until what is under way has come to rest.
    fn end(&mut self, served: anyhow::Result<()>) -> anyhow::Result<Milestone> {
        let healed = self.end_faults();
        served?;
        healed?;
        self.cluster.heal()?;
        self.cluster.reach(Milestone::Healed);
        self.cluster.wait_until(self.now() + self.run.plan.settle.0);
        Ok(Milestone::Ended)
    }

    fn fault(
        &mut self,
        request: &wire::ClusterFaultRequest,
    ) -> Result<wire::ClusterFaultReply, Status> {
        let now = self.now();
        let up = self.cluster.members();
        let up: Vec<NodeId> = up
            .filter_map(|(id, _, process)| process.map(|_| id))
            .collect();
        let standing = self
            .faults
            .begin(now, request, &up)
            .map_err(|error| Status::invalid_argument(format!("{error:#}")))?;
        let fault = standing.to_wire();
        match &standing.fault {
            Fault::Crash(crash) => self.cluster.crash(crash.crash),
            Fault::Rule(_) => self.cluster.set_faults(self.faults.in_force()),
        }
        .map_err(internal)?;
        Ok(wire::ClusterFaultReply { fault: Some(fault) })
    }

    fn heal(&mut self) -> Result<wire::ClusterHealReply, Status> {
        let is_down = |(id, _, process): (NodeId, u32, Option<u32>)| match process {
            Some(_) => None,
            None => Some(id.to_string()),
        };
        let restarted = self.cluster.members().filter_map(is_down).collect();
        let faults = self.end_faults().map_err(internal)?;
        self.cluster.heal().map_err(internal)?;
        Ok(wire::ClusterHealReply { faults, restarted })
    }

    fn status(&self) -> Result<wire::ClusterStatusReply, Status> {
        let traffic = self.cluster.traffic().map_err(internal)?;
        let node = |(id, life, pid): (NodeId, u32, Option<u32>)| wire::StandingNode {
            name: id.to_string(),
            address: self.up.nodes.get(&id).cloned().unwrap_or_default(),
            life,
            pid,
        };
        Ok(wire::ClusterStatusReply {
            plan: self.up.plan.clone(),
            folder: self.up.folder.display().to_string(),
            up_s: self.now().as_secs_f64(),
            nodes: self.cluster.members().map(node).collect(),
            faults: self.faults.standing().map(Standing::to_wire).collect(),
            messages: traffic.messages,
            lost: traffic.lost,
            held: traffic.held,
            operations: self.folder.operations().map_err(internal)?,
        })
    }

    /// Notes all faults as over; tells their names.
    fn end_faults(&mut self) -> anyhow::Result<Vec<String>> {
        let now = self.now();
        let ended = self.faults.end(now);
        let names = ended.iter().map(|fault| fault.span.name.clone()).collect();
        for over in ended {
            self.conclude(over)?;
        }
        Ok(names)
    }

    /// A fault is over: it is noted with its real times, and whom it had killed starts again.
    fn conclude(&mut self, over: Standing) -> anyhow::Result<()> {
        self.cluster.note(Event::Fault(Box::new(over.span)));
        match over.fault {
            Fault::Crash(crash) => self.cluster.restart(crash.crash),
            Fault::Rule(_) => Ok(()),
        }
    }

    fn now(&self) -> Duration {
        self.cluster.clock().elapsed()
    }
}

fn reply<T>(answer: Answer<T>, result: Result<T, Status>) {
    // Whoever asked may be gone.
    let _ = answer.send(result);
}

fn internal(error: anyhow::Error) -> Status {
    Status::internal(format!("{error:#}"))
}

/// The command that starts such a cluster again.
fn replay(request: &UpRequest, seed: u64) -> String {
    let mut words = vec![format!(
        "tidemark cluster up {} --seed {seed}",
        quoted(&request.plan)
    )];
    let sets = request.sets.iter();
    words.extend(sets.map(|set| format!("--set {}", quoted(set))));
    words.join(" ")
}

/// How often it is looked whether the processes live and whether it shall end.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long the quiet phase at the end may be: whoever ends it waits for it.
const LONGEST_SETTLE: Span = Span(Duration::from_secs(1));
/// How long the last answers may take to reach whoever asked.
const SAID_WITHIN: Duration = Duration::from_secs(2);
/// How many orders may wait.
const MOST_ORDERS: usize = 64;
