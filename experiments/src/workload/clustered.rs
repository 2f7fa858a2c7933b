//! A few keys take most of the operations: a hot set, and the rest.

use super::{Build, Intent, Keys, Workload, below, check_share, read_or_update, unit};
use bytes::Bytes;
use rand_xoshiro::Xoshiro256PlusPlus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::registry::{Entry, OptionError, Options, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "clustered",
    about: "a share of the operations goes to a few hot keys, the rest to the others",
    promises: &[],
    resolve: resolve::<ClusteredOptions>,
    schema: schema::<ClusteredOptions>,
    build: |options: &Options| {
        let options: ClusteredOptions = parse(options)?;
        check_share("reads", options.reads)?;
        check_share("hot_share", options.hot_share)?;
        if !(1..options.keys).contains(&options.hot_keys) {
            let (hot, keys) = (options.hot_keys, options.keys);
            return Err(OptionError::new(format!(
                "hot_keys is {hot}, but must be 1 or more and below keys, {keys}"
            )));
        }
        Ok(Box::new(Clustered {
            keys: Keys::new(options.keys)?,
            options,
        }))
    },
};

/// How many keys are hot, and how hot.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ClusteredOptions {
    /// How many keys there are.
    keys: usize,
    /// How many of them are hot.
    hot_keys: usize,
    /// The share of operations that goes to hot keys.
    hot_share: f64,
    /// The share of arrivals that read; the others write.
    reads: f64,
    /// A value's length in bytes.
    value_bytes: usize,
}

struct Clustered {
    options: ClusteredOptions,
    keys: Keys,
}

impl Workload for Clustered {
    fn preload(&self) -> Vec<Bytes> {
        self.keys.0.clone()
    }

    fn next(&mut self, chance: &mut Xoshiro256PlusPlus) -> Intent {
        let hot = self.options.hot_keys;
        let index = if unit(chance) < self.options.hot_share {
            below(hot, chance)
        } else {
            hot + below(self.keys.0.len() - hot, chance)
        };
        read_or_update(self.keys.0[index].clone(), self.options.reads, chance)
    }

    fn value_bytes(&self) -> usize {
        self.options.value_bytes
    }
}
