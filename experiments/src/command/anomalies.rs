//! `tidemark anomalies`.

use super::exit::Class;
use crate::anomalies::{FOLDER, Request, carry_out, names, table};
use crate::backend::Progress;
use crate::run::{Say, ctrlc, print};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tidemark_observer::oracle::Verdict;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Only this one; may be repeated.
    #[arg(long, value_name = "ANOMALY", value_parser = known())]
    only: Vec<String>,
    /// How many seeds each cell runs with, in place of as many as the plans say.
    #[arg(long)]
    seeds: Option<NonZeroUsize>,
    /// Where results go.
    #[arg(long, default_value = "results")]
    out: PathBuf,
    /// How many runs are carried out at a time; by default one a core.
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Print the figures of each plan as JSON.
    #[arg(long)]
    json: bool,
}

/// Fails if an oracle does not hold.
pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let request = Request {
        seeds: arguments.seeds,
        out: arguments.out.clone(),
        jobs: arguments.jobs,
    };
    let progress = Arc::new(Progress::default());
    let stop = Arc::clone(&progress);
    ctrlc(move || stop.stop())?;
    let only = &arguments.only;
    let is_asked_for = |name: &&str| only.is_empty() || only.iter().any(|only| only == name);
    let mut all = Vec::new();
    for name in names().filter(is_asked_for) {
        match carry_out(&format!("{FOLDER}{name}"), &request, &progress)? {
            Some(figures) => all.push(figures),
            None => return Ok(Class::Interrupted.into()),
        }
    }
    print(&match Say::json(arguments.json) {
        Say::Json => serde_json::to_string_pretty(&all)? + "\n",
        Say::Text => table(&all),
    })?;
    let checked = all.iter().flat_map(|figures| &figures.oracles);
    let missed = checked.filter(|one| one.verdict != Verdict::Holds).count();
    if missed == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("tidemark: {missed} of the oracles do not hold");
    Ok(Class::Other.into())
}

fn known() -> clap::builder::PossibleValuesParser {
    names().collect::<Vec<_>>().into()
}
