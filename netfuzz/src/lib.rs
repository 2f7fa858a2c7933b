//! The network as an experimenter wants it: what becomes of every message, decided by rules, a seed and nothing else.
//!
//! The library is pure: a [`Network`] built from a [`Spec`] tells the [`Fate`] of a message. The simulator asks it
//! directly; on real sockets the shell (feature `proxy`) asks it for every gRPC message that passes.

pub mod distribution;
pub mod draw;
pub mod fate;
pub mod packet;
#[cfg(feature = "proxy")]
pub mod proxy;
pub mod rule;
pub mod schedule;
pub mod selector;
pub mod spec;
#[cfg(feature = "proxy")]
pub mod timer;

pub use distribution::Distribution;
pub use fate::{Fate, RuleSet};
pub use schedule::{LaneId, Network};
pub use spec::{Part, RuleSpec, Spec, SpecError};
