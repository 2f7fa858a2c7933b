//! YCSB's presets in whole simulated runs: the mix that was asked for is the mix that happened; a property file beside a
//! plan is found, and what it asks for in vain is named.

#![expect(
    clippy::unwrap_used,
    reason = "a test: what cannot be unwrapped fails it"
)]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tidemark::backend::sim::{Pace, simulate};
use tidemark::backend::{Progress, Run};
use tidemark::plan::load;
use tidemark_proto::event::{Event, Kind, Milestone, Operation, Outcome, Purpose};

/// If this fails, a preset asks for something else than YCSB's workload of its letter.
#[test]
fn every_preset_has_its_mix() {
    for (preset, shares) in [
        ("a", [("read", 0.5), ("update", 0.5)]),
        ("b", [("read", 0.95), ("update", 0.05)]),
        ("c", [("read", 1.0), ("update", 0.0)]),
        ("d", [("read", 0.95), ("insert", 0.05)]),
        ("e", [("scan", 0.95), ("insert", 0.05)]),
        ("f", [("read", 0.5), ("read-modify-write", 0.5)]),
    ] {
        let counts = Load::of(preset).check();
        let all: u64 = counts.values().sum();
        assert!(all > 500, "{preset}: {counts:?}");
        let mut others = all;
        for (kind, share) in shares {
            let count = counts.get(kind).copied().unwrap_or(0);
            let spread = (all as f64 * share * (1.0 - share)).sqrt();
            let off = count as f64 - all as f64 * share;
            assert!(off.abs() <= 4.0 * spread, "{preset}: {kind} in {counts:?}");
            others -= count;
        }
        assert_eq!(others, 0, "{preset}: {counts:?}");
    }
}

#[test]
fn the_latest_records_are_read_the_most() {
    let load = Load::of("d");
    let inserted = load.puts().map(|put| &put.key).collect::<BTreeSet<_>>();
    let reads = load.operations.iter().filter(|op| op.kind == Kind::Get);
    let (new, all) = reads.fold((0, 0), |(new, all), read| {
        (new + u32::from(inserted.contains(&read.key)), all + 1)
    });
    // About 30 of 230 records are new at the end: evenly asked for, a fifteenth of the reads would be of them.
    assert!(
        new * 4 > all,
        "{new} of {all} reads were of records that the load inserted"
    );
}

/// The values of every kind of workload are as long as the plan says, and no shorter than their writer's name.
#[test]
fn values_are_as_long_as_they_are_drawn() {
    let uniform = "workload.value_bytes={ uniform = { from = 0, to = 400 } }";
    let lengths: Vec<_> = run("quickstart", &[uniform])
        .operations
        .iter()
        .filter(|op| op.kind == Kind::Put)
        .map(|op| op.value_bytes)
        .collect();
    let mean = lengths.iter().map(|bytes| f64::from(*bytes)).sum::<f64>() / lengths.len() as f64;
    let spread = 400.0 / 12f64.sqrt() / (lengths.len() as f64).sqrt();
    assert!(
        (mean - 200.0).abs() < 4.0 * spread + 1.0,
        "{mean} of {}",
        lengths.len()
    );
    assert!(lengths.iter().all(|bytes| (5..=400).contains(bytes)));
}

#[test]
fn a_file_is_found_beside_its_plan_and_what_is_not_honoured_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ycsb/workloadd"),
        file("workloadd"),
    )
    .unwrap();
    let text = "extends = 'quickstart'\nduration = '2s'\nfault = []\n[client]\nrate = 50\n\
                [workload]\nkind = 'ycsb'\nfile = 'workloadd'\nrecords = 50\n";
    fs::write(file("own.toml"), text).unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_tidemark"))
        .args(["run", "--backend", "sim", "--out"])
        .args([file("results"), file("own.toml")])
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.success(), "{said}");
    let note = "operationcount = 1000: the load ends with the plan's duration";
    assert!(said.contains(note), "{said}");
    let run = fs::read_dir(file("results/own")).unwrap().next().unwrap();
    let manifest = fs::read_to_string(run.unwrap().path().join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let workload = &manifest["plan"]["workload"];
    assert_eq!(workload["unhonoured"][0], note);
    assert_eq!(workload["request_distribution"], "latest");
    assert_eq!(workload["records"], 50);
}

/// What clients did.
struct Load {
    /// By the load, in the order in which they began.
    operations: Vec<Operation>,
    preloaded: BTreeSet<Vec<u8>>,
    placed: usize,
}

impl Load {
    /// A run of a preset; updates are blind, so that they differ from read-modify-writes.
    fn of(preset: &str) -> Self {
        let workload =
            format!("workload={{ kind = 'ycsb', preset = '{preset}', records = {RECORDS} }}");
        run("quickstart", &[&workload, "client.update=blind"])
    }

    fn puts(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|op| op.kind == Kind::Put)
    }

    /// How many arrivals there were of each kind.
    fn check(&self) -> BTreeMap<&'static str, u64> {
        assert_eq!(self.preloaded.len(), RECORDS);
        let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut inserted = BTreeSet::new();
        let mut arrivals: BTreeMap<Duration, Vec<&Operation>> = BTreeMap::new();
        // What follows a read-modify-write's read belongs to the arrival of that.
        let asked = self
            .operations
            .iter()
            .filter(|op| op.context_from.is_none());
        for operation in asked {
            arrivals
                .entry(operation.intended)
                .or_default()
                .push(operation);
        }
        let is_scan = arrivals.values().any(|arrival| arrival.len() > 1);
        for operations in arrivals.values() {
            let first = operations[0];
            let kind = match (first.kind, first.purpose) {
                (Kind::Put, _) if self.preloaded.contains(&first.key[..]) => "update",
                (Kind::Put, _) => {
                    assert!(inserted.insert(&first.key), "a key was inserted twice");
                    "insert"
                }
                (Kind::Get, Purpose::ReadFirst) => "read-modify-write",
                (Kind::Get, _) if is_scan => "scan",
                (Kind::Get, _) => "read",
                (Kind::Delete, _) => panic!("nothing is deleted"),
            };
            assert!(operations.len() <= 100, "a scan of {}", operations.len());
            *counts.entry(kind).or_default() += 1;
        }
        assert_eq!(
            self.placed,
            RECORDS + inserted.len(),
            "every key is placed once"
        );
        counts
    }
}

/// A quiet run of three seconds of load.
fn run(plan: &str, sets: &[&str]) -> Load {
    let quiet = [
        "duration=4s",
        "warmup=1s",
        "settle=1s",
        "fault=[]",
        "client.rate=250",
    ];
    let sets: Vec<_> = quiet.iter().chain(sets).map(ToString::to_string).collect();
    let (_, plan) = load(plan, "sim", &sets).unwrap_or_else(|error| panic!("{sets:?}: {error:#}"));
    let run = Run {
        plan,
        progress: Arc::new(Progress::default()),
    };
    let mut load = Load {
        operations: Vec::new(),
        preloaded: BTreeSet::new(),
        placed: 0,
    };
    let ended = simulate(&run, &mut Pace::default(), &mut |event| match event {
        Event::Placed { .. } => load.placed += 1,
        Event::Returned(operation) if operation.purpose == Purpose::Preload => {
            load.preloaded.insert(operation.key.to_vec());
        }
        Event::Returned(operation) => {
            assert_eq!(operation.outcome, Outcome::Ok, "{operation:?}");
            load.operations.push(*operation);
        }
        _ => {}
    });
    assert_eq!(ended.unwrap(), Milestone::Ended);
    load
}

const RECORDS: usize = 200;
