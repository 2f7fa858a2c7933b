//! Whether the parts of a plan fit together. Everything that does not is told at once, each at its place.

use super::error::PlanError;
use super::path::Path;
use super::{Fault, Plan, machine, members};
use crate::client::{MoveAfter, Route};
use crate::workload::{self, Script, Source};
use serde_json::Value;
use tidemark_netfuzz::{Network, Part};
use tidemark_node::config::{
    Choice, ConfigError, partitioner as partitioner_of, simulated_storage,
};
use tidemark_node::replica::Replica;
use tidemark_node::{
    deletion, membership, partitioner, repair, replication, storage as storages, versioning,
};
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, find};
use tidemark_proto::span::Span;

/// Writes out every default of the strategies and rules; tells what does not fit.
pub(super) fn resolve(plan: &mut Plan) -> Vec<PlanError> {
    let mut errors: Vec<PlanError> = [
        complete("replication", replication::ENTRIES, &mut plan.replication),
        complete("partitioner", partitioner::ENTRIES, &mut plan.partitioner),
        complete("versioning", versioning::ENTRIES, &mut plan.versioning),
        complete("membership", membership::ENTRIES, &mut plan.membership),
        complete("deletion", deletion::ENTRIES, &mut plan.deletion),
        complete("storage", storages::ENTRIES, &mut plan.storage),
        complete("workload", workload::ENTRIES, &mut plan.workload),
    ]
    .into_iter()
    .flatten()
    .collect();
    for (place, choice) in plan.repair.iter_mut().enumerate() {
        errors.extend(complete(
            &format!("repair[{place}]"),
            repair::ENTRIES,
            choice,
        ));
    }
    if !errors.is_empty() {
        return errors;
    }
    errors.extend(times(plan));
    errors.extend(roles(plan));
    errors.extend(strategies(plan));
    errors.extend(machine::check::faults(plan));
    if errors.is_empty() {
        errors.extend(members::check(plan));
    }
    errors.extend(network(plan));
    errors
}

/// The strategies, each by itself and beside the others.
fn strategies(plan: &Plan) -> Vec<PlanError> {
    let mut errors = Vec::new();
    let config = plan.config();
    let id = NodeId::node(1);
    let built =
        simulated_storage(&config, id).and_then(|storage| Replica::new(&config, id, 1, storage));
    match built {
        Err(ConfigError::Options { seam, kind, error }) => {
            let repair = plan.repair.iter().position(|choice| choice.kind == kind);
            let table = match repair {
                Some(place) if seam == "repair" => at("repair").index(place),
                Some(_) | None => at(seam),
            };
            errors.push(of_option(&table, &error));
        }
        Err(ConfigError::Kind(error)) => {
            errors.push(PlanError::new(at(error.seam), error.to_string()));
        }
        Ok(_) => {}
    }
    for (place, choice) in plan.repair.iter().enumerate() {
        if plan.repair[..place]
            .iter()
            .any(|other| other.kind == choice.kind)
        {
            let path = at("repair").index(place).key("kind");
            let reason = format!(
                "{path} is {:?} for a second time; once is enough",
                choice.kind
            );
            errors.push(PlanError::new(path, reason).label("the second"));
        }
    }
    match workload::build(plan) {
        Err(error) => errors.push(of_option(&at("workload"), &error)),
        Ok(workload) => {
            let (bytes, most) = (workload.value_bytes().greatest(), plan.limits.value_bytes);
            if bytes > u64::from(most) {
                let reason =
                    format!("workload.value_bytes is {bytes}, but limits.value_bytes is {most}");
                let error = PlanError::new(at("workload.value_bytes"), reason);
                errors.push(
                    error
                        .also(at("limits.value_bytes"))
                        .label("every write would be refused"),
                );
            }
            match workload.script() {
                Some(found) => errors.extend(script(plan, found)),
                None if plan.client.rate == 0.0 => {
                    let reason = format!(
                        "client.rate is missing; only a workload of kind \"script\" has no arrivals, and this is {:?}",
                        plan.workload.kind
                    );
                    errors.push(PlanError::new(at("client"), reason).label("rate is missing here"));
                }
                None => {}
            }
        }
    }
    errors
}

/// Whether a script's steps are of those who take part, and within the time of the load.
fn script(plan: &Plan, script: &Script) -> Vec<PlanError> {
    let mut errors = Vec::new();
    let (clients, members) = (plan.clients(), plan.members());
    let list = at("workload.step");
    for (place, step) in script.steps().iter().enumerate() {
        let path = list.index(place);
        let other = match step.context {
            Source::Other(client) => Some(client),
            Source::Own | Source::Nobody => None,
        };
        let named = [
            ("client", Some(step.client), &clients, "client.count"),
            ("context", other, &clients, "client.count"),
            ("node", step.node, &members, "cluster.nodes"),
        ];
        for (key, id, those, count) in named {
            if let Some(id) = id.filter(|id| !those.contains(id)) {
                let path = path.key(key);
                let some = |id: Option<&NodeId>| id.map_or_else(String::new, NodeId::to_string);
                let (first, last) = (some(those.first()), some(those.last()));
                let reason = format!(
                    "{path} is {id}, which does not take part; choose one of {first} to {last}"
                );
                errors.push(PlanError::new(path, reason).also(at(count)));
            }
        }
        let end = script.end_of(step);
        if end >= plan.duration.0 {
            let path = path.key("at");
            let reason = format!(
                "{path} is {}, so that the step is done until {}, but the run's duration is {}",
                step.at,
                Span(end),
                plan.duration
            );
            let error = PlanError::new(path, reason).also(at("duration"));
            errors.push(error.label("after the end of the run"));
        }
    }
    if let Ok(partitioner) = partitioner_of(&plan.config())
        && let Err(error) = script.keys(&*partitioner)
    {
        errors.push(of_option(&at("workload"), &error));
    }
    errors
}

/// Who is asked, and whether there is such a one.
fn roles(plan: &Plan) -> Vec<PlanError> {
    let mut errors = Vec::new();
    let (n, nodes) = (plan.replicas(), plan.cluster.nodes);
    if n > usize::from(nodes) {
        let reason = format!(
            "replication.n is {n}, but cluster.nodes is {nodes}; choose 1 to {nodes} replicas, or more nodes"
        );
        let error = PlanError::new(at("replication.n"), reason).also(at("cluster.nodes"));
        errors.push(error.label("more replicas than nodes"));
    }
    let coordinator = plan
        .replication
        .options
        .get("coordinator")
        .and_then(Value::as_str);
    if coordinator == Some("gateway") && plan.cluster.gateways == 0 {
        let reason = "replication.coordinator is \"gateway\", but cluster.gateways is 0; write gateways = 1 into [cluster], or choose another coordinator: any, first";
        let error =
            PlanError::new(at("replication.coordinator"), reason).also(at("cluster.gateways"));
        errors.push(error.label("there is none"));
    }
    if let Some(after) = plan.client.move_after {
        let path = at("client.move_after");
        let is_nothing = match after {
            MoveAfter::Requests(count) => count == 0,
            MoveAfter::Time(time) => time.0.is_zero(),
        };
        let coordinators = plan.coordinators();
        let error = if plan.client.route != Route::Sticky {
            let reason = "client.move_after is for clients that stay with a node, but client.route is not \"sticky\"";
            Some(PlanError::new(path, reason).also(at("client.route")))
        } else if is_nothing {
            let reason = "client.move_after is 0, but a client stays for a request or for a time";
            Some(PlanError::new(path, reason))
        } else if let [only] = coordinators[..] {
            let reason = format!(
                "client.move_after has nowhere to go: {only} is the only node that clients ask"
            );
            Some(PlanError::new(path, reason).also(at("cluster")))
        } else {
            None
        };
        errors.extend(error);
    }
    if plan.client.route == Route::TokenAware && plan.cluster.gateways > 0 {
        let reason = "client.route is \"token-aware\", but clients ask gateways, which hold no keys; choose another route, or write gateways = 0 into [cluster]";
        let error = PlanError::new(at("client.route"), reason).also(at("cluster.gateways"));
        errors.push(error.label("no gateway is the first replica of a key"));
    }
    errors
}

/// Times against the length of the run.
fn times(plan: &Plan) -> Vec<PlanError> {
    let duration = plan.duration;
    let mut errors = Vec::new();
    if duration.0.is_zero() {
        let reason = "duration is 0s: nothing would happen";
        return vec![PlanError::new(at("duration"), reason).label("must be longer")];
    }
    if plan.client.timeout.0.is_zero() {
        let reason = "client.timeout is 0s: nothing would ever be answered";
        errors.push(PlanError::new(at("client.timeout"), reason).label("must be longer"));
    }
    if plan.admission.interval.0.is_zero() {
        let reason = "admission.interval is 0s: every wait would be the least of its interval";
        errors.push(PlanError::new(at("admission.interval"), reason).label("must be longer"));
    }
    if plan.handover.retry.0.is_zero() {
        let reason = "handover.retry is 0s; what moves would be offered without end";
        errors.push(PlanError::new(at("handover.retry"), reason).label("must be longer"));
    }
    let mut bounded = vec![("warmup".to_owned(), plan.warmup)];
    let options = &plan.workload.options;
    for key in ["range", "lead"] {
        let span = options
            .get(key)
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok());
        bounded.extend(span.map(|span: Span| (format!("workload.{key}"), span)));
    }
    for (path, span) in bounded {
        if span >= duration {
            let reason = format!("{path} is {span}, but the run's duration is {duration}");
            let error = PlanError::new(at(&path), reason).also(at("duration"));
            errors.push(
                error
                    .label("no load would be left")
                    .help("make it shorter, or the run longer"),
            );
        }
    }
    for (place, fault) in plan.fault.iter().enumerate() {
        let path = at("fault").index(place);
        let (from, until, end) = match fault {
            Fault::Machine(fault) => fault.extent(),
            Fault::Members(change) => (change.at.0, None, "at"),
            Fault::Rule(rule) => match rule.period {
                Some(period) => (period.from, Some(period.until), "for"),
                None => continue,
            },
        };
        let advice = format!(
            "at {duration} the load ends and everything heals: let it happen earlier, or make the run longer"
        );
        if from >= duration.0 {
            let at_key = path.key("at");
            let reason = format!(
                "{at_key} is {}, but the run's duration is {duration}",
                Span(from)
            );
            let error = PlanError::new(at_key, reason).also(at("duration"));
            errors.push(error.label("after the end of the run").help(advice));
        } else if let Some(until) = until.filter(|until| *until > duration.0) {
            let reason = format!(
                "{path} ends at {}, but the run's duration is {duration}",
                Span(until)
            );
            let error = PlanError::new(path.key(end), reason).also(at("duration"));
            errors.push(
                error
                    .label(format!("from {} until {}", Span(from), Span(until)))
                    .help(advice),
            );
        }
    }
    errors
}

/// The network's rules, and their defaults.
fn network(plan: &mut Plan) -> Vec<PlanError> {
    let Err(error) = Network::new(plan.seed, &plan.spec()) else {
        let faults = plan.fault.iter_mut().filter_map(|fault| match fault {
            Fault::Rule(rule) => Some(&mut **rule),
            Fault::Machine(_) | Fault::Members(_) => None,
        });
        for rule in plan.network.iter_mut().chain(faults) {
            if let Ok(resolved) = rule.resolved() {
                *rule = resolved;
            }
        }
        return Vec::new();
    };
    let Some((part, place)) = error.part else {
        return vec![PlanError::new(Path::default(), error.to_string())];
    };
    let table = match part {
        Part::Network => at("network").index(place),
        Part::Fault => {
            let is_rule = |(_, fault): &(usize, &Fault)| matches!(fault, Fault::Rule(_));
            let rules = plan.fault.iter().enumerate().filter(is_rule);
            at("fault").index(rules.map(|(place, _)| place).nth(place).unwrap_or(place))
        }
    };
    vec![of_option(&table, &error.error)]
}

/// An error of a strategy's own, told of the plan's table.
pub(super) fn of_option(table: &Path, error: &OptionError) -> PlanError {
    let option = error.option.as_deref().unwrap_or_default();
    let path = option
        .parse()
        .map_or_else(|_| table.clone(), |option| table.join(&option));
    let whole = OptionError {
        option: Some(path.to_string()).filter(|path| !path.is_empty()),
        reason: error.reason.clone(),
    };
    let told = PlanError::new(path, whole.told());
    if told.reason.contains(" is missing") {
        return told.label("something is missing here");
    }
    told
}

/// Writes out the defaults of a choice.
fn complete<B>(table: &str, entries: &[Entry<B>], choice: &mut Choice) -> Option<PlanError> {
    let table: Path = table.parse().unwrap_or_default();
    let entry = match find("plan", entries, &choice.kind) {
        Ok(entry) => entry,
        Err(error) => return Some(PlanError::new(table.key("kind"), error.to_string())),
    };
    match (entry.resolve)(&choice.options) {
        Ok(options) => {
            choice.options = options;
            None
        }
        Err(error) => Some(of_option(&table, &error)),
    }
}

/// A path that this file writes out.
pub(super) fn at(path: &str) -> Path {
    path.parse().expect("it is written like a path")
}
