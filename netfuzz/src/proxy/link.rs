//! One directed link: a listener for its sender, a connection to its receiver, and what is counted in between.

use super::call;
use super::judge::{Judge, Lane};
use super::upstream::Upstream;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use h2::server::Builder;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidemark_proto::event::Direction;
use tidemark_proto::id::NodeId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// A directed link.
pub(super) struct Link {
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    pub(super) judge: Arc<Judge>,
    pub(super) upstream: Upstream,
    /// Whether each streamed message is on its own, free to overtake.
    pub(super) datagram: AtomicBool,
    /// The bytes that streams may still hold back.
    pub(super) room: Arc<Semaphore>,
    methods: Mutex<BTreeMap<String, Arc<Counted>>>,
}

impl Link {
    pub(super) fn new(from: NodeId, to: NodeId, upstream: String, judge: Arc<Judge>) -> Self {
        Self {
            from,
            to,
            upstream: Upstream::new(upstream),
            datagram: AtomicBool::new(false),
            room: Arc::new(Semaphore::new(judge.limits.held_bytes)),
            methods: Mutex::default(),
            judge,
        }
    }

    /// What is counted of a method.
    pub(super) fn method(&self, name: &str) -> Arc<Counted> {
        let mut methods = self.methods.lock().unwrap_or_else(PoisonError::into_inner);
        let full = methods.len() >= self.judge.limits.methods;
        let name = if full && !methods.contains_key(name) {
            OTHER
        } else {
            name
        };
        if let Some(counted) = methods.get(name) {
            return counted.clone();
        }
        let counted = Arc::new(Counted {
            name: name.into(),
            requests: AtomicU64::new(0),
            responses: AtomicU64::new(0),
        });
        methods.insert(name.to_owned(), counted.clone());
        counted
    }

    /// The lane of one direction of a method.
    pub(super) fn lane(&self, method: &Counted, direction: Direction) -> Lane {
        Lane::new(self.from, self.to, method.name.clone(), direction)
    }

    /// Serves the link's sender for as long as the future lives.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => drop(connections.spawn(self.clone().converse(stream))),
                    Err(error) => {
                        tracing::warn!(%error, "link {} -> {} takes no connection", self.from, self.to);
                        tokio::time::sleep(RETRY).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn converse(self: Arc<Self>, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delays");
        }
        if let Err(error) = self.answer(stream).await {
            tracing::debug!(%error, "a connection broke");
        }
    }

    /// Takes a connection's calls. They share its task: what is due at once is read and written at once.
    async fn answer(self: Arc<Self>, stream: TcpStream) -> Result<(), h2::Error> {
        let limits = self.judge.limits;
        let mut connection = Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEADER_BYTES)
            .max_concurrent_streams(limits.calls)
            .max_pending_accept_reset_streams(limits.calls as usize)
            .max_local_error_reset_streams(None)
            .handshake(stream)
            .await?;
        let mut calls = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                Some(()) = calls.next() => {}
                accepted = connection.accept() => match accepted {
                    Some(accepted) => {
                        let (request, answer) = accepted?;
                        calls.push(call::answer(self.clone(), request, answer));
                    }
                    None => return Ok(()),
                },
            }
        }
    }
}

/// A method of a link, and how many messages of it came without a number of their own.
pub(super) struct Counted {
    name: Arc<str>,
    requests: AtomicU64,
    responses: AtomicU64,
}

impl Counted {
    /// The next number in this direction, from 1.
    pub(super) fn next(&self, direction: Direction) -> u64 {
        let count = match direction {
            Direction::Request => &self.requests,
            Direction::Response => &self.responses,
        };
        count.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// HTTP/2's flow-control windows, in bytes. They do not limit what is held back: that is read at once.
pub(super) const STREAM_WINDOW: u32 = 2 << 20;
pub(super) const CONNECTION_WINDOW: u32 = 8 << 20;
/// The longest list of headers in bytes.
pub(super) const HEADER_BYTES: u32 = 16 << 10;
const RETRY: Duration = Duration::from_millis(50);
const OTHER: &str = "/other";
