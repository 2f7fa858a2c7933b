//! Fire and forget: a write is sent to its N replicas and answered at once, whether or not any of them gets it; R answer a
//! read.
//!
//! Reference: Cassiopeia, a store in the manner of Cassandra whose coordinators wait for nobody (W = 0). It promises
//! nothing: a write that was acknowledged may be nowhere.

use super::{Build, Replication};
use crate::coordinator::{Coordinator, Quorums, Route};
use tidemark_proto::registry::{Entry, OptionError, Options, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "fire-and-forget",
    about: "a write is sent to N replicas and answered at once (w = 0); R answer a read",
    promises: &[],
    resolve: |options: &Options| {
        build(options)?;
        resolve::<Quorums>(options)
    },
    schema: schema::<Quorums>,
    build,
};

fn build(options: &Options) -> Result<Box<dyn Replication>, OptionError> {
    let quorums: Quorums = parse(options)?;
    quorums.check(0)?;
    let waits_for = [
        ("w", quorums.w),
        ("primary_write", quorums.primary_write),
        ("durable_write", quorums.durable_write),
        ("node_confirms", quorums.node_confirms),
        ("preferred_writes", quorums.preferred_writes.unwrap_or(0)),
    ];
    for (name, quorum) in waits_for {
        if quorum > 0 {
            let reason = format!(
                "{name} is {quorum}, but nobody is waited for; write {name} = 0, or choose strict"
            );
            return Err(OptionError::of(name, reason));
        }
    }
    if quorums.retarget {
        let reason = "retarget is true, but nobody is waited for; write retarget = false";
        return Err(OptionError::of("retarget", reason));
    }
    Ok(Box::new(Coordinator::new(quorums, Route::to_replicas)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// If this fails, a plan reads as if somebody waited for its writes.
    #[test]
    fn whoever_wants_to_wait_is_told_that_nobody_does() {
        let table = json!({ "n": 3, "r": 1, "w": 2 });
        let error = build(table.as_object().expect("it is a table")).err();
        assert_eq!(
            error.map(|error| error.to_string()).as_deref(),
            Some("w is 2, but nobody is waited for; write w = 0, or choose strict")
        );
    }
}
