//! How long real nodes were about a message: from a run's history to the table `sim.service` of a plan.
//!
//! Measured is the time from the moment in which a node takes up a `Store` or a `Fetch` until its answer is handed to the
//! link. It holds the node's own work and that on the rest of its batch, the sync if there is one, and the way from the
//! deciding thread to the link's. A simulated node does one message after another for that long, whereas a real one lets
//! these overlap: where there is little to do the two are as slow as each other, and the simulated one is full earlier.

use crate::command::exit::{Class, Classed as _};
use crate::record::{Folder, RunRecord};
use anyhow::ensure;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use tidemark_observer::history::Events;
use tidemark_proto::event::{Detail, Event};
use tidemark_proto::message::Method;
use tidemark_proto::span::Span;

/// The table of a run in a folder, as text for a plan.
///
/// # Errors
/// There is no such run, it has no history, or one that does not tell.
pub fn calibrate(path: &Path) -> anyhow::Result<String> {
    let (folder, record) = Folder::open(path).class(Class::File)?;
    ensure!(
        record.backend == "real",
        "{} is a run of the back-end {:?}, whose nodes take as long as its plan says; choose one of \"real\"",
        path.display(),
        record.backend
    );
    ensure!(
        record.plan.events == Detail::All,
        "{} did not keep every message; have it again with --set events=all",
        path.display()
    );
    let mut times = times(&folder, &record)?;
    ensure!(
        times.len() >= FEWEST,
        "{} has {} answers between nodes; {FEWEST} and more tell something",
        path.display(),
        times.len()
    );
    times.sort_unstable();
    Ok(table(&times, &path.display().to_string()))
}

/// How long each answer took.
fn times(folder: &Folder, record: &RunRecord) -> anyhow::Result<Vec<Duration>> {
    let mut taken = BTreeMap::new();
    let mut times = Vec::new();
    for event in Events::new(folder.history(record)?)? {
        match event? {
            Event::Received {
                at,
                operation,
                from,
                to,
                method: method @ (Method::Store | Method::Fetch),
            } => {
                taken.insert((to, from, operation, method), at);
            }
            Event::Sent {
                at,
                operation,
                from,
                to,
                method,
                ..
            } => {
                let asked = match method {
                    Method::StoreReply => Method::Store,
                    Method::FetchReply => Method::Fetch,
                    _ => continue,
                };
                let since = taken.remove(&(from, to, operation, asked));
                times.extend(since.and_then(|since| at.checked_sub(since)));
            }
            _ => {}
        }
    }
    Ok(times)
}

/// The times, in order, as a mixture of stretches between their quantiles.
fn table(times: &[Duration], run: &str) -> String {
    let quantile = |q: f64| times[(q * (times.len() - 1) as f64).round() as usize];
    let mut text = format!(
        "# from {} answers in {run}: from taking a message up to handing its answer to the link\n[sim]\nservice = {{ mixture = [\n",
        times.len()
    );
    for [from, to] in CUTS.array_windows() {
        writeln!(
            text,
            "    {{ weight = {:.2}, uniform = {{ from = \"{}\", to = \"{}\" }} }},",
            to - from,
            Span(quantile(*from)),
            Span(quantile(*to))
        )
        .expect("memory takes every write");
    }
    text + "] }\n"
}

/// Between which quantiles the times are taken to be spread evenly.
const CUTS: [f64; 8] = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0];
const FEWEST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_netfuzz::Distribution;

    /// If this fails, a plan does not take the table, or it says something else than the run.
    #[test]
    fn a_plan_takes_the_table_and_has_the_quantiles_of_the_run() {
        let times: Vec<_> = (1..=1_001).map(Duration::from_micros).collect();
        let text = table(&times, "a run");
        let table: toml::Table = toml::from_str(&text).unwrap();
        let service = serde_json::to_value(&table["sim"]["service"]).unwrap();
        let service: Distribution = serde_json::from_value(service).unwrap();
        for (p, us) in [(0.05, 51), (0.5, 501), (0.9, 901), (1.0, 1_001)] {
            let found = service.quantile(p).as_secs_f64() * 1e6;
            assert!((found - f64::from(us)).abs() < 1.0, "{p}: {found} us");
        }
    }
}
