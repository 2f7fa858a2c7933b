//! `tidemark why`.

use super::exit::{Class, Classed as _};
use crate::record::Folder;
use crate::run::print;
use anyhow::Context as _;
use std::path::PathBuf;
use std::process::ExitCode;
use tidemark_observer::history::Events;
use tidemark_observer::story::story;
use tidemark_proto::event::Detail;
use tidemark_proto::id::OperationId;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The folder of a run that kept all its events.
    run: PathBuf,
    /// The operation, as the report and the history name it: c3.17.
    operation: OperationId,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { run, operation } = arguments;
    let (folder, record) = Folder::open(run).class(Class::File)?;
    let kept = record.plan.events;
    if kept != Detail::All {
        let kept = serde_json::to_string(&kept)?;
        eprintln!("this run kept events = {kept}: only with \"all\" is every message known");
    }
    let events = || anyhow::Ok(Events::new(folder.history(&record)?)?.map(|event| Ok(event?)));
    let told = story(*operation, record.plan.time_scale, events).class(Class::File)?;
    let none = || format!("no operation {operation} of {} has returned", run.display());
    print(&told.with_context(none).class(Class::NotFound)?)?;
    Ok(ExitCode::SUCCESS)
}
