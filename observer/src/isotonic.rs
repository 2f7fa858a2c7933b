//! The rising step function that is nearest to what was seen.
//!
//! Reference: M. Ayer et al., “An empirical distribution function for sampling with incomplete information”, Annals of
//! Mathematical Statistics 26 (1955): pool adjacent violators.

/// A step of the fit: from `from` on, up to the next step, the share is `share`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The least age in it.
    pub from: u64,
    /// How many of its observations were true.
    pub count: u64,
    /// How many observations it has.
    pub of: u64,
}

impl Step {
    /// The fitted share.
    #[must_use]
    pub fn share(self) -> f64 {
        self.count as f64 / self.of as f64
    }
}

/// The least-squares rising fit of observations (age, whether it was true) that are sorted by age.
#[must_use]
pub fn isotonic(observations: &[(u64, bool)]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for ages in observations.chunk_by(|a, b| a.0 == b.0) {
        let mut step = Step {
            from: ages[0].0,
            count: ages.iter().filter(|(_, is_true)| *is_true).count() as u64,
            of: ages.len() as u64,
        };
        while let Some(last) = steps.last() {
            if u128::from(last.count) * u128::from(step.of)
                < u128::from(step.count) * u128::from(last.of)
            {
                break;
            }
            step = Step {
                from: last.from,
                count: last.count + step.count,
                of: last.of + step.of,
            };
            steps.pop();
        }
        steps.push(step);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// The fit at place `i` is max over j ≤ i of min over k ≥ i of the mean of j..=k.
    fn brute_force(means: &[(f64, f64)]) -> Vec<f64> {
        let mean = |from: usize, until: usize| {
            let part = &means[from..=until];
            let of: f64 = part.iter().map(|(_, of)| of).sum();
            part.iter().map(|(count, _)| count).sum::<f64>() / of
        };
        let least = |from: usize, at: usize| {
            (at..means.len())
                .map(|until| mean(from, until))
                .fold(f64::MAX, f64::min)
        };
        (0..means.len())
            .map(|at| {
                (0..=at)
                    .map(|from| least(from, at))
                    .fold(f64::MIN, f64::max)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn is_the_fit_of_the_definition(mut seen in vec((0_u64..12, any::<bool>()), 1..40)) {
            seen.sort_unstable();
            let steps = isotonic(&seen);
            let ages: Vec<_> = seen.chunk_by(|a, b| a.0 == b.0).collect();
            let means: Vec<(f64, f64)> = ages
                .iter()
                .map(|age| (age.iter().filter(|read| read.1).count() as f64, age.len() as f64))
                .collect();
            for (age, expected) in ages.iter().zip(brute_force(&means)) {
                let after = steps.partition_point(|step| step.from <= age[0].0);
                prop_assert!((steps[after - 1].share() - expected).abs() < 1e-12);
            }
        }
    }
}
