//! The bodies that the proxy sends: passed on as they come, whole, or message by message as these are released.

use super::judge::Ticket;
use crate::timer;
use bytes::{Bytes, BytesMut};
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// A body on its way out.
pub(super) enum Outgoing {
    /// As it comes.
    Untouched(RecvStream),
    /// At most one message.
    Whole(Option<Bytes>, Option<HeaderMap>),
    /// Message by message.
    Released(Release),
}

/// What is sent next of a body.
enum Piece {
    Data(Bytes),
    End(End),
}

/// What follows the last message.
pub(super) enum End {
    Finished(Option<HeaderMap>),
    Broken(Reason),
}

impl Default for Outgoing {
    fn default() -> Self {
        Self::Whole(None, None)
    }
}

impl Outgoing {
    /// Whether there is nothing to send.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Untouched(body) => body.is_end_stream(),
            Self::Whole(data, trailers) => data.is_none() && trailers.is_none(),
            Self::Released(_) => false,
        }
    }

    /// Sends it: at once if it is there, otherwise as it comes.
    pub(super) fn send(self, mut stream: SendStream<Bytes>) {
        let sent = match self {
            Self::Whole(data, trailers) => whole(&mut stream, data, trailers),
            Self::Untouched(_) | Self::Released(_) => {
                tokio::spawn(self.carry(stream));
                return;
            }
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "a body is not wanted any more");
        }
    }

    async fn carry(mut self, mut stream: SendStream<Bytes>) {
        loop {
            let piece = poll_fn(|context| match stream.poll_reset(context) {
                Poll::Ready(_) => Poll::Ready(None),
                Poll::Pending => self.poll_next(context).map(Some),
            });
            let sent = match piece.await {
                None => return,
                Some(Piece::Data(data)) => {
                    stream.reserve_capacity(1);
                    if !data.is_empty() && !has_room(&mut stream).await {
                        return;
                    }
                    let last = self.is_empty();
                    match stream.send_data(data, last) {
                        Ok(()) if !last => continue,
                        sent => sent,
                    }
                }
                Some(Piece::End(End::Finished(Some(trailers)))) => stream.send_trailers(trailers),
                Some(Piece::End(End::Finished(None))) => stream.send_data(Bytes::new(), true),
                Some(Piece::End(End::Broken(reason))) => return stream.send_reset(reason),
            };
            if let Err(error) = sent {
                tracing::debug!(%error, "a body is not wanted any more");
            }
            return;
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Piece> {
        Poll::Ready(match self {
            Self::Untouched(body) => match ready!(body.poll_data(context)) {
                Some(Ok(data)) => {
                    release(body, data.len());
                    Piece::Data(data)
                }
                Some(Err(error)) => Piece::End(end(&error)),
                None => Piece::End(match ready!(body.poll_trailers(context)) {
                    Ok(trailers) => End::Finished(trailers),
                    Err(error) => end(&error),
                }),
            },
            Self::Whole(data, trailers) => match data.take() {
                Some(data) => Piece::Data(data),
                None => Piece::End(End::Finished(trailers.take())),
            },
            Self::Released(release) => return release.0.poll_next(context),
        })
    }
}

fn whole(
    stream: &mut SendStream<Bytes>,
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
) -> Result<(), h2::Error> {
    if let Some(data) = data {
        stream.send_data(data, trailers.is_none())?;
    }
    trailers.map_or(Ok(()), |trailers| stream.send_trailers(trailers))
}

/// Waits until the receiver takes more; tells whether it still does.
async fn has_room(stream: &mut SendStream<Bytes>) -> bool {
    poll_fn(|context| {
        while stream.capacity() == 0 {
            if stream.poll_reset(context).is_ready() {
                return Poll::Ready(false);
            }
            match ready!(stream.poll_capacity(context)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(false),
            }
        }
        Poll::Ready(true)
    })
    .await
}

/// Lets the sender of a body send as much again.
pub(super) fn release(body: &mut RecvStream, bytes: usize) {
    // It fails only for more than was received.
    let _ = body.flow_control().release_capacity(bytes);
}

/// How a body ends whose stream ended so.
pub(super) fn end(error: &h2::Error) -> End {
    match reason(error) {
        // The rest of the request is not needed, and there is no more of the answer.
        Reason::NO_ERROR => End::Finished(None),
        reason => End::Broken(reason),
    }
}

/// Why a stream broke, as HTTP/2 has it.
pub(super) fn reason(error: &h2::Error) -> Reason {
    error.reason().unwrap_or(Reason::CANCEL)
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

impl Pending {
    fn push(&mut self, held: Held) -> Option<Waker> {
        if self.closed {
            return None;
        }
        self.ready.push_back(held);
        self.reader.take()
    }
}

/// A message that is held back.
pub(super) struct Held {
    pub(super) frame: Bytes,
    /// Of the first copy.
    pub(super) ticket: Option<Ticket>,
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

impl Outbox {
    /// A message is due now; it takes its place behind all that have been released. Whoever has to be woken comes back.
    pub(super) fn pass(&self, held: Held) -> Option<Waker> {
        self.state().push(held)
    }

    /// A message will be [released](Self::release) later.
    pub(super) fn announce(&self) {
        self.state().waiting += 1;
    }

    /// Whether all that have been announced are released.
    pub(super) fn is_idle(&self) -> bool {
        self.state().waiting == 0
    }

    /// An announced message is due. Whoever has to be woken comes back.
    #[must_use]
    pub(super) fn release(&self, held: Held) -> Option<Waker> {
        let mut state = self.state();
        state.waiting -= 1;
        state.push(held)
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

    fn poll_next(&self, context: &mut Context<'_>) -> Poll<Piece> {
        let mut state = self.state();
        if state.ready.is_empty() {
            if state.waiting == 0
                && let Some(end) = state.end.take()
            {
                return Poll::Ready(Piece::End(end));
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
        let now = timer::now();
        for ticket in batch.into_iter().filter_map(|held| held.ticket) {
            ticket.delivered(now);
        }
        Poll::Ready(Piece::Data(data))
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
