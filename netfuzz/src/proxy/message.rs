//! The messages of a gRPC stream: cuts a body at the length prefixes and looks no further.

use super::body::{End, Outgoing, end, release};
use crate::fate::Corruption;
use crate::timer;
use bytes::{Buf, Bytes, BytesMut};
use h2::{Reason, RecvStream};
use http::HeaderMap;
use std::time::Duration;

/// One message, with its prefix.
pub(super) struct Message {
    pub(super) frame: Bytes,
    /// When its last byte arrived.
    pub(super) arrival: Duration,
}

impl Message {
    /// In place of a message that is not there.
    pub(super) fn none() -> Self {
        Self {
            frame: Bytes::new(),
            arrival: timer::now(),
        }
    }

    /// The payload's size in bytes.
    pub(super) fn size(&self) -> usize {
        self.frame.len().saturating_sub(PREFIX)
    }
}

/// The frame with its payload corrupted, if so fated.
pub(super) fn corrupted(frame: &Bytes, corruption: Option<Corruption>) -> Bytes {
    let Some(corruption) = corruption else {
        return frame.clone();
    };
    let mut frame = BytesMut::from(&frame[..]);
    if let Some(payload) = frame.get_mut(PREFIX..) {
        corruption.apply(payload);
    }
    frame.freeze()
}

/// What comes next on a stream.
pub(super) enum Part {
    Message(Message),
    End(Option<HeaderMap>),
}

/// How a stream begins.
pub(super) enum Opening {
    /// It is one message, or none, and its end.
    Whole(Option<Message>, Option<HeaderMap>),
    /// It goes on after these.
    Begun(Vec<Message>),
}

/// Reads the messages of a body.
pub(super) struct Reader {
    body: RecvStream,
    chunk: Bytes,
    partial: BytesMut,
    arrival: Duration,
    limit: usize,
}

impl Reader {
    /// Reads messages of at most `limit` bytes.
    pub(super) fn new(body: RecvStream, limit: usize) -> Self {
        Self {
            body,
            chunk: Bytes::new(),
            partial: BytesMut::new(),
            arrival: Duration::ZERO,
            limit,
        }
    }

    /// The body, of which nothing has been read.
    pub(super) fn untouched(self) -> Outgoing {
        Outgoing::Untouched(self.body)
    }

    /// Tells one message from many. Waits no longer than `patience` for what comes next; without it, to the end.
    pub(super) async fn open(&mut self, patience: Option<Duration>) -> Result<Opening, h2::Error> {
        let mut first = None;
        loop {
            let next = match patience {
                None => self.next().await,
                Some(patience) => match tokio::time::timeout(patience, self.next()).await {
                    Ok(next) => next,
                    Err(_) => return Ok(Opening::Begun(first.into_iter().collect())),
                },
            };
            match (next?, first.take()) {
                (Part::Message(message), None) => first = Some(message),
                (Part::Message(second), Some(first)) => {
                    return Ok(Opening::Begun(vec![first, second]));
                }
                (Part::End(trailers), seen) => return Ok(Opening::Whole(seen, trailers)),
            }
        }
    }

    /// The next message, or the end. Nothing is lost if the future is dropped.
    pub(super) async fn next(&mut self) -> Result<Part, h2::Error> {
        loop {
            if let Some(frame) = self.cut()? {
                let arrival = self.arrival;
                return Ok(Part::Message(Message { frame, arrival }));
            }
            let end = match self.body.data().await {
                Some(Ok(data)) => {
                    release(&mut self.body, data.len());
                    self.arrival = timer::now();
                    self.chunk = data;
                    continue;
                }
                Some(Err(error)) => end(&error),
                None => match self.body.trailers().await {
                    Ok(trailers) => End::Finished(trailers),
                    Err(error) => end(&error),
                },
            };
            return match end {
                End::Finished(trailers) if self.partial.is_empty() => Ok(Part::End(trailers)),
                End::Finished(_) => Err(Reason::INTERNAL_ERROR.into()),
                End::Broken(reason) => Err(reason.into()),
            };
        }
    }

    fn cut(&mut self) -> Result<Option<Bytes>, h2::Error> {
        if self.partial.is_empty()
            && let Some(length) = self.length(&self.chunk)?
            && length <= self.chunk.len()
        {
            return Ok(Some(self.chunk.split_to(length)));
        }
        while !self.chunk.is_empty() {
            let goal = self.length(&self.partial)?.unwrap_or(PREFIX);
            let missing = (goal - self.partial.len()).min(self.chunk.len());
            self.partial.extend_from_slice(&self.chunk[..missing]);
            self.chunk.advance(missing);
            if self.length(&self.partial)? == Some(self.partial.len()) {
                return Ok(Some(self.partial.split().freeze()));
            }
        }
        Ok(None)
    }

    /// The length, prefix included, of the message that these bytes begin.
    fn length(&self, bytes: &[u8]) -> Result<Option<usize>, h2::Error> {
        let Some(&[_, a, b, c, d]) = bytes.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length > self.limit {
            return Err(Reason::ENHANCE_YOUR_CALM.into());
        }
        Ok(Some(PREFIX + length))
    }
}

/// gRPC's prefix: a flag and the payload's length.
const PREFIX: usize = 5;
