//! The one who keeps a cluster up: does what is asked for, sees who dies, ends what is over.

use super::faults::{Faults, Standing};
use super::service::{Answer, Desk, Order};
use crate::backend::Run;
use crate::backend::real::{Changes, Cluster};
use crate::plan::Plan;
use crate::plan::members::Step;
use crate::record::{ClusterRecord, Folder};
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_node::partitioner::Change;
use tidemark_proto::event::{Event, Milestone};
use tidemark_proto::id::{NodeId, Role};
use tidemark_proto::wire;
use tonic::Status;

/// The cluster in the hands of whoever pokes it.
pub(super) struct Hand<'a> {
    cluster: &'a mut Cluster,
    faults: Faults,
    run: &'a Run,
    folder: &'a Folder,
    up: ClusterRecord,
    changes: &'a Changes,
}

impl<'a> Hand<'a> {
    /// A plan without faults, its cluster, the run of it that goes into a folder, and what is said of it.
    pub(super) fn new(
        cluster: &'a mut Cluster,
        plan: Plan,
        run: &'a Run,
        folder: &'a Folder,
        up: ClusterRecord,
        changes: &'a Changes,
    ) -> Self {
        Self {
            cluster,
            faults: Faults::new(plan),
            run,
            folder,
            up,
            changes,
        }
    }

    /// Does what is asked for, until the cluster shall end.
    pub(super) fn serve(&mut self, desk: &mut Desk) -> anyhow::Result<()> {
        while !self.run.progress.is_stopped() && self.now() < self.run.plan.duration.0 {
            match desk.next(LOOK_EVERY) {
                Some(Order::Fault(request, answer)) => reply(answer, self.fault(&request)),
                Some(Order::Heal(answer)) => reply(answer, self.heal()),
                Some(Order::Change(request, answer)) => reply(answer, self.change(&request)),
                Some(Order::Status(answer)) => reply(answer, self.status()),
                Some(Order::Down(answer)) => {
                    desk.promise(answer);
                    return Ok(());
                }
                None => {}
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
    pub(super) fn end(&mut self, served: anyhow::Result<()>) -> anyhow::Result<Milestone> {
        let healed = served.and_then(|()| self.cluster.heal());
        if healed.is_ok() {
            self.cluster.reach(Milestone::Healed);
        }
        // They end with the measured time or later: no phase comes after them.
        let ended = self.end_faults();
        healed?;
        ended?;
        let rest = self.now() + self.run.plan.settle.0;
        self.cluster.wait_until(rest);
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
        match &standing.strike {
            Some(strike) => self.cluster.strike(&strike.nodes, strike.blow),
            None => self.cluster.set_faults(self.faults.in_force()),
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

    /// Begins a change of the members; results say when it is over.
    fn change(
        &mut self,
        request: &wire::ClusterChangeRequest,
    ) -> Result<wire::ClusterChangeReply, Status> {
        let change = request.change.parse::<Change>();
        let change = change.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let registrar = self.rolls().into_iter().find_map(|(_, roll)| {
            let registrar = roll.registrar.parse().ok()?;
            Some(registrar)
        });
        let registrar = registrar.ok_or_else(|| Status::unavailable("no node answers"))?;
        let began = self.changes.ask(registrar, Some(change));
        let roll = began.map_err(Status::failed_precondition)?;
        self.changes.want(Step::new(self.now(), None, change));
        Ok(wire::ClusterChangeReply { roll: Some(roll) })
    }

    /// The members as each node that answers knows them.
    fn rolls(&self) -> BTreeMap<NodeId, wire::RollReply> {
        let nodes = self
            .cluster
            .members()
            .filter(|(_, _, process)| process.is_some());
        let nodes = nodes.filter(|(id, ..)| id.role() == Role::Node);
        nodes
            .filter_map(|(id, ..)| Some((id, self.changes.ask(id, None).ok()?)))
            .collect()
    }

    fn status(&self) -> Result<wire::ClusterStatusReply, Status> {
        let traffic = self.cluster.traffic().map_err(internal)?;
        let rolls = self.rolls();
        let newest = rolls.values().map(|roll| roll.number).max();
        // The registrar knows for whom it waits.
        let keeps = |(id, roll): &(&NodeId, &wire::RollReply)| {
            Some(roll.number) == newest && roll.registrar == id.to_string()
        };
        let roll = rolls.iter().find(keeps).or_else(|| rolls.first_key_value());
        let node = |(id, life, pid): (NodeId, u32, Option<u32>)| wire::StandingNode {
            moved_percent: rolls.get(&id).and_then(|roll| roll.moved_percent),
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
            roll: roll.map(|(_, roll)| roll.clone()),
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
        match over.strike {
            Some(strike) => self.cluster.mend(&strike.nodes, strike.blow),
            None => Ok(()),
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

/// How often it is looked whether the processes live and whether it shall end.
const LOOK_EVERY: Duration = Duration::from_millis(50);
