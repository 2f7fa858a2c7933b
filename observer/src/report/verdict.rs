//! The verdict: what a run has shown, in plain words.

use super::words::{count, faults, milliseconds, none, number, percent, rate, seconds, share};
use super::{Manifest, members};
use crate::figures::{
    Anomaly, CauseRow, Causes, ClockFigures, Convergence, Detection, FaultFigures, Figures,
    GuaranteeFigures, Hints, LostWrites, Measured, PhaseFigures, Rate, Spread,
};
use std::cmp::Reverse;
use tidemark_proto::event::{Gap, Milestone};

/// What the run has shown, as sentences, the most important first.
#[must_use]
pub fn verdict(figures: &Figures) -> Vec<String> {
    let mut sentences: Vec<String> = ending(figures).into_iter().collect();
    sentences.extend(gaps(figures));
    if figures.whole.operations == 0 {
        sentences.push("Nobody asked for anything.".to_owned());
        return sentences;
    }
    let quiet = figures.phases.iter().find(|phase| !phase.fault);
    let before = quiet.filter(|phase| comes_first(figures, phase));
    match worst(figures) {
        Some(phase) => sentences.extend(during(phase, before)),
        None => sentences.extend(overall(&figures.whole)),
    }
    let vacuous = |fault: &&FaultFigures| fault.vacuous == Measured::Known(true);
    for fault in figures.faults.iter().filter(vacuous) {
        sentences.push(format!(
            "“{}” touched nothing: the run says nothing about it.",
            fault.name
        ));
    }
    sentences.extend(figures.causes.known().and_then(causes));
    sentences.extend(after(figures));
    let kept = figures.repairs.known().map(|repairs| repairs.hints);
    let kept = kept.filter(|kept| *kept != Hints::default());
    sentences.extend(kept.map(|kept| sentence(&hints(&kept))));
    sentences.extend(figures.lost_writes.known().map(lost));
    sentences.extend(resurrected(&figures.resurrected));
    sentences.extend(figures.anomalies.iter().filter_map(anomaly));
    sentences.extend(guarantees(&figures.guarantees));
    sentences.extend(members::verdict(figures));
    sentences.extend(figures.detection.known().into_iter().flat_map(detection));
    sentences.extend(figures.clocks.iter().map(clock));
    sentences
}

/// Which run it was, in one line.
#[must_use]
pub fn facts(figures: &Figures, manifest: &Manifest) -> String {
    let run = &figures.run;
    let measured = seconds(run.until_s - run.from_s);
    let operations = count(figures.whole.operations);
    let backend = match run.backend.as_str() {
        "real" => "real processes",
        "sim" => "simulated",
        other => other,
    };
    format!(
        "{backend} · seed {} · {measured} measured · {operations} operations · {}",
        run.seed, manifest.started_utc
    )
}

/// What became of the run, if it did not end as planned.
fn ending(figures: &Figures) -> Option<String> {
    let seen = "the figures hold for what was seen until then.";
    match figures.run.ended {
        Some(Milestone::Ended) => None,
        Some(Milestone::Interrupted) => Some(format!("The run was interrupted: {seen}")),
        Some(Milestone::Aborted) => Some(format!("The run could not go on: {seen}")),
        Some(Milestone::Started | Milestone::Healed) | None => {
            Some(format!("The run broke off: {seen}"))
        }
    }
}

/// When the observer was down, and which events are missing.
fn gaps(figures: &Figures) -> impl Iterator<Item = String> {
    let missing: u64 = figures.gaps.iter().map(|gap| gap.missing).sum();
    let all = match missing {
        0 => "no event is missing".to_owned(),
        missing => format!("events missing: {}", count(missing)),
    };
    figures.gaps.iter().map(move |gap| {
        let span = format!("from {} to {}", seconds(gap.from_s), seconds(gap.until_s));
        match (gap.source.as_str(), gap.times) {
            (Gap::OBSERVER, 1) => format!("The observer was down {span}; {all}."),
            (Gap::OBSERVER, times) => {
                format!(
                    "The observer was down {} times, {span}; {all}.",
                    count(times)
                )
            }
            (source, _) => {
                format!("Missing {span}: {} events of {source}.", count(gap.missing))
            }
        }
    })
}

/// What became of the times of those who read another clock.
fn clock(other: &ClockFigures) -> String {
    let sources = other.sources.join(", ");
    let reads = if other.sources.len() == 1 {
        "reads"
    } else {
        "read"
    };
    let sign = if other.offset_ms < 0.0 { '−' } else { '+' };
    let offset = milliseconds(other.offset_ms.abs());
    let bound = milliseconds(other.bound_ms);
    format!(
        "{sources} {reads} another clock: its times are corrected by {sign}{offset}, to within {bound}."
    )
}

fn comes_first(figures: &Figures, phase: &PhaseFigures) -> bool {
    let first_fault = figures.phases.iter().find(|phase| phase.fault);
    first_fault.is_some_and(|fault| phase.from_s < fault.from_s)
}

/// The phase with a fault that has the most stale reads, or at least any.
fn worst(figures: &Figures) -> Option<&PhaseFigures> {
    let weight = |rate: &Rate| {
        if rate.is_thin() {
            -1.0
        } else {
            rate.share.unwrap_or(-1.0)
        }
    };
    let faulty = figures.phases.iter().filter(|phase| phase.fault);
    // Of equals the first: it is compared from the back.
    faulty
        .rev()
        .max_by(|a, b| weight(&a.stale).total_cmp(&weight(&b.stale)))
}

fn during(phase: &PhaseFigures, before: Option<&PhaseFigures>) -> Vec<String> {
    // Where no read could have been stale there is nothing to compare.
    let known = |phase: &&PhaseFigures| phase.stale.share.is_some();
    let before = before.filter(|before| known(before) && known(&phase));
    let against = before.map_or_else(String::new, |before| {
        format!(", against {} before", share(&before.stale))
    });
    vec![
        format!(
            "During {}, {}{against}.",
            faults(&phase.name),
            stale(&phase.stale)
        ),
        available(phase),
    ]
}

fn overall(whole: &PhaseFigures) -> Vec<String> {
    vec![sentence(&stale(&whole.stale)), available(whole)]
}

/// Why reads were stale: the three causes that had the most.
fn causes(causes: &Causes) -> Option<String> {
    let mut rows: Vec<&CauseRow> = causes.rows.iter().collect();
    rows.sort_by_key(|row| Reverse(row.reads));
    let part = |row: &CauseRow| {
        let share = percent(row.reads as f64 / causes.reads.max(1) as f64);
        let fault = row.fault.as_ref();
        let fault = fault.map_or_else(String::new, |fault| format!(" (“{fault}”)"));
        format!("{share} {}{fault}", row.cause.words())
    };
    let parts: Vec<String> = rows.iter().take(3).map(|row| part(row)).collect();
    (causes.reads > 0).then(|| format!("Why they were stale: {}.", parts.join(", ")))
}

fn stale(stale: &Rate) -> String {
    match stale.share {
        None => "no read could have been stale".to_owned(),
        Some(_) if stale.of == 1 => {
            let was = if stale.count == 1 { "was" } else { "was not" };
            format!("the only read that could have been stale {was}")
        }
        Some(_) if stale.is_thin() => format!(
            "only {} reads could have been stale, and {} were",
            count(stale.of),
            count(stale.count)
        ),
        Some(_) if stale.count == 0 => format!(
            "none of {} reads was stale (at most {})",
            count(stale.of),
            percent(stale.high)
        ),
        Some(_) => format!("{} of {} reads were stale", rate(stale), count(stale.of)),
    }
}

fn available(phase: &PhaseFigures) -> String {
    let (reads, writes) = (
        share(&phase.reads_available),
        share(&phase.writes_available),
    );
    if reads == writes {
        format!("Reads and writes were {reads} available.")
    } else {
        format!("Reads were {reads} available, writes {writes}.")
    }
}

/// What was left of the faults when they were over, and of the differences when everything had healed.
fn after(figures: &Figures) -> Option<String> {
    let last = figures
        .phases
        .last()
        .filter(|last| !last.fault && worst(figures).is_some());
    let later = last.map(|last| format!("afterwards, {}", stale(&last.stale)));
    let healed = figures.convergence.known().map(convergence);
    let parts: Vec<_> = [later, healed].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| sentence(&parts.join("; ")))
}

/// What became of hints, in words.
pub(super) fn hints(hints: &Hints) -> String {
    let counts = [
        ("delivered", hints.delivered),
        ("expired", hints.expired),
        ("still kept at the end", hints.outstanding),
    ];
    let fates = counts.map(|(fate, number)| format!("{} {fate}", count(number)));
    let dropped = match hints.dropped {
        0 => String::new(),
        dropped => format!("; {} more were dropped", count(dropped)),
    };
    let kept = count(hints.kept);
    format!(
        "for replicas out of reach {kept} writes were kept; of their hints {}{dropped}",
        fates.join(", ")
    )
}

/// Whether and when all replicas were equal.
pub(super) fn convergence(convergence: &Convergence) -> String {
    let keys = count(convergence.keys);
    let all = match convergence.keys {
        1 => "the one key".to_owned(),
        _ => format!("all {keys} keys"),
    };
    match convergence.after_heal_s {
        _ if convergence.keys == 0 => "no key was written".to_owned(),
        Some(_) if convergence.diverged_at_heal == 0 => {
            format!("all replicas of {all} were equal when everything healed")
        }
        Some(after) => format!(
            "all replicas of {all} were equal {} after the heal",
            seconds(after)
        ),
        None => format!(
            "the replicas of {} of {keys} keys still differed at the end",
            count(convergence.diverged_at_end)
        ),
    }
}

/// How soon crashes were noticed, and how often nodes passed for down that were up.
fn detection(detection: &Detection) -> Vec<String> {
    let median = |spread: &Spread| milliseconds(spread.p50);
    let noticed = match (&detection.each_ms, &detection.all_ms) {
        _ if detection.crashes == 0 => None,
        (None, _) => Some("Nobody noticed a crash.".to_owned()),
        (Some(each), None) => Some(format!(
            "Crashes were noticed after {} (median), but not by all.",
            median(each)
        )),
        (Some(each), Some(all)) => Some(format!(
            "Crashes were noticed after {} (median), by all after {}.",
            median(each),
            median(all)
        )),
    };
    let often = detection
        .false_positives_per_minute
        .map_or_else(none, number);
    let lasted = detection.false_positive_ms.as_ref();
    let lasted = lasted.map_or_else(String::new, |lasted| format!(", for {}", median(lasted)));
    let wrong = format!("Nodes that were up passed for down {often} times a minute{lasted}.");
    noticed.into_iter().chain([wrong]).collect()
}

/// How many acknowledged writes are gone.
pub(super) fn lost(writes: &LostWrites) -> String {
    let Rate {
        count: lost, of, ..
    } = writes.lost;
    let overwritten = writes.overwritten.count;
    match lost {
        0 => format!("None of {} acknowledged writes was lost.", count(of)),
        _ if overwritten == 0 => format!(
            "Of {} acknowledged writes, {} were lost.",
            count(of),
            count(lost)
        ),
        _ => format!(
            "Of {} acknowledged writes, {} were lost, {} of them overwritten unseen.",
            count(of),
            count(lost),
            count(overwritten)
        ),
    }
}

/// Only where something came back.
fn resurrected(reads: &Rate) -> Option<String> {
    let (back, of) = (count(reads.count), count(reads.of));
    (reads.count > 0).then(|| format!("{back} of {of} reads of deleted values returned them."))
}

/// Only where a read did what none should.
fn anomaly(found: &Anomaly) -> Option<String> {
    let Rate {
        count: reads, of, ..
    } = found.reads;
    let what = anomaly_words(&found.name);
    (reads > 0).then(|| format!("{} of {} reads {what}.", count(reads), count(of)))
}

/// What reads did that did what none should.
pub(super) fn anomaly_words(name: &str) -> &str {
    match name {
        "thin_air" => "returned what nobody wrote",
        "from_the_future" => "returned what was written later",
        "failed_seen" => "returned a write that had definitely failed",
        other => other,
    }
}

/// Only where a guarantee was broken, in the view in which siblings stand side by side.
fn guarantees(guarantees: &[GuaranteeFigures]) -> Option<String> {
    let is_broken = |guarantee: &&GuaranteeFigures| {
        guarantee.broken.count > 0 && !guarantee.name.ends_with("_single_value")
    };
    let broken = guarantees.iter().filter(is_broken).map(|guarantee| {
        let Rate {
            count: reads, of, ..
        } = guarantee.broken;
        let name = guarantee.name.replace('_', " ");
        format!("{name} by {} of {} reads", count(reads), count(of))
    });
    let broken: Vec<_> = broken.collect();
    (!broken.is_empty()).then(|| format!("Broken were {}.", broken.join(", ")))
}

/// With a capital and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).chain(['.']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{ClockFigures, GapFigures};
    use crate::report::sample::{figures, rate as made};

    fn words(figures: &Figures) -> String {
        verdict(figures).join(" ").replace('\u{a0}', " ")
    }

    fn check(figures: &Figures, parts: &[&str]) {
        let words = words(figures);
        for part in parts {
            assert!(words.contains(part), "{part:?} is not in {words:?}");
        }
    }

    #[test]
    fn it_compares_the_fault_with_before_and_after() {
        check(
            &figures(),
            &[
                "During “n3 is cut off”, 11.9 % [10.8, 13.0] of 5 968 reads were stale, against 1.2 % before.",
                "available",
                "Afterwards, 1.2 % [0.9, 1.5] of 7 955 reads were stale; all replicas of all 100 keys were equal 0.83 s after the heal.",
                "None of 19 803 acknowledged writes was lost.",
            ],
        );
    }

    #[test]
    fn a_run_without_faults_is_told_as_a_whole() {
        let mut figures = figures();
        figures.faults.clear();
        figures.phases.truncate(1);
        figures.whole.stale = made(0, 20_000);
        check(
            &figures,
            &["None of 20 000 reads was stale (at most 0.005 %)."],
        );
        assert!(!words(&figures).contains("During"));
    }

    #[test]
    fn other_clocks_are_stated() {
        let mut figures = figures();
        figures.clocks = vec![ClockFigures {
            sources: vec!["n2~1".to_owned(), "n3~1".to_owned()],
            offset_ms: -86_400_000.0,
            bound_ms: 0.42,
            operations: true,
        }];
        check(
            &figures,
            &[
                "n2~1, n3~1 read another clock: its times are corrected by −86 400 s, to within 0.42 ms.",
            ],
        );
    }

    #[test]
    fn gaps_are_stated() {
        let mut figures = figures();
        let gap = |source: &str, times, missing| GapFigures {
            source: source.to_owned(),
            times,
            from_s: 1.0,
            until_s: 2.5,
            missing,
        };
        figures.gaps = vec![gap(Gap::OBSERVER, 1, 0)];
        check(
            &figures,
            &["The observer was down from 1 s to 2.5 s; no event is missing."],
        );
        figures.gaps = vec![gap("n3~1", 2, 15), gap(Gap::OBSERVER, 2, 0)];
        check(
            &figures,
            &[
                "Missing from 1 s to 2.5 s: 15 events of n3~1.",
                "The observer was down 2 times, from 1 s to 2.5 s; events missing: 15.",
            ],
        );
    }

    #[test]
    fn what_nobody_could_see_is_compared_with_nothing() {
        let mut figures = figures();
        figures.phases[0].stale = made(0, 0);
        figures.convergence = Measured::Known(Convergence {
            keys: 1,
            diverged_at_heal: 0,
            diverged_at_end: 0,
            after_heal_s: Some(0.0),
            after_partition_s: None,
        });
        check(&figures, &["all replicas of the one key were equal"]);
        assert!(!words(&figures).contains("against"));
    }

    #[test]
    fn it_does_not_hide_what_weakens_it() {
        let mut figures = figures();
        figures.faults[0].vacuous = Measured::Known(true);
        figures.phases[1].stale = made(3, 12);
        figures.run.ended = Some(Milestone::Interrupted);
        figures.convergence = Measured::Known(Convergence {
            keys: 100,
            diverged_at_heal: 6,
            diverged_at_end: 2,
            after_heal_s: None,
            after_partition_s: None,
        });
        figures.lost_writes = Measured::Known(LostWrites {
            lost: made(4, 900),
            overwritten: made(0, 900),
            examples: Vec::new(),
            overwritten_examples: Vec::new(),
        });
        check(
            &figures,
            &[
                "The run was interrupted",
                "only 12 reads could have been stale, and 3 were",
                "“n3 is cut off” touched nothing",
                "the replicas of 2 of 100 keys still differed at the end",
                "Of 900 acknowledged writes, 4 were lost.",
            ],
        );
    }

    /// If this fails, a run that let its clients down does not say so.
    #[test]
    fn what_no_read_should_do_is_told() {
        let mut figures = figures();
        figures.anomalies[0].reads = made(2, 19_874);
        check(
            &figures,
            &[
                "2 of 19 874 reads returned what nobody wrote.",
                "Broken were monotonic reads by 102 of 9 604 reads.",
            ],
        );
    }

    #[test]
    fn what_hardly_happened_is_told_in_plain_words() {
        let mut figures = figures();
        figures.phases[1].stale = made(1, 1);
        check(
            &figures,
            &["During “n3 is cut off”, the only read that could have been stale was"],
        );
        figures.whole.operations = 0;
        assert_eq!(words(&figures), "Nobody asked for anything.");
    }

    #[test]
    fn what_was_not_measured_is_not_claimed() {
        let mut figures = figures();
        let reason = || "events were not kept".to_owned();
        figures.convergence = Measured::Missing(reason());
        figures.lost_writes = Measured::Missing(reason());
        let words = words(&figures);
        assert!(
            !words.contains("lost") && !words.contains("equal"),
            "{words}"
        );
    }
}
