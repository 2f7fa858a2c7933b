//! The command line: `tidemark run`, `list`, `observe`, and the processes that a run is made of.

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use tidemark::backend::real::child;
use tidemark::run::{Request, Say, observe, print, run};
use tidemark::{backend, list};
use tidemark_proto::event::Milestone;
use tracing_subscriber::EnvFilter;

/// How stale is a weakly consistent store? The same plan runs on real processes and in a deterministic simulator.
#[derive(Parser)]
#[command(name = "tidemark", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Carry out a plan and report what clients saw.
    Run {
        /// A plan file, or the name of a built-in plan (see `tidemark list`).
        plan: String,
        /// What carries it out.
        #[arg(long, default_value = "real", value_parser = backends())]
        backend: String,
        /// In place of the plan's seed.
        #[arg(long)]
        seed: Option<u64>,
        /// Change the plan: `--set replication.r=2`; may be repeated.
        #[arg(long = "set", value_name = "KEY=VALUE")]
        sets: Vec<String>,
        /// Where results go.
        #[arg(long, default_value = "results")]
        out: PathBuf,
        /// Print the figures as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Compute the figures of a run again, from the files in its folder.
    Observe {
        /// The run's folder.
        run: PathBuf,
        /// Print the figures as JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the built-in plans and the strategies of every seam.
    List,
    /// A node, as a run starts it.
    #[command(hide = true)]
    Node(Supervised),
    /// The fault proxy, as a run starts it.
    #[command(hide = true)]
    Netfuzz(Supervised),
    /// The observer, as a run starts it.
    #[command(hide = true)]
    Observer(Supervised),
}

#[derive(clap::Args)]
struct Supervised {
    /// It is told what to do on its standard input.
    #[arg(long, required = true)]
    supervised: bool,
}

fn main() -> ExitCode {
    let filter = EnvFilter::from_env("TIDEMARK_LOG");
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let result = match Arguments::parse().command {
        Command::Run {
            plan,
            backend,
            seed,
            sets,
            out,
            json,
        } => run(&Request {
            plan,
            backend,
            seed,
            sets,
            out,
            say: saying(json),
        })
        .map(exit_code),
        Command::Observe { run, json } => observe(&run, saying(json)).map(|()| ExitCode::SUCCESS),
        Command::List => print(&list::text()).map(|()| ExitCode::SUCCESS),
        Command::Node(_) | Command::Netfuzz(_) | Command::Observer(_) => {
            child::run().map(|()| ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("tidemark: {error:#}");
        ExitCode::FAILURE
    })
}

/// A run that was ended from outside says so, as shells do for Ctrl-C.
fn exit_code(ended: Milestone) -> ExitCode {
    match ended {
        Milestone::Interrupted => ExitCode::from(130),
        Milestone::Aborted => ExitCode::FAILURE,
        Milestone::Started | Milestone::Healed | Milestone::Ended => ExitCode::SUCCESS,
    }
}

fn saying(json: bool) -> Say {
    if json { Say::Json } else { Say::Text }
}

fn backends() -> clap::builder::PossibleValuesParser {
    backend::ENTRIES
        .iter()
        .map(|entry| entry.name)
        .collect::<Vec<_>>()
        .into()
}
