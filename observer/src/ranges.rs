//! A set of indices as ranges: small where the set is nearly everything up to a point, as a write's ancestors are.

use smallvec::SmallVec;

/// A set of indices, as disjoint ranges in rising order with a gap between any two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    /// Each from its first to before its second number.
    ranges: SmallVec<[(u32, u32); 2]>,
}

impl Ranges {
    /// All indices below `end`.
    pub(crate) fn below(end: u32) -> Self {
        let mut set = Self::default();
        set.add_range(0, end);
        set
    }

    /// Whether `index` is in it.
    pub(crate) fn contains(&self, index: u32) -> bool {
        let after = self.ranges.partition_point(|(from, _)| *from <= index);
        after > 0 && index < self.ranges[after - 1].1
    }

    /// The first index above all of it.
    pub(crate) fn end(&self) -> u32 {
        self.ranges.last().map_or(0, |(_, until)| *until)
    }

    /// Adds `index`.
    pub(crate) fn add(&mut self, index: u32) {
        self.add_range(index, index + 1);
    }

    /// Adds all of `other`.
    pub(crate) fn extend(&mut self, other: &Self) {
        for (from, until) in &other.ranges {
            self.add_range(*from, *until);
        }
    }

    /// Adds the indices of `other` that are below `end`.
    pub(crate) fn extend_below(&mut self, other: &Self, end: u32) {
        let first_gap = match self.ranges.first() {
            Some((0, until)) => *until,
            Some(_) | None => 0,
        };
        let first = other
            .ranges
            .partition_point(|(_, until)| *until <= first_gap);
        for (from, until) in other.ranges[first..]
            .iter()
            .take_while(|(from, _)| *from < end)
        {
            self.add_range(*from, (*until).min(end));
        }
    }

    /// How many of its indices are below `end`.
    pub(crate) fn count_below(&self, end: u32) -> u32 {
        let below = self.ranges.iter().take_while(|(from, _)| *from < end);
        below.map(|(from, until)| (*until).min(end) - from).sum()
    }

    /// How many indices it has in common with `other`.
    pub(crate) fn common(&self, other: &Self) -> u64 {
        let both = |(from, until): &(u32, u32)| {
            u64::from(other.count_below(*until) - other.count_below(*from))
        };
        self.ranges.iter().map(both).sum()
    }

    /// The indices from `begin` to below `end` that are not in it, in rising order.
    pub(crate) fn gaps(&self, begin: u32, end: u32) -> impl Iterator<Item = u32> {
        let reaches = move |range: &&(u32, u32)| range.1 >= begin;
        let ranges = move || self.ranges.iter().filter(reaches);
        let starts = std::iter::once(begin).chain(ranges().map(|(_, until)| *until));
        let ends = ranges().map(|(from, _)| *from);
        starts
            .zip(ends.chain(std::iter::once(end)))
            .flat_map(move |(from, until)| from..until.min(end))
    }

    fn add_range(&mut self, from: u32, until: u32) {
        if from == until {
            return;
        }
        let first = self.ranges.partition_point(|(_, end)| *end < from);
        let last = self.ranges.partition_point(|(start, _)| *start <= until);
        if first == last {
            self.ranges.insert(first, (from, until));
            return;
        }
        self.ranges[first].0 = self.ranges[first].0.min(from);
        self.ranges[first].1 = self.ranges[last - 1].1.max(until);
        self.ranges.drain(first + 1..last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn is_a_set(sets in vec(vec((0_u32..40, 0_u32..6), 0..6), 0..4), begin in 0_u32..50, end in 0_u32..50) {
            let mut set = Ranges::default();
            let mut model = BTreeSet::new();
            for ranges in sets {
                let mut other = Ranges::default();
                for (from, length) in ranges {
                    other.add_range(from, from + length);
                    model.extend(from..from + length);
                }
                set.extend(&other);
            }
            for index in 0..50 {
                prop_assert_eq!(set.contains(index), model.contains(&index));
            }
            let gaps: Vec<u32> = (0..end).filter(|index| !model.contains(index)).collect();
            prop_assert_eq!(set.gaps(0, end).collect::<Vec<_>>(), &gaps[..]);
            let later: Vec<u32> = gaps.iter().copied().filter(|gap| *gap >= begin).collect();
            prop_assert_eq!(set.gaps(begin, end).collect::<Vec<_>>(), later);
            prop_assert_eq!(set.count_below(end) as usize, model.range(..end).count());
            let mut below = Ranges::below(begin);
            below.extend_below(&set, end);
            let expected: BTreeSet<u32> = (0..begin).chain(model.range(..end).copied()).collect();
            prop_assert_eq!((0..60).filter(|index| below.contains(*index)).collect::<BTreeSet<_>>(), expected);
            let common = model.iter().filter(|index| (begin..end.max(begin)).contains(*index));
            let mut span = Ranges::default();
            span.add_range(begin, end.max(begin));
            prop_assert_eq!(span.common(&set), common.count() as u64);
            prop_assert!(set.ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }
}
