//! How sure a figure over several seeds is: the seed is the unit, so it is computed again without each seed in turn.
//!
//! Of a mean this is Student's interval; it serves as well for what is no mean, such as a quantile of histograms that were
//! merged, or the ratio of two figures of the same seeds.
//!
//! Reference: R. G. Miller, “The jackknife: a review”, Biometrika 61 (1974); P. S. Kott, “The delete-a-group jackknife”,
//! Journal of Official Statistics 17 (2001).

/// A statistic over all seeds, and over all but each one.
#[derive(Clone, Debug, PartialEq)]
pub struct Replicates {
    /// Over all seeds.
    pub all: f64,
    /// Without the first seed, without the second, and so on.
    pub without: Vec<f64>,
}

impl Replicates {
    /// What `f` makes of this statistic and of another one over the same seeds.
    #[must_use]
    pub fn with(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let pairs = self.without.iter().zip(&other.without);
        Self {
            all: f(self.all, other.all),
            without: pairs.map(|(one, other)| f(*one, *other)).collect(),
        }
    }

    /// The 95 % interval; none if there are fewer than two seeds, or a replicate is no number.
    #[must_use]
    pub fn interval(&self) -> Option<(f64, f64)> {
        let (freedom, error) = self.error()?;
        let half = student(freedom) * error;
        Some((self.all - half, self.all + half))
    }

    /// Degrees of freedom and standard error; none if there are fewer than two seeds, or a replicate is no number.
    #[must_use]
    pub fn error(&self) -> Option<(usize, f64)> {
        let seeds = self.without.len() as f64;
        if seeds < 2.0 || self.without.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let mean = self.without.iter().sum::<f64>() / seeds;
        let squares = self.without.iter().map(|value| (value - mean).powi(2));
        let error = (squares.sum::<f64>() * (seeds - 1.0) / seeds).sqrt();
        Some((self.without.len() - 1, error))
    }
}

/// The 97.5 % quantile of Student's t with so many degrees of freedom, at least one.
#[must_use]
pub fn student(freedom: usize) -> f64 {
    quantile(freedom, &TABLE, NORMAL)
}

/// The 95 % quantile of the same.
#[must_use]
pub fn student_one_sided(freedom: usize) -> f64 {
    quantile(freedom, &ONE_SIDED, NORMAL_ONE_SIDED)
}

fn quantile(freedom: usize, table: &[f64; 20], z: f64) -> f64 {
    if let Some(quantile) = table.get(freedom.saturating_sub(1)) {
        return *quantile;
    }
    // Cornish and Fisher's expansion about the normal quantile; from here on exact to four decimals.
    let v = freedom as f64;
    let (z3, z5, z7) = (z.powi(3), z.powi(5), z.powi(7));
    z + (z3 + z) / (4.0 * v)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * v.powi(2))
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * v.powi(3))
}

const NORMAL: f64 = 1.959_963_984_540_054;
/// For 1 to 20 degrees of freedom.
const TABLE: [f64; 20] = [
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010,
    2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
];
const NORMAL_ONE_SIDED: f64 = 1.644_853_626_951_472_2;
/// For 1 to 20 degrees of freedom.
const ONE_SIDED: [f64; 20] = [
    6.3138, 2.9200, 2.3534, 2.1318, 2.0150, 1.9432, 1.8946, 1.8595, 1.8331, 1.8125, 1.7959, 1.7823,
    1.7709, 1.7613, 1.7531, 1.7459, 1.7396, 1.7341, 1.7291, 1.7247,
];

#[cfg(test)]
impl Replicates {
    /// The mean of some values, with and without each.
    pub(crate) fn mean(values: &[f64]) -> Self {
        let sum: f64 = values.iter().sum();
        let others = values.len() as f64 - 1.0;
        Self {
            all: sum / values.len() as f64,
            without: values.iter().map(|value| (sum - value) / others).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_mean_it_is_student_s_interval() {
        // By hand: mean 4, standard deviation 2, standard error 2 / √3, t(2) = 4.3027.
        let (low, high) = Replicates::mean(&[2.0, 4.0, 6.0]).interval().unwrap();
        assert!((low - (4.0 - 4.9683)).abs() < 1e-3, "{low}");
        assert!((high - (4.0 + 4.9683)).abs() < 1e-3, "{high}");
    }

    #[test]
    fn paired_differences_do_not_know_what_the_pairs_share() {
        // By hand: the differences are 1, 2 and 3, however far apart the pairs: 2 ± 4.3027 / √3.
        let difference = Replicates::mean(&[101.0, 12.0, 1_003.0])
            .with(&Replicates::mean(&[100.0, 10.0, 1_000.0]), |a, b| a - b);
        let (low, high) = difference.interval().unwrap();
        assert!((difference.all - 2.0).abs() < 1e-9);
        assert!((high - low - 2.0 * 2.4842).abs() < 1e-3, "{low} {high}");
    }

    #[test]
    fn one_seed_and_what_is_no_number_have_no_interval() {
        assert_eq!(Replicates::mean(&[3.0]).interval(), None);
        let broken = Replicates {
            all: 1.0,
            without: vec![1.0, f64::NAN],
        };
        assert_eq!(broken.interval(), None);
    }

    #[test]
    fn student_is_student() {
        // Abramowitz and Stegun, table 26.10.
        for (freedom, expected) in [
            (1, 12.706),
            (10, 2.228),
            (20, 2.086),
            (21, 2.080),
            (30, 2.042),
            (120, 1.980),
        ] {
            assert!((student(freedom) - expected).abs() < 0.000_6, "{freedom}");
        }
        assert!(student(20) > student(21));
        for (freedom, expected) in [(1, 6.314), (10, 1.812), (21, 1.721), (30, 1.697)] {
            let found = student_one_sided(freedom);
            assert!((found - expected).abs() < 0.000_6, "{freedom}");
        }
    }
}
