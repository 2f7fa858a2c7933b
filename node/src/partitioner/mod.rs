//! Which nodes hold a key: the seam of partitioners.

mod slot_ring;
mod token_ring;

use md5::{Digest, Md5};
use smallvec::SmallVec;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options};

/// The nodes that shall hold a key, most preferred first.
pub type PreferenceList = SmallVec<[NodeId; 5]>;

/// A way of laying keys out over nodes.
pub trait Partitioner: Send {
    /// The first `n` distinct nodes for a key, or all nodes if there are fewer.
    fn preference(&self, key: &[u8], n: usize) -> PreferenceList;
}

/// How an entry is built: its options, the run's seed, the nodes that hold keys.
pub type Build = fn(&Options, u64, &[NodeId]) -> Result<Box<dyn Partitioner>, OptionError>;

/// Every partitioner.
pub const ENTRIES: &[Entry<Build>] = &[token_ring::ENTRY, slot_ring::ENTRY];

/// MD5 of a key or name, as a position on a ring of 2^128.
///
/// Reference: DeCandia et al., Dynamo, SOSP 2007, §4.1.
fn position(name: &[u8]) -> u128 {
    u128::from_be_bytes(Md5::digest(name).into())
}
