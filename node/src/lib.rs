//! One node of the store: a pure library that decides, with a thin shell. Outside the shell it knows nothing of
//! clocks, threads, sockets or ambient chance.

pub mod admission;
pub mod chance;
mod comparison;
pub mod conditions;
pub mod config;
pub mod context;
mod context_check;
pub mod coordinator;
mod dated_set;
pub mod deletion;
pub mod disk;
pub mod dot_set;
pub mod durability;
pub mod forest;
pub mod handover;
pub mod hints;
mod holding;
pub mod membership;
pub mod merkle;
mod negative;
mod object;
pub mod partitioner;
pub mod phi;
pub mod placed;
pub mod repair;
pub mod replica;
pub mod replication;
pub mod request;
pub mod roll;
pub mod rumour;
pub mod sealed;
#[cfg(feature = "server")]
pub mod server;
pub mod storage;
pub mod versioning;
pub mod view;
