//! LinkedIn's store on solid-state disks: all four legs are the network's.

use super::{Entry, pareto_or_exponential};
use crate::predict::{Latencies, Legs};

/// See the module.
pub(super) const ENTRY: Entry = Entry {
    name: "lnkd-ssd",
    about: "LinkedIn's Voldemort on solid-state disks",
    legs,
};

fn legs() -> Legs {
    Legs::alike(leg(), leg())
}

/// A leg of the network, of which LinkedIn's other fits are made as well.
pub(super) fn leg() -> Latencies {
    pareto_or_exponential(0.9122, (0.235, 10.0), 1.66)
}
