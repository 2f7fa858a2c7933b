//! How fast, and in how much memory, a run that is nothing but operations is read and folded into figures.
//!
//! A small store is simulated: every key has three replicas, a write reaches one of them before it is acknowledged and the
//! others later, siblings are kept, and a read returns what one replica holds. Its operations go through `Tables` into an
//! `ops.csv`, and come back through `Events` and `Observation`, which alone is measured. Everything is drawn from one seed.
//! Memory is allocated as the command does it.
//!
//! `cargo bench -p tidemark-observer --bench fold -- --operations 10000000`

use bytes::Bytes;
use mimalloc::MiMalloc;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::time::{Duration, Instant};
use tidemark_observer::figures::Figures;
use tidemark_observer::history::{FILES, Tables};
use tidemark_observer::observe::{RunFacts, observe_files};
use tidemark_proto::event::{Detail, Event, Kind, Milestone, Operation, Outcome, Purpose};
use tidemark_proto::id::{NodeId, OperationId};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[expect(
    clippy::disallowed_methods,
    reason = "a bench measures how long something takes"
)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::read(std::env::args().skip(1))?;
    let folder = tempfile::tempdir()?;
    let paths = FILES.map(|name| folder.path().join(name));
    let mut files = Vec::new();
    for path in &paths {
        files.push(BufWriter::new(File::create(path)?));
    }
    let files: [BufWriter<File>; FILES.len()] =
        files.try_into().map_err(|_| "a file for each table")?;
    generate(&options, files)?;
    let size = std::fs::metadata(&paths[0])?.len();

    let begun = Instant::now();
    let mut bytes = 0;
    for path in &paths {
        bytes += io::copy(&mut File::open(path)?, &mut io::sink())?;
    }
    let read = begun.elapsed();

    let (begun, used_before) = (Instant::now(), processor_seconds()?);
    let mut files: Vec<Box<dyn Read>> = Vec::new();
    for path in &paths {
        files.push(Box::new(File::open(path)?));
    }
    let files: [Box<dyn Read>; FILES.len()] =
        files.try_into().map_err(|_| "a file for each table")?;
    let facts = RunFacts {
        plan: "fold".to_owned(),
        backend: "sim".to_owned(),
        seed: options.seed,
        detail: Detail::None,
        ..RunFacts::default()
    };
    let figures = observe_files(&facts, files)?.figures;
    let took = begun.elapsed();
    let used = processor_seconds()? - used_before;

    println!(
        "{} operations of {} keys by {} clients, {} MB",
        figures.run.operations,
        options.keys,
        options.clients,
        size / 1_000_000
    );
    println!(
        "{:.1} s, {used:.1} s of a processor: {:.0} operations a second of it; reading the {bytes} bytes alone takes {:.3} s",
        took.as_secs_f64(),
        figures.run.operations as f64 / used,
        read.as_secs_f64()
    );
    println!(
        "peak resident memory: {} MB",
        peak_resident_kilobytes()? / 1_000
    );
    tell(&figures);
    Ok(())
}

/// A few figures: two versions of the fold that print the same have computed the same.
fn tell(figures: &Figures) {
    let whole = &figures.whole;
    println!(
        "stale {} of {}, in the single-value view {}; siblings {}; seen then gone {}",
        whole.stale.count,
        whole.stale.of,
        whole.stale_single_value.count,
        whole.siblings.count,
        figures.seen_then_gone.count
    );
    for excluded in &figures.excluded {
        println!("left out: {} {}", excluded.count, excluded.what);
    }
}

struct Options {
    operations: u64,
    keys: u64,
    clients: u16,
    /// Of a hundred writes, how many carry no context.
    blind: u64,
    seed: u64,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            operations: 1_000_000,
            keys: 1_000,
            clients: 64,
            blind: 2,
            seed: 1,
        };
        while let Some(word) = words.next() {
            if word == "--bench" {
                continue;
            }
            let value = words.next().unwrap_or_default();
            let number = value
                .parse::<u64>()
                .map_err(|error| format!("{word} {value:?}: {error}"))?;
            match word.as_str() {
                "--operations" => options.operations = number,
                "--keys" => options.keys = number.max(1),
                "--clients" => {
                    options.clients = u16::try_from(number)
                        .ok()
                        .filter(|clients| (1..=NodeId::MAX_NUMBER).contains(clients))
                        .ok_or_else(|| {
                            format!("--clients is {number}; choose 1 to {}", NodeId::MAX_NUMBER)
                        })?;
                }
                "--blind" => options.blind = number,
                "--seed" => options.seed = number,
                _ => {
                    return Err(format!(
                        "there is no option {word:?}; choose one of: --operations, --keys, --clients, --blind, --seed"
                    ));
                }
            }
        }
        Ok(options)
    }
}

/// Writes a run of the simulated store.
fn generate<W: Write>(options: &Options, files: [W; FILES.len()]) -> io::Result<()> {
    let mut tables = Tables::new(files)?;
    let mut store = Store::new(options);
    let milestone = |at, milestone| Event::Milestone { at, milestone };
    tables.write(&milestone(Duration::ZERO, Milestone::Started))?;
    let mut end = Duration::ZERO;
    for _ in 0..options.operations {
        let operation = store.next_operation();
        end = end.max(operation.returned);
        tables.write(&Event::Returned(Box::new(operation)))?;
    }
    tables.write(&milestone(end, Milestone::Healed))?;
    tables.write(&milestone(end, Milestone::Ended))?;
    tables.flush()
}

struct Store {
    chance: Xoshiro256PlusPlus,
    keys: Vec<Key>,
    blind: u64,
    clients: Vec<Client>,
    /// Who acts next.
    turns: BinaryHeap<Reverse<(u64, u16)>>,
}

#[derive(Default)]
struct Key {
    replicas: [Vec<OperationId>; 3],
    /// Writes on their way to each replica: when they arrive, what they are and what they supersede.
    under_way: [VecDeque<(u64, OperationId, Vec<OperationId>)>; 3],
}

#[derive(Default)]
struct Client {
    operations: u64,
    /// It has read a key and writes it next.
    update: Option<(usize, OperationId, Vec<OperationId>)>,
}

impl Store {
    fn new(options: &Options) -> Self {
        Self {
            chance: Xoshiro256PlusPlus::seed_from_u64(options.seed),
            keys: (0..options.keys).map(|_| Key::default()).collect(),
            blind: options.blind,
            clients: (0..options.clients).map(|_| Client::default()).collect(),
            turns: (0..options.clients)
                .map(|client| Reverse((1_000 * u64::from(client), client)))
                .collect(),
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.chance.next_u64() % bound
    }

    /// A time with this mean, in nanoseconds.
    fn exponential(&mut self, mean: f64) -> u64 {
        let uniform = ((self.chance.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        (-uniform.ln() * mean) as u64
    }

    fn next_operation(&mut self) -> Operation {
        let Reverse((now, number)) = self.turns.pop().expect("every client has a next turn");
        let latency = 200_000 + self.exponential(2e6);
        let pause = self.exponential(2e6);
        self.turns.push(Reverse((now + latency + pause, number)));
        let client = &mut self.clients[usize::from(number)];
        client.operations += 1;
        let id = OperationId::new(NodeId::client(number + 1), client.operations);
        let update = client.update.take();
        let (key, versions, context_from) = match &update {
            Some((key, context, told)) => {
                self.write(*key, id, told, now + latency);
                let carried = Some(*context).filter(|context| !context.is_none());
                (*key, Vec::new(), carried)
            }
            None => {
                let key = self.below(self.keys.len() as u64) as usize;
                let replica = self.below(3) as usize;
                self.keys[key].arrive(now);
                let versions = self.keys[key].replicas[replica].clone();
                if self.below(10) > 0 {
                    let is_blind = self.below(100) < self.blind;
                    let update = if is_blind {
                        (key, OperationId::NONE, Vec::new())
                    } else {
                        (key, id, versions.clone())
                    };
                    self.clients[usize::from(number)].update = Some(update);
                }
                (key, versions, None)
            }
        };
        let replica = NodeId::node((key % 3) as u16 + 1);
        Operation {
            id,
            purpose: Purpose::Load,
            kind: if update.is_some() {
                Kind::Put
            } else {
                Kind::Get
            },
            key: Bytes::from(format!("user{key}")),
            intended: Duration::from_nanos(now),
            invoked: Duration::from_nanos(now),
            returned: Duration::from_nanos(now + latency),
            outcome: Outcome::Ok,
            status: "OK".into(),
            asked: replica,
            coordinator: Some(replica),
            answered: vec![replica, NodeId::node((key % 3) as u16 + 2)],
            versions,
            context_from,
            clock: Vec::new(),
            context_bytes: 24,
            value_bytes: 100,
            attempts: 1,
        }
    }

    fn write(&mut self, key: usize, id: OperationId, told: &[OperationId], returned: u64) {
        let first = self.below(3) as usize;
        for replica in 0..3 {
            let lag = if replica == first {
                0
            } else {
                self.exponential(5e6)
            };
            let queue = &mut self.keys[key].under_way[replica];
            let after = queue.back().map_or(0, |last| last.0);
            queue.push_back((after.max(returned + lag), id, told.to_vec()));
        }
    }
}

impl Key {
    /// What was to arrive by now has.
    fn arrive(&mut self, now: u64) {
        for (held, under_way) in self.replicas.iter_mut().zip(&mut self.under_way) {
            while under_way.front().is_some_and(|first| first.0 <= now) {
                let Some((_, id, told)) = under_way.pop_front() else {
                    break;
                };
                held.retain(|version| !told.contains(version));
                held.push(id);
            }
        }
    }
}

/// How long this process has had a processor: on a machine that others use too, the clock says less.
fn processor_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/self/stat has no name")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).unwrap_or(&"").parse::<u64>();
    Ok((ticks(11)? + ticks(12)?) as f64 / TICKS_A_SECOND)
}

/// The most memory that this process has had, in kilobytes.
fn peak_resident_kilobytes() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let fields: BTreeMap<&str, &str> = status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .collect();
    let peak = fields
        .get("VmHWM")
        .ok_or("/proc/self/status has no VmHWM")?;
    Ok(peak.trim().trim_end_matches(" kB").parse()?)
}

/// As Linux tells them to programs.
const TICKS_A_SECOND: f64 = 100.0;
