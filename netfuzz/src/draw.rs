//! Chance by counting: every draw is a hash of what it is for, so that no draw depends on who asked before.
//!
//! Reference: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 (the mixer).

use tidemark_proto::event::Direction;
use tidemark_proto::id::NodeId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What all draws of one rule about one lane have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneSeed(u64);

impl LaneSeed {
    /// Of the rule called `rule`, about one direction of one method on one link.
    #[must_use]
    pub fn new(
        seed: u64,
        rule: &str,
        from: NodeId,
        to: NodeId,
        method: &str,
        direction: Direction,
    ) -> Self {
        let direction = match direction {
            Direction::Request => 0,
            Direction::Response => 1,
        };
        let mut text = Vec::with_capacity(rule.len() + method.len() + 13);
        text.extend((rule.len() as u64).to_le_bytes());
        text.extend(rule.as_bytes());
        text.extend(from.bits().to_le_bytes());
        text.extend(to.bits().to_le_bytes());
        text.push(direction);
        text.extend(method.as_bytes());
        Self(xxh3_64_with_seed(&text, seed))
    }
}

/// The chance that one rule has with one message: as many draws as it likes.
#[derive(Clone, Debug)]
pub struct Draw {
    state: u64,
}

impl Draw {
    /// The draws about message `k` of a lane.
    #[must_use]
    pub fn new(lane: LaneSeed, k: u64) -> Self {
        Self {
            state: mix(lane.0 ^ mix(k.wrapping_add(STEP))),
        }
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// A number in (0, 1], uniform over multiples of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) + 1) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Whether an event of this probability happens.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() <= probability
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(k: u64) -> Draw {
        let (from, to) = (NodeId::node(1), NodeId::node(2));
        Draw::new(
            LaneSeed::new(7, "peer legs", from, to, "Store", Direction::Request),
            k,
        )
    }

    #[test]
    fn the_stream_is_the_one_that_results_were_made_with() {
        let seen: Vec<u64> = (0..4).map(|k| draw(k).bits()).collect();
        assert_eq!(seen, GOLDEN);
        let mut first = draw(0);
        assert_eq!([first.bits(), first.bits()], [GOLDEN[0], GOLDEN_SECOND]);
    }

    #[test]
    fn units_fill_their_interval_evenly() {
        let mut bins = [0u32; 20];
        for k in 0..100_000 {
            let unit = draw(k).unit();
            assert!(unit > 0.0 && unit <= 1.0);
            bins[((unit * 20.0) as usize).min(19)] += 1;
        }
        let chi2: f64 = bins
            .iter()
            .map(|n| (f64::from(*n) - 5000.0).powi(2) / 5000.0)
            .sum();
        assert!(chi2 < 43.8, "chi-squared {chi2} of 19 degrees of freedom");
    }

    #[test]
    fn certain_and_impossible_are_that() {
        for k in 0..1000 {
            assert!(draw(k).happens(1.0));
            assert!(!draw(k).happens(0.0));
        }
    }

    const GOLDEN: [u64; 4] = [
        14783645158386300179,
        14060293830497891516,
        6742144470926610064,
        1540793877943630085,
    ];
    const GOLDEN_SECOND: u64 = 9249872573720030833;
}
