//! The clients of a run on real sockets: their state machine on a thread of its own, a call a task.

use super::cluster::{Cluster, Note};
use crate::backend::{Progress, Run};
use crate::call::{call, method};
use crate::client::{Clients, Want};
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tidemark_node::request::{Code, Refusal, Reply, Request};
use tidemark_proto::clock::Clock;
use tidemark_proto::event::Event;
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Method;
use tidemark_proto::wire::forward::Call;
use tidemark_proto::wire::kv_client::KvClient;
use tokio::runtime::Handle;
use tonic::transport::{Channel, Endpoint};

/// The clients at work.
pub(super) struct Load {
    tell: Sender<Told>,
    thread: JoinHandle<()>,
}

/// What the clients' thread is told.
enum Told {
    Answer {
        at: Duration,
        attempt: u64,
        reply: Reply,
    },
    End,
}

impl Load {
    /// Starts the clients; they begin when the plan says so.
    pub(super) fn start(run: &Run, cluster: &Cluster, runtime: &Handle) -> anyhow::Result<Self> {
        let clock = cluster.clock();
        let mut channels = BTreeMap::new();
        for (ends, address) in cluster.client_links() {
            let endpoint = Endpoint::from_shared(format!("http://{address}"))?
                .tcp_nodelay(true)
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(WINDOW);
            channels.insert(ends, KvClient::new(endpoint.connect_lazy()));
        }
        let (tell, told) = channel();
        let desk = Desk {
            clients: Clients::new(&run.plan)?,
            clock,
            caller: Caller {
                runtime: runtime.clone(),
                channels,
                numbers: BTreeMap::new(),
                timeout: run.plan.client.timeout.0,
                clock,
                tell: tell.clone(),
                note: cluster.noted(),
            },
            progress: Arc::clone(&run.progress),
        };
        let thread = std::thread::Builder::new().name("clients".to_owned());
        let thread = thread
            .spawn(move || desk.work(&told))
            .context("the clients' thread")?;
        Ok(Self { tell, thread })
    }

    /// Ends the clients; what they have under way is left, its outcome unknown.
    pub(super) fn end(self) {
        // A thread that has ended already needs no telling; one that panicked has said so.
        let _ = self.tell.send(Told::End);
        let _ = self.thread.join();
    }
}

struct Desk {
    clients: Clients,
    clock: Clock,
    caller: Caller,
    progress: Arc<Progress>,
}

impl Desk {
    fn work(mut self, told: &Receiver<Told>) {
        let mut wants = Vec::new();
        loop {
            let due = self.clients.next_due().unwrap_or(Duration::MAX);
            let left = due.saturating_sub(self.clock.elapsed()).min(LONGEST_WAIT);
            match told.recv_timeout(left) {
                Ok(Told::Answer { at, attempt, reply }) => {
                    self.clients.answered(at, attempt, reply, &mut wants);
                }
                Ok(Told::End) | Err(RecvTimeoutError::Disconnected) => {
                    self.clients.abandon(self.clock.elapsed(), &mut wants);
                    self.satisfy(&mut wants);
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.clients.act(self.clock.elapsed(), &mut wants);
            self.satisfy(&mut wants);
        }
    }

    fn satisfy(&mut self, wants: &mut Vec<Want>) {
        for want in wants.drain(..) {
            match want {
                Want::Note(event) => {
                    if matches!(event, Event::Returned(_)) {
                        self.progress.count_operation();
                    }
                    (self.caller.note)(event);
                }
                Want::Send {
                    attempt,
                    client,
                    node,
                    request,
                } => {
                    self.caller.call(attempt, client, node, request);
                }
            }
        }
    }
}

struct Caller {
    runtime: Handle,
    channels: BTreeMap<(NodeId, NodeId), KvClient<Channel>>,
    /// The last message number per client, node and method.
    numbers: BTreeMap<(NodeId, NodeId, Method), u64>,
    timeout: Duration,
    clock: Clock,
    tell: Sender<Told>,
    note: Note,
}

impl Caller {
    fn call(&mut self, attempt: u64, client: NodeId, node: NodeId, request: Request) {
        let operation = request.operation;
        let (tell, clock) = (self.tell.clone(), self.clock);
        let answer = move |reply: Reply| {
            // The desk is gone once the run is over.
            let _ = tell.send(Told::Answer {
                at: clock.elapsed(),
                attempt,
                reply,
            });
        };
        let (Some(channel), Ok(asked)) =
            (self.channels.get(&(client, node)), Call::try_from(request))
        else {
            return answer(Reply::Refused(Refusal::new(
                Code::Unavailable,
                "there is no such link",
            )));
        };
        let method = method(&asked);
        let k = self.numbers.entry((client, node, method)).or_default();
        *k += 1;
        let k = *k;
        (self.note)(Event::Sent {
            at: clock.elapsed(),
            operation,
            from: client,
            to: node,
            method,
            k,
        });
        let (channel, timeout) = (channel.clone(), self.timeout);
        self.runtime.spawn(async move {
            answer(call(channel, asked, Some(k), timeout).await);
        });
    }
}

const WINDOW: u32 = 4 << 20;
const LONGEST_WAIT: Duration = Duration::from_millis(100);
