//! Sets of dots as bytes: which events of which actors are covered, compared and joined without decoding.
//!
//! A dot is the `counter`-th event of an actor. A set is a row of 16-byte records, each a run of one actor's dots:
//! actor (8 bytes), first (4), last (4), all big-endian, sorted, runs of one actor neither touching nor overlapping.
//! Equal sets are equal bytes. A version vector is a set in which every run starts at 1; the runs that start later are
//! the exceptions that keep a write from covering one it has not seen.
//!
//! Reference: Malkhi & Terry, Concise version vectors in WinFS, Distributed Computing 2007, §3 (vectors with
//! exceptions); Preguiça et al., Dotted version vectors, 2012, §4 (dots).

use tidemark_proto::id::Actor;

/// The `counter`-th event of an actor; counters start at 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dot {
    /// Who counts.
    pub actor: Actor,
    /// The event's number.
    pub counter: u32,
}

impl Dot {
    /// The length of a dot as bytes: actor, then counter, big-endian.
    pub const LENGTH: usize = 12;

    /// The dot as bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..8].copy_from_slice(&self.actor.bits().to_be_bytes());
        bytes[8..].copy_from_slice(&self.counter.to_be_bytes());
        bytes
    }

    /// The dot that the first bytes of a slice hold; none if there are too few.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            actor: Actor::from_bits(u64::from_be_bytes(*bytes.first_chunk()?)),
            counter: u32::from_be_bytes(*bytes.get(8..)?.first_chunk()?),
        })
    }
}

/// A run of one actor's dots, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    actor: u64,
    first: u32,
    last: u32,
}

/// Whether bytes are a set as this module writes it.
#[must_use]
pub fn is_valid(set: &[u8]) -> bool {
    let mut previous: Option<Run> = None;
    set.len().is_multiple_of(RECORD)
        && runs(set).all(|run| {
            let follows = previous.is_none_or(|before| {
                before.actor < run.actor
                    || before.actor == run.actor && before.last.saturating_add(1) < run.first
            });
            previous = Some(run);
            follows && 1 <= run.first && run.first <= run.last && run.last <= MOST_COUNTED
        })
}

/// Whether a set holds a dot.
#[must_use]
pub fn contains(set: &[u8], dot: Dot) -> bool {
    runs(set).any(|run| {
        run.actor == dot.actor.bits() && run.first <= dot.counter && dot.counter <= run.last
    })
}

/// Whether every dot of `part` is in `whole`.
#[must_use]
pub fn covers(whole: &[u8], part: &[u8]) -> bool {
    let mut candidates = runs(whole).peekable();
    whole == part
        || runs(part).all(|run| {
            while candidates
                .next_if(|c| (c.actor, c.last) < (run.actor, run.first))
                .is_some()
            {}
            candidates
                .peek()
                .is_some_and(|c| c.actor == run.actor && c.first <= run.first && run.last <= c.last)
        })
}

/// The dots of both sets.
#[must_use]
pub fn join(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(a.len().max(b.len()) + RECORD);
    let (mut left, mut right) = (runs(a).peekable(), runs(b).peekable());
    let mut open: Option<Run> = None;
    loop {
        let from_left = match (left.peek(), right.peek()) {
            (Some(l), Some(r)) => l <= r,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => break,
        };
        let Some(next) = (if from_left { left.next() } else { right.next() }) else {
            break;
        };
        match &mut open {
            Some(run) if run.actor == next.actor && next.first <= run.last.saturating_add(1) => {
                run.last = run.last.max(next.last);
            }
            _ => {
                if let Some(run) = open.replace(next) {
                    push(&mut joined, run);
                }
            }
        }
    }
    if let Some(run) = open {
        push(&mut joined, run);
    }
    joined
}

/// The set with one more dot.
#[must_use]
pub fn with(set: &[u8], dot: Dot) -> Vec<u8> {
    let mut one = Vec::with_capacity(RECORD);
    push(
        &mut one,
        Run {
            actor: dot.actor.bits(),
            first: dot.counter,
            last: dot.counter,
        },
    );
    join(set, &one)
}

/// The set without the dots of some actors.
#[must_use]
pub fn without(set: &[u8], actors: &[Actor]) -> Vec<u8> {
    let mut left = Vec::with_capacity(set.len());
    for run in runs(set).filter(|run| !actors.contains(&Actor::from_bits(run.actor))) {
        push(&mut left, run);
    }
    left
}

/// The greatest counter of an actor in a set; 0 if it has none.
#[must_use]
pub fn last(set: &[u8], actor: Actor) -> u32 {
    runs(set)
        .filter(|run| run.actor == actor.bits())
        .map(|run| run.last)
        .max()
        .unwrap_or(0)
}

/// Each actor of a set with its greatest counter, in the actors' order.
#[must_use]
pub fn describe(set: &[u8]) -> Vec<(Actor, u64)> {
    let mut pairs: Vec<(Actor, u64)> = Vec::with_capacity(set.len() / RECORD);
    for run in runs(set) {
        let actor = Actor::from_bits(run.actor);
        match pairs.last_mut() {
            Some(pair) if pair.0 == actor => pair.1 = run.last.into(),
            _ => pairs.push((actor, run.last.into())),
        }
    }
    pairs
}

fn runs(set: &[u8]) -> impl Iterator<Item = Run> + '_ {
    let (records, _) = set.as_chunks::<RECORD>();
    records.iter().map(|record| {
        let number = u128::from_be_bytes(*record);
        // The record's three fields, from its most significant end.
        Run {
            actor: (number >> 64) as u64,
            first: (number >> 32) as u32,
            last: number as u32,
        }
    })
}

fn push(set: &mut Vec<u8>, run: Run) {
    set.extend_from_slice(&run.actor.to_be_bytes());
    set.extend_from_slice(&run.first.to_be_bytes());
    set.extend_from_slice(&run.last.to_be_bytes());
}

const RECORD: usize = 16;
/// No actor gets this far; from any valid set, bytes of a stranger included, counting on does not overflow.
const MOST_COUNTED: u32 = u32::MAX / 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use tidemark_proto::id::NodeId;

    fn dot(actor: u16, counter: u32) -> Dot {
        Dot {
            actor: Actor::new(NodeId::node(actor), 1, 1),
            counter,
        }
    }

    fn set(dots: &BTreeSet<(u16, u32)>) -> Vec<u8> {
        dots.iter().fold(Vec::new(), |set, &(actor, counter)| {
            with(&set, dot(actor, counter))
        })
    }

    fn dots() -> impl Strategy<Value = BTreeSet<(u16, u32)>> {
        prop::collection::btree_set((1..4u16, 1..8u32), 0..12)
    }

    proptest! {
        /// If this fails, bytes and sets of dots disagree, and a write is lost or kept twice.
        #[test]
        fn bytes_behave_as_the_sets_they_stand_for(a in dots(), b in dots(), probe in (1..4u16, 1..8u32)) {
            let (left, right) = (set(&a), set(&b));
            prop_assert!(is_valid(&left));
            prop_assert_eq!(covers(&left, &right), b.is_subset(&a));
            prop_assert_eq!(join(&left, &right), set(&a.union(&b).copied().collect()));
            prop_assert_eq!(contains(&left, dot(probe.0, probe.1)), a.contains(&probe));
            prop_assert_eq!(left == right, a == b);
            let greatest = a.iter().filter(|d| d.0 == probe.0).map(|d| d.1).max().unwrap_or(0);
            prop_assert_eq!(last(&left, dot(probe.0, 1).actor), greatest);
            let others = a.iter().filter(|dot| dot.0 != probe.0).copied().collect();
            prop_assert_eq!(without(&left, &[dot(probe.0, 1).actor]), set(&others));
            prop_assert_eq!(describe(&left).len(), a.iter().map(|d| d.0).collect::<BTreeSet<_>>().len());
        }

        /// If this fails, a client can hand in a context that later comparisons misread.
        #[test]
        fn other_bytes_are_told_apart_or_are_a_set(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if is_valid(&bytes) {
                prop_assert_eq!(join(&bytes, &[]), bytes);
            }
        }
    }

    #[test]
    fn a_dot_goes_both_ways() {
        assert_eq!(Dot::from_bytes(&dot(3, 7).to_bytes()), Some(dot(3, 7)));
        assert_eq!(Dot::from_bytes(&[0; 11]), None);
    }

    #[test]
    fn runs_that_touch_or_stand_out_of_order_are_no_set() {
        let one = with(&[], dot(1, 1));
        let touching = [one.clone(), with(&[], dot(1, 2))].concat();
        let backwards = [with(&[], dot(2, 1)), one.clone()].concat();
        assert!(is_valid(&one) && !is_valid(&touching) && !is_valid(&backwards));
        assert!(!is_valid(&one[..15]));
        assert!(
            !is_valid(&with(&[], dot(1, u32::MAX))),
            "nobody could count on from it"
        );
    }
}
