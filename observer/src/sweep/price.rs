//! What freshness costs: how many more messages and bytes an operation one case takes than the first of its axis, for each
//! percentage point of stale reads that it has fewer.
//!
//! The *price* is Δ(messages an operation) / −Δ(stale share in points), over the seeds and cells that both cases have. It is
//! positive where freshness is bought, negative where the case is fresher and cheaper or neither; there is none where both are
//! equally stale. Its interval is [`jackknife`](crate::jackknife)d over seeds like that of any ratio of differences.

use super::{Estimate, Samples, SweepFacts, groups, metric, replicates, told};
use serde::{Deserialize, Serialize};

/// What a case of an axis pays for being fresher than the axis's first case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// The axis.
    pub axis: String,
    /// The case.
    pub case: String,
    /// The first case.
    pub against: String,
    /// Messages an operation, for each percentage point of stale reads fewer.
    pub messages: Estimate,
    /// Bytes an operation, the same.
    pub bytes: Estimate,
}

/// The prices of all cases that have one.
pub(super) fn prices(facts: &SweepFacts, samples: &Samples) -> Vec<Price> {
    let mut prices = Vec::new();
    for (place, axis) in facts.axes.iter().enumerate() {
        for (case, name) in axis.cases.iter().enumerate().skip(1) {
            let of_case = |(number, cell): (usize, &super::Cell)| {
                let mut cases = cell.cases.clone();
                let is_it = std::mem::replace(&mut cases[place], 0) == case;
                let first = facts.cells.iter().position(|cell| cell.cases == cases);
                first.filter(|_| is_it).map(|first| (number, first))
            };
            let pairs = facts.cells.iter().enumerate().filter_map(of_case);
            let (cells, firsts): (Vec<_>, Vec<_>) = pairs
                .map(|(cell, first)| (&samples[cell], &samples[first]))
                .unzip();
            let price = |figure: &str| {
                let figure = metric(figure)?;
                let stale = metric("stale")?;
                // Other seeds would be other runs: both are of those that have both.
                let [group, first] = groups([figure, stale], [&cells, &firsts]);
                let difference = |metric| {
                    let (case, first) = (replicates(metric, &group)?, replicates(metric, &first)?);
                    Some(case.with(&first, |case, first| case - first))
                };
                let (gained, paid) = (difference(stale)?, difference(figure)?);
                let price = paid.with(&gained, |paid, gained| paid / (-100.0 * gained));
                (gained.all != 0.0).then(|| told(figure, Some(&price), &group))
            };
            let both = price("messages_per_operation").zip(price("bytes_per_operation"));
            prices.extend(both.map(|(messages, bytes)| Price {
                axis: axis.name.clone(),
                case: name.clone(),
                against: axis.cases[0].clone(),
                messages,
                bytes,
            }));
        }
    }
    prices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::{Sample, made};
    use std::collections::BTreeMap;

    fn sweep(cells: [[[f64; 3]; 2]; 2]) -> Vec<Price> {
        let mut facts = made::facts();
        facts.axes.truncate(1);
        facts.cells.truncate(2);
        for (place, cell) in facts.cells.iter_mut().enumerate() {
            cell.cases = vec![place];
        }
        let samples = cells.map(|seeds| {
            let runs = (1..).zip(seeds).map(|(seed, [stale, messages, bytes])| {
                let values = [
                    ("stale", stale),
                    ("messages_per_operation", messages),
                    ("bytes_per_operation", bytes),
                ];
                (seed, Sample::made(&values, &[]))
            });
            runs.collect::<BTreeMap<u64, Sample>>()
        });
        prices(&facts, &samples.to_vec())
    }

    /// If this fails, freshness is priced by something else than what was paid for what was gained.
    #[test]
    fn it_is_what_more_an_operation_sends_for_each_point_of_stale_reads_fewer() {
        // By hand: from 6 to 2 % stale in the mean is 4 points; 4 to 8 messages is 1 a point, 400 to 1 200 bytes 200.
        let found = sweep([
            [[0.05, 4.0, 400.0], [0.07, 4.0, 400.0]],
            [[0.01, 8.0, 1_200.0], [0.03, 8.0, 1_200.0]],
        ]);
        assert_eq!(found.len(), 1);
        let value = |estimate: &Estimate| estimate.value.expect("there is a price");
        assert!((value(&found[0].messages) - 1.0).abs() < 1e-9, "{found:?}");
        assert!((value(&found[0].bytes) - 200.0).abs() < 1e-6, "{found:?}");
        // Without either seed it is the same: the interval is a point.
        assert!((found[0].messages.high.unwrap() - 1.0).abs() < 1e-9);
    }

    /// If this fails, there is a price where nothing was gained.
    #[test]
    fn there_is_none_where_both_are_equally_stale() {
        let same = [[0.05, 4.0, 400.0], [0.07, 4.0, 400.0]];
        assert_eq!(sweep([same, same]), Vec::new());
    }
}
