//! The links to other nodes: for each node and message class one client-streaming call, opened on the first message.
//!
//! A lane is the queue of one class to one node and the call that carries it. It numbers messages as it hands them to
//! the call, and counts on when a call has broken. What a broken call had taken is lost, and so is what was to be sent
//! before the next one: a peer that was away does not get it all in one heap when it comes back.

use super::frames::Frames;
use super::{Reporter, ServeError};
use crate::chance;
use crate::config::Config;
use rand::Rng;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tidemark_proto::event::Event;
use tidemark_proto::id::NodeId;
use tidemark_proto::message::{Message, Method};
use tidemark_proto::wire::peer_server::SERVICE_NAME;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};
use tokio::task::JoinSet;
use tokio_stream::Stream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// The metadata that names a stream's sender.
pub(super) const FROM: &str = "tidemark-from";

/// The queues of all lanes.
pub(super) struct Links {
    queues: BTreeMap<(NodeId, Method), Sender<Message>>,
    limit: u32,
    reporter: Reporter,
}

impl Links {
    /// Starts a task per lane; they end when the links are dropped and all that waits has been carried.
    pub(super) fn open(
        addresses: &BTreeMap<NodeId, String>,
        config: &Config,
        reporter: &Reporter,
        lanes: &mut JoinSet<()>,
    ) -> Result<Self, ServeError> {
        let limit = config.limits.queue;
        let mut queues = BTreeMap::new();
        for (&to, address) in addresses {
            let endpoint = Endpoint::from_shared(format!("http://{address}"));
            let endpoint = endpoint.map_err(|error| ServeError::Link {
                to,
                address: address.clone(),
                error,
            })?;
            let peer = endpoint
                .tcp_nodelay(true)
                .connect_timeout(LONGEST_PAUSE)
                .connect_lazy();
            for &method in Method::PEER {
                let (queue, waiting) = channel(limit.max(1) as usize);
                queues.insert((to, method), queue);
                let lane = Lane {
                    to,
                    method,
                    waiting,
                    first: None,
                    next_k: 1,
                    reporter: reporter.clone(),
                };
                let purpose = format!("pauses of {method} to {to}");
                let chance = chance::stream(config.seed, &purpose, reporter.id);
                lanes.spawn(lane.carry(peer.clone(), chance));
            }
        }
        Ok(Self {
            queues,
            limit,
            reporter: reporter.clone(),
        })
    }

    /// Queues a message. Never waits: a full queue drops it, and notes that.
    pub(super) fn send(&self, to: NodeId, message: Message) {
        let method = message.method();
        let (message, why) = match self.queues.get(&(to, method)) {
            None => (message, "there is no link".to_owned()),
            Some(queue) => match queue.try_send(message) {
                Ok(()) => return,
                Err(TrySendError::Full(message)) => (message, format!("{} wait", self.limit)),
                Err(TrySendError::Closed(message)) => (message, "its link has ended".to_owned()),
            },
        };
        let reason = format!("a {method} message to {to} was dropped: {why}");
        self.reporter.refuse(message.operation(), reason);
    }
}

struct Lane {
    to: NodeId,
    method: Method,
    waiting: Receiver<Message>,
    /// Taken from the queue, and not yet numbered.
    first: Option<Message>,
    next_k: u64,
    reporter: Reporter,
}

impl Lane {
    /// Carries messages until nobody can send one any more.
    async fn carry(mut self, peer: Channel, mut chance: impl Rng) {
        let mut failures = 0;
        while self.has_message().await {
            let opened = self.reporter.clock.elapsed();
            let outcome;
            (self, outcome) = self.stream(Grpc::new(peer.clone())).await;
            if let Err(error) = outcome {
                let (from, to, method) = (self.reporter.id, self.to, self.method);
                tracing::debug!(%from, %to, %method, %error, "a stream to a peer broke");
            }
            if self.reporter.clock.elapsed() - opened > LONGEST_PAUSE {
                failures = 0;
            }
            tokio::time::sleep(pause(failures, &mut chance)).await;
            failures += 1;
            self.drop_waiting();
        }
    }

    /// What was to be sent while the peer was away is lost, as on any network: it does not arrive in one heap later.
    fn drop_waiting(&mut self) {
        let waiting =
            std::iter::from_fn(|| self.first.take().or_else(|| self.waiting.try_recv().ok()));
        let operations: Vec<_> = waiting.map(|message| message.operation()).collect();
        for operation in operations {
            let reason = format!(
                "a {} message to {} was dropped: its link is down",
                self.method, self.to
            );
            self.reporter.refuse(operation, reason);
        }
    }

    async fn has_message(&mut self) -> bool {
        if self.first.is_none() {
            self.first = self.waiting.recv().await;
        }
        self.first.is_some()
    }

    /// Opens a call and lends it the lane until the call is over.
    async fn stream(self, mut grpc: Grpc<Channel>) -> (Self, Result<(), Status>) {
        let path = format!("/{SERVICE_NAME}/{}", self.method);
        let path = PathAndQuery::try_from(path).expect("method names are letters");
        let (from, k) = (self.reporter.id.to_string(), self.next_k);
        let loan = Loan(Arc::new(Mutex::new(Some(self))));
        let mut request = Request::new(loan.clone());
        let metadata = request.metadata_mut();
        metadata.insert(FROM, from.parse().expect("names are letters and digits"));
        metadata.insert("tidemark-k", k.into());
        let outcome = match grpc.ready().await {
            Ok(()) => grpc.client_streaming(request, path, Frames).await.map(drop),
            Err(error) => Err(Status::unavailable(error.to_string())),
        };
        let lane = loan.lane().take();
        (lane.expect("only its owner takes a lane back"), outcome)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let message = match self.first.take() {
            Some(message) => message,
            None => match ready!(self.waiting.poll_recv(cx)) {
                Some(message) => message,
                None => return Poll::Ready(None),
            },
        };
        let k = self.next_k;
        self.next_k += 1;
        self.reporter.note(Event::Sent {
            at: self.reporter.clock.elapsed(),
            operation: message.operation(),
            from: self.reporter.id,
            to: self.to,
            method: self.method,
            k,
        });
        Poll::Ready(Some(message))
    }
}

/// A lane lent to a call. A call that is over may be dropped late: by then the lane is back with its owner, and what
/// is left of the call finds nothing to take.
#[derive(Clone)]
struct Loan(Arc<Mutex<Option<Lane>>>);

impl Loan {
    fn lane(&self) -> MutexGuard<'_, Option<Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream for Loan {
    type Item = Option<Message>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut *self.lane() {
            Some(lane) => lane.poll_next(cx).map(|message| message.map(Some)),
            None => Poll::Ready(None),
        }
    }
}

/// How long to wait before the next call: doubled with every failure, and drawn from its upper half, so that lanes
/// which broke together do not dial together.
fn pause(failures: u32, chance: &mut impl Rng) -> Duration {
    let longest = SHORTEST_PAUSE
        .saturating_mul(1 << failures.min(16))
        .min(LONGEST_PAUSE);
    longest.mul_f64(0.5 + f64::from(chance.next_u32()) / 2f64.powi(33))
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut chance = chance::stream(7, "test", NodeId::node(1));
        for (failures, most_ms) in [(0, 10), (1, 20), (3, 80), (4, 160), (5, 200), (99, 200)] {
            let most = Duration::from_millis(most_ms);
            for _ in 0..100 {
                let drawn = pause(failures, &mut chance);
                assert!(most / 2 <= drawn && drawn <= most, "{failures}: {drawn:?}");
            }
        }
    }
}
