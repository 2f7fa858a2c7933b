//! Which of two operations was over when the other began.

use std::collections::VecDeque;
use std::time::Duration;
use tidemark_proto::id::OperationId;

/// When an operation began or finished, and which it is.
pub(super) type Moment = (Duration, OperationId);

/// Whether an operation that finished then was over when another began; one client's own operations are ordered even if
/// one begins just when the other finishes.
pub(super) fn precedes(finished: Moment, begun: Moment) -> bool {
    let (first, second) = (finished.1, begun.1);
    finished.0 < begun.0
        || finished.0 == begun.0
            && first.issuer() == second.issuer()
            && first.sequence() < second.sequence()
}

/// How many of these had finished at `time`; they stand in the order of their finishes.
pub(super) fn finished_until(finishes: &VecDeque<(Duration, u32)>, time: Duration) -> usize {
    // Nearly always it is all but the last few: they are looked at first, twice as many each time.
    let is_later = |place: usize| finishes[place].0 > time;
    let (mut until, mut step) = (finishes.len(), 1);
    while step <= until && is_later(until - step) {
        until -= step;
        step *= 2;
    }
    let mut from = until.saturating_sub(step);
    while from < until {
        let middle = from.midpoint(until);
        if is_later(middle) {
            until = middle;
        } else {
            from = middle + 1;
        }
    }
    until
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, a read is judged by writes that came later, or not by all that were complete.
    #[test]
    fn as_many_have_finished_as_finish_no_later() {
        let finishes: VecDeque<_> = [1, 2, 2, 5, 5, 5, 9, 10, 11, 30]
            .map(|at| (Duration::from_millis(at), 0))
            .into();
        for at in 0..32 {
            let at = Duration::from_millis(at);
            let expected = finishes.iter().filter(|(finish, _)| *finish <= at).count();
            assert_eq!(finished_until(&finishes, at), expected, "{at:?}");
        }
    }
}
