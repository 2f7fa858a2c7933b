//! The proxy between hand-made HTTP/2: services that it has never heard of, and fates that no plan can ask for yet.

use super::judge::Judge;
use super::link::Link;
use super::{Journal, Limits};
use crate::draw::Draw;
use crate::fate::{Answer, Copy, Corruption, Fate};
use crate::packet::Packet;
use crate::rule::Rule;
use crate::schedule::Network;
use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidemark_proto::event::{Detail, Direction, Event, Passage, Verdict};
use tidemark_proto::id::NodeId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;

type Frames = StreamBody<UnboundedReceiverStream<Result<Frame<Bytes>, h2::Error>>>;
type FrameSender = UnboundedSender<Result<Frame<Bytes>, h2::Error>>;

struct Fated(fn(&Packet, &mut Fate));

impl Rule for Fated {
    fn about(&self) -> String {
        "fated".to_owned()
    }

    fn apply(&self, packet: &Packet, _: &mut Draw, fate: &mut Fate) -> bool {
        self.0(packet, fate);
        true
    }
}

/// A caller, a link with one rule, and a service that answers every message with itself.
struct Stage {
    judge: Arc<Judge>,
    caller: SendRequest<Frames>,
    journal: UnboundedReceiver<Passage>,
    received: UnboundedReceiver<Bytes>,
}

impl Stage {
    async fn set(rule: fn(&Packet, &mut Fate)) -> Self {
        let (seen, received) = unbounded_channel();
        Self::before(serve(seen).await, received, rule).await
    }

    /// With a service of the test's own, which tells what it received.
    async fn before(
        upstream: SocketAddr,
        received: UnboundedReceiver<Bytes>,
        rule: fn(&Packet, &mut Fate),
    ) -> Self {
        let (note, journal) = unbounded_channel();
        let note = move |event| match event {
            Event::Fate(passage) => drop(note.send(*passage)),
            other => panic!("{other:?} is no fate"),
        };
        let noted = Journal {
            keep: Detail::All,
            note: Arc::new(note),
        };
        let judge = Arc::new(Judge::new(noted, Limits::default()).unwrap());
        judge.load(Network::of(Box::new(Fated(rule))), Duration::ZERO);
        let link = Arc::new(Link::new(
            NodeId::client(1),
            NodeId::node(1),
            upstream.to_string(),
            judge.clone(),
        ));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(link.serve(listener));
        let (caller, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        Self {
            judge,
            caller,
            journal,
            received,
        }
    }

    /// Begins a call; what is sent on the channel is its body.
    fn call(
        &mut self,
        path: &str,
    ) -> (
        FrameSender,
        impl Future<Output = hyper::Result<Response<Incoming>>> + use<>,
    ) {
        let (sender, frames) = body();
        let request = Request::post(format!("http://n1{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        (
            sender,
            self.caller.send_request(request.body(frames).unwrap()),
        )
    }

    /// Makes a call of one message.
    async fn ask(
        &mut self,
        path: &str,
        payload: &'static str,
    ) -> hyper::Result<Response<Incoming>> {
        let (sender, response) = self.call(path);
        sender.send(Ok(Frame::data(message(payload)))).unwrap();
        drop(sender);
        response.await
    }
}

async fn serve(seen: UnboundedSender<Bytes>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let seen = seen.clone();
            let answer = service_fn(move |request| echo(request, seen.clone()));
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), answer));
        }
    });
    address
}

async fn echo(
    request: Request<Incoming>,
    seen: UnboundedSender<Bytes>,
) -> Result<Response<Frames>, h2::Error> {
    if request.uri().path().ends_with("Reset") {
        return Err(Reason::ENHANCE_YOUR_CALM.into());
    }
    let (sender, frames) = body();
    if request.uri().path().ends_with("Greet") {
        sender.send(Ok(Frame::data(message("hello")))).unwrap();
    }
    let mut incoming = request.into_body();
    tokio::spawn(async move {
        while let Some(Ok(frame)) = incoming.frame().await {
            if let Ok(data) = frame.into_data() {
                let _ = seen.send(data.clone());
                let _ = sender.send(Ok(Frame::data(data)));
            }
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        trailers.insert("mark", "end".parse().unwrap());
        let _ = sender.send(Ok(Frame::trailers(trailers)));
    });
    Ok(Response::new(frames))
}

fn body() -> (FrameSender, Frames) {
    let (sender, frames) = unbounded_channel();
    (
        sender,
        StreamBody::new(UnboundedReceiverStream::new(frames)),
    )
}

fn message(payload: &str) -> Bytes {
    let mut frame = vec![0, 0, 0, 0, u8::try_from(payload.len()).unwrap()];
    frame.extend(payload.as_bytes());
    frame.into()
}

/// The bytes of a stream until it holds so many, or its trailers.
async fn read(body: &mut Incoming, length: usize) -> (Vec<u8>, Option<HeaderMap>) {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        match body.frame().await {
            None => break,
            Some(frame) => match frame.unwrap().into_data() {
                Ok(data) => bytes.extend(&data[..]),
                Err(trailers) => return (bytes, trailers.into_trailers().ok()),
            },
        }
    }
    (bytes, None)
}

fn reset(error: &hyper::Error) -> Option<Reason> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<h2::Error>()?.reason()
}

const PASS: fn(&Packet, &mut Fate) = |_, _| {};
const ADD: &str = "/shop.v1.Cart/Add";
const PUT: &str = "/tidemark.v1.Kv/Put";

#[tokio::test]
async fn an_unknown_service_passes_with_its_trailers_and_is_counted_by_the_proxy() {
    let mut stage = Stage::set(PASS).await;
    let mut answer = stage.ask(ADD, "one").await.unwrap().into_body();
    let (bytes, trailers) = read(&mut answer, usize::MAX).await;
    assert_eq!(bytes, message("one"));
    assert_eq!(trailers.unwrap()["mark"], "end");
    let (sender, response) = stage.call(ADD);
    let mut answer = None;
    let mut response = Some(response);
    for payload in ["two", "three", "four"] {
        sender.send(Ok(Frame::data(message(payload)))).unwrap();
        if let Some(response) = response.take() {
            answer = Some(response.await.unwrap().into_body());
        }
        let echoed = read(answer.as_mut().unwrap(), payload.len() + 5).await;
        assert_eq!(
            echoed.0,
            message(payload),
            "a stream answers while it is asked"
        );
    }
    drop(sender);
    let (_, trailers) = read(answer.as_mut().unwrap(), usize::MAX).await;
    assert_eq!(trailers.unwrap()["grpc-status"], "0");
    let mut passages = Vec::new();
    for _ in 0..8 {
        passages.push(stage.journal.recv().await.unwrap());
    }
    passages.sort_by_key(|passage| (passage.direction, passage.k));
    let numbers: Vec<_> = passages.iter().map(|passage| passage.k).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 1, 2, 3, 4]);
    let as_sent = |passage: &Passage| passage.method == ADD && passage.achieved.is_some();
    assert!(passages.iter().all(as_sent), "{passages:?}");
}

#[tokio::test]
async fn a_service_that_speaks_first_is_heard() {
    let mut stage = Stage::set(PASS).await;
    let (_sender, response) = stage.call("/shop.v1.Cart/Greet");
    let mut answer = response.await.unwrap().into_body();
    assert_eq!(read(&mut answer, 10).await.0, message("hello"));
}

#[tokio::test]
async fn a_reset_passes_with_its_reason() {
    let mut stage = Stage::set(PASS).await;
    let error = stage.ask("/shop.v1.Cart/Reset", "x").await.unwrap_err();
    assert_eq!(reset(&error), Some(Reason::ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn health_and_what_is_not_grpc_passes_untouched() {
    let mut stage = Stage::set(|_, fate| fate.copies.clear()).await;
    let answer = stage.ask("/grpc.health.v1.Health/Check", "x").await;
    assert_eq!(
        read(&mut answer.unwrap().into_body(), 6).await.0,
        message("x")
    );
    let plain = Request::post("http://n1/page").body(body().1).unwrap();
    let answer = stage.caller.send_request(plain).await.unwrap();
    assert_eq!(answer.status(), http::StatusCode::OK);
    assert!(
        stage.journal.try_recv().is_err(),
        "nothing of it is journalled"
    );
}

#[tokio::test]
async fn a_duplicated_request_is_sent_twice_and_answered_once() {
    let mut stage = Stage::set(|packet, fate| {
        if packet.direction == Direction::Request {
            let delay = Duration::from_millis(20);
            fate.copies.push(Copy {
                delay,
                corruption: None,
            });
        }
    })
    .await;
    let mut answer = stage.ask(PUT, "twice").await.unwrap().into_body();
    assert_eq!(read(&mut answer, usize::MAX).await.0, message("twice"));
    for _ in 0..2 {
        assert_eq!(stage.received.recv().await.unwrap(), message("twice"));
    }
    let verdicts = [
        stage.journal.recv().await.unwrap(),
        stage.journal.recv().await.unwrap(),
    ]
    .map(|p| p.verdict);
    assert_eq!(verdicts, [Verdict::Duplicated, Verdict::Delivered]);
}

#[tokio::test]
async fn corruption_spares_the_prefix() {
    let mut stage =
        Stage::set(|_, fate| fate.copies[0].corruption = Some(Corruption { seed: 9 })).await;
    stage.ask(PUT, "abc").await.unwrap();
    assert_eq!(stage.received.recv().await.unwrap(), message("a`c"));
}

#[tokio::test]
async fn a_status_or_a_reset_takes_the_place_of_the_answer() {
    let mut stage = Stage::set(|_, fate| {
        let message = "not today".into();
        fate.answer = Some(Answer { code: 14, message });
    })
    .await;
    let answer = stage.ask(PUT, "x").await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "14");
    assert_eq!(answer.headers()["grpc-message"], "not%20today");
    assert_eq!(
        stage.journal.recv().await.unwrap().verdict,
        Verdict::Answered
    );
    let mut stage = Stage::set(|_, fate| fate.reset = true).await;
    let error = stage.ask(PUT, "x").await.unwrap_err();
    assert_eq!(reset(&error), Some(Reason::CANCEL));
    assert_eq!(stage.journal.recv().await.unwrap().verdict, Verdict::Reset);
    assert!(stage.received.try_recv().is_err(), "nothing arrived");
}

#[tokio::test]
async fn what_is_under_way_on_a_stream_arrives_though_the_caller_is_gone() {
    let mut stage = Stage::set(|_, fate| fate.copies[0].delay = Duration::from_millis(100)).await;
    let (sender, response) = stage.call("/tidemark.v1.Peer/Store");
    sender.send(Ok(Frame::data(message("held")))).unwrap();
    let response = tokio::spawn(response);
    while stage.judge.messages.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    response.abort();
    drop(sender);
    assert_eq!(stage.received.recv().await.unwrap(), message("held"));
    assert!(stage.journal.recv().await.unwrap().achieved.is_some());
}

#[tokio::test]
async fn a_call_cancelled_while_it_streams_is_reset_and_does_not_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    let ended = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (request, _answer) = connection.accept().await.unwrap().unwrap();
        tokio::spawn(async move { connection.accept().await.is_some() });
        let mut body = request.into_body();
        loop {
            match body.data().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return error.reason(),
                None => return None,
            }
        }
    });
    let mut stage = Stage::before(upstream, unbounded_channel().1, PASS).await;
    let (sender, response) = stage.call("/tidemark.v1.Peer/Store");
    sender.send(Ok(Frame::data(message("half")))).unwrap();
    let response = tokio::spawn(response);
    stage.journal.recv().await.unwrap();
    response.abort();
    assert_eq!(ended.await.unwrap(), Some(Reason::CANCEL));
}
