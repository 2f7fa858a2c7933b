//! What was seen, as a table.

use crate::Row;
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

fn promise(work: Work, side: &str) -> &'static str {
    match (work, side.starts_with("etcd")) {
        (Work::Put, _) => "",
        (Work::QuorumRead, true) => ", linearizable",
        (Work::LocalRead, true) => ", serializable",
        (Work::QuorumRead, false) => ", R a majority",
        (Work::LocalRead, false) => ", R = 1",
    }
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
