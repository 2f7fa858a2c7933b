//! What was predicted for a plan beside what back-ends measured of it: the same figures from each source.

use crate::figures::{AgeBin, Figures};
use crate::hlog::{self, HlogError};
use crate::predict::{Compared, Prediction, Quorums};
use crate::spread::MS;
use crate::sweep::Parity;
use serde::Serialize;
use tidemark_proto::event::Kind;

/// One plan from several sources.
#[derive(Clone, Debug, PartialEq, Serialize)]
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

/// A plan that varies something: each of its cells from several sources.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Family {
    /// The plan's name.
    pub plan: String,
    /// What it asks.
    pub question: String,
    /// The seed, or the first of several.
    pub seed: u64,
    /// What each cell is called, and what the sources say of it with this seed.
    pub cells: Vec<(String, Overlay)>,
    /// Whether two back-ends come to the same over several seeds; none if that was not asked for.
    pub parity: Option<Parity>,
}

/// A cell as one back-end measured it, beside what was predicted; times in milliseconds. See [`Distance`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct FamilyRow {
    pub cell: String,
    pub source: String,
    pub pairs: u64,
    pub fresh_at_0_predicted: Option<f64>,
    pub fresh_at_0: Option<f64>,
    pub visible_p999_ms_predicted: Option<f64>,
    pub visible_p999_ms: Option<f64>,
    pub visible_error: Option<f64>,
    pub by_chance: Option<f64>,
    pub read_error: Option<f64>,
    pub write_error: Option<f64>,
}

/// What one source says. Times are milliseconds of the plan: those of a run whose times were stretched are shortened again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Source {
    /// `predict`, or the back-end's name.
    pub name: String,
    /// What it rests on.
    pub about: String,
    /// The folder of its run; none of a prediction.
    pub folder: Option<String>,
    /// Writes of which it is known when the read after them would have met them.
    pub pairs: u64,
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct Point {
    pub age_ms: f64,
    pub fresh: f64,
    pub low: f64,
    pub high: f64,
}

/// How far what was measured is from what was predicted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Distance {
    /// The largest of P(fresh | age), in bins of at least [`READS_A_BIN`] reads, if there are as many; none without reads.
    pub curve: Option<f64>,
    /// Of t-visibility by arrivals: the root of the mean square distance of P(t* ≤ t), t being 20 predicted quantiles from
    /// P(fresh | 0) to 99.9 %; none without arrivals.
    pub visible: Option<f64>,
    /// What that would be if nothing but chance told the two apart.
    pub by_chance: Option<f64>,
    /// Of read latency: the root of the mean square over the percentiles 1, 2 … 99 and 99.9, as a share of the predicted
    /// span from 1 to 99.9 %; none without reads, or where the span is 0. Measured latencies have three digits: where the
    /// span is a hundredth of them, that alone is several per cent.
    pub reads: Option<f64>,
    /// The same of write latency.
    pub writes: Option<f64>,
}

/// Something that the model supposes, and what in the plan is not so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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

impl Family {
    /// A row for each cell and back-end.
    #[must_use]
    pub fn rows(&self) -> Vec<FamilyRow> {
        let rows = self.cells.iter().flat_map(|(cell, overlay)| {
            let predicted = overlay.sources.iter().find(|source| source.is_predicted());
            let measured = overlay
                .sources
                .iter()
                .filter(|source| !source.is_predicted());
            measured.map(move |source| {
                let of = |source: &Source, of: Of| {
                    let place = ROWS.iter().position(|row| row.of == of)?;
                    source.figures[place]
                };
                let [zero, last] = [Of::FreshByArrivals, Of::VisibleByArrivals(LAST)];
                FamilyRow {
                    cell: cell.clone(),
                    source: source.name.clone(),
                    pairs: source.pairs,
                    fresh_at_0_predicted: predicted.and_then(|source| of(source, zero)),
                    fresh_at_0: of(source, zero),
                    visible_p999_ms_predicted: predicted.and_then(|source| of(source, last)),
                    visible_p999_ms: of(source, last),
                    visible_error: source.distance.and_then(|distance| distance.visible),
                    by_chance: source.distance.and_then(|distance| distance.by_chance),
                    read_error: source.distance.and_then(|distance| distance.reads),
                    write_error: source.distance.and_then(|distance| distance.writes),
                }
            })
        });
        rows.collect()
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
            pairs: visible.count() as u64,
            curve: std::iter::once(0.0).chain(ages).map(point).collect(),
            figures: ROWS.iter().map(|row| Some(figure(row))).collect(),
            reads,
            writes,
            distance: None,
        }
    }

    /// What a run measured whose times were stretched by `scale`, beside the prediction if there is one. Latencies are
    /// those of the run's log of histograms.
    ///
    /// # Errors
    /// The log is none.
    pub fn measured(
        (figures, hlog): (&Figures, &str),
        (folder, scale): (&str, f64),
        prediction: Option<&Prediction>,
    ) -> Result<Self, HlogError> {
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
        let histograms = hlog::read(hlog)?;
        let latency = |name: &str, p: f64| {
            let histogram = histograms.get(name)?;
            let is_told = p <= 1.0 - 1.0 / histogram.len() as f64;
            // A histogram knows three digits: what it tells is the middle of what it may have been.
            let value = || histogram.median_equivalent(histogram.value_at_quantile(p));
            is_told.then(|| value() as f64 / MS / scale)
        };
        let (reads, writes) = (
            |p| latency("latency_get_ok", p),
            |p| latency("latency_put_ok", p),
        );
        let told = |quantile: &dyn Fn(f64) -> Option<f64>| {
            let points = PERCENTILES.iter().map(|p| Some((*p, quantile(*p)?)));
            points.map_while(|point| point).collect()
        };
        let figure = |row: &Row| match row.of {
            Of::FreshByReads => freshness.at_zero.share,
            Of::FreshByArrivals => freshness.arrivals.known()?.at_zero.share,
            Of::VisibleByReads(p) => visible_ms(figures, p, scale)?.0,
            Of::VisibleByArrivals(p) => visible_ms(figures, p, scale)?.1,
            Of::Latency(Kind::Get, p) => reads(p),
            Of::Latency(Kind::Put | Kind::Delete, p) => writes(p),
        };
        let found = prediction.and_then(|prediction| visibility(figures, scale, prediction));
        let (visible, by_chance) = found.unzip();
        let thick = curve.iter().filter(|bin| !bin.fresh.is_thin());
        Ok(Self {
            name: figures.run.backend.clone(),
            about: format!("{} operations", figures.run.operations),
            folder: Some(folder.to_owned()),
            pairs: freshness
                .arrivals
                .known()
                .map_or(0, |arrivals| arrivals.pairs),
            figures: ROWS.iter().map(figure).collect(),
            distance: prediction.map(|prediction| Distance {
                curve: largest(&prediction.beside(&curve, READS_A_BIN)),
                visible,
                by_chance,
                reads: error(reads, |p| prediction.reads.quantile(p)),
                writes: error(writes, |p| prediction.writes.quantile(p)),
            }),
            curve: thick
                .map(|bin| Point {
                    age_ms: bin.mean_ms,
                    fresh: bin.fresh.share.unwrap_or_default(),
                    low: bin.fresh.low,
                    high: bin.fresh.high,
                })
                .collect(),
            reads: told(&reads),
            writes: told(&writes),
        })
    }

    /// Whether it was predicted rather than measured.
    #[must_use]
    pub fn is_predicted(&self) -> bool {
        self.name == PREDICT
    }
}

/// t-visibility by reads and by arrivals.
fn visible_ms(figures: &Figures, p: f64, scale: f64) -> Option<(Option<f64>, Option<f64>)> {
    let mut points = figures.freshness.t_visibility.iter();
    let point = points.find(|point| (point.p - p).abs() < 1e-9)?;
    let ms = [&point.from_reads_ms, &point.from_arrivals_ms].map(|ms| Some(ms.known()? / scale));
    Some((ms[0], ms[1]))
}

/// See [`Distance::visible`] and [`Distance::by_chance`].
fn visibility(figures: &Figures, scale: f64, prediction: &Prediction) -> Option<(f64, f64)> {
    let arrivals = figures.freshness.arrivals.known()?;
    let at_zero = arrivals.at_zero.share?;
    let first = prediction.fresh_at(0.0);
    let pairs = 1.0 / arrivals.pairs as f64 + 1.0 / prediction.visible.count() as f64;
    let (mut squares, mut variances) = (0.0, 0.0);
    for step in 0..QUANTILES {
        let way = f64::from(step) / f64::from(QUANTILES - 1);
        let age_ms = prediction
            .visible
            .quantile(first + (LAST - first).max(0.0) * way);
        let predicted = prediction.fresh_at(age_ms);
        let measured = if age_ms > 0.0 {
            share_up_to(&arrivals.quantiles_ms, age_ms * scale)
        } else {
            at_zero
        };
        squares += (measured - predicted) * (measured - predicted);
        variances += predicted * (1.0 - predicted) * pairs;
    }
    let root = |sum: f64| (sum / f64::from(QUANTILES)).sqrt();
    Some((root(squares), root(variances)))
}

/// The share of what is at most this, from quantiles in equal steps.
fn share_up_to(quantiles: &[f64], value: f64) -> f64 {
    let place = quantiles.partition_point(|quantile| *quantile <= value);
    let steps = (quantiles.len().max(2) - 1) as f64;
    match (
        place.checked_sub(1).map(|below| quantiles[below]),
        quantiles.get(place),
    ) {
        (Some(below), Some(above)) => {
            (place as f64 - 1.0 + (value - below) / (above - below)) / steps
        }
        (None, _) => 0.0,
        (_, None) => 1.0,
    }
}

fn largest(bins: &[Compared]) -> Option<f64> {
    bins.iter().map(Compared::distance).reduce(f64::max)
}

/// See [`Distance::reads`].
fn error(measured: impl Fn(f64) -> Option<f64>, predicted: impl Fn(f64) -> f64) -> Option<f64> {
    let shares = (1..100).map(|percent| f64::from(percent) / 100.0);
    let squares = shares.chain([0.999]).map(|p| {
        let off = measured(p)? - predicted(p);
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
/// As many predicted quantiles of t* are compared, up to this.
const QUANTILES: u32 = 20;
const LAST: f64 = 0.999;
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
    use crate::spread::Distribution;
    use std::time::Duration;

    /// A prediction, and the sample run beside it, as if its times had been stretched by 2.
    pub(crate) fn overlay() -> Overlay {
        let quorums = Quorums { n: 3, r: 1, w: 1 };
        let legs = exponential(10.0, 1.0).unwrap();
        let prediction = predict(&Model::new(legs), quorums, 10_000, 1);
        let figures = sample::figures();
        let second = Duration::from_secs(1);
        let mut times = Distribution::default();
        (1..=20_000).for_each(|step| times.add(step * 1_000));
        let named =
            ["latency_get_ok", "latency_put_ok"].map(|name| (name.to_owned(), times.clone()));
        let log = hlog::write(second, second, &named);
        let run = Source::measured((&figures, &log), ("results/q/1", 2.0), Some(&prediction));
        Overlay {
            plan: "quickstart".to_owned(),
            question: "How stale do reads get?".to_owned(),
            seed: 7,
            quorums: Some(quorums),
            sources: vec![Source::predicted(&prediction), run.unwrap()],
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
        // Of latencies from 1 µs to 20 ms, evenly, half of the median of 10 ms.
        let median = measured.figures[row(Of::Latency(Kind::Get, 0.5))].unwrap();
        assert!((median - 5.0).abs() < 0.01, "{median}");
        assert!(predicted.figures.iter().all(Option::is_some));
        assert!(measured.distance.is_some() && predicted.distance.is_none());
    }

    /// If this fails, shares are read off quantiles in the wrong place: the quartiles are 0, 0, 2, 4 and 8.
    #[test]
    fn a_share_is_read_between_quantiles() {
        let quantiles = [0.0, 0.0, 2.0, 4.0, 8.0];
        let found = [-1.0, 0.0, 1.0, 2.0, 6.0, 9.0].map(|value| share_up_to(&quantiles, value));
        assert_eq!(found, [0.0, 0.25, 0.375, 0.5, 0.875, 1.0]);
    }

    /// If this fails, N-RMSE is not the root of the mean square over the span: all of 100 quantiles are off by 2 of 100.
    #[test]
    fn an_error_of_latency_is_a_share_of_the_predicted_span() {
        let found = error(|p| Some(p * 100.0 + 2.0), |p| p * 100.0).unwrap();
        assert!((found - 2.0 / 98.9).abs() < 1e-6, "{found}");
        assert_eq!(error(|_| Some(1.0), |_| 1.0), None);
        assert_eq!(error(|p| (p < 0.9).then_some(p), |p| p), None);
    }
}
