//! The most popular value wins: every replica holds what came last, and a read takes the value that most of its
//! answers have.
//!
//! There are no clocks. Replicas that two writes reach in different orders keep different ones; a read of one fresh and
//! one stale replica takes either. Replicas that hold nothing have no vote; tombstones have.
//!
//! Reference: Cassiopeia, a store in the manner of Cassandra, whose reads ask several peers and return the most popular
//! answer, ties at random.

use super::{Build, Updated, Versioning, Versions, Write};
use crate::chance;
use bytes::Bytes;
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::id::Actor;
use tidemark_proto::message::Method;
use tidemark_proto::registry::{Entry, Options, Promise, parse, resolve, schema};
use tidemark_proto::time::Now;
use tidemark_proto::wire::StoredVersion;

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "vote",
    about: "what came last to a replica stays; a read takes the value that most replicas have, ties at random",
    promises: &[Promise::NoSiblings],
    resolve: resolve::<VoteOptions>,
    schema: schema::<VoteOptions>,
    build: |options: &Options, seat| {
        let VoteOptions {} = parse(options)?;
        let ties = chance::stream(seat.seed, "vote", seat.id);
        Ok(Box::new(Vote { ties }))
    },
};

/// It has no options.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct VoteOptions {}

struct Vote {
    ties: Xoshiro256PlusPlus,
}

impl Versioning for Vote {
    fn update(&mut self, _: &Versions, write: Write<'_>) -> Updated {
        let written = vec![StoredVersion {
            clock: Bytes::new(),
            value: write.value,
            operation: write.operation.bits(),
        }];
        Updated {
            held: written.clone(),
            sent: written,
            context: Bytes::new(),
        }
    }

    /// The later operation: no vote can be had between two.
    fn sync(&self, a: &Versions, b: &Versions) -> Versions {
        let versions = a.iter().chain(b);
        let latest = versions.max_by_key(|version| (version.operation, &version.value));
        latest.cloned().into_iter().collect()
    }

    fn receive(&mut self, _: Now, held: &Versions, came: &Versions, _: Method) -> Versions {
        let latest = if came.is_empty() { held } else { came };
        latest.clone()
    }

    fn merge(&mut self, answers: &mut dyn Iterator<Item = &Versions>) -> Versions {
        let mut candidates: Vec<(&Versions, usize)> = Vec::new();
        for answer in answers.filter(|answer| !answer.is_empty()) {
            let same = |(other, _): &&mut (&Versions, usize)| other[0].value == answer[0].value;
            match candidates.iter_mut().find(same) {
                Some((_, votes)) => *votes += 1,
                None => candidates.push((answer, 1)),
            }
        }
        let most = candidates.iter().map(|(_, votes)| *votes).max();
        candidates.retain(|(_, votes)| Some(*votes) == most);
        match candidates.len() {
            0 => Versions::new(),
            1 => candidates[0].0.clone(),
            tied => candidates[self.ties.random_range(..tied)].0.clone(),
        }
    }

    fn resolve(&self, _: &Versions) -> Bytes {
        Bytes::new()
    }

    fn describe(&self, _: &[u8]) -> Vec<(Actor, u64)> {
        Vec::new()
    }

    fn open(&self, _: &[u8], given: &Bytes) -> Option<Bytes> {
        given.is_empty().then(Bytes::new)
    }

    fn accepts_versions(&self, versions: &Versions) -> bool {
        versions.len() <= 1 && versions.iter().all(|version| version.clock.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tidemark_proto::id::NodeId;

    fn vote(seed: u64) -> Vote {
        let ties = chance::stream(seed, "vote", NodeId::node(1));
        Vote { ties }
    }

    /// What a replica answers: nothing, a tombstone (`-`) or a value.
    fn answer(text: &str) -> Versions {
        let version = StoredVersion {
            clock: Bytes::new(),
            value: (text != "-").then(|| Bytes::from(text.to_owned())),
            operation: 1,
        };
        vec![version; usize::from(!text.is_empty())]
    }

    /// If this fails, a read takes what fewer of its replicas have.
    #[test]
    fn the_value_that_most_answers_have_is_taken() {
        let check = |answers: &[&str], taken: &str| {
            let answers: Vec<_> = answers.iter().map(|text| answer(text)).collect();
            assert_eq!(vote(1).merge(&mut answers.iter()), answer(taken));
        };
        check(&["a"], "a");
        check(&["a", "b", "a"], "a");
        check(&["b", "a", "a"], "a");
        check(&["", "", "a"], "a");
        check(&["-", "a", "-"], "-");
        check(&["", ""], "");
        check(&[], "");
    }

    /// One fresh and one stale of two: P(stale) = 1/2. If this fails, ties are not fair, or a run does not repeat.
    #[test]
    fn ties_are_decided_by_the_seed_and_fairly() {
        let answers = ["a", "b"].map(answer);
        let draws = |seed| {
            let mut vote = vote(seed);
            let mut taken: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
            for _ in 0..10_000 {
                let merged = vote.merge(&mut answers.iter());
                let value = merged[0].value.clone().unwrap();
                *taken.entry(value.to_vec()).or_default() += 1;
            }
            taken
        };
        let taken = draws(1);
        assert_eq!(taken, draws(1));
        // Five standard deviations.
        assert!(
            taken.values().all(|count| count.abs_diff(5_000) < 250),
            "{taken:?}"
        );
        assert_eq!(taken.len(), 2);
    }
}
