//! Which messages a rule concerns: by link, method, direction, chance and number.

use crate::draw::Draw;
use crate::rule::Rule;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use tidemark_proto::event::Direction;
use tidemark_proto::id::{NodeId, Role};
use tidemark_proto::message::Method;
use tidemark_proto::registry::OptionError;

/// Which messages a rule concerns. Each option narrows the choice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Selector {
    /// The links: `peers` (no client at either end), `clients`, `all` (if left out), or a list like `["n1 -> n2",
    /// "n3 -> *", "c* -> n1"]`. A link goes from the caller to the callee and carries both halves of a call.
    #[serde(default)]
    pub links: Links,
    /// The methods, like `["Store"]`, or of foreign traffic the full path; all if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// Which half of a call: `request` or `response`; both if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Which share of the messages, at random, 0 to 1; all if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Only every n-th message, by the sender's count per link, method and direction; from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
}

impl Selector {
    /// Whether it concerns any message on this lane.
    #[must_use]
    pub fn concerns(&self, from: NodeId, to: NodeId, method: &str, direction: Direction) -> bool {
        self.links.contains(from, to)
            && self
                .methods
                .as_ref()
                .is_none_or(|methods| methods.iter().any(|chosen| chosen == method))
            && self.direction.is_none_or(|chosen| chosen == direction)
    }

    /// Whether it concerns message `k` of a lane that it concerns.
    pub fn takes(&self, k: u64, draw: &mut Draw) -> bool {
        self.every.is_none_or(|n| k.is_multiple_of(n))
            && self.probability.is_none_or(|share| draw.happens(share))
    }

    /// Whether it chooses a link between participants on which the rule does anything.
    #[must_use]
    pub fn concerns_any(&self, rule: &dyn Rule, participants: &[NodeId]) -> bool {
        let concerns = |from: NodeId, to: NodeId| {
            from != to
                && self.links.contains(from, to)
                && (rule.concerns(from, to) || rule.concerns(to, from))
        };
        let to_any = |from: &NodeId| participants.iter().any(|to| concerns(*from, *to));
        participants.iter().any(to_any)
    }

    /// Refuses what can select nothing among these participants.
    ///
    /// # Errors
    /// What is wrong, with its value and the choices.
    pub fn check(&self, participants: &[NodeId]) -> Result<(), OptionError> {
        if let Links::Listed(patterns) = &self.links {
            for (place, link) in patterns.iter().enumerate() {
                for end in [link.from, link.to] {
                    end.check(participants)
                        .map_err(|reason| OptionError::of(format!("links[{place}]"), reason))?;
                }
            }
        }
        for (place, method) in self.methods.iter().flatten().enumerate() {
            if !method.starts_with('/') {
                method.parse::<Method>().map_err(|error| {
                    let reason = format!("{error}, or a path like /package.Service/Method");
                    OptionError::of(format!("methods[{place}]"), reason)
                })?;
            }
        }
        if self.every == Some(0) {
            return Err(OptionError::of(
                "every",
                "every is 0, but must be 1 or more",
            ));
        }
        self.probability
            .map_or(Ok(()), |share| check_probability("probability", share))
    }
}

/// A choice of directed links.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum Links {
    /// Those without a client.
    Peers,
    /// Those with a client.
    Clients,
    /// Every link.
    #[default]
    All,
    /// Those that match one of these.
    Listed(Vec<LinkPattern>),
}

impl Links {
    fn contains(&self, from: NodeId, to: NodeId) -> bool {
        match self {
            Self::Peers => !has_client(from, to),
            Self::Clients => has_client(from, to),
            Self::All => true,
            Self::Listed(patterns) => patterns.iter().any(|link| link.matches(from, to)),
        }
    }
}

impl fmt::Display for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peers => f.write_str("peers"),
            Self::Clients => f.write_str("clients"),
            Self::All => f.write_str("all"),
            Self::Listed(patterns) => f.write_str(&joined(patterns)),
        }
    }
}

impl JsonSchema for Links {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Links".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let patterns = generator.subschema_for::<Vec<LinkPattern>>();
        json_schema!({ "anyOf": [{ "enum": ["peers", "clients", "all"] }, patterns] })
    }
}

impl From<Links> for Value {
    fn from(links: Links) -> Self {
        match &links {
            Links::Peers | Links::Clients | Links::All => links.to_string().into(),
            Links::Listed(patterns) => patterns.iter().map(LinkPattern::to_string).collect(),
        }
    }
}

impl TryFrom<Value> for Links {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value.as_str() {
            Some("peers") => return Ok(Self::Peers),
            Some("clients") => return Ok(Self::Clients),
            Some("all") => return Ok(Self::All),
            _ => {}
        }
        let Value::Array(list) = &value else {
            return Err(format!(
                "links is {value}; choose one of: peers, clients, all, or a list like [\"n1 -> n2\", \"n3 -> *\"]"
            ));
        };
        let read = |link: &Value| link.as_str().unwrap_or_default().parse::<LinkPattern>();
        match list.iter().map(read).collect::<Result<_, _>>() {
            Ok(patterns) => Ok(Self::Listed(patterns)),
            Err(error) => Err(format!("links: {error}")),
        }
    }
}

/// Directed links by their ends: `n1 -> n2`, `n3 -> *`, `c* -> n1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LinkPattern {
    /// Where they begin.
    pub from: End,
    /// Where they end.
    pub to: End,
}

impl LinkPattern {
    /// Whether this link is one of them.
    #[must_use]
    pub fn matches(&self, from: NodeId, to: NodeId) -> bool {
        self.from.matches(from) && self.to.matches(to)
    }
}

impl fmt::Display for LinkPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.from, self.to)
    }
}

impl JsonSchema for LinkPattern {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "LinkPattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "link",
            "pattern": r"^\s*(\*|[ngc](\*|[1-9][0-9]*))\s*->\s*(\*|[ngc](\*|[1-9][0-9]*))\s*$",
            "title": "a link like \"n1 -> n2\", \"n3 -> *\" or \"c* -> n1\""
        })
    }
}

impl FromStr for LinkPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = |(from, to): (&str, &str)| {
            Some(Self {
                from: from.trim().parse().ok()?,
                to: to.trim().parse().ok()?,
            })
        };
        text.split_once("->").and_then(read).ok_or_else(|| {
            format!("{text:?} is no link; write it like n1 -> n2, n3 -> *, c* -> n1")
        })
    }
}

impl TryFrom<String> for LinkPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<LinkPattern> for String {
    fn from(pattern: LinkPattern) -> Self {
        pattern.to_string()
    }
}

/// Participants at one end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everybody: `*`.
    Anyone,
    /// Everybody with this part to play: `n*`, `g*`, `c*`.
    Role(Role),
    /// This one.
    One(NodeId),
}

impl End {
    /// Whether the participant is one of them.
    #[must_use]
    pub fn matches(self, participant: NodeId) -> bool {
        match self {
            Self::Anyone => true,
            Self::Role(role) => participant.role() == role,
            Self::One(id) => id == participant,
        }
    }

    /// Refuses a participant that does not exist.
    ///
    /// # Errors
    /// The name and the choices.
    pub fn check(self, participants: &[NodeId]) -> Result<(), String> {
        match self {
            Self::One(id) => check_participant(id, participants),
            Self::Anyone | Self::Role(_) => Ok(()),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => f.write_str("*"),
            Self::Role(Role::Node) => f.write_str("n*"),
            Self::Role(Role::Gateway) => f.write_str("g*"),
            Self::Role(Role::Client) => f.write_str("c*"),
            Self::One(id) => id.fmt(f),
        }
    }
}

impl FromStr for End {
    type Err = tidemark_proto::id::NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "*" => Self::Anyone,
            "n*" => Self::Role(Role::Node),
            "g*" => Self::Role(Role::Gateway),
            "c*" => Self::Role(Role::Client),
            name => Self::One(name.parse()?),
        })
    }
}

/// Whether a client is at one end of the link.
#[must_use]
pub fn has_client(from: NodeId, to: NodeId) -> bool {
    [from, to].iter().any(|end| end.role() == Role::Client)
}

/// Refuses a participant that does not exist.
///
/// # Errors
/// The name and the choices.
pub fn check_participant(id: NodeId, participants: &[NodeId]) -> Result<(), String> {
    if participants.contains(&id) {
        return Ok(());
    }
    let [nodes, gateways, clients] = [Role::Node, Role::Gateway, Role::Client].map(|role| {
        let some: Vec<_> = (participants.iter().filter(|one| one.role() == role)).collect();
        match some[..] {
            [] => String::new(),
            [only] => format!(", {only}"),
            [first, .., last] => format!(", {first} to {last}"),
        }
    });
    let choices = [nodes, gateways, clients].concat();
    Err(format!(
        "there is no {id}; choose among: {}",
        choices.trim_start_matches(", ")
    ))
}

/// Refuses what is no probability.
///
/// # Errors
/// The option's name, its value and its bounds.
pub fn check_probability(name: &str, value: f64) -> Result<(), OptionError> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    let reason = format!("{name} is {value}, but must be from 0 to 1");
    Err(OptionError::of(name, reason))
}

/// The names with commas between them.
pub fn joined<T: fmt::Display>(names: &[T]) -> String {
    let names: Vec<_> = names.iter().map(T::to_string).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const N1: NodeId = NodeId::node(1);
    const N2: NodeId = NodeId::node(2);
    const G1: NodeId = NodeId::gateway(1);
    const C1: NodeId = NodeId::client(1);

    fn read(value: Value) -> Selector {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn links_are_chosen_by_word_or_pattern() {
        for (links, expected) in [
            (json!("all"), [true; 5]),
            (json!("peers"), [true, true, true, false, false]),
            (json!("clients"), [false, false, false, true, true]),
            (json!(["n1 -> n2"]), [true, false, false, false, false]),
            (json!(["n1->*"]), [true, false, false, false, false]),
            (json!(["* -> n2"]), [true, false, true, false, false]),
            (
                json!(["c* -> *", "g* -> n*"]),
                [false, false, true, true, true],
            ),
        ] {
            let selector = read(json!({ "links": links }));
            let seen = [(N1, N2), (N2, N1), (G1, N2), (C1, N1), (C1, G1)]
                .map(|(from, to)| selector.concerns(from, to, "Get", Direction::Request));
            assert_eq!(seen, expected, "{links}");
        }
    }

    #[test]
    fn methods_and_directions_narrow_the_choice() {
        let selector = read(json!({ "methods": ["Store", "/x.Y/Z"], "direction": "request" }));
        for (method, direction, expected) in [
            ("Store", Direction::Request, true),
            ("/x.Y/Z", Direction::Request, true),
            ("Store", Direction::Response, false),
            ("StoreReply", Direction::Request, false),
        ] {
            assert_eq!(
                selector.concerns(N1, N2, method, direction),
                expected,
                "{method}"
            );
        }
    }

    #[test]
    fn every_counts_by_the_senders_number() {
        let lane = crate::draw::LaneSeed::new(1, "r", N1, N2, "Store", Direction::Request);
        let taken = |selector: &Selector| -> Vec<u64> {
            (1..=9)
                .filter(|k| selector.takes(*k, &mut Draw::new(lane, *k)))
                .collect()
        };
        assert_eq!(taken(&read(json!({ "every": 3 }))), [3, 6, 9]);
        assert_eq!(
            taken(&read(json!({ "every": 3, "probability": 0.0 }))),
            [0u64; 0]
        );
        assert_eq!(taken(&Selector::default()).len(), 9);
    }

    #[test]
    fn what_selects_nothing_is_refused_with_the_choices() {
        for (selector, parts) in [
            (
                json!({ "links": ["n9 -> n1"] }),
                ["there is no n9", "n1 to n2, c1"],
            ),
            (
                json!({ "methods": ["Stor"] }),
                ["no method \"Stor\"", "Store, StoreReply"],
            ),
            (json!({ "every": 0 }), ["every is 0", "1 or more"]),
            (
                json!({ "probability": 1.5 }),
                ["probability is 1.5", "from 0 to 1"],
            ),
        ] {
            let error = read(selector).check(&[N1, N2, C1]).unwrap_err().to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
        for links in [
            json!("some"),
            json!(3),
            json!(["n1"]),
            json!(["n1 -> x"]),
            json!([1]),
        ] {
            let error = serde_json::from_value::<Links>(links.clone())
                .unwrap_err()
                .to_string();
            assert!(error.contains("n3 -> *"), "{links}: {error}");
        }
    }

    #[test]
    fn a_selector_is_read_as_it_is_written() {
        for selector in [
            json!({ "links": "peers" }),
            json!({ "links": ["n1 -> *", "c* -> n2"], "methods": ["Get"], "direction": "response", "every": 2 }),
        ] {
            assert_eq!(
                serde_json::to_value(read(selector.clone())).unwrap(),
                selector
            );
        }
    }
}
