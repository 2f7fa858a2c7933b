//! temp
use std::time::{Duration, Instant};
use tidemark_netfuzz::*;
use tidemark_proto::event::Direction;
use tidemark_proto::id::NodeId;
fn main() {
    for rules in [
        "[]",
        r#"[{"latency":{"exponential":"5ms"}}]"#,
        r#"[{"latency":{"mixture":[{"weight":0.9122,"pareto":{"scale":"235us","shape":10.0}},{"weight":0.0878,"exponential":"602us"}]}}]"#,
    ] {
        let spec: Spec = serde_json::from_str(&format!(
            r#"{{"participants":["n1","n2"],"network":{rules}}}"#
        ))
        .unwrap();
        let mut network = Network::new(1, &spec).unwrap();
        let lane = network.lane(
            NodeId::node(1),
            NodeId::node(2),
            "Store",
            Direction::Request,
        );
        let n = 5_000_000u64;
        let start = Instant::now();
        let mut sum = Duration::ZERO;
        for k in 0..n {
            sum += network.fate(Duration::from_nanos(k), lane, k, 100).delay();
        }
        println!(
            "{rules}: {:.1} ns/fate, mean {:?}",
            start.elapsed().as_nanos() as f64 / n as f64,
            sum / n as u32
        );
        let start = Instant::now();
        for k in 0..n {
            let l = network.lane(
                NodeId::node(1),
                NodeId::node(2),
                "Store",
                Direction::Request,
            );
            std::hint::black_box((l, k));
        }
        println!(
            "lane {:.1} ns",
            start.elapsed().as_nanos() as f64 / n as f64
        );
    }
}
