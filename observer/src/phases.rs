//! The measured time, cut into phases wherever a fault began or ended.

use crate::tally::BLOCK;
use std::collections::BTreeSet;
use std::time::Duration;
use tidemark_proto::event::{Event, FaultSpan, Milestone};
use tidemark_proto::time::nanoseconds;

/// What is known of the run's course so far.
#[derive(Default)]
pub(crate) struct Phases {
    spans: Vec<FaultSpan>,
    /// Where one phase ends and the next begins, rising.
    cuts: Vec<Duration>,
    started: Option<Duration>,
    healed: Option<Duration>,
    last: Option<Milestone>,
}

/// A phase: a span of the measured time in which the same faults were in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Phase {
    pub(crate) name: String,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    pub(crate) fault: bool,
}

/// Where in the measured time something was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of its phase.
    pub(crate) phase: usize,
    /// The number of its block of [`BLOCK`].
    pub(crate) block: u32,
}

impl Phases {
    /// Takes in faults and milestones.
    pub(crate) fn observe(&mut self, event: &Event) {
        match event {
            Event::Fault(span) => {
                let place = self.spans.partition_point(|other| other.from <= span.from);
                self.spans.insert(place, (**span).clone());
            }
            Event::Milestone { at, milestone } => {
                match milestone {
                    Milestone::Started => self.started = Some(*at),
                    Milestone::Healed => self.healed = Some(*at),
                    Milestone::Ended | Milestone::Interrupted | Milestone::Aborted => {}
                }
                self.last = Some(*milestone);
            }
            _ => return,
        }
        let inside = |cut: &Duration| {
            *cut > self.started() && self.healed.is_none_or(|healed| *cut < healed)
        };
        let edges = self.spans.iter().flat_map(|span| {
            let (from, until) = span.extent();
            [from, until]
        });
        self.cuts = edges.filter(inside).collect();
        self.cuts.sort_unstable();
        self.cuts.dedup();
    }

    /// Where in the measured time `at` is; none before it. What is after it belongs to the last phase.
    pub(crate) fn place(&self, at: Duration) -> Option<Place> {
        let since = at.checked_sub(self.started?)?;
        Some(Place {
            phase: self.cuts.partition_point(|cut| *cut <= at),
            block: u32::try_from(nanoseconds(since) / nanoseconds(BLOCK)).unwrap_or(u32::MAX),
        })
    }

    /// The block of time that `at` belongs to; before the measured time, its first.
    pub(crate) fn block(&self, at: Duration) -> u32 {
        self.place(at).map_or(0, |place| place.block)
    }

    /// When measured time began; zero as long as it has not.
    pub(crate) fn started(&self) -> Duration {
        self.started.unwrap_or_default()
    }

    /// When measured time ended, if it did.
    pub(crate) fn healed(&self) -> Option<Duration> {
        self.healed
    }

    /// The last milestone.
    pub(crate) fn milestone(&self) -> Option<Milestone> {
        self.last
    }

    /// The faults, in the order in which they began.
    pub(crate) fn spans(&self) -> &[FaultSpan] {
        &self.spans
    }

    /// All phases, if the run ended at `end`.
    pub(crate) fn all(&self, end: Duration) -> Vec<Phase> {
        let until = self.healed.unwrap_or(end).max(self.started());
        let cuts = self.cuts.iter().copied();
        let starts = std::iter::once(self.started()).chain(cuts.clone());
        let mut phases: Vec<Phase> = Vec::new();
        for (from, until) in starts.zip(cuts.chain(std::iter::once(until))) {
            let (name, fault) = self.name(from);
            let before = phases
                .iter()
                .filter(|phase| phase.name == name || phase.name.starts_with(&format!("{name} (")));
            let name = match before.count() {
                0 => name,
                count => format!("{name} ({})", count + 1),
            };
            phases.push(Phase {
                name,
                from,
                until: until.max(from),
                fault,
            });
        }
        phases
    }

    /// What the phase that begins at `from` is called, and whether a fault is in force.
    fn name(&self, from: Duration) -> (String, bool) {
        let in_force = self.spans.iter().filter(|span| {
            let (begin, end) = span.extent();
            begin <= from && from < end
        });
        let mut names: Vec<&str> = in_force.map(|span| span.name.as_str()).collect();
        let mut told = BTreeSet::new();
        names.retain(|name| told.insert(*name));
        if !names.is_empty() {
            return (names.join(" + "), true);
        }
        let over = self.spans.iter().filter(|span| span.extent().1 <= from);
        match over.max_by_key(|span| span.extent().1) {
            Some(last) => (format!("after {}", last.name), false),
            None => ("quiet".to_owned(), false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(name: &str, from: u64, until: u64) -> Event {
        Event::Fault(Box::new(FaultSpan {
            name: name.to_owned(),
            kind: "partition".to_owned(),
            from: Duration::from_secs(from),
            until: Duration::from_secs(until),
            about: String::new(),
            series: None,
        }))
    }

    fn check(
        started: u64,
        healed: u64,
        faults: &[(&str, u64, u64)],
        expected: &[(&str, u64, u64)],
    ) {
        let mut phases = Phases::default();
        for (at, milestone) in [(started, Milestone::Started), (healed, Milestone::Healed)] {
            let at = Duration::from_secs(at);
            phases.observe(&Event::Milestone { at, milestone });
        }
        for (name, from, until) in faults {
            phases.observe(&fault(name, *from, *until));
        }
        let all = phases.all(Duration::from_secs(1000));
        let found: Vec<(&str, u64, u64)> = all
            .iter()
            .map(|phase| {
                (
                    phase.name.as_str(),
                    phase.from.as_secs(),
                    phase.until.as_secs(),
                )
            })
            .collect();
        assert_eq!(found, expected);
        for (index, phase) in all.iter().enumerate() {
            let place = phases.place(phase.from).map(|place| place.phase);
            assert_eq!(place, Some(index), "{}", phase.name);
        }
    }

    #[test]
    fn phases_are_named_for_the_faults_in_force() {
        check(1, 9, &[], &[("quiet", 1, 9)]);
        check(
            1,
            20,
            &[("cut", 6, 12), ("crash", 10, 14)],
            &[
                ("quiet", 1, 6),
                ("cut", 6, 10),
                ("cut + crash", 10, 12),
                ("crash", 12, 14),
                ("after crash", 14, 20),
            ],
        );
    }

    #[test]
    fn faults_are_clipped_to_the_measured_time() {
        check(5, 20, &[("cut", 0, 30)], &[("cut", 5, 20)]);
        check(5, 20, &[("early", 1, 2)], &[("after early", 5, 20)]);
    }

    /// If this fails, a fault that comes every second has as many phases as it comes times.
    #[test]
    fn a_series_is_one_phase() {
        let mut phases = Phases::default();
        let at = Duration::from_secs;
        for (when, milestone) in [(0, Milestone::Started), (20, Milestone::Healed)] {
            let at = at(when);
            phases.observe(&Event::Milestone { at, milestone });
        }
        for from in [4, 6, 8] {
            let Event::Fault(mut span) = fault("again", from, from + 1) else {
                unreachable!("it was just made");
            };
            span.series = Some((at(4), at(9)));
            phases.observe(&Event::Fault(span));
        }
        let all = phases.all(at(20)).into_iter();
        let all: Vec<_> = all.map(|phase| (phase.name, phase.from)).collect();
        let expected = [("quiet", 0), ("again", 4), ("after again", 9)];
        assert_eq!(
            all,
            expected.map(|(name, from)| (name.to_owned(), at(from)))
        );
    }

    #[test]
    fn a_name_stands_once() {
        check(
            0,
            9,
            &[("a", 1, 2), ("a", 3, 4)],
            &[
                ("quiet", 0, 1),
                ("a", 1, 2),
                ("after a", 2, 3),
                ("a (2)", 3, 4),
                ("after a (2)", 4, 9),
            ],
        );
    }

    #[test]
    fn nothing_is_placed_before_the_start() {
        let mut phases = Phases::default();
        let at = Duration::from_secs(2);
        phases.observe(&Event::Milestone {
            at,
            milestone: Milestone::Started,
        });
        assert_eq!(phases.place(Duration::from_secs(1)), None);
        let place = phases.place(Duration::from_millis(2600));
        assert_eq!(place, Some(Place { phase: 0, block: 2 }));
    }
}
