//! Whether a plan has the shape of its schema: keys that are unknown or missing, kinds and words that are no choice, values
//! of a wrong type or out of bounds, each in words that tell how to mend it. All of them are found at once.

use super::carrier::BACKEND;
use super::error::{PlanError, meant};
use super::form::{alternatives, fits, kind, meaning, required, shown, wanted, words};
use super::machine::Harm;
use super::members::MemberChange;
use super::path::{Path, Step};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use tidemark_netfuzz::selector::LinkPattern;
use tidemark_proto::id::NodeId;
use tidemark_proto::skew::Offset;
use tidemark_proto::span::Span;

/// What is wrong with the shape of a value.
pub(super) fn check(schema: &Value, value: &Value) -> Vec<PlanError> {
    visited(schema, value).errors
}

/// What the keys of a value mean, by their paths, with the choices where they are words.
pub(super) fn meanings(schema: &Value, value: &Value) -> BTreeMap<String, String> {
    visited(schema, value).meanings
}

fn visited<'a>(schema: &'a Value, value: &Value) -> Shape<'a> {
    let mut shape = Shape {
        root: schema,
        errors: Vec::new(),
        meanings: BTreeMap::new(),
    };
    shape.visit(schema, value, &Path::default());
    shape
}

struct Shape<'a> {
    root: &'a Value,
    errors: Vec<PlanError>,
    meanings: BTreeMap<String, String>,
}

impl<'a> Shape<'a> {
    fn visit(&mut self, schema: &'a Value, value: &Value, path: &Path) {
        let forms = self.forms(schema);
        let fitting: Vec<_> = forms
            .iter()
            .copied()
            .filter(|form| fits(form, value))
            .collect();
        match value {
            _ if fitting.is_empty() => {
                let reason = format!("{path} is {}, but must be {}", shown(value), wanted(&forms));
                self.refuse(path, reason);
                if value.is_object() && forms.iter().all(|form| form["type"] == "array") {
                    let last = self.errors.len() - 1;
                    self.errors[last].help =
                        Some(format!("write it in double brackets: [[{path}]]"));
                }
            }
            Value::Object(fields) => self.table(&fitting, fields, path),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.visit(&fitting[0]["items"], item, &path.index(index));
                }
            }
            Value::String(text) => self.text(&fitting, text, path),
            Value::Number(number) => self.number(fitting[0], number, path),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// The forms that a value may have: a schema's alternatives, or it alone.
    fn forms(&self, schema: &'a Value) -> Vec<&'a Value> {
        let schema = self.followed(schema);
        let branches = ["oneOf", "anyOf"]
            .into_iter()
            .find_map(|key| schema[key].as_array());
        match branches {
            // A table with keys of its own is asked for its alternatives later.
            Some(branches) if schema.get("properties").is_none() => branches
                .iter()
                .flat_map(|branch| self.forms(branch))
                .collect(),
            Some(_) | None => vec![schema],
        }
    }

    fn followed(&self, schema: &'a Value) -> &'a Value {
        let Some(reference) = schema["$ref"].as_str() else {
            return schema;
        };
        let target = self.root.pointer(reference.trim_start_matches('#'));
        target.unwrap_or(schema)
    }

    fn table(&mut self, forms: &[&'a Value], fields: &Map<String, Value>, path: &Path) {
        let Some(form) = self.chosen(forms, fields, path) else {
            return;
        };
        let mut parts = vec![form];
        if let Some(branches) = alternatives(form) {
            let branches: Vec<_> = branches.iter().flat_map(|one| self.forms(one)).collect();
            let mut others = fields.clone();
            others.retain(|key, _| form["properties"].get(key).is_none());
            match self.chosen(&branches, &others, path) {
                Some(branch) => parts.push(branch),
                None => return,
            }
        }
        let keys = |part: &&'a Value| part["properties"].as_object().into_iter().flatten();
        let keys: BTreeMap<&str, &Value> = parts
            .iter()
            .flat_map(keys)
            .map(|(key, value)| (key.as_str(), value))
            .collect();
        if keys.is_empty() && form["additionalProperties"] != false {
            return;
        }
        let unknown: Vec<_> = fields
            .keys()
            .filter(|key| !keys.contains_key(key.as_str()))
            .collect();
        for key in &unknown {
            self.unknown(key, &keys, path);
        }
        let needed = parts.iter().flat_map(|part| required(part));
        let missing: Vec<_> = needed
            .filter(|key| !fields.contains_key(*key))
            .filter(|key| !unknown.iter().any(|other| meant(other, [*key]).is_some()))
            .collect();
        let is_variant = is_root(path) && unknown.iter().any(|key| meant(key, [EXTENDS]).is_some());
        if !missing.is_empty() && !is_variant {
            self.missing(&missing, &keys, path);
        }
        for (key, value) in fields {
            if let Some(schema) = keys.get(key.as_str()) {
                let path = path.key(key);
                let choices = self.forms(schema);
                let choices: Vec<_> = choices.iter().flat_map(|form| words(form)).collect();
                let meaning = meaning(schema).map(|meaning| match choices.len() {
                    0 | 1 => meaning,
                    _ => format!("{meaning}: {}", choices.join(" · ")),
                });
                self.meanings
                    .extend(meaning.map(|meaning| (path.to_string(), meaning)));
                self.visit(schema, value, &path);
            }
        }
    }

    /// The one of several tables that is meant: by its `kind`, or by a key that only it has.
    fn chosen(
        &mut self,
        forms: &[&'a Value],
        fields: &Map<String, Value>,
        path: &Path,
    ) -> Option<&'a Value> {
        if let [only] = forms
            && kind(only).is_none()
        {
            return Some(only);
        }
        let kinds: Vec<_> = forms.iter().filter_map(|form| kind(form)).collect();
        if !kinds.is_empty() {
            let choices = format!("choose one of: {}", kinds.join(", "));
            match fields.get("kind") {
                Some(Value::String(name)) => {
                    let found = forms.iter().find(|form| kind(form) == Some(name));
                    if found.is_none() {
                        let reason = format!("{path} has no kind {name:?}");
                        let error = PlanError::new(path.key("kind"), reason).help(choices);
                        self.errors.push(error.label(did_you_mean(name, kinds)));
                    }
                    return found.copied();
                }
                Some(other) => {
                    let reason = format!("{path}.kind is {}, but must be text", shown(other));
                    self.errors
                        .push(PlanError::new(path.key("kind"), reason).help(choices));
                }
                None => {
                    let reason = format!("{path}.kind is missing");
                    let error = PlanError::new(path.clone(), reason).help(choices);
                    self.errors.push(error.label("kind is missing here"));
                }
            }
            return None;
        }
        let by_all = |key: &&str| {
            forms
                .iter()
                .all(|form| required(form).any(|one| one == *key))
        };
        let tags: BTreeSet<&str> = forms.iter().flat_map(|form| required(form)).collect();
        let tags: Vec<&str> = tags.into_iter().filter(|tag| !by_all(tag)).collect();
        let given: Vec<&str> = tags
            .iter()
            .copied()
            .filter(|tag| fields.contains_key(*tag))
            .collect();
        match given[..] {
            [tag] => forms
                .iter()
                .find(|form| required(form).any(|one| one == tag))
                .copied(),
            [] => {
                let keys = forms
                    .iter()
                    .filter_map(|form| form["properties"].as_object());
                let keys: BTreeSet<&str> = keys.flatten().map(|(key, _)| key.as_str()).collect();
                let unknown = fields.keys().find(|key| !keys.contains(key.as_str()));
                let choices = format!("choose one of: {}", tags.join(", "));
                let error = match unknown {
                    Some(key) => {
                        PlanError::new(path.key(key), format!("unknown key {}", path.key(key)))
                            .of_key()
                            .label(did_you_mean(key, keys))
                    }
                    None => {
                        PlanError::new(path.clone(), format!("{path} does not say what happens"))
                            .label("one key is missing here")
                    }
                };
                self.errors.push(error.help(choices));
                None
            }
            [first, second, ..] => {
                let reason =
                    format!("{path} has both {first} and {second}, but can have only one of them");
                let error = PlanError::new(path.key(second), reason).of_key();
                let advice = match path.steps() {
                    [_, Step::Index(_)] => "write each in a table of its own",
                    _ => "leave one of them out",
                };
                self.errors.push(error.label("one too many").help(advice));
                None
            }
        }
    }

    fn missing(&mut self, missing: &[&str], keys: &BTreeMap<&str, &'a Value>, path: &Path) {
        let names: Vec<_> = missing
            .iter()
            .map(|key| path.key(key).to_string())
            .collect();
        let is = if names.len() == 1 { "is" } else { "are" };
        let mut help: Vec<_> = missing
            .iter()
            .filter_map(|key| {
                let schema = keys.get(key)?;
                let wanted = wanted(&self.forms(schema));
                let meaning = meaning(schema).map(|meaning| format!("{meaning}: "));
                Some(format!("{key}: {}{wanted}", meaning.unwrap_or_default()))
            })
            .collect();
        if is_root(path) {
            help.push("or extend a plan that has them: extends = \"quickstart\"".to_owned());
        }
        let reason = format!("{} {is} missing", names.join(", "));
        let label = if is_root(path) {
            "the plan lacks something"
        } else {
            "something is missing here"
        };
        self.errors.push(
            PlanError::new(path.clone(), reason)
                .label(label)
                .help(help.join("\n")),
        );
    }

    fn unknown(&mut self, key: &str, keys: &BTreeMap<&str, &Value>, path: &Path) {
        let place = path.key(key);
        let error = PlanError::new(place.clone(), format!("unknown key {place}")).of_key();
        let aside = if is_root(path) { &FILE_KEYS[..] } else { &[] };
        let known = keys.keys().chain(aside).copied();
        let takes = match path.steps() {
            [] => "a plan has".to_owned(),
            _ => format!("{path} takes"),
        };
        let mut names: Vec<&str> = keys.keys().copied().collect();
        if !aside.contains(&key) {
            names.extend(aside);
        }
        let mut help = format!("{takes}: {}", names.join(", "));
        let label = if aside.contains(&key) {
            "only a plan's file can say this".to_owned()
        } else if meant(key, known.clone()).is_some() {
            did_you_mean(key, known)
        } else if let [Step::Key(list), Step::Index(_)] = path.steps()
            && list == "network"
            && (["at", "for", "until"].contains(&key)
                || Harm::KINDS.contains(&key)
                || MemberChange::KINDS.contains(&key))
        {
            help = "what comes and goes is a fault: write it in [[fault]]".to_owned();
            "the network's rules are always in force".to_owned()
        } else if let Some(home) = self.home(key) {
            format!("{key} belongs into {home}")
        } else {
            "not known here".to_owned()
        };
        self.errors.push(error.label(label).help(help));
    }

    /// The table of the plan that has such a key.
    fn home(&self, key: &str) -> Option<String> {
        let tables = self.root["properties"].as_object()?;
        if tables.contains_key(key) {
            return Some("the plan itself, above its first [table]".to_owned());
        }
        tables.iter().find_map(|(name, table)| {
            let is_list = table.get("items").is_some();
            let forms = self.forms(if is_list { &table["items"] } else { table });
            let form = forms
                .iter()
                .find(|form| form["properties"].get(key).is_some())?;
            let written = if is_list {
                format!("[[{name}]]")
            } else {
                format!("[{name}]")
            };
            Some(match kind(form) {
                Some(kind) => format!("{written} of kind {kind:?}"),
                None => written,
            })
        })
    }

    fn text(&mut self, forms: &[&'a Value], text: &str, path: &Path) {
        let choices: Vec<_> = forms.iter().flat_map(|form| words(form)).collect();
        if choices.contains(&text) {
            return;
        }
        let Some(free) = forms.iter().find(|form| words(form).next().is_none()) else {
            let reason = format!("{path} is {text:?}, but must be {}", wanted(forms));
            let error = PlanError::new(path.clone(), reason);
            self.errors.push(match meant(text, choices) {
                Some(choice) => error.label(format!("did you mean `{choice}`?")),
                None => error,
            });
            return;
        };
        let unread = match free["format"].as_str() {
            Some("span") => text.parse::<Span>().err().map(|error| error.to_string()),
            Some("participant") => text.parse::<NodeId>().err().map(|error| match choices[..] {
                [] => error.to_string(),
                _ => format!("{error}, or choose one of: {}", choices.join(", ")),
            }),
            Some("offset") => text.parse::<Offset>().err().map(|error| error.to_string()),
            Some("link") => text.parse::<LinkPattern>().err(),
            Some(_) | None => None,
        };
        if let Some(why) = unread {
            let why = why.strip_prefix(&format!("{text:?}")).unwrap_or(&why);
            let reason = format!("{path} is {text:?}, which{why}");
            self.refuse(path, reason);
        }
    }

    fn number(&mut self, form: &'a Value, number: &serde_json::Number, path: &Path) {
        let Some(value) = number.as_f64() else { return };
        let bound = |key: &str| form[key].as_f64();
        let is_within = bound("minimum").is_none_or(|least| value >= least)
            && bound("maximum").is_none_or(|most| value <= most)
            && bound("exclusiveMinimum").is_none_or(|below| value > below);
        if !is_within {
            let reason = format!("{path} is {number}, but must be {}", wanted(&[form]));
            self.refuse(path, reason);
        }
    }

    fn refuse(&mut self, path: &Path, reason: String) {
        self.errors.push(PlanError::new(path.clone(), reason));
    }
}

fn is_root(path: &Path) -> bool {
    path.steps().is_empty()
}

fn did_you_mean<'a>(word: &str, choices: impl IntoIterator<Item = &'a str>) -> String {
    match meant(word, choices) {
        Some(choice) => format!("did you mean `{choice}`?"),
        None => "not known here".to_owned(),
    }
}

const EXTENDS: &str = "extends";
/// The keys of a plan file that are no part of the plan which it comes to.
const FILE_KEYS: [&str; 5] = [EXTENDS, BACKEND, "on", "vary", "oracle"];
