//! What a node's keys on disk cost in memory: writes many, reads some, and prints what the process has resident.
//!
//! `cargo run --release -p tidemark-node --example resident [KEYS] [VALUE_BYTES]`; a million of 100 bytes by default.

#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use bytes::Bytes;
use std::error::Error;
use std::time::Instant;
use tidemark_node::durability::BATCH;
use tidemark_node::storage::{self, Storage};
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Options, find};
use tidemark_proto::wire::StoredVersion;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse());
    let (keys, value_bytes) = (number(1_000_000)?, number(100)?);
    let folder = tempfile::tempdir()?;
    let lsm = find("storage", storage::ENTRIES, "lsm")?;
    let open = || (lsm.build)(&Options::new(), NodeId::node(1), Some(folder.path()));
    let mut engine = open()?;
    print("an empty engine", 0, Instant::now())?;

    let began = Instant::now();
    for key in 0..keys {
        let version = StoredVersion {
            clock: Bytes::from_static(&[7; 24]),
            value: Some(vec![key as u8; value_bytes].into()),
            operation: key as u64,
        };
        engine.store(&name(key), vec![version])?;
        if key % BATCH == BATCH - 1 {
            engine.sync()?;
        }
    }
    engine.sync()?;
    print("written, a sync for every batch", keys, began)?;

    read(&*engine, keys)?;
    let began = Instant::now();
    let (mut seen, mut last) = (0, None);
    loop {
        let page = engine.keys(0..=u64::MAX, last.as_ref(), 1_000);
        let Some(end) = page.last() else { break };
        seen += page.len();
        last = Some(end.clone());
    }
    assert_eq!(seen, keys, "keys are missing");
    print("listed in the order of their places", seen, began)?;

    drop(engine);
    let began = Instant::now();
    let engine = open()?;
    print("opened again", 1, began)?;
    read(&*engine, keys)
}

/// Reads a tenth of the keys, spread over all of them.
fn read(engine: &dyn Storage, keys: usize) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let reads = keys / 10;
    for read in 0..reads {
        let held = engine.load(&name(read * 7_919 % keys))?;
        assert_eq!(held.len(), 1, "a key is missing");
    }
    print("read at random", reads, began)
}

fn name(key: usize) -> Bytes {
    Bytes::from(format!("key{key:012}"))
}

fn print(what: &str, count: usize, began: Instant) -> Result<(), Box<dyn Error>> {
    let rate = count as f64 / began.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let (now, most) = (line("VmRSS:"), line("VmHWM:"));
    let of = |line: Option<&str>| line.unwrap_or_default().trim().to_owned();
    println!(
        "{what}: {count}, {rate:.0}/s; resident {}, at most {}",
        of(now),
        of(most)
    );
    Ok(())
}
