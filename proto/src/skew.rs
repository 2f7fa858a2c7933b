//! How far a machine's wall clock is off, as a function of the run's clock: an offset, a drift or a strobe.
//!
//! Only [`Now::wall`] moves: what timers use is a clock that nobody can set.

use crate::span::{Span, SpanError};
use crate::time::{Now, Timestamp, nanoseconds};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What is wrong with a wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Skew {
    /// Nothing.
    #[default]
    None,
    /// It is ahead by so much.
    Offset(Offset),
    /// It gains time.
    Drift {
        /// When it was right.
        since: Duration,
        /// How much it gains, in seconds a second; it loses below 0.
        rate: f64,
    },
    /// It is ahead, and right again, by turns.
    Strobe {
        /// When it was first ahead.
        since: Duration,
        /// By how much.
        by: Offset,
        /// The length of a turn.
        every: Duration,
    },
}

impl Skew {
    /// The time as the machine tells it.
    #[must_use]
    pub fn apply(self, now: Now) -> Now {
        let wall = now.wall.0.saturating_add_signed(self.ahead(now.elapsed));
        Now {
            wall: Timestamp(wall),
            ..now
        }
    }

    /// By how many nanoseconds the clock is ahead.
    fn ahead(self, elapsed: Duration) -> i64 {
        match self {
            Self::None => 0,
            Self::Offset(offset) => offset.0,
            Self::Drift { since, rate } => {
                (Span(elapsed.saturating_sub(since)).as_f64() * rate).round() as i64
            }
            Self::Strobe { since, by, every } => {
                let turn = nanoseconds(elapsed.saturating_sub(since)) / nanoseconds(every).max(1);
                if turn.is_multiple_of(2) { by.0 } else { 0 }
            }
        }
    }
}

/// A length of time with a sign, in nanoseconds; text with a unit in a plan: `"-200ms"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset(pub i64);

impl Offset {
    /// The offset `factor` times as long, to the nearest nanosecond.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self((self.0 as f64 * factor).round() as i64)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("-")?;
        }
        Span(Duration::from_nanos(self.0.unsigned_abs())).fmt(f)
    }
}

impl FromStr for Offset {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let (sign, length) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let length = length.parse::<Span>().map_err(|error| error.of(text))?;
        let length = i64::try_from(nanoseconds(length.0));
        Ok(Self(sign * length.map_err(|_| SpanError::too_long(text))?))
    }
}

impl JsonSchema for Offset {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Offset".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "offset",
            "pattern": r"^-?\d+(\.\d+)?(ns|us|ms|s|m|h)$",
            "title": "a length of time, with - before it if it is back, like \"200ms\" or \"-1s\""
        })
    }
}

impl Serialize for Offset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(skew: Skew, at_ms: u64, ahead_ms: i64) {
        let now = Now::at(Timestamp(1 << 60), Duration::from_millis(at_ms));
        let skewed = skew.apply(now);
        assert_eq!(skewed.elapsed, now.elapsed, "{skew:?} moves timers");
        let ahead = i128::from(skewed.wall.0) - i128::from(now.wall.0);
        assert_eq!(
            ahead,
            i128::from(ahead_ms) * 1_000_000,
            "{skew:?} at {at_ms} ms"
        );
    }

    /// If this fails, a plan's clock fault is another one than it says.
    #[test]
    fn a_clock_is_off_as_its_skew_says_and_no_timer_is() {
        let since = Duration::from_secs(2);
        let by = Offset(-200_000_000);
        check(Skew::None, 5_000, 0);
        check(Skew::Offset(by), 5_000, -200);
        for (at, ahead) in [(2_000, 0), (3_000, 10), (12_000, 100)] {
            check(Skew::Drift { since, rate: 0.01 }, at, ahead);
            check(Skew::Drift { since, rate: -0.01 }, at, -ahead);
        }
        let every = Duration::from_secs(1);
        for (at, ahead) in [(2_000, -200), (2_999, -200), (3_000, 0), (4_000, -200)] {
            check(Skew::Strobe { since, by, every }, at, ahead);
        }
        let no_turn = Duration::ZERO;
        let strobe = Skew::Strobe {
            since,
            by,
            every: no_turn,
        };
        assert!(strobe.ahead(since) <= 0, "nothing is divided by zero");
    }

    #[test]
    fn what_is_no_offset_is_refused_with_the_whole_text() {
        for text in ["--1ms", "5", "-5", "- 1ms", "-9999999h", "soon"] {
            let error = text.parse::<Offset>().expect_err(text).to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn every_offset_is_read_as_it_is_written(ns in -i64::MAX..) {
            let offset = Offset(ns);
            prop_assert_eq!(offset.to_string().parse(), Ok(offset));
            let json = serde_json::to_string(&offset).unwrap();
            prop_assert_eq!(serde_json::from_str::<Offset>(&json).unwrap(), offset);
        }
    }
}
