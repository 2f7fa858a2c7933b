//! Laws of latencies: exponential, Pareto, and mixtures of these, as the fits are written.

/// How latencies are spread.
#[derive(Clone, Debug, PartialEq)]
pub enum Law {
    /// Memoryless.
    Exponential {
        /// The mean, in milliseconds; not below 0.
        mean_ms: f64,
    },
    /// With a tail that falls like a power.
    Pareto {
        /// The least latency, in milliseconds; above 0.
        scale_ms: f64,
        /// The exponent α; above 0.
        shape: f64,
    },
    /// One of several, by chance: the weights sum to 1.
    Mixture(Vec<(f64, Law)>),
}

impl Law {
    /// The latency that a share `survival`, above 0 and at most 1, of all latencies exceeds.
    #[must_use]
    pub fn exceeded_by(&self, survival: f64) -> f64 {
        match self {
            Self::Exponential { mean_ms } => mean_ms * -libm::log(survival),
            Self::Pareto { scale_ms, shape } => scale_ms * libm::pow(survival, -1.0 / shape),
            Self::Mixture(parts) => {
                let ends = parts.iter().map(|(_, law)| law.exceeded_by(survival));
                let bracket = ends.fold((f64::INFINITY, 0.0_f64), |(low, high), end| {
                    (low.min(end), high.max(end))
                });
                self.solve(survival, bracket)
            }
        }
    }

    /// Newton's method between two latencies, the survival of the first being at least, that of the second at most what
    /// is looked for; by halves where Newton would leave them.
    fn solve(&self, survival: f64, (mut low, mut high): (f64, f64)) -> f64 {
        let mut ms = low;
        for _ in 0..MOST_STEPS {
            let (above, density) = self.survival_and_density(ms);
            if above >= survival {
                low = ms;
            } else {
                high = ms;
            }
            let next = ms + (above - survival) / density;
            let next = if (low..=high).contains(&next) {
                next
            } else {
                f64::midpoint(low, high)
            };
            if (next - ms).abs() <= ms * CLOSE {
                return next;
            }
            ms = next;
        }
        ms
    }

    fn survival_and_density(&self, ms: f64) -> (f64, f64) {
        match self {
            Self::Exponential { mean_ms } => {
                let survival = libm::exp(-ms / mean_ms);
                (survival, survival / mean_ms)
            }
            Self::Pareto { scale_ms, .. } if ms < *scale_ms => (1.0, 0.0),
            Self::Pareto { scale_ms, shape } => {
                let survival = libm::pow(scale_ms / ms, *shape);
                (survival, survival * shape / ms)
            }
            Self::Mixture(parts) => parts.iter().fold((0.0, 0.0), |sum, (weight, law)| {
                let (survival, density) = law.survival_and_density(ms);
                (sum.0 + weight * survival, sum.1 + weight * density)
            }),
        }
    }
}

/// Relative to the latency.
const CLOSE: f64 = 1e-12;
const MOST_STEPS: u32 = 200;

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, latencies are drawn from another law than is written.
    #[test]
    fn what_is_exceeded_by_a_share_is_exceeded_by_that_share() {
        let exponential = Law::Exponential { mean_ms: 5.0 };
        let pareto = Law::Pareto {
            scale_ms: 1.05,
            shape: 1.51,
        };
        let mixture = Law::Mixture(vec![(0.62, exponential.clone()), (0.38, pareto.clone())]);
        for law in [exponential, pareto, mixture] {
            for survival in [1.0, 0.9, 0.5, 0.1, 1e-3, 1e-6, 1e-9] {
                let ms = law.exceeded_by(survival);
                let (back, _) = law.survival_and_density(ms);
                assert!(
                    (back / survival - 1.0).abs() < 1e-9,
                    "{law:?}: {survival} exceed {ms} ms, but of that {back} do"
                );
            }
        }
    }

    /// −5 ln 0.5, and 1.05 · 0.125^(−1/1.5).
    #[test]
    fn laws_have_their_quantiles() {
        let exponential = Law::Exponential { mean_ms: 5.0 };
        assert!((exponential.exceeded_by(0.5) - 3.465_735_902_8).abs() < 1e-9);
        let pareto = Law::Pareto {
            scale_ms: 1.05,
            shape: 1.5,
        };
        assert!((pareto.exceeded_by(0.125) - 4.2).abs() < 1e-9);
    }
}
