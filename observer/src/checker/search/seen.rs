//! The configurations that a search has been to.
//!
//! A configuration is which operations took effect, and the state they left. Of those of known outcome nearly all that
//! began before the first one left have taken effect, and none that began much later: only the words in between are
//! kept. Of two that differ in nothing but operations of unknown outcome, the one that used fewer can do all that the
//! other can.

use foldhash::fast::FixedState;
use smallvec::SmallVec;
use std::collections::HashMap;

/// A set of small numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Bits {
    words: Vec<u64>,
}

/// What was seen.
pub(super) struct Seen {
    /// By hash, in parts by its first bits: while a map grows nobody asks whether time is over, and a part grows quickly.
    places: Vec<HashMap<u64, Places, FixedState>>,
    kept: Vec<Kept>,
    words: Vec<u64>,
}

type Places = SmallVec<[u32; 2]>;

/// A configuration to ask for.
pub(super) struct Configuration<'a> {
    pub(super) state: u32,
    /// Which operations of known outcome took effect …
    pub(super) done: &'a Bits,
    /// … and a hash of that.
    pub(super) hash: u64,
    /// All before this one did …
    pub(super) from: u32,
    /// … and none from this one on.
    pub(super) until: u32,
    /// Which operations of unknown outcome took effect.
    pub(super) used: &'a Bits,
}

/// A configuration: its words of `done` from the first one on, then its words of `used`.
struct Kept {
    state: u32,
    first: u32,
    done: u32,
    used: u32,
    offset: usize,
}

impl Bits {
    pub(super) fn new(count: usize) -> Self {
        Self {
            words: vec![0; count.div_ceil(64)],
        }
    }

    pub(super) fn flip(&mut self, number: u32) {
        self.words[number as usize / 64] ^= 1 << (number % 64);
    }

    /// Its words up to the last that is not 0.
    fn trimmed(&self) -> &[u64] {
        let zeros = self.words.iter().rev().take_while(|word| **word == 0);
        &self.words[..self.words.len() - zeros.count()]
    }
}

impl Seen {
    pub(super) fn new() -> Self {
        Self {
            places: vec![HashMap::default(); PARTS],
            kept: Vec::new(),
            words: Vec::new(),
        }
    }

    /// Takes note of a configuration; tells whether it is new.
    pub(super) fn insert(&mut self, of: &Configuration<'_>) -> bool {
        let first = of.from / 64;
        let done = &of.done.words[first as usize..of.until.div_ceil(64).max(first) as usize];
        let used = of.used.trimmed();
        let hash = of.hash ^ mixed(u64::from(of.state) << 32);
        let part = &mut self.places[(hash >> (u64::BITS - PARTS.ilog2())) as usize];
        let places = part.entry(hash).or_default();
        let covers = |place: &u32| {
            let kept = &self.kept[*place as usize];
            let words = &self.words[kept.offset..][..(kept.done + kept.used) as usize];
            let (kept_done, kept_used) = words.split_at(kept.done as usize);
            (kept.state, kept.first, kept_done) == (of.state, first, done)
                && kept_used.len() <= used.len()
                && kept_used
                    .iter()
                    .zip(used)
                    .all(|(kept, used)| kept & !used == 0)
        };
        if places.iter().any(covers) {
            return false;
        }
        places.push(self.kept.len() as u32);
        self.kept.push(Kept {
            state: of.state,
            first,
            done: done.len() as u32,
            used: used.len() as u32,
            offset: self.words.len(),
        });
        self.words.extend_from_slice(done);
        self.words.extend_from_slice(used);
        true
    }

    pub(super) fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
            + self.kept.capacity() * size_of::<Kept>()
            + self.kept.len() * 2 * size_of::<(u64, Places)>()
    }
}

/// The share of an operation in the hash of what took effect: they are added up by exclusive or.
pub(super) fn share(number: u32) -> u64 {
    mixed(u64::from(number) + 1)
}

/// Reference: Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014 (SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const PARTS: usize = 64;
