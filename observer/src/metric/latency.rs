//! Latency of the load's operations, by kind, outcome and phase, from their *intended* starts.
//!
//! An open loop does not wait for a slow store; measuring from the actual start would leave out the time that an
//! operation waited for its turn. Histograms are merged, percentiles never averaged.
//!
//! Reference: G. Tene, “How not to measure latency” (coordinated omission), and his HdrHistogram for the `.hgrm` files.

use super::{Metric, Phased, Run, Seen};
use crate::figures::{LatencyRow, WHOLE};
use crate::spread::{Distribution, MS};
use std::collections::BTreeMap;
use std::fmt::Write;
use tidemark_proto::event::{Kind, Outcome};

#[derive(Default)]
pub(crate) struct Latency {
    rows: BTreeMap<(Kind, Outcome), Phased<Distribution>>,
}

impl Metric for Latency {
    type Figures = Vec<LatencyRow>;

    fn observe(&mut self, seen: &Seen<'_>) {
        if let Some((operation, place)) = seen.load() {
            let row = self
                .rows
                .entry((operation.kind, operation.outcome))
                .or_default();
            let latency = operation.returned.saturating_sub(operation.intended);
            row.at(place.phase).add_time(latency);
        }
    }

    fn report(&self, run: &Run<'_>) -> Vec<LatencyRow> {
        let mut rows = Vec::new();
        for ((kind, outcome), phases) in &self.rows {
            let all = Distribution::merged(&phases.values);
            let names = run.phases.iter().map(|phase| phase.name.as_str());
            let named = names
                .zip(&phases.values)
                .map(|(name, part)| (name, part, Vec::new()));
            let whole = (WHOLE, &all, percentiles(&all));
            for (phase, latencies, percentiles) in std::iter::once(whole).chain(named) {
                if let Some(ms) = latencies.spread(MS) {
                    rows.push(LatencyRow {
                        kind: *kind,
                        outcome: *outcome,
                        phase: phase.to_owned(),
                        ms,
                        percentiles,
                    });
                }
            }
        }
        rows
    }
}

impl Latency {
    /// The distributions over all phases, by their names in `summary.csv`.
    pub(crate) fn distributions(&self) -> Vec<(String, Distribution)> {
        let name =
            |kind: &Kind, outcome: &Outcome| format!("latency_{kind:?}_{outcome:?}").to_lowercase();
        let rows = self.rows.iter();
        rows.map(|((kind, outcome), phases)| {
            (name(kind, outcome), Distribution::merged(&phases.values))
        })
        .collect()
    }

    /// The distributions over all phases as `.hgrm` files in milliseconds: their names and their texts.
    pub(crate) fn hgrm(&self) -> Vec<(String, String)> {
        let word = |kind: &Kind, outcome: &Outcome| {
            format!("latency-{kind:?}-{outcome:?}.hgrm").to_lowercase()
        };
        let file = |((kind, outcome), phases): (&(Kind, Outcome), &Phased<Distribution>)| {
            (
                word(kind, outcome),
                hgrm(&Distribution::merged(&phases.values)),
            )
        };
        self.rows.iter().map(file).collect()
    }
}

fn percentiles(all: &Distribution) -> Vec<(f64, f64)> {
    let steps = all.histogram().iter_quantiles(TICKS);
    steps
        .map(|step| {
            (
                step.quantile_iterated_to(),
                step.value_iterated_to() as f64 / MS,
            )
        })
        .collect()
}

/// A distribution of nanoseconds in the format that HdrHistogram's plotter reads, in milliseconds.
fn hgrm(all: &Distribution) -> String {
    let histogram = all.histogram();
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS) {
        total += step.count_since_last_iteration();
        let value = step.value_iterated_to() as f64 / MS;
        let quantile = step.quantile_iterated_to();
        let _ = write!(text, "{value:12.3} {quantile:2.12} {total:10}");
        if quantile < 1.0 {
            let _ = write!(text, " {:14.2}", 1.0 / (1.0 - quantile));
        }
        text.push('\n');
    }
    let _ = write!(
        text,
        "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]\n#[Max     = {:12.3}, Total count    = {:12}]\n\
         #[Buckets = {:12}, SubBuckets     = {:12}]\n",
        histogram.mean() / MS,
        histogram.stdev() / MS,
        histogram.max() as f64 / MS,
        histogram.len(),
        histogram.buckets(),
        2048,
    );
    text
}

/// Points per halving of the distance to 100 %.
const TICKS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hgrm_ends_at_its_maximum_and_its_count() {
        let mut latencies = Distribution::default();
        for ms in 1..=1000 {
            latencies.add(ms * 1_000_000);
        }
        let text = hgrm(&latencies);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("TotalCount 1/(1-Percentile)"), "{text}");
        let last = lines
            .iter()
            .rfind(|line| !line.starts_with('#'))
            .expect("there are rows");
        let cells: Vec<&str> = last.split_ascii_whitespace().collect();
        assert_eq!(cells[1..], ["1.000000000000", "1000"], "{text}");
        assert!(
            cells[0]
                .parse::<f64>()
                .is_ok_and(|max| (999.0..1001.0).contains(&max))
        );
        assert!(text.contains("Total count    =         1000]"), "{text}");
    }
}
