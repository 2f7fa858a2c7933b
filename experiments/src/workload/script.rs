//! A script: who does what, when, step by step, with each of a number of keys.
//!
//! Every step is done for every key, however those before it ended, so nothing that is asked depends on an answer but the
//! contexts that writes carry. Times count from the run's epoch, as those of faults do; what a step does before the measured
//! time begins prepares what is measured.

use super::{Build, Intent, Workload, check_records};
use crate::request::{Length, MOST_RECORDS};
use bytes::Bytes;
use rand_xoshiro::Xoshiro256PlusPlus;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;
use tidemark_node::partitioner::Partitioner;
use tidemark_proto::event::Kind;
use tidemark_proto::id::{NameError, NodeId, Role};
use tidemark_proto::registry::{Entry, OptionError, Options, parse, resolve, schema};
use tidemark_proto::span::Span;

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "script",
    about: "who does what, when, step by step, with each of a number of keys",
    promises: &[],
    resolve: resolve::<Script>,
    schema: schema::<Script>,
    build: |options: &Options| {
        let script: Script = parse(options)?;
        script.check()?;
        Ok(Box::new(script))
    },
};

/// The steps, and the keys with which they are done.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// How many keys there are; every step is done with each of them. Few: wide intervals; many: more of the same.
    keys: u64,
    /// The script begins for the last key so much later than for the first, and for the others evenly between.
    #[serde(default)]
    over: Span,
    /// Only keys whose preference list begins with these nodes are taken; empty: the first that there are.
    #[serde(default)]
    preference: Vec<NodeId>,
    /// A value's length in bytes.
    value_bytes: Length,
    /// What is done.
    step: Vec<Step>,
}

/// Something that a client does with each key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When it is done with the first key.
    pub at: Span,
    /// Who does it.
    pub client: NodeId,
    /// What is done.
    #[serde(rename = "do")]
    pub act: Kind,
    /// Whom the client asks; absent: whom `client.route` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// Of a put or a delete, whose context it carries: `"own"`, that of the last operation that this client had answered on
    /// the key, `"none"`, or that of another client: `"c2"`. Who has seen nothing writes without.
    #[serde(default)]
    pub context: Source,
    /// How many replicas must answer or acknowledge it; absent: R or W.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<u32>,
    /// How many of those must be among the first N of the preference list; absent: PR or PW.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primaries: Option<u32>,
    /// Of a put or a delete, how many of those must have it on disk; absent: DW.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durable: Option<u32>,
    /// Of a get, whether a replica that holds nothing counts; absent: as the plan's replication has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_found_ok: Option<bool>,
    /// Of a get: the node that is asked tells what it holds itself, and asks nobody.
    #[serde(default)]
    pub local: bool,
    /// How often it is done.
    #[serde(default = "once")]
    #[schemars(range(min = 1))]
    pub times: u32,
    /// How much later it is done again.
    #[serde(default)]
    pub every: Span,
}

/// Whose context a write carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// That of the client itself.
    #[default]
    Own,
    /// Nobody's.
    Nobody,
    /// That of this client.
    Other(NodeId),
}

/// A step that is due for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// When.
    pub at: Duration,
    /// The step's place in the script.
    pub step: usize,
    /// The key.
    pub key: Bytes,
}

impl Script {
    /// What is done.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.step
    }

    /// The keys, as a cluster lays them out.
    ///
    /// # Errors
    /// Too few of them belong where the script wants them.
    pub fn keys(&self, partitioner: &dyn Partitioner) -> Result<Vec<Bytes>, OptionError> {
        let wanted = self.preference.len();
        let is_there = |key: &Bytes| {
            wanted == 0 || partitioner.preference(key, wanted)[..] == self.preference[..]
        };
        let count = usize::try_from(self.keys).unwrap_or(usize::MAX);
        let tried = self.keys.saturating_mul(TRIES);
        let names = (1..=tried).map(|number| Bytes::from(format!("k{number}")));
        let keys: Vec<Bytes> = names.filter(is_there).take(count).collect();
        if keys.len() == count {
            return Ok(keys);
        }
        let names: Vec<_> = self.preference.iter().map(NodeId::to_string).collect();
        let (names, found) = (names.join(", "), keys.len());
        let reason = format!(
            "preference is {names}, but of {tried} keys only {found} have a preference list that begins so, and {count} are wanted"
        );
        Err(OptionError::of("preference", reason))
    }

    /// Everything that is to be done with these keys; what is due at the same time is done in this order.
    pub fn deeds(&self, keys: &[Bytes]) -> impl Iterator<Item = Deed> {
        let late = move |place: usize| {
            let last = keys.len().saturating_sub(1).max(1);
            self.over.0.mul_f64(place as f64 / last as f64)
        };
        let steps = self.step.iter().enumerate();
        steps.flat_map(move |(step, does)| {
            let turns = (0..does.times).map(|turn| does.at.0 + does.every.0 * turn);
            turns.flat_map(move |at| {
                let keys = keys.iter().enumerate();
                keys.map(move |(place, key)| Deed {
                    at: at + late(place),
                    step,
                    key: key.clone(),
                })
            })
        })
    }

    /// When a step is done for the last time.
    #[must_use]
    pub fn end_of(&self, step: &Step) -> Duration {
        step.at.0 + step.every.0 * step.times.saturating_sub(1) + self.over.0
    }

    fn check(&self) -> Result<(), OptionError> {
        check_records("keys", self.keys)?;
        if self.step.is_empty() {
            return Err(OptionError::of(
                "step",
                "step is empty: nothing would be done",
            ));
        }
        let turns: u64 = self.step.iter().map(|step| u64::from(step.times)).sum();
        let deeds = turns.saturating_mul(self.keys);
        if deeds > MOST_RECORDS {
            let reason = format!(
                "keys is {}, and with the steps that is {deeds} operations; at most {MOST_RECORDS}",
                self.keys
            );
            return Err(OptionError::of("keys", reason));
        }
        for (place, step) in self.step.iter().enumerate() {
            if let Some((option, reason)) = step.mistake() {
                return Err(OptionError::of(format!("step[{place}].{option}"), reason));
            }
        }
        Ok(())
    }
}

impl Step {
    /// What is wrong with it: the option, and why.
    fn mistake(&self) -> Option<(&'static str, String)> {
        let is_get = self.act == Kind::Get;
        let of_other_acts = [
            ("context", is_get && self.context != Source::Own),
            ("durable", is_get && self.durable.is_some()),
            ("not_found_ok", !is_get && self.not_found_ok.is_some()),
            ("local", !is_get && self.local),
        ];
        if let Some((option, _)) = of_other_acts.into_iter().find(|(_, is_given)| *is_given) {
            let acts = if is_get { "a put or a delete" } else { "a get" };
            return Some((
                option,
                format!("{option} is for {acts}, but this step is none"),
            ));
        }
        let of_client = |option, id: NodeId| {
            let reason = format!("{option} is {id}, but that is no client; write c1");
            (id.role() != Role::Client).then_some((option, reason))
        };
        if let Some(mistake) = of_client("client", self.client) {
            return Some(mistake);
        }
        if let Source::Other(other) = self.context
            && let Some(mistake) = of_client("context", other)
        {
            return Some(mistake);
        }
        let is_quorum =
            self.quorum.is_some() || self.primaries.is_some() || self.not_found_ok.is_some();
        if self.local && is_quorum {
            let reason = "local is true, so that no quorum is asked, but a quorum is given; leave one of them out";
            return Some(("local", reason.to_owned()));
        }
        if self.times > 1 && self.every.0.is_zero() {
            let reason = format!(
                "times is {}, but every is 0s; say how much later it is done again",
                self.times
            );
            return Some(("times", reason));
        }
        (self.times == 0).then(|| {
            (
                "times",
                "times is 0; a step is done once or more".to_owned(),
            )
        })
    }
}

impl Workload for Script {
    fn preload(&self) -> Vec<Bytes> {
        Vec::new()
    }

    fn next(&mut self, _: &mut Xoshiro256PlusPlus) -> Option<Intent> {
        None
    }

    fn script(&self) -> Option<&Self> {
        Some(self)
    }

    fn value_bytes(&self) -> &Length {
        &self.value_bytes
    }
}

impl TryFrom<String> for Source {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        match text.as_str() {
            "own" => Ok(Self::Own),
            "none" => Ok(Self::Nobody),
            other => other.parse().map(Self::Other),
        }
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        match source {
            Source::Own => "own".to_owned(),
            Source::Nobody => "none".to_owned(),
            Source::Other(client) => client.to_string(),
        }
    }
}

impl JsonSchema for Source {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Source".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(own|none|c[1-9][0-9]*)$",
            "title": "\"own\", \"none\", or a client like \"c2\""
        })
    }
}

fn once() -> u32 {
    1
}

/// Keys that are looked at for each that is wanted.
const TRIES: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn script(more: Value) -> Script {
        let mut table = json!({ "keys": 3, "value_bytes": 8, "step": [
            { "at": "1s", "client": "c1", "do": "put" },
            { "at": "500ms", "client": "c2", "do": "get", "times": 2, "every": "10ms" },
        ] });
        for (name, value) in more.as_object().into_iter().flatten() {
            table[name] = value.clone();
        }
        parse(table.as_object().expect("it is a table")).expect("it is a script")
    }

    /// If this fails, a script is not done when it says, or not with every key.
    #[test]
    fn every_step_is_done_with_every_key_at_its_time() {
        let keys = ["a", "b", "c"].map(Bytes::from);
        let listed = |more: Value| -> Vec<_> {
            let script = script(more);
            let deeds = script.deeds(&keys);
            let told = |deed: Deed| {
                let key = String::from_utf8_lossy(&deed.key).into_owned();
                (deed.at.as_millis(), deed.step, key)
            };
            deeds.map(told).collect()
        };
        let expected = |late: [u128; 3]| -> Vec<_> {
            let turns = [(1_000, 0), (500, 1), (510, 1)].into_iter();
            let deeds = turns.flat_map(|(at, step)| {
                let keys = ["a", "b", "c"].into_iter().zip(late);
                keys.map(move |(key, late)| (at + late, step, key.to_owned()))
            });
            deeds.collect()
        };
        assert_eq!(listed(json!({})), expected([0, 0, 0]));
        assert_eq!(listed(json!({ "over": "100ms" })), expected([0, 50, 100]));
        let script = script(json!({ "over": "100ms" }));
        let ends = script
            .steps()
            .iter()
            .map(|step| script.end_of(step).as_millis());
        assert_eq!(ends.collect::<Vec<_>>(), [1_100, 610]);
    }

    /// If this fails, a step is carried out other than it was meant, and nobody is told.
    #[test]
    fn a_step_that_cannot_be_done_is_refused_by_its_place() {
        let check = |step: Value, expected: &str| {
            let error = script(json!({ "step": [step] })).check().err();
            let error = error.map(|error| error.told()).unwrap_or_default();
            assert_eq!(error, expected);
        };
        check(
            json!({ "at": "1s", "client": "c1", "do": "put", "context": "c2" }),
            "",
        );
        check(
            json!({ "at": "1s", "client": "c1", "do": "get", "context": "none" }),
            "step[0].context is for a put or a delete, but this step is none",
        );
        check(
            json!({ "at": "1s", "client": "c1", "do": "delete", "local": true }),
            "step[0].local is for a get, but this step is none",
        );
        check(
            json!({ "at": "1s", "client": "n1", "do": "get" }),
            "step[0].client is n1, but that is no client; write c1",
        );
        check(
            json!({ "at": "1s", "client": "c1", "do": "get", "local": true, "quorum": 2 }),
            "step[0].local is true, so that no quorum is asked, but a quorum is given; leave one of them out",
        );
        check(
            json!({ "at": "1s", "client": "c1", "do": "get", "times": 2 }),
            "step[0].times is 2, but every is 0s; say how much later it is done again",
        );
        let error = script(json!({ "step": [] })).check().err();
        assert!(error.is_some_and(|error| error.reason.starts_with("step is empty")));
    }
}
