//! Ticks at round numbers, on linear and on logarithmic axes.

use super::sheet::Axis;
use crate::report::words::number;

/// A linear axis over `from..=until` with about `count` ticks at round numbers.
#[must_use]
pub(super) fn linear(from: f64, until: f64, count: f64, label: &'static str) -> Axis {
    let until = if until > from { until } else { from + 1.0 };
    let rough = (until - from) / count;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(rough);
    let first = (from / step - 1e-9).ceil() as i64;
    let last = (until / step + 1e-9).floor() as i64;
    let ticks = (first..=last)
        .map(|tick| tick as f64 * step)
        .map(|value| (value, rounded(value, step)));
    Axis {
        from,
        until,
        ticks: ticks.collect(),
        label,
    }
}

/// An axis over the decimal logarithms of `from..=until`, with a tick at every power of ten; if there are but one or two, at twice
/// and five times that as well.
#[must_use]
pub(super) fn logarithmic(from: f64, until: f64, label: &'static str) -> Axis {
    let (from, until) = (from.log10(), until.log10());
    let powers = (from - 1e-9).ceil() as i32..=(until + 1e-9).floor() as i32;
    let factors: &[f64] = if powers.clone().count() > 2 {
        &[1.0]
    } else {
        &[1.0, 2.0, 5.0]
    };
    let (first, last) = (powers.start() - 1, *powers.end());
    let ticks = (first..=last).flat_map(|power| {
        let values = factors
            .iter()
            .map(move |factor| factor * 10_f64.powi(power));
        values.map(|value| (value.log10(), number(value)))
    });
    let is_within = |(at, _): &(f64, String)| *at >= from - 1e-9 && *at <= until + 1e-9;
    Axis {
        from,
        until,
        ticks: ticks.filter(is_within).collect(),
        label,
    }
}

fn rounded(value: f64, step: f64) -> String {
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn ticks_stand_at_round_numbers_within_the_range() {
        assert_eq!(
            names(&linear(0.0, 20.0, 5.0, "")),
            ["0", "5", "10", "15", "20"]
        );
        assert_eq!(names(&linear(0.0, 0.13, 5.0, "")), ["0.00", "0.05", "0.10"]);
        assert_eq!(names(&linear(91.8, 100.0, 4.0, "")), ["95", "100"]);
        assert_eq!(
            names(&logarithmic(0.1, 2_000.0, "")),
            ["0.1", "1", "10", "100", "1\u{a0}000"]
        );
        assert_eq!(
            names(&logarithmic(0.3, 12.0, "")),
            ["0.5", "1", "2", "5", "10"]
        );
        assert_eq!(names(&logarithmic(0.3, 0.9, "")), ["0.5"]);
    }

    #[test]
    fn an_empty_range_still_has_an_axis() {
        assert_eq!(names(&linear(0.0, 0.0, 2.0, "")), ["0.0", "0.5", "1.0"]);
    }
}
