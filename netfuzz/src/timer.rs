//! A timer for delays of microseconds: a thread of its own that sleeps until the earliest deadline, and not past it.
//!
//! The runtime's timer counts in milliseconds. This one waits on a futex with an absolute time on CLOCK_MONOTONIC and the
//! least timer slack that the kernel grants; an earlier deadline cuts the wait short.

#![expect(
    clippy::disallowed_methods,
    reason = "the timer is a shell: it owns a thread"
)]

use rustix::thread::futex::{Flags, wait_bitset, wake};
use rustix::thread::{Timespec, set_current_timer_slack};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tidemark_proto::clock::Clock;

/// Hands items back when they are due, all that are due at once in one batch, ordered by deadline and then by age.
pub struct Timer<T> {
    shared: Arc<Shared<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Timer<T> {
    /// Starts the timer's thread, which gives every batch to `release`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        release: impl FnMut(std::vec::Drain<'_, T>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                heap: BinaryHeap::new(),
                sequence: 0,
                sleeps_until: Duration::ZERO,
                closed: false,
            }),
            bell: AtomicU32::new(0),
        });
        let thread = std::thread::Builder::new()
            .name("timer".to_owned())
            .spawn({
                let shared = shared.clone();
                move || shared.run(release)
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Hands the item back at `deadline`, a time as [`now`] tells it.
    pub fn schedule(&self, deadline: Duration, item: T) {
        let mut queue = self.shared.queue();
        let sequence = queue.sequence;
        queue.sequence += 1;
        queue.heap.push(Reverse(Waiting {
            deadline,
            sequence,
            item,
        }));
        let early = deadline < queue.sleeps_until;
        drop(queue);
        if early {
            self.shared.ring();
        }
    }
}

impl<T> Drop for Timer<T> {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.ring();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // A panic of the thread has been reported already.
            let _ = thread.join();
        }
    }
}

/// The time on CLOCK_MONOTONIC.
#[must_use]
pub fn now() -> Duration {
    Clock::since(0).elapsed()
}

struct Shared<T> {
    queue: Mutex<Queue<T>>,
    /// Changes whenever the thread has to look at the queue.
    bell: AtomicU32,
}

struct Queue<T> {
    heap: BinaryHeap<Reverse<Waiting<T>>>,
    sequence: u64,
    /// Zero while the thread is awake.
    sleeps_until: Duration,
    closed: bool,
}

struct Waiting<T> {
    deadline: Duration,
    sequence: u64,
    item: T,
}

impl<T> Shared<T> {
    fn queue(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        self.bell.fetch_add(1, Ordering::Release);
        // Nobody waiting is no error.
        let _ = wake(&self.bell, Flags::PRIVATE, 1);
    }

    fn run(&self, mut release: impl FnMut(std::vec::Drain<'_, T>)) {
        // Without it the timer is late by the default slack, 50 µs.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        let mut due = Vec::new();
        loop {
            let mut queue = self.queue();
            queue.sleeps_until = Duration::ZERO;
            if queue.closed {
                return;
            }
            let now = now();
            while let Some(Reverse(next)) = queue.heap.peek()
                && next.deadline <= now
            {
                due.extend(queue.heap.pop().map(|Reverse(waiting)| waiting.item));
            }
            if !due.is_empty() {
                drop(queue);
                release(due.drain(..));
                continue;
            }
            let next = queue.heap.peek().map(|Reverse(waiting)| waiting.deadline);
            queue.sleeps_until = next.unwrap_or(Duration::MAX);
            let bell = self.bell.load(Ordering::Acquire);
            drop(queue);
            let until = next.and_then(|deadline| Timespec::try_from(deadline).ok());
            // A bell that rang, a signal and the deadline are all reasons to look again.
            let _ = wait_bitset(&self.bell, Flags::PRIVATE, bell, until.as_ref(), ANYBODY);
        }
    }
}

impl<T> PartialEq for Waiting<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Waiting<T> {}

impl<T> PartialOrd for Waiting<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Waiting<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.deadline, self.sequence).cmp(&(other.deadline, other.sequence))
    }
}

const ANYBODY: NonZeroU32 = NonZeroU32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn items_come_back_by_deadline_and_never_early() {
        let (sender, receiver) = mpsc::channel();
        let timer = Timer::start(move |batch| {
            for item in batch {
                sender.send((item, now())).expect("the test listens");
            }
        })
        .unwrap();
        let start = now();
        for (number, ms) in [5, 1, 3, 3, 0, 4].into_iter().enumerate() {
            let deadline = start + Duration::from_millis(ms);
            timer.schedule(deadline, (number, deadline));
        }
        let seen: Vec<_> = receiver.iter().take(6).collect();
        let order: Vec<_> = seen.iter().map(|((number, _), _)| *number).collect();
        assert_eq!(order, [4, 1, 2, 3, 5, 0]);
        assert!(seen.iter().all(|((_, deadline), at)| at >= deadline));
    }

    #[test]
    fn an_earlier_deadline_cuts_the_wait_short() {
        let (sender, receiver) = mpsc::channel();
        let timer = Timer::start(move |batch| {
            for item in batch {
                sender.send(item).expect("the test listens");
            }
        })
        .unwrap();
        timer.schedule(Duration::MAX, "never");
        timer.schedule(now() + Duration::from_secs(3600), "late");
        timer.schedule(now() + Duration::from_millis(1), "soon");
        assert_eq!(receiver.recv(), Ok("soon"));
        drop(timer);
        assert!(
            receiver.recv().is_err(),
            "what is not due is dropped with the timer"
        );
    }
}
