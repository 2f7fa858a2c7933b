//! Changes of the members as plans write them, beside the faults: who joins, leaves or replaces whom, and when. They are not
//! undone when everything heals.

mod course;

pub(super) use course::check;
pub use course::{Step, steps};

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Options, schema};
use tidemark_proto::span::Span;

/// A change of the members, its time as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberChange {
    /// What results call it; none: who does what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When it is asked for; while another is under way, when that is over.
    pub at: Span,
    /// Who joins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<Several>,
    /// Who leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leave: Option<Several>,
    /// Who takes whose place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace: Option<Replace>,
}

/// One node, or several, one after another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "write a node like \"n4\", \"any\", or a list of them"
)]
pub enum Several {
    /// One.
    One(Who),
    /// These, each when the one before is done.
    These(Vec<Who>),
}

/// A node by its name, or one that chance draws of those who can be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "write a node like \"n4\", or \"any\"")]
pub enum Who {
    /// Whoever is drawn.
    Drawn(Lot),
    /// This one.
    Named(NodeId),
}

/// How chance draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Lot {
    /// One that can be meant: to join, a node that is no member; to leave, a member.
    Any,
}

/// A member that is gone for good, and who takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// Whose place it is.
    pub node: Who,
    /// Who takes it.
    pub by: Who,
}

impl MemberChange {
    /// The keys that stand for them in a plan.
    pub const KINDS: [&str; 3] = ["join", "leave", "replace"];

    /// What each of them does.
    pub const ABOUT: [&str; 3] = [
        "makes a spare node a member; keys move to it while clients read and write",
        "takes a member out for good; the others get its keys first",
        "gives a spare node the place, and the keys, of a member that is gone for good",
    ];

    /// A change's table, if it has one of their keys.
    pub(super) fn read(table: &Options) -> Option<Result<Self, serde_json::Error>> {
        let is_given = |kind: &&str| table.contains_key(*kind);
        let given: Vec<_> = Self::KINDS.into_iter().filter(is_given).collect();
        match given[..] {
            [] => None,
            [_] => Some(Self::deserialize(Value::Object(table.clone()))),
            [first, second, ..] => {
                let reason = format!(
                    "{first} and {second} are two changes; write each in a table of its own"
                );
                Some(Err(serde::de::Error::custom(reason)))
            }
        }
    }

    /// The JSON Schemas of their tables, one for each kind.
    pub(super) fn schemas() -> Vec<Schema> {
        let who = [
            schema::<Several>(),
            schema::<Several>(),
            schema::<Replace>(),
        ];
        let kinds = Self::KINDS.into_iter().zip(Self::ABOUT).zip(who);
        let table = |((kind, about), mut who): ((&str, &str), Schema)| {
            let definitions = who.remove("$defs");
            who.remove("$schema");
            who.remove("title");
            who.insert("description".to_owned(), about.into());
            let mut table = schema::<Table>();
            let keys = table.get_mut("properties").and_then(Value::as_object_mut);
            keys.expect("it has keys")
                .insert(kind.to_owned(), who.to_value());
            table.insert("description".to_owned(), about.into());
            table.insert("additionalProperties".to_owned(), false.into());
            table.insert("required".to_owned(), json!([kind, "at"]));
            if let Some(definitions) = definitions {
                let own = table.ensure_object().entry("$defs").or_insert(json!({}));
                if let (Some(own), Value::Object(definitions)) = (own.as_object_mut(), definitions)
                {
                    own.extend(definitions);
                }
            }
            table
        };
        kinds.map(table).collect()
    }
}

/// The keys that every change may have.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "its schema is all that is asked for")]
struct Table {
    /// What results call it; absent: who does what.
    #[serde(default)]
    name: Option<String>,
    /// When it is asked for; while another is under way, when that is over.
    at: Span,
}
