//! A delete removes the key at once, and leaves nothing: a replica that missed it brings the key back.
//!
//! The clock goes with the key. A replica that writes it again counts from 1 again, unless `versioning.epochs` is
//! `"key"`, and the write is lost at any replica that had seen more.
//!
//! Reference: dht-node, a store whose replicas drop a key when they are told to.

use super::{Build, Deletion};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::registry::{Entry, Options, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "hard",
    about: "a delete removes the key at once, without a tombstone; replicas that missed it bring it back",
    promises: &[],
    resolve: resolve::<Hard>,
    schema: schema::<Hard>,
    build: |options: &Options, _| Ok(Box::new(parse::<Hard>(options)?)),
};

/// It has no options.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Hard {}

impl Deletion for Hard {
    fn keeps_tombstones(&self) -> bool {
        false
    }
}
