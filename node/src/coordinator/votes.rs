//! Counting answers: how many have come, or must.

use super::route::Target;

/// How many answers, of all who were asked, of the key's own replicas, and of those who have synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Votes {
    pub(super) all: usize,
    /// Of the first N of the preference list.
    pub(super) primary: usize,
    pub(super) durable: usize,
}

impl Votes {
    /// One more answer.
    pub(super) fn add(&mut self, from: &Target, durable: bool) {
        self.all += 1;
        self.primary += usize::from(from.stands_for.is_none());
        self.durable += usize::from(durable);
    }

    pub(super) fn reach(&self, need: &Self) -> bool {
        self.all >= need.all && self.primary >= need.primary && self.durable >= need.durable
    }

    /// The same with at least so many of all.
    pub(super) fn at_least(self, preferred: Option<usize>) -> Self {
        let all = self.all.max(preferred.unwrap_or_default());
        Self { all, ..self }
    }
}

impl FromIterator<Target> for Votes {
    /// What it comes to if all of these answer, each from its disk.
    fn from_iter<I: IntoIterator<Item = Target>>(targets: I) -> Self {
        let mut votes = Self::default();
        for target in targets {
            votes.add(&target, true);
        }
        votes
    }
}
