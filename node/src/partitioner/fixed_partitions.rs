//! Q equal partitions of the ring, dealt out so that each of S nodes has Q/S of them; a key belongs to its partition's node
//! and to the next N − 1 distinct nodes clockwise.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §6.2 (strategy 3). A node that joins steals from those that have most,
//! those of a node that leaves go to those that have least, and chance decides which; so the nodes' shares differ by one
//! partition at most, whatever the history. A node that replaces one takes its partitions.

use super::{Build, Change, Partitioner, PreferenceList, Roster, distinct, position};
use crate::chance;
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options, Promise, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "fixed-partitions",
    about: "Q equal partitions, Q/S tokens a node: a join steals, a leave hands on",
    promises: &[
        Promise::PlacesEveryKey,
        Promise::EveryNodeOwns,
        Promise::MovesFewOwners,
        Promise::ReplacesInPlace,
    ],
    resolve: resolve::<FixedPartitionsOptions>,
    schema: schema::<FixedPartitionsOptions>,
    build,
};

/// Into how many partitions the ring is cut.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct FixedPartitionsOptions {
    /// Q, for good. Too few: nodes cannot share evenly, and there cannot be more nodes; too many: a large table.
    #[schemars(range(min = 1, max = MOST_PARTITIONS))]
    partitions: u32,
}

impl Default for FixedPartitionsOptions {
    fn default() -> Self {
        Self { partitions: 1_024 }
    }
}

struct FixedPartitions {
    /// The node of each partition, clockwise; none: there are no nodes.
    owners: Vec<NodeId>,
    nodes: usize,
}

impl Partitioner for FixedPartitions {
    fn preference(&self, key: &[u8], n: usize) -> PreferenceList {
        let place = ((position(key) >> 64) * self.owners.len() as u128) >> 64;
        let (before, after) = self.owners.split_at(place as usize);
        distinct(after.iter().chain(before), n.min(self.nodes))
    }
}

fn build(
    options: &Options,
    seed: u64,
    roster: &Roster,
) -> Result<Box<dyn Partitioner>, OptionError> {
    let FixedPartitionsOptions { partitions } = parse(options)?;
    let nodes = roster.nodes().len();
    if !(1..=MOST_PARTITIONS).contains(&partitions) {
        let reason = format!("partitions is {partitions}, but must be from 1 to {MOST_PARTITIONS}");
        return Err(OptionError::of("partitions", reason));
    }
    if nodes > partitions as usize {
        let reason = format!("partitions is {partitions}, but {nodes} nodes need one each");
        return Err(OptionError::of("partitions", reason));
    }
    let mut table = Table {
        shares: BTreeMap::new(),
        owners: Vec::new(),
        deck: (0..partitions as usize).collect(),
        chance: chance::stream(seed, ENTRY.name, NodeId::node(1)),
    };
    for change in roster.history() {
        match *change {
            Change::Join(node) => table.join(node),
            Change::Leave(node) => table.leave(node),
            Change::Replace { old, new } => table.replace(old, new),
        }
    }
    let owners = table.owners;
    Ok(Box::new(FixedPartitions { owners, nodes }))
}

/// Who has which partitions while history goes on.
struct Table<R> {
    /// How many partitions each node has.
    shares: BTreeMap<NodeId, usize>,
    owners: Vec<NodeId>,
    /// The partitions in the order in which they are stolen or handed on, shuffled for each change.
    deck: Vec<usize>,
    chance: R,
}

impl<R: Rng> Table<R> {
    fn join(&mut self, joiner: NodeId) {
        self.shuffle();
        let quota = self.deck.len() / (self.shares.len() + 1);
        if self.shares.is_empty() {
            self.owners = vec![joiner; self.deck.len()];
        }
        let mut stolen = 0;
        // First from those that would still have too many if they gave no more.
        for least in [quota + 1, quota] {
            for partition in &self.deck {
                let owner = &mut self.owners[*partition];
                if let Some(share) = self.shares.get_mut(owner)
                    && *share > least
                    && stolen < quota
                {
                    *share -= 1;
                    *owner = joiner;
                    stolen += 1;
                }
            }
        }
        self.shares.insert(joiner, quota);
    }

    fn leave(&mut self, leaver: NodeId) {
        self.shuffle();
        self.shares.remove(&leaver);
        for partition in &self.deck {
            let owner = &mut self.owners[*partition];
            let poorest = self.shares.iter_mut().min_by_key(|(_, share)| **share);
            if let Some((heir, share)) = poorest
                && *owner == leaver
            {
                *owner = *heir;
                *share += 1;
            }
        }
        if self.shares.is_empty() {
            self.owners.clear();
        }
    }

    fn replace(&mut self, old: NodeId, new: NodeId) {
        let share = self.shares.remove(&old);
        self.shares.extend(share.map(|share| (new, share)));
        for owner in &mut self.owners {
            if *owner == old {
                *owner = new;
            }
        }
    }

    /// Fisher and Yates's, from the top.
    fn shuffle(&mut self) {
        for last in (1..self.deck.len()).rev() {
            let other = (u128::from(self.chance.next_u64()) * (last as u128 + 1)) >> 64;
            self.deck.swap(last, other as usize);
        }
    }
}

const MOST_PARTITIONS: u32 = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(partitions: u32, count: u16, expected: Option<&str>) {
        let options = Options::from_iter([("partitions".to_owned(), json!(partitions))]);
        let roster = Roster::of((1..=count).map(NodeId::node));
        let error = build(&options, 1, &roster)
            .err()
            .map(|error| error.to_string());
        assert_eq!(error.as_deref(), expected);
    }

    /// If this fails, a plan whose nodes cannot have a partition each is not told so.
    #[test]
    fn numbers_of_partitions_out_of_bounds_are_refused() {
        check(5, 5, None);
        check(4, 5, Some("partitions is 4, but 5 nodes need one each"));
        for partitions in [0, MOST_PARTITIONS + 1] {
            let reason = format!("partitions is {partitions}, but must be from 1 to 65536");
            check(partitions, 1, Some(&reason));
        }
    }
}
