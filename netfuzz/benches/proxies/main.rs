//! The fault proxy beside nginx, haproxy and Envoy: calls and streamed messages a second, what each adds to a call's
//! latency, and what a second of its processor time carries.
//!
//! `netfuzz/benches/proxies/run.sh` starts the others and this; without them, the proxy is measured beside no proxy at all.

#![expect(clippy::unwrap_used, reason = "it is a measurement: what fails, fails")]

mod child;
mod load;
mod side;
mod table;

use clap::{Parser, Subcommand};
use load::{Load, Sample};
use side::{Rival, Side};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::runtime::Builder;

/// Measures the fault proxy beside others, all in turn, round by round.
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    role: Option<Role>,
    /// Where the echo server shall listen: whither the others lead.
    #[arg(long, default_value = "127.0.0.1:0")]
    server: SocketAddr,
    /// Another proxy, as name=address=pid.
    #[arg(long)]
    rival: Vec<Rival>,
    /// How often every side has its turn; the table shows medians.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How many seconds a turn takes.
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
    /// How many calls are open at once, one line of the table each.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 128])]
    calls: Vec<usize>,
    /// The sides that take part beside `direct`; all, if none is named.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Subcommand)]
#[command(hide = true)]
enum Role {
    /// Answers calls and takes in streams.
    Server { listen: SocketAddr },
    /// Is the fault proxy.
    Proxy { journal: child::Journalling },
}

fn main() {
    let options = Options::parse();
    // One thread, as each of the others has, and as the proxy has where nodes are behind it.
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match options.role {
            Some(Role::Server { listen }) => child::server(listen).await,
            Some(Role::Proxy { journal }) => child::proxy(journal).await,
            None => measure(options).await,
        }
    });
    runtime.shutdown_background();
}

async fn measure(options: Options) {
    let (_server, mut sides) = Side::all(options.server, options.rival).await;
    if !options.only.is_empty() {
        sides.retain(|side| side.name == "direct" || options.only.contains(&side.name));
    }
    let loads = options.calls.iter().map(|open| Load::Calls(*open));
    let loads: Vec<_> = loads.chain([Load::Stream]).collect();
    let turn = Duration::from_secs_f64(options.seconds);
    println!(
        "{} rounds of {turn:?} a side and load; medians [least, most]",
        options.rounds
    );
    for load in loads {
        let sides: Vec<_> = sides.iter().filter(|side| side.takes(load)).collect();
        for side in &sides {
            load.run(side, WARM_UP).await;
        }
        let mut rounds: Vec<Vec<Sample>> = Vec::new();
        for _ in 0..options.rounds {
            let mut round = Vec::new();
            for side in &sides {
                round.push(load.run(side, turn).await);
            }
            rounds.push(round);
        }
        table::print(load, &sides, &rounds);
    }
}

const WARM_UP: Duration = Duration::from_millis(200);
