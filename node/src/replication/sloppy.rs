//! Sloppy quorum: the first N healthy nodes of the preference list; each of them that is none of the first N keeps what it
//! is sent as a hint for one that is, and answers reads with it.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.6. Which nodes are healthy is what the coordinator believes, so two
//! coordinators may ask two sets of nodes that have none in common.

use super::{Build, Replication};
use crate::coordinator::{Coordinator, Quorums, Route, Side, Target};
use crate::view::View;
use tidemark_proto::registry::{Entry, OptionError, Options, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "sloppy",
    about: "the first N nodes that are up; who stands in for a replica keeps a hint for it",
    promises: &[],
    resolve: resolve::<Quorums>,
    schema: schema::<Quorums>,
    build,
};

fn build(options: &Options) -> Result<Box<dyn Replication>, OptionError> {
    let quorums: Quorums = parse(options)?;
    quorums.check(1)?;
    Ok(Box::new(Coordinator::new(quorums, route)))
}

fn route(view: &View, key: &[u8], n: usize) -> Route {
    let replicas = view.preference(key, n);
    let is_up = |node: &&_| view.is_up(**node);
    if replicas.iter().all(|node| view.is_up(*node)) {
        return Route::to_all(replicas);
    }
    let all = view.preference(key, view.nodes().len());
    let up = replicas.iter().filter(is_up);
    let down = replicas.iter().filter(|node| !view.is_up(**node));
    let fallbacks = all[replicas.len()..].iter().filter(is_up);
    let stand_in = fallbacks.zip(down).map(|(node, replica)| Target {
        node: *node,
        stands_for: Some(*replica),
        side: Side::Both,
    });
    Route {
        targets: up.copied().map(Target::replica).chain(stand_in).collect(),
        replicas,
    }
}
