//! The shape of a seam: a list of strategies, each with a name, what it is for, what it promises, and how to build it.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A strategy's options as they stand in a plan, before the strategy has read them.
pub type Options = Map<String, Value>;

/// One strategy of a seam. Its name is its file's name, the plan's `kind` and the value in the results.
pub struct Entry<B: 'static> {
    /// The plan's `kind`.
    pub name: &'static str,
    /// One sentence for `tidemark list` and the tables.
    pub about: &'static str,
    /// What it guarantees, each within its fault envelope.
    pub promises: &'static [Promise],
    /// The options with every default written out, or what is wrong with them.
    pub resolve: fn(&Options) -> Result<Options, OptionError>,
    /// The options with their meanings: what [`schema`] gives.
    pub schema: fn() -> Schema,
    /// How to build it.
    pub build: B,
}

/// What a strategy guarantees. The tests check exactly what is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// Every key has as many distinct replicas as were asked for, or all there are; the same on every node.
    PlacesEveryKey,
    /// Every node is the first replica of some keys.
    EveryNodeOwns,
    /// When a node joins, a key's first replica stays or is the joiner; when one leaves, only its keys get another.
    MovesFewOwners,
    /// When a node joins, nobody else becomes a key's replica; when one leaves, nobody else ceases to be one. This is of
    /// first replicas too.
    MovesFewReplicas,
    /// A node that replaces one has exactly its keys, in its place of every preference list.
    ReplacesInPlace,
    /// A version leaves only when a version takes its place whose writer's context covered it.
    KeepsConcurrent,
    /// A version never stands beside one whose writer's context covered it.
    SupersedesWhatWasRead,
    /// A key never has more than one version.
    NoSiblings,
    /// A version that left a replica never comes back to it, deleted or not, while its storage is kept.
    DeletesForGood,
    /// With R + W > N a read is never stale, while no replica loses its storage.
    FreshWhenQuorumsOverlap,
    /// A write that was acknowledged is not lost, while no replica loses its storage.
    KeepsAcknowledged,
    /// A key that was read while all its replicas answered is equal on all of them afterwards.
    RepairsWhatIsRead,
    /// What a node keeps in another's place is held by that, once both are up for a while.
    DeliversHints,
    /// All replicas of all keys are equal, once all nodes are up for a while and nobody writes; then no key is sent any more.
    Converges,
    /// What was synced survives a crash of the process.
    SurvivesCrash,
    /// A node that stays down is believed to be down by all others, and one that is up to be up, once messages arrive.
    DetectsCrashes,
}

impl Promise {
    /// The promise in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::PlacesEveryKey => "every key has N distinct replicas, the same on every node",
            Self::EveryNodeOwns => "every node is the first replica of some keys",
            Self::MovesFewOwners => {
                "a join moves first replicas only to the joiner, a leave only the leaver's"
            }
            Self::MovesFewReplicas => {
                "a join moves replicas only to the joiner, a leave only the leaver's"
            }
            Self::ReplacesInPlace => "a replacement has exactly the keys of the node replaced",
            Self::KeepsConcurrent => "nothing concurrent is ever lost",
            Self::SupersedesWhatWasRead => {
                "a version never stands beside one that its writer had read"
            }
            Self::NoSiblings => "a key never has siblings",
            Self::DeletesForGood => "what is deleted or superseded never comes back to a replica",
            Self::FreshWhenQuorumsOverlap => {
                "no stale read if R + W > N while no replica loses its storage"
            }
            Self::KeepsAcknowledged => {
                "no acknowledged write is lost while no replica loses its storage"
            }
            Self::RepairsWhatIsRead => {
                "a key read while all its replicas answer is equal on all of them afterwards"
            }
            Self::DeliversHints => "a hint reaches its node once both are up for a while",
            Self::Converges => {
                "replicas are equal once all are up for a while and nobody writes; then no key is sent"
            }
            Self::SurvivesCrash => "what was synced survives a crash of the process",
            Self::DetectsCrashes => {
                "once messages arrive, all believe who is down to be down and who is up to be up"
            }
        }
    }
}

/// Options that a strategy cannot take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct OptionError {
    /// The option that is wrong; none: no single one is. Within a table that is an option: `mixture[0].weight`.
    pub option: Option<String>,
    /// What is wrong with it; begins with the option's name if it has a value: `w is 4, but n is 3; choose 1 to 3`.
    pub reason: String,
}

impl OptionError {
    /// The options as a whole are wrong.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            option: None,
            reason: reason.into(),
        }
    }

    /// Something at a path of the options is wrong, of which serde has passed on nothing but the text; what that begins
    /// with is the option that it is about, as in `from is 3ms, but to is 1ms`.
    #[must_use]
    pub fn of_text(path: &str, reason: String) -> Self {
        let mut words = reason.split(' ');
        let subject = words
            .next()
            .filter(|_| matches!(words.next(), Some("is" | "has")));
        let is_path = |text: &&str| {
            text.chars()
                .all(|c| c.is_ascii_alphanumeric() || "_.[]".contains(c))
        };
        let path = Some(path).filter(|path| *path != ".");
        let option: Vec<_> = path.into_iter().chain(subject.filter(is_path)).collect();
        Self {
            option: (!option.is_empty()).then(|| option.join(".")),
            reason,
        }
    }

    /// The reason with the whole path of what it is about: `latency.uniform.from is 9ms, but …`.
    #[must_use]
    pub fn told(&self) -> String {
        let Some(option) = &self.option else {
            return self.reason.clone();
        };
        let (subject, rest) = self.reason.split_once(' ').unwrap_or_default();
        match option.strip_suffix(subject) {
            Some(start) if start.is_empty() || start.ends_with('.') => format!("{option} {rest}"),
            Some(_) | None => format!("{option}: {}", self.reason),
        }
    }

    /// One of the options is wrong.
    pub fn of(option: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            option: Some(option.into()),
            reason: reason.into(),
        }
    }
}

/// A `kind` that no entry of a seam has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{seam} has no kind {kind:?}; choose one of: {}", choices.join(", "))]
pub struct UnknownKind {
    /// The seam that was asked.
    pub seam: &'static str,
    /// What it was asked for.
    pub kind: String,
    /// What it has.
    pub choices: Vec<&'static str>,
}

/// Finds the entry named `kind` in the list of `seam`.
///
/// # Errors
/// The kind is not in the list; the error names the choices.
pub fn find<'a, B>(
    seam: &'static str,
    entries: &'a [Entry<B>],
    kind: &str,
) -> Result<&'a Entry<B>, UnknownKind> {
    entries
        .iter()
        .find(|entry| entry.name == kind)
        .ok_or_else(|| UnknownKind {
            seam,
            kind: kind.to_owned(),
            choices: entries.iter().map(|entry| entry.name).collect(),
        })
}

/// Reads a strategy's options into its own struct.
///
/// # Errors
/// A field is unknown, missing or of the wrong type; the error names it.
pub fn parse<T: DeserializeOwned>(options: &Options) -> Result<T, OptionError> {
    serde_path_to_error::deserialize(Value::Object(options.clone()))
        .map_err(|error| OptionError::of_text(&error.path().to_string(), error.inner().to_string()))
}

/// The options with every default written out: what an [`Entry`] has as `resolve`.
///
/// # Errors
/// As [`parse`].
pub fn resolve<T: DeserializeOwned + Serialize>(options: &Options) -> Result<Options, OptionError> {
    match serde_json::to_value(parse::<T>(options)?) {
        Ok(Value::Object(resolved)) => Ok(resolved),
        Ok(other) => Err(OptionError::new(format!(
            "options are a table, not {other}"
        ))),
        Err(error) => Err(OptionError::new(error.to_string())),
    }
}

/// The JSON Schema of a strategy's options: what an [`Entry`] has as `schema`. It stands by itself, but for types that
/// contain themselves.
#[must_use]
pub fn schema<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>()
}
