//! Prints how accurately the proxy delays on real sockets: against theory what it intends, and against that what it does.
//!
//! `cargo run --release -p tidemark-netfuzz --example delay_accuracy`
#![expect(clippy::unwrap_used, reason = "it is a measurement: what fails, fails")]

#[path = "../tests/harness/mod.rs"]
mod harness;

use bytes::Bytes;
use harness::{Proxy, echo, listener};
use serde_json::{Value, json};
use std::time::Duration;
use tidemark_netfuzz::Distribution;
use tidemark_netfuzz::timer::{Timer, now};
use tidemark_proto::event::{Direction, Passage};
use tidemark_proto::wire::kv_client::KvClient;
use tidemark_proto::wire::peer_client::PeerClient;
use tidemark_proto::wire::{Envelope, PutRequest};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

#[tokio::main]
async fn main() {
    let (upstream, address) = listener().await;
    let (_server, _) = echo(upstream);
    let mut proxy = Proxy::start().await;
    let streams = format!("http://{}", proxy.open("n1", "n2", address, true).await);
    let mut streams = PeerClient::connect(streams).await.unwrap();
    let calls = format!("http://{}", proxy.open("c1", "n1", address, false).await);
    let calls = KvClient::connect(calls).await.unwrap();

    println!("error of the achieved delay against the intended one, in microseconds");
    println!(
        "{:<10} {:<9} {:>7} {:>8} {:>7} {:>7} {:>7} {:>7} {:>8}",
        "delay", "messages", "count", "KS", "p50", "p90", "p99", "p99.9", "max"
    );
    let hundred = json!({ "constant": "100ms" });
    for (name, delay, streamed, rate) in [
        ("2 ms", json!({ "constant": "2ms" }), 20_000, 10_000),
        ("Exp(1 ms)", json!({ "exponential": "1ms" }), 20_000, 10_000),
        ("LNKD-SSD", linkedin_ssd(), 100_000, 10_000),
        ("100 ms", hundred, 30_000, 1_000_000),
    ] {
        proxy.load(rules(&delay), json!([])).await;
        let envelopes = UnboundedReceiverStream::new(paced(streamed, rate));
        streams.store(envelopes).await.unwrap();
        let passages = proxy.passages(streamed as usize).await;
        report(name, "streamed", &delay, &passages);
        println!(
            "{:>20} {:>7} in flight at once",
            "",
            most_in_flight(&passages)
        );
        // Numbers go on, so that these draws are others.
        let mut due = paced(UNARY, 1_000);
        while due.recv().await.is_some() {
            let mut calls = calls.clone();
            tokio::spawn(async move { calls.put(PutRequest::default()).await });
        }
        report(
            name,
            "unary",
            &delay,
            &proxy.passages(2 * UNARY as usize).await,
        );
    }
}

fn rules(delay: &Value) -> Value {
    json!([{ "name": "delay", "direction": "request", "latency": delay }])
}

/// Bailis et al., VLDB 2012: 91.22 % Pareto(0.235 ms, 10), 8.78 % Exp(1.66 per ms).
fn linkedin_ssd() -> Value {
    json!({ "mixture": [
        { "weight": 0.9122, "pareto": { "scale": "235us", "shape": 10.0 } },
        { "weight": 0.0878, "exponential": "602.41us" },
    ] })
}

/// `count` messages, `rate` a second; then the end.
fn paced(count: u64, rate: u64) -> mpsc::UnboundedReceiver<Envelope> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let timer = Timer::start(
        |batch: std::vec::Drain<'_, mpsc::UnboundedSender<Envelope>>| {
            for sender in batch {
                let body = Bytes::from_static(&[7; 100]);
                sender.send(Envelope { checksum: 1, body }).unwrap();
            }
        },
    )
    .unwrap();
    let start = now() + Duration::from_millis(20);
    for i in 0..count {
        let due = start + Duration::from_nanos(i * 1_000_000_000 / rate);
        timer.schedule(due, sender.clone());
    }
    // The timer's thread has to outlive this function, and ends with the process.
    std::mem::forget(timer);
    receiver
}

fn report(name: &str, messages: &str, delay: &Value, passages: &[Passage]) {
    let requests: Vec<_> = passages
        .iter()
        .filter(|passage| passage.direction == Direction::Request)
        .collect();
    let distribution: Distribution = serde_json::from_value(delay.clone()).unwrap();
    let mut intended: Vec<_> = requests.iter().map(|passage| passage.intended).collect();
    intended.sort_unstable();
    let error = |passage: &&Passage| {
        let achieved = passage.achieved.unwrap().as_secs_f64();
        (achieved - passage.intended.as_secs_f64()) * 1e6
    };
    let mut errors: Vec<f64> = requests.iter().map(error).collect();
    errors.sort_unstable_by(f64::total_cmp);
    let quantile = |p: f64| errors[((errors.len() - 1) as f64 * p) as usize];
    println!(
        "{name:<10} {messages:<9} {:>7} {:>8.4} {:>7.0} {:>7.0} {:>7.0} {:>7.0} {:>8.0}",
        errors.len(),
        kolmogorov_smirnov(&distribution, &intended),
        quantile(0.5),
        quantile(0.9),
        quantile(0.99),
        quantile(0.999),
        quantile(1.0)
    );
}

/// The largest distance between the sorted sample's distribution and the theory, on either side of every value.
fn kolmogorov_smirnov(theory: &Distribution, sorted: &[Duration]) -> f64 {
    let share = |count: usize| count as f64 / sorted.len() as f64;
    let distance = |value: &Duration| {
        let below = theory.cdf(value.saturating_sub(Duration::from_nanos(1)));
        let fewer = share(sorted.partition_point(|other| other < value));
        let upto = share(sorted.partition_point(|other| other <= value));
        (below - fewer).abs().max((theory.cdf(*value) - upto).abs())
    };
    sorted.iter().map(distance).fold(0.0, f64::max)
}

fn most_in_flight(passages: &[Passage]) -> i64 {
    let begin_and_end = |passage: &Passage| {
        let end = passage.at + passage.achieved.unwrap();
        [(passage.at, 1), (end, -1)]
    };
    let mut moves: Vec<_> = passages.iter().flat_map(begin_and_end).collect();
    moves.sort_unstable();
    let (most, _) = moves.into_iter().fold((0, 0), |(most, now), (_, step)| {
        (most.max(now + step), now + step)
    });
    most
}

const UNARY: u64 = 2_000;
