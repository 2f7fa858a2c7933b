//! Ten-line histories whose reads were judged by hand.

use crate::script::Script;
use std::collections::BTreeMap;
use tidemark_observer::judge::{Judge, Judgement, Staleness, Verdict};
use tidemark_proto::event::Event;

fn words(verdict: &Verdict) -> String {
    let stale = |staleness: Option<Staleness>| match staleness {
        Some(Staleness { t, k }) => format!("t {} k {k}", t.as_millis()),
        None => "fresh".to_owned(),
    };
    match verdict {
        Verdict::NothingWritten => "nothing written".to_owned(),
        Verdict::Unmatched => "unmatched".to_owned(),
        Verdict::Judged(Judgement {
            age,
            concurrent,
            single_value,
            multi_value,
            ..
        }) => format!(
            "age {}, single {}, multi {}{}",
            age.as_millis(),
            stale(*single_value),
            stale(*multi_value),
            if *concurrent { ", concurrent" } else { "" }
        ),
    }
}

/// What else is said of a read: each only where it could have been so.
fn signs(verdict: &Verdict) -> String {
    let Verdict::Judged(judgement) = verdict else {
        return words(verdict);
    };
    let Judgement {
        resurrected,
        gone,
        unacknowledged,
        ..
    } = judgement;
    let signs = [
        (resurrected, "back", "deleted"),
        (gone, "gone", "there"),
        (unacknowledged, "unacknowledged", "acknowledged"),
    ];
    let said = signs
        .into_iter()
        .filter_map(|(sign, so, not)| sign.map(|is_so| if is_so { so } else { not }));
    said.collect::<Vec<_>>().join(", ")
}

/// Judges a history and compares each read with what stands beside it.
fn check(text: &str) {
    check_by(words, text);
}

/// The same, said in other words.
fn check_by(words: fn(&Verdict) -> String, text: &str) {
    let script = Script::parse(text);
    let mut judge = Judge::default();
    let mut found = BTreeMap::new();
    for event in &script.events {
        if let (Event::Returned(operation), Some(verdict)) = (event, judge.observe(event)) {
            found.insert(operation.id, words(&verdict));
        }
    }
    assert!(!script.expected.is_empty());
    for (read, expected) in script.expected {
        assert_eq!(found.get(&read), Some(&expected), "{read} in {text}");
    }
}

#[test]
fn a_read_of_an_overwritten_value_is_stale_since_the_overwrite() {
    check(
        "c1.1 put x 0..10
         c2.1 get x 12..14 -> c1.1              : age 2, single fresh, multi fresh
         c1.2 put x 20..30 from c1.1
         c2.2 get x 40..41 -> c1.1              : age 10, single t 10 k 1, multi t 10 k 1
         c2.3 get x 45..46 -> c1.2              : age 15, single fresh, multi fresh",
    );
}

#[test]
fn k_counts_the_complete_writes_missed_and_t_begins_with_the_first() {
    check(
        "c1.1 put x 0..10
         c1.2 put x 20..30 from c1.1
         c1.3 put x 40..50 from c1.2
         c1.4 put x 60..70 from c1.3
         c1.5 put x 80..90 from c1.4
         c2.1 get x 100..101 -> c1.2            : age 10, single t 50 k 3, multi t 50 k 3
         c2.2 get x 100..101 -> c1.1            : age 10, single t 70 k 4, multi t 70 k 4
         c2.3 get x 75..76 -> c1.3              : age 5, single t 5 k 1, multi t 5 k 1
         c2.4 get y 100..101                    : nothing written",
    );
}

#[test]
fn a_write_that_overlaps_the_read_may_be_missing() {
    check(
        "c1.1 put x 0..10
         c1.2 put x 20..50 from c1.1
         c2.1 get x 40..45 -> c1.1              : age 30, single fresh, multi fresh, concurrent
         c2.2 get x 40..45 -> c1.2              : age 30, single fresh, multi fresh, concurrent
         c2.3 get x 49..60 -> c1.1              : age 39, single fresh, multi fresh, concurrent
         c2.4 get x 51..60 -> c1.1              : age 1, single t 1 k 1, multi t 1 k 1",
    );
}

#[test]
fn overlapping_writes_are_newer_than_neither() {
    // 2 and 3 overlap: neither is newer in the single-value view. Both were blind: in the multi-value view both must stay.
    check(
        "c1.1 put x 0..10
         c1.2 put x 20..40 from c1.1
         c2.3 put x 30..50 from c1.1
         c3.1 get x 60..61 -> c1.2              : age 10, single fresh, multi t 10 k 1
         c3.2 get x 60..61 -> c2.3              : age 10, single fresh, multi t 20 k 1
         c3.3 get x 60..61 -> c1.2 c2.3         : age 10, single fresh, multi fresh
         c3.4 get x 60..61 -> c1.1              : age 10, single t 20 k 2, multi t 20 k 2",
    );
}

#[test]
fn blind_writes_supersede_nothing() {
    check(
        "c1.1 put x 0..10
         c2.1 put x 20..30
         c3.1 get x 40..41 -> c1.1              : age 10, single t 10 k 1, multi t 10 k 1
         c3.2 get x 40..41 -> c2.1              : age 10, single fresh, multi t 30 k 1
         c3.3 get x 40..41 -> c1.1 c2.1         : age 10, single fresh, multi fresh
         c3.4 put x 50..60 from c3.3
         c3.5 get x 70..71 -> c3.4              : age 10, single fresh, multi fresh
         c3.6 get x 70..71 -> c1.1 c2.1         : age 10, single t 10 k 1, multi t 10 k 1
         c3.7 get x 70..71 -> c3.4 c1.1         : age 10, single fresh, multi fresh",
    );
}

#[test]
fn ancestry_goes_through_reads_and_through_what_puts_were_told() {
    check(
        "c1.1 put x 0..10
         c2.1 put x 0..10
         c1.2 put x 20..30 from c1.1 -> c1.2 c2.1   # the answer told of the sibling
         c1.3 put x 40..50 from c1.2                # so this supersedes it too
         c3.1 get x 60..61 -> c1.3              : age 10, single fresh, multi fresh
         c3.2 get x 60..61 -> c1.2              : age 10, single t 10 k 1, multi t 50 k 2
         c3.3 put x 70..80 from c3.2                # knew 1.2 and 1.1 only
         c3.4 get x 90..91 -> c3.3              : age 10, single fresh, multi t 80 k 2
         c3.5 get x 90..91 -> c3.3 c1.3         : age 10, single fresh, multi fresh",
    );
}

#[test]
fn an_unknown_write_obliges_nobody() {
    check(
        "c1.1 put x 0..10
         c1.2 put x 20..30? from c1.1
         c2.1 get x 40..41 -> c1.1              : age 30, single fresh, multi fresh
         c2.2 get x 40..41 -> c1.2              : age 30, single fresh, multi fresh
         c2.3 get x 25..29 -> c1.1              : age 15, single fresh, multi fresh, concurrent
         c2.4 put x 50..60 from c2.2
         # It has no finish: nothing is newer in the single-value view. It is an ancestor all the same.
         c2.5 get x 70..71 -> c1.2              : age 10, single fresh, multi t 10 k 1
         c2.6 get x 70..71 -> c2.4              : age 10, single fresh, multi fresh",
    );
}

#[test]
fn a_failed_write_did_not_happen() {
    check(
        "c1.1 put x 0..10
         c1.2 put x 20..30! from c1.1
         c2.1 get x 40..41 -> c1.1              : age 30, single fresh, multi fresh
         c1.3 put x 50.. from c1.1
         c2.2 get x 60..61 -> c1.1              : age 50, single fresh, multi fresh, concurrent
         c2.3 get x 60..61 -> c1.3              : age 50, single fresh, multi fresh, concurrent",
    );
}

#[test]
fn not_found_is_stale_once_a_write_is_complete() {
    check(
        "c2.1 get x 0..1                        : nothing written
         c1.1 put x 0..10
         c2.2 get x 5..20                       : nothing written
         c2.3 get x 15..20                      : age 5, single t 5 k 1, multi t 5 k 1
         c2.4 get x 15..20 -> c9.9              : unmatched",
    );
}

#[test]
fn not_found_is_attributed_to_the_most_favourable_delete() {
    check(
        "c1.1 put x 0..10
         c1.2 delete x 20..30 from c1.1
         c2.1 get x 40..41                      : age 10, single fresh, multi fresh
         c2.2 get x 40..41 -> c1.1              : age 10, single t 10 k 1, multi t 10 k 1
         c1.3 put x 50..60
         c2.3 get x 70..71                      : age 10, single t 10 k 1, multi t 10 k 1
         c2.4 get x 70..71 -> c1.3              : age 10, single fresh, multi fresh
         c1.4 delete x 75..90? from c1.3
         c2.5 get x 80..81                      : age 20, single fresh, multi fresh, concurrent
         c2.6 get x 95..99 -> c1.3              : age 35, single fresh, multi fresh",
    );
}

#[test]
fn a_failed_delete_excuses_nothing() {
    check(
        "c1.1 put x 0..10
         c1.2 delete x 20..30! from c1.1
         c2.1 get x 40..41                      : age 30, single t 30 k 1, multi t 30 k 1
         c2.2 get x 40..41 -> c1.1              : age 30, single fresh, multi fresh",
    );
}

#[test]
fn a_delete_without_a_context_excuses_all_that_began_before_it_returned() {
    check(
        "c1.1 put x 0..10
         c1.2 delete x 20..30
         c2.1 get x 25..26                      : age 15, single fresh, multi fresh, concurrent
         c2.2 get x 40..41                      : age 10, single fresh, multi fresh
         c2.3 get x 40..41 -> c1.1              : age 10, single t 10 k 1, multi fresh
         c1.3 put x 50..60
         c2.4 get x 70..71                      : age 10, single t 10 k 1, multi t 10 k 1",
    );
}

#[test]
fn a_tie_is_concurrent_unless_one_client_made_it() {
    check(
        "c1.1 put x 0..10 as preload
         c1.2 put x 20..30 from c1.1
         c2.1 get x 30..31 -> c1.1              : age 20, single fresh, multi fresh, concurrent
         c1.3 get x 30..31 -> c1.1              : age 0, single t 0 k 1, multi t 0 k 1
         c1.4 get x 30..31 -> c1.2              : age 0, single fresh, multi fresh",
    );
}

#[test]
fn keys_are_judged_apart() {
    check(
        "c1.1 put x 0..10
         c1.2 put y 20..30
         c2.1 get x 40..41 -> c1.1              : age 30, single fresh, multi fresh
         c2.2 get y 40..41 -> c1.1              : unmatched
         c1.3 put x 50..60 from c1.2            # a context of another key is none
         c2.3 get x 70..71 -> c1.3              : age 10, single fresh, multi t 60 k 1",
    );
}

#[test]
fn a_deleted_value_is_back_only_after_a_delete_that_knew_it_and_was_over() {
    check_by(
        signs,
        "c1.1 put x 0..10
         c1.2 put x 12..14                              # blind: the delete does not know of it
         c2.1 get x 20..21 -> c1.1
         c2.2 delete x 30..40 from c2.1
         c3.1 get x 35..36 -> c1.1 c1.2                 : there
         c3.2 get x 41..42 -> c1.2                      : deleted, there
         c3.3 get x 43..44 -> c1.1 c1.2                 : back, there
         c3.4 get x 45..46                              : deleted, gone",
    );
    check_by(
        signs,
        "c1.1 put x 0..10
         c2.1 get x 12..13 -> c1.1
         c1.2 delete x 20..22? from c1.1                # nobody knows whether it was deleted
         c1.3 delete x 24..26                           # nor what this one found
         c2.2 get x 30..31 -> c1.1                      : there, acknowledged
         c2.3 get x 33..34                              : there, acknowledged",
    );
}

#[test]
fn what_was_seen_is_gone_unless_something_superseded_it() {
    check_by(
        signs,
        "c1.1 put x 0..10
         c2.1 get x 20..29 -> c1.1
         c1.2 put x 30..35? from c1.1
         c2.2 get x 40..41 -> c1.1                      : there, acknowledged
         c2.3 get x 42..50 -> c1.2                      : there, unacknowledged
         c3.1 get x 45..52 -> c1.1                      : there, acknowledged # c2.3 was not over
         c3.2 get x 53..54 -> c1.1                      : gone, acknowledged
         c1.3 put x 60..61 from c2.3
         c3.3 get x 63..64 -> c1.3                      : there, acknowledged
         c3.4 get x 65..66 -> c1.2                      : gone, unacknowledged",
    );
    // The first read of a key, and one before any write, can miss nothing that was seen.
    check_by(
        signs,
        "c2.1 get x 1..2                                : nothing written
         c1.1 put x 5..6!
         c1.2 put x 8..10
         c2.2 get x 20..21 -> c1.2                      : there, acknowledged
         c2.3 get x 22..23 -> c1.1                      : gone, unacknowledged",
    );
}

/// If this fails, what is beyond the horizon changes verdicts silently.
#[test]
fn what_is_forgotten_is_said_to_be() {
    let judge = |text: &str| {
        let mut judge = Judge::with_horizon(3);
        let verdicts = Script::parse(text).events;
        let verdicts: Vec<_> = (verdicts.iter())
            .filter_map(|event| match judge.observe(event)? {
                Verdict::Judged(found) => {
                    Some((found.multi_value.map(|it| it.k), found.is_at_least))
                }
                Verdict::NothingWritten | Verdict::Unmatched => None,
            })
            .collect();
        (verdicts, judge.forgotten())
    };
    let chain = "c1.1 put x 0..10
         c1.2 put x 20..30 from c1.1
         c1.3 put x 40..50 from c1.2
         c1.4 put x 60..70 from c1.3
         c1.5 put x 80..90 from c1.4";
    // Three operations are remembered: c1.1 and c1.2 are a count. Who supersedes both, or neither, is judged as ever: the
    // second read finds nothing, and misses all five.
    let exact = format!("{chain}\n c2.1 get x 95..96 -> c1.5\n c2.2 get x 97..98");
    assert_eq!(judge(&exact), (vec![(None, false), (Some(5), false)], 0));
    // c1.1 is forgotten: it misses at least the three that are remembered.
    let old = format!("{chain}\n c2.1 get x 95..96 -> c1.1");
    assert_eq!(judge(&old), (vec![(Some(3), true)], 0));
    // So is what c2.1 had told of when c2.2 carries its context: c2.2 counts as superseding everything before it.
    let context = format!(
        "c2.1 get x 0..1\n{chain}\n c2.2 put x 95..96 from c2.1\n c3.1 get x 97..98 -> c2.2"
    );
    assert_eq!(judge(&context), (vec![(None, false)], 1));
}
