//! Yammer's store, as its table was printed and as the authors' code has it, which their published numbers follow.

use super::{Entry, pareto_or_exponential};
use crate::predict::Legs;

/// See the module.
pub(super) const ENTRY: Entry = Entry {
    name: "ymmr",
    about: "Yammer's Riak, as the paper prints it",
    legs: || legs(3.35),
};

/// See the module.
pub(super) const IN_CODE: Entry = Entry {
    name: "ymmr-code",
    about: "Yammer's Riak, as the paper's code has it, and its results",
    legs: || legs(3.5),
};

fn legs(shape: f64) -> Legs {
    let written = pareto_or_exponential(0.939, (3.0, shape), 0.0028);
    Legs::alike(written, pareto_or_exponential(0.982, (1.5, 3.8), 0.0217))
}
