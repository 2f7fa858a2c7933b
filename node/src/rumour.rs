//! What the members of a SWIM group say to each other: a probe or its answer, and rumours about members.
//!
//! Reference: Das, Gupta, Motivala, SWIM: Scalable weakly-consistent infection-style process group membership protocol,
//! DSN 2002, §3.1 (probes) and §4 (rumours that ride on them).

use crate::view::Belief;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use tidemark_proto::id::NodeId;

/// A message of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// What it is for.
    pub kind: Kind,
    /// Who probes.
    pub origin: NodeId,
    /// Who is probed.
    pub target: NodeId,
    /// The origin's number for the probe.
    pub probe: u32,
    /// The sender's incarnation: that it speaks shows that it lives.
    pub incarnation: u64,
    /// What has come to the sender's ears.
    pub rumours: Vec<Rumour>,
}

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The target is to answer to the sender.
    Ping,
    /// The receiver is to ping the target on the origin's behalf.
    PingRequest,
    /// The target lives; to the origin, or to who has pinged for it and passes it on.
    Acknowledgement,
}

/// That a member is up, suspected or down, in its incarnation of that number.
///
/// Of two rumours about a member the greater counts: the one about the later incarnation, then the worse one.
///
/// Departs from §4.2, where no incarnation refutes that a member is down: here a member that learns it begins a new one,
/// which stands for its joining again under a new name. So it is in HashiCorp's memberlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rumour {
    /// The member.
    pub node: NodeId,
    /// Which of its incarnations; only the member itself begins a new one.
    pub incarnation: u64,
    /// What is believed of it.
    pub belief: Belief,
}

impl Packet {
    /// It as bytes: `18 + 11 n` for `n` rumours.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut body = BytesMut::with_capacity(HEAD + ROW * self.rumours.len());
        body.put_u8(FORM);
        body.put_u8(match self.kind {
            Kind::Ping => 0,
            Kind::PingRequest => 1,
            Kind::Acknowledgement => 2,
        });
        body.put_u16(self.origin.bits());
        body.put_u16(self.target.bits());
        body.put_u32(self.probe);
        body.put_u64(self.incarnation);
        for rumour in &self.rumours {
            body.put_u16(rumour.node.bits());
            body.put_u64(rumour.incarnation);
            body.put_u8(match rumour.belief {
                Belief::Up => 0,
                Belief::Suspected => 1,
                Belief::Down => 2,
            });
        }
        body.freeze()
    }

    /// What was encoded; none if these bytes are no packet.
    #[must_use]
    pub fn decode(mut body: Bytes) -> Option<Self> {
        if body.len() < HEAD || body.get_u8() != FORM {
            return None;
        }
        let kind = match body.get_u8() {
            0 => Kind::Ping,
            1 => Kind::PingRequest,
            2 => Kind::Acknowledgement,
            _ => return None,
        };
        let [origin, target] = [body.get_u16(), body.get_u16()].map(NodeId::from_bits);
        let (probe, incarnation) = (body.get_u32(), body.get_u64());
        if incarnation >= LIMIT || !body.len().is_multiple_of(ROW) {
            return None;
        }
        let rumours = body.chunks_exact(ROW).map(|mut row| {
            let (node, incarnation) = (NodeId::from_bits(row.get_u16()), row.get_u64());
            let belief = match row.get_u8() {
                0 => Belief::Up,
                1 => Belief::Suspected,
                2 => Belief::Down,
                _ => return None,
            };
            (incarnation < LIMIT).then_some(Rumour {
                node,
                incarnation,
                belief,
            })
        });
        Some(Self {
            kind,
            origin,
            target,
            probe,
            incarnation,
            rumours: rumours.collect::<Option<_>>()?,
        })
    }
}

/// The first byte of a packet.
const FORM: u8 = b's';
/// The bytes of a packet without rumours.
const HEAD: usize = 18;
/// The bytes of a rumour.
const ROW: usize = 11;
/// Incarnations stay below it, so that each can be followed by others.
const LIMIT: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_later_incarnation_counts_then_the_worse_belief() {
        let rumour = |incarnation, belief| Rumour {
            node: NodeId::node(1),
            incarnation,
            belief,
        };
        let rising = [
            rumour(1, Belief::Up),
            rumour(1, Belief::Suspected),
            rumour(1, Belief::Down),
            rumour(2, Belief::Up),
        ];
        assert!(rising.is_sorted());
    }

    proptest! {
        #[test]
        fn a_packet_is_read_as_it_was_written(
            kind in prop::sample::select(vec![Kind::Ping, Kind::PingRequest, Kind::Acknowledgement]),
            ids: (u16, u16), probe: u32, incarnation in 0..LIMIT,
            rumours in prop::collection::vec((any::<u16>(), 0..LIMIT, 0..3_u8), 0..9),
        ) {
            let packet = Packet {
                kind,
                origin: NodeId::from_bits(ids.0),
                target: NodeId::from_bits(ids.1),
                probe,
                incarnation,
                rumours: rumours.into_iter().map(|(node, incarnation, belief)| Rumour {
                    node: NodeId::from_bits(node),
                    incarnation,
                    belief: [Belief::Up, Belief::Suspected, Belief::Down][usize::from(belief)],
                }).collect(),
            };
            let body = packet.encode();
            prop_assert_eq!(body.len(), HEAD + ROW * packet.rumours.len());
            prop_assert_eq!(Packet::decode(body), Some(packet));
        }

        #[test]
        fn whatever_bytes_come_are_a_packet_or_none(bytes: Vec<u8>) {
            let bytes = Bytes::from(bytes);
            if let Some(packet) = Packet::decode(bytes.clone()) {
                prop_assert_eq!(packet.encode(), bytes);
            }
        }
    }
}
