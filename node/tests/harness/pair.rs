//! Two nodes on disk that hold every key, and a sweep between them: what it compares, sends, and by the formula should.

use bytes::Bytes;
use serde_json::json;
use std::collections::VecDeque;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidemark_node::config::{Config, storage};
use tidemark_node::durability::BATCH;
use tidemark_node::replica::{Input, Output, Replica};
use tidemark_node::request::{Call, ReadNeeds, Reply, Request, Siblings, Ticket, WriteNeeds};
use tidemark_proto::event::Event;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Message;
use tidemark_proto::time::{Now, Timestamp};
use tidemark_proto::upkeep::Chore;
use tidemark_proto::wire::sweep::Body;

/// The two, the messages between them, and virtual time.
pub(crate) struct Pair {
    nodes: [Replica; 2],
    /// Each with the place of the node it is for.
    sent: VecDeque<(usize, Message)>,
    elapsed: Duration,
    inputs: usize,
    operations: u64,
    /// Of the last answer to a read.
    context: Bytes,
}

/// What came of a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Keys that were compared.
    pub(crate) compared: u64,
    /// Values sent to the first node and to the second.
    pub(crate) values: [u64; 2],
}

impl Pair {
    /// Starts both in a life, on what is in the folder; their trees have so many leaves.
    pub(crate) fn open(folder: &Path, leaves: u32, life: u32) -> Result<Self, Box<dyn Error>> {
        let config: Config = serde_json::from_value(json!({
            "seed": 7, "nodes": IDS, "gateways": [],
            "partitioner": { "kind": "token-ring" }, "versioning": { "kind": "vector" },
            "membership": { "kind": "fixed" }, "storage": { "kind": "lsm", "sync": "off" },
            "replication": { "kind": "strict", "n": 2, "r": 1, "w": 1 },
            "repair": [{ "kind": "sweep", "leaves": leaves }], "limits": {},
        }))?;
        let node = |id: NodeId| -> Result<Replica, Box<dyn Error>> {
            let own: PathBuf = folder.join(id.to_string());
            let storage = storage(&config, id, Some(&own))?;
            Ok(Replica::new(&config, id, life, storage)?)
        };
        Ok(Self {
            nodes: [node(IDS[0])?, node(IDS[1])?],
            sent: VecDeque::new(),
            elapsed: Duration::ZERO,
            inputs: 0,
            operations: u64::from(life) << 32,
            context: Bytes::new(),
        })
    }

    /// Writes so many keys on both nodes.
    pub(crate) fn write(&mut self, keys: u64, value_bytes: usize) {
        for number in 0..keys {
            self.put(number, (number % 2) as usize, value_bytes, Bytes::new());
            self.deliver();
        }
    }

    /// Writes some of the keys again, each on one of the nodes alone: half of them on the first.
    pub(crate) fn differ(&mut self, keys: impl Iterator<Item = u64>, value_bytes: usize) {
        for (place, number) in keys.enumerate() {
            let get = Call::Get {
                needs: ReadNeeds::default(),
            };
            self.ask(number, place % 2, get);
            self.deliver();
            let context = std::mem::take(&mut self.context);
            self.put(number, place % 2, value_bytes, context);
            self.sent.clear();
        }
    }

    /// Lets time pass until one node has compared all that it holds with the other.
    pub(crate) fn sweep(&mut self) -> Swept {
        let mut swept = Swept::default();
        let mut over = false;
        for _ in 0..MOST_ALARMS {
            let due = |place: usize| {
                (
                    self.nodes[place].next_timeout().unwrap_or(Duration::MAX),
                    place,
                )
            };
            let (due, place) = due(0).min(due(1));
            self.elapsed = self.elapsed.max(due);
            let mut notes = self.handle(place, Input::Timeout);
            while let Some((to, message)) = self.sent.pop_front() {
                swept.values[to] += values(&message);
                notes.extend(self.handle(to, Input::Message(IDS[1 - to], message)));
            }
            for event in notes {
                if let Event::Upkeep(note) = event
                    && note.chore == Chore::Swept
                {
                    swept.compared += note.count;
                    over = true;
                }
            }
            if over {
                self.end_batch();
                return swept;
            }
        }
        panic!("no sweep ends");
    }

    /// What both hold of a key is the same.
    pub(crate) fn agree(&self, number: u64) -> bool {
        let [one, other] = self
            .nodes
            .each_ref()
            .map(|node| node.storage().load(&name(number)));
        one == other && one.is_ok_and(|held| held.len() == 1)
    }

    fn put(&mut self, number: u64, via: usize, value_bytes: usize, context: Bytes) {
        let call = Call::Put {
            value: vec![number as u8; value_bytes].into(),
            context,
            needs: WriteNeeds::default(),
            checksum: None,
            siblings: Siblings::Omitted,
        };
        self.ask(number, via, call);
    }

    fn ask(&mut self, number: u64, via: usize, call: Call) {
        self.operations += 1;
        let request = Request {
            operation: OperationId::new(NodeId::client(1), self.operations),
            key: name(number),
            timeout: None,
            call,
        };
        self.handle(via, Input::Request(Ticket(self.operations), request));
    }

    fn deliver(&mut self) {
        while let Some((to, message)) = self.sent.pop_front() {
            self.handle(to, Input::Message(IDS[1 - to], message));
        }
    }

    /// Gives what a node notes; what it sends waits.
    fn handle(&mut self, place: usize, input: Input) -> Vec<Event> {
        self.inputs += 1;
        let now = Now::at(Timestamp(0), self.elapsed);
        let outputs = self.nodes[place].handle(now, input);
        if self.inputs.is_multiple_of(BATCH) {
            self.end_batch();
        }
        let mut notes = Vec::new();
        for output in outputs {
            match output {
                Output::Send(to, message) => {
                    self.sent.push_back((usize::from(to == IDS[1]), message));
                }
                Output::Note(event @ Event::Upkeep(_)) => notes.push(event),
                Output::Reply(_, Reply::Got(answer)) => self.context = answer.context,
                Output::Reply(_, Reply::Refused(refusal)) => panic!("{}", refusal.message),
                Output::Note(_) | Output::Reply(_, Reply::Written(_)) | Output::Enrolled(..) => {}
            }
        }
        notes
    }
}

impl Pair {
    fn end_batch(&mut self) {
        let written = self
            .nodes
            .each_mut()
            .map(|node| node.end_batch(self.elapsed));
        assert!(written.iter().all(Result::is_ok), "{written:?}");
    }
}

/// Of K keys, d of which differ, in trees of S leaves: d + (K − d)(1 − (1 − 1/S)^d).
pub(crate) fn formula(keys: u64, differing: u64, leaves: u32) -> f64 {
    let (k, d, s) = (keys as f64, differing as f64, f64::from(leaves));
    d + (k - d) * (1.0 - (1.0 - 1.0 / s).powf(d))
}

/// The name of a key.
pub(crate) fn name(number: u64) -> Bytes {
    Bytes::from(format!("key{number:012}"))
}

/// Values that a message carries.
fn values(message: &Message) -> u64 {
    let count = match message {
        Message::Store(store) => store.versions.len(),
        Message::Repair(repair) => repair.versions.len(),
        Message::Sweep(sweep) => match &sweep.body {
            Some(Body::Value(value)) => value.versions.len(),
            _ => 0,
        },
        _ => 0,
    };
    count as u64
}

const IDS: [NodeId; 2] = [NodeId::node(1), NodeId::node(2)];
const MOST_ALARMS: usize = 10_000;
