//! A simulated machine: a node's process, what a crash leaves of it, and how busy it is.

use std::time::Duration;
use tidemark_netfuzz::Distribution;
use tidemark_netfuzz::draw::{Draw, LaneSeed};
use tidemark_node::replica::{Config, ConfigError, Input, Output, Replica, storage};
use tidemark_node::storage::{Kept, Storage};
use tidemark_proto::event::{Direction, MachineChange};
use tidemark_proto::id::NodeId;
use tidemark_proto::time::{Now, Timestamp};

/// One machine of the simulated world.
pub(super) struct Machine {
    pub(super) id: NodeId,
    /// Every start begins a new one.
    pub(super) life: u32,
    /// When its alarm is set to.
    pub(super) alarm: Option<Duration>,
    replica: Option<Replica>,
    /// What a crash has left.
    disk: Option<(Box<dyn Storage>, Kept)>,
    busy_until: Duration,
    /// Inputs taken up: counts the draws of service times.
    taken: u64,
    service: LaneSeed,
}

impl Machine {
    pub(super) fn start(config: &Config, id: NodeId) -> Result<Self, ConfigError> {
        Ok(Self {
            id,
            life: 1,
            alarm: None,
            replica: Some(Replica::new(config, id, 1, storage(config, id, None)?)?),
            disk: None,
            busy_until: Duration::ZERO,
            taken: 0,
            service: LaneSeed::new(
                config.seed,
                "service",
                id,
                id,
                "service",
                Direction::Request,
            ),
        })
    }

    pub(super) fn is_up(&self) -> bool {
        self.replica.is_some()
    }

    /// What the node wants done, synced; none if it is down.
    pub(super) fn handle(&mut self, now: Duration, input: Input) -> Option<Vec<Output>> {
        let replica = self.replica.as_mut()?;
        let outputs = replica.handle(Now::at(EPOCH, now), input);
        if replica.is_dirty() {
            replica.sync().expect("no simulated engine fails");
        }
        Some(outputs)
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

    /// Kills the process. Tells whether there was one.
    pub(super) fn crash(&mut self, now: Duration) -> bool {
        let Some(replica) = self.replica.take() else {
            return false;
        };
        self.disk = Some(replica.crash());
        self.alarm = None;
        self.busy_until = now;
        true
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

/// What every wall clock says at the start of a simulated run: 2026-01-01 UTC.
const EPOCH: Timestamp = Timestamp(1_767_225_600_000_000_000);
