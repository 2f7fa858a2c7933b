//! Replicas in sites of their own, 75 ms apart: the network between them and a disk in each.

use super::{Entry, lnkd_disk};
use crate::predict::Legs;

/// See the module.
pub(super) const ENTRY: Entry = Entry {
    name: "wan",
    about: "lnkd-disk in as many sites as replicas, 75 ms one way between sites",
    legs,
};

fn legs() -> Legs {
    Legs {
        abroad_ms: 75.0,
        ..lnkd_disk::legs()
    }
}
