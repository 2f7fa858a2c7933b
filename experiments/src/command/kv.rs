//! `tidemark get`, `put`, `delete`: one operation, asked by hand.

use super::exit::{Class, Classed as _};
use crate::hand::answer::{Asked, Length, decode};
use crate::hand::place::Place;
use crate::run::print;
use anyhow::Context as _;
use bytes::Bytes;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;
use tidemark_node::request::{Call, ReadNeeds, Request, Siblings, WriteNeeds};
use tidemark_proto::event::{Kind, Outcome};
use tidemark_proto::id::OperationId;
use tidemark_proto::span::Span;

#[derive(clap::Args)]
#[command(after_help = "Exit codes: 0 a value, 6 no answer, 8 the key holds no value")]
pub(super) struct Get {
    /// The key.
    key: String,
    /// How many replicas must answer; by default the cluster's R.
    #[arg(long, value_name = "REPLICAS")]
    r: Option<u32>,
    /// How many of them must be among the first N of the key's preference list; by default the cluster's PR.
    #[arg(long, value_name = "REPLICAS")]
    pr: Option<u32>,
    /// What the node that is asked holds itself, without asking any other.
    #[arg(long, conflicts_with_all = ["r", "pr"])]
    local: bool,
    #[command(flatten)]
    asking: Asking,
}

#[derive(clap::Args)]
struct Acknowledging {
    /// How many replicas must acknowledge; by default the cluster's W.
    #[arg(long, value_name = "REPLICAS")]
    w: Option<u32>,
    /// How many of them must be among the first N of the key's preference list; by default the cluster's PW.
    #[arg(long, value_name = "REPLICAS")]
    pw: Option<u32>,
    /// How many of them must have it on disk; by default the cluster's DW.
    #[arg(long, value_name = "REPLICAS")]
    dw: Option<u32>,
}

#[derive(clap::Args)]
#[command(
    after_help = "Exit codes: 0 written, 6 nothing was written, 7 the write may still take effect"
)]
pub(super) struct Put {
    /// The key.
    key: String,
    /// The value, as text.
    #[arg(required_unless_present = "file")]
    value: Option<String>,
    /// The file that holds the value, in place of a text; `-`: standard input.
    #[arg(long, conflicts_with = "value")]
    file: Option<PathBuf>,
    /// What the write supersedes: the context that an answer printed; `-`: such an answer on standard input. Without one
    /// the write is blind, and a sibling of all that is there.
    #[arg(long)]
    context: Option<String>,
    #[command(flatten)]
    acknowledging: Acknowledging,
    /// Answer the versions that the coordinator holds after the write.
    #[arg(long)]
    siblings: bool,
    #[command(flatten)]
    asking: Asking,
}

#[derive(clap::Args)]
#[command(
    after_help = "Exit codes: 0 deleted, 6 nothing was deleted, 7 the delete may still take effect"
)]
pub(super) struct Delete {
    /// The key.
    key: String,
    /// What the delete supersedes: the context that an answer printed; `-`: such an answer on standard input. Without one
    /// all that a read quorum holds now.
    #[arg(long)]
    context: Option<String>,
    /// How many replicas must answer the read that comes before a delete without a context; by default the cluster's R.
    #[arg(long, value_name = "REPLICAS")]
    r: Option<u32>,
    #[command(flatten)]
    acknowledging: Acknowledging,
    #[command(flatten)]
    asking: Asking,
}

#[derive(clap::Args)]
struct Asking {
    #[command(flatten)]
    place: Place,
    /// How long the node waits for the quorum; by default the cluster's timeout.
    #[arg(long)]
    timeout: Option<Span>,
    /// Print the answer as JSON; values and context in base64.
    #[arg(long)]
    json: bool,
    /// Show long values whole.
    #[arg(long)]
    full: bool,
}

pub(super) fn get(arguments: Get) -> anyhow::Result<ExitCode> {
    let needs = ReadNeeds {
        quorum: arguments.r,
        primaries: arguments.pr,
        ..ReadNeeds::default()
    };
    let call = if arguments.local {
        Call::Probe
    } else {
        Call::Get { needs }
    };
    ask(Kind::Get, arguments.key, call, &arguments.asking)
}

pub(super) fn put(arguments: Put) -> anyhow::Result<ExitCode> {
    let value = match (&arguments.file, arguments.value) {
        (Some(file), _) if file.as_os_str() == "-" => read_stdin()?.into(),
        (Some(file), _) => std::fs::read(file)
            .with_context(|| file.display().to_string())?
            .into(),
        (None, value) => Bytes::from(value.unwrap_or_default()),
    };
    let call = Call::Put {
        value,
        context: context(arguments.context.as_deref())?,
        needs: arguments.acknowledging.needs(),
        checksum: None,
        siblings: if arguments.siblings {
            Siblings::Returned
        } else {
            Siblings::Omitted
        },
    };
    ask(Kind::Put, arguments.key, call, &arguments.asking)
}

pub(super) fn delete(arguments: Delete) -> anyhow::Result<ExitCode> {
    let call = Call::Delete {
        context: context(arguments.context.as_deref())?,
        read_quorum: arguments.r,
        needs: arguments.acknowledging.needs(),
    };
    ask(Kind::Delete, arguments.key, call, &arguments.asking)
}

impl Acknowledging {
    fn needs(&self) -> WriteNeeds {
        WriteNeeds {
            quorum: self.w,
            primaries: self.pw,
            durable: self.dw,
            ..WriteNeeds::default()
        }
    }
}

/// Asks, says what came of it, and tells it as an exit code too.
fn ask(kind: Kind, key: String, call: Call, asking: &Asking) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let request = Request {
        operation: OperationId::NONE,
        key: Bytes::from(key.clone()),
        timeout: asking.timeout.map(|timeout| timeout.0),
        call,
    };
    let line = runtime
        .block_on(asking.place.dial())
        .class(Class::Cluster)?;
    let reply = runtime.block_on(line.ask(request));
    let asked = Asked { kind, key, reply };
    let length = if asking.full {
        Length::Full
    } else {
        Length::Cut
    };
    let code = match asked.outcome() {
        Some(Outcome::Ok) => ExitCode::SUCCESS,
        Some(Outcome::Failed) => Class::Cluster.into(),
        Some(Outcome::Unknown) => Class::Unknown.into(),
        None => Class::NotFound.into(),
    };
    if asking.json {
        print(&format!("{:#}\n", asked.json()))?;
    } else if asked.context().is_some() {
        print(&asked.text(length))?;
    } else {
        eprint!("tidemark: {}", asked.text(length));
    }
    Ok(code)
}

fn context(argument: Option<&str>) -> anyhow::Result<Bytes> {
    match argument {
        None => Ok(Bytes::new()),
        Some("-") => {
            decode(&String::from_utf8(read_stdin()?).context("standard input is not text")?)
        }
        Some(context) => decode(context),
    }
}

fn read_stdin() -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .read_to_end(&mut bytes)
        .context("standard input")?;
    Ok(bytes)
}
