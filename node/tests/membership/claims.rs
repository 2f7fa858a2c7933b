//! One test per claim of the papers on failure detection, the section cited.
//!
//! References: Das, Gupta, Motivala, SWIM, DSN 2002; van Renesse, Minsky, Hayden, A gossip-style failure detection service,
//! Middleware 1998; Hayashibara et al., The φ accrual failure detector, SRDS 2004; DeCandia et al., Dynamo, SOSP 2007.

use crate::group::{Group, lossy};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_node::view::Belief;
use tidemark_proto::id::NodeId;
use tidemark_proto::upkeep::Chore;

/// SWIM §3.1 and §4.3: until a crashed member is first probed by any of the m others it takes 1/(1−(1−1/m)^m) periods in
/// the mean with random probing, and Σ ((m−j)/m)^m with rounds that begin with the crash. If this fails, members are not
/// drawn evenly, or not in rounds.
#[test]
fn the_first_failing_probe_comes_when_theory_says() {
    let m = 4.0_f64;
    let random = 1.0 / (1.0 - (1.0 - 1.0 / m).powf(m));
    let in_rounds: f64 = (0..4).map(|j| ((m - f64::from(j)) / m).powf(m)).sum();
    for (probe, expected) in [("random", random), ("round-robin", in_rounds)] {
        let mut sum = 0.0;
        for seed in 1..=RUNS {
            let mut group = Group::new(5, seed, "swim", &json!({ "probe": probe }));
            // Four periods are a whole round of each member.
            group.quiet(4 * SECOND);
            group.crash(NodeId::node(5));
            group.quiet(20 * SECOND);
            let failed = group
                .notes
                .iter()
                .find(|note| note.chore == Chore::ProbeFailed);
            let after = failed.expect("it was probed").at - 4 * SECOND;
            // A probe has failed when its period is over.
            sum += after.as_secs_f64().floor();
        }
        let mean = sum / RUNS as f64;
        assert!(
            (mean - expected).abs() < 0.04,
            "{probe}: {mean}, not {expected}"
        );
    }
}

/// SWIM §4.3: in rounds, a member is probed again by each after at most 2m − 1 periods; at random there is no such bound.
/// If this fails, a crash can go unnoticed for any time.
#[test]
fn in_rounds_everybody_probes_everybody_within_two_rounds() {
    let latest = |probe: &str| {
        let runs = (1..=40).map(|seed| {
            let options = json!({ "probe": probe, "suspicion": 1_000 });
            let mut group = Group::new(6, seed, "swim", &options);
            group.quiet(Duration::from_millis(5_000 + 137 * seed));
            let crash = group.cluster.elapsed;
            group.crash(NodeId::node(6));
            group.quiet(60 * SECOND);
            let mut first = BTreeMap::new();
            for note in group
                .notes
                .iter()
                .filter(|note| note.chore == Chore::ProbeFailed)
            {
                first.entry(note.node).or_insert(note.at - crash);
            }
            assert_eq!(first.len(), 5, "everybody probes it");
            first.into_values().max().unwrap_or_default()
        });
        runs.max().unwrap_or_default()
    };
    // The last of them begins after 2m − 1 periods, and lasts one.
    assert!(latest("round-robin") <= 10 * SECOND);
    assert!(latest("random") > 10 * SECOND);
}

/// SWIM §3.1: a member that is slow or badly reached, but not dead, is suspected once a period with the probability that
/// the direct probe fails and all of the k indirect ones. If this fails, the indirect probes are of no use, or do not count.
#[test]
fn a_member_is_wrongly_suspected_if_all_probes_of_a_period_fail() {
    let periods = 4_000;
    for k in [0, 1, 3] {
        let options = json!({ "k": k, "suspicion": 1_000_000 });
        let mut group = Group::new(5, 1, "swim", &options);
        let badly_reached = NodeId::node(5);
        let mut lost = lossy(1, 0.5);
        group.run(periods * SECOND, |parcel| {
            (parcel.from == badly_reached || parcel.to == badly_reached) && lost(parcel)
        });
        // There and back.
        let fails = 1.0 - 0.5 * 0.5_f64;
        let expected = fails.powi(k + 1);
        let suspected = group.count(Chore::ProbeFailed, badly_reached) as f64;
        let share = suspected / f64::from(periods);
        assert!(
            (share - expected).abs() < 0.025,
            "k = {k}: {share}, not {expected}"
        );
    }
}

/// SWIM §3.1: what a member sends a period does not depend on how many there are. If this fails, the load grows with the
/// square of the cluster.
#[test]
fn a_member_sends_as_much_in_a_large_group_as_in_a_small_one() {
    for (kind, expected) in [("swim", 2.0), ("heartbeat", 3.0)] {
        for nodes in [5, 20] {
            let mut group = Group::new(nodes, 1, kind, &json!({}));
            group.quiet(100 * SECOND);
            let sent = group.sent.len() as f64 / f64::from(nodes) / 100.0;
            assert!(
                (sent - expected).abs() < 0.05,
                "{kind}, {nodes} nodes: {sent} a period"
            );
        }
    }
}

/// SWIM §4.2: who is suspected can refute it, at the cost of later detection. If this fails, suspicion is no more than a
/// delay.
#[test]
fn refutation_saves_members_that_were_suspected_wrongly() {
    let deaths = |refutation: bool| -> usize {
        let options = json!({ "k": 0, "suspicion": 6, "refutation": refutation });
        let mut group = Group::new(10, 1, "swim", &options);
        group.run(120 * SECOND, lossy(1, 0.1));
        (1..=10)
            .map(|node| group.count(Chore::BelievesDown, NodeId::node(node)))
            .sum()
    };
    let (with, without) = (deaths(true), deaths(false));
    assert!(
        with * 5 < without,
        "{with} with, {without} without refutation"
    );
}

/// SWIM §4.1: rumours ride on probes, at most so many; or, as in dht-node, all that is known. If this fails, one of them is
/// the other.
#[test]
fn a_message_carries_what_is_new_or_everything() {
    let longest = |options: Value| {
        let mut group = Group::new(20, 1, "swim", &options);
        group.quiet(20 * SECOND);
        let quiet = group.sent.iter().map(|parcel| parcel.message.size()).max();
        group.sent.clear();
        group.crash(NodeId::node(1));
        group.crash(NodeId::node(2));
        group.quiet(20 * SECOND);
        let later = group.sent.iter().map(|parcel| parcel.message.size()).max();
        (quiet, later)
    };
    // A packet's 18 bytes, and 11 for each of the rumours; around it two of the envelope's.
    let bytes = |rumours: usize| Some(20 + 11 * rumours);
    let (quiet, later) = longest(json!({ "rumours": 1 }));
    assert_eq!(
        (quiet, later),
        (bytes(0).max(quiet.min(bytes(1))), bytes(1))
    );
    // From 128 bytes on, the length takes one more.
    let all = bytes(19).map(|bytes| bytes + 1);
    assert_eq!(longest(json!({ "piggyback": "all" })), (all, all));
}

/// Van Renesse et al. §2: a member is believed to have failed so long after its counter was last heard to grow. If this
/// fails, the time to detect is not what the options say.
#[test]
fn silence_is_measured_from_the_last_heartbeat_that_was_heard() {
    for seed in 1..=20 {
        let options = json!({ "detector": { "dead_after": "6s" }, "kill_after": "60s" });
        let mut group = Group::new(8, seed, "heartbeat", &options);
        group.quiet(10 * SECOND);
        group.crash(NodeId::node(8));
        group.quiet(20 * SECOND);
        for node in 1..8 {
            let (belief, at) = group.beliefs[&(NodeId::node(node), NodeId::node(8))];
            assert_eq!(belief, Belief::Down);
            let after = (at - 10 * SECOND).as_secs_f64();
            // It beat up to a period before it died, and gossip passes that on for some periods.
            assert!(
                (5.0..=10.0).contains(&after),
                "n{node} noticed after {after} s"
            );
        }
    }
}

/// Hayashibara et al. §4: the detector adapts to how regularly it hears. If this fails, φ is a constant time in disguise.
#[test]
fn phi_learns_from_the_intervals_what_constant_thresholds_do_not() {
    let noticed = |period: &str, detector: Value| {
        let options = json!({ "period": period, "detector": detector });
        let mut group = Group::new(5, 1, "heartbeat", &options);
        group.quiet(60 * SECOND);
        assert_eq!(group.errors(), []);
        group.crash(NodeId::node(5));
        group.quiet(30 * SECOND);
        let times = (1..5).map(|node| group.beliefs[&(NodeId::node(node), NodeId::node(5))].1);
        times.max().unwrap_or_default() - 60 * SECOND
    };
    let phi = || json!({ "phi": { "min_deviation": "10ms" } });
    assert!(noticed("100ms", phi()) * 4 < noticed("1s", phi()));
    let constant = || json!({ "dead_after": "5s" });
    assert!(noticed("100ms", constant()) * 2 > noticed("1s", constant()));
}

/// Dynamo §4.8.3: who was found unresponsive is asked from time to time whether it has come back; Cassiopeia forgets it.
/// If this fails, the flaw cannot be shown, or is everywhere.
#[test]
fn nodes_that_were_cut_off_find_each_other_again_unless_they_forget() {
    for forget_when_isolated in [false, true] {
        let options = json!({ "forget_when_isolated": forget_when_isolated });
        let mut group = Group::new(5, 1, "heartbeat", &options);
        group.quiet(5 * SECOND);
        let is_cut = |node: NodeId| node.number() > 3;
        group.run(40 * SECOND, |parcel| {
            is_cut(parcel.from) != is_cut(parcel.to)
        });
        group.quiet(100 * SECOND);
        assert_eq!(!group.errors().is_empty(), forget_when_isolated);
    }
}

const SECOND: Duration = Duration::from_secs(1);
const RUNS: u64 = 2_000;
