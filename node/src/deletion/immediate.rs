//! A coordinator that sees one tombstone at all replicas of a key removes it there.
//!
//! What is still on its way, or kept as a hint, brings the key back; a replica that does not hear of the removal keeps
//! the tombstone, and a new write that counts from 1 again loses against it, unless `versioning.epochs` is `"key"`.
//!
//! Reference: Riak KV, `delete_mode = immediate`, `riak_kv_get_fsm.erl` (`maybe_delete`: all primaries answered the same
//! tombstone).

use super::{Build, Deletion, Tombstone};
use crate::context::Context;
use crate::repair::FinishedRead;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::registry::{Entry, Options, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "immediate",
    about: "a tombstone that a read finds at all replicas is removed there",
    promises: &[],
    resolve: resolve::<Immediate>,
    schema: schema::<Immediate>,
    build: |options: &Options, _| Ok(Box::new(parse::<Immediate>(options)?)),
};

/// It has no options.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Immediate {}

impl Deletion for Immediate {
    fn read_finished(&mut self, context: &mut Context<'_>, read: &FinishedRead) {
        let Some((_, first)) = read.answers.first() else {
            return;
        };
        let Some(tombstone) = Tombstone::of(&read.key, first) else {
            return;
        };
        let replicas = context.view.preference(&read.key, context.replicas);
        let holds_it = |node| {
            read.answers
                .iter()
                .any(|(from, held)| from == node && held == first)
        };
        if replicas.iter().all(holds_it) {
            tombstone.collect_everywhere(context, &replicas);
        }
    }
}
