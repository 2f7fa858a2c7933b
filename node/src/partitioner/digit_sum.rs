//! The digits of a key's hash, summed, modulo the number of nodes: a key belongs to that node and the next N − 1 in order.
//!
//! The layout of a course project on SWIM; a negative control. As with any hash modulo the number of nodes, nearly all
//! keys change their node when one joins: S in S + 1 (Karger et al., Consistent hashing and random trees, STOC 1997, §1,
//! says why). The hash is SHA-1, its digits are the 40 hexadecimal ones, and the order is that of joining; a node that
//! replaces one takes its place in it.

use super::{Build, Partitioner, PreferenceList, Roster};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options, Promise, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "digit-sum",
    about: "the sum of the hash's digits modulo the number of nodes",
    promises: &[
        Promise::PlacesEveryKey,
        Promise::EveryNodeOwns,
        Promise::ReplacesInPlace,
    ],
    resolve: resolve::<DigitSumOptions>,
    schema: schema::<DigitSumOptions>,
    build,
};

/// It has no options.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DigitSumOptions {}

struct DigitSum {
    nodes: Vec<NodeId>,
}

impl Partitioner for DigitSum {
    fn preference(&self, key: &[u8], n: usize) -> PreferenceList {
        let first = digit_sum(key).checked_rem(self.nodes.len()).unwrap_or(0);
        let (before, after) = self.nodes.split_at(first);
        after.iter().chain(before).take(n).copied().collect()
    }
}

fn build(
    options: &Options,
    _seed: u64,
    roster: &Roster,
) -> Result<Box<dyn Partitioner>, OptionError> {
    let DigitSumOptions {} = parse(options)?;
    let nodes = roster.nodes().to_vec();
    Ok(Box::new(DigitSum { nodes }))
}

fn digit_sum(key: &[u8]) -> usize {
    let digits = Sha1::digest(key).into_iter();
    digits
        .map(|byte| usize::from(byte >> 4) + usize::from(byte & 0xf))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-1 of "abc" is a9993e36 4706816a ba3e2571 7850c26c 9cd0d89d (FIPS 180-4's example).
    #[test]
    fn the_digits_are_those_of_sha_1() {
        assert_eq!(digit_sum(b"abc"), 63 + 42 + 53 + 52 + 77);
    }
}
