//! What nodes say to each other, and the envelope that guards it on the wire.

use crate::id::OperationId;
use crate::wire;
use bytes::Bytes;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use xxhash_rust::xxh3::xxh3_64;

/// Writes out, for every class of messages between nodes, what is the same for all of them.
macro_rules! classes {
    ($($(#[$doc:meta])* $class:ident($body:ty) serves $operation:expr;)*) => {
        /// A method of the client or the peer service: what a rule may select by.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Method {
            /// A client reads.
            Get,
            /// A client writes.
            Put,
            /// A client deletes.
            Delete,
            $($(#[$doc])* $class,)*
        }

        impl Method {
            /// Every method: clients' first, then peers'.
            pub const ALL: &[Self] = &[Self::Get, Self::Put, Self::Delete, $(Self::$class),*];

            /// The methods of the peer service, each a stream of its own.
            pub const PEER: &[Self] = &[$(Self::$class),*];

            /// Its name in the `.proto` files, in plans and in results.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    Self::Get => "Get",
                    Self::Put => "Put",
                    Self::Delete => "Delete",
                    $(Self::$class => stringify!($class),)*
                }
            }

            /// Its place in [`Method::ALL`].
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        /// A message from node to node.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Message {
            $(#[doc = concat!("See [`Method::", stringify!($class), "`].")] $class($body),)*
        }

        impl Message {
            /// The class it belongs to.
            #[must_use]
            pub fn method(&self) -> Method {
                match self {
                    $(Self::$class(_) => Method::$class,)*
                }
            }

            /// The operation it serves; none: that of no client.
            #[must_use]
            pub fn operation(&self) -> OperationId {
                match self {
                    $(Self::$class(body) => {
                        let operation: fn(&$body) -> u64 = $operation;
                        OperationId::from_bits(operation(body))
                    })*
                }
            }

            /// How many bytes its body takes.
            #[must_use]
            pub fn size(&self) -> usize {
                match self {
                    $(Self::$class(body) => body.encoded_len(),)*
                }
            }

            /// The envelope that carries it.
            #[must_use]
            pub fn seal(&self) -> wire::Envelope {
                let body = Bytes::from(match self {
                    $(Self::$class(body) => body.encode_to_vec(),)*
                });
                wire::Envelope {
                    checksum: xxh3_64(&body),
                    body,
                }
            }

            /// The message of class `method` that an envelope carries.
            ///
            /// # Errors
            /// The body is not what was sealed, or not a message of that class.
            pub fn open(method: Method, envelope: wire::Envelope) -> Result<Self, Corrupt> {
                if xxh3_64(&envelope.body) != envelope.checksum {
                    return Err(Corrupt::Checksum(method));
                }
                let body = envelope.body;
                let message = match method {
                    $(Method::$class => <$body>::decode(body).map(Self::$class),)*
                    Method::Get | Method::Put | Method::Delete => return Err(Corrupt::Class(method)),
                };
                message.map_err(|_| Corrupt::Body(method))
            }
        }
    };
}

classes! {
    /// W: a coordinator asks a replica to hold versions.
    Store(wire::Store) serves |m| m.operation;
    /// A: the replica holds them.
    StoreReply(wire::StoreReply) serves |m| m.operation;
    /// R: a coordinator asks a replica what it holds.
    Fetch(wire::Fetch) serves |m| m.operation;
    /// S: the replica tells.
    FetchReply(wire::FetchReply) serves |m| m.operation;
    /// A node hands a client's request to its coordinator.
    Forward(Box<wire::Forward>) serves |m| forwarded(m);
    /// The coordinator's answer to it.
    ForwardReply(Box<wire::ForwardReply>) serves |m| m.operation;
    /// A repair strategy brings a replica up to date.
    Repair(wire::Repair) serves |m| m.operation;
    /// A hint goes home to the replica in whose place it was kept.
    Handoff(wire::Handoff) serves |m| m.operation;
    /// The replica holds what was kept for it.
    HandoffReply(wire::HandoffReply) serves |m| m.operation;
    /// Who is in the cluster and who is up.
    Gossip(wire::Gossip) serves |_| 0;
    /// Two nodes compare what they hold.
    Sweep(Box<wire::Sweep>) serves |_| 0;
    /// A node asks for keys that it is to hold.
    Bulk(wire::Bulk) serves |_| 0;
    /// They come.
    BulkReply(wire::BulkReply) serves |_| 0;
    /// Replicas agree that a tombstone may go.
    Collect(wire::Collect) serves |_| 0;
    /// Who the members are from now on.
    Members(wire::Members) serves |_| 0;
    /// How far a node is with that.
    MembersReply(wire::MembersReply) serves |_| 0;
    /// Keys are offered or sent to a new holder.
    Move(wire::Move) serves |_| 0;
    /// What the new holder lacks of them.
    MoveReply(wire::MoveReply) serves |_| 0;
}

/// The operation of a request that was handed on.
fn forwarded(forward: &wire::Forward) -> u64 {
    use wire::forward::Call;
    match &forward.call {
        Some(Call::Get(get)) => get.operation,
        Some(Call::Put(put)) => put.operation,
        Some(Call::Delete(delete)) => delete.operation,
        None => 0,
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no method has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no method {name:?}; choose one of: {}", names())]
pub struct UnknownMethod {
    name: String,
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        Self::ALL
            .iter()
            .copied()
            .find(|method| method.name() == text)
            .ok_or_else(|| UnknownMethod {
                name: text.to_owned(),
            })
    }
}

/// An envelope that holds no message of its stream's class: it is refused and noted, never stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// The body does not match its checksum.
    #[error("a {0} message does not match its checksum")]
    Checksum(Method),
    /// The body is not a message of the class.
    #[error("a {0} message cannot be decoded")]
    Body(Method),
    /// Nodes do not send this method to each other.
    #[error("{0} is not a message between nodes")]
    Class(Method),
}

fn names() -> String {
    let names: Vec<_> = Method::ALL.iter().map(|method| method.name()).collect();
    names.join(", ")
}
