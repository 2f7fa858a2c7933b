//! The bodies that the proxy sends: passed on as they come, whole, or message by message as these are released.

use super::judge::Ticket;
use bytes::{Bytes, BytesMut};
use h2::Reason;
use http::HeaderMap;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use std::collections::VecDeque;
use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// A body on its way out.
pub(super) enum Outgoing {
    /// As it comes.
    Untouched(Incoming),
    /// At most one message.
    Whole(Option<Bytes>, Option<HeaderMap>),
    /// Message by message.
    Released(Release),
}

impl Default for Outgoing {
    fn default() -> Self {
        Self::Whole(None, None)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        match &mut *self {
            Self::Untouched(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(|error| reason(&error).into()),
            Self::Whole(data, trailers) => {
                let data = data.take().map(Frame::data);
                let next = data.or_else(|| trailers.take().map(Frame::trailers));
                Poll::Ready(next.map(Ok))
            }
            Self::Released(release) => release.0.poll_next(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Untouched(body) => body.is_end_stream(),
            Self::Whole(data, trailers) => data.is_none() && trailers.is_none(),
            Self::Released(_) => false,
        }
    }
}

/// Why a stream broke, as HTTP/2 has it.
pub(super) fn reason(error: &hyper::Error) -> Reason {
    cause(error)
        .and_then(h2::Error::reason)
        .unwrap_or(Reason::CANCEL)
}

/// The HTTP/2 error behind hyper's.
pub(super) fn cause(error: &hyper::Error) -> Option<&h2::Error> {
    let mut sources = std::iter::successors(error.source(), |&error| error.source());
    sources.find_map(|error| error.downcast_ref())
}

/// The messages of one direction of a call that are on their way.
#[derive(Default)]
pub(super) struct Outbox {
    state: Mutex<Pending>,
    closed: Notify,
}

#[derive(Default)]
struct Pending {
    ready: VecDeque<Held>,
    /// How many have been announced and are not due yet.
    waiting: usize,
    end: Option<End>,
    reader: Option<Waker>,
    closed: bool,
}

/// A message that is held back.
pub(super) struct Held {
    pub(super) frame: Bytes,
    /// Of the first copy.
    pub(super) ticket: Option<Ticket>,
    pub(super) _room: Option<Arc<OwnedSemaphorePermit>>,
}

/// What follows the last message.
pub(super) enum End {
    Finished(Option<HeaderMap>),
    Broken(Reason),
}

impl Outbox {
    /// A message will be [released](Self::release) later. Tells whether another one will be, too.
    pub(super) fn announce(&self) -> bool {
        let mut state = self.state();
        state.waiting += 1;
        state.waiting > 1
    }

    /// An announced message is due. Whoever has to be woken comes back.
    #[must_use]
    pub(super) fn release(&self, held: Held) -> Option<Waker> {
        let mut state = self.state();
        state.waiting -= 1;
        if state.closed {
            return None;
        }
        state.ready.push_back(held);
        state.reader.take()
    }

    /// Nothing is announced any more: the end follows when all has been released.
    pub(super) fn finish(&self, end: End) {
        let mut state = self.state();
        state.end.get_or_insert(end);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Whoever was to be sent the messages is gone.
    pub(super) async fn closed(&self) {
        self.closed.notified().await;
    }

    fn poll_next(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let mut state = self.state();
        if state.ready.is_empty() {
            if state.waiting == 0
                && let Some(end) = state.end.take()
            {
                return Poll::Ready(match end {
                    End::Finished(trailers) => {
                        trailers.map(|trailers| Ok(Frame::trailers(trailers)))
                    }
                    End::Broken(reason) => Some(Err(reason.into())),
                });
            }
            state.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let mut bytes = 0;
        let fits = |held: &&Held| {
            bytes += held.frame.len();
            bytes <= BATCH_BYTES
        };
        let count = state.ready.iter().take_while(fits).count().max(1);
        let mut batch: Vec<Held> = state.ready.drain(..count).collect();
        drop(state);
        let data = match &mut batch[..] {
            [one] => std::mem::take(&mut one.frame),
            all => {
                let mut data = BytesMut::with_capacity(BATCH_BYTES.min(bytes));
                all.iter()
                    .for_each(|held| data.extend_from_slice(&held.frame));
                data.freeze()
            }
        };
        for ticket in batch.into_iter().filter_map(|held| held.ticket) {
            ticket.delivered();
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn state(&self) -> MutexGuard<'_, Pending> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends what an outbox releases.
pub(super) struct Release(pub(super) Arc<Outbox>);

impl Drop for Release {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closed = true;
        let undelivered = std::mem::take(&mut state.ready);
        drop(state);
        drop(undelivered);
        self.0.closed.notify_one();
    }
}

/// What is due at once is sent in one piece up to this size.
const BATCH_BYTES: usize = 64 * 1024;
