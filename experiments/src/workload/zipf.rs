//! The i-th most popular key is asked for in proportion to 1 / i^s.

use super::{Build, check_records, check_share};
use crate::request::{Length, Mix, Zipf};
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
        let ZipfOptions {
            keys,
            exponent,
            reads,
            value_bytes,
        } = parse(options)?;
        check_records("keys", keys)?;
        check_share("reads", reads)?;
        if !(exponent.is_finite() && exponent >= 0.0) {
            let reason = format!("exponent is {exponent}; choose 0 or more");
            return Err(OptionError::of("exponent", reason));
        }
        let popularity = Box::new(Zipf::new(keys, exponent));
        let mix = Mix::reads_and_updates(keys, popularity, reads, value_bytes);
        Ok(Box::new(mix))
    },
};

/// How many keys, how uneven, and how they are used.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ZipfOptions {
    /// How many keys there are.
    keys: u64,
    /// s. 0: uniform; 0.99: YCSB's constant; larger: ever fewer keys take ever more.
    #[serde(default = "ycsb")]
    exponent: f64,
    /// The share of arrivals that read; the others write.
    reads: f64,
    /// A value's length in bytes.
    value_bytes: Length,
}

fn ycsb() -> f64 {
    0.99
}
