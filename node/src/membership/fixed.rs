//! The members are those of the plan, for the whole run; who is down from when on is told, not found out.

use super::{Build, Membership, Seat};
use crate::context::Context;
use crate::view::Belief;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::registry::{Entry, Options, parse, resolve, schema};
use tidemark_proto::span::Span;

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "fixed",
    about: "the plan's members, for the whole run; nobody is suspected, or who is down is told",
    promises: &[],
    resolve: resolve::<FixedOptions>,
    schema: schema::<FixedOptions>,
    build: |options: &Options, _: Seat| {
        let FixedOptions { down } = parse(options)?;
        let mut due: Vec<_> = down.into_iter().map(|(node, at)| (at.0, node)).collect();
        due.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Box::new(Fixed { due }))
    },
};

/// A detector that knows.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FixedOptions {
    /// Who is believed to be down, and from when on, by everybody: `{ n3 = "2s" }`. Absent: nobody is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    down: BTreeMap<NodeId, Span>,
}

struct Fixed {
    /// Who will be down when, the next of them last.
    due: Vec<(Duration, NodeId)>,
}

impl Membership for Fixed {
    fn message(&mut self, context: &mut Context<'_>, _: NodeId, _: Bytes) {
        context.refuse(
            OperationId::NONE,
            "gossip came, but the members are fixed: nobody listens",
        );
    }

    fn timeout(&mut self, context: &mut Context<'_>) {
        let now = context.now.elapsed;
        while let Some((_, node)) = self.due.pop_if(|(at, _)| *at <= now) {
            context.believe(node, Belief::Down);
        }
    }

    fn next_timeout(&self) -> Option<Duration> {
        self.due.last().map(|(at, _)| *at)
    }
}
