//! `tidemark predict` as a program: its JSON, and legs from a file and from a run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::Value;
use std::fs;
use std::process::Command;

/// If this fails, whoever reads the JSON of one cell misses a figure, or finds another than there should be: every leg takes
/// as long as the file says, so all of them can be worked out.
#[test]
fn the_json_of_a_cell_has_every_figure() {
    let folder = tempfile::tempdir().unwrap();
    let legs = folder.path().join("legs.csv");
    fs::write(&legs, "w,a,r,s\n20,0.5,0.1,0.2\n").unwrap();
    let fit = format!("file:{}", legs.display());
    let cell = |more: &[&str]| {
        let one = ["--fit", &fit, "-r", "1", "-w", "1", "--k", "2"];
        json(&[&one, more].concat())
    };
    let expected = serde_json::json!({
        "p_fresh_at_0": 1.0,
        "p_fresh_at_ms": { "10": 1.0 },
        "t_visibility_ms": { "0.5": 0.0, "0.9": 0.0, "0.99": 0.0, "0.999": 0.0, "0.9999": 0.0 },
        "read_latency_ms": { "0.5": 0.3, "0.999": 0.3 },
        "write_latency_ms": { "0.5": 20.5, "0.999": 20.5 },
        "k_staleness": { "1": 2.0 / 3.0, "2": 4.0 / 9.0 },
        "monotonic_reads": 4.0 / 9.0,
    });
    assert!(is_near(&cell(&[]), &expected), "{}", cell(&[]));
    // A coordinator's own replica takes no time, and every third read asks it; others wait for the write to arrive.
    let own = cell(&["--coordinator", "replica", "--trials", "100000"]);
    let fresh = own["p_fresh_at_0"].as_f64().unwrap();
    assert!((fresh - 1.0 / 3.0).abs() < 0.01, "{fresh}");
    assert_eq!(own["p_fresh_at_ms"]["10"], own["p_fresh_at_0"]);
    assert_eq!(own["t_visibility_ms"]["0.99"], 20.0);
    assert_eq!(own["write_latency_ms"]["0.999"], 0.0);
}

/// If this fails, the table lacks cells, or a cell is another than when it is asked for alone.
#[test]
fn the_table_has_every_cell_as_it_is_alone() {
    let asked = [
        "--fit",
        "wan",
        "-n",
        "4",
        "--trials",
        "5000",
        "--read-set",
        "quorum",
    ];
    let table = json(&asked);
    let cells = table.as_array().unwrap();
    assert_eq!(cells.len(), 16);
    for (place, cell) in cells.iter().enumerate() {
        let [r, w] = [place / 4 + 1, place % 4 + 1].map(|quorum| quorum.to_string());
        let mut alone = json(&[&asked[..], &["-r", &r, "-w", &w]].concat());
        assert_eq!(cell["n"], 4);
        assert_eq!([&cell["r"], &cell["w"]].map(Value::to_string), [r, w]);
        for name in ["n", "r", "w"] {
            alone[name] = cell[name].clone();
        }
        assert_eq!(cell, &alone);
    }
}

/// If this fails, a what-if names no cell, or one that does not do.
#[test]
fn the_cheapest_meets_the_goals_or_is_told_not_to() {
    let asked = ["--fit", "lnkd-ssd", "--trials", "20000", "--cheapest"];
    let found = json(&[&asked[..], &["--fresh-at", "0ms=99%"]].concat());
    assert_eq!([&found["cheapest"]["r"], &found["cheapest"]["w"]], [2, 1]);
    assert!(found["closest"].is_null());
    let goals = ["--fresh-at", "0ms=100%", "--read-latency", "p50=0.01ms"];
    let found = json(&[&asked[..], &goals].concat());
    assert!(found["cheapest"].is_null());
    assert!(found["closest"]["r"].is_u64(), "{found}");
}

/// If this fails, what a run measured of its legs does not come back: every leg takes 4 ms, and the nodes no time.
#[test]
fn a_run_has_legs_to_predict_from() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let run = |events: &str| {
        let arguments = [
            "run",
            "visibility",
            "--backend",
            "sim",
            "--out",
            out,
            "--set",
            "client.rate=200",
            "--set",
            "duration=6s",
            "--set",
            events,
            "--set",
            "network=[{ name = 'all', links = 'peers', latency = { constant = '4ms' } }]",
        ];
        let output = tidemark(&arguments);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let runs = fs::read_dir(folder.path().join("visibility")).unwrap();
        let newest = runs.map(|run| run.unwrap().path()).max().unwrap();
        format!("run:{}", newest.display())
    };
    let without = run("events=arrivals");
    let refused = tidemark(&["predict", "--fit", &without]);
    assert_eq!(refused.status.code(), Some(2));
    fs::remove_dir_all(folder.path().join("visibility")).unwrap();
    let with = run("events=all");
    let found = json(&["--fit", &with, "-r", "2", "-w", "2", "--trials", "1000"]);
    for name in ["read_latency_ms", "write_latency_ms"] {
        let ms = found[name]["0.5"].as_f64().unwrap();
        assert!((ms - 8.0).abs() < 0.05, "{name}: {ms}");
    }
}

fn json(arguments: &[&str]) -> Value {
    let output = tidemark(&[&["predict", "--json"], arguments].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn tidemark(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    command.args(arguments).output().unwrap()
}

/// The same names, and the same numbers but for the last digits.
fn is_near(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            found.keys().eq(expected.keys())
                && found
                    .iter()
                    .all(|(name, value)| is_near(value, &expected[name]))
        }
        _ => {
            let numbers = found.as_f64().zip(expected.as_f64());
            numbers.is_some_and(|(found, expected)| (found - expected).abs() < 1e-9)
        }
    }
}
