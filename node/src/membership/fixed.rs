//! The members are those of the plan, for the whole run, and nobody is suspected.

use super::{Build, Membership, Seat};
use crate::context::Context;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::registry::{Entry, Options, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "fixed",
    about: "the plan's members, for the whole run; nobody is suspected",
    promises: &[],
    resolve: resolve::<Fixed>,
    schema: schema::<Fixed>,
    build: |options: &Options, _: Seat| Ok(Box::new(parse::<Fixed>(options)?)),
};

/// It has no options.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fixed {}

impl Membership for Fixed {
    fn message(&mut self, context: &mut Context<'_>, _: NodeId, _: Bytes) {
        context.refuse(
            OperationId::NONE,
            "gossip came, but the members are fixed: nobody listens",
        );
    }

    fn timeout(&mut self, _: &mut Context<'_>) {}

    fn next_timeout(&self) -> Option<Duration> {
        None
    }
}
