//! The latencies of one leg, ready to be drawn fast: an inverse distribution function in straight pieces.
//!
//! Reference: L. Devroye, Non-Uniform Random Variate Generation, 1986, §II.2 (inversion) and §III.2 (tables).
//!
//! A law is cut where the share of latencies that are longer is 2^−o (1 + p/1024): each octave `o` of that share has 1024
//! pieces, so that the tail is as exact as the rest. The chord of a piece is off by at most c (c + 1) / 8 · 2^−20 of the
//! latency for a Pareto tail with c = 1/α, which is 1.4 · 10⁻⁷ for α = 1.5, and by 1.2 · 10⁻⁷ of the mean for an
//! exponential. Where a mixture's density jumps it is off by more, in one piece, which is less than 0.05 % of all draws.
//! The longest latency is that which 2^−32 of all exceed.

use super::law::Law;
use std::sync::Arc;

/// The latencies of one leg in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Latencies(Cut);

#[derive(Clone, Debug, PartialEq)]
enum Cut {
    /// By octaves of the share that is longer.
    Octaves(Arc<[Piece]>),
    /// Into pieces that are equally likely.
    Even(Arc<[Piece]>),
}

/// A straight piece of the inverse distribution function.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    /// The shortest latency.
    low: f32,
    /// How much longer the latency is for each unit of the draw.
    slope: f32,
}

impl Latencies {
    /// Always the same latency.
    #[must_use]
    pub fn constant(ms: f64) -> Self {
        Self(Cut::Even([Piece::flat(ms)].into()))
    }

    /// Latencies by a law.
    #[must_use]
    pub fn of(law: &Law) -> Self {
        let at = |place: u32| {
            let longer = f64::from(longer(place));
            (longer, law.exceeded_by(longer / ALL))
        };
        let mut pieces = Vec::with_capacity(PIECES as usize);
        let mut here = at(0);
        for place in 0..PIECES {
            let next = at(place + 1);
            pieces.push(Piece {
                low: next.1 as f32,
                slope: ((here.1 - next.1) / (next.0 - here.0)) as f32,
            });
            here = next;
        }
        pieces.push(Piece::flat(here.1));
        Self(Cut::Octaves(pieces.into()))
    }

    /// Latencies that were seen, each as likely as the others; none if there are none.
    #[must_use]
    pub fn samples(seen: &[f64]) -> Option<Self> {
        let pieces: Arc<[Piece]> = seen.iter().map(|ms| Piece::flat(*ms)).collect();
        (!pieces.is_empty()).then_some(Self(Cut::Even(pieces)))
    }

    /// Latencies of which evenly spaced quantiles are known, the least first and the greatest last; none if there are
    /// none.
    #[must_use]
    pub fn quantiles(known: &[f64]) -> Option<Self> {
        if let [one] = known {
            return Some(Self::constant(*one));
        }
        let pieces: Arc<[Piece]> = known
            .windows(2)
            .map(|ends| Piece {
                low: ends[0] as f32,
                slope: (ends[1] - ends[0]) as f32,
            })
            .collect();
        (!pieces.is_empty()).then_some(Self(Cut::Even(pieces)))
    }

    /// Makes a latency of each draw.
    pub(super) fn fill<const COUNT: usize>(&self, draws: &[u32; COUNT], out: &mut [f32; COUNT]) {
        match &self.0 {
            Cut::Octaves(pieces) => {
                for (ms, draw) in out.iter_mut().zip(draws) {
                    let longer = (draw >> 1) as f32 + 0.5;
                    let bits = longer.to_bits();
                    let piece = pieces[(bits >> WITHIN) as usize - FIRST as usize];
                    let end = f32::from_bits((bits | ((1 << WITHIN) - 1)) + 1);
                    *ms = piece.low + piece.slope * (end - longer);
                }
            }
            Cut::Even(pieces) => {
                for (ms, draw) in out.iter_mut().zip(draws) {
                    let place = u64::from(*draw) * pieces.len() as u64;
                    let piece = pieces[(place >> 32) as usize];
                    *ms = piece.low + piece.slope * (place as u32 as f32 / ALL_DRAWS);
                }
            }
        }
    }
}

impl Piece {
    fn flat(ms: f64) -> Self {
        let low = ms as f32;
        Self { low, slope: 0.0 }
    }
}

/// Of how many of [`ALL`] draws, at the end of a piece that is nearer to the tail, the latencies are longer.
fn longer(place: u32) -> f32 {
    f32::from_bits((FIRST + place) << WITHIN)
}

/// How many draws there are, one bit of 32 being left to the sign.
const ALL: f64 = (1_u64 << 31) as f64;
const ALL_DRAWS: f32 = (1_u64 << 32) as f32;
/// Each octave has 2¹⁰ pieces: a number's highest bits are its piece, these lower ones its place within.
const WITHIN: u32 = 23 - 10;
/// The piece that begins at 0.5.
const FIRST: u32 = 0.5_f32.to_bits() >> WITHIN;
/// Up to [`ALL`], which is a piece by itself.
const PIECES: u32 = 32 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn<const COUNT: usize>(latencies: &Latencies, draws: [u32; COUNT]) -> [f32; COUNT] {
        let mut out = [0.0; COUNT];
        latencies.fill(&draws, &mut out);
        out
    }

    /// If this fails, the table is not the law: predictions would be off by more than their doc says.
    #[test]
    fn a_table_is_its_law() {
        let exponential = Law::Exponential { mean_ms: 5.0 };
        let pareto = |shape| Law::Pareto {
            scale_ms: 1.05,
            shape,
        };
        let draws: [u32; 4096] = std::array::from_fn(|i| (i as u32).wrapping_mul(0x9e37_79b9));
        for (law, unit) in [(exponential, 5.0), (pareto(1.51), 0.0), (pareto(10.0), 0.0)] {
            for (draw, ms) in draws.into_iter().zip(drawn(&Latencies::of(&law), draws)) {
                let exact = law.exceeded_by((f64::from(draw >> 1) + 0.5) / ALL);
                let off = (f64::from(ms) - exact).abs() / exact.max(unit);
                assert!(off < 1e-6, "{law:?} at {draw}: {ms}, not {exact}");
            }
        }
    }

    /// If this fails, a draw at an end is out of the table, or a latency is negative.
    #[test]
    fn the_ends_of_a_table_are_in_it() {
        let table = Latencies::of(&Law::Exponential { mean_ms: 1.0 });
        let [longest, shortest] = drawn(&table, [0, u32::MAX]);
        assert!(shortest.abs() < f32::EPSILON);
        // 32 ln 2
        assert!((longest - 22.180_71).abs() < 1e-4, "{longest}");
    }

    /// If this fails, a file's latencies are mixed with ones that nobody saw, or a run's quantiles are steps.
    #[test]
    fn samples_are_drawn_as_they_are_and_quantiles_have_lines_between() {
        let draws = [0, 1 << 30, 1 << 31, 3 << 30, u32::MAX];
        let samples = Latencies::samples(&[1.0, 3.0]).unwrap();
        assert_eq!(drawn(&samples, draws), [1.0, 1.0, 3.0, 3.0, 3.0]);
        let quantiles = Latencies::quantiles(&[1.0, 3.0, 4.0]).unwrap();
        assert_eq!(drawn(&quantiles, draws), [1.0, 2.0, 3.0, 3.5, 4.0]);
        assert_eq!(
            drawn(&Latencies::quantiles(&[2.0]).unwrap(), draws),
            [2.0; 5]
        );
        assert_eq!(Latencies::samples(&[]), None);
        assert_eq!(Latencies::quantiles(&[]), None);
    }
}
