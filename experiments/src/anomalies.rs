//! `tidemark anomalies`: every plan of an anomaly is carried out in the simulator, and what theory expects stands beside
//! what was measured, with the anomaly and without its cause.

use crate::backend::Progress;
use crate::command::exit::{Class, Classed as _};
use crate::plan::{self, Cell, Sweep};
use crate::record::{History, SweepFolder};
use crate::run::quoted;
use crate::sweep::{self, jobs};
use anyhow::Context as _;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use tidemark_observer::oracle::{Checked, Oracle, Verdict};
use tidemark_observer::report::words::none;
use tidemark_observer::sweep::SweepFigures;
use tidemark_observer::sweep::words::{estimate, expected, verdict_of};
use tidemark_proto::event::Milestone;

/// How the plans of anomalies are to be carried out.
#[derive(Clone, Debug)]
pub struct Request {
    /// How many seeds each cell runs with; none: as many as its plan says.
    pub seeds: Option<NonZeroUsize>,
    /// Where results go.
    pub out: PathBuf,
    /// How many runs are carried out at a time; none: one a core.
    pub jobs: Option<NonZeroUsize>,
}

/// The names of the anomalies that there are plans of.
pub fn names() -> impl Iterator<Item = &'static str> {
    plan::builtin().filter_map(|(name, _)| name.strip_prefix(FOLDER))
}

/// A plan's sweep in the simulator, with so many seeds if that is said.
pub fn sweep(plan: &str, seeds: Option<NonZeroUsize>) -> anyhow::Result<Sweep> {
    let sets = seeds.map(|count| format!("vary.seed.count={count}"));
    let sweep = plan::sweep(plan, BACKEND, sets.as_slice())?;
    sweep.with_context(|| format!("{plan} varies nothing, so that it has no interval"))
}

/// Carries out a plan's sweep in the simulator, and gives its figures; none if it was interrupted.
pub fn carry_out(
    plan: &str,
    request: &Request,
    progress: &Arc<Progress>,
) -> anyhow::Result<Option<SweepFigures>> {
    let sweep = sweep(plan, request.seeds)?;
    let replay = format!("tidemark run {plan}");
    let created = SweepFolder::create(&request.out, &sweep, History::Removed, replay.clone());
    let (folder, record) = created.class(Class::File)?;
    let own = |cell: &Cell, seed| format!("{replay} --cell {} --seed {seed}", quoted(&cell.slug));
    let jobs = jobs(BACKEND, request.jobs);
    let (samples, ended) = sweep::carry_out(&sweep, (&folder, &record), jobs, progress, &own);
    if ended? == Milestone::Interrupted {
        return Ok(None);
    }
    folder
        .analyse(&record, &samples)
        .class(Class::File)
        .map(Some)
}

/// The table in Markdown: a row for each oracle of an anomaly, and beside it what was measured without its cause.
#[must_use]
pub fn table(all: &[SweepFigures]) -> String {
    let mut text = String::from(HEAD);
    for figures in all {
        let oracles: Vec<&Oracle> = figures.oracles.iter().map(|one| &one.oracle).collect();
        for row in rows(&oracles) {
            let figure = |place: usize| measured(&figures.oracles[place]);
            let ablated = row.ablated.iter().map(|place| {
                let cell = oracles[*place].cell.as_deref().unwrap_or_default();
                format!("{cell}: {}", figure(*place))
            });
            text += &line(&[
                row.anomaly(&figures.facts.plan),
                expected(row.oracle),
                row.measured.map_or_else(none, figure),
                ablated.collect::<Vec<_>>().join("; "),
            ]);
            text.push('\n');
        }
    }
    text
}

/// What the table has of a plan's oracles before anything is measured: the beginnings of its rows.
#[must_use]
pub fn expectations(sweep: &Sweep) -> Vec<String> {
    let oracles: Vec<&Oracle> = sweep.oracles.iter().collect();
    let rows = rows(&oracles).into_iter();
    rows.map(|row| line(&[row.anomaly(&sweep.name), expected(row.oracle)]))
        .collect()
}

/// A line of the table, as far as these cells go.
fn line(cells: &[String]) -> String {
    let cells = cells.join("\0").replace('\u{a0}', " ").replace('|', "\\|");
    format!("| {} |", cells.replace('\0', " | "))
}

/// A row of the table: oracles by their places.
struct Row<'a> {
    oracle: &'a Oracle,
    /// None: only without the cause is anything expected of this metric.
    measured: Option<usize>,
    /// What is expected of the same metric without the cause.
    ablated: Vec<usize>,
}

impl Row<'_> {
    fn anomaly(&self, plan: &str) -> String {
        let name = plan.strip_prefix(FOLDER).unwrap_or(plan);
        match (&self.oracle.cell, self.measured) {
            (Some(cell), Some(_)) => format!("{name} · {cell}"),
            _ => name.to_owned(),
        }
    }
}

/// Each oracle of an anomaly with those that speak of its metric without the cause; then those that stand alone.
fn rows<'a>(oracles: &[&'a Oracle]) -> Vec<Row<'a>> {
    let places = |is_ablated: bool| {
        let all = oracles.iter().copied().enumerate();
        all.filter(move |(_, oracle)| oracle.ablated == is_ablated)
    };
    let mut rows: Vec<Row<'a>> = Vec::new();
    for (place, oracle) in places(false) {
        let same = places(true).filter(|(_, other)| other.metric == oracle.metric);
        rows.push(Row {
            oracle,
            measured: Some(place),
            ablated: same.map(|(place, _)| place).collect(),
        });
    }
    for (place, oracle) in places(true) {
        if rows.iter().all(|row| !row.ablated.contains(&place)) {
            rows.push(Row {
                oracle,
                measured: None,
                ablated: vec![place],
            });
        }
    }
    rows
}

/// What was measured, and that it is not what was expected, if so.
fn measured(checked: &Checked) -> String {
    let figure = estimate(&checked.measured);
    match checked.verdict {
        Verdict::Holds => figure,
        Verdict::Fails | Verdict::Unknown => format!("{figure} **{}**", verdict_of(checked)),
    }
}

/// How the names of their plans begin.
pub const FOLDER: &str = "anomalies/";
const BACKEND: &str = "sim";
const HEAD: &str = "| anomaly | oracle | measured | ablated |\n|---|---|---|---|\n";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// If this fails, an ablation stands beside another anomaly, or what is not as expected passes for it.
    #[test]
    fn an_ablation_stands_beside_the_anomaly_of_its_metric_and_what_does_not_hold_says_so() {
        let sweep = sweep("anomalies/hint-overflow", None).unwrap();
        let nothing = vec![BTreeMap::new(); sweep.cells.len()];
        let table = table(&[SweepFigures::new(sweep.facts(), &nothing)]);
        let rows: Vec<_> = table.lines().skip(2).collect();
        for (row, expected) in rows.iter().zip(expectations(&sweep)) {
            assert!(row.starts_with(&expected), "{row}");
        }
        let untold = "– **cannot be told**";
        assert!(
            rows[0].ends_with(&format!("| {untold} | room for all: {untold} |")),
            "{table}"
        );
        let alone =
            format!("| hint-overflow | hints kept = owed = 662 | – | room for all: {untold} |");
        assert_eq!(rows.last(), Some(&alone.as_str()), "{table}");
    }
}
