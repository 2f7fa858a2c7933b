//! Ten-line histories with numbers worked out by hand: how reads are judged, and what every metric comes to.
//!
//! A metric's histories stand in `metrics/<metric>.txt`. Each begins with `== ` and a title; a comment works its numbers out;
//! then come the events, as [`script`] reads them, and what is expected of `summary.csv`: `= metric value of count`, where a
//! value may be a fraction, `-` is none, and a phase may stand before the metric (`cut/stale`). `side <partition> <by
//! placement> <node> …` is a side of a partition, known beforehand.

mod judged;
#[path = "../script/mod.rs"]
mod script;

use script::Script;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tidemark_observer::figures::{SummaryRow, WHOLE};
use tidemark_observer::observe::{RunFacts, Side, observe};
use tidemark_observer::rows::rows;
use tidemark_proto::event::Detail;

/// If this fails, a metric has no histories, or histories have no metric.
#[test]
fn every_metric_has_its_histories() {
    let names = |folder: PathBuf, ending: &str| -> BTreeSet<String> {
        let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let names = names.filter_map(|name| name.strip_suffix(ending).map(str::to_owned));
        names.collect()
    };
    let mut metrics = names(root().join("src/metric"), ".rs");
    // The trait, and what several metrics are made of.
    for other in ["mod", "read_share"] {
        assert!(metrics.remove(other), "{other} is gone");
    }
    assert_eq!(names(folder(), ".txt"), metrics);
}

/// If this fails, a metric says something else of a history than was worked out by hand.
#[test]
fn every_history_has_the_numbers_that_were_worked_out() {
    let mut files: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let histories: Vec<&str> = text.split("== ").skip(1).collect();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(histories.len() >= FEWEST, "{name} has few histories");
        for history in histories {
            wrong.extend(check(history).into_iter().map(|it| format!("{name}: {it}")));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What is wrong with a history's numbers.
fn check(history: &str) -> Vec<String> {
    let (title, body) = history.split_once('\n').expect("a title and events");
    let is_told = body.lines().any(|line| line.starts_with("# "));
    assert!(is_told, "{title}: a comment works its numbers out");
    let lines = |start: &'static str| body.lines().filter_map(move |it| it.strip_prefix(start));
    let events = body.lines();
    let events = events.filter(|line| !line.starts_with("= ") && !line.starts_with("side "));
    let script = Script::parse(&events.collect::<Vec<_>>().join("\n"));
    let facts = RunFacts {
        plan: "scripted".to_owned(),
        backend: "sim".to_owned(),
        seed: 7,
        detail: Detail::All,
        sides: lines("side ").map(side).collect(),
        ..RunFacts::default()
    };
    let rows = rows(&observe(&facts, script.events).figures);
    let expected: Vec<&str> = lines("= ").collect();
    assert!(!expected.is_empty(), "{title}: nothing is expected");
    let wrong = expected.into_iter().filter_map(|expected| {
        let found = compare(expected, &rows)?;
        Some(format!("{title}: {expected} is expected, found {found}"))
    });
    wrong.collect()
}

/// What was found in the place of what is expected, if it is something else.
fn compare(expected: &str, rows: &[SummaryRow]) -> Option<String> {
    let words: Vec<&str> = expected.split_whitespace().collect();
    let (phase, metric) = words[0].split_once('/').unwrap_or((WHOLE, words[0]));
    let row = rows
        .iter()
        .find(|row| row.phase == phase && row.metric == metric);
    let found = row.and_then(|row| Some((row.value?, row.count)));
    let is_it = match (&words[1..], found) {
        (["-"], found) => found.is_none(),
        ([value, "of", count], Some((found, of))) => {
            let value = number(value);
            // To three digits, as histograms keep it.
            (found - value).abs() <= 2e-3 * value.abs() && count.parse() == Ok(of)
        }
        (_, None) => false,
        _ => panic!("{expected}: write metric value of count, or metric -"),
    };
    (!is_it).then(|| format!("{found:?}"))
}

fn number(text: &str) -> f64 {
    let parse = |text: &str| text.parse::<f64>().expect("a number");
    match text.split_once('/') {
        Some((count, of)) => parse(count) / parse(of),
        None => parse(text),
    }
}

fn side(text: &str) -> Side {
    let words: Vec<&str> = text.split_whitespace().collect();
    let nodes = words[2..].iter().map(|node| node.parse().expect("a node"));
    Side {
        fault: words[0].to_owned(),
        nodes: nodes.collect(),
        expected: (words[1] != "-").then(|| number(words[1])),
    }
}

fn folder() -> PathBuf {
    root().join("tests/histories/metrics")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

const FEWEST: usize = 5;
