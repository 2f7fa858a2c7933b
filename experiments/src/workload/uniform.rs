//! Every key is as likely as any other.

use super::{Build, check_records, check_share};
use crate::request::{Length, Mix, Uniform};
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
        let UniformOptions {
            keys,
            reads,
            value_bytes,
        } = parse(options)?;
        check_records("keys", keys)?;
        check_share("reads", reads)?;
        let popularity = Box::new(Uniform);
        let mix = Mix::reads_and_updates(keys, popularity, reads, value_bytes);
        Ok(Box::new(mix))
    },
};

/// How many keys, and how they are used.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UniformOptions {
    /// How many keys there are. Few: every read meets a recent write; many: hardly any does.
    keys: u64,
    /// The share of arrivals that read; the others write.
    reads: f64,
    /// A value's length in bytes.
    value_bytes: Length,
}
