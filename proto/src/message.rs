//! What nodes say to each other, and the envelope that guards it on the wire.

use crate::id::OperationId;
use crate::wire;
use bytes::Bytes;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use xxhash_rust::xxh3::xxh3_64;

/// A method of the client or the peer service: what a rule may select by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Method {
    /// A client reads.
    Get,
    /// A client writes.
    Put,
    /// A client deletes.
    Delete,
    /// W: a coordinator asks a replica to hold versions.
    Store,
    /// A: the replica holds them.
    StoreReply,
    /// R: a coordinator asks a replica what it holds.
    Fetch,
    /// S: the replica tells.
    FetchReply,
    /// A node hands a client's request to its coordinator.
    Forward,
    /// The coordinator's answer to it.
    ForwardReply,
    /// A repair strategy brings a replica up to date.
    Repair,
}

impl Method {
    /// Every method: clients' first, then peers'.
    pub const ALL: [Self; 10] = [
        Self::Get,
        Self::Put,
        Self::Delete,
        Self::Store,
        Self::StoreReply,
        Self::Fetch,
        Self::FetchReply,
        Self::Forward,
        Self::ForwardReply,
        Self::Repair,
    ];

    /// The methods of the peer service, each a stream of its own.
    pub const PEER: [Self; 7] = [
        Self::Store,
        Self::StoreReply,
        Self::Fetch,
        Self::FetchReply,
        Self::Forward,
        Self::ForwardReply,
        Self::Repair,
    ];

    /// Its name in the `.proto` files, in plans and in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "Get",
            Self::Put => "Put",
            Self::Delete => "Delete",
            Self::Store => "Store",
            Self::StoreReply => "StoreReply",
            Self::Fetch => "Fetch",
            Self::FetchReply => "FetchReply",
            Self::Forward => "Forward",
            Self::ForwardReply => "ForwardReply",
            Self::Repair => "Repair",
        }
    }

    /// Its place in [`Method::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no method has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no method {name:?}; choose one of: {}", Method::ALL.map(Method::name).join(", "))]
pub struct UnknownMethod {
    name: String,
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        Self::ALL
            .into_iter()
            .find(|method| method.name() == text)
            .ok_or_else(|| UnknownMethod {
                name: text.to_owned(),
            })
    }
}

/// A message from node to node.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// See [`Method::Store`].
    Store(wire::Store),
    /// See [`Method::StoreReply`].
    StoreReply(wire::StoreReply),
    /// See [`Method::Fetch`].
    Fetch(wire::Fetch),
    /// See [`Method::FetchReply`].
    FetchReply(wire::FetchReply),
    /// See [`Method::Forward`].
    Forward(Box<wire::Forward>),
    /// See [`Method::ForwardReply`].
    ForwardReply(Box<wire::ForwardReply>),
    /// See [`Method::Repair`].
    Repair(wire::Repair),
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

impl Message {
    /// The class it belongs to.
    #[must_use]
    pub fn method(&self) -> Method {
        match self {
            Self::Store(_) => Method::Store,
            Self::StoreReply(_) => Method::StoreReply,
            Self::Fetch(_) => Method::Fetch,
            Self::FetchReply(_) => Method::FetchReply,
            Self::Forward(_) => Method::Forward,
            Self::ForwardReply(_) => Method::ForwardReply,
            Self::Repair(_) => Method::Repair,
        }
    }

    /// The operation it serves.
    #[must_use]
    pub fn operation(&self) -> OperationId {
        use wire::forward::Call;
        OperationId::from_bits(match self {
            Self::Store(m) => m.operation,
            Self::StoreReply(m) => m.operation,
            Self::Fetch(m) => m.operation,
            Self::FetchReply(m) => m.operation,
            Self::Forward(m) => match &m.call {
                Some(Call::Get(get)) => get.operation,
                Some(Call::Put(put)) => put.operation,
                Some(Call::Delete(delete)) => delete.operation,
                None => 0,
            },
            Self::ForwardReply(m) => m.operation,
            Self::Repair(m) => m.operation,
        })
    }

    /// How many bytes its body takes.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Store(m) => m.encoded_len(),
            Self::StoreReply(m) => m.encoded_len(),
            Self::Fetch(m) => m.encoded_len(),
            Self::FetchReply(m) => m.encoded_len(),
            Self::Forward(m) => m.encoded_len(),
            Self::ForwardReply(m) => m.encoded_len(),
            Self::Repair(m) => m.encoded_len(),
        }
    }

    /// The envelope that carries it.
    #[must_use]
    pub fn seal(&self) -> wire::Envelope {
        let body = Bytes::from(match self {
            Self::Store(m) => m.encode_to_vec(),
            Self::StoreReply(m) => m.encode_to_vec(),
            Self::Fetch(m) => m.encode_to_vec(),
            Self::FetchReply(m) => m.encode_to_vec(),
            Self::Forward(m) => m.encode_to_vec(),
            Self::ForwardReply(m) => m.encode_to_vec(),
            Self::Repair(m) => m.encode_to_vec(),
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
            Method::Store => wire::Store::decode(body).map(Self::Store),
            Method::StoreReply => wire::StoreReply::decode(body).map(Self::StoreReply),
            Method::Fetch => wire::Fetch::decode(body).map(Self::Fetch),
            Method::FetchReply => wire::FetchReply::decode(body).map(Self::FetchReply),
            Method::Forward => wire::Forward::decode(body).map(|m| Self::Forward(Box::new(m))),
            Method::ForwardReply => {
                wire::ForwardReply::decode(body).map(|m| Self::ForwardReply(Box::new(m)))
            }
            Method::Repair => wire::Repair::decode(body).map(Self::Repair),
            Method::Get | Method::Put | Method::Delete => return Err(Corrupt::Class(method)),
        };
        message.map_err(|_| Corrupt::Body(method))
    }
}
