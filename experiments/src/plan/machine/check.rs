//! Whether machine faults can be: whom they name, how long they last, and that none strikes whom another has struck.

use super::strike::MOST_STRIKES;
use super::{Harm, Lot, MachineFault, Whom};
use crate::plan::check::at;
use crate::plan::error::PlanError;
use crate::plan::path::Path;
use crate::plan::{Fault, Plan};
use std::time::Duration;
use tidemark_netfuzz::selector::check_participant;
use tidemark_proto::id::NodeId;
use tidemark_proto::span::Span;

/// What cannot be, of a plan whose tables are well formed.
pub(in crate::plan) fn faults(plan: &Plan) -> Vec<PlanError> {
    let mut errors = Vec::new();
    let mut before = Vec::new();
    for (place, fault) in plan.fault.iter().enumerate() {
        let Fault::Machine(fault) = fault else {
            continue;
        };
        let table = at("fault").index(place);
        let whom = table.join(&at(&fault.harm.place()));
        errors.extend(names(plan, &fault.harm, &whom));
        errors.extend(amounts(fault, &table));
        errors.extend(repetition(plan, fault, &table));
        errors.extend(overlap(plan, fault, &before, &whom));
        before.push(&**fault);
    }
    errors
}

/// What a back-end cannot do to a machine.
pub(in crate::plan) fn in_backend(plan: &Plan, backend: &str) -> Vec<PlanError> {
    if backend != "real" {
        return Vec::new();
    }
    let of_power = |(place, fault): (usize, &Fault)| match fault {
        Fault::Machine(fault) if matches!(fault.harm, Harm::PowerLoss(_)) => {
            let path = at("fault").index(place).key("power_loss");
            let reason = format!(
                "{path} cannot be done to a process: only the machine under it loses power"
            );
            let error = PlanError::new(path, reason)
                .of_key()
                .label("not in the back-end \"real\"");
            Some(error.help(
                "choose the back-end sim for this plan, or another fault: crash (what was not synced stays), wipe (nothing stays)",
            ))
        }
        Fault::Machine(_) | Fault::Members(_) | Fault::Rule(_) => None,
    };
    plan.fault.iter().enumerate().filter_map(of_power).collect()
}

impl MachineFault {
    /// When it begins, when it ends, if it is said, and the key that says so.
    pub(in crate::plan) fn extent(&self) -> (Duration, Option<Duration>, &'static str) {
        let key = if Harm::is_killing(self.harm.kind()) {
            "restart_after"
        } else {
            "for"
        };
        let (end, key) = match (self.until, self.length) {
            (Some(until), _) => (Some(until.0), "until"),
            (None, Some(length)) if self.every.is_none() => {
                (Some(self.at.0.saturating_add(length.0)), key)
            }
            (None, _) => (None, key),
        };
        (self.at.0, end, key)
    }
}

fn names(plan: &Plan, harm: &Harm, path: &Path) -> Vec<PlanError> {
    let whom = harm.whom();
    let members = plan.members();
    let is_list = matches!(whom, Whom::These(_));
    let named = whom.named().iter().enumerate().filter_map(|(place, id)| {
        let path = if is_list {
            path.index(place)
        } else {
            path.clone()
        };
        let reason = check_participant(*id, &members).err()?;
        let reason = format!("{path} is \"{id}\", but {reason}");
        Some(PlanError::new(path, reason).also(at("cluster")))
    });
    let nobody = match whom {
        Whom::These(ids) if ids.is_empty() => Some("names nobody".to_owned()),
        Whom::Drawn(Lot::Minority) if plan.cluster.nodes < 3 => Some(format!(
            "is \"minority\", but of {} nodes none can be spared; choose another lot, or 3 nodes and more",
            plan.cluster.nodes
        )),
        Whom::Drawn(Lot::AnyTwo) if plan.cluster.nodes < 2 => {
            Some("is \"any-two\", but there is one node; choose: any".to_owned())
        }
        Whom::Drawn(_) | Whom::One(_) | Whom::These(_) => None,
    };
    let nobody = nobody.map(|reason| {
        let error = PlanError::new(path.clone(), format!("{path} {reason}"));
        error.label("nobody would be struck")
    });
    named.chain(nobody).collect()
}

fn amounts(fault: &MachineFault, table: &Path) -> Vec<PlanError> {
    let refuse = |path: Path, reason: &str| {
        let reason = format!("{path} {reason}");
        vec![PlanError::new(path, reason)]
    };
    match &fault.harm {
        Harm::Clock(clock) => {
            let path = table.key("clock");
            let given = [
                ("offset", clock.offset.is_some()),
                ("drift", clock.drift.is_some()),
                ("strobe", clock.strobe.is_some()),
            ];
            let given: Vec<_> = given.iter().filter(|(_, given)| *given).collect();
            match (given[..].first(), given.get(1)) {
                (None, _) => refuse(
                    path,
                    "does not say how the clock is wrong; give one of: offset, drift, strobe",
                ),
                (Some((first, _)), Some((second, _))) => refuse(
                    path.key(second),
                    &format!("is given beside {first}; choose one of: offset, drift, strobe"),
                ),
                (Some(_), None)
                    if clock
                        .drift
                        .is_some_and(|rate| rate <= -1.0 || !rate.is_finite()) =>
                {
                    refuse(
                        path.key("drift"),
                        "is -1 or less, but no clock runs backwards; choose more, like 0.001",
                    )
                }
                (Some(_), None) if clock.strobe.is_some_and(|strobe| strobe.every.0.is_zero()) => {
                    refuse(
                        path.key("strobe").key("every"),
                        "is 0s, but a turn takes time; choose more, like 1s",
                    )
                }
                (Some(_), None) => Vec::new(),
            }
        }
        Harm::SlowSync(slow) if slow.by.0.is_zero() => refuse(
            table.key("slow_sync").key("by"),
            "is 0s: no sync would be slower; choose more, like 50ms",
        ),
        Harm::Crash(_)
        | Harm::PowerLoss(_)
        | Harm::Wipe(_)
        | Harm::Pause(_)
        | Harm::SlowSync(_)
        | Harm::DiskFull(_) => Vec::new(),
    }
}

fn repetition(plan: &Plan, fault: &MachineFault, table: &Path) -> Option<PlanError> {
    let Some(every) = fault.every else {
        let until = fault.until.map(|_| table.key("until"))?;
        let reason = format!(
            "{until} says when the last strike is due, but every is missing; write every = \"1s\", or say how long one strike lasts"
        );
        return Some(PlanError::new(until, reason));
    };
    let path = table.key("every");
    if every.0.is_zero() {
        let reason = format!(
            "{path} is 0s, but something must pass between two strikes; choose more, like 1s"
        );
        return Some(PlanError::new(path, reason));
    }
    if let Some(until) = fault.until.filter(|until| *until <= fault.at) {
        let path = table.key("until");
        let reason = format!(
            "{path} is {until}, but it begins at {}; choose later",
            fault.at
        );
        return Some(PlanError::new(path, reason));
    }
    (fault.moments(plan.duration.0).count() == MOST_STRIKES).then(|| {
        let reason = format!(
            "{path} is {every}: it would strike {MOST_STRIKES} times or more; choose longer, or an earlier until"
        );
        PlanError::new(path, reason)
    })
}

/// Those that are named by two faults at the same time; who is drawn is drawn of the others.
fn overlap(
    plan: &Plan,
    fault: &MachineFault,
    before: &[&MachineFault],
    path: &Path,
) -> Option<PlanError> {
    let span = |fault: &MachineFault| {
        let end = fault.extent().1.unwrap_or(plan.duration.0);
        (fault.at.0, end.min(plan.duration.0))
    };
    let (from, until) = span(fault);
    let both = |other: &&&MachineFault| {
        let (begin, end) = span(other);
        other.every.is_none()
            && fault.every.is_none()
            && other.harm.part() == fault.harm.part()
            && begin < until
            && from < end
    };
    let common = |other: &&MachineFault| -> Option<NodeId> {
        let named = fault.harm.whom().named();
        let others = other.harm.whom().named();
        named.iter().copied().find(|id| others.contains(id))
    };
    let mut others = before.iter().filter(both);
    let (other, id) = others.find_map(|other| Some((other, common(other)?)))?;
    let (begin, end) = span(other);
    let reason = format!(
        "{path} is \"{id}\", but {:?} has struck that node from {} until {}",
        other.called(),
        Span(begin),
        Span(end)
    );
    let error = PlanError::new(path.clone(), reason).label("is struck already");
    let key = other.extent().2;
    Some(error.help(format!(
        "let it happen at another time, or let the first one end earlier with {key}"
    )))
}
