//! Asks the network about every message that passes, holds it back as told, and reports what became of it.

use super::body::{Held, Outbox};
use super::{Journal, Limits};
use crate::fate::Fate;
use crate::schedule::{LaneId, Network};
use crate::spec::Spec;
use crate::timer::{self, Timer};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;
use tidemark_proto::event::{Detail, Direction, Event, Passage, Verdict};
use tidemark_proto::id::NodeId;
use tokio::sync::oneshot;

/// What all links have in common.
pub(super) struct Judge {
    state: Mutex<State>,
    timer: Timer<Due>,
    journal: Journal,
    pub(super) limits: Limits,
    pub(super) messages: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) held: AtomicU64,
}

struct State {
    network: Network,
    /// Tells the lanes of this network from those of the one before.
    generation: u64,
    /// The run's epoch on CLOCK_MONOTONIC.
    epoch: Duration,
}

impl Judge {
    /// Lets everything pass, until it is given a network.
    pub(super) fn new(journal: Journal, limits: Limits) -> std::io::Result<Self> {
        let network = Network::new(0, &Spec::perfect(Vec::new()));
        Ok(Self {
            state: Mutex::new(State {
                network: network.expect("no rules, no mistakes"),
                generation: 0,
                epoch: timer::now(),
            }),
            timer: Timer::start(release)?,
            journal,
            limits,
            messages: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            held: AtomicU64::new(0),
        })
    }

    /// Replaces the network and the run's epoch.
    pub(super) fn load(&self, network: Network, epoch: Duration) {
        let mut state = self.state();
        let generation = state.generation + 1;
        *state = State {
            network,
            generation,
            epoch,
        };
    }

    /// Takes every fault's rule out of force.
    pub(super) fn heal(&self) {
        let mut state = self.state();
        let at = timer::now().saturating_sub(state.epoch);
        state.network.heal(at);
    }

    /// The rules in force now.
    pub(super) fn in_force(&self) -> Vec<String> {
        let state = self.state();
        let names = state
            .network
            .in_force(timer::now().saturating_sub(state.epoch));
        names.into_iter().map(str::to_owned).collect()
    }

    /// The fate of message `k` of a lane, which arrived at this time on CLOCK_MONOTONIC.
    pub(super) fn judge(
        self: &Arc<Self>,
        lane: &mut Lane,
        k: u64,
        size: usize,
        arrival: Duration,
    ) -> (Fate, Ticket) {
        let mut state = self.state();
        let State {
            network,
            generation,
            epoch,
        } = &mut *state;
        let id = match lane.known {
            Some((known, id)) if known == *generation => id,
            _ => network.lane(lane.from, lane.to, &lane.method, lane.direction),
        };
        lane.known = Some((*generation, id));
        let at = arrival.saturating_sub(*epoch);
        let fate = network.fate(at, id, k, size);
        let kept = self.journal.keep == Detail::All
            || self.journal.keep >= Detail::Faults && network.is_faulty(fate.touched_by);
        let passage = kept.then(|| Box::new(network.passage(at, id, k, size, &fate, None)));
        drop(state);
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.held.fetch_add(1, Ordering::Relaxed);
        if fate.verdict() == Verdict::Lost {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        let ticket = Ticket {
            judge: self.clone(),
            arrival,
            passage,
        };
        (fate, ticket)
    }

    /// Waits until `delay` after a time on CLOCK_MONOTONIC.
    pub(super) async fn delay(&self, since: Duration, delay: Duration) {
        if delay.is_zero() {
            return;
        }
        let (sender, due) = oneshot::channel();
        self.timer
            .schedule(since.saturating_add(delay), Due::Wake(sender));
        // The timer outlives whatever waits for it.
        let _ = due.await;
    }

    /// Releases an announced message at a time on CLOCK_MONOTONIC.
    pub(super) fn hold(&self, deadline: Duration, outbox: Arc<Outbox>, held: Held) {
        self.timer.schedule(deadline, Due::Release(outbox, held));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where messages are counted and drawn for, whichever network is loaded.
pub(super) struct Lane {
    from: NodeId,
    to: NodeId,
    method: Arc<str>,
    direction: Direction,
    known: Option<(u64, LaneId)>,
}

impl Lane {
    pub(super) fn new(from: NodeId, to: NodeId, method: Arc<str>, direction: Direction) -> Self {
        Self {
            from,
            to,
            method,
            direction,
            known: None,
        }
    }
}

/// The report about one message, made when it is delivered or given up.
pub(super) struct Ticket {
    judge: Arc<Judge>,
    arrival: Duration,
    passage: Option<Box<Passage>>,
}

impl Ticket {
    /// The message was handed on at this time on CLOCK_MONOTONIC.
    pub(super) fn delivered(mut self, at: Duration) {
        if let Some(passage) = &mut self.passage {
            passage.achieved = Some(at.saturating_sub(self.arrival));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.judge.held.fetch_sub(1, Ordering::Relaxed);
        if let Some(passage) = self.passage.take() {
            (self.judge.journal.note)(Event::Fate(passage));
        }
    }
}

/// What the timer keeps.
enum Due {
    Wake(oneshot::Sender<()>),
    Release(Arc<Outbox>, Held),
}

fn release(batch: std::vec::Drain<'_, Due>) {
    let mut readers: Vec<Waker> = Vec::new();
    for due in batch {
        match due {
            // Whoever waited may be gone.
            Due::Wake(sender) => drop(sender.send(())),
            Due::Release(outbox, held) => readers.extend(outbox.release(held)),
        }
    }
    readers.into_iter().for_each(Waker::wake);
}
