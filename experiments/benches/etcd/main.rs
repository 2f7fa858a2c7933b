//! Tidemark beside etcd: puts and reads of both, from one client, in turn, on one node and on three.
//!
//! `bash experiments/benches/etcd/run.sh` installs what is missing, runs this, and cleans up. Each round drives every
//! side with every load once, so that whatever else the machine does meets all of them alike; a side that is not driven
//! idles. What is compared is not the same promise: etcd orders all writes by Raft and, on disk, syncs its log before
//! it acknowledges one. Tidemark's memory storage syncs nothing, so etcd also runs with its data in memory, where a
//! sync costs nothing. A read at R = 2 asks two replicas, a linearizable one has the leader confirmed by a majority;
//! a read at R = 1 and a serializable one are answered by the node that is asked, though Tidemark's asks the others all
//! the same, to repair them.
//!
//! A second table compares what both carry from a disk: storage `lsm` with sync = "batch", beside etcd's own data on the same
//! disk. For every kind of work it looks for the most calls a second of which 99 % take less than a limit, by more and
//! more calls in flight, and then times calls in an open loop at half of that rate. Here Tidemark's reads ask as many
//! replicas as must answer, at R = 1 the node that is asked, as a serializable read does. A call that is refused or fails
//! counts as one that takes for ever.
//!
//! A third table is about Tidemark alone: what share of its throughput is left when nodes tell an observer what they see, and it
//! writes that down on the same machine. It begins with operations, and ends with every arrival and every message.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod capacity;
mod client;
mod load;
mod store;
mod system;
mod table;

use anyhow::Context as _;
use capacity::{Capacity, Search};
use clap::{Parser, ValueEnum};
use load::{Load, Pace, Seen};
use mimalloc::MiMalloc;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::{Dialect, Store, Work};
use system::System;
use tidemark_proto::event::Detail;
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Compare Tidemark with etcd.
#[derive(Parser)]
struct Options {
    /// Which tables to make.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "memory,disk,observed"
    )]
    table: Vec<Table>,
    /// One round of short steps, three nodes and 16 calls in flight: about two minutes.
    #[arg(long)]
    quick: bool,
    /// What 99 % of the calls may take in the second table, in milliseconds.
    #[arg(long, default_value_t = 50)]
    p99_ms: u64,
    /// How often every side is driven with every load.
    #[arg(long, default_value = "5")]
    rounds: NonZeroUsize,
    /// For how long each time, in seconds.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Calls in flight.
    #[arg(long, value_delimiter = ',', default_value = "1,16,128")]
    in_flight: Vec<usize>,
    /// Nodes of each cluster.
    #[arg(long, value_delimiter = ',', default_value = "1,3")]
    nodes: Vec<u16>,
    /// Different keys.
    #[arg(long, default_value = "3000")]
    keys: NonZeroUsize,
    /// A value's length.
    #[arg(long, default_value_t = 100)]
    value_bytes: usize,
    /// Connections to each node.
    #[arg(long, default_value = "1")]
    channels: NonZeroUsize,
    /// Leave etcd out.
    #[arg(long)]
    alone: bool,
    /// Another build of tidemark, as one more side.
    #[arg(long, value_name = "PROGRAM")]
    baseline: Option<PathBuf>,
    /// Where etcd's data on disk goes.
    #[arg(long, default_value = "/var/tmp")]
    disk: PathBuf,
    /// Where etcd's data in memory goes.
    #[arg(long, default_value = "/dev/shm")]
    memory: PathBuf,
    /// As cargo says it.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Table {
    /// Memory storage, with so many calls in flight.
    Memory,
    /// What is carried from disk within a limit.
    Disk,
    /// What is left of the throughput when it is observed.
    Observed,
}

/// One row of the table: how many nodes, what they are asked, how many calls in flight, of which side.
type Row = (u16, Work, usize, usize);

fn main() -> anyhow::Result<()> {
    let mut options = Options::parse();
    if options.quick {
        options.rounds = NonZeroUsize::MIN;
        options.seconds = options.seconds.min(0.7);
        options.nodes = vec![3];
        options.in_flight = vec![16];
    }
    let runtime = tidemark::backend::real::child::runtime()?;
    let _inside = runtime.enter();
    println!(
        "{} rounds of {} s, {} keys, {} bytes a value, {} connections to each node; medians [lowest, highest]",
        options.rounds, options.seconds, options.keys, options.value_bytes, options.channels,
    );
    if options.table.contains(&Table::Memory) {
        for &nodes in &options.nodes {
            compare(&options, nodes, &runtime)?;
        }
    }
    if options.table.contains(&Table::Disk) {
        capacities(&options, &runtime)?;
    }
    if options.table.contains(&Table::Observed) {
        let sides = observed_sides(&options)?;
        let seen = drive(&options, 3, &sides, &runtime)?;
        table::print_observed(&names(&sides), &seen);
    }
    Ok(())
}

/// Compares Tidemark's nodes with as many of etcd.
fn compare(options: &Options, nodes: u16, runtime: &Runtime) -> anyhow::Result<()> {
    let sides = sides(options, nodes)?;
    let seen = drive(options, nodes, &sides, runtime)?;
    table::print(nodes, &names(&sides), &seen);
    Ok(())
}

/// Drives every side with so many calls in flight.
fn drive(
    options: &Options,
    nodes: u16,
    sides: &[Side],
    runtime: &Runtime,
) -> anyhow::Result<BTreeMap<Row, Vec<Seen>>> {
    fill(sides, runtime)?;
    let mut seen: BTreeMap<Row, Vec<Seen>> = BTreeMap::new();
    for round in 0..options.rounds.get() {
        eprintln!("{nodes} nodes: round {} of {}", round + 1, options.rounds);
        for &in_flight in &options.in_flight {
            for work in Work::ALL {
                for (place, side) in in_turn(sides, round) {
                    if !side.store.offers(work) {
                        continue;
                    }
                    let load = Load {
                        work,
                        pace: Pace::InFlight(in_flight),
                        time: Duration::from_secs_f64(options.seconds),
                    };
                    let here = runtime.block_on(load.drive(&side.store, &side.system))?;
                    if let Some(error) = here.error {
                        return Err(error.context(side.name));
                    }
                    let row = (nodes, work, in_flight, place);
                    seen.entry(row).or_default().push(here);
                }
            }
        }
    }
    Ok(seen)
}

/// Looks for what every side carries from disk.
fn capacities(options: &Options, runtime: &Runtime) -> anyhow::Result<()> {
    let sides = durable_sides(options)?;
    fill(&sides, runtime)?;
    let search = Search {
        limit: Duration::from_millis(options.p99_ms),
        time: Duration::from_secs_f64(options.seconds),
    };
    let mut seen: BTreeMap<(Work, usize), Vec<Capacity>> = BTreeMap::new();
    for round in 0..options.rounds.get() {
        eprintln!("on disk: round {} of {}", round + 1, options.rounds);
        for work in Work::ALL {
            for (place, side) in in_turn(&sides, round) {
                let found = search.capacity(work, &side.store, &side.system);
                let found = runtime.block_on(found).context(side.name)?;
                seen.entry((work, place)).or_default().push(found);
            }
        }
    }
    table::print_capacities(search.limit, &names(&sides), &seen);
    Ok(())
}

/// Sides with their places; nobody always comes first.
fn in_turn(sides: &[Side], round: usize) -> impl Iterator<Item = (usize, &Side)> {
    let all = sides.iter().enumerate().cycle();
    all.skip(round % sides.len()).take(sides.len())
}

fn names(sides: &[Side]) -> Vec<&'static str> {
    sides.iter().map(|side| side.name).collect()
}

fn fill(sides: &[Side], runtime: &Runtime) -> anyhow::Result<()> {
    for side in sides {
        let filled = runtime.block_on(load::fill(&side.store));
        filled.with_context(|| side.name)?;
    }
    Ok(())
}

/// A store under test: its processes, which end with it, and how it is called.
struct Side {
    name: &'static str,
    store: Arc<Store>,
    system: System,
}

/// Starts every store, each with fresh data: Tidemark's in memory.
fn sides(options: &Options, nodes: u16) -> anyhow::Result<Vec<Side>> {
    let mut sides = Vec::new();
    for (name, program) in programs(options) {
        sides.push(tidemark(name, program, nodes, None, options)?);
    }
    if !options.alone {
        sides.push(etcd("etcd", nodes, &options.disk, true, options)?);
        sides.push(etcd(
            "etcd in memory",
            nodes,
            &options.memory,
            false,
            options,
        )?);
    }
    Ok(sides)
}

/// Starts three nodes of every store, each with fresh data on disk.
fn durable_sides(options: &Options) -> anyhow::Result<Vec<Side>> {
    let mut sides = Vec::new();
    for (name, program) in programs(options) {
        sides.push(tidemark(name, program, 3, Some(&options.disk), options)?);
    }
    if !options.alone {
        sides.push(etcd("etcd", 3, &options.disk, true, options)?);
    }
    Ok(sides)
}

/// Starts three nodes in memory for every degree of observation.
fn observed_sides(options: &Options) -> anyhow::Result<Vec<Side>> {
    let program = Path::new(env!("CARGO_BIN_EXE_tidemark"));
    let below = options.disk.as_path();
    let details = [
        ("not observed", None),
        ("events = \"none\"", Some(Detail::None)),
        ("events = \"arrivals\"", Some(Detail::Arrivals)),
        ("events = \"all\"", Some(Detail::All)),
    ];
    let sides = details.map(|(name, detail)| {
        let observed = detail.map(|detail| (detail, below));
        let (system, addresses) = System::tidemark(program, 3, None, observed)?;
        let dialect = Dialect::tidemark(options.keys.get());
        Side::new(name, system, &addresses, dialect, options)
    });
    sides.into_iter().collect()
}

/// The builds of tidemark that are compared.
fn programs(options: &Options) -> impl Iterator<Item = (&'static str, &Path)> {
    let own = ("tidemark", Path::new(env!("CARGO_BIN_EXE_tidemark")));
    let baseline = options.baseline.as_deref();
    std::iter::once(own).chain(baseline.map(|program| ("baseline", program)))
}

fn tidemark(
    name: &'static str,
    program: &Path,
    nodes: u16,
    disk: Option<&Path>,
    options: &Options,
) -> anyhow::Result<Side> {
    let (system, addresses) = System::tidemark(program, nodes, disk, None)?;
    let dialect = Dialect::tidemark(options.keys.get());
    Side::new(name, system, &addresses, dialect, options)
}

fn etcd(
    name: &'static str,
    nodes: u16,
    folder: &Path,
    reads: bool,
    options: &Options,
) -> anyhow::Result<Side> {
    let (system, addresses) = System::etcd(nodes, folder)?;
    Side::new(name, system, &addresses, Dialect::Etcd { reads }, options)
}

impl Side {
    fn new(
        name: &'static str,
        system: System,
        addresses: &[SocketAddr],
        dialect: Dialect,
        options: &Options,
    ) -> anyhow::Result<Self> {
        let store = Arc::new(Store::new(addresses, options, dialect)?);
        Ok(Self {
            name,
            store,
            system,
        })
    }
}
