//! Consistent hashing with T tokens a node at random positions; a key belongs to the next N distinct nodes clockwise.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.2, §6.2 (strategy 1). Positions are drawn from the run's seed,
//! one stream a node, so that a node that joins moves no token of another;
//! a node that replaces one takes its tokens.

use super::{Build, Partitioner, PreferenceList, Roster, distinct, position};
use crate::chance;
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options, Promise, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "token-ring",
    about: "consistent hashing, T random tokens a node",
    promises: &[
        Promise::PlacesEveryKey,
        Promise::EveryNodeOwns,
        Promise::MovesFewReplicas,
        Promise::ReplacesInPlace,
    ],
    resolve: resolve::<TokenRingOptions>,
    schema: schema::<TokenRingOptions>,
    build,
};

/// How many tokens each node has.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct TokenRingOptions {
    /// Tokens a node. Too few: uneven load; too many: a large ring and scattered ranges.
    tokens: u32,
}

impl Default for TokenRingOptions {
    fn default() -> Self {
        Self { tokens: 64 }
    }
}

struct TokenRing {
    /// Sorted by position; equal positions by node, so that every node sees one ring.
    tokens: Vec<(u128, NodeId)>,
    nodes: usize,
}

impl Partitioner for TokenRing {
    fn preference(&self, key: &[u8], n: usize) -> PreferenceList {
        let key = position(key);
        let start = self.tokens.partition_point(|(token, _)| *token < key);
        let clockwise = self.tokens[start..].iter().chain(&self.tokens[..start]);
        distinct(clockwise.map(|(_, node)| node), n.min(self.nodes))
    }
}

fn build(
    options: &Options,
    seed: u64,
    roster: &Roster,
) -> Result<Box<dyn Partitioner>, OptionError> {
    let TokenRingOptions { tokens: count } = parse(options)?;
    if !(1..=MOST_TOKENS).contains(&count) {
        let reason = format!("tokens is {count}, but must be from 1 to {MOST_TOKENS}");
        return Err(OptionError::of("tokens", reason));
    }
    let nodes = roster.nodes().len();
    let mut tokens = Vec::with_capacity(nodes * count as usize);
    for (node, place) in roster.places() {
        let mut stream = chance::stream(seed, "token-ring", place);
        tokens.extend((0..count).map(|_| {
            let high = u128::from(stream.next_u64());
            (high << 64 | u128::from(stream.next_u64()), node)
        }));
    }
    tokens.sort_unstable();
    Ok(Box::new(TokenRing { tokens, nodes }))
}

const MOST_TOKENS: u32 = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, a node's tokens hide another's, or keys after the last token belong to nobody.
    #[test]
    fn the_ring_closes_and_a_node_counts_once() {
        let (a, b, c) = (NodeId::node(1), NodeId::node(2), NodeId::node(3));
        let key = position(b"key");
        let check = |tokens: &[(u128, NodeId)], expected: [NodeId; 3]| {
            let mut tokens = tokens.to_vec();
            tokens.sort_unstable();
            let ring = TokenRing { tokens, nodes: 3 };
            assert_eq!(ring.preference(b"key", 3).as_slice(), expected);
        };
        check(
            &[(key, a), (key + 1, a), (key + 2, b), (key - 1, c)],
            [a, b, c],
        );
        check(&[(key - 3, a), (key - 2, b), (key - 1, c)], [a, b, c]);
        check(&[(key - 1, a), (0, b), (u128::MAX, c)], [c, b, a]);
    }

    /// If this fails, a plan with too few or too many tokens is not told so.
    #[test]
    fn numbers_of_tokens_out_of_bounds_are_refused() {
        for tokens in [0, MOST_TOKENS + 1] {
            let options = Options::from_iter([("tokens".to_owned(), tokens.into())]);
            let error = build(&options, 1, &Roster::default())
                .err()
                .map(|error| error.to_string());
            assert_eq!(
                error,
                Some(format!("tokens is {tokens}, but must be from 1 to 65536"))
            );
        }
    }
}
