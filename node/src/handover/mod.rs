//! Elasticity: members come and go while clients read and write, and keys move with ownership.
//!
//! The [`Roll`] says which step of a change all are at. One member, the *registrar*, begins changes and takes the next
//! step once everybody has taken the last one (`registrar`); who holds keys that are to be another's hands them over
//! (`moving`), and gives up what is no longer its own when the change is over (`giving_up`).
//!
//! Reference: see [`crate::roll`].

mod giving_up;
mod moving;
mod registrar;

use crate::context::Context;
use crate::partitioner::Change;
use crate::request::Enrolled;
use crate::roll::{Roll, Step, UnderWay};
use giving_up::GivingUp;
use moving::Moving;
use registrar::Registrar;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Message;
use tidemark_proto::span::Span;
use tidemark_proto::wire;

/// How keys move when members come and go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HandoverOptions {
    /// Keys offered at once to each new holder. Fewer: more messages; more: longer pauses for clients.
    #[schemars(range(min = 1, max = 10_000))]
    pub batch: u32,
    /// Keys offered per second by a node, at most. Less: changes take longer; more: clients notice them.
    #[schemars(range(min = 1))]
    pub rate: u32,
    /// After what time something that was not answered is sent again. Shorter: needless messages; longer: a lost message
    /// holds the change up.
    pub retry: Span,
    /// How long a node keeps what is no longer its own once the change is over. Shorter: late messages find nothing; longer:
    /// disk space.
    pub keep: Span,
}

impl Default for HandoverOptions {
    fn default() -> Self {
        Self {
            batch: 100,
            rate: 100_000,
            retry: Span(Duration::from_millis(200)),
            keep: Span(Duration::from_secs(1)),
        }
    }
}

/// A node's part in the changes of the members.
pub struct Handover {
    options: HandoverOptions,
    registrar: Registrar,
    /// While keys move.
    moving: Option<Moving>,
    /// After a change.
    giving_up: Option<GivingUp>,
    /// The registrar that told the present roll.
    answer_to: Option<NodeId>,
    /// What it was answered last: by which roll this node goes, and whether it has moved all keys.
    answered: Option<wire::MembersReply>,
    /// Whether this life has looked for what a former one has left to do.
    begun: bool,
}

/// Why a change cannot be begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotChange {
    /// Somebody else keeps the roll.
    #[error("{0} keeps the roll of the members; ask it")]
    AskRegistrar(NodeId),
    /// One change at a time.
    #[error("a change is under way: {0}; wait until it is over")]
    UnderWay(Change),
    /// Not everybody knows yet that the last change is over.
    #[error("not every member knows yet that the last change is over; try again soon")]
    NotEverywhere,
    /// It makes no sense.
    #[error("{0}")]
    Senseless(String),
    /// The registrar cannot keep it.
    #[error("{0} cannot keep the new roll of the members: its disk takes nothing")]
    NotKept(NodeId),
}

impl Handover {
    /// The part of a node that goes by this roll when it starts.
    pub(crate) fn new(options: HandoverOptions, roll: &Roll) -> Self {
        Self {
            options,
            registrar: Registrar::default(),
            moving: None,
            giving_up: None,
            answer_to: None,
            answered: None,
            begun: roll.number == 0,
        }
    }

    /// Begins a change of the members.
    pub(crate) fn begin(
        &mut self,
        context: &mut Context<'_>,
        change: Change,
    ) -> Result<(), CannotChange> {
        let next = self.registrar.begin(context, change)?;
        if !self.adopt(context, next) {
            return Err(CannotChange::NotKept(context.id));
        }
        self.registrar.restart(context, true);
        Ok(())
    }

    /// What this node knows of the members.
    pub(crate) fn enrolled(&self, context: &Context<'_>) -> Enrolled {
        let view = &context.view;
        let down = view.nodes().iter().filter(|node| !view.is_up(**node));
        Enrolled {
            roll: view.roll().clone(),
            down: down.copied().collect(),
            registrar: registrar::first(context),
            awaited: self.registrar.lacks(context),
            moved_percent: self.moving.as_ref().map(Moving::percent),
        }
    }

    /// A peer says something about members or moving keys.
    pub(crate) fn message(&mut self, context: &mut Context<'_>, from: NodeId, message: Message) {
        match message {
            Message::Members(members) => match Roll::from_bytes(&members.roll) {
                Some(roll) if roll.number >= context.view.roll().number => {
                    if roll.number > context.view.roll().number {
                        self.adopt(context, roll);
                    }
                    // Who asks is answered, also if it was before: the answer may be lost.
                    (self.answer_to, self.answered) = (Some(from), None);
                    self.answer(context);
                }
                Some(_) => tell(context, from),
                None => context.refuse(OperationId::NONE, "a roll of members cannot be read"),
            },
            Message::MembersReply(reply) => {
                self.registrar.heard(context, from, &reply);
                self.step(context);
            }
            Message::Move(part) => moving::receive(context, from, part),
            Message::MoveReply(reply) => {
                if let Some(moving) = &mut self.moving {
                    moving.answered(context, from, &reply);
                }
                self.moved(context);
            }
            other => {
                let reason = format!("a {} message is not about members", other.method());
                context.refuse(other.operation(), reason);
            }
        }
    }

    /// A hint came home: whoever kept it did not give it to those who are to hold the key from now on.
    pub(crate) fn missed(&mut self, context: &Context<'_>, key: &bytes::Bytes) {
        if let Some(moving) = &mut self.moving {
            moving.again(context, key);
        }
    }

    /// This node believes something else of another.
    pub(crate) fn believed(&mut self, context: &Context<'_>) {
        self.registrar.take_over(context);
    }

    /// The alarm is due.
    pub(crate) fn timeout(&mut self, context: &mut Context<'_>) {
        if !self.begun {
            self.begun = true;
            self.resume(context);
            // Whom the registrar is for all others may have missed what this node knows.
            self.registrar.restart(context, true);
        }
        self.registrar.timeout(context, &self.options);
        self.step(context);
        if let Some(moving) = &mut self.moving {
            moving.timeout(context, &self.options);
        }
        self.moved(context);
        self.answer(context);
        if let Some(giving_up) = &mut self.giving_up
            && giving_up.timeout(context, &self.options)
        {
            self.giving_up = None;
        }
    }

    /// When it will be due next.
    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        if !self.begun {
            return Some(Duration::ZERO);
        }
        let moving = self.moving.as_ref().and_then(Moving::next_timeout);
        let giving_up = self.giving_up.as_ref().map(GivingUp::next_timeout);
        [self.registrar.next_timeout(), moving, giving_up]
            .into_iter()
            .flatten()
            .min()
    }

    /// Takes the step that a roll says, durably. Tells whether it could.
    fn adopt(&mut self, context: &mut Context<'_>, roll: Roll) -> bool {
        let is_taken = context.enrol(roll);
        if is_taken {
            self.resume(context);
        }
        is_taken
    }

    /// Does what the present step asks of this node.
    fn resume(&mut self, context: &mut Context<'_>) {
        self.moving = match context.view.roll().under_way {
            Some(UnderWay {
                step: Step::Moving, ..
            }) => Some(Moving::new(context)),
            Some(_) | None => None,
        };
        if context.view.roll().under_way.is_none() {
            self.giving_up = Some(GivingUp::new(context.now.elapsed + self.options.keep.0));
        }
        self.registrar.restart(context, false);
    }

    /// Takes the next step if everybody has taken this one.
    fn step(&mut self, context: &mut Context<'_>) {
        let is_moved = self.moving.as_ref().is_none_or(Moving::is_over);
        if is_drained(context) && self.registrar.is_ready(context, is_moved) {
            let next = context.view.roll().next();
            if self.adopt(context, next) {
                self.registrar.restart(context, true);
            }
        }
    }

    /// Tells the registrar if this was the last key.
    fn moved(&mut self, context: &mut Context<'_>) {
        let moving = self.moving.as_mut();
        if moving.is_some_and(|moving| moving.is_newly_over(context)) {
            self.answer(context);
            self.step(context);
        }
    }

    /// Tells the registrar how far this node is, if that is news.
    fn answer(&mut self, context: &mut Context<'_>) {
        let Some(registrar) = self.answer_to.filter(|_| is_drained(context)) else {
            return;
        };
        let reply = wire::MembersReply {
            number: context.view.roll().number,
            moved: self.moving.as_ref().is_none_or(Moving::is_over),
        };
        if self.answered != Some(reply) {
            self.answered = Some(reply);
            context.send(registrar, Message::MembersReply(reply));
        }
    }
}

/// Whether every write that this node coordinates was begun by the present roll: none that it has in flight goes by one
/// that another node may soon be two steps ahead of.
fn is_drained(context: &Context<'_>) -> bool {
    (context.oldest_write).is_none_or(|roll| roll >= context.view.roll().number)
}

/// Tells a node the roll.
pub(crate) fn tell(context: &mut Context<'_>, to: NodeId) {
    let roll = context.view.roll().to_bytes().into();
    context.send(to, Message::Members(wire::Members { roll }));
}
