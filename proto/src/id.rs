//! Who takes part: nodes, gateways and clients; the operations they issue; the actors in a clock.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// What part a participant plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Holds keys and coordinates.
    Node,
    /// Coordinates and holds no keys.
    Gateway,
    /// Issues operations.
    Client,
}

/// A participant: node `n3`, gateway `g1` or client `c12`. Numbers start at 1 and end at 16 383.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u16);

impl NodeId {
    /// The largest number a participant can have.
    pub const MAX_NUMBER: u16 = NUMBER;

    /// Node `n<number>`.
    #[must_use]
    pub const fn node(number: u16) -> Self {
        Self(number & NUMBER)
    }

    /// Gateway `g<number>`.
    #[must_use]
    pub const fn gateway(number: u16) -> Self {
        Self(GATEWAY | (number & NUMBER))
    }

    /// Client `c<number>`.
    #[must_use]
    pub const fn client(number: u16) -> Self {
        Self(CLIENT | (number & NUMBER))
    }

    /// The participant with these bits, as [`NodeId::bits`] gives them.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// A number that orders participants: nodes, then gateways, then clients.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Its number among its kind, from 1.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0 & NUMBER
    }

    /// The part it plays.
    #[must_use]
    pub const fn role(self) -> Role {
        match self.0 & !NUMBER {
            0 => Role::Node,
            GATEWAY => Role::Gateway,
            _ => Role::Client,
        }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.role() {
            Role::Node => 'n',
            Role::Gateway => 'g',
            Role::Client => 'c',
        };
        write!(f, "{letter}{}", self.number())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that names no participant, operation or actor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} names no {thing}; write it like {example}")]
pub struct NameError {
    text: String,
    thing: &'static str,
    example: &'static str,
}

impl NameError {
    fn new(text: &str, thing: &'static str, example: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            thing,
            example,
        }
    }
}

impl FromStr for NodeId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = || NameError::new(text, "participant", "n1, g1 or c1");
        let mut letters = text.chars();
        let build: fn(u16) -> Self = match letters.next() {
            Some('n') => Self::node,
            Some('g') => Self::gateway,
            Some('c') => Self::client,
            _ => return Err(refuse()),
        };
        match letters.as_str().parse() {
            Ok(number @ 1..=NUMBER) if !letters.as_str().starts_with('+') => Ok(build(number)),
            _ => Err(refuse()),
        }
    }
}

/// One operation of one issuer: `c3.17` is the 17th of client `c3`. A retry keeps it; zero is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(u64);

impl OperationId {
    /// No operation.
    pub const NONE: Self = Self(0);

    /// Operation `sequence` (from 1, 48 bits) of `issuer`.
    #[must_use]
    pub const fn new(issuer: NodeId, sequence: u64) -> Self {
        Self((issuer.bits() as u64) << 48 | (sequence & SEQUENCE))
    }

    /// The operation with these bits, as [`OperationId::bits`] gives them.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The number that stands for it on the wire.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether it is [`OperationId::NONE`].
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Who issued it.
    #[must_use]
    pub const fn issuer(self) -> NodeId {
        NodeId::from_bits((self.0 >> 48) as u16)
    }

    /// Its number among those of its issuer.
    #[must_use]
    pub const fn sequence(self) -> u64 {
        self.0 & SEQUENCE
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.write_str("-");
        }
        write!(f, "{}.{}", self.issuer(), self.sequence())
    }
}

impl fmt::Debug for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for OperationId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == "-" {
            return Ok(Self::NONE);
        }
        let refuse = || NameError::new(text, "operation", "c3.17");
        let (issuer, sequence) = text.split_once('.').ok_or_else(refuse)?;
        let issuer = issuer.parse::<NodeId>().map_err(|_| refuse())?;
        match sequence.parse::<u64>() {
            Ok(sequence @ 0..=SEQUENCE) => Ok(Self::new(issuer, sequence)),
            _ => Err(refuse()),
        }
    }
}

/// Who counts in a clock: a node, in one of its lives, in one epoch of its counters.
///
/// `n1` is the first life of node 1, `n1~2` its second: every start begins a new one. `g1~1~3` is the third epoch of the
/// first life of gateway 1, whose table of counters had overflowed twice. A new life or epoch is a new actor, so a
/// forgotten counter is never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor(u64);

impl Actor {
    /// The actor of a `node` in its `life` (from 1, 24 bits) and `epoch` (from 1, 24 bits).
    #[must_use]
    pub const fn new(node: NodeId, life: u32, epoch: u32) -> Self {
        Self((node.bits() as u64) << 48 | (life as u64 & LIFE) << 24 | (epoch as u64 & LIFE))
    }

    /// The actor with these bits, as [`Actor::bits`] gives them.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The number that stands for it in a clock.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The node that counts.
    #[must_use]
    pub const fn node(self) -> NodeId {
        NodeId::from_bits((self.0 >> 48) as u16)
    }

    /// Whether the other counts for the same node in the same life.
    #[must_use]
    pub const fn shares_life(self, other: Self) -> bool {
        self.0 >> 24 == other.0 >> 24
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (life, epoch) = (self.0 >> 24 & LIFE, self.0 & LIFE);
        write!(f, "{}", self.node())?;
        if (life, epoch) != (1, 1) {
            write!(f, "~{life}")?;
        }
        if epoch != 1 {
            write!(f, "~{epoch}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Actor {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = || NameError::new(text, "actor", "n1, n1~2 or g1~1~3");
        let mut parts = text.split('~');
        let node = parts
            .next()
            .unwrap_or_default()
            .parse::<NodeId>()
            .map_err(|_| refuse())?;
        let mut number = || match parts.next() {
            None => Ok(1),
            Some(part) => part
                .parse::<u32>()
                .ok()
                .filter(|n| u64::from(*n) <= LIFE)
                .ok_or_else(refuse),
        };
        let actor = Self::new(node, number()?, number()?);
        if parts.next().is_some() {
            Err(refuse())
        } else {
            Ok(actor)
        }
    }
}

impl JsonSchema for NodeId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "NodeId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "participant",
            "pattern": "^[ngc][1-9][0-9]*$",
            "title": "a participant: a node like \"n1\", a gateway like \"g1\", a client like \"c1\""
        })
    }
}

macro_rules! serde_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(NodeId, OperationId, Actor);

const NUMBER: u16 = 0x3fff;
const GATEWAY: u16 = 0x4000;
const CLIENT: u16 = 0x8000;
const SEQUENCE: u64 = (1 << 48) - 1;
const LIFE: u64 = (1 << 24) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for id in [NodeId::node(1), NodeId::gateway(2), NodeId::client(16_383)] {
            assert_eq!(id.to_string().parse(), Ok(id));
            let operation = OperationId::new(id, 17);
            assert_eq!(operation.to_string().parse(), Ok(operation));
            for actor in [
                Actor::new(id, 1, 1),
                Actor::new(id, 2, 1),
                Actor::new(id, 1, 3),
            ] {
                assert_eq!(actor.to_string().parse(), Ok(actor), "{actor}");
            }
        }
        assert_eq!(NodeId::gateway(2).to_string(), "g2");
        assert_eq!(Actor::new(NodeId::node(1), 2, 1).to_string(), "n1~2");
    }

    #[test]
    fn other_text_is_refused_by_name() {
        for text in ["", "n", "n0", "x1", "n16384", "n-1", "n+1", "3"] {
            let error = text.parse::<NodeId>().expect_err(text).to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
        assert!("c1".parse::<OperationId>().is_err());
        assert!("n1~1~1~1".parse::<Actor>().is_err());
    }
}
