//! What can happen in the simulated world. What is large and rare is boxed: the queue moves these about.

use super::calls::OpenCall;
use crate::plan::machine::Blow;
use tidemark_node::replica::Input;
use tidemark_node::request::{Reply, Request};
use tidemark_proto::event::{FaultSpan, Milestone};
use tidemark_proto::id::NodeId;
use tidemark_proto::message::{Message, Method};

/// What can happen.
pub(super) enum Happening {
    /// A message reaches a node.
    Arrive {
        from: NodeId,
        to: usize,
        message: Message,
    },
    /// A client's request reaches a node.
    Ask {
        call: OpenCall,
        request: Box<Request>,
    },
    /// An answer reaches a client.
    Answer {
        attempt: u64,
        reply: Box<Reply>,
    },
    /// A node has worked off what came before, and takes this input, if it still lives the same life.
    Handle {
        to: usize,
        life: u32,
        input: Box<Input>,
        about: Option<(NodeId, Method)>,
    },
    /// A node's disk has what it was given, if the node still lives the same life.
    DiskDone {
        node: usize,
        life: u32,
    },
    /// A node's alarm.
    Alarm {
        node: usize,
    },
    /// The clients' alarm.
    Clients,
    /// The administrator's.
    Administrator,
    Begin(Box<FaultSpan>),
    /// A machine fault strikes.
    Strike {
        node: usize,
        blow: Blow,
    },
    /// It is over.
    Mend {
        node: usize,
        blow: Blow,
    },
    Milestone(Milestone),
}
