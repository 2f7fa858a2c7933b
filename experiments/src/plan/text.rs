//! A plan as text: as TOML with every default written out, with the meaning of every key beside it, as a starter for a new
//! plan, and in two lines.

use super::machine::{Strike, strikes};
use super::members::steps;
use super::{Plan, load, schema, shape};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tidemark_proto::span::Span;
use toml::Table;
use toml_edit::Key;

/// The plan as TOML, every default written out.
pub fn to_toml(plan: &Plan) -> anyhow::Result<String> {
    Ok(written(&value(plan)?, &BTreeMap::new()))
}

/// The plan as TOML, every default written out, each key with what it means; `aside` is what the plan says of how it is
/// carried out.
pub fn explained(plan: &Plan, aside: &Table) -> anyhow::Result<String> {
    let value = value(plan)?;
    let plan = written(&value, &shape::meanings(schema::whole(), &value));
    let mut text = String::new();
    if let Some(backend) = aside.get("backend") {
        line(
            &mut text,
            &format!("backend = {backend}"),
            Some(&CARRIED_OUT.to_owned()),
        );
    }
    text += &plan;
    for (key, about) in [("vary", VARIED), ("oracle", EXPECTED)] {
        if let Some(value) = aside.get(key) {
            let table = Table::from_iter([(key.to_owned(), value.clone())]);
            write!(text, "\n{about}\n{}", toml::to_string_pretty(&table)?)?;
        }
    }
    Ok(text)
}

/// The beginning of a plan of one's own: a variant of the quickstart, whose values stand there to be changed.
pub fn starter(name: &str) -> anyhow::Result<String> {
    let (_, base) = load(STARTED_FROM, "real", &[])?;
    let base = explained(&base, &Table::new())?;
    let mut text = BEGIN.replace("NAME", name);
    for (number, block) in base.split("\n\n").enumerate() {
        let is_table = !block.starts_with("[[");
        for line in block.lines() {
            let is_said = number == 0 && SAID.iter().any(|key| line.starts_with(key));
            let mark = if is_table && line.starts_with('[') {
                ""
            } else {
                "# "
            };
            if !is_said {
                writeln!(text, "{mark}{line}")?;
            }
        }
        text.push('\n');
    }
    Ok(text + END)
}

/// The plan in two lines: who and what, and what goes wrong when.
#[must_use]
pub fn outline(name: &str, plan: &Plan) -> String {
    let Plan {
        cluster,
        replication,
        client,
        duration,
        ..
    } = plan;
    let gateways = match cluster.gateways {
        0 => String::new(),
        1 => ", 1 gateway".to_owned(),
        count => format!(", {count} gateways"),
    };
    let quorum = |key: &str| {
        let value = replication.options.get(key);
        value
            .map(|value| format!(", {} = {value}", key.to_uppercase()))
            .unwrap_or_default()
    };
    let quorums = ["n", "r", "w"].map(quorum).concat();
    let arrivals = match client.rate {
        0.0 => String::new(),
        rate => format!("{rate} arrivals/s, "),
    };
    let clients = format!("{} clients, {arrivals}{}", client.count, plan.workload.kind);
    let mut faults: Vec<String> = (strikes(plan).iter())
        .map(|Strike { span, .. }| {
            let (from, until) = span.extent();
            format!("“{}” {} to {}", span.name, Span(from), Span(until))
        })
        .collect();
    // Of what comes again and again, once.
    faults.dedup();
    faults.extend(plan.spec().fault.iter().filter_map(|rule| {
        let period = rule.period?;
        let name = rule.name.as_deref().unwrap_or(&rule.kind);
        Some(format!(
            "“{name}” {} to {}",
            Span(period.from),
            Span(period.until)
        ))
    }));
    faults.extend(steps(plan).into_iter().map(|step| {
        let at = Span(step.at);
        format!("“{}” from {at}", step.name)
    }));
    if faults.is_empty() {
        faults.push("none".to_owned());
    }
    format!(
        "{name}: {} nodes{gateways}, {}{quorums}; {clients}; {duration}, then {} of quiet\nfaults: {}\n",
        cluster.nodes,
        replication.kind,
        plan.settle,
        faults.join(", ")
    )
}

/// The plan as a table, without what is absent.
fn value(plan: &Plan) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(plan)?;
    drop_nulls(&mut value);
    Ok(value)
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

/// A plan as TOML with what its paths mean: first its own values, then its tables, then its lists of tables.
fn written(plan: &Value, meanings: &BTreeMap<String, String>) -> String {
    let fields = plan.as_object();
    let fields = || fields.into_iter().flatten();
    let mut text = String::new();
    let mut tables = String::new();
    for (key, value) in fields() {
        match value {
            Value::Object(table) => {
                line(&mut tables, &format!("\n[{key}]"), meanings.get(key));
                lines(&mut tables, key, table, meanings);
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                for (index, item) in items.iter().enumerate() {
                    line(&mut tables, &format!("\n[[{key}]]"), meanings.get(key));
                    let path = format!("{key}[{index}]");
                    lines(
                        &mut tables,
                        &path,
                        item.as_object().unwrap_or(&Map::new()),
                        meanings,
                    );
                }
            }
            _ => line(
                &mut text,
                &format!("{key} = {}", inline(value)),
                meanings.get(key),
            ),
        }
    }
    text + &tables
}

/// The keys of a table, and after them those that could stand there as well.
fn lines(
    text: &mut String,
    path: &str,
    table: &Map<String, Value>,
    meanings: &BTreeMap<String, String>,
) {
    for (key, value) in table {
        let meaning = meanings.get(&format!("{path}.{key}"));
        line(
            text,
            &format!("{} = {}", Key::new(key), inline(value)),
            meaning,
        );
    }
}

fn line(text: &mut String, code: &str, meaning: Option<&String>) {
    let width = COLUMN + code.len() - code.trim_start_matches('\n').len();
    match meaning {
        Some(meaning) => writeln!(text, "{code:<width$} # {meaning}"),
        None => writeln!(text, "{code}"),
    }
    .expect("memory takes every write");
}

/// A value as it stands behind its key.
fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => toml_edit::Value::from(text).to_string(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let pair =
                |(key, value): (&String, &Value)| format!("{} = {}", Key::new(key), inline(value));
            let pairs: Vec<_> = fields.iter().map(pair).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

const CARRIED_OUT: &str = "What carries the plan out";
const VARIED: &str = "# What varies: every combination of cases, with each seed";
const EXPECTED: &str = "# What theory expects, so that the run can refute it";
/// Where comments begin.
const COLUMN: usize = 33;
const STARTED_FROM: &str = "quickstart";
/// The keys that the beginning of a new plan says itself.
const SAID: [&str; 2] = ["question", "seed"];
const BEGIN: &str = r#"# NAME.toml: a plan of your own.
#   tidemark plan check NAME.toml     is it right, and what does it come to?
#   tidemark plan show NAME.toml      the whole of it, with what it extends
#   tidemark run NAME.toml            on real processes; with --backend sim simulated, in a moment

extends  = "quickstart"           # what is not said here is as it is there
question = "What do clients see when a node crashes?"
seed     = 1                      # another seed is another run of the same plan

# The values of the quickstart: take away the # in front of those that shall be others.
"#;
const END: &str = r#"# Lists are taken whole: with a [[fault]] here, those of the quickstart are gone.
[[fault]]
name = "n2 crashes"
at = "7s"
crash = "n2"
restart_after = "4s"
"#;
