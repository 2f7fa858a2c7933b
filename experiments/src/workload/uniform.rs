//! Every key is as likely as any other.

use super::{Build, Intent, Keys, Workload, below, check_share, read_or_update};
use bytes::Bytes;
use rand_xoshiro::Xoshiro256PlusPlus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::registry::{Entry, Options, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "uniform",
    about: "every key is as likely as any other",
    promises: &[],
    resolve: resolve::<UniformOptions>,
    schema: schema::<UniformOptions>,
    build: |options: &Options| {
        let options: UniformOptions = parse(options)?;
        check_share("reads", options.reads)?;
        Ok(Box::new(Uniform {
            keys: Keys::new(options.keys)?,
            options,
        }))
    },
};

/// How many keys, and how they are used.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UniformOptions {
    /// How many keys there are. Few: every read meets a recent write; many: hardly any does.
    keys: usize,
    /// The share of arrivals that read; the others write.
    reads: f64,
    /// A value's length in bytes.
    value_bytes: usize,
}

struct Uniform {
    options: UniformOptions,
    keys: Keys,
}

impl Workload for Uniform {
    fn preload(&self) -> Vec<Bytes> {
        self.keys.0.clone()
    }

    fn next(&mut self, chance: &mut Xoshiro256PlusPlus) -> Intent {
        let key = self.keys.0[below(self.keys.0.len(), chance)].clone();
        read_or_update(key, self.options.reads, chance)
    }

    fn value_bytes(&self) -> usize {
        self.options.value_bytes
    }
}
