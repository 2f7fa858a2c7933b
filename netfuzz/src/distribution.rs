//! Distributions of delays, as plans write them: constant, uniform, exponential, Pareto and mixtures of these.
//!
//! Reference: L. Devroye, "Non-Uniform Random Variate Generation", 1986, §II.2 (inversion). Logarithms and powers are
//! `libm`'s, whose last bits are the same everywhere.

use crate::draw::Draw;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use tidemark_proto::registry::OptionError;
use tidemark_proto::span::Span;

/// How long something takes: a [`Law`] whose parameters make sense.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Law", into = "Law")]
#[schemars(description = "How long something takes, by chance.")]
pub struct Distribution(Law);

/// A distribution as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Law {
    /// Always the same.
    Constant(Span),
    /// Evenly between two bounds.
    Uniform {
        /// The least.
        from: Span,
        /// The greatest; not below `from`.
        to: Span,
    },
    /// Memoryless, with this mean.
    Exponential(Span),
    /// With a tail that falls like a power.
    Pareto {
        /// The least; above zero.
        scale: Span,
        /// The tail's exponent α, above 0: at 1 and below there is no mean, at 2 and below no variance.
        shape: f64,
    },
    /// One of several, by chance.
    Mixture(Vec<Part>),
}

/// One of the distributions of a mixture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// How often it is the one, 0 to 1; all weights of a mixture sum to 1.
    pub weight: f64,
    /// The distribution, written beside the weight.
    #[serde(flatten)]
    pub distribution: Distribution,
}

impl Distribution {
    /// Draws one value: one draw, and for each mixture one more.
    #[must_use]
    pub fn sample(&self, draw: &mut Draw) -> Duration {
        match &self.0 {
            Law::Constant(value) => value.0,
            Law::Uniform { from, to } => {
                duration(to.as_f64() - (to.as_f64() - from.as_f64()) * draw.unit())
            }
            Law::Exponential(mean) => duration(-mean.as_f64() * libm::log(draw.unit())),
            Law::Pareto { scale, shape } => {
                duration(scale.as_f64() * libm::pow(draw.unit(), -1.0 / shape))
            }
            Law::Mixture(parts) => {
                let mut left = draw.unit();
                let chosen = parts.iter().find(|part| {
                    left -= part.weight;
                    left <= 0.0
                });
                chosen
                    .or(parts.last())
                    .map_or(Duration::ZERO, |part| part.distribution.sample(draw))
            }
        }
    }

    /// The probability that a value is at most `time`.
    #[must_use]
    pub fn cdf(&self, time: Duration) -> f64 {
        let x = Span(time).as_f64();
        match &self.0 {
            Law::Constant(value) => f64::from(u8::from(time >= value.0)),
            Law::Uniform { from, to } if from == to => f64::from(u8::from(time >= from.0)),
            Law::Uniform { from, to } => {
                ((x - from.as_f64()) / (to.as_f64() - from.as_f64())).clamp(0.0, 1.0)
            }
            Law::Exponential(mean) if mean.0.is_zero() => 1.0,
            Law::Exponential(mean) => -libm::expm1(-x / mean.as_f64()),
            Law::Pareto { scale, .. } if time <= scale.0 => 0.0,
            Law::Pareto { scale, shape } => 1.0 - libm::pow(scale.as_f64() / x, *shape),
            Law::Mixture(parts) => parts
                .iter()
                .map(|part| part.weight * part.distribution.cdf(time))
                .sum(),
        }
    }

    /// The least time, to the nanosecond, that a share of at least `p` of all values does not exceed.
    #[must_use]
    pub fn quantile(&self, p: f64) -> Duration {
        let (mut below, mut enough) = (0, u64::MAX);
        while below < enough {
            let middle = below + (enough - below) / 2;
            if self.cdf(Duration::from_nanos(middle)) >= p {
                enough = middle;
            } else {
                below = middle + 1;
            }
        }
        Duration::from_nanos(enough)
    }

    /// The mean; none if it is infinite.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        let mean = match &self.0 {
            Law::Constant(value) | Law::Exponential(value) => value.as_f64(),
            Law::Uniform { from, to } => (from.as_f64() + to.as_f64()) / 2.0,
            Law::Pareto { shape, .. } if *shape <= 1.0 => return None,
            Law::Pareto { scale, shape } => scale.as_f64() * shape / (shape - 1.0),
            Law::Mixture(parts) => parts.iter().try_fold(0.0, |sum, part| {
                let mean = Span(part.distribution.mean()?);
                Some(sum + part.weight * mean.as_f64())
            })?,
        };
        Some(duration(mean))
    }

    /// The same distribution with every value `factor` times as long.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        Self(match &self.0 {
            Law::Constant(value) => Law::Constant(value.scaled(factor)),
            Law::Uniform { from, to } => Law::Uniform {
                from: from.scaled(factor),
                to: to.scaled(factor),
            },
            Law::Exponential(mean) => Law::Exponential(mean.scaled(factor)),
            Law::Pareto { scale, shape } => Law::Pareto {
                scale: scale.scaled(factor),
                shape: *shape,
            },
            Law::Mixture(parts) => {
                let scale = |part: &Part| Part {
                    weight: part.weight,
                    distribution: part.distribution.scaled(factor),
                };
                Law::Mixture(parts.iter().map(scale).collect())
            }
        })
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Law::Constant(value) => value.fmt(f),
            Law::Uniform { from, to } => write!(f, "uniform({from}, {to})"),
            Law::Exponential(mean) => write!(f, "exponential({mean})"),
            Law::Pareto { scale, shape } => write!(f, "pareto({scale}, {shape})"),
            Law::Mixture(parts) => parts.iter().enumerate().try_for_each(|(i, part)| {
                let plus = if i == 0 { "" } else { " + " };
                write!(f, "{plus}{} {}", part.weight, part.distribution)
            }),
        }
    }
}

impl TryFrom<Law> for Distribution {
    type Error = OptionError;

    fn try_from(law: Law) -> Result<Self, OptionError> {
        // Serde passes on nothing but the text, so it begins with the option that is wrong.
        let refuse = |reason| Err(OptionError::new(reason));
        match &law {
            Law::Uniform { from, to } if from > to => {
                refuse(format!("uniform.from is {from}, but uniform.to is {to}"))
            }
            Law::Pareto { scale, .. } if scale.0.is_zero() => {
                refuse("pareto.scale is 0s, but must be above 0".to_owned())
            }
            Law::Pareto { shape, .. } if !(*shape > 0.0 && shape.is_finite()) => {
                refuse(format!("pareto.shape is {shape}, but must be above 0"))
            }
            Law::Mixture(parts) => {
                let mut weights = parts.iter().map(|part| part.weight).enumerate();
                if let Some((i, weight)) = weights.find(|(_, one)| !(0.0..=1.0).contains(one)) {
                    return refuse(format!(
                        "mixture[{i}].weight is {weight}, but must be from 0 to 1"
                    ));
                }
                let sum: f64 = parts.iter().map(|part| part.weight).sum();
                if (sum - 1.0).abs() > 1e-6 {
                    return refuse(format!(
                        "mixture has weights that sum to {}, but must sum to 1",
                        (sum * 1e9).round() / 1e9
                    ));
                }
                Ok(Self(law))
            }
            Law::Constant(_) | Law::Uniform { .. } | Law::Exponential(_) | Law::Pareto { .. } => {
                Ok(Self(law))
            }
        }
    }
}

impl From<Distribution> for Law {
    fn from(distribution: Distribution) -> Self {
        distribution.0
    }
}

fn duration(ns: f64) -> Duration {
    Duration::from_nanos(ns as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::LaneSeed;
    use serde_json::{Value, json};
    use tidemark_proto::event::Direction;
    use tidemark_proto::id::NodeId;

    fn samples(distribution: &Distribution, count: u64) -> Vec<Duration> {
        let (from, to) = (NodeId::node(1), NodeId::node(2));
        let lane = LaneSeed::new(1, "ks", from, to, "Store", Direction::Request);
        let mut samples: Vec<_> = (0..count)
            .map(|k| distribution.sample(&mut Draw::new(lane, k)))
            .collect();
        samples.sort_unstable();
        samples
    }

    fn kolmogorov_smirnov(distribution: &Distribution, sorted: &[Duration]) -> f64 {
        let n = sorted.len() as f64;
        let distance = |(i, x): (usize, &Duration)| {
            let theory = distribution.cdf(*x);
            (theory - i as f64 / n)
                .abs()
                .max(((i + 1) as f64 / n - theory).abs())
        };
        sorted.iter().enumerate().map(distance).fold(0.0, f64::max)
    }

    fn read(value: &Value) -> Distribution {
        serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
    }

    fn linkedin_ssd() -> Value {
        json!({ "mixture": [
            { "weight": 0.9122, "pareto": { "scale": "235us", "shape": 10.0 } },
            { "weight": 0.0878, "exponential": "602.41us" },
        ] })
    }

    fn forms() -> [Value; 5] {
        [
            json!({ "uniform": { "from": "1ms", "to": "3ms" } }),
            json!({ "exponential": "5ms" }),
            json!({ "pareto": { "scale": "1.05ms", "shape": 1.51 } }),
            linkedin_ssd(),
            json!({ "mixture": [
                { "weight": 0.38, "pareto": { "scale": "1.05ms", "shape": 1.51 } },
                { "weight": 0.62, "exponential": "5.46ms" },
            ] }),
        ]
    }

    #[test]
    fn samples_follow_their_law() {
        for form in forms() {
            let distribution = read(&form);
            let distance = kolmogorov_smirnov(&distribution, &samples(&distribution, 100_000));
            assert!(
                distance < 0.006,
                "{form}: Kolmogorov-Smirnov distance {distance}"
            );
        }
    }

    #[test]
    fn quantiles_and_means_agree_with_samples() {
        for form in forms() {
            let distribution = read(&form);
            let sorted = samples(&distribution, 100_000);
            for p in [0.1, 0.5, 0.9] {
                let (theory, seen) = (distribution.quantile(p), sorted[(p * 1e5) as usize]);
                let ratio = seen.as_secs_f64() / theory.as_secs_f64();
                assert!(
                    (ratio - 1.0).abs() < 0.05,
                    "{form}: {p}-quantile {seen:?}, not {theory:?}"
                );
            }
        }
        let mean = read(&linkedin_ssd()).mean().unwrap();
        assert_eq!(
            mean.as_micros(),
            291,
            "0.9122 · 235 · 10/9 + 0.0878 · 602.41"
        );
        assert_eq!(
            read(&json!({ "pareto": { "scale": "1ms", "shape": 1.0 } })).mean(),
            None
        );
    }

    #[test]
    fn a_scaled_distribution_is_the_same_draw_made_longer() {
        for form in forms() {
            let distribution = read(&form);
            let (short, long) = (
                samples(&distribution, 1000),
                samples(&distribution.scaled(10.0), 1000),
            );
            for (short, long) in short.into_iter().zip(long) {
                let off = long.as_nanos().abs_diff(short.as_nanos() * 10);
                assert!(off <= 20, "{form}: {short:?} became {long:?}");
            }
        }
    }

    #[test]
    fn every_form_is_read_as_it_is_written() {
        for form in forms().into_iter().chain([json!({ "constant": "2ms" })]) {
            let distribution = read(&form);
            assert_eq!(serde_json::to_value(&distribution).unwrap(), form);
        }
        assert_eq!(
            samples(&read(&json!({ "constant": "2ms" })), 2),
            [Duration::from_millis(2); 2]
        );
    }

    #[test]
    fn what_is_no_distribution_is_refused_by_name() {
        for (form, part) in [
            (
                json!({ "normal": "5ms" }),
                "expected one of `constant`, `uniform`",
            ),
            (
                json!({ "uniform": { "from": "3ms", "to": "1ms" } }),
                "uniform.from is 3ms",
            ),
            (
                json!({ "uniform": { "from": "3ms", "to": "4ms", "by": 1 } }),
                "by",
            ),
            (
                json!({ "pareto": { "scale": "0s", "shape": 1.0 } }),
                "pareto.scale",
            ),
            (
                json!({ "pareto": { "scale": "1s", "shape": 0.0 } }),
                "pareto.shape is 0",
            ),
            (json!({ "mixture": [] }), "sum to"),
            (
                json!({ "mixture": [{ "weight": 0.5, "constant": "1ms" }] }),
                "sum to 0.5",
            ),
            (
                json!({ "mixture": [{ "weight": 2.0, "constant": "1ms" }] }),
                "mixture[0].weight is 2",
            ),
            (
                json!({ "mixture": [{ "weight": 1.0, "constant": "1ms", "exponential": "1ms" }] }),
                "exponential",
            ),
        ] {
            let error = serde_json::from_value::<Distribution>(form.clone())
                .expect_err("refused")
                .to_string();
            assert!(error.contains(part), "{form}: {error}");
        }
    }
}
