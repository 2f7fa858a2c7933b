//! The figures of a sweep in words: the same in the page and in the terminal.

use super::{Difference, Estimate, Said, SweepFigures, Unit, metric};
use crate::equivalence::Equivalence;
use crate::oracle::{Checked, Oracle, Verdict};
use crate::report::words::{SPACE, bare, count, milliseconds, none, number, seconds};

/// A figure with its interval.
#[must_use]
pub fn estimate(estimate: &Estimate) -> String {
    value(estimate) + &interval(estimate, end(estimate))
}

/// A figure without its interval.
#[must_use]
pub fn value(estimate: &Estimate) -> String {
    let said = said_in(unit(&estimate.metric));
    estimate.value.map_or_else(none, said)
}

/// How a figure is said with its unit.
fn said_in(unit: Unit) -> fn(f64) -> String {
    match unit {
        Unit::Share => |share| format!("{}{SPACE}%", per_cent(share)),
        Unit::Points => |points| format!("{}{SPACE}points", signed(points, per_cent)),
        Unit::Milliseconds => milliseconds,
        Unit::Seconds => self::seconds,
        Unit::PerMinute | Unit::Count => number,
        Unit::PerSecond => |rate| format!("{}/s", number(rate)),
    }
}

/// What an oracle expects, in its metric's unit, and after which formula.
#[must_use]
pub fn expected(oracle: &Oracle) -> String {
    let said = said_in(unit(&oracle.metric));
    let about = metric(&oracle.metric).map_or("", |metric| metric.about);
    let bounds = [
        ("=", oracle.value),
        ("≥", oracle.at_least),
        ("≤", oracle.at_most),
    ];
    let bounds = bounds
        .into_iter()
        .filter_map(|(sign, bound)| Some((sign, bound?)));
    let bounds: Vec<_> = bounds
        .map(|(sign, bound)| format!("{sign} {}", said(bound)))
        .collect();
    let formula = oracle.formula.as_ref();
    let formula = formula.map_or_else(String::new, |formula| format!(" = {formula}"));
    format!("{about}{formula} {}", bounds.join(", "))
}

/// Whether an oracle holds.
#[must_use]
pub fn verdict_of(checked: &Checked) -> &'static str {
    match checked.verdict {
        Verdict::Holds => "holds",
        Verdict::Fails => "does not hold",
        Verdict::Unknown => "cannot be told",
    }
}

/// The difference of two figures; of shares in percentage points.
fn difference(estimate: &Estimate) -> String {
    let (said, name): (fn(f64) -> String, _) = match unit(&estimate.metric) {
        Unit::Share | Unit::Points => (|points| signed(points, per_cent), "\u{a0}points"),
        Unit::Milliseconds => (|ms| signed(ms, number), "\u{a0}ms"),
        Unit::Seconds => (|s| signed(s, number), "\u{a0}s"),
        Unit::PerMinute => (|rate| signed(rate, number), "\u{a0}a minute"),
        Unit::PerSecond => (|rate| signed(rate, number), "\u{a0}a second"),
        Unit::Count => (|count| signed(count, number), ""),
    };
    let value = estimate.value.map_or_else(none, said);
    format!("{value}{name}{}", interval(estimate, said))
}

/// The ratio of two figures.
fn ratio(estimate: &Estimate) -> String {
    let value = estimate.value.map_or_else(none, number);
    format!("{value}{SPACE}×{}", interval(estimate, number))
}

/// The difference of two shares that are to come to the same, and its 90 % interval.
#[must_use]
pub fn difference_within(found: Option<&Equivalence>) -> String {
    let said = |found: &Equivalence| {
        let [all, low, high] =
            [found.difference, found.low, found.high].map(|end| signed(end, per_cent));
        format!("{all}{SPACE}points [{low}, {high}]")
    };
    found.map_or_else(none, said)
}

/// Whether two shares come to the same.
#[must_use]
pub fn verdict_on(found: Option<&Equivalence>) -> &'static str {
    match found {
        Some(found) if found.is_equivalent => "equivalent",
        Some(found) if found.is_different => "different",
        Some(_) => "undecided",
        None => "cannot be told",
    }
}

/// What each case of each axis does, in a sentence: first what differs most. Cells that differ in other axes are taken
/// together.
#[must_use]
pub fn verdict(figures: &SweepFigures) -> Vec<String> {
    let cases = figures
        .facts
        .axes
        .iter()
        .flat_map(|axis| axis.cases.iter().skip(1).map(move |case| (axis, case)));
    let sentences = cases.map(|(axis, case)| {
        let of = |found: &&Difference| {
            found.axis == axis.name
                && found.case == *case
                && found.among.is_none()
                && found.difference.value.is_some()
        };
        let found = figures
            .differences
            .iter()
            .filter(of)
            .filter(|found| HEADLINES.contains(&found.difference.metric.as_str()));
        sentence(case, &axis.cases[0], found.collect())
    });
    sentences.collect()
}

/// Which sweep it was, in one line.
#[must_use]
pub fn facts(figures: &SweepFigures, started_utc: &str) -> String {
    let facts = &figures.facts;
    let (done, all) = (
        figures.runs.iter().sum::<u64>(),
        facts.cells.len() * facts.seeds.len(),
    );
    let runs = if done == all as u64 {
        count(done)
    } else {
        format!("only {} of {}", count(done), count(all as u64))
    };
    let backend = match facts.backend.as_str() {
        "real" => "real processes",
        "sim" => "simulated",
        other => other,
    };
    format!(
        "{backend} · {} cells · {} · {runs} runs · {started_utc}",
        facts.cells.len(),
        seeds(&facts.seeds)
    )
}

/// Seeds as they are said.
#[must_use]
pub fn seeds(seeds: &[u64]) -> String {
    match seeds {
        [] => "no seeds".to_owned(),
        [only] => format!("seed {only}"),
        [first, .., last] if seeds.windows(2).all(|pair| pair[1] == pair[0] + 1) => {
            format!("{} seeds from {first} to {last}", seeds.len())
        }
        [..] => format!("{} seeds", seeds.len()),
    }
}

fn sentence(case: &str, against: &str, mut found: Vec<&Difference>) -> String {
    let weight = |found: &Difference| {
        found
            .ratio
            .as_ref()
            .and_then(|ratio| ratio.value)
            .map_or(0.0, |ratio| ratio.ln().abs())
    };
    found.sort_by(|one, other| weight(other).total_cmp(&weight(one)));
    let about =
        |found: &Difference| metric(&found.difference.metric).map_or("", |metric| metric.about);
    let (differ, same): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| differs(found));
    let differ: Vec<_> = differ
        .iter()
        .map(|found| format!("{} {}", about(found), said(found)))
        .collect();
    let same: Vec<_> = same.iter().map(|found| about(found)).collect();
    let differ = if differ.is_empty() {
        "no difference".to_owned()
    } else {
        differ.join(", ")
    };
    let same = if same.is_empty() {
        String::new()
    } else {
        format!("; no difference seen in {}", same.join(", "))
    };
    format!("“{case}” against “{against}”: {differ}{same}.")
}

/// Whether the interval leaves out that there is no difference; without one, whether there is any.
fn differs(found: &Difference) -> bool {
    let Difference { difference, .. } = found;
    match (difference.low, difference.high) {
        (Some(low), Some(high)) => low > 0.0 || high < 0.0,
        _ => difference.value.is_some_and(|value| value != 0.0),
    }
}

/// How much a case differs from the first of its axis, in the way that suits the metric.
#[must_use]
pub fn said(found: &Difference) -> String {
    let as_ratio =
        metric(&found.difference.metric).is_some_and(|metric| metric.said == Said::AsRatio);
    match &found.ratio {
        Some(found) if as_ratio => ratio(found),
        Some(_) | None => difference(&found.difference),
    }
}

fn interval(estimate: &Estimate, end: impl Fn(f64) -> String) -> String {
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => format!(" [{}, {}]", end(low), end(high)),
        _ => String::new(),
    }
}

fn end(estimate: &Estimate) -> fn(f64) -> String {
    match unit(&estimate.metric) {
        Unit::Share => per_cent,
        Unit::Points => |points| signed(points, per_cent),
        Unit::Milliseconds | Unit::Seconds | Unit::PerMinute | Unit::PerSecond | Unit::Count => {
            number
        }
    }
}

/// A share in per cent; a small one to two decimals, because many seeds tell as much.
fn per_cent(share: f64) -> String {
    let is_small = (0.001..0.1).contains(&share);
    if is_small {
        number(share * 100.0)
    } else {
        bare(share)
    }
}

fn signed(value: f64, said: impl Fn(f64) -> String) -> String {
    match value {
        value if value < 0.0 => format!("−{}", said(-value)),
        value if value > 0.0 => format!("+{}", said(value)),
        value => said(value),
    }
}

fn unit(name: &str) -> Unit {
    metric(name).map_or(Unit::Share, |metric| metric.unit)
}

/// What the sentences speak of.
const HEADLINES: [&str; 7] = [
    "stale",
    "t_staleness_p99_ms",
    "latency_get_ok_p99_ms",
    "availability",
    "time_to_detect_p50_ms",
    "false_positives_per_minute",
    "false_positive_p50_ms",
];
