//! Asks for changes of the members as an administrator does (Dynamo §4.8.1): one after another, each when the one before is
//! over. It does no I/O; the back-ends carry out what it wants, and tell it what came back.
//!
//! It sits beside the nodes: no rule of the network touches what it says. Whoever does not answer, or refuses, is asked
//! again or another is, until the change has begun: a change is not lost because a node is down, or because another
//! change is under way.

use crate::plan::Plan;
use crate::plan::members::{Step, steps};
use std::collections::VecDeque;
use std::time::Duration;
use tidemark_node::partitioner::Change;
use tidemark_proto::event::FaultSpan;
use tidemark_proto::id::NodeId;
use tidemark_proto::wire::RollReply;

/// A question to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Under which number its answer is told.
    pub number: u64,
    /// Who is asked.
    pub node: NodeId,
    /// To begin what; none: who the members are.
    pub change: Option<Change>,
}

/// What is wanted of the members, and how far it is.
pub struct Administrator {
    /// Who can be asked.
    nodes: Vec<NodeId>,
    waiting: VecDeque<Step>,
    current: Option<Current>,
    /// The greatest roll that was heard of: who knows less is asked nothing.
    roll: u64,
    /// Whom to ask, by its place.
    place: usize,
    /// Questions asked.
    asked: u64,
    /// How long it waits for an answer.
    retry: Duration,
}

/// The change that is asked for.
struct Current {
    step: Step,
    since: Duration,
    /// How often the members were asked for.
    looks: u32,
    /// When it is asked again.
    due: Duration,
    /// The question that is open, and what it is to begin.
    open: Option<Ask>,
    /// Why it could not be begun.
    refused: String,
}

impl Administrator {
    /// The one of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let nodes = [plan.nodes(), plan.spares()].concat();
        Self::new(nodes, plan.handover.retry.0, steps(plan))
    }

    /// One who may ask these nodes, waits so long for an answer, and asks for these changes.
    #[must_use]
    pub fn new(nodes: Vec<NodeId>, retry: Duration, steps: Vec<Step>) -> Self {
        Self {
            nodes,
            waiting: steps.into(),
            current: None,
            roll: 0,
            place: 0,
            asked: 0,
            retry,
        }
    }

    /// Asks for one more change.
    pub fn want(&mut self, step: Step) {
        self.waiting.push_back(step);
    }

    /// When there is something to do.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        match &self.current {
            Some(current) => Some(current.due),
            None => self.waiting.front().map(|step| step.at),
        }
    }

    /// Does what is due by now: gives the question to ask.
    pub fn act(&mut self, now: Duration) -> Option<Ask> {
        if self.current.is_none() && self.waiting.front().is_some_and(|step| step.at <= now) {
            self.current = self.waiting.pop_front().map(|step| Current {
                step,
                since: now,
                looks: 0,
                due: now,
                open: None,
                refused: String::new(),
            });
        }
        let current = self.current.as_mut().filter(|current| current.due <= now)?;
        if current.open.is_some() {
            // It was not answered: somebody else may be.
            self.place += 1;
        }
        current.looks += 1;
        let node = self.nodes[self.place % self.nodes.len()];
        Some(self.ask(now, node, None))
    }

    /// Takes the answer to a question: gives the next question, or the change that is over.
    pub fn answered(
        &mut self,
        now: Duration,
        number: u64,
        answer: Result<RollReply, String>,
    ) -> (Option<Ask>, Option<FaultSpan>) {
        let roll = self.roll;
        let open = |current: &&mut Current| current.open.is_some_and(|ask| ask.number == number);
        let Some(current) = self.current.as_mut().filter(open) else {
            return (None, None);
        };
        let change = current.step.change;
        let asked = current.open.take().and_then(|ask| ask.change);
        current.due = now + self.retry / LOOKS_A_RETRY;
        let reply = match answer {
            Ok(reply) if reply.number >= roll => reply,
            Ok(_) => {
                self.place += 1;
                return (None, None);
            }
            Err(reason) => {
                current.refused = reason;
                self.place += usize::from(asked.is_none());
                return self.give_up(now);
            }
        };
        self.roll = reply.number;
        if !reply.change.is_empty() {
            // It is under way, or another is, which comes first.
            return self.give_up(now);
        }
        if is_done(change, &reply.members) {
            return (None, self.end(now, None));
        }
        let registrar = reply.registrar.parse().ok();
        let known = registrar.and_then(|id| self.nodes.iter().position(|node| *node == id));
        let Some(place) = known else {
            self.place += 1;
            return (None, None);
        };
        self.place = place;
        let node = self.nodes[place];
        (Some(self.ask(now, node, Some(change))), None)
    }

    /// The run is over: gives what is not done yet of what was wanted by now.
    pub fn abandon(&mut self, now: Duration) -> Vec<FaultSpan> {
        let mut spans: Vec<_> = (self.end(now, Some("not over when the run ended")))
            .into_iter()
            .collect();
        let wanted = std::mem::take(&mut self.waiting).into_iter();
        let wanted = wanted.filter(|step| step.at <= now);
        spans.extend(wanted.map(|step| {
            let (since, why) = (step.at, ", not asked for when the run ended");
            span(step, (since, now), why)
        }));
        spans
    }

    fn ask(&mut self, now: Duration, node: NodeId, change: Option<Change>) -> Ask {
        self.asked += 1;
        let ask = Ask {
            number: self.asked,
            node,
            change,
        };
        if let Some(current) = &mut self.current {
            current.open = Some(ask);
            current.due = now + self.retry;
        }
        ask
    }

    /// Ends the change unsuccessfully if it was looked for too often already.
    fn give_up(&mut self, now: Duration) -> (Option<Ask>, Option<FaultSpan>) {
        let is_hopeless = |current: &Current| current.looks >= MOST_LOOKS;
        let span = if self.current.as_ref().is_some_and(is_hopeless) {
            self.end(now, Some("given up"))
        } else {
            None
        };
        (None, span)
    }

    /// What results say of the change that is asked for, which is so no longer.
    fn end(&mut self, now: Duration, failed: Option<&str>) -> Option<FaultSpan> {
        let Current {
            step,
            since,
            refused,
            ..
        } = self.current.take()?;
        let why = failed.map(|what| match &refused[..] {
            "" => format!(", {what}"),
            reason => format!(", {what}: {reason}"),
        });
        Some(span(step, (since, now), &why.unwrap_or_default()))
    }
}

/// What results say of a change.
fn span(step: Step, (from, until): (Duration, Duration), why: &str) -> FaultSpan {
    let (kind, whom) = match step.change {
        Change::Join(node) => ("join", node.to_string()),
        Change::Leave(node) => ("leave", node.to_string()),
        Change::Replace { old, new } => ("replace", format!("{old}, {new}")),
    };
    FaultSpan {
        name: step.name,
        kind: kind.to_owned(),
        from,
        until,
        about: whom + why,
        series: None,
    }
}

/// Whether a change is behind those who are members now.
fn is_done(change: Change, members: &[String]) -> bool {
    let is_member = |node: NodeId| members.contains(&node.to_string());
    match change {
        Change::Join(node) => is_member(node),
        Change::Leave(node) => !is_member(node),
        Change::Replace { old, new } => is_member(new) && !is_member(old),
    }
}

/// How often it looks in the time that it would wait for an answer: so exactly is it known when a change is over.
const LOOKS_A_RETRY: u32 = 20;
/// How often it looks for one change, ten minutes long if nothing is stretched.
const MOST_LOOKS: u32 = 60_000;
