//! A measured freshness curve beside the WARS model's, where a plan has the shape that the model speaks of.

use crate::plan::Plan;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidemark_netfuzz::Network;
use tidemark_observer::figures::Figures;
use tidemark_observer::predict::{Compared, Latencies, Legs, Model, Quorums, predict};
use tidemark_proto::event::Direction;
use tidemark_proto::message::Method;
use tidemark_proto::time::nanoseconds;

/// What `prediction.json` says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PredictionRecord {
    /// N, R and W.
    pub quorums: Quorums,
    /// From the legs that the run measured, in the run's own time; none if it did not keep messages.
    pub from_measured_legs: Option<Beside>,
    /// From the legs that the plan asks for.
    pub from_plan_legs: Beside,
}

/// A comparison, and its worst bin.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Beside {
    /// The largest distance of a bin.
    pub distance: f64,
    /// Bins of at least [`READS_A_BIN`] reads, if there are as many.
    pub bins: Vec<Compared>,
}

/// Compares, if the plan is of the model's shape: gateways coordinate, reads ask all replicas, nothing repairs, nothing
/// fails.
pub fn compare(plan: &Plan, figures: &Figures) -> anyhow::Result<Option<PredictionRecord>> {
    let option = |name: &str| plan.replication.options.get(name);
    let is_of_the_model = plan.workload.kind == "visibility-probe"
        && option("read_set").and_then(Value::as_str) == Some("all")
        && plan.cluster.gateways > 0
        && plan.repair.is_empty()
        && plan.fault.is_empty();
    if !is_of_the_model || figures.freshness.curve.is_empty() {
        return Ok(None);
    }
    let quorum = |name: &str| {
        let value = option(name).and_then(Value::as_u64);
        value.and_then(|value| usize::try_from(value).ok())
    };
    let (Some(n), Some(r), Some(w)) = (quorum("n"), quorum("r"), quorum("w")) else {
        return Ok(None);
    };
    let quorums = Quorums { n, r, w };
    let beside = |legs: Legs| {
        let prediction = predict(&Model::new(legs), quorums, TRIALS, plan.seed);
        let bins = prediction.beside(&figures.freshness.curve, READS_A_BIN);
        Beside {
            distance: bins.iter().map(Compared::distance).fold(0.0, f64::max),
            bins,
        }
    };
    let measured = figures.legs.known().and_then(|legs| Legs::measured(legs));
    Ok(Some(PredictionRecord {
        quorums,
        from_measured_legs: measured.map(beside),
        from_plan_legs: beside(plan_legs(plan)?),
    }))
}

impl PredictionRecord {
    /// The lines that follow the terminal's summary.
    #[must_use]
    pub fn text(&self) -> String {
        let line = |what: &str, beside: &Beside| {
            let bins = beside.bins.len();
            let least = beside
                .bins
                .iter()
                .map(|bin| bin.reads)
                .min()
                .unwrap_or_default();
            format!(
                "WARS    largest distance from the prediction by {what}: {:.4} ({bins} bins of {least} reads or more)\n",
                beside.distance
            )
        };
        let measured = self.from_measured_legs.as_ref();
        let measured = measured
            .map(|beside| line("measured legs", beside))
            .unwrap_or_default();
        measured + &line("the plan's legs", &self.from_plan_legs)
    }
}

/// The delays that the plan's network gives to messages between its first gateway and its first node.
fn plan_legs(plan: &Plan) -> anyhow::Result<Legs> {
    let mut network = Network::new(plan.seed ^ OTHER_DRAWS, &plan.spec())?;
    let (gateway, node) = (plan.gateways()[0], plan.nodes()[0]);
    let mut leg = |from, to, method: Method| {
        let lane = network.lane(from, to, method.name(), Direction::Request);
        let delay = |k| network.fate(plan.warmup.0, lane, k, 0).delay();
        let delays: Vec<f64> = (1..=DELAYS)
            .map(delay)
            .map(|delay| nanoseconds(delay) as f64 / 1e6)
            .collect();
        Latencies::samples(&delays).expect("there are delays")
    };
    Ok(Legs {
        w: leg(gateway, node, Method::Store),
        a: leg(node, gateway, Method::StoreReply),
        r: leg(gateway, node, Method::Fetch),
        s: leg(node, gateway, Method::FetchReply),
        abroad_ms: 0.0,
    })
}

/// As many reads a bin has, if there are as many.
pub const READS_A_BIN: u64 = 5_000;
const TRIALS: usize = 400_000;
const DELAYS: u64 = 200_000;
/// The prediction must not draw the very delays that the run had.
const OTHER_DRAWS: u64 = 0x9e37_79b9_7f4a_7c15;
