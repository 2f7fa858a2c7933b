//! Tidemark beside etcd: puts and reads of both, from one client, in turn, on one node and on three.
//!
//! `bash experiments/benches/etcd/run.sh` installs what is missing, runs this, and cleans up. Each round drives every
//! side with every load once, so that whatever else the machine does meets all of them alike; a side that is not driven
//! idles. What is compared is not the same promise: etcd orders all writes by Raft and, on disk, syncs its log before
//! it acknowledges one. Tidemark's memory storage syncs nothing, so etcd also runs with its data in memory, where a
//! sync costs nothing. A read at R = 2 asks two replicas, a linearizable one has the leader confirmed by a majority;
//! a read at R = 1 and a serializable one are answered by the node that is asked, though Tidemark's asks the others all
//! the same, to repair them.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod load;
mod store;
mod system;
mod table;

use anyhow::Context as _;
use clap::Parser;
use load::{Load, Seen};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::{Dialect, Store, Work};
use system::System;

/// Compare Tidemark with etcd.
#[derive(Parser)]
struct Options {
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

/// One row of the table: how many nodes, what they are asked, how many calls in flight, of which side.
type Row = (u16, Work, usize, usize);

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    let _inside = runtime.enter();
    println!(
        "{} rounds of {} s, {} keys, {} bytes a value, {} connections to each node; medians [lowest, highest]",
        options.rounds, options.seconds, options.keys, options.value_bytes, options.channels,
    );
    for &nodes in &options.nodes {
        let sides = sides(&options, nodes)?;
        for side in &sides {
            let filled = runtime.block_on(load::fill(&side.store));
            filled.with_context(|| side.name)?;
        }
        let mut seen: BTreeMap<Row, Vec<Seen>> = BTreeMap::new();
        for round in 0..options.rounds.get() {
            eprintln!("{nodes} nodes: round {} of {}", round + 1, options.rounds);
            for &in_flight in &options.in_flight {
                for work in Work::ALL {
                    // Nobody always comes first.
                    for turn in 0..sides.len() {
                        let place = (turn + round) % sides.len();
                        let side = &sides[place];
                        if !side.store.offers(work) {
                            continue;
                        }
                        let load = Load {
                            work,
                            in_flight: in_flight.clamp(1, options.keys.get()),
                            time: Duration::from_secs_f64(options.seconds),
                        };
                        let row = (nodes, work, in_flight, place);
                        let here = runtime.block_on(load.drive(&side.store, &side.system))?;
                        seen.entry(row).or_default().push(here);
                    }
                }
            }
        }
        let names: Vec<_> = sides.iter().map(|side| side.name).collect();
        table::print(nodes, &names, &seen);
    }
    Ok(())
}

/// A store under test: its processes, which end with it, and how it is called.
struct Side {
    name: &'static str,
    store: Arc<Store>,
    system: System,
}

/// Starts every store, each with fresh data.
fn sides(options: &Options, nodes: u16) -> anyhow::Result<Vec<Side>> {
    let mut sides = Vec::new();
    let mut add = |name, (system, addresses): (System, Vec<SocketAddr>), dialect| {
        let store = Arc::new(Store::new(&addresses, options, dialect)?);
        let side = Side {
            name,
            store,
            system,
        };
        sides.push(side);
        anyhow::Ok(())
    };
    let tidemark = Path::new(env!("CARGO_BIN_EXE_tidemark"));
    add(
        "tidemark",
        System::tidemark(tidemark, nodes)?,
        Dialect::tidemark(options.keys.get()),
    )?;
    if let Some(program) = &options.baseline {
        add(
            "baseline",
            System::tidemark(program, nodes)?,
            Dialect::tidemark(options.keys.get()),
        )?;
    }
    if !options.alone {
        add(
            "etcd",
            System::etcd(nodes, &options.disk)?,
            Dialect::Etcd { reads: true },
        )?;
        add(
            "etcd in memory",
            System::etcd(nodes, &options.memory)?,
            Dialect::Etcd { reads: false },
        )?;
    }
    Ok(sides)
}
