//! Negative controls: stores that are wrong on purpose, since a testbed that cannot tell a broken store from a sound one
//! measures nothing.
//!
//! A node can be made of them, as whoever writes its [`Config`](crate::config::Config) names its strategies. A plan cannot:
//! what it chooses from are the seams' own lists, and so are those of the tables, the laws and the terminal. So nothing has
//! to be switched on or off, and nobody comes upon them by accident.

mod forgets;
mod never_replicates;
mod random_past;

use crate::{replication, storage};
use tidemark_proto::registry::Entry;

/// Wrong ways of coordinating.
pub(crate) const REPLICATION: &[Entry<replication::Build>] =
    &[never_replicates::ENTRY, random_past::ENTRY];

/// Wrong storage engines.
pub(crate) const STORAGE: &[Entry<storage::Build>] = &[forgets::ENTRY];

/// The list in which a kind is to be looked for: the controls if it is one of them, else the seam's own.
pub(crate) fn among<B>(
    entries: &'static [Entry<B>],
    controls: &'static [Entry<B>],
    kind: &str,
) -> &'static [Entry<B>] {
    let is_control = controls.iter().any(|entry| entry.name == kind);
    if is_control { controls } else { entries }
}
