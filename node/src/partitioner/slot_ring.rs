//! A ring of 360 slots with one position a node: a key goes to slot hash mod 360, and on to the next N nodes clockwise.
//!
//! The layout of a course project in the manner of Dynamo; with one position a node the shares of keys are uneven
//! (DeCandia et al., Dynamo, SOSP 2007, §4.2, says why). The slot of a node that joins is the hash of its name mod 360, or
//! the next free one; a node that replaces one takes its slot.

use super::{Build, Change, Partitioner, PreferenceList, Roster, position};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options, Promise, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "slot-ring",
    about: "360 slots, one position a node, hash mod 360",
    promises: &[
        Promise::PlacesEveryKey,
        Promise::EveryNodeOwns,
        Promise::MovesFewReplicas,
        Promise::ReplacesInPlace,
    ],
    resolve: resolve::<SlotRingOptions>,
    schema: schema::<SlotRingOptions>,
    build,
};

/// It has no options.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SlotRingOptions {}

struct SlotRing {
    /// Sorted by slot; no slot twice.
    nodes: Vec<(u16, NodeId)>,
}

impl Partitioner for SlotRing {
    fn preference(&self, key: &[u8], n: usize) -> PreferenceList {
        let slot = slot(key);
        let start = self.nodes.partition_point(|(taken, _)| *taken < slot);
        let clockwise = self.nodes[start..].iter().chain(&self.nodes[..start]);
        clockwise.take(n).map(|(_, node)| *node).collect()
    }
}

fn build(
    options: &Options,
    _seed: u64,
    roster: &Roster,
) -> Result<Box<dyn Partitioner>, OptionError> {
    let SlotRingOptions {} = parse(options)?;
    let mut taken: Vec<(u16, NodeId)> = Vec::new();
    for change in roster.history() {
        match *change {
            Change::Join(node) => {
                let wanted = slot(node.to_string().as_bytes());
                let free = (0..SLOTS)
                    .map(|step| (wanted + step) % SLOTS)
                    .find(|slot| taken.iter().all(|(other, _)| other != slot));
                let slot = free.ok_or_else(|| {
                    let count = roster.nodes().len().max(taken.len() + 1);
                    OptionError::new(format!("{count} nodes do not fit {SLOTS} slots"))
                })?;
                taken.push((slot, node));
            }
            Change::Leave(node) => taken.retain(|(_, other)| *other != node),
            Change::Replace { old, new } => {
                for (_, node) in taken.iter_mut().filter(|(_, node)| *node == old) {
                    *node = new;
                }
            }
        }
    }
    taken.sort_unstable();
    Ok(Box::new(SlotRing { nodes: taken }))
}

fn slot(name: &[u8]) -> u16 {
    u16::try_from(position(name) % u128::from(SLOTS)).expect("a slot is less than 360")
}

const SLOTS: u16 = 360;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_to_the_next_node_clockwise() {
        let (a, b) = (NodeId::node(1), NodeId::node(2));
        let key_slot = slot(b"key");
        let ring = SlotRing {
            nodes: vec![(key_slot, a), (key_slot + 1, b)],
        };
        assert_eq!(
            ring.preference(b"key", 2).as_slice(),
            [a, b],
            "its own slot counts"
        );
        let ring = SlotRing {
            nodes: vec![(key_slot - 1, a), (key_slot + 1, b)],
        };
        assert_eq!(
            ring.preference(b"key", 2).as_slice(),
            [b, a],
            "the ring closes"
        );
    }
}
