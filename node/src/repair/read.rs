//! Read repair: a replica whose answer to a read was behind is sent what the others hold, after the client's reply.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §5.

use super::{Build, FinishedRead, News, Repair};
use crate::context::Context;
use crate::membership::Seat;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::message::{Message, Method};
use tidemark_proto::registry::{Entry, Options, Promise, parse, resolve, schema};
use tidemark_proto::wire;

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "read",
    about: "replicas whose answer to a read was behind are sent what they miss, after the reply",
    promises: &[Promise::RepairsWhatIsRead],
    resolve: resolve::<ReadRepair>,
    schema: schema::<ReadRepair>,
    build: |options: &Options, _: Seat| Ok(Box::new(parse::<ReadRepair>(options)?)),
};

/// When it repairs.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReadRepair {
    /// Whether the client waits for it.
    #[serde(default)]
    mode: Mode,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    /// The client does not wait.
    #[default]
    Asynchronous,
}

impl Repair for ReadRepair {
    fn hear(&mut self, context: &mut Context<'_>, news: &News) {
        let Mode::Asynchronous = self.mode;
        match news {
            News::ReadFinished(read) => repair(context, read),
            News::Stored(_) | News::Believed(..) => {}
        }
    }
}

/// Sends those who were behind what the others hold.
fn repair(context: &mut Context<'_>, read: &FinishedRead) {
    let Some((_, first)) = read.answers.first() else {
        return;
    };
    if read.damaged.is_empty() && read.answers.iter().all(|(_, held)| held == first) {
        return;
    }
    let mut answers = read.answers.iter().map(|(_, versions)| versions);
    let merged = context.versioning.merge(&mut answers);
    let behind = read.answers.iter().filter(|(_, held)| *held != merged);
    for node in behind.map(|(node, _)| node).chain(&read.damaged) {
        if *node == context.id {
            // What cannot be held is noted, and stays as it is until the next read.
            let _ = context.hold(&read.key, &merged, read.operation, Method::Repair);
        } else {
            let repair = wire::Repair {
                key: read.key.clone(),
                versions: merged.clone(),
                operation: read.operation.bits(),
            };
            context.send(*node, Message::Repair(repair));
        }
    }
}
