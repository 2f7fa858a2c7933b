//! `tidemark run`.

use crate::backend;
use crate::run::{Request, Say, run};
use std::path::PathBuf;
use std::process::ExitCode;
use tidemark_proto::event::Milestone;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A plan file, or the name of a built-in plan (see `tidemark list`).
    plan: String,
    /// What carries it out.
    #[arg(long, default_value = "real", value_parser = backends())]
    backend: String,
    /// In place of the plan's seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Change the plan: `--set replication.r=2`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Where results go.
    #[arg(long, default_value = "results")]
    out: PathBuf,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// Tells how the run ended: one that was ended from outside says so, as shells do for Ctrl-C.
pub(super) fn execute(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let ended = run(&Request {
        plan: arguments.plan,
        backend: arguments.backend,
        seed: arguments.seed,
        sets: arguments.sets,
        out: arguments.out,
        say: Say::json(arguments.json),
    })?;
    Ok(match ended {
        Milestone::Interrupted => ExitCode::from(130),
        Milestone::Aborted => ExitCode::FAILURE,
        Milestone::Started | Milestone::Healed | Milestone::Ended => ExitCode::SUCCESS,
    })
}

fn backends() -> clap::builder::PossibleValuesParser {
    let names = backend::ENTRIES.iter().map(|entry| entry.name);
    names.collect::<Vec<_>>().into()
}
