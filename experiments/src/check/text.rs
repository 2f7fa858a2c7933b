//! What a check has come to, in words.

use super::Checked;
use std::fmt::Write as _;
use tidemark_observer::checker::causal::CausalReport;
use tidemark_observer::checker::{KeyReport, Unscored, Verdict};
use tidemark_observer::figures::SummaryRow;
use tidemark_observer::recording::Times;
use tidemark_proto::event::Outcome;

impl Checked {
    /// The verdict in words, with what speaks against it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let keys = &self.report.keys;
        let count = |is: fn(Verdict) -> bool| {
            keys.values()
                .filter(|report| is(report.linearizable))
                .count()
        };
        let bad = count(|verdict| verdict == Verdict::False);
        let unknown = count(|verdict| matches!(verdict, Verdict::Unknown(_)));
        let mut say = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        say(format!(
            "{}: {} operations on {}, read as {}, checked as {}",
            self.path.display(),
            self.recording.operations.len(),
            match keys.len() {
                1 => "one key".to_owned(),
                keys => format!("{keys} keys"),
            },
            self.format.name,
            self.model.entry().name,
        ));
        say(match self.report.valid {
            Verdict::True => "valid    every key is linearizable".to_owned(),
            Verdict::False => format!(
                "invalid  {bad} of {} keys not linearizable{}",
                keys.len(),
                match unknown {
                    0 => String::new(),
                    unknown => format!(", {unknown} unknown"),
                }
            ),
            Verdict::Unknown(_) => format!(
                "unknown  {unknown} of {} keys, all others are linearizable",
                keys.len()
            ),
        });
        if let Some(causal) = &self.causal {
            self.tell_causal(causal, &mut say);
        }
        let worth = keys
            .iter()
            .filter(|(_, report)| report.linearizable != Verdict::True);
        for (key, report) in worth.clone().take(KEYS_TOLD) {
            self.tell(key, report, &mut say);
        }
        match worth.count() {
            told if told > KEYS_TOLD => say(format!(
                "… and {} more keys; --json has them all",
                told - KEYS_TOLD
            )),
            _ => {}
        }
        if !self.metrics.is_empty() {
            say(format!(
                "\n{:<36} {:>12}  {:<28} {:>10}",
                "metric", "value", "95 %", "of"
            ));
        }
        for SummaryRow {
            metric,
            value,
            low,
            high,
            count,
            ..
        } in &self.metrics
        {
            let interval = low.zip(*high);
            let interval =
                interval.map_or_else(String::new, |(low, high)| format!("[{low:.6}, {high:.6}]"));
            let value = value.unwrap_or_default();
            say(format!(
                "{metric:<36} {value:>12.6}  {interval:<28} {count:>10}"
            ));
        }
        text
    }

    /// Says which causal consistency there is, and the operations that show that there is no more.
    fn tell_causal(&self, causal: &CausalReport, say: &mut impl FnMut(String)) {
        let verdicts = causal
            .kinds()
            .map(|(name, consistency)| match consistency.verdict {
                Verdict::True => format!("{name} yes"),
                Verdict::False => format!("{name} no"),
                Verdict::Unknown(doubt) => format!("{name} unknown: {doubt}"),
            });
        say(match causal.cc.verdict {
            Verdict::Unknown(doubt) => format!("causal   unknown: {doubt}"),
            Verdict::True | Verdict::False => format!("causal   {}", verdicts.join(", ")),
        });
        let mut violations = causal.kinds().into_iter();
        let violation = violations.find_map(|(_, consistency)| consistency.violation.as_ref());
        if let Some(violation) = violation {
            say(format!("         {}:", violation.pattern.name()));
            for index in violation.witness.iter().take(OPERATIONS_TOLD) {
                let key = &self.recording.operations[*index].key;
                say(format!("           {key} {}", self.operation(*index)));
            }
        }
    }

    /// Says of a key why it is not valid.
    fn tell(&self, key: &str, report: &KeyReport, say: &mut impl FnMut(String)) {
        say(String::new());
        let key = match key {
            "" => String::new(),
            key => format!("key {key}: "),
        };
        match (report.linearizable, report.failing) {
            (Verdict::Unknown(doubt), _) => say(format!("{key}unknown: {doubt}")),
            (_, Some(failing)) => {
                let returned = report.prefix.len();
                say(format!(
                    "{key}this operation cannot be placed after {returned} that can:"
                ));
                say(format!("  {}", self.operation(failing)));
            }
            (_, None) => say(format!("{key}not linearizable")),
        }
        if !report.prefix.is_empty() {
            say("  the longest linearizable prefix ends with".to_owned());
        }
        let begin = report.prefix.len().saturating_sub(OPERATIONS_TOLD);
        for index in &report.prefix[begin..] {
            say(format!("    {}", self.operation(*index)));
        }
        let mut scores = Vec::new();
        if let (Some(gamma), Some(delta)) = (report.gamma, report.delta) {
            scores.push(format!("Γ {}, Δ {}", ms(gamma), ms(delta)));
        }
        if let Some(k) = report.k {
            scores.push(format!("k {k}"));
        }
        if let Some(unscored) = report.unscored {
            scores.push(self.unscored(unscored));
        }
        say(format!("  {}", scores.join("; ")));
    }

    fn operation(&self, index: usize) -> String {
        let operation = &self.recording.operations[index];
        let place = match &operation.name {
            Some(name) => name.to_string(),
            None => format!("line {}", operation.line),
        };
        let (process, call) = (operation.process, &operation.call);
        let mut text = format!("{place:<12} process {process:<5} {call}");
        if self.recording.times == Times::Nanoseconds {
            let (start, end) = (operation.start, operation.end);
            write!(text, "  from {}", ms(start)).expect("memory takes every write");
            match operation.outcome {
                Outcome::Unknown => text.push_str(" on, if at all"),
                Outcome::Ok | Outcome::Failed => {
                    write!(text, " to {}", ms(end)).expect("memory takes every write");
                }
            }
        } else if operation.outcome == Outcome::Unknown {
            text.push_str("  (unknown whether it took effect)");
        }
        text
    }

    pub(super) fn unscored(&self, unscored: Unscored) -> String {
        match unscored {
            Unscored::NoRegister => "Γ, Δ and k are of registers".to_owned(),
            Unscored::ValuesRepeat => {
                "no Γ, Δ and k: a value was written twice, or is the initial one".to_owned()
            }
            Unscored::Impossible(read) => format!(
                "no Γ, Δ and k: no write explains {}: nobody wrote what it returned, or only later",
                self.operation(read)
            ),
            Unscored::NoTimes => "no Γ and Δ: the file has no times".to_owned(),
            Unscored::Doubt(doubt) => format!("no Γ, Δ and k: {doubt}"),
        }
    }
}

fn ms(nanoseconds: u64) -> String {
    format!("{:.3} ms", nanoseconds as f64 / 1e6)
}

/// As many keys are told of in words.
const KEYS_TOLD: usize = 5;
/// As many operations of the longest prefix are.
const OPERATIONS_TOLD: usize = 5;
