//! Chance as an argument: one seeded stream per purpose and participant.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use tidemark_proto::id::NodeId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The stream of a run's seed for one purpose of one participant; streams of different ones are independent.
#[must_use]
pub fn stream(seed: u64, purpose: &str, who: NodeId) -> Xoshiro256PlusPlus {
    let purpose = xxh3_64_with_seed(purpose.as_bytes(), seed);
    Xoshiro256PlusPlus::seed_from_u64(xxh3_64_with_seed(&who.bits().to_be_bytes(), purpose))
}

/// A number below `bound`, which is more than 0.
#[must_use]
pub fn below(chance: &mut Xoshiro256PlusPlus, bound: usize) -> usize {
    ((u128::from(chance.next_u64()) * bound as u128) >> 64) as usize
}

/// So many of the items, or all if there are fewer; every choice in every order is equally likely.
#[must_use]
pub fn draw<T>(chance: &mut Xoshiro256PlusPlus, mut items: Vec<T>, count: usize) -> Vec<T> {
    let count = count.min(items.len());
    for place in 0..count {
        let other = place + below(chance, items.len() - place);
        items.swap(place, other);
    }
    items.truncate(count);
    items
}
