//! The simulated world: machines, network, clients and the order in which things happen.

use super::calls::{OpenCall, OpenCalls};
use super::happening::Happening;
use super::lanes::Lanes;
use super::machine::Machine;
use super::queue::Queue;
use crate::administrator::{Administrator, Ask};
use crate::backend::{Progress, Run};
use crate::client::{Clients, Want};
use crate::plan::Plan;
use crate::plan::machine::{Strike, strikes};
use std::time::Duration;
use tidemark_netfuzz::Network;
use tidemark_node::config::Config;
use tidemark_node::replica::{Input, Output};
use tidemark_node::request::{Code, Refusal, Reply, Request, Ticket};
use tidemark_proto::event::{Detail, Event, MachineChange, Milestone};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Method;
use tidemark_proto::wire::RollReply;

/// Carries out a run in virtual time; every event that the plan keeps goes to the sink, in order.
pub fn simulate(
    run: &Run,
    pace: &mut Pace,
    sink: &mut dyn FnMut(Event),
) -> anyhow::Result<Milestone> {
    let mut world = World::new(&run.plan, &run.progress, sink)?;
    world.prepare()?;
    Ok(world.go(pace))
}

/// How much has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Messages that arrived, alarms, and what the plan does.
    pub happenings: u64,
}

pub(super) struct World<'a> {
    plan: &'a Plan,
    pub(super) config: Config,
    progress: &'a Progress,
    sink: &'a mut dyn FnMut(Event),
    pub(super) detail: Detail,
    pub(super) now: Duration,
    pub(super) queue: Queue<Happening>,
    pub(super) network: Network,
    pub(super) lanes: Lanes,
    pub(super) machines: Vec<Machine>,
    clients: Clients,
    clients_alarm: Option<Duration>,
    administrator: Administrator,
    administrator_alarm: Option<Duration>,
    pub(super) calls: OpenCalls,
    wants: Vec<Want>,
}

impl<'a> World<'a> {
    fn new(
        plan: &'a Plan,
        progress: &'a Progress,
        sink: &'a mut dyn FnMut(Event),
    ) -> anyhow::Result<Self> {
        let config = plan.config();
        let (nodes, gateways) = (
            config.nodes.len() + plan.spares().len(),
            config.gateways.len(),
        );
        Ok(Self {
            progress,
            sink,
            detail: plan.events,
            now: Duration::ZERO,
            queue: Queue::default(),
            network: Network::new(plan.seed, &plan.spec())?,
            lanes: Lanes::new(nodes, gateways, usize::from(plan.client.count)),
            machines: Vec::with_capacity(nodes + gateways),
            clients: Clients::new(plan)?,
            clients_alarm: None,
            administrator: Administrator::of(plan),
            administrator_alarm: None,
            calls: OpenCalls::default(),
            wants: Vec::new(),
            config,
            plan,
        })
    }

    fn prepare(&mut self) -> anyhow::Result<()> {
        for id in self.plan.members() {
            self.machines.push(Machine::start(&self.config, id)?);
            self.note(Event::Machine {
                at: self.now,
                node: id,
                change: MachineChange::Started,
            });
            let node = self.machines.len() - 1;
            self.arm(node, self.machines[node].next_timeout());
        }
        for span in self.network.spans() {
            self.queue.push(span.from, Happening::Begin(Box::new(span)));
        }
        for Strike { nodes, blow, span } in strikes(self.plan) {
            let (from, until) = (span.from, span.until);
            self.queue.push(from, Happening::Begin(Box::new(span)));
            let nodes: Vec<_> = nodes.iter().map(|id| self.lanes.member(*id)).collect();
            for node in nodes {
                self.queue.push(from, Happening::Strike { node, blow });
                self.queue.push(until, Happening::Mend { node, blow });
            }
        }
        self.administer();
        let healed = self.plan.duration.0;
        let ended = healed + self.plan.settle.0;
        self.queue
            .push(self.plan.warmup.0, Happening::Milestone(Milestone::Started));
        self.queue
            .push(healed, Happening::Milestone(Milestone::Healed));
        self.queue
            .push(ended, Happening::Milestone(Milestone::Ended));
        self.arm_clients();
        Ok(())
    }

    fn go(&mut self, pace: &mut Pace) -> Milestone {
        while let Some((at, happening)) = self.queue.pop() {
            self.now = at;
            if let Some(end) = self.happen(happening) {
                return end;
            }
            pace.happenings += 1;
            if pace.happenings.is_multiple_of(1 << 12) {
                self.progress.reach(at);
                if self.progress.is_stopped() {
                    return self.end(Milestone::Interrupted);
                }
            }
        }
        self.end(Milestone::Aborted)
    }

    /// Tells the milestone with which the run is over.
    fn happen(&mut self, happening: Happening) -> Option<Milestone> {
        match happening {
            Happening::Arrive { from, to, message } => {
                let about = Some((from, message.method()));
                self.work(to, Input::Message(from, message), about);
            }
            Happening::Ask { call, request } => self.ask(call, *request),
            Happening::Answer { attempt, reply } => {
                let mut wants = std::mem::take(&mut self.wants);
                self.clients.answered(self.now, attempt, *reply, &mut wants);
                self.satisfy(wants);
            }
            Happening::Handle {
                to,
                life,
                input,
                about,
            } => {
                if self.machines[to].life != life {
                } else if self.machines[to].paused.is_some() {
                    self.hold(to, *input, about);
                } else {
                    self.handle(to, *input, about);
                }
            }
            Happening::DiskDone { node, life } => {
                let machine = &mut self.machines[node];
                if machine.life != life || !machine.is_up() {
                } else if let Some(paused) = &mut machine.paused {
                    paused.is_disk_done = true;
                } else {
                    self.end_disk_work(node);
                }
            }
            Happening::Alarm { node } => self.alarm(node),
            // An alarm that was set before an earlier one is of no more use.
            Happening::Clients if self.clients_alarm != Some(self.now) => {}
            Happening::Clients => {
                self.clients_alarm = None;
                let mut wants = std::mem::take(&mut self.wants);
                self.clients.act(self.now, &mut wants);
                self.satisfy(wants);
            }
            Happening::Administrator if self.administrator_alarm != Some(self.now) => {}
            Happening::Administrator => {
                self.administrator_alarm = None;
                if let Some(ask) = self.administrator.act(self.now) {
                    self.enrol(ask);
                }
                self.administer();
            }
            Happening::Begin(span) => self.note(Event::Fault(span)),
            Happening::Strike { node, blow } => self.strike(node, blow),
            Happening::Mend { node, blow } => self.mend(node, blow),
            Happening::Milestone(milestone @ Milestone::Ended) => return Some(self.end(milestone)),
            Happening::Milestone(milestone) => {
                if milestone == Milestone::Healed {
                    self.network.heal(self.now);
                }
                self.note(Event::Milestone {
                    at: self.now,
                    milestone,
                });
            }
        }
        None
    }

    fn end(&mut self, milestone: Milestone) -> Milestone {
        let mut wants = std::mem::take(&mut self.wants);
        self.clients.abandon(self.now, &mut wants);
        for want in wants {
            if let Want::Note(event) = want {
                self.note(event);
            }
        }
        for span in self.administrator.abandon(self.now) {
            self.note(Event::Fault(Box::new(span)));
        }
        self.note(Event::Milestone {
            at: self.now,
            milestone,
        });
        self.progress.reach(self.now);
        milestone
    }

    /// Sets the administrator's alarm.
    fn administer(&mut self) {
        let Some(due) = self.administrator.next_due() else {
            return;
        };
        let due = due.max(self.now);
        if self.administrator_alarm != Some(due) {
            self.administrator_alarm = Some(due);
            self.queue.push(due, Happening::Administrator);
        }
    }

    /// The administrator asks a node; who is down does not answer.
    fn enrol(
        &mut self,
        Ask {
            number,
            node,
            change,
        }: Ask,
    ) {
        let node = self.lanes.member(node);
        if self.machines[node].is_up() {
            self.work(node, Input::Enrol(Ticket(number), change), None);
        } else {
            self.enrolled(number, Err("the node is down".to_owned()));
        }
    }

    fn enrolled(&mut self, number: u64, answer: Result<RollReply, String>) {
        let (ask, over) = self.administrator.answered(self.now, number, answer);
        if let Some(span) = over {
            self.note(Event::Fault(Box::new(span)));
        }
        if let Some(ask) = ask {
            self.enrol(ask);
        }
        self.administer();
    }

    /// Carries out what the clients want, and sets their alarm.
    fn satisfy(&mut self, mut wants: Vec<Want>) {
        for want in wants.drain(..) {
            match want {
                Want::Note(event) => {
                    if matches!(event, Event::Returned(_)) {
                        self.progress.count_operation();
                    }
                    self.note(event);
                }
                Want::Send {
                    attempt,
                    client,
                    node,
                    request,
                } => {
                    self.request(attempt, client, node, request);
                }
            }
        }
        self.wants = wants;
        self.arm_clients();
    }

    fn arm_clients(&mut self) {
        let Some(due) = self.clients.next_due() else {
            return;
        };
        if self.clients_alarm.is_none_or(|alarm| due < alarm) {
            let due = due.max(self.now);
            self.clients_alarm = Some(due);
            self.queue.push(due, Happening::Clients);
        }
    }

    /// A client's request has come through.
    fn ask(&mut self, call: OpenCall, request: Request) {
        if !self.machines[call.node].is_up() {
            self.unavailable(call);
            return;
        }
        let ticket = self.calls.open(call);
        let (machine, operation) = (&mut self.machines[call.node], request.operation);
        // A node that refuses what has waited for too long knows it sooner here. What it costs to say so is not counted.
        if machine.paused.is_none()
            && let Err(refusal) = machine.admit(self.now)
        {
            let (at, node, reason) = (self.now, machine.id, refusal.message.clone());
            self.note(Event::Refused {
                at,
                node,
                operation,
                reason,
            });
            return self.reply(ticket, Reply::Refused(refusal));
        }
        self.work(call.node, Input::Request(ticket, request), None);
    }

    pub(super) fn unavailable(&mut self, call: OpenCall) {
        let reply = Refusal::new(Code::Unavailable, "the node is down");
        let reply = Box::new(Reply::Refused(reply));
        self.queue.push(
            self.now,
            Happening::Answer {
                attempt: call.attempt,
                reply,
            },
        );
    }

    /// A node takes an input up, now or when it has worked off what came before.
    pub(super) fn work(&mut self, to: usize, input: Input, about: Option<(NodeId, Method)>) {
        if self.machines[to].paused.is_some() {
            return self.hold(to, input, about);
        }
        let machine = &mut self.machines[to];
        machine.hear_wait(self.now);
        let Some(service) = &self.plan.sim.service else {
            return self.handle(to, input, about);
        };
        let life = machine.life;
        let done = machine.busy_for(self.now, service);
        self.queue.push(
            done,
            Happening::Handle {
                to,
                life,
                input: Box::new(input),
                about,
            },
        );
    }

    /// A node takes an input, or leaves it until it no longer waits for its disk.
    pub(super) fn handle(&mut self, to: usize, input: Input, about: Option<(NodeId, Method)>) {
        if self.machines[to].is_syncing() {
            return self.machines[to].wait((input, about));
        }
        self.take(to, input, about);
        self.end_batch(to);
    }

    /// A node's disk has what it was given; all that came meanwhile is one batch.
    pub(super) fn end_disk_work(&mut self, node: usize) {
        let (outputs, batch) = self.machines[node].end_disk_work(self.now);
        self.release(self.machines[node].id, outputs);
        for (input, about) in batch {
            self.take(node, input, about);
        }
        self.end_batch(node);
    }

    fn end_batch(&mut self, node: usize) {
        let (sync_latency, machine) = (
            self.plan.sim.sync_latency.as_ref(),
            &mut self.machines[node],
        );
        if let Some(done) = machine.end_batch(self.now, sync_latency) {
            let life = machine.life;
            self.queue.push(done, Happening::DiskDone { node, life });
        }
        self.arm(node, self.machines[node].next_timeout());
    }

    fn take(&mut self, to: usize, input: Input, about: Option<(NodeId, Method)>) {
        let id = self.machines[to].id;
        let operation = operation_of(&input);
        let Some(outputs) =
            self.machines[to].handle(self.now, input, self.plan.sim.sync_latency.as_ref())
        else {
            return;
        };
        if let Some((from, method)) = about {
            let at = self.now;
            self.note(Event::Received {
                at,
                operation,
                from,
                to: id,
                method,
            });
        }
        self.release(id, outputs);
    }

    fn release(&mut self, id: NodeId, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(node, message) => self.send(id, node, message),
                Output::Reply(ticket, reply) => self.reply(ticket, reply),
                Output::Enrolled(ticket, enrolled) => {
                    let answer = enrolled.map(|enrolled| (*enrolled).into());
                    self.enrolled(
                        ticket.0,
                        answer.map_err(|refusal| refusal.message.into_owned()),
                    );
                }
                Output::Note(event) => self.note(event),
            }
        }
    }

    pub(super) fn arm(&mut self, node: usize, due: Option<Duration>) {
        let machine = &mut self.machines[node];
        // What is overdue, as all is at the start of a life, is due now.
        let Some(due) = due.map(|due| due.max(self.now)) else {
            return;
        };
        if machine.alarm.is_none_or(|alarm| due < alarm) {
            machine.alarm = Some(due);
            self.queue.push(due, Happening::Alarm { node });
        }
    }

    /// An alarm that came too early, since what it was set for is over, is set again.
    fn alarm(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        if machine.alarm != Some(self.now) {
            return;
        }
        machine.alarm = None;
        if machine.paused.is_some() {
            return;
        }
        let due = machine.next_timeout();
        if due.is_some_and(|due| due <= self.now) {
            self.handle(node, Input::Timeout, None);
        } else {
            self.arm(node, due);
        }
    }

    pub(super) fn note(&mut self, event: Event) {
        if event.detail() <= self.detail {
            (self.sink)(event);
        }
    }
}

/// The operation that an input serves.
pub(super) fn operation_of(input: &Input) -> OperationId {
    match input {
        Input::Message(_, message) => message.operation(),
        Input::Request(_, request) => request.operation,
        Input::Enrol(..) | Input::Timeout => OperationId::NONE,
    }
}
