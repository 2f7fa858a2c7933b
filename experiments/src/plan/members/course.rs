//! The course of a plan's changes of members: who the members are at each, whom chance draws, and which cannot be. It is
//! found from the plan alone, so that both back-ends carry out the same.

use super::{Lot, MemberChange, Replace, Several, Who};
use crate::plan::check::at;
use crate::plan::error::PlanError;
use crate::plan::path::Path;
use crate::plan::{Fault, Plan};
use crate::request::below;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::time::Duration;
use tidemark_node::chance;
use tidemark_node::config::partitioner_of;
use tidemark_node::partitioner::{Change, Roster};
use tidemark_proto::id::NodeId;
use tidemark_proto::span::Span;

/// One change that is to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Duration,
    /// What results call it.
    pub name: String,
    /// What is asked for.
    pub change: Change,
}

impl Step {
    /// A change that is asked for now.
    #[must_use]
    pub fn new(at: Duration, name: Option<String>, change: Change) -> Self {
        let name = name.unwrap_or_else(|| match change {
            Change::Join(node) => format!("{node} joins"),
            Change::Leave(node) => format!("{node} leaves"),
            Change::Replace { old, new } => format!("{new} replaces {old}"),
        });
        Self { at, name, change }
    }
}

/// Every change of the plan, in the order in which they are asked for.
#[must_use]
pub fn steps(plan: &Plan) -> Vec<Step> {
    course(plan).0
}

/// The changes that cannot be, of a plan whose tables are well formed.
pub(in crate::plan) fn check(plan: &Plan) -> Vec<PlanError> {
    course(plan).1
}

fn course(plan: &Plan) -> (Vec<Step>, Vec<PlanError>) {
    let changes = plan.fault.iter().enumerate();
    let mut changes: Vec<(usize, &MemberChange)> = changes
        .filter_map(|(place, fault)| match fault {
            Fault::Members(change) => Some((place, &**change)),
            Fault::Machine(_) | Fault::Rule(_) => None,
        })
        .collect();
    changes.sort_by_key(|(_, change)| change.at);
    let mut course = Course {
        plan,
        roster: Roster::of(plan.nodes()),
        steps: Vec::new(),
        errors: Vec::new(),
    };
    for (number, (place, change)) in changes.into_iter().enumerate() {
        let purpose = format!("members {}", number + 1);
        let mut chance = chance::stream(plan.seed, &purpose, NodeId::client(1));
        course.follow(place, change, &mut chance);
    }
    (course.steps, course.errors)
}

/// A plan's changes as far as they were followed.
struct Course<'a> {
    plan: &'a Plan,
    /// The members then.
    roster: Roster,
    steps: Vec<Step>,
    errors: Vec<PlanError>,
}

impl Course<'_> {
    fn follow(&mut self, place: usize, change: &MemberChange, chance: &mut Xoshiro256PlusPlus) {
        let table = at("fault").index(place);
        let MemberChange {
            join,
            leave,
            replace,
            ..
        } = change;
        for (path, who) in each(join.as_ref(), &table.key("join")) {
            if let Some(node) = self.spare(who, &path, change.at, chance) {
                self.take(change, Change::Join(node), &path);
            }
        }
        for (path, who) in each(leave.as_ref(), &table.key("leave")) {
            if let Some(node) = self.member(who, &path, change.at, chance) {
                self.take(change, Change::Leave(node), &path);
            }
        }
        if let Some(Replace { node, by }) = replace {
            let path = table.key("replace");
            let old = self.member(*node, &path.key("node"), change.at, chance);
            let new = self.spare(*by, &path.key("by"), change.at, chance);
            if let (Some(old), Some(new)) = (old, new) {
                self.take(change, Change::Replace { old, new }, &path);
            }
        }
    }

    /// Who is meant, of those who are no members.
    fn spare(
        &mut self,
        who: Who,
        path: &Path,
        at_time: Span,
        chance: &mut Xoshiro256PlusPlus,
    ) -> Option<NodeId> {
        let members = self.roster.nodes();
        let all = [self.plan.nodes(), self.plan.spares()].concat();
        let free: Vec<_> = all.into_iter().filter(|id| !members.contains(id)).collect();
        let found = chosen(who, &free, chance);
        if found.is_none() {
            let is = self.said(who, at_time, "is no spare");
            let choices = match &free[..] {
                [] => "there is none then; write more spares into [cluster]".to_owned(),
                _ => format!("choose one of the spares: {}", list(&free)),
            };
            let error = PlanError::new(path.clone(), format!("{path} is {is}; {choices}"));
            self.errors.push(error.also(at("cluster")));
        }
        found
    }

    /// Who is meant, of the members.
    fn member(
        &mut self,
        who: Who,
        path: &Path,
        at_time: Span,
        chance: &mut Xoshiro256PlusPlus,
    ) -> Option<NodeId> {
        let members = self.roster.nodes().to_vec();
        let found = chosen(who, &members, chance);
        if found.is_none() {
            let is = self.said(who, at_time, "is no member");
            let reason = format!(
                "{path} is {is}; choose one of the members: {}",
                list(&members)
            );
            self.errors
                .push(PlanError::new(path.clone(), reason).also(at("cluster")));
        }
        found
    }

    /// Who was written, and what is wrong with it.
    fn said(&self, who: Who, at_time: Span, otherwise: &str) -> String {
        match who {
            Who::Drawn(Lot::Any) => format!("\"any\", but at {at_time} nobody can be drawn"),
            Who::Named(id) if self.roster.nodes().contains(&id) => {
                format!("\"{id}\", but at {at_time} {id} is a member")
            }
            Who::Named(id) => format!("\"{id}\", but at {at_time} {id} {otherwise}"),
        }
    }

    /// Takes a change into the course, if the members can hold all keys after it.
    fn take(&mut self, of: &MemberChange, change: Change, path: &Path) {
        let next = self.roster.after(change);
        let (left, n) = (next.nodes().len(), self.plan.replicas());
        if left < n {
            let reason = format!(
                "{path} would leave {left} members at {}, but replication.n is {n}; let another node join first",
                of.at
            );
            self.errors
                .push(PlanError::new(path.clone(), reason).also(at("replication.n")));
            return;
        }
        if let Err(error) = partitioner_of(&self.plan.config(), &next) {
            let reason = format!("{path} cannot be with {}: {error}", list(next.nodes()));
            self.errors
                .push(PlanError::new(path.clone(), reason).also(at("partitioner")));
            return;
        }
        self.roster = next;
        self.steps.push(Step::new(of.at.0, of.name.clone(), change));
    }
}

/// Those of a list, each with its place.
fn each(several: Option<&Several>, path: &Path) -> Vec<(Path, Who)> {
    match several {
        None => Vec::new(),
        Some(Several::One(who)) => vec![(path.clone(), *who)],
        Some(Several::These(all)) => {
            let all = all.iter().enumerate();
            all.map(|(place, who)| (path.index(place), *who)).collect()
        }
    }
}

fn chosen(who: Who, among: &[NodeId], chance: &mut Xoshiro256PlusPlus) -> Option<NodeId> {
    match who {
        Who::Named(id) => among.contains(&id).then_some(id),
        Who::Drawn(Lot::Any) if among.is_empty() => None,
        Who::Drawn(Lot::Any) => {
            let place = below(among.len() as u64, chance) as usize;
            among.get(place).copied()
        }
    }
}

fn list(nodes: &[NodeId]) -> String {
    let names: Vec<_> = nodes.iter().map(NodeId::to_string).collect();
    names.join(", ")
}
