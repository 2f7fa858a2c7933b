//! The thread that owns the replica: takes inputs in batches, syncs once a batch, and then lets go what claims durability.

use super::Reporter;
use super::outbox::Delivery;
use super::queue::Queue;
use crate::conditions::Shared;
use crate::durability::{BATCH, Due, claims_durability, may_store};
use crate::partitioner::Change;
use crate::replica::{Input, Output, Replica};
use crate::request::{Code, Enrolled, Refusal, Reply, Request, Ticket};
use crate::storage::Failed;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tidemark_proto::event::Event;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Message;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use tokio::task::{JoinSet, yield_now};

/// One replica and all that its outputs go to.
pub(super) struct Driver {
    replica: Replica,
    orders: Arc<Queue<Order>>,
    outbox: Arc<Queue<Delivery>>,
    reporter: Reporter,
    conditions: Shared,
    /// Tickets are never given twice.
    tickets: u64,
    /// Who waits for a reply. A caller that gives up stays until the core replies, at its deadline at the latest.
    waiting: BTreeMap<Ticket, oneshot::Sender<Reply>>,
    /// Who waits to be told the members.
    enrolling: BTreeMap<Ticket, oneshot::Sender<Told>>,
    /// What may leave only after the next sync, in order.
    held: Vec<Output>,
    /// Whether something was put in the outbox since its bell was rung.
    has_put: bool,
}

/// A driver's thread, which ends by itself only if the storage fails.
pub(super) type Thread = JoinHandle<Result<(), Failed>>;

/// The way to a driver: a bounded queue.
#[derive(Clone)]
pub(super) struct Inbox {
    orders: Arc<Queue<Order>>,
    driver: thread::Thread,
    reporter: Reporter,
}

/// What comes of asking for the members.
type Told = Result<Box<Enrolled>, Refusal>;

/// Something for the replica, and since when it has waited.
struct Order {
    since: Duration,
    what: What,
}

enum What {
    Ask(Request, oneshot::Sender<Reply>),
    Enrol(Option<Change>, oneshot::Sender<Told>),
    Hear(NodeId, Message),
}

impl What {
    fn may_store(&self) -> bool {
        match self {
            Self::Ask(request, _) => may_store(request.method()),
            Self::Enrol(..) => true,
            Self::Hear(_, message) => may_store(message.method()),
        }
    }
}

impl Driver {
    /// A driver that takes so many orders and hands what is to be delivered to an outbox.
    pub(super) fn new(
        replica: Replica,
        limit: u32,
        outbox: Arc<Queue<Delivery>>,
        reporter: Reporter,
        conditions: Shared,
    ) -> Self {
        Self {
            replica,
            orders: Arc::new(Queue::new(limit)),
            outbox,
            reporter,
            conditions,
            tickets: 0,
            waiting: BTreeMap::new(),
            enrolling: BTreeMap::new(),
            held: Vec::new(),
            has_put: false,
        }
    }

    /// Starts the thread, and the task that wakes it. The last of the three resolves when the thread ends, whatever the
    /// reason.
    pub(super) fn start(
        self,
        bells: &mut JoinSet<()>,
    ) -> io::Result<(Inbox, Thread, oneshot::Receiver<()>)> {
        let (alive, died) = oneshot::channel::<()>();
        let (orders, reporter) = (Arc::clone(&self.orders), self.reporter.clone());
        let name = format!("driver {}", self.reporter.id);
        let thread = thread::Builder::new().name(name).spawn(move || {
            let _alive = alive;
            self.run()
        })?;
        let inbox = Inbox {
            orders,
            driver: thread.thread().clone(),
            reporter,
        };
        bells.spawn(Bell(inbox.clone()).toll());
        Ok((inbox, thread, died))
    }

    fn run(mut self) -> Result<(), Failed> {
        for stored in self.replica.inventory(self.reporter.clock.elapsed()) {
            self.reporter.note(stored);
        }
        let mut batch = Vec::with_capacity(BATCH);
        while self.orders.take(BATCH, &mut batch) {
            let now = self.reporter.clock.elapsed();
            match self.replica.next_timeout() {
                _ if !batch.is_empty() => self.handle(&mut batch)?,
                None => thread::park(),
                Some(due) if due <= now => self.handle(&mut batch)?,
                Some(due) => thread::park_timeout(due - now),
            }
        }
        self.replica.sync()
    }

    fn handle(&mut self, batch: &mut Vec<Order>) -> Result<(), Failed> {
        let (began, size) = (self.reporter.clock.elapsed(), batch.len());
        if self.replica.next_timeout().is_some_and(|due| due <= began) {
            self.input(Input::Timeout);
        }
        for order in batch.extract_if(.., |order| !order.what.may_store()) {
            self.carry_out(began, order);
        }
        self.ring();
        for order in batch.drain(..) {
            self.carry_out(began, order);
        }
        self.ring();
        let handled = self.reporter.clock.elapsed();
        let due = self.replica.due(handled);
        self.replica.end_batch(handled)?;
        if due == Due::Sync {
            self.wait(self.conditions.get().slow_sync);
        }
        for output in std::mem::take(&mut self.held) {
            self.release(output);
        }
        self.ring();
        let took = self.reporter.clock.elapsed() - began;
        if took > SLOW {
            let sync = took - (handled - began);
            let reason =
                format!("a batch of {size} inputs took {took:?}, {sync:?} of it to sync and send");
            self.reporter.refuse(OperationId::NONE, reason);
        }
        Ok(())
    }

    fn carry_out(&mut self, began: Duration, order: Order) {
        let waited = began.saturating_sub(order.since);
        self.replica.hear_wait(began, waited);
        match order.what {
            What::Ask(request, reply) => {
                if let Err(refusal) = self.replica.admit(waited) {
                    self.refuse(request.operation, reply, refusal);
                    return;
                }
                let ticket = self.ticket();
                self.waiting.insert(ticket, reply);
                self.input(Input::Request(ticket, request));
            }
            What::Enrol(change, told) => {
                let ticket = self.ticket();
                self.enrolling.insert(ticket, told);
                self.input(Input::Enrol(ticket, change));
            }
            What::Hear(from, message) => self.input(Input::Message(from, message)),
        }
    }

    /// A request is not taken on.
    fn refuse(&mut self, operation: OperationId, caller: oneshot::Sender<Reply>, refusal: Refusal) {
        self.reporter.refuse(operation, refusal.message.clone());
        self.deliver(Delivery::Reply(caller, Reply::Refused(refusal)));
    }

    /// A slow disk takes its time; whoever rings meanwhile is heard afterwards.
    fn wait(&self, time: Duration) {
        let until = self.reporter.clock.elapsed() + time;
        while let Some(left) = until.checked_sub(self.reporter.clock.elapsed())
            && !left.is_zero()
        {
            thread::park_timeout(left);
        }
    }

    /// A ticket that was never given before.
    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn input(&mut self, input: Input) {
        let now = self.conditions.get().skew.apply(self.reporter.clock.now());
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
            if self.replica.holds_back() && claims_durability(&output) {
                self.held.push(output);
            } else {
                self.release(output);
            }
        }
    }

    fn release(&mut self, output: Output) {
        let delivery = match output {
            Output::Note(event) => return self.reporter.note(event),
            Output::Send(to, message) => Delivery::Send(to, message),
            Output::Enrolled(ticket, enrolled) => {
                if let Some(told) = self.enrolling.remove(&ticket) {
                    // Who has given up need not be told.
                    let _ = told.send(enrolled);
                }
                return;
            }
            Output::Reply(ticket, reply) => match self.waiting.remove(&ticket) {
                Some(caller) => Delivery::Reply(caller, reply),
                None => return,
            },
        };
        self.deliver(delivery);
    }

    fn deliver(&mut self, delivery: Delivery) {
        self.has_put = true;
        if let Err(TrySendError::Full(Delivery::Send(to, message))) = self.outbox.push(delivery) {
            let method = message.method();
            let reason = format!("a {method} message to {to} was dropped: the outbox is full");
            self.reporter.refuse(message.operation(), reason);
        }
    }

    /// Lets leave together what was put in the outbox.
    fn ring(&mut self) {
        if std::mem::take(&mut self.has_put) {
            self.outbox.ring();
        }
    }
}

impl Drop for Driver {
    /// Whoever waits for a driver that has ended learns it.
    fn drop(&mut self) {
        self.orders.abandon();
        self.outbox.close();
        self.outbox.ring();
    }
}

impl Inbox {
    /// Hands a client's request to the driver; the reply comes by itself.
    pub(super) fn ask(&self, request: Request) -> Result<oneshot::Receiver<Reply>, Refusal> {
        let operation = request.operation;
        self.order(operation, |reply| What::Ask(request, reply))
    }

    /// Asks the driver for the members, or for a change of them.
    pub(super) fn enrol(&self, change: Option<Change>) -> Result<oneshot::Receiver<Told>, Refusal> {
        self.order(OperationId::NONE, |reply| What::Enrol(change, reply))
    }

    fn order<T>(
        &self,
        operation: OperationId,
        what: impl FnOnce(oneshot::Sender<T>) -> What,
    ) -> Result<oneshot::Receiver<T>, Refusal> {
        let (reply, answer) = oneshot::channel();
        match self.orders.push(self.order_of(what(reply))) {
            Ok(()) => {
                self.orders.ring();
                Ok(answer)
            }
            Err(TrySendError::Full(_)) => {
                let message = format!(
                    "{} inputs wait for the node, the limit",
                    self.orders.limit()
                );
                self.reporter.refuse(operation, message.clone());
                Err(Refusal::new(Code::ResourceExhausted, message))
            }
            Err(TrySendError::Closed(_)) => {
                Err(Refusal::new(Code::Unavailable, "the node has stopped"))
            }
        }
    }

    /// An order that waits from now on.
    fn order_of(&self, what: What) -> Order {
        let since = self.reporter.clock.elapsed();
        Order { since, what }
    }

    /// Hands a peer's message to the driver; a full queue drops it, and notes that.
    pub(super) fn hear(&self, from: NodeId, message: Message) {
        match self.orders.push(self.order_of(What::Hear(from, message))) {
            Err(TrySendError::Full(Order {
                what: What::Hear(_, message),
                ..
            })) => {
                let (method, limit) = (message.method(), self.orders.limit());
                let reason =
                    format!("a {method} message from {from} was dropped: {limit} inputs wait");
                self.reporter.refuse(message.operation(), reason);
            }
            _ => self.orders.ring(),
        }
    }

    /// Ends the driver after all that is in its queue.
    pub(super) fn stop(&self) {
        self.orders.close();
        self.driver.unpark();
    }
}

/// What wakes the driver; it ends with its bell.
struct Bell(Inbox);

impl Bell {
    /// Wakes the driver once for all that one turn of the runtime brings in.
    async fn toll(self) {
        loop {
            self.0.orders.rung().await;
            // Until everybody else who is ready has had a turn.
            yield_now().await;
            self.0.driver.unpark();
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A batch that takes longer is noted.
const SLOW: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, storage};
    use serde_json::json;
    use tidemark_proto::clock::Clock;
    use tidemark_proto::wire;
    use tokio::sync::oneshot::error::TryRecvError;

    /// Otherwise a client could be told of a write that a power loss then takes back.
    #[test]
    fn a_reply_waits_for_the_sync_and_a_request_to_a_peer_does_not() {
        let mut driver = driver(json!({ "kind": "model" }));
        let (reply, _caller) = oneshot::channel();
        driver.waiting.insert(Ticket(1), reply);
        driver.input(Input::Request(Ticket(1), put()));
        let deliveries = delivered(&driver);
        assert!(matches!(
            deliveries[..],
            [Delivery::Send(_, Message::Store(_))]
        ));
        driver.handle(&mut Vec::new()).unwrap();
        let deliveries = delivered(&driver);
        assert!(matches!(
            deliveries[..],
            [Delivery::Reply(_, Reply::Written(_))]
        ));
    }

    /// Otherwise whatever is answered to a read, or to a write that others have acknowledged, would wait for a sync more.
    #[test]
    fn what_stores_nothing_does_not_wait_for_the_sync_of_its_batch() {
        let mut driver = driver(json!({ "kind": "model" }));
        let get = wire::GetRequest {
            key: "k".to_owned(),
            ..Default::default()
        };
        let since = Duration::ZERO;
        let (orders, _callers): (Vec<_>, Vec<_>) = [put(), get.into()]
            .map(|request| {
                let (reply, caller) = oneshot::channel();
                let what = What::Ask(request, reply);
                (Order { since, what }, caller)
            })
            .into_iter()
            .unzip();
        driver.handle(&mut { orders }).unwrap();
        let deliveries = delivered(&driver);
        assert!(matches!(
            deliveries[..],
            [
                Delivery::Send(_, Message::Fetch(_)),
                Delivery::Reply(_, Reply::Got(_)),
                Delivery::Send(_, Message::Store(_)),
                Delivery::Reply(_, Reply::Written(_)),
            ]
        ));
    }

    /// Otherwise an engine that never syncs would delay every reply to the end of its batch.
    #[test]
    fn nothing_waits_where_nothing_is_to_be_synced() {
        for storage in [
            json!({ "kind": "memory" }),
            json!({ "kind": "model", "sync": "off" }),
        ] {
            let mut driver = driver(storage);
            let (reply, _caller) = oneshot::channel();
            driver.waiting.insert(Ticket(1), reply);
            driver.input(Input::Request(Ticket(1), put()));
            let deliveries = delivered(&driver);
            assert!(matches!(
                deliveries[..],
                [_, Delivery::Reply(_, Reply::Written(_))]
            ));
        }
    }

    /// Otherwise what the kernel has would wait for the disk until the next write, or the disk for every batch.
    #[test]
    fn the_disk_is_given_what_the_kernel_has_once_an_interval() {
        let interval = json!({ "kind": "model", "sync": "interval", "interval": "1s" });
        let mut driver = driver(interval);
        driver.input(Input::Request(Ticket(1), put()));
        let replica = &mut driver.replica;
        assert!(replica.holds_back(), "the kernel does not have it yet");
        let due = [0, 0, 999, 1_000, 1_000, 5_000].map(|now| {
            let now = Duration::from_millis(now);
            let due = replica.due(now);
            replica.end_batch(now).unwrap();
            due
        });
        use Due::{Commit, Nothing, Sync};
        assert_eq!(due, [Commit, Nothing, Nothing, Sync, Nothing, Nothing]);
    }

    /// Otherwise a node with too much to do would do what nobody waits for any more, or waste what others have done.
    #[test]
    fn under_overload_what_has_waited_too_long_is_refused_if_a_client_asks_it() {
        let mut driver = driver(json!({ "kind": "memory" }));
        driver.reporter.clock = Clock::since(0);
        let now = driver.reporter.clock.elapsed();
        for interval in 0..2 {
            let at = now + interval * Duration::from_secs(3_600);
            driver.replica.hear_wait(at, Duration::from_millis(21));
        }
        let (reply, _caller) = oneshot::channel();
        let fetch = wire::Fetch {
            key: "k".into(),
            ..Default::default()
        };
        let orders = [
            What::Ask(put(), reply),
            What::Hear(NodeId::node(2), Message::Fetch(fetch)),
        ];
        // They have waited since the machine was started.
        let since = Duration::ZERO;
        let mut orders = orders.map(|what| Order { since, what }).into();
        driver.handle(&mut orders).unwrap();
        let deliveries = delivered(&driver);
        let [
            Delivery::Send(_, Message::FetchReply(_)),
            Delivery::Reply(_, Reply::Refused(refusal)),
        ] = &deliveries[..]
        else {
            panic!("{} deliveries", deliveries.len());
        };
        assert_eq!(refusal.code, Code::ResourceExhausted);
    }

    /// Otherwise a client would wait for ever for a node whose driver has died.
    #[test]
    fn whoever_waits_for_a_driver_that_has_ended_learns_it() {
        let driver = driver(json!({ "kind": "memory" }));
        let (reply, mut caller) = oneshot::channel();
        let since = Duration::ZERO;
        let what = What::Ask(put(), reply);
        assert!(driver.orders.push(Order { since, what }).is_ok());
        let (orders, outbox) = (Arc::clone(&driver.orders), Arc::clone(&driver.outbox));
        drop(driver);
        assert!(matches!(caller.try_recv(), Err(TryRecvError::Closed)));
        let what = What::Ask(put(), oneshot::channel().0);
        let since = Duration::ZERO;
        let late = Order { since, what };
        assert!(matches!(orders.push(late), Err(TrySendError::Closed(_))));
        assert!(!outbox.take(1, &mut Vec::new()));
    }

    fn delivered(driver: &Driver) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        assert!(driver.outbox.take(usize::MAX, &mut deliveries));
        deliveries
    }

    /// A driver of n1 in a cluster of two that both hold every key.
    fn driver(storage_choice: serde_json::Value) -> Driver {
        let config: Config = serde_json::from_value(json!({
            "seed": 7, "nodes": ["n1", "n2"], "gateways": [],
            "partitioner": { "kind": "token-ring" }, "versioning": { "kind": "vector" },
            "membership": { "kind": "fixed" }, "repair": [], "storage": storage_choice,
            "replication": { "kind": "strict", "n": 2, "r": 1, "w": 1 }, "limits": {},
            "admission": { "interval": "1h" },
        }))
        .unwrap();
        let id = NodeId::node(1);
        let replica = Replica::new(&config, id, 1, storage(&config, id, None).unwrap()).unwrap();
        let reporter = Reporter {
            id,
            clock: Clock::start(),
            note: None,
        };
        let outbox = Arc::new(Queue::new(config.limits.queue));
        Driver::new(
            replica,
            config.limits.queue,
            outbox,
            reporter,
            Shared::default(),
        )
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
