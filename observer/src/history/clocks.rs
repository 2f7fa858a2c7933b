//! How the times of sources that read another clock than the observer were corrected, and to within what.

use crate::figures::ClockFigures;
use crate::spread::MS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the times of a source were corrected from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// The first time so corrected.
    pub from_ns: u64,
    /// For whom.
    pub source: String,
    /// Which clock it reads.
    pub clock: String,
    /// What is added to its times.
    pub offset_ns: i64,
    /// By how much the sum is wrong at most.
    pub bound_ns: u64,
    /// Whether operations of clients are among what was corrected.
    pub operations: bool,
}

/// The file of the corrections.
pub const CLOCKS: &str = "clocks.jsonl";

impl Correction {
    /// Its line.
    ///
    /// # Errors
    /// Never, as it has nothing that JSON lacks.
    pub fn line(&self) -> serde_json::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }

    /// The corrections of a file; a last line cut short is none.
    ///
    /// # Errors
    /// A line holds none.
    pub fn read(text: &str) -> serde_json::Result<Vec<Self>> {
        let lines = text.split_inclusive('\n');
        let whole = lines.filter(|line| line.ends_with('\n'));
        whole.map(serde_json::from_str).collect()
    }
}

/// What the corrections of a run come to, clock by clock.
pub(crate) fn figures(corrections: &[Correction]) -> Vec<ClockFigures> {
    let mut clocks = BTreeMap::<&str, ClockFigures>::new();
    for one in corrections {
        let clock = clocks.entry(&one.clock).or_default();
        if !clock.sources.contains(&one.source) {
            clock.sources.push(one.source.clone());
        }
        clock.offset_ms = one.offset_ns as f64 / MS;
        clock.bound_ms = clock.bound_ms.max(one.bound_ns as f64 / MS);
        clock.operations |= one.operations;
    }
    clocks.into_values().collect()
}

/// By how much the clocks of two clients differ at most once they are corrected, in milliseconds: one may be late by the largest
/// bound, another early by as much, or the same at another time.
pub(crate) fn error_ms(clocks: &[ClockFigures]) -> f64 {
    let clients = clocks.iter().filter(|clock| clock.operations);
    2.0 * clients.map(|clock| clock.bound_ms).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn correction(source: &str, clock: &str, bound_ns: u64, operations: bool) -> Correction {
        Correction {
            from_ns: 17,
            source: source.to_owned(),
            clock: clock.to_owned(),
            offset_ns: -5_000_000,
            bound_ns,
            operations,
        }
    }

    #[test]
    fn lines_come_back_and_one_cut_short_is_left_out() {
        let all = [
            correction("n1~1", "a b", 3, false),
            correction("a \"source\",\none", "c", u64::MAX, true),
        ];
        let lines = all.iter().map(|one| one.line().unwrap());
        let mut text = String::from_utf8(lines.collect::<Vec<_>>().concat()).unwrap();
        assert_eq!(Correction::read(&text).unwrap(), all);
        text.truncate(text.len() - 1);
        assert_eq!(Correction::read(&text).unwrap(), all[..1]);
        assert_eq!(Correction::read("").unwrap(), []);
        let error = Correction::read("{\"from_ns\":1}\n").expect_err("there is more to it");
        assert!(error.to_string().contains("source"), "{error}");
    }

    /// If this fails, Γ and Δ count what only the clocks made, or the error of clocks on which nobody asked for anything.
    #[test]
    fn clients_differ_by_twice_the_largest_bound_of_their_clocks() {
        let clocks = figures(&[
            correction("n1~1", "a", 2_000_000, false),
            correction("n2~1", "b", 9_000_000, false),
            correction("n1~2", "a", 1_000_000, true),
            correction("n1~1", "a", 1_000_000, true),
            correction("n5~1", "c", 1_500_000, true),
        ]);
        assert_eq!(clocks[0].sources, ["n1~1", "n1~2"]);
        assert_eq!((clocks[0].bound_ms, clocks[0].offset_ms), (2.0, -5.0));
        assert_eq!(
            error_ms(&clocks),
            4.0,
            "nobody asked for anything where b is read"
        );
        assert_eq!(error_ms(&[]), 0.0);
    }
}
