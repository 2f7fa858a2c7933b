//! Trials of the WARS model, many at a time: a write, and a read after it, with every replica's legs.
//!
//! A row holds one value of every trial of a batch, so that each step is a loop over a row or two, which compilers turn
//! into vector instructions. Replicas are put in order by exchanging neighbouring rows, where that is called for.

use super::{Coordinator, Model, ReadSet};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// A batch of trials, and what they came to for each R and W.
pub(super) struct Batch {
    chance: Xoshiro256PlusPlus,
    /// When a write is complete, in the place of each W.
    pub(super) written: Vec<Row>,
    /// How long a read takes, in the place of each R.
    pub(super) read: Vec<Row>,
    /// The least W_i − R_i of the read set, in the place of each R: from this age on a read would be fresh, had the
    /// write's age begun with the write.
    pub(super) reached: Vec<Row>,
}

/// One value of every trial of a batch.
pub(super) type Row = [f32; BATCH];

impl Batch {
    /// Room for N replicas.
    pub(super) fn new(n: usize, seed: u64) -> Self {
        let rows = || vec![[0.0; BATCH]; n];
        Self {
            chance: Xoshiro256PlusPlus::seed_from_u64(seed),
            written: rows(),
            read: rows(),
            reached: rows(),
        }
    }

    /// Draws the next trials.
    pub(super) fn draw(&mut self, model: &Model) {
        let n = self.written.len();
        let [mut w, mut a, mut r, mut s] = [[0.0; BATCH]; 4];
        // Who coordinates matters only where replicas are not all alike to it.
        let coordinators = model.tells_replicas_apart().then(|| {
            let [write, read] = [self.bits(), self.bits()];
            [write, read].map(|draws| draws.map(|draw| below(n, draw)))
        });
        let Model { legs, .. } = model;
        for replica in 0..n {
            for (latencies, leg) in [
                (&legs.w, &mut w),
                (&legs.a, &mut a),
                (&legs.r, &mut r),
                (&legs.s, &mut s),
            ] {
                latencies.fill(&self.bits(), leg);
            }
            if let Some([write, read]) = &coordinators {
                for (leg, near) in [
                    (&mut w, write),
                    (&mut a, write),
                    (&mut r, read),
                    (&mut s, read),
                ] {
                    place(leg, near, replica as u32, model);
                }
            }
            sum(&w, &a, &mut self.written[replica]);
            sum(&r, &s, &mut self.read[replica]);
            for ((reached, w), r) in self.reached[replica].iter_mut().zip(&w).zip(&r) {
                *reached = w - r;
            }
        }
        self.order(model.read_set);
    }

    /// Goes from a value of each replica to one of each quorum.
    fn order(&mut self, read_set: ReadSet) {
        let n = self.written.len();
        for last in 1..n {
            for place in (0..last).rev() {
                exchange(neighbours(&mut self.written, place));
            }
        }
        match read_set {
            ReadSet::All => {
                for last in 1..n {
                    for place in (0..last).rev() {
                        let reached = neighbours(&mut self.reached, place);
                        exchange_with(neighbours(&mut self.read, place), reached);
                    }
                }
            }
            // The first R in any order are R that chance chose: what tells replicas apart was drawn for each trial.
            ReadSet::Quorum => {
                for place in 1..n {
                    let (before, here) = neighbours(&mut self.read, place - 1);
                    for (before, here) in before.iter().zip(here) {
                        *here = if *before > *here { *before } else { *here };
                    }
                }
            }
        }
        for place in 1..n {
            let (before, here) = neighbours(&mut self.reached, place - 1);
            for (before, here) in before.iter().zip(here) {
                *here = if *before < *here { *before } else { *here };
            }
        }
    }

    fn bits(&mut self) -> [u32; BATCH] {
        let mut bits = [0; BATCH];
        for pair in bits.chunks_exact_mut(2) {
            let drawn = self.chance.next_u64();
            pair[0] = drawn as u32;
            pair[1] = (drawn >> 32) as u32;
        }
        bits
    }
}

/// Makes a replica's leg what it is for its trials' coordinators.
fn place(leg: &mut Row, near: &[u32; BATCH], replica: u32, model: &Model) {
    let abroad = model.legs.abroad_ms as f32;
    let own = match model.coordinator {
        Coordinator::Gateway => 1.0,
        Coordinator::Replica => 0.0,
    };
    for (ms, near) in leg.iter_mut().zip(near) {
        *ms = if *near == replica {
            *ms * own
        } else {
            *ms + abroad
        };
    }
}

fn sum(one: &Row, other: &Row, out: &mut Row) {
    for ((out, one), other) in out.iter_mut().zip(one).zip(other) {
        *out = one + other;
    }
}

/// Puts each pair of values in order.
fn exchange((lower, upper): (&mut Row, &mut Row)) {
    for (lower, upper) in lower.iter_mut().zip(upper) {
        let (a, b) = (*lower, *upper);
        *lower = if b < a { b } else { a };
        *upper = if b < a { a } else { b };
    }
}

/// Puts each pair of values in order, and takes along what belongs to them.
fn exchange_with(
    (lower, upper): (&mut Row, &mut Row),
    (with_lower, with_upper): (&mut Row, &mut Row),
) {
    let values = lower.iter_mut().zip(upper);
    for ((lower, upper), (with_lower, with_upper)) in
        values.zip(with_lower.iter_mut().zip(with_upper))
    {
        let (a, b, with_a, with_b) = (*lower, *upper, *with_lower, *with_upper);
        let is_out_of_order = b < a;
        *lower = if is_out_of_order { b } else { a };
        *upper = if is_out_of_order { a } else { b };
        *with_lower = if is_out_of_order { with_b } else { with_a };
        *with_upper = if is_out_of_order { with_a } else { with_b };
    }
}

fn neighbours(rows: &mut [Row], place: usize) -> (&mut Row, &mut Row) {
    let (before, after) = rows.split_at_mut(place + 1);
    (&mut before[place], &mut after[0])
}

/// A number below `bound`.
fn below(bound: usize, draw: u32) -> u32 {
    ((u64::from(draw) * bound as u64) >> 32) as u32
}

/// Few enough that the rows of three replicas stay in the fastest cache.
pub(super) const BATCH: usize = 512;
