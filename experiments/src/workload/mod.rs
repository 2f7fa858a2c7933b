//! What clients ask: the seam of workloads. When they ask and of whom is the clients' matter.

mod clustered;
mod script;
mod uniform;
mod visibility_probe;
mod ycsb;
mod zipf;

pub use script::{Deed, Script, Source, Step};

use crate::plan::Plan;
use crate::request::{Length, MOST_RECORDS};
use bytes::Bytes;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tidemark_node::config::Choice;
use tidemark_proto::registry::{Entry, OptionError, Options, find};

/// A way of choosing what to ask next.
pub trait Workload: Send {
    /// The keys to write before the load begins.
    fn preload(&self) -> Vec<Bytes>;

    /// What the next arrival asks; none: there are no arrivals, everything is in the script.
    fn next(&mut self, chance: &mut Xoshiro256PlusPlus) -> Option<Intent>;

    /// What is done at its own time, in place of arrivals.
    fn script(&self) -> Option<&Script> {
        None
    }

    /// How long before the operation that it measures an arrival begins.
    fn lead(&self) -> Duration {
        Duration::ZERO
    }

    /// How many bytes a written value has; it has as many as its writer's name, which it begins with, if that is more.
    fn value_bytes(&self) -> &Length;
}

/// What an arrival asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Read a key.
    Read(Bytes),
    /// Write a key, in the clients' manner of writing.
    Update(Bytes),
    /// Delete a key, in the clients' manner of writing.
    Delete(Bytes),
    /// Read a key, and write it with the context that came back.
    ReadModifyWrite(Bytes),
    /// Write a key that was never written.
    Insert(Bytes),
    /// Read several keys at once, each for itself: a store that hashes its keys has no order to go along.
    Scan(Vec<Bytes>),
    /// Write a key of its own now; after the lead write it again; once that is acknowledged wait, then read it.
    Probe {
        /// The key.
        key: Bytes,
        /// How long to wait.
        wait: Duration,
    },
}

/// How an entry is built from its options.
pub type Build = fn(&Options) -> Result<Box<dyn Workload>, OptionError>;

/// Every workload.
pub const ENTRIES: &[Entry<Build>] = &[
    uniform::ENTRY,
    zipf::ENTRY,
    clustered::ENTRY,
    ycsb::ENTRY,
    visibility_probe::ENTRY,
    script::ENTRY,
];

/// The workload of a plan.
///
/// # Errors
/// What is wrong with its options.
pub fn build(plan: &Plan) -> Result<Box<dyn Workload>, OptionError> {
    let entry = find("workload", ENTRIES, &plan.workload.kind)
        .map_err(|error| OptionError::of("kind", error.to_string()))?;
    (entry.build)(&plan.workload.options)
}

/// What a workload was asked for and does not do, in a sentence each.
#[must_use]
pub fn unhonoured(workload: &Choice) -> Vec<&str> {
    let listed = workload.options.get("unhonoured").and_then(Value::as_array);
    listed
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// A file that a plan's workload names is looked for beside the plan.
pub fn place_file(plan: &Path, table: &mut toml::Table) {
    let workload = table
        .get_mut("workload")
        .and_then(toml::Value::as_table_mut);
    if let Some(toml::Value::String(file)) = workload.and_then(|workload| workload.get_mut("file"))
    {
        *file = plan.with_file_name(&*file).to_string_lossy().into_owned();
    }
}

fn check_records(name: &str, records: u64) -> Result<(), OptionError> {
    if (1..=MOST_RECORDS).contains(&records) {
        return Ok(());
    }
    let reason = format!("{name} is {records}, but must be from 1 to {MOST_RECORDS}");
    Err(OptionError::of(name, reason))
}

fn check_share(name: &str, share: f64) -> Result<(), OptionError> {
    if (0.0..=1.0).contains(&share) {
        return Ok(());
    }
    let reason = format!("{name} is {share}, but a share is from 0 to 1");
    Err(OptionError::of(name, reason))
}
