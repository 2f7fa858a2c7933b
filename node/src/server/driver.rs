//! The thread that owns the replica: takes inputs in batches, syncs once a batch, and then lets go what claims durability.

use super::Reporter;
use super::link::Links;
use crate::replica::{Input, Output, Replica};
use crate::request::{Code, Refusal, Reply, Request, Ticket};
use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tidemark_proto::event::Event;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::{Message, Method};
use tokio::sync::oneshot;

/// One replica and all that its outputs go to.
pub(super) struct Driver {
    replica: Replica,
    links: Links,
    reporter: Reporter,
    /// Tickets are never given twice.
    tickets: u64,
    /// Who waits for a reply. A caller that gives up stays until the core replies, at its deadline at the latest.
    waiting: BTreeMap<Ticket, oneshot::Sender<Reply>>,
    /// What may leave only after the next sync, in order.
    held: Vec<Output>,
}

/// The way to a driver: a bounded queue.
#[derive(Clone)]
pub(super) struct Inbox {
    orders: SyncSender<Order>,
    limit: u32,
    reporter: Reporter,
}

enum Order {
    Ask(Request, oneshot::Sender<Reply>),
    Hear(NodeId, Message),
    Stop,
}

impl Driver {
    pub(super) fn new(replica: Replica, links: Links, reporter: Reporter) -> Self {
        Self {
            replica,
            links,
            reporter,
            tickets: 0,
            waiting: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    /// Starts the thread. The last of the three resolves when it ends, whatever the reason.
    pub(super) fn start(
        self,
        limit: u32,
    ) -> io::Result<(Inbox, JoinHandle<()>, oneshot::Receiver<()>)> {
        let (orders, queue) = sync_channel(limit.max(1) as usize);
        let (alive, died) = oneshot::channel::<()>();
        let inbox = Inbox {
            orders,
            limit,
            reporter: self.reporter.clone(),
        };
        let name = format!("driver {}", self.reporter.id);
        let thread = thread::Builder::new().name(name).spawn(move || {
            let _alive = alive;
            self.run(&queue);
        })?;
        Ok((inbox, thread, died))
    }

    fn run(mut self, queue: &Receiver<Order>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            match self.next(queue) {
                Ok(order) => batch.push(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            batch.extend(queue.try_iter().take(BATCH - 1));
            let stop = batch.iter().any(|order| matches!(order, Order::Stop));
            self.handle(&mut batch);
            if stop {
                return;
            }
        }
    }

    /// Waits for an order, until the replica's alarm at the latest.
    fn next(&self, queue: &Receiver<Order>) -> Result<Order, RecvTimeoutError> {
        match self.replica.next_timeout() {
            Some(due) => queue.recv_timeout(due.saturating_sub(self.reporter.clock.elapsed())),
            None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn handle(&mut self, batch: &mut Vec<Order>) {
        let (began, size) = (self.reporter.clock.elapsed(), batch.len());
        if self.replica.next_timeout().is_some_and(|due| due <= began) {
            self.input(Input::Timeout);
        }
        for order in batch.drain(..) {
            match order {
                Order::Ask(request, reply) => {
                    self.tickets += 1;
                    let ticket = Ticket(self.tickets);
                    self.waiting.insert(ticket, reply);
                    self.input(Input::Request(ticket, request));
                }
                Order::Hear(from, message) => self.input(Input::Message(from, message)),
                Order::Stop => {}
            }
        }
        let handled = self.reporter.clock.elapsed();
        if self.replica.is_dirty() {
            self.replica.sync();
        }
        for output in std::mem::take(&mut self.held) {
            self.release(output);
        }
        let took = self.reporter.clock.elapsed() - began;
        if took > SLOW {
            let sync = took - (handled - began);
            let reason =
                format!("a batch of {size} inputs took {took:?}, {sync:?} of it to sync and send");
            self.reporter.refuse(OperationId::NONE, reason);
        }
    }

    fn input(&mut self, input: Input) {
        let now = self.reporter.clock.now();
        if let Input::Message(from, message) = &input {
            self.reporter.note(Event::Received {
                at: now.elapsed,
                operation: message.operation(),
                from: *from,
                to: self.reporter.id,
                method: message.method(),
            });
        }
        for output in self.replica.handle(now, input) {
            if self.replica.is_dirty() && claims_durability(&output) {
                self.held.push(output);
            } else {
                self.release(output);
            }
        }
    }

    fn release(&mut self, output: Output) {
        match output {
            Output::Reply(ticket, reply) => {
                if let Some(caller) = self.waiting.remove(&ticket) {
                    // A caller that gave up hears nothing.
                    let _ = caller.send(reply);
                }
            }
            Output::Send(to, message) => self.links.send(to, message),
            Output::Note(event) => self.reporter.note(event),
        }
    }
}

impl Inbox {
    /// Hands a client's request to the driver; the reply comes by itself.
    pub(super) fn ask(&self, request: Request) -> Result<oneshot::Receiver<Reply>, Refusal> {
        let (reply, answer) = oneshot::channel();
        let operation = request.operation;
        match self.orders.try_send(Order::Ask(request, reply)) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => {
                let message = format!("{} inputs wait for the node, the limit", self.limit);
                self.reporter.refuse(operation, message.clone());
                Err(Refusal::new(Code::ResourceExhausted, message))
            }
            Err(TrySendError::Disconnected(_)) => {
                Err(Refusal::new(Code::Unavailable, "the node has stopped"))
            }
        }
    }

    /// Hands a peer's message to the driver; a full queue drops it, and notes that.
    pub(super) fn hear(&self, from: NodeId, message: Message) {
        if let Err(TrySendError::Full(Order::Hear(_, message))) =
            self.orders.try_send(Order::Hear(from, message))
        {
            let (method, limit) = (message.method(), self.limit);
            let reason = format!("a {method} message from {from} was dropped: {limit} inputs wait");
            self.reporter.refuse(message.operation(), reason);
        }
    }

    /// Ends the driver after all that is in its queue; waits for room in it.
    pub(super) fn stop(&self) {
        let _ = self.orders.send(Order::Stop);
    }
}

/// Whether an output may mean to somebody that what was stored is durable. Requests to peers and notes do not.
fn claims_durability(output: &Output) -> bool {
    match output {
        Output::Reply(..) => true,
        Output::Note(_) => false,
        Output::Send(_, message) => match message.method() {
            Method::Store | Method::Fetch | Method::Forward | Method::Repair => false,
            Method::StoreReply
            | Method::FetchReply
            | Method::ForwardReply
            | Method::Get
            | Method::Put
            | Method::Delete => true,
        },
    }
}

/// Inputs handled between two syncs, at most. Fewer: more syncs; more: the first of them waits longer for the last.
const BATCH: usize = 128;
/// A batch that takes longer is noted.
const SLOW: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::{Config, storage};
    use serde_json::json;
    use std::sync::{Arc, Mutex};
    use tidemark_proto::clock::Clock;
    use tidemark_proto::wire;
    use tokio::sync::oneshot::error::TryRecvError;
    use tokio::task::JoinSet;

    /// Otherwise a client could be told of a write that a power loss then takes back.
    #[test]
    fn a_reply_waits_for_the_sync_and_a_request_to_a_peer_does_not() {
        let (mut driver, events) = driver(json!({ "kind": "model" }));
        let (reply, mut caller) = oneshot::channel();
        driver.waiting.insert(Ticket(1), reply);
        driver.input(Input::Request(Ticket(1), put()));
        assert!(matches!(caller.try_recv(), Err(TryRecvError::Empty)));
        let tried_to_send = |event: &Event| {
            matches!(event, Event::Refused { reason, .. }
                if reason.ends_with("there is no link"))
        };
        assert!(events.lock().unwrap().iter().any(tried_to_send));
        driver.handle(&mut Vec::new());
        assert!(matches!(caller.try_recv(), Ok(Reply::Written(_))));
    }

    /// Otherwise an engine that never syncs would delay every reply to the end of its batch.
    #[test]
    fn nothing_waits_where_nothing_is_to_be_synced() {
        let (mut driver, _) = driver(json!({ "kind": "memory" }));
        let (reply, mut caller) = oneshot::channel();
        driver.waiting.insert(Ticket(1), reply);
        driver.input(Input::Request(Ticket(1), put()));
        assert!(matches!(caller.try_recv(), Ok(Reply::Written(_))));
    }

    /// A driver of n1 without links, in a cluster of two that both hold every key.
    fn driver(storage_choice: serde_json::Value) -> (Driver, Arc<Mutex<Vec<Event>>>) {
        let config: Config = serde_json::from_value(json!({
            "seed": 7, "nodes": ["n1", "n2"], "gateways": [],
            "partitioner": { "kind": "token-ring" }, "versioning": { "kind": "vector" },
            "membership": { "kind": "fixed" }, "repair": [], "storage": storage_choice,
            "replication": { "kind": "strict", "n": 2, "r": 1, "w": 1 }, "limits": {},
        }))
        .unwrap();
        let id = NodeId::node(1);
        let replica = Replica::new(&config, id, 1, storage(&config).unwrap()).unwrap();
        let events = Arc::<Mutex<Vec<Event>>>::default();
        let reporter = Reporter {
            id,
            clock: Clock::start(),
            note: Arc::new({
                let events = Arc::clone(&events);
                move |event| events.lock().unwrap().push(event)
            }),
        };
        let links = Links::open(&BTreeMap::new(), &config, &reporter, &mut JoinSet::new());
        (Driver::new(replica, links.unwrap(), reporter), events)
    }

    fn put() -> Request {
        let (key, value) = ("k".to_owned(), "v".into());
        wire::PutRequest {
            key,
            value,
            ..Default::default()
        }
        .into()
    }
}
