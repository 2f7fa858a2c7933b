//! `tidemark run`.

use super::exit::Class;
use super::plan_name::PlanName;
use crate::backend;
use crate::overlay::overlay;
use crate::plan::{Carrier, carriers};
use crate::record::History;
use crate::run::{Request, Say, run};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use tidemark_observer::overlay::PREDICT;
use tidemark_proto::event::Milestone;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A plan file, or the name of a built-in plan (see `tidemark list`).
    #[arg(value_parser = PlanName, hide_possible_values = true)]
    plan: String,
    /// What carries it out: by default what the plan says, or else `real`. Several, like `predict,sim,real`, are laid over
    /// each other in one report; `predict` carries nothing out, but says what the WARS model makes of the plan. Two that carry
    /// out a plan with several seeds are tested for coming to the same.
    #[arg(long, value_delimiter = ',', value_parser = sources())]
    backend: Vec<String>,
    /// In place of the plan's seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Change the plan: `--set replication.r=2`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Where results go.
    #[arg(long, default_value = "results")]
    out: PathBuf,
    /// Of a plan that varies something, only this cell, as an ordinary run.
    #[arg(long)]
    cell: Option<String>,
    /// Of a plan that varies something, keep every run's history.
    #[arg(long)]
    keep: bool,
    /// Of a plan that varies something, how many simulated runs are carried out at a time; by default one a core.
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// Tells how the run ended: one that was ended from outside says so, as shells do for Ctrl-C.
pub(super) fn execute(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut sources = if arguments.backend.is_empty() {
        carriers(&arguments.plan, &arguments.sets)?
    } else {
        let named = arguments.backend.iter();
        named.filter_map(|name| Carrier::whole(name)).collect()
    };
    if sources.is_empty() {
        sources.extend(Carrier::whole(DEFAULT_BACKEND));
    }
    let request = Request {
        plan: arguments.plan,
        backend: sources[0].name.to_owned(),
        backends: (!arguments.backend.is_empty()).then(|| arguments.backend.join(",")),
        seed: arguments.seed,
        sets: arguments.sets,
        out: arguments.out,
        cell: arguments.cell,
        history: if arguments.keep {
            History::Kept
        } else {
            History::Removed
        },
        jobs: arguments.jobs,
        say: Say::json(arguments.json),
    };
    let ended = match sources.as_slice() {
        [carrier] if !carrier.predicts() => run(&request)?,
        _ => overlay(&request, &sources)?,
    };
    Ok(match ended {
        Milestone::Interrupted => Class::Interrupted.into(),
        Milestone::Aborted => ExitCode::FAILURE,
        Milestone::Started | Milestone::Healed | Milestone::Ended => ExitCode::SUCCESS,
    })
}

pub(super) fn backends() -> clap::builder::PossibleValuesParser {
    let names = backend::ENTRIES.iter().map(|entry| entry.name);
    names.collect::<Vec<_>>().into()
}

/// Back-ends, and the prediction.
fn sources() -> clap::builder::PossibleValuesParser {
    let names = backend::ENTRIES.iter().map(|entry| entry.name);
    std::iter::once(PREDICT)
        .chain(names)
        .collect::<Vec<_>>()
        .into()
}

/// What carries out a plan that does not say.
pub(super) const DEFAULT_BACKEND: &str = "real";
