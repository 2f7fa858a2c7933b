//! Recordings as short texts, one operation a line, times in nanoseconds.
//!
//! A file has many of them. Each begins with `== ` and what it shows; `model counter` (else `register`), `initial 0` (else the
//! model's) and `times order` may follow. An operation: `p1 write x 3 10..20` (`10..20!` failed, `10..?` is of unknown
//! outcome), with values `nil`, `3`, `"text"`, `[1,2]` and, of a read, `?`. Operations stand in the order of their starts and are
//! numbered from 1. What is expected of a key: `= x: valid` or `= x: failing 4 prefix 1 3 2`, then `gamma 5`, `delta 7`, `k 2`
//! (or `none`) and `unscored impossible 4`; of what is not named nothing is. Of causal histories: `= ccv: kept` or the
//! pattern and its operations, `= cm: CyclicHB 1 2`. `#` begins a comment.

use std::ops::Range;
use tidemark_observer::recording::{Call, Recorded, Recording, Times, Value};
use tidemark_proto::event::Outcome;

/// A recording, and what is expected of it.
pub(crate) struct Story {
    pub(crate) title: String,
    pub(crate) model: String,
    pub(crate) initial: Option<Value>,
    pub(crate) recording: Recording,
    /// By key, in words.
    pub(crate) expected: Vec<(String, Vec<String>)>,
}

/// Reads a file.
pub(crate) fn stories(text: &str) -> Vec<Story> {
    let mut stories: Vec<Story> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.first() == Some(&"==") {
            stories.push(Story::titled(words[1..].join(" ")));
            continue;
        }
        let Some(story) = stories.last_mut() else {
            assert!(words.is_empty(), "line {number} is of no story: {line}");
            continue;
        };
        match words[..] {
            [] => {}
            ["model", name] => name.clone_into(&mut story.model),
            ["initial", initial] => story.initial = Some(value(initial)),
            ["times", "order"] => story.recording.times = Times::Order,
            ["=", key, ref rest @ ..] => {
                let key = key.trim_end_matches(':').to_owned();
                let rest = rest.iter().map(|word| (*word).to_owned()).collect();
                story.expected.push((key, rest));
            }
            [process, function, key, ref arguments @ .., span] => {
                let operation = operation(number, process, function, key, arguments, span);
                story.recording.operations.push(operation);
            }
            _ => panic!("line {number}: {line}"),
        }
    }
    for story in &stories {
        let starts = story
            .recording
            .operations
            .iter()
            .map(|operation| operation.start);
        assert!(starts.is_sorted(), "{}: the order of starts", story.title);
        assert!(
            !story.expected.is_empty(),
            "{}: nothing is expected",
            story.title
        );
    }
    stories
}

impl Story {
    fn titled(title: String) -> Self {
        Self {
            title,
            model: "register".to_owned(),
            initial: None,
            recording: Recording {
                operations: Vec::new(),
                times: Times::Nanoseconds,
            },
            expected: Vec::new(),
        }
    }
}

fn operation(
    line: u64,
    process: &str,
    function: &str,
    key: &str,
    arguments: &[&str],
    span: &str,
) -> Recorded {
    let (start, end) = span.split_once("..").expect("a span");
    let (end, outcome) = match end {
        "?" => (u64::MAX, Outcome::Unknown),
        end => match end.strip_suffix('!') {
            Some(end) => (number(end), Outcome::Failed),
            None => (number(end), Outcome::Ok),
        },
    };
    Recorded {
        line,
        name: None,
        process: number(process.trim_start_matches('p')),
        key: key.into(),
        call: match (function, arguments) {
            ("read", ["?"]) => Call::Read(None),
            ("read", [read]) => Call::Read(Some(value(read))),
            ("write", [written]) => Call::Write(value(written)),
            ("cas", [from, to]) => Call::Cas(value(from), value(to)),
            ("append", [piece]) => Call::Append(value(piece)),
            ("add", [added]) => Call::Add(value(added)),
            _ => panic!("line {line}: {function} {arguments:?}"),
        },
        start: number(start),
        end,
        outcome,
    }
}

fn value(text: &str) -> Value {
    let within = |Range { start, end }: Range<char>| text.strip_prefix(start)?.strip_suffix(end);
    if let Some(text) = within('"'..'"') {
        return Value::Text(text.into());
    }
    if let Some(list) = within('['..']') {
        return Value::List(
            list.split(',')
                .filter(|word| !word.is_empty())
                .map(value)
                .collect(),
        );
    }
    match text {
        "nil" => Value::Nil,
        number => Value::Integer(
            number
                .parse()
                .unwrap_or_else(|_| panic!("no value: {text}")),
        ),
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("no number: {text}"))
}
