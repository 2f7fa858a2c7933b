//! Legs that were published, by name: the seam of fits. Latencies are in milliseconds.
//!
//! Reference: Bailis et al., Probabilistically bounded staleness for practical partial quorums, VLDB 2012, table 3.

mod exponential;
mod file;
mod lnkd_disk;
mod lnkd_ssd;
mod wan;
mod ymmr;

pub use exponential::exponential;
pub use file::{FileError, file};

use super::{Latencies, Law, Legs};

/// A fit that has a name and needs nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What it is called.
    pub name: &'static str,
    /// What it is of.
    pub about: &'static str,
    /// Its legs.
    pub legs: fn() -> Legs,
}

/// Every fit that has a name.
pub const ENTRIES: &[Entry] = &[
    lnkd_ssd::ENTRY,
    lnkd_disk::ENTRY,
    ymmr::ENTRY,
    ymmr::IN_CODE,
    wan::ENTRY,
];

/// The form of all of them: the body by a Pareto, the rest by an exponential, whose rate λ is for each millisecond.
fn pareto_or_exponential(body: f64, (scale_ms, shape): (f64, f64), rate: f64) -> Latencies {
    Latencies::of(&Law::Mixture(vec![
        (body, Law::Pareto { scale_ms, shape }),
        (
            1.0 - body,
            Law::Exponential {
                mean_ms: 1.0 / rate,
            },
        ),
    ]))
}

/// About a month: legs that take longer are a mistake in the unit.
pub(crate) const LONGEST_MS: f64 = 2.6e9;
