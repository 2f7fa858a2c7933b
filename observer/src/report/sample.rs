//! Figures such as a run of `quickstart` leaves behind, built by hand for the tests of everything that shows figures.

use super::Manifest;
use crate::cause::{Cause, Cure};
use crate::figures::{
    AgeBin, Anomaly, Arrivals, Atomicity, CauseRow, Causes, ClockDistance, Conflicts, Convergence,
    Cost, CureRow, Divergence, Excluded, FaultFigures, Figures, Freshness, GuaranteeFigures, Hints,
    IdleReads, IntervalMethod, Lag, LatencyRow, Leg, Lifecycle, LostWrites, Measured, PhaseFigures,
    Rate, ReadRequests, Regular, RepairPath, Repairs, RunFigures, SessionShare, SiblingCount,
    Spread, TVisibility, TimeBin, WHOLE, Witnesses,
};
use tidemark_proto::event::{Detail, Kind, Milestone, Outcome};

/// A run of 20 s in which `n3` is cut off from 6 s to 12 s.
pub(crate) fn figures() -> Figures {
    let cut = "n3 is cut off";
    let after = "after n3 is cut off";
    Figures {
        run: RunFigures {
            plan: "quickstart".to_owned(),
            backend: "real".to_owned(),
            seed: 7,
            detail: Detail::All,
            ended: Some(Milestone::Ended),
            from_s: 1.2,
            until_s: 21.2,
            ended_s: 24.3,
            clock_error_ms: 0.0,
            operations: 40_112,
            unfinished: 3,
            events: 612_345,
        },
        faults: vec![FaultFigures {
            name: cut.to_owned(),
            kind: "partition".to_owned(),
            about: "n3 from all other nodes".to_owned(),
            from_s: 7.2,
            until_s: 13.2,
            messages: Measured::Known(31_204),
            operations: Measured::Known(7_812),
            machines: 0,
            vacuous: Measured::Known(false),
        }],
        whole: phase(WHOLE, 1.2, 21.2, false, 19_874, 880, 39_941),
        phases: vec![
            phase("quiet", 1.2, 7.2, false, 5_951, 72, 12_008),
            phase(cut, 7.2, 13.2, true, 5_968, 712, 11_940),
            phase(after, 13.2, 21.2, false, 7_955, 96, 15_993),
        ],
        over_time: (0..40).map(bin).collect(),
        freshness: freshness(),
        latency: [WHOLE, "quiet", cut, after]
            .into_iter()
            .flat_map(latency)
            .collect(),
        siblings: [(1, 18_950), (2, 803), (3, 109), (4, 12)]
            .map(|(versions, reads)| SiblingCount { versions, reads })
            .to_vec(),
        siblings_at_end: Some(spread(100, 1.04, [1.0, 1.0, 2.0, 2.0, 2.0])),
        resurrected: rate(0, 0),
        seen_then_gone: rate(612, 19_604),
        unacknowledged_seen: rate(0, 40),
        false_not_found: rate(0, 19_874),
        witnesses: Witnesses {
            seen_then_gone: vec!["c4.211".to_owned(), "c4.219".to_owned()],
            ..Witnesses::default()
        },
        anomalies: vec![Anomaly {
            name: "thin_air".to_owned(),
            reads: rate(0, 19_874),
            witnesses: Vec::new(),
        }],
        guarantees: vec![GuaranteeFigures {
            name: "monotonic_reads".to_owned(),
            broken: rate(102, 9_604),
            t_ms: Some(spread(102, 180.0, [90.0, 900.0, 3_100.0, 5_000.0, 5_500.0])),
            k: Some(spread(102, 1.4, [1.0, 2.0, 5.0, 9.0, 9.0])),
            sessions: 16,
            sessions_broken: 9,
            worst: vec![SessionShare {
                session: "c4".to_owned(),
                broken: 31,
                of: 602,
            }],
            witnesses: vec!["c4.211".to_owned()],
        }],
        lifecycle: Lifecycle {
            writes: 19_803,
            stable: 18_900,
            stale: 831,
            never_read: 72,
            stable_latency_ms: Some(spread(19_731, 9.0, [0.0, 0.0, 210.0, 4_100.0, 5_600.0])),
            window_ms: Some(spread(831, 212.0, [31.0, 700.0, 3_300.0, 5_100.0, 5_600.0])),
            lost_updates: Some(rate(0, 9_100)),
            ..Lifecycle::default()
        },
        causes: Measured::Known(Causes {
            reads: 880,
            rows: vec![
                CauseRow {
                    cause: Cause::Cut,
                    fault: Some("cut".to_owned()),
                    reads: 792,
                    cures: vec![
                        CureRow {
                            cure: Cure::LaterWrite,
                            reads: 198,
                        },
                        CureRow {
                            cure: Cure::ReadRepair,
                            reads: 594,
                        },
                    ],
                    witnesses: Vec::new(),
                },
                CauseRow {
                    cause: Cause::InFlight,
                    fault: None,
                    reads: 88,
                    cures: vec![CureRow {
                        cure: Cure::Write,
                        reads: 88,
                    }],
                    witnesses: Vec::new(),
                },
            ],
        }),
        atomicity: Measured::Known(Atomicity {
            keys: 96,
            linearizable: 61,
            two_atomic: 80,
            positive: rate(611, 19_903),
            gamma_ms: Some(spread(611, 190.0, [80.0, 610.0, 3_200.0, 5_000.0, 5_500.0])),
            delta_ms: Some(spread(96, 310.0, [0.0, 1_200.0, 5_300.0, 5_600.0, 5_600.0])),
            k: Some(spread(96, 1.9, [1.0, 4.0, 9.0, 9.0, 9.0])),
            k_at_least: 3,
            worst: Some("of c4.208 of user17".to_owned()),
            with_siblings: 4,
            unexplained: 0,
            at_least: 0,
            late: 0,
        }),
        regular: Regular {
            k: vec![(1, rate(18_994, 19_874)), (2, rate(19_700, 19_874))],
            delta_ms: vec![(10, rate(19_105, 19_874))],
        },
        conflicts: Conflicts {
            sibling_lifetime_ms: Some(spread(212, 40.0, [22.0, 90.0, 310.0, 340.0, 340.0])),
            clock_bytes: Some(spread(39_700, 41.0, [40.0, 56.0, 72.0, 88.0, 88.0])),
            ..Conflicts::default()
        },
        divergence: Measured::Known(Divergence {
            phi: rate(17_020, 19_874),
            width: Some(spread(19_874, 1.2, [1.0, 2.0, 3.0, 4.0, 5.0])),
            content_ms: Some(spread(912, 61.0, [9.0, 80.0, 3_100.0, 5_100.0, 5_400.0])),
            content_open: 0,
            order_ms: None,
            order_open: 0,
        }),
        cost: Measured::Known(Cost {
            operations: 39_941,
            messages: 279_587,
            bytes: 61_000_000,
        }),
        clock_distance: Measured::Known(ClockDistance {
            l1: spread(19_874, 0.07, [0.0, 0.0, 1.0, 4.0, 11.0]),
            l_infinity: spread(19_874, 0.05, [0.0, 0.0, 1.0, 3.0, 9.0]),
            version_lag: spread(19_874, 0.06, [0.0, 0.0, 1.0, 3.0, 8.0]),
        }),
        legs: Measured::Known(
            [
                ("W", "Store", 7.4),
                ("A", "StoreReply", 5.1),
                ("R", "Fetch", 5.0),
                ("S", "FetchReply", 5.0),
            ]
            .map(|(name, method, mean)| Leg {
                name: name.to_owned(),
                method: method.to_owned(),
                ms: spread(41_877, mean, [0.69, 2.3, 4.6, 6.9, 12.0].map(|x| x * mean)),
                quantiles_ms: vec![0.0, mean, 12.0 * mean],
            })
            .to_vec(),
        ),
        lost_writes: Measured::Known(LostWrites {
            lost: rate(0, 19_803),
            overwritten: rate(0, 19_803),
            examples: Vec::new(),
            overwritten_examples: Vec::new(),
        }),
        member_changes: Vec::new(),
        convergence: Measured::Known(Convergence {
            keys: 100,
            diverged_at_heal: 6,
            diverged_at_end: 0,
            after_heal_s: Some(0.83),
            after_partition_s: None,
        }),
        repairs: Measured::Known(Repairs {
            paths: vec![RepairPath {
                name: "read".to_owned(),
                mended: 212,
                messages: Measured::Known(230),
                bytes: Measured::Known(31_740),
            }],
            compared: 0,
            compared_after_heal: 0,
            hints: Hints::default(),
        }),
        repairs_at_idle: Measured::Known(0),
        read_requests: Measured::Known(ReadRequests {
            reads: 9_000,
            requests: 18_000,
        }),
        idle_reads: Measured::Known(IdleReads {
            reads: 0,
            repairs: 0,
        }),
        replication_lag: Measured::Known(vec![Lag {
            replica: 3,
            of: 19_803,
            ms: spread(19_640, 5.2, [4.8, 9.9, 1_204.0, 9_871.0, 10_210.0]),
        }]),
        detection: Measured::Missing("nobody watches for crashes".to_owned()),
        sides: Vec::new(),
        never_won: Measured::Known(rate(0, 4_619)),
        oracles: Vec::new(),
        gaps: Vec::new(),
        clocks: Vec::new(),
        excluded: vec![Excluded {
            what: "reads of a key before its first complete write".to_owned(),
            count: 31,
        }],
    }
}

/// What such a run's folder says of it.
pub(crate) fn manifest() -> Manifest {
    Manifest {
        plan_toml: "question = \"How stale do reads get while one replica is cut off?\"\nseed = 7\n\n[cluster]\nnodes = 5\n"
            .to_owned(),
        replay: "tidemark run quickstart --backend real --seed 7".to_owned(),
        version: "0.1.0".to_owned(),
        commit: "0123456".to_owned(),
        started_utc: "2026-03-01T12:00:00Z".to_owned(),
        folder: "results/quickstart/20260301T120000Z-7".to_owned(),
    }
}

pub(crate) fn rate(count: u64, of: u64) -> Rate {
    let share = count as f64 / of as f64;
    let half = 2.6 * (share * (1.0 - share) / of as f64).sqrt() + 1.0 / of as f64;
    Rate {
        count,
        of,
        share: (of > 0).then_some(share),
        low: (share - half).max(0.0),
        high: (share + half).min(1.0),
        effective: of as f64 / 1.7,
        method: IntervalMethod::BlockBootstrap,
    }
}

fn spread(count: u64, mean: f64, [p50, p90, p99, p999, max]: [f64; 5]) -> Spread {
    Spread {
        count,
        mean,
        p50,
        p90,
        p99,
        p999,
        max,
    }
}

fn phase(
    name: &str,
    from_s: f64,
    until_s: f64,
    fault: bool,
    reads: u64,
    stale: u64,
    operations: u64,
) -> PhaseFigures {
    let failed = if fault { operations / 13 } else { 0 };
    let unknown = if fault { 41 } else { 0 };
    let ok = operations - failed - unknown;
    PhaseFigures {
        name: name.to_owned(),
        from_s,
        until_s,
        fault,
        operations,
        ok,
        failed,
        unknown,
        availability: rate(ok, operations),
        reads_available: rate(operations / 2 - (failed + unknown) / 3, operations / 2),
        writes_available: rate(operations / 2 - (failed + unknown) * 2 / 3, operations / 2),
        reads,
        stale: rate(stale, reads),
        stale_single_value: rate(stale - 11, reads),
        concurrent: reads / 19,
        t_staleness_ms: Some(spread(
            stale,
            180.0,
            if fault {
                [190.0, 1_410.0, 3_310.0, 5_100.0, 5_610.0]
            } else {
                [9.4, 31.0, 84.0, 120.0, 131.0]
            },
        )),
        k_staleness: Some(spread(stale, 3.1, [1.0, 7.0, 22.0, 41.0, 57.0])),
        siblings: rate(reads / 22, reads),
        messages: Measured::Known(operations * 7),
        messages_touched: Measured::Known(if fault { 31_204 } else { 0 }),
        operations_touched: Measured::Known(if fault { 7_812 } else { 0 }),
    }
}

fn bin(number: u32) -> TimeBin {
    let from_s = 1.2 + 0.5 * f64::from(number);
    let cut = (12..24).contains(&number);
    let wave = u64::from(number * 7 % 11);
    let stale = if cut {
        25 + u64::from(number - 12) * 4 + wave
    } else {
        2 + wave / 3
    };
    TimeBin {
        from_s,
        until_s: from_s + 0.5,
        operations: 1_000,
        availability: rate(if cut { 918 } else { 1_000 }, 1_000),
        stale: rate(stale, 490 + wave),
    }
}

fn freshness() -> Freshness {
    let fresh_at = |age: f64| 1.0 - 0.28 * (-age / 9.0).exp() - 0.02 * (-age / 400.0).exp();
    let edges: Vec<f64> = std::iter::once(0.0)
        .chain((0..16).map(|step| 0.1 * 10_f64.powf(f64::from(step) / 4.0)))
        .collect();
    let curve = edges.windows(2).enumerate().map(|(number, edge)| {
        let of = [
            2_031, 60, 88, 120, 180, 260, 390, 610, 900, 1_400, 2_000, 2_400, 2_900, 2_800, 1_900,
            1_835,
        ][number];
        let mean_ms = f64::midpoint(edge[0], edge[1]);
        let wobble = if number % 2 == 0 { 0.004 } else { -0.004 };
        let share = (fresh_at(mean_ms) + wobble).min(1.0);
        AgeBin {
            from_ms: edge[0],
            until_ms: edge[1],
            mean_ms,
            fresh: rate((share * f64::from(of)) as u64, u64::from(of as u32)),
            isotonic: fresh_at(mean_ms),
        }
    });
    let p = [0.5, 0.9, 0.99, 0.999];
    let reads = [
        Measured::Known(0.0),
        Measured::Known(10.8),
        Measured::Known(310.0),
    ];
    let reads = reads.into_iter().chain([Measured::Missing(
        "never reached within the ages that were read".to_owned(),
    )]);
    let arrivals = [0.0, 10.2, 24.1, 38.7].map(Measured::Known);
    Freshness {
        curve: curve.collect(),
        at_zero: rate(1_422, 2_031),
        t_visibility: p
            .into_iter()
            .zip(reads.zip(arrivals))
            .map(|(p, (from_reads_ms, from_arrivals_ms))| TVisibility {
                p,
                from_reads_ms,
                from_arrivals_interval_ms: from_arrivals_ms.known().map(|ms| (ms * 0.9, ms * 1.1)),
                from_arrivals_ms,
            })
            .collect(),
        arrivals: Measured::Known(Arrivals {
            pairs: 19_302,
            never: 14,
            unmatched: 203,
            at_zero: rate(13_550, 19_302),
            t_star_ms: spread(19_302, 2.9, [0.0, 10.2, 24.1, 38.7, 61.3]),
            quantiles_ms: (0..=1000)
                .map(|part| f64::from((part - 800).max(0)) / 4.0)
                .collect(),
            curve: edges
                .iter()
                .skip(1)
                .map(|t| (*t, 1.0 - 0.3 * (-t / 8.0).exp()))
                .collect(),
        }),
    }
}

fn latency(phase: &str) -> Vec<LatencyRow> {
    let rows = [
        (Kind::Get, Outcome::Ok, 9_900, 4.9),
        (Kind::Put, Outcome::Ok, 9_800, 6.2),
        (Kind::Put, Outcome::Failed, 41, 501.0),
    ];
    let row = |(kind, outcome, count, p50): (_, _, _, f64)| LatencyRow {
        kind,
        outcome,
        phase: phase.to_owned(),
        ms: spread(
            count,
            p50 * 1.3,
            [1.0, 3.2, 6.4, 9.8, 13.0].map(|x| x * p50),
        ),
        percentiles: if phase == WHOLE {
            (0..=40)
                .map(|step| 1.0 - 10_f64.powf(-f64::from(step) / 10.0))
                .map(|share| (share, p50 * (0.15 - 1.25 * (1.0 - share).log2())))
                .collect()
        } else {
            Vec::new()
        },
    };
    rows.map(row).to_vec()
}
