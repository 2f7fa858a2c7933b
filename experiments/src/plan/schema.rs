//! The JSON Schema of a plan: what every key may be and what it means. From it come the errors about keys and values, the
//! comments of `plan show` and `plan new`, and what editors complete.

use super::Plan;
use super::carrier;
use super::load::DEFAULT_KINDS;
use super::machine::MachineFault;
use super::members::MemberChange;
use super::oracle;
use crate::backend::{self as backends, Build};
use crate::workload;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use tidemark_netfuzz::{Part, RuleSpec};
use tidemark_node::{deletion, membership, partitioner, repair, replication, storage, versioning};
use tidemark_proto::registry::Entry;

/// What a whole plan is, with all that it extends.
pub(super) fn whole() -> &'static Value {
    static WHOLE: LazyLock<Value> = LazyLock::new(|| {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.inline_subschemas = true;
        });
        let mut schema = settings
            .into_generator()
            .into_root_schema_for::<Plan>()
            .to_value();
        without_null(&mut schema);
        schema
    });
    &WHOLE
}

/// What a plan file is: it may extend another plan, and then says only what differs.
#[must_use]
pub fn file() -> Value {
    let mut schema = whole().clone();
    let mut required = schema["required"].take();
    if let Some(required) = required.as_array_mut() {
        required.retain(|key| DEFAULT_KINDS.iter().all(|(seam, _)| key != seam));
    }
    let Some(root) = schema.as_object_mut() else {
        return schema;
    };
    root.shift_remove("required");
    root.insert("title".to_owned(), "a Tidemark plan".into());
    let complete = json!({ "required": required });
    root.insert(
        "anyOf".to_owned(),
        json!([{ "required": ["extends"] }, complete]),
    );
    let keys = root.get_mut("properties").and_then(Value::as_object_mut);
    let keys = keys.expect("a plan has keys");
    for table in keys.values_mut() {
        // What a table does not say may stand in the table that it is laid over; lists are taken whole.
        let is_list = table.get("items").is_some();
        if !is_list {
            partial(table);
        }
    }
    keys.insert("extends".to_owned(), extends());
    keys.insert(carrier::BACKEND.to_owned(), carrier::schema());
    keys.insert("on".to_owned(), on());
    keys.insert("vary".to_owned(), vary());
    keys.insert(oracle::ORACLE.to_owned(), oracle::schema());
    schema
}

/// A seam's table: one of its entries by `kind`, with the options of that.
fn seam<B>(entries: &[Entry<B>], generator: &mut SchemaGenerator) -> Schema {
    let branch = |entry: &Entry<B>| {
        let mut options = options((entry.schema)(), generator);
        let kind = json!({ "const": entry.name, "description": entry.about });
        let mut keys = Map::from_iter([("kind".to_owned(), kind)]);
        if let Some(Value::Object(own)) = options.remove("properties") {
            keys.extend(own);
        }
        let mut required = vec![json!("kind")];
        if let Some(Value::Array(own)) = options.remove("required") {
            required.extend(own);
        }
        json!({
            "type": "object",
            "description": entry.about,
            "properties": keys,
            "required": required,
            "additionalProperties": false,
        })
    };
    let branches: Vec<_> = entries.iter().map(branch).collect();
    json_schema!({ "oneOf": branches })
}

/// A schema that stands by itself as a part of another.
fn options(mut schema: Schema, generator: &mut SchemaGenerator) -> Schema {
    if let Some(Value::Object(definitions)) = schema.remove("$defs") {
        generator.definitions_mut().extend(definitions);
    }
    schema.remove("title");
    schema.remove("$schema");
    schema
}

pub(super) fn replication(generator: &mut SchemaGenerator) -> Schema {
    seam(replication::ENTRIES, generator)
}

pub(super) fn partitioner(generator: &mut SchemaGenerator) -> Schema {
    seam(partitioner::ENTRIES, generator)
}

pub(super) fn versioning(generator: &mut SchemaGenerator) -> Schema {
    seam(versioning::ENTRIES, generator)
}

pub(super) fn membership(generator: &mut SchemaGenerator) -> Schema {
    seam(membership::ENTRIES, generator)
}

pub(super) fn deletion(generator: &mut SchemaGenerator) -> Schema {
    seam(deletion::ENTRIES, generator)
}

pub(super) fn storage(generator: &mut SchemaGenerator) -> Schema {
    seam(storage::ENTRIES, generator)
}

pub(super) fn workload(generator: &mut SchemaGenerator) -> Schema {
    seam(workload::ENTRIES, generator)
}

pub(super) fn repair(generator: &mut SchemaGenerator) -> Schema {
    list(vec![seam(repair::ENTRIES, generator)])
}

pub(super) fn network(generator: &mut SchemaGenerator) -> Schema {
    let rules = RuleSpec::schemas(Part::Network).into_iter();
    list(rules.map(|rule| options(rule, generator)).collect())
}

pub(super) fn fault(generator: &mut SchemaGenerator) -> Schema {
    let rules = RuleSpec::schemas(Part::Fault).into_iter();
    let faults = rules.chain(MachineFault::schemas());
    let faults = faults.chain(MemberChange::schemas());
    list(faults.map(|fault| options(fault, generator)).collect())
}

fn list(branches: Vec<Schema>) -> Schema {
    json_schema!({ "type": "array", "items": { "oneOf": branches }, "default": [] })
}

fn extends() -> Value {
    json!({
        "type": "string",
        "description": "The plan over which this one is laid: a built-in plan's name, or a file beside this one. Tables are merged, lists taken whole.",
    })
}

fn on() -> Value {
    let about = "Values by their paths, like \"client.rate\" = 2000, that hold there only.";
    let table = |entry: &Entry<Build>| {
        (
            entry.name.to_owned(),
            json!({ "type": "object", "description": about }),
        )
    };
    json!({
        "type": "object",
        "description": "What holds in one back-end only.",
        "properties": Map::from_iter(backends::ENTRIES.iter().map(table)),
        "additionalProperties": false,
    })
}

fn vary() -> Value {
    let seed = json!({ "type": "integer", "minimum": 0 });
    json!({
        "type": "object",
        "description": "A sweep: every combination of the cases of all axes, with each seed.",
        "properties": { "seed": {
            "description": "The seeds: { from = 1, count = 20 } or a list.",
            "anyOf": [{ "type": "array", "items": seed }, {
                "type": "object",
                "properties": { "from": seed, "count": seed },
                "required": ["count"],
                "additionalProperties": false,
            }],
        } },
        "additionalProperties": {
            "description": "An axis: a path in quotes with a list of values, or a name with a table of cases, each of which changes paths.",
            "anyOf": [
                { "type": "array", "minItems": 1 },
                { "type": "object", "additionalProperties": { "type": "object" } },
            ],
        },
    })
}

/// Requires nothing any more.
fn partial(schema: &mut Value) {
    if let Some(fields) = schema.as_object_mut() {
        fields.shift_remove("required");
        if let Some(branches) = fields.shift_remove("oneOf") {
            fields.insert("anyOf".to_owned(), branches);
        }
    }
    for branch in schema
        .get_mut("anyOf")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        partial(branch);
    }
}

/// TOML has no null: what is optional is left out.
fn without_null(schema: &mut Value) {
    let is_null = |branch: &Value| branch["type"] == "null" || branch.is_null();
    match schema {
        Value::Object(fields) => {
            if fields.get("default").is_some_and(Value::is_null) {
                fields.shift_remove("default");
            }
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|one| one != "null");
                if let [only] = &types[..] {
                    let only = only.clone();
                    fields.insert("type".to_owned(), only);
                }
            }
            for key in ["anyOf", "enum"] {
                if let Some(Value::Array(branches)) = fields.get_mut(key) {
                    branches.retain(|branch| !is_null(branch));
                }
            }
            if let Some(Value::Array(branches)) = fields.get("anyOf")
                && let [Value::Object(only)] = &branches[..]
            {
                let only = only.clone();
                fields.shift_remove("anyOf");
                for (key, value) in only {
                    fields.entry(key).or_insert(value);
                }
            }
            fields.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
