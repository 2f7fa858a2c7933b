//! What clients ask: the seam of workloads. When they ask and of whom is the clients' matter.

mod clustered;
mod uniform;
mod visibility_probe;
mod zipf;

use crate::plan::Plan;
use bytes::Bytes;
use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::time::Duration;
use tidemark_proto::registry::{Entry, OptionError, Options, find};

/// A way of choosing what to ask next.
pub trait Workload: Send {
    /// The keys to write before the load begins.
    fn preload(&self) -> Vec<Bytes>;

    /// What the next arrival asks.
    fn next(&mut self, chance: &mut Xoshiro256PlusPlus) -> Intent;

    /// How long before the operation that it measures an arrival begins.
    fn lead(&self) -> Duration {
        Duration::ZERO
    }

    /// How many bytes a written value has.
    fn value_bytes(&self) -> usize;
}

/// What an arrival asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Read a key.
    Read(Bytes),
    /// Write a key, in the clients' manner of writing.
    Update(Bytes),
    /// Write a key of its own now; after the lead write it again; once that is acknowledged wait, then read it.
    Probe {
        /// The key.
        key: Bytes,
        /// How long to wait.
        wait: Duration,
    },
}

/// How an entry is built from its options.
pub type Build = fn(&Options) -> Result<Box<dyn Workload>, OptionError>;

/// Every workload.
pub const ENTRIES: &[Entry<Build>] = &[
    uniform::ENTRY,
    zipf::ENTRY,
    clustered::ENTRY,
    visibility_probe::ENTRY,
];

/// The workload of a plan.
pub fn build(plan: &Plan) -> anyhow::Result<Box<dyn Workload>> {
    let entry = find("workload", ENTRIES, &plan.workload.kind)?;
    (entry.build)(&plan.workload.options)
        .map_err(|error| anyhow::anyhow!("workload {:?}: {error}", plan.workload.kind))
}

/// The keys of a workload that has a fixed number of them: `k0` …
struct Keys(Vec<Bytes>);

impl Keys {
    fn new(count: usize) -> Result<Self, OptionError> {
        if count == 0 || count > MOST_KEYS {
            return Err(OptionError::new(format!(
                "keys is {count}; choose 1 to {MOST_KEYS}"
            )));
        }
        Ok(Self(
            (0..count)
                .map(|index| Bytes::from(format!("k{index}")))
                .collect(),
        ))
    }
}

/// A read or an update of a key, by the share of reads.
fn read_or_update(key: Bytes, reads: f64, chance: &mut Xoshiro256PlusPlus) -> Intent {
    if unit(chance) < reads {
        Intent::Read(key)
    } else {
        Intent::Update(key)
    }
}

/// A number from 0 (included) to 1 (excluded), the same on every machine.
fn unit(chance: &mut Xoshiro256PlusPlus) -> f64 {
    (chance.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// A number below `bound`; its bias is below 2^-40 for every table that fits memory.
fn below(bound: usize, chance: &mut Xoshiro256PlusPlus) -> usize {
    let product = u128::from(chance.next_u64()) * bound as u128;
    (product >> 64) as usize
}

fn check_share(name: &str, share: f64) -> Result<(), OptionError> {
    if (0.0..=1.0).contains(&share) {
        return Ok(());
    }
    Err(OptionError::new(format!(
        "{name} is {share}; choose a share from 0 to 1"
    )))
}

const MOST_KEYS: usize = 10_000_000;
