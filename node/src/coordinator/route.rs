//! Where requests for a key go: its own replicas, and who stands in for them.

use crate::partitioner::PreferenceList;
use crate::view::View;
use smallvec::SmallVec;
use tidemark_proto::id::NodeId;

/// Says where requests for a key go that has so many replicas.
pub type Routing = fn(&View, &[u8], usize) -> Route;

/// Where requests for a key go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The key's own replicas: the first N of its preference list, up or not.
    pub replicas: PreferenceList,
    /// Who is asked, most preferred first.
    pub targets: Targets,
}

/// The nodes that a request goes to.
pub type Targets = SmallVec<[Target; 5]>;

/// A node that a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The node.
    pub node: NodeId,
    /// The replica in whose place it is asked; none: it is a replica itself.
    pub stands_for: Option<NodeId>,
    /// While members change: on which side of the change it holds the key.
    pub side: Side,
}

/// On which side of a change of the members a node holds a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// On both, as ever while nothing changes.
    #[default]
    Both,
    /// Only where reads look now.
    Here,
    /// Only on the other.
    There,
}

impl Route {
    /// To the key's own replicas, and to nobody else: who is down stays away.
    #[must_use]
    pub fn to_replicas(view: &View, key: &[u8], n: usize) -> Self {
        Self::to_all(view.preference(key, n))
    }

    /// To the first N of a preference list, and to nobody else.
    #[must_use]
    pub fn to_all(replicas: PreferenceList) -> Self {
        Self {
            targets: replicas.iter().copied().map(Target::replica).collect(),
            replicas,
        }
    }
}

impl Target {
    /// A replica that is asked for itself.
    #[must_use]
    pub fn replica(node: NodeId) -> Self {
        Self {
            node,
            stands_for: None,
            side: Side::Both,
        }
    }
}
