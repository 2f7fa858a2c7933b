//! What a plan varies: `[vary]` has axes, an axis has cases, every combination of cases is a cell, and every cell runs with
//! each seed.

use super::error::PlanError;
use super::load::{ASIDE, draft, load_with};
use super::oracle::{self, ORACLE};
use super::path::Path;
use super::{Plan, PlanErrors, carrier, load, to_toml};
use anyhow::Context as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use tidemark_observer::oracle::Oracle;
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
    /// What theory expects of its figures.
    pub oracles: Vec<Oracle>,
    /// What varies and what is expected, as the plan has it.
    aside: Table,
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
            oracles: self.oracles.clone(),
        }
    }

    /// The plan as TOML text, every default written out, with what it varies and what is expected.
    pub fn to_toml(&self) -> anyhow::Result<String> {
        let (plan, aside) = (to_toml(&self.plan)?, toml::to_string_pretty(&self.aside)?);
        Ok(format!("backend = {:?}\n{plan}\n{aside}", self.backend))
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

/// The cells of a plan, as a back-end carries them out; none if it varies nothing.
pub fn sweep(plan: &str, backend: &str, sets: &[String]) -> anyhow::Result<Option<Sweep>> {
    sweep_of(plan, backend, sets, |_| true)
}

/// Those cells only whose names in paths are asked for: the others need not be plans that the back-end can carry out.
pub(crate) fn sweep_of(
    plan: &str,
    backend: &str,
    sets: &[String],
    is_asked_for: impl Fn(&str) -> bool,
) -> anyhow::Result<Option<Sweep>> {
    let draft = draft(plan, sets)?;
    let Some(vary) = draft.table.get(VARY) else {
        oracle::read(&draft, &[]).map_err(|errors| draft.locate(errors))?;
        carrier::check(&draft, &[]).map_err(|error| draft.locate(vec![error]))?;
        return Ok(None);
    };
    // Without its cells the plan must hold too: it says what they have in common.
    let (name, base) = load(plan, backend, sets)?;
    let change = sets.iter().find(|set| set.starts_with("seed="));
    let (axes, seeds) = read(vary, base.seed, change).map_err(|error| draft.locate(vec![error]))?;
    let count = axes.iter().map(|axis| axis.cases.len()).product();
    let names = (0..count).map(|number| Name::new(&axes, places(&axes, number)));
    let names: Vec<_> = names.collect();
    let asked = names.iter().filter(|name| is_asked_for(&name.slug));
    let cells = asked.map(|name| cell(plan, backend, sets, &axes, name));
    let cells = cells.collect::<anyhow::Result<Vec<_>>>()?;
    if let Some(error) = alike(&cells)? {
        return Err(draft.locate(vec![error]).into());
    }
    let labels: Vec<_> = names.iter().map(|name| name.label.as_str()).collect();
    let oracles = oracle::read(&draft, &labels).map_err(|errors| draft.locate(errors))?;
    let slugs: Vec<_> = names.iter().map(|name| name.slug.as_str()).collect();
    carrier::check(&draft, &slugs).map_err(|error| draft.locate(vec![error]))?;
    let mut aside = draft.table.clone();
    aside.retain(|key, _| [VARY, ORACLE].contains(&key));
    let axes = axes.into_iter().map(|axis| observed::Axis {
        name: axis.name,
        cases: axis.cases.into_iter().map(|case| case.label).collect(),
    });
    Ok(Some(Sweep {
        name,
        backend: backend.to_owned(),
        plan: base,
        axes: axes.collect(),
        seeds,
        cells,
        oracles,
        aside,
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
    changes: Vec<Change>,
}

/// A path of the plan with the value that it has in a case, and where in the plan that stands.
pub(super) struct Change {
    pub(super) inside: Path,
    pub(super) path: String,
    pub(super) value: Toml,
}

/// `seed = { from = 1, count = 20 }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seeds {
    /// Absent: the plan's own seed.
    from: Option<u64>,
    count: u64,
}

/// The axes and the seeds of `[vary]`.
fn read(
    vary: &Toml,
    own: u64,
    change: Option<&String>,
) -> Result<(Vec<Axis>, Vec<u64>), PlanError> {
    let root = Path::default().key(VARY);
    let Toml::Table(table) = vary else {
        let reason = format!("vary is {vary}, but must be a table of axes");
        return Err(PlanError::new(root, reason));
    };
    let (mut axes, mut seeds) = (Vec::new(), vec![own]);
    for (name, value) in table {
        let path = root.key(name);
        if name == SEED {
            seeds = listed(&path, value, own, change)?;
        } else {
            axes.push(Axis::read(&path, name, value)?);
        }
    }
    let combined = axes.iter().map(|axis| axis.cases.len());
    let count = combined.fold(1, usize::saturating_mul);
    let runs = count.saturating_mul(seeds.len());
    if count > MOST_CELLS {
        let reason = format!("vary has {count} combinations of cases; at most {MOST_CELLS}");
        return Err(PlanError::new(root, reason));
    }
    if runs > MOST_RUNS {
        let reason = format!(
            "vary has {runs} runs, {count} combinations with {} seeds each; at most {MOST_RUNS}",
            seeds.len()
        );
        return Err(PlanError::new(root, reason));
    }
    Ok((axes, seeds))
}

impl Axis {
    /// `"a.path" = [values]`, or a name and its cases, each of which changes paths.
    fn read(path: &Path, name: &str, value: &Toml) -> Result<Self, PlanError> {
        let cases: Vec<Case> = match value {
            Toml::Array(values) => {
                let last = name.rsplit('.').next().unwrap_or(name);
                let case = |(index, value): (usize, &Toml)| Case {
                    label: match value {
                        Toml::String(text) => format!("{last} = {text}"),
                        other => format!("{last} = {other}"),
                    },
                    changes: vec![Change {
                        inside: path.index(index),
                        path: name.to_owned(),
                        value: value.clone(),
                    }],
                };
                values.iter().enumerate().map(case).collect()
            }
            Toml::Table(cases) => {
                let case =
                    |(label, changes): (&String, &Toml)| Case::read(path, name, label, changes);
                cases.iter().map(case).collect::<Result<_, _>>()?
            }
            other => {
                let reason = format!(
                    "{path} is {other}; choose a list of values if {name:?} is a path, or a table of cases"
                );
                return Err(PlanError::new(path.clone(), reason));
            }
        };
        if cases.is_empty() {
            return Err(PlanError::new(path.clone(), format!("{path} has no cases")));
        }
        for change in cases.iter().flat_map(|case| &case.changes) {
            let first = change.path.split('.').next().unwrap_or(&change.path);
            if first == SEED || ASIDE.contains(&first) {
                let reason = format!(
                    "{path} changes {}, which is the same in every cell; seeds are listed in vary.seed",
                    change.path
                );
                return Err(PlanError::new(change.inside.clone(), reason));
            }
        }
        Ok(Self {
            name: name.to_owned(),
            cases,
        })
    }
}

impl Case {
    fn read(axis: &Path, name: &str, label: &str, changes: &Toml) -> Result<Self, PlanError> {
        let inside = axis.key(label);
        let reason = match changes {
            Toml::Table(changes) => {
                let change = |(path, value): (&String, &Toml)| Change {
                    inside: inside.key(path),
                    path: path.clone(),
                    value: value.clone(),
                };
                return Ok(Self {
                    label: label.to_owned(),
                    changes: changes.iter().map(change).collect(),
                });
            }
            Toml::Array(_) => format!(
                "{inside} is a list, but a case is a table of changes; a path that varies is written in quotes: \
                 \"{name}.{label}\" = {changes}"
            ),
            other => format!(
                "{inside} is {other}, but a case is a table of changes; write it like {label} = {{ \"replication.r\" = 2 }}"
            ),
        };
        Err(PlanError::new(inside, reason))
    }
}

/// The seeds that `vary.seed` asks for.
fn listed(
    path: &Path,
    value: &Toml,
    own: u64,
    change: Option<&String>,
) -> Result<Vec<u64>, PlanError> {
    let refuse = |reason: String| PlanError::new(path.clone(), reason);
    let fixed = |seeds: Vec<u64>| match change {
        Some(change) => Err(refuse(format!(
            "{path} says which seeds there are, and so does --set {change}; change {path}, or leave out its from"
        ))),
        None => Ok(seeds),
    };
    let seeds = if let Toml::Array(_) = value {
        let seeds = Vec::<u64>::deserialize(value.clone());
        fixed(seeds.map_err(|_| {
            refuse(format!(
                "{path} is {value}, but a seed is a whole number from 0 on"
            ))
        })?)?
    } else {
        let Seeds { from, count } = Seeds::deserialize(value.clone()).map_err(|_| {
            refuse(format!(
                "{path} is {value}; choose {{ from = 1, count = 20 }}, {{ count = 20 }} or a list of seeds"
            ))
        })?;
        if count > MOST_RUNS as u64 {
            let reason = format!("{path}.count is {count}; at most {MOST_RUNS}");
            return Err(PlanError::new(path.key("count"), reason));
        }
        let first = from.unwrap_or(own);
        let seeds = (first..first.saturating_add(count)).collect();
        if from.is_some() { fixed(seeds)? } else { seeds }
    };
    if seeds.is_empty() {
        return Err(refuse(format!(
            "{path} is {value}: no seed, so nothing would run"
        )));
    }
    let mut sorted = seeds.clone();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(refuse(format!(
            "{path} has {} twice: the same run would count as two",
            pair[0]
        )));
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

/// What a cell is called.
struct Name {
    cases: Vec<usize>,
    label: String,
    slug: String,
}

impl Name {
    fn new(axes: &[Axis], cases: Vec<usize>) -> Self {
        let labels = axes.iter().zip(&cases);
        let labels: Vec<_> = labels
            .map(|(axis, case)| axis.cases[*case].label.as_str())
            .collect();
        let label = if labels.is_empty() {
            ALL.to_owned()
        } else {
            labels.join(" · ")
        };
        Self {
            cases,
            slug: slug(&label),
            label,
        }
    }
}

fn cell(
    plan: &str,
    backend: &str,
    sets: &[String],
    axes: &[Axis],
    Name { cases, label, slug }: &Name,
) -> anyhow::Result<Cell> {
    let changes = axes.iter().zip(cases);
    let changes: Vec<_> = changes
        .flat_map(|(axis, case)| &axis.cases[*case].changes)
        .collect();
    let part = |errors: PlanErrors| errors.within(&format!("this is the cell “{label}”"));
    let (_, changed) = load_with(plan, backend, &changes, sets).map_err(|error| {
        error
            .downcast()
            .map_or_else(|other| other, |wrong| part(wrong).into())
    })?;
    Ok(Cell {
        cases: cases.clone(),
        label: label.clone(),
        slug: slug.clone(),
        plan: changed,
    })
}

/// Two cells that are one plan, or would share a folder.
fn alike(cells: &[Cell]) -> anyhow::Result<Option<PlanError>> {
    let mut plans: BTreeMap<String, &str> = BTreeMap::new();
    let mut slugs: BTreeMap<&str, &str> = BTreeMap::new();
    for Cell {
        label, slug, plan, ..
    } in cells
    {
        let refuse = |reason: String| PlanError::new(Path::default().key(VARY), reason);
        if let Some(other) = plans.insert(serde_json::to_string(plan)?, label) {
            return Ok(Some(refuse(format!(
                "vary: the cells “{other}” and “{label}” are the same plan; what tells them apart has no effect, or a change \
                 of the command line overrides it"
            ))));
        }
        if let Some(other) = slugs.insert(slug, label) {
            return Ok(Some(refuse(format!(
                "vary: the cells “{other}” and “{label}” would share the folder {slug}"
            ))));
        }
    }
    Ok(None)
}

/// A label as a path has it: letters and digits, the rest one hyphen each run of it.
pub(crate) fn slug(label: &str) -> String {
    let words = label
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

const VARY: &str = "vary";
const SEED: &str = "seed";
/// What the only cell is called if nothing but the seed varies.
const ALL: &str = "all";
const MOST_CELLS: usize = 256;
/// Their distributions are kept in memory together.
const MOST_RUNS: usize = 10_000;
