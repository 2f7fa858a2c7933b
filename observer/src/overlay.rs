//! What was predicted for a plan beside what back-ends measured of it: the same figures from each source.

use crate::figures::{AgeBin, Figures};
use crate::predict::{Compared, Prediction, Quorums};
use serde::{Deserialize, Serialize};
use tidemark_proto::event::{Kind, Outcome};

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
    pub quorums: Quorums,
    /// The sources, the prediction first if there is one.
    pub sources: Vec<Source>,
    /// What the model supposes and the plan does not do.
    pub broken: Vec<Broken>,
}

/// What one source says. Times are milliseconds of the plan: those of a run whose times were stretched are shortened again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// `predict`, or the back-end's name.
    pub name: String,
    /// What it rests on.
    pub about: String,
    /// The folder of its run; none of a prediction.
    pub folder: Option<String>,
    /// P(fresh | age), youngest first.
    pub curve: Vec<Point>,
    /// In the order of [`ROWS`]; none where it does not reach so far.
    pub figures: Vec<Option<f64>>,
    /// Latencies of reads, as (share of operations, ms).
    pub reads: Vec<(f64, f64)>,
    /// Latencies of writes.
    pub writes: Vec<(f64, f64)>,
    /// How far it is from the prediction; none of that itself, or if there is none.
    pub distance: Option<Distance>,
}

/// A point of a freshness curve, and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct Point {
    pub age_ms: f64,
    pub fresh: f64,
    pub low: f64,
    pub high: f64,
}

/// How far what was measured is from what was predicted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distance {
    /// The largest of P(fresh | age), in bins of at least [`READS_A_BIN`] reads, if there are as many; none without reads.
    pub curve: Option<f64>,
    /// Of read latency: the root of the mean square over the percentiles 1, 2 … 99 and 99.9, as a share of the predicted
    /// span from 1 to 99.9 %; none without reads, or where the span is 0.
    pub reads: Option<f64>,
    /// The same of write latency.
    pub writes: Option<f64>,
}

/// Something that the model supposes, and what in the plan is not so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// What is supposed.
    pub supposed: String,
    /// What is not so.
    pub by: String,
}

/// A figure that every source may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// What it is, as people read it.
    pub about: &'static str,
    /// What it is of.
    pub of: Of,
}

/// What a figure is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Of {
    /// P(fresh) at once, by what reads returned.
    FreshByReads,
    /// The same, by when writes arrived.
    FreshByArrivals,
    /// t-visibility at a probability, by what reads returned.
    VisibleByReads(f64),
    /// The same, by when writes arrived.
    VisibleByArrivals(f64),
    /// A quantile of latency.
    Latency(Kind, f64),
}

/// The figures of every source.
pub const ROWS: [Row; 14] = {
    use Of::{FreshByArrivals, FreshByReads, Latency, VisibleByArrivals, VisibleByReads};
    const fn row(about: &'static str, of: Of) -> Row {
        Row { about, of }
    }
    [
        row("fresh at 0, by reads", FreshByReads),
        row("fresh at 0, by arrivals", FreshByArrivals),
        row("90 % visible, by reads", VisibleByReads(0.9)),
        row("90 % visible, by arrivals", VisibleByArrivals(0.9)),
        row("99 % visible, by reads", VisibleByReads(0.99)),
        row("99 % visible, by arrivals", VisibleByArrivals(0.99)),
        row("99.9 % visible, by reads", VisibleByReads(0.999)),
        row("99.9 % visible, by arrivals", VisibleByArrivals(0.999)),
        row("read latency p50", Latency(Kind::Get, 0.5)),
        row("read latency p99", Latency(Kind::Get, 0.99)),
        row("read latency p99.9", Latency(Kind::Get, 0.999)),
        row("write latency p50", Latency(Kind::Put, 0.5)),
        row("write latency p99", Latency(Kind::Put, 0.99)),
        row("write latency p99.9", Latency(Kind::Put, 0.999)),
    ]
};

impl Of {
    /// Whether it is a share; otherwise it is in milliseconds.
    #[must_use]
    pub fn is_share(self) -> bool {
        matches!(self, Self::FreshByReads | Self::FreshByArrivals)
    }
}

impl Source {
    /// What a prediction says, from so many trials.
    #[must_use]
    pub fn predicted(prediction: &Prediction) -> Self {
        let visible = &prediction.visible;
        let farthest = visible.quantile(0.9999).max(1.0);
        let ages = (0..=CURVE_POINTS).map(|step| {
            let step = f64::from(step) / f64::from(CURVE_POINTS);
            // From 0.1 ms on, evenly in the logarithm, as it is drawn.
            0.1 * libm::pow(farthest / 0.1, step)
        });
        let point = |age_ms| {
            let fresh = visible.rate_up_to(age_ms);
            Point {
                age_ms,
                fresh: fresh.share.unwrap_or_default(),
                low: fresh.low,
                high: fresh.high,
            }
        };
        let figure = |row: &Row| match row.of {
            Of::FreshByReads | Of::FreshByArrivals => prediction.fresh_at(0.0),
            Of::VisibleByReads(p) | Of::VisibleByArrivals(p) => visible.quantile(p),
            Of::Latency(Kind::Get, p) => prediction.reads.quantile(p),
            Of::Latency(Kind::Put | Kind::Delete, p) => prediction.writes.quantile(p),
        };
        let latencies = [&prediction.reads, &prediction.writes].map(|times| {
            let shares = PERCENTILES.iter().copied();
            shares.map(|p| (p, times.quantile(p))).collect()
        });
        let [reads, writes] = latencies;
        Self {
            name: PREDICT.to_owned(),
            about: format!("{} trials", visible.count()),
            folder: None,
            curve: std::iter::once(0.0).chain(ages).map(point).collect(),
            figures: ROWS.iter().map(|row| Some(figure(row))).collect(),
            reads,
            writes,
            distance: None,
        }
    }

    /// What a run measured whose times were stretched by `scale`, beside the prediction if there is one.
    #[must_use]
    pub fn measured(
        figures: &Figures,
        (folder, scale): (&str, f64),
        prediction: Option<&Prediction>,
    ) -> Self {
        let freshness = &figures.freshness;
        let curve: Vec<AgeBin> = freshness
            .curve
            .iter()
            .map(|bin| AgeBin {
                from_ms: bin.from_ms / scale,
                until_ms: bin.until_ms / scale,
                mean_ms: bin.mean_ms / scale,
                ..*bin
            })
            .collect();
        let [reads, writes] = [Kind::Get, Kind::Put].map(|kind| latencies(figures, kind, scale));
        let figure = |row: &Row| match row.of {
            Of::FreshByReads => freshness.at_zero.share,
            Of::FreshByArrivals => freshness.arrivals.known()?.at_zero.share,
            Of::VisibleByReads(p) => visible(figures, p, scale)?.0,
            Of::VisibleByArrivals(p) => visible(figures, p, scale)?.1,
            Of::Latency(Kind::Get, p) => at(&reads, p),
            Of::Latency(Kind::Put | Kind::Delete, p) => at(&writes, p),
        };
        let thick = curve.iter().filter(|bin| !bin.fresh.is_thin());
        Self {
            name: figures.run.backend.clone(),
            about: format!("{} operations", figures.run.operations),
            folder: Some(folder.to_owned()),
            figures: ROWS.iter().map(figure).collect(),
            distance: prediction.map(|prediction| Distance {
                curve: largest(&prediction.beside(&curve, READS_A_BIN)),
                reads: error(&reads, |p| prediction.reads.quantile(p)),
                writes: error(&writes, |p| prediction.writes.quantile(p)),
            }),
            curve: thick
                .map(|bin| Point {
                    age_ms: bin.mean_ms,
                    fresh: bin.fresh.share.unwrap_or_default(),
                    low: bin.fresh.low,
                    high: bin.fresh.high,
                })
                .collect(),
            reads,
            writes,
        }
    }

    /// Whether it was predicted rather than measured.
    #[must_use]
    pub fn is_predicted(&self) -> bool {
        self.name == PREDICT
    }
}

/// The percentiles of the operations of a kind that succeeded, up to the last that is not the maximum.
fn latencies(figures: &Figures, kind: Kind, scale: f64) -> Vec<(f64, f64)> {
    let mut rows = figures.latency.iter();
    let row = rows
        .find(|row| row.kind == kind && row.outcome == Outcome::Ok && !row.percentiles.is_empty());
    let Some(row) = row else {
        return Vec::new();
    };
    let resolved = 1.0 - 1.0 / row.ms.count.max(2) as f64;
    let shares = row
        .percentiles
        .iter()
        .filter(|(share, _)| *share <= resolved);
    shares.map(|(share, ms)| (*share, ms / scale)).collect()
}

/// t-visibility by reads and by arrivals.
fn visible(figures: &Figures, p: f64, scale: f64) -> Option<(Option<f64>, Option<f64>)> {
    let mut points = figures.freshness.t_visibility.iter();
    let point = points.find(|point| (point.p - p).abs() < 1e-9)?;
    let ms = [&point.from_reads_ms, &point.from_arrivals_ms].map(|ms| Some(ms.known()? / scale));
    Some((ms[0], ms[1]))
}

/// A quantile of a measured distribution, on the straight line between the percentiles to either side.
fn at(percentiles: &[(f64, f64)], p: f64) -> Option<f64> {
    let place = percentiles.partition_point(|(share, _)| *share < p);
    let (above, ms) = percentiles.get(place)?;
    let below = place.checked_sub(1).map(|before| percentiles[before]);
    Some(match below {
        Some((below, shorter)) => shorter + (ms - shorter) * (p - below) / (above - below),
        None => *ms,
    })
}

fn largest(bins: &[Compared]) -> Option<f64> {
    bins.iter().map(Compared::distance).reduce(f64::max)
}

/// See [`Distance::reads`].
fn error(measured: &[(f64, f64)], predicted: impl Fn(f64) -> f64) -> Option<f64> {
    let shares = (1..100).map(|percent| f64::from(percent) / 100.0);
    let squares = shares.chain([0.999]).map(|p| {
        let off = at(measured, p)? - predicted(p);
        Some(off * off)
    });
    let squares: Vec<f64> = squares.collect::<Option<_>>()?;
    let span = predicted(0.999) - predicted(0.01);
    let mean = squares.iter().sum::<f64>() / squares.len() as f64;
    (span > 0.0).then(|| mean.sqrt() / span)
}

/// What a prediction is called among the sources.
pub const PREDICT: &str = "predict";
/// As many reads a bin of a compared curve has, if there are as many.
pub const READS_A_BIN: u64 = 5_000;
const CURVE_POINTS: u32 = 200;
/// Of which a predicted distribution of latencies is drawn.
const PERCENTILES: [f64; 18] = [
    0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999,
    0.9995, 0.9999,
];

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
        let run = Source::measured(&figures, ("results/q/1", 2.0), Some(&prediction));
        Overlay {
            plan: "quickstart".to_owned(),
            question: "How stale do reads get?".to_owned(),
            seed: 7,
            quorums,
            sources: vec![Source::predicted(&prediction), run],
            broken: vec![Broken {
                supposed: "nothing fails".to_owned(),
                by: "fault: n3 is <cut> off".to_owned(),
            }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    /// If this fails, a stretched run looks slower than the plan it carried out, or figures stand in others' rows.
    #[test]
    fn a_stretched_run_is_told_in_the_times_of_the_plan() {
        let figures = sample::figures();
        let overlay = made::overlay();
        let (predicted, measured) = (&overlay.sources[0], &overlay.sources[1]);
        assert!(predicted.is_predicted() && !measured.is_predicted());
        let row = |of: Of| ROWS.iter().position(|row| row.of == of).unwrap();
        assert_eq!(
            measured.figures[row(Of::FreshByReads)],
            figures.freshness.at_zero.share
        );
        let stretched = figures
            .freshness
            .t_visibility
            .iter()
            .find(|point| point.p == 0.9);
        let stretched = stretched.and_then(|point| point.from_arrivals_ms.known());
        assert_eq!(
            measured.figures[row(Of::VisibleByArrivals(0.9))],
            stretched.map(|ms| ms / 2.0)
        );
        assert_eq!(
            measured.curve[0].age_ms,
            figures.freshness.curve[0].mean_ms / 2.0
        );
        assert!(predicted.figures.iter().all(Option::is_some));
        assert!(measured.distance.is_some() && predicted.distance.is_none());
    }

    /// If this fails, N-RMSE is not the root of the mean square over the span: all of 100 quantiles are off by 2 of 100.
    #[test]
    fn an_error_of_latency_is_a_share_of_the_predicted_span() {
        let measured: Vec<_> = (0..=1000)
            .map(|share| share as f64 / 1000.0)
            .map(|p| (p, p * 100.0 + 2.0))
            .collect();
        let found = error(&measured, |p| p * 100.0).unwrap();
        assert!((found - 2.0 / 98.9).abs() < 1e-6, "{found}");
        assert_eq!(error(&measured, |_| 1.0), None);
        assert_eq!(error(&[], |p| p), None);
    }
}
