//! How a value stands in a cell of a table, and how it is read back.

use bytes::Bytes;
use serde::Serialize;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as WordError, StrDeserializer};
use std::fmt::{Display, Formatter, Result as Formatted};
use std::time::Duration;
use tidemark_proto::id::Actor;
use tidemark_proto::time::nanoseconds;

/// A time as its whole nanoseconds.
pub(super) struct Nanoseconds(pub(super) Duration);

impl Display for Nanoseconds {
    fn fmt(&self, f: &mut Formatter<'_>) -> Formatted {
        nanoseconds(self.0).fmt(f)
    }
}

/// A variant of an enum, by its serde name.
pub(crate) struct Word<'a, T>(pub(crate) &'a T);

impl<T: Serialize> Display for Word<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Formatted {
        self.0.serialize(f)
    }
}

/// Nothing if there is nothing.
pub(super) struct Maybe<'a, T>(pub(super) &'a Option<T>);

impl<T: Display> Display for Maybe<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Formatted {
        self.0.iter().try_for_each(|value| value.fmt(f))
    }
}

/// Values with spaces between them.
pub(super) struct List<'a, T>(pub(super) &'a [T]);

impl<T: Display> Display for List<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Formatted {
        for (index, value) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            value.fmt(f)?;
        }
        Ok(())
    }
}

/// The entries of a clock, as `actor:counter`.
pub(super) struct Clock<'a>(pub(super) &'a [(Actor, u64)]);

impl Display for Clock<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Formatted {
        for (index, (actor, counter)) in self.0.iter().enumerate() {
            let space = if index > 0 { " " } else { "" };
            write!(f, "{space}{actor}:{counter}")?;
        }
        Ok(())
    }
}

/// A key: text where it is plain, else hex.
pub(crate) struct Key<'a>(pub(crate) &'a [u8]);

impl Display for Key<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Formatted {
        let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b",\"".contains(byte);
        match std::str::from_utf8(self.0) {
            Ok(text)
                if !text.is_empty() && !text.starts_with(HEX) && self.0.iter().all(is_plain) =>
            {
                f.write_str(text)
            }
            _ => {
                f.write_str(HEX)?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

/// The key that a cell holds.
pub(super) fn key(text: &str) -> Option<Bytes> {
    let Some(digits) = text.strip_prefix(HEX) else {
        return Some(Bytes::copy_from_slice(text.as_bytes()));
    };
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(byte).collect()
}

/// The clock's entry that a word holds.
pub(super) fn entry(text: &str) -> Option<(Actor, u64)> {
    let (actor, counter) = text.split_once(':')?;
    Some((actor.parse().ok()?, counter.parse().ok()?))
}

/// A word as a deserializer, for the variant it names.
pub(super) fn word(text: &str) -> StrDeserializer<'_, WordError> {
    text.into_deserializer()
}

const HEX: &str = "0x";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_text_where_that_is_plain() {
        let check = |bytes: &'static [u8], text: &str| {
            assert_eq!(Key(bytes).to_string(), text);
            assert_eq!(key(text).as_deref(), Some(bytes), "{text}");
        };
        check(b"user:17", "user:17");
        check(b"", "0x");
        check(b"0x41", "0x30783431");
        check(b"a b", "0x612062");
        check(b"a,b", "0x612c62");
        check(b"\xff\n", "0xff0a");
        assert_eq!(key("0x4"), None);
        assert_eq!(key("0x+4"), None);
    }
}
