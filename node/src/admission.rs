//! Whether a node takes on what clients ask of it: by how long its inputs wait for their turn, it sees that more comes than
//! it can do, and refuses requests before all of them are late; what it does for the cluster's sake it puts off earlier.
//!
//! What waits is told by its least wait: a burst or a sync makes some inputs wait, but not all for a whole interval. While
//! even the least is above the target, requests that have waited twice as long as that are refused. Nothing else is: what
//! peers send belongs to requests that were taken on, and to refuse it would waste what has been done for them.
//!
//! So the queue tells late how much has been taken on, since most of what a request costs comes when the replicas are asked:
//! by its wait alone, a node would take on far too much and then nothing, in turns. Therefore the requests that are not
//! answered yet have a limit too. Overload sets it to the rate of answers times the latency that is meant (Little, 1961);
//! each interval without overload raises it by a tenth, until it limits nothing.
//!
//! Reference: Nichols and Jacobson, Controlling queue delay, ACM Queue 2012 (the least delay within an interval); Maurer,
//! Fail at scale, ACM Queue 2015 (for requests, of servers; twice the target is folly's); Zhou et al., Overload control for
//! scaling WeChat microservices (DAGOR), SoCC 2018, §4.1 (the time in the queue, not the time of the response, tells; 20 ms).
//! Departs from CoDel: what comes to a queue that is too long is refused at once, not one by one at a growing rate, since
//! clients of an open system do not slow down when they are refused.

use crate::context::Context;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidemark_proto::span::Span;

/// When requests are refused, and when background work is put off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdmissionOptions {
    /// What a node that has too much to do does with requests.
    pub policy: Policy,
    /// The least wait above which it has too much to do. Too short: a burst is refused that would have been worked off; too
    /// long: whatever is taken on is late.
    pub target: Span,
    /// For how long even the least wait must be above it. Too short: a burst counts as overload; too long: it is seen late.
    pub interval: Span,
    /// The least wait above which hints, sweeps, pages for others and hand-overs are put off. Too short: they hardly go on
    /// beside a load; too long: clients feel them.
    pub yield_above: Span,
    /// For how long a step of them is put off, at most. Too short: they do not yield; too long: replicas differ, and keys
    /// stay where they are, for as long as the load lasts.
    pub patience: Span,
}

/// What a node that has too much to do does with requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// It refuses those that have waited for too long.
    #[default]
    ControlledDelay,
    /// It takes on whatever its queues have room for.
    Open,
}

impl Default for AdmissionOptions {
    fn default() -> Self {
        let ms = |ms| Span(Duration::from_millis(ms));
        Self {
            policy: Policy::default(),
            target: ms(20),
            interval: ms(50),
            yield_above: ms(5),
            patience: ms(1_000),
        }
    }
}

impl AdmissionOptions {
    /// Multiplies every time.
    pub fn stretch(&mut self, scale: f64) {
        for span in [
            &mut self.target,
            &mut self.interval,
            &mut self.yield_above,
            &mut self.patience,
        ] {
            *span = span.scaled(scale);
        }
    }
}

/// What a node knows of how long its inputs wait.
#[derive(Clone, Debug)]
pub struct Admission {
    options: AdmissionOptions,
    /// The least wait of the last interval.
    last: Duration,
    /// The least wait of this interval so far.
    least: Duration,
    /// When this interval is over.
    until: Duration,
    /// Requests that were taken on and not answered yet.
    unanswered: u64,
    /// How many they may be; none: there was no overload for long.
    most: Option<u64>,
    /// Requests that were carried out and answered in this interval so far.
    answered: u64,
}

impl Admission {
    /// One that has seen nothing wait.
    #[must_use]
    pub fn new(options: AdmissionOptions) -> Self {
        Self {
            options,
            last: Duration::ZERO,
            least: Duration::ZERO,
            until: Duration::ZERO,
            unanswered: 0,
            most: None,
            answered: 0,
        }
    }

    /// Hears how long an input has waited that has its turn now.
    pub fn hear(&mut self, now: Duration, waited: Duration) {
        if now < self.until {
            self.least = self.least.min(waited);
            return;
        }
        if now < self.until + self.options.interval.0 {
            self.last = self.least;
            self.most = self.next_most();
        } else {
            // Where nothing came for a whole interval, nothing waited.
            (self.last, self.most) = (Duration::ZERO, None);
        }
        self.least = waited;
        self.answered = 0;
        self.until = now + self.options.interval.0;
    }

    /// Takes a request on that has waited so long; or tells that it is not taken on.
    #[must_use]
    pub fn admit(&mut self, waited: Duration) -> bool {
        let is_late = self.is_overloaded() && waited > 2 * self.options.target.0;
        let is_one_too_many = self.most.is_some_and(|most| self.unanswered >= most);
        let admits = self.options.policy == Policy::Open || !is_late && !is_one_too_many;
        self.unanswered += u64::from(admits);
        admits
    }

    /// A request was answered.
    pub fn answered(&mut self, outcome: Answered) {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.answered += u64::from(outcome == Answered::Ok);
    }

    fn is_overloaded(&self) -> bool {
        self.last > self.options.target.0
    }

    /// How many requests may be unanswered, now that an interval is over.
    fn next_most(&self) -> Option<u64> {
        if !self.is_overloaded() {
            let more = self.most.map(|most| most + most / 10 + 1);
            return more.filter(|most| *most < LIMITS_NOTHING);
        }
        let meant = WAITS * self.options.target.0;
        let intervals = meant.as_secs_f64() / self.options.interval.0.as_secs_f64();
        let most = (self.answered as f64 * intervals) as u64 + 1;
        Some(self.most.map_or(most, |old| old.min(most)))
    }

    /// Whether clients wait for so long that background work had better not be done now.
    #[must_use]
    pub fn yields(&self, now: Duration) -> bool {
        self.last > self.options.yield_above.0 && now < self.until + self.options.interval.0
    }

    /// For how long a step of background work is put off, at most.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.options.patience.0
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It was carried out.
    Ok,
    /// It was not, or not in time.
    Refused,
}

/// The next step of some background work, which is put off while clients wait, though not for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn {
    /// Since when it has been put off.
    since: Option<Duration>,
}

impl Turn {
    /// Tells when to ask again, if the step is not to be taken now.
    pub fn put_off(&mut self, context: &Context<'_>) -> Option<Duration> {
        let (now, admission) = (context.now.elapsed, context.admission);
        let since = *self.since.get_or_insert(now);
        if !admission.yields(now) || now >= since + admission.patience() {
            self.since = None;
            return None;
        }
        Some(now + PUT_OFF)
    }
}

/// How often a request waits for as long as the target: at its coordinator, at a replica, and at its coordinator again.
const WAITS: u32 = 3;
/// A limit that has grown so far is none any more.
const LIMITS_NOTHING: u64 = 10_000;
/// How long a step is put off while clients come first, until it is looked at again.
pub(crate) const PUT_OFF: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    /// Hears of an input a millisecond for so long, which waits as `waited` says.
    fn run(admission: &mut Admission, from: u64, until: u64, waited: impl Fn(u64) -> u64) {
        for ms in from..until {
            admission.hear(Duration::from_millis(ms), Duration::from_millis(waited(ms)));
        }
    }

    /// Otherwise a burst, or every group commit, would have clients refused; or overload never would.
    #[test]
    fn requests_are_refused_once_even_the_least_wait_of_an_interval_is_above_the_target() {
        let long = Duration::from_millis(41);
        type Wait = fn(u64) -> u64;
        let cases: [(&str, Wait, bool); 4] = [
            ("a queue that is too long", |_| 21, false),
            ("a queue that is long enough", |_| 20, true),
            ("syncs", |ms| 40 - ms % 40, true),
            ("a burst", |ms| 150_u64.saturating_sub(ms), true),
        ];
        for (what, waited, admits) in cases {
            let mut admission = Admission::new(AdmissionOptions::default());
            run(&mut admission, 0, 49, waited);
            assert!(admission.admit(long), "{what}: not yet");
            run(&mut admission, 49, 250, waited);
            assert_eq!(admission.admit(long), admits, "{what}");
            run(&mut admission, 250, 360, |_| 0);
            assert!(admission.admit(long), "{what}: it is over");
        }
    }

    /// Otherwise a node would take on more than it can answer, since peers are asked later; or it would answer ever fewer.
    #[test]
    fn overload_limits_what_is_unanswered_and_its_end_lifts_the_limit() {
        let mut admission = Admission::new(AdmissionOptions::default());
        let taken_on = |admission: &mut Admission| {
            let before = admission.unanswered;
            while admission.unanswered < 100_000 && admission.admit(Duration::ZERO) {}
            let all = admission.unanswered;
            (0..all - before).for_each(|_| admission.answered(Answered::Refused));
            all
        };
        assert_eq!(taken_on(&mut admission), 100_000);
        // Ten answers in 50 ms, and 60 ms are meant.
        run(&mut admission, 0, 50, |_| 30);
        (0..10).for_each(|_| assert!(admission.admit(Duration::ZERO)));
        (0..10).for_each(|_| admission.answered(Answered::Ok));
        run(&mut admission, 50, 51, |_| 30);
        assert_eq!(taken_on(&mut admission), 13);
        run(&mut admission, 51, 101, |_| 30);
        assert_eq!(taken_on(&mut admission), 1, "nothing was answered");
        run(&mut admission, 101, 201, |_| 10);
        assert_eq!(taken_on(&mut admission), 3);
        run(&mut admission, 201, 10_000, |_| 10);
        assert_eq!(taken_on(&mut admission), 100_000);
    }

    /// Otherwise the first request after a silence would be judged by what was long ago.
    #[test]
    fn silence_is_no_overload() {
        let mut admission = Admission::new(AdmissionOptions::default());
        run(&mut admission, 0, 301, |_| 30);
        assert!(!admission.admit(Duration::from_millis(50)));
        assert!(admission.yields(Duration::from_millis(301)));
        assert!(!admission.yields(Duration::from_millis(600)));
        run(&mut admission, 1_000, 1_001, |_| 50);
        assert!(admission.admit(Duration::from_millis(50)));
    }

    /// Otherwise the comparison with a node that refuses nothing would compare nothing.
    #[test]
    fn a_node_that_is_open_takes_on_everything() {
        let mut admission = Admission::new(AdmissionOptions {
            policy: Policy::Open,
            ..AdmissionOptions::default()
        });
        run(&mut admission, 0, 1_000, |_| 10_000);
        assert!(admission.admit(Duration::from_secs(10)));
    }
}
