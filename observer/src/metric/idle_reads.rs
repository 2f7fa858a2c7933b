//! Repairs per idle read: what read repair sends although an earlier read could have mended everything.
//!
//! A read of the load is idle if a read of the same key was over a second before it began, and that one began a second after
//! the last write of the key was over, the last fault had ended and the last machine had changed. Its repairs are the
//! messages of read repair that were sent for it: none, if all is well.

use super::{Metric, Run, Seen};
use crate::figures::{IdleReads as Figures, Measured};
use crate::lookup::{Lookup, Recent};
use bytes::Bytes;
use std::time::Duration;
use tidemark_proto::event::{Detail, Event, FaultSpan, Kind, Operation};
use tidemark_proto::id::OperationId;
use tidemark_proto::message::Method;

#[derive(Default)]
pub(crate) struct IdleReads {
    keys: Lookup<Bytes, Key>,
    machines_changed: Duration,
    /// How many repairs each read has sent.
    sent: Recent<OperationId, u64>,
    idle: Recent<OperationId, ()>,
    reads: u64,
    repairs: u64,
}

#[derive(Default)]
struct Key {
    /// How many of its writes have not returned.
    open: u64,
    /// When a write of it last began or returned.
    written: Duration,
    /// When the first read began since all was quiet, and when it was over.
    read: Option<(Duration, Duration)>,
}

impl Metric for IdleReads {
    type Figures = Measured<Figures>;

    fn observe(&mut self, seen: &Seen<'_>) {
        match seen.event {
            Event::Invoked(write) => {
                let key = self.keys.entry(write.key.clone()).or_default();
                (key.open, key.written) = (key.open + 1, write.invoked);
            }
            Event::Returned(operation) if operation.kind != Kind::Get => {
                let key = self.keys.entry(operation.key.clone()).or_default();
                (key.open, key.written) = (key.open.saturating_sub(1), operation.returned);
            }
            Event::Returned(_) => {
                if let Some((read, _)) = seen.answered_read()
                    && self.is_idle(read, seen.phases.spans())
                {
                    self.reads += 1;
                    self.repairs += self.sent.remove(&read.id).unwrap_or_default();
                    self.idle.insert(read.returned, seen.memory, read.id, ());
                }
            }
            Event::Sent {
                at,
                operation,
                method: Method::Repair,
                ..
            } if !operation.is_none() => {
                if self.idle.get(operation).is_some() {
                    self.repairs += 1;
                } else {
                    let sent = 1 + self.sent.get(operation).copied().unwrap_or_default();
                    self.sent.insert(*at, seen.memory, *operation, sent);
                }
            }
            Event::Machine { at, .. } => self.machines_changed = *at,
            _ => {}
        }
    }

    fn report(&self, run: &Run<'_>) -> Measured<Figures> {
        match run.lacks(Detail::All) {
            Some(reason) => Measured::Missing(reason),
            None => Measured::Known(Figures {
                reads: self.reads,
                repairs: self.repairs,
            }),
        }
    }
}

impl IdleReads {
    fn is_idle(&mut self, read: &Operation, faults: &[FaultSpan]) -> bool {
        let key = self.keys.entry(read.key.clone()).or_default();
        let quiet = key.written.max(self.machines_changed) + SETTLING;
        if key.open > 0 || read.invoked < quiet {
            return false;
        }
        let begun = faults.iter().filter(|span| span.from <= read.returned);
        let ended = begun.map(|span| span.until).max();
        let quiet = quiet.max(ended.unwrap_or_default() + SETTLING);
        if read.invoked < quiet {
            return false;
        }
        match key.read {
            Some((began, over)) if began >= quiet => over + SETTLING <= read.invoked,
            _ => {
                key.read = Some((read.invoked, read.returned));
                false
            }
        }
    }
}

const SETTLING: Duration = Duration::from_secs(1);
