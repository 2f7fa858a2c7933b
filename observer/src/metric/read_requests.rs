//! Requests a read: how many other nodes coordinators asked for each read of the load that was answered.
//!
//! Whoever coordinates and holds the key asks itself without a message. Speculation asks one node more than must answer:
//! always on, it amplifies R requests by (R + 1) / R. What a read asks when it was answered already counts as well.
//!
//! Reference: Dean and Barroso, The tail at scale, CACM 2013 (hedged requests and what they cost).

use super::{Metric, Run, Seen};
use crate::figures::{Measured, ReadRequests as Figures};
use crate::lookup::Recent;
use tidemark_proto::event::{Detail, Event};
use tidemark_proto::id::OperationId;
use tidemark_proto::message::Method;

#[derive(Default)]
pub(crate) struct ReadRequests {
    /// How many requests each operation has sent that was not answered yet.
    sent: Recent<OperationId, u64>,
    answered: Recent<OperationId, ()>,
    reads: u64,
    requests: u64,
}

impl Metric for ReadRequests {
    type Figures = Measured<Figures>;

    fn observe(&mut self, seen: &Seen<'_>) {
        if let Some((read, _)) = seen.answered_read() {
            self.reads += 1;
            self.requests += self.sent.remove(&read.id).unwrap_or_default();
            self.answered
                .insert(read.returned, seen.memory, read.id, ());
        }
        if let Event::Sent {
            at,
            operation,
            method: Method::Fetch,
            ..
        } = seen.event
        {
            if self.answered.get(operation).is_some() {
                self.requests += 1;
            } else {
                let sent = 1 + self.sent.get(operation).copied().unwrap_or_default();
                self.sent.insert(*at, seen.memory, *operation, sent);
            }
        }
    }

    fn report(&self, run: &Run<'_>) -> Measured<Figures> {
        match run.lacks(Detail::All) {
            Some(reason) => Measured::Missing(reason),
            None => Measured::Known(Figures {
                reads: self.reads,
                requests: self.requests,
            }),
        }
    }
}
