//! From text to a plan: files and built-in plans, `extends`, `[on.<back-end>]` and `--set`.

use super::{Overrides, Plan};
use anyhow::{Context as _, bail, ensure};
use serde::Deserialize as _;
use serde_json::Value;
use std::path::Path;
use tidemark_proto::registry::find;
use toml::{Table, Value as Toml};

/// The built-in plans: name and text.
const BUILTIN: &[(&str, &str)] = &[
    ("quickstart", include_str!("../../plans/quickstart.toml")),
    ("strict", include_str!("../../plans/strict.toml")),
    ("visibility", include_str!("../../plans/visibility.toml")),
    ("base-matrix", include_str!("../../plans/base-matrix.toml")),
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

/// Reads a plan by its file or its built-in name, for one back-end, with `key=value` changes on top.
///
/// Returns the plan's short name, which names its results, and the plan with every default written out.
pub fn load(plan: &str, backend: &str, sets: &[String]) -> anyhow::Result<(String, Plan)> {
    load_with(plan, backend, &[], sets)
}

/// As [`load`], with what a cell of `[vary]` changes; each table of changes has the name of its place in the plan.
pub(super) fn load_with(
    plan: &str,
    backend: &str,
    cell: &[(String, &Table)],
    sets: &[String],
) -> anyhow::Result<(String, Plan)> {
    let (name, mut table) = open(plan, DEPTH)?;
    for (seam, kind) in DEFAULT_KINDS {
        let choice = table
            .entry(seam)
            .or_insert_with(|| Toml::Table(Table::new()));
        if let Toml::Table(choice) = choice {
            choice
                .entry("kind")
                .or_insert_with(|| Toml::String(kind.to_owned()));
        }
    }
    let overrides = table.remove("on").map(Overrides::deserialize).transpose();
    let mut overrides = overrides.with_context(|| format!("{plan}: on"))?;
    if let Some(unknown) = overrides
        .iter()
        .flatten()
        .map(|(name, _)| name)
        .find(|name| {
            crate::backend::ENTRIES
                .iter()
                .all(|entry| entry.name != name.as_str())
        })
    {
        let names: Vec<_> = crate::backend::ENTRIES
            .iter()
            .map(|entry| entry.name)
            .collect();
        bail!(
            "{plan}: on.{unknown} is no back-end; choose one of: {}",
            names.join(", ")
        );
    }
    let changes = overrides
        .as_mut()
        .and_then(|all| all.remove(backend))
        .unwrap_or_default();
    for (path, value) in changes {
        set(&mut table, &path, value).with_context(|| format!("{plan}: on.{backend}"))?;
    }
    for (place, changes) in cell {
        for (path, value) in *changes {
            set(&mut table, path, value.clone()).with_context(|| format!("{plan}: {place}"))?;
        }
    }
    change(&mut table, sets)?;
    for aside in ASIDE {
        table.remove(aside);
    }
    let value = serde_json::to_value(table)?;
    let plan_read: Plan = serde_path_to_error::deserialize(value)
        .map_err(|error| anyhow::anyhow!("{plan}: {}: {}", error.path(), error.inner()))?;
    let resolved = plan_read.resolve().with_context(|| plan.to_owned())?;
    Ok((name, resolved))
}

/// The back-end that a plan asks for, if it does.
pub fn backend(plan: &str, sets: &[String]) -> anyhow::Result<Option<&'static str>> {
    let Some(backend) = draft(plan, sets)?.backend else {
        return Ok(None);
    };
    let name = backend.as_str().with_context(|| {
        format!("{plan}: backend is {backend}, but must be the name of a back-end")
    })?;
    let entry = find("backend", crate::backend::ENTRIES, name).with_context(|| plan.to_owned())?;
    Ok(Some(entry.name))
}

/// What a plan says of how it is carried out.
pub(super) struct Draft {
    /// Its back-end; none: it leaves that open.
    pub(super) backend: Option<Toml>,
    /// What it varies.
    pub(super) vary: Option<Toml>,
}

/// Reads what a plan says of how it is carried out.
pub(super) fn draft(plan: &str, sets: &[String]) -> anyhow::Result<Draft> {
    let (_, mut table) = open(plan, DEPTH)?;
    change(&mut table, sets)?;
    let [backend, vary] = ASIDE.map(|key| table.remove(key));
    Ok(Draft { backend, vary })
}

/// Makes the changes of the command line.
fn change(table: &mut Table, sets: &[String]) -> anyhow::Result<()> {
    for change in sets {
        let (path, value) = change
            .split_once('=')
            .with_context(|| format!("--set {change:?} is not written as key=value"))?;
        set(table, path.trim(), literal(value.trim()))
            .with_context(|| format!("--set {change}"))?;
    }
    Ok(())
}

/// The text of a plan as a table, with what it extends below it.
fn open(plan: &str, depth: usize) -> anyhow::Result<(String, Table)> {
    ensure!(
        depth > 0,
        "{plan}: extends goes round in a circle, or deeper than {DEPTH} plans"
    );
    let built_in = BUILTIN.iter().find(|(name, _)| *name == plan);
    let path = Path::new(plan);
    let (name, text) = match built_in {
        Some((name, text)) => ((*name).to_owned(), (*text).to_owned()),
        None if path.exists() => {
            let text = std::fs::read_to_string(path).with_context(|| plan.to_owned())?;
            (
                path.file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                text,
            )
        }
        None => {
            let names: Vec<_> = BUILTIN.iter().map(|(name, _)| *name).collect();
            bail!(
                "there is no plan {plan:?}: no such file, and the built-in plans are {}",
                names.join(", ")
            );
        }
    };
    let mut table: Table = text.parse().with_context(|| plan.to_owned())?;
    if built_in.is_none() {
        crate::workload::place_file(path, &mut table);
    }
    let Some(base) = table.remove("extends") else {
        return Ok((name, table));
    };
    let base = base
        .as_str()
        .with_context(|| format!("{plan}: extends is not the name of a plan"))?;
    let beside = path.with_file_name(base);
    let base = if built_in.is_none() && beside.exists() {
        beside.to_string_lossy().into_owned()
    } else {
        base.to_owned()
    };
    let (_, mut below) = open(&base, depth - 1)?;
    lay_over(&mut below, table);
    Ok((name, below))
}

/// Tables are merged; a table of another `kind`, and everything else, takes the place of what was there.
fn lay_over(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Toml::Table(old)), Toml::Table(new))
                if new
                    .get("kind")
                    .is_none_or(|kind| Some(kind) == old.get("kind")) =>
            {
                lay_over(old, new);
            }
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

/// Puts a value at a dotted path of tables; a list is given whole.
fn set(table: &mut Table, path: &str, value: Toml) -> anyhow::Result<()> {
    let (parents, last) = path
        .rsplit_once('.')
        .map_or((None, path), |(p, l)| (Some(p), l));
    ensure!(
        !last.is_empty(),
        "the key {path:?} is empty or ends in a dot"
    );
    let mut place = table;
    for part in parents.iter().flat_map(|parents| parents.split('.')) {
        ensure!(!part.is_empty(), "the key {path:?} has an empty part");
        let empty = || Toml::Table(Table::new());
        place = match place.entry(part.to_owned()).or_insert_with(empty) {
            Toml::Table(inner) => inner,
            other => bail!("{path}: {part} is {other}, not a table"),
        };
    }
    lay_over(place, Table::from_iter([(last.to_owned(), value)]));
    Ok(())
}

/// A value as TOML has it; a bare word is text.
fn literal(text: &str) -> Toml {
    let parsed: Result<Table, _> = format!("value = {text}").parse();
    parsed
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Toml::String(text.to_owned()))
}

/// The plan as TOML text, every default written out.
pub fn to_toml(plan: &Plan) -> anyhow::Result<String> {
    let mut value = serde_json::to_value(plan)?;
    drop_nulls(&mut value);
    Ok(toml::to_string_pretty(&value)?)
}

/// TOML has no null: what is absent is left out.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

const DEPTH: usize = 8;
/// What is no part of the plan that a run carries out.
pub(super) const ASIDE: [&str; 2] = ["backend", "vary"];
/// What a plan that does not care for a seam gets.
const DEFAULT_KINDS: [(&str, &str); 4] = [
    ("partitioner", "token-ring"),
    ("versioning", "vector"),
    ("membership", "fixed"),
    ("storage", "memory"),
];
