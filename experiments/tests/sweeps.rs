//! Plans with `[vary]`: their cells, and what is refused of them before anything runs.

#![expect(
    clippy::unwrap_used,
    reason = "a test: what cannot be unwrapped fails it"
)]

use std::fs;
use tidemark::plan::{Sweep, backend, load, sweep};

/// The sweep of a plan that extends the quickstart.
fn read(vary: &str, sets: &[&str]) -> anyhow::Result<Sweep> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    fs::write(&file, format!("extends = \"quickstart\"\n{vary}")).unwrap();
    let sets: Vec<_> = sets.iter().map(|set| (*set).to_owned()).collect();
    let sweep = sweep(file.to_str().unwrap(), "sim", &sets)?;
    Ok(sweep.expect("it varies something"))
}

fn refused(vary: &str, sets: &[&str]) -> String {
    let error = read(vary, sets).err();
    format!("{:#}", error.unwrap_or_else(|| panic!("accepted: {vary}")))
}

#[test]
fn every_combination_of_cases_is_a_cell_in_the_order_of_the_plan() {
    let sweep = read(
        r#"
        [vary]
        "replication.r" = [1, 2]
        seed = { from = 5, count = 3 }
        [vary.weather]
        "fair" = {}
        "a foul day" = { "client.rate" = 50, network = [{ name = "legs", latency = { constant = "9ms" } }] }
        "#,
        &[],
    )
    .unwrap();
    assert_eq!(sweep.seeds, [5, 6, 7]);
    let axes: Vec<_> = sweep.axes.iter().map(|axis| axis.name.as_str()).collect();
    assert_eq!(axes, ["replication.r", "weather"]);
    let cells: Vec<_> = sweep
        .cells
        .iter()
        .map(|cell| (cell.label.as_str(), cell.slug.as_str(), cell.cases.clone()))
        .collect();
    assert_eq!(
        cells,
        [
            ("r = 1 · fair", "r-1-fair", vec![0, 0]),
            ("r = 1 · a foul day", "r-1-a-foul-day", vec![0, 1]),
            ("r = 2 · fair", "r-2-fair", vec![1, 0]),
            ("r = 2 · a foul day", "r-2-a-foul-day", vec![1, 1]),
        ]
    );
    let plan = sweep.cells[3].seeded(6);
    assert_eq!((plan.seed, plan.client.rate), (6, 50.0));
    assert_eq!(plan.replication.options["r"], 2);
    assert_eq!(plan.network[0].name.as_deref(), Some("legs"));
    assert_eq!(sweep.cells[0].plan.client.rate, sweep.plan.client.rate);
}

#[test]
fn seeds_are_counted_from_the_plan_s_own_or_listed() {
    let seeds = |vary: &str, sets: &[&str]| read(vary, sets).unwrap().seeds;
    assert_eq!(seeds("vary.seed = { count = 2 }", &[]), [7, 8]);
    assert_eq!(
        seeds("vary.seed = { count = 2 }", &["seed=100"]),
        [100, 101]
    );
    assert_eq!(seeds("vary.seed = [9, 3]", &[]), [9, 3]);
    assert_eq!(seeds("vary.\"replication.r\" = [1, 2]", &[]), [7]);
}

#[test]
fn the_command_line_changes_every_cell_and_what_varies() {
    let vary = "[vary]\n\"replication.r\" = [1, 2]\nseed = { count = 2 }";
    let sweep = read(vary, &["client.rate=99", "vary.seed.count=3"]).unwrap();
    assert!(sweep.cells.iter().all(|cell| cell.plan.client.rate == 99.0));
    assert_eq!(sweep.seeds.len(), 3);
    let sets = [r#"vary={"replication.w"=[1,2]}"#.to_owned()];
    let added = super_sweep("strict", &sets);
    assert_eq!(added.cells.len(), 2);
}

fn super_sweep(plan: &str, sets: &[String]) -> Sweep {
    sweep(plan, "sim", sets).unwrap().unwrap()
}

#[test]
fn a_plan_that_varies_nothing_is_no_sweep_and_names_no_back_end() {
    assert!(sweep("quickstart", "sim", &[]).unwrap().is_none());
    assert_eq!(backend("quickstart", &[]).unwrap(), None);
    assert_eq!(backend("base-matrix", &[]).unwrap(), Some("sim"));
    let set = ["backend=real".to_owned()];
    assert_eq!(backend("base-matrix", &set).unwrap(), Some("real"));
    let error = backend("base-matrix", &["backend=moon".to_owned()]).unwrap_err();
    assert!(format!("{error:#}").contains("\"moon\""), "{error:#}");
}

#[test]
fn the_base_matrix_is_two_by_four() {
    let matrix = super_sweep("base-matrix", &[]);
    let axes: Vec<_> = matrix.axes.iter().map(|axis| axis.cases.len()).collect();
    assert_eq!(axes, [2, 4]);
    assert!(matrix.seeds.len() >= 10, "too few for an interval");
    let (_, alone) = load("base-matrix", "sim", &[]).unwrap();
    let value = |plan| serde_json::to_value(plan).unwrap();
    assert_eq!(value(&matrix.plan), value(&alone));
    assert_eq!(value(&matrix.cells[0].plan), value(&alone));
}

#[test]
fn what_cannot_vary_is_refused_with_its_place() {
    for (vary, sets, parts) in [
        (
            "vary.\"client.rte\" = [1, 2]",
            &[][..],
            &["“rte = 1”", "client", "`rte`", "`rate`"][..],
        ),
        (
            "vary.load.high = { \"client.rate\" = -1 }",
            &[],
            &["the cell “high”", "client.rate is -1"],
        ),
        (
            "vary.a.b = { seed.x = 1 }",
            &[],
            &["vary.\"a\"", "changes seed", "vary.seed"],
        ),
        (
            "vary.replication.r = [1, 2]",
            &[],
            &["vary.replication.r is a list", "\"replication.r\" = [1, 2]"],
        ),
        ("vary.load.high = 3", &[], &["vary.load.high is 3"]),
        ("vary.load = 3", &[], &["vary.\"load\" is 3", "list"]),
        ("vary.load = []", &[], &["vary.\"load\" has no cases"]),
        ("vary = 3", &[], &["vary is 3", "table of axes"]),
        ("vary.seed = { from = 1 }", &[], &["vary.seed", "count"]),
        ("vary.seed = { count = 0 }", &[], &["no seed"]),
        ("vary.seed = [1, 1]", &[], &["has 1 twice"]),
        ("vary.seed = [-1]", &[], &["vary.seed is [-1]"]),
        (
            "vary.seed = { count = 2001 }",
            &[],
            &["vary.seed.count is 2001", "2000"],
        ),
        (
            "vary.seed = [1, 2]",
            &["seed=3"],
            &["seed=3", "vary.seed says"],
        ),
        (
            "vary.\"replication.r\" = [1, 2]",
            &["replication.r=1"],
            &["“r = 1” and “r = 2” are the same plan", "overrides it"],
        ),
        (
            "vary.a = { \"x y\" = {}, \"x-y\" = { \"client.rate\" = 9 } }",
            &[],
            &["“x y” and “x-y”", "the folder x-y"],
        ),
        (
            "[vary]\nseed = { count = 1001 }\n\"replication.r\" = [1, 2]",
            &[],
            &["2002 runs", "2 combinations", "2000"],
        ),
    ] {
        let error = refused(vary, sets);
        for part in parts {
            assert!(error.contains(part), "{vary}: no {part:?} in {error}");
        }
    }
    let many: Vec<_> = (1..=17).map(|i| i.to_string()).collect();
    let many = many.join(", ");
    let error = refused(
        &format!("[vary]\n\"client.rate\" = [{many}]\n\"client.count\" = [{many}]"),
        &[],
    );
    assert!(error.contains("289 combinations"), "{error}");
}
