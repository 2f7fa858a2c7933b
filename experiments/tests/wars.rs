//! The store as it is, in the simulator, against the model that predicts it: an independent Monte-Carlo of WARS.
//!
//! Reference: Bailis et al., Probabilistically bounded staleness for practical partial quorums, VLDB 2012, §5.1.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256StarStar;
use std::sync::Arc;
use tidemark::backend::sim::{Pace, simulate};
use tidemark::backend::{Progress, Run};
use tidemark::plan::load;
use tidemark_observer::observe::{Observation, RunFacts};
use tidemark_proto::event::Milestone;

/// If this fails, nodes, network or observer add a bias to staleness that no experiment could tell from a finding.
#[test]
fn a_million_probes_agree_with_the_wars_model() {
    let sets = [
        "client.rate=17500".to_owned(),
        "workload.immediate=0.25".to_owned(),
    ];
    let (_, plan) = load("visibility", "sim", &sets).unwrap();
    let facts = RunFacts {
        plan: "visibility".to_owned(),
        backend: "sim".to_owned(),
        seed: plan.seed,
        detail: plan.events,
        clock_error: std::time::Duration::ZERO,
        sides: Vec::new(),
        oracles: Vec::new(),
    };
    let run = Run {
        plan: plan.scaled(),
        progress: Arc::new(Progress::default()),
    };
    let mut observation = Observation::new(facts);
    let ended = simulate(&run, &mut Pace::default(), &mut |event| {
        observation.observe(&event)
    })
    .unwrap();
    assert_eq!(ended, Milestone::Ended);
    let freshness = observation.report().figures.freshness;
    drop(observation);

    let mut model = t_stars();
    model.sort_unstable_by(f64::total_cmp);
    let zeros = model.iter().take_while(|t| **t == 0.0).count();
    let predicted = zeros as f64 / TRIALS as f64;

    let arrivals = freshness.arrivals.known().expect("the plan keeps arrivals");
    let reads = freshness.at_zero;
    assert!(arrivals.pairs >= 1_000_000, "{} probes", arrivals.pairs);
    assert!(reads.of >= 200_000, "{} probes at t = 0", reads.of);
    for (what, rate) in [("reads", reads), ("arrivals", arrivals.at_zero)] {
        let error =
            share_error(predicted, rate.of as f64).hypot(share_error(predicted, TRIALS as f64));
        let share = rate.share.expect("there were probes");
        let difference = share - predicted;
        println!(
            "P(fresh | 0) by {what}: {share:.5} measured, {predicted:.5} predicted, ± {:.5}",
            Z99 * error
        );
        assert!(
            difference.abs() <= Z99 * error,
            "by {what}: off by {difference}, ± {}",
            Z99 * error
        );
    }
    for p in [0.9, 0.99, 0.999] {
        let point = freshness
            .t_visibility
            .iter()
            .find(|point| (point.p - p).abs() < 1e-9);
        let measured = point
            .expect("the observer reports this p")
            .from_arrivals_ms
            .known();
        let measured = *measured.expect("there are enough probes");
        let predicted = quantile(&model, p);
        // The distance between the quantiles that lie one standard error of p to either side.
        let spread = |n: f64| {
            let error = share_error(p, n);
            (quantile(&model, p + error) - quantile(&model, p - error)) / 2.0
        };
        let error = spread(arrivals.pairs as f64).hypot(spread(TRIALS as f64));
        let difference = measured - predicted;
        println!(
            "t-visibility at {p}: {measured:.3} ms measured, {predicted:.3} ms predicted, ± {:.3}",
            Z99 * error
        );
        assert!(
            difference.abs() <= Z99 * error,
            "at {p}: off by {difference} ms, ± {}",
            Z99 * error
        );
    }
}

/// t* of many writes and the reads that follow them, in ms: N = 3, R = W = 1, W ~ Exp(10 ms), A = R = S ~ Exp(1 ms).
fn t_stars() -> Vec<f64> {
    let mut chance = Xoshiro256StarStar::seed_from_u64(2012);
    let mut exponential = |mean: f64| {
        let unit = ((chance.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64;
        -mean * unit.ln()
    };
    let mut trial = || {
        let replicas: [(f64, f64, f64, f64); 3] = std::array::from_fn(|_| {
            (
                exponential(10.0),
                exponential(1.0),
                exponential(1.0),
                exponential(1.0),
            )
        });
        let acknowledged = replicas
            .iter()
            .map(|(w, a, _, _)| w + a)
            .fold(f64::INFINITY, f64::min);
        let answers = replicas
            .iter()
            .min_by(|x, y| (x.2 + x.3).total_cmp(&(y.2 + y.3)));
        let (w, _, r, _) = answers.expect("there are three");
        (w - acknowledged - r).max(0.0)
    };
    (0..TRIALS).map(|_| trial()).collect()
}

fn quantile(sorted: &[f64], p: f64) -> f64 {
    let place = (p * sorted.len() as f64).ceil() as usize;
    sorted[place.clamp(1, sorted.len()) - 1]
}

/// The standard error of a share `p` among `n`.
fn share_error(p: f64, n: f64) -> f64 {
    (p * (1.0 - p) / n).sqrt()
}

const TRIALS: usize = 4_000_000;
/// Half of a 99 % interval, in standard errors.
const Z99: f64 = 2.575_829;
