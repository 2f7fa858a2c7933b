//! Oracles: what theory expects of a figure, said before the run, so that the run can refute it.
//!
//! An expected value holds if the figure's 95 % interval contains it; where all seeds agree the interval is a point, and the
//! figure must be the value itself, up to rounding. A bound holds if the whole interval keeps to it. Of fresh seeds one
//! interval in twenty misses a value that is right, and of k oracles one or more miss with 1 − 0.95^k: a plan therefore
//! fixes its seeds, and who doubts a verdict takes others, or more of them.

use crate::figures::{Figures, WHOLE};
use crate::rows::rows;
use crate::sweep::{Estimate, SweepFigures};
use serde::{Deserialize, Serialize};

/// What theory expects of one figure of one cell: a value, or bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oracle {
    /// The cell's label; none: there is only one cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<String>,
    /// The figure, by its name among [`METRICS`](crate::sweep::METRICS).
    pub metric: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// What it is at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// What it is at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formula: Option<String>,
    /// It is expected of the cell in which the cause is taken away.
    #[serde(default)]
    pub ablated: bool,
}

/// An oracle beside what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// What was expected.
    pub oracle: Oracle,
    /// What was measured.
    pub measured: Estimate,
    /// Whether the one is the other.
    pub verdict: Verdict,
}

/// Whether a figure is what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is.
    Holds,
    /// It is not.
    Fails,
    /// There is no figure, or one run alone, whose figure has no interval.
    Unknown,
}

impl Oracle {
    /// Whether an estimate is what is expected.
    #[must_use]
    pub fn judge(&self, measured: &Estimate) -> Verdict {
        let Some(figure) = measured.value else {
            return Verdict::Unknown;
        };
        let interval = measured.low.zip(measured.high);
        let (low, high) = interval.unwrap_or((figure, figure));
        let is_above = |end: f64, bound: f64| end >= bound - ROUNDING * bound.abs().max(1.0);
        let holds = match self.value {
            Some(value) => is_above(high, value) && is_above(-low, -value),
            None => {
                self.at_least.is_none_or(|bound| is_above(low, bound))
                    && self.at_most.is_none_or(|bound| is_above(-high, -bound))
            }
        };
        match (holds, interval, self.value) {
            (true, ..) => Verdict::Holds,
            (false, None, Some(_)) => Verdict::Unknown,
            (false, ..) => Verdict::Fails,
        }
    }

    fn check(&self, measured: Option<Estimate>) -> Checked {
        let measured = measured.unwrap_or_else(|| Estimate {
            metric: self.metric.clone(),
            value: None,
            low: None,
            high: None,
            seeds: 0,
            count: 0,
        });
        Checked {
            verdict: self.judge(&measured),
            oracle: self.clone(),
            measured,
        }
    }
}

/// Holds each oracle of a sweep against the figures of its cell.
pub(crate) fn check(figures: &SweepFigures) -> Vec<Checked> {
    let facts = &figures.facts;
    let checked = facts.oracles.iter().map(|oracle| {
        let cell = match &oracle.cell {
            None => Some(0),
            Some(label) => facts.cells.iter().position(|cell| cell.label == *label),
        };
        oracle.check(cell.and_then(|cell| figures.figure(cell, &oracle.metric).cloned()))
    });
    checked.collect()
}

/// Holds each oracle of a run against the figures of all of its measured time, with the intervals that one run gives.
pub(crate) fn check_run(oracles: &[Oracle], figures: &Figures) -> Vec<Checked> {
    if oracles.is_empty() {
        return Vec::new();
    }
    let rows: Vec<_> = rows(figures)
        .into_iter()
        .filter(|row| row.phase == WHOLE)
        .collect();
    let checked = oracles.iter().map(|oracle| {
        let row = rows.iter().find(|row| row.metric == oracle.metric);
        oracle.check(row.map(|row| Estimate {
            metric: row.metric.clone(),
            value: row.value,
            low: row.low,
            high: row.high,
            seeds: 1,
            count: row.count,
        }))
    });
    checked.collect()
}

/// What the last bits of sums may be off, as a part of the value.
const ROUNDING: f64 = 1e-9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::made;

    fn oracle(value: Option<f64>, at_least: Option<f64>, at_most: Option<f64>) -> Oracle {
        Oracle {
            cell: Some("spread · no fault".to_owned()),
            metric: "stale".to_owned(),
            value,
            at_least,
            at_most,
            formula: None,
            ablated: false,
        }
    }

    fn estimate(value: f64, interval: Option<(f64, f64)>) -> Estimate {
        Estimate {
            metric: "stale".to_owned(),
            value: Some(value),
            low: interval.map(|interval| interval.0),
            high: interval.map(|interval| interval.1),
            seeds: 3,
            count: 300,
        }
    }

    /// If this fails, a value outside the interval passes, or one inside is refused.
    #[test]
    fn a_value_holds_within_the_interval_and_nowhere_else() {
        use Verdict::{Fails, Holds, Unknown};
        let measured = estimate(0.5, Some((0.4, 0.6)));
        for (value, verdict) in [(0.4, Holds), (0.6, Holds), (0.39, Fails), (0.61, Fails)] {
            assert_eq!(oracle(Some(value), None, None).judge(&measured), verdict);
        }
        let agreed = estimate(0.3, Some((0.1 + 0.2, 0.1 + 0.2)));
        assert_eq!(oracle(Some(0.3), None, None).judge(&agreed), Holds);
        assert_eq!(oracle(Some(0.300_1), None, None).judge(&agreed), Fails);
        let alone = estimate(0.5, None);
        assert_eq!(oracle(Some(0.5), None, None).judge(&alone), Holds);
        assert_eq!(oracle(Some(0.4), None, None).judge(&alone), Unknown);
    }

    /// If this fails, a bound holds that part of the interval breaks.
    #[test]
    fn a_bound_holds_for_the_whole_interval() {
        use Verdict::{Fails, Holds, Unknown};
        let measured = estimate(0.5, Some((0.4, 0.6)));
        let check = |at_least, at_most, verdict| {
            assert_eq!(oracle(None, at_least, at_most).judge(&measured), verdict);
        };
        check(Some(0.4), None, Holds);
        check(Some(0.45), None, Fails);
        check(None, Some(0.6), Holds);
        check(None, Some(0.55), Fails);
        check(Some(0.3), Some(0.7), Holds);
        check(Some(0.3), Some(0.5), Fails);
        let nothing = Estimate {
            value: None,
            ..estimate(0.0, None)
        };
        assert_eq!(oracle(None, Some(0.0), None).judge(&nothing), Unknown);
    }

    /// If this fails, an oracle is held against another cell's figure.
    #[test]
    fn each_oracle_meets_the_figures_of_its_own_cell() {
        let mut facts = made::facts();
        // By hand: the means are 0.04 with [0, 0.09] and 0.10.
        let of = |cell: &str| Oracle {
            cell: Some(cell.to_owned()),
            ..oracle(Some(0.01), None, None)
        };
        facts.oracles = vec![
            of("spread · no fault"),
            Oracle {
                at_least: Some(0.0),
                at_most: Some(0.05),
                value: None,
                ..of("clustered · no fault")
            },
            Oracle {
                metric: "siblings".to_owned(),
                ..of("spread · no fault")
            },
        ];
        let figures = SweepFigures::new(facts, &made::samples());
        let verdicts: Vec<_> = figures.oracles.iter().map(|one| one.verdict).collect();
        let expected = [Verdict::Holds, Verdict::Fails, Verdict::Unknown];
        assert_eq!(verdicts, expected);
        let clustered = figures.oracles[1].measured.value.expect("it is known");
        assert!((clustered - 0.1).abs() < 1e-9, "{clustered}");
    }
}
