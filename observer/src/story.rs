//! The story of one operation: what it found or did, message by message, and if it is a stale read, the story of what it
//! missed, why that was not there, and what brought it later.

use crate::cause::{Blame, Cause, Cure, Evidence};
use crate::history::{Key, Word};
use crate::judge::{Judge, Staleness, Verdict};
use crate::report::words::{milliseconds, seconds};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;
use tidemark_proto::event::{
    Direction, Event, FaultSpan, Invocation, Kind, MachineChange, Operation, Outcome, Passage,
    Stored, Verdict as Fate,
};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Method;
use tidemark_proto::upkeep::Chore;

/// Tells the story of an operation; none if the run has no such operation. `events` gives the run's events in the order of
/// their times, each time that it is asked; by `time_scale` the plan's times were stretched.
///
/// # Errors
/// Those of `events`.
pub fn story<I, E>(
    operation: OperationId,
    time_scale: f64,
    mut events: impl FnMut() -> Result<I, E>,
) -> Result<Option<String>, E>
where
    I: Iterator<Item = Result<Event, E>>,
{
    let mut inquiry = Inquiry::new(operation, time_scale);
    for event in events()? {
        inquiry.observe(&event?);
    }
    let Some(subject) = inquiry.subject.take() else {
        return Ok(None);
    };
    let mut told = Told::new(&subject);
    for event in events()? {
        told.observe(&event?);
    }
    told.lines.sort_by_key(|(at, _)| *at);
    let mut text = heading(&subject);
    text.push('\n');
    for (_, line) in &told.lines {
        writeln!(text, "  {line}").expect("memory takes every write");
    }
    text.push_str(&reasons(&subject, &inquiry.cures));
    Ok(Some(text))
}

/// An operation, and what is to be said of it.
struct Subject {
    operation: Operation,
    verdict: Option<Verdict>,
    /// The newest write that it misses.
    missed: Option<OperationId>,
    /// Why each replica that answered did not have that.
    blames: Vec<(NodeId, Blame)>,
    /// What the report counts it as, by all that it misses.
    label: Blame,
}

/// Looks for an operation and what becomes of the replicas that did not have what it misses.
struct Inquiry {
    id: OperationId,
    judge: Judge,
    evidence: Evidence,
    subject: Option<Subject>,
    cures: BTreeMap<NodeId, (Duration, OperationId, Cure)>,
}

impl Inquiry {
    fn new(id: OperationId, time_scale: f64) -> Self {
        Self {
            id,
            judge: Judge::default(),
            evidence: Evidence::new(time_scale),
            subject: None,
            cures: BTreeMap::new(),
        }
    }

    fn observe(&mut self, event: &Event) {
        self.evidence.observe(event);
        let verdict = self.judge.observe(event);
        match event {
            Event::Returned(operation) if operation.id == self.id => {
                let missed = self.judge.missed().iter();
                let missed = missed.max_by_key(|(_, finish)| *finish).copied();
                let nodes = operation.answered.iter();
                let blames = nodes.filter_map(|node| {
                    Some((*node, self.evidence.blame(operation, missed?, *node)))
                });
                self.subject = Some(Subject {
                    blames: blames.collect(),
                    label: self.evidence.label(operation, self.judge.missed()).0,
                    operation: (**operation).clone(),
                    verdict,
                    missed: missed.map(|(write, _)| write),
                });
            }
            Event::Stored(stored) => self.cure(stored),
            _ => {}
        }
    }

    fn cure(&mut self, stored: &Stored) {
        let Some(Subject {
            missed: Some(missed),
            blames,
            ..
        }) = &self.subject
        else {
            return;
        };
        let is_ill = blames.iter().any(|(node, _)| *node == stored.node);
        if !is_ill || self.cures.contains_key(&stored.node) {
            return;
        }
        let mut versions = stored.versions.iter();
        let cured = versions.find(|version| self.judge.brings(**version, *missed));
        if let Some(version) = cured
            && let Some(cure) = Cure::by(stored, version == missed)
        {
            self.cures.insert(stored.node, (stored.at, *version, cure));
        }
    }
}

/// The lines of a story, in the order in which things happened.
struct Told<'a> {
    subject: &'a Subject,
    lines: Vec<(Duration, String)>,
    /// Where the line of a message is, until it is known what the network did with it.
    messages: BTreeMap<(NodeId, NodeId, Method, u64), usize>,
}

impl<'a> Told<'a> {
    fn new(subject: &'a Subject) -> Self {
        Self {
            subject,
            lines: Vec::new(),
            messages: BTreeMap::new(),
        }
    }

    fn is_about(&self, operation: OperationId) -> bool {
        operation == self.subject.operation.id || Some(operation) == self.subject.missed
    }

    /// Whether a node is one of those that answered.
    fn concerns(&self, node: NodeId) -> bool {
        self.subject.operation.answered.contains(&node)
    }

    fn say(&mut self, at: Duration, what: impl AsRef<str>) {
        let time = format!("{:>12.6} s", at.as_secs_f64());
        self.lines.push((at, format!("{time}  {}", what.as_ref())));
    }

    fn observe(&mut self, event: &Event) {
        match event {
            Event::Invoked(invocation) if self.is_about(invocation.id) => self.begin(invocation),
            Event::Returned(operation) if self.is_about(operation.id) => self.end(operation),
            Event::Sent {
                at,
                operation,
                from,
                to,
                method,
                k,
            } if self.is_about(*operation) => {
                self.messages
                    .insert((*from, *to, *method, *k), self.lines.len());
                self.say(*at, format!("{operation}  {from} → {to}  {method} {k}"));
            }
            Event::Fate(passage) => self.pass(passage),
            Event::Received {
                at,
                operation,
                from,
                to,
                method,
            } if self.is_about(*operation) => {
                self.say(
                    *at,
                    format!("{operation}  {to} takes up {method} of {from}"),
                );
            }
            Event::Stored(stored) if self.is_stored(stored) => {
                let versions = stored.versions.iter().map(ToString::to_string);
                let versions = versions.collect::<Vec<_>>().join(" ");
                let (node, method) = (stored.node, stored.method);
                self.say(stored.at, format!("{node} holds {versions}, by {method}"));
            }
            Event::Refused {
                at,
                node,
                operation,
                reason,
            } if self.is_about(*operation) => {
                self.say(*at, format!("{operation}  {node} refuses: {reason}"));
            }
            Event::Upkeep(upkeep) if self.is_about(upkeep.operation) => {
                let of = upkeep
                    .peer
                    .map_or_else(String::new, |of| format!(" of {of}"));
                let what = match upkeep.chore {
                    Chore::HintKept => "keeps a hint",
                    Chore::HintDelivered => "has delivered the hint",
                    Chore::HintExpired => "forgets the hint",
                    Chore::HintDropped => "has no room for a hint",
                    Chore::Collected => "collects the tombstone",
                    _ => return,
                };
                let (node, operation) = (upkeep.node, upkeep.operation);
                self.say(upkeep.at, format!("{operation}  {node} {what}{of}"));
            }
            Event::Fault(span) if self.overlaps(span) => {
                let (name, about) = (&span.name, &span.about);
                let (from, until) = (span.from, span.until);
                self.say(
                    from,
                    format!("the fault {name} begins ({} {about})", span.kind),
                );
                self.say(until, format!("the fault {name} ends"));
            }
            Event::Machine { at, node, change }
                if self.concerns(*node) && *change != MachineChange::Started =>
            {
                self.say(*at, format!("{node} {}", changed(*change)));
            }
            _ => {}
        }
    }

    fn begin(&mut self, invocation: &Invocation) {
        let Invocation { id, kind, key, .. } = invocation;
        let key = Key(key);
        let context = invocation.context_from.map_or_else(
            || "without a context".to_owned(),
            |from| format!("with the context of {from}"),
        );
        let what = format!("{id}  {} of {key} begins, {context}", Word(kind));
        self.say(invocation.invoked, what);
    }

    fn end(&mut self, operation: &Operation) {
        let Operation {
            id,
            kind,
            key,
            asked,
            status,
            ..
        } = operation;
        if *kind == Kind::Get {
            let key = Key(key);
            let what = format!("{id}  get of {key} begins, at {asked}");
            self.say(operation.invoked, what);
        }
        let by = operation
            .coordinator
            .map_or_else(String::new, |by| format!(" by {by}"));
        let what = match (operation.outcome, kind) {
            (Outcome::Ok, Kind::Get) => format!("is answered{by}: {}", found(operation)),
            (Outcome::Ok, _) => format!("is acknowledged{by}"),
            (Outcome::Failed, _) => format!("fails: {status}"),
            (Outcome::Unknown, _) => format!("is given up, its outcome unknown: {status}"),
        };
        self.say(operation.returned, format!("{id}  {} {what}", Word(kind)));
    }

    /// Adds to the line of a message what the network did with it.
    fn pass(&mut self, passage: &Passage) {
        let method = match passage.direction {
            Direction::Request => passage.method.parse::<Method>().ok(),
            // Answers to clients bear the numbers of what they answer.
            Direction::Response => None,
        };
        let Some(method) = method else {
            return;
        };
        let number = (passage.from, passage.to, method, passage.k);
        let Some(place) = self.messages.remove(&number) else {
            return;
        };
        let took = |time: Option<Duration>| {
            time.map_or_else(String::new, |time| format!(" after {}", ms(time)))
        };
        let fate = match passage.verdict {
            Fate::Delivered => format!("arrives{}", took(passage.achieved)),
            Fate::Duplicated => format!("arrives more than once{}", took(passage.achieved)),
            Fate::Lost => "is lost".to_owned(),
            Fate::Answered => "is answered by the network".to_owned(),
            Fate::Reset => "is reset".to_owned(),
        };
        let rules = match &*passage.rules {
            "" => String::new(),
            rules => format!(" ({})", rules.replace('+', ", ")),
        };
        write!(self.lines[place].1, " {fate}{rules}").expect("memory takes every write");
    }

    /// Whether a replica that answered has from now on what was missed, or anybody stores what this is about.
    fn is_stored(&self, stored: &Stored) -> bool {
        let missed = self.subject.missed;
        let brings = missed.is_some_and(|missed| stored.versions.contains(&missed));
        self.is_about(stored.operation) || brings && self.concerns(stored.node)
    }

    /// Whether a fault was in force while anything of this happened.
    fn overlaps(&self, span: &FaultSpan) -> bool {
        let operation = &self.subject.operation;
        let t = staleness(self.subject.verdict).map_or(Duration::ZERO, |stale| stale.t);
        let since = operation.invoked.saturating_sub(t + LEAD);
        span.from <= operation.returned && since <= span.until
    }
}

fn heading(subject: &Subject) -> String {
    let Operation {
        id,
        kind,
        key,
        intended,
        returned,
        ..
    } = &subject.operation;
    let took = ms(returned.saturating_sub(*intended));
    let begins = seconds(subject.operation.invoked.as_secs_f64());
    let what = match (subject.operation.outcome, kind) {
        (Outcome::Ok, Kind::Get) => found(&subject.operation),
        (Outcome::Ok, _) => "acknowledged".to_owned(),
        (Outcome::Failed, _) => "failed".to_owned(),
        (Outcome::Unknown, _) => "unknown".to_owned(),
    };
    let mut text = format!(
        "{id}  {} of {} at {begins}, {took}: {what}\n",
        Word(kind),
        Key(key)
    );
    let verdict = match subject.verdict {
        None => return text,
        Some(Verdict::NothingWritten) => {
            "Nothing was complete that it could have missed.".to_owned()
        }
        Some(Verdict::Unmatched) => "It returned what no operation wrote.".to_owned(),
        Some(verdict @ Verdict::Judged(_)) => match (staleness(Some(verdict)), subject.missed) {
            (Some(Staleness { t, k }), Some(missed)) => format!(
                "It is stale: it misses {missed}{}; the first that it misses had been complete for {}.",
                match k {
                    1 => String::new(),
                    2 => " and one more write".to_owned(),
                    k => format!(" and {} more writes", k - 1),
                },
                ms(t)
            ),
            _ => "It is fresh.".to_owned(),
        },
    };
    text.push_str(&verdict);
    text.push('\n');
    text
}

/// Why replicas did not have what was missed, and what gave it to them.
fn reasons(subject: &Subject, cures: &BTreeMap<NodeId, (Duration, OperationId, Cure)>) -> String {
    let mut text = String::new();
    let Some(missed) = subject.missed else {
        return text;
    };
    for (node, Blame { cause, fault }) in &subject.blames {
        let fault = fault
            .as_ref()
            .map_or_else(String::new, |fault| format!(" ({fault})"));
        let cure = match cures.get(node) {
            None => "nothing brought it, up to the end".to_owned(),
            Some((at, version, cure)) => format!(
                "{} came to it at {:.6} s: {}",
                version,
                at.as_secs_f64(),
                cure.words()
            ),
        };
        write!(
            text,
            "\n{node} answered without {missed}: {}{fault}; {cure}",
            cause.words()
        )
        .expect("memory takes every write");
    }
    text.push('\n');
    if subject.label.cause == Cause::Several {
        text.push_str("Other writes that it misses were not there for other reasons: the report has it under several causes.\n");
    }
    text
}

fn staleness(verdict: Option<Verdict>) -> Option<Staleness> {
    match verdict {
        Some(Verdict::Judged(judgement)) => judgement.multi_value.or(judgement.single_value),
        Some(Verdict::NothingWritten | Verdict::Unmatched) | None => None,
    }
}

/// What a read returned.
fn found(read: &Operation) -> String {
    let words = |of: &[String]| of.join(" ");
    let text = |ids: &[OperationId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let nodes: Vec<String> = read.answered.iter().map(ToString::to_string).collect();
    let versions = match &read.versions[..] {
        [] => "nothing".to_owned(),
        versions => words(&text(versions)),
    };
    format!("found {versions}, of {}", words(&nodes))
}

/// What has happened to a machine.
fn changed(change: MachineChange) -> &'static str {
    match change {
        MachineChange::Started => "starts",
        MachineChange::Crashed => "crashes",
        MachineChange::LostPower => "loses its power",
        MachineChange::Wiped => "is killed, and its disk is emptied",
        MachineChange::Restarted => "is started again",
        MachineChange::RestartedEmpty => "is started again, empty",
        MachineChange::Died => "dies",
        MachineChange::Paused => "is stopped where it stands",
        MachineChange::Resumed => "goes on",
        MachineChange::ClockSkewed => "has a wrong clock",
        MachineChange::ClockMended => "has a right clock again",
        MachineChange::SyncSlowed => "syncs slowly",
        MachineChange::SyncMended => "syncs at its own pace again",
        MachineChange::DiskFilled => "has a full disk",
        MachineChange::DiskFreed => "has room on its disk again",
    }
}

fn ms(time: Duration) -> String {
    milliseconds(time.as_secs_f64() * 1e3)
}

/// Faults that ended shortly before are told of too.
const LEAD: Duration = Duration::from_millis(100);
