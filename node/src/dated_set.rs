//! Clocks that may tell when each actor last wrote, so that they can be pruned by size and age.
//!
//! A clock is a set of dots ([`crate::dot_set`]). If it is dated, a record follows for each dated actor, actor (8 bytes)
//! and nanoseconds on its wall clock (8), sorted, and after them their number (8), all big-endian.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.4 (a timestamp beside each pair, the oldest pair is removed);
//! Riak KV, `vclock.erl`, `prune`.

use crate::dot_set::{self, Dot};
use std::collections::BTreeMap;
use tidemark_proto::id::Actor;
use tidemark_proto::time::Timestamp;

/// When a clock is too long or an actor in it too old to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// A clock of no more actors is left alone.
    pub(crate) small: usize,
    /// From a longer one the oldest leave.
    pub(crate) big: usize,
    /// An actor that wrote within so many nanoseconds stays.
    pub(crate) young: u64,
    /// One that has not for more leaves.
    pub(crate) old: u64,
}

/// The dots of a clock, without its dates.
#[must_use]
pub(crate) fn dots(clock: &[u8]) -> &[u8] {
    split(clock).map_or(clock, |(dots, _)| dots)
}

/// Whether bytes are a clock as this module writes it.
#[must_use]
pub(crate) fn is_valid(clock: &[u8]) -> bool {
    match split(clock) {
        Some((dots, dates)) => {
            let dated = || dates.iter().map(|date| read(date).0);
            dot_set::is_valid(dots)
                && !dates.is_empty()
                && dated().is_sorted_by(|a, b| a < b)
                && dated().all(|actor| dot_set::last(dots, actor) > 0)
        }
        None => dot_set::is_valid(clock),
    }
}

/// The dots of both clocks, and of each actor the later date.
#[must_use]
pub(crate) fn join(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut joined = dates(a);
    for (actor, date) in dates(b) {
        let known = joined.entry(actor).or_default();
        *known = date.max(*known);
    }
    dated(dot_set::join(dots(a), dots(b)), &joined)
}

/// The clock with one more dot, dated if a time is given.
#[must_use]
pub(crate) fn with(clock: &[u8], dot: Dot, at: Option<Timestamp>) -> Vec<u8> {
    let mut dates = dates(clock);
    dates.extend(at.map(|at| (dot.actor, at.0)));
    dated(dot_set::with(dots(clock), dot), &dates)
}

/// What is left of a clock once the actors that are one too many or too old have left it, the oldest first; those in
/// `keep` stay, and an actor without a date is older than any other. None: all of it.
#[must_use]
pub(crate) fn prune(
    clock: &[u8],
    bounds: Bounds,
    now: Timestamp,
    keep: &[Actor],
) -> Option<Vec<u8>> {
    let mut left = dates(clock);
    let actors = dot_set::describe(dots(clock));
    let mut count = actors.len();
    let date = |(actor, _)| (left.get(&actor).copied().unwrap_or(0), actor);
    let mut by_age: Vec<(u64, Actor)> = actors.into_iter().map(date).collect();
    by_age.retain(|(_, actor)| !keep.contains(actor));
    by_age.sort_unstable();
    let mut leaving = Vec::new();
    for (date, actor) in by_age {
        let age = now.0.saturating_sub(date);
        let may_leave = count > bounds.small && age >= bounds.young;
        if !may_leave || (count <= bounds.big && age <= bounds.old) {
            break;
        }
        left.remove(&actor);
        leaving.push(actor);
        count -= 1;
    }
    (!leaving.is_empty()).then(|| dated(dot_set::without(dots(clock), &leaving), &left))
}

/// The dots and the records of dates; none if the clock is not dated.
fn split(clock: &[u8]) -> Option<(&[u8], &[[u8; DATE]])> {
    let (rest, count) = clock.split_last_chunk::<FOOTER>()?;
    if !rest.len().is_multiple_of(DATE) {
        return None;
    }
    let records = usize::try_from(u64::from_be_bytes(*count)).ok()?;
    let length = rest.len().checked_sub(records.checked_mul(DATE)?)?;
    let (dots, dates) = rest.split_at(length);
    Some((dots, dates.as_chunks().0))
}

fn dates(clock: &[u8]) -> BTreeMap<Actor, u64> {
    let records = split(clock).map_or(&[][..], |(_, dates)| dates);
    records.iter().map(read).collect()
}

fn read(date: &[u8; DATE]) -> (Actor, u64) {
    let number = u128::from_be_bytes(*date);
    (Actor::from_bits((number >> 64) as u64), number as u64)
}

fn dated(mut dots: Vec<u8>, dates: &BTreeMap<Actor, u64>) -> Vec<u8> {
    if dates.is_empty() {
        return dots;
    }
    for (actor, date) in dates {
        dots.extend_from_slice(&actor.bits().to_be_bytes());
        dots.extend_from_slice(&date.to_be_bytes());
    }
    dots.extend_from_slice(&(dates.len() as u64).to_be_bytes());
    dots
}

const DATE: usize = 16;
const FOOTER: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_proto::id::NodeId;

    const BOUNDS: Bounds = Bounds {
        small: 1,
        big: 3,
        young: 10,
        old: 50,
    };

    fn actor(number: u16) -> Actor {
        Actor::new(NodeId::node(number), 1, 1)
    }

    /// A clock in which each of these actors wrote once, at these times.
    fn clock(dates: &[(u16, u64)]) -> Vec<u8> {
        dates.iter().fold(Vec::new(), |clock, (number, at)| {
            let dot = Dot {
                actor: actor(*number),
                counter: 1,
            };
            with(&clock, dot, Some(Timestamp(*at)))
        })
    }

    /// If this fails, a clock keeps actors that Riak drops, or loses some that it keeps.
    #[test]
    fn the_oldest_leave_by_size_and_age_as_in_riak() {
        let check = |dates: &[(u16, u64)], keep: &[u16], left: &[u16]| {
            let clock = clock(dates);
            let keep: Vec<_> = keep.iter().map(|number| actor(*number)).collect();
            let pruned = prune(&clock, BOUNDS, Timestamp(100), &keep);
            assert_eq!(pruned.is_none(), dates.len() == left.len());
            let pruned = pruned.unwrap_or(clock);
            assert!(is_valid(&pruned));
            let actors = dot_set::describe(dots(&pruned)).into_iter();
            let actors: Vec<_> = actors.map(|(actor, _)| actor.node().number()).collect();
            assert_eq!(actors, left, "{dates:?}");
        };
        // Small, young, and within both bounds.
        check(&[(1, 0)], &[], &[1]);
        check(&[(1, 91), (2, 92), (3, 93), (4, 94)], &[], &[1, 2, 3, 4]);
        check(&[(1, 60), (2, 70), (3, 80)], &[], &[1, 2, 3]);
        // Too many, too old, and both; equally old ones leave in the actors' order.
        check(&[(1, 80), (2, 60), (3, 70), (4, 75)], &[], &[1, 3, 4]);
        check(&[(1, 10), (2, 60), (3, 20)], &[], &[2]);
        check(&[(1, 60), (2, 60), (3, 60), (4, 60)], &[], &[2, 3, 4]);
        check(&[(1, 60), (2, 60), (3, 60), (4, 60)], &[1], &[1, 3, 4]);
    }

    /// If this fails, replicas that tell each other what they know do not end with the same dates.
    #[test]
    fn joining_keeps_the_later_date() {
        let (a, b) = (clock(&[(1, 5), (2, 9)]), clock(&[(1, 7), (3, 1)]));
        assert_eq!(join(&a, &b), clock(&[(1, 7), (2, 9), (3, 1)]));
        assert_eq!(join(&a, &b), join(&b, &a));
        assert_eq!(join(&a, &[]), a);
    }

    /// If this fails, bytes of a stranger are taken for dates, and later comparisons misread them.
    #[test]
    fn other_bytes_are_no_dated_clock() {
        let sound = clock(&[(1, 5), (2, 9)]);
        let length = sound.len();
        let undated = dots(&sound).to_vec();
        let date_of_nobody = dated(undated.clone(), &BTreeMap::from([(actor(3), 1)]));
        let no_date = [&undated[..], &[0; FOOTER]].concat();
        let backwards = [
            &undated[..],
            &sound[length - FOOTER - DATE..length - FOOTER],
            &sound[length - FOOTER - 2 * DATE..length - FOOTER - DATE],
            &sound[length - FOOTER..],
        ]
        .concat();
        let endless = [&undated[..], &[0xff; FOOTER]].concat();
        assert!(is_valid(&sound) && is_valid(&undated) && is_valid(&[]));
        for clock in [date_of_nobody, no_date, backwards, endless] {
            assert!(!is_valid(&clock), "{clock:?}");
        }
        assert!(!is_valid(&sound[..length - 1]));
    }
}
