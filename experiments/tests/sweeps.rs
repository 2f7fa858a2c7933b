//! Plans with `[vary]`: their cells, what is refused of them before anything runs, what their runs leave behind, and that
//! the base matrix differs as theory says.

#![expect(
    clippy::unwrap_used,
    reason = "a test: what cannot be unwrapped fails it"
)]

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use tempfile::TempDir;
use tidemark::backend::Progress;
use tidemark::plan::{Sweep, carriers, load, sweep};
use tidemark::record::{Folder, History, SweepFolder, SweepRecord};
use tidemark::sweep::carry_out;
use tidemark_observer::sweep::{Samples, SweepFigures};
use tidemark_proto::event::Milestone;

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
    let added = of_plan("strict", &sets);
    assert_eq!(added.cells.len(), 2);
}

fn of_plan(plan: &str, sets: &[String]) -> Sweep {
    sweep(plan, "sim", sets).unwrap().unwrap()
}

#[test]
fn a_plan_that_varies_nothing_is_no_sweep_and_names_no_back_end() {
    assert!(sweep("quickstart", "sim", &[]).unwrap().is_none());
    let named = |plan: &str, sets: &[String]| {
        let carriers = carriers(plan, sets)?;
        anyhow::Ok(
            carriers
                .iter()
                .map(|carrier| carrier.name)
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(named("quickstart", &[]).unwrap(), [""; 0]);
    assert_eq!(named("base-matrix", &[]).unwrap(), ["sim"]);
    let set = ["backend=real".to_owned()];
    assert_eq!(named("base-matrix", &set).unwrap(), ["real"]);
    let error = named("base-matrix", &["backend=moon".to_owned()]).unwrap_err();
    assert!(format!("{error:#}").contains("\"moon\""), "{error:#}");
}

#[test]
fn the_base_matrix_is_two_by_four() {
    let matrix = of_plan("base-matrix", &[]);
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
            &["“rte = 1”", "unknown key client.rte", "rate"][..],
        ),
        (
            "vary.load.high = { \"client.rate\" = -1 }",
            &[],
            &["the cell “high”", "client.rate is -1"],
        ),
        (
            "vary.a.b = { seed.x = 1 }",
            &[],
            &["vary.a", "changes seed", "vary.seed"],
        ),
        (
            "vary.replication.r = [1, 2]",
            &[],
            &["vary.replication.r is a list", "\"replication.r\" = [1, 2]"],
        ),
        ("vary.load.high = 3", &[], &["vary.load.high is 3"]),
        ("vary.load = 3", &[], &["vary.load is 3", "list"]),
        ("vary.load = []", &[], &["vary.load has no cases"]),
        ("vary = 3", &[], &["vary is 3", "table of axes"]),
        ("vary.seed = { from = 1 }", &[], &["vary.seed", "count"]),
        ("vary.seed = { count = 0 }", &[], &["no seed"]),
        ("vary.seed = [1, 1]", &[], &["has 1 twice"]),
        ("vary.seed = [-1]", &[], &["vary.seed is [-1]"]),
        (
            "vary.seed = { count = 10001 }",
            &[],
            &["vary.seed.count is 10001", "at most 10000"],
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
            "[vary]\nseed = { count = 5001 }\n\"replication.r\" = [1, 2]",
            &[],
            &["10002 runs", "2 combinations", "at most 10000"],
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

#[test]
fn a_sweep_prints_as_a_plan_that_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("base-matrix.toml");
    let matrix = of_plan("base-matrix", &[]);
    fs::write(&file, matrix.to_toml().unwrap()).unwrap();
    let again = of_plan(file.to_str().unwrap(), &[]);
    assert_eq!(again.facts(), matrix.facts());
    for (again, cell) in again.cells.iter().zip(&matrix.cells) {
        let value = |plan| serde_json::to_value(plan).unwrap();
        assert_eq!(value(&again.plan), value(&cell.plan), "{}", cell.label);
    }
    assert_eq!(
        matrix.cell("spread-crashes").unwrap().label,
        "spread · crashes"
    );
    assert_eq!(
        matrix.cell("spread · crashes").unwrap().slug,
        "spread-crashes"
    );
    let error = matrix.cell("spread").unwrap_err().to_string();
    assert!(error.contains("clustered-more-latency"), "{error}");
}

/// A sweep that was carried out, in a folder of its own.
struct Carried {
    _out: TempDir,
    folder: SweepFolder,
    record: SweepRecord,
    samples: Samples,
    ended: anyhow::Result<Milestone>,
}

impl Carried {
    fn out(
        sweep: &Sweep,
        jobs: usize,
        history: History,
        before: impl Fn(&SweepFolder, &Progress),
    ) -> Self {
        let out = tempfile::tempdir().unwrap();
        let (folder, record) =
            SweepFolder::create(out.path(), sweep, history, "again".to_owned()).unwrap();
        let progress = Arc::new(Progress::default());
        before(&folder, &progress);
        let replay = |cell: &tidemark::plan::Cell, seed| format!("{} {seed}", cell.slug);
        let (samples, ended) = carry_out(sweep, (&folder, &record), jobs, &progress, &replay);
        Self {
            _out: out,
            folder,
            record,
            samples,
            ended,
        }
    }

    fn done(sweep: &Sweep, jobs: usize, history: History) -> Self {
        let carried = Self::out(sweep, jobs, history, |_, _| {});
        assert_eq!(*carried.ended.as_ref().unwrap(), Milestone::Ended);
        carried
    }

    fn analyse(&self) -> SweepFigures {
        self.folder.analyse(&self.record, &self.samples).unwrap()
    }

    /// What depends on the runs alone, by file.
    fn files(&self) -> BTreeMap<&'static str, Vec<u8>> {
        let names = [
            "cells.csv",
            "summary.csv",
            "differences.csv",
            "metrics.json",
            "plots/cells.svg",
        ];
        names
            .map(|name| (name, fs::read(self.folder.path().join(name)).unwrap()))
            .into()
    }
}

fn small() -> Sweep {
    let plan = "
        duration = \"3s\"
        settle = \"1s\"
        fault = []
        [vary]
        \"replication.r\" = [1, 2]
        \"client.rate\" = [100, 300]
        seed = { count = 3 }
    ";
    read(plan, &[]).unwrap()
}

#[test]
fn what_a_sweep_comes_to_depends_neither_on_threads_nor_on_whether_histories_stay() {
    let one = Carried::done(&small(), 1, History::Kept);
    let two = Carried::done(&small(), 2, History::Removed);
    let (figures, _) = (one.analyse(), two.analyse());
    assert_eq!(figures.runs, [3; 4]);
    assert!(one.files() == two.files(), "the files differ");

    // Computed again, from histories where there are any, otherwise from what each run left behind.
    for carried in [&one, &two] {
        let before = carried.files();
        let (folder, record) = SweepFolder::open(carried.folder.path()).unwrap();
        let samples = folder.samples(&record).unwrap();
        assert!(samples == carried.samples, "other runs were found");
        folder.analyse(&record, &samples).unwrap();
        assert!(carried.files() == before, "the figures changed");
    }

    let run = |carried: &Carried| carried.folder.path().join("runs/r-1-rate-100-7");
    let (kept, record) = Folder::open(&run(&one)).unwrap();
    kept.analyse(&record).unwrap();
    assert!(kept.path().join("report.html").exists());
    let (removed, record) = Folder::open(&run(&two)).unwrap();
    let error = format!("{:#}", removed.analyse(&record).unwrap_err());
    assert!(
        error.contains("history was not kept; have it again by r-1-rate-100 7"),
        "{error}"
    );
}

#[test]
fn a_sweep_that_is_cut_short_says_what_is_complete_and_a_failure_names_its_run() {
    let stopped = Carried::out(&small(), 2, History::Removed, |_, progress| progress.stop());
    assert_eq!(*stopped.ended.as_ref().unwrap(), Milestone::Interrupted);
    assert_eq!(stopped.analyse().runs, [0; 4]);

    let block = |folder: &SweepFolder, _: &Progress| {
        fs::write(folder.path().join("runs"), "no folder").unwrap()
    };
    let failed = Carried::out(&small(), 1, History::Removed, block);
    let error = format!("{:#}", failed.ended.as_ref().unwrap_err());
    assert!(
        error.starts_with("the cell “r = 1 · rate = 100” with seed 7: "),
        "{error}"
    );
    assert_eq!(failed.analyse().runs, [0; 4]);
}

/// If this fails, a cell of the matrix no longer does what the plan's comments expect of it. The margins are wide: few seeds
/// are enough, and the simulator gives the same figures every time.
#[test]
fn the_base_matrix_differs_as_theory_says() {
    let matrix = of_plan("base-matrix", &["vary.seed.count=2".to_owned()]);
    let figures = Carried::done(&matrix, 2, History::Removed).analyse();
    let at = |keys: &str, trouble: &str, metric: &str| {
        let label = format!("{keys} · {trouble}");
        let cell = matrix
            .cells
            .iter()
            .position(|cell| cell.label == label)
            .unwrap();
        figures.figure(cell, metric).unwrap().value.unwrap()
    };
    let (stale, late) = ("stale", "latency_get_ok_p99_ms");
    let (age, available) = ("t_staleness_p99_ms", "availability");
    let troubles = ["no fault", "more latency", "crashes", "dropped messages"];
    for trouble in troubles {
        let ratio = at("clustered", trouble, stale) / at("spread", trouble, stale);
        assert!(
            ratio > 1.2,
            "{trouble}: clustered keys are stale only {ratio} times as often"
        );
        let ratio = at("clustered", trouble, late) / at("spread", trouble, late);
        assert!(
            (0.8..1.25).contains(&ratio),
            "{trouble}: the keys change latency {ratio} times"
        );
    }
    for keys in ["spread", "clustered"] {
        let times =
            |trouble: &str, metric: &str| at(keys, trouble, metric) / at(keys, "no fault", metric);
        for trouble in &troubles[1..] {
            let [stale, age] = [stale, age].map(|metric| times(trouble, metric));
            let least = if *trouble == "crashes" { 1.0 } else { 1.5 };
            assert!(
                stale > least,
                "{keys}, {trouble}: stale only {stale} times as often"
            );
            assert!(
                age > 2.0,
                "{keys}, {trouble}: stale by only {age} times as much"
            );
        }
        // Four times the latency between nodes; clients' own part stays.
        let slower = times("more latency", late);
        assert!(
            (2.0..4.5).contains(&slower),
            "{keys}: {slower} times as slow"
        );
        for trouble in ["crashes", "dropped messages"] {
            let (age, slower) = (times(trouble, age), times(trouble, late));
            assert!(
                age > 20.0,
                "{keys}, {trouble}: stale by only {age} times as much"
            );
            assert!(slower < 1.6, "{keys}, {trouble}: {slower} times as slow");
        }
        // Three of five nodes are away for 2 s of 19 s each, and with them their clients.
        let lost = 1.0 - at(keys, "crashes", available);
        assert!(
            (0.03..0.1).contains(&lost),
            "{keys}: crashes cost {lost} of availability"
        );
        for trouble in ["no fault", "more latency"] {
            assert_eq!(at(keys, trouble, available), 1.0, "{keys}, {trouble}");
        }
        assert!(at(keys, "dropped messages", available) > 0.99, "{keys}");
        for trouble in troubles {
            assert_eq!(at(keys, trouble, "lost_writes"), 0.0, "{keys}, {trouble}");
        }
    }
}
