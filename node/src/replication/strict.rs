//! Strict quorum: the first N nodes of the preference list and no others; R answer a read, W acknowledge a write.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.5, before the quorum is made sloppy; Gifford, Weighted voting for
//! replicated data, SOSP 1979.

use super::{Build, Replication};
use crate::coordinator::{Coordinator, Quorums, Route};
use tidemark_proto::registry::{Entry, OptionError, Options, Promise, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "strict",
    about: "N replicas, R answer a read, W acknowledge a write; nobody stands in for a replica that is down",
    promises: &[Promise::FreshWhenQuorumsOverlap, Promise::KeepsAcknowledged],
    resolve: resolve::<Quorums>,
    schema: schema::<Quorums>,
    build,
};

fn build(options: &Options) -> Result<Box<dyn Replication>, OptionError> {
    let quorums: Quorums = parse(options)?;
    quorums.check(1)?;
    if quorums.retarget {
        let reason = "retarget is true, but strict has no fallbacks; choose sloppy, or write retarget = false";
        return Err(OptionError::of("retarget", reason));
    }
    Ok(Box::new(Coordinator::new(quorums, Route::to_replicas)))
}
