//! Which nodes hold a key: the seam of partitioners.

mod digit_sum;
mod fixed_partitions;
mod nearest;
mod rendezvous;
mod slot_ring;
mod token_ring;

use md5::{Digest, Md5};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options};

/// The nodes that shall hold a key, most preferred first.
pub type PreferenceList = SmallVec<[NodeId; 5]>;

/// A way of laying keys out over nodes.
pub trait Partitioner: Send {
    /// The first `n` distinct nodes for a key, or all nodes if there are fewer.
    fn preference(&self, key: &[u8], n: usize) -> PreferenceList;
}

/// The first `wanted` distinct nodes of those met on a way around a ring.
fn distinct<'a>(met: impl Iterator<Item = &'a NodeId>, wanted: usize) -> PreferenceList {
    let mut list = PreferenceList::new();
    for node in met {
        if list.len() == wanted {
            break;
        }
        if !list.contains(node) {
            list.push(*node);
        }
    }
    list
}

/// How an entry is built: its options, the run's seed, the nodes that hold keys.
pub type Build = fn(&Options, u64, &Roster) -> Result<Box<dyn Partitioner>, OptionError>;

/// Every partitioner.
pub const ENTRIES: &[Entry<Build>] = &[
    token_ring::ENTRY,
    slot_ring::ENTRY,
    fixed_partitions::ENTRY,
    rendezvous::ENTRY,
    nearest::ENTRY,
    digit_sum::ENTRY,
];

/// The nodes that hold keys, and how they came to: from it every node computes the same partitioner, and one that moves as
/// few keys as it can when the nodes change. In bytes it is its history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Change>", into = "Vec<Change>")]
pub struct Roster {
    nodes: Vec<NodeId>,
    /// The name of each node's place.
    places: Vec<NodeId>,
    history: Vec<Change>,
}

impl Roster {
    /// The roster of a cluster's first nodes.
    #[must_use]
    pub fn of(nodes: impl IntoIterator<Item = NodeId>) -> Self {
        nodes.into_iter().map(Change::Join).collect()
    }

    /// The roster after one more change. One that changes nothing leaves no trace: a node that is there joins, one that is
    /// not leaves or is replaced.
    #[must_use]
    pub fn after(&self, change: Change) -> Self {
        let mut next = self.clone();
        next.extend([change]);
        next
    }

    /// The nodes in the order of their joining; one that replaces another stands in its place.
    #[must_use]
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// The nodes as [`Roster::nodes`] has them, each with the name from which its place is drawn: its own, or that of the
    /// node whose place it took.
    pub fn places(&self) -> impl Iterator<Item = (NodeId, NodeId)> {
        self.nodes.iter().copied().zip(self.places.iter().copied())
    }

    /// Every change from the joining of the first node on.
    #[must_use]
    pub fn history(&self) -> &[Change] {
        &self.history
    }

    /// The name of the place of a node that joins: its own, unless a node that replaced it in an earlier life still has its
    /// place; then that one's, and so on. This ends: no two places have one name, and no place leads back to the node.
    fn free_place(&self, node: NodeId) -> NodeId {
        let mut name = node;
        while let Some((holder, _)) = self.places().find(|(_, place)| *place == name) {
            name = holder;
        }
        name
    }
}

impl Extend<Change> for Roster {
    fn extend<T: IntoIterator<Item = Change>>(&mut self, changes: T) {
        for change in changes {
            let index = |node| self.nodes.iter().position(|other| *other == node);
            match change {
                Change::Join(node) if index(node).is_none() => {
                    self.places.push(self.free_place(node));
                    self.nodes.push(node);
                }
                Change::Leave(node) if let Some(index) = index(node) => {
                    self.places.remove(index);
                    self.nodes.remove(index);
                }
                Change::Replace { old, new }
                    if let (Some(index), None) = (index(old), index(new)) =>
                {
                    self.nodes[index] = new;
                }
                Change::Join(_) | Change::Leave(_) | Change::Replace { .. } => continue,
            }
            self.history.push(change);
        }
    }
}

impl FromIterator<Change> for Roster {
    fn from_iter<T: IntoIterator<Item = Change>>(changes: T) -> Self {
        let mut roster = Self::default();
        roster.extend(changes);
        roster
    }
}

impl From<Vec<Change>> for Roster {
    fn from(history: Vec<Change>) -> Self {
        history.into_iter().collect()
    }
}

impl From<Roster> for Vec<Change> {
    fn from(roster: Roster) -> Self {
        roster.history
    }
}

/// A change of the nodes that hold keys. In text: `+n4`, `-n4`, `n4>n7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A node joins.
    Join(NodeId),
    /// A node leaves for good.
    Leave(NodeId),
    /// A node takes the place of another, which is gone for good.
    Replace {
        /// Whose place it was.
        old: NodeId,
        /// Whose it is.
        new: NodeId,
    },
}

/// Text that names no change of the nodes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} names no change of the nodes; write it like +n4, -n4 or n4>n7")]
pub struct ChangeError {
    text: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join(node) => write!(f, "+{node}"),
            Self::Leave(node) => write!(f, "-{node}"),
            Self::Replace { old, new } => write!(f, "{old}>{new}"),
        }
    }
}

impl FromStr for Change {
    type Err = ChangeError;

    fn from_str(text: &str) -> Result<Self, ChangeError> {
        let node = |name: &str| name.parse().ok();
        let change = match (text.split_at_checked(1), text.split_once('>')) {
            (Some(("+", name)), _) => node(name).map(Self::Join),
            (Some(("-", name)), _) => node(name).map(Self::Leave),
            (_, Some((old, new))) => node(old)
                .zip(node(new))
                .map(|(old, new)| Self::Replace { old, new }),
            _ => None,
        };
        change.ok_or_else(|| ChangeError {
            text: text.to_owned(),
        })
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// MD5 of a key or name, as a position on a ring of 2^128.
///
/// Reference: DeCandia et al., Dynamo, SOSP 2007, §4.1.
fn position(name: &[u8]) -> u128 {
    u128::from_be_bytes(Md5::digest(name).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster(text: &str) -> Roster {
        let changes = text.split(' ').map(|change| change.parse().unwrap());
        changes.collect()
    }

    fn names(nodes: impl IntoIterator<Item = NodeId>) -> String {
        let names: Vec<_> = nodes.into_iter().map(|node| node.to_string()).collect();
        names.join(" ")
    }

    /// If this fails, nodes that saw the same changes do not have the same list, or two nodes have one place.
    #[test]
    fn a_roster_is_what_its_changes_made_of_it() {
        let check = |text: &str, nodes: &str, places: &str| {
            let roster = roster(text);
            assert_eq!(names(roster.nodes().iter().copied()), nodes, "{text}");
            assert_eq!(names(roster.places().map(|(_, p)| p)), places, "{text}");
            let text = serde_json::to_string(&roster).unwrap();
            assert_eq!(serde_json::from_str::<Roster>(&text).unwrap(), roster);
        };
        check("+n1 +n2 +n3", "n1 n2 n3", "n1 n2 n3");
        check("+n1 +n2 +n3 -n1 +n1", "n2 n3 n1", "n2 n3 n1");
        check("+n1 +n2 n1>n4", "n4 n2", "n1 n2");
        check("+n1 +n2 n1>n4 +n1", "n4 n2 n1", "n1 n2 n4");
        check("+n1 +n2 n1>n4 +n1 n1>n5 +n1", "n4 n2 n5 n1", "n1 n2 n4 n5");
        check("+n1 n1>n2 n2>n3 -n3 +n3", "n3", "n3");
    }

    /// If this fails, a roster grows with what changes nothing.
    #[test]
    fn what_changes_nothing_leaves_no_trace() {
        let roster = roster("+n1 +n2");
        for change in ["+n1", "-n3", "n3>n4", "n1>n2", "n1>n1"] {
            assert_eq!(roster.after(change.parse().unwrap()), roster, "{change}");
        }
        let nodes = [1, 2].map(NodeId::node);
        assert_eq!(Roster::of(nodes), roster);
    }

    #[test]
    fn other_text_is_no_change() {
        for text in ["", "n1", "+", "+x1", "-", "n1>", ">n1", "n1>n2>n3", "é"] {
            assert!(text.parse::<Change>().is_err(), "{text:?}");
        }
    }
}
