//! Whole runs, small enough to compute every figure by hand.

mod script;

use script::Script;
use tidemark_observer::figures::{Figures, Hints, Measured, Rate, Spread};
use tidemark_observer::history::Tables;
use tidemark_observer::observe::{Observed, RunFacts, Side, observe, observe_files};
use tidemark_observer::oracle::{Oracle, Verdict};
use tidemark_observer::rows::rows;
use tidemark_proto::event::{Detail, Event, Kind, Milestone, Outcome};
use tidemark_proto::id::NodeId;

fn facts(detail: Detail) -> RunFacts {
    RunFacts {
        plan: "scripted".to_owned(),
        backend: "sim".to_owned(),
        seed: 7,
        time_scale: 1.0,
        detail,
        corrections: Vec::new(),
        sides: Vec::new(),
        oracles: Vec::new(),
    }
}

fn observed(text: &str) -> Observed {
    observe(&facts(Detail::All), Script::parse(text).events)
}

fn figures(text: &str) -> Figures {
    observed(text).figures
}

fn share(rate: &Rate) -> (u64, u64) {
    (rate.count, rate.of)
}

fn counts(measured: &[&Measured<u64>]) -> Vec<Option<u64>> {
    measured
        .iter()
        .map(|count| count.known().copied())
        .collect()
}

/// Three replicas; n2 is cut off from 100 to 200 ms and misses the second write.
const CUT: &str = "
    placed x n1 n2 n3
    c1.1 put x 10..20 as preload
    started 50
    fault cut partition 100..200
    c2.1 get x 60..62 -> c1.1
    c1.2 put x 110..115 from c1.1
    sent 111 c1.2 n1 n2 Store 1
    fate 111 n1 n2 Store 1 cut
    sent 111 c1.2 n1 n3 Store 1
    fate 111 n1 n3 Store 1 -
    received 113 c1.2 n1 n3 Store
    sent 113 c1.2 n3 n1 StoreReply 1
    fate 113 n3 n1 StoreReply 1 -
    received 114 c1.2 n3 n1 StoreReply
    c2.2 get x 120..125 -> c1.1
    c2.3 get x 130..131 -> c1.2
    c2.4 get x 140..190? 
    c2.5 get x 210..212 -> c1.1 c1.2
    healed 300
    ended 400";

#[test]
fn operations_count_in_the_phase_in_which_they_began() {
    let figures = figures(CUT);
    let phases: Vec<_> = figures
        .phases
        .iter()
        .map(|phase| {
            (
                phase.name.as_str(),
                phase.from_s,
                phase.until_s,
                phase.fault,
            )
        })
        .collect();
    assert_eq!(
        phases,
        [
            ("quiet", 0.05, 0.1, false),
            ("cut", 0.1, 0.2, true),
            ("after cut", 0.2, 0.3, false)
        ]
    );
    let per_phase = |figure: fn(&tidemark_observer::figures::PhaseFigures) -> (u64, u64)| {
        figures
            .phases
            .iter()
            .chain([&figures.whole])
            .map(figure)
            .collect::<Vec<_>>()
    };
    // The preload is no operation of the load.
    assert_eq!(
        per_phase(|phase| share(&phase.availability)),
        [(1, 1), (3, 4), (1, 1), (5, 6)]
    );
    assert_eq!(
        per_phase(|phase| share(&phase.reads_available)),
        [(1, 1), (2, 3), (1, 1), (4, 5)]
    );
    assert_eq!(
        per_phase(|phase| share(&phase.writes_available)),
        [(0, 0), (1, 1), (0, 0), (1, 1)]
    );
    assert_eq!(
        per_phase(|phase| share(&phase.stale)),
        [(0, 1), (1, 2), (0, 1), (1, 4)]
    );
    assert_eq!(
        per_phase(|phase| share(&phase.siblings)),
        [(0, 1), (0, 2), (1, 1), (1, 4)]
    );
    assert_eq!(
        per_phase(|phase| (phase.ok, phase.unknown)),
        [(1, 0), (3, 1), (1, 0), (5, 1)]
    );
    let t = figures.whole.t_staleness_ms.expect("a read was stale");
    assert!((4.99..5.01).contains(&t.max), "{t:?}");
    assert_eq!(
        figures.whole.k_staleness.map(|k| (k.count, k.max)),
        Some((1, 1.0))
    );
    assert_eq!(figures.run.ended, Some(Milestone::Ended));
    assert_eq!(
        (figures.run.from_s, figures.run.until_s, figures.run.ended_s),
        (0.05, 0.3, 0.4)
    );
}

#[test]
fn time_is_cut_into_bins_that_add_up() {
    let figures = figures(CUT);
    let [bin] = &figures.over_time[..] else {
        panic!("half a second is one bin: {:?}", figures.over_time)
    };
    assert_eq!((bin.from_s, bin.until_s, bin.operations), (0.05, 0.3, 6));
    assert_eq!(share(&bin.stale), (1, 4));
}

#[test]
fn latency_counts_from_the_intended_start_and_for_each_outcome() {
    let figures = figures(CUT);
    let row = |kind, outcome, phase: &str| {
        let found = figures
            .latency
            .iter()
            .find(|row| (row.kind, row.outcome, row.phase.as_str()) == (kind, outcome, phase));
        found.map(|row| (row.ms.count, row.ms.max.round()))
    };
    assert_eq!(row(Kind::Get, Outcome::Ok, "whole"), Some((4, 5.0)));
    assert_eq!(row(Kind::Get, Outcome::Ok, "quiet"), Some((1, 2.0)));
    assert_eq!(row(Kind::Get, Outcome::Unknown, "cut"), Some((1, 50.0)));
    assert_eq!(row(Kind::Put, Outcome::Ok, "whole"), Some((1, 5.0)));
    assert_eq!(row(Kind::Put, Outcome::Ok, "quiet"), None);
    let names: Vec<String> = observed(CUT)
        .histograms
        .into_iter()
        .map(|file| file.0)
        .collect();
    assert_eq!(
        names,
        [
            "latency-get-ok.hgrm",
            "latency-get-unknown.hgrm",
            "latency-put-ok.hgrm",
            "histograms.hlog"
        ]
    );
}

#[test]
fn a_fault_is_charged_with_what_it_touched() {
    let figures = figures(&format!(
        "{CUT}\n fault idle latency 210..220\n fault down crash 230..240 n2\n crashed 230 n2"
    ));
    let faults: Vec<_> = figures
        .faults
        .iter()
        .map(|fault| {
            let touched = counts(&[&fault.messages, &fault.operations]);
            (
                fault.name.as_str(),
                touched,
                fault.machines,
                fault.vacuous.known().copied(),
            )
        })
        .collect();
    assert_eq!(
        faults,
        [
            ("cut", vec![Some(1), Some(1)], 0, Some(false)),
            ("idle", vec![Some(0), Some(0)], 0, Some(true)),
            ("down", vec![Some(0), Some(0)], 1, Some(false)),
        ]
    );
    let cut = &figures.phases[1];
    let touched = counts(&[
        &cut.messages,
        &cut.messages_touched,
        &cut.operations_touched,
    ]);
    assert_eq!(touched, [Some(3), Some(1), Some(1)]);
}

#[test]
fn legs_are_measured_where_messages_arrive() {
    let figures = figures(CUT);
    let legs = figures.legs.known().expect("every message was kept");
    let found: Vec<_> = legs
        .iter()
        .map(|leg| (leg.name.as_str(), leg.ms.count, leg.ms.max.round()))
        .collect();
    assert_eq!(found, [("W", 1, 2.0), ("A", 1, 1.0)]);
    assert_eq!(legs[0].quantiles_ms.len(), 1001);
}

#[test]
fn what_was_not_kept_is_missing_and_not_zero() {
    let figures = observe(&facts(Detail::None), Script::parse(CUT).events).figures;
    let reason = "it needs events = \"all\" or more detail";
    assert_eq!(figures.legs, Measured::Missing(reason.to_owned()));
    assert_eq!(
        figures.lost_writes.missing(),
        Some("it needs events = \"arrivals\" or more detail")
    );
    assert!(figures.convergence.missing().is_some());
    assert!(figures.freshness.arrivals.missing().is_some());
    assert_eq!(
        counts(&[&figures.whole.messages, &figures.whole.messages_touched]),
        [None, None]
    );
    assert!(figures.faults[0].vacuous.missing().is_some());
    let missing = rows(&figures)
        .into_iter()
        .find(|row| row.metric == "lost_writes");
    assert_eq!(missing.map(|row| (row.value, row.count)), Some((None, 0)));
}

#[test]
fn the_files_give_the_same_figures() {
    let events = Script::parse(CUT).events;
    let mut files: [Vec<u8>; 5] = Default::default();
    let mut tables = Tables::new(files.each_mut()).unwrap();
    events.iter().for_each(|event| tables.write(event).unwrap());
    tables.flush().unwrap();
    drop(tables);
    let again = observe_files(&facts(Detail::All), files.each_ref().map(Vec::as_slice)).unwrap();
    assert_eq!(again, observed(CUT));
    let json = serde_json::to_string(&again.figures).unwrap();
    assert_eq!(
        serde_json::from_str::<Figures>(&json).unwrap(),
        again.figures
    );
}

#[test]
fn t_star_is_what_the_answering_replicas_allow() {
    // W reaches n1 at once, n2 30 ms and n3 50 ms after completion; the read reaches n2 4 ms and n3 9 ms after its start.
    let run = |answered: &str| {
        figures(&format!(
            "started 0
             c1.1 put x 0..1
             received 1 c1.1 n1 n1 Store
             c1.2 put x 10..20 from c1.1
             received 20 c1.2 g1 n1 Store
             received 50 c1.2 g1 n2 Store
             received 70 c1.2 g1 n3 Store
             received 34 c1.3 g1 n2 Fetch
             received 39 c1.3 g1 n3 Fetch
             received 31 c1.3 g1 n1 Fetch
             c1.3 get x 30..45 on {answered} -> c1.1
             received 91 c1.4 g1 n2 Fetch
             c1.4 get x 90..95 on n2 -> c1.2     # not the first read after the write
             ended 100"
        ))
        .freshness
    };
    let t_star = |answered: &str| {
        let freshness = run(answered);
        let arrivals = freshness
            .arrivals
            .known()
            .expect("arrivals are known")
            .clone();
        (arrivals.pairs, arrivals.never, arrivals.t_star_ms.max)
    };
    assert_eq!(t_star("n2"), (1, 0, 26.0));
    assert_eq!(t_star("n3"), (1, 0, 41.0));
    assert_eq!(t_star("n2 n3"), (1, 0, 26.0));
    assert_eq!(t_star("n3 n1"), (1, 0, 0.0));
    assert_eq!(
        run("n1")
            .arrivals
            .known()
            .map(|arrivals| share(&arrivals.at_zero)),
        Some((1, 1))
    );
    assert!(run("n4").arrivals.missing().is_some(), "n4 was never asked");
}

#[test]
fn a_write_that_never_arrives_is_never_fresh() {
    let figures = figures(
        "started 0
         c1.1 put x 0..1
         received 1 c1.1 g1 n1 Store
         received 3 c1.2 g1 n2 Fetch
         c1.2 get x 2..4 on n2
         c1.3 put y 10..11
         received 12 c1.3 g1 n1 Store
         received 15 c1.4 g1 n1 Fetch
         c1.4 get y 14..16 on n1 -> c1.3
         ended 100",
    );
    let arrivals = figures
        .freshness
        .arrivals
        .known()
        .expect("arrivals are known");
    assert_eq!(
        (arrivals.pairs, arrivals.never, share(&arrivals.at_zero)),
        (2, 1, (1, 2))
    );
    let estimate = &figures.freshness.t_visibility;
    assert_eq!(estimate[0].from_arrivals_ms, Measured::Known(0.0));
    assert!(estimate[1].from_arrivals_ms.missing().is_some());
}

#[test]
fn the_freshness_curve_counts_by_age() {
    let figures = figures(
        "started 0
         c1.1 put x 0..10
         c1.2 put x 20..30 from c1.1
         c1.3 get x 30..31 -> c1.1          # at age 0, after the client's own write
         c2.1 get x 32..33 -> c1.1
         c2.2 get x 32..33 -> c1.2
         c2.3 get x 50..51 -> c1.2
         ended 100",
    );
    let curve = &figures.freshness.curve;
    let bins: Vec<_> = curve
        .iter()
        .map(|bin| (bin.from_ms, bin.until_ms, share(&bin.fresh), bin.isotonic))
        .collect();
    assert_eq!(
        bins,
        [
            (0.0, 0.1, (0, 1), 0.0),
            (1.5, 2.2, (1, 2), 0.5),
            (15.0, 22.0, (1, 1), 1.0)
        ]
    );
    assert_eq!(share(&figures.freshness.at_zero), (0, 1));
}

#[test]
fn clock_distance_is_to_the_join_of_what_was_complete() {
    let figures = figures(
        "started 0
         c1.1 put x 0..10 by n1 clock n1:1
         c1.2 put x 20..30 by n1 clock n1:2
         c2.1 put x 20..30 by n2 clock n1:1 n2:3   # n2 counts other keys too
         c2.2 put x 35..50 by n2 clock n1:2 n2:4
         c3.1 get x 40..41 -> c1.1 clock n1:1
         ended 100",
    );
    let distance = figures
        .clock_distance
        .known()
        .expect("clocks were described");
    // The reference is n1:2 n2:3: one of n1 and three of n2 behind, but only two writes.
    assert_eq!(
        (
            distance.l1.max,
            distance.l_infinity.max,
            distance.version_lag.max
        ),
        (4.0, 3.0, 2.0)
    );
}

#[test]
fn a_write_is_lost_when_nobody_holds_it_or_what_superseded_it() {
    let lost = |last: &str| {
        let figures = figures(&format!(
            "started 0
             c1.1 put x 0..10
             stored 5 n1 x c1.1 Put 1 c1.1
             stored 6 n2 x c1.1 Store 1 c1.1
             c1.2 put x 20..30 from c1.1
             stored 25 n1 x c1.2 Put 2 c1.2
             c2.1 put x 20..29?
             {last}
             ended 100"
        ));
        let lost = figures
            .lost_writes
            .known()
            .expect("arrivals were kept")
            .clone();
        (share(&lost.lost), lost.examples)
    };
    // n2 is behind, but n1 has the write that superseded what n2 holds.
    assert_eq!(lost(""), ((0, 2), vec![]));
    // Once n1 is wiped, only the superseded one is left. The unknown write was never owed.
    assert_eq!(
        lost("restarted-empty 40 n1"),
        ((1, 2), vec!["c1.2 of x".to_owned()])
    );
    let both = "restarted-empty 40 n1\nrestarted-empty 41 n2";
    assert_eq!(lost(both).0, (2, 2));
    assert_eq!(
        lost(&format!("{both}\nstored 50 n2 x c1.2 Repair 2 c1.2")).0,
        (0, 2)
    );
    // A node that is started again holds what it says, and no more; who says that it holds nothing holds nothing.
    let said = "restarted 40 n1\nstored 40 n1 x - FetchReply 2 c1.2";
    assert_eq!(lost(said).0, (0, 2));
    assert_eq!(lost("restarted 40 n1").0, (1, 2));
    assert_eq!(lost("stored 40 n1 x - Repair 0").0, (1, 2));
}

#[test]
fn replicas_have_converged_when_the_last_difference_is_gone() {
    let convergence = |last: &str| {
        let figures = figures(&format!(
            "placed x n1 n2
             placed y n2 n3
             started 0
             stored 5 n1 x c1.1 Put 1 c1.1
             stored 6 n2 x c1.1 Store 1 c1.1
             stored 7 n2 y c1.2 Store 5 c1.2
             stored 8 n1 y c1.2 Put 6 c1.2           # n1 is no replica of y
             healed 1000
             {last}
             ended 5000"
        ));
        let found = figures.convergence.known().expect("it healed").clone();
        (
            found.keys,
            found.diverged_at_heal,
            found.diverged_at_end,
            found.after_heal_s,
        )
    };
    assert_eq!(convergence(""), (2, 1, 1, None));
    assert_eq!(
        convergence("stored 1500 n3 y c1.2 Repair 5 c1.2"),
        (2, 1, 0, Some(0.5))
    );
    assert_eq!(
        convergence("stored 900 n3 y c1.2 Repair 5 c1.2"),
        (2, 0, 0, Some(0.0))
    );
    let again = "stored 1500 n3 y c1.2 Repair 5 c1.2\nstored 1600 n1 x c1.3 Put 7 c1.3\nstored 1750 n2 x c1.3 Store 7 c1.3";
    assert_eq!(convergence(again), (2, 1, 0, Some(0.75)));
    // A wiped replica differs from one that holds something, and equals one that was wiped too.
    let wiped = "stored 1500 n3 y c1.2 Repair 5 c1.2\nrestarted-empty 1600 n1";
    assert_eq!(convergence(wiped), (2, 1, 1, None));
    assert_eq!(
        convergence(&format!(
            "{wiped}\nrestarted-empty 1700 n2\nrestarted-empty 1800 n3"
        )),
        (2, 1, 0, Some(0.8))
    );
    // A replica that has nothing left equals one that never had anything.
    let nothing = "stored 1500 n2 y - Bulk 9";
    assert_eq!(convergence(nothing), (2, 1, 0, Some(0.5)));
    // After a restart, what it says counts.
    let said = "stored 1500 n3 y c1.2 Repair 5 c1.2\nrestarted 1600 n1\nstored 1600 n1 x - FetchReply 1 c1.1";
    assert_eq!(convergence(said), (2, 1, 0, Some(0.6)));
    let unhealed = figures("placed x n1 n2\nstored 5 n1 x c1.1 Put 1 c1.1\nended 10");
    assert_eq!(
        unhealed.convergence.missing(),
        Some("the run ended before it healed")
    );
}

/// If this fails, a repair's work is another's, or what hints there are is not what nodes said last.
#[test]
fn repairs_are_told_apart_and_hints_counted() {
    let figures = figures(
        "placed x n1 n2 n3
         started 0
         stored 5 n1 x c1.1 Put 1 c1.1
         stored 6 n2 x c1.2 Repair 1 c1.1        # a read found it behind
         stored 7 n3 x - Repair 1 c1.1           # no read did: a sweep
         stored 8 n3 x c1.1 Handoff 2 c1.1
         stored 9 n3 x - BulkReply 3 c1.1
         sent 6 c1.2 n1 n2 Repair 1
         fate 6 n1 n2 Repair 1 -
         sent 7 - n1 n3 Repair 1
         fate 7 n1 n3 Repair 1 -
         fate 7 n1 n3 Sweep 1 -
         fate 7 n3 n1 Sweep 1 -
         fate 8 n1 n3 Handoff 1 -
         did 10 n1 swept n3 40
         did 11 n1 hint-kept n3 1
         did 12 n1 hint-kept n3 2
         did 13 n2 hint-kept n3 1
         did 14 n2 hint-dropped n3 1
         did 15 n1 hint-delivered n3 1
         did 16 n2 hint-expired n3 0
         restarted-empty 17 n4
         ended 5000",
    );
    let repairs = figures.repairs.known().expect("all was kept");
    let paths = repairs.paths.iter().map(|path| {
        let known = |count: &Measured<u64>| *count.known().expect("all was kept");
        (
            path.name.as_str(),
            path.mended,
            known(&path.messages),
            known(&path.bytes),
        )
    });
    let expected = [
        ("read", 1, 1, 100),
        ("hint", 1, 1, 100),
        ("sweep", 1, 3, 300),
        ("pull", 1, 0, 0),
    ];
    assert_eq!(paths.collect::<Vec<_>>(), expected);
    let hints = Hints {
        kept: 3,
        delivered: 1,
        expired: 1,
        dropped: 1,
        outstanding: 1,
    };
    assert_eq!((repairs.compared, repairs.hints), (40, hints));
}

/// If this fails, a store that repairs for ever passes for one that is at rest, or the other way round.
#[test]
fn repairs_at_idle_are_those_sent_a_second_after_all_was_equal_and_nobody_asked() {
    let at_idle = |last: &str| {
        let figures = figures(&format!(
            "placed x n1 n2
             started 0
             c1.1 put x 1..5 on n1
             stored 3 n1 x c1.1 Put 1 c1.1
             healed 1000
             stored 2000 n2 x c1.1 Repair 1 c1.1
             sent 1990 c1.2 n1 n2 Repair 1
             {last}
             ended 9000"
        ));
        figures.repairs_at_idle.known().copied()
    };
    assert_eq!(at_idle(""), Some(0));
    assert_eq!(
        at_idle("sent 2999 - n1 n2 Repair 2"),
        Some(0),
        "still settling"
    );
    assert_eq!(
        at_idle("sent 3000 - n1 n2 Repair 2\nsent 4000 c1.1 n1 n2 Handoff 1"),
        Some(2)
    );
    assert_eq!(
        at_idle("sent 3000 - n1 n2 Sweep 2"),
        Some(0),
        "it only compares"
    );
    assert_eq!(
        at_idle("c1.2 get x 3000..3500\nsent 4400 c1.2 n1 n2 Repair 2"),
        Some(0)
    );
    assert_eq!(
        at_idle("stored 3000 n2 x c1.3 Repair 2 c1.3"),
        None,
        "they differ"
    );
}

/// If this fails, a replica that held a write before its client knew counts as late, or one that never did as early.
#[test]
fn the_lag_of_a_replica_runs_from_the_writes_completion() {
    let figures = figures(
        "placed x n1 n2 n3
         started 0
         c1.1 put x 1..10 on n1
         stored 3 n1 x c1.1 Put 1 c1.1
         stored 25 n2 x c1.1 Store 1 c1.1
         stored 40 n2 x c1.1 Repair 1 c1.1       # the same again
         stored 50 n4 x c1.1 Store 1 c1.1        # no replica
         c1.2 put x 100..110 on n1 n2
         stored 103 n1 x c1.2 Put 2 c1.2
         stored 105 n2 x c1.2 Store 2 c1.2
         stored 210 n3 x c1.2 Store 2 c1.2
         ended 5000",
    );
    let lags = figures.replication_lag.known().expect("arrivals were kept");
    let lags = lags
        .iter()
        .map(|lag| (lag.replica, lag.of, lag.ms.count, lag.ms.max.round()));
    assert_eq!(
        lags.collect::<Vec<_>>(),
        [(1, 2, 2, 0.0), (2, 2, 2, 15.0), (3, 2, 1, 100.0)]
    );
}

#[test]
fn what_is_left_out_is_counted() {
    let figures = figures(
        "c1.1 get x 5..6
         started 10
         c1.2 get x 15..16
         c1.3 put x 20..
         c1.4 get x 30..31 -> c9.9
         c1.5 put x 40..50
         c1.6 get x 60..61 -> c9.9
         ended 100",
    );
    let excluded: Vec<_> = figures
        .excluded
        .iter()
        .map(|it| (it.count, it.what.as_str()))
        .collect();
    assert_eq!(
        excluded,
        [
            (2, "reads before any write of their key was complete"),
            (1, "reads of values that no operation wrote"),
            (1, "operations of the load before the measured time"),
            (1, "writes whose end nobody saw"),
        ]
    );
}

#[test]
fn an_empty_run_has_figures() {
    let figures = observe(&facts(Detail::All), Vec::<Event>::new()).figures;
    assert_eq!(figures.whole.availability.share, None);
    assert!(figures.whole.stale.is_thin());
    assert_eq!(
        (
            figures.phases.len(),
            figures.over_time.len(),
            figures.run.ended
        ),
        (1, 0, None)
    );
}

/// If this fails, what was believed before a crash counts as its detection, or errors are counted of which there are none.
#[test]
fn crashes_are_detected_by_those_who_watched_and_had_not_believed_it_before() {
    let figures = figures(
        "
        started 0
        did 1 n1 believes-up n2 0
        did 1 n1 believes-up n3 0
        did 1 n2 believes-up n3 0
        did 1 n4 believes-up n3 0
        did 900 n1 probe-failed n2 0
        did 900 n1 suspects n2 0
        did 1000 n1 believes-down n2 0
        did 1400 n1 believes-up n2 0
        did 4900 n2 believes-down n3 0     # an error until the crash, and no detection
        crashed 5000 n3
        did 6200 n1 probe-failed n3 0
        did 8000 n1 believes-down n3 0     # n4 never does
        did 8500 n1 probe-failed n3 0
        healed 60000
        did 61000 n1 believes-down n2 0    # after the measured time
        ended 62000",
    );
    let found = figures.detection.known().expect("somebody watches");
    assert_eq!((found.crashes, share(&found.detected)), (1, (1, 2)));
    // To three digits, as histograms keep it.
    let about = |ms: f64| (ms / 10.0).round() * 10.0;
    let at = |spread: &Option<Spread>| spread.map(|spread| (spread.count, about(spread.max)));
    assert_eq!(at(&found.first_ms), Some((1, 3_000.0)));
    assert_eq!(at(&found.each_ms), Some((1, 3_000.0)));
    assert_eq!(at(&found.all_ms), None);
    assert_eq!(at(&found.first_failed_probe_ms), Some((1, 1_200.0)));
    assert_eq!(found.first_failed_probe_whole_s, Some(1.0));
    assert_eq!(found.false_positives, 2);
    assert_eq!(found.false_positives_per_minute, Some(2.0));
    assert_eq!(at(&found.false_positive_ms), Some((2, 400.0)));
    assert_eq!(found.false_suspicions_per_minute, Some(1.0));
    assert_eq!(found.false_probes_per_minute, Some(1.0));
    let rows = rows(&figures);
    let row = rows
        .iter()
        .find(|row| row.metric == "false_positives_per_minute");
    assert_eq!(row.and_then(|row| row.value), Some(2.0));
    let nobody = self::figures(CUT);
    let reason = nobody.detection.missing();
    assert_eq!(reason, Some("nobody watches for crashes"));
}

/// If this fails, what was overwritten by who had not seen it passes for lost in another way, or the other way round.
#[test]
fn a_lost_write_is_overwritten_unseen_where_something_else_is_held_that_it_does_not_supersede() {
    let lost = |held: &str| {
        let figures = figures(&format!(
            "started 0
             c1.1 put x 0..10
             c1.2 put x 20..30 from c1.1
             c2.1 put x 40..50 from c1.1
             {held}
             ended 100"
        ));
        let lost = figures
            .lost_writes
            .known()
            .cloned()
            .expect("arrivals are known");
        (share(&lost.lost), share(&lost.overwritten))
    };
    assert_eq!(
        lost("stored 51 n1 x c2.1 Store 1 c1.2 c2.1"),
        ((0, 3), (0, 3))
    );
    assert_eq!(lost("stored 51 n1 x c2.1 Store 1 c2.1"), ((1, 3), (1, 3)));
    // Back to what both had read: nothing was overwritten, two were lost.
    assert_eq!(lost("stored 51 n1 x c1.1 Store 1 c1.1"), ((2, 3), (0, 3)));
    // Of c2.1 two writes are lost, c1.1 as well: nothing is left.
    assert_eq!(lost(""), ((3, 3), (0, 3)));
}

/// If this fails, the siblings that a run ends with are not those of the last reads.
#[test]
fn siblings_at_the_end_are_those_of_the_last_read_of_each_key() {
    let figures = figures(
        "started 0
         c1.1 put x 0..10
         c1.2 put x 11..12
         c2.1 put y 13..14
         c1.3 get x 20..21 -> c1.1 c1.2
         c1.4 get x 30..31 -> c1.1
         c1.5 get y 32..33 -> c2.1
         c1.6 get x 40..41 -> c1.1 c1.2
         c1.7 get x 42..43!
         ended 100",
    );
    let at_end = figures.siblings_at_end.expect("keys were read");
    assert_eq!((at_end.count, at_end.mean, at_end.max), (2, 1.5, 2.0));
}

/// n1 repairs n3 at every read. If this fails, a repair that was due passes for one that was not, or the other way round.
#[test]
fn repairs_count_only_for_reads_after_which_none_should_be_left() {
    let idle = |from: &str| {
        let figures = figures(&format!(
            "started 0
             c1.1 put x 0..10
             {from}
             c2.1 get x 1500..1510 -> c1.1          # the first may find something to mend
             sent 1509 c2.1 n1 n3 Repair 1
             c2.2 get x 2000..2010 -> c1.1          # too soon after it
             sent 2009 c2.2 n1 n3 Repair 2
             c2.3 get x 3000..3010 -> c1.1
             sent 3008 c2.3 n1 n3 Repair 3          # before its reply
             c2.4 get x 4100..4110 -> c1.1
             sent 4120 c2.4 n1 n2 Repair 1          # after it, and twice
             sent 4120 c2.4 n1 n3 Repair 4
             c2.5 get x 5200..5210 -> c1.1
             c1.2 put x 5500..5510 from c1.1
             c2.6 get x 6000..6010 -> c1.1
             sent 6009 c2.6 n1 n3 Repair 5
             ended 7000"
        ));
        let idle = figures
            .idle_reads
            .known()
            .copied()
            .expect("every message was kept");
        (idle.reads, idle.repairs)
    };
    assert_eq!(idle(""), (3, 3));
    // A read while n3 was away could not mend it, nor one that began just when it was back.
    assert_eq!(idle("fault down crash 100..2500 n3"), (1, 0));
    assert_eq!(idle("crashed 100 n3\n restarted 1200 n3"), (2, 2));
    let without = observe(&facts(Detail::Arrivals), Vec::new()).figures;
    assert_eq!(
        without.idle_reads.missing(),
        Some("it needs events = \"all\" or more detail")
    );
}

/// If this fails, what speculation costs is not seen, or writes and probes pass for reads.
#[test]
fn requests_a_read_are_those_of_reads_that_were_answered() {
    let requests = figures(
        "started 0
         sent 1 c1.1 n1 n2 Fetch 1              # a write that looks first
         c1.1 put x 0..10
         sent 21 c2.1 n1 n2 Fetch 2
         sent 21 c2.1 n1 n3 Fetch 1
         c2.1 get x 20..30 -> c1.1
         sent 41 c2.2 n1 n2 Fetch 3
         c2.2 get x 40..50 -> c1.1
         sent 51 c2.2 n1 n3 Fetch 2             # late
         sent 61 c2.3 n1 n3 Fetch 3             # never answered
         ended 7000",
    );
    let requests = requests
        .read_requests
        .known()
        .copied()
        .expect("all is kept");
    assert_eq!((requests.reads, requests.requests), (2, 4));
}

/// If this fails, a write counts as one that never won although it did, lost to a later one, or may not have arrived.
#[test]
fn a_write_never_won_if_replicas_answered_for_it_and_an_older_one_stayed() {
    let never_won = |more: &str| {
        let figures = figures(&format!(
            "started 0
             c1.1 put x 0..10 on n1 n2
             stored 5 n1 x c1.1 Put 1 c1.1
             stored 6 n2 x c1.1 Store 1 c1.1
             {more}
             ended 900"
        ));
        share(figures.never_won.known().expect("arrivals were kept"))
    };
    assert_eq!(never_won(""), (0, 1));
    assert_eq!(never_won("c2.1 put x 20..30 on n1 n2"), (1, 2));
    // One that a replica held in time, or that reached one later, won there.
    let won = "c2.1 put x 20..30 on n1 n2\nstored 25 n2 x c2.1 Store 2 c2.1";
    assert_eq!(never_won(won), (0, 2));
    let late = "c2.1 put x 20..30 on n1 n2\nstored 400 n2 x c2.1 Repair 2 c2.1";
    assert_eq!(never_won(late), (0, 2));
    // What overlapped the write that stayed may as well come first.
    assert_eq!(never_won("c2.1 put x 9..30 on n1 n2"), (0, 2));
    // Nobody answered for it; nobody acknowledged it; who answered held nothing.
    assert_eq!(never_won("c2.1 put x 20..30"), (0, 2));
    assert_eq!(never_won("c2.1 put x 20..30? on n1"), (0, 1));
    assert_eq!(never_won("c2.1 put x 20..30 on n3"), (0, 2));
    assert_eq!(never_won("c2.1 put x 20..30 on n1 as preload"), (0, 1));
}

/// A partition from 100 to 300 ms, with n1 on one side, and n2 and n3 on the other.
const SPLIT: &str = "
    placed x n1 n2 n3
    placed y n1 n2 n3
    started 0
    fault split partition 100..300
    c1.1 get x 90..120 at n1
    c1.2 get x 110..120! at n1
    c1.3 get x 200..220 at n1
    did 130 n1 believes-down n2 0
    c1.4 get x 140..150! at n1
    did 150 n1 believes-down n3 0
    c1.5 get x 155..160 at n1
    did 190 n1 believes-up n3 0
    c1.6 get x 195..199! at n1
    did 197 n1 believes-down n3 0
    c2.1 get x 110..120 at n2
    c2.2 get x 120..130 at n3
    c2.3 get x 290..400! at n3
    c2.4 get x 300..310 at n3
    stored 120 n1 x c3.1 Put 1 c3.1
    stored 121 n1 y c3.2 Put 2 c3.2
    stored 350 n2 x c3.1 Store 1 c3.1
    stored 351 n3 x c3.1 Store 1 c3.1";

fn split(more: &str) -> Figures {
    let side = |nodes: &[u16], expected| Side {
        fault: "split".to_owned(),
        nodes: nodes.iter().map(|node| NodeId::node(*node)).collect(),
        expected,
    };
    let facts = RunFacts {
        sides: vec![side(&[1], Some(0.25)), side(&[2, 3], None)],
        ..facts(Detail::All)
    };
    let script = format!("{SPLIT}\n{more}\nhealed 1000\nended 2000");
    observe(&facts, Script::parse(&script).events).figures
}

/// If this fails, an operation counts on the other side, outside the partition, or in the wrong state of belief.
#[test]
fn operations_count_on_the_side_that_they_asked_and_by_what_it_believed_then() {
    let figures = split("");
    let [few, many] = &figures.sides[..] else {
        panic!("two sides: {:?}", figures.sides);
    };
    assert_eq!((few.nodes.as_str(), many.nodes.as_str()), ("n1", "n2, n3"));
    // c1.4 began when n1 knew of one of the two, c1.6 when n3 passed for up again.
    assert_eq!(share(&few.undetected), (0, 3));
    assert_eq!(share(&few.detected), (2, 2));
    assert_eq!(share(&few.available), (2, 5));
    assert_eq!(share(&many.undetected), (2, 3));
    assert_eq!(share(&many.detected), (0, 0));
    let rows = rows(&figures);
    let value = |name: &str| {
        rows.iter()
            .find(|row| row.metric == name)
            .map(|row| row.value)
    };
    let excess = value("side_1_excess").flatten().expect("it is known");
    assert!((excess - 0.15).abs() < 1e-9, "{excess}");
    assert_eq!(value("side_2_excess"), Some(None));
    assert_eq!(value("side_2_available"), Some(Some(2.0 / 3.0)));
}

/// If this fails, the time until a partition is mended is that of other keys, or of a key that differs again.
#[test]
fn a_partition_is_mended_when_each_key_that_differed_at_its_end_was_equal_once() {
    let after = |more: &str| {
        split(more)
            .convergence
            .known()
            .map(|known| known.after_partition_s)
    };
    assert_eq!(after(""), Some(None));
    let mended = "stored 360 n2 y c3.2 Repair 2 c3.2\nstored 420 n3 y c3.2 Repair 2 c3.2";
    let check = |more: &str| {
        let found = after(more).flatten().expect("it was mended");
        assert!((found - 0.12).abs() < 1e-9, "{found}");
    };
    check(mended);
    check(&format!("{mended}\nstored 500 n1 y c3.3 Put 3 c3.3"));
}

/// If this fails, a run whose times were stretched forgets arrivals as soon as one that was not.
#[test]
fn a_stretched_run_remembers_as_much_of_the_plan() {
    let script = "
        started 0
        c1.1 put x 0..10
        received 5 c1.1 g1 n1 Store
        received 40021 c2.1 g1 n1 Fetch
        c2.1 get x 40020..40025 on n1 -> c1.1
        healed 50000";
    let pairs = |time_scale| {
        let facts = RunFacts {
            time_scale,
            ..facts(Detail::All)
        };
        let figures = observe(&facts, Script::parse(script).events).figures;
        let arrivals = figures.freshness.arrivals.known().cloned();
        arrivals.map(|arrivals| arrivals.pairs)
    };
    assert_eq!([1.0, 2.0, 1e300].map(pairs), [None, Some(1), Some(1)]);
}

/// If this fails, an oracle of one run meets another figure, or the interval of a share is not used.
#[test]
fn oracles_of_a_run_meet_the_figures_of_all_of_it() {
    let oracle = |metric: &str, value| Oracle {
        cell: None,
        metric: metric.to_owned(),
        value: Some(value),
        at_least: None,
        at_most: None,
        formula: None,
        ablated: false,
    };
    let facts = RunFacts {
        oracles: vec![
            oracle("stale", 0.3),
            oracle("stale", 1.0),
            oracle("keys_diverged_at_end", 0.0),
            oracle("nothing", 0.0),
        ],
        ..facts(Detail::All)
    };
    let figures = observe(&facts, Script::parse(CUT).events).figures;
    let verdicts: Vec<_> = figures.oracles.iter().map(|one| one.verdict).collect();
    // One of four reads was stale. One run has no interval of a count.
    use Verdict::{Fails, Holds, Unknown};
    assert_eq!(verdicts, [Holds, Fails, Holds, Unknown]);
    assert_eq!(figures.oracles[0].measured.value, Some(0.25));
}

/// If this fails, a stale value passes for a key that is not there, or one that was deleted for one that is.
#[test]
fn a_key_is_wrongly_not_found_where_nothing_deleted_what_was_complete() {
    let figures = figures(
        "started 0
         c1.1 get x 0..1                       # nothing was written: no opportunity
         c1.2 put x 10..20
         c2.1 get x 15..30                     # beside the write: no opportunity either
         c2.2 get x 40..41
         c2.3 get x 50..51 -> c1.2
         c1.3 put x 60..70 from c1.2
         c2.4 get x 80..81 -> c1.2             # stale, but found
         c1.4 delete x 90..95 from c1.3
         c2.5 get x 100..101
         ended 200",
    );
    assert_eq!(share(&figures.false_not_found), (1, 4));
    assert_eq!(share(&figures.whole.stale), (2, 4));
}

/// If this fails, a change of members is charged with what it did not move, or measured against the wrong ideal.
#[test]
fn a_change_of_members_is_charged_with_the_copies_that_lie_where_none_was() {
    // Two replicas a key. n4 comes to hold both keys, y by a client's write; n1 gets y again, which it held before.
    // z is new, so that no copy of it has moved. Then n2 leaves, and only x has to move; n5's joining never ends.
    let figures = figures(
        "stored 1 n1 x c1.1 Put 1 c1.1
         stored 1 n2 x c1.1 Store 1 c1.1
         stored 2 n1 y c1.2 Put 2 c1.2
         stored 2 n3 y c1.2 Store 2 c1.2
         started 5
         fault n4-joins join 10..20 n4
         stored 12 n4 x - Move 1 c1.1
         stored 13 n4 y c1.3 Store 3 c1.3
         stored 13 n1 y c1.3 Store 3 c1.3
         stored 14 n1 z c1.4 Put 4 c1.4
         stored 14 n4 z c1.4 Store 4 c1.4
         did 15 n1 handed-over n4 1
         did 20 n1 members-changed n1 5
         fault n2-leaves leave 30..40 n2
         stored 33 n3 x - Move 1 c1.1
         did 35 n2 handed-over n3 2
         fault n5-joins join 50..60 n5,given,up
         ended 70",
    );
    let changes = &figures.member_changes;
    let told: Vec<_> = changes
        .iter()
        .map(|change| {
            let moved = change.moved.known().map(share).unwrap_or_default();
            (change.members, moved, change.ideal, change.sent_keys)
        })
        .collect();
    assert_eq!(
        told,
        [
            (3, (2, 4), 1.0 / 4.0, 1),
            (4, (1, 6), 1.0 / 4.0, 2),
            (3, (0, 6), 1.0 / 4.0, 0)
        ]
    );
    assert_eq!(changes[0].over_ideal(), Some(2.0));
    let complete: Vec<_> = changes.iter().map(|change| change.is_complete).collect();
    assert_eq!(complete, [true, true, false]);
    let vacuous: Vec<_> = figures.faults.iter().map(|one| &one.vacuous).collect();
    assert_eq!(
        vacuous,
        [
            &Measured::Known(false),
            &Measured::Known(true),
            &Measured::Known(true)
        ]
    );
}
