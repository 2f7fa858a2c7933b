//! Runs as short texts, one event or operation a line, times in milliseconds.
//!
//! An operation: `c1.2 put x 10..20` (`20?` is unknown, `20!` failed, nothing after `..` is in flight), then in any order
//! `from c1.1` (its context), `-> c1.1 c1.2` (versions it returned or was told of), `on n1 n2` (replicas that answered), `by n1`
//! (coordinator), `at n2` (who was asked; else n1), `clock n1:3`, `bytes 24` (of the context), `as preload`, and at the end of a read `: ` and what is expected of it.
//! Anything else begins with its name: `started 0`, `placed x n1 n2`, `stored 5 n1 x c1.1 Store 7 c1.1` (digest, versions),
//! `sent 1 c1.1 n1 n2 Store 1`, `received 2 c1.1 n1 n2 Store`, `fate 1 n1 n2 Store 1 cut` (lost, by that fault's rule; `-`: delivered),
//! `fate 1 n1 n2 Store 1 slow 30` (delivered after 30 ms, of which that rule is guilty), `did 7 n1 hint-kept n3 2` (a chore, about
//! whom, its count; behind it the operation that it is about, if any), `fault cut partition 10..20`, `fault down crash 10..20 n2` (whom it
//! concerns), `crashed 12 n2`, `gap n1 5..9 12` (whose events are missing, and how many). `#` begins a comment.

use bytes::Bytes;
use std::fmt::Debug;
use std::str::FromStr;
use std::time::Duration;
use tidemark_proto::event::{
    Direction, Event, FaultSpan, Gap, Invocation, Kind, MachineChange, Milestone, Operation,
    Outcome, Passage, Purpose, Stored, Verdict,
};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::upkeep::Upkeep;

/// A run, and what is expected of its reads.
#[derive(Default)]
pub(crate) struct Script {
    /// In the order of their times.
    pub(crate) events: Vec<Event>,
    /// By read.
    pub(crate) expected: Vec<(OperationId, String)>,
}

impl Script {
    /// Reads a text.
    pub(crate) fn parse(text: &str) -> Self {
        let mut script = Self::default();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                script.line(line);
            }
        }
        script.events.sort_by_key(Event::at);
        script
    }

    fn line(&mut self, line: &str) {
        let (line, expected) = line.split_once(" : ").unwrap_or((line, ""));
        let words: Vec<&str> = line.split_whitespace().collect();
        let event = match words[..] {
            ["placed", key, ..] => Event::Placed {
                key: bytes(key),
                nodes: words[2..].iter().map(|node| read(node)).collect(),
            },
            ["stored", at, node, key, operation, method, digest, ..] => {
                Event::Stored(Box::new(Stored {
                    at: ms(at),
                    node: read(node),
                    operation: read(operation),
                    method: read(method),
                    key: bytes(key),
                    digest: read(digest),
                    versions: words[7..].iter().map(|version| read(version)).collect(),
                }))
            }
            ["sent", at, operation, from, to, method, k] => Event::Sent {
                at: ms(at),
                operation: read(operation),
                from: read(from),
                to: read(to),
                method: read(method),
                k: read(k),
            },
            ["received", at, operation, from, to, method] => Event::Received {
                at: ms(at),
                operation: read(operation),
                from: read(from),
                to: read(to),
                method: read(method),
            },
            ["fate", at, from, to, method, k, rule, ref after @ ..] => {
                Event::Fate(Box::new(Passage {
                    at: ms(at),
                    from: read(from),
                    to: read(to),
                    method: method.to_owned().into(),
                    direction: Direction::Request,
                    k: read(k),
                    size: 100,
                    verdict: if rule == "-" || !after.is_empty() {
                        Verdict::Delivered
                    } else {
                        Verdict::Lost
                    },
                    intended: after.first().map_or(Duration::ZERO, |after| ms(after)),
                    achieved: None,
                    rules: rule.replace('-', "").into(),
                    faulty: rule != "-",
                }))
            }
            ["did", at, node, chore, peer, count, ref of @ ..] => Event::Upkeep(Box::new(Upkeep {
                at: ms(at),
                node: read(node),
                chore: serde_json::from_value(chore.into()).expect("a chore"),
                peer: Some(read(peer)),
                operation: of.first().map_or(OperationId::NONE, |of| read(of)),
                key: Bytes::new(),
                count: read(count),
                bytes: 0,
            })),
            ["fault", name, kind, span, ..] => {
                let (from, until) = span.split_once("..").expect("a span");
                Event::Fault(Box::new(FaultSpan {
                    name: name.to_owned(),
                    kind: kind.to_owned(),
                    from: ms(from),
                    until: ms(until),
                    about: words[4..].join(", "),
                    series: None,
                }))
            }
            [
                word @ ("crashed" | "restarted" | "restarted-empty"),
                at,
                node,
            ] => Event::Machine {
                at: ms(at),
                node: read(node),
                change: match word {
                    "crashed" => MachineChange::Crashed,
                    "restarted" => MachineChange::Restarted,
                    _ => MachineChange::RestartedEmpty,
                },
            },
            ["gap", source, span, count] => {
                let (from, until) = span.split_once("..").expect("a span");
                Event::Gap(Box::new(Gap {
                    source: source.to_owned(),
                    from: ms(from),
                    until: ms(until),
                    count: read(count),
                }))
            }
            [word @ ("started" | "healed" | "ended"), at] => Event::Milestone {
                at: ms(at),
                milestone: match word {
                    "started" => Milestone::Started,
                    "healed" => Milestone::Healed,
                    _ => Milestone::Ended,
                },
            },
            [id, kind, key, span, ..] => {
                let id = read(id);
                self.operation(id, kind, key, span, &words[4..]);
                if !expected.is_empty() {
                    self.expected.push((id, expected.trim().to_owned()));
                }
                return;
            }
            _ => panic!("no event: {line}"),
        };
        self.events.push(event);
    }

    fn operation(&mut self, id: OperationId, kind: &str, key: &str, span: &str, rest: &[&str]) {
        let (from, until) = span.split_once("..").expect("a span");
        let mut operation = Operation {
            id,
            purpose: Purpose::Load,
            kind: match kind {
                "get" => Kind::Get,
                "put" => Kind::Put,
                "delete" => Kind::Delete,
                _ => panic!("no kind: {kind}"),
            },
            key: bytes(key),
            intended: ms(from),
            invoked: ms(from),
            returned: Duration::ZERO,
            outcome: match until.chars().last() {
                Some('?') => Outcome::Unknown,
                Some('!') => Outcome::Failed,
                _ => Outcome::Ok,
            },
            status: "OK".into(),
            asked: NodeId::node(1),
            coordinator: None,
            answered: Vec::new(),
            versions: Vec::new(),
            context_from: None,
            clock: Vec::new(),
            context_bytes: 0,
            value_bytes: 0,
            attempts: 1,
        };
        let mut part = "";
        for word in rest {
            match (part, *word) {
                (_, "from" | "->" | "on" | "by" | "at" | "clock" | "as" | "bytes") => part = word,
                ("from", word) => operation.context_from = Some(read(word)),
                ("->", word) => operation.versions.push(read(word)),
                ("on", word) => operation.answered.push(read(word)),
                ("at", word) => operation.asked = read(word),
                ("by", word) => operation.coordinator = Some(read(word)),
                ("clock", word) => {
                    let (actor, counter) = word.split_once(':').expect("an entry");
                    operation.clock.push((read(actor), read(counter)));
                }
                ("bytes", word) => operation.context_bytes = read(word),
                ("as", "preload") => operation.purpose = Purpose::Preload,
                _ => panic!("no part of an operation: {word}"),
            }
        }
        if operation.kind != Kind::Get {
            self.events.push(Event::Invoked(Box::new(Invocation {
                id,
                purpose: operation.purpose,
                kind: operation.kind,
                key: operation.key.clone(),
                intended: operation.intended,
                invoked: operation.invoked,
                context_from: operation.context_from,
            })));
        }
        if !until.is_empty() {
            operation.returned = ms(until.trim_end_matches(['?', '!']));
            self.events.push(Event::Returned(Box::new(operation)));
        }
    }
}

fn ms(text: &str) -> Duration {
    Duration::from_millis(read(text))
}

fn read<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse()
        .unwrap_or_else(|error| panic!("{text:?}: {error:?}"))
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
