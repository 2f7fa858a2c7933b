//! A simulated machine: a node's process, what a crash leaves of it, and how busy it is.

use crate::plan::machine::Blow;
use std::collections::VecDeque;
use std::time::Duration;
use tidemark_netfuzz::Distribution;
use tidemark_netfuzz::draw::{Draw, LaneSeed};
use tidemark_node::conditions::Shared;
use tidemark_node::config::{Config, ConfigError, simulated_storage};
use tidemark_node::disk::Disk;
use tidemark_node::durability::{BATCH, Due, claims_durability, may_store};
use tidemark_node::replica::{Input, Output, Replica};
use tidemark_node::request::Refusal;
use tidemark_node::storage::{Kept, Storage};
use tidemark_proto::event::{Direction, Event, MachineChange};
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Method;
use tidemark_proto::time::{Now, Timestamp};

/// One machine of the simulated world.
pub(super) struct Machine {
    pub(super) id: NodeId,
    /// Every start begins a new one.
    pub(super) life: u32,
    /// When its alarm is set to.
    pub(super) alarm: Option<Duration>,
    /// What waits while it is paused; none: it is not.
    pub(super) paused: Option<Paused>,
    replica: Option<Replica>,
    conditions: Shared,
    /// What a crash has left.
    disk: Option<(Box<dyn Storage>, Kept)>,
    busy_until: Duration,
    /// Inputs taken up: counts the draws of service times.
    taken: u64,
    service: LaneSeed,
    disk_work: DiskWork,
    /// What may leave only once the disk has it.
    held: Vec<Output>,
    /// What came while the node waits for its disk.
    waiting: VecDeque<Taken>,
    /// Syncs begun: counts the draws of their latencies.
    synced: u64,
    sync: LaneSeed,
}

/// An input, and of which message it is.
pub(super) type Taken = (Input, Option<(NodeId, Method)>);

/// What a node's disk is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DiskWork {
    Nothing,
    /// It is given what was written, and nobody waits for that.
    Commit,
    /// The node waits for it.
    Sync,
}

/// What waits for a paused node.
#[derive(Default)]
pub(super) struct Paused {
    pub(super) inputs: VecDeque<Taken>,
    /// Whether its disk is done meanwhile.
    pub(super) is_disk_done: bool,
}

impl Machine {
    pub(super) fn start(config: &Config, id: NodeId) -> Result<Self, ConfigError> {
        let conditions = Shared::default();
        let disk = Disk::under(simulated_storage(config, id)?, conditions.clone());
        Ok(Self {
            id,
            life: 1,
            alarm: None,
            paused: None,
            replica: Some(Replica::new(config, id, 1, disk)?),
            conditions,
            disk: None,
            busy_until: Duration::ZERO,
            taken: 0,
            service: draws(config, id, "service"),
            disk_work: DiskWork::Nothing,
            held: Vec::new(),
            waiting: VecDeque::new(),
            synced: 0,
            sync: draws(config, id, "sync"),
        })
    }

    pub(super) fn is_up(&self) -> bool {
        self.replica.is_some()
    }

    /// Whether the node waits for its disk: what comes meanwhile is to [`wait`](Self::wait).
    pub(super) fn is_syncing(&self) -> bool {
        self.disk_work == DiskWork::Sync
    }

    /// Keeps an input until the disk is done.
    pub(super) fn wait(&mut self, taken: Taken) {
        self.waiting.push_back(taken);
    }

    /// What the node wants done now; none if it is down. If syncs take time, what must not leave before one is held.
    pub(super) fn handle(
        &mut self,
        now: Duration,
        input: Input,
        sync_latency: Option<&Distribution>,
    ) -> Option<Vec<Output>> {
        let replica = self.replica.as_mut()?;
        let conditions = self.conditions.get();
        let told = conditions.skew.apply(Now::at(EPOCH, now));
        let mut outputs = replica.handle(told, input);
        let due = replica.due(now);
        let takes_time = sync_latency.is_some() || !conditions.slow_sync.is_zero();
        if !takes_time || due == Due::Commit && replica.holds_back() {
            replica.end_batch(now).expect(NEVER_FAILS);
        } else if due == Due::Sync && replica.holds_back() {
            self.held
                .extend(outputs.extract_if(.., |output| claims_durability(output)));
        }
        Some(outputs)
    }

    /// Ends a batch of inputs. Tells when its disk will be done, if it has begun something.
    pub(super) fn end_batch(
        &mut self,
        now: Duration,
        sync_latency: Option<&Distribution>,
    ) -> Option<Duration> {
        let due = self.replica.as_ref()?.due(now);
        let work = match due {
            Due::Nothing => return None,
            Due::Commit => DiskWork::Commit,
            Due::Sync => DiskWork::Sync,
        };
        if self.disk_work == work {
            return None;
        }
        self.disk_work = work;
        self.synced += 1;
        let latency = sync_latency
            .map(|latency| latency.sample(&mut Draw::new(self.sync, self.synced)))
            .unwrap_or_default();
        let time = latency + self.conditions.get().slow_sync;
        if work == DiskWork::Sync {
            self.busy_until = self.busy_until.max(now) + time;
        }
        Some(now + time)
    }

    /// The disk is done: what was held may leave, and the next batch of those that waited may come.
    pub(super) fn end_disk_work(&mut self, now: Duration) -> (Vec<Output>, Vec<Taken>) {
        if let Some(replica) = &mut self.replica {
            replica.end_batch(now).expect(NEVER_FAILS);
        }
        self.disk_work = DiskWork::Nothing;
        let next = self.waiting.len().min(BATCH);
        let batch = self.waiting.drain(..next);
        let (mut batch, stores): (Vec<_>, Vec<_>) = batch.partition(|(input, _)| match input {
            Input::Request(_, request) => !may_store(request.method()),
            Input::Message(_, message) => !may_store(message.method()),
            Input::Enrol(..) | Input::Timeout => false,
        });
        batch.extend(stores);
        (std::mem::take(&mut self.held), batch)
    }

    /// For how long an input that comes now will wait for its turn.
    pub(super) fn backlog(&self, now: Duration) -> Duration {
        self.busy_until.saturating_sub(now)
    }

    /// Tells the node how long an input waits, before it is handed over.
    pub(super) fn hear_wait(&mut self, now: Duration) {
        let waited = self.backlog(now);
        if let Some(replica) = &mut self.replica {
            replica.hear_wait(now, waited);
        }
    }

    /// Whether the node takes on a request that comes now; if it is down, nobody refuses it.
    pub(super) fn admit(&mut self, now: Duration) -> Result<(), Refusal> {
        let waited = self.backlog(now);
        let admit = |replica: &mut Replica| replica.admit(waited);
        self.replica.as_mut().map_or(Ok(()), admit)
    }

    /// When the node wants to be woken.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.replica.as_ref().and_then(Replica::next_timeout)
    }

    /// When an input that comes now will have been worked off, after those before it.
    pub(super) fn busy_for(&mut self, now: Duration, service: &Distribution) -> Duration {
        self.taken += 1;
        let time = service.sample(&mut Draw::new(self.service, self.taken));
        self.busy_until = self.busy_until.max(now) + time;
        self.busy_until
    }

    /// Does something to the machine. Tells what has become of it, or none if it was so already.
    pub(super) fn strike(
        &mut self,
        blow: Blow,
        now: Duration,
        config: &Config,
    ) -> Option<MachineChange> {
        match blow {
            Blow::Crash | Blow::PowerLoss | Blow::Wipe => {
                let replica = self.replica.take()?;
                self.disk = Some(match blow {
                    Blow::PowerLoss => replica.power_loss(),
                    Blow::Wipe => {
                        let empty = simulated_storage(config, self.id);
                        let empty = empty.expect("the configuration was accepted at the start");
                        (Disk::under(empty, self.conditions.clone()), Kept::Nothing)
                    }
                    _ => replica.crash(),
                });
                (self.alarm, self.paused, self.busy_until) = (None, None, now);
                self.disk_work = DiskWork::Nothing;
                self.held.clear();
                self.waiting.clear();
            }
            Blow::Pause => {
                self.replica.as_ref()?;
                self.paused.get_or_insert_default();
            }
            Blow::Skew(_) | Blow::SlowSync(_) | Blow::FillDisk => {
                let mut conditions = self.conditions.get();
                let change = blow.worsen(&mut conditions);
                self.conditions.set(conditions);
                return change;
            }
        }
        Some(blow.change())
    }

    /// Undoes what was done to clock, syncs and disk. Tells what has become of it.
    pub(super) fn mend(&mut self, blow: Blow) -> Option<MachineChange> {
        let mut conditions = self.conditions.get();
        let change = blow.mend(&mut conditions);
        self.conditions.set(conditions);
        change
    }

    /// What the node holds of every key.
    pub(super) fn inventory(&self, now: Duration) -> Vec<Event> {
        let replica = self.replica.iter();
        replica.flat_map(|replica| replica.inventory(now)).collect()
    }

    /// Starts the process on what the crash has left. Tells with what, or none if it was up.
    pub(super) fn restart(&mut self, config: &Config) -> Option<MachineChange> {
        let (disk, kept) = self.disk.take()?;
        self.life += 1;
        let replica = Replica::new(config, self.id, self.life, disk);
        self.replica = Some(replica.expect("the configuration was accepted at the start"));
        Some(match kept {
            Kept::Everything => MachineChange::Restarted,
            Kept::Nothing => MachineChange::RestartedEmpty,
        })
    }
}

/// The stream of chance of one of a machine's parts.
fn draws(config: &Config, id: NodeId, part: &str) -> LaneSeed {
    LaneSeed::new(config.seed, part, id, id, part, Direction::Request)
}

const NEVER_FAILS: &str = "no simulated engine fails";
/// What every wall clock says at the start of a simulated run: 2026-01-01 UTC.
const EPOCH: Timestamp = Timestamp(1_767_225_600_000_000_000);
