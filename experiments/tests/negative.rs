//! Stores that are wrong on purpose: each is called out by the metrics that are about what is wrong with it, while others
//! pass, and the sound store that it was made of passes all of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use tidemark::backend::sim::{Pace, simulate};
use tidemark::backend::{Progress, Run};
use tidemark::plan::{Plan, load};
use tidemark_observer::observe::{RunFacts, observe};
use tidemark_observer::rows::rows;

/// If this fails, a metric lets a store pass that is wrong in what it measures, or finds fault with one that is not.
#[test]
fn what_is_wrong_is_called_out_by_what_measures_it_and_by_nothing_else() {
    let runs: Vec<Vec<Rows>> = STORES
        .iter()
        .map(|store| SEEDS.map(|seed| store.rows(seed)).into())
        .collect();
    let names: String = STORES.iter().map(|it| format!("{:>18}", it.name)).collect();
    println!("{:34}{names}", "");
    let mut wrong = Vec::new();
    for (metric, expected) in METRICS {
        let mut line = format!("{:34}", metric.title());
        for ((store, runs), expected) in STORES.iter().zip(&runs).zip(expected) {
            let found: Vec<_> = runs.iter().map(|rows| metric.of(store, rows)).collect();
            let good = found
                .iter()
                .filter(|(value, _)| *value == Some(metric.good));
            let said = match good.count() {
                0 => OUT,
                all if all == SEEDS.len() => PASSES,
                _ => "differs by seed",
            };
            line += &format!("{said:>18}");
            let fewest = found.iter().map(|(_, count)| *count).min().unwrap_or(0);
            if said != *expected || fewest < metric.least {
                let (title, name) = (metric.title(), store.name);
                wrong.push(format!("{title}, {name}: {expected} expected, {found:?}"));
            }
        }
        println!("{line}");
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// If this fails, stale reads of a wrong store are put down to what did not cause them.
#[test]
fn the_causes_say_what_is_wrong() {
    for (name, cause) in [
        // No message was lost or late, and no machine failed: the network and the machines are not to blame.
        ("never-replicates", "cause_unmatched"),
        ("random-past", "cause_unmatched"),
        ("forgets", "cause_restarted_without"),
    ] {
        let store = STORES.iter().find(|store| store.name == name);
        let store = store.expect("it is one of them");
        for seed in SEEDS {
            let rows = store.rows(seed);
            let (share, reads) = rows[&(WHOLE.to_owned(), cause.to_owned())];
            println!("{name}, seed {seed}: {cause} {share:?} of {reads}");
            assert!(
                reads >= 100,
                "{name}, seed {seed}: only {reads} stale reads"
            );
            assert!(share >= Some(0.99), "{name}, seed {seed}: {share:?}");
        }
    }
}

/// If this fails, a plan can be written that runs on a store which is wrong on purpose.
#[test]
fn no_plan_can_choose_them() {
    for set in [
        "replication.kind=\"never-replicates\"",
        "replication.kind=\"random-past\"",
        "storage={ kind = \"forgets\", every = 1 }",
    ] {
        let error = load("quickstart", "sim", &[set.to_owned()]).expect_err(set);
        let error = format!("{error:#}");
        assert!(error.contains("has no kind"), "{set}: {error}");
    }
}

/// A store, wrong or sound, and the plan by which it is tried.
struct Store {
    name: &'static str,
    sets: &'static [&'static str],
    /// The phase after the fault, or the only one.
    last: &'static str,
    /// Makes the sound store that was planned into it.
    change: fn(&mut Plan),
}

/// A metric that is of one value wherever nothing is wrong.
struct Metric {
    phase: Phase,
    name: &'static str,
    good: f64,
    /// Fewer opportunities than this say nothing.
    least: u64,
}

enum Phase {
    First,
    Last,
    Whole,
}

/// By phase and metric: the value, and of how many.
type Rows = BTreeMap<(String, String), (Option<f64>, u64)>;

impl Store {
    fn rows(&self, seed: u64) -> Rows {
        let sets = SHAPE.iter().chain(self.sets).map(ToString::to_string);
        let sets: Vec<_> = sets.chain([format!("seed={seed}")]).collect();
        let (plan_name, mut plan) = load("quickstart", "sim", &sets).expect("the plan is sound");
        (self.change)(&mut plan);
        let facts = RunFacts {
            plan: plan_name,
            backend: "sim".to_owned(),
            seed,
            detail: plan.events,
            ..RunFacts::default()
        };
        let run = Run {
            plan: plan.scaled(),
            progress: Arc::new(Progress::default()),
        };
        let mut events = Vec::new();
        simulate(&run, &mut Pace::default(), &mut |event| events.push(event)).expect("it runs");
        let rows = rows(&observe(&facts, events).figures).into_iter();
        rows.map(|row| ((row.phase, row.metric), (row.value, row.count)))
            .collect()
    }
}

impl Metric {
    const fn new(phase: Phase, name: &'static str, good: f64, least: u64) -> Self {
        Self {
            phase,
            name,
            good,
            least,
        }
    }

    fn title(&self) -> String {
        match self.phase {
            Phase::First => format!("{}, before", self.name),
            Phase::Last => format!("{}, after", self.name),
            Phase::Whole => self.name.to_owned(),
        }
    }

    fn of(&self, store: &Store, rows: &Rows) -> (Option<f64>, u64) {
        let phase = match self.phase {
            Phase::First => QUIET,
            Phase::Last => store.last,
            Phase::Whole => WHOLE,
        };
        rows[&(phase.to_owned(), self.name.to_owned())]
    }
}

const STORES: [Store; 5] = [
    Store {
        name: "strict",
        sets: CALM,
        last: QUIET,
        change: |_| {},
    },
    Store {
        name: "never-replicates",
        sets: CALM,
        last: QUIET,
        change: |plan| plan.replication.kind = "never-replicates".to_owned(),
    },
    Store {
        name: "random-past",
        sets: CALM,
        last: QUIET,
        change: |plan| {
            plan.replication.kind = "random-past".to_owned();
            let own = [("states", 4), ("seed", plan.seed)];
            let own = own.map(|(name, value)| (name.to_owned(), value.into()));
            plan.replication.options.extend(own);
        },
    },
    Store {
        name: "model",
        sets: CRASHED,
        last: "after all crash",
        change: |_| {},
    },
    Store {
        name: "forgets",
        sets: CRASHED,
        last: "after all crash",
        change: |plan| {
            plan.storage.kind = "forgets".to_owned();
            let every = ("every".to_owned(), EVERY.into());
            plan.storage.options.extend([every]);
        },
    },
];

/// Each with what it says of each store, in their order. Availability is that of the last phase, since a crash of all nodes
/// leaves nobody to answer.
#[rustfmt::skip]
const METRICS: &[(Metric, [&str; 5])] = &[
    //                                                                        strict  never   past    model   forgets
    (Metric::new(Phase::Last, "availability", 1.0, 800),                      [PASSES, PASSES, PASSES, PASSES, PASSES]),
    (Metric::new(Phase::First, "stale", 0.0, 200),                            [PASSES, OUT,    OUT,    PASSES, PASSES]),
    (Metric::new(Phase::Last, "stale", 0.0, 500),                             [PASSES, OUT,    OUT,    PASSES, OUT]),
    (Metric::new(Phase::Whole, "t_visibility_0.99_ms", 0.0, 800),             [PASSES, OUT,    OUT,    PASSES, OUT]),
    (Metric::new(Phase::Whole, "read_your_writes_broken", 0.0, 500),          [PASSES, PASSES, OUT,    PASSES, OUT]),
    (Metric::new(Phase::Whole, "monotonic_reads_broken", 0.0, 500),           [PASSES, PASSES, OUT,    PASSES, OUT]),
    (Metric::new(Phase::Whole, "monotonic_writes_broken", 0.0, 400),          [PASSES, PASSES, PASSES, PASSES, OUT]),
    (Metric::new(Phase::Whole, "seen_then_gone", 0.0, 500),                   [PASSES, OUT,    OUT,    PASSES, OUT]),
    (Metric::new(Phase::Whole, "false_not_found", 0.0, 500),                  [PASSES, OUT,    PASSES, PASSES, PASSES]),
    (Metric::new(Phase::Whole, "thin_air", 0.0, 500),                         [PASSES, PASSES, PASSES, PASSES, PASSES]),
    (Metric::new(Phase::Whole, "failed_seen", 0.0, 500),                      [PASSES, PASSES, PASSES, PASSES, PASSES]),
    (Metric::new(Phase::Whole, "lost_writes", 0.0, 400),                      [PASSES, PASSES, PASSES, PASSES, OUT]),
    (Metric::new(Phase::Whole, "writes_lost", 0.0, 400),                      [PASSES, OUT,    OUT,    PASSES, OUT]),
    (Metric::new(Phase::Whole, "keys_diverged_at_end", 0.0, 20),              [PASSES, OUT,    PASSES, PASSES, PASSES]),
];

const PASSES: &str = "passes";
const OUT: &str = "called out";
const SEEDS: [u64; 3] = [1, 2, 3];
const WHOLE: &str = "whole";
const QUIET: &str = "quiet";
/// Of so many syncs one is done. A node is asked for some 200 before the crash, so that the preload is safe and the end is not.
const EVERY: u64 = 120;

/// Three nodes hold every key, quorums overlap, and clients stay with the node that they ask.
const SHAPE: &[&str] = &[
    "cluster.nodes=3",
    "replication.r=2",
    "replication.w=2",
    "client.count=6",
    "client.rate=300",
    "workload.keys=20",
    "duration=\"4s\"",
    "settle=\"1s\"",
];

/// Nothing goes wrong, and nothing repairs.
const CALM: &[&str] = &["repair=[]", "fault=[]"];

/// All processes crash at once; repairs bring what was under way to a replica then.
const CRASHED: &[&str] = &[
    "repair=[{ kind = \"read\", mode = \"asynchronous\" }, { kind = \"sweep\", period = \"100ms\", timeout = \"100ms\" }]",
    "storage={ kind = \"model\", sync = \"batch\" }",
    "fault=[{ name = \"all crash\", at = \"2s\", crash = \"all\", restart_after = \"50ms\" }]",
];
