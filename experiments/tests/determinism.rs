//! The simulator is a function of plan and seed: the same run twice is the same bytes, debug and release, and every
//! run keeps what its strategies promise.

use rand::Rng as _;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tidemark::backend::sim::{Pace, simulate};
use tidemark::backend::{Progress, Run};
use tidemark::plan::{Plan, load};
use tidemark_node::chance;
use tidemark_observer::history::Tables;
use tidemark_observer::observe::{Observed, RunFacts, observe, observe_files};
use tidemark_proto::event::{Event, Milestone, Outcome};
use tidemark_proto::id::{NodeId, OperationId};
use xxhash_rust::xxh3::Xxh3;

/// A run as it is left behind: its events, and the bytes of its four tables.
struct Trace {
    events: Vec<Event>,
    tables: [Vec<u8>; 5],
    happenings: u64,
}

impl Trace {
    fn of(plan: &Plan) -> Self {
        let run = Run {
            plan: plan.clone().scaled(),
            progress: Arc::new(Progress::default()),
        };
        let (mut events, mut tables) = (Vec::new(), <[Vec<u8>; 5]>::default());
        let mut pace = Pace::default();
        let mut writer = Tables::new(tables.each_mut()).expect("memory takes every write");
        let ended = simulate(&run, &mut pace, &mut |event| {
            writer.write(&event).expect("memory takes every write");
            events.push(event);
        });
        writer.flush().expect("memory takes every write");
        drop(writer);
        assert_eq!(ended.expect("the plan was resolved"), Milestone::Ended);
        Self {
            events,
            tables,
            happenings: pace.happenings,
        }
    }

    fn hash(&self) -> u64 {
        let mut hash = Xxh3::new();
        for table in &self.tables {
            hash.update(&table.len().to_le_bytes());
            hash.update(table);
        }
        hash.digest()
    }
}

#[test]
fn the_same_seed_is_the_same_run_byte_for_byte_and_another_seed_another_run() {
    let seeded = |seed: &str| {
        Trace::of(&plan(
            "quickstart",
            &["duration=8s", "fault[0].for=1s", seed],
        ))
    };
    let (first, again, other) = (seeded("seed=7"), seeded("seed=7"), seeded("seed=8"));
    for (table, (one, two)) in first.tables.iter().zip(&again.tables).enumerate() {
        assert!(one == two, "table {table} differs from run to run");
    }
    for table in 0..3 {
        let same = first.tables[table] == other.tables[table];
        assert!(!same, "table {table} does not depend on the seed");
    }
}

#[test]
fn debug_and_release_agree_on_every_byte() {
    let trace = Trace::of(&plan("quickstart", GOLDEN_PLAN));
    let hash = trace.hash();
    assert_eq!(
        hash, GOLDEN,
        "the run's events are no longer those of the last commit, or this profile computes others ({} happenings); \
         if every profile gives {hash:#x} and the change is meant, write it down as GOLDEN",
        trace.happenings
    );
}

#[test]
fn the_files_of_a_run_tell_the_observer_the_same_as_its_events() {
    let plan = plan("quickstart", GOLDEN_PLAN);
    let trace = Trace::of(&plan);
    let files = trace.tables.each_ref().map(Vec::as_slice);
    let from_files = observe_files(&facts(&plan), files).expect("the tables are whole");
    assert!(
        from_files == figures(&plan, &trace),
        "tidemark observe would not give the figures of the run"
    );
}

#[test]
fn a_thousand_short_seeds_run_twice_are_equal_and_keep_their_promises() {
    let workers = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let mut seen = Coverage::default();
    std::thread::scope(|scope| {
        let check_share = |worker| {
            let mut seen = Coverage::default();
            for seed in (worker..SEEDS).step_by(workers as usize) {
                check_seed(seed, &mut seen);
            }
            seen
        };
        let threads: Vec<_> = (0..workers)
            .map(|worker| scope.spawn(move || check_share(worker)))
            .collect();
        for thread in threads {
            seen.add(&thread.join().expect("the failure is printed above"));
        }
    });
    seen.check();
}

/// What the seeds came across, so that a promise that nothing tests is noticed.
#[derive(Default)]
struct Coverage {
    hashes: BTreeSet<u64>,
    counts: BTreeMap<&'static str, u64>,
}

impl Coverage {
    fn count(&mut self, what: &'static str, by: u64) {
        *self.counts.entry(what).or_default() += by;
    }

    fn add(&mut self, other: &Self) {
        self.hashes.extend(&other.hashes);
        for (what, by) in &other.counts {
            self.count(what, *by);
        }
    }

    fn check(&self) {
        assert_eq!(
            self.hashes.len() as u64,
            SEEDS,
            "two different plans gave the same events"
        );
        for (what, least) in [
            ("happenings", 400 * SEEDS),
            ("operations that failed or may have", SEEDS),
            ("stale reads where staleness is allowed", SEEDS / 4),
            ("reads that may not be stale", 5 * SEEDS),
            ("messages that a fault touched", SEEDS),
            ("lost writes where loss is allowed", SEEDS / 10),
            ("restarts", SEEDS / 4),
            ("reads of siblings", SEEDS / 4),
            ("writes that may not be lost", 10 * SEEDS),
        ] {
            let count = self.counts.get(what).copied().unwrap_or(0);
            assert!(
                count >= least,
                "{count} {what}, but at least {least} are needed"
            );
        }
    }
}

fn check_seed(seed: u64, seen: &mut Coverage) {
    let Drawn {
        sets,
        overlap,
        keeps,
    } = Drawn::from(seed);
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    let replay = || {
        let sets: Vec<_> = sets.iter().map(|set| format!("--set \"{set}\"")).collect();
        format!(
            "seed {seed}: tidemark run quickstart --backend sim {}",
            sets.join(" ")
        )
    };
    let plan = plan("quickstart", &sets);
    let (first, again) = (Trace::of(&plan), Trace::of(&plan));
    assert_eq!(first.hash(), again.hash(), "two runs differ: {}", replay());
    assert!(
        first.happenings <= MOST_HAPPENINGS,
        "{} happenings are no short run: {}",
        first.happenings,
        replay()
    );
    seen.hashes.insert(first.hash());
    seen.count("happenings", first.happenings);
    check_operations(&first.events, &replay, seen);

    let figures = figures(&plan, &first).figures;
    let (stale, lost) = (figures.whole.stale, figures.lost_writes.known());
    let lost = lost.expect("everything is kept");
    if overlap && keeps {
        assert_eq!(
            stale.count,
            0,
            "a stale read although R + W > N: {}",
            replay()
        );
        seen.count("reads that may not be stale", stale.of);
    } else {
        seen.count("stale reads where staleness is allowed", stale.count);
    }
    if keeps {
        let examples = lost.examples.join(", ");
        assert_eq!(
            lost.lost.count,
            0,
            "lost although no storage was: {examples}: {}",
            replay()
        );
        seen.count("writes that may not be lost", lost.lost.of);
    } else {
        seen.count("lost writes where loss is allowed", lost.lost.count);
    }
    let touched = figures.whole.messages_touched.known();
    seen.count(
        "messages that a fault touched",
        touched.copied().unwrap_or(0),
    );
    seen.count("reads of siblings", figures.whole.siblings.count);
}

/// Nobody refused anything, and every operation ended exactly once, before the run did.
fn check_operations(events: &[Event], replay: &dyn Fn() -> String, seen: &mut Coverage) {
    let mut begun = BTreeSet::new();
    let mut ended: BTreeSet<OperationId> = BTreeSet::new();
    for event in events {
        match event {
            Event::Refused { node, reason, .. } => {
                panic!("{node} refused something: {reason}: {}", replay())
            }
            Event::Invoked(invocation) => {
                let is_new = begun.insert(invocation.id);
                assert!(is_new, "{} began twice: {}", invocation.id, replay());
            }
            Event::Returned(operation) => {
                let id = operation.id;
                assert!(ended.insert(id), "{id} ended twice: {}", replay());
                let is_over = operation.status != "CANCELLED";
                assert!(is_over, "{id} was under way to the end: {}", replay());
                let is_ok = operation.outcome == Outcome::Ok;
                assert_eq!(is_ok, operation.status == "OK", "{id}: {}", replay());
                seen.count("operations that failed or may have", u64::from(!is_ok));
            }
            Event::Machine { change, .. } => {
                use tidemark_proto::event::MachineChange::{Restarted, RestartedEmpty};
                let is_restart = matches!(change, Restarted | RestartedEmpty);
                seen.count("restarts", u64::from(is_restart));
            }
            Event::Placed { .. }
            | Event::Stored(_)
            | Event::Upkeep(_)
            | Event::Sent { .. }
            | Event::Received { .. }
            | Event::Fate(_)
            | Event::Fault(_)
            | Event::Milestone { .. }
            | Event::Gap(_) => {}
        }
    }
    let lost: Vec<_> = begun.difference(&ended).collect();
    assert!(lost.is_empty(), "{lost:?} never ended: {}", replay());
}

/// A short plan as a seed draws it.
struct Drawn {
    sets: Vec<String>,
    /// Whether every read quorum meets every write quorum.
    overlap: bool,
    /// Whether no replica ever loses its storage.
    keeps: bool,
}

impl Drawn {
    fn from(seed: u64) -> Self {
        let chance = chance::stream(seed, "short plans", NodeId::client(1));
        let mut dice = Dice(chance);
        let n = dice.up_to(3);
        let (r, w) = (dice.up_to(n), dice.up_to(n));
        let gateways = dice.up_to(2) - 1;
        let coordinator = match gateways {
            0 => dice.one_of(&["any", "first"]),
            _ => dice.one_of(&["any", "first", "gateway"]),
        };
        let route = match gateways {
            0 => dice.one_of(&["sticky", "random", "round-robin", "token-aware"]),
            _ => dice.one_of(&["sticky", "random", "round-robin"]),
        };
        let storage = dice.one_of(&["memory", "model"]);
        let victim = dice.up_to(NODES);
        let away = 100 * dice.up_to(7);
        let machine = match dice.up_to(8) {
            1..=3 => format!("crash = 'n{victim}', restart_after = '{away}ms'"),
            4 => format!("power_loss = 'minority', restart_after = '{away}ms'"),
            5 => format!("wipe = 'any', restart_after = '{away}ms'"),
            6 => "crash = 'some', restart_after = '90ms', every = '150ms', until = '1s'".to_owned(),
            7 => format!("pause = 'any-two', for = '{away}ms'"),
            _ => format!(
                "for = '{away}ms', clock = {{ node = 'any', {} }}",
                dice.one_of(&[
                    "offset = '-200ms'",
                    "drift = 0.1",
                    "strobe = { by = '200ms', every = '10ms' }",
                ])
            ),
        };
        let machine = format!("{{ at = '500ms', {machine} }}, ");
        let machine = dice.one_of(&["", &machine]);
        let partition = dice.one_of(&[
            "isolate = 'n3'",
            "isolate = ['n1', 'n2'], clients = true",
            "groups = [['n1', 'n2'], ['n3', 'n4', 'n5']], in_flight = 'lost'",
            "one_way = ['n2 -> *', 'n3 -> n4']",
        ]);
        let loss = dice.one_of(&["0", "0.01", "0.1"]);
        let repair = dice.one_of(&["[]", "[{ kind = 'read' }]"]);
        let service = dice.one_of(&["constant = '0s'", "exponential = '200us'"]);
        let (workload, rate) = dice.one_of(&[
            ("{ kind = 'uniform', keys = 4, reads = 0.5, value_bytes = 20 }", 60),
            ("{ kind = 'zipf', keys = 4, reads = 0.6, value_bytes = 20 }", 60),
            ("{ kind = 'clustered', keys = 4, hot_keys = 1, hot_share = 0.8, reads = 0.5, value_bytes = 20 }", 60),
            ("{ kind = 'ycsb', records = 4, read = 0.4, update = 0.3, insert = 0.1, scan = 0.1, read_modify_write = 0.1, \
              request_distribution = 'latest', scan_length = 2, value_bytes = { uniform = { from = 0, to = 40 } } }", 60),
            ("{ kind = 'visibility-probe', immediate = 0.5, range = '20ms', lead = '100ms', value_bytes = 20 }", 30),
        ]);
        let mut sets = vec![
            format!("seed={seed}"),
            "duration=1200ms".to_owned(),
            "warmup=200ms".to_owned(),
            "settle=1500ms".to_owned(),
            format!("cluster={{ nodes = {NODES}, gateways = {gateways} }}"),
            format!(
                "replication={{ kind = 'strict', n = {n}, r = {r}, w = {w}, timeout = '150ms', \
                 coordinator = '{coordinator}' }}"
            ),
            format!(
                "partitioner.kind={}",
                dice.one_of(&[
                    "token-ring",
                    "slot-ring",
                    "fixed-partitions",
                    "rendezvous",
                    "nearest",
                    "digit-sum",
                ])
            ),
            format!("storage.kind={storage}"),
            format!("repair={repair}"),
            "client.count=4".to_owned(),
            format!("client.rate={rate}"),
            "client.timeout=200ms".to_owned(),
            format!("client.arrivals={}", dice.one_of(&["poisson", "fixed"])),
            format!("client.route={route}"),
            format!("client.retries={}", dice.up_to(3) - 1),
            format!(
                "client.update={}",
                dice.one_of(&["read-first", "remembered", "blind"])
            ),
            format!(
                "client.reconcile={}",
                dice.one_of(&["on-update", "write-back"])
            ),
            format!("workload={workload}"),
            format!("sim.service={{ {service} }}"),
            format!(
                "network=[{{ links = 'peers', latency = {{ exponential = '5ms' }} }}, {{ loss = {loss} }}]"
            ),
            format!(
                "fault=[{machine}{{ at = '400ms', for = '500ms', partition = {{ {partition} }} }}]"
            ),
        ];
        if route == "sticky" && gateways == 0 {
            let moves = dice.one_of(&["", "client.move_after=5", "client.move_after=100ms"]);
            sets.extend((!moves.is_empty()).then(|| moves.to_owned()));
        }
        Self {
            overlap: r + w > n,
            keeps: !machine.contains("wipe")
                && (storage == "model"
                    || !(machine.contains("crash") || machine.contains("power_loss"))),
            sets,
        }
    }
}

struct Dice(Xoshiro256PlusPlus);

impl Dice {
    fn up_to(&mut self, sides: u64) -> u64 {
        1 + self.0.next_u64() % sides
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        let index = self.up_to(choices.len() as u64) - 1;
        choices[index as usize]
    }
}

fn plan(name: &str, sets: &[&str]) -> Plan {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let (_, plan) = load(name, "sim", &sets).unwrap_or_else(|error| panic!("{sets:?}: {error:#}"));
    plan
}

fn figures(plan: &Plan, trace: &Trace) -> Observed {
    observe(&facts(plan), trace.events.iter().cloned())
}

fn facts(plan: &Plan) -> RunFacts {
    RunFacts {
        plan: "quickstart".to_owned(),
        backend: "sim".to_owned(),
        seed: plan.seed,
        detail: plan.events,
        ..RunFacts::default()
    }
}

const SEEDS: u64 = 1_000;
const MOST_HAPPENINGS: u64 = 3_000;
const NODES: u64 = 5;

/// Everything that can make a run differ: every delay is drawn, messages are lost, a machine comes back.
const GOLDEN_PLAN: &[&str] = &[
    "seed=42",
    "duration=8s",
    "time_scale=1.5",
    "storage.kind=model",
    "sim.service={ exponential = '100us' }",
    "network=[{ latency = { mixture = [{ weight = 0.9, pareto = { scale = '235us', shape = 10.0 } }, \
     { weight = 0.1, exponential = '2ms' }] } }, { loss = 0.01 }]",
    "fault=[{ at = '2s', for = '3s', partition = { isolate = 'n3' } }, \
     { at = '3s', crash = 'n1', restart_after = '2s' }]",
];
const GOLDEN: u64 = 0x4d6b_a162_b1ae_f14f;
