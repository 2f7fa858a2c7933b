//! The legs that a plan's network gives to messages between coordinators and replicas.

use crate::plan::Plan;
use anyhow::Context as _;
use tidemark_netfuzz::distribution::Law as Written;
use tidemark_netfuzz::selector::Links;
use tidemark_netfuzz::{Distribution, Network, RuleSpec};
use tidemark_observer::predict::{Latencies, Law, Legs};
use tidemark_proto::event::Direction;
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Method;
use tidemark_proto::registry::parse;
use tidemark_proto::span::Span;
use tidemark_proto::time::nanoseconds;

/// Those between the plan's first coordinator and the first node in its site, and how much longer all others are.
///
/// # Errors
/// Of a leg no message arrives.
pub(super) fn plan_legs(plan: &Plan) -> anyhow::Result<Legs> {
    let mut network = Network::new(plan.seed ^ OTHER_DRAWS, &plan.spec())?;
    let coordinator = plan.coordinators()[0];
    let others = plan.nodes().into_iter().filter(|node| *node != coordinator);
    let others: Vec<_> = others.collect();
    let mut near = others
        .iter()
        .filter(|node| is_near(plan, coordinator, **node));
    let node = near
        .next()
        .or(others.first())
        .copied()
        .unwrap_or(coordinator);
    let mut leg = |from, to, method: Method| {
        if let Some(known) = known(plan, (from, to, method)) {
            return Ok(known);
        }
        let lane = network.lane(from, to, method.name(), Direction::Request);
        let delay = |k| {
            let fate = network.fate(plan.warmup.0, lane, k, 0);
            let arrived = fate.copies.first()?;
            Some(nanoseconds(arrived.delay) as f64 / 1e6)
        };
        let delays: Vec<f64> = (1..=DELAYS).filter_map(delay).collect();
        let none = || format!("of its network no message {} arrives", method.name());
        Latencies::samples(&delays).with_context(none)
    };
    Ok(Legs {
        w: leg(coordinator, node, Method::Store)?,
        a: leg(node, coordinator, Method::StoreReply)?,
        r: leg(coordinator, node, Method::Fetch)?,
        s: leg(node, coordinator, Method::FetchReply)?,
        abroad_ms: abroad_ms(plan).map_or(0.0, |ms| ms * plan.time_scale),
    })
}

/// The latencies of a leg of which it is known how they are spread: those that one rule alone makes, by laws that the model has
/// too. Drawing them instead would leave to chance how long the tail of a Pareto is.
fn known(plan: &Plan, (from, to, method): (NodeId, NodeId, Method)) -> Option<Latencies> {
    let mut rules = plan.network.iter().filter(|rule| {
        rule.selector
            .concerns(from, to, method.name(), Direction::Request)
    });
    let rule = rules.next().filter(|_| rules.next().is_none())?;
    if rule.kind != "latency" || is_chancy(rule) {
        return None;
    }
    let written: Distribution = parse(&rule.options).ok()?;
    law(&written.scaled(plan.time_scale).into()).map(|law| Latencies::of(&law))
}

fn law(written: &Written) -> Option<Law> {
    Some(match written {
        Written::Exponential(mean) => Law::Exponential {
            mean_ms: mean.as_f64() / 1e6,
        },
        Written::Pareto { scale, shape } => Law::Pareto {
            scale_ms: scale.as_f64() / 1e6,
            shape: *shape,
        },
        Written::Mixture(parts) => {
            let parts = parts
                .iter()
                .map(|part| Some((part.weight, law(&part.distribution.clone().into())?)));
            Law::Mixture(parts.collect::<Option<_>>()?)
        }
        Written::Constant(_) | Written::Uniform { .. } => return None,
    })
}

/// How much longer, in milliseconds, the way between a coordinator and a node of another site is, if the plan's network
/// has sites: each gateway has its own node, and messages to and from all others have one constant latency more.
fn abroad_ms(plan: &Plan) -> Option<f64> {
    let (nodes, gateways) = (plan.nodes(), plan.gateways());
    if gateways.len() != nodes.len() {
        return None;
    }
    let own: Vec<NodeId> = gateways
        .iter()
        .map(|gateway| {
            let mut near = nodes.iter().filter(|node| is_near(plan, *gateway, **node));
            near.next().filter(|_| near.next().is_none()).copied()
        })
        .collect::<Option<_>>()?;
    let is_taken_once = nodes.iter().all(|node| own.contains(node));
    let mut far = gateways.iter().zip(&own).flat_map(|(gateway, own)| {
        let others = nodes.iter().filter(move |node| *node != own);
        others.flat_map(move |node| further(plan, *gateway, *node))
    });
    let first = far.next().filter(|_| is_taken_once)?;
    far.all(|ms| (ms - first).abs() < 1e-9).then_some(first)
}

fn is_near(plan: &Plan, gateway: NodeId, node: NodeId) -> bool {
    further(plan, gateway, node).iter().all(|ms| *ms == 0.0)
}

/// What rules for single links add to each leg between two participants, in milliseconds; no number if one of
/// them is not the same constant for every message.
fn further(plan: &Plan, coordinator: NodeId, node: NodeId) -> [f64; 4] {
    LEGS.map(|(method, is_answer)| {
        let (from, to) = if is_answer {
            (node, coordinator)
        } else {
            (coordinator, node)
        };
        let rules = plan.network.iter().filter(|rule| {
            let selector = &rule.selector;
            matches!(selector.links, Links::Listed(_))
                && selector.concerns(from, to, method.name(), Direction::Request)
        });
        rules
            .map(|rule| constant_ms(rule).unwrap_or(f64::NAN))
            .sum()
    })
}

/// The latency of a rule that delays every message by the same.
fn constant_ms(rule: &RuleSpec) -> Option<f64> {
    if rule.kind != "latency" || is_chancy(rule) {
        return None;
    }
    let constant: Span = rule.options.get("constant")?.as_str()?.parse().ok()?;
    Some(constant.as_f64() / 1e6)
}

/// Whether it leaves some of the messages alone that it concerns.
fn is_chancy(rule: &RuleSpec) -> bool {
    rule.selector.probability.is_some() || rule.selector.every.is_some()
}

const LEGS: [(Method, bool); 4] = [
    (Method::Store, false),
    (Method::StoreReply, true),
    (Method::Fetch, false),
    (Method::FetchReply, true),
];
const DELAYS: u64 = 200_000;
/// The prediction must not draw the very delays that the run had.
const OTHER_DRAWS: u64 = 0x9e37_79b9_7f4a_7c15;
