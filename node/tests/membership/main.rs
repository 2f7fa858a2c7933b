//! Who believes whom to be up: what every strategy promises, and what the papers claim, in virtual time.

#[path = "../harness/mod.rs"]
mod harness;

mod claims;
mod group;
mod laws;
