//! Whether two cells of a sweep come to the same: two one-sided tests over the seeds that both have.
//!
//! A difference is *equivalent* within a margin iff its 90 % interval over seed pairs lies inside ± the margin: then both one-sided
//! tests, that it is at most −margin and that it is at least +margin, are refused at 5 %. It is *different* iff its 95 % interval
//! leaves out 0. Neither is *undecided*: more seeds could tell. It may be both: different, but by less than matters.
//!
//! Reference: D. J. Schuirmann, “A comparison of the two one-sided tests procedure and the power approach”, Journal of
//! Pharmacokinetics and Biopharmaceutics 15 (1987).

use crate::jackknife::{Replicates, student, student_one_sided};
use serde::{Deserialize, Serialize};

/// What a difference of seed pairs says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Equivalence {
    /// What would not matter.
    pub margin: f64,
    /// The difference.
    pub difference: f64,
    /// The lower end of its 90 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// It lies within the margin.
    pub is_equivalent: bool,
    /// Its 95 % interval leaves out 0.
    pub is_different: bool,
}

/// Tests a difference over seed pairs; none if there are fewer than two, or it is no number.
#[must_use]
pub fn equivalence(difference: &Replicates, margin: f64) -> Option<Equivalence> {
    let (freedom, error) = difference.error()?;
    let half = student_one_sided(freedom) * error;
    let all = difference.all;
    Some(Equivalence {
        margin,
        difference: all,
        low: all - half,
        high: all + half,
        is_equivalent: all - half > -margin && all + half < margin,
        is_different: all.abs() > student(freedom) * error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, cells pass for equal that nobody has shown to be, or the other way round.
    #[test]
    fn it_is_equivalent_iff_the_90_percent_interval_lies_within_the_margin() {
        // By hand: mean 0.01, standard deviation 0.01, error 0.01 / √3 = 0.005774, t(2) = 2.9200: ± 0.01686.
        let differences = Replicates::mean(&[0.0, 0.01, 0.02]);
        let found = equivalence(&differences, 0.03).unwrap();
        assert!((found.high - 0.02686).abs() < 1e-4, "{found:?}");
        assert!(found.is_equivalent && !found.is_different);
        assert!(!equivalence(&differences, 0.02).unwrap().is_equivalent);
    }

    /// If this fails, a small difference that is certain passes for one that matters.
    #[test]
    fn it_may_be_different_and_equivalent() {
        // By hand: mean 0.01, error 0.0001 / √3, t(2) = 4.3027: 0.01 ± 0.00025 leaves out 0.
        let found = equivalence(&Replicates::mean(&[0.0099, 0.01, 0.0101]), 0.03).unwrap();
        assert!(found.is_equivalent && found.is_different, "{found:?}");
        assert_eq!(equivalence(&Replicates::mean(&[0.01]), 0.03), None);
    }
}
