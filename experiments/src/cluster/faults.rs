//! The faults in force while a cluster is poked by hand: read as a plan's `[[fault]]` is, checked by the same code.

use crate::plan::machine::{Harm, Strike, Whom, strikes};
use crate::plan::members::MemberChange;
use crate::plan::{Fault, Plan};
use anyhow::{Context as _, anyhow, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_netfuzz::Network;
use tidemark_proto::event::FaultSpan;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::Options;
use tidemark_proto::span::Span;
use tidemark_proto::wire::{ClusterFaultRequest, StandingFault};

/// The faults in force.
pub(super) struct Faults {
    /// The plan, whose faults are those in force; it ends with the last that may be.
    plan: Plan,
    standing: Vec<Standing>,
    /// How many rules of each kind there have been.
    numbers: BTreeMap<String, usize>,
}

/// A fault in force.
pub(super) struct Standing {
    fault: Fault,
    /// What it does to machines, if it does.
    pub(super) strike: Option<Strike>,
    pub(super) span: FaultSpan,
    /// Whether it ends by itself.
    ends: bool,
}

impl Faults {
    /// None, over the network of a plan without faults.
    pub(super) fn new(plan: Plan) -> Self {
        let mut numbers = BTreeMap::new();
        for rule in &plan.network {
            *numbers.entry(rule.kind.clone()).or_default() += 1;
        }
        let standing = Vec::new();
        Self {
            plan,
            standing,
            numbers,
        }
    }

    /// Reads a fault that begins now; these nodes are up.
    pub(super) fn begin(
        &mut self,
        now: Duration,
        request: &ClusterFaultRequest,
        up: &[NodeId],
    ) -> anyhow::Result<&Standing> {
        let mut table = read(&request.rule)?;
        for key in ["at", "until", "every", "jitter"] {
            ensure!(
                !table.contains_key(key),
                "{key} is given, but a fault by hand begins now, and once; say how long it lasts with --for"
            );
        }
        ensure!(
            !MemberChange::KINDS
                .iter()
                .any(|kind| table.contains_key(*kind)),
            NO_FAULT
        );
        let kind = Harm::KINDS.iter().find(|kind| table.contains_key(**kind));
        let length = match kind {
            Some(kind) if Harm::is_killing(kind) => "restart_after",
            Some(_) | None => "for",
        };
        for (key, text) in [("name", &request.name), (length, &request.length)] {
            if !text.is_empty() {
                table.insert(key.to_owned(), Value::from(text.clone()));
            }
        }
        let at = Span(now).scaled(1.0 / self.plan.time_scale);
        let left = Span(self.plan.duration.0.saturating_sub(at.0));
        let ends = table.contains_key(length);
        if kind.is_none() && !ends {
            table.insert(length.to_owned(), Value::from(left.to_string()));
        }
        table.insert("at".to_owned(), Value::from(at.to_string()));
        let mut fault = Fault::try_from(table)?;
        match &mut fault {
            Fault::Machine(fault) => {
                let members = self.plan.members();
                let is_down = |id: &&NodeId| members.contains(id) && !up.contains(id);
                if let Some(id) = fault.harm.whom().named().iter().find(is_down) {
                    bail!("{} names {id}, which is down already", fault.harm.kind());
                }
            }
            Fault::Members(_) => bail!(NO_FAULT),
            Fault::Rule(rule) => {
                let number = 1 + self.numbers.get(&rule.kind).copied().unwrap_or_default();
                let name = format!("{}-{number}", rule.kind);
                rule.name.get_or_insert(name);
            }
        }
        let before = spans(&self.plan)?;
        let mut broken = self.plan.clone();
        broken.fault.push(fault);
        let resolved = broken.clone().resolve().and_then(|plan| {
            plan.check_backend("real")?;
            Ok(plan)
        });
        let after = resolved.map_err(|error| {
            // Where it would stand among the plan's faults means nothing by hand.
            let place = format!("fault[{}]", self.plan.fault.len());
            let reason = error.to_string().replace(&format!("{place}."), "");
            anyhow!(reason.replace(&place, "the fault"))
        })?;
        let is_new = |span: &FaultSpan| !before.contains(span);
        // Who is drawn twice by the same words is drawn anew.
        let drawn = self.numbers.values().sum::<usize>() as u64;
        let seed = after.seed.wrapping_add(drawn);
        let mut strike = strikes(
            &Plan {
                seed,
                ..after.clone()
            }
            .scaled(),
        )
        .into_iter();
        let strike = strike.rfind(|strike| is_new(&strike.span));
        let span = match &strike {
            Some(strike) => Some(strike.span.clone()),
            None => spans(&after)?.into_iter().find(is_new),
        };
        let span =
            span.context("the fault would be over at once, or there is nobody left for it")?;
        if let (Some(Fault::Machine(fault)), Some(strike)) = (broken.fault.last_mut(), &strike) {
            // Who was drawn stays drawn.
            fault.name = Some(strike.span.name.clone());
            *fault.harm.whom_mut() = Whom::These(strike.nodes.clone());
        }
        let fault = broken.fault.last().cloned().context("it was just added")?;
        self.plan = broken;
        *self.numbers.entry(span.kind.clone()).or_default() += 1;
        self.standing.push(Standing {
            fault,
            strike,
            span,
            ends,
        });
        Ok(&self.standing[self.standing.len() - 1])
    }

    /// Those in force, in the order in which they began.
    pub(super) fn standing(&self) -> impl Iterator<Item = &Standing> {
        self.standing.iter()
    }

    /// Those in force, as a plan has them.
    pub(super) fn in_force(&self) -> Vec<Fault> {
        self.plan.fault.clone()
    }

    /// Takes out those that have ended by now.
    pub(super) fn over(&mut self, now: Duration) -> Vec<Standing> {
        let (standing, over) = std::mem::take(&mut self.standing)
            .into_iter()
            .partition(|fault| fault.span.until > now);
        self.standing = standing;
        self.plan.fault = self.standing().map(|one| one.fault.clone()).collect();
        over
    }

    /// Takes out all: they end now.
    pub(super) fn end(&mut self, now: Duration) -> Vec<Standing> {
        self.plan.fault.clear();
        let mut ended = std::mem::take(&mut self.standing);
        for fault in &mut ended {
            fault.span.until = fault.span.until.min(now);
        }
        ended
    }
}

impl Standing {
    /// As it is told.
    pub(super) fn to_wire(&self) -> StandingFault {
        let FaultSpan {
            name,
            kind,
            from,
            until,
            about,
            series: _,
        } = self.span.clone();
        StandingFault {
            name,
            kind,
            about,
            from_s: from.as_secs_f64(),
            until_s: self.ends.then_some(until.as_secs_f64()),
        }
    }
}

/// What a plan's table would hold, on one line.
fn read(rule: &str) -> anyhow::Result<Options> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        fault: Options,
    }
    let line = toml::from_str::<Line>(&format!("fault = {{ {rule} }}"));
    let line = line.map_err(|error| {
        anyhow!(
            "the rule {rule:?} cannot be read: {}; write it like: {EXAMPLES}",
            error.message()
        )
    })?;
    Ok(line.fault)
}

/// When which of the plan's faults is in force, on the run's clock.
fn spans(plan: &Plan) -> anyhow::Result<Vec<FaultSpan>> {
    let mut spans = Network::new(plan.seed, &plan.spec())?.spans();
    let strikes = strikes(&plan.clone().scaled());
    spans.extend(strikes.into_iter().map(|strike| strike.span));
    Ok(spans)
}

const EXAMPLES: &str = r#"partition = { isolate = "n3" } · loss = 0.3, links = "peers" · crash = "n2", restart_after = "2s" · pause = "any" · clock = { node = "n1", offset = "-200ms" }"#;
const NO_FAULT: &str =
    "members are no fault; change them by tidemark cluster join, leave or replace";
