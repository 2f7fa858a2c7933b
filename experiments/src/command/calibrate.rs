//! `tidemark calibrate`.

use crate::calibrate::calibrate;
use crate::run::print;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The folder of a run on real processes that kept all its events.
    run: PathBuf,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    print(&calibrate(&arguments.run)?)?;
    Ok(ExitCode::SUCCESS)
}
