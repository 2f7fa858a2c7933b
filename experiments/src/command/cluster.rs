//! `tidemark cluster up`, `fault`, `heal`, `join`, `leave`, `replace`, `status`, `down`.

use super::plan_name::PlanName;
use crate::cluster::{self, UpRequest};
use crate::run::print;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use tidemark_node::partitioner::Change;
use tidemark_proto::id::NodeId;
use tidemark_proto::span::Span;
use tidemark_proto::wire::{
    ClusterFaultRequest, ClusterStatusReply, RollReply, StandingFault, StandingNode,
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Start the cluster of a plan, without its load and its faults, and keep it up until Ctrl-C or `cluster down`.
    Up(Up),
    /// Break it: what a plan's [[fault]] says, on one line, from now on. Messages on their way already are not touched.
    Fault(FaultArguments),
    /// End every fault, and start nodes that are down again.
    Heal(Of),
    /// Make a spare node a member: keys move to it. Answers when that has begun; `status` says how far it is.
    Join(Member),
    /// Take a member out for good: the others get its keys first.
    Leave(Member),
    /// Give a spare node the place of a member that is gone for good.
    Replace(Replace),
    /// Say who is up, who is a member and how far a change of them is, which faults are in force, and what has passed.
    Status(Status),
    /// End the cluster, and wait until the run's folder is written.
    Down(Of),
}

#[derive(clap::Args)]
pub(super) struct Up {
    /// A plan file, or the name of a built-in plan (see `tidemark list`).
    #[arg(value_parser = PlanName, hide_possible_values = true)]
    plan: String,
    /// In place of the plan's seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Change the plan: `--set replication.r=2`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Listen at ports that can be told beforehand: control at this one, node i at this one + i; absent: any free ones.
    #[arg(long)]
    port: Option<u16>,
    /// How long it stays up at most.
    #[arg(long = "for", default_value = "24h", value_name = "TIME")]
    length: Span,
    #[command(flatten)]
    of: Of,
}

/// Which cluster.
#[derive(clap::Args)]
pub(super) struct Of {
    /// Where the cluster's results go.
    #[arg(long, default_value = "results")]
    pub(super) out: PathBuf,
}

#[derive(clap::Args)]
pub(super) struct FaultArguments {
    /// For example: 'partition = { isolate = "n3" }' or 'loss = 0.3, links = "peers"' or 'crash = "n2", restart_after = "2s"'.
    pub(super) rule: String,
    /// How long it lasts; absent: until `cluster heal`.
    #[arg(long = "for", value_name = "TIME")]
    pub(super) length: Option<Span>,
    /// What the report calls it.
    #[arg(long)]
    pub(super) name: Option<String>,
    #[command(flatten)]
    pub(super) of: Of,
}

#[derive(clap::Args)]
pub(super) struct Member {
    /// The node, like n4.
    node: NodeId,
    #[command(flatten)]
    of: Of,
}

#[derive(clap::Args)]
pub(super) struct Replace {
    /// Who is gone, like n2.
    node: NodeId,
    /// Who takes its place, like n6.
    by: NodeId,
    #[command(flatten)]
    of: Of,
}

#[derive(clap::Args)]
pub(super) struct Status {
    /// Print it as JSON.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) of: Of,
}

pub(super) fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Up(up) => cluster::up(&UpRequest {
            plan: up.plan,
            seed: up.seed,
            sets: up.sets,
            out: up.of.out,
            port: up.port,
            length: up.length,
        })?,
        Command::Fault(fault) => {
            let request = ClusterFaultRequest {
                rule: fault.rule,
                length: fault
                    .length
                    .map(|span| span.to_string())
                    .unwrap_or_default(),
                name: fault.name.unwrap_or_default(),
            };
            let reply = cluster::fault(&fault.of.out, request)?;
            let line = |fault: StandingFault| format!("{}\n", line(&fault, None));
            print(&reply.fault.map(line).unwrap_or_default())?;
        }
        Command::Heal(of) => {
            let healed = cluster::heal(&of.out)?;
            let list = |what: &str, names: &[String]| match names {
                [] => String::new(),
                _ => format!("{what}: {}\n", names.join(", ")),
            };
            let said = list("over", &healed.faults) + &list("started again", &healed.restarted);
            let nothing = "nothing was to be healed\n".to_owned();
            print(&if said.is_empty() { nothing } else { said })?;
        }
        Command::Join(Member { node, of }) => change(&of, Change::Join(node))?,
        Command::Leave(Member { node, of }) => change(&of, Change::Leave(node))?,
        Command::Replace(Replace { node, by, of }) => {
            change(&of, Change::Replace { old: node, new: by })?;
        }
        Command::Status(status) => {
            let reply = cluster::status(&status.of.out)?;
            print(&if status.json {
                serde_json::to_string_pretty(&json(&reply))? + "\n"
            } else {
                text(&reply)?
            })?;
        }
        Command::Down(of) => {
            let down = cluster::down(&of.out)?;
            print(&format!("report  {}/report.html\n", down.folder))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn change(of: &Of, change: Change) -> anyhow::Result<()> {
    let reply = cluster::change(&of.out, change)?;
    let roll = reply.roll.unwrap_or_default();
    print(&format!("{}\n", under_way(&roll)))
}

fn text(status: &ClusterStatusReply) -> anyhow::Result<String> {
    let mut text = format!("{} · up for {}\n\n", status.plan, seconds(status.up_s));
    for node in &status.nodes {
        let process = match node.pid {
            Some(pid) => format!("process {pid}"),
            None => "down".to_owned(),
        };
        let moved = node.moved_percent;
        let moved = moved.map_or_else(String::new, |percent| format!(", {percent} % moved"));
        let part = part(node, status.roll.as_ref());
        let (name, address, life) = (&node.name, &node.address, node.life);
        writeln!(
            text,
            "  {name:<4} {address:<15}  life {life}  {process:<14}  {part}{moved}"
        )?;
    }
    text += "\n";
    match &status.roll {
        Some(roll) => writeln!(text, "  {}", under_way(roll))?,
        None => text += "  no node answers who the members are\n",
    }
    for fault in &status.faults {
        writeln!(text, "  {}", line(fault, Some(status.up_s)))?;
    }
    if status.faults.is_empty() {
        text += "  no fault is in force\n";
    }
    writeln!(
        text,
        "\n  {} operations on disk · {} messages, {} lost, {} on their way\n  {}",
        status.operations, status.messages, status.lost, status.held, status.folder
    )?;
    Ok(text)
}

/// What a node is in the cluster.
fn part(node: &StandingNode, roll: Option<&RollReply>) -> &'static str {
    let Some(roll) = roll else { return "" };
    if node.name.starts_with('g') {
        "gateway"
    } else if roll.members.contains(&node.name) {
        "member"
    } else {
        "spare"
    }
}

/// How far the change of the members is that is under way.
fn under_way(roll: &RollReply) -> String {
    let waits = match &roll.awaited[..] {
        [] => String::new(),
        nodes => format!("; it waits for {}", nodes.join(", ")),
    };
    match &roll.change[..] {
        "" => format!(
            "roll {}: no change of the members is under way",
            roll.number
        ),
        change => format!("roll {}: {change} is {}{waits}", roll.number, roll.step),
    }
}

/// A fault, and since when it is in force if the time is known.
fn line(fault: &StandingFault, now: Option<f64>) -> String {
    let since = now.map(|now| format!(" for {}", seconds(now - fault.from_s)));
    let end = match fault.until_s {
        Some(until) => format!("{} more", seconds(until - now.unwrap_or(fault.from_s))),
        None => "until `tidemark cluster heal`".to_owned(),
    };
    let (name, kind, about) = (&fault.name, &fault.kind, &fault.about);
    format!(
        "{name}: {kind}, {about}; in force{}, {end}",
        since.unwrap_or_default()
    )
}

fn json(status: &ClusterStatusReply) -> serde_json::Value {
    let node = |node: &StandingNode| {
        serde_json::json!({
            "name": node.name, "address": node.address, "life": node.life, "pid": node.pid,
            "part": part(node, status.roll.as_ref()), "moved_percent": node.moved_percent,
        })
    };
    let roll = status.roll.as_ref().map(|roll| {
        serde_json::json!({
            "number": roll.number, "members": roll.members, "change": roll.change,
            "step": roll.step, "awaited": roll.awaited, "down": roll.down,
            "registrar": roll.registrar,
        })
    });
    let fault = |fault: &StandingFault| {
        serde_json::json!({
            "name": fault.name, "kind": fault.kind, "about": fault.about,
            "from_s": fault.from_s, "until_s": fault.until_s,
        })
    };
    serde_json::json!({
        "plan": status.plan,
        "folder": status.folder,
        "up_s": status.up_s,
        "nodes": status.nodes.iter().map(node).collect::<Vec<_>>(),
        "roll": roll,
        "faults": status.faults.iter().map(fault).collect::<Vec<_>>(),
        "operations": status.operations,
        "messages": status.messages,
        "lost": status.lost,
        "held": status.held,
    })
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.1} s")
}
