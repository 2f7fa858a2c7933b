//! A closed loop: so many calls are in flight all the time, and each of them is timed.

use crate::store::{Store, Work};
use crate::system::System;
use anyhow::Context as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What a store is driven with.
pub(crate) struct Load {
    pub(crate) work: Work,
    pub(crate) in_flight: usize,
    /// After this time no call begins.
    pub(crate) time: Duration,
}

/// What came of it.
pub(crate) struct Seen {
    /// Calls per second.
    pub(crate) rate: f64,
    /// The time that half of the calls took at most.
    pub(crate) p50: Duration,
    /// The time that 99 % of the calls took at most.
    pub(crate) p99: Duration,
    /// The processor time of all of the store's processes, for each call.
    pub(crate) used: Duration,
}

impl Load {
    /// Drives a store. Each client has keys of its own, which it takes in turn, as it takes nodes.
    pub(crate) async fn drive(&self, store: &Arc<Store>, system: &System) -> anyhow::Result<Seen> {
        let (work, clients, time) = (self.work, self.in_flight, self.time);
        let used = system.processor_time()?;
        let began = Instant::now();
        let mut calls = JoinSet::new();
        for client in 0..clients {
            let store = Arc::clone(store);
            calls.spawn(async move {
                let mut took = Vec::new();
                let own = (client..store.keys()).step_by(clients);
                for (turn, key) in own.cycle().enumerate() {
                    let start = Instant::now();
                    if start - began > time {
                        break;
                    }
                    store.call(work, client + turn, key).await?;
                    took.push(start.elapsed());
                }
                anyhow::Ok(took)
            });
        }
        let mut took = Vec::new();
        while let Some(client) = calls.join_next().await {
            took.extend(client??);
        }
        let wall = began.elapsed();
        let used = system.processor_time()? - used;
        took.sort_unstable();
        let at_most = |share: f64| {
            let place = (took.len() as f64 * share) as usize;
            took.get(place.min(took.len() - 1)).copied()
        };
        let seen = "no call was made: is the time too short?";
        Ok(Seen {
            rate: took.len() as f64 / wall.as_secs_f64(),
            p50: at_most(0.5).context(seen)?,
            p99: at_most(0.99).context(seen)?,
            used: used.div_f64(took.len() as f64),
        })
    }
}

/// Waits until a store takes writes, and writes every key once.
pub(crate) async fn fill(store: &Store) -> anyhow::Result<()> {
    let began = Instant::now();
    while let Err(error) = store.call(Work::Put, 0, 0).await {
        if began.elapsed() > READY_WITHIN {
            return Err(error.context("a store was not ready in time"));
        }
        tokio::time::sleep(READY_WITHIN / 200).await;
    }
    for key in 0..store.keys() {
        store.call(Work::Put, key, key).await?;
    }
    Ok(())
}

const READY_WITHIN: Duration = Duration::from_secs(20);
