//! One plan in both back-ends: the same load, the same fate for the same message, the same picture.

#![expect(
    clippy::unwrap_used,
    reason = "a test: what cannot be unwrapped fails it"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tidemark_observer::figures::Figures;
use tidemark_observer::history::{Events, FILES};
use tidemark_proto::event::{Event, Kind, Passage, Purpose};
use tidemark_proto::id::NodeId;

/// If this fails, the simulator and the processes no longer run the same experiment, and neither speaks for the other.
#[test]
fn both_back_ends_run_the_same_experiment() {
    let out = tempfile::tempdir().unwrap();
    let (sim, real) = (run("sim", out.path()), run("real", out.path()));

    let (simulated, measured) = (arrivals(&sim), arrivals(&real));
    assert!(simulated.len() > 1_000, "{} arrivals", simulated.len());
    assert_eq!(simulated, measured, "the load differs");

    let (simulated, measured) = (delays(&sim), delays(&real));
    let both: Vec<_> = simulated
        .iter()
        .filter_map(|(k, delay)| Some((k, delay, measured.get(k)?)))
        .collect();
    assert!(
        both.len() > 5_000,
        "only {} messages travelled in both",
        both.len()
    );
    for (message, simulated, measured) in both {
        assert_eq!(
            simulated, measured,
            "{message:?} was to be delayed otherwise"
        );
    }

    let (simulated, measured) = (figures(&sim), figures(&real));
    assert_eq!(simulated.phases.len(), 3);
    for (sim, real) in simulated.phases.iter().zip(&measured.phases) {
        assert_eq!(sim.name, real.name);
        let shares = [
            ("stale", sim.stale.share, real.stale.share),
            ("available", sim.availability.share, real.availability.share),
        ];
        for (what, sim_share, real_share) in shares {
            let (a, b) = (sim_share.unwrap(), real_share.unwrap());
            assert!(
                (a - b).abs() < MARGIN,
                "{}: {what} is {a} in sim, {b} in real",
                sim.name
            );
        }
    }
    let stale = |figures: &Figures| figures.phases[1].stale.share.unwrap();
    assert!(
        stale(&simulated) > 0.1 && stale(&measured) > 0.1,
        "the cut shows in both"
    );
}

fn run(backend: &str, out: &Path) -> PathBuf {
    let fault = r#"fault=[{ name = "n3 is cut off", at = "2s", for = "2s", partition = { isolate = "n3" } }]"#;
    let changes = [
        "duration=6s",
        "settle=500ms",
        "client.rate=250",
        "workload.keys=40",
        fault,
    ];
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    command
        .args(["run", "quickstart", "--backend", backend, "--json", "--out"])
        .arg(out.join(backend));
    let output = command
        .args(changes.iter().flat_map(|change| ["--set", change]))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{backend}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let runs = std::fs::read_dir(out.join(backend).join("quickstart")).unwrap();
    runs.map(|entry| entry.unwrap().path())
        .next()
        .expect("a run leaves a folder")
}

fn events(folder: &Path) -> Events<File> {
    Events::new(FILES.map(|name| File::open(folder.join(name)).unwrap())).unwrap()
}

/// When each arrival was wanted, and what of: reads, and reads that begin a write.
fn arrivals(folder: &Path) -> Vec<(Duration, Purpose, bytes::Bytes)> {
    let arrival = |event: Event| match event {
        Event::Returned(operation) if operation.kind == Kind::Get => {
            Some((operation.intended, operation.purpose, operation.key))
        }
        _ => None,
    };
    let mut arrivals: Vec<_> = events(folder)
        .filter_map(|event| arrival(event.unwrap()))
        .collect();
    arrivals.sort();
    arrivals
}

/// The delay that each message was to have which no fault touched.
fn delays(folder: &Path) -> BTreeMap<(NodeId, NodeId, String, u64), Duration> {
    let delay = |event: Event| match event {
        Event::Fate(passage) if !passage.faulty && !passage.rules.is_empty() => {
            let Passage {
                from,
                to,
                method,
                k,
                intended,
                ..
            } = *passage;
            Some(((from, to, method.into_owned(), k), intended))
        }
        _ => None,
    };
    events(folder)
        .filter_map(|event| delay(event.unwrap()))
        .collect()
}

fn figures(folder: &Path) -> Figures {
    serde_json::from_reader(File::open(folder.join("metrics.json")).unwrap()).unwrap()
}

/// A run this short has some 300 reads a phase, which cluster: no closer agreement can be asked of every machine.
const MARGIN: f64 = 0.15;
