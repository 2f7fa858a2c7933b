//! A measured freshness curve beside the WARS model's, where a plan has the shape that the model speaks of.

mod assumptions;
mod legs;

pub use assumptions::broken;

use crate::plan::Plan;
use anyhow::{Context as _, ensure};
use legs::plan_legs;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidemark_observer::figures::Figures;
use tidemark_observer::overlay::READS_A_BIN;
use tidemark_observer::predict::{Compared, Legs, Model, Prediction, Quorums, predict};

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
    let Ok(quorums) = quorums(plan) else {
        return Ok(None);
    };
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

/// What the model makes of any plan, in the plan's own times, whatever [`broken`] says of it.
///
/// # Errors
/// It has no N, R and W of which each is at least 1.
pub fn plan_prediction(plan: &Plan) -> anyhow::Result<(Model, Prediction)> {
    let quorums = quorums(plan)?;
    let mut plan = plan.clone();
    plan.time_scale = 1.0;
    let (coordinator, read_set) = assumptions::shape(&plan);
    let model = Model {
        legs: plan_legs(&plan)?,
        coordinator,
        read_set,
    };
    let prediction = predict(&model, quorums, OVERLAY_TRIALS, plan.seed);
    Ok((model, prediction))
}

/// N, R and W, if the model can wait for them.
pub(crate) fn quorums(plan: &Plan) -> anyhow::Result<Quorums> {
    let quorum = |name: &str| {
        let value = plan.replication.options.get(name)?.as_u64()?;
        usize::try_from(value).ok()
    };
    let quorums = || {
        Some(Quorums {
            n: quorum("n")?,
            r: quorum("r")?,
            w: quorum("w")?,
        })
    };
    let quorums = quorums().context("its replication has no n, r and w")?;
    let Quorums { n, r, w } = quorums;
    ensure!(
        (1..=n).contains(&r) && (1..=n).contains(&w),
        "r is {r} and w is {w}, but the model waits for 1 to {n} replicas"
    );
    Ok(quorums)
}

const TRIALS: usize = 400_000;
/// Enough that what is off by chance is what is measured, not what is predicted.
const OVERLAY_TRIALS: usize = 2_000_000;
