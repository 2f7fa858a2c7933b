//! Changes of the members on real sockets: the administrator on a thread of its own, and its questions to the nodes.

use super::cluster::{Cluster, Note};
use super::doors::Doors;
use crate::administrator::{Administrator, Ask};
use crate::plan::members::Step;
use anyhow::Context as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tidemark_node::partitioner::Change;
use tidemark_proto::clock::Clock;
use tidemark_proto::event::Event;
use tidemark_proto::id::NodeId;
use tidemark_proto::wire::membership_client::MembershipClient;
use tidemark_proto::wire::{JoinRequest, LeaveRequest, ReplaceRequest, RollReply, RollRequest};
use tokio::runtime::Handle;
use tonic::transport::Endpoint;

/// The administrator at work.
pub(crate) struct Changes {
    /// Dropped: the run is over.
    wanted: Sender<Step>,
    thread: JoinHandle<()>,
    doors: Doors,
    runtime: Handle,
}

impl Changes {
    /// Lets an administrator work.
    pub(crate) fn start(
        administrator: Administrator,
        cluster: &Cluster,
        runtime: &Handle,
    ) -> anyhow::Result<Self> {
        let (wanted, told) = channel();
        let desk = Desk {
            administrator,
            clock: cluster.clock(),
            doors: cluster.doors(),
            runtime: runtime.clone(),
            note: cluster.noted(),
        };
        let thread = std::thread::Builder::new().name("administrator".to_owned());
        let thread = thread
            .spawn(move || desk.work(&told))
            .context("the administrator's thread")?;
        Ok(Self {
            wanted,
            thread,
            doors: cluster.doors(),
            runtime: runtime.clone(),
        })
    }

    /// Asks a node to begin a change of the members, or who they are.
    ///
    /// # Errors
    /// Why it refuses, or that it does not answer.
    pub(crate) fn ask(&self, node: NodeId, change: Option<Change>) -> Result<RollReply, String> {
        self.runtime.block_on(ask(&self.doors, node, change))
    }

    /// Wants one more change.
    pub(crate) fn want(&self, step: Step) {
        // The thread lives as long as this sender.
        let _ = self.wanted.send(step);
    }

    /// Ends it; what is not over is noted as it is.
    pub(crate) fn end(self) {
        drop(self.wanted);
        // A thread that panicked has said so.
        let _ = self.thread.join();
    }
}

struct Desk {
    administrator: Administrator,
    clock: Clock,
    doors: Doors,
    runtime: Handle,
    note: Note,
}

impl Desk {
    fn work(mut self, told: &Receiver<Step>) {
        loop {
            let due = self.administrator.next_due().unwrap_or(Duration::MAX);
            let left = due.saturating_sub(self.clock.elapsed()).min(LONGEST_WAIT);
            match told.recv_timeout(left) {
                Ok(step) => self.administrator.want(step),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let mut next = self.administrator.act(self.clock.elapsed());
            while let Some(Ask {
                number,
                node,
                change,
            }) = next
            {
                let answer = (self.runtime).block_on(ask(&self.doors, node, change));
                let now = self.clock.elapsed();
                let (ask, over) = self.administrator.answered(now, number, answer);
                if let Some(span) = over {
                    (self.note)(Event::Fault(Box::new(span)));
                }
                next = ask;
            }
        }
        for span in self.administrator.abandon(self.clock.elapsed()) {
            (self.note)(Event::Fault(Box::new(span)));
        }
    }
}

/// Asks a node to begin a change, or who the members are; it is past the proxy.
///
/// # Errors
/// Why it refuses, or that it does not answer.
async fn ask(doors: &Doors, node: NodeId, change: Option<Change>) -> Result<RollReply, String> {
    let address = doors.of(node).ok_or("the node is down")?;
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| error.to_string())?
        .connect_timeout(ANSWERED_WITHIN)
        .timeout(ANSWERED_WITHIN);
    let channel = endpoint.connect().await;
    let channel = channel.map_err(|_| format!("{node} does not answer at {address}"))?;
    let mut members = MembershipClient::new(channel);
    let reply = match change {
        None => members.roll(RollRequest {}).await,
        Some(Change::Join(node)) => {
            let node = node.to_string();
            members.join(JoinRequest { node }).await
        }
        Some(Change::Leave(node)) => {
            let node = node.to_string();
            members.leave(LeaveRequest { node }).await
        }
        Some(Change::Replace { old, new }) => {
            let (old, new) = (old.to_string(), new.to_string());
            members.replace(ReplaceRequest { old, new }).await
        }
    };
    match reply {
        Ok(reply) => Ok(reply.into_inner()),
        Err(status) => Err(status.message().to_owned()),
    }
}

/// How long a node may take: one that is paused holds nobody up.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);
/// Waits are so long at most: the clock may stand before the run's epoch.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
