//! What a check comes to, for a recording and for each of its keys.

use super::budget::{Budget, Doubt};
use super::score::atomicity::{Search, smallest_k};
use super::score::spread;
use super::zones::Clusters;
use crate::recording::Times;
use std::collections::BTreeMap;
use std::fmt::{Display, Formatter, Result as Formatted};
use std::sync::Arc;

/// What a check comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Of all keys: false if one is, else unknown if one is, else true.
    pub valid: Verdict,
    /// Of each key; none if there was not even time to see which there are.
    pub keys: BTreeMap<Arc<str>, KeyReport>,
}

/// Whether something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    True,
    /// It does not.
    False,
    /// Nobody knows.
    Unknown(Doubt),
}

/// What a check comes to for one key.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyReport {
    /// Whether its operations can be put in an order that explains what they returned, each within its time.
    pub linearizable: Verdict,
    /// If not: the operation that cannot be placed, by its index in the recording. Up to its return there is no order that
    /// explains all that had returned; up to any return before it there is.
    pub failing: Option<usize>,
    /// If not, or if nobody knows: the longest prefix that is known to be linearizable, as indices in the recording in the
    /// order of a linearization. What runs at its end may stand in it; reads of unknown value never do.
    pub prefix: Vec<usize>,
    /// Γ, in nanoseconds: by how much all operations would have to be stretched. None: see `unscored`.
    pub gamma: Option<u64>,
    /// Δ, in nanoseconds: how much older than allowed a read was at most. None: see `unscored`.
    pub delta: Option<u64>,
    /// The smallest k of k-atomicity: reads return one of the k latest values. None: see `unscored`.
    pub k: Option<SmallestK>,
    /// The share of values whose Γ is above 0, of those written and acknowledged or read, and the initial one if it was read.
    /// None: there are none, or see `unscored`.
    pub gamma_above_0: Option<f64>,
    /// Why there are no figures, or not all.
    pub unscored: Option<Unscored>,
}

/// What a search for a linearization comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Whether there is one.
    pub linearizable: Verdict,
    /// As [`KeyReport::failing`].
    pub failing: Option<usize>,
    /// As [`KeyReport::prefix`].
    pub prefix: Vec<usize>,
}

/// The smallest k of k-atomicity, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmallestK {
    /// It is this.
    Is(u64),
    /// It is this or more: to know it would have taken too long.
    AtLeast(u64),
}

/// Why a key has no scores, or not all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unscored {
    /// Scores are for registers.
    NoRegister,
    /// Two writes wrote one value, or one wrote the initial value: it is not known which of them a read returned.
    ValuesRepeat,
    /// A read returned what nobody wrote or what was written only later: no age explains it. The read's index.
    Impossible(usize),
    /// Γ and Δ are durations, and the recording has none.
    NoTimes,
    /// As a verdict that is unknown.
    Doubt(Doubt),
}

impl Verdict {
    /// That of a whole from those of its parts.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::Unknown(doubt), _) | (_, Self::Unknown(doubt)) => Self::Unknown(doubt),
            (Self::True, Self::True) => Self::True,
        }
    }
}

impl Report {
    /// What is told if there was not even time to see which keys there are.
    pub(super) fn of_nothing(doubt: Doubt) -> Self {
        Self {
            valid: Verdict::Unknown(doubt),
            keys: BTreeMap::new(),
        }
    }

    pub(super) fn new(keys: BTreeMap<Arc<str>, KeyReport>) -> Self {
        let verdicts = keys.values().map(|key| key.linearizable);
        Self {
            valid: verdicts.fold(Verdict::True, Verdict::and),
            keys,
        }
    }
}

impl KeyReport {
    pub(super) fn new(finding: Finding) -> Self {
        Self {
            linearizable: finding.linearizable,
            failing: finding.failing,
            prefix: finding.prefix,
            gamma: None,
            delta: None,
            k: None,
            gamma_above_0: None,
            unscored: None,
        }
    }

    /// Computes the scores, from clusters or why there are none.
    pub(super) fn score(
        &mut self,
        clusters: Result<Clusters, Unscored>,
        times: Times,
        budget: &mut Budget<'_>,
    ) {
        let scored = clusters.and_then(|clusters| self.score_clusters(&clusters, times, budget));
        self.unscored = scored.err();
    }

    fn score_clusters(
        &mut self,
        clusters: &Clusters,
        times: Times,
        budget: &mut Budget<'_>,
    ) -> Result<(), Unscored> {
        if let Some(read) = clusters.impossible_read() {
            return Err(Unscored::Impossible(read));
        }
        let zones = clusters.all_zones(budget)?;
        if times == Times::Nanoseconds {
            let spread = spread(&zones, budget)?;
            self.gamma = Some(spread.gammas.iter().copied().max().unwrap_or(0));
            self.delta = Some(spread.delta);
            let values = zones.iter().filter(|zone| zone.is_told()).count();
            let positive = spread.gammas.iter().filter(|gamma| **gamma > 0).count();
            self.gamma_above_0 = (values > 0).then(|| positive as f64 / values as f64);
        }
        self.k = Some(smallest_k(&zones, Search::Short, budget)?);
        match times {
            Times::Nanoseconds => Ok(()),
            Times::Order => Err(Unscored::NoTimes),
        }
    }
}

impl From<Doubt> for Unscored {
    fn from(doubt: Doubt) -> Self {
        Self::Doubt(doubt)
    }
}

impl Finding {
    pub(super) fn linearizable() -> Self {
        Self {
            linearizable: Verdict::True,
            failing: None,
            prefix: Vec::new(),
        }
    }

    pub(super) fn unknown(doubt: Doubt, prefix: Vec<usize>) -> Self {
        Self {
            linearizable: Verdict::Unknown(doubt),
            failing: None,
            prefix,
        }
    }
}

impl Display for SmallestK {
    fn fmt(&self, f: &mut Formatter<'_>) -> Formatted {
        match self {
            Self::Is(k) => k.fmt(f),
            Self::AtLeast(k) => write!(f, "at least {k}"),
        }
    }
}
