//! The observer's shell: the gRPC service to which nodes, proxy and clients stream what they see, and the [`Reporter`]
//! with which they do.
//!
//! Every event reaches the sink exactly once and in its source's order, across lost connections and restarted servers:
//! a source numbers its events, keeps them until their receipt, and sends again what has none; the service trims what it
//! has seen before, and the sink remembers beyond the service's death what it gave receipts for. What a source had to
//! drop, and what it never sent, is noted as a gap in the history itself.
//!
//! All times in the history are the observer's: those of a source on another machine are corrected, as [`Correction`] says.

mod clocks;

use crate::history::Correction;
use clocks::Clocks;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidemark_proto::clock::Clock;
use tidemark_proto::event::{Event, Gap};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::seen::Unreadable;
use tidemark_proto::time::nanoseconds;
use tidemark_proto::wire::observer_client::ObserverClient;
use tidemark_proto::wire::observer_server::{Observer, ObserverServer};
use tidemark_proto::wire::{Batch, HeardReceipt, Receipt, SeenEvent};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status, Streaming};

/// Where the events of all sources go.
pub trait Sink: Send + 'static {
    /// Takes the next event of a source.
    fn take(&mut self, source: &str, event: Event);

    /// Takes how the times of a source's next events were corrected, if that is new.
    fn correct(&mut self, correction: &Correction);

    /// Puts on disk what it took, and that all events of `source` before number `next` are among it: the source forgets
    /// them when this has returned.
    ///
    /// # Errors
    /// They are not on disk; the source will ask again.
    fn settle(&mut self, source: &str, next: u64) -> io::Result<()>;
}

/// The service that hands what is streamed to it to a sink, which has settled these sources' events before these numbers.
/// Its clones share the sink and what has been seen.
pub fn server<S: Sink>(sink: S, settled: BTreeMap<String, u64>) -> ObserverServer<Desk<S>> {
    ObserverServer::new(Desk {
        filing: Arc::new(Mutex::new(Filing::new(sink, settled))),
    })
    .max_decoding_message_size(BATCH_BYTES)
}

/// The implementation of the gRPC service.
#[derive(Debug)]
pub struct Desk<S> {
    filing: Arc<Mutex<Filing<S>>>,
}

#[tonic::async_trait]
impl<S: Sink> Observer for Desk<S> {
    type ReportStream = Pin<Box<dyn Stream<Item = Result<Receipt, Status>> + Send>>;

    async fn report(
        &self,
        request: Request<Streaming<Batch>>,
    ) -> Result<Response<Self::ReportStream>, Status> {
        let filing = Arc::clone(&self.filing);
        let receipts = request.into_inner().then(move |batch| {
            let filing = Arc::clone(&filing);
            async move {
                let batch = batch?;
                let received = now();
                let filed = spawn_blocking(move || {
                    let mut filing = filing.lock().unwrap_or_else(PoisonError::into_inner);
                    filing.file(batch, received)
                });
                let next = filed
                    .await
                    .map_err(|error| Status::internal(format!("the sink failed: {error}")))??;
                Ok(Receipt {
                    next,
                    answered_ns: now(),
                })
            }
        });
        Ok(Response::new(Box::pin(receipts)))
    }
}

#[derive(Debug)]
struct Filing<S> {
    sink: S,
    sources: BTreeMap<String, Progress>,
    clocks: Clocks,
}

/// How far a source has come.
#[derive(Debug, Default)]
struct Progress {
    /// The number of its next event.
    next: u64,
    /// The time of its last event.
    reached: Duration,
}

impl<S: Sink> Filing<S> {
    fn new(sink: S, settled: BTreeMap<String, u64>) -> Self {
        let sources = settled.into_iter().map(|(source, next)| {
            let reached = Duration::ZERO;
            (source, Progress { next, reached })
        });
        Self {
            sink,
            sources: sources.collect(),
            clocks: Clocks::new(Clock::name()),
        }
    }

    /// Files a batch that came at `received`; returns the number before which all of its source's events are settled.
    fn file(&mut self, mut batch: Batch, received: u64) -> Result<u64, Status> {
        let unseen = std::mem::take(&mut batch.events);
        let last = batch.first.saturating_add(unseen.len() as u64);
        let source = &batch.source;
        if !self.sources.contains_key(source) && self.sources.len() >= SOURCES {
            return Err(Status::resource_exhausted(format!(
                "{source:?} is one source too many: the observer takes {SOURCES}"
            )));
        }
        let Progress { next, reached } = self.sources.entry(source.clone()).or_default();
        let seen = next.saturating_sub(batch.first);
        let missing = batch.first.saturating_sub(*next);

        let skip = usize::try_from(seen).unwrap_or(usize::MAX);
        let unseen = unseen.into_iter().skip(skip);
        let mut events: Vec<_> = unseen.map(Event::try_from).collect();
        let readable = events.iter_mut().filter_map(|event| event.as_mut().ok());
        if let Some(correction) = self.clocks.correct(&batch, received, readable)? {
            self.sink.correct(&correction);
        }
        *next = (*next).max(last);
        let mut events = events
            .into_iter()
            .map(|event| event.unwrap_or_else(|error| unreadable(source, &error)))
            .peekable();
        if missing > 0 {
            let gap = Gap {
                source: source.clone(),
                from: *reached,
                until: events.peek().map_or(*reached, Event::at).max(*reached),
                count: missing,
            };
            self.sink.take(source, Event::Gap(Box::new(gap)));
        }
        for event in events {
            *reached = (*reached).max(event.at());
            self.sink.take(source, event);
        }
        self.sink
            .settle(source, *next)
            .map_err(|error| Status::unavailable(format!("cannot settle events: {error}")))?;
        Ok(*next)
    }
}

/// A source's line to the observer. Clones share it.
#[derive(Clone, Debug)]
pub struct Reporter {
    queue: mpsc::Sender<Event>,
    overflow: Arc<Overflow>,
    closing: Arc<Notify>,
    left: watch::Receiver<u64>,
    courier: AbortHandle,
}

impl Reporter {
    /// How many events wait at most to be sent, and again at most for their receipts, unless told otherwise.
    pub const LIMIT: usize = 1 << 17;

    /// A line for `source` to the observer at `address`, dialled behind the caller's back and again whenever it breaks.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn connect(address: SocketAddr, source: &str) -> Self {
        Self::with_limit(address, source, Self::LIMIT)
    }

    /// As [`Reporter::connect`], with another limit: too small loses events in a burst, too large costs memory while the
    /// observer is away.
    ///
    /// # Panics
    /// Outside a tokio runtime, or with a limit of 0.
    #[must_use]
    pub fn with_limit(address: SocketAddr, source: &str, limit: usize) -> Self {
        Self::with_clock(address, source, limit, Clock::name())
    }

    fn with_clock(address: SocketAddr, source: &str, limit: usize, clock: String) -> Self {
        let (queue, waiting) = mpsc::channel(limit);
        let (left, watch_left) = watch::channel(0);
        let overflow = Arc::new(Overflow::default());
        let closing = Arc::new(Notify::new());
        let courier = Courier {
            source: source.to_owned(),
            clock,
            waiting,
            overflow: Arc::clone(&overflow),
            closing: Arc::clone(&closing),
            left,
            limit,
            kept: VecDeque::new(),
            first: 0,
        };
        let task = tokio::spawn(courier.run(address));
        Self {
            queue,
            overflow,
            closing,
            left: watch_left,
            courier: task.abort_handle(),
        }
    }

    /// Hands an event over, from any thread, without ever waiting. If the observer is too far behind, the event is
    /// dropped, and the history will say how many were.
    pub fn report(&self, event: Event) {
        if let Err(mpsc::error::TrySendError::Full(event)) = self.queue.try_send(event) {
            self.overflow.add(event.at());
        }
    }

    /// Waits, at most so long, until every event has its receipt, and ends the line; returns how many have none.
    pub async fn close(mut self, within: Duration) -> u64 {
        self.closing.notify_one();
        let ended = async { while self.left.changed().await.is_ok() {} };
        // An elapsed timeout shows in what is left.
        let _ = timeout(within, ended).await;
        let queued = self.queue.max_capacity() - self.queue.capacity();
        self.courier.abort();
        *self.left.borrow() + queued as u64 + self.overflow.count()
    }
}

/// What found the queue full, and has not been noted yet.
#[derive(Debug, Default)]
struct Overflow(Mutex<Option<Gap>>);

impl Overflow {
    fn add(&self, at: Duration) {
        let mut overflow = self.lock();
        let gap = overflow.get_or_insert_with(|| Gap {
            source: String::new(),
            from: at,
            until: at,
            count: 0,
        });
        gap.from = gap.from.min(at);
        gap.until = gap.until.max(at);
        gap.count += 1;
    }

    fn count(&self) -> u64 {
        self.lock().as_ref().map_or(0, |gap| gap.count)
    }

    fn take(&self, source: &str) -> Option<Event> {
        let mut gap = self.lock().take()?;
        gap.source = source.to_owned();
        Some(Event::Gap(Box::new(gap)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Gap>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that carries a source's events to the observer.
struct Courier {
    source: String,
    /// What its clock is called.
    clock: String,
    waiting: mpsc::Receiver<Event>,
    overflow: Arc<Overflow>,
    closing: Arc<Notify>,
    left: watch::Sender<u64>,
    limit: usize,
    /// The events without a receipt, from number `first`.
    kept: VecDeque<SeenEvent>,
    first: u64,
}

impl Courier {
    async fn run(mut self, address: SocketAddr) {
        let dial = Endpoint::from_shared(format!("http://{address}"))
            .expect("a socket address makes an address")
            .connect_timeout(PATIENCE);
        let mut pause = FIRST_PAUSE;
        while !self.is_done() {
            let before = self.first;
            if let Ok(channel) = dial.connect().await {
                // Whatever ended the connection, what has no receipt goes out again on the next.
                let _ = self.stream(ObserverClient::new(channel)).await;
            }
            pause = if self.first > before {
                FIRST_PAUSE
            } else {
                (pause * 2).min(LAST_PAUSE)
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.closing.notified() => self.waiting.close(),
            }
        }
    }

    /// Serves one connection until it breaks or everything has its receipt.
    async fn stream(
        &mut self,
        mut client: ObserverClient<tonic::transport::Channel>,
    ) -> Result<(), Status> {
        let (line, batches) = mpsc::channel(BATCHES);
        let mut receipts = client
            .report(ReceiverStream::new(batches))
            .await?
            .into_inner();
        let mut tick = interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut fresh = Vec::with_capacity(BATCH);
        // The last receipt, and whether one was asked for by a batch without events, only to compare the clocks.
        let mut heard = None::<HeardReceipt>;
        let mut asked = false;
        // Of the kept events, how many went out on this connection; and whether the rest is due.
        let mut sent = 0;
        let mut due = true;
        while !self.is_done() {
            let unsent = self.kept.len() - sent;
            let closed = self.waiting.is_closed();
            let room = self.kept.len() < self.limit && !(closed && self.waiting.is_empty());
            let ready = unsent >= BATCH || unsent > 0 && (due || closed);
            let compared = heard.is_some_and(|heard| now() - heard.heard_ns < COMPARED_FOR);
            tokio::select! {
                receipt = receipts.message() => {
                    let Some(Receipt { next, answered_ns }) = receipt? else { return Ok(()) };
                    heard = Some(HeardReceipt { answered_ns, heard_ns: now() });
                    asked = false;
                    sent -= self.forget(next, sent);
                }
                permit = line.reserve(), if ready && (compared || !asked) => {
                    let Ok(permit) = permit else { return Ok(()) };
                    if !compared {
                        asked = true;
                        permit.send(self.batch(0, Vec::new(), heard));
                        continue;
                    }
                    let events = self.kept.iter().skip(sent).take(BATCH).cloned().collect::<Vec<_>>();
                    let first = self.first + sent as u64;
                    sent += events.len();
                    due = false;
                    permit.send(self.batch(first, events, heard));
                }
                _ = self.waiting.recv_many(&mut fresh, BATCH), if room => self.keep(&mut fresh),
                _ = tick.tick() => {
                    due = true;
                    self.keep(&mut fresh);
                }
                () = self.closing.notified() => self.waiting.close(),
            }
        }
        Ok(())
    }

    fn batch(&self, first: u64, events: Vec<SeenEvent>, heard: Option<HeardReceipt>) -> Batch {
        Batch {
            source: self.source.clone(),
            first,
            events,
            clock: self.clock.clone(),
            sent_ns: now(),
            heard,
        }
    }

    fn is_done(&self) -> bool {
        self.kept.is_empty()
            && self.waiting.is_closed()
            && self.waiting.is_empty()
            && self.overflow.count() == 0
    }

    fn keep(&mut self, fresh: &mut Vec<Event>) {
        fresh.extend(self.overflow.take(&self.source));
        self.kept
            .extend(fresh.drain(..).map(|event| SeenEvent::from(&event)));
        self.left.send_replace(self.kept.len() as u64);
    }

    /// Forgets the events before number `next`, of which `sent` can have a receipt; returns how many.
    fn forget(&mut self, next: u64, sent: usize) -> usize {
        let count = usize::try_from(next.saturating_sub(self.first))
            .unwrap_or(usize::MAX)
            .min(sent);
        self.kept.drain(..count);
        self.first += count as u64;
        self.left.send_replace(self.kept.len() as u64);
        count
    }
}

/// What CLOCK_MONOTONIC shows.
fn now() -> u64 {
    nanoseconds(Clock::since(0).elapsed())
}

/// A refusal in the place of an event; a source that is no participant speaks as the last client.
fn unreadable(source: &str, error: &Unreadable) -> Event {
    Event::Refused {
        at: Duration::ZERO,
        node: source.parse().unwrap_or(NodeId::client(NodeId::MAX_NUMBER)),
        operation: OperationId::NONE,
        reason: format!("an event of {source} is unreadable: {error}").into(),
    }
}

const SOURCES: usize = 1 << 15;
const BATCH: usize = 1000;
const BATCHES: usize = 4;
const BATCH_BYTES: usize = 64 << 20;
const PERIOD: Duration = Duration::from_millis(100);
/// For so long a receipt says enough of how the clocks differ: 1 s, in nanoseconds.
const COMPARED_FOR: u64 = 1_000_000_000;
const PATIENCE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, ToSocketAddrs};
    use tidemark_proto::event::{MachineChange, Milestone};
    use tokio::runtime::{Builder, Runtime};
    use tokio_stream::wrappers::TcpListenerStream;
    use tonic::transport::Server;

    type Taken = Arc<Mutex<Vec<(String, Event)>>>;

    /// Keeps what it takes, and tells how much that is.
    #[derive(Default)]
    struct Shelf {
        taken: Taken,
        corrections: Arc<Mutex<Vec<Correction>>>,
        count: watch::Sender<usize>,
        refusals: u32,
    }

    impl Sink for Shelf {
        fn take(&mut self, source: &str, event: Event) {
            self.taken.lock().unwrap().push((source.to_owned(), event));
        }

        fn correct(&mut self, correction: &Correction) {
            self.corrections.lock().unwrap().push(correction.clone());
        }

        fn settle(&mut self, _source: &str, _next: u64) -> io::Result<()> {
            if self.refusals > 0 {
                self.refusals -= 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.count.send_replace(self.taken.lock().unwrap().len());
            Ok(())
        }
    }

    fn numbered(number: u64) -> Event {
        Event::Machine {
            at: Duration::from_nanos(number),
            node: NodeId::node(1),
            change: MachineChange::Started,
        }
    }

    fn batch(source: &str, first: u64, numbers: std::ops::Range<u64>) -> Batch {
        Batch {
            source: source.to_owned(),
            first,
            events: numbers
                .map(|number| SeenEvent::from(&numbered(number)))
                .collect(),
            clock: Clock::name(),
            ..Batch::default()
        }
    }

    fn gap(source: &str, span: std::ops::Range<u64>, count: u64) -> Event {
        Event::Gap(Box::new(Gap {
            source: source.to_owned(),
            from: Duration::from_nanos(span.start),
            until: Duration::from_nanos(span.end),
            count,
        }))
    }

    fn filing() -> (Filing<Shelf>, Taken) {
        let shelf = Shelf::default();
        let taken = Arc::clone(&shelf.taken);
        (Filing::new(shelf, BTreeMap::new()), taken)
    }

    #[test]
    fn what_overlaps_is_trimmed_and_a_gap_is_noted() {
        let (mut filing, taken) = filing();
        assert_eq!(filing.file(batch("n1", 0, 0..5), 0).unwrap(), 5);
        assert_eq!(filing.file(batch("n1", 3, 3..8), 0).unwrap(), 8);
        assert_eq!(
            filing.file(batch("n1", 2, 2..4), 0).unwrap(),
            8,
            "all seen before"
        );
        assert_eq!(
            filing.file(batch("n2", 0, 0..1), 0).unwrap(),
            1,
            "each source counts alone"
        );
        assert_eq!(filing.file(batch("n1", 10, 10..11), 0).unwrap(), 11);

        let taken = taken.lock().unwrap();
        let of_n1 = taken
            .iter()
            .filter(|(source, _)| source == "n1")
            .map(|(_, event)| event);
        let gap = gap("n1", 7..10, 2);
        let expected = (0..8)
            .map(numbered)
            .chain([gap, numbered(10)])
            .collect::<Vec<_>>();
        assert_eq!(of_n1.cloned().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_source_that_was_settled_before_goes_on_and_its_next_life_begins_anew() {
        let taken = Taken::default();
        let shelf = Shelf {
            taken: Arc::clone(&taken),
            ..Shelf::default()
        };
        let mut filing = Filing::new(shelf, BTreeMap::from([("n1~1".to_owned(), 3)]));
        assert_eq!(filing.file(batch("n1~1", 0, 0..5), 0).unwrap(), 5);
        assert_eq!(filing.file(batch("n1~2", 0, 0..2), 0).unwrap(), 2);
        let expected = [("n1~1", 3), ("n1~1", 4), ("n1~2", 0), ("n1~2", 1)];
        let expected = expected.map(|(source, number)| (source.to_owned(), numbered(number)));
        assert_eq!(*taken.lock().unwrap(), expected);
    }

    #[test]
    fn no_receipt_before_it_is_settled_and_no_event_twice_after_a_failure() {
        let (mut filing, taken) = filing();
        filing.sink.refusals = 1;
        let refusal = filing
            .file(batch("n1", 0, 0..3), 0)
            .expect_err("the sink is full");
        assert_eq!(refusal.code(), tonic::Code::Unavailable);
        assert_eq!(filing.file(batch("n1", 0, 0..3), 0).unwrap(), 3);
        assert_eq!(taken.lock().unwrap().len(), 3);
    }

    #[test]
    fn what_cannot_be_read_is_noted_and_does_not_stop_its_source() {
        let (mut filing, taken) = filing();
        let mut batch = batch("runner", 0, 0..2);
        batch.events[0].event = None;
        assert_eq!(filing.file(batch, 0).unwrap(), 2);
        let taken = taken.lock().unwrap();
        assert!(format!("{:?}", taken[0].1).contains("an event of runner is unreadable"));
        assert_eq!(taken[1].1, numbered(1));
    }

    fn listen(address: impl ToSocketAddrs) -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// A server in a runtime of its own: to shut it down is to cut all its connections.
    fn serve(service: ObserverServer<Desk<Shelf>>, listener: TcpListener) -> Runtime {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).unwrap()
        };
        let incoming = TcpListenerStream::new(listener);
        runtime.spawn(
            Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming),
        );
        runtime
    }

    const LOOPBACK: &str = "127.0.0.1:0";
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test(flavor = "multi_thread")]
    async fn every_event_arrives_once_and_in_order_although_the_server_is_killed() {
        let shelf = Shelf::default();
        let (taken, mut count) = (Arc::clone(&shelf.taken), shelf.count.subscribe());
        let service = server(shelf, BTreeMap::new());
        let (listener, address) = listen(LOOPBACK);
        let first_server = serve(service.clone(), listener);
        let reporters = ["n1", "netfuzz"].map(|source| Reporter::connect(address, source));
        let report = |numbers: std::ops::Range<u64>| {
            for number in numbers {
                for reporter in &reporters {
                    reporter.report(numbered(number));
                }
            }
        };
        report(0..20_000);
        count.wait_for(|count| *count > 0).await.unwrap();
        spawn_blocking(|| first_server.shutdown_timeout(LONG))
            .await
            .unwrap();
        report(20_000..25_000);
        let second_server = serve(service, listen(address).0);
        report(25_000..30_000);
        for reporter in reporters {
            assert_eq!(reporter.close(LONG).await, 0, "everything has its receipt");
        }
        second_server.shutdown_background();

        let taken = taken.lock().unwrap();
        for source in ["n1", "netfuzz"] {
            let events = taken
                .iter()
                .filter(|(of, _)| of == source)
                .map(|(_, event)| event);
            assert!(
                events.eq((0..30_000).map(numbered).collect::<Vec<_>>().iter()),
                "{source}"
            );
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_overflows_is_counted_in_the_history() {
        let (listener, address) = listen(LOOPBACK);
        let reporter = Reporter::with_limit(address, "netfuzz", 10);
        for number in 0..25 {
            reporter.report(numbered(number));
        }
        let shelf = Shelf::default();
        let taken = Arc::clone(&shelf.taken);
        let service = server(shelf, BTreeMap::new());
        let running = serve(service, listener);
        assert_eq!(reporter.close(LONG).await, 0);
        running.shutdown_background();

        let events = taken
            .lock()
            .unwrap()
            .iter()
            .map(|(_, event)| event.clone())
            .collect::<Vec<_>>();
        let dropped = gap("netfuzz", 10..24, 15);
        assert_eq!(
            events,
            (0..10).map(numbered).chain([dropped]).collect::<Vec<_>>()
        );
    }

    /// If this fails, times of two machines stand side by side as if one clock had shown them.
    #[tokio::test(flavor = "multi_thread")]
    async fn times_of_another_clock_are_corrected_within_the_bound_that_is_told() {
        let shelf = Shelf::default();
        let (taken, corrections) = (Arc::clone(&shelf.taken), Arc::clone(&shelf.corrections));
        let (listener, address) = listen(LOOPBACK);
        let running = serve(server(shelf, BTreeMap::new()), listener);
        // It shows what ours shows, but that it does is not known.
        let reporter = Reporter::with_clock(address, "n1", Reporter::LIMIT, "another".to_owned());
        let times: Vec<_> = (0..3000).map(|_| now()).collect();
        for time in &times {
            reporter.report(numbered(*time));
        }
        assert_eq!(reporter.close(LONG).await, 0);
        running.shutdown_background();

        let corrections = corrections.lock().unwrap();
        assert!(corrections.iter().all(|one| one.clock == "another"));
        let bound = corrections.iter().map(|one| one.bound_ns).max();
        let bound = bound.expect("a correction is told");
        let taken = taken.lock().unwrap();
        assert_eq!(taken.len(), times.len());
        for ((_, event), time) in taken.iter().zip(times) {
            let at = nanoseconds(event.at());
            assert!(at.abs_diff(time) <= bound, "{at} is not {time} ± {bound}");
        }
    }

    #[tokio::test]
    async fn closing_does_not_wait_for_ever_and_tells_what_is_left() {
        let (_listener, address) = listen(LOOPBACK);
        let reporter = Reporter::connect(address, "n1");
        reporter.report(Event::Milestone {
            at: Duration::ZERO,
            milestone: Milestone::Started,
        });
        assert_eq!(reporter.close(Duration::ZERO).await, 1);
    }
}
