//! What it costs to find out in what two nodes on disk differ: writes many keys on both, some of them again on one alone, and
//! prints what a sweep compares and sends, beside what the formula says, and what both nodes have resident together.
//!
//! `cargo run --release -p tidemark-node --example sweep [KEYS] [VALUE_BYTES] [DIFFERING]`; by default a million of 100 bytes,
//! 100 of which differ.

#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

#[path = "../tests/harness/pair.rs"]
mod pair;

use pair::{Pair, formula};
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| {
        arguments
            .next()
            .map_or(Ok(default), |text| text.parse::<u64>())
    };
    let (keys, value_bytes, differing) = (number(1_000_000)?, number(100)?, number(100)?);
    let value_bytes = usize::try_from(value_bytes)?;
    let folder = tempfile::tempdir()?;
    for (leaves, life) in [(1 << 10, 1), (1 << 16, 2)] {
        let began = Instant::now();
        let mut pair = Pair::open(folder.path(), leaves, life)?;
        if life == 1 {
            pair.write(keys, value_bytes);
            println!(
                "{keys} keys of {value_bytes} bytes written on both nodes: {:.1?}; {}",
                began.elapsed(),
                resident()?
            );
        }
        let differ: Vec<u64> = (0..differing)
            .map(|place| place * (keys / differing.max(1)))
            .collect();
        pair.differ(differ.iter().copied(), value_bytes);
        let began = Instant::now();
        let swept = pair.sweep();
        println!(
            "{leaves} leaves, {differing} keys differ: {} keys compared, {:.0} by the formula; {} values sent one way, {} the other: \
             {:.1?}; {}",
            swept.compared,
            formula(keys, differing, leaves),
            swept.values[0],
            swept.values[1],
            began.elapsed(),
            resident()?
        );
        let equal = differ.iter().filter(|key| pair.agree(**key)).count();
        println!("{equal} of {differing} are equal afterwards");
    }
    Ok(())
}

/// What the process has in memory now, and had at most.
fn resident() -> Result<String, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let of = |line: Option<&str>| line.unwrap_or_default().trim().to_owned();
    let (now, most) = (of(line("VmRSS:")), of(line("VmHWM:")));
    Ok(format!("both resident {now}, at most {most}"))
}
