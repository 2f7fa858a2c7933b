//! Counting answers: how many have come, or must.

use super::route::{Side, Target};

/// How many answers, of all who were asked, of the key's own replicas, and of those who have synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Votes {
    pub(super) all: usize,
    /// Of the first N of the preference list.
    pub(super) primary: usize,
    pub(super) durable: usize,
    /// Of those who hold the key on the other side of a change of the members.
    pub(super) there: usize,
}

impl Votes {
    /// One more answer.
    pub(super) fn add(&mut self, from: &Target, durable: bool) {
        self.there += usize::from(from.side != Side::Here);
        if from.side == Side::There {
            return;
        }
        self.all += 1;
        self.primary += usize::from(from.stands_for.is_none());
        self.durable += usize::from(durable);
    }

    pub(super) fn reach(&self, need: &Self) -> bool {
        self.all >= need.all
            && self.primary >= need.primary
            && self.durable >= need.durable
            && self.there >= need.there
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
