//! The roll: who the members are, as all nodes agree on it, and which change of it is under way.
//!
//! A change takes steps, and the next is taken when everybody who is waited for has taken the last. First writes go to
//! those who held a key before *and* to those who will, with a quorum of each; reads go on as before. Then keys move.
//! When all of them have, reads go to the new holders. Then nothing changes for a step; at last writes go to the new
//! holders alone, and who no longer holds a key gives it up.
//!
//! Not everybody is waited for: not who is believed to be down, who has left or who is yet to join, and each of them may
//! coordinate. A replica refuses what goes by a roll more than one step behind its own, so what such a node does has an
//! effect among others who are two steps ahead at most. Any two rolls that are two steps apart have quorums that overlap,
//! or the later one's keys have yet to move: so no read misses a write because of the change.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.8.1, §4.9. Departs from it: there, an administrator's change spreads
//! by gossip, and a node that has not heard of it asks the wrong replicas. The joint quorums are those of Ongaro &
//! Ousterhout, Raft, USENIX ATC 2014, §6; the three steps are those of Rae et al., Online, asynchronous schema change in
//! F1, VLDB 2013, applied to placement.

use crate::partitioner::{Change, Roster};
use serde::{Deserialize, Serialize};

/// The members, and what is happening to them. Of two rolls the one with the greater number is newer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roll {
    /// Counts the steps since the cluster's start.
    pub number: u64,
    /// The members before the change that is under way, or for good.
    pub roster: Roster,
    /// What is under way.
    pub under_way: Option<UnderWay>,
}

/// A change of the members that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnderWay {
    /// Who comes or goes.
    pub change: Change,
    /// How far it is.
    pub step: Step,
}

/// How far a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Writes go to both; reads go to who held the keys before.
    Announced,
    /// The same, and keys move.
    Moving,
    /// Writes go to both; reads go to who holds the keys from now on.
    Settling,
    /// The same: who still reads from those who held the keys before is refused by now.
    Closing,
}

impl Step {
    /// Its name in answers and results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Moving => "moving",
            Self::Settling => "settling",
            Self::Closing => "closing",
        }
    }

    /// Whether reads go to who holds the keys from now on.
    #[must_use]
    pub const fn reads_after(self) -> bool {
        matches!(self, Self::Settling | Self::Closing)
    }

    const fn next(self) -> Option<Self> {
        match self {
            Self::Announced => Some(Self::Moving),
            Self::Moving => Some(Self::Settling),
            Self::Settling => Some(Self::Closing),
            Self::Closing => None,
        }
    }
}

impl Roll {
    /// The roll of a cluster's first members.
    #[must_use]
    pub fn of(roster: Roster) -> Self {
        Self {
            number: 0,
            roster,
            under_way: None,
        }
    }

    /// The roll with a change begun.
    #[must_use]
    pub fn begin(&self, change: Change) -> Self {
        Self {
            number: self.number + 1,
            roster: self.roster.clone(),
            under_way: Some(UnderWay {
                change,
                step: Step::Announced,
            }),
        }
    }

    /// The roll one step on; itself if nothing is under way.
    #[must_use]
    pub fn next(&self) -> Self {
        let Some(UnderWay { change, step }) = self.under_way else {
            return self.clone();
        };
        let next = step.next();
        Self {
            number: self.number + 1,
            roster: match next {
                Some(_) => self.roster.clone(),
                None => self.coming(),
            },
            under_way: next.map(|step| UnderWay { change, step }),
        }
    }

    /// The members once what is under way is over.
    #[must_use]
    pub fn coming(&self) -> Roster {
        match self.under_way {
            Some(UnderWay { change, .. }) => self.roster.after(change),
            None => self.roster.clone(),
        }
    }

    /// The roll as its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("it has no map whose keys are not text")
    }

    /// The roll that bytes hold.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}
