//! The proxy: every gRPC message between two processes passes it and meets its fate.
//!
//! Each directed link has a listener of its own on loopback and a connection of its own to the receiver, both HTTP/2
//! without TLS. The proxy cuts streams at gRPC's length prefix and looks no further, so it needs no `.proto` file. Health,
//! reflection and observer traffic, and whatever is not gRPC, passes untouched.

mod body;
mod call;
mod control;
mod judge;
mod link;
mod message;
mod stream;
#[cfg(test)]
mod tests;
mod traffic;
mod upstream;

pub use control::{serve, serve_within};

use std::sync::Arc;
use std::time::Duration;
use tidemark_proto::event::{Detail, Event};

/// Is told of messages, of each once: when it is delivered, or when it is certain that it will not be.
#[derive(Clone)]
pub struct Journal {
    /// Of which messages: of all, of those that a fault touched, or of none.
    pub keep: Detail,
    /// Takes their fates.
    pub note: Arc<dyn Fn(Event) + Send + Sync>,
}

/// How much the proxy keeps for whoever connects to it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a call stays open whose request or answer is lost, before it is reset. Too short hides timeouts.
    pub hang: Duration,
    /// The bytes held back per link in streams; beyond it the link is read no further.
    pub held_bytes: usize,
    /// The longest message in bytes; a call with a longer one is reset.
    pub message_bytes: usize,
    /// The calls open at once per connection.
    pub calls: u32,
    /// The links that can be opened.
    pub links: usize,
    /// The methods that are counted apart per link; all beyond these count as one.
    pub methods: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hang: Duration::from_secs(60),
            held_bytes: 64 << 20,
            message_bytes: 16 << 20,
            calls: 1 << 16,
            links: 1 << 14,
            methods: 1 << 10,
        }
    }
}
