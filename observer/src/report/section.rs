//! The sections of the page, in the order in which a reader asks for them.

use super::table::{marked, table};
use super::words::{
    count, kind, level, milliseconds, none, number, percent, rate, seconds, share, spread,
    spread_ms,
};
use super::{Manifest, figure, verdict as wording};
use crate::figures::{
    ClockDistance, FEW, Figures, Hints, IdleReads, LatencyRow, Measured, PhaseFigures, RepairPath,
    Spread, WHOLE, ZERO_AGE_MS,
};
use crate::plot::Plot;
use maud::{Markup, html};
use tidemark_proto::event::Outcome;

pub(super) fn verdict(figures: &Figures) -> Markup {
    let sentences = wording::verdict(figures);
    html! {
        section.verdict {
            @for (place, sentence) in sentences.iter().enumerate() {
                @if place == 0 { p.first { (sentence) } } @else { p { (sentence) } }
            }
        }
    }
}

pub(super) fn phases(figures: &Figures, plots: &[Plot]) -> Markup {
    let rows = || figures.phases.iter().chain([&figures.whole]);
    let service = |phase: &PhaseFigures| {
        let start = figures.run.from_s;
        let cells = [
            phase.name.clone(),
            format!(
                "{}–{}",
                number(phase.from_s - start),
                seconds(phase.until_s - start)
            ),
            count(phase.operations),
            count(phase.failed),
            count(phase.unknown),
            rate(&phase.availability),
            counted(&phase.operations_touched),
            counted(&phase.messages_touched),
        ];
        (phase.fault, cells)
    };
    let staleness = |phase: &PhaseFigures| {
        let cells = [
            phase.name.clone(),
            count(phase.reads),
            count(phase.stale.effective.round() as u64),
            rate(&phase.stale),
            share(&phase.stale_single_value),
            spread_ms(phase.t_staleness_ms.as_ref()),
            spread(phase.k_staleness.as_ref()),
            count(phase.concurrent),
            share(&phase.siblings),
        ];
        (phase.fault, cells)
    };
    html! {
        section {
            h2 { "Phase by phase" }
            (marked(
                ["phase", "reads at risk", "worth", "stale", "one value", "t-staleness p50 / p99", "k p50 / max", "overlapping", "siblings"],
                rows().map(staleness),
            ))
            p.note {
                "Reads at risk found a write of their key complete when they started. A read is stale if it misses \
                 such a write: one that it neither returns nor returns a descendant of (one value: one that began after \
                 every returned version was complete). t-staleness is how long the first missed write had been \
                 complete, k how many were missed. Overlapping reads ran beside a write of their key. In brackets: \
                 95 % intervals; where reads of one moment share their fate, from blocks of time drawn again, and \
                 the reads are worth only so many independent ones."
            }
            (figure(plots, "staleness", "The share of stale reads over time; faults are shaded, the band is the 95 % interval."))
            (marked(
                ["phase", "when", "operations", "failed", "unknown", "available", "operations touched", "messages touched"],
                rows().map(service),
            ))
            p.note { "Touched: by a fault. An unknown operation may have happened: nobody got an answer." }
            (figure(plots, "availability", "Reads and writes that succeeded, by phase."))
        }
    }
}

pub(super) fn freshness(figures: &Figures, plots: &[Plot]) -> Markup {
    let freshness = &figures.freshness;
    let zero = freshness.arrivals.map(|arrivals| rate(&arrivals.at_zero));
    let known = |ms: &Measured<f64>| told(&ms.map(|ms| milliseconds(*ms)));
    let first = [
        "P(fresh | 0)".to_owned(),
        rate(&freshness.at_zero),
        told(&zero),
    ];
    let rows = freshness.t_visibility.iter().map(|visibility| {
        [
            level(visibility.p),
            known(&visibility.from_reads_ms),
            known(&visibility.from_arrivals_ms),
        ]
    });
    html! {
        section {
            h2 { "When writes become visible" }
            (figure(plots, "freshness", "P(fresh | age): the share of fresh reads by the age of the newest complete write."))
            (table(["t-visibility", "from reads", "from arrivals"], [first].into_iter().chain(rows)))
            p.note {
                "t-visibility at p is the age from which on reads are fresh with probability p. From reads: the \
                 observed reads, made monotonic in age (age 0 is less than " (milliseconds(ZERO_AGE_MS)) "). From arrivals: \
                 for every write followed by a read, when the replicas that answered held it."
                @if let Some(arrivals) = freshness.arrivals.known() {
                    " There were " (count(arrivals.pairs)) " such pairs; in " (count(arrivals.never)) " of them the write \
                     reached none of these replicas, and " (count(arrivals.unmatched)) " more could not be matched."
                }
            }
        }
    }
}

pub(super) fn latency(figures: &Figures, plots: &[Plot]) -> Markup {
    let of = |whole: bool| {
        figures
            .latency
            .iter()
            .filter(move |row| (row.phase == WHOLE) == whole)
    };
    html! {
        section {
            h2 { "Latency" }
            (figure(plots, "latency", "Latency percentiles; the axis gives every further nine the same room."))
            (table(["operation", "count", "mean", "p50", "p90", "p99", "p99.9", "max"], of(true).map(|row| latency_row(row, ""))))
            @if of(false).next().is_some() {
                details {
                    summary { "by phase" }
                    (table(
                        ["operation", "count", "mean", "p50", "p90", "p99", "p99.9", "max"],
                        of(false).map(|row| latency_row(row, &format!(" · {}", row.phase))),
                    ))
                }
            }
            p.note { "Measured from the intended start, so that what waits behind a slow operation counts." }
        }
    }
}

pub(super) fn versions(figures: &Figures, plots: &[Plot]) -> Markup {
    let reads = |more: bool| {
        figures
            .siblings
            .iter()
            .filter(|c| (c.versions > 1) == more)
            .map(|c| c.reads)
            .sum::<u64>()
    };
    let distance = |distance: &ClockDistance| {
        [
            ("Σ per actor (L1)", distance.l1),
            ("largest actor (L∞)", distance.l_infinity),
            ("writes missed", distance.version_lag),
        ]
        .map(|(name, s)| {
            [
                name.to_owned(),
                number(s.mean),
                number(s.p50),
                number(s.p90),
                number(s.p99),
                number(s.max),
            ]
        })
    };
    html! {
        section {
            h2 { "Versions and clocks" }
            @if reads(true) == 0 && reads(false) > 0 {
                p { "Every one of " (count(reads(false))) " reads returned one version: there were no siblings." }
            }
            (figure(plots, "siblings", "How many versions reads returned."))
            @if let Some(at_end) = &figures.siblings_at_end {
                p.muted { "The last read of a key returned " (number(at_end.mean)) " versions in the mean, and " (number(at_end.max)) " at most." }
            }
            @match &figures.clock_distance {
                Measured::Known(known) => {
                    (table(["read’s clock behind the writes", "mean", "p50", "p90", "p99", "max"], distance(known)))
                    p.note { "Against the join of the clocks of all writes that were complete when the read started." }
                }
                Measured::Missing(reason) => p.muted { "Clock distance: " (reason) "." },
            }
        }
    }
}

pub(super) fn aftermath(figures: &Figures) -> Markup {
    let convergence = figures.convergence.map(wording::convergence);
    let lost = figures.lost_writes.map(wording::lost);
    let known = figures.lost_writes.known();
    let [examples, overwritten] = known.map_or_else(Default::default, |lost| {
        [&lost.examples, &lost.overwritten_examples].map(|writes| writes.join(", "))
    });
    html! {
        section {
            h2 { "What was left" }
            p {
                @match &convergence {
                    Measured::Known(text) => (wording::sentence(text)),
                    Measured::Missing(reason) => { "Convergence is not known: " (reason) "." }
                }
                " "
                @match &lost {
                    Measured::Known(text) => (text),
                    Measured::Missing(reason) => { "Lost writes are not known: " (reason) "." }
                }
            }
            @if let Some(known) = figures.convergence.known() {
                p.muted { (count(known.diverged_at_heal)) " of " (count(known.keys)) " keys differed between their replicas when everything healed." }
            }
            @if !examples.is_empty() { p.muted { "The first lost writes: " (examples) "." } }
            @if !overwritten.is_empty() { p.muted { "The first of those overwritten unseen: " (overwritten) "." } }
        }
    }
}

pub(super) fn repairs(figures: &Figures) -> Markup {
    let at_idle = figures
        .repairs_at_idle
        .map(|count_at_idle| count(*count_at_idle));
    let lags = figures
        .replication_lag
        .known()
        .map_or(&[][..], Vec::as_slice);
    let lag_rows = lags.iter().map(|lag| {
        let reached = format!("{} of {}", count(lag.ms.count), count(lag.of));
        let [_, _, mean, p50, p90, p99, _, max] = spread_row(String::new(), &lag.ms);
        [count(lag.replica), reached, mean, p50, p90, p99, max]
    });
    html! {
        section {
            h2 { "How replicas were made equal" }
            @if let Some(repairs) = figures.repairs.known() {
                (table(["repair", "mended", "messages", "bytes"], repairs.paths.iter().map(path_row)))
                p.note {
                    "Mended: how often what a replica holds of a key was changed by a repair. Sweeps compared "
                    (count(repairs.compared)) " keys one by one. Repairs at idle, when replicas were equal and nobody asked: "
                    (told(&at_idle)) "."
                    @if let Some(per_read) = figures.idle_reads.known().and_then(IdleReads::repairs_per_read) {
                        " Repairs a read of keys that an earlier read had found at rest: " (number(per_read)) "."
                    }
                }
                @if repairs.hints != Hints::default() { p { (wording::sentence(&wording::hints(&repairs.hints))) } }
            }
            @if !lags.is_empty() {
                (table(["replica", "held", "mean", "p50", "p90", "p99", "max"], lag_rows))
                p.note { "How long after its completion a write was held by the first, second, … of its replicas." }
            }
        }
    }
}

fn path_row(path: &RepairPath) -> [String; 4] {
    let name = path.name.clone();
    [
        name,
        count(path.mended),
        counted(&path.messages),
        counted(&path.bytes),
    ]
}

/// Only where a partition splits nodes into groups.
pub(super) fn sides(figures: &Figures) -> Markup {
    let rows = figures.sides.iter().map(|side| {
        [
            format!("{} · {}", side.fault, side.nodes),
            count(side.available.of),
            rate(&side.available),
            side.expected.map_or_else(none, percent),
            rate(&side.undetected),
            rate(&side.detected),
        ]
    });
    html! {
        @if !figures.sides.is_empty() {
            section {
                h2 { "On each side of the partition" }
                (table(["side", "operations", "available", "by placement", "before detection", "after detection"], rows))
                p.note {
                    "Of those who asked a node of the side while the partition lasted. By placement: the share of requests \
                     whose key has enough replicas there. Detection: the node that was asked believed all nodes of other \
                     sides to be down when the operation began."
                }
                @if let Some(after) = figures.convergence.known().and_then(|known| known.after_partition_s) {
                    p { "Every key whose replicas differed at the end of the partition was equal within " (seconds(after)) "." }
                }
            }
        }
    }
}

/// Only where somebody watches for crashes.
pub(super) fn detection(figures: &Figures) -> Markup {
    let rows = figures.detection.known().map(|known| {
        let spreads = [
            ("crash until the first noticed it", &known.first_ms),
            ("crash until each noticed it", &known.each_ms),
            ("crash until all had noticed it", &known.all_ms),
            (
                "crash until a probe had failed",
                &known.first_failed_probe_ms,
            ),
            ("false positive until its end", &known.false_positive_ms),
        ];
        spreads.map(|(name, spread)| {
            spread
                .as_ref()
                .map(|spread| spread_row(name.to_owned(), spread))
        })
    });
    html! {
        @if let Some(rows) = rows {
            section {
                h2 { "Failure detection" }
                (table(["from a", "count", "mean", "p50", "p90", "p99", "p99.9", "max"], rows.into_iter().flatten()))
                p.note { "A node is up until it crashes, whoever can reach it; who believed it to be down before is not counted as having noticed." }
            }
        }
    }
}

pub(super) fn faults(figures: &Figures) -> Markup {
    let rows = figures.faults.iter().map(|fault| {
        let start = figures.run.from_s;
        [
            fault.name.clone(),
            fault.kind.clone(),
            fault.about.clone(),
            format!(
                "{}–{}",
                number(fault.from_s - start),
                seconds(fault.until_s - start)
            ),
            counted(&fault.messages),
            counted(&fault.operations),
            count(fault.machines),
        ]
    });
    html! {
        section {
            h2 { "Faults, and what they touched" }
            @if figures.faults.is_empty() {
                p { "The plan had none." }
            } @else {
                (table(["fault", "kind", "about", "when", "messages", "operations", "machine changes"], rows))
            }
        }
    }
}

pub(super) fn legs(figures: &Figures) -> Markup {
    html! {
        section {
            h2 { "Messages between nodes" }
            @match &figures.legs {
                Measured::Known(legs) => (table(
                    ["leg", "count", "mean", "p50", "p90", "p99", "p99.9", "max"],
                    legs.iter().map(|leg| spread_row(format!("{} · {}", leg.name, leg.method), &leg.ms)),
                )),
                Measured::Missing(reason) => p.muted { "Not known: " (reason) "." },
            }
        }
    }
}

pub(super) fn limits(figures: &Figures) -> Markup {
    let run = &figures.run;
    html! {
        section {
            h2 { "What the figures leave out" }
            ul {
                @for excluded in figures.excluded.iter().filter(|excluded| excluded.count > 0) {
                    li { (count(excluded.count)) " " (excluded.what) }
                }
                @if run.unfinished > 0 {
                    li { (count(run.unfinished)) " writes whose end nobody saw: they count as unknown and oblige no read" }
                }
                @if let Some(reason) = figures.whole.operations_touched.missing() {
                    li { "what the faults touched: " (reason) }
                }
                @if run.clock_error_ms > 0.0 {
                    li { "clocks of two clients differ by up to " (milliseconds(run.clock_error_ms)) ": no age is known better" }
                }
                li { "a share of fewer than " (FEW) " opportunities is given as a count" }
            }
            p.muted { (count(run.events)) " events and " (count(run.operations)) " operations of every purpose were seen." }
        }
    }
}

pub(super) fn again(manifest: &Manifest) -> Markup {
    html! {
        section {
            h2 { "Run it again" }
            pre { code { (manifest.replay) } }
            p.muted {
                "tidemark " (manifest.version)
                @if !manifest.commit.is_empty() { ", commit " (manifest.commit) }
                ". All files are in " code { (manifest.folder) } "."
            }
            h2 { "The plan" }
            pre { code { (manifest.plan_toml) } }
        }
    }
}

fn latency_row(row: &LatencyRow, phase: &str) -> [String; 8] {
    spread_row(
        format!("{} {}{phase}", kind(row.kind), outcome(row.outcome)),
        &row.ms,
    )
}

pub(super) fn spread_row(name: String, ms: &Spread) -> [String; 8] {
    let [mean, p50, p90, p99, p999, max] =
        [ms.mean, ms.p50, ms.p90, ms.p99, ms.p999, ms.max].map(milliseconds);
    [name, count(ms.count), mean, p50, p90, p99, p999, max]
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Failed => "failed",
        Outcome::Unknown => "unknown",
    }
}

fn counted(number: &Measured<u64>) -> String {
    number.known().map_or_else(none, |number| count(*number))
}

fn told(figure: &Measured<String>) -> String {
    match figure {
        Measured::Known(text) | Measured::Missing(text) => text.clone(),
    }
}
