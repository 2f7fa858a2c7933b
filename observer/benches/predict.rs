//! How many trials of the WARS model a second are predicted on one core, beside the same written plainly with rand_distr.
//!
//! `cargo bench -p tidemark-observer --bench predict [-- <millions of trials>]`

#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use rand_distr::{Distribution as _, Exp, Pareto};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
use std::hint::black_box;
use std::time::Instant;
use tidemark_observer::predict::fit::ENTRIES;
use tidemark_observer::predict::{Model, Quorums, predict};

fn main() {
    // Cargo adds `--bench` to what it is given.
    let millions = std::env::args().find_map(|argument| argument.parse::<usize>().ok());
    let trials = millions.unwrap_or(10) * 1_000_000;
    println!(
        "lnkd-disk, N = 3, R = W = 1, one core, {trials} trials, from the draws to the sorted t* and latencies"
    );
    let entry = ENTRIES.iter().find(|entry| entry.name == "lnkd-disk");
    let entry = entry.expect("there is such a fit");
    let (ours, [fresh, visible]) = timed(trials, || {
        let model = Model::new((entry.legs)());
        let quorums = Quorums { n: 3, r: 1, w: 1 };
        let prediction = black_box(predict(&model, quorums, trials, 1));
        [prediction.fresh_at(0.0), prediction.visible.quantile(0.999)]
    });
    say("predict", ours, [fresh, visible]);
    let (plain, found) = timed(trials, || plainly(trials));
    say("rand_distr", plain, found);
    println!("ratio           {:.1}", ours / plain);
}

/// Trials a second.
fn timed(trials: usize, work: impl FnOnce() -> [f64; 2]) -> (f64, [f64; 2]) {
    let begin = Instant::now();
    let found = work();
    (trials as f64 / begin.elapsed().as_secs_f64(), found)
}

fn say(what: &str, rate: f64, [fresh, visible]: [f64; 2]) {
    println!(
        "{what:<12}{:>7.1} million trials/s   P(fresh at 0) {fresh:.4}, 99.9 % visible after {visible:.1} ms",
        rate / 1e6
    );
}

/// The model as one writes it down.
fn plainly(trials: usize) -> [f64; 2] {
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(1);
    let exponential = |rate: f64| Exp::new(rate).expect("a rate");
    let pareto = |scale: f64, shape: f64| Pareto::new(scale, shape).expect("a scale and a shape");
    let disk = (0.38, pareto(1.05, 1.51), exponential(0.183));
    let network = (0.9122, pareto(0.235, 10.0), exponential(1.66));
    let mut draw = |leg: &(f64, Pareto<f64>, Exp<f64>)| {
        let unit = (chance.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        if unit < leg.0 {
            leg.1.sample(&mut chance)
        } else {
            leg.2.sample(&mut chance)
        }
    };
    let (mut ages, mut reads, mut writes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..trials {
        let replicas: [[f64; 4]; 3] =
            std::array::from_fn(|_| [draw(&disk), draw(&network), draw(&network), draw(&network)]);
        let mut acknowledged = replicas.map(|[w, a, ..]| w + a);
        acknowledged.sort_unstable_by(f64::total_cmp);
        let mut answered = replicas.map(|[w, _, r, s]| (r + s, w - r));
        answered.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        ages.push((answered[0].1 - acknowledged[0]).max(0.0));
        reads.push(answered[0].0);
        writes.push(acknowledged[0]);
    }
    for times in [&mut ages, &mut reads, &mut writes] {
        times.sort_unstable_by(f64::total_cmp);
    }
    black_box((reads, writes));
    let fresh = ages.partition_point(|age| *age <= 0.0);
    let visible = (trials as f64 * 0.999) as usize;
    [fresh as f64 / trials as f64, ages[visible]]
}
