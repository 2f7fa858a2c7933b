//! The words that cross a process boundary: identifiers, time, messages, events and registries. Knows nothing of what
//! nodes, networks or observers do with them, and imports nothing of theirs.

#[cfg(feature = "rpc")]
pub mod clock;
#[cfg(feature = "rpc")]
pub mod codec;
pub mod event;
pub mod id;
pub mod message;
pub mod registry;
pub mod seen;
pub mod skew;
pub mod span;
pub mod time;
pub mod upkeep;

/// The types that the `.proto` files define; clients and servers with feature `rpc`.
#[allow(
    missing_docs,
    clippy::all,
    reason = "generated; the .proto files carry the comments"
)]
pub mod wire {
    include!(concat!(env!("OUT_DIR"), "/tidemark.v1.rs"));

    /// The compiled descriptors of every service, for gRPC reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tidemark.bin"));
}
