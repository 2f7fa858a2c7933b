//! The i-th most popular key is asked for in proportion to 1 / i^s.

use super::{Build, Intent, Keys, Workload, check_share, read_or_update, unit};
use bytes::Bytes;
use rand_xoshiro::Xoshiro256PlusPlus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::registry::{Entry, OptionError, Options, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "zipf",
    about: "the i-th most popular key is asked for in proportion to 1 / i^s",
    promises: &[],
    resolve: resolve::<ZipfOptions>,
    schema: schema::<ZipfOptions>,
    build: |options: &Options| {
        let options: ZipfOptions = parse(options)?;
        check_share("reads", options.reads)?;
        if !(options.exponent.is_finite() && options.exponent >= 0.0) {
            let message = format!("exponent is {}; choose 0 or more", options.exponent);
            return Err(OptionError::new(message));
        }
        let keys = Keys::new(options.keys)?;
        let mut total = 0.0;
        let cumulative = (1..=keys.0.len()).map(|rank| {
            total += libm::pow(rank as f64, -options.exponent);
            total
        });
        Ok(Box::new(Zipf {
            cumulative: cumulative.collect(),
            keys,
            options,
        }))
    },
};

/// How many keys, how uneven, and how they are used.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ZipfOptions {
    /// How many keys there are.
    keys: usize,
    /// s. 0: uniform; 0.99: YCSB's; larger: ever fewer keys take ever more.
    #[serde(default = "ycsb")]
    exponent: f64,
    /// The share of arrivals that read; the others write.
    reads: f64,
    /// A value's length in bytes.
    value_bytes: usize,
}

struct Zipf {
    options: ZipfOptions,
    keys: Keys,
    /// The sum of the weights of a key and all more popular ones.
    cumulative: Vec<f64>,
}

impl Workload for Zipf {
    fn preload(&self) -> Vec<Bytes> {
        self.keys.0.clone()
    }

    fn next(&mut self, chance: &mut Xoshiro256PlusPlus) -> Intent {
        let last = self.cumulative.len() - 1;
        let point = unit(chance) * self.cumulative[last];
        let index = self
            .cumulative
            .partition_point(|sum| *sum <= point)
            .min(last);
        read_or_update(self.keys.0[index].clone(), self.options.reads, chance)
    }

    fn value_bytes(&self) -> usize {
        self.options.value_bytes
    }
}

fn ycsb() -> f64 {
    0.99
}
