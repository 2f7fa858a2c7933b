//! A few keys take most of the operations: a hot set, and the rest.

use super::{Build, check_records, check_share};
use crate::request::{Hotspot, Length, Mix};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::registry::{Entry, OptionError, Options, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "clustered",
    about: "a share of the operations goes to a few hot keys, the rest to the others: YCSB's hotspot",
    promises: &[],
    resolve: resolve::<ClusteredOptions>,
    schema: schema::<ClusteredOptions>,
    build: |options: &Options| {
        let ClusteredOptions {
            keys,
            hot_keys: hot,
            hot_share: share,
            reads,
            value_bytes,
        } = parse(options)?;
        check_records("keys", keys)?;
        check_share("reads", reads)?;
        check_share("hot_share", share)?;
        if !(1..keys).contains(&hot) {
            let reason = format!("hot_keys is {hot}, but must be 1 or more and below keys, {keys}");
            return Err(OptionError::of("hot_keys", reason));
        }
        let popularity = Box::new(Hotspot { hot, share });
        let mix = Mix::reads_and_updates(keys, popularity, reads, value_bytes);
        Ok(Box::new(mix))
    },
};

/// How many keys are hot, and how hot.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ClusteredOptions {
    /// How many keys there are.
    keys: u64,
    /// How many of them are hot.
    hot_keys: u64,
    /// The share of operations that goes to hot keys.
    hot_share: f64,
    /// The share of arrivals that read; the others write.
    reads: f64,
    /// A value's length in bytes.
    value_bytes: Length,
}
