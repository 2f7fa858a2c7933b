//! Whom a fault strikes: machines by their names, or those that chance draws.

use crate::plan::Plan;
use crate::request::below;
use rand_xoshiro::Xoshiro256PlusPlus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::id::NodeId;

/// Whom a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "write a node like \"n2\", a list of them, or one of: any, any-two, minority, some, all, a-coordinator"
)]
pub enum Whom {
    /// Whoever is drawn.
    Drawn(Lot),
    /// One.
    One(NodeId),
    /// These.
    These(Vec<NodeId>),
}

/// How chance draws machines, from a stream of the fault's name, of those that the fault has not struck already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Lot {
    /// A node.
    Any,
    /// Two nodes.
    AnyTwo,
    /// As many nodes as leave a majority.
    Minority,
    /// Any number of nodes, one at least.
    Some,
    /// Every node.
    All,
    /// Somebody whom clients ask.
    ACoordinator,
}

impl Whom {
    /// Those whom it names.
    #[must_use]
    pub fn named(&self) -> &[NodeId] {
        match self {
            Self::Drawn(_) => &[],
            Self::One(id) => std::slice::from_ref(id),
            Self::These(ids) => ids,
        }
    }

    /// Those whom it strikes, in their order, of those who are free.
    pub(super) fn draw(
        &self,
        plan: &Plan,
        is_free: impl Fn(NodeId) -> bool,
        chance: &mut Xoshiro256PlusPlus,
    ) -> Vec<NodeId> {
        let Self::Drawn(lot) = self else {
            let named = self.named().iter().copied();
            return named.filter(|id| is_free(*id)).collect();
        };
        let all = match lot {
            Lot::ACoordinator => plan.coordinators(),
            Lot::Any | Lot::AnyTwo | Lot::Minority | Lot::Some | Lot::All => plan.nodes(),
        };
        let struck = all.iter().filter(|id| !is_free(**id)).count();
        let mut free: Vec<NodeId> = all.iter().copied().filter(|id| is_free(*id)).collect();
        let count = match lot {
            Lot::Any | Lot::ACoordinator => 1,
            Lot::AnyTwo => 2,
            Lot::Minority => ((all.len() - 1) / 2).saturating_sub(struck),
            Lot::All => all.len(),
            // Every set but the empty one is as likely as any other.
            Lot::Some => {
                let mut draws = (0..MOST_DRAWS).map(|_| {
                    let some = free.iter().filter(|_| below(2, chance) == 1);
                    some.copied().collect::<Vec<_>>()
                });
                let some = draws.find(|some| !some.is_empty());
                return some.unwrap_or(free);
            }
        };
        let count = count.min(free.len());
        for place in 0..count {
            let left = (free.len() - place) as u64;
            free.swap(place, place + below(left, chance) as usize);
        }
        free.truncate(count);
        free.sort_unstable();
        free
    }

    /// That they do something: `n2 crashes`, `two nodes crash`.
    pub(super) fn told(&self, [one, several]: [&str; 2]) -> String {
        match self {
            Self::One(id) => format!("{id} {one}"),
            Self::These(ids) => {
                let names: Vec<_> = ids.iter().map(NodeId::to_string).collect();
                let verb = if ids.len() == 1 { one } else { several };
                format!("{} {verb}", names.join(" and "))
            }
            Self::Drawn(lot) => match lot {
                Lot::Any => format!("a node {one}"),
                Lot::AnyTwo => format!("two nodes {several}"),
                Lot::Minority => format!("a minority {one}"),
                Lot::Some => format!("some nodes {several}"),
                Lot::All => format!("all nodes {several}"),
                Lot::ACoordinator => format!("a coordinator {one}"),
            },
        }
    }
}

/// How often an empty set is drawn again; after so many, all are struck.
const MOST_DRAWS: usize = 64;
