//! Figures as a reader meets them: the same words in the page, in the plots and in the terminal.

use crate::figures::{Rate, Spread};
use tidemark_proto::event::Kind;

/// A count, in groups of three digits.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 * SPACE.len_utf8());
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(SPACE);
        }
        text.push(digit);
    }
    text
}

/// A share in per cent, never rounded to none or all.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{}{SPACE}%", bare(share))
}

/// A share in per cent with its interval; of too few opportunities, how many there were.
#[must_use]
pub fn rate(rate: &Rate) -> String {
    match rate.share {
        None => none(),
        Some(_) if rate.is_thin() => format!("{} of only {}", count(rate.count), count(rate.of)),
        Some(share) => format!(
            "{} [{}, {}]",
            percent(share),
            bare(rate.low),
            bare(rate.high)
        ),
    }
}

/// A share in per cent without its interval; of too few opportunities, how many there were.
#[must_use]
pub fn share(of: &Rate) -> String {
    match of.share {
        Some(share) if !of.is_thin() => percent(share),
        Some(_) | None => self::rate(of),
    }
}

/// A probability in per cent, as short as it can be said.
#[must_use]
pub fn level(p: f64) -> String {
    format!("{}{SPACE}%", trimmed(p * 100.0, 3))
}

/// A time given in milliseconds, in the unit that suits it.
#[must_use]
pub fn milliseconds(ms: f64) -> String {
    if ms >= 10_000.0 {
        return seconds(ms / 1_000.0);
    }
    format!("{}{SPACE}ms", number(ms))
}

/// A time given in seconds.
#[must_use]
pub fn seconds(s: f64) -> String {
    format!("{}{SPACE}s", number(s))
}

/// A number of any size, to about three digits.
#[must_use]
pub fn number(value: f64) -> String {
    match value {
        v if v >= 99.95 => count(v.round() as u64),
        v if v >= 9.995 || v == 0.0 || v == v.round() => trimmed(v, 1),
        v if v >= 0.0995 => trimmed(v, 2),
        v => trimmed(v, 3),
    }
}

/// The median and the 99th percentile of times in milliseconds.
#[must_use]
pub fn spread_ms(spread: Option<&Spread>) -> String {
    spread.map_or_else(none, |s| {
        format!("{} / {}", milliseconds(s.p50), milliseconds(s.p99))
    })
}

/// The median and the maximum of numbers.
#[must_use]
pub fn spread(spread: Option<&Spread>) -> String {
    spread.map_or_else(none, |s| format!("{} / {}", number(s.p50), number(s.max)))
}

/// What operations of a kind are called.
#[must_use]
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Get => "reads",
        Kind::Put => "writes",
        Kind::Delete => "deletes",
    }
}

/// What stands where there is no figure.
#[must_use]
pub fn none() -> String {
    "–".to_owned()
}

/// The faults of a phase's name, quoted.
#[must_use]
pub fn faults(phase: &str) -> String {
    let quoted: Vec<_> = phase
        .split(" + ")
        .map(|fault| format!("“{fault}”"))
        .collect();
    quoted.join(" and ")
}

/// A share in per cent, without the sign.
pub(crate) fn bare(share: f64) -> String {
    format!("{:.*}", decimals(share), share * 100.0)
}

/// How many decimals a share needs in per cent.
fn decimals(share: f64) -> usize {
    match share.min(1.0 - share) {
        edge if edge <= 0.0 => 0,
        edge if edge >= 0.005 => 1,
        edge if edge >= 0.000_1 => 2,
        edge if edge >= 0.000_01 => 3,
        _ => 5,
    }
}

fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Keeps a number and its unit on one line.
pub const SPACE: char = '\u{a0}';

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn plain(text: &str) -> String {
        text.replace(SPACE, " ")
    }

    #[test]
    fn numbers_read_well() {
        for (value, expected) in [
            (0, "0"),
            (999, "999"),
            (1_480, "1 480"),
            (1_234_567, "1 234 567"),
        ] {
            assert_eq!(plain(&count(value)), expected);
        }
        for (value, expected) in [
            (0.0, "0 ms"),
            (0.0312, "0.031 ms"),
            (0.83, "0.83 ms"),
            (9.4, "9.4 ms"),
            (41.26, "41.3 ms"),
            (310.0, "310 ms"),
            (5_610.2, "5 610 ms"),
            (12_340.0, "12.3 s"),
        ] {
            assert_eq!(plain(&milliseconds(value)), expected);
        }
    }

    #[test]
    fn a_share_is_never_rounded_to_none_or_all() {
        for (share, expected) in [
            (0.0, "0 %"),
            (1.0, "100 %"),
            (0.114, "11.4 %"),
            (0.9996, "99.96 %"),
            (0.00004, "0.004 %"),
            (0.000_001, "0.00010 %"),
        ] {
            assert_eq!(plain(&percent(share)), expected);
        }
    }

    #[test]
    fn a_rate_of_too_few_opportunities_says_so() {
        assert_eq!(plain(&rate(&sample::rate(3, 12))), "3 of only 12");
        assert_eq!(rate(&sample::rate(0, 0)), "–");
        assert!(plain(&rate(&sample::rate(712, 5_968))).starts_with("11.9 % [10."));
    }
}
