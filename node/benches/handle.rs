//! How many operations one core carries out: `cargo bench -p tidemark-node --bench handle`.
//!
//! Three nodes in one thread pass each other messages by function calls: N = 3, R = W = 2, memory storage, values of 100
//! bytes, every node asked as often as every other, requests in flight as a driver's batch has them. An operation costs
//! what all three do for it, as coordinator and as replicas; on three machines each would do a third of that, so one
//! core's share is three times as many. A bare hash map that holds the same values is measured in the same run, so that
//! the ratio means something on any machine. Time is the thread's own on its processor, as Linux tells it, so that what
//! else the machine does counts little.

use bytes::Bytes;
use foldhash::fast::FixedState;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::json;
use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::time::Duration;
use tidemark_node::config::{Config, storage};
use tidemark_node::replica::{Input, Output, Replica};
use tidemark_node::request::{Call, ReadNeeds, Reply, Request, Siblings, Ticket, WriteNeeds};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Message;
use tidemark_proto::time::{Now, Timestamp};

fn main() {
    println!(
        "handle: {NODES} nodes, N = 3, R = W = 2, {VALUE_BYTES}-byte values, {KEYS} keys, {OPERATIONS} operations a round, medians of {ROUNDS} rounds"
    );
    for work in [Work::Put, Work::Get] {
        let mut bare = Vec::new();
        for detail in ["none", "all"] {
            let mut rates = Vec::new();
            for _ in 0..ROUNDS {
                rates.push(f64::from(NODES) * rate(|| measure(work, detail)));
                bare.push(rate(|| measure_bare(work)));
            }
            let (share, map) = (median(&mut rates), median(&mut bare));
            println!(
                "{work:?}, events = {detail}: {:.0} thousand/s for one node's share; a bare hash map: {:.0} thousand/s, {:.1} times as many",
                share / 1e3,
                map / 1e3,
                map / share
            );
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Work {
    /// Writes, each on top of what the key's last answer had.
    Put,
    /// Reads of what the writes have left.
    Get,
}

/// Three nodes, and the messages between them.
struct Cluster {
    replicas: Vec<Replica>,
    inputs: VecDeque<(usize, Input)>,
    answered: u64,
    /// Of each key: the context of its last answer.
    contexts: Vec<Bytes>,
    /// The key of each open request, by its ticket.
    keys: Vec<usize>,
}

impl Cluster {
    fn new(detail: &str) -> Self {
        let config: Config = serde_json::from_value(json!({
            "seed": 7, "nodes": ["n1", "n2", "n3"], "gateways": [],
            "partitioner": { "kind": "token-ring" }, "versioning": { "kind": "vector" },
            "membership": { "kind": "fixed" }, "repair": [], "storage": { "kind": "memory" },
            "replication": { "kind": "strict", "n": 3, "r": 2, "w": 2 }, "limits": {},
            "detail": detail,
        }))
        .expect("it is a configuration");
        let replica = |id: &NodeId| {
            let storage = storage(&config, *id, None).expect("it builds");
            Replica::new(&config, *id, 1, storage).expect("it builds")
        };
        Self {
            replicas: config.nodes.iter().map(replica).collect(),
            inputs: VecDeque::new(),
            answered: 0,
            contexts: vec![Bytes::new(); KEYS],
            keys: vec![0; IN_FLIGHT],
        }
    }

    /// Hands out everything that waits, and what comes of it.
    fn settle(&mut self, now: Now) {
        while let Some((node, input)) = self.inputs.pop_front() {
            let from = NodeId::node(node as u16 + 1);
            for output in self.replicas[node].handle(now, input) {
                match output {
                    Output::Send(to, message) => self.pass(from, to, message),
                    Output::Reply(ticket, reply) => self.answered(ticket, reply),
                    Output::Enrolled(..) => {}
                    Output::Note(event) => drop(black_box(event)),
                }
            }
        }
    }

    fn pass(&mut self, from: NodeId, to: NodeId, message: Message) {
        let node = usize::from(to.number()) - 1;
        self.inputs.push_back((node, Input::Message(from, message)));
    }

    fn answered(&mut self, Ticket(ticket): Ticket, reply: Reply) {
        let key = self.keys[ticket as usize];
        match reply {
            Reply::Got(answer) | Reply::Written(answer) => self.contexts[key] = answer.context,
            Reply::Refused(refusal) => panic!("nothing is to be refused: {refusal:?}"),
        }
        self.answered += 1;
    }
}

/// Carries out the work; gives how long it took.
fn measure(work: Work, detail: &str) -> Duration {
    let mut cluster = Cluster::new(detail);
    if let Work::Get = work {
        carry_out(&mut cluster, Work::Put, KEYS as u64);
    }
    let start = on_processor();
    carry_out(&mut cluster, work, OPERATIONS);
    on_processor() - start
}

fn carry_out(cluster: &mut Cluster, work: Work, operations: u64) {
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(7);
    let before = cluster.answered;
    for batch in 0..operations / IN_FLIGHT as u64 {
        let now = Now::at(Timestamp(0), Duration::from_micros(batch));
        for ticket in 0..IN_FLIGHT {
            let sequence = batch * IN_FLIGHT as u64 + ticket as u64;
            let key = (chance.next_u64() % KEYS as u64) as usize;
            cluster.keys[ticket] = key;
            let request = Request {
                operation: OperationId::new(NodeId::client(1), sequence + 1),
                key: name(key),
                timeout: None,
                call: match work {
                    Work::Put => Call::Put {
                        value: value(sequence),
                        context: cluster.contexts[key].clone(),
                        needs: WriteNeeds::default(),
                        checksum: None,
                        siblings: Siblings::Omitted,
                    },
                    Work::Get => Call::Get {
                        needs: ReadNeeds::default(),
                    },
                },
            };
            let node = sequence as usize % cluster.replicas.len();
            let input = Input::Request(Ticket(ticket as u64), request);
            cluster.inputs.push_back((node, input));
        }
        cluster.settle(now);
    }
    assert_eq!(
        cluster.answered - before,
        operations,
        "every request is answered"
    );
}

/// The same values in a map, and nothing else.
fn measure_bare(work: Work) -> Duration {
    let mut map: HashMap<Bytes, Bytes, FixedState> = HashMap::default();
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(7);
    for key in 0..KEYS {
        map.insert(name(key), value(key as u64));
    }
    let start = on_processor();
    for sequence in 0..OPERATIONS {
        let key = name((chance.next_u64() % KEYS as u64) as usize);
        match work {
            Work::Put => drop(black_box(map.insert(key, value(sequence)))),
            Work::Get => drop(black_box(map.get(&key).cloned())),
        }
    }
    on_processor() - start
}

/// How long this thread has been on a processor.
fn on_processor() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells it");
    let nanoseconds = told.split(' ').next().and_then(|time| time.parse().ok());
    Duration::from_nanos(nanoseconds.expect("its first word is a number"))
}

fn rate(measure: impl FnOnce() -> Duration) -> f64 {
    OPERATIONS as f64 / measure().as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn name(key: usize) -> Bytes {
    Bytes::from(format!("key {key:06}"))
}

fn value(sequence: u64) -> Bytes {
    let mut value = vec![0; VALUE_BYTES];
    value[..8].copy_from_slice(&sequence.to_be_bytes());
    Bytes::from(value)
}

const NODES: u16 = 3;
const KEYS: usize = 10_000;
const VALUE_BYTES: usize = 100;
const OPERATIONS: u64 = 300_000;
const IN_FLIGHT: usize = 100;
const ROUNDS: usize = 5;
