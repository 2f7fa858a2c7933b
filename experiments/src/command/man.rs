//! `tidemark man`.

use crate::run::print;
use anyhow::Context as _;
use clap_mangen::{Man, generate_to};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The folder for one page a command; by default the page of `tidemark` itself is printed.
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(super) fn execute(arguments: &Arguments, tidemark: clap::Command) -> anyhow::Result<ExitCode> {
    if let Some(out) = &arguments.out {
        let written = std::fs::create_dir_all(out).and_then(|()| generate_to(tidemark, out));
        written.with_context(|| out.display().to_string())?;
    } else {
        let mut page = Vec::new();
        Man::new(tidemark).render(&mut page)?;
        print(&String::from_utf8(page)?)?;
    }
    Ok(ExitCode::SUCCESS)
}
