//! What a plan varies: `[vary]` has axes, an axis has cases, every combination of cases is a cell, and every cell runs with
//! each seed.

use super::load::{ASIDE, draft, load_with};
use super::{Plan, load, to_toml};
use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use tidemark_observer::sweep::{self as observed, SweepFacts};
use toml::{Table, Value as Toml};

/// A plan with `[vary]`, every cell of it checked.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The plan's short name.
    pub name: String,
    /// The back-end that the cells are for.
    pub backend: String,
    /// The plan without its `[vary]`.
    pub plan: Plan,
    /// What varies: the names of the axes and of their cases, in the order of the plan.
    pub axes: Vec<observed::Axis>,
    /// The seeds that every cell runs with.
    pub seeds: Vec<u64>,
    /// Every combination of cases; the last axis changes fastest.
    pub cells: Vec<Cell>,
    /// As the plan has it.
    vary: Table,
}

/// One combination of cases.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The case of each axis, by its place among the axis's cases.
    pub cases: Vec<usize>,
    /// The names of its cases, joined by ` · `.
    pub label: String,
    /// What it is called in a path.
    pub slug: String,
    /// The plan that it comes to.
    pub plan: Plan,
}

impl Sweep {
    /// What the observer is told.
    #[must_use]
    pub fn facts(&self) -> SweepFacts {
        let cells = self.cells.iter().map(|cell| observed::Cell {
            label: cell.label.clone(),
            slug: cell.slug.clone(),
            cases: cell.cases.clone(),
        });
        SweepFacts {
            plan: self.name.clone(),
            question: self.plan.question.clone(),
            backend: self.backend.clone(),
            axes: self.axes.clone(),
            seeds: self.seeds.clone(),
            cells: cells.collect(),
        }
    }

    /// The plan as TOML text, every default written out, with what it varies.
    pub fn to_toml(&self) -> anyhow::Result<String> {
        let vary = Table::from_iter([("vary".to_owned(), Toml::Table(self.vary.clone()))]);
        let (plan, vary) = (to_toml(&self.plan)?, toml::to_string_pretty(&vary)?);
        Ok(format!("backend = {:?}\n{plan}\n{vary}", self.backend))
    }

    /// The cell of that name, or of that name in a path.
    pub fn cell(&self, name: &str) -> anyhow::Result<&Cell> {
        let named = |cell: &&Cell| cell.label == name || cell.slug == name;
        self.cells.iter().find(named).with_context(|| {
            let cells: Vec<_> = self.cells.iter().map(|cell| cell.slug.as_str()).collect();
            format!(
                "{} has no cell {name:?}; choose one of: {}",
                self.name,
                cells.join(", ")
            )
        })
    }
}

impl Cell {
    /// Its plan with a seed.
    #[must_use]
    pub fn seeded(&self, seed: u64) -> Plan {
        Plan {
            seed,
            ..self.plan.clone()
        }
    }
}

/// The cells of a plan; none if it varies nothing.
pub fn sweep(plan: &str, backend: &str, sets: &[String]) -> anyhow::Result<Option<Sweep>> {
    let Some(vary) = draft(plan, sets)?.vary else {
        return Ok(None);
    };
    let Toml::Table(vary) = vary else {
        bail!("{plan}: vary is {vary}, but must be a table of axes");
    };
    // Without its cells the plan must hold too: it says what they have in common.
    let (name, base) = load(plan, backend, sets)?;
    let (mut axes, mut seeds) = (Vec::new(), vec![base.seed]);
    for (name, value) in &vary {
        if name == SEED {
            let change = sets.iter().find(|set| set.starts_with("seed="));
            seeds = listed(value, base.seed, change).with_context(|| plan.to_owned())?;
        } else {
            let axis = Axis::read(name.clone(), value.clone());
            axes.push(axis.with_context(|| plan.to_owned())?);
        }
    }
    let combined = axes.iter().map(|axis| axis.cases.len());
    let count = combined.fold(1, usize::saturating_mul);
    ensure!(
        count <= MOST_CELLS,
        "{plan}: vary has {count} combinations of cases; at most {MOST_CELLS}"
    );
    let runs = count * seeds.len();
    ensure!(
        runs <= MOST_RUNS,
        "{plan}: vary has {runs} runs, {count} combinations with {} seeds each; at most {MOST_RUNS}",
        seeds.len()
    );
    let places = (0..count).map(|number| places(&axes, number));
    let cells = places.map(|places| cell(plan, backend, sets, &axes, places));
    let cells = cells.collect::<anyhow::Result<Vec<_>>>()?;
    check_apart(&cells).with_context(|| plan.to_owned())?;
    let names = axes.into_iter().map(|axis| observed::Axis {
        name: axis.name,
        cases: axis.cases.into_iter().map(|case| case.label).collect(),
    });
    Ok(Some(Sweep {
        name,
        backend: backend.to_owned(),
        plan: base,
        axes: names.collect(),
        seeds,
        cells,
        vary,
    }))
}

/// Something that varies.
struct Axis {
    name: String,
    cases: Vec<Case>,
}

/// One way for it to be.
struct Case {
    label: String,
    /// By path.
    changes: Table,
}

/// `seed = { from = 1, count = 20 }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seeds {
    /// Absent: the plan's own seed.
    from: Option<u64>,
    count: u64,
}

impl Axis {
    /// `"a.path" = [values]`, or a name and its cases, each of which changes paths.
    fn read(name: String, value: Toml) -> anyhow::Result<Self> {
        let cases = match value {
            Toml::Array(values) => {
                let last = name.rsplit('.').next().unwrap_or(&name);
                let case = |value: Toml| Case {
                    label: match &value {
                        Toml::String(text) => format!("{last} = {text}"),
                        other => format!("{last} = {other}"),
                    },
                    changes: Table::from_iter([(name.clone(), value)]),
                };
                values.into_iter().map(case).collect()
            }
            Toml::Table(cases) => {
                let cases = cases
                    .into_iter()
                    .map(|(label, changes)| Case::read(&name, label, changes));
                cases.collect::<anyhow::Result<Vec<_>>>()?
            }
            other => bail!(
                "vary.{name:?} is {other}; choose a list of values if {name:?} is a path, or a table of cases"
            ),
        };
        ensure!(!cases.is_empty(), "vary.{name:?} has no cases");
        let paths = cases.iter().flat_map(|case| case.changes.keys());
        for path in paths {
            let first = path.split('.').next().unwrap_or(path);
            ensure!(
                first != SEED && !ASIDE.contains(&first),
                "vary.{name:?} changes {path}, which is the same in every cell; seeds are listed in vary.seed"
            );
        }
        Ok(Self { name, cases })
    }
}

impl Case {
    fn read(axis: &str, label: String, changes: Toml) -> anyhow::Result<Self> {
        match changes {
            Toml::Table(changes) => Ok(Self { label, changes }),
            Toml::Array(values) => bail!(
                "vary.{axis}.{label} is a list, but a case is a table of changes; a path that varies is written in quotes: \
                 \"{axis}.{label}\" = {}",
                Toml::Array(values)
            ),
            other => bail!(
                "vary.{axis}.{label} is {other}, but a case is a table of changes: {label} = {{ \"replication.r\" = 2 }}"
            ),
        }
    }
}

/// The seeds that `vary.seed` asks for.
fn listed(value: &Toml, own: u64, change: Option<&String>) -> anyhow::Result<Vec<u64>> {
    let fixed = |seeds: Vec<u64>| match change {
        Some(change) => bail!(
            "{change}: vary.seed says which seeds there are; change that, or leave out its from"
        ),
        None => Ok(seeds),
    };
    let seeds = if let Toml::Array(_) = value {
        let seeds = Vec::<u64>::deserialize(value.clone());
        fixed(seeds.with_context(|| {
            format!("vary.seed is {value}, but a seed is a whole number from 0 on")
        })?)?
    } else {
        let seeds = Seeds::deserialize(value.clone());
        let Seeds { from, count } = seeds.with_context(|| {
            format!("vary.seed is {value}; choose {{ from = 1, count = 20 }}, {{ count = 20 }} or a list of seeds")
        })?;
        ensure!(
            count <= MOST_RUNS as u64,
            "vary.seed.count is {count}; at most {MOST_RUNS}"
        );
        let first = from.unwrap_or(own);
        let seeds = (first..first.saturating_add(count)).collect();
        if from.is_some() { fixed(seeds)? } else { seeds }
    };
    ensure!(
        !seeds.is_empty(),
        "vary.seed is {value}: no seed, so nothing would run"
    );
    let mut sorted = seeds.clone();
    sorted.sort_unstable();
    let twice = sorted.windows(2).find(|pair| pair[0] == pair[1]);
    if let Some(pair) = twice {
        bail!(
            "vary.seed has {} twice: the same run would count as two",
            pair[0]
        );
    }
    Ok(seeds)
}

/// The case of each axis in the combination of that number.
fn places(axes: &[Axis], mut number: usize) -> Vec<usize> {
    let mut places: Vec<usize> = axes
        .iter()
        .rev()
        .map(|axis| {
            let place = number % axis.cases.len();
            number /= axis.cases.len();
            place
        })
        .collect();
    places.reverse();
    places
}

fn cell(
    plan: &str,
    backend: &str,
    sets: &[String],
    axes: &[Axis],
    places: Vec<usize>,
) -> anyhow::Result<Cell> {
    let cases = || {
        axes.iter()
            .zip(&places)
            .map(|(axis, place)| (axis, &axis.cases[*place]))
    };
    let labels: Vec<_> = cases().map(|(_, case)| case.label.as_str()).collect();
    let label = if labels.is_empty() {
        ALL.to_owned()
    } else {
        labels.join(" · ")
    };
    let changes: Vec<_> = cases()
        .map(|(axis, case)| (format!("vary.{}.{}", axis.name, case.label), &case.changes))
        .collect();
    let (_, changed) = load_with(plan, backend, &changes, sets)
        .with_context(|| format!("vary: the cell “{label}”"))?;
    Ok(Cell {
        slug: slug(&label),
        label,
        cases: places,
        plan: changed,
    })
}

/// That no two cells are one plan, or would share a folder.
fn check_apart(cells: &[Cell]) -> anyhow::Result<()> {
    let mut plans: BTreeMap<String, &str> = BTreeMap::new();
    let mut slugs: BTreeMap<&str, &str> = BTreeMap::new();
    for Cell {
        label, slug, plan, ..
    } in cells
    {
        if let Some(other) = plans.insert(serde_json::to_string(plan)?, label) {
            bail!(
                "vary: the cells “{other}” and “{label}” are the same plan; what tells them apart has no effect, or a change \
                 of the command line overrides it"
            );
        }
        if let Some(other) = slugs.insert(slug, label) {
            bail!("vary: the cells “{other}” and “{label}” would share the folder {slug}");
        }
    }
    Ok(())
}

/// A label as a path has it: letters and digits, the rest one hyphen each run of it.
fn slug(label: &str) -> String {
    let words = label
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

const SEED: &str = "seed";
/// What the only cell is called if nothing but the seed varies.
const ALL: &str = "all";
const MOST_CELLS: usize = 256;
/// Their distributions are kept in memory together.
const MOST_RUNS: usize = 2_000;
