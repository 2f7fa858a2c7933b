//! How an answer reads: in words for people, as JSON with stable keys for programs, as an exit code for scripts.

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tidemark_node::request::{Answer, AnsweredVersion, Refusal, Reply};
use tidemark_proto::event::{Kind, Outcome};
use tidemark_proto::id::{Actor, OperationId};

/// What was asked of which key, and what came of it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What was asked for.
    pub kind: Kind,
    /// Of which key.
    pub key: String,
    /// What came of it.
    pub reply: Reply,
}

/// How much is shown of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Its beginning.
    Cut,
    /// All of it.
    Full,
}

impl Asked {
    /// What came of it; `None`: the key holds no value.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match &self.reply {
            Reply::Got(answer) if answer.versions.is_empty() => None,
            Reply::Got(_) | Reply::Written(_) => Some(Outcome::Ok),
            Reply::Refused(refusal) if self.is_write() && refusal.code.leaves_unknown() => {
                Some(Outcome::Unknown)
            }
            Reply::Refused(_) => Some(Outcome::Failed),
        }
    }

    /// The answer's context, if there was an answer.
    #[must_use]
    pub fn context(&self) -> Option<&Bytes> {
        match &self.reply {
            Reply::Got(answer) | Reply::Written(answer) => Some(&answer.context),
            Reply::Refused(_) => None,
        }
    }

    /// How many versions the answer lists.
    #[must_use]
    pub fn versions(&self) -> usize {
        match &self.reply {
            Reply::Got(answer) | Reply::Written(answer) => answer.versions.len(),
            Reply::Refused(_) => 0,
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self, length: Length) -> String {
        match &self.reply {
            Reply::Got(answer) | Reply::Written(answer) => self.answered(answer, length),
            Reply::Refused(refusal) => format!("{}\n", self.refused(refusal)),
        }
    }

    /// For programs. A value, a context and an operation have the form that gRPC's JSON gives them.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("asked".to_owned(), json!(self.kind));
        fields.insert("key".to_owned(), json!(self.key));
        let rest = match &self.reply {
            Reply::Got(answer) | Reply::Written(answer) => json!({
                "found": (self.kind == Kind::Get).then_some(!answer.versions.is_empty()),
                "versions": answer.versions.iter().map(version_json).collect::<Vec<_>>(),
                "context": encode(&answer.context),
                "clock": clock_json(&answer.clock),
                "coordinator": answer.coordinator.map(|node| node.to_string()),
                "answered": names(answer),
            }),
            Reply::Refused(refusal) => json!({
                "error": {
                    "status": refusal.code.name(),
                    "message": refusal.message,
                    "outcome": self.outcome(),
                },
            }),
        };
        if let Value::Object(rest) = rest {
            fields.extend(rest.into_iter().filter(|(_, value)| !value.is_null()));
        }
        Value::Object(fields)
    }

    fn is_write(&self) -> bool {
        self.kind != Kind::Get
    }

    fn answered(&self, answer: &Answer, length: Length) -> String {
        let said = match self.kind {
            Kind::Get => None,
            Kind::Put => Some("written".to_owned()),
            Kind::Delete => Some("deleted".to_owned()),
        };
        let held = match answer.versions.len() {
            0 if self.is_write() => None,
            0 if answer.context.is_empty() => Some("not found".to_owned()),
            0 => Some("not found: it was deleted".to_owned()),
            1 => Some("1 version".to_owned()),
            count => Some(format!(
                "{count} siblings, none of which supersedes another"
            )),
        };
        let head: Vec<_> = said.into_iter().chain(held).collect();
        let mut lines = vec![format!("{}: {}", self.key, head.join("; "))];

        let cells = |version: &AnsweredVersion| {
            (
                shown(&version.value, length),
                clock_text(&version.clock),
                version.operation,
            )
        };
        let rows: Vec<_> = answer.versions.iter().map(cells).collect();
        let width = |cell: fn(&(String, String, OperationId)) -> &String| {
            rows.iter()
                .map(|row| cell(row).chars().count())
                .max()
                .unwrap_or_default()
        };
        let (value_width, clock_width) = (width(|row| &row.0), width(|row| &row.1));
        lines.extend(rows.iter().map(|(value, clock, operation)| {
            format!("  {value:value_width$}   clock {clock:clock_width$}   operation {operation}")
        }));
        let coordinator = answer.coordinator.map(|node| node.to_string());
        lines.extend([
            format!("clock        {}", clock_text(&answer.clock)),
            format!("coordinator  {}", coordinator.unwrap_or_default()),
            format!("answered     {}", names(answer).join(", ")),
            format!("context      {}", encode(&answer.context)),
        ]);
        lines.join("\n") + "\n"
    }

    fn refused(&self, refusal: &Refusal) -> String {
        let meaning = match (self.is_write(), self.outcome()) {
            (false, _) => "",
            (true, Some(Outcome::Unknown)) => "; the write may still take effect",
            (true, _) => "; nothing was written",
        };
        let (key, code) = (&self.key, refusal.code.name());
        format!("{key}: {code}: {}{meaning}", refusal.message)
    }
}

/// A context as it is printed, and as gRPC's JSON has it: base64.
#[must_use]
pub fn encode(context: &[u8]) -> String {
    STANDARD.encode(context)
}

/// The context in a text: the context itself, or all that a command printed with it, in words or as JSON.
///
/// # Errors
/// There is none in it.
pub fn decode(text: &str) -> anyhow::Result<Bytes> {
    let json = serde_json::from_str::<Value>(text).ok();
    let named = |line: &str| line.strip_prefix("context ").map(str::to_owned);
    let context = match json.as_ref().map(|json| &json["context"]) {
        Some(Value::String(context)) => context.clone(),
        Some(_) if text.trim_start().starts_with('{') => bail!("the JSON has no context"),
        _ => text
            .lines()
            .filter_map(named)
            .next_back()
            .unwrap_or_else(|| text.to_owned()),
    };
    let context = context.trim();
    let bytes = STANDARD
        .decode(context)
        .with_context(|| format!("the context {context:?} is not one that was printed"))?;
    Ok(bytes.into())
}

fn version_json(version: &AnsweredVersion) -> Value {
    json!({
        "value": STANDARD.encode(&version.value),
        "text": std::str::from_utf8(&version.value).ok(),
        "clock": clock_json(&version.clock),
        "operation": version.operation.to_string(),
    })
}

fn clock_json(clock: &[(Actor, u64)]) -> Value {
    let entry = |(actor, counter): &(Actor, u64)| (actor.to_string(), json!(counter));
    clock.iter().map(entry).collect::<Map<_, _>>().into()
}

fn clock_text(clock: &[(Actor, u64)]) -> String {
    let entry = |(actor, counter): &(Actor, u64)| format!("{actor}: {counter}");
    clock.iter().map(entry).collect::<Vec<_>>().join(", ")
}

fn names(answer: &Answer) -> Vec<String> {
    answer.answered.iter().map(ToString::to_string).collect()
}

/// A value on one line.
fn shown(value: &[u8], length: Length) -> String {
    let text = std::str::from_utf8(value);
    let whole = match text {
        Ok(text) if text.is_empty() || text.contains(char::is_control) => format!("{text:?}"),
        Ok(text) => text.to_owned(),
        Err(_) => format!(
            "0x{}",
            value
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        ),
    };
    let cut = (length == Length::Cut).then(|| whole.char_indices().nth(LONGEST));
    let size = format!("({} bytes)", value.len());
    match cut.flatten() {
        Some((end, _)) => format!("{}… {size}", &whole[..end]),
        None if text.is_err() => format!("{whole} {size}"),
        None => whole,
    }
}

/// How many characters of a value are shown.
const LONGEST: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_node::request::Code;

    /// If this fails, an answer that was printed cannot be sent back, or something else is taken for one.
    #[test]
    fn a_context_is_found_in_whatever_was_printed() {
        let context = Bytes::from_static(b"\x00\x01\xffcontext");
        let encoded = encode(&context);
        let text =
            format!("k: 1 version\n  context of a value   clock n1: 1\ncontext      {encoded}\n");
        let json = json!({ "key": "k", "context": encoded }).to_string();
        for printed in [&encoded, &format!(" {encoded}\n"), &text, &json] {
            assert_eq!(decode(printed).unwrap(), context, "{printed}");
        }
        assert_eq!(decode("").unwrap(), "");
        for other in ["***", "{}", "k: not found\ncoordinator  n1\n"] {
            assert!(decode(other).is_err(), "{other}");
        }
    }

    /// If this fails, a value breaks the lines of an answer, or its end is missing without a word.
    #[test]
    fn a_value_is_shown_on_one_line() {
        let long = "ü".repeat(LONGEST + 1);
        let cut = format!("{}… (122 bytes)", "ü".repeat(LONGEST));
        for (value, length, expected) in [
            (&b"apples"[..], Length::Cut, "apples"),
            (b"", Length::Cut, "\"\""),
            (b"two\nlines", Length::Cut, "\"two\\nlines\""),
            (b"\x00\xff", Length::Cut, "0x00ff (2 bytes)"),
            (long.as_bytes(), Length::Cut, &cut),
            (long.as_bytes(), Length::Full, &long),
        ] {
            assert_eq!(shown(value, length), expected);
        }
    }

    /// If this fails, somebody takes a write that may still happen for one that did not.
    #[test]
    fn a_refusal_says_what_it_means_for_the_write() {
        for (kind, code, outcome, meaning) in [
            (
                Kind::Put,
                Code::DeadlineExceeded,
                Outcome::Unknown,
                "; the write may still take effect\n",
            ),
            (
                Kind::Delete,
                Code::Unavailable,
                Outcome::Unknown,
                "; the write may still take effect\n",
            ),
            (
                Kind::Put,
                Code::DataLoss,
                Outcome::Failed,
                "; nothing was written\n",
            ),
            (
                Kind::Get,
                Code::DeadlineExceeded,
                Outcome::Failed,
                ": why\n",
            ),
        ] {
            let reply = Reply::Refused(Refusal::new(code, "why"));
            let key = "k".to_owned();
            let asked = Asked { kind, key, reply };
            assert_eq!(asked.outcome(), Some(outcome));
            let text = asked.text(Length::Cut);
            assert!(
                text.ends_with(meaning) && text.contains(code.name()),
                "{text}"
            );
            assert_eq!(asked.json()["error"]["outcome"], json!(outcome));
        }
    }
}
