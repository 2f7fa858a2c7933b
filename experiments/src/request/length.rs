//! Lengths, of values in bytes or of scans in records: constant, or drawn.

use super::{Zipfian, below};
use rand_xoshiro::Xoshiro256PlusPlus;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A length that makes sense. In a plan a number alone is always the same.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
#[schemars(with = "Written")]
pub struct Length {
    law: Law,
    /// The ranks of a zipfian law.
    ranks: Option<Zipfian>,
}

/// A length as it may be written.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes what a plan may hold")]
enum Written {
    /// Always the same.
    Number(u64),
    /// By a law.
    Law(Law),
}

/// How a length is drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Law {
    /// Always the same.
    Constant(u64),
    /// Evenly between two bounds, both included.
    Uniform(Bounds),
    /// Between two bounds, both included; the shortest is the most frequent, as YCSB has it (constant 0.99).
    Zipfian(Bounds),
    /// The sum of several, each drawn for itself: YCSB's records.
    Fields {
        /// How many.
        count: u64,
        /// How long each is.
        length: Box<Length>,
    },
}

/// The least and the greatest length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bounds {
    /// The least.
    from: u64,
    /// The greatest; not below `from`.
    to: u64,
}

impl Length {
    /// Always the same.
    #[must_use]
    pub fn constant(length: u64) -> Self {
        Self {
            law: Law::Constant(length),
            ranks: None,
        }
    }

    /// Evenly between two bounds, both included; `to` is not below `from`.
    #[must_use]
    pub fn uniform(from: u64, to: u64) -> Self {
        Self {
            law: Law::Uniform(Bounds { from, to }),
            ranks: None,
        }
    }

    /// Draws a length; what is constant takes no draw.
    #[must_use]
    pub fn draw(&self, chance: &mut Xoshiro256PlusPlus) -> u64 {
        match (&self.law, &self.ranks) {
            (Law::Constant(length), _) => *length,
            (Law::Zipfian(bounds), Some(ranks)) => bounds.from + ranks.rank(chance),
            (Law::Uniform(bounds) | Law::Zipfian(bounds), _) => {
                bounds.from + below(bounds.to - bounds.from + 1, chance)
            }
            (Law::Fields { count, length }, _) => (0..*count).map(|_| length.draw(chance)).sum(),
        }
    }

    /// The least that is drawn.
    #[must_use]
    pub fn least(&self) -> u64 {
        match &self.law {
            Law::Constant(length) => *length,
            Law::Uniform(bounds) | Law::Zipfian(bounds) => bounds.from,
            Law::Fields { count, length } => count * length.least(),
        }
    }

    /// The greatest that is drawn.
    #[must_use]
    pub fn greatest(&self) -> u64 {
        match &self.law {
            Law::Constant(length) => *length,
            Law::Uniform(bounds) | Law::Zipfian(bounds) => bounds.to,
            Law::Fields { count, length } => count * length.greatest(),
        }
    }
}

impl TryFrom<Law> for Length {
    type Error = String;

    fn try_from(law: Law) -> Result<Self, String> {
        let ranks = match &law {
            Law::Uniform(Bounds { from, to }) | Law::Zipfian(Bounds { from, to }) if from > to => {
                return Err(format!("from is {from}, but to is {to}"));
            }
            Law::Fields { count, .. } if !(1..=MOST_FIELDS).contains(count) => {
                return Err(format!(
                    "fields.count is {count}; choose 1 to {MOST_FIELDS}"
                ));
            }
            Law::Zipfian(bounds) if bounds.to <= GREATEST => {
                Some(Zipfian::new(bounds.to - bounds.from + 1))
            }
            Law::Constant(_) | Law::Uniform(_) | Law::Zipfian(_) | Law::Fields { .. } => None,
        };
        let length = Self { law, ranks };
        match length.greatest() {
            greatest if greatest > GREATEST => {
                Err(format!("a length may be {greatest}; at most {GREATEST}"))
            }
            _ => Ok(length),
        }
    }
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.law {
            Law::Constant(length) => serializer.serialize_u64(*length),
            law => law.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let written = Value::deserialize(deserializer)?;
        let law = match (written.as_u64(), &written) {
            (Some(length), _) => Law::Constant(length),
            (None, Value::Object(_)) => Law::deserialize(written).map_err(Error::custom)?,
            (None, other) => {
                return Err(Error::custom(format!(
                    "{other} is no length; write a number, or one of constant, uniform, zipfian, fields"
                )));
            }
        };
        Self::try_from(law).map_err(Error::custom)
    }
}

const GREATEST: u64 = 1 << 24;
const MOST_FIELDS: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Popularity;
    use crate::request::fit::{check_counts, counts};
    use serde_json::{from_value, json};

    impl Popularity for Length {
        fn choose(&mut self, _: u64, chance: &mut Xoshiro256PlusPlus) -> u64 {
            self.draw(chance)
        }
    }

    #[test]
    fn lengths_are_drawn_by_their_laws() {
        let zipfian = json!({ "zipfian": { "from": 0, "to": 49 } });
        let mut zipfian: Length = from_value(zipfian).unwrap();
        let ranks = counts(&mut Zipfian::new(50), 50, 100_000);
        assert_eq!(counts(&mut zipfian, 50, 100_000), ranks);

        let mut uniform: Length = from_value(json!({ "uniform": { "from": 2, "to": 5 } })).unwrap();
        let drawn = counts(&mut uniform, 6, 40_000);
        assert_eq!(drawn[..2], [0, 0]);
        check_counts(&drawn[2..], &[0.25; 4]);

        let fields =
            json!({ "fields": { "count": 2, "length": { "uniform": { "from": 0, "to": 1 } } } });
        let mut fields: Length = from_value(fields).unwrap();
        check_counts(&counts(&mut fields, 3, 40_000), &[0.25, 0.5, 0.25]);
    }

    #[test]
    fn lengths_are_written_as_they_are_read_and_a_constant_as_a_number() {
        for (written, resolved, least, greatest) in [
            (json!(100), json!(100), 100, 100),
            (json!({ "constant": 100 }), json!(100), 100, 100),
            (
                json!({ "zipfian": { "from": 1, "to": 9 } }),
                json!({ "zipfian": { "from": 1, "to": 9 } }),
                1,
                9,
            ),
            (
                json!({ "fields": { "count": 10, "length": { "uniform": { "from": 1, "to": 100 } } } }),
                json!({ "fields": { "count": 10, "length": { "uniform": { "from": 1, "to": 100 } } } }),
                10,
                1000,
            ),
        ] {
            let length: Length = from_value(written).unwrap();
            assert_eq!(serde_json::to_value(&length).unwrap(), resolved);
            assert_eq!((length.least(), length.greatest()), (least, greatest));
        }
    }

    #[test]
    fn what_is_no_length_is_refused() {
        for (written, parts) in [
            (json!("100"), &["\"100\"", "number", "zipfian"][..]),
            (json!(-1), &["-1", "number"]),
            (json!(1 << 25), &["33554432", "16777216"]),
            (
                json!({ "uniform": { "from": 5, "to": 4 } }),
                &["from is 5", "to is 4"],
            ),
            (
                json!({ "unifrom": { "from": 5, "to": 4 } }),
                &["unifrom", "uniform"],
            ),
            (
                json!({ "fields": { "count": 0, "length": 5 } }),
                &["count", "0", "1 to 1000"],
            ),
            (
                json!({ "fields": { "count": 1000, "length": 100_000 } }),
                &["100000000"],
            ),
        ] {
            let error = from_value::<Length>(written).unwrap_err().to_string();
            for part in parts {
                assert!(error.contains(part), "{part} is not in {error}");
            }
        }
    }
}
