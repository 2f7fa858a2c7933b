//! The command line: one file a command.

mod anomalies;
mod calibrate;
mod check;
mod cluster;
mod completions;
pub mod exit;
mod kv;
mod list;
mod man;
mod observe;
mod plan;
mod plan_name;
mod predict;
mod process;
mod ring;
mod run;
mod shell;
mod why;

use clap::{CommandFactory as _, Parser, Subcommand};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// How stale is a weakly consistent store? The same plan runs on real processes and in a deterministic simulator.
#[derive(Parser)]
#[command(name = "tidemark", version, about, propagate_version = true, after_help = exit::HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Carry out a plan, all its cells if it varies something, and report what clients saw.
    Run(run::Arguments),
    /// Carry out every anomaly's plan in the simulator, and print what theory expects beside what was measured.
    Anomalies(anomalies::Arguments),
    /// Compute the figures of a run or a sweep again, from the files in its folder.
    Observe(observe::Arguments),
    /// Check a history, of Jepsen, Porcupine, Tidemark or your own: is it linearizable, and how far is it from that?
    Check(check::Arguments),
    /// Tell the story of one operation of a run, message by message: what it missed, why, and what healed that.
    Why(why::Arguments),
    /// Print how long real nodes were busy with a message, as the simulator takes it.
    Calibrate(calibrate::Arguments),
    /// Keep a cluster up to poke it by hand: with any gRPC client, with faults, with a report at the end.
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Read a key: every version, its clock, and who answered.
    Get(kv::Get),
    /// Write a key.
    Put(kv::Put),
    /// Delete a key.
    Delete(kv::Delete),
    /// Read and write in one session, which remembers the contexts of what it read.
    Shell(shell::Arguments),
    /// Check a plan, show all of it, print its schema, begin a new one.
    Plan(plan::Arguments),
    /// Say how a plan's partitioner lays keys out, and compare it with the others.
    Ring(ring::Arguments),
    /// Say how stale and how slow R and W would be, by the WARS model, or which are the cheapest that will do.
    Predict(predict::Arguments),
    /// List the built-in plans and the strategies of every seam.
    List,
    /// Print the completions for a shell.
    Completions(completions::Arguments),
    /// Print the manual, or write a page for every command.
    Man(man::Arguments),
    /// Be a node of a deployment made by hand.
    Node(process::Node),
    /// Be the network of a deployment made by hand: the plan's weather is in force, its faults are not.
    Netfuzz(process::Netfuzz),
    /// Be the observer of a deployment made by hand: make the folder of a run, for `tidemark observe`.
    Observer(process::Observer),
}

/// Does what the command line asks for; what goes wrong is said on standard error.
pub fn main() -> ExitCode {
    let filter = EnvFilter::from_env("TIDEMARK_LOG");
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let mut words = std::env::args().skip(2);
    if words.next().is_some_and(|word| word == "--supervised") {
        return end(process::supervised(words.next().as_deref()));
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return exit::misused(&error),
    };
    end(match arguments.command {
        Command::Run(arguments) => run::execute(arguments),
        Command::Anomalies(arguments) => anomalies::execute(&arguments),
        Command::Observe(arguments) => observe::execute(&arguments),
        Command::Calibrate(arguments) => calibrate::execute(&arguments),
        Command::Check(arguments) => check::execute(arguments),
        Command::Why(arguments) => why::execute(&arguments),
        Command::Cluster(command) => cluster::execute(command),
        Command::Plan(arguments) => plan::execute(&arguments),
        Command::Ring(arguments) => ring::execute(&arguments),
        Command::Predict(arguments) => predict::execute(&arguments),
        Command::Get(arguments) => kv::get(arguments),
        Command::Put(arguments) => kv::put(arguments),
        Command::Delete(arguments) => kv::delete(arguments),
        Command::Shell(arguments) => shell::execute(arguments),
        Command::List => list::execute(),
        Command::Completions(arguments) => completions::execute(&arguments, Arguments::command()),
        Command::Man(arguments) => man::execute(&arguments, Arguments::command()),
        Command::Node(arguments) => process::node(arguments),
        Command::Netfuzz(arguments) => process::netfuzz(arguments),
        Command::Observer(arguments) => process::observer(arguments),
    })
}

fn end(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| exit::fail(&error))
}
