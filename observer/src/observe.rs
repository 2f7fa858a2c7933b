//! The one fold over a run: `tidemark run` and `tidemark observe` compute every figure with it.

mod facts;
mod parts;

pub use facts::{RunFacts, Side};

use crate::figures::{
    ClockFigures, Conflicts, Divergence, Figures, Freshness, Measured, RunFigures, TVisibility,
    WHOLE, Witnesses,
};
use crate::history::{Events, FILES, HistoryError, clocks};
use crate::hlog;
use crate::holdings::Holdings;
use crate::judge::Judge;
use crate::lookup::memory;
use crate::metric::arrivals::Arrivals;
use crate::metric::atomicity::Atomicity;
use crate::metric::availability::Availability;
use crate::metric::causes::Causes;
use crate::metric::clock_bytes::ClockBytes;
use crate::metric::clock_distance::ClockDistance;
use crate::metric::convergence::Convergence;
use crate::metric::cost::Cost;
use crate::metric::detection::Detection;
use crate::metric::divergence::Divergence as Windows;
use crate::metric::exposure::Exposure;
use crate::metric::failed_seen::FailedSeen;
use crate::metric::false_concurrency::FalseConcurrency;
use crate::metric::false_not_found::false_not_found;
use crate::metric::freshness::{self, PROBABILITIES};
use crate::metric::gaps::Gaps;
use crate::metric::idle_reads::IdleReads;
use crate::metric::lag::Lag;
use crate::metric::latency::Latency;
use crate::metric::legs::Legs;
use crate::metric::lifecycle::Lifecycle;
use crate::metric::lost_writes::LostWrites;
use crate::metric::members::Members;
use crate::metric::never_won::NeverWon;
use crate::metric::phi::Phi;
use crate::metric::read_requests::ReadRequests;
use crate::metric::read_share::ReadShare;
use crate::metric::regular::Regular;
use crate::metric::repair::Repair;
use crate::metric::resurrected::resurrected;
use crate::metric::seen_then_gone::seen_then_gone;
use crate::metric::sessions::Sessions;
use crate::metric::sibling_lifetime::SiblingLifetime;
use crate::metric::siblings::Siblings;
use crate::metric::sides::Sides;
use crate::metric::staleness::Staleness;
use crate::metric::thin_air::ThinAir;
use crate::metric::unacknowledged_seen::unacknowledged_seen;
use crate::metric::width::Width;
use crate::metric::{Metric, Run, Seen};
use crate::oracle;
use crate::phases::{Phase, Phases};
use crate::spread::MS;
use parts::{excluded, over_time, phase};
use std::io::Read;
use std::time::Duration;
use tidemark_proto::event::{Detail, Event};

/// What a run comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Every figure.
    pub figures: Figures,
    /// The latencies as `.hgrm` files, and whole distributions as an `.hlog`: their names and their texts.
    pub histograms: Vec<(String, String)>,
}

/// Folds the events of a run, which come in the order of their times.
#[must_use]
pub fn observe(facts: &RunFacts, events: impl IntoIterator<Item = Event>) -> Observed {
    let mut observation = Observation::new(facts.clone());
    for event in events {
        observation.observe(&event);
    }
    observation.report()
}

/// Folds the events in a run's files, which [`Tables`](crate::history::Tables) wrote, in the order of [`FILES`].
///
/// # Errors
/// A file cannot be read, or is no table of a run.
pub fn observe_files<R: Read>(
    facts: &RunFacts,
    files: [R; FILES.len()],
) -> Result<Observed, HistoryError> {
    let mut observation = Observation::new(facts.clone());
    let mut events = Events::new(files)?;
    for event in &mut events {
        observation.observe(&event?);
    }
    let mut observed = observation.report();
    observed.figures.excluded.extend(excluded(&[
        (
            "last lines of files that were cut short",
            events.truncated(),
        ),
        (
            "events that came too late to be put in order",
            events.late(),
        ),
    ]));
    Ok(observed)
}

/// A run as far as it has been seen: the fold of [`observe`], one event at a time.
pub struct Observation {
    facts: RunFacts,
    memory: Duration,
    phases: Phases,
    judge: Judge,
    atomicity: Atomicity,
    availability: Availability,
    staleness: Staleness,
    siblings: Siblings,
    resurrected: ReadShare,
    seen_then_gone: ReadShare,
    unacknowledged_seen: ReadShare,
    false_not_found: ReadShare,
    freshness: freshness::Freshness,
    arrivals: Arrivals,
    latency: Latency,
    legs: Legs,
    clock_distance: ClockDistance,
    exposure: Exposure,
    lost_writes: LostWrites,
    never_won: NeverWon,
    members: Members,
    convergence: Convergence,
    repair: Repair,
    idle_reads: IdleReads,
    read_requests: ReadRequests,
    lag: Lag,
    detection: Detection,
    sides: Sides,
    clock_bytes: ClockBytes,
    cost: Cost,
    divergence: Windows,
    failed_seen: FailedSeen,
    false_concurrency: FalseConcurrency,
    lifecycle: Lifecycle,
    gaps: Gaps,
    clocks: Vec<ClockFigures>,
    phi: Phi,
    causes: Causes,
    regular: Regular,
    sessions: Sessions,
    sibling_lifetime: SiblingLifetime,
    thin_air: ThinAir,
    width: Width,
    holdings: Holdings,
    events: u64,
    operations: u64,
    /// Operations of the load that began before the measured time.
    early: u64,
    end: Duration,
}

impl Observation {
    /// A run of which nothing has been seen.
    #[must_use]
    pub fn new(facts: RunFacts) -> Self {
        let clocks = clocks::figures(&facts.corrections);
        let time_scale = facts.time_scale;
        Self {
            sides: Sides::new(&facts.sides),
            atomicity: Atomicity::new(clocks::error_ms(&clocks)),
            clocks,
            memory: memory(time_scale),
            facts,
            phases: Phases::default(),
            judge: Judge::default(),
            availability: Availability::default(),
            staleness: Staleness::default(),
            siblings: Siblings::default(),
            resurrected: resurrected(),
            seen_then_gone: seen_then_gone(),
            unacknowledged_seen: unacknowledged_seen(),
            false_not_found: false_not_found(),
            freshness: freshness::Freshness::default(),
            arrivals: Arrivals::default(),
            latency: Latency::default(),
            legs: Legs::default(),
            clock_distance: ClockDistance::default(),
            exposure: Exposure::default(),
            lost_writes: LostWrites::default(),
            never_won: NeverWon::default(),
            members: Members::default(),
            convergence: Convergence::default(),
            repair: Repair::default(),
            idle_reads: IdleReads::default(),
            read_requests: ReadRequests::default(),
            lag: Lag::default(),
            detection: Detection::default(),
            clock_bytes: ClockBytes::default(),
            cost: Cost::default(),
            divergence: Windows::default(),
            failed_seen: FailedSeen::default(),
            false_concurrency: FalseConcurrency::default(),
            lifecycle: Lifecycle::default(),
            gaps: Gaps::default(),
            phi: Phi::default(),
            causes: Causes::new(time_scale),
            regular: Regular::default(),
            sessions: Sessions::default(),
            sibling_lifetime: SiblingLifetime::default(),
            thin_air: ThinAir::default(),
            width: Width::default(),
            holdings: Holdings::default(),
            events: 0,
            operations: 0,
            early: 0,
            end: Duration::ZERO,
        }
    }

    /// Takes in the next event.
    pub fn observe(&mut self, event: &Event) {
        self.events += 1;
        if !matches!(event, Event::Fault(_)) {
            self.end = self.end.max(event.at());
        }
        self.phases.observe(event);
        let verdict = self.judge.observe(event);
        let place = match event {
            Event::Returned(operation) if operation.purpose.is_measured() => {
                self.phases.place(operation.invoked)
            }
            _ => None,
        };
        self.holdings.observe(event);
        let seen = Seen {
            event,
            phases: &self.phases,
            memory: self.memory,
            place,
            verdict,
            judge: &self.judge,
            holdings: &self.holdings,
        };
        if let Event::Returned(operation) = event {
            self.operations += 1;
            let is_early = operation.purpose.is_measured() && seen.load().is_none();
            self.early += u64::from(is_early);
        }
        self.atomicity.observe(&seen);
        self.availability.observe(&seen);
        self.staleness.observe(&seen);
        self.siblings.observe(&seen);
        self.resurrected.observe(&seen);
        self.seen_then_gone.observe(&seen);
        self.unacknowledged_seen.observe(&seen);
        self.false_not_found.observe(&seen);
        self.freshness.observe(&seen);
        self.arrivals.observe(&seen);
        self.latency.observe(&seen);
        self.legs.observe(&seen);
        self.clock_distance.observe(&seen);
        self.exposure.observe(&seen);
        self.lost_writes.observe(&seen);
        self.never_won.observe(&seen);
        self.members.observe(&seen);
        self.convergence.observe(&seen);
        self.repair.observe(&seen);
        self.idle_reads.observe(&seen);
        self.read_requests.observe(&seen);
        self.lag.observe(&seen);
        self.detection.observe(&seen);
        self.sides.observe(&seen);
        self.clock_bytes.observe(&seen);
        self.cost.observe(&seen);
        self.divergence.observe(&seen);
        self.failed_seen.observe(&seen);
        self.false_concurrency.observe(&seen);
        self.lifecycle.observe(&seen);
        self.gaps.observe(&seen);
        self.phi.observe(&seen);
        // Without every event it has nothing to report.
        if self.facts.detail >= Detail::All {
            self.causes.observe(&seen);
        }
        self.regular.observe(&seen);
        self.sessions.observe(&seen);
        self.sibling_lifetime.observe(&seen);
        self.thin_air.observe(&seen);
        self.width.observe(&seen);
    }

    /// What it has come to so far.
    #[must_use]
    pub fn report(&self) -> Observed {
        let phases = self.phases.all(self.end);
        let run = Run {
            seed: self.facts.seed,
            detail: self.facts.detail,
            phases: &phases,
            course: &self.phases,
            faults: self.phases.spans(),
            healed: self.phases.healed(),
            judge: &self.judge,
            holdings: &self.holdings,
        };
        let served = self.availability.report(&run);
        let stale = self.staleness.report(&run);
        let siblings = self.siblings.report(&run);
        let exposed = self.exposure.report(&run);
        let convergence = self.convergence.report(&run);
        let equal_after = convergence.known().and_then(|known| known.after_heal_s);
        let whole = Phase {
            name: WHOLE.to_owned(),
            from: self.phases.started(),
            until: phases.last().map_or(self.end, |last| last.until),
            fault: false,
        };
        let parts = phases.iter().zip(&served.phases).zip(&stale.phases);
        let parts = parts.zip(&siblings.several.parts).zip(&exposed.phases);
        let mut figures = Figures {
            run: self.run_figures(&whole),
            faults: exposed.faults,
            whole: phase(
                &whole,
                &served.whole,
                &stale.whole,
                siblings.several.whole,
                &exposed.whole,
            ),
            phases: parts
                .map(|((((span, served), stale), several), exposed)| {
                    phase(span, served, stale, *several, exposed)
                })
                .collect(),
            over_time: over_time(&whole, &served, &stale),
            freshness: self.freshness_figures(&run),
            latency: self.latency.report(&run),
            siblings: siblings.counts,
            siblings_at_end: siblings.at_end,
            resurrected: self.resurrected.report(&run),
            seen_then_gone: self.seen_then_gone.report(&run),
            unacknowledged_seen: self.unacknowledged_seen.report(&run),
            false_not_found: self.false_not_found.report(&run),
            witnesses: Witnesses {
                resurrected: self.resurrected.witnesses(),
                seen_then_gone: self.seen_then_gone.witnesses(),
                unacknowledged_seen: self.unacknowledged_seen.witnesses(),
                false_not_found: self.false_not_found.witnesses(),
            },
            anomalies: (self.thin_air.report(&run).into_iter())
                .chain([self.failed_seen.report(&run)])
                .collect(),
            guarantees: self.sessions.report(&run),
            lifecycle: self.lifecycle.report(&run),
            causes: self.causes.report(&run),
            regular: self.regular.report(&run),
            atomicity: Measured::Known(self.atomicity.report(&run)),
            conflicts: self.conflicts(&run),
            divergence: self.divergence_figures(&run),
            cost: self.cost.report(&run),
            clock_distance: self.clock_distance.report(&run),
            legs: self.legs.report(&run),
            lost_writes: self.lost_writes.report(&run),
            never_won: self.never_won.report(&run),
            sides: self.sides.report(&run),
            oracles: Vec::new(),
            member_changes: self.members.report(&run),
            convergence,
            repairs: self.repair.report(&run),
            repairs_at_idle: self.repair.at_idle(&run, equal_after),
            idle_reads: self.idle_reads.report(&run),
            read_requests: self.read_requests.report(&run),
            replication_lag: self.lag.report(&run),
            detection: self.detection.report(&run),
            gaps: self.gaps.report(&run),
            clocks: self.clocks.clone(),
            excluded: excluded(&[
                (
                    "reads before any write of their key was complete",
                    stale.nothing_written,
                ),
                ("reads of values that no operation wrote", stale.unmatched),
                (
                    "operations of the load before the measured time",
                    self.early,
                ),
                ("writes whose end nobody saw", self.judge.unfinished()),
                (
                    "reads that may be staler than is given: what they hang on is long forgotten",
                    stale.at_least,
                ),
                (
                    "contexts and returns of operations long forgotten",
                    self.judge.forgotten(),
                ),
            ]),
        };
        figures.oracles = oracle::check_run(&self.facts.oracles, &figures);
        let mut histograms = self.latency.hgrm();
        let mut distributions = self.latency.distributions();
        distributions.push(("t_staleness".to_owned(), self.staleness.t()));
        distributions.extend(self.detection.distributions());
        let log = hlog::write(whole.from, whole.until - whole.from, &distributions);
        histograms.push((hlog::FILE.to_owned(), log));
        Observed {
            figures,
            histograms,
        }
    }
}

impl Observation {
    fn run_figures(&self, whole: &Phase) -> RunFigures {
        RunFigures {
            plan: self.facts.plan.clone(),
            backend: self.facts.backend.clone(),
            seed: self.facts.seed,
            detail: self.facts.detail,
            ended: self.phases.milestone(),
            from_s: whole.from.as_secs_f64(),
            until_s: whole.until.as_secs_f64(),
            ended_s: self.end.as_secs_f64(),
            clock_error_ms: clocks::error_ms(&self.clocks),
            operations: self.operations,
            unfinished: self.judge.unfinished(),
            events: self.events,
        }
    }

    fn freshness_figures(&self, run: &Run<'_>) -> Freshness {
        let curve = self.freshness.report(run);
        let (arrivals, from_arrivals) = self.arrivals.report(run);
        let estimates = curve.t_visibility_ms.into_iter().zip(from_arrivals);
        Freshness {
            curve: curve.bins,
            at_zero: curve.at_zero,
            t_visibility: (PROBABILITIES.into_iter().zip(estimates))
                .map(
                    |(p, (from_reads_ms, (from_arrivals_ms, interval)))| TVisibility {
                        p,
                        from_reads_ms,
                        from_arrivals_ms,
                        from_arrivals_interval_ms: interval,
                    },
                )
                .collect(),
            arrivals,
        }
    }

    fn conflicts(&self, run: &Run<'_>) -> Conflicts {
        let (lifetimes, siblings_open) = self.sibling_lifetime.report(run);
        let (false_concurrency, witnesses) = self.false_concurrency.report(run);
        Conflicts {
            sibling_lifetime_ms: lifetimes.spread(MS),
            siblings_open,
            false_concurrency: (false_concurrency.of > 0).then_some(false_concurrency),
            false_concurrency_witnesses: witnesses,
            clock_bytes: self.clock_bytes.report(run),
        }
    }

    fn divergence_figures(&self, run: &Run<'_>) -> Measured<Divergence> {
        if let Some(reason) = run.lacks(Detail::Arrivals) {
            return Measured::Missing(reason);
        }
        let windows = self.divergence.report(run);
        Measured::Known(Divergence {
            phi: self.phi.report(run),
            width: self.width.report(run),
            content_ms: windows.content.spread(MS),
            content_open: windows.content_open,
            order_ms: windows.order.spread(MS),
            order_open: windows.order_open,
        })
    }
}
