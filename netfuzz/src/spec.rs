//! The rules as a plan writes them: what `[[network]]` and `[[fault]]` say, and the form in which they reach the proxy.

use crate::rule::{Build, ENTRIES, Period};
use crate::selector::Selector;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options, find, schema};
use tidemark_proto::span::Span;

/// What a network is built from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Everybody who takes part: the choices for names.
    pub participants: Vec<NodeId>,
    /// How much longer than written every delay and every span is; above 0, 1 if left out.
    #[serde(default = "unscaled")]
    pub time_scale: f64,
    /// The weather of every day: always in force.
    #[serde(default)]
    pub network: Vec<RuleSpec>,
    /// What goes wrong, when.
    #[serde(default)]
    pub fault: Vec<RuleSpec>,
}

impl Spec {
    /// A perfect network between these participants.
    #[must_use]
    pub fn perfect(participants: Vec<NodeId>) -> Self {
        Self {
            participants,
            time_scale: unscaled(),
            network: Vec::new(),
            fault: Vec::new(),
        }
    }
}

/// One rule: which messages it concerns, when, and what happens to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Table", into = "Table")]
pub struct RuleSpec {
    /// What it is called in results; of all rules no two have the same name. If left out, the kind and a number.
    pub name: Option<String>,
    /// Which messages it concerns.
    pub selector: Selector,
    /// When it is in force, before scaling; only a fault has one.
    pub period: Option<Period>,
    /// What happens: the name of an entry of [`ENTRIES`].
    pub kind: String,
    /// How.
    pub options: Options,
}

impl RuleSpec {
    /// The JSON Schemas of a rule's table in that part of a plan, one for each kind of rule.
    #[must_use]
    pub fn schemas(part: Part) -> Vec<Schema> {
        let branch = |entry: &Entry<Build>| {
            let mut table = schema::<Table>();
            let options = (entry.schema)();
            let mut value = match entry.build.shorthand {
                None => options.to_value(),
                Some(option) => {
                    let short = options.pointer(&format!("/properties/{option}")).cloned();
                    json!({ "anyOf": [short, options] })
                }
            };
            value["description"] = entry.about.into();
            table.remove("title");
            table.insert("description".to_owned(), entry.about.into());
            table.insert("additionalProperties".to_owned(), false.into());
            let mut required = vec![entry.name];
            let keys = table.get_mut("properties").and_then(Value::as_object_mut);
            let keys = keys.expect("a rule's table has keys");
            keys.insert(entry.name.to_owned(), value);
            match part {
                Part::Network => TIMES.iter().for_each(|key| drop(keys.shift_remove(*key))),
                Part::Fault => required.push(TIMES[0]),
            }
            table.insert("required".to_owned(), required.into());
            table
        };
        ENTRIES.iter().map(branch).collect()
    }

    /// The same rule with every default of its options written out.
    ///
    /// # Errors
    /// What is wrong with the options.
    pub fn resolved(&self) -> Result<Self, OptionError> {
        let entry = find("rule", ENTRIES, &self.kind)
            .map_err(|error| OptionError::new(error.to_string()))?;
        Ok(Self {
            options: (entry.resolve)(&self.options)?,
            ..self.clone()
        })
    }
}

/// Where a rule stands in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Among the weather of every day.
    Network,
    /// Among what goes wrong.
    Fault,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => "network",
            Self::Fault => "fault",
        })
    }
}

/// A rule that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {}", error.told())]
pub struct SpecError {
    /// Where it stands, and how many rules stand before it there; none: it is about the network as a whole.
    pub part: Option<(Part, usize)>,
    /// Which rule: `network "peer legs"`.
    pub rule: String,
    /// Which of its options is wrong, and why.
    pub error: OptionError,
}

/// A rule's table in a plan.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Table {
    /// What results call it; no two rules have the same name. Absent: the kind and a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// When it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Span>,
    /// How long it is in force; `until` says the same by its end.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    length: Option<Span>,
    /// When it ends; `for` says the same by its length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Span>,
    #[serde(flatten)]
    selector: Selector,
    #[serde(flatten)]
    #[schemars(skip)]
    rule: Options,
}

impl Table {
    fn period(&self) -> Result<Option<Period>, String> {
        let (from, until) = match (self.at, self.length, self.until) {
            (None, None, None) => return Ok(None),
            (Some(at), Some(length), None) => (at, Span(at.0.saturating_add(length.0))),
            (Some(at), None, Some(until)) => (at, until),
            (None, _, _) => return Err("at is missing: when does it begin".to_owned()),
            (Some(_), None, None) => {
                return Err(
                    "for is missing: how long is it in force; until would do as well".to_owned(),
                );
            }
            (Some(_), Some(_), Some(_)) => {
                return Err("for and until are both given; choose one of them".to_owned());
            }
        };
        if until <= from {
            let key = if self.until.is_some() { "until" } else { "for" };
            return Err(format!("{key} ends it at {until}, but it begins at {from}"));
        }
        Ok(Some(Period {
            from: from.0,
            until: until.0,
        }))
    }
}

impl TryFrom<Table> for RuleSpec {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        let kinds = || {
            ENTRIES
                .iter()
                .map(|entry| entry.name)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let mut rules = table.rule.iter();
        let (kind, value) = rules
            .next()
            .ok_or_else(|| format!("no rule is given; choose one of: {}", kinds()))?;
        let known = |name: &str| ENTRIES.iter().find(|entry| entry.name == name);
        if let Some(unknown) = table.rule.keys().find(|name| known(name).is_none()) {
            return Err(format!(
                "unknown key {unknown:?}; choose among: {KEYS}, and one rule of: {}",
                kinds()
            ));
        }
        if let Some((second, _)) = rules.next() {
            return Err(format!(
                "{kind} and {second} are two rules; write each in a table of its own"
            ));
        }
        let entry = find("rule", ENTRIES, kind).map_err(|error| error.to_string())?;
        let options = match (value, entry.build.shorthand) {
            (Value::Object(options), _) => options.clone(),
            (value, Some(option)) => Options::from_iter([(option.to_owned(), value.clone())]),
            (value, None) => return Err(format!("{kind} is {value}, but must be a table")),
        };
        Ok(Self {
            period: table.period()?,
            name: table.name,
            selector: table.selector,
            kind: entry.name.to_owned(),
            options,
        })
    }
}

impl From<RuleSpec> for Table {
    fn from(spec: RuleSpec) -> Self {
        let rule = (spec.kind, Value::Object(spec.options));
        Self {
            name: spec.name,
            at: spec.period.map(|period| Span(period.from)),
            length: spec.period.map(|period| Span(period.until - period.from)),
            until: None,
            selector: spec.selector,
            rule: Options::from_iter([rule]),
        }
    }
}

fn unscaled() -> f64 {
    1.0
}

/// The keys that only a fault has; it must have the first.
const TIMES: [&str; 3] = ["at", "for", "until"];
const KEYS: &str = "name, at, for, until, links, methods, direction, probability, every";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_as_it_is_written() {
        for rule in [
            json!({ "links": "all", "latency": { "constant": "2ms" } }),
            json!({ "name": "w", "at": "6s", "for": "6s", "links": "peers", "methods": ["Store"],
                "direction": "request", "probability": 0.5, "every": 2, "partition": { "isolate": "n3" } }),
        ] {
            let spec: RuleSpec = serde_json::from_value(rule.clone()).unwrap();
            assert_eq!(serde_json::to_value(spec).unwrap(), rule);
        }
        let short: RuleSpec = serde_json::from_value(json!({ "loss": 0.05 })).unwrap();
        let long = json!({ "links": "all", "loss": { "probability": 0.05 } });
        assert_eq!(serde_json::to_value(short).unwrap(), long);
        let until = json!({ "at": "1s", "until": "3s", "loss": 1 });
        let until: RuleSpec = serde_json::from_value(until).unwrap();
        assert_eq!(serde_json::to_value(until).unwrap()["for"], "2s");
    }

    #[test]
    fn defaults_are_written_out() {
        let rule = json!({ "partition": { "isolate": "n3" } });
        let rule: RuleSpec = serde_json::from_value(rule).unwrap();
        let options = Value::Object(rule.resolved().unwrap().options);
        assert_eq!(
            options,
            json!({ "isolate": "n3", "clients": false, "in_flight": "delivered" })
        );
    }

    #[test]
    fn what_is_no_rule_is_refused_with_the_choices() {
        for (rule, part) in [
            (json!({}), "choose one of: latency, loss, partition"),
            (
                json!({ "latence": { "constant": "1s" } }),
                "unknown key \"latence\"; choose among: name, at",
            ),
            (json!({ "loss": 1, "link": "all" }), "unknown key \"link\""),
            (
                json!({ "loss": 1, "latency": { "constant": "1s" } }),
                "loss and latency are two rules",
            ),
            (
                json!({ "latency": "5ms" }),
                "latency is \"5ms\", but must be a table",
            ),
            (json!({ "loss": 1, "for": "1s" }), "at is missing"),
            (json!({ "loss": 1, "at": "1s" }), "for is missing"),
            (
                json!({ "loss": 1, "at": "1s", "for": "1s", "until": "2s" }),
                "for and until are both given",
            ),
            (
                json!({ "loss": 1, "at": "1s", "until": "1s" }),
                "until ends it at 1s, but it begins at 1s",
            ),
            (
                json!({ "loss": 1, "at": "soon", "for": "1s" }),
                "\"soon\" is no length of time",
            ),
        ] {
            let error = serde_json::from_value::<RuleSpec>(rule.clone())
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{rule}: {error}");
        }
        let spec = json!({ "participants": ["n1"], "networks": [] });
        assert!(
            serde_json::from_value::<Spec>(spec)
                .unwrap_err()
                .to_string()
                .contains("networks")
        );
    }
}
