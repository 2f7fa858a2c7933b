//! Predictions as a terminal shows them.

use super::{Arguments, Asked, By, VISIBLE};
use std::fmt::Write as _;
use tidemark_observer::predict::{Choice, Goal, Prediction};
use tidemark_observer::report::words::{count, level, milliseconds, number, percent, rate};

/// A row for each R and W.
pub(super) fn table(arguments: &Arguments, cells: impl Iterator<Item = Prediction>) -> String {
    let mut text = head(arguments, "");
    let mut row = |quorums: &str, [at_0, at_10, p99, p999, read, write]: [&str; 6]| {
        let _ = writeln!(
            text,
            "{quorums:>5}{at_0:>23}{at_10:>23}{p99:>9}{p999:>9}{read:>16}{write:>16}"
        );
    };
    row("", ["fresh at", "", "visible", "after", "reads", "writes"]);
    row(
        "R  W",
        [
            "0 ms",
            "10 ms",
            "99 %",
            "99.9 %",
            "p50 / p99.9",
            "p50 / p99.9",
        ],
    );
    for cell in cells {
        let fresh = |ms| rate(&cell.visible.rate_up_to(ms));
        let visible = |p| milliseconds(cell.visible.quantile(p));
        let quorums = format!("{}{:>3}", cell.quorums.r, cell.quorums.w);
        let latency = [&cell.reads, &cell.writes].map(|times| {
            format!(
                "{} / {}",
                number(times.quantile(0.5)),
                milliseconds(times.quantile(0.999))
            )
        });
        let [at_0, at_10] = [0.0, 10.0].map(fresh);
        let [p99, p999] = [0.99, 0.999].map(visible);
        row(
            &quorums,
            [&at_0, &at_10, &p99, &p999, &latency[0], &latency[1]],
        );
    }
    text
}

/// Everything of one R and W.
pub(super) fn cell(arguments: &Arguments, prediction: &Prediction) -> String {
    let quorums = prediction.quorums;
    let mut text = head(
        arguments,
        &format!(", R = {}, W = {}", quorums.r, quorums.w),
    );
    let mut row = |name: &str, parts: Vec<String>| {
        let _ = writeln!(text, "  {name:<12}{}", parts.join(" · "));
    };
    let fresh = |ms| {
        let fresh = rate(&prediction.visible.rate_up_to(ms));
        format!("{fresh} at {}", milliseconds(ms))
    };
    row("fresh", [0.0, 10.0].map(fresh).into());
    let visible = |p| {
        format!(
            "{} after {}",
            level(p),
            milliseconds(prediction.visible.quantile(p))
        )
    };
    row("visible", VISIBLE.map(visible).into());
    for (name, times) in [("reads", &prediction.reads), ("writes", &prediction.writes)] {
        let latency = |p| format!("p{} {}", number(p * 100.0), milliseconds(times.quantile(p)));
        row(name, [0.5, 0.999].map(latency).into());
    }
    let lag = |k| format!("{k} or more {}", percent(quorums.lag_of(k)));
    row("lag ≤", (1..=arguments.k).map(lag).collect());
    let older = percent(quorums.not_monotonic(arguments.gw_cr));
    let ratio = number(arguments.gw_cr);
    row("older ≤", vec![format!("{older} where γgw/γcr = {ratio}")]);
    text + MEANINGS
}

/// The goals, who meets them, and which is the cheapest.
pub(super) fn cheapest(
    arguments: &Arguments,
    goals: &[Goal],
    choices: &[Choice],
    found: &Choice,
) -> String {
    let mut text = head(arguments, "");
    let pair = format!("R = {}, W = {}", found.quorums.r, found.quorums.w);
    text += &if found.meets_all() {
        format!("{pair} is the cheapest that meets all goals.\n\n")
    } else {
        format!("No R and W meet all goals; {pair} comes closest.\n\n")
    };
    let mut row = |quorums: &str, cells: Vec<String>| {
        let _ = write!(text, "{quorums:>8}");
        for cell in cells {
            let _ = write!(text, "{cell:>28}");
        }
        text.push('\n');
    };
    row("R  W", goals.iter().map(said).collect());
    for choice in choices {
        let mark = if choice.quorums == found.quorums {
            "> "
        } else {
            ""
        };
        let quorums = format!("{mark}{}{:>3}", choice.quorums.r, choice.quorums.w);
        let reached = goals.iter().zip(&choice.reached).zip(&choice.missed);
        let cells = reached.map(|((goal, reached), missed)| {
            let reached = match goal {
                Goal::Fresh { .. } => percent(*reached),
                Goal::Read { .. } | Goal::Write { .. } => milliseconds(*reached),
            };
            let is_met = if *missed > 1.0 { "no " } else { "yes" };
            format!("{reached}  {is_met}")
        });
        row(&quorums, cells.collect());
    }
    text + "\ncheapest: the fewest answers waited for, R + W; then the least p99.9 of reads and writes together\n"
}

fn said(goal: &Goal) -> String {
    let latency = |what, p: f64, most_ms| {
        format!("{what} p{} ≤ {}", number(p * 100.0), milliseconds(most_ms))
    };
    match *goal {
        Goal::Fresh { age_ms, least } => {
            format!("fresh at {} ≥ {}", milliseconds(age_ms), level(least))
        }
        Goal::Read { p, most_ms } => latency("reads", p, most_ms),
        Goal::Write { p, most_ms } => latency("writes", p, most_ms),
    }
}

fn head(arguments: &Arguments, quorums: &str) -> String {
    let coordinator = match arguments.coordinator {
        By::Gateway => "gateways coordinate",
        By::Replica => "replicas coordinate",
    };
    let asked = match arguments.read_set {
        Asked::All => "reads ask all replicas",
        Asked::Quorum => "reads ask R replicas",
    };
    format!(
        "{}, N = {}{quorums}: {coordinator}, {asked}; {} trials, seed {}, [95 % intervals]\n\n",
        arguments.fit,
        arguments.n,
        count(arguments.trials as u64),
        arguments.seed
    )
}

const MEANINGS: &str = "
fresh    reads that see a write of this age
visible  the age from which so many reads see a write
lag      reads that miss so many of the newest writes: at most, as if these never spread
older    reads that are older than their client's last, by how often the key is written for each read: at most
";
