//! `tidemark ring`: how a plan's partitioner lays keys out, and what all others would do.

use super::exit::{Class, Classed as _};
use super::plan::Which;
use crate::plan::{Plan, load};
use crate::ring::{Sample, measure};
use crate::run::print;
use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tidemark_node::config::{Choice, ConfigError};
use tidemark_node::partitioner;
use tidemark_observer::plot::render_ring;
use tidemark_observer::report::words::{count, percent};
use tidemark_observer::ring::{Movement, RingFigures, Shares};
use tidemark_proto::registry::Options;

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say what each node has of the keys and of the load, and how many keys move when nodes join or leave.
    Show(Show),
    /// Say how evenly each partitioner would lay the keys out, and how many would move when nodes join.
    Compare(Asked),
}

#[derive(clap::Args)]
struct Show {
    #[command(flatten)]
    asked: Asked,
    /// How many nodes leave, the last to have joined first; by default one if there are others.
    #[arg(long, value_name = "NODES")]
    leave: Option<u16>,
    /// Draw it: a file that ends in .svg or .png.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

#[derive(clap::Args)]
struct Asked {
    #[command(flatten)]
    which: Which,
    /// How many nodes join.
    #[arg(long, value_name = "NODES", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    join: u16,
    /// How many keys are laid out, and how many requests of the plan's workload are drawn for the load.
    #[arg(long, value_name = "KEYS", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    keys: u32,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

impl Asked {
    fn load(&self) -> anyhow::Result<(String, Plan, Sample)> {
        let which = &self.which;
        let (name, plan) = load(&which.plan, &which.backend()?, &which.sets)?;
        let sample = Sample::of(&plan, self.keys as usize)?;
        Ok((name, plan, sample))
    }
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Command::Show(show) => self::show(show)?,
        Command::Compare(asked) => compare(asked)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(arguments: &Show) -> anyhow::Result<()> {
    let Show { asked, leave, plot } = arguments;
    let (name, plan, sample) = asked.load()?;
    let most = plan.cluster.nodes - 1;
    let leave = leave.unwrap_or(most.min(1));
    if leave > most {
        let nodes = plan.cluster.nodes;
        return wrong(format!(
            "--leave is {leave}, but {name} has {nodes} nodes; choose 0 to {most}"
        ));
    }
    let figures = measure(&name, &plan, &sample, (asked.join, leave)).class(Class::Plan)?;
    if let Some(path) = plot {
        draw(&figures, path)?;
    }
    print(&if asked.json {
        serde_json::to_string_pretty(&figures)? + "\n"
    } else {
        text(&figures, &plan)?
    })
}

/// Writes the plot in the format that its file's name has.
fn draw(figures: &RingFigures, path: &Path) -> anyhow::Result<()> {
    let plot = render_ring(figures).context("there are no nodes to draw")?;
    let bytes = match path.extension().and_then(|end| end.to_str()) {
        Some("svg") => plot.svg.into_bytes(),
        Some("png") => plot.png,
        _ => {
            return wrong(format!(
                "--plot is {}; choose a file that ends in .svg or .png",
                path.display()
            ));
        }
    };
    std::fs::write(path, bytes)
        .with_context(|| path.display().to_string())
        .class(Class::File)
}

fn text(figures: &RingFigures, plan: &Plan) -> anyhow::Result<String> {
    let mut text = head(figures) + &figures.kind;
    for (option, value) in &plan.partitioner.options {
        write!(text, ", {option} = {value}")?;
    }
    text += "\n\n";
    writeln!(
        text,
        "  {:<8}{:>14}{:>14}{:>14}",
        "node", "first replica", "all replicas", "requests"
    )?;
    let mut row = |name: &str, shares: &Shares, word: fn(f64) -> String| {
        let [first, copies, load] = [shares.first, shares.copies, shares.load].map(word);
        writeln!(text, "  {name:<8}{first:>14}{copies:>14}{load:>14}")
    };
    for node in &figures.nodes {
        row(&node.node.to_string(), &node.shares, percent)?;
    }
    row("max/mean", &figures.max_over_mean, ratio)?;
    writeln!(
        text,
        "\n  {:<18}{:>12}{:>12}{:>13}{:>15}",
        "", "keys moved", "ideal", "moved/ideal", "copies moved"
    )?;
    for Movement {
        change,
        moved,
        ideal,
        copied,
        ..
    } in &figures.changes
    {
        let over = ratio(moved / ideal);
        let [moved, ideal, copied] = [*moved, *ideal, *copied].map(percent);
        writeln!(
            text,
            "  {change:<18}{moved:>12}{ideal:>12}{over:>13}{copied:>15}"
        )?;
    }
    Ok(text)
}

/// Lays the same keys out by every partitioner: the plan's own with its options, the others with their defaults.
fn compare(asked: &Asked) -> anyhow::Result<()> {
    let (name, plan, sample) = asked.load()?;
    let measured = |kind: &str| {
        let mut plan = plan.clone();
        if plan.partitioner.kind != kind {
            let (kind, options) = (kind.to_owned(), Options::new());
            plan.partitioner = Choice { kind, options };
        }
        measure(&name, &plan, &sample, (asked.join, 0))
    };
    let rows: Vec<_> = partitioner::ENTRIES
        .iter()
        .map(|entry| (entry.name, measured(entry.name)))
        .collect();
    print(&if asked.json {
        let row = |(kind, measured): &(_, Result<RingFigures, ConfigError>)| match measured {
            Ok(figures) => json!(figures),
            Err(error) => json!({ "kind": kind, "error": error.to_string() }),
        };
        serde_json::to_string_pretty(&rows.iter().map(row).collect::<Vec<_>>())? + "\n"
    } else {
        comparison(&rows)?
    })
}

fn comparison(rows: &[(&str, Result<RingFigures, ConfigError>)]) -> anyhow::Result<String> {
    let Some(any) = rows.iter().find_map(|(_, measured)| measured.as_ref().ok()) else {
        bail!("no partitioner can lay the keys out");
    };
    let mut text = head(any);
    let moved = any
        .changes
        .iter()
        .map(|change| format!("{}: moved", change.change))
        .collect::<String>();
    writeln!(
        text,
        "\n  {:<18}{:>10}{:>10}{:>20}{:>10}{:>13}",
        "", "max/mean", "requests", moved, "ideal", "moved/ideal"
    )?;
    for (kind, measured) in rows {
        write!(text, "  {kind:<18}")?;
        match measured {
            Err(ConfigError::Options { error, .. }) => writeln!(text, "  {error}")?,
            Err(error @ ConfigError::Kind(_)) => writeln!(text, "  {error}")?,
            Ok(figures) => {
                let most = &figures.max_over_mean;
                write!(text, "{:>10}{:>10}", ratio(most.first), ratio(most.load))?;
                for Movement { moved, ideal, .. } in &figures.changes {
                    let over = ratio(moved / ideal);
                    let [moved, ideal] = [*moved, *ideal].map(percent);
                    write!(text, "{moved:>20}{ideal:>10}{over:>13}")?;
                }
                text.push('\n');
            }
        }
    }
    Ok(text)
}

fn head(figures: &RingFigures) -> String {
    let RingFigures {
        plan,
        seed,
        replicas,
        keys,
        nodes,
        ..
    } = figures;
    format!(
        "{plan}: {} nodes, N = {replicas}; {} keys, seed {seed}\n",
        nodes.len(),
        count(*keys as u64)
    )
}

/// Refuses an argument.
fn wrong(reason: String) -> anyhow::Result<()> {
    Err(anyhow::Error::msg(reason)).class(Class::Usage)
}

fn ratio(ratio: f64) -> String {
    format!("{ratio:.2}")
}
