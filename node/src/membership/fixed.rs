//! The members are those of the plan, for the whole run, and nobody is suspected.

use super::{Build, Members, Membership};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, Options, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "fixed",
    about: "the plan's members, for the whole run; nobody is suspected",
    promises: &[],
    resolve: resolve::<FixedOptions>,
    schema: schema::<FixedOptions>,
    build: |options: &Options, members: Members| {
        let FixedOptions {} = parse(options)?;
        Ok(Box::new(Fixed { members }))
    },
};

/// It has no options.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FixedOptions {}

struct Fixed {
    members: Members,
}

impl Membership for Fixed {
    fn nodes(&self) -> &[NodeId] {
        &self.members.nodes
    }

    fn gateways(&self) -> &[NodeId] {
        &self.members.gateways
    }
}
