//! The rows about what reads found, sessions were promised, and replicas differed in.

use super::Rows;
use crate::cause::{Cause, Cure};
use crate::figures::{Cost, Figures, GapFigures, Lifecycle};
use crate::history::Word;

impl Rows {
    pub(super) fn reads(&mut self, figures: &Figures) {
        for anomaly in &figures.anomalies {
            self.rate(&anomaly.name, &anomaly.reads);
        }
        for guarantee in &figures.guarantees {
            let name = &guarantee.name;
            self.rate(&format!("{name}_broken"), &guarantee.broken);
            self.spread(&format!("{name}_t"), "_ms", guarantee.t_ms.as_ref());
            self.spread(&format!("{name}_k"), "", guarantee.k.as_ref());
            let sessions = guarantee.sessions;
            let broken = guarantee.sessions_broken as f64;
            self.value(&format!("{name}_sessions_broken"), Some(broken), sessions);
        }
        self.lifecycle(&figures.lifecycle);
        for (k, reads) in &figures.regular.k {
            self.rate(&format!("k_regular_{k}"), reads);
        }
        for (ms, reads) in &figures.regular.delta_ms {
            self.rate(&format!("delta_regular_{ms}_ms"), reads);
        }
        self.atomicity(figures);
        let conflicts = &figures.conflicts;
        let lifetime = conflicts.sibling_lifetime_ms.as_ref();
        self.spread("sibling_lifetime", "_ms", lifetime);
        if let Some(false_concurrency) = &conflicts.false_concurrency {
            self.rate("false_concurrency", false_concurrency);
        }
        self.spread("clock_bytes", "", conflicts.clock_bytes.as_ref());
        self.causes(figures);
        self.gaps(figures);
        self.clocks(figures);
        self.divergence(figures);
        self.cost(figures);
    }

    fn atomicity(&mut self, figures: &Figures) {
        let Some(atomicity) = figures.atomicity.known() else {
            return;
        };
        self.rate("gamma_positive", &atomicity.positive);
        self.spread("gamma", "_ms", atomicity.gamma_ms.as_ref());
        self.spread("delta", "_ms", atomicity.delta_ms.as_ref());
        self.spread("k_atomicity", "", atomicity.k.as_ref());
        let known = atomicity.keys + atomicity.unexplained;
        self.value("keys_linearizable", atomicity.linearizable_share(), known);
        self.value(
            "keys_two_atomic",
            atomicity.two_atomic_share(),
            atomicity.keys,
        );
    }

    /// A run without gaps has none missing.
    fn gaps(&mut self, figures: &Figures) {
        let sum = |of: fn(&GapFigures) -> u64| figures.gaps.iter().map(of).sum::<u64>();
        let missing = sum(|gap| gap.missing) as f64;
        self.value("events_missing", Some(missing), sum(|gap| gap.times));
    }

    /// Clients that read one clock differ by nothing.
    fn clocks(&mut self, figures: &Figures) {
        let others = figures.clocks.len() as u64;
        let bounds = figures.clocks.iter().map(|clock| clock.bound_ms);
        self.value("clock_error_ms", Some(figures.run.clock_error_ms), others);
        self.value("clock_bound_ms", bounds.reduce(f64::max), others);
    }

    fn causes(&mut self, figures: &Figures) {
        let Some(causes) = figures.causes.known() else {
            return;
        };
        for cause in Cause::ALL {
            let name = format!("cause_{}", Word(&cause)).replace('-', "_");
            self.value(&name, causes.share(cause), causes.reads);
        }
        for cure in Cure::ALL {
            let name = format!("cure_{}", Word(&cure)).replace('-', "_");
            self.value(&name, causes.cured(cure), causes.reads);
        }
    }

    fn lifecycle(&mut self, writes: &Lifecycle) {
        let counts = [
            ("writes_stable", writes.stable),
            ("writes_stale", writes.stale),
            ("writes_lost", writes.lost),
            ("writes_never_read", writes.never_read),
        ];
        for (metric, count) in counts {
            self.value(metric, Some(count as f64), writes.writes);
        }
        let duplicates = writes.duplicates as f64;
        self.value("duplicates", Some(duplicates), writes.writes);
        let spreads = [
            ("stable_latency", &writes.stable_latency_ms),
            ("lost_latency", &writes.lost_latency_ms),
            ("inconsistency_window", &writes.window_ms),
        ];
        for (metric, spread) in spreads {
            self.spread(metric, "_ms", spread.as_ref());
        }
        if let Some(lost) = &writes.lost_updates {
            self.rate("lost_updates", lost);
        }
    }

    fn divergence(&mut self, figures: &Figures) {
        let Some(divergence) = figures.divergence.known() else {
            return;
        };
        self.rate("phi", &divergence.phi);
        self.spread("divergence_width", "", divergence.width.as_ref());
        let windows = [
            ("content", &divergence.content_ms, divergence.content_open),
            ("order", &divergence.order_ms, divergence.order_open),
        ];
        for (name, ended, open) in windows {
            self.spread(&format!("{name}_divergence"), "_ms", ended.as_ref());
            let ended = ended.as_ref().map_or(0, |ended| ended.count);
            let metric = format!("{name}_divergence_open");
            self.value(&metric, Some(open as f64), ended + open);
        }
    }

    fn cost(&mut self, figures: &Figures) {
        let cost = figures.cost.known();
        let per = |of: fn(&Cost) -> u64| cost.and_then(|cost| cost.per_operation(of(cost)));
        let operations = cost.map_or(0, |cost| cost.operations);
        let messages = per(|cost| cost.messages);
        self.value("messages_per_operation", messages, operations);
        let bytes = per(|cost| cost.bytes);
        self.value("bytes_per_operation", bytes, operations);
    }
}
