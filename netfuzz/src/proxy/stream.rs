//! One direction of a stream: reads messages as they come and releases each when its fate says.

use super::body::{End, Held, Outbox};
use super::judge::{Judge, Lane};
use super::link::{Counted, Link};
use super::message::{Message, Part, Reader, corrupted};
use crate::fate::Answer;
use crate::timer;
use h2::Reason;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidemark_proto::event::Direction;
use tokio::sync::{Semaphore, oneshot};

/// Gives the messages of a stream their numbers.
pub(super) enum Numbers {
    /// The sender counts: the next one's number.
    Given(u64),
    /// The link counts.
    Counted(Arc<Counted>, Direction),
}

impl Numbers {
    pub(super) fn next(&mut self) -> u64 {
        match self {
            Self::Given(next) => {
                let k = *next;
                *next = next.wrapping_add(1);
                k
            }
            Self::Counted(method, direction) => method.next(*direction),
        }
    }
}

/// Why a stream ends before its time.
pub(super) enum Interruption {
    Reset,
    Answer(Answer),
}

/// Moves messages from a reader to an outbox.
pub(super) struct Pump {
    judge: Arc<Judge>,
    room: Arc<Semaphore>,
    lane: Lane,
    numbers: Numbers,
    outbox: Arc<Outbox>,
    interrupt: Option<oneshot::Sender<Interruption>>,
    /// On an ordered link, when the message before is released.
    previous: Option<Duration>,
    /// When the last message so far is released.
    latest: Duration,
    lost: u64,
    delivered: u64,
}

impl Pump {
    /// A pump and the outbox that it fills.
    pub(super) fn new(
        link: &Link,
        lane: Lane,
        numbers: Numbers,
        interrupt: Option<oneshot::Sender<Interruption>>,
    ) -> (Self, Arc<Outbox>) {
        let outbox = Arc::<Outbox>::default();
        let datagram = link.datagram.load(Ordering::Relaxed);
        let pump = Self {
            judge: link.judge.clone(),
            room: link.room.clone(),
            lane,
            numbers,
            outbox: outbox.clone(),
            interrupt,
            previous: (!datagram).then_some(Duration::ZERO),
            latest: Duration::ZERO,
            lost: 0,
            delivered: 0,
        };
        (pump, outbox)
    }

    /// Runs until the stream ends at either side. What is under way by then is still released.
    pub(super) async fn run(mut self, mut reader: Reader, seen: Vec<Message>) {
        for message in seen {
            if !self.take(message).await {
                return;
            }
        }
        let outbox = self.outbox.clone();
        loop {
            let next = tokio::select! {
                biased;
                next = reader.next() => next,
                () = outbox.closed() => return,
            };
            match next {
                Ok(Part::Message(message)) => {
                    if !self.take(message).await {
                        return;
                    }
                }
                Ok(Part::End(trailers)) => {
                    if self.lost > 0 && self.delivered == 0 {
                        // Nothing of it arrived, so its end does not either.
                        tokio::select! {
                            () = tokio::time::sleep(self.judge.limits.hang) => {}
                            () = outbox.closed() => {}
                        }
                        return outbox.finish(End::Broken(Reason::CANCEL));
                    }
                    return outbox.finish(End::Finished(trailers));
                }
                Err(error) => {
                    self.settle().await;
                    return outbox.finish(End::Broken(error.reason().unwrap_or(Reason::CANCEL)));
                }
            }
        }
    }

    /// Waits until all that is held back has left: a reset would overtake it.
    async fn settle(&self) {
        let left = self.latest.saturating_sub(timer::now());
        if !left.is_zero() {
            self.judge.delay(self.latest, LEAVING).await;
        }
    }

    /// Whether the stream goes on.
    async fn take(&mut self, message: Message) -> bool {
        let k = self.numbers.next();
        let (fate, ticket) = self
            .judge
            .judge(&mut self.lane, k, message.size(), message.arrival);
        let interruption = match fate.answer {
            _ if fate.reset => Some(Interruption::Reset),
            answer => answer.map(Interruption::Answer),
        };
        if let Some(interruption) = interruption {
            if let Some(interrupt) = self.interrupt.take() {
                // Once an answer has begun, the reset below is all that can be told.
                let _ = interrupt.send(interruption);
            }
            self.outbox.finish(End::Broken(Reason::CANCEL));
            return false;
        }
        if fate.copies.is_empty() {
            self.lost += 1;
            return true;
        }
        self.delivered += 1;
        let bytes = message.frame.len().min(self.judge.limits.held_bytes);
        let mut ticket = Some(ticket);
        for copy in fate.copies {
            let room = self.room.clone().acquire_many_owned(bytes as u32).await;
            let held = Held {
                frame: corrupted(&message.frame, copy.corruption),
                ticket: ticket.take(),
                _room: room.ok(),
            };
            self.hold(message.arrival, copy.delay, held);
        }
        true
    }

    fn hold(&mut self, arrival: Duration, delay: Duration, held: Held) {
        let own = arrival.saturating_add(delay);
        let release = match &mut self.previous {
            Some(previous) => {
                *previous = own.max(*previous);
                *previous
            }
            None => own,
        };
        self.latest = self.latest.max(release);
        // What is not delayed is due whatever time it is.
        let due = release <= arrival || release <= timer::now();
        let behind = self.previous.is_some() && !self.outbox.is_idle();
        if behind || !due {
            self.outbox.announce();
            return self.judge.hold(release, self.outbox.clone(), held);
        }
        if let Some(reader) = self.outbox.pass(held) {
            reader.wake();
        }
    }
}

/// How long a released message may take to reach the socket.
const LEAVING: Duration = Duration::from_millis(20);
