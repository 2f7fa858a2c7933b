//! Who is in the cluster and who is up: the seam of membership strategies.

mod fixed;

use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options};

/// What a node believes about the others.
pub trait Membership: Send {
    /// The nodes that hold keys, in their order.
    fn nodes(&self) -> &[NodeId];

    /// The gateways, in their order.
    fn gateways(&self) -> &[NodeId];
}

/// Who takes part, as the plan lays it out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// The nodes that hold keys.
    pub nodes: Vec<NodeId>,
    /// The nodes that coordinate and hold none.
    pub gateways: Vec<NodeId>,
}

/// How an entry is built: its options and the first members.
pub type Build = fn(&Options, Members) -> Result<Box<dyn Membership>, OptionError>;

/// Every membership strategy.
pub const ENTRIES: &[Entry<Build>] = &[fixed::ENTRY];
