//! Which answers requests wait for, and whom they ask: the options that all quorum strategies share.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.5 (N, R, W). The rest has the names of the family: PR, PW, DW,
//! `notfound_ok`, `basic_quorum`, `node_confirms` of Riak; preferred and required reads and writes of Voldemort; digest
//! reads and speculative retry of Cassandra.

use super::votes::Votes;
use crate::request::{Code, ReadNeeds, Refusal, WriteNeeds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::time::Duration;
use tidemark_proto::registry::OptionError;
use tidemark_proto::span::Span;

/// How many replicas hold a key, how many must answer, and what is done about those that do not.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quorums {
    /// N: replicas of a key. Too few: lost with their nodes; too many: every write costs more messages.
    pub n: usize,
    /// R: replicas that must answer a read. R + W > N: no stale reads; smaller: faster and staler.
    pub r: usize,
    /// W: replicas that must acknowledge a write. Smaller: faster, staler and sooner lost.
    pub w: usize,
    /// PR: how many of those who answer a read must be among the first N of the preference list, which no fallback is.
    /// Larger: fresher, and sooner refused.
    #[serde(default)]
    pub primary_read: usize,
    /// PW: the same of those who acknowledge a write.
    #[serde(default)]
    pub primary_write: usize,
    /// How many distinct nodes must answer. No preference list has a node twice, so here it is the least that R and W are.
    #[serde(default)]
    pub node_confirms: usize,
    /// DW: how many of those who acknowledge a write must have it on disk.
    #[serde(default)]
    pub durable_write: usize,
    /// Whether a replica that holds nothing counts towards R; if not, it counts once all have answered. True: a replica
    /// that is empty can hide a value; false: slower where there is none.
    #[serde(default = "yes")]
    pub not_found_ok: bool,
    /// Where it does not count: whether a read ends all the same once most replicas hold nothing.
    #[serde(default)]
    pub basic_quorum: bool,
    /// Answers that a read waits for while `preferred_within` lasts; after that, R are enough. Absent: R.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_reads: Option<usize>,
    /// Acknowledgements that a write waits for while `preferred_within` lasts; after that, W are enough. Absent: W.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_writes: Option<usize>,
    /// How long more answers are waited for than are needed. Too short: it changes nothing; too long: clients wait.
    #[serde(default = "default_preferred_within")]
    pub preferred_within: Span,
    /// Whom a read asks.
    #[serde(default)]
    pub read_set: ReadSet,
    /// When a speculative read asks one more: after a share of recent answers like `0.99` would have come, or after a time
    /// like `"10ms"`. Too early: reads cost one more message; too late: it does not help.
    #[serde(default)]
    pub speculate_after: SpeculateAfter,
    /// What becomes of a write that too few acknowledged in time.
    #[serde(default)]
    pub failed_write: FailedWrite,
    /// Whether a request looks for another fallback when a node that it waits for goes down.
    #[serde(default)]
    pub retarget: bool,
    /// How long a coordinator waits for them. Too short: false refusals; too long: clients that wait for the dead.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
    /// Who coordinates.
    #[serde(default)]
    pub coordinator: Place,
}

/// Who coordinates a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Whoever is asked.
    #[default]
    Any,
    /// The first node of the key's preference list; others forward to it.
    First,
    /// A gateway, which holds no keys; nodes forward to one. With a gateway for each client and `route = "sticky"`, the
    /// clients coordinate themselves.
    Gateway,
}

/// Whom a read asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReadSet {
    /// All N replicas: fastest, and repairs see all of them.
    #[default]
    All,
    /// As many as must answer.
    Quorum,
    /// As many as must answer; the first tells what it holds, the others a hash of it. Where hashes differ, all of them
    /// are asked for what they hold.
    Digest,
    /// As many as must answer, and one more after a time.
    Speculative,
}

/// When a speculative read asks one more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a share of recent answers, like 0.99, or a time, like \"10ms\""
)]
pub enum SpeculateAfter {
    /// When this share of recent answers would have come.
    Share(f64),
    /// After this time.
    Time(Span),
}

/// What becomes of a write that too few acknowledged in time. It may reach more replicas whatever is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailedWrite {
    /// It stays where it is.
    #[default]
    Leave,
    /// The coordinator keeps a hint for each replica that did not acknowledge.
    Hint,
    /// Those who acknowledged are sent a tombstone over it. Not safe: who read it meanwhile has seen what never was, and
    /// what it replaced does not come back.
    RollBack,
}

/// What a read waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// Without it there is no answer.
    pub(super) need: Votes,
    /// What is waited for a while.
    pub(super) want: Votes,
    pub(super) not_found_ok: bool,
    pub(super) basic_quorum: bool,
}

/// What a write waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writing {
    /// Without it the write has failed.
    pub(super) need: Votes,
    /// What is waited for a while.
    pub(super) want: Votes,
}

impl Writing {
    /// While members change: as many on the other side.
    pub(super) fn join(&mut self) {
        for votes in [&mut self.need, &mut self.want] {
            votes.there = votes.all;
        }
    }
}

impl Quorums {
    /// Whether they can be met; a write must wait for at least `least` acknowledgements.
    ///
    /// # Errors
    /// They cannot; the error names the option.
    pub fn check(&self, least: usize) -> Result<(), OptionError> {
        let (n, r, w) = (self.n, self.r, self.w);
        if n == 0 {
            return Err(OptionError::of("n", "n is 0; a key has at least 1 replica"));
        }
        let of_n = |name, quorum: usize, least: usize| {
            if (least..=n).contains(&quorum) {
                return Ok(());
            }
            let reason = format!("{name} is {quorum}, but n is {n}; choose {least} to {n}");
            Err(OptionError::of(name, reason))
        };
        of_n("r", r, 1)?;
        of_n("w", w, least)?;
        of_n("primary_read", self.primary_read, 0)?;
        of_n("primary_write", self.primary_write, 0)?;
        of_n("node_confirms", self.node_confirms, 0)?;
        of_n("durable_write", self.durable_write, 0)?;
        for (name, preferred, required) in [
            ("preferred_reads", self.preferred_reads, ("r", r)),
            ("preferred_writes", self.preferred_writes, ("w", w)),
        ] {
            let (other, least) = required;
            if let Some(preferred) = preferred.filter(|number| !(least..=n).contains(number)) {
                let reason = format!(
                    "{name} is {preferred}, but {other} is {least} and n is {n}; choose {least} to {n}"
                );
                return Err(OptionError::of(name, reason));
            }
        }
        if self.basic_quorum && self.not_found_ok {
            let reason = "basic_quorum is true, but not_found_ok is true, so that nothing waits for it; write not_found_ok = false";
            return Err(OptionError::of("basic_quorum", reason));
        }
        if let SpeculateAfter::Share(share) = self.speculate_after
            && !(share > 0.0 && share < 1.0)
        {
            let reason = format!(
                "speculate_after is {share}, but it is a share between 0 and 1; write 0.99, or a time like \"10ms\""
            );
            return Err(OptionError::of("speculate_after", reason));
        }
        if self.timeout.0.is_zero() {
            let reason = "timeout is 0s; nothing would ever be answered";
            return Err(OptionError::of("timeout", reason));
        }
        Ok(())
    }

    /// What a read waits for whose key has `n` replicas.
    pub(super) fn reading(&self, asked: &ReadNeeds, n: usize) -> Result<Reading, Refusal> {
        let all = quorum("read_quorum", asked.quorum, self.r, 1..=n)?;
        let nodes = quorum("node_confirms", asked.nodes, self.node_confirms, 0..=n)?;
        let need = Votes {
            there: 0,
            all: all.max(nodes),
            primary: quorum("primary_read", asked.primaries, self.primary_read, 0..=n)?,
            durable: 0,
        };
        Ok(Reading {
            need,
            want: need.at_least(self.preferred_reads),
            not_found_ok: asked.not_found_ok.unwrap_or(self.not_found_ok),
            basic_quorum: asked.basic_quorum.unwrap_or(self.basic_quorum),
        })
    }

    /// What a write waits for whose key has `n` replicas.
    pub(super) fn writing(&self, asked: &WriteNeeds, n: usize) -> Result<Writing, Refusal> {
        let least = self.w.min(1);
        let all = quorum("write_quorum", asked.quorum, self.w, least..=n)?;
        let nodes = quorum("node_confirms", asked.nodes, self.node_confirms, 0..=n)?;
        let need = Votes {
            there: 0,
            all: all.max(nodes),
            primary: quorum("primary_write", asked.primaries, self.primary_write, 0..=n)?,
            durable: quorum("durable_write", asked.durable, self.durable_write, 0..=n)?,
        };
        Ok(Writing {
            need,
            want: need.at_least(self.preferred_writes),
        })
    }
}

impl Default for SpeculateAfter {
    fn default() -> Self {
        Self::Share(0.99)
    }
}

fn quorum(
    field: &str,
    asked: Option<u32>,
    default: usize,
    choices: RangeInclusive<usize>,
) -> Result<usize, Refusal> {
    let quorum = asked.map_or(default, |asked| asked as usize);
    if choices.contains(&quorum) {
        return Ok(quorum);
    }
    let (least, n) = choices.into_inner();
    let message = format!("{field} is {quorum}; the key has {n} replicas, choose {least} to {n}");
    Err(Refusal::new(Code::InvalidArgument, message))
}

fn yes() -> bool {
    true
}

fn default_preferred_within() -> Span {
    Span(Duration::from_millis(50))
}

fn default_timeout() -> Span {
    Span(Duration::from_millis(500))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use tidemark_proto::registry::parse;

    /// If this fails, a plan whose quorums cannot be met runs, and measures nothing but refusals.
    #[test]
    fn quorums_that_cannot_be_are_refused_by_name() {
        let check = |more: Value, expected: Option<&str>| {
            let mut table = json!({ "n": 3, "r": 1, "w": 3 });
            for (name, value) in more.as_object().into_iter().flatten() {
                table[name] = value.clone();
            }
            let table = table.as_object().cloned().unwrap_or_default();
            let checked = parse(&table).and_then(|quorums: Quorums| quorums.check(1));
            let error = checked.err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), expected, "{more}");
        };
        check(json!({}), None);
        check(json!({ "w": 4 }), Some("w is 4, but n is 3; choose 1 to 3"));
        check(json!({ "w": 0 }), Some("w is 0, but n is 3; choose 1 to 3"));
        check(json!({ "r": 0 }), Some("r is 0, but n is 3; choose 1 to 3"));
        check(
            json!({ "n": 0 }),
            Some("n is 0; a key has at least 1 replica"),
        );
        check(
            json!({ "primary_read": 4 }),
            Some("primary_read is 4, but n is 3; choose 0 to 3"),
        );
        check(json!({ "preferred_reads": 2 }), None);
        check(
            json!({ "r": 2, "preferred_reads": 1 }),
            Some("preferred_reads is 1, but r is 2 and n is 3; choose 2 to 3"),
        );
        check(json!({ "not_found_ok": false, "basic_quorum": true }), None);
        check(
            json!({ "basic_quorum": true }),
            Some(
                "basic_quorum is true, but not_found_ok is true, so that nothing waits for it; write not_found_ok = false",
            ),
        );
        check(json!({ "speculate_after": "10ms" }), None);
        check(
            json!({ "speculate_after": 99 }),
            Some(
                "speculate_after is 99, but it is a share between 0 and 1; write 0.99, or a time like \"10ms\"",
            ),
        );
        check(
            json!({ "timeout": "0s" }),
            Some("timeout is 0s; nothing would ever be answered"),
        );
    }
}
