//! The registrar: the first member that is believed to be up. It begins changes, one at a time, and takes the next step
//! when everybody has taken the last.
//!
//! Whoever is believed to be down is not waited for, as long as what is left behind so is less than a quorum: when it comes
//! back, its peers refuse what it coordinates by a roll that is more than a step behind, and tell it theirs. Two nodes that
//! both take themselves for the registrar take the same steps; that they do not begin two changes at once is up to who
//! asks them, as in Dynamo §4.8.1.

use super::{CannotChange, HandoverOptions, tell};
use crate::context::Context;
use crate::partitioner::Change;
use crate::roll::{Roll, Step};
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_proto::id::NodeId;
use tidemark_proto::wire;

/// What the registrar knows of how far the others are; of a node that is not the registrar, empty.
#[derive(Default)]
pub(super) struct Registrar {
    /// Of those who have taken the present step: whether they have handed over all their keys.
    taken: BTreeMap<NodeId, bool>,
    /// When those who have not answered are told again; none: there is nothing to tell.
    due: Option<Duration>,
}

impl Registrar {
    /// A new step: nobody is known to have taken it but this node. Who took it first tells the others, as do the registrar
    /// and who starts again with it. What all began with, nobody need be told.
    pub(super) fn restart(&mut self, context: &Context<'_>, took_it_first: bool) {
        self.taken.clear();
        let is_told = context.view.roll().number > 0 && (took_it_first || is_registrar(context));
        self.due = is_told.then_some(context.now.elapsed);
    }

    /// Beliefs have changed: whoever is the registrar by that goes on with what the one before it has begun.
    pub(super) fn take_over(&mut self, context: &Context<'_>) {
        if self.due.is_none() && context.view.roll().number > 0 && is_registrar(context) {
            self.due = Some(context.now.elapsed);
        }
    }

    /// A member says how far it is.
    pub(super) fn heard(
        &mut self,
        context: &Context<'_>,
        from: NodeId,
        reply: &wire::MembersReply,
    ) {
        if reply.number == context.view.roll().number {
            self.taken.insert(from, reply.moved);
        }
    }

    /// Tells the roll to those who have not said that they know it, and to those who still move keys.
    pub(super) fn timeout(&mut self, context: &mut Context<'_>, options: &HandoverOptions) {
        if self.due.is_none_or(|due| due > context.now.elapsed) {
            return;
        }
        let behind: Vec<_> = participants(context)
            .into_iter()
            .filter(|node| self.taken.get(node) != Some(&true))
            .collect();
        let is_over = context.view.roll().under_way.is_none();
        self.due = (!behind.is_empty() || !is_over).then(|| context.now.elapsed + options.retry.0);
        for node in behind {
            tell(context, node);
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.due
    }

    /// Whether everybody who is waited for has taken the present step of a change.
    pub(super) fn is_ready(&self, context: &Context<'_>, is_moved: bool) -> bool {
        let under_way = context.view.roll().under_way;
        let must_move = under_way.is_some_and(|it| it.step == Step::Moving);
        let is_known = self.due.is_some() && under_way.is_some();
        is_known
            && (is_moved || !must_move)
            && left_behind(context) <= context.may_leave_behind
            && self.have_taken(context, must_move)
    }

    /// Whether everybody who is waited for has taken the present step, and moved all keys if they must have.
    fn have_taken(&self, context: &Context<'_>, must_move: bool) -> bool {
        awaited(context).all(|node| self.has_taken(node, must_move))
    }

    fn has_taken(&self, node: NodeId, must_move: bool) -> bool {
        self.taken
            .get(&node)
            .is_some_and(|moved| *moved || !must_move)
    }

    /// Those for whom the registrar waits with the next step of a change.
    pub(super) fn lacks(&self, context: &Context<'_>) -> Vec<NodeId> {
        let Some(under_way) = context.view.roll().under_way.filter(|_| self.due.is_some()) else {
            return Vec::new();
        };
        let must_move = under_way.step == Step::Moving;
        let awaited = awaited(context);
        awaited
            .filter(|node| !self.has_taken(*node, must_move))
            .collect()
    }

    /// The roll with a change begun.
    pub(super) fn begin(
        &self,
        context: &Context<'_>,
        change: Change,
    ) -> Result<Roll, CannotChange> {
        let next = begin(context, change)?;
        if next.number > 1 && !self.have_taken(context, false) {
            return Err(CannotChange::NotEverywhere);
        }
        Ok(next)
    }
}

/// The roll with a change begun, if it makes sense.
fn begin(context: &Context<'_>, change: Change) -> Result<Roll, CannotChange> {
    let roll = context.view.roll();
    if let Some(first) = first(context).filter(|first| *first != context.id) {
        return Err(CannotChange::AskRegistrar(first));
    }
    if let Some(under_way) = roll.under_way {
        return Err(CannotChange::UnderWay(under_way.change));
    }
    let members = roll.roster.nodes();
    let listed: Vec<_> = members.iter().map(NodeId::to_string).collect();
    let listed = listed.join(", ");
    let refuse = |reason: String| Err(CannotChange::Senseless(reason));
    let (comes, goes) = match change {
        Change::Join(node) => (Some(node), None),
        Change::Leave(node) => (None, Some(node)),
        Change::Replace { old, new } => (Some(new), Some(old)),
    };
    if let Some(node) = comes.filter(|node| members.contains(node)) {
        return refuse(format!(
            "{node} is a member already; the members are {listed}"
        ));
    }
    if let Some(node) = comes.filter(|node| !context.view.known().contains(node)) {
        let known: Vec<_> = context.view.known().iter().map(NodeId::to_string).collect();
        let known = known.join(", ");
        return refuse(format!("{node} is not known here; the nodes are {known}"));
    }
    if let Some(node) = goes.filter(|node| !members.contains(node)) {
        return refuse(format!("{node} is no member; the members are {listed}"));
    }
    let least = context.replicas;
    if comes.is_none() && members.len() <= least {
        let count = members.len();
        return refuse(format!(
            "{count} members hold {least} replicas of each key: none can leave; let another join first"
        ));
    }
    let next = roll.begin(change);
    match context.view.lists(&next.coming()) {
        Ok(_) => Ok(next),
        Err(error) => refuse(format!("the partitioner cannot: {error}")),
    }
}

/// Whether this node keeps the roll.
fn is_registrar(context: &Context<'_>) -> bool {
    first(context) == Some(context.id)
}

/// Whom this node takes for it.
pub(super) fn first(context: &Context<'_>) -> Option<NodeId> {
    let roll = context.view.roll();
    let up = |node: &&NodeId| **node == context.id || context.view.is_up(**node);
    let nodes = roll.roster.nodes();
    nodes
        .iter()
        .filter(up)
        .find(|node| !is_gone(context, **node))
        .copied()
}

/// Whether a node is being replaced: it is gone for good.
fn is_gone(context: &Context<'_>, node: NodeId) -> bool {
    let under_way = context.view.roll().under_way;
    matches!(under_way.map(|it| it.change), Some(Change::Replace { old, .. }) if old == node)
}

/// How many members are not waited for since they are believed to be down; who is replaced is gone anyhow.
fn left_behind(context: &Context<'_>) -> usize {
    let members = context.view.nodes().iter();
    let others = members.filter(|node| **node != context.id);
    others
        .filter(|node| !context.view.is_up(**node) && !is_gone(context, **node))
        .count()
}

/// Everybody but this node who coordinates or holds keys, before or after.
fn participants(context: &Context<'_>) -> Vec<NodeId> {
    let mut all: Vec<NodeId> = context.view.known().to_vec();
    all.extend(context.view.gateways());
    all.retain(|node| *node != context.id);
    all
}

/// Those without whom the next step is not taken: who is believed to be down is told when it is back, and a node that is
/// replaced is gone for good.
fn awaited(context: &Context<'_>) -> impl Iterator<Item = NodeId> {
    let members = context.view.nodes();
    participants(context)
        .into_iter()
        .filter(|node| members.contains(node) || context.view.gateways().contains(node))
        .filter(|node| context.view.is_up(*node) && !is_gone(context, *node))
}
