//! Every key is as likely as any other.

use super::{Build, check_records, check_share};
use crate::request::{Length, Mix, Uniform};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::registry::{Entry, OptionError, Options, parse, resolve, schema};

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
            deletes,
            value_bytes,
        } = parse(options)?;
        check_records("keys", keys)?;
        check_share("reads", reads)?;
        check_share("deletes", deletes)?;
        if reads + deletes > 1.0 {
            let reason = format!(
                "deletes is {deletes}, but reads is {reads}, and together they are above 1; choose at most {}",
                1.0 - reads
            );
            return Err(OptionError::of("deletes", reason));
        }
        let shares = (reads, deletes);
        let mix = Mix::reads_updates_and_deletes(keys, Box::new(Uniform), shares, value_bytes);
        Ok(Box::new(mix))
    },
};

/// How many keys, and how they are used.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UniformOptions {
    /// How many keys there are. Few: every read meets a recent write; many: hardly any does.
    keys: u64,
    /// The share of arrivals that read; the others write or delete.
    reads: f64,
    /// The share of arrivals that delete, in the clients' manner of writing.
    #[serde(default, skip_serializing_if = "is_none")]
    deletes: f64,
    /// A value's length in bytes.
    value_bytes: Length,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_none(share: &f64) -> bool {
    *share == 0.0
}
