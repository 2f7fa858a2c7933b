//! `tidemark predict`: how stale and how slow each R and W would be, by the WARS model.

mod goals;
mod text;

use super::exit::{Class, Classed as _};
use crate::fit::{FORMS, fit};
use crate::run::print;
use anyhow::ensure;
use clap::ValueEnum;
use goals::{FreshAt, Within};
use serde_json::{Map, Value, json};
use std::process::ExitCode;
use tidemark_observer::predict::fit::ENTRIES;
use tidemark_observer::predict::{
    Choice, Coordinator, Goal, Model, Prediction, ReadSet, Trials, cheapest,
};

#[derive(clap::Args)]
#[command(after_help = fits(), after_long_help = fits())]
pub(super) struct Arguments {
    /// The legs: a published fit by its name, or one of the forms below.
    #[arg(long)]
    fit: String,
    /// N: replicas of a key.
    #[arg(short, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=MOST_REPLICAS))]
    n: u16,
    /// R: answers that a read waits for. Without -r and -w the whole table is printed.
    #[arg(short)]
    r: Option<usize>,
    /// W: acknowledgements that a write waits for.
    #[arg(short)]
    w: Option<usize>,
    /// Up to which k it is told how likely a read misses the k newest writes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    k: u32,
    /// How many writes are drawn, each with a read after it.
    #[arg(long, default_value_t = 1_000_000)]
    trials: usize,
    /// The same seed gives the same prediction.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Whom a read asks: all replicas, or R of them by chance.
    #[arg(long, value_enum, default_value_t = Asked::All)]
    read_set: Asked,
    /// Who coordinates: a gateway, which holds no keys, or a replica by chance, whose own legs take no time.
    #[arg(long, value_enum, default_value_t = By::Gateway)]
    coordinator: By,
    /// Writes of a key for each read of it by one client: γgw/γcr, of which monotonic reads depend.
    #[arg(long, default_value_t = 1.0, value_name = "RATIO")]
    gw_cr: f64,
    /// Find the cheapest R and W that meet all goals: the fewest answers waited for, R + W; of those with as many, the
    /// least sum of read and write latency at 99.9 %.
    #[arg(long, conflicts_with_all = ["r", "w"])]
    cheapest: bool,
    /// A goal: how likely a read is fresh at an age of the write, like 10ms=99.9%; may be repeated.
    #[arg(long, value_name = "AGE=SHARE", requires = "cheapest")]
    fresh_at: Vec<FreshAt>,
    /// A goal: within what time a share of all reads is answered, like p99.9=20ms; may be repeated.
    #[arg(long, value_name = "pSHARE=TIME", requires = "cheapest")]
    read_latency: Vec<Within>,
    /// The same of writes.
    #[arg(long, value_name = "pSHARE=TIME", requires = "cheapest")]
    write_latency: Vec<Within>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Asked {
    All,
    Quorum,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Gateway,
    Replica,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let quorum = quorum(arguments).class(Class::Usage)?;
    let model = Model {
        legs: fit(&arguments.fit)?,
        coordinator: match arguments.coordinator {
            By::Gateway => Coordinator::Gateway,
            By::Replica => Coordinator::Replica,
        },
        read_set: match arguments.read_set {
            Asked::All => ReadSet::All,
            Asked::Quorum => ReadSet::Quorum,
        },
    };
    let n = usize::from(arguments.n);
    let all = quorum.map_or((1..=n, 1..=n), |(r, w)| (r..=r, w..=w));
    let trials = Trials::new(&model, n, all, arguments.trials, arguments.seed);
    print(&if arguments.cheapest {
        let goals = arguments.goals();
        let choices: Vec<_> = trials
            .cells()
            .map(|cell| Choice::new(&cell, &goals))
            .collect();
        let found = cheapest(&choices).expect("N is at least 1");
        if arguments.json {
            let cell = cell(
                &trials.cell(found.quorums.r, found.quorums.w),
                arguments,
                true,
            );
            let (met, closest) = if found.meets_all() {
                (cell, Value::Null)
            } else {
                (Value::Null, cell)
            };
            written(&json!({ "cheapest": met, "closest": closest }))?
        } else {
            text::cheapest(arguments, &goals, &choices, found)
        }
    } else if let Some((r, w)) = quorum {
        let prediction = trials.cell(r, w);
        if arguments.json {
            written(&cell(&prediction, arguments, false))?
        } else {
            text::cell(arguments, &prediction)
        }
    } else if arguments.json {
        let cells = trials
            .cells()
            .map(|prediction| cell(&prediction, arguments, true));
        written(&Value::Array(cells.collect()))?
    } else {
        text::table(arguments, trials.cells())
    })?;
    Ok(ExitCode::SUCCESS)
}

/// R and W, if there is one of each; what cannot be is refused.
fn quorum(arguments: &Arguments) -> anyhow::Result<Option<(usize, usize)>> {
    let n = usize::from(arguments.n);
    for (name, quorum) in [("-r", arguments.r), ("-w", arguments.w)] {
        let quorum = quorum.unwrap_or(1);
        ensure!(
            (1..=n).contains(&quorum),
            "{name} is {quorum}, but N is {n}; choose 1 to {n}"
        );
    }
    let quorum = match (arguments.r, arguments.w) {
        (Some(r), Some(w)) => Some((r, w)),
        (None, None) => None,
        (Some(_), None) => anyhow::bail!("-r needs -w; give both, or neither for the whole table"),
        (None, Some(_)) => anyhow::bail!("-w needs -r; give both, or neither for the whole table"),
    };
    let rows = if quorum.is_some() { 1 } else { n };
    let most = MOST_TIMES / (3 * rows + 4);
    ensure!(
        (1..=most).contains(&arguments.trials),
        "--trials is {}; choose 1 to {most}, for which there is memory",
        arguments.trials
    );
    ensure!(
        arguments.gw_cr >= 0.0 && arguments.gw_cr.is_finite(),
        "--gw-cr is {}; choose a number from 0",
        arguments.gw_cr
    );
    let goals = arguments.goals();
    ensure!(
        !(arguments.cheapest && goals.is_empty()),
        "--cheapest needs a goal; give --fresh-at, --read-latency or --write-latency"
    );
    Ok(quorum)
}

impl Arguments {
    fn goals(&self) -> Vec<Goal> {
        let fresh = self.fresh_at.iter().map(|goal| goal.0);
        let read = self.read_latency.iter().map(|within| within.of_reads());
        let write = self.write_latency.iter().map(|within| within.of_writes());
        fresh.chain(read).chain(write).collect()
    }
}

/// A prediction as JSON; with N, R and W where it stands beside others.
fn cell(prediction: &Prediction, arguments: &Arguments, is_one_of_many: bool) -> Value {
    let quorums = prediction.quorums;
    let levels = |levels: &[f64], at: &dyn Fn(f64) -> f64| {
        let level = |level: &f64| (level.to_string(), json!(at(*level)));
        Value::Object(levels.iter().map(level).collect())
    };
    let k: Map<_, _> = (1..=arguments.k)
        .map(|k| (k.to_string(), json!(quorums.lag_of(k))))
        .collect();
    let mut value = Map::new();
    if is_one_of_many {
        value.extend([
            ("n".to_owned(), json!(quorums.n)),
            ("r".to_owned(), json!(quorums.r)),
            ("w".to_owned(), json!(quorums.w)),
        ]);
    }
    let latency = |quantile: &dyn Fn(f64) -> f64| levels(&[0.5, 0.999], quantile);
    for (name, figure) in [
        ("p_fresh_at_0", json!(prediction.fresh_at(0.0))),
        (
            "p_fresh_at_ms",
            levels(&[10.0], &|ms| prediction.fresh_at(ms)),
        ),
        (
            "t_visibility_ms",
            levels(&VISIBLE, &|p| prediction.visible.quantile(p)),
        ),
        (
            "read_latency_ms",
            latency(&|p| prediction.reads.quantile(p)),
        ),
        (
            "write_latency_ms",
            latency(&|p| prediction.writes.quantile(p)),
        ),
        ("k_staleness", Value::Object(k)),
        (
            "monotonic_reads",
            json!(quorums.not_monotonic(arguments.gw_cr)),
        ),
    ] {
        value.insert(name.to_owned(), figure);
    }
    Value::Object(value)
}

fn written(value: &Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// What `--fit` takes.
fn fits() -> String {
    let named = ENTRIES.iter().map(|entry| (entry.name, entry.about));
    let lines = named
        .chain(FORMS)
        .map(|(form, about)| format!("\n  {form:<17}{about}"));
    "Fits:".to_owned() + &lines.collect::<String>()
}

/// The probabilities at which t-visibility is told.
const VISIBLE: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];
const MOST_REPLICAS: i64 = 100;
/// As many times of trials are kept at once: 4 bytes each.
const MOST_TIMES: usize = 1 << 29;
