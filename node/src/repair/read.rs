//! Read repair: a replica whose answer to a read was behind is sent what the others hold, after the client's reply or
//! before it.
//!
//! With `mode = "blocking"` the coordinator answers a read only once as many replicas hold what it returns as had to
//! answer; replicas that are heard of later are sent it all the same.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §5. Blocking: Cassandra. The chance: Cassandra's `read_repair_chance`.

use super::{Build, FinishedRead, News, Repair};
use crate::chance::stream;
use crate::context::Context;
use crate::membership::Seat;
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::message::{Message, Method};
use tidemark_proto::registry::{Entry, OptionError, Options, Promise, parse, resolve, schema};
use tidemark_proto::wire;

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "read",
    about: "replicas whose answer to a read was behind are sent what they miss, after the reply or before it",
    promises: &[Promise::RepairsWhatIsRead],
    resolve: resolve::<ReadOptions>,
    schema: schema::<ReadOptions>,
    build,
};

/// When it repairs.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ReadOptions {
    /// Whether the client waits for it.
    mode: Mode,
    /// The share of reads after which it is done. Small: replicas differ for longer; large: more messages.
    #[schemars(range(min = 0, max = 1))]
    chance: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    /// Nothing is repaired.
    Off,
    /// The client does not wait.
    Asynchronous,
    /// The client waits until enough replicas hold what it is told.
    Blocking,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            mode: Mode::Asynchronous,
            chance: 1.0,
        }
    }
}

struct ReadRepair {
    options: ReadOptions,
    draws: Xoshiro256PlusPlus,
}

impl Repair for ReadRepair {
    fn hear(&mut self, context: &mut Context<'_>, news: &News) {
        match news {
            News::ReadFinished(read) if self.options.mode != Mode::Off => {
                if self.draws.random_bool(self.options.chance) {
                    repair(context, read);
                }
            }
            News::ReadFinished(_)
            | News::Stored(_)
            | News::HintKept(_)
            | News::Believed(..)
            | News::Enrolled => {}
        }
    }

    fn blocks_reads(&self) -> bool {
        self.options.mode == Mode::Blocking
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
    // Who stands in for a replica keeps hints, and is brought nothing more.
    let replicas = context.view.preference(&read.key, context.replicas);
    let behind = read.answers.iter().filter(|(_, held)| *held != merged);
    let behind = behind.map(|(node, _)| node).chain(&read.damaged);
    for node in behind.filter(|node| replicas.contains(node)) {
        if *node == context.id {
            // What cannot be held is noted, and stays as it is until the next read.
            let _ = context.hold(&read.key, &merged, read.operation, Method::Repair);
        } else {
            let repair = wire::Repair {
                request: 0,
                key: read.key.clone(),
                versions: merged.clone(),
                operation: read.operation.bits(),
            };
            context.send(*node, Message::Repair(repair));
        }
    }
}

fn build(options: &Options, seat: Seat) -> Result<Box<dyn Repair>, OptionError> {
    let options: ReadOptions = parse(options)?;
    let ReadOptions { mode, chance } = options;
    if !(0.0..=1.0).contains(&chance) {
        let reason = format!("chance is {chance}, but it is a share; choose 0 to 1");
        return Err(OptionError::of("chance", reason));
    }
    if mode == Mode::Blocking && chance < 1.0 {
        let reason =
            format!("chance is {chance}, but mode is blocking, which leaves no read out; choose 1");
        return Err(OptionError::of("chance", reason));
    }
    let draws = stream(seat.seed, &format!("read repair {}", seat.life), seat.id);
    Ok(Box::new(ReadRepair { options, draws }))
}
