//! A table of keys that is fast by key, and ordered by the keys' places.

use bytes::Bytes;
use foldhash::fast::FixedState;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Bound, RangeInclusive};
use xxhash_rust::xxh3::xxh3_64;

/// Where a key stands among all keys: XXH3 of it. Ranges of places are what replicas compare and hand over.
#[must_use]
pub fn place(key: &[u8]) -> u64 {
    xxh3_64(key)
}

/// Something of each key.
pub struct Placed<T> {
    /// Never iterated.
    held: HashMap<Bytes, T, FixedState>,
    order: BTreeSet<(u64, Bytes)>,
}

impl<T> Default for Placed<T> {
    fn default() -> Self {
        Self {
            held: HashMap::default(),
            order: BTreeSet::new(),
        }
    }
}

impl<T> Placed<T> {
    /// What there is of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&T> {
        self.held.get(key)
    }

    /// Puts something, or nothing, in place of what there was of a key, and gives that back.
    pub fn replace(&mut self, key: &Bytes, value: Option<T>) -> Option<T> {
        let Some(value) = value else {
            let old = self.held.remove(key);
            if old.is_some() {
                self.order.remove(&(place(key), key.clone()));
            }
            return old;
        };
        if let Some(slot) = self.held.get_mut(key) {
            return Some(std::mem::replace(slot, value));
        }
        self.order.insert((place(key), key.clone()));
        self.held.insert(key.clone(), value)
    }

    /// At most `limit` keys whose places are within the range, in their order, behind `after`.
    #[must_use]
    pub fn keys(
        &self,
        places: RangeInclusive<u64>,
        after: Option<&Bytes>,
        limit: usize,
    ) -> Vec<Bytes> {
        let first = (*places.start(), Bytes::new());
        let first = match after.map(|key| (place(key), key.clone())) {
            Some(after) if after >= first => Bound::Excluded(after),
            Some(_) | None => Bound::Included(first),
        };
        self.order
            .range((first, Bound::Unbounded))
            .take_while(|(place, _)| place <= places.end())
            .take(limit)
            .map(|(_, key)| key.clone())
            .collect()
    }
}

/// At most `limit` of a table's records whose names begin so, in the order of their names; those behind `after`.
#[must_use]
pub fn records(
    table: &BTreeMap<Bytes, Bytes>,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> Vec<(Bytes, Bytes)> {
    let first = match after {
        Some(after) if after >= prefix => Bound::Excluded(after),
        Some(_) | None => Bound::Included(prefix),
    };
    table
        .range::<[u8], _>((first, Bound::Unbounded))
        .take_while(|(name, _)| name.starts_with(prefix))
        .take(limit)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Puts something, or nothing, under a name in place of what was there, and gives that back.
pub fn write_record(
    table: &mut BTreeMap<Bytes, Bytes>,
    name: &[u8],
    value: Option<Bytes>,
) -> Option<Bytes> {
    match value {
        Some(value) => table.insert(Bytes::copy_from_slice(name), value),
        None => table.remove(name),
    }
}
