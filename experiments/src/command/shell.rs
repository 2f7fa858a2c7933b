//! `tidemark shell`.

use crate::hand::place::Place;
use crate::hand::shell::Shell;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,
}

pub(super) fn execute(arguments: Arguments) -> anyhow::Result<ExitCode> {
    Shell::open(arguments.place)?.run()?;
    Ok(ExitCode::SUCCESS)
}
