//! What a record's key is, by its number.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How keys are made of record numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordNames {
    /// `k0`, `k1` …
    Plain,
    /// YCSB's: `user`, then a number filled up with zeros to so many digits.
    Ycsb(InsertOrder, usize),
}

/// Which number YCSB's keys have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InsertOrder {
    /// The hash of the record's: neighbours have nothing in common.
    #[default]
    Hashed,
    /// The record's own.
    Ordered,
}

impl RecordNames {
    /// The key of a record.
    #[must_use]
    pub fn key(self, record: u64) -> Bytes {
        Bytes::from(match self {
            Self::Plain => format!("k{record}"),
            Self::Ycsb(order, width) => {
                let number = match order {
                    InsertOrder::Hashed => fnv64(record),
                    InsertOrder::Ordered => record,
                };
                format!("user{number:0width$}")
            }
        })
    }
}

/// FNV-1a of a number's eight bytes, the lowest first, made positive as a signed number: YCSB's hash.
pub(super) fn fnv64(number: u64) -> u64 {
    let hash = number
        .to_le_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    hash.cast_signed().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ycsb_s() {
        let hashed = RecordNames::Ycsb(InsertOrder::Hashed, 1);
        let ordered = RecordNames::Ycsb(InsertOrder::Ordered, 8);
        for (names, record, key) in [
            (RecordNames::Plain, 5, "k5"),
            (hashed, 0, "user6284781860667377211"),
            (hashed, 1, "user8517097267634966620"),
            (ordered, 5, "user00000005"),
            (ordered, 1_234_567_890, "user1234567890"),
        ] {
            assert_eq!(names.key(record), key.as_bytes());
        }
    }
}
