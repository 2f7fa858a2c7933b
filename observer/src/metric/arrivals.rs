//! The second estimate of t-visibility, from what reached which replica when.
//!
//! For a write and the first read that follows it: t* = max(0, min over the replicas i that answered the read of
//! (W_i − w − R_i)), where W_i − w is the write's arrival at i after its completion, and R_i the read's arrival at i after its
//! start. A read that starts t* after the completion and takes as long is fresh: t-visibility at p is the p-quantile of t*.
//! A replica that the write never reached sets no bound; a pair without a bound counts as never fresh. A read that starts
//! more than half a minute after the write, of the plan's time, is not paired with it.
//!
//! Reference: P. Bailis et al., “Probabilistically bounded staleness”, VLDB 2012 (the WARS model).

use super::freshness::{EDGES, PROBABILITIES};
use super::{Metric, Run, Seen};
use crate::figures::{Arrivals as Figures, Measured};
use crate::interval::wilson;
use crate::judge::Verdict;
use crate::lookup::Recent;
use crate::spread::{MS, quantile, spread};
use crate::tally::{Tally, shares};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_proto::event::{Detail, Event, Operation};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Method;
use tidemark_proto::time::nanoseconds;

#[derive(Default)]
pub(crate) struct Arrivals {
    /// When reads reached which replicas.
    reads: Recent<OperationId, Times>,
    /// When writes did, and whether a read has followed.
    writes: Recent<OperationId, (Times, bool)>,
    /// Pairs whose write has not reached every replica that answered the read.
    open: BTreeMap<OperationId, Pair>,
    /// t* of the other pairs.
    closed: Vec<TStar>,
    unmatched: u64,
    /// Whether anything was seen to arrive: else there is nothing to be matched.
    knows_arrivals: bool,
}

type Times = SmallVec<[(NodeId, Duration); 3]>;

/// A write and the read that followed it.
struct Pair {
    block: u32,
    complete: Duration,
    /// The replicas that the write has still to reach, and how long the read took to each.
    awaited: Times,
    /// The least bound so far.
    t_star: Option<Duration>,
}

/// In nanoseconds, and the block of time in which the read started; without a bound, the largest number.
type TStar = (u64, u32);

impl Metric for Arrivals {
    /// The estimate, and t-visibility with its 95 % interval in the order of [`PROBABILITIES`].
    type Figures = (Measured<Figures>, [(Measured<f64>, Option<(f64, f64)>); 4]);

    fn observe(&mut self, seen: &Seen<'_>) {
        match seen.event {
            Event::Received {
                at,
                operation,
                to,
                method: Method::Store,
                ..
            } => self.write_arrives(*operation, *to, *at, seen.memory),
            Event::Stored(stored) if matches!(stored.method, Method::Put | Method::Delete) => {
                self.write_arrives(stored.operation, stored.node, stored.at, seen.memory);
            }
            Event::Received {
                at,
                operation,
                to,
                method: Method::Fetch | Method::Get,
                ..
            } => {
                self.knows_arrivals = true;
                let mut times = self.reads.remove(operation).unwrap_or_default();
                times.push((*to, *at));
                self.reads.insert(*at, seen.memory, *operation, times);
            }
            Event::Returned(operation) if self.knows_arrivals => {
                let times = self.reads.remove(&operation.id).unwrap_or_default();
                if let (Some(Verdict::Judged(judgement)), Some((_, place))) =
                    (seen.verdict, seen.answered_read())
                    // Of a write that is older its arrivals may be forgotten.
                    && judgement.age <= seen.memory / 2
                {
                    let complete = operation.invoked - judgement.age;
                    self.pair(
                        judgement.newest,
                        complete,
                        operation,
                        &times,
                        place.block,
                        seen.memory,
                    );
                }
            }
            _ => {}
        }
    }

    fn report(&self, run: &Run<'_>) -> Self::Figures {
        let missing = |reason: String| {
            let each = [(); 4].map(|()| (Measured::Missing(reason.clone()), None));
            (Measured::Missing(reason), each)
        };
        if let Some(reason) = run.lacks(Detail::Arrivals) {
            return missing(reason);
        }
        let open = self.open.values().map(Pair::t_star);
        let mut pairs: Vec<TStar> = self.closed.iter().copied().chain(open).collect();
        pairs.sort_unstable();
        let all: Vec<u64> = pairs.iter().map(|(t, _)| *t).collect();
        let bound = &all[..all.partition_point(|t| *t < NEVER)];
        let Some(t_star_ms) = spread(bound, MS) else {
            return missing("no read followed a write whose arrivals are known".to_owned());
        };
        let mut at_zero = Tally::default();
        pairs
            .iter()
            .for_each(|(t, block)| at_zero.add(*block, *t == 0));
        let share = |edge: u64| all.partition_point(|t| *t <= edge) as f64 / all.len() as f64;
        let reach = EDGES.partition_point(|edge| bound.last() > Some(edge));
        let figures = Figures {
            pairs: all.len() as u64,
            never: (all.len() - bound.len()) as u64,
            unmatched: self.unmatched,
            at_zero: shares(&[at_zero], run.seed, "t* = 0").whole,
            t_star_ms,
            quantiles_ms: (0..=PARTS)
                .map(|part| quantile(&all, f64::from(part) / f64::from(PARTS)))
                .take_while(|t| *t < NEVER)
                .map(|t| t as f64 / MS)
                .collect(),
            curve: (EDGES.iter().take(reach + 1))
                .map(|edge| (*edge as f64 / MS, share(*edge)))
                .collect(),
        };
        let effective = figures.at_zero.effective;
        let t_visibility = PROBABILITIES.map(|p| {
            let missing = match quantile(&all, p) {
                NEVER => format!("the writes of fewer than {p} of the pairs arrived"),
                _ if (all.len() as f64) * (1.0 - p) < 1.0 => {
                    format!("{} pairs are too few to tell {p}", all.len())
                }
                t => {
                    // As of the share of pairs below it; they cluster as those at 0 do.
                    let (low, high) = wilson(p, effective);
                    let ends = [low, high].map(|p| quantile(&all, p));
                    let interval =
                        (ends[1] < NEVER).then(|| (ends[0] as f64 / MS, ends[1] as f64 / MS));
                    return (Measured::Known(t as f64 / MS), interval);
                }
            };
            (Measured::Missing(missing), None)
        });
        (Measured::Known(figures), t_visibility)
    }
}

impl Arrivals {
    fn write_arrives(&mut self, write: OperationId, node: NodeId, at: Duration, memory: Duration) {
        self.knows_arrivals = true;
        if let Some(pair) = self.open.get_mut(&write) {
            pair.arrive(node, at);
            if pair.is_closed() {
                self.closed
                    .extend(self.open.remove(&write).map(|pair| pair.t_star()));
            }
            return;
        }
        let (mut times, is_paired) = self.writes.remove(&write).unwrap_or_default();
        times.push((node, at));
        self.writes.insert(at, memory, write, (times, is_paired));
    }

    fn pair(
        &mut self,
        write: OperationId,
        complete: Duration,
        read: &Operation,
        reached: &Times,
        block: u32,
        memory: Duration,
    ) {
        let (arrived, is_paired) = self.writes.remove(&write).unwrap_or_default();
        self.writes
            .insert(read.returned, memory, write, (arrived.clone(), true));
        if is_paired {
            return;
        }
        let leg = |node: &NodeId| {
            let (_, at) = reached.iter().find(|(to, _)| to == node)?;
            Some((*node, at.saturating_sub(read.invoked)))
        };
        let awaited: Option<Times> = read.answered.iter().map(leg).collect();
        let Some(awaited) = awaited.filter(|awaited| !awaited.is_empty()) else {
            self.unmatched += 1;
            return;
        };
        let mut pair = Pair {
            block,
            complete,
            awaited,
            t_star: None,
        };
        for (node, at) in arrived {
            pair.arrive(node, at);
        }
        if pair.is_closed() {
            self.closed.push(pair.t_star());
        } else {
            self.open.insert(write, pair);
        }
    }
}

impl Pair {
    fn arrive(&mut self, node: NodeId, at: Duration) {
        let Some(place) = self
            .awaited
            .iter()
            .position(|(awaited, _)| *awaited == node)
        else {
            return;
        };
        let (_, leg) = self.awaited.swap_remove(place);
        let bound = at.saturating_sub(self.complete + leg);
        self.t_star = Some(self.t_star.map_or(bound, |least| least.min(bound)));
    }

    fn is_closed(&self) -> bool {
        self.awaited.is_empty() || self.t_star == Some(Duration::ZERO)
    }

    fn t_star(&self) -> TStar {
        (self.t_star.map_or(NEVER, nanoseconds), self.block)
    }
}

const NEVER: u64 = u64::MAX;
/// In as many steps quantiles of t* are told.
pub(crate) const PARTS: u32 = 1000;
