//! LinkedIn's store on spinning disks: a write waits for one.

use super::{Entry, lnkd_ssd, pareto_or_exponential};
use crate::predict::Legs;

/// See the module.
pub(super) const ENTRY: Entry = Entry {
    name: "lnkd-disk",
    about: "LinkedIn's Voldemort on spinning disks",
    legs,
};

/// Also what WAN is made of.
pub(super) fn legs() -> Legs {
    let written = pareto_or_exponential(0.38, (1.05, 1.51), 0.183);
    Legs::alike(written, lnkd_ssd::leg())
}
