//! The command line: one file a command.

mod cluster;
mod list;
mod observe;
mod process;
mod run;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
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
    Run(run::Arguments),
    /// Compute the figures of a run again, from the files in its folder.
    Observe(observe::Arguments),
    /// Keep a cluster up to poke it by hand: with any gRPC client, with faults, with a report at the end.
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// List the built-in plans and the strategies of every seam.
    List,
    /// A node, as a run starts it.
    #[command(hide = true)]
    Node(process::Arguments),
    /// The fault proxy, as a run starts it.
    #[command(hide = true)]
    Netfuzz(process::Arguments),
    /// The observer, as a run starts it.
    #[command(hide = true)]
    Observer(process::Arguments),
}

/// Does what the command line asks for; what goes wrong is said on standard error.
pub fn main() -> ExitCode {
    let filter = EnvFilter::from_env("TIDEMARK_LOG");
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let result = match Arguments::parse().command {
        Command::Run(arguments) => run::execute(arguments),
        Command::Observe(arguments) => observe::execute(&arguments),
        Command::Cluster(command) => cluster::execute(command),
        Command::List => list::execute(),
        Command::Node(arguments) | Command::Netfuzz(arguments) | Command::Observer(arguments) => {
            process::execute(&arguments)
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("tidemark: {error:#}");
        ExitCode::FAILURE
    })
}
