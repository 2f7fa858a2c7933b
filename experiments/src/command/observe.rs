//! `tidemark observe`.

use crate::run::{Say, observe};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The folder of a run or of a sweep.
    run: PathBuf,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    observe(&arguments.run, Say::json(arguments.json))?;
    Ok(ExitCode::SUCCESS)
}
