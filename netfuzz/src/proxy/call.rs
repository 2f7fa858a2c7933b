//! One call: its request meets its fate, then its answer does.

use super::body::{Outgoing, Release, reason};
use super::judge::Ticket;
use super::link::{Counted, Link};
use super::message::{Message, Opening, Reader, corrupted};
use super::stream::{Interruption, Numbers, Pump};
use super::traffic::{Shape, classify};
use super::upstream::Failure;
use crate::fate::{Answer, Fate};
use crate::timer;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tidemark_proto::event::{Direction, Verdict};
use tokio::sync::{mpsc, oneshot};
use tonic::{Code, Status};

type Answered = Result<Response<Outgoing>, h2::Error>;

/// Passes a call on to the link's receiver, and answers it.
pub(super) async fn answer(
    link: Arc<Link>,
    request: Request<RecvStream>,
    mut answer: SendResponse<Bytes>,
) {
    let answered = tokio::select! {
        biased;
        answered = pass(link, request) => answered,
        // The caller gave up, or is gone.
        _ = poll_fn(|context| answer.poll_reset(context)) => return,
    };
    let (parts, body) = match answered {
        Ok(response) => response.into_parts(),
        Err(error) => return answer.send_reset(reason(&error)),
    };
    match answer.send_response(Response::from_parts(parts, ()), body.is_empty()) {
        Ok(stream) if !body.is_empty() => body.send(stream),
        Ok(_) => {}
        Err(error) => tracing::debug!(%error, "an answer is not wanted any more"),
    }
}

async fn pass(link: Arc<Link>, request: Request<RecvStream>) -> Answered {
    let (parts, body) = request.into_parts();
    let classified = classify(parts.uri.path()).filter(|_| is_grpc(&parts.headers));
    let Some((shape, method)) = classified.map(|(shape, name)| (shape, link.method(name))) else {
        let request = Request::from_parts(parts, Outgoing::Untouched(body));
        return match link.upstream.send(request).await {
            Ok(response) => Ok(response.map(Outgoing::Untouched)),
            Err(failure) => refused(failure),
        };
    };
    let call = Call {
        shape,
        given: number(&parts.headers),
        method,
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
            call.respond(response).await
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
        let k = self.numbers(Direction::Request).next();
        let mut lane = self.link.lane(&self.method, Direction::Request);
        let judge = &self.link.judge;
        let (fate, ticket) = judge.judge(&mut lane, k, message.size(), message.arrival);
        let ticket = match self.unless_intercepted(&fate, ticket).await {
            Ok(ticket) => ticket,
            Err(answered) => return answered,
        };
        if let [copy] = &fate.copies[..]
            && copy.delay.is_zero()
        {
            ticket.delivered(timer::now());
            let frame = corrupted(&message.frame, copy.corruption);
            let request = Request::from_parts(parts, Outgoing::Whole(Some(frame), None));
            let response = self.link.upstream.send(request).await;
            return self.respond(response).await;
        }
        let mut ticket = Some(ticket);
        let (sender, mut answers) = mpsc::channel(1);
        for copy in fate.copies {
            let frame = corrupted(&message.frame, copy.corruption);
            let request = Request::from_parts(parts.clone(), Outgoing::Whole(Some(frame), None));
            let (link, sender, ticket) = (self.link.clone(), sender.clone(), ticket.take());
            // A task of its own: what is under way arrives even if the caller gives up meanwhile.
            tokio::spawn(async move {
                link.judge.delay(message.arrival, copy.delay).await;
                let abandoned = sender.is_closed();
                if let Some(ticket) = ticket {
                    ticket.delivered(timer::now());
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
        let response = answers.recv().await.unwrap_or_else(|| Err(Failure::gone()));
        self.respond(response).await
    }

    async fn many(self, parts: Parts, reader: Reader, seen: Vec<Message>) -> Answered {
        let numbers = self.numbers(Direction::Request);
        let lane = self.link.lane(&self.method, Direction::Request);
        let (interrupt, interrupted) = oneshot::channel();
        let (pump, outbox) = Pump::new(&self.link, lane, numbers, Some(interrupt));
        tokio::spawn(pump.run(reader, seen));
        let request = Request::from_parts(parts, Outgoing::Released(Release(outbox)));
        let (sender, answer) = oneshot::channel();
        let link = self.link.clone();
        // A task of its own: what is under way arrives even if the caller gives up meanwhile.
        tokio::spawn(async move { sender.send(link.upstream.send(request).await) });
        tokio::select! {
            biased;
            Ok(interruption) = interrupted => match interruption {
                Interruption::Reset => Err(Reason::CANCEL.into()),
                Interruption::Answer(answer) => Ok(status(&answer)),
            },
            response = answer => {
                self.respond(response.unwrap_or_else(|_| Err(Failure::gone()))).await
            }
        }
    }

    /// Passes the answer on when its own fate lets it.
    async fn respond(self, response: Result<Response<RecvStream>, Failure>) -> Answered {
        let (parts, body) = match response {
            Ok(response) => response.into_parts(),
            Err(failure) => return refused(failure),
        };
        let judge = &self.link.judge;
        let mut reader = Reader::new(body, judge.limits.message_bytes);
        let opening = match self.shape {
            Shape::Unary => reader.open(None).await?,
            Shape::Unknown => reader.open(Some(PATIENCE)).await?,
            // The final status of a stream is no message.
            Shape::Peer => return Ok(Response::from_parts(parts, reader.untouched())),
        };
        let mut numbers = self.numbers(Direction::Response);
        let mut lane = self.link.lane(&self.method, Direction::Response);
        let (message, trailers) = match opening {
            Opening::Whole(message, trailers) => (message, trailers),
            Opening::Begun(seen) => {
                let (pump, outbox) = Pump::new(&self.link, lane, numbers, None);
                tokio::spawn(pump.run(reader, seen));
                let body = Outgoing::Released(Release(outbox));
                return Ok(Response::from_parts(parts, body));
            }
        };
        // An answer without a message, a bare status, is held back and lost like any other.
        let message = message.unwrap_or_else(Message::none);
        let (fate, ticket) =
            judge.judge(&mut lane, numbers.next(), message.size(), message.arrival);
        let ticket = match self.unless_intercepted(&fate, ticket).await {
            Ok(ticket) => ticket,
            Err(answered) => return answered,
        };
        // A second answer to one call has nowhere to go.
        let copy = &fate.copies[0];
        judge.delay(message.arrival, copy.delay).await;
        ticket.delivered(timer::now());
        let frame = Some(corrupted(&message.frame, copy.corruption));
        let body = Outgoing::Whole(frame.filter(|frame| !frame.is_empty()), trailers);
        Ok(Response::from_parts(parts, body))
    }

    /// An answer carries its call's number; what came without one is counted per direction.
    fn numbers(&self, direction: Direction) -> Numbers {
        match self.given {
            Some(first) => Numbers::Given(first),
            None => Numbers::Counted(self.method.clone(), direction),
        }
    }

    /// The ticket of a message of which a copy passes; otherwise what the caller gets in its stead.
    async fn unless_intercepted(&self, fate: &Fate, ticket: Ticket) -> Result<Ticket, Answered> {
        match (fate.verdict(), &fate.answer) {
            (Verdict::Delivered | Verdict::Duplicated, _) => return Ok(ticket),
            (Verdict::Answered, Some(answer)) => return Err(Ok(status(answer))),
            (Verdict::Answered | Verdict::Reset, _) => drop(ticket),
            (Verdict::Lost, _) => {
                drop(ticket);
                // The caller's deadline or patience ends the call.
                tokio::time::sleep(self.link.judge.limits.hang).await;
            }
        }
        Err(Err(Reason::CANCEL.into()))
    }
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
