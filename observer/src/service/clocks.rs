//! The clocks of sources on other machines: what added to their times makes them times of the observer, to within what.
//!
//! CLOCK_MONOTONIC counts from the start of its machine, so two of them differ by days. Sources that read the observer's are left
//! alone; the others' events count from the zero of their clock, as those of processes that were started by hand do.
//!
//! A receipt that left at a on the observer's clock and came at h on the other cannot have travelled back in time: what is to be
//! added is a − h at least. A batch that left at s on the other and came at r says that it is r − s at most. Each holds later as
//! well, but for as much as the two clocks may have drifted apart since. Of all that is known the middle is taken, and half the
//! width is how wrong it can be: half of a round trip, or less where one way was quick once and the other way another time. What
//! events are corrected by stays the same while it is right and its bound no more than twice what it could be, so that intervals
//! between events of one clock stay as they were.
//!
//! The bound holds while neither clock is slewed by more than NTP may and no machine sleeps: CLOCK_MONOTONIC stands meanwhile, and
//! events that wait to be sent then are taken for later ones.
//!
//! Reference: Cristian, Probabilistic clock synchronization, Distributed Computing 3 (1989), for half of the round trip; Marzullo and
//! Owicki, Maintaining the time in a distributed system, PODC 1983, for what several say; RFC 5905, §§8 and 10, for the drift.

use super::SOURCES;
use crate::history::Correction;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidemark_proto::event::Event;
use tidemark_proto::time::nanoseconds;
use tidemark_proto::wire::Batch;
use tonic::Status;

/// The clocks of all sources.
#[derive(Debug)]
pub(super) struct Clocks {
    /// The observer's, as it is called.
    own: String,
    others: BTreeMap<String, Other>,
}

impl Clocks {
    pub(super) fn new(own: String) -> Self {
        Self {
            own,
            others: BTreeMap::new(),
        }
    }

    /// Makes the times of a batch's events, which came at `received`, times of the observer; what is new about how is to be noted
    /// before them.
    ///
    /// # Errors
    /// The batch does not say enough about its clock. It is to be sent again on another connection.
    pub(super) fn correct<'a>(
        &mut self,
        batch: &Batch,
        received: u64,
        events: impl Iterator<Item = &'a mut Event>,
    ) -> Result<Option<Correction>, Status> {
        let clock = &batch.clock;
        if *clock == self.own {
            return Ok(None);
        }
        if !self.others.contains_key(clock) && self.others.len() >= SOURCES {
            return Err(Status::resource_exhausted(format!(
                "the clock of {:?} is one too many: the observer takes {SOURCES}",
                batch.source
            )));
        }
        let other = self.others.entry(clock.clone()).or_default();
        other.compare(batch, received)?;
        let mut events: Vec<_> = events.collect();
        if events.is_empty() {
            return Ok(None);
        }
        let mut oldest = batch.sent_ns;
        let mut operations = false;
        for event in &mut events {
            event.each_moment(|at| oldest = oldest.min(nanoseconds(*at)));
            operations |= matches!(event, Event::Invoked(_) | Event::Returned(_));
        }
        other.choose(oldest)?;
        for event in events {
            event.each_moment(|at| *at = Duration::from_nanos(other.used.apply(nanoseconds(*at))));
        }
        let is_new = other.sources.insert(batch.source.clone()) | (operations && !other.operations);
        other.operations |= operations;
        Ok(is_new.then(|| Correction {
            from_ns: other.used.apply(oldest),
            source: batch.source.clone(),
            clock: clock.clone(),
            offset_ns: other.used.offset,
            bound_ns: other.used.bound,
            operations: other.operations,
        }))
    }
}

/// A clock that is not the observer's.
#[derive(Debug)]
struct Other {
    /// Between what the offset was …
    low: i64,
    high: i64,
    /// … at this time of the observer's.
    at: u64,
    used: Used,
    /// For whom it is used, and whether operations of clients are among what they sent.
    sources: BTreeSet<String>,
    operations: bool,
}

/// What is added to times, and by how much that is wrong at most.
#[derive(Clone, Copy, Debug)]
struct Used {
    offset: i64,
    bound: u64,
}

impl Default for Other {
    /// Nothing is known.
    fn default() -> Self {
        Self {
            low: i64::MIN,
            high: i64::MAX,
            at: 0,
            used: Used {
                offset: 0,
                bound: 0,
            },
            sources: BTreeSet::new(),
            operations: false,
        }
    }
}

impl Other {
    /// Takes in what a batch says.
    fn compare(&mut self, batch: &Batch, received: u64) -> Result<(), Status> {
        let high = difference(received, batch.sent_ns);
        let low = batch.heard.map_or(i64::MIN, |heard| {
            let since = drift(received.saturating_sub(heard.answered_ns));
            difference(heard.answered_ns, heard.heard_ns).saturating_sub_unsigned(since)
        });
        if low > high {
            // More time has passed on one clock than on the other: a machine slept. From now on, another offset holds.
            (self.low, self.high) = (i64::MIN, i64::MAX);
            let (source, sent) = (&batch.source, batch.sent_ns);
            return Err(Status::unavailable(format!(
                "{source} sent at {sent} ns what came before that: its clock and the observer's do not run alike"
            )));
        }
        // Batches of several sources need not be filed in the order in which they came.
        let since = drift(received.abs_diff(self.at));
        self.low = self.low.saturating_sub_unsigned(since).max(low);
        self.high = self.high.saturating_add_unsigned(since).min(high);
        if self.low > self.high {
            // They have drifted further than clocks do, or one of them has slept: the past says nothing any more.
            (self.low, self.high) = (low, high);
        }
        self.at = received;
        Ok(())
    }

    /// Makes sure that what is used is right for times of the other clock from `oldest` on.
    fn choose(&mut self, oldest: u64) -> Result<(), Status> {
        if self.low == i64::MIN {
            return Err(Status::failed_precondition(
                "events of a source with a clock of its own come after it has had a receipt on this connection",
            ));
        }
        let past = drift(
            self.at
                .saturating_sub(oldest.saturating_add_signed(self.low)),
        );
        let low = self.low.saturating_sub_unsigned(past);
        let high = self.high.saturating_add_unsigned(past);
        let width = self.high.abs_diff(self.low);
        let bound = width.div_ceil(2).saturating_add(past.max(drift(HOLD)));
        if !self.used.covers(low, high) || self.used.bound / 2 > bound {
            let offset = self.low.saturating_add_unsigned(width / 2);
            self.used = Used { offset, bound };
            self.sources.clear();
        }
        Ok(())
    }
}

impl Used {
    fn apply(self, time: u64) -> u64 {
        time.saturating_add_signed(self.offset)
    }

    fn covers(self, low: i64, high: i64) -> bool {
        self.offset.saturating_sub_unsigned(self.bound) <= low
            && high <= self.offset.saturating_add_unsigned(self.bound)
    }
}

/// By how much two times are apart, those of the first 292 years after a start.
fn difference(a: u64, b: u64) -> i64 {
    0_i64.saturating_add_unsigned(a).saturating_sub_unsigned(b)
}

/// By how much two clocks may have drifted apart meanwhile.
fn drift(nanoseconds: u64) -> u64 {
    nanoseconds.div_ceil(DRIFT)
}

/// One clock gains at most one nanosecond in so many against another: 1 000 ppm, as two that NTP slews as fast as the kernel lets
/// it, by 500 ppm each, and in opposite directions.
const DRIFT: u64 = 1_000;
/// For so long at least a correction is right: 0.2 s, in nanoseconds.
const HOLD: u64 = 200_000_000;

#[cfg(test)]
mod tests;
