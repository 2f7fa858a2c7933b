//! Last write wins: of all versions the one with the latest time stays, and nobody is told of the others.
//!
//! The times are those of wall clocks, so a write through a node whose clock is behind is acknowledged and never seen.
//! Equal times are decided by the greater node, then by the greater operation, then by the greater value. With
//! `stamp = "replica"` each replica gives a write the time of its arrival: replicas that two writes reach in different
//! orders keep different ones until something repairs them.
//!
//! Reference: Johnson & Thomas, RFC 677, 1975 (timestamps decide, sites break ties); Lakshman & Malik, Cassandra, 2010
//! (the coordinator's time). Hybrid: Kulkarni, Demirbas, Madappa, Avva, Leone, Logical physical clocks, OPODIS 2014,
//! §3.3, Figure 5. Departs from it where a read's answer comes: its time reaches the clock with the context of the
//! write that follows it.

use super::{Build, Updated, Versioning, Versions, Write};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidemark_proto::id::{Actor, NodeId};
use tidemark_proto::message::Method;
use tidemark_proto::registry::{Entry, Options, Promise, parse, resolve, schema};
use tidemark_proto::span::Span;
use tidemark_proto::time::{Now, Timestamp, nanoseconds};
use tidemark_proto::wire::StoredVersion;

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "last-write",
    about: "the latest time wins, by the clocks of the nodes; what loses is gone",
    promises: &[Promise::NoSiblings],
    resolve: resolve::<LastWriteOptions>,
    schema: schema::<LastWriteOptions>,
    build: |options: &Options, seat| {
        Ok(Box::new(LastWrite {
            options: parse(options)?,
            node: seat.id,
            last: Stamp::default(),
        }))
    },
};

/// Whose time a write is given.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct LastWriteOptions {
    /// Who stamps a write.
    stamp: Stamper,
    /// What it reads.
    clock: Clock,
    /// A hybrid clock follows another's time that is ahead of its own wall by no more than this. Too short: it no longer
    /// orders what was seen; too long: one clock that is wrong takes all others with it.
    follow: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Stamper {
    /// The coordinator, for all replicas.
    Coordinator,
    /// Each replica, when the write comes to it; replicas may then differ for ever.
    Replica,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Clock {
    /// The wall clock as it is; what the client has seen does not count.
    Wall,
    /// A hybrid logical clock: never behind the wall, nor behind what the node or its client has seen.
    Hybrid,
}

impl Default for LastWriteOptions {
    fn default() -> Self {
        Self {
            stamp: Stamper::Coordinator,
            clock: Clock::Wall,
            follow: Span(Duration::from_secs(60)),
        }
    }
}

struct LastWrite {
    options: LastWriteOptions,
    node: NodeId,
    /// What the hybrid clock last said.
    last: Stamp,
}

/// A reading of a clock. As bytes it is 8 of time, 4 of count and 2 of the node, big-endian, so that bytes compare as
/// stamps do.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Stamp {
    /// Nanoseconds of wall time; l of the paper.
    time: u64,
    /// Tells apart what has the same time; c of the paper.
    count: u32,
}

impl Versioning for LastWrite {
    fn update(&mut self, stored: &Versions, write: Write<'_>) -> Updated {
        let unstamped = vec![StoredVersion {
            clock: Bytes::new(),
            value: write.value,
            operation: write.operation.bits(),
        }];
        self.hear(write.now.wall, write.context);
        let stamped = self.stamped(write.now.wall, &unstamped);
        Updated {
            held: self.sync(stored, &stamped),
            context: stamped[0].clock.clone(),
            sent: match self.options.stamp {
                Stamper::Coordinator => stamped,
                Stamper::Replica => unstamped,
            },
        }
    }

    fn sync(&self, a: &Versions, b: &Versions) -> Versions {
        let latest = a.iter().chain(b).max_by(|a, b| rank(a).cmp(&rank(b)));
        latest.cloned().into_iter().collect()
    }

    fn receive(&mut self, now: Now, held: &Versions, came: &Versions, _: Method) -> Versions {
        for version in came {
            self.hear(now.wall, &version.clock);
        }
        let stamped = self.stamped(now.wall, came);
        self.sync(held, &stamped)
    }

    fn resolve(&self, versions: &Versions) -> Bytes {
        versions
            .first()
            .map_or_else(Bytes::new, |version| version.clock.clone())
    }

    fn describe(&self, clock: &[u8]) -> Vec<(Actor, u64)> {
        let read = Stamp::read(clock).into_iter();
        read.map(|(stamp, node)| (Actor::new(node, 1, 1), stamp.time))
            .collect()
    }

    fn open(&self, _: &[u8], given: &Bytes) -> Option<Bytes> {
        is_clock_or_nothing(given).then(|| given.clone())
    }

    fn accepts_versions(&self, versions: &Versions) -> bool {
        let may_come_unstamped = self.options.stamp == Stamper::Replica;
        versions.len() <= 1
            && versions.iter().all(|version| {
                is_clock_or_nothing(&version.clock)
                    && (may_come_unstamped || !version.clock.is_empty())
            })
    }
}

impl LastWrite {
    /// What has no stamp is given one.
    fn stamped(&mut self, wall: Timestamp, versions: &Versions) -> Versions {
        let mut stamped = versions.clone();
        for version in stamped
            .iter_mut()
            .filter(|version| version.clock.is_empty())
        {
            let stamp = match self.options.clock {
                Clock::Wall => Stamp {
                    time: wall.0,
                    count: 0,
                },
                Clock::Hybrid => self.tick(wall, Stamp::default()),
            };
            version.clock = stamp.write(self.node);
        }
        stamped
    }

    /// A hybrid clock follows what it hears of.
    fn hear(&mut self, wall: Timestamp, clock: &[u8]) {
        let follows = wall.0.saturating_add(nanoseconds(self.options.follow.0));
        if self.options.clock == Clock::Hybrid
            && let Some((heard, _)) = Stamp::read(clock)
            && heard.time <= follows
        {
            self.tick(wall, heard);
        }
    }

    fn tick(&mut self, wall: Timestamp, heard: Stamp) -> Stamp {
        let Stamp { time, count } = self.last.max(heard);
        self.last = match count.checked_add(1) {
            _ if time < wall.0 => Stamp {
                time: wall.0,
                count: 0,
            },
            Some(count) => Stamp { time, count },
            None => Stamp {
                time: time.saturating_add(1),
                count: 0,
            },
        };
        self.last
    }
}

impl Stamp {
    const LENGTH: usize = 14;

    fn write(self, node: NodeId) -> Bytes {
        let mut bytes = BytesMut::with_capacity(Self::LENGTH);
        bytes.put_u64(self.time);
        bytes.put_u32(self.count);
        bytes.put_u16(node.bits());
        bytes.freeze()
    }

    fn read(mut clock: &[u8]) -> Option<(Self, NodeId)> {
        let (time, count) = (clock.try_get_u64().ok()?, clock.try_get_u32().ok()?);
        let node = NodeId::from_bits(clock.try_get_u16().ok()?);
        Some((Self { time, count }, node))
    }
}

/// What the latest of versions is told by: bytes of stamps compare as stamps do.
fn rank(version: &StoredVersion) -> (&[u8], u64, Option<&[u8]>) {
    (&version.clock, version.operation, version.value.as_deref())
}

fn is_clock_or_nothing(bytes: &[u8]) -> bool {
    bytes.is_empty() || bytes.len() == Stamp::LENGTH
}

#[cfg(test)]
mod tests {
    use super::super::Stamp as By;
    use super::*;
    use tidemark_proto::id::OperationId;

    /// A node with these options.
    fn node(number: u16, stamp: Stamper, clock: Clock) -> LastWrite {
        let options = LastWriteOptions {
            stamp,
            clock,
            ..LastWriteOptions::default()
        };
        LastWrite {
            options,
            node: NodeId::node(number),
            last: Stamp::default(),
        }
    }

    fn at(wall: u64) -> Now {
        Now {
            elapsed: Duration::ZERO,
            wall: Timestamp(wall),
        }
    }

    fn put(node: &mut LastWrite, held: &Versions, seen: &[u8], number: u64, wall: u64) -> Updated {
        let write = Write {
            context: seen,
            value: Some(Bytes::from(number.to_string())),
            operation: OperationId::new(NodeId::client(1), number),
            stamp: By::Replica(Actor::new(node.node, 1, 1)),
            now: at(wall),
        };
        node.update(held, write)
    }

    fn held(versions: &Versions) -> Vec<u64> {
        let sequence =
            |version: &StoredVersion| OperationId::from_bits(version.operation).sequence();
        versions.iter().map(sequence).collect()
    }

    /// If this fails, two replicas that were told the same keep different versions, or an earlier one wins.
    #[test]
    fn the_latest_wins_and_ties_are_decided_alike_everywhere() {
        use {Clock::Wall, Stamper::Coordinator};
        let check = |first: (u16, u64), second: (u16, u64), winner: u64| {
            let [mut a, mut b] = [first.0, second.0].map(|number| node(number, Coordinator, Wall));
            let nothing = Versions::new();
            let one = put(&mut a, &nothing, &[], 1, first.1).sent;
            let two = put(&mut b, &nothing, &[], 2, second.1).sent;
            assert_eq!(held(&a.receive(at(0), &one, &two, Method::Store)), [winner]);
            assert_eq!(held(&b.receive(at(0), &two, &one, Method::Store)), [winner]);
        };
        check((1, 10), (2, 20), 2);
        check((1, 20), (2, 10), 1);
        check((2, 10), (1, 10), 1);
        check((1, 10), (1, 10), 2);
    }

    /// If this fails, a wall clock that is behind costs no write, or a hybrid one does.
    #[test]
    fn a_clock_that_is_behind_loses_writes_unless_it_is_hybrid() {
        for (clock, left) in [(Clock::Wall, 1), (Clock::Hybrid, 2)] {
            let [mut ahead, mut behind] = [1, 2].map(|n| node(n, Stamper::Coordinator, clock));
            let first = put(&mut ahead, &Versions::new(), &[], 1, 1_000);
            // The client that read the first writes through a node that has not heard of it.
            let second = put(&mut behind, &Versions::new(), &first.context, 2, 500);
            let joined = behind.sync(&second.held, &first.held);
            assert_eq!(held(&joined), [left], "{clock:?}");
            // A node that was told of it stamps later too.
            let told = behind.receive(at(600), &Versions::new(), &first.sent, Method::Store);
            let third = put(&mut behind, &told, &[], 2, 700);
            assert_eq!(held(&third.held), [left], "{clock:?}");
        }
    }

    /// Kulkarni et al., Figure 5. If this fails, the hybrid clock is not theirs.
    #[test]
    fn the_hybrid_clock_counts_as_in_its_paper() {
        let mut clock = node(1, Stamper::Coordinator, Clock::Hybrid);
        let mut check = |wall, heard: (u64, u32), expected: (u64, u32)| {
            let (time, count) = heard;
            let Stamp { time, count } = clock.tick(Timestamp(wall), Stamp { time, count });
            assert_eq!((time, count), expected);
        };
        check(10, (0, 0), (10, 0));
        check(10, (0, 0), (10, 1));
        check(9, (10, 5), (10, 6));
        check(9, (10, 2), (10, 7));
        check(9, (12, 3), (12, 4));
        check(9, (11, 9), (12, 5));
        check(20, (12, 9), (20, 0));
        check(20, (20, u32::MAX), (21, 0));
        check(20, (u64::MAX, u32::MAX), (u64::MAX, 0));
    }

    /// If this fails, one wrong clock, or a client's made-up context, takes all hybrid clocks with it.
    #[test]
    fn a_time_too_far_ahead_is_not_followed() {
        let mut clock = node(1, Stamper::Coordinator, Clock::Hybrid);
        let far = Stamp {
            time: 61_000_000_000,
            count: 0,
        };
        let written = put(
            &mut clock,
            &Versions::new(),
            &far.write(NodeId::node(2)),
            1,
            5,
        );
        assert_eq!(
            clock.describe(&written.context),
            [(Actor::new(NodeId::node(1), 1, 1), 5)]
        );
    }

    /// If this fails, replicas that stamp at arrival agree whatever the order, or not even repair makes them agree.
    #[test]
    fn replicas_that_stamp_at_arrival_differ_until_they_are_repaired() {
        let [mut a, mut b, mut c] = [1, 2, 3].map(|n| node(n, Stamper::Replica, Clock::Wall));
        let nothing = Versions::new();
        let one = put(&mut c, &nothing, &[], 1, 1).sent;
        let two = put(&mut c, &nothing, &[], 2, 2).sent;
        let arrive = |node: &mut LastWrite, orders: [(&Versions, u64); 2]| {
            orders.iter().fold(Versions::new(), |held, (came, wall)| {
                assert!(node.accepts_versions(came));
                node.receive(at(*wall), &held, came, Method::Store)
            })
        };
        let at_a = arrive(&mut a, [(&one, 10), (&two, 11)]);
        let at_b = arrive(&mut b, [(&two, 10), (&one, 12)]);
        assert_eq!((held(&at_a), held(&at_b)), (vec![2], vec![1]));
        let repaired = a.sync(&at_a, &at_b);
        assert_eq!(a.receive(at(20), &at_a, &repaired, Method::Repair), at_b);
        assert!(!node(1, Stamper::Coordinator, Clock::Wall).accepts_versions(&one));
    }
}
