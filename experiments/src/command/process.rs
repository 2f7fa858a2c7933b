//! `tidemark node`, `netfuzz`, `observer`: the processes that a run is made of.

use crate::backend::real::child;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// It is told what to do on its standard input.
    #[arg(long, required = true)]
    supervised: bool,
}

pub(super) fn execute(_: &Arguments) -> anyhow::Result<ExitCode> {
    child::run()?;
    Ok(ExitCode::SUCCESS)
}
