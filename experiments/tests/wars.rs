//! The store as it is, in the simulator, against the model that predicts it: an independent Monte-Carlo of WARS.
//!
//! Reference: Bailis et al., Probabilistically bounded staleness for practical partial quorums, VLDB 2012, §5.1.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256StarStar;
use std::sync::Arc;
use tidemark::backend::sim::{Pace, simulate};
use tidemark::backend::{Progress, Run};
use tidemark::plan::load;
use tidemark_observer::figures::Freshness;
use tidemark_observer::observe::{Observation, RunFacts};
use tidemark_proto::event::Milestone;

/// If this fails, nodes, network or observer add a bias to staleness that no experiment could tell from a finding.
///
/// Ten runs have a tenth of the probes each: every probe has a key of its own, and whoever watches a run remembers all of them.
#[test]
fn a_million_probes_agree_with_the_wars_model() {
    let (mut reads, mut arrivals) = (Share::default(), Share::default());
    let mut ages = [Share::default(); AGES_MS.len()];
    for seed in 0..RUNS {
        let freshness = measured(seed);
        reads.add(freshness.at_zero.count, freshness.at_zero.of);
        let found = freshness.arrivals.known().expect("the plan keeps arrivals");
        arrivals.add(found.at_zero.count, found.at_zero.of);
        for (age_ms, share) in AGES_MS.into_iter().zip(&mut ages) {
            let mut curve = found.curve.iter();
            let (_, up_to) = curve
                .find(|(edge, _)| (edge - age_ms).abs() < 1e-9)
                .expect("the observer tells the share of this age");
            share.add((up_to * found.pairs as f64).round() as u64, found.pairs);
        }
    }
    assert!(arrivals.of >= 1_000_000, "{} probes", arrivals.of);
    assert!(reads.of >= 200_000, "{} probes at t = 0", reads.of);

    let mut model = t_stars();
    model.sort_unstable_by(f64::total_cmp);
    let predicted = |age_ms: f64| model.partition_point(|t| *t <= age_ms) as f64 / TRIALS as f64;
    let by_age = AGES_MS.into_iter().zip(ages);
    let by_age = by_age
        .map(|(age_ms, share)| (format!("P(fresh | {age_ms} ms) by arrivals"), age_ms, share));
    let at_once = [
        ("P(fresh | 0) by reads".to_owned(), 0.0, reads),
        ("P(fresh | 0) by arrivals".to_owned(), 0.0, arrivals),
    ];
    for (what, age_ms, share) in at_once.into_iter().chain(by_age) {
        let predicted = predicted(age_ms);
        let error =
            share_error(predicted, share.of as f64).hypot(share_error(predicted, TRIALS as f64));
        let measured = share.count as f64 / share.of as f64;
        let told = format!(
            "{what}: {measured:.5} measured, {predicted:.5} predicted, ± {:.5}",
            Z99 * error
        );
        println!("{told}");
        assert!((measured - predicted).abs() <= Z99 * error, "{told}");
    }
}

/// What one run comes to.
fn measured(seed: u64) -> Freshness {
    let sets = [
        "client.rate=17500".to_owned(),
        "duration=8s".to_owned(),
        format!("seed={seed}"),
    ];
    let (_, plan) = load("visibility", "sim", &sets).expect("the plan is right");
    let facts = RunFacts {
        plan: "visibility".to_owned(),
        backend: "sim".to_owned(),
        seed: plan.seed,
        time_scale: 1.0,
        detail: plan.events,
        corrections: Vec::new(),
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
    .expect("it can be simulated");
    assert_eq!(ended, Milestone::Ended);
    observation.report().figures.freshness
}

/// A count among opportunities, over runs.
#[derive(Clone, Copy, Default)]
struct Share {
    count: u64,
    of: u64,
}

impl Share {
    fn add(&mut self, count: u64, of: u64) {
        self.count += count;
        self.of += of;
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

/// The standard error of a share `p` among `n`.
fn share_error(p: f64, n: f64) -> f64 {
    (p * (1.0 - p) / n).sqrt()
}

const TRIALS: usize = 4_000_000;
const RUNS: u64 = 10;
/// From where a third of all reads is stale to where one of a thousand is; edges of the observer's own bins.
const AGES_MS: [f64; 6] = [1.0, 4.7, 10.0, 22.0, 47.0, 68.0];
/// Half of a 99 % interval, in standard errors.
const Z99: f64 = 2.575_829;
