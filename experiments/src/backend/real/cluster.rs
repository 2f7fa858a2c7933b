//! The processes of a run and the links between them.

use super::child::{NodeStart, Reporting, Start};
use super::doors::Doors;
use super::observer::Observer;
use super::process::{self, Process};
use crate::backend::Run;
use crate::plan::machine::Blow;
use crate::plan::{Fault, Plan};
use crate::record::Folder;
use anyhow::{Context as _, anyhow, bail};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tidemark_node::conditions::Conditions;
use tidemark_observer::service::Reporter;
use tidemark_proto::clock::Clock;
use tidemark_proto::event::{Event, MachineChange, Milestone};
use tidemark_proto::id::NodeId;
use tidemark_proto::wire::netfuzz_client::NetfuzzClient;
use tidemark_proto::wire::{
    HealRequest, Link, LoadRequest, OpenRequest, StatusReply, StatusRequest,
};
use tokio::runtime::Handle;
use tonic::transport::{Channel, Endpoint};

/// Where a directed link is dialled.
pub(crate) type Links = BTreeMap<(NodeId, NodeId), String>;

/// Nodes, proxy and observer of a run.
pub(crate) struct Cluster {
    plan: Plan,
    /// Where people dial it, if that was chosen: member i through the proxy at this port + i.
    port: Option<u16>,
    runtime: Handle,
    clock: Clock,
    members: BTreeMap<NodeId, Member>,
    netfuzz: Process,
    control: NetfuzzClient<Channel>,
    observer: Observer,
    doors: Doors,
    links: Links,
    note: Option<Note>,
    /// A folder for each member's data; they outlive its processes, and end with the cluster.
    data: TempDir,
}

/// Takes what happens to a run.
pub(crate) type Note = Arc<dyn Fn(Event) + Send + Sync>;

struct Member {
    life: u32,
    /// None while it is down.
    process: Option<Process>,
    is_paused: bool,
    conditions: Conditions,
}

impl Cluster {
    /// Starts every process, opens every link, and sets the run's epoch shortly ahead.
    pub(super) fn start(
        run: &Run,
        folder: &Folder,
        port: Option<u16>,
        runtime: &Handle,
    ) -> anyhow::Result<Self> {
        let plan = &run.plan;
        let observer = Observer::spawn()?;
        let mut netfuzz = Process::start("netfuzz", "netfuzz", None)?;
        let mut processes = BTreeMap::new();
        for id in plan.members() {
            processes.insert(id, Process::start("node", &id.to_string(), None)?);
        }
        let observer = Observer::start(observer, folder.path().canonicalize()?)?;
        let control = netfuzz.address()?;
        netfuzz.order(&Start::Netfuzz(Reporting {
            observer: observer.address(),
            source: "netfuzz".to_owned(),
            detail: plan.events,
        }))?;
        let mut addresses = BTreeMap::new();
        for (id, process) in &mut processes {
            addresses.insert(*id, process.address()?);
        }
        let channel = Endpoint::from_shared(format!("http://{control}"))?.connect_lazy();
        let mut cluster = Self {
            plan: plan.clone(),
            port,
            runtime: runtime.clone(),
            clock: Clock::start(),
            members: BTreeMap::new(),
            netfuzz,
            control: NetfuzzClient::new(channel),
            observer,
            doors: Doors::default(),
            links: Links::new(),
            note: None,
            data: tempfile::Builder::new().prefix("tidemark-").tempdir()?,
        };
        cluster.open(&addresses)?;
        // Everything is up before the epoch: orders take a few milliseconds each.
        let ahead = START_AHEAD + ORDER_TIME * u32::try_from(processes.len())?;
        cluster.clock = Clock::since(
            cluster.clock.epoch_ns() + to_nanoseconds(cluster.clock.elapsed() + ahead),
        );
        cluster.load()?;
        for (id, mut process) in processes {
            process.order(&cluster.orders(id, 1, Conditions::default()))?;
            cluster.members.insert(
                id,
                Member {
                    life: 1,
                    process: Some(process),
                    is_paused: false,
                    conditions: Conditions::default(),
                },
            );
        }
        Ok(cluster)
    }

    /// The run's clock.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// Where the observer listens.
    pub(super) fn observer(&self) -> SocketAddr {
        self.observer.address()
    }

    /// From now on, says what happens to machines.
    pub(super) fn note_with(&mut self, note: Note) {
        self.note = Some(note);
        for id in self.plan.members() {
            self.note_machine(id, MachineChange::Started);
        }
    }

    /// Waits until the run's clock shows this.
    pub(crate) fn wait_until(&self, at: Duration) {
        while let Some(left) = at
            .checked_sub(self.clock.elapsed())
            .filter(|left| !left.is_zero())
        {
            process::wait(left.max(SHORTEST_WAIT));
        }
    }

    /// To whom is said what happens.
    pub(super) fn noted(&self) -> Note {
        self.note.clone().unwrap_or_else(|| Arc::new(|_| {}))
    }

    /// Says that something happened.
    pub(crate) fn note(&self, event: Event) {
        if let Some(note) = &self.note {
            note(event);
        }
    }

    /// Says that the run has come so far.
    pub(crate) fn reach(&self, milestone: Milestone) {
        let at = self.clock.elapsed();
        self.note(Event::Milestone { at, milestone });
    }

    /// Where its nodes listen.
    pub(crate) fn doors(&self) -> Doors {
        self.doors.clone()
    }

    /// The links from clients.
    pub(crate) fn client_links(&self) -> Links {
        let clients = self.plan.clients();
        let from_client = |(from, _): &(NodeId, NodeId)| clients.contains(from);
        let links = self.links.iter().filter(|(ends, _)| from_client(ends));
        links
            .map(|(ends, address)| (*ends, address.clone()))
            .collect()
    }

    /// Everybody that runs a replica: its life, and its process if it is up.
    pub(crate) fn members(&self) -> impl Iterator<Item = (NodeId, u32, Option<u32>)> {
        (self.members.iter()).map(|(id, member)| {
            let process = member.process.as_ref();
            (*id, member.life, process.map(Process::id))
        })
    }

    /// What has passed the network so far.
    pub(crate) fn traffic(&self) -> anyhow::Result<StatusReply> {
        let mut control = self.control.clone();
        let status = self.runtime.block_on(control.status(StatusRequest {}));
        Ok(status.context("the proxy does not answer")?.into_inner())
    }

    /// Finds out who has died unasked. A node is noted, and told; the observer is started again; without the proxy the
    /// run cannot go on.
    pub(crate) fn look_after(&mut self) -> anyhow::Result<Vec<(NodeId, ExitStatus)>> {
        let members = self.members.iter_mut();
        let dead: Vec<_> = members
            .filter_map(|(id, member)| Some((*id, member.process.as_mut()?.ended()?)))
            .collect();
        for (id, _) in &dead {
            if let Some(member) = self.members.get_mut(id) {
                member.process = None;
            }
            self.doors.close(*id);
            self.note_machine(*id, MachineChange::Died);
        }
        if let Some(status) = self.netfuzz.ended() {
            bail!("netfuzz has died: {status}");
        }
        if let Some(gap) = self.observer.keep_up(self.clock)? {
            self.note(Event::Gap(Box::new(gap)));
        }
        Ok(dead)
    }

    /// Does something to machines, to all of them before it waits for any.
    pub(crate) fn strike(&mut self, nodes: &[NodeId], blow: Blow) -> anyhow::Result<()> {
        let signal = match blow {
            Blow::Crash | Blow::Wipe => Signal::KILL,
            Blow::Pause => Signal::STOP,
            Blow::PowerLoss => bail!("a process cannot lose power; crash it, or wipe it"),
            Blow::Skew(_) | Blow::SlowSync(_) | Blow::FillDisk => {
                return self.change(nodes, |conditions| blow.worsen(conditions));
            }
        };
        let mut killed = Vec::new();
        for id in nodes {
            let member = self.member(*id)?;
            let Some(process) = &mut member.process else {
                continue;
            };
            process.signal(signal);
            if blow == Blow::Pause {
                member.is_paused = true;
            } else {
                killed.extend(member.process.take());
                self.doors.close(*id);
            }
            self.note_machine(*id, blow.change());
        }
        killed.iter_mut().for_each(Process::kill);
        for id in nodes.iter().filter(|_| blow == Blow::Wipe) {
            match fs::remove_dir_all(self.data(*id)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("the disk of {id} cannot be wiped"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Undoes what was done to machines, as far as it was not undone already.
    pub(crate) fn mend(&mut self, nodes: &[NodeId], blow: Blow) -> anyhow::Result<()> {
        match blow {
            Blow::Crash | Blow::PowerLoss | Blow::Wipe => self.restart(nodes),
            Blow::Pause => {
                nodes.iter().for_each(|id| self.resume(*id));
                Ok(())
            }
            Blow::Skew(_) | Blow::SlowSync(_) | Blow::FillDisk => {
                self.change(nodes, |conditions| blow.mend(conditions))
            }
        }
    }

    /// Changes the conditions of machines, and tells the nodes that are up.
    fn change(
        &mut self,
        nodes: &[NodeId],
        change: impl Fn(&mut Conditions) -> Option<MachineChange>,
    ) -> anyhow::Result<()> {
        for id in nodes {
            let member = self.member(*id)?;
            let before = member.conditions;
            let changed = change(&mut member.conditions);
            if member.conditions == before {
                continue;
            }
            if let Some(process) = &mut member.process {
                // Whoever has died meanwhile is told at the next start.
                let _ = process.tell(&member.conditions);
            }
            if let Some(change) = changed {
                self.note_machine(*id, change);
            }
        }
        Ok(())
    }

    fn resume(&mut self, id: NodeId) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        if !std::mem::take(&mut member.is_paused) {
            return;
        }
        if let Some(process) = &member.process {
            process.signal(Signal::CONT);
            self.note_machine(id, MachineChange::Resumed);
        }
    }

    /// Starts the nodes of these that are down, each in its next life.
    fn restart(&mut self, nodes: &[NodeId]) -> anyhow::Result<()> {
        let mut started = Vec::new();
        for id in nodes {
            if self.member(*id)?.process.is_none() {
                started.push((*id, Process::start("node", &id.to_string(), None)?));
            }
        }
        for (id, mut process) in started {
            let address = process.address()?;
            let member = self.member(id)?;
            member.life += 1;
            member.is_paused = false;
            let (life, conditions) = (member.life, member.conditions);
            // Storage in memory leaves nothing there.
            let is_kept = self.data(id).exists();
            // What it says that it holds comes after this.
            let at = self.clock.elapsed();
            process.order(&self.orders(id, life, conditions))?;
            self.open(&BTreeMap::from([(id, address)]))?;
            self.member(id)?.process = Some(process);
            let change = if is_kept {
                MachineChange::Restarted
            } else {
                MachineChange::RestartedEmpty
            };
            self.note(Event::Machine {
                at,
                node: id,
                change,
            });
        }
        Ok(())
    }

    fn member(&mut self, id: NodeId) -> anyhow::Result<&mut Member> {
        let member = self.members.get_mut(&id);
        member.with_context(|| format!("there is no {id}"))
    }

    /// Ends every fault: of the network, and of machines that are down.
    pub(crate) fn heal(&mut self) -> anyhow::Result<()> {
        let mut control = self.control.clone();
        self.runtime.block_on(control.heal(HealRequest {}))?;
        let members = self.plan.members();
        members.iter().for_each(|id| self.resume(*id));
        self.change(&members, |conditions| {
            *conditions = Conditions::default();
            None
        })?;
        self.restart(&members)
    }

    /// Ends nodes and proxy; what they have seen reaches the observer first.
    pub(super) fn stop_members(&mut self) {
        let note = self.note.take();
        for id in self.plan.members() {
            self.resume(id);
        }
        let mut processes: Vec<&mut Process> = self
            .members
            .values_mut()
            .filter_map(|member| member.process.as_mut())
            .collect();
        processes
            .iter_mut()
            .for_each(|process| process.ask_to_end());
        // An observer that cannot be kept up shows in how it ends.
        let mut keep_up = || {
            if let (Ok(Some(gap)), Some(note)) = (self.observer.keep_up(self.clock), &note) {
                note(Event::Gap(Box::new(gap)));
            }
        };
        for process in processes.into_iter().chain([&mut self.netfuzz]) {
            process.wait_for_end_and_meanwhile(ENDED_WITHIN, &mut keep_up);
        }
    }

    /// Waits until all that the runner and its clients have seen has reached the observer; tells how many events have not.
    pub(super) fn close(&mut self, reporter: Reporter) -> u64 {
        self.observer.take_last(reporter, self.clock, &self.runtime)
    }

    /// Ends the observer, whose files are then whole.
    pub(super) fn stop_observer(&mut self) -> anyhow::Result<()> {
        self.observer.stop(ENDED_WITHIN)
    }

    /// Opens the links to these members, or turns those that are open to where the members listen now.
    fn open(&mut self, addresses: &BTreeMap<NodeId, SocketAddr>) -> anyhow::Result<()> {
        let senders = self.plan.members().into_iter().chain(self.plan.clients());
        let ends: Vec<(NodeId, NodeId)> = senders
            .flat_map(|from| addresses.keys().map(move |to| (from, *to)))
            .filter(|(from, to)| from != to)
            .collect();
        let is_client = |from: &NodeId| from.role() == tidemark_proto::id::Role::Client;
        let links = ends.iter().map(|(from, to)| Link {
            from: from.to_string(),
            to: to.to_string(),
            upstream: addresses[to].to_string(),
            datagram: !is_client(from),
            port: match self.port {
                Some(port) if *from == NodeId::client(1) => u32::from(port) + self.place(*to),
                _ => 0,
            },
        });
        let request = OpenRequest {
            links: links.collect(),
        };
        self.doors.open(addresses);
        let mut control = self.control.clone();
        let reply = self.runtime.block_on(control.open(request));
        let reply = reply.map_err(|status| anyhow!("{}", status.message()))?;
        self.links
            .extend(ends.into_iter().zip(reply.into_inner().listeners));
        Ok(())
    }

    /// The faults of the network are these from now on; what others did before is over.
    pub(crate) fn set_faults(&mut self, faults: Vec<Fault>) -> anyhow::Result<()> {
        self.plan.fault = faults;
        self.load()
    }

    /// Which of the members it is, from 1.
    fn place(&self, id: NodeId) -> u32 {
        let members = self.plan.members();
        let before = members.iter().take_while(|member| **member != id);
        1 + before.count() as u32
    }

    fn load(&mut self) -> anyhow::Result<()> {
        let request = LoadRequest {
            rules_json: serde_json::to_string(&self.plan.spec())?,
            seed: self.plan.seed,
            epoch_ns: self.clock.epoch_ns(),
        };
        let mut control = self.control.clone();
        self.runtime
            .block_on(control.load(request))
            .context("the rules cannot be loaded")?;
        Ok(())
    }

    /// Where a member's data is.
    fn data(&self, id: NodeId) -> PathBuf {
        self.data.path().join(id.to_string())
    }

    fn orders(&self, id: NodeId, life: u32, conditions: Conditions) -> Start {
        let links = self.links.iter().filter(|((from, _), _)| *from == id);
        Start::Node(Box::new(NodeStart {
            config: self.plan.config(),
            id,
            life,
            links: links
                .map(|((_, to), address)| (*to, address.clone()))
                .collect(),
            epoch_ns: self.clock.epoch_ns(),
            conditions,
            reporting: Some(Reporting {
                observer: self.observer.address(),
                // A new process counts its events from 0 again.
                source: format!("{id}~{life}"),
                detail: self.plan.events,
            }),
            data: Some(self.data(id)),
        }))
    }

    fn note_machine(&self, node: NodeId, change: MachineChange) {
        let at = self.clock.elapsed();
        self.note(Event::Machine { at, node, change });
    }
}

fn to_nanoseconds(duration: Duration) -> u64 {
    tidemark_proto::time::nanoseconds(duration)
}

/// The clock stands still before the epoch: a wait for its first moment looks again after so long.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
const START_AHEAD: Duration = Duration::from_millis(200);
const ORDER_TIME: Duration = Duration::from_millis(20);
const ENDED_WITHIN: Duration = Duration::from_secs(10);
