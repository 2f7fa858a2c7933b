//! The simulator: the same nodes, clients and fault model on one queue, in virtual time, from one seed.

mod calls;
mod fault;
mod happening;
mod lanes;
mod machine;
mod post;
mod queue;
mod world;

pub use world::{Pace, simulate};

use super::{Backend, Build, Run};
use crate::record::{Folder, Recorder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::event::Milestone;
use tidemark_proto::registry::{Entry, Options, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "sim",
    about: "one process, virtual time: the same seed gives the same run, byte for byte",
    promises: &[],
    resolve: resolve::<NoOptions>,
    schema: schema::<NoOptions>,
    build: |_: &Options| Box::new(Simulator),
};

/// It has none of its own; the plan's table `sim` has what it needs.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoOptions {}

struct Simulator;

impl Backend for Simulator {
    fn run(&self, run: &Run, folder: &Folder) -> anyhow::Result<Milestone> {
        let mut recorder = Recorder::create(folder)?;
        let ended = simulate(run, &mut Pace::default(), &mut |event| {
            recorder.write(&event)
        })?;
        recorder.close()?;
        Ok(ended)
    }
}
