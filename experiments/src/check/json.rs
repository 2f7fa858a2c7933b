//! What a check has come to, as JSON.

use super::Checked;
use serde_json::{Map, Value as Json, json};
use tidemark_observer::checker::causal::CausalReport;
use tidemark_observer::checker::{KeyReport, SmallestK, Verdict};
use tidemark_observer::figures::SummaryRow;
use tidemark_observer::recording::{Recorded, Times};
use tidemark_proto::event::Outcome;

impl Checked {
    /// The verdict and the scores of every key, as JSON: `gamma_ns`, `delta_ns` and `k` are null where there are none.
    #[must_use]
    pub fn json(&self) -> Json {
        let keys = self.report.keys.iter();
        let keys: Map<String, Json> = keys
            .map(|(key, report)| (key.to_string(), self.key_json(report)))
            .collect();
        json!({
            "valid": verdict_json(self.report.valid),
            "model": self.model.entry().name,
            "format": self.format.name,
            "operations": self.recording.operations.len(),
            "keys": keys,
            "causal": self.causal.as_ref().map(|causal| self.causal_json(causal)),
            "metrics": self.metrics_json(),
        })
    }

    fn key_json(&self, report: &KeyReport) -> Json {
        let mut key = json!({
            "linearizable": verdict_json(report.linearizable),
            "gamma_ns": report.gamma,
            "gamma_above_0": report.gamma_above_0,
            "delta_ns": report.delta,
            "k": match report.k {
                Some(SmallestK::Is(k)) => Some(k),
                Some(SmallestK::AtLeast(_)) | None => None,
            },
            "failing_op": report.failing.map(|index| self.operation_json(index)),
        });
        if let Some(SmallestK::AtLeast(k)) = report.k {
            key["k_at_least"] = k.into();
        }
        if let Verdict::Unknown(doubt) = report.linearizable {
            key["unknown"] = doubt.to_string().into();
        }
        if report.linearizable != Verdict::True {
            let prefix = report.prefix.iter();
            key["longest_linearizable_prefix"] =
                prefix.map(|index| self.operation_json(*index)).collect();
        }
        if let Some(unscored) = report.unscored {
            key["unscored"] = self.unscored(unscored).into();
        }
        key
    }

    /// Each with its interval and with how many observations it rests on.
    fn metrics_json(&self) -> Json {
        let metric = |row: &SummaryRow| {
            let SummaryRow {
                value,
                low,
                high,
                count,
                ..
            } = row;
            let figures = json!({ "value": value, "low": low, "high": high, "count": count });
            (row.metric.clone(), figures)
        };
        Json::Object(self.metrics.iter().map(metric).collect())
    }

    fn causal_json(&self, causal: &CausalReport) -> Json {
        let kinds = causal.kinds().map(|(name, consistency)| {
            let mut json = json!({ "valid": verdict_json(consistency.verdict) });
            if let Some(violation) = &consistency.violation {
                let witness = violation.witness.iter();
                json["pattern"] = violation.pattern.name().into();
                json["witness"] = witness.map(|index| self.operation_json(*index)).collect();
            }
            (name.to_lowercase(), json)
        });
        Json::Object(kinds.into_iter().collect())
    }

    fn operation_json(&self, index: usize) -> Json {
        let Recorded {
            line,
            name,
            process,
            call,
            start,
            end,
            outcome,
            ..
        } = &self.recording.operations[index];
        let mut operation = json!({
            "line": line, "process": process, "f": call.function(), "op": call.to_string(), "outcome": outcome,
        });
        if let Some(name) = name {
            operation["operation"] = (**name).into();
        }
        if self.recording.times == Times::Nanoseconds {
            operation["start_ns"] = (*start).into();
            operation["end_ns"] = json!((*outcome != Outcome::Unknown).then_some(end));
        }
        operation
    }
}

/// As Jepsen has it: true, false or "unknown".
fn verdict_json(verdict: Verdict) -> Json {
    match verdict {
        Verdict::True => true.into(),
        Verdict::False => false.into(),
        Verdict::Unknown(_) => "unknown".into(),
    }
}
