//! The figures as rows of numbers, for `summary.csv` and for sweeps over many runs.

mod reads;

use crate::figures::{
    Figures, IdleReads, Interval, IntervalMethod, Measured, MemberChange, PhaseFigures, Rate,
    ReadRequests, Spread, SummaryRow, WHOLE,
};

/// One row per phase and metric, then those of the whole run. What could not be computed has a row without a value.
#[must_use]
pub fn rows(figures: &Figures) -> Vec<SummaryRow> {
    let mut rows = Rows::default();
    for phase in figures.phases.iter().chain([&figures.whole]) {
        rows.phase(phase);
    }
    rows.phase = WHOLE.to_owned();
    rows.freshness(figures);
    for row in &figures.latency {
        rows.phase.clone_from(&row.phase);
        let name = format!("latency_{:?}_{:?}", row.kind, row.outcome).to_lowercase();
        rows.spread(&name, "_ms", Some(&row.ms));
    }
    rows.phase = WHOLE.to_owned();
    rows.spread("siblings_at_end", "", figures.siblings_at_end.as_ref());
    rows.rate("resurrected", &figures.resurrected);
    rows.rate("seen_then_gone", &figures.seen_then_gone);
    rows.rate("unacknowledged_seen", &figures.unacknowledged_seen);
    rows.rate("false_not_found", &figures.false_not_found);
    let distance = figures.clock_distance.known();
    rows.spread("clock_distance_l1", "", distance.map(|clock| &clock.l1));
    rows.spread(
        "clock_distance_l_infinity",
        "",
        distance.map(|clock| &clock.l_infinity),
    );
    rows.spread("version_lag", "", distance.map(|clock| &clock.version_lag));
    for leg in figures.legs.known().into_iter().flatten() {
        rows.spread(
            &format!("leg_{}", leg.name.to_lowercase()),
            "_ms",
            Some(&leg.ms),
        );
    }
    match &figures.lost_writes {
        Measured::Known(lost) => {
            rows.rate("lost_writes", &lost.lost);
            rows.rate("overwritten_unseen", &lost.overwritten);
        }
        Measured::Missing(_) => {
            rows.value("lost_writes", None, 0);
            rows.value("overwritten_unseen", None, 0);
        }
    }
    match &figures.never_won {
        Measured::Known(rate) => rows.rate("never_won", rate),
        Measured::Missing(_) => rows.value("never_won", None, 0),
    }
    rows.members(&figures.member_changes);
    let convergence = figures.convergence.known();
    let keys = convergence.map_or(0, |convergence| convergence.keys);
    let after = convergence.and_then(|convergence| convergence.after_heal_s);
    rows.value("converged_after_heal_s", after, keys);
    let diverged = convergence.map(|convergence| convergence.diverged_at_heal as f64);
    rows.value("keys_diverged_at_heal", diverged, keys);
    let diverged = convergence.map(|convergence| convergence.diverged_at_end as f64);
    rows.value("keys_diverged_at_end", diverged, keys);
    let after = convergence.and_then(|convergence| convergence.after_partition_s);
    rows.value("converged_after_partition_s", after, keys);
    rows.sides(figures);
    rows.repairs(figures);
    rows.detection(figures);
    rows.reads(figures);
    rows.rows
}

#[derive(Default)]
struct Rows {
    phase: String,
    rows: Vec<SummaryRow>,
}

impl Rows {
    fn phase(&mut self, phase: &PhaseFigures) {
        self.phase.clone_from(&phase.name);
        let length = phase.until_s - phase.from_s;
        let goodput = (length > 0.0).then(|| phase.ok as f64 / length);
        self.value("goodput", goodput, phase.operations);
        self.rate("availability", &phase.availability);
        self.rate("reads_available", &phase.reads_available);
        self.rate("writes_available", &phase.writes_available);
        self.rate("stale", &phase.stale);
        self.rate("stale_single_value", &phase.stale_single_value);
        self.value(
            "concurrent_reads",
            Some(phase.concurrent as f64),
            phase.reads,
        );
        self.spread("t_staleness", "_ms", phase.t_staleness_ms.as_ref());
        self.spread("k_staleness", "", phase.k_staleness.as_ref());
        self.rate("siblings", &phase.siblings);
        let counts = [
            ("messages", &phase.messages),
            ("messages_touched", &phase.messages_touched),
            ("operations_touched", &phase.operations_touched),
        ];
        for (metric, count) in counts {
            self.value(
                metric,
                count.known().map(|count| *count as f64),
                phase.operations,
            );
        }
    }

    fn freshness(&mut self, figures: &Figures) {
        let freshness = &figures.freshness;
        self.rate("fresh_at_zero", &freshness.at_zero);
        match &freshness.arrivals {
            Measured::Known(arrivals) => {
                self.rate("fresh_at_zero_from_arrivals", &arrivals.at_zero)
            }
            Measured::Missing(_) => self.value("fresh_at_zero_from_arrivals", None, 0),
        }
        let pairs = freshness
            .arrivals
            .known()
            .map_or(0, |arrivals| arrivals.pairs);
        for estimate in &freshness.t_visibility {
            let p = estimate.p;
            let from_reads = estimate.from_reads_ms.known().copied();
            self.value(
                &format!("t_visibility_{p}_ms"),
                from_reads,
                figures.whole.reads,
            );
            let from_arrivals = estimate.from_arrivals_ms.known().copied();
            self.value(
                &format!("t_visibility_{p}_from_arrivals_ms"),
                from_arrivals,
                pairs,
            );
            if let (Some(row), Some(interval)) =
                (self.rows.last_mut(), estimate.from_arrivals_interval_ms)
            {
                (row.low, row.high) = (Some(interval.0), Some(interval.1));
                row.interval = Some(Interval::OrderStatistics);
            }
        }
    }

    fn repairs(&mut self, figures: &Figures) {
        for lag in figures.replication_lag.known().into_iter().flatten() {
            let metric = format!("replication_lag_{}", lag.replica);
            self.spread(&metric, "_ms", Some(&lag.ms));
        }
        let at_idle = figures.repairs_at_idle.known().map(|count| *count as f64);
        self.value("repairs_at_idle", at_idle, figures.whole.operations);
        let idle = figures.idle_reads.known();
        let per_read = idle.and_then(IdleReads::repairs_per_read);
        let reads = idle.map_or(0, |idle| idle.reads);
        self.value("repairs_per_idle_read", per_read, reads);
        let requests = figures.read_requests.known();
        let per_read = requests.and_then(ReadRequests::per_read);
        let reads = requests.map_or(0, |requests| requests.reads);
        self.value("requests_per_read", per_read, reads);
        let Some(repairs) = figures.repairs.known() else {
            return;
        };
        for path in &repairs.paths {
            let known = |count: &Measured<u64>| count.known().map(|count| *count as f64);
            let counts = [
                ("mended", Some(path.mended as f64)),
                ("messages", known(&path.messages)),
                ("bytes", known(&path.bytes)),
            ];
            for (name, value) in counts {
                let metric = format!("{}_repair_{name}", path.name);
                self.value(&metric, value, path.mended);
            }
        }
        let hints = repairs.hints;
        let counts = [
            ("sweep_keys_compared", repairs.compared),
            (
                "sweep_keys_compared_after_heal",
                repairs.compared_after_heal,
            ),
            ("hints_kept", hints.kept),
            ("hints_delivered", hints.delivered),
            ("hints_expired", hints.expired),
            ("hints_dropped", hints.dropped),
            ("hints_outstanding", hints.outstanding),
        ];
        for (metric, count) in counts {
            self.value(metric, Some(count as f64), figures.whole.operations);
        }
    }

    /// Only where a partition has sides, and clients after it.
    fn sides(&mut self, figures: &Figures) {
        if figures.sides.is_empty() {
            return;
        }
        if let Some(last) = figures.phases.last().filter(|phase| !phase.fault) {
            self.rate("siblings_after", &last.siblings);
        }
        for (number, side) in (1..).zip(&figures.sides) {
            self.rate(&format!("side_{number}_available"), &side.available);
            self.rate(
                &format!("side_{number}_undetected_available"),
                &side.undetected,
            );
            self.rate(&format!("side_{number}_detected_available"), &side.detected);
            self.value(&format!("side_{number}_placed"), side.expected, 0);
            for (name, rate) in [("", &side.available), ("_undetected", &side.undetected)] {
                let excess = rate.share.zip(side.expected);
                let excess = excess.map(|(share, expected)| share - expected);
                self.value(&format!("side_{number}{name}_excess"), excess, rate.of);
            }
        }
    }

    /// Only where members change: all of it together.
    fn members(&mut self, changes: &[MemberChange]) {
        if changes.is_empty() {
            return;
        }
        let count = changes.len() as u64;
        let complete = changes.iter().filter(|change| change.is_complete);
        let longest = changes.iter().map(MemberChange::took_s).fold(0.0, f64::max);
        let share = |change: &MemberChange| change.moved.known()?.share;
        let moved: Option<f64> = changes.iter().map(share).sum();
        let ideal: f64 = changes.iter().map(|change| change.ideal).sum();
        let sum = |of: fn(&MemberChange) -> u64| changes.iter().map(of).sum::<u64>() as f64;
        let values = [
            ("member_changes", Some(complete.count() as f64)),
            ("member_change_s_max", Some(longest)),
            ("copies_moved", moved),
            ("copies_moved_ideal", Some(ideal)),
            ("copies_moved_over_ideal", moved.map(|moved| moved / ideal)),
            ("handed_over_keys", Some(sum(|change| change.sent_keys))),
            ("handed_over_bytes", Some(sum(|change| change.sent_bytes))),
        ];
        for (metric, value) in values {
            self.value(metric, value, count);
        }
    }

    /// Only where somebody watches for crashes.
    fn detection(&mut self, figures: &Figures) {
        let Some(detection) = figures.detection.known() else {
            return;
        };
        self.rate("crashes_detected", &detection.detected);
        let spreads = [
            ("time_to_detect_first", &detection.first_ms),
            ("time_to_detect", &detection.each_ms),
            ("time_to_detect_all", &detection.all_ms),
            ("time_to_failed_probe", &detection.first_failed_probe_ms),
            ("false_positive", &detection.false_positive_ms),
        ];
        for (metric, spread) in spreads {
            self.spread(metric, "_ms", spread.as_ref());
        }
        let rates = [
            ("false_positives", detection.false_positives_per_minute),
            ("false_suspicions", detection.false_suspicions_per_minute),
            ("false_probes", detection.false_probes_per_minute),
        ];
        for (metric, value) in rates {
            let name = format!("{metric}_per_minute");
            self.value(&name, value, detection.false_positives);
        }
        let periods = detection.first_failed_probe_whole_s;
        self.value("time_to_failed_probe_whole_s", periods, detection.crashes);
    }

    fn rate(&mut self, metric: &str, rate: &Rate) {
        self.value(metric, rate.share, rate.of);
        if let (Some(row), Some(_)) = (self.rows.last_mut(), rate.share) {
            (row.low, row.high) = (Some(rate.low), Some(rate.high));
            row.effective = Some(rate.effective);
            row.interval = match rate.method {
                _ if rate.is_thin() => Some(Interval::TooFew),
                IntervalMethod::BlockBootstrap => Some(Interval::BlockBootstrap),
                IntervalMethod::Wilson => Some(Interval::Wilson),
                IntervalMethod::Nothing => None,
            };
        }
    }

    fn spread(&mut self, metric: &str, unit: &str, spread: Option<&Spread>) {
        let Some(spread) = spread else {
            return;
        };
        let values = [
            ("mean", spread.mean),
            ("p50", spread.p50),
            ("p90", spread.p90),
            ("p99", spread.p99),
            ("p999", spread.p999),
            ("max", spread.max),
        ];
        for (name, value) in values {
            self.value(&format!("{metric}_{name}{unit}"), Some(value), spread.count);
        }
    }

    fn value(&mut self, metric: &str, value: Option<f64>, count: u64) {
        self.rows.push(SummaryRow {
            phase: self.phase.clone(),
            metric: metric.to_owned(),
            value,
            low: None,
            high: None,
            count,
            effective: None,
            interval: None,
        });
    }
}
