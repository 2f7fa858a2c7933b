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

    /// The indices below `end` that are not in it, in rising order.
    pub(crate) fn gaps(&self, end: u32) -> impl Iterator<Item = u32> {
        let starts = std::iter::once(0).chain(self.ranges.iter().map(|(_, until)| *until));
        let ends = self.ranges.iter().map(|(from, _)| *from);
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
        fn is_a_set(sets in vec(vec((0_u32..40, 0_u32..6), 0..6), 0..4), end in 0_u32..50) {
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
            prop_assert_eq!(set.gaps(end).collect::<Vec<_>>(), gaps);
            prop_assert!(set.ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }
}
