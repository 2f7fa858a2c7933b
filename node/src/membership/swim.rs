//! SWIM: every period each member probes one other, directly and then through others; who does not answer is suspected,
//! then believed to be down, and rumours of it ride on the probes.
//!
//! Reference: Das, Gupta, Motivala, SWIM: Scalable weakly-consistent infection-style process group membership protocol,
//! DSN 2002: §3.1 (probes), §4.1 (rumours), §4.2 (suspicion), §4.3 (round robin).
//! Departs from it, as HashiCorp's memberlist does: every message carries its sender's incarnation, who is not believed to
//! be up is told so with every message to it, a member that learns that it passes for down begins a new incarnation (the
//! paper has it join again under a new name), and whoever is believed to be down is sought.

use super::{Build, Membership, Seat, is_member, newcomers, sought, stagger};
use crate::chance;
use crate::context::Context;
use crate::rumour::{Kind, Packet, Rumour};
use crate::view::Belief;
use bytes::Bytes;
use rand_xoshiro::Xoshiro256PlusPlus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Message;
use tidemark_proto::registry::{Entry, OptionError, Options, Promise, parse, resolve, schema};
use tidemark_proto::span::Span;
use tidemark_proto::upkeep::Chore;
use tidemark_proto::wire;

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "swim",
    about: "each period every member probes one other; who does not answer is suspected, then down",
    promises: &[Promise::DetectsCrashes],
    resolve: resolve::<Swim>,
    schema: schema::<Swim>,
    build: |options: &Options, seat: Seat| {
        let options = checked(parse::<Swim>(options)?)?;
        Ok(Box::new(Group::new(options, seat)))
    },
};

/// How members are probed, and how rumours spread.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Swim {
    /// Between two probes, and how long a probe may take. Too short: who is slow is suspected; too long: crashes are found
    /// late.
    period: Span,
    /// When others are asked to probe whoever has not answered. Too short: needless messages; too long: they have no time.
    rtt: Span,
    /// How many others are asked. Too few: lost messages pass for crashes; too many: messages.
    k: u32,
    /// In whose order members are probed.
    probe: Order,
    /// For how many periods a member is suspected before it is believed to be down; 0: not at all. Too few: it cannot
    /// refute it in time; too many: crashes are found late.
    suspicion: u32,
    /// Whether a member that learns that it is suspected refutes it.
    refutation: bool,
    /// What rides on every message.
    piggyback: Piggyback,
    /// How many recent rumours ride on a message. Too few: news is slow; too many: large messages.
    #[schemars(range(min = 1))]
    rumours: u32,
    /// How often a rumour is passed on, as a multiple of the logarithm to base 2 of the number of members. Too low: it dies
    /// out; too high: it crowds out others.
    #[schemars(range(min = 1))]
    spread: u32,
}

/// In whose order members are probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Order {
    /// All in turn, shuffled after every round (§4.3).
    RoundRobin,
    /// Each time anyone (§3.1).
    Random,
}

/// What rides on every message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Piggyback {
    /// Recent rumours, those first that were passed on least (§4.1).
    Recent,
    /// What is believed of every member, as dht-node sends it.
    All,
}

impl Default for Swim {
    fn default() -> Self {
        Self {
            period: Span(Duration::from_secs(1)),
            rtt: Span(Duration::from_millis(300)),
            k: 3,
            probe: Order::RoundRobin,
            suspicion: 5,
            refutation: true,
            piggyback: Piggyback::Recent,
            rumours: 8,
            spread: 3,
        }
    }
}

/// What a member knows of the group.
struct Group {
    options: Swim,
    id: NodeId,
    chance: Xoshiro256PlusPlus,
    incarnation: u64,
    members: BTreeMap<NodeId, Member>,
    /// Who is still to be probed in this round, the next one last.
    round: Vec<NodeId>,
    probe: Probe,
    /// When the next period begins; none: this life has not begun.
    period: Option<Duration>,
    due: Duration,
}

/// What is believed of a member.
struct Member {
    incarnation: u64,
    belief: Belief,
    /// Since when.
    since: Duration,
    /// How often it was passed on.
    told: u32,
}

/// The probe of this period.
#[derive(Default)]
struct Probe {
    number: u32,
    /// Who has not answered.
    target: Option<NodeId>,
    /// When others are to be asked.
    indirect: Option<Duration>,
}

impl Membership for Group {
    fn message(&mut self, context: &mut Context<'_>, from: NodeId, gossip: Bytes) {
        let packet = Packet::decode(gossip).filter(|_| self.members.contains_key(&from));
        let Some(packet) = packet else {
            return context.refuse(
                OperationId::NONE,
                "a stranger's gossip, or none of this group",
            );
        };
        let lives = Rumour {
            node: from,
            incarnation: packet.incarnation,
            belief: Belief::Up,
        };
        for rumour in packet.rumours.iter().chain([&lives]) {
            self.hear(context, *rumour);
        }
        self.answer(context, from, &packet);
        self.due = self.next_due();
    }

    fn timeout(&mut self, context: &mut Context<'_>) {
        let now = context.now.elapsed;
        self.end_suspicions(context);
        if self.probe.indirect.is_some_and(|at| at <= now) {
            self.probe_through_others(context);
        }
        match self.period {
            None => {
                self.admit(context);
                self.period = Some(now + stagger(&mut self.chance, self.options.period.0));
            }
            Some(period) if period <= now => {
                self.end_probe(context);
                self.admit(context);
                self.begin_probe(context);
                self.seek(context);
                self.period = Some((period + self.options.period.0).max(now));
            }
            Some(_) => {}
        }
        self.due = self.next_due();
    }

    fn next_timeout(&self) -> Option<Duration> {
        Some(self.due)
    }
}

impl Group {
    fn new(options: Swim, seat: Seat) -> Self {
        Self {
            options,
            id: seat.id,
            chance: seat.chance("swim"),
            incarnation: seat.first_number(),
            members: BTreeMap::new(),
            round: Vec::new(),
            probe: Probe::default(),
            period: None,
            due: Duration::ZERO,
        }
    }

    /// Counts those in who have joined, and no longer those who have left.
    fn admit(&mut self, context: &mut Context<'_>) {
        self.members.retain(|node, _| is_member(context, *node));
        for node in newcomers(context, |node| self.members.contains_key(&node)) {
            let member = Member {
                incarnation: 0,
                belief: Belief::Up,
                since: context.now.elapsed,
                told: u32::MAX,
            };
            self.members.insert(node, member);
            self.take_into_round(node);
        }
    }

    /// A member that has joined is probed at a random place of the round (§4.3).
    fn take_into_round(&mut self, node: NodeId) {
        let place = chance::below(&mut self.chance, self.round.len() + 1);
        self.round.insert(place, node);
    }

    /// Believes a rumour if it is greater than what is believed; of strangers nothing is kept.
    fn hear(&mut self, context: &mut Context<'_>, rumour: Rumour) {
        if rumour.node == self.id {
            return self.hear_of_itself(rumour);
        }
        let Some(member) = self.members.get_mut(&rumour.node) else {
            return;
        };
        if (rumour.incarnation, rumour.belief) <= (member.incarnation, member.belief) {
            return;
        }
        let returns = member.belief == Belief::Down;
        *member = Member {
            incarnation: rumour.incarnation,
            belief: rumour.belief,
            since: context.now.elapsed,
            told: 0,
        };
        context.believe(rumour.node, rumour.belief);
        if returns && !self.round.contains(&rumour.node) {
            self.take_into_round(rumour.node);
        }
    }

    /// A new incarnation refutes what is wrong (§4.2).
    fn hear_of_itself(&mut self, rumour: Rumour) {
        let is_wrong = match rumour.belief {
            Belief::Up => false,
            Belief::Suspected => self.options.refutation,
            Belief::Down => true,
        };
        let least = rumour.incarnation + u64::from(is_wrong);
        self.incarnation = self.incarnation.max(least);
    }

    fn answer(&mut self, context: &mut Context<'_>, from: NodeId, packet: &Packet) {
        let Packet {
            kind,
            origin,
            target,
            probe,
            ..
        } = *packet;
        match kind {
            Kind::Ping if target == self.id => {
                self.send(
                    context,
                    from,
                    Kind::Acknowledgement,
                    (origin, target, probe),
                );
            }
            Kind::PingRequest if origin == from && self.members.contains_key(&target) => {
                self.send(context, target, Kind::Ping, (origin, target, probe));
            }
            Kind::Acknowledgement if origin == self.id => {
                if probe == self.probe.number && self.probe.target == Some(target) {
                    self.probe.target = None;
                    self.probe.indirect = None;
                }
            }
            Kind::Acknowledgement if target == from && self.members.contains_key(&origin) => {
                self.send(context, origin, kind, (origin, target, probe));
            }
            Kind::Ping | Kind::PingRequest | Kind::Acknowledgement => {
                context.refuse(OperationId::NONE, "a probe that is not for this node");
            }
        }
    }

    /// Probes the next member.
    fn begin_probe(&mut self, context: &mut Context<'_>) {
        let Some(target) = self.next_target() else {
            return;
        };
        let number = self.probe.number.wrapping_add(1);
        self.probe = Probe {
            number,
            target: Some(target),
            indirect: Some(context.now.elapsed + self.options.rtt.0),
        };
        self.send(context, target, Kind::Ping, (self.id, target, number));
    }

    fn next_target(&mut self) -> Option<NodeId> {
        match self.options.probe {
            Order::Random => {
                let members = self.members_but(None);
                chance::draw(&mut self.chance, members, 1).pop()
            }
            Order::RoundRobin => {
                if !self.round.iter().any(|node| self.is_up(*node)) {
                    let members = self.members_but(None);
                    self.round = chance::draw(&mut self.chance, members, usize::MAX);
                }
                while let Some(node) = self.round.pop() {
                    if self.is_up(node) {
                        return Some(node);
                    }
                }
                None
            }
        }
    }

    /// Asks some others to probe whoever has not answered.
    fn probe_through_others(&mut self, context: &mut Context<'_>) {
        self.probe.indirect = None;
        let Some(target) = self.probe.target else {
            return;
        };
        let others = self.members_but(Some(target));
        for node in chance::draw(&mut self.chance, others, self.options.k as usize) {
            let probe = (self.id, target, self.probe.number);
            self.send(context, node, Kind::PingRequest, probe);
        }
    }

    /// Who has not answered until now is suspected, or down.
    fn end_probe(&mut self, context: &mut Context<'_>) {
        let Some(node) = self.probe.target.take() else {
            return;
        };
        let Some(member) = self.members.get(&node) else {
            return;
        };
        context.note_chore(Chore::ProbeFailed, node, |_| {});
        let rumour = Rumour {
            node,
            incarnation: member.incarnation,
            belief: match self.options.suspicion {
                0 => Belief::Down,
                _ => Belief::Suspected,
            },
        };
        self.hear(context, rumour);
    }

    /// Who has been suspected for long enough is down (§4.2).
    fn end_suspicions(&mut self, context: &mut Context<'_>) {
        let last = context.now.elapsed;
        let suspects = self
            .members
            .iter()
            .filter(|(_, member)| self.end_of_suspicion(member).is_some_and(|end| end <= last));
        let down = suspects.map(|(node, member)| Rumour {
            node: *node,
            incarnation: member.incarnation,
            belief: Belief::Down,
        });
        for rumour in down.collect::<Vec<_>>() {
            self.hear(context, rumour);
        }
    }

    fn end_of_suspicion(&self, member: &Member) -> Option<Duration> {
        let is_suspected = member.belief == Belief::Suspected;
        is_suspected.then(|| member.since + self.options.period.0 * self.options.suspicion)
    }

    /// Tells one of those who are believed to be down what is believed of it, so that it can refute it.
    fn seek(&mut self, context: &mut Context<'_>) {
        let down = self
            .members
            .keys()
            .copied()
            .filter(|node| !self.is_up(*node));
        let down: Vec<_> = down.collect();
        let up = self.members.len() - down.len();
        if let Some(node) = sought(&mut self.chance, up, &down) {
            let number = self.probe.number;
            self.send(context, node, Kind::Ping, (self.id, node, number));
        }
    }

    fn send(
        &mut self,
        context: &mut Context<'_>,
        to: NodeId,
        kind: Kind,
        (origin, target, probe): (NodeId, NodeId, u32),
    ) {
        let packet = Packet {
            kind,
            origin,
            target,
            probe,
            incarnation: self.incarnation,
            rumours: self.rumours(to),
        };
        let body = packet.encode();
        context.send(to, Message::Gossip(wire::Gossip { body }));
    }

    /// What rides on a message: first what is believed of its receiver, unless it is up.
    fn rumours(&mut self, to: NodeId) -> Vec<Rumour> {
        let most = self.options.spread * (self.members.len() + 1).ilog2().max(1);
        let all = self.options.piggyback == Piggyback::All;
        let is_due = |node: NodeId, member: &Member| {
            all || member.told < most || node == to && member.belief != Belief::Up
        };
        let members = self.members.iter_mut();
        let mut due: Vec<_> = members.filter(|(node, one)| is_due(**node, one)).collect();
        if !all {
            due.sort_by_key(|(node, member)| {
                (**node != to || member.belief == Belief::Up, member.told)
            });
            due.truncate(self.options.rumours as usize);
        }
        let told = due.into_iter().map(|(node, member)| {
            member.told = member.told.saturating_add(1);
            Rumour {
                node: *node,
                incarnation: member.incarnation,
                belief: member.belief,
            }
        });
        told.collect()
    }

    fn members_but(&self, target: Option<NodeId>) -> Vec<NodeId> {
        let members = self.members.keys().copied();
        let others = members.filter(|node| self.is_up(*node) && Some(*node) != target);
        others.collect()
    }

    /// Whether a member is up or suspected: those who are suspected are probed, and asked to probe (§4.2).
    fn is_up(&self, node: NodeId) -> bool {
        let member = self.members.get(&node);
        member.is_some_and(|member| member.belief != Belief::Down)
    }

    fn next_due(&self) -> Duration {
        let suspicions = self.members.values();
        let suspicions = suspicions.filter_map(|member| self.end_of_suspicion(member));
        let alarms = suspicions.chain(self.period).chain(self.probe.indirect);
        alarms.min().unwrap_or_default()
    }
}

fn checked(options: Swim) -> Result<Swim, OptionError> {
    let Swim { period, rtt, .. } = options;
    if rtt.0.is_zero() || rtt >= period {
        let reason = format!("rtt is {rtt}, but period is {period}; choose more than 0s and less");
        return Err(OptionError::of("rtt", reason));
    }
    for (name, value) in [("rumours", options.rumours), ("spread", options.spread)] {
        if value == 0 {
            return Err(OptionError::of(
                name,
                format!("{name} is 0; choose at least 1"),
            ));
        }
    }
    Ok(options)
}
