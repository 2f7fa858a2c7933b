//! Rendezvous hashing: every node draws a weight for every key, and a key belongs to the N nodes with the highest.
//!
//! Reference: Thaler and Ravishankar, Using name-based mappings to increase hit rates, IEEE/ACM Transactions on Networking
//! 6(1), 1998 ("highest random weight"). The weight is XXH3 of the key's XXH3, seeded for the node's place by the run's
//! seed; a node that replaces one takes its weights.

use super::{Build, Partitioner, PreferenceList, Roster};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options, Promise, parse, resolve, schema};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "rendezvous",
    about: "the N nodes that draw the highest weights for the key",
    promises: &[
        Promise::PlacesEveryKey,
        Promise::EveryNodeOwns,
        Promise::MovesFewReplicas,
        Promise::ReplacesInPlace,
    ],
    resolve: resolve::<RendezvousOptions>,
    schema: schema::<RendezvousOptions>,
    build,
};

/// It has no options.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RendezvousOptions {}

struct Rendezvous {
    /// The seed of each node's weights.
    nodes: Vec<(u64, NodeId)>,
}

impl Partitioner for Rendezvous {
    fn preference(&self, key: &[u8], n: usize) -> PreferenceList {
        let key = xxh3_64(key).to_be_bytes();
        let wanted = n.min(self.nodes.len());
        let mut best: SmallVec<[(u64, NodeId); 5]> = SmallVec::new();
        for (seed, node) in &self.nodes {
            let drawn = (xxh3_64_with_seed(&key, *seed), *node);
            let rank = best.partition_point(|other| *other > drawn);
            if rank < wanted {
                best.truncate(wanted - 1);
                best.insert(rank, drawn);
            }
        }
        best.into_iter().map(|(_, node)| node).collect()
    }
}

fn build(
    options: &Options,
    seed: u64,
    roster: &Roster,
) -> Result<Box<dyn Partitioner>, OptionError> {
    let RendezvousOptions {} = parse(options)?;
    let seed_of = |place: NodeId| xxh3_64_with_seed(&place.bits().to_be_bytes(), seed);
    let nodes = roster.places().map(|(node, place)| (seed_of(place), node));
    let nodes = nodes.collect();
    Ok(Box::new(Rendezvous { nodes }))
}
