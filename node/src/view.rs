//! What a node knows of the cluster: who holds keys, who coordinates, who is believed to be up, and where keys belong.
//!
//! Membership strategies change what is believed through [`Context::believe`](crate::context::Context::believe), and
//! [`crate::handover`] who the members are; everybody else only looks. Two nodes may see the cluster differently: that is
//! what an experiment is about.

use crate::partitioner::{Partitioner, PreferenceList, Roster};
use crate::roll::{Roll, UnderWay};
use std::collections::BTreeMap;
use tidemark_proto::id::NodeId;

/// One node's view of the cluster.
pub struct View {
    roll: Roll,
    /// All that the plan has, members or not.
    known: Vec<NodeId>,
    /// The members before and after the change that is under way.
    nodes: Vec<NodeId>,
    gateways: Vec<NodeId>,
    build: BuildLists,
    /// The lists of the members before the change that is under way.
    before: Box<dyn Partitioner>,
    /// Those of the members after it.
    after: Option<Box<dyn Partitioner>>,
    /// Of whom it does not believe that they are up.
    doubted: BTreeMap<NodeId, Belief>,
}

/// Lays keys out over the members of a roster.
pub type BuildLists = Box<dyn Fn(&Roster) -> Result<Box<dyn Partitioner>, String> + Send>;

/// What a node believes of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Belief {
    /// It answers, as far as is known.
    #[default]
    Up,
    /// It may be down: it has a while to prove the contrary, and is treated as up meanwhile.
    Suspected,
    /// It is down, and nobody waits for it.
    Down,
}

impl View {
    /// The view of a node that knows this roll, with everybody believed to be up.
    ///
    /// # Errors
    /// Keys cannot be laid out over its members.
    pub fn new(
        roll: Roll,
        known: Vec<NodeId>,
        gateways: Vec<NodeId>,
        build: BuildLists,
    ) -> Result<Self, String> {
        let mut view = Self {
            before: build(&roll.roster)?,
            after: None,
            nodes: Vec::new(),
            roll: Roll::default(),
            known,
            gateways,
            build,
            doubted: BTreeMap::new(),
        };
        view.enrol(roll)?;
        Ok(view)
    }

    /// The roll as this node knows it.
    #[must_use]
    pub fn roll(&self) -> &Roll {
        &self.roll
    }

    /// Every node that the plan has, member or not.
    #[must_use]
    pub fn known(&self) -> &[NodeId] {
        &self.known
    }

    /// The nodes that hold keys, in the order in which they joined; while a change is under way, those before and after.
    #[must_use]
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// The gateways, in their order.
    #[must_use]
    pub fn gateways(&self) -> &[NodeId] {
        &self.gateways
    }

    /// The first `n` distinct nodes for a key, up or not, or all nodes if there are fewer: whom a read asks.
    #[must_use]
    pub fn preference(&self, key: &[u8], n: usize) -> PreferenceList {
        match (&self.roll.under_way, &self.after) {
            (Some(UnderWay { step, .. }), Some(after)) if step.reads_after() => {
                after.preference(key, n)
            }
            _ => self.before.preference(key, n),
        }
    }

    /// The first `n` nodes for a key before and, where they are others, after the change that is under way: whom a write
    /// goes to.
    #[must_use]
    pub fn holders(&self, key: &[u8], n: usize) -> (PreferenceList, Option<PreferenceList>) {
        let before = self.before.preference(key, n);
        let after = self.after.as_ref().map(|after| after.preference(key, n));
        let after = after.filter(|after| {
            after.iter().any(|node| !before.contains(node)) || after.len() < before.len()
        });
        (before, after)
    }

    /// Those who hold a key on the other side of the change that is under way, seen from where reads look, if they are
    /// others: a write needs a quorum of them as well.
    #[must_use]
    pub fn other_side(&self, key: &[u8], n: usize) -> Option<PreferenceList> {
        let (before, after) = self.holders(key, n);
        let after = after?;
        let step = self.roll.under_way?.step;
        Some(if step.reads_after() { before } else { after })
    }

    /// Lays keys out over the members of a roster.
    ///
    /// # Errors
    /// The partitioner cannot.
    pub fn lists(&self, roster: &Roster) -> Result<Box<dyn Partitioner>, String> {
        (self.build)(roster)
    }

    /// What is believed of a node; of a stranger, that it is up.
    #[must_use]
    pub fn belief(&self, node: NodeId) -> Belief {
        self.doubted.get(&node).copied().unwrap_or_default()
    }

    /// Whether a node is worth asking: up, or merely suspected.
    #[must_use]
    pub fn is_up(&self, node: NodeId) -> bool {
        self.belief(node) != Belief::Down
    }

    /// Changes a belief. Tells whether it was another.
    pub(crate) fn believe(&mut self, node: NodeId, belief: Belief) -> bool {
        let before = match belief {
            Belief::Up => self.doubted.remove(&node),
            Belief::Suspected | Belief::Down => self.doubted.insert(node, belief),
        };
        before.unwrap_or_default() != belief
    }

    /// Goes by another roll from now on.
    pub(crate) fn enrol(&mut self, roll: Roll) -> Result<(), String> {
        let coming = roll.coming();
        self.check(&roll, &coming)?;
        let before = self.lists(&roll.roster)?;
        self.after = match roll.under_way {
            Some(_) => Some(self.lists(&coming)?),
            None => None,
        };
        self.before = before;
        self.nodes = roll.roster.nodes().to_vec();
        let more = coming
            .nodes()
            .iter()
            .filter(|node| !self.nodes.contains(node));
        let more: Vec<_> = more.copied().collect();
        self.nodes.extend(more);
        self.roll = roll;
        Ok(())
    }

    /// Refuses a roll that no registrar of this cluster has made.
    fn check(&self, roll: &Roll, coming: &Roster) -> Result<(), String> {
        let mut members = roll.roster.nodes().iter().chain(coming.nodes());
        if let Some(stranger) = members.find(|node| !self.known.contains(node)) {
            let known: Vec<_> = self.known.iter().map(NodeId::to_string).collect();
            let known = known.join(", ");
            return Err(format!(
                "{stranger} is not known here; the nodes are {known}"
            ));
        }
        if roll.roster.nodes().is_empty() || coming.nodes().is_empty() {
            return Err("it has no members".to_owned());
        }
        if roll.number == u64::MAX {
            return Err("no roll could come after it".to_owned());
        }
        Ok(())
    }
}
