//! Chance as an argument: one seeded stream per purpose and participant.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use tidemark_proto::id::NodeId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The stream of a run's seed for one purpose of one participant; streams of different ones are independent.
#[must_use]
pub fn stream(seed: u64, purpose: &str, who: NodeId) -> Xoshiro256PlusPlus {
    let purpose = xxh3_64_with_seed(purpose.as_bytes(), seed);
    Xoshiro256PlusPlus::seed_from_u64(xxh3_64_with_seed(&who.bits().to_be_bytes(), purpose))
}
