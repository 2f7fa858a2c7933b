//! How far what was measured is from what was predicted, and how far chance alone would put it.
//!
//! Two samples of one distribution differ. Of a share p among n pairs and among m trials that is, on the root of the mean
//! square, σ = √(p (1 − p) (1/n + 1/m)); of a quantile it is half of what lies between the predicted quantiles of p − σ and
//! p + σ. The noise floor is the error that comes of these alone; chance goes beyond twice the floor less often than once in
//! twenty.
//!
//! Reference: Bailis et al., Probabilistically bounded staleness for practical partial quorums, VLDB 2012, §5.2, for both
//! errors; R. Woodruff, Confidence intervals for medians and other position measures, Journal of the American Statistical
//! Association 47 (1952), for what a quantile is off by.

use super::Times;
use crate::figures::{AgeBin, Arrivals};
use crate::interval::wilson;
use crate::metric::arrivals::PARTS;
use crate::predict::{Compared, Prediction, Sorted};
use serde::{Deserialize, Serialize};

/// How far what was measured is from what was predicted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distance {
    /// The largest of P(fresh | age), in bins of at least [`READS_A_BIN`] reads, if there are as many; none without reads.
    pub curve: Option<f64>,
    /// Of t-visibility by arrivals: the root of the mean square distance of P(t* ≤ t), t being 20 predicted quantiles from
    /// P(fresh | 0) to 99.9 %; none without arrivals.
    pub visible: Option<Off>,
    /// Of read latency: the root of the mean square over the percentiles 1, 2 … 99 and 99.9, as a share of the predicted
    /// span from 1 to 99.9 % (N-RMSE); none of fewer than 1 000 reads, or where the span is 0.
    pub reads: Option<Off>,
    /// The same of write latency.
    pub writes: Option<Off>,
}

/// An error, and its noise floor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct Off {
    pub error: f64,
    pub by_chance: f64,
}

/// A predicted quantile of t*, and what was measured there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct Quantile {
    pub age_ms: f64,
    pub predicted: f64,
    pub measured: f64,
    /// The 95 % interval of what was measured.
    pub low: f64,
    pub high: f64,
}

impl Distance {
    pub(super) fn new(
        prediction: &Prediction,
        (curve, arrivals): (&[AgeBin], Option<&Arrivals>),
        quantiles: &[Quantile],
        times: &Times,
    ) -> Self {
        let bins = prediction.beside(curve, READS_A_BIN);
        Self {
            curve: bins.iter().map(Compared::distance).reduce(f64::max),
            visible: arrivals.and_then(|arrivals| {
                let noise = noise(arrivals.pairs, prediction.visible.count());
                visibility(quantiles, noise)
            }),
            reads: latency(&times.reads, &prediction.reads),
            writes: latency(&times.writes, &prediction.writes),
        }
    }
}

/// What was measured at the predicted quantiles of t*, in a run whose times were stretched by `scale`.
pub(super) fn quantiles(arrivals: &Arrivals, scale: f64, prediction: &Prediction) -> Vec<Quantile> {
    let Some(at_zero) = arrivals.at_zero.share else {
        return Vec::new();
    };
    let first = prediction.fresh_at(0.0);
    let quantile = |step: u32| {
        let way = f64::from(step) / f64::from(QUANTILES - 1);
        let p = first + (LAST - first).max(0.0) * way;
        let age_ms = prediction.visible.quantile(p);
        let measured = if age_ms > 0.0 {
            share_up_to(&arrivals.quantiles_ms, PARTS, age_ms * scale)
        } else {
            at_zero
        };
        let (low, high) = wilson(measured, arrivals.at_zero.effective);
        Quantile {
            age_ms,
            predicted: prediction.fresh_at(age_ms),
            measured,
            low,
            high,
        }
    };
    (0..QUANTILES).map(quantile).collect()
}

/// See [`Distance::visible`].
fn visibility(quantiles: &[Quantile], noise: f64) -> Option<Off> {
    let error = root_of_mean(quantiles.iter().map(|quantile| {
        let off = quantile.measured - quantile.predicted;
        off * off
    }))?;
    let shares = quantiles.iter().map(|quantile| quantile.predicted);
    let by_chance = root_of_mean(shares.map(|p| p * (1.0 - p) * noise))?;
    Some(Off { error, by_chance })
}

/// See [`Distance::reads`].
fn latency(measured: &Sorted, predicted: &Sorted) -> Option<Off> {
    let span = predicted.quantile(LAST) - predicted.quantile(0.01);
    if !measured.tells(LAST) || span <= 0.0 {
        return None;
    }
    let noise = noise(measured.count() as u64, predicted.count());
    let shares = || {
        (1..100)
            .map(|percent| f64::from(percent) / 100.0)
            .chain([LAST])
    };
    let error = root_of_mean(shares().map(|p| {
        let off = measured.quantile(p) - predicted.quantile(p);
        off * off
    }))?;
    let by_chance = root_of_mean(shares().map(|p| {
        let sigma = (p * (1.0 - p) * noise).sqrt();
        let off = (predicted.quantile(p + sigma) - predicted.quantile(p - sigma)) / 2.0;
        off * off
    }))?;
    Some(Off {
        error: error / span,
        by_chance: by_chance / span,
    })
}

/// The variance of the difference of two samples' shares, over p (1 − p).
fn noise(measured: u64, predicted: usize) -> f64 {
    1.0 / measured as f64 + 1.0 / predicted as f64
}

fn root_of_mean(squares: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = squares.fold((0_u32, 0.0), |(count, sum), square| {
        (count + 1, sum + square)
    });
    (count > 0).then(|| (sum / f64::from(count)).sqrt())
}

/// The share of what is at most this, from as many quantiles in steps of 1 / `steps` as are known.
fn share_up_to(quantiles: &[f64], steps: u32, value: f64) -> f64 {
    let place = quantiles.partition_point(|quantile| *quantile <= value);
    let Some(before) = place.checked_sub(1) else {
        return 0.0;
    };
    let below = quantiles[before];
    let way = quantiles
        .get(place)
        .map_or(0.0, |above| (value - below) / (above - below));
    (before as f64 + way) / f64::from(steps)
}

/// As many reads a bin of a compared curve has, if there are as many.
pub const READS_A_BIN: u64 = 5_000;
/// As many predicted quantiles of t* are compared, up to this.
const QUANTILES: u32 = 20;
const LAST: f64 = 0.999;

#[cfg(test)]
mod tests {
    use super::*;
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::{Rng, SeedableRng};

    fn sorted(times: impl Iterator<Item = f64>) -> Sorted {
        Sorted::new(times.map(|ms| ms as f32).collect())
    }

    /// If this fails, shares are read off quantiles in the wrong place: the quartiles are 0, 0, 2, 4 and 8.
    #[test]
    fn a_share_is_read_between_quantiles() {
        let quantiles = [0.0, 0.0, 2.0, 4.0, 8.0];
        let found = |known: &[f64], value| share_up_to(known, 4, value);
        for (value, share) in [
            (-1.0, 0.0),
            (0.0, 0.25),
            (1.0, 0.375),
            (2.0, 0.5),
            (6.0, 0.875),
            (9.0, 1.0),
        ] {
            assert_eq!(found(&quantiles, value), share, "{value}");
        }
        // The last is never: those before it stand where they stood.
        assert_eq!(
            [2.0, 9.0].map(|value| found(&quantiles[..4], value)),
            [0.5, 0.75]
        );
    }

    /// If this fails, N-RMSE is not the root of the mean square over the span: all of 100 quantiles are off by 2 of 989.
    #[test]
    fn an_error_of_latency_is_a_share_of_the_predicted_span() {
        let even = |more: f64| sorted((1..=1_000).map(move |ms| f64::from(ms) + more));
        let found = latency(&even(2.0), &even(0.0)).unwrap();
        assert!((found.error - 2.0 / 989.0).abs() < 1e-6, "{found:?}");
        let same = sorted((0..1_000).map(|_| 1.0));
        assert_eq!(latency(&same, &same), None);
        let few = sorted((1..1_000).map(f64::from));
        assert_eq!(latency(&few, &even(0.0)), None);
    }

    /// If this fails, the noise floor is not what chance makes of it: over 200 pairs of samples the mean square of the errors is
    /// that of the floor, or somewhat less where so few tell of a heavy tail, and few are beyond twice of it.
    #[test]
    fn chance_alone_is_off_by_the_noise_floor() {
        let mut chance = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut uniform = || ((chance.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        type Draw = fn(f64) -> f64;
        let laws: [(&str, f64, Draw); 3] = [
            ("even", 0.8, |u| u),
            ("exponential", 0.8, |u| -u.ln()),
            ("heavy", 0.65, |u| u.powf(-1.0 / 1.51)),
        ];
        for (law, least, draw) in laws {
            let mut sample = |count: usize| {
                let drawn: Vec<_> = (0..count).map(|_| draw(uniform())).collect();
                sorted(drawn.into_iter())
            };
            let (mut squares, mut floors, mut beyond) = (0.0, 0.0, 0);
            for _ in 0..200 {
                let off = latency(&sample(5_000), &sample(20_000)).unwrap();
                squares += off.error * off.error;
                floors += off.by_chance * off.by_chance;
                beyond += u32::from(off.error > 2.0 * off.by_chance);
            }
            let ratio = (squares / floors).sqrt();
            assert!((least..1.25).contains(&ratio), "{law}: {ratio}");
            assert!(
                beyond <= 16,
                "{law}: {beyond} of 200 are beyond twice the floor"
            );
        }
    }
}
