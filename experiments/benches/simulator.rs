//! How fast the simulator is: events per second on one core, and simulated seconds per second.
//!
//! `cargo bench -p tidemark --bench simulator`. A bare loop over the same queue is measured in the same run, so that the
//! ratio means something on any machine.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidemark::backend::sim::{Pace, simulate};
use tidemark::backend::{Progress, Run};
use tidemark::plan::load;

fn main() -> anyhow::Result<()> {
    println!(
        "simulator: 5 nodes, 1000 operations/s, quickstart's network, {ROUNDS} rounds, medians"
    );
    for (what, sets) in [
        ("R = W = 1", vec!["replication.r=1", "replication.w=1"]),
        ("R = W = 2", vec!["replication.r=2", "replication.w=2"]),
    ] {
        for events in ["none", "all"] {
            let mut sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
            let detail = format!("events={events}");
            sets.extend([
                "client.rate=1000".to_owned(),
                "duration=61s".to_owned(),
                "fault=[]".to_owned(),
                detail.clone(),
            ]);
            let (_, plan) = load("quickstart", "sim", &sets)?;
            let (mut rates, mut ratios, mut bare) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let run = Run {
                    plan: plan.clone(),
                    progress: Arc::new(Progress::default()),
                };
                let start = Instant::now();
                let mut pace = Pace::default();
                simulate(&run, &mut pace, &mut |event| {
                    black_box(event);
                })?;
                let wall = start.elapsed().as_secs_f64();
                rates.push(pace.happenings as f64 / wall);
                ratios.push(64.0 / wall);
                bare.push(bare_loop(pace.happenings));
            }
            println!(
                "{what}, {detail}: {:.2} million events/s, {:.0} simulated s per s; a bare queue of as many: {:.2} million/s",
                median(&mut rates) / 1e6,
                median(&mut ratios),
                median(&mut bare) / 1e6
            );
        }
    }
    Ok(())
}

/// Pushes and pops as many events through a heap of about the same depth, doing nothing.
fn bare_loop(events: u64) -> f64 {
    let mut heap: BinaryHeap<Reverse<(u64, u64)>> = (0..64).map(|i| Reverse((i, i))).collect();
    let start = Instant::now();
    for number in 0..events {
        if let Some(Reverse((at, _))) = heap.pop() {
            heap.push(Reverse((at + black_box(number * 7919 % 5_000_000), number)));
        }
    }
    black_box(heap);
    events as f64 / start.elapsed().max(Duration::from_nanos(1)).as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

const ROUNDS: usize = 5;
