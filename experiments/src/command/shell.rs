//! `tidemark shell`: a session with the store, in which the context of every key's last answer is remembered and sent.

use super::cluster::{self, FaultArguments, Of, Status};
use crate::hand::answer::{Asked, Length, encode};
use crate::hand::place::{Line, Place};
use crate::run::print;
use bytes::Bytes;
use clap::{Parser, Subcommand};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use std::collections::BTreeMap;
use std::process::ExitCode;
use tidemark_node::request::{Call, ReadNeeds, Request, Siblings, WriteNeeds};
use tidemark_proto::event::Kind;
use tidemark_proto::id::OperationId;
use tokio::runtime::Runtime;

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,
}

pub(super) fn execute(arguments: Arguments) -> anyhow::Result<ExitCode> {
    Shell::open(arguments.place)?.run()?;
    Ok(ExitCode::SUCCESS)
}

/// A line of the shell.
#[derive(Parser)]
#[command(multicall = true, help_template = "{subcommands}\n")]
struct Words {
    #[command(subcommand)]
    word: Word,
}

#[derive(Subcommand)]
enum Word {
    /// Read a key, and remember the context of the answer.
    Get {
        /// The key.
        key: String,
        /// How many replicas must answer.
        #[arg(long)]
        r: Option<u32>,
    },
    /// Write a key: supersedes what the session has last seen of it.
    Put {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// The word that makes the write supersede nothing.
        #[arg(value_parser = [BLIND])]
        blind: Option<String>,
        /// How many replicas must acknowledge.
        #[arg(long)]
        w: Option<u32>,
    },
    /// Delete what the session has last seen of a key; if it has seen nothing, what is there.
    Delete {
        /// The key.
        key: String,
        /// How many replicas must acknowledge.
        #[arg(long)]
        w: Option<u32>,
    },
    /// Ask another node from now on, by its name or its host:port.
    Use {
        /// Like n2, or 127.0.0.1:7002.
        node: String,
    },
    /// Show the context that the next write of a key would carry.
    Context {
        /// The key.
        key: String,
    },
    /// Forget what was seen of a key: the next write is blind.
    Forget {
        /// The key.
        key: String,
    },
    /// Break the cluster that is up: `fault partition = { isolate = "n3" }`, with `, for = "10s"` for that long.
    Fault {
        /// What a plan's [[fault]] says, on one line.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        rule: Vec<String>,
    },
    /// End every fault.
    Heal,
    /// Say who is up, and which faults are in force.
    Status,
    /// Leave.
    #[command(alias = "exit")]
    Quit,
}

/// A session: whom it asks, and what it has seen.
struct Shell {
    runtime: Runtime,
    place: Place,
    line: Line,
    seen: BTreeMap<String, Bytes>,
}

/// Whether the session goes on.
enum Then {
    GoOn,
    Leave,
}

impl Shell {
    /// A session with whom the place means.
    fn open(place: Place) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let line = runtime.block_on(place.dial())?;
        Ok(Self {
            runtime,
            place,
            line,
            seen: BTreeMap::new(),
        })
    }

    /// Reads lines and does what they say, until the last or the one that says to leave. What a line asks for never ends it.
    fn run(mut self) -> anyhow::Result<()> {
        let mut editor = DefaultEditor::new()?;
        loop {
            let line = match editor.readline(&format!("{}> ", self.line.name())) {
                Ok(line) => line,
                Err(ReadlineError::Eof) => return Ok(()),
                Err(ReadlineError::Interrupted) => continue,
                Err(error) => return Err(error.into()),
            };
            // A history that takes no line is no reason to end.
            let _ = editor.add_history_entry(&line);
            match self.execute(&line) {
                Ok(Then::GoOn) => {}
                Ok(Then::Leave) => return Ok(()),
                Err(error) => print(&format!("{error:#}\n"))?,
            }
        }
    }

    fn execute(&mut self, line: &str) -> anyhow::Result<Then> {
        let words = shlex::split(line).ok_or_else(|| anyhow::anyhow!("a quote is not closed"))?;
        if words.is_empty() {
            return Ok(Then::GoOn);
        }
        let word = match Words::try_parse_from(words) {
            Ok(words) => words.word,
            Err(error) => {
                print(&error.render().to_string())?;
                return Ok(Then::GoOn);
            }
        };
        match word {
            Word::Get { key, r: quorum } => {
                let needs = ReadNeeds {
                    quorum,
                    ..ReadNeeds::default()
                };
                self.ask(Kind::Get, key, |_| Call::Get { needs })?;
            }
            Word::Put {
                key,
                value,
                blind,
                w,
            } => self.ask(Kind::Put, key, |seen| Call::Put {
                value: Bytes::from(value),
                context: if blind.is_some() { Bytes::new() } else { seen },
                needs: writes(w),
                checksum: None,
                siblings: Siblings::Omitted,
            })?,
            Word::Delete { key, w } => self.ask(Kind::Delete, key, |context| Call::Delete {
                context,
                read_quorum: None,
                needs: writes(w),
            })?,
            Word::Use { node } => self.turn_to(&node)?,
            Word::Context { key } => match self.seen.get(&key) {
                Some(context) => print(&format!("{}\n", encode(context)))?,
                None => print(&format!(
                    "nothing of {key} was seen: a put would be blind\n"
                ))?,
            },
            Word::Forget { key } => drop(self.seen.remove(&key)),
            Word::Fault { .. } => self.fault(line)?,
            Word::Heal => self.command(cluster::Command::Heal)?,
            Word::Status => {
                self.command(|of| cluster::Command::Status(Status { json: false, of }))?
            }
            Word::Quit => return Ok(Then::Leave),
        }
        Ok(Then::GoOn)
    }

    fn ask(
        &mut self,
        kind: Kind,
        key: String,
        call: impl FnOnce(Bytes) -> Call,
    ) -> anyhow::Result<()> {
        let seen = self.seen.get(&key).cloned().unwrap_or_default();
        let request = Request {
            operation: OperationId::NONE,
            key: Bytes::from(key.clone()),
            timeout: None,
            call: call(seen),
        };
        let reply = self.runtime.block_on(self.line.ask(request));
        let asked = Asked { kind, key, reply };
        print(&asked.text(Length::Cut))?;
        if asked.versions() > 1 {
            print(&format!("put {} <value> supersedes them all\n", asked.key))?;
        }
        if let Some(context) = asked.context().cloned() {
            self.seen.insert(asked.key, context);
        }
        Ok(())
    }

    /// A rule is taken as it stands, with its quotes; those around all of it, which a command needs, are taken off.
    fn fault(&self, line: &str) -> anyhow::Result<()> {
        let rule = line.trim().strip_prefix("fault").unwrap_or(line).trim();
        let bare = rule
            .strip_prefix('\'')
            .and_then(|rule| rule.strip_suffix('\''));
        let rule = bare.unwrap_or(rule).to_owned();
        let (length, name) = (None, None);
        self.command(|of| {
            cluster::Command::Fault(FaultArguments {
                rule,
                length,
                name,
                of,
            })
        })
    }

    fn command(&self, command: impl FnOnce(Of) -> cluster::Command) -> anyhow::Result<()> {
        let out = self.place.out.clone();
        cluster::execute(command(Of { out })).map(drop)
    }

    fn turn_to(&mut self, node: &str) -> anyhow::Result<()> {
        let mut place = self.place.clone();
        if node.contains(':') {
            (place.node, place.address) = (None, Some(node.to_owned()));
        } else {
            (place.node, place.address) = (Some(node.parse()?), None);
        }
        self.line = self.runtime.block_on(place.dial())?;
        self.place = place;
        Ok(())
    }
}

/// A write that waits for so many acknowledgements.
fn writes(quorum: Option<u32>) -> WriteNeeds {
    WriteNeeds {
        quorum,
        ..WriteNeeds::default()
    }
}

const BLIND: &str = "blind";
