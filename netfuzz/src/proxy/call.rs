//! One call: its request meets its fate, then its answer does.

use super::body::{Outgoing, Release};
use super::judge::Lane;
use super::link::Link;
use super::message::{Message, Opening, Reader, corrupted};
use super::stream::{Interruption, Numbers, Pump};
use super::traffic::{Shape, classify};
use super::upstream::Failure;
use crate::fate::{Answer, Fate};
use h2::Reason;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tidemark_proto::event::Direction;
use tokio::sync::{mpsc, oneshot};
use tonic::{Code, Status};

type Answered = Result<Response<Outgoing>, h2::Error>;

/// Passes a call on to the link's receiver.
pub(super) async fn pass(link: Arc<Link>, request: Request<Incoming>) -> Answered {
    let (mut parts, body) = request.into_parts();
    // A request leaves as it came, except for what belongs to the connection that it came on.
    parts.extensions.clear();
    let path = parts.uri.path().to_owned();
    let Some((shape, method)) = classify(&path).filter(|_| is_grpc(&parts.headers)) else {
        let request = Request::from_parts(parts, Outgoing::Untouched(body));
        return match link.upstream.send(request).await {
            Ok(response) => Ok(response.map(Outgoing::Untouched)),
            Err(failure) => refused(failure),
        };
    };
    let call = Call {
        shape,
        given: number(&parts.headers),
        method: link.method(method),
        link,
    };
    let mut reader = Reader::new(body, call.link.judge.limits.message_bytes);
    let opening = match shape {
        Shape::Unary => reader.open(None).await?,
        Shape::Peer => Opening::Begun(Vec::new()),
        Shape::Unknown => reader.open(Some(PATIENCE)).await?,
    };
    match opening {
        Opening::Whole(Some(message), _) => call.single(parts, message).await,
        Opening::Whole(None, _) => {
            let request = Request::from_parts(parts, Outgoing::default());
            let response = call.link.upstream.send(request).await;
            let k = call.given;
            call.respond(response, k).await
        }
        Opening::Begun(seen) => call.many(parts, reader, seen).await,
    }
}

/// What is known of a call while it lasts.
struct Call {
    link: Arc<Link>,
    shape: Shape,
    /// The number that the caller gave its first message.
    given: Option<u64>,
    method: Arc<Counted>,
}

impl Call {
    async fn single(self, parts: Parts, message: Message) -> Answered {
        let k = self.numbers(self.given, Direction::Request).next();
        let mut lane = self.link.lane(&self.method, Direction::Request);
        let judge = &self.link.judge;
        let (fate, ticket) = judge.judge(&mut lane, k, message.size(), message.arrival);
        if let Some(answered) = self.intercepted(&fate).await {
            return answered;
        }
        let mut ticket = Some(ticket);
        let (sender, mut answers) = mpsc::channel(1);
        for copy in fate.copies {
            let frame = corrupted(&message.frame, copy.corruption);
            let request = Request::from_parts(parts.clone(), Outgoing::Whole(Some(frame), None));
            let (link, sender, ticket) = (self.link.clone(), sender.clone(), ticket.take());
            let release = message.arrival.saturating_add(copy.delay);
            let delayed = !copy.delay.is_zero();
            // A task of its own: what is under way arrives even if the caller gives up meanwhile.
            tokio::spawn(async move {
                if delayed {
                    link.judge.wait(release).await;
                }
                let abandoned = sender.is_closed();
                if let Some(ticket) = ticket {
                    ticket.delivered();
                }
                let response = link.upstream.send(request);
                if abandoned {
                    // Nobody waits for the answer; the receiver is given time to act on the request.
                    drop(tokio::time::timeout(link.judge.limits.hang, response).await);
                    return;
                }
                tokio::select! {
                    response = response => drop(sender.send(response).await),
                    () = sender.closed() => {}
                }
            });
        }
        drop(sender);
        let gone = || {
            Err(Failure::Unreachable(
                "the proxy is shutting down".to_owned(),
            ))
        };
        let response = answers.recv().await.unwrap_or_else(gone);
        self.respond(response, Some(k)).await
    }

    async fn many(self, parts: Parts, lane: Lane, reader: Reader, seen: Vec<Message>) -> Answered {
        let numbers = match self.given {
            Some(first) => Numbers::Given(first),
            None => Numbers::Counted(self.count.clone()),
        };
        let (interrupt, interrupted) = oneshot::channel();
        let (pump, outbox) = Pump::new(&self.link, lane, numbers, Some(interrupt));
        tokio::spawn(pump.run(reader, seen));
        let request = Request::from_parts(parts, Outgoing::Released(Release(outbox)));
        let (sender, answer) = oneshot::channel();
        let link = self.link.clone();
        // A task of its own: what is under way arrives even if the caller gives up meanwhile.
        tokio::spawn(async move { sender.send(link.upstream.send(request).await) });
        let gone = |_| {
            Err(Failure::Unreachable(
                "the proxy is shutting down".to_owned(),
            ))
        };
        tokio::select! {
            biased;
            Ok(interruption) = interrupted => match interruption {
                Interruption::Reset => Err(Reason::CANCEL.into()),
                Interruption::Answer(answer) => Ok(status(&answer)),
            },
            response = answer => {
                let k = self.first();
                self.respond(response.unwrap_or_else(gone), k).await
            }
        }
    }

    /// Passes the answer on when its own fate lets it.
    async fn respond(mut self, response: Result<Response<Incoming>, Failure>, k: u64) -> Answered {
        let (parts, body) = match response {
            Ok(response) => response.into_parts(),
            Err(failure) => return refused(failure),
        };
        let mut reader = Reader::new(body, self.link.judge.limits.message_bytes);
        let opening = match self.shape {
            Shape::Unary => reader.open(None).await?,
            Shape::Unknown => reader.open(Some(PATIENCE)).await?,
            // The final status of a stream is no message.
            Shape::Peer => {
                return match reader.open(None).await? {
                    Opening::Whole(message, trailers) => {
                        let frame = message.map(|message| message.frame);
                        Ok(Response::from_parts(
                            parts,
                            Outgoing::Whole(frame, trailers),
                        ))
                    }
                    Opening::Begun(_) => Err(Reason::INTERNAL_ERROR.into()),
                };
            }
        };
        let (message, trailers) = match opening {
            Opening::Whole(message, trailers) => (message, trailers),
            Opening::Begun(seen) => {
                let (pump, outbox) = Pump::new(&self.link, self.responses, Numbers::Given(k), None);
                tokio::spawn(pump.run(reader, seen));
                return Ok(Response::from_parts(
                    parts,
                    Outgoing::Released(Release(outbox)),
                ));
            }
        };
        // An answer without a message, a bare status, is held back and lost like any other.
        let arrival = message
            .as_ref()
            .map_or_else(crate::timer::now, |message| message.arrival);
        let size = message.as_ref().map_or(0, Message::size);
        let (fate, ticket) = self.link.judge.judge(&mut self.responses, k, size, arrival);
        if let Some(answered) = self.intercepted(&fate).await {
            return answered;
        }
        let Some(copy) = fate.copies.first() else {
            return Err(Reason::CANCEL.into());
        };
        if !copy.delay.is_zero() {
            self.link
                .judge
                .wait(arrival.saturating_add(copy.delay))
                .await;
        }
        ticket.delivered();
        let frame = message.map(|message| corrupted(&message.frame, copy.corruption));
        Ok(Response::from_parts(
            parts,
            Outgoing::Whole(frame, trailers),
        ))
    }

    /// What the caller gets instead, if the message does not pass.
    async fn intercepted(&self, fate: &Fate) -> Option<Answered> {
        if fate.reset {
            return Some(Err(Reason::CANCEL.into()));
        }
        if let Some(answer) = &fate.answer {
            return Some(Ok(status(answer)));
        }
        if fate.copies.is_empty() {
            // The caller's deadline or patience ends the call.
            tokio::time::sleep(self.link.judge.limits.hang).await;
            return Some(Err(Reason::CANCEL.into()));
        }
        None
    }
}

/// Counts one more.
pub(super) fn next(count: &AtomicU64) -> u64 {
    count.fetch_add(1, Ordering::Relaxed) + 1
}

fn number(headers: &HeaderMap) -> Option<u64> {
    headers.get("tidemark-k")?.to_str().ok()?.parse().ok()
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

fn refused(failure: Failure) -> Answered {
    match failure {
        Failure::Unreachable(why) => Ok(Status::unavailable(why).into_http()),
        Failure::Reset(reason) => Err(reason.into()),
    }
}

fn status(answer: &Answer) -> Response<Outgoing> {
    let code = i32::try_from(answer.code).map_or(Code::Unknown, Code::from_i32);
    Status::new(code, answer.message.clone()).into_http()
}

/// How long a call of unknown shape may take to show whether more than one message comes.
const PATIENCE: Duration = Duration::from_millis(20);
