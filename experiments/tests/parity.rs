//! One plan in both back-ends: the same load, the same fate for the same message, the same picture, and the table that says so.

#![expect(
    clippy::unwrap_used,
    reason = "a test: what cannot be unwrapped fails it"
)]

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
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

/// If this fails, what is the same passes for different, or the plan has figures that no back-end could get wrong.
#[test]
fn a_back_end_comes_to_the_same_as_itself() {
    let out = tempfile::tempdir().unwrap();
    let output = laid_over("parity", "sim,sim", &["vary.seed.count=2"], out.path());
    let family = json(&output);
    assert!(output.status.success());
    let figures = family["parity"]["figures"].as_array().unwrap();
    assert_eq!(figures.len(), 3 * 4);
    for figure in figures {
        let found = &figure["equivalence"];
        let all = ["difference", "low", "high"].map(|end| found[end].as_f64());
        assert_eq!(all, [Some(0.0); 3], "{figure}");
        assert_eq!(found["is_equivalent"], true);
        let estimate = &figure["estimates"][1];
        let value = estimate["value"].as_f64().unwrap();
        let (least, most) = match estimate["metric"].as_str().unwrap() {
            "fresh_at_zero_from_arrivals" => (0.5, 0.9),
            "stale" => (0.04, 0.5),
            "availability" => (0.8, 0.97),
            "siblings" => (0.1, 0.3),
            other => panic!("{other} is compared"),
        };
        assert!((least..most).contains(&value), "{figure}");
    }
}

/// If this fails, a plan is not carried out by processes with every seed, or its exit code says something else than its table.
#[test]
fn a_plan_with_seeds_is_compared_figure_by_figure() {
    let out = tempfile::tempdir().unwrap();
    let plan = out.path().join("short.toml");
    std::fs::write(&plan, SHORT).unwrap();
    let output = laid_over(plan.to_str().unwrap(), "sim,real", &[], out.path());
    let family = json(&output);
    let parity = &family["parity"];
    assert_eq!(parity["backends"], serde_json::json!(["sim", "real"]));
    let figures = parity["figures"].as_array().unwrap();
    assert_eq!(figures.len(), 2 * 4);
    let is_same = |figure: &&Value| figure["equivalence"]["is_equivalent"] == true;
    for figure in figures {
        for estimate in figure["estimates"].as_array().unwrap() {
            assert_eq!(estimate["seeds"], 2, "{figure}");
            assert!(estimate["value"].is_f64(), "{figure}");
        }
        // Two seeds make an interval; whether it is narrow is another matter.
        assert!(figure["equivalence"]["low"].is_f64(), "{figure}");
    }
    let missed = figures.len() - figures.iter().filter(is_same).count();
    let error = String::from_utf8_lossy(&output.stderr);
    if missed == 0 {
        assert_eq!(output.status.code(), Some(0), "{error}");
    } else {
        assert_eq!(output.status.code(), Some(1), "{error}");
        let said =
            format!("{missed} of 8 figures are not shown to come to the same in sim and real");
        assert!(error.contains(&said), "{error}");
    }
    let folder = only(&out.path().join("short-overlay"));
    let rows = std::fs::read_to_string(folder.join("parity.csv")).unwrap();
    assert_eq!(rows.lines().count(), 9, "{rows}");
    let report = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(report.contains("The same in sim and real?"));
}

fn laid_over(plan: &str, backends: &str, sets: &[&str], out: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    command
        .args(["run", plan, "--backend", backends, "--json", "--out"])
        .arg(out)
        .args(sets.iter().flat_map(|change| ["--set", change]));
    command.output().unwrap()
}

fn json(output: &Output) -> Value {
    let error = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{error}"))
}

/// The only thing in a folder.
fn only(folder: &Path) -> PathBuf {
    let mut found = std::fs::read_dir(folder).unwrap();
    let only = found.next().expect("a run leaves a folder").unwrap().path();
    assert!(found.next().is_none());
    only
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
    only(&out.join(backend).join("quickstart"))
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

/// As short as shows that every cell runs with every seed in both.
const SHORT: &str = r#"
extends = "quickstart"
question = "Do both say the same?"
duration = "1500ms"
warmup = "500ms"
settle = "200ms"
fault = []

[client]
rate = 200

[workload]
keys = 20

[vary]
seed = { count = 2 }

[vary.trouble]
"none" = {}
"crash" = { fault = [{ at = "700ms", crash = "n3", restart_after = "300ms" }] }
"#;
/// A run this short has some 300 reads a phase, which cluster: no closer agreement can be asked of every machine.
const MARGIN: f64 = 0.15;
