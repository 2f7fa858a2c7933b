//! What one source says of a plan: a prediction, or a back-end that carried it out.

use super::distance::{Distance, Quantile, quantiles};
use super::row::{Figure, Of, ROWS, Row};
use super::times::Times;
use crate::figures::{AgeBin, Figures, Rate, TVisibility};
use crate::predict::{Prediction, Sorted};
use serde::{Deserialize, Serialize};
use tidemark_proto::event::Kind;

/// What one source says. Times are milliseconds of the plan: those of a run whose times were stretched are shortened again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    pub figures: Vec<Option<Figure>>,
    /// Latencies of reads.
    pub reads: Latencies,
    /// Latencies of writes.
    pub writes: Latencies,
    /// What was measured at the predicted quantiles of t*; nothing of a prediction, or if there is none.
    pub quantiles: Vec<Quantile>,
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

/// Latencies of operations that succeeded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latencies {
    /// Of how many operations.
    pub count: u64,
    /// As (share of operations, ms), as far as there are enough of them to tell.
    pub points: Vec<(f64, f64)>,
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
            Of::FreshByReads | Of::FreshByArrivals => share(&visible.rate_up_to(0.0)),
            Of::VisibleByReads(p) | Of::VisibleByArrivals(p) => quantile(visible, p),
            Of::Latency(Kind::Get, p) => quantile(&prediction.reads, p),
            Of::Latency(Kind::Put | Kind::Delete, p) => quantile(&prediction.writes, p),
        };
        Self {
            name: PREDICT.to_owned(),
            about: format!("{} trials", visible.count()),
            folder: None,
            pairs: visible.count() as u64,
            curve: std::iter::once(0.0).chain(ages).map(point).collect(),
            figures: ROWS.iter().map(figure).collect(),
            reads: Latencies::of(&prediction.reads),
            writes: Latencies::of(&prediction.writes),
            quantiles: Vec::new(),
            distance: None,
        }
    }

    /// What a run measured whose times were stretched by `scale`, beside the prediction if there is one.
    #[must_use]
    pub fn measured(
        (figures, times): (&Figures, &Times),
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
        let arrivals = freshness.arrivals.known();
        let figure = |row: &Row| match row.of {
            Of::FreshByReads => share(&freshness.at_zero),
            Of::FreshByArrivals => share(&arrivals?.at_zero),
            Of::VisibleByReads(p) => Some(Figure {
                value: visible(figures, p)?.from_reads_ms.known()? / scale,
                interval: None,
            }),
            Of::VisibleByArrivals(p) => {
                let visible = visible(figures, p)?;
                let interval = visible.from_arrivals_interval_ms;
                Some(Figure {
                    value: visible.from_arrivals_ms.known()? / scale,
                    interval: interval.map(|(low, high)| (low / scale, high / scale)),
                })
            }
            Of::Latency(Kind::Get, p) => quantile(&times.reads, p),
            Of::Latency(Kind::Put | Kind::Delete, p) => quantile(&times.writes, p),
        };
        let quantiles = arrivals
            .zip(prediction)
            .map(|(arrivals, prediction)| quantiles(arrivals, scale, prediction));
        let quantiles = quantiles.unwrap_or_default();
        let thick = curve.iter().filter(|bin| !bin.fresh.is_thin());
        Self {
            name: figures.run.backend.clone(),
            about: format!("{} operations", figures.run.operations),
            folder: Some(folder.to_owned()),
            pairs: arrivals.map_or(0, |arrivals| arrivals.pairs),
            figures: ROWS.iter().map(figure).collect(),
            distance: prediction
                .map(|prediction| Distance::new(prediction, (&curve, arrivals), &quantiles, times)),
            curve: thick
                .map(|bin| Point {
                    age_ms: bin.mean_ms,
                    fresh: bin.fresh.share.unwrap_or_default(),
                    low: bin.fresh.low,
                    high: bin.fresh.high,
                })
                .collect(),
            reads: Latencies::of(&times.reads),
            writes: Latencies::of(&times.writes),
            quantiles,
        }
    }

    /// Whether it was predicted rather than measured.
    #[must_use]
    pub fn is_predicted(&self) -> bool {
        self.name == PREDICT
    }

    /// One of its figures.
    #[must_use]
    pub fn figure(&self, of: Of) -> Option<Figure> {
        let place = ROWS.iter().position(|row| row.of == of)?;
        self.figures[place]
    }
}

impl Latencies {
    fn of(times: &Sorted) -> Self {
        let told = PERCENTILES.into_iter().filter(|p| times.tells(*p));
        Self {
            count: times.count() as u64,
            points: told.map(|p| (p, times.quantile(p))).collect(),
        }
    }
}

fn share(rate: &Rate) -> Option<Figure> {
    Some(Figure {
        value: rate.share?,
        interval: Some((rate.low, rate.high)),
    })
}

fn quantile(times: &Sorted, p: f64) -> Option<Figure> {
    times.tells(p).then(|| Figure {
        value: times.quantile(p),
        interval: Some(times.interval(p)),
    })
}

fn visible(figures: &Figures, p: f64) -> Option<&TVisibility> {
    let mut points = figures.freshness.t_visibility.iter();
    points.find(|point| (point.p - p).abs() < 1e-9)
}

/// What a prediction is called among the sources.
pub const PREDICT: &str = "predict";
const CURVE_POINTS: u32 = 200;
/// Of which a distribution of latencies is drawn.
const PERCENTILES: [f64; 18] = [
    0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999,
    0.9995, 0.9999,
];
