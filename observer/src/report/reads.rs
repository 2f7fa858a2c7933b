//! The sections on what reads found: session guarantees, what became of writes, and how replicas differed.

use super::section::spread_row;
use super::table::{table, wordy};
use super::verdict::anomaly_words;
use super::words::{count, milliseconds, none, number, rate, spread, spread_ms};
use crate::figures::{Atomicity, Cost, Figures, GuaranteeFigures, Measured};
use maud::{Markup, html};

/// Only where a read could have broken a guarantee.
pub(super) fn guarantees(figures: &Figures) -> Markup {
    let could = |guarantee: &&GuaranteeFigures| guarantee.broken.of > 0;
    let all = figures.guarantees.iter().filter(could);
    let rows: Vec<_> = all.map(guarantee).collect();
    html! {
        @if !rows.is_empty() {
            section {
                h2 { "What sessions were promised" }
                (wordy(["guarantee", "broken", "share", "for p50 / p99", "k p50 / max", "sessions", "worst", "for example"], rows))
                p.note {
                    "A session is a client. Read your writes: a read lacks an acknowledged write of its own session. Monotonic \
                     reads: it lacks what its session had read before. Monotonic writes, writes follow reads: it shows a write, \
                     and lacks what the writer’s session had written or read before that. Key by key; lacking is to neither \
                     return nor supersede (one value: all that is returned was complete before what is missing began). \
                     For: how long it had been the session’s; k: how many writes were missing."
                }
            }
        }
    }
}

fn guarantee(guarantee: &GuaranteeFigures) -> [String; 8] {
    let worst = guarantee.worst.first();
    let words = guarantee.name.replace("_single_value", ", one value");
    [
        words.replace('_', " "),
        format!(
            "{} of {}",
            count(guarantee.broken.count),
            count(guarantee.broken.of)
        ),
        rate(&guarantee.broken),
        spread_ms(guarantee.t_ms.as_ref()),
        spread(guarantee.k.as_ref()),
        format!(
            "{} of {}",
            count(guarantee.sessions_broken),
            count(guarantee.sessions)
        ),
        worst.map_or_else(String::new, |worst| {
            format!("{}: {} of {}", worst.session, worst.broken, worst.of)
        }),
        some(&guarantee.witnesses),
    ]
}

/// What reads saw of acknowledged writes.
pub(super) fn lifecycle(figures: &Figures) -> Markup {
    let writes = &figures.lifecycle;
    let latencies = [
        ("stable after", &writes.stable_latency_ms),
        ("lost after", &writes.lost_latency_ms),
        ("inconsistency window", &writes.window_ms),
    ];
    let latencies = latencies.into_iter();
    let latencies: Vec<_> = latencies
        .filter_map(|(name, spread)| Some(spread_row(name.to_owned(), spread.as_ref()?)))
        .collect();
    let regular = &figures.regular;
    let k = regular
        .k
        .iter()
        .map(|(k, reads)| (format!("K = {k}"), reads));
    let delta = regular.delta_ms.iter();
    let delta = delta.map(|(ms, reads)| (format!("Δ = {ms} ms"), reads));
    let regular: Vec<_> = k.chain(delta).filter(|(_, reads)| reads.of > 0).collect();
    html! {
        @if writes.writes > 0 {
            section {
                h2 { "What became of writes" }
                p {
                    "Of " (count(writes.writes)) " acknowledged writes, as reads saw them, " (count(writes.stable)) " were stable at once, "
                    (count(writes.stale)) " after having been missed, " (count(writes.lost)) " were missing from the last read of their key, and "
                    (count(writes.never_read)) " were never read."
                    @if let Some(lost) = writes.lost_updates.as_ref().filter(|lost| lost.count > 0) {
                        " Of " (count(lost.of)) " updates " (count(lost.count)) " were lost to others that did not know them: "
                        (some(&writes.lost_update_witnesses)) "."
                    }
                    @if writes.duplicates > 0 { " " (count(writes.duplicates)) " reads returned one write twice." }
                }
                @if !writes.witnesses.is_empty() { p.muted { "The first that were missing: " (some(&writes.witnesses)) "." } }
                @if !latencies.is_empty() {
                    (table(["", "count", "mean", "p50", "p90", "p99", "p99.9", "max"], latencies))
                }
                @if !regular.is_empty() {
                    (table(
                        ["reads at most so far behind", "share"],
                        regular.iter().map(|(bound, reads)| [bound.clone(), rate(reads)]),
                    ))
                    p.note { "Reads that missed fewer than K complete writes, or none that had been complete for longer than Δ: of one value." }
                }
            }
        }
    }
}

/// Only where a key was read or written, and told by one value.
pub(super) fn atomicity(figures: &Figures) -> Markup {
    let scores = figures.atomicity.known();
    let scores = scores.filter(|scores| scores.keys + scores.unexplained > 0);
    html! {
        @if let Some(scores) = scores {
            section {
                h2 { "How far keys were from one copy" }
                p {
                    "Of " (count(scores.keys + scores.unexplained)) " keys " (count(scores.linearizable)) " were linearizable, and "
                    (count(scores.two_atomic)) " of " (count(scores.keys)) " showed no value but the two latest. Of "
                    (count(scores.positive.of)) " values " (rate(&scores.positive)) " had a Γ above 0"
                    @if let Some(worst) = &scores.worst { ", the greatest that " (worst) }
                    "."
                }
                (table(["", "count", "mean", "p50", "p90", "p99", "p99.9", "max"], atomicity_rows(scores)))
                p.note {
                    "Γ: by how much operations would have to be stretched for a value to have its place in one order of all, of those above 0; Δ: how much \
                     older than that a key’s reads were at most; k: they returned one of the k latest values."
                    @if figures.run.clock_error_ms > 0.0 {
                        " Γ and Δ count as 0 up to " (milliseconds(figures.run.clock_error_ms)) ", by which clients’ clocks differ."
                    }
                    @if scores.with_siblings > 0 { " " (count(scores.with_siblings)) " keys with siblings are left out." }
                    @if scores.unexplained > 0 {
                        " Of " (count(scores.unexplained)) " keys no write explains what a read returned: they have no scores."
                    }
                    @if scores.k_at_least > 0 { " Of " (count(scores.k_at_least)) " keys k may be greater." }
                    @if scores.at_least > 0 {
                        " Γ of " (count(scores.at_least)) " values may be greater: they were forgotten before what overlapped them was over."
                    }
                    @if scores.late > 0 { " " (count(scores.late)) " reads of values forgotten by then are left out." }
                }
            }
        }
    }
}

fn atomicity_rows(scores: &Atomicity) -> impl Iterator<Item = [String; 8]> {
    let times = [
        ("Γ of values", &scores.gamma_ms),
        ("Δ of keys", &scores.delta_ms),
    ];
    let times = times
        .into_iter()
        .filter_map(|(name, spread)| Some(spread_row(name.to_owned(), spread.as_ref()?)));
    let k = scores.k.as_ref().map(|k| {
        let [mean, p50, p90, p99, p999, max] =
            [k.mean, k.p50, k.p90, k.p99, k.p999, k.max].map(number);
        [
            "k of keys".to_owned(),
            count(k.count),
            mean,
            p50,
            p90,
            p99,
            p999,
            max,
        ]
    });
    times.chain(k)
}

/// How far replicas differed, what conflicts came to and what the network was asked for: only what was seen.
pub(super) fn divergence(figures: &Figures) -> Markup {
    let conflicts = &figures.conflicts;
    let divergence = figures.divergence.known();
    let windows = [
        ("siblings of a key lasted", &conflicts.sibling_lifetime_ms),
        (
            "two replicas each had what the other had not",
            divergence.map_or(&None, |known| &known.content_ms),
        ),
        (
            "two replicas had it in opposite orders",
            divergence.map_or(&None, |known| &known.order_ms),
        ),
    ];
    let windows = windows.into_iter();
    let windows: Vec<_> = windows
        .filter_map(|(name, spread)| Some(spread_row(name.to_owned(), spread.as_ref()?)))
        .collect();
    html! {
        section {
            h2 { "How replicas differed" }
            @match &figures.divergence {
                Measured::Known(known) => p {
                    "At " (rate(&known.phi)) " of " (count(known.phi.of)) " reads all replicas of the key held the same (φ)."
                    @if let Some(width) = &known.width {
                        " They held " (number(width.mean)) " distinct versions in the mean, and " (number(width.max)) " at most."
                    }
                    @if known.content_open + known.order_open > 0 {
                        " At the end " (count(known.content_open)) " pairs of replicas still differed in what they held, and "
                        (count(known.order_open)) " in its order."
                    }
                },
                Measured::Missing(reason) => p.muted { "Not known: " (reason) "." },
            }
            @if !windows.is_empty() {
                (table(["for how long", "count", "mean", "p50", "p90", "p99", "p99.9", "max"], windows))
            }
            @if let Some(concurrency) = conflicts.false_concurrency.as_ref().filter(|found| found.count > 0) {
                p {
                    "Of " (count(concurrency.of)) " reads with siblings, " (count(concurrency.count)) " had one that another of them supersedes: "
                    (some(&conflicts.false_concurrency_witnesses)) "."
                }
            }
            @if let Some(bytes) = &conflicts.clock_bytes {
                p.muted { "A context had " (number(bytes.mean)) " bytes in the mean, and " (number(bytes.max)) " at most." }
            }
            @if let Some(cost) = figures.cost.known() {
                p.muted {
                    "An operation cost " (an_operation(cost, cost.messages)) " messages and " (an_operation(cost, cost.bytes))
                    " bytes between nodes, upkeep included."
                }
            }
        }
    }
}

/// What a read should not have returned, or should have.
pub(super) fn oddities(figures: &Figures) -> Markup {
    let seen = &figures.witnesses;
    let by_key = [
        (
            "returned what had been deleted",
            figures.resurrected,
            &seen.resurrected,
        ),
        (
            "lacked what an earlier read had returned",
            figures.seen_then_gone,
            &seen.seen_then_gone,
        ),
        (
            "returned a write that was not acknowledged",
            figures.unacknowledged_seen,
            &seen.unacknowledged_seen,
        ),
        (
            "returned nothing though there was something",
            figures.false_not_found,
            &seen.false_not_found,
        ),
    ];
    let by_key = by_key.into_iter().filter(|(_, reads, _)| reads.of > 0);
    let hard = figures
        .anomalies
        .iter()
        .filter(|found| found.reads.count > 0);
    let hard = hard.map(|found| (anomaly_words(&found.name), found.reads, &found.witnesses));
    let rows = by_key.chain(hard).map(|(what, reads, witnesses)| {
        [
            what.to_owned(),
            count(reads.count),
            count(reads.of),
            rate(&reads),
            some(witnesses),
        ]
    });
    html! {
        section {
            h2 { "What reads should not have shown" }
            (table(["reads that", "count", "of", "share", "for example"], rows))
            p.note {
                "Deleted: by an acknowledged delete, complete before the read started, whose context told of the value. Lacked: \
                 though nothing superseded or deleted it. Not acknowledged: the write failed, or may have. Of the reads of keys \
                 of which there was such a delete, read or write before; that found nothing, of those that could have been stale; the \
                 others of all answered reads."
            }
        }
    }
}

fn an_operation(cost: &Cost, of: u64) -> String {
    cost.per_operation(of).map_or_else(none, number)
}

/// The first few, or nothing.
fn some(witnesses: &[String]) -> String {
    witnesses.join(", ")
}
