//! How many events a second the observer's service takes from several sources at once over loopback, each with a receipt.
//!
//! The events are what a run of `events = all` has of a replicated write: its beginning, its end, the messages between
//! nodes with their fates, what the replicas hold then. The service has one thread, and shares the machine with the sources, as
//! in a run. The baseline writes the same events into the same tables, in one process and on one thread.
//!
//! `cargo bench -p tidemark-observer --bench ingest -- --events 1000000`

use bytes::Bytes;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use tidemark_observer::history::{Correction, FILES, Tables};
use tidemark_observer::service::{Reporter, Sink, server};
use tidemark_proto::event::{
    Direction, Event, Invocation, Kind, Operation, Outcome, Passage, Purpose, Stored, Verdict,
};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Method;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;

#[expect(
    clippy::disallowed_methods,
    reason = "a bench measures how long something takes"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let events = events(read(std::env::args().skip(1))?);
    let folder = tempfile::tempdir()?;

    let begun = Instant::now();
    let mut direct = Direct::create(&folder.path().join("direct"))?;
    for event in &events {
        direct.take("", event.clone());
    }
    direct.settle("", events.len() as u64)?;
    let baseline = rate(events.len(), begun.elapsed());

    let address = serve(Direct::create(&folder.path().join("streamed"))?)?;
    let runtime = one_thread()?;
    let taken = runtime.block_on(async {
        let share = events.len() / SOURCES;
        let begun = Instant::now();
        let sources = events.chunks(share).enumerate().map(|(number, events)| {
            // What is measured is the service, not what a source drops if it is pressed harder than that.
            let reporter = Reporter::with_limit(address, &format!("n{number}~1"), share + 1);
            let events = events.to_vec();
            tokio::task::spawn_blocking(move || {
                events.into_iter().for_each(|event| reporter.report(event));
                reporter
            })
        });
        let mut left = 0;
        for source in sources.collect::<Vec<_>>() {
            left += source.await?.close(PATIENCE).await;
        }
        let taken = begun.elapsed();
        if left > 0 {
            return Err(format!("{left} events have no receipt after {PATIENCE:?}").into());
        }
        Ok::<_, Box<dyn Error>>(taken)
    })?;
    runtime.shutdown_background();
    let [size, same] = ["streamed", "direct"].map(|name| size(&folder.path().join(name)));
    if size? != same? {
        return Err("the service did not write what was reported".into());
    }
    let streamed = rate(events.len(), taken);
    println!("{} events of {SOURCES} sources", events.len());
    println!("straight into the tables   {baseline:>9.0} events/s");
    println!(
        "through the service        {streamed:>9.0} events/s, {:.2} of that",
        streamed / baseline
    );
    Ok(())
}

/// Starts the service on one thread, as the observer's process has it.
#[expect(
    clippy::disallowed_methods,
    reason = "the service has a thread of its own, as it has a process"
)]
fn serve(sink: Direct) -> Result<SocketAddr, Box<dyn Error>> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = one_thread()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tonic::transport::Server::builder()
                .add_service(server(sink, BTreeMap::new()))
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await?;
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        })
    });
    Ok(address)
}

fn one_thread() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// The tables, and nothing else.
struct Direct(Tables<File>);

impl Direct {
    fn create(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir(folder)?;
        let files = FILES.map(|name| File::create(folder.join(name)));
        let files: Vec<File> = files.into_iter().collect::<io::Result<_>>()?;
        let files = files.try_into().expect("as many files as there are names");
        Ok(Self(Tables::new(files)?))
    }
}

impl Sink for Direct {
    fn take(&mut self, _source: &str, event: Event) {
        self.0.write(&event).expect("the disk takes it");
    }

    fn correct(&mut self, _correction: &Correction) {}

    fn settle(&mut self, _source: &str, _next: u64) -> io::Result<()> {
        self.0.flush()
    }
}

/// What is seen of writes, one after the other, until there are so many events.
fn events(count: usize) -> Vec<Event> {
    (1..).flat_map(write).take(count).collect()
}

/// What is seen of a write that n1 coordinates and two others store.
fn write(number: u64) -> Vec<Event> {
    let client = NodeId::client(1 + (number % 16) as u16);
    let (id, key) = (
        OperationId::new(client, number),
        Bytes::from(format!("key-{}", number % 1000)),
    );
    let at = |step: u64| Duration::from_micros(100 * number + step);
    let [n1, n2, n3] = [1, 2, 3].map(NodeId::node);
    let mut events = vec![Event::Invoked(Box::new(Invocation {
        id,
        purpose: Purpose::Load,
        kind: Kind::Put,
        key: key.clone(),
        intended: at(0),
        invoked: at(1),
        context_from: None,
    }))];
    for (from, to, method, k) in [
        (client, n1, Method::Put, number),
        (n1, n2, Method::Store, number),
        (n1, n3, Method::Store, number),
        (n2, n1, Method::StoreReply, number),
        (n3, n1, Method::StoreReply, number),
    ] {
        events.push(Event::Sent {
            at: at(2),
            operation: id,
            from,
            to,
            method,
            k,
        });
        events.push(Event::Fate(Box::new(Passage {
            at: at(3),
            from,
            to,
            method: method.name().into(),
            direction: Direction::Request,
            k,
            size: 180,
            verdict: Verdict::Delivered,
            intended: Duration::from_micros(500),
            achieved: Some(Duration::from_micros(530)),
            rules: "base".into(),
            faulty: false,
        })));
        events.push(Event::Received {
            at: at(4),
            operation: id,
            from,
            to,
            method,
        });
    }
    for node in [n1, n2, n3] {
        events.push(Event::Stored(Box::new(Stored {
            at: at(5),
            node,
            operation: id,
            method: Method::Store,
            key: key.clone(),
            digest: number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            versions: vec![id],
        })));
    }
    events.push(Event::Returned(Box::new(Operation {
        id,
        purpose: Purpose::Load,
        kind: Kind::Put,
        key,
        intended: at(0),
        invoked: at(1),
        returned: at(6),
        outcome: Outcome::Ok,
        status: "OK".into(),
        asked: n1,
        coordinator: Some(n1),
        answered: vec![n1, n2],
        versions: Vec::new(),
        context_from: None,
        clock: Vec::new(),
        context_bytes: 24,
        value_bytes: 100,
        attempts: 1,
    })));
    events
}

fn rate(events: usize, taken: Duration) -> f64 {
    events as f64 / taken.as_secs_f64()
}

fn size(folder: &Path) -> io::Result<u64> {
    let sizes = FILES.map(|name| Ok(std::fs::metadata(folder.join(name))?.len()));
    sizes.into_iter().sum()
}

/// How many events; cargo says `--bench` as well.
fn read(mut words: impl Iterator<Item = String>) -> Result<usize, Box<dyn Error>> {
    let mut events = 1_000_000;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--events" => events = words.next().ok_or("--events needs a number")?.parse()?,
            "--bench" => {}
            other => return Err(format!("{other:?} is unknown; choose --events N").into()),
        }
    }
    if events < SOURCES {
        return Err(format!("--events is {events}; choose {SOURCES} or more").into());
    }
    Ok(events)
}

const SOURCES: usize = 4;
const PATIENCE: Duration = Duration::from_secs(120);
