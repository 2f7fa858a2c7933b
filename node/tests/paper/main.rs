//! One test per claim of the papers that the first strategy of each seam follows, the section cited; a file a chapter.
//!
//! Reference: DeCandia et al., Dynamo: Amazon's highly available key-value store, SOSP 2007.

mod execution;
mod failures;
#[path = "../harness/mod.rs"]
mod harness;
mod members;
mod partitioning;
mod read_repair;
mod synchronization;
mod versioning;

use bytes::Bytes;
use harness::{Cluster, Shape, config, replies};
use serde_json::json;
use tidemark_node::replica::Output;
use tidemark_node::request::{Answer, Reply, Request};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Method;

/// Delivers what is on its way to these nodes, not what they answer.
pub(crate) fn deliver_all_to(cluster: &mut Cluster, nodes: &[u16]) {
    for _ in 0..cluster.bag.len() {
        assert!(nodes.contains(&cluster.bag[0].to.number()));
        cluster.deliver(0);
    }
}

/// Asks a node, delivers everything, and returns the answer.
pub(crate) fn ask(cluster: &mut Cluster, node: NodeId, request: Request) -> Answer {
    let (ticket, mut outputs) = cluster.ask(node, request);
    outputs.extend(cluster.settle());
    let mut replies = replies(&outputs);
    replies.retain(|(of, _)| *of == ticket);
    assert_eq!(replies.len(), 1, "one answer: {replies:?}");
    got(replies.remove(0).1)
}

pub(crate) fn got(reply: Reply) -> Answer {
    match reply {
        Reply::Got(answer) | Reply::Written(answer) => answer,
        Reply::Refused(refusal) => panic!("it is refused: {refusal:?}"),
    }
}

pub(crate) fn sent(outputs: &[Output]) -> Vec<(NodeId, Method)> {
    let send = |output: &Output| match output {
        Output::Send(to, message) => Some((*to, message.method())),
        Output::Reply(..) | Output::Enrolled(..) | Output::Note(_) => None,
    };
    outputs.iter().filter_map(send).collect()
}

pub(crate) fn values(answer: &Answer) -> Vec<String> {
    let text = |value: &Bytes| String::from_utf8_lossy(value).into_owned();
    let mut values: Vec<_> = answer
        .versions
        .iter()
        .map(|version| text(&version.value))
        .collect();
    values.sort();
    values
}

pub(crate) fn cluster(shape: Shape) -> Cluster {
    Cluster::new(config(shape, json!({}), &["read"]))
}

pub(crate) fn operation(sequence: u64) -> OperationId {
    OperationId::new(NodeId::client(1), sequence)
}
