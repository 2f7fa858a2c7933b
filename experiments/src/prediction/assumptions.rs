//! What the WARS model supposes, and what in a plan is not so.
//!
//! A prediction is made all the same: it says what quorums and legs alone would do.
//!
//! Reference: Bailis et al., Probabilistically bounded staleness for practical partial quorums, VLDB 2012, §4.2 and §6.

use crate::client::{ClientOptions, Update};
use crate::plan::{Fault, Plan};
use serde_json::Value;
use tidemark_netfuzz::RuleSpec;
use tidemark_netfuzz::selector::Links;
use tidemark_observer::overlay::Broken;
use tidemark_observer::predict::{Coordinator, Model, Prediction, ReadSet};
use tidemark_observer::report::words::percent;
use tidemark_proto::span::Span;

/// What of the model a plan breaks. `real` is what the plan is to real processes, if it is carried out by them.
#[must_use]
pub fn broken(
    plan: &Plan,
    (model, prediction): (&Model, &Prediction),
    real: Option<&Plan>,
) -> Vec<Broken> {
    let mut all = Vec::new();
    let mut not = |supposed: &str, by: Option<String>| {
        let supposed = supposed.to_owned();
        all.extend(by.map(|by| Broken { supposed, by }));
    };
    not(
        "nothing but the write itself brings a version to a replica",
        repair(plan),
    );
    not(
        "nothing goes wrong, and nobody joins or leaves",
        faults(plan),
    );
    not("no message is lost", lossy(plan));
    not(
        "links between nodes are alike, or those between sites",
        unlike(plan, model),
    );
    not("clients have no distance", distance(plan));
    not(
        "a key's N replicas answer for it, and nobody in their place",
        replication(plan),
    );
    not(
        "R answers or W acknowledgements are all that a request waits for",
        waits(plan),
    );
    not(
        "a read asks all N replicas, or R that chance chooses",
        read_set(plan, model),
    );
    not(
        "coordinators hold no keys, or else chance chooses one of the key's replicas",
        coordinators(plan, model),
    );
    not(
        "a request waits as long as it takes",
        timeout(plan, prediction),
    );
    not(
        "a write is one request, and asks nobody first",
        requests(plan),
    );
    not(
        "a key has one write at a time, and its replicas hold the one before",
        workload(plan),
    );
    not("nodes take no time of their own", service(plan));
    not(
        "real processes take no time of their own",
        real.map(machine),
    );
    not("what is acknowledged waits for no disk", storage(plan));
    all
}

fn repair(plan: &Plan) -> Option<String> {
    let kinds: Vec<_> = plan
        .repair
        .iter()
        .map(|repair| repair.kind.as_str())
        .collect();
    let named = || format!("`repair` is {}", kinds.join(", "));
    (!kinds.is_empty()).then(named)
}

fn faults(plan: &Plan) -> Option<String> {
    let names = plan.fault.iter().map(|fault| match fault {
        Fault::Machine(fault) => fault.name.as_deref().unwrap_or(fault.harm.kind()),
        Fault::Members(change) => change.name.as_deref().unwrap_or("a change of members"),
        Fault::Rule(rule) => rule.name.as_deref().unwrap_or(&rule.kind),
    });
    let names: Vec<_> = names.map(|name| format!("“{name}”")).collect();
    (!names.is_empty()).then(|| format!("`fault` has {}", names.join(", ")))
}

fn lossy(plan: &Plan) -> Option<String> {
    let mut rules = plan.network.iter();
    let rule = rules.find(|rule| rule.kind != LATENCY)?;
    Some(format!("`network` has {}", named(rule)))
}

fn unlike(plan: &Plan, model: &Model) -> Option<String> {
    if model.legs.abroad_ms > 0.0 {
        return None;
    }
    let mut rules = plan.network.iter();
    let rule = rules.find(|rule| matches!(rule.selector.links, Links::Listed(_)))?;
    Some(format!("`network` has {} for some of them", named(rule)))
}

fn distance(plan: &Plan) -> Option<String> {
    let mut rules = plan.network.iter();
    let rule = rules.find(|rule| matches!(rule.selector.links, Links::Clients | Links::All))?;
    Some(format!("`network` has {} for theirs as well", named(rule)))
}

fn replication(plan: &Plan) -> Option<String> {
    let kind = &plan.replication.kind;
    (kind != "strict").then(|| format!("`replication` is {kind}"))
}

fn waits(plan: &Plan) -> Option<String> {
    let options = &plan.replication.options;
    let is_more = |name: &&&str| match options.get(**name) {
        Some(Value::Number(number)) => number.as_u64() != Some(0),
        Some(Value::Bool(is_enough)) => !is_enough,
        _ => false,
    };
    let more: Vec<_> = MORE.iter().filter(is_more).copied().collect();
    (!more.is_empty()).then(|| format!("`replication` has {}", more.join(", ")))
}

fn read_set(plan: &Plan, model: &Model) -> Option<String> {
    match plan.replication.options.get("read_set")?.as_str()? {
        "all" => None,
        "quorum" if model.coordinator == Coordinator::Gateway => None,
        "quorum" => Some("a replica that coordinates asks itself first".to_owned()),
        other => Some(format!("`read_set` is {other}")),
    }
}

fn coordinators(plan: &Plan, model: &Model) -> Option<String> {
    if option(plan, "coordinator") == Some("first") {
        return Some("a key's first replica coordinates all its requests".to_owned());
    }
    let (nodes, n) = (usize::from(plan.cluster.nodes), plan.replicas());
    let is_mixed = model.coordinator == Coordinator::Replica && nodes > n;
    is_mixed.then(|| format!("any of {nodes} nodes coordinates, and {n} hold a key"))
}

fn timeout(plan: &Plan, prediction: &Prediction) -> Option<String> {
    let given: Option<Span> = option(plan, "timeout").and_then(|text| text.parse().ok());
    let least = given.map_or(plan.client.timeout, |span| span.min(plan.client.timeout));
    let within = [&prediction.reads, &prediction.writes]
        .map(|times| times.up_to(least.as_f64() / 1e6) as f64 / times.count() as f64);
    let late = 1.0 - within[0].min(within[1]);
    (late > RARE).then(|| format!("{} would take longer than {least}", percent(late)))
}

fn requests(plan: &Plan) -> Option<String> {
    let ClientOptions {
        retries, update, ..
    } = &plan.client;
    let reads_first = *update == Update::ReadFirst && plan.workload.kind != PROBE;
    match (reads_first, *retries) {
        (true, _) => Some("`client.update` is read-first".to_owned()),
        (false, 0) => None,
        (false, retries) => Some(format!("`client.retries` is {retries}")),
    }
}

fn workload(plan: &Plan) -> Option<String> {
    let kind = &plan.workload.kind;
    (kind != PROBE)
        .then(|| format!("`workload` is {kind}, which writes keys again while others are at it"))
}

fn service(plan: &Plan) -> Option<String> {
    let service = plan.sim.service.as_ref()?;
    Some(format!("`sim.service` is {service}"))
}

fn machine(plan: &Plan) -> String {
    let scale = plan.time_scale;
    if scale == 1.0 {
        "they share one machine's cores".to_owned()
    } else {
        format!("they share one machine's cores; `time_scale` makes that count 1/{scale}")
    }
}

fn storage(plan: &Plan) -> Option<String> {
    let kind = &plan.storage.kind;
    (kind != "memory").then(|| format!("`storage` is {kind}"))
}

fn option<'a>(plan: &'a Plan, name: &str) -> Option<&'a str> {
    plan.replication.options.get(name).and_then(Value::as_str)
}

fn named(rule: &RuleSpec) -> String {
    let name = rule.name.as_deref().unwrap_or(&rule.kind);
    format!("“{name}” ({})", rule.kind)
}

/// How the model takes a plan's coordinators, and whom its reads ask.
#[must_use]
pub(super) fn shape(plan: &Plan) -> (Coordinator, ReadSet) {
    let coordinator = if plan.cluster.gateways > 0 {
        Coordinator::Gateway
    } else {
        Coordinator::Replica
    };
    let read_set = match option(plan, "read_set") {
        None | Some("all") => ReadSet::All,
        Some(_) => ReadSet::Quorum,
    };
    (coordinator, read_set)
}

const LATENCY: &str = "latency";
const PROBE: &str = "visibility-probe";
/// Options of `replication` that make requests wait for more.
const MORE: [&str; 7] = [
    "primary_read",
    "primary_write",
    "node_confirms",
    "durable_write",
    "not_found_ok",
    "preferred_reads",
    "preferred_writes",
];
/// What is rarer than this in requests shows in no figure.
const RARE: f64 = 1e-4;
