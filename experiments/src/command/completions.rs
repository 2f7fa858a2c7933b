//! `tidemark completions`.

use crate::run::print;
use clap_complete::{Shell, generate};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Whose completions.
    shell: Shell,
}

pub(super) fn execute(
    arguments: &Arguments,
    mut tidemark: clap::Command,
) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut tidemark, "tidemark", &mut script);
    print(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}
