//! `tidemark plan`: is a plan right, what is all of it, what may stand in one, and the beginning of a new one.

use super::exit::{Class, Classed as _};
use super::plan_name::PlanName;
use super::run::{DEFAULT_BACKEND, backends};
use crate::backend::PLANNED_FOR;
use crate::plan::text::{explained, outline, starter};
use crate::plan::{aside, carriers, load, schema, sweep, sweep_of};
use crate::run::print;
use crate::workload::unhonoured;
use anyhow::Context as _;
use clap::Subcommand;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tidemark_observer::sweep::Axis;

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say whether a plan is right, and what it comes to.
    Check(Which),
    /// Print the whole plan: what it extends, every default, each key with what it means.
    Show(Which),
    /// Print the JSON Schema of plan files, from which editors complete and check.
    #[command(after_help = SCHEMA_HELP)]
    Schema,
    /// Begin a plan of one's own, with comments: print it, or write it to a new file.
    New {
        /// The new plan's file; if left out, the plan is printed.
        name: Option<PathBuf>,
    },
}

/// A plan, as a run takes it.
#[derive(clap::Args)]
pub(super) struct Which {
    /// A plan file, or the name of a built-in plan (see `tidemark list`).
    #[arg(value_parser = PlanName, hide_possible_values = true)]
    pub(super) plan: String,
    /// What would carry it out: by default what the plan says (of several the first), or else `real`.
    #[arg(long, value_parser = backends())]
    backend: Option<String>,
    /// Change the plan: `--set replication.r=2`, `--set 'fault[0].at=3s'`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) sets: Vec<String>,
}

impl Which {
    pub(super) fn backend(&self) -> anyhow::Result<String> {
        if let Some(backend) = &self.backend {
            return Ok(backend.clone());
        }
        let carriers = carriers(&self.plan, &self.sets)?;
        let mut carried = carriers.iter().filter(|carrier| !carrier.predicts());
        let default = if carriers.is_empty() {
            DEFAULT_BACKEND
        } else {
            PLANNED_FOR
        };
        Ok(carried
            .next()
            .map_or(default, |carrier| carrier.name)
            .to_owned())
    }
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Command::Check(which) => {
            let backend = which.backend()?;
            let (name, plan) = load(&which.plan, &backend, &which.sets)?;
            let mut text = format!("ok: {}", outline(&name, &plan));
            for note in unhonoured(&plan.workload) {
                text += &format!("the workload's file is not honoured in this: {note}\n");
            }
            if let Some(sweep) = sweep(&which.plan, &backend, &which.sets)? {
                let axis = |axis: &Axis| format!("{} ({})", axis.name, axis.cases.join(", "));
                let axes: Vec<_> = sweep.axes.iter().map(axis).collect();
                let (cells, seeds) = (sweep.cells.len(), sweep.seeds.len());
                text += &format!(
                    "varies: {}; {cells} cells, {seeds} seeds each\n",
                    axes.join(" × ")
                );
            }
            // What others shall carry out must be right too.
            for carrier in carriers(&which.plan, &which.sets)? {
                if !carrier.predicts() && which.backend.is_none() {
                    let is_for = |cell: &str| carrier.is_for(Some(cell));
                    sweep_of(&which.plan, carrier.name, &which.sets, is_for)?;
                }
            }
            print(&text)?;
        }
        Command::Show(which) => {
            let backend = which.backend()?;
            let (_, plan) = load(&which.plan, &backend, &which.sets)?;
            let mut aside = aside(&which.plan, &which.sets)?;
            // What is shown is what it is to this one: for others it may be another plan.
            if let Some(carried) = aside.get_mut("backend") {
                *carried = backend.into();
            }
            print(&explained(&plan, &aside)?)?;
        }
        Command::Schema => print(&(serde_json::to_string_pretty(&schema::file())? + "\n"))?,
        Command::New { name: None } => print(&starter("mine")?)?,
        Command::New { name: Some(path) } => begin(path)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a new plan to a file that is not there yet.
fn begin(path: &Path) -> anyhow::Result<()> {
    let path = match path.extension() {
        Some(_) => path.to_owned(),
        None => path.with_extension("toml"),
    };
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let text = starter(&name)?;
    std::fs::File::create_new(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| path.display().to_string())
        .class(Class::File)?;
    print(&format!(
        "wrote {0}; now: tidemark run {0}\n",
        path.display()
    ))
}

const SCHEMA_HELP: &str =
    "Editors with taplo (Even Better TOML) use it if a plan begins with a line like

  #:schema ./tidemark.schema.json

after: tidemark plan schema > tidemark.schema.json";
