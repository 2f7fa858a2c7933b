//! What a loss of power takes back of what was acknowledged: nothing where acknowledgements wait for the disk, much where
//! they do not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use tidemark::backend::sim::{Pace, simulate};
use tidemark::backend::{Progress, Run};
use tidemark::plan::load;
use tidemark_observer::figures::Figures;
use tidemark_observer::observe::{RunFacts, observe};

/// If this fails, an acknowledgement leaves before its write is on W disks, or the check would not notice.
#[test]
fn a_loss_of_power_takes_back_nothing_that_was_acknowledged_where_that_waits_for_the_disk() {
    let batch = Sum::of("batch", &[]);
    assert_eq!(batch.lost, [""; 0], "acknowledged and lost");
    assert_eq!(batch.stale, 0, "a read missed what was acknowledged");
    assert!(
        batch.power_losses > 300 && batch.acknowledged > 5_000,
        "{batch:?}"
    );
    for (sync, least) in [("interval", 200), ("off", 2_000)] {
        let other = Sum::of(sync, &[]);
        let lost = other.lost.len();
        assert!(
            lost > least,
            "{sync}: only {lost} of {}",
            other.acknowledged
        );
    }
}

/// If this fails, W acknowledgements are not W disks: here nobody repairs anything, and one of the disks is lost in the end.
#[test]
fn what_is_acknowledged_by_two_is_on_two_disks() {
    let fault = "fault=[{ at = '300ms', every = '300ms', jitter = '250ms', until = '1800ms', power_loss = 'all', \
                 restart_after = '20ms' }, { at = '1950ms', wipe = 'n3', restart_after = '10ms' }]";
    // Three nodes hold every key, so that each write that n3 has acknowledged is on one disk less. Messages are slow, and
    // keys many, so that what one disk has is not soon on another, or superseded.
    let slow = "network=[{ links = 'peers', latency = { exponential = '10ms' } }]";
    let sets = [
        fault,
        slow,
        "repair=[]",
        "cluster.nodes=3",
        "workload.keys=1000",
    ];
    assert_eq!(
        Sum::of("batch", &sets).lost,
        [""; 0],
        "acknowledged and lost"
    );
    let alone = Sum::of("batch", &[&sets[..], &["replication.w=1"]].concat());
    assert!(
        !alone.lost.is_empty(),
        "what one has acknowledged may be on n3 alone"
    );
}

/// What comes of the plan over some seeds, once replicas had time to become equal.
#[derive(Debug, Default)]
struct Sum {
    acknowledged: u64,
    /// Each as the seed and an operation of it.
    lost: Vec<String>,
    stale: u64,
    power_losses: u64,
}

impl Sum {
    fn of(sync: &str, sets: &[&str]) -> Self {
        let mut sum = Self::default();
        for seed in 1..=SEEDS {
            let own = [format!("storage.sync={sync}"), format!("seed={seed}")];
            let sets = sets.iter().map(ToString::to_string).chain(own);
            let figures = figures(&sets.collect::<Vec<_>>());
            let lost = figures.lost_writes.known().unwrap();
            sum.acknowledged += lost.lost.of;
            let examples = lost.examples.join(", ");
            sum.lost
                .extend((0..lost.lost.count).map(|_| format!("seed {seed}: {examples}")));
            sum.stale += figures.whole.stale.count;
            sum.power_losses += figures
                .faults
                .iter()
                .map(|fault| fault.machines)
                .sum::<u64>();
        }
        sum
    }
}

fn figures(sets: &[String]) -> Figures {
    let (plan_name, plan) =
        load("durability", "sim", sets).unwrap_or_else(|error| panic!("{error:#}"));
    let facts = RunFacts {
        plan: plan_name,
        backend: "sim".to_owned(),
        seed: plan.seed,
        detail: plan.events,
        ..RunFacts::default()
    };
    let run = Run {
        plan: plan.scaled(),
        progress: Arc::new(Progress::default()),
    };
    let mut events = Vec::new();
    simulate(&run, &mut Pace::default(), &mut |event| events.push(event)).unwrap();
    observe(&facts, events).figures
}

const SEEDS: u64 = 40;
