//! Which of two operations was over when the other began.

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
