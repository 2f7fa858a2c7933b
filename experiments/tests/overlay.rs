//! `tidemark run <plan> --backend predict,sim`: what it lays over each other, and what of the model a plan breaks.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tidemark::plan::load;
use tidemark::prediction::{broken, plan_prediction};

/// If this fails, the simulator and the model disagree on the plan that does all the model supposes, or a report lacks one.
#[test]
fn a_plan_of_the_models_shape_is_measured_as_it_was_predicted() {
    let folder = tempfile::tempdir().unwrap();
    let sets = ["client.rate=4000", "duration=32s"];
    let overlay = json(&run(folder.path(), "visibility", "predict,sim", &sets));
    assert_eq!(names(&overlay), ["predict", "sim"]);
    assert_eq!(overlay["broken"], serde_json::json!([]));
    let distance = &overlay["sources"][1]["distance"];
    for (what, most) in [("curve", 0.02), ("reads", 0.02), ("writes", 0.02)] {
        let found = distance[what].as_f64().unwrap();
        assert!(found < most, "{what}: {found}");
    }
    let predicted = overlay["sources"][0]["figures"].as_array().unwrap();
    assert!(predicted.iter().all(Value::is_f64));
    let written = only(&folder.path().join("visibility-overlay"));
    let report = fs::read_to_string(written.join("report.html")).unwrap();
    assert_eq!(report.matches("<svg").count(), 2);
    for file in [
        "overlay.json",
        "manifest.json",
        "plots/freshness.svg",
        "plots/latency.png",
    ] {
        assert!(written.join(file).exists(), "{file}");
    }
    let simulated = overlay["sources"][1]["folder"].as_str().unwrap();
    assert!(Path::new(simulated).join("report.html").exists());
}

/// If this fails, a plan that the model does not fit is not predicted, or nobody is told.
#[test]
fn a_plan_that_breaks_the_model_is_predicted_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(
        folder.path(),
        "quickstart",
        "predict,sim",
        &["duration=14s"],
    );
    let overlay = json(&output);
    let supposed: Vec<_> = overlay["broken"]
        .as_array()
        .unwrap()
        .iter()
        .map(|broken| broken["supposed"].as_str().unwrap())
        .collect();
    for part in [
        "nothing but the write",
        "nothing goes wrong",
        "one write at a time",
        "asks nobody first",
    ] {
        assert!(
            supposed.iter().any(|supposed| supposed.contains(part)),
            "{part}: {supposed:?}"
        );
    }
    // Who predicts nothing is told nothing of the model, whose R and W a plan need not have.
    let set = [
        "duration=14s",
        "replication.kind=fire-and-forget",
        "replication.w=0",
    ];
    let other = tempfile::tempdir().unwrap();
    let measured = json(&run(other.path(), "quickstart", "sim", &set));
    assert_eq!(measured["run"]["backend"], "sim");
    let refused = run(other.path(), "quickstart", "predict,sim", &set);
    assert_eq!(refused.status.code(), Some(3));
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        why.contains("r is 1 and w is 0, but the model waits for 1 to 3 replicas"),
        "{why}"
    );
    let alone = json(&run(folder.path(), "quickstart", "predict", &[]));
    assert_eq!(names(&alone), ["predict"]);
    assert!(
        only(&folder.path().join("quickstart"))
            .join("report.html")
            .exists()
    );
}

/// If this fails, a cell is laid over another, or sites are not where the plan has them: WAN's gateways have a site each.
#[test]
fn a_plan_that_varies_is_laid_over_itself_cell_by_cell() {
    let folder = tempfile::tempdir().unwrap();
    let sets = ["duration=8s", "settle=2s", "client.rate=2500"];
    let family = json(&run(folder.path(), "pbs", "predict,sim", &sets));
    let cells = family["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 24);
    for cell in cells {
        let (label, overlay) = (&cell[0], &cell[1]);
        assert_eq!(overlay["broken"], serde_json::json!([]), "{label}");
        let distance = &overlay["sources"][1]["distance"];
        let [found, by_chance] =
            ["visible", "by_chance"].map(|what| distance[what].as_f64().unwrap());
        // The twenty are not independent of each other.
        assert!(
            found <= 4.0 * by_chance + 1e-9,
            "{label}: {found}, by chance {by_chance}"
        );
        // Three digits of 150 ms are a tenth of what reads of two sites differ by.
        let most = if label.as_str().unwrap().contains("wan") {
            0.1
        } else {
            0.05
        };
        for what in ["reads", "writes"] {
            let error = distance[what].as_f64().unwrap();
            assert!(error < most, "{label}: {what} {error}");
        }
    }
    let written = only(&folder.path().join("pbs-overlay"));
    let rows = fs::read_to_string(written.join("overlay.csv")).unwrap();
    assert_eq!(rows.lines().count(), 25);
    assert!(written.join("report.html").exists());
    let unknown = run(folder.path(), "visibility", "predict,simm", &[]);
    assert_eq!(unknown.status.code(), Some(2));
}

/// If this fails, an assumption is broken without a word, or told where it holds.
#[test]
fn each_assumption_is_broken_by_what_breaks_it() {
    let told = |sets: &[&str]| {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        let (_, plan) = load("visibility", "sim", &sets).unwrap();
        let (model, prediction) = plan_prediction(&plan).unwrap();
        let broken = broken(&plan, (&model, &prediction), None);
        broken
            .into_iter()
            .map(|broken| (broken.supposed, broken.by))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&[]), []);
    for (sets, supposed, by) in [
        (
            &["repair=[{ kind = 'read', mode = 'asynchronous' }]"][..],
            "nothing but the write",
            "read",
        ),
        (
            &["fault=[{ at = '3s', restart_after = '1s', crash = 'n2' }]"],
            "nothing goes wrong",
            "crash",
        ),
        (
            &["network=[{ name = 'leaky', loss = 0.1 , links = 'peers' }]"],
            "no message is lost",
            "leaky",
        ),
        (
            &["network=[{ latency = { constant = '1ms' }, links = ['g1 -> n1'] }]"],
            "links between nodes",
            "latency",
        ),
        (
            &["network=[{ latency = { constant = '1ms' } }]"],
            "clients have no distance",
            "latency",
        ),
        (
            &["replication.kind=sloppy"],
            "nobody in their place",
            "sloppy",
        ),
        (
            &["replication.node_confirms=2"],
            "all that a request waits for",
            "node_confirms",
        ),
        (
            &["replication.read_set=digest"],
            "a read asks all",
            "digest",
        ),
        (
            &[
                "cluster.gateways=0",
                "replication.coordinator=any",
                "cluster.nodes=5",
            ],
            "coordinators hold no keys",
            "any of 5 nodes",
        ),
        (
            &["cluster.gateways=0", "replication.coordinator=first"],
            "coordinators hold no keys",
            "first replica",
        ),
        (
            &["replication.timeout=20ms"],
            "waits as long as it takes",
            "longer than 20ms",
        ),
        (&["client.retries=2"], "a write is one request", "retries"),
        (
            &[
                "workload={ kind = 'uniform', keys = 10, reads = 0.5, value_bytes = 10 }",
                "client.update=blind",
            ],
            "one write at a time",
            "uniform",
        ),
        (
            &["sim.service={ constant = '10us' }"],
            "nodes take no time",
            "10us",
        ),
        (&["storage.kind=model"], "no disk", "model"),
    ] {
        let found = told(sets);
        assert_eq!(found.len(), 1, "{sets:?}: {found:?}");
        assert!(
            found[0].0.contains(supposed) && found[0].1.contains(by),
            "{sets:?}: {found:?}"
        );
    }
}

fn names(overlay: &Value) -> Vec<&str> {
    let sources = overlay["sources"].as_array().unwrap();
    sources
        .iter()
        .map(|source| source["name"].as_str().unwrap())
        .collect()
}

fn json(output: &Output) -> Value {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The only thing in a folder.
fn only(folder: &Path) -> std::path::PathBuf {
    let mut found = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let only = found.next().unwrap();
    assert_eq!(found.next(), None);
    only
}

fn run(out: &Path, plan: &str, backends: &str, sets: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    command
        .args(["run", plan, "--backend", backends, "--json", "--out"])
        .arg(out);
    for set in sets {
        command.args(["--set", set]);
    }
    command.output().unwrap()
}
