//! From text to a plan: files and built-in plans, `extends`, `[on.<back-end>]` and `--set`.

use super::carrier::BACKEND;
use super::error::{PlanError, PlanErrors, meant};
use super::layers::{Layers, in_source, parse, set};
use super::path::Path;
use super::source::{Side, Source, SourceKind};
use super::vary::Change;
use super::{Plan, check, machine, schema, shape};
use crate::backend::ENTRIES;
use crate::workload::place_file;
use std::path::Path as FilePath;
use std::sync::Arc;
use tidemark_proto::registry::OptionError;
use toml::{Table, Value as Toml};

/// The built-in plans: name and text.
const BUILTIN: &[(&str, &str)] = &[
    ("quickstart", include_str!("../../plans/quickstart.toml")),
    ("strict", include_str!("../../plans/strict.toml")),
    ("visibility", include_str!("../../plans/visibility.toml")),
    ("base-matrix", include_str!("../../plans/base-matrix.toml")),
    ("pbs", include_str!("../../plans/pbs.toml")),
    ("detection", include_str!("../../plans/detection.toml")),
    ("durability", include_str!("../../plans/durability.toml")),
    ("kill", include_str!("../../plans/kill.toml")),
    ("overload", include_str!("../../plans/overload.toml")),
    ("elastic", include_str!("../../plans/elastic.toml")),
    ("parity", include_str!("../../plans/parity.toml")),
    ("split", include_str!("../../plans/split.toml")),
    (
        "split-sloppy",
        include_str!("../../plans/split-sloppy.toml"),
    ),
    (
        "anomalies/tombstone-resurrection",
        include_str!("../../plans/anomalies/tombstone-resurrection.toml"),
    ),
    (
        "anomalies/reused-history",
        include_str!("../../plans/anomalies/reused-history.toml"),
    ),
    (
        "anomalies/sibling-explosion",
        include_str!("../../plans/anomalies/sibling-explosion.toml"),
    ),
    (
        "anomalies/clock-pruning",
        include_str!("../../plans/anomalies/clock-pruning.toml"),
    ),
    (
        "anomalies/clock-skew",
        include_str!("../../plans/anomalies/clock-skew.toml"),
    ),
    (
        "anomalies/hint-overflow",
        include_str!("../../plans/anomalies/hint-overflow.toml"),
    ),
    (
        "anomalies/merkle-over-streaming",
        include_str!("../../plans/anomalies/merkle-over-streaming.toml"),
    ),
    (
        "anomalies/failed-write",
        include_str!("../../plans/anomalies/failed-write.toml"),
    ),
    (
        "anomalies/false-not-found",
        include_str!("../../plans/anomalies/false-not-found.toml"),
    ),
    (
        "anomalies/slow-not-dead",
        include_str!("../../plans/anomalies/slow-not-dead.toml"),
    ),
];

/// The names of the built-in plans with their questions.
pub fn builtin() -> impl Iterator<Item = (&'static str, String)> {
    BUILTIN.iter().map(|(name, text)| {
        let question = text
            .lines()
            .find_map(|line| line.strip_prefix("question"))
            .unwrap_or("");
        (*name, question.trim_matches([' ', '=', '"']).to_owned())
    })
}

/// There is no such plan, or it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NoPlan {
    /// Neither a file nor a built-in plan has the name.
    #[error("there is no plan {name:?}: no such file, and the built-in plans are {}{hint}", names().join(", "))]
    Missing {
        /// What was asked for.
        name: String,
        /// What may have been meant.
        hint: String,
    },
    /// The file is there.
    #[error("{name}: {error}")]
    Unreadable {
        /// Its path.
        name: String,
        /// Why it cannot be read.
        error: std::io::Error,
    },
}

/// Reads a plan by its file or its built-in name, for one back-end, with `key=value` changes on top.
///
/// Returns the plan's short name, which names its results, and the plan with every default written out.
pub fn load(plan: &str, backend: &str, sets: &[String]) -> anyhow::Result<(String, Plan)> {
    load_with(plan, backend, &[], sets)
}

/// As [`load`], with what a cell of `[vary]` changes.
pub(super) fn load_with(
    plan: &str,
    backend: &str,
    cell: &[&Change],
    sets: &[String],
) -> anyhow::Result<(String, Plan)> {
    let (name, mut layers) = open(plan)?;
    for (seam, kind) in DEFAULT_KINDS {
        let choice = layers.table.entry(seam);
        if let Toml::Table(choice) = choice.or_insert_with(|| Toml::Table(Table::new())) {
            let kind = Toml::String(kind.to_owned());
            choice.entry("kind").or_insert(kind);
        }
    }
    change_for(&mut layers, backend)?;
    for Change {
        inside,
        path,
        value,
    } in cell
    {
        let source = layers.source_of(inside);
        layers.change(&source, inside, path, value.clone())?;
    }
    change(&mut layers, sets)?;
    for aside in ASIDE {
        layers.table.remove(aside);
    }
    let plan = resolve(&layers.table).map_err(|errors| layers.locate(errors))?;
    let impossible = machine::check::in_backend(&plan, backend);
    if !impossible.is_empty() {
        Err(layers.locate(impossible))?;
    }
    Ok((name, plan))
}

/// What a plan says of how it is carried out, as a table with no more than `backend`, `vary` and `oracle`.
pub fn aside(plan: &str, sets: &[String]) -> anyhow::Result<Table> {
    let mut table = draft(plan, sets)?.table;
    table.retain(|key, _| ASIDE.contains(&key));
    Ok(table)
}

/// A plan with what it says of how it is carried out and of what is expected: `backend`, `vary` and `oracle`.
pub(super) fn draft(plan: &str, sets: &[String]) -> anyhow::Result<Layers> {
    let (_, mut layers) = open(plan)?;
    change(&mut layers, sets)?;
    Ok(layers)
}

/// Makes the changes of the command line.
fn change(layers: &mut Layers, sets: &[String]) -> Result<(), PlanErrors> {
    for change in sets {
        let (source, path, value) = set(change)?;
        layers.change(&source, &Path::default(), &path, value)?;
    }
    Ok(())
}

/// The short name of a plan, and what it is made of.
fn open(plan: &str) -> anyhow::Result<(String, Layers)> {
    let (name, text) = read(plan)?;
    let mut layers = Layers::default();
    lay(&mut layers, text, plan, None, DEPTH)?;
    Ok((name, layers))
}

/// The plan that a table is, every default written out.
fn resolve(table: &Table) -> Result<Plan, Vec<PlanError>> {
    let unreadable = |path: Path, reason: String| vec![PlanError::new(path, reason)];
    let value = serde_json::to_value(table)
        .map_err(|error| unreadable(Path::default(), error.to_string()))?;
    let errors = shape::check(schema::whole(), &value);
    if !errors.is_empty() {
        return Err(errors);
    }
    let plan: Result<Plan, _> = serde_path_to_error::deserialize(value);
    let mut plan = plan.map_err(|error| {
        let (path, reason) = (error.path().to_string(), error.inner().to_string());
        vec![check::of_option(
            &Path::default(),
            &OptionError::of_text(&path, reason),
        )]
    })?;
    let errors = check::resolve(&mut plan);
    if errors.is_empty() {
        Ok(plan)
    } else {
        Err(errors)
    }
}

/// The short name and the text of a plan.
fn read(plan: &str) -> Result<(String, Source), NoPlan> {
    if let Some((name, text)) = BUILTIN.iter().find(|(name, _)| *name == plan) {
        let source = Source {
            name: format!("<built-in plan {name}>"),
            text: (*text).to_owned(),
            kind: SourceKind::File,
        };
        return Ok(((*name).to_owned(), source));
    }
    let path = FilePath::new(plan);
    if !path.exists() {
        let close = meant(plan, BUILTIN.iter().map(|(name, _)| *name));
        return Err(NoPlan::Missing {
            name: plan.to_owned(),
            hint: close
                .map(|name| format!("; did you mean {name}?"))
                .unwrap_or_default(),
        });
    }
    let text = std::fs::read_to_string(path).map_err(|error| NoPlan::Unreadable {
        name: plan.to_owned(),
        error,
    })?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let source = Source {
        name: plan.to_owned(),
        text,
        kind: SourceKind::File,
    };
    Ok((name.into_owned(), source))
}

/// Lays a plan over what it extends.
fn lay(
    layers: &mut Layers,
    source: Source,
    plan: &str,
    origin: Option<String>,
    depth: usize,
) -> Result<(), PlanErrors> {
    let source = Arc::new(source);
    let mut table = parse(&source)?;
    if !BUILTIN.iter().any(|(name, _)| *name == plan) {
        place_file(FilePath::new(plan), &mut table);
    }
    if let Some(base) = table.remove("extends") {
        let path = Path::default().key("extends");
        let refuse = |reason: String, label: &str| {
            in_source(&source, PlanError::new(path.clone(), reason).label(label))
        };
        let Some(base) = base.as_str() else {
            return Err(refuse(
                format!("extends is {base}, but must be the name of a plan"),
                "not a name",
            ));
        };
        if depth == 0 {
            let reason = format!("extends goes round in a circle, or deeper than {DEPTH} plans");
            return Err(refuse(reason, "here once more"));
        }
        let is_built_in = BUILTIN.iter().any(|(name, _)| *name == plan);
        let beside = FilePath::new(plan).with_file_name(base);
        let base = if !is_built_in && beside.exists() {
            beside.to_string_lossy().into_owned()
        } else {
            base.to_owned()
        };
        let (_, below) = read(&base)
            .map_err(|error| refuse(format!("extends is {base:?}, but {error}"), "not there"))?;
        let (line, column) = source
            .find(&path, Side::Value)
            .map_or((1, 1), |span| source.line_and_column(span.start));
        let extended = format!("it is what {}:{line}:{column} extends", source.name);
        lay(layers, below, &base, Some(extended), depth - 1)?;
    }
    layers.lay(source, table, origin);
    Ok(())
}

/// Makes the changes that are for one back-end.
fn change_for(layers: &mut Layers, backend: &str) -> Result<(), PlanErrors> {
    let Some(on) = layers.table.get("on").cloned() else {
        return Ok(());
    };
    let root = Path::default().key("on");
    let Toml::Table(on) = on else {
        let reason = format!("on is {on}, but must be tables like [on.sim]");
        return Err(layers.locate(vec![PlanError::new(root, reason)]));
    };
    for (name, changes) in on {
        let here = root.key(&name);
        if !backends().any(|known| known == name) {
            let choices: Vec<_> = backends().collect();
            let reason = format!(
                "{here} is no back-end; choose one of: {}",
                choices.join(", ")
            );
            return Err(layers.locate(vec![PlanError::new(here, reason).of_key()]));
        }
        let Toml::Table(changes) = changes else {
            let reason = format!("{here} is {changes}, but must be a table of paths and values");
            return Err(layers.locate(vec![PlanError::new(here, reason)]));
        };
        if name != backend {
            continue;
        }
        for (path, value) in changes {
            let inside = here.key(&path);
            let source = layers.source_of(&inside);
            layers.change(&source, &inside, &path, value)?;
        }
    }
    layers.table.remove("on");
    Ok(())
}

/// The names of the back-ends.
pub(super) fn backends() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().map(|entry| entry.name)
}

fn names() -> Vec<&'static str> {
    BUILTIN.iter().map(|(name, _)| *name).collect()
}

const DEPTH: usize = 8;
/// What is no part of the plan that a run carries out.
pub(super) const ASIDE: [&str; 3] = [BACKEND, "vary", "oracle"];
/// What a plan that does not care for a seam gets.
pub(super) const DEFAULT_KINDS: [(&str, &str); 5] = [
    ("partitioner", "token-ring"),
    ("versioning", "vector"),
    ("membership", "fixed"),
    ("deletion", "keep"),
    ("storage", "memory"),
];
