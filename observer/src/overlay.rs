//! What was predicted for a plan beside what back-ends measured of it: the same figures from each source.

mod distance;
mod family;
mod row;
mod source;
mod times;

pub use distance::{Distance, Off, Quantile, READS_A_BIN};
pub use family::{Family, FamilyCell, FamilyRow, Mean, Means, QuantileRow};
pub use row::{Figure, Of, ROWS, Row};
pub use source::{Latencies, PREDICT, Point, Source};
pub use times::Times;

use crate::predict::Quorums;
use serde::{Deserialize, Serialize};

/// One plan from several sources.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overlay {
    /// The plan's name.
    pub plan: String,
    /// What it asks.
    pub question: String,
    /// The seed.
    pub seed: u64,
    /// N, R and W.
    pub quorums: Option<Quorums>,
    /// The sources, the prediction first if there is one.
    pub sources: Vec<Source>,
    /// What the model supposes and the plan does not do.
    pub broken: Vec<Broken>,
}

/// Something that the model supposes, and what in the plan is not so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// What is supposed.
    pub supposed: String,
    /// What is not so.
    pub by: String,
}

#[cfg(test)]
pub(crate) mod made {
    use super::*;
    use crate::predict::fit::exponential;
    use crate::predict::{Model, predict};
    use crate::report::sample;

    /// A prediction, and the sample run beside it, as if its times had been stretched by 2.
    pub(crate) fn overlay() -> Overlay {
        let quorums = Quorums { n: 3, r: 1, w: 1 };
        let legs = exponential(10.0, 1.0).unwrap();
        let prediction = predict(&Model::new(legs), quorums, 10_000, 1);
        let figures = sample::figures();
        let even = || (1..=20_000).map(|step| step as f32 / 2_000.0);
        let times = Times::new(even(), even());
        let run = Source::measured((&figures, &times), ("results/q/1", 2.0), Some(&prediction));
        Overlay {
            plan: "quickstart".to_owned(),
            question: "How stale do reads get?".to_owned(),
            seed: 7,
            quorums: Some(quorums),
            sources: vec![Source::predicted(&prediction), run],
            broken: vec![Broken {
                supposed: "nothing fails".to_owned(),
                by: "fault: n3 is <cut> off".to_owned(),
            }],
        }
    }

    /// Three cells of it, in two groups.
    pub(crate) fn family() -> Family {
        let cells = [("one", "R = 1"), ("one", "R = 2"), ("two <b>", "R = 1")];
        let cells = cells.map(|(group, case)| FamilyCell {
            cell: format!("{group} · {case}"),
            group: group.to_owned(),
            case: case.to_owned(),
            overlay: overlay(),
        });
        Family {
            plan: "pbs".to_owned(),
            question: "Does it agree?".to_owned(),
            seed: 1,
            cells: cells.into(),
            parity: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use tidemark_proto::event::Kind;

    /// If this fails, a stretched run looks slower than the plan it carried out, or figures stand in others' rows.
    #[test]
    fn a_stretched_run_is_told_in_the_times_of_the_plan() {
        let figures = sample::figures();
        let overlay = made::overlay();
        let (predicted, measured) = (&overlay.sources[0], &overlay.sources[1]);
        assert!(predicted.is_predicted() && !measured.is_predicted());
        let value = |of: Of| measured.figure(of).map(|figure| figure.value);
        assert_eq!(value(Of::FreshByReads), figures.freshness.at_zero.share);
        let stretched = figures
            .freshness
            .t_visibility
            .iter()
            .find(|point| point.p == 0.9);
        let stretched = stretched.and_then(|point| point.from_arrivals_ms.known());
        assert_eq!(
            value(Of::VisibleByArrivals(0.9)),
            stretched.map(|ms| ms / 2.0)
        );
        assert_eq!(
            measured.curve[0].age_ms,
            figures.freshness.curve[0].mean_ms / 2.0
        );
        // Of latencies from 0.5 µs to 10 ms, evenly.
        let median = measured.figure(Of::Latency(Kind::Get, 0.5)).unwrap();
        let (low, high) = median.interval.unwrap();
        assert!((median.value - 5.0).abs() < 0.01, "{median:?}");
        // 1.96 · √(0.25 / 20 000) of 10 ms to either side.
        assert!((high - low - 0.1386).abs() < 0.001, "{median:?}");
        assert!(predicted.figures.iter().all(Option::is_some));
        assert!(measured.distance.is_some() && predicted.distance.is_none());
    }

    /// If this fails, a mean is over other cells than those of its source, or a row lacks what was predicted for it.
    #[test]
    fn a_family_has_rows_groups_and_means() {
        let mut family = made::family();
        let groups = family.groups();
        let sizes: Vec<_> = groups
            .iter()
            .map(|(name, cells)| (*name, cells.len()))
            .collect();
        assert_eq!(sizes, [("one", 2), ("two <b>", 1)]);
        let rows = family.rows();
        assert_eq!(rows.len(), 3);
        assert!(rows.iter().all(|row| row.fresh_at_0_predicted.is_some()));
        assert_eq!(family.quantiles().len(), 3 * 20);
        let off = |error| {
            Some(Off {
                error,
                by_chance: 0.1,
            })
        };
        for (cell, error) in family.cells.iter_mut().zip([0.1, 0.6, 0.2]) {
            let distance = cell.overlay.sources[1].distance.as_mut().unwrap();
            (distance.reads, distance.visible) = (off(error), off(error));
        }
        // Where no read can be stale, t-visibility is 0 in any case.
        family.cells[1].overlay.sources[0].figures[1]
            .as_mut()
            .unwrap()
            .value = 1.0;
        let means = family.means();
        assert_eq!(means.len(), 1);
        let [reads, visible] =
            [&means[0].reads, &means[0].visible].map(|mean| mean.clone().unwrap());
        assert!(
            (reads.error - 0.3).abs() < 1e-12 && reads.worst.error == 0.6,
            "{reads:?}"
        );
        assert!(
            (visible.error - 0.15).abs() < 1e-12 && visible.cells == 2,
            "{visible:?}"
        );
    }
}
