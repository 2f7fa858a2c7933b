//! Exponential legs: the simplest that show what a slow write does.

use super::LONGEST_MS;
use crate::predict::{Latencies, Law, Legs};

/// Legs of these means: of W, and of A, R and S each. None if one of them is below 0, above a month or no number.
#[must_use]
pub fn exponential(w_ms: f64, ars_ms: f64) -> Option<Legs> {
    Some(Legs::alike(leg(w_ms)?, leg(ars_ms)?))
}

fn leg(mean_ms: f64) -> Option<Latencies> {
    if mean_ms == 0.0 {
        return Some(Latencies::constant(0.0));
    }
    let is_a_mean = (0.0..=LONGEST_MS).contains(&mean_ms);
    is_a_mean.then(|| Latencies::of(&Law::Exponential { mean_ms }))
}
