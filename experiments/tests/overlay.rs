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
    assert!(distance["curve"].as_f64().unwrap() < 0.02, "{distance}");
    assert_within_chance("visibility", distance, 0.02);
    for source in overlay["sources"].as_array().unwrap() {
        for (place, figure) in source["figures"].as_array().unwrap().iter().enumerate() {
            let [low, high] = [0, 1].map(|end| figure["interval"][end].as_f64());
            // A fitted curve need not rise so far, and where it crosses a line has no interval.
            let may_lack = source["name"] == "sim" && [2, 4, 6].contains(&place);
            let Some(value) = figure["value"].as_f64() else {
                assert!(may_lack, "{place}: {figure}");
                continue;
            };
            let is_told = low
                .zip(high)
                .map(|(low, high)| low <= value && value <= high);
            assert!(is_told.unwrap_or(may_lack), "{place}: {figure}");
        }
    }
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
        let (label, overlay) = (cell["cell"].as_str().unwrap(), &cell["overlay"]);
        assert_eq!(overlay["broken"], serde_json::json!([]), "{label}");
        // Reads of two sites differ by little, and writes of three by much.
        let most = if label.contains("wan") { 0.1 } else { 0.05 };
        assert_within_chance(label, &overlay["sources"][1]["distance"], most);
    }
    let written = only(&folder.path().join("pbs-overlay"));
    let lines = |file: &str| {
        fs::read_to_string(written.join(file))
            .unwrap()
            .lines()
            .count()
    };
    assert_eq!(
        [lines("overlay.csv"), lines("quantiles.csv")],
        [1 + 24, 1 + 24 * 20]
    );
    assert!(written.join("report.html").exists());
    let markdown = fs::read_to_string(written.join("overlay.md")).unwrap();
    assert_eq!(markdown.matches("| sim |").count(), 24, "{markdown}");
    for fit in ["lnkd-ssd", "lnkd-disk", "ymmr-code", "wan"] {
        assert!(markdown.contains(&format!("plots/{fit}.svg")), "{markdown}");
        assert!(written.join(format!("plots/{fit}.svg")).exists(), "{fit}");
    }
    fs::remove_file(written.join("overlay.md")).unwrap();
    let mut observe = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    let again = json(
        &observe
            .args(["observe", "--json"])
            .arg(&written)
            .output()
            .unwrap(),
    );
    assert_eq!(
        again, family,
        "it says other things when it is observed again"
    );
    assert_eq!(
        fs::read_to_string(written.join("overlay.md")).unwrap(),
        markdown
    );
    let unknown = run(folder.path(), "visibility", "predict,simm", &[]);
    assert_eq!(unknown.status.code(), Some(2));
}

/// If this fails, a plan that says who carries out which cell is carried out by others, or not by real processes.
#[test]
fn a_plan_says_who_carries_out_which_cell() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("mine.toml");
    fs::write(&plan, OF_A_CELL).unwrap();
    let out = folder.path().join("results");
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
        command
            .arg("run")
            .arg(&plan)
            .arg("--json")
            .arg("--out")
            .arg(&out);
        json(&command.args(more).output().unwrap())
    };
    let family = run(&[]);
    let cells = family["cells"].as_array().unwrap();
    let told = cells
        .iter()
        .map(|cell| (cell["case"].as_str().unwrap(), names(&cell["overlay"])));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("r = 1", vec!["predict", "sim"]),
            ("r = 2", vec!["predict", "sim", "real"])
        ]
    );
    let real = &cells[1]["overlay"]["sources"][2];
    assert!(real["pairs"].as_u64().unwrap() > 100, "{real}");
    assert!(
        real["distance"]["visible"]["error"].as_f64().unwrap() < 0.2,
        "{real}"
    );
    let broken = cells[1]["overlay"]["broken"].to_string();
    assert!(broken.contains("one machine's cores"), "{broken}");
    let markdown = fs::read_to_string(only(&out.join("mine-overlay")).join("overlay.md")).unwrap();
    assert!(!markdown.contains("--backend"), "{markdown}");
    assert_eq!(names(&run(&["--cell", "r-1"])), ["predict", "sim"]);
    let both = run(&["--backend", "sim", "--cell", "r-2"]);
    assert_eq!(both["run"]["backend"], "sim");
    let said = |what: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
        let output = command.args(["plan", what]).arg(&plan).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    // To others it may be another plan than the one that is shown.
    assert!(
        said("show").contains("backend = \"sim\""),
        "{}",
        said("show")
    );
    assert!(said("check").starts_with("ok"), "{}", said("check"));
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

/// That no error is further from 0 than chance alone would put it, in 75 of which 4 times the noise floor does not come by
/// chance, and none of latency is as much as this.
fn assert_within_chance(label: &str, distance: &Value, most: f64) {
    for what in ["visible", "reads", "writes"] {
        let [error, by_chance] =
            ["error", "by_chance"].map(|part| distance[what][part].as_f64().unwrap());
        assert!(
            error <= 4.0 * by_chance + 1e-9,
            "{label}: {what} {error}, by chance {by_chance}"
        );
        assert!(what == "visible" || error < most, "{label}: {what} {error}");
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

const OF_A_CELL: &str = r#"
extends  = "visibility"
backend  = ["predict", "sim", { kind = "real", cells = ["r = 2"] }]
duration = "3s"
warmup   = "1s"
workload = { lead = "500ms" }

[on.sim]
"client.rate" = 1000
events        = "arrivals"

[on.real]
time_scale    = 2
duration      = "3s"
"client.rate" = 200
events        = "arrivals"

[vary]
"replication.r" = [1, 2]
"#;
