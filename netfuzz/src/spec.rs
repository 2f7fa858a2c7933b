//! The rules as a plan writes them: what `[[network]]` and `[[fault]]` say, and the form in which they reach the proxy.

use crate::rule::{ENTRIES, Period};
use crate::selector::Selector;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{OptionError, Options, find};
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

/// A rule that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {reason}")]
pub struct SpecError {
    /// Which rule: `network "peer legs"`.
    pub rule: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A rule's table in a plan.
#[derive(Clone, Serialize, Deserialize)]
struct Table {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Span>,
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    length: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Span>,
    #[serde(flatten)]
    selector: Selector,
    #[serde(flatten)]
    rule: Options,
}

impl Table {
    fn period(&self) -> Result<Option<Period>, String> {
        let (from, until) = match (self.at, self.length, self.until) {
            (None, None, None) => return Ok(None),
            (Some(at), Some(length), None) => (at, Span(at.0.saturating_add(length.0))),
            (Some(at), None, Some(until)) => (at, until),
            _ => return Err("give at, and exactly one of: for, until".to_owned()),
        };
        if until <= from {
            return Err(format!("it is in force from {from} until {until}: never"));
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

const KEYS: &str = "name, at, for, until, links, methods, direction, probability, every";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
            (
                json!({ "loss": 1, "for": "1s" }),
                "give at, and exactly one of: for, until",
            ),
            (
                json!({ "loss": 1, "at": "1s" }),
                "exactly one of: for, until",
            ),
            (
                json!({ "loss": 1, "at": "1s", "until": "1s" }),
                "from 1s until 1s: never",
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
