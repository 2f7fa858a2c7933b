//! A length of time as plans write it: `"500ms"`, `"1.05ms"`, `"20s"`, exact to the nanosecond.

use crate::time::nanoseconds;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time that is text with a unit in a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

impl Span {
    /// The span `factor` times as long, to the nearest nanosecond; at most 584 years.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self(Duration::from_nanos((self.as_f64() * factor).round() as u64))
    }

    /// Its length in nanoseconds.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        nanoseconds(self.0) as f64
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = nanoseconds(self.0);
        let (unit, scale) = UNITS
            .into_iter()
            .find(|(_, scale)| {
                if *scale > SECOND {
                    length > 0 && length.is_multiple_of(*scale)
                } else {
                    length >= *scale
                }
            })
            .unwrap_or(("s", SECOND));
        write!(f, "{}", length / scale)?;
        let rest = length % scale;
        if rest > 0 {
            let digits = scale.ilog10() as usize;
            write!(f, ".{}", format!("{rest:0digits$}").trim_end_matches('0'))?;
        }
        f.write_str(unit)
    }
}

/// Text that is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no length of time{why}; write a number and a unit (ns, us, ms, s, m, h), like 1.05ms"
)]
pub struct SpanError {
    text: String,
    why: &'static str,
}

impl SpanError {
    /// The same, of the whole text that this was a part of.
    pub(crate) fn of(self, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            ..self
        }
    }

    pub(crate) fn too_long(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            why: ": it is too long",
        }
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let refuse = |why| SpanError {
            text: text.to_owned(),
            why,
        };
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(|| refuse(": the unit is missing"))?;
        let (number, unit) = text.split_at(end);
        let (_, scale) = UNITS
            .into_iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(|| refuse(": the unit is unknown"))?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
            return Err(refuse(""));
        }
        let too_long = || refuse(": it is too long");
        let whole: u64 = whole.parse().map_err(|_| too_long())?;
        let too_fine = || refuse(": it is finer than 1 ns");
        let digits = fraction.trim_end_matches('0');
        let power = 10u64
            .checked_pow(digits.len() as u32)
            .ok_or_else(too_fine)?;
        let parts = u128::from(digits.parse::<u64>().unwrap_or(0)) * u128::from(scale);
        if parts % u128::from(power) != 0 {
            return Err(too_fine());
        }
        whole
            .checked_mul(scale)
            .and_then(|ns| ns.checked_add((parts / u128::from(power)) as u64))
            .map(|ns| Self(Duration::from_nanos(ns)))
            .ok_or_else(too_long)
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "span",
            "pattern": r"^\d+(\.\d+)?(ns|us|ms|s|m|h)$",
            "title": "a length of time like \"500ms\" or \"20s\""
        })
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time as text with a unit, like \"500ms\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

const SECOND: u64 = 1_000_000_000;
const UNITS: [(&str, u64); 6] = [
    ("h", 3600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_with_units_goes_both_ways() {
        for (text, ns) in [
            ("0s", 0),
            ("80ns", 80),
            ("250us", 250_000),
            ("1.05ms", 1_050_000),
            ("500ms", 500_000_000),
            ("20s", 20 * SECOND),
            ("1.5s", 1_500_000_000),
            ("90s", 90 * SECOND),
            ("2m", 120 * SECOND),
            ("1h", 3600 * SECOND),
        ] {
            let span = Span(Duration::from_nanos(ns));
            assert_eq!(text.parse(), Ok(span));
            assert_eq!(span.to_string(), text);
        }
        assert_eq!("0.5m".parse(), "30s".parse::<Span>());
        assert_eq!("2.500ms".parse(), "2500us".parse::<Span>());
    }

    #[test]
    fn other_text_is_refused_with_value_and_units() {
        for text in [
            "",
            "5",
            "ms",
            "-1ms",
            "+1ms",
            "1 ms",
            "1,5ms",
            "1.ms",
            ".5ms",
            "1.2.3ms",
            "1MS",
            "5min",
            "1.5ns",
            "0.0000001us",
            "99999999999999999999s",
            "999999999h",
            "0.00000000000000000000000000001s",
        ] {
            let error = text.parse::<Span>().expect_err(text).to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
            assert!(error.contains("ns, us, ms, s, m, h"), "{error}");
        }
        let error = serde_json::from_str::<Span>("5").unwrap_err().to_string();
        assert!(error.contains("like \"500ms\""), "{error}");
    }

    proptest! {
        #[test]
        fn every_span_is_read_as_it_is_written(ns: u64) {
            let span = Span(Duration::from_nanos(ns));
            prop_assert_eq!(span.to_string().parse(), Ok(span));
            let json = serde_json::to_string(&span).unwrap();
            prop_assert_eq!(serde_json::from_str::<Span>(&json).unwrap(), span);
        }
    }
}
