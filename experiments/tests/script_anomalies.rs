//! Each scripted anomaly is there as often as theory says, and not without its cause: with few seeds, in the simulator.
//!
//! What does not depend on chance must be met exactly, a share within four standard errors of what so many independent
//! opportunities give.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use tidemark::backend::sim::{Pace, simulate};
use tidemark::backend::{Progress, Run};
use tidemark::plan::{Cell, sweep};
use tidemark_observer::figures::WHOLE;
use tidemark_observer::observe::{Observation, RunFacts};
use tidemark_observer::rows::rows;
use tidemark_proto::event::Milestone;

/// What a metric shall be in a cell.
struct Expected(&'static str, &'static str, Figure);

#[derive(Clone, Copy)]
enum Figure {
    Exactly(f64),
    /// Both bounds are included.
    Between(f64, f64),
    /// So many independent opportunities a seed are worth this share.
    Share(f64, f64),
}

use Figure::{Between, Exactly, Share};

/// If this fails, a deleted key does not come back with a replica that was away for longer than its tombstone, or does where
/// tombstones wait for all replicas.
#[test]
fn tombstone_resurrection() {
    check(
        "tombstone-resurrection",
        2,
        &[
            Expected("kept for 2 s", "resurrected", Exactly(1.0)),
            Expected("kept for ever", "resurrected", Exactly(0.0)),
            Expected("kept until all do", "resurrected", Exactly(0.0)),
        ],
    );
}

/// If this fails, a write that counts as an old one did does not lose to the old tombstone, or does although it counts anew.
#[test]
fn reused_history() {
    check(
        "reused-history",
        2,
        &[
            Expected("epochs per life", "lost_writes", Exactly(1.0 / 3.0)),
            Expected("epochs per key", "lost_writes", Exactly(0.0)),
            Expected(
                "epochs per key, two fallbacks",
                "lost_writes",
                Exactly(1.0 / 4.0),
            ),
        ],
    );
}

/// If this fails, one vector for all siblings tells them apart, or a dot for each does not.
#[test]
fn sibling_explosion() {
    check(
        "sibling-explosion",
        2,
        &[
            Expected("one for all", "siblings_at_end_mean", Between(99.0, 101.0)),
            Expected("one for all", "overwritten_unseen", Exactly(0.0)),
            Expected("dotted", "siblings_at_end_max", Between(1.0, 2.0)),
            Expected("dotted", "overwritten_unseen", Exactly(0.0)),
        ],
    );
}

/// If this fails, read repair comes to an end although it is undone, or does not although it is not.
#[test]
fn clock_pruning() {
    check(
        "clock-pruning",
        2,
        &[
            Expected("everywhere", "repairs_per_idle_read", Exactly(1.0)),
            Expected("writes only", "repairs_per_idle_read", Exactly(0.0)),
        ],
    );
}

/// If this fails, the first of three equal legs is not each with 1/3, or what was repaired before it was told is gone again.
#[test]
fn failed_write() {
    check(
        "failed-write",
        4,
        &[
            Expected(
                "R = 1, no repair",
                "unacknowledged_seen",
                Share(1.0 / 3.0, 600.0),
            ),
            Expected(
                "R = 1, no repair",
                "seen_then_gone",
                Share(2.0 / 9.0, 300.0),
            ),
            Expected(
                "R = 2, repaired before the reply",
                "seen_then_gone",
                Exactly(0.0),
            ),
        ],
    );
}

fn check(plan: &str, seeds: usize, expected: &[Expected]) {
    let path = format!("{}/plans/anomalies/{plan}.toml", env!("CARGO_MANIFEST_DIR"));
    let sweep = sweep(&path, "sim", &[]).unwrap().unwrap();
    assert!(sweep.seeds.len() >= seeds);
    for cell in &sweep.cells {
        let runs: Vec<_> = sweep.seeds[..seeds]
            .iter()
            .map(|seed| measured(cell, *seed))
            .collect();
        for Expected(_, metric, figure) in expected.iter().filter(|one| one.0 == cell.label) {
            let value = |run: &Vec<(String, Option<f64>)>| {
                let row = run.iter().find(|(name, _)| name == metric);
                let value = row.and_then(|(_, value)| *value);
                value.unwrap_or_else(|| panic!("{plan}, {}: there is no {metric}", cell.label))
            };
            let mean = runs.iter().map(value).sum::<f64>() / seeds as f64;
            let (low, high) = match *figure {
                Exactly(value) => (value, value),
                Between(low, high) => (low, high),
                Share(share, of) => {
                    let error = (share * (1.0 - share) / (of * seeds as f64)).sqrt();
                    (share - 4.0 * error, share + 4.0 * error)
                }
            };
            let is_within = mean >= low - ROUNDING && mean <= high + ROUNDING;
            assert!(
                is_within,
                "{plan}, {}: {metric} is {mean}, not {low} to {high}",
                cell.label
            );
        }
    }
    let cells = || sweep.cells.iter().map(|cell| cell.label.as_str());
    assert!(
        expected
            .iter()
            .all(|one| cells().any(|label| label == one.0))
    );
    assert!(cells().all(|label| expected.iter().any(|one| one.0 == label)));
}

/// The figures of a whole run.
fn measured(cell: &Cell, seed: u64) -> Vec<(String, Option<f64>)> {
    let plan = cell.seeded(seed);
    let mut observation = Observation::new(RunFacts {
        plan: cell.label.clone(),
        backend: "sim".to_owned(),
        seed,
        detail: plan.events,
        clock_error: std::time::Duration::ZERO,
    });
    let run = Run {
        plan: plan.scaled(),
        progress: Arc::new(Progress::default()),
    };
    let ended = simulate(&run, &mut Pace::default(), &mut |event| {
        observation.observe(&event)
    });
    assert_eq!(ended.unwrap(), Milestone::Ended);
    let figures = observation.report().figures;
    let whole = rows(&figures).into_iter().filter(|row| row.phase == WHOLE);
    whole.map(|row| (row.metric, row.value)).collect()
}

const ROUNDING: f64 = 1e-9;
