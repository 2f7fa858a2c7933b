//! What was seen, as a table.

use crate::Row;
use crate::capacity::Capacity;
use crate::load::Seen;
use crate::store::Work;
use std::collections::BTreeMap;
use std::time::Duration;

/// Prints medians of all rounds, and how many times as fast the first side's quorum operations were in each round.
pub(crate) fn print(nodes: u16, names: &[&str], seen: &BTreeMap<Row, Vec<Seen>>) {
    let plural = if nodes == 1 { "" } else { "s" };
    println!("\n{nodes} node{plural}");
    println!(
        "{:<7}{:>9}  {:<28}{:>9} {:<19}{:>10}{:>10}{:>10}{:>16}",
        "", "in flight", "side", "calls/s", "", "p50", "p99", "CPU", "tidemark is"
    );
    for ((_, work, in_flight, side), rounds) in seen {
        let first = match work {
            Work::Put => Work::Put,
            Work::QuorumRead | Work::LocalRead => Work::QuorumRead,
        };
        let first = &seen[&(nodes, first, *in_flight, 0)];
        let rates = spread(rounds.iter().map(|seen| seen.rate));
        let ratio = spread(first.iter().zip(rounds).map(|(a, b)| a.rate / b.rate));
        let time = |of: fn(&Seen) -> Duration| {
            let (median, ..) = spread(rounds.iter().map(|seen| of(seen).as_secs_f64() * 1e6));
            format!("{median:.0} µs")
        };
        println!(
            "{:<7}{in_flight:>9}  {:<28}{:>9.0} {:<19}{:>10}{:>10}{:>10}{:>16}",
            if *work == Work::Put { "puts" } else { "reads" },
            format!("{}{}", names[*side], promise(*work, names[*side])),
            rates.0,
            format!("[{:.0}, {:.0}]", rates.1, rates.2),
            time(|seen| seen.p50),
            time(|seen| seen.p99),
            time(|seen| seen.used),
            format!("{:.2} × as fast", ratio.0),
        );
    }
}

/// Prints medians of all rounds, and how many times as much the first side carried in each round.
pub(crate) fn print_capacities(
    limit: Duration,
    names: &[&str],
    seen: &BTreeMap<(Work, usize), Vec<Capacity>>,
) {
    println!(
        "\n3 nodes, on disk, synced before an acknowledgement: the most calls/s of which 99 % take less than {limit:?}"
    );
    println!(
        "{:<7}{:<22}{:>9} {:<17}{:>10}{:>22}{:>17}  in each round",
        "", "side", "calls/s", "", "in flight", "p50 / p99 at half", "tidemark does"
    );
    for ((work, side), rounds) in seen {
        let rates = spread(rounds.iter().map(|round| round.rate));
        let in_flight = spread(rounds.iter().map(|round| round.in_flight as f64));
        let first = &seen[&(*work, 0)];
        let ratios = first.iter().zip(rounds).map(|(a, b)| a.rate / b.rate);
        let ratios: Vec<f64> = ratios.filter(|ratio| ratio.is_finite()).collect();
        let half = |of: fn(&Seen) -> Duration| {
            let halves = rounds.iter().filter_map(|round| round.at_half.as_ref());
            let times: Vec<_> = halves.map(|seen| of(seen).as_secs_f64() * 1e3).collect();
            median(&times).map_or_else(|| "–".to_owned(), |ms| format!("{ms:.1}"))
        };
        let side = if *side == 0 { "tidemark" } else { names[*side] };
        let each: Vec<_> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        println!(
            "{:<7}{:<22}{:>9.0} {:<17}{:>10.0}{:>22}{:>17}  {}",
            if *work == Work::Put { "puts" } else { "reads" },
            format!("{side}{}", durable_promise(*work, side)),
            rates.0,
            format!("[{:.0}, {:.0}]", rates.1, rates.2),
            in_flight.0,
            format!("{} / {} ms", half(|seen| seen.p50), half(|seen| seen.p99)),
            median(&ratios).map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2} × as much")),
            each.join(" "),
        );
    }
}

/// Prints medians of all rounds, and what share of the first side's throughput the others had in each.
pub(crate) fn print_observed(names: &[&str], seen: &BTreeMap<Row, Vec<Seen>>) {
    println!("\n3 nodes in memory, observed on the same machine: what is left of the calls/s");
    println!(
        "{:<7}{:>9}  {:<36}{:>9} {:<19}{:>10}  share of the throughput",
        "", "in flight", "side", "calls/s", "", "CPU"
    );
    for ((nodes, work, in_flight, side), rounds) in seen {
        let first = &seen[&(*nodes, *work, *in_flight, 0)];
        let rates = spread(rounds.iter().map(|seen| seen.rate));
        let left = spread(
            rounds
                .iter()
                .zip(first)
                .map(|(here, off)| here.rate / off.rate),
        );
        let (used, ..) = spread(rounds.iter().map(|seen| seen.used.as_secs_f64() * 1e6));
        println!(
            "{:<7}{in_flight:>9}  {:<36}{:>9.0} {:<19}{:>10}  {:.2} [{:.2}, {:.2}]",
            if *work == Work::Put { "puts" } else { "reads" },
            format!("{}{}", names[*side], promise(*work, names[*side])),
            rates.0,
            format!("[{:.0}, {:.0}]", rates.1, rates.2),
            format!("{used:.0} µs"),
            left.0,
            left.1,
            left.2,
        );
    }
}

fn durable_promise(work: Work, side: &str) -> &'static str {
    match (work, side.starts_with("etcd")) {
        (Work::Put, true) => "",
        (Work::Put, false) => ", W = 2",
        (Work::QuorumRead, false) => ", R = 2",
        (_, _) => promise(work, side),
    }
}

fn promise(work: Work, side: &str) -> &'static str {
    match (work, side.starts_with("etcd")) {
        (Work::Put, _) => "",
        (Work::QuorumRead, true) => ", linearizable",
        (Work::LocalRead, true) => ", serializable",
        (Work::QuorumRead, false) => ", R a majority",
        (Work::LocalRead, false) => ", R = 1",
    }
}

fn median(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| spread(values.iter().copied()).0)
}

/// Median, lowest and highest.
fn spread(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    (
        values[values.len() / 2],
        values[0],
        values[values.len() - 1],
    )
}
