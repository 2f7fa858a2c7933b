//! The plans of anomalies and of partitions: what theory expects of them holds, with few seeds as with many, and the table of
//! anomalies is about the plans that there are.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::num::NonZeroUsize;
use std::sync::Arc;
use tidemark::anomalies::{Request, carry_out, expectations, names, sweep, table};
use tidemark::backend::Progress;
use tidemark_observer::oracle::Verdict;
use tidemark_observer::sweep::SweepFigures;

/// If this fails, an anomaly is not what its plan says, or is there without its cause.
#[test]
fn what_theory_expects_of_each_anomaly_holds_with_few_seeds() {
    for name in names() {
        // So many that what is rare happens at all, and so few that it does not take long.
        let seeds = if name == "slow-not-dead" { 40 } else { 5 };
        hold(&carried_out(&format!("anomalies/{name}"), seeds));
    }
}

/// If this fails, a side of a partition serves other keys than those with a quorum there, or a sloppy quorum does not serve
/// all of them once the partition is detected.
#[test]
fn each_side_of_a_partition_serves_what_placement_and_detection_give_it() {
    for name in ["split", "split-sloppy"] {
        let figures = carried_out(name, 8);
        hold(&figures);
        let at = |metric| figures.figure(0, metric).unwrap().value.unwrap();
        let placed = at("side_1_placed") + at("side_2_placed");
        assert!((placed - 1.0).abs() < 1e-9, "{name}: {placed}");
    }
}

/// If this fails, a plan has no oracle, or none for when the cause is taken away.
#[test]
fn each_anomaly_has_oracles_with_and_without_its_cause() {
    for name in names() {
        let oracles = sweep(&format!("anomalies/{name}"), None).unwrap().oracles;
        for ablated in [false, true] {
            let has = oracles.iter().any(|oracle| oracle.ablated == ablated);
            assert!(has, "{name} has no oracle with ablated = {ablated}");
        }
    }
}

/// If this fails, the table that is committed is of other plans, or of figures that do not hold: put what
/// `tidemark anomalies` prints between its marks.
#[test]
fn the_table_of_anomalies_is_of_the_plans_that_there_are() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/plans/anomalies/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (_, rest) = readme.split_once("<!-- anomalies -->\n").unwrap();
    let (committed, _) = rest.split_once("<!-- /anomalies -->").unwrap();
    let committed: Vec<_> = committed.lines().filter(|line| !line.is_empty()).collect();
    let mut expected: Vec<_> = table(&[]).lines().map(str::to_owned).collect();
    for name in names() {
        expected.extend(expectations(
            &sweep(&format!("anomalies/{name}"), None).unwrap(),
        ));
    }
    assert_eq!(committed.len(), expected.len(), "{expected:#?}");
    for (row, expected) in committed.iter().zip(&expected) {
        assert!(row.starts_with(expected), "{row}\nis not of\n{expected}");
        assert!(!row.contains("**"), "it does not hold: {row}");
    }
}

fn carried_out(plan: &str, seeds: usize) -> SweepFigures {
    let out = tempfile::tempdir().unwrap();
    let request = Request {
        seeds: NonZeroUsize::new(seeds),
        out: out.path().to_owned(),
        jobs: None,
    };
    let progress = Arc::new(Progress::default());
    carry_out(plan, &request, &progress).unwrap().unwrap()
}

fn hold(figures: &SweepFigures) {
    assert!(!figures.oracles.is_empty(), "{}", figures.facts.plan);
    for one in &figures.oracles {
        assert_eq!(
            one.verdict,
            Verdict::Holds,
            "{}: {one:#?}",
            figures.facts.plan
        );
    }
}
