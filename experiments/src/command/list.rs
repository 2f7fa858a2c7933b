//! `tidemark list`.

use crate::list::text;
use crate::run::print;
use std::process::ExitCode;

pub(super) fn execute() -> anyhow::Result<ExitCode> {
    print(&text())?;
    Ok(ExitCode::SUCCESS)
}
