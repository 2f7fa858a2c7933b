//! Goals of a what-if as they are written: `10ms=99.9%`, `p99.9=20ms`.

use std::str::FromStr;
use tidemark_observer::predict::Goal;
use tidemark_proto::span::Span;

/// `10ms=99.9%`: at this age of a write, so many reads are fresh.
#[derive(Clone, Copy)]
pub(super) struct FreshAt(pub(super) Goal);

/// `p99.9=20ms`: so many take at most this time.
#[derive(Clone, Copy)]
pub(super) struct Within {
    p: f64,
    most_ms: f64,
}

impl FromStr for FreshAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("{text:?} is no goal of freshness; write one like 10ms=99.9%");
        let (age, share) = text.split_once('=').ok_or_else(form)?;
        let (age_ms, least) = (milliseconds(age)?, share_of(share).ok_or_else(form)?);
        Ok(Self(Goal::Fresh { age_ms, least }))
    }
}

impl FromStr for Within {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("{text:?} is no goal of latency; write one like p99.9=20ms");
        let (percentile, most) = text.split_once('=').ok_or_else(form)?;
        let p = percentile.strip_prefix('p').and_then(share_of);
        let (p, most_ms) = (p.ok_or_else(form)?, milliseconds(most)?);
        Ok(Self { p, most_ms })
    }
}

impl Within {
    pub(super) fn of_reads(self) -> Goal {
        let Self { p, most_ms } = self;
        Goal::Read { p, most_ms }
    }

    pub(super) fn of_writes(self) -> Goal {
        let Self { p, most_ms } = self;
        Goal::Write { p, most_ms }
    }
}

/// A share in per cent, above 0 and at most 1.
fn share_of(text: &str) -> Option<f64> {
    let percent: f64 = text.strip_suffix('%').unwrap_or(text).trim().parse().ok()?;
    (percent > 0.0 && percent <= 100.0).then_some(percent / 100.0)
}

fn milliseconds(text: &str) -> Result<f64, String> {
    let span: Span = text.trim().parse().map_err(|error| format!("{error}"))?;
    Ok(span.as_f64() / 1e6)
}
