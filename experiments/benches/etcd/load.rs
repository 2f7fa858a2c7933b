//! How a store is driven: so many calls are in flight all the time, or so many begin each second; each of them is timed.

use crate::store::{Store, Work};
use crate::system::System;
use anyhow::Context as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What a store is driven with.
pub(crate) struct Load {
    pub(crate) work: Work,
    pub(crate) pace: Pace,
    /// After this time no call begins.
    pub(crate) time: Duration,
}

/// When calls begin.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// So many are in flight: each begins when another has ended.
    InFlight(usize),
    /// So many a second, evenly, whatever becomes of them. A call's time counts from when it was to begin.
    PerSecond(f64),
}

/// What came of it.
pub(crate) struct Seen {
    /// Calls that succeeded, per second.
    pub(crate) rate: f64,
    /// The time that half of the calls took at most; one that failed takes for ever.
    pub(crate) p50: Duration,
    /// The time that 99 % of the calls took at most.
    pub(crate) p99: Duration,
    /// The processor time of all of the store's processes, for each call.
    pub(crate) used: Duration,
    /// Why the first call failed that did.
    pub(crate) error: Option<anyhow::Error>,
}

/// How long calls took, and why one failed.
type Took = (Vec<Duration>, Option<anyhow::Error>);

impl Load {
    /// Drives a store. Each client has keys of its own, which it takes in turn, as it takes nodes.
    pub(crate) async fn drive(&self, store: &Arc<Store>, system: &System) -> anyhow::Result<Seen> {
        let used = system.processor_time()?;
        let began = Instant::now();
        let mut calls = match self.pace {
            Pace::InFlight(clients) => self.closed(store, clients, began),
            Pace::PerSecond(rate) => self.open(store, rate, began).await,
        };
        let (mut took, mut error) = (Vec::new(), None);
        while let Some(client) = calls.join_next().await {
            let (times, failed) = client?;
            took.extend(times);
            error = error.or(failed);
        }
        let wall = began.elapsed();
        let used = system.processor_time()? - used;
        took.sort_unstable();
        let at_most = |share: f64| {
            let place = (took.len() as f64 * share) as usize;
            took.get(place.min(took.len() - 1)).copied()
        };
        let seen = "no call was made: is the time too short?";
        let ok = took.partition_point(|time| *time < Duration::MAX);
        Ok(Seen {
            rate: ok as f64 / wall.as_secs_f64(),
            p50: at_most(0.5).context(seen)?,
            p99: at_most(0.99).context(seen)?,
            used: used.div_f64(took.len() as f64),
            error,
        })
    }

    fn closed(&self, store: &Arc<Store>, clients: usize, began: Instant) -> JoinSet<Took> {
        let (work, time) = (self.work, self.time);
        let clients = clients.clamp(1, store.keys());
        let mut calls = JoinSet::new();
        for client in 0..clients {
            let store = Arc::clone(store);
            calls.spawn(async move {
                let (mut took, mut error) = (Vec::new(), None);
                let own = (client..store.keys()).step_by(clients);
                for (turn, key) in own.cycle().enumerate() {
                    let start = Instant::now();
                    if start - began > time {
                        break;
                    }
                    let called = store.call(work, client + turn, key).await;
                    took.push(timed(start, called, &mut error));
                }
                (took, error)
            });
        }
        calls
    }

    async fn open(&self, store: &Arc<Store>, rate: f64, began: Instant) -> JoinSet<Took> {
        let work = self.work;
        let mut calls = JoinSet::new();
        let count = (rate * self.time.as_secs_f64()).max(1.0) as usize;
        for call in 0..count {
            let start = began + Duration::from_secs_f64(call as f64 / rate);
            let now = Instant::now();
            if start > now {
                tokio::time::sleep(start - now).await;
            }
            let store = Arc::clone(store);
            calls.spawn(async move {
                let mut error = None;
                let called = store.call(work, call, call % store.keys()).await;
                (vec![timed(start, called, &mut error)], error)
            });
        }
        calls
    }
}

fn timed(
    start: Instant,
    called: anyhow::Result<()>,
    error: &mut Option<anyhow::Error>,
) -> Duration {
    match called {
        Ok(()) => start.elapsed(),
        Err(failed) => {
            error.get_or_insert(failed);
            Duration::MAX
        }
    }
}

/// Waits until a store takes writes, and writes every key once.
pub(crate) async fn fill(store: &Arc<Store>) -> anyhow::Result<()> {
    let began = Instant::now();
    while let Err(error) = store.call(Work::Put, 0, 0).await {
        if began.elapsed() > READY_WITHIN {
            return Err(error.context("a store was not ready in time"));
        }
        tokio::time::sleep(READY_WITHIN / 200).await;
    }
    let mut clients = JoinSet::new();
    for client in 0..FILLERS {
        let store = Arc::clone(store);
        clients.spawn(async move {
            for key in (client..store.keys()).step_by(FILLERS) {
                store.call(Work::Put, key, key).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(filled) = clients.join_next().await {
        filled??;
    }
    Ok(())
}

const READY_WITHIN: Duration = Duration::from_secs(20);
/// Keys that are written at once to begin with.
const FILLERS: usize = 32;
