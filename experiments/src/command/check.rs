//! `tidemark check`.

use super::exit::{Class, Classed as _};
use crate::check::{Figures, Question, carry_out};
use crate::run::print;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tidemark_observer::checker::{Verdict, model};
use tidemark_observer::recording::format;

/// What a check's exit code means.
const AFTER: &str =
    "Exit codes: 0 valid, 1 invalid, 2 unknown, 254 the command line or the file is wrong.";

#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// A history, of Jepsen, Porcupine, Tidemark or your own; or the folder of a run.
    file: PathBuf,
    #[arg(long, value_name = "MODEL", help = format!("What every object is [of: {}; by default what such files are about]", model::names().join(", ")))]
    model: Option<String>,
    /// What every object is at the beginning, in EDN: 3, "text", nil.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    initial: Option<String>,
    #[arg(long, value_name = "FORMAT", help = format!("How the file is written [one of: {}; by default what it looks like]", format::names().collect::<Vec<_>>().join(", ")))]
    format: Option<String>,
    /// How long the check may take, in seconds; what is not known by then is unknown.
    #[arg(long, value_name = "S", default_value_t = 60.0)]
    timeout: f64,
    /// How much a search may remember, in MiB; too little leaves verdicts unknown.
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    memory: usize,
    /// Compute every metric too that the history gives: staleness, freshness, session guarantees, …
    #[arg(long)]
    metrics: bool,
    /// Print the verdicts and scores of all keys as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: Arguments) -> anyhow::Result<ExitCode> {
    answer(arguments).class(Class::Check)
}

fn answer(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let timeout = Duration::try_from_secs_f64(arguments.timeout)
        .map_err(|error| anyhow::anyhow!("--timeout is {}: {error}", arguments.timeout))?;
    let checked = carry_out(&Question {
        path: arguments.file,
        model: arguments.model,
        initial: arguments.initial,
        format: arguments.format,
        timeout,
        memory: arguments.memory.saturating_mul(1 << 20),
        figures: match arguments.metrics {
            true => Figures::Metrics,
            false => Figures::Scores,
        },
    })?;
    if arguments.json {
        print(&format!("{:#}\n", checked.json()))?;
    } else {
        print(&checked.text())?;
    }
    Ok(ExitCode::from(match checked.valid() {
        Verdict::True => 0,
        Verdict::False => 1,
        Verdict::Unknown(_) => 2,
    }))
}
