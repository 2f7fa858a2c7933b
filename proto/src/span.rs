//! Durations as people write them in a plan: `"500ms"`, `"1.05ms"`, `"20s"`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration that reads and prints as a number and its unit: ns, us, ms, s, m or h.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

/// Text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no duration; write a number and one of ns, us, ms, s, m, h, like \"1.5ms\"")]
pub struct SpanError {
    text: String,
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        exact(text).map(Self).ok_or_else(|| SpanError {
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = self.0.as_nanos();
        let whole = UNITS.iter().rev().find(|(_, size)| {
            nanoseconds.is_multiple_of(*size)
                || nanoseconds > 10 * *size && nanoseconds.is_multiple_of(*size / 100)
        });
        let (unit, size) = whole.copied().unwrap_or(("ns", 1));
        write!(f, "{}", nanoseconds / size)?;
        let rest = nanoseconds % size;
        if rest > 0 {
            let digits = format!("{:02}", rest * 100 / size);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str(unit)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Reads decimal text without a float's rounding; digits beyond a nanosecond are refused.
fn exact(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(split);
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 12 {
        return None;
    }
    let scaled = fraction.parse::<u128>().ok()? * size;
    let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let whole = whole.parse::<u128>().ok()?.checked_mul(*size)?;
    let nanoseconds = whole.checked_add(scaled.is_multiple_of(scale).then(|| scaled / scale)?)?;
    u64::try_from(nanoseconds).ok().map(Duration::from_nanos)
}

const UNITS: [(&str, u128); 6] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_to_the_nanosecond_and_printed_back() {
        let check = |text: &str, nanoseconds: u64, printed: &str| {
            let span: Span = text.parse().unwrap();
            assert_eq!(span, Span(Duration::from_nanos(nanoseconds)), "{text}");
            assert_eq!(span.to_string(), printed);
            assert_eq!(printed.parse(), Ok(span), "printing {text} loses something");
        };
        check("500ms", 500_000_000, "500ms");
        check("1.05ms", 1_050_000, "1050us");
        check("20s", 20_000_000_000, "20s");
        check("235us", 235_000, "235us");
        check("2m", 120_000_000_000, "2m");
        check("1.5s", 1_500_000_000, "1500ms");
        check("0s", 0, "0h");
        check("1.000001ms", 1_000_001, "1000001ns");
    }

    #[test]
    fn other_text_is_refused_by_name() {
        for text in [
            "",
            "5",
            "ms",
            "5 ms",
            "-5ms",
            "5min",
            ".5s",
            "1.s",
            "0.1ns",
            "1e3ms",
            "99999999999999h",
        ] {
            let error = text.parse::<Span>().expect_err(text).to_string();
            assert!(error.starts_with(&format!("{text:?}")), "{error}");
        }
    }
}
