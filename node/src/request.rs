//! What a client asks of a node and what it is told, in the core's own words.

mod wire;

use crate::roll::Roll;
use bytes::Bytes;
use std::borrow::Cow;
use std::time::Duration;
use tidemark_proto::id::{Actor, NodeId, OperationId};
use tidemark_proto::message::Method;

/// Stands for a client's open call; the reply carries it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A client's request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The operation it belongs to; none: the coordinator names one.
    pub operation: OperationId,
    /// Of which key.
    pub key: Bytes,
    /// How long to wait for the quorum; none: the cluster's timeout.
    pub timeout: Option<Duration>,
    /// What is asked.
    pub call: Call,
}

impl Request {
    /// The method by which it comes.
    #[must_use]
    pub fn method(&self) -> Method {
        match self.call {
            Call::Get { .. } | Call::Probe => Method::Get,
            Call::Put { .. } => Method::Put,
            Call::Delete { .. } => Method::Delete,
        }
    }
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// Read every concurrent version.
    Get {
        /// Which answers to wait for.
        needs: ReadNeeds,
    },
    /// Read what the node that is asked holds itself.
    Probe,
    /// Write a value.
    Put {
        /// What to write.
        value: Bytes,
        /// What the write supersedes; empty: nothing.
        context: Bytes,
        /// Which acknowledgements to wait for.
        needs: WriteNeeds,
        /// XXH3 of the value; none: not checked.
        checksum: Option<u64>,
        /// Whether to answer what the coordinator holds after the write.
        siblings: Siblings,
    },
    /// Write a tombstone.
    Delete {
        /// What the delete supersedes; empty: what a read quorum holds now.
        context: Bytes,
        /// How many replicas must answer the read that an empty context asks for; none: the cluster's R.
        read_quorum: Option<u32>,
        /// Which acknowledgements to wait for.
        needs: WriteNeeds,
    },
}

/// Which answers a read waits for; what is absent is the cluster's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadNeeds {
    /// How many replicas must answer.
    pub quorum: Option<u32>,
    /// How many of them must be among the first N of the preference list.
    pub primaries: Option<u32>,
    /// How many distinct nodes must answer.
    pub nodes: Option<u32>,
    /// Whether a replica that holds nothing counts before all have answered.
    pub not_found_ok: Option<bool>,
    /// Where it does not: whether most replicas that hold nothing end the read.
    pub basic_quorum: Option<bool>,
}

/// Which acknowledgements a write waits for; what is absent is the cluster's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteNeeds {
    /// How many replicas must acknowledge.
    pub quorum: Option<u32>,
    /// How many of them must be among the first N of the preference list.
    pub primaries: Option<u32>,
    /// How many of them must have synced.
    pub durable: Option<u32>,
    /// How many distinct nodes must acknowledge.
    pub nodes: Option<u32>,
}

/// Whether a put answers the versions held after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Siblings {
    /// The reply and its context cover the write alone.
    Omitted,
    /// The reply lists them and its context covers them.
    Returned,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Of a get.
    Got(Answer),
    /// Of a put or a delete; the versions are empty unless siblings were asked for.
    Written(Answer),
    /// It was not carried out, or not in time.
    Refused(Refusal),
}

/// The members as a node knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// Who they are, and what is under way.
    pub roll: Roll,
    /// Which of them the node believes to be down.
    pub down: Vec<NodeId>,
    /// Whom it takes for the registrar.
    pub registrar: Option<NodeId>,
    /// If that is itself: those of whom it does not know that they have taken the present step, and moved all keys.
    pub awaited: Vec<NodeId>,
    /// While keys move: how much of what it holds it has gone through.
    pub moved_percent: Option<u32>,
}

/// What came of a request that was carried out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Concurrent versions, tombstones left out, in a stable order.
    pub versions: Vec<AnsweredVersion>,
    /// Covers them, and tombstones too.
    pub context: Bytes,
    /// The context in readable form.
    pub clock: Vec<(Actor, u64)>,
    /// The replicas that had answered, in the order in which they did.
    pub answered: Vec<NodeId>,
    /// Who coordinated; none only in a malformed message.
    pub coordinator: Option<NodeId>,
}

/// A version as a client sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct AnsweredVersion {
    /// What was written.
    pub value: Bytes,
    /// By which operation.
    pub operation: OperationId,
    /// Its clock in readable form.
    pub clock: Vec<(Actor, u64)>,
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of reason.
    pub code: Code,
    /// The thing, the value and the choices.
    pub message: Cow<'static, str>,
}

/// The kinds of refusal, with gRPC's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// A field is out of its bounds.
    InvalidArgument = 3,
    /// The quorum did not answer in time: a write may still take effect.
    DeadlineExceeded = 4,
    /// A limit is reached, or the disk is full.
    ResourceExhausted = 8,
    /// The cluster is not laid out for it, or not as many nodes are up: nothing was done.
    FailedPrecondition = 9,
    /// The node is not able to serve now.
    Unavailable = 14,
    /// A value, or what a replica holds of the key, does not match its checksum.
    DataLoss = 15,
}

impl Code {
    const ALL: [Self; 6] = [
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Unavailable,
        Self::DataLoss,
    ];

    /// The name that the gRPC specification gives it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
        }
    }

    /// Whether a write that was refused so may take effect all the same.
    #[must_use]
    pub fn leaves_unknown(self) -> bool {
        match self {
            Self::DeadlineExceeded | Self::Unavailable => true,
            Self::InvalidArgument
            | Self::ResourceExhausted
            | Self::FailedPrecondition
            | Self::DataLoss => false,
        }
    }
}

impl Refusal {
    /// A refusal with its reason.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }
}
