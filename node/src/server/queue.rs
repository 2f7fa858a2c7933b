//! A bounded queue between the driver's thread and the tasks around it. Putting something in wakes nobody: a bell does,
//! once for all that was put in together, since waking a thread costs more than most of what it is woken for.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::sync::mpsc::error::TrySendError;

/// Items in order, and the bell of the task that waits for them.
pub(super) struct Queue<T> {
    items: Mutex<Items<T>>,
    bell: Notify,
    limit: usize,
}

struct Items<T> {
    waiting: VecDeque<T>,
    is_closed: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(limit: u32) -> Self {
        let items = Items {
            waiting: VecDeque::new(),
            is_closed: false,
        };
        Self {
            items: Mutex::new(items),
            bell: Notify::new(),
            limit: limit.max(1) as usize,
        }
    }

    /// How many items may wait.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Puts an item in, unless the queue is full or closed.
    pub(super) fn push(&self, item: T) -> Result<(), TrySendError<T>> {
        let mut items = self.items();
        if items.is_closed {
            return Err(TrySendError::Closed(item));
        }
        if items.waiting.len() >= self.limit {
            return Err(TrySendError::Full(item));
        }
        items.waiting.push_back(item);
        Ok(())
    }

    /// Moves at most so many items to `taken`. Tells whether more may come: false once it is closed and empty.
    pub(super) fn take(&self, most: usize, taken: &mut Vec<T>) -> bool {
        let mut items = self.items();
        let count = most.min(items.waiting.len());
        taken.extend(items.waiting.drain(..count));
        count > 0 || !items.is_closed
    }

    /// Lets nothing in any more.
    pub(super) fn close(&self) {
        self.items().is_closed = true;
    }

    /// Lets nothing in any more and drops what waits.
    pub(super) fn abandon(&self) {
        self.close();
        let waiting = std::mem::take(&mut self.items().waiting);
        // Not under the lock: what is dropped may wake somebody.
        drop(waiting);
    }

    /// Wakes whoever waits for the bell, now or next.
    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Waits for the bell.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    fn items(&self) -> MutexGuard<'_, Items<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise a peer could make a node hold without bound, or lose what it was told was taken.
    #[test]
    fn what_is_let_in_comes_out_in_order_and_no_more_is_let_in() {
        let queue = Queue::new(3);
        let let_in: Vec<bool> = (0..5).map(|item| queue.push(item).is_ok()).collect();
        assert_eq!(let_in, [true, true, true, false, false]);
        let mut taken = Vec::new();
        assert!(queue.take(2, &mut taken));
        assert!(queue.push(5).is_ok());
        queue.close();
        assert!(matches!(queue.push(6), Err(TrySendError::Closed(6))));
        assert!(queue.take(9, &mut taken));
        assert_eq!(taken, [0, 1, 2, 5]);
        assert!(!queue.take(9, &mut taken), "closed and empty");
    }
}
