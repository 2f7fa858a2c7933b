//! A measured freshness curve beside a predicted one.

use super::Prediction;
use crate::figures::AgeBin;
use serde::{Deserialize, Serialize};

/// A stretch of a measured curve beside what was predicted for it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct Compared {
    pub from_ms: f64,
    pub until_ms: f64,
    pub reads: u64,
    pub measured: f64,
    pub predicted: f64,
}

impl Prediction {
    /// A measured curve beside the prediction. Neighbouring bins are joined until each has `least` reads; what is left
    /// over at the end joins the last.
    #[must_use]
    pub fn beside(&self, curve: &[AgeBin], least: u64) -> Vec<Compared> {
        let mut joined: Vec<Compared> = Vec::new();
        for bin in curve {
            let reads = bin.fresh.of;
            let new = Compared {
                from_ms: bin.from_ms,
                until_ms: bin.until_ms,
                reads,
                measured: bin.fresh.share.unwrap_or_default(),
                predicted: self.fresh_at(bin.mean_ms),
            };
            match joined.last_mut() {
                Some(last) if last.reads < least => last.join(&new),
                _ => joined.push(new),
            }
        }
        if joined.len() > 1
            && joined.last().is_some_and(|last| last.reads < least)
            && let Some(rest) = joined.pop()
            && let Some(last) = joined.last_mut()
        {
            last.join(&rest);
        }
        joined
    }
}

impl Compared {
    /// How far the measurement is from the prediction.
    #[must_use]
    pub fn distance(&self) -> f64 {
        (self.measured - self.predicted).abs()
    }

    fn join(&mut self, next: &Self) {
        let reads = self.reads + next.reads;
        let mean =
            |a: f64, b: f64| (a * self.reads as f64 + b * next.reads as f64) / reads.max(1) as f64;
        self.measured = mean(self.measured, next.measured);
        self.predicted = mean(self.predicted, next.predicted);
        self.until_ms = next.until_ms;
        self.reads = reads;
    }
}
