//! Never replicates: a coordinator stores a write at itself, acknowledges it, and tells nobody; it answers reads by itself.
//!
//! Whoever stays with one coordinator sees nothing wrong. It must be a replica of every key: nobody else would answer.

use crate::context::Context;
use crate::coordinator::{Coordinator, Quorums, Route};
use crate::replica::Output;
use crate::replication::{Build, Replication};
use crate::request::{Request, Ticket};
use crate::view::Belief;
use std::time::Duration;
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Message;
use tidemark_proto::registry::{Entry, OptionError, Options, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "never-replicates",
    about: "whoever coordinates a write keeps it for itself, whatever r and w are",
    promises: &[],
    resolve: resolve::<Quorums>,
    schema: schema::<Quorums>,
    build,
};

fn build(options: &Options) -> Result<Box<dyn Replication>, OptionError> {
    let quorums: Quorums = parse(options)?;
    quorums.check(1)?;
    let alone = Quorums {
        r: 1,
        w: 1,
        ..quorums
    };
    Ok(Box::new(NeverReplicates(Coordinator::new(
        alone,
        Route::to_replicas,
    ))))
}

/// A coordinator to whose replicas nothing goes out.
struct NeverReplicates(Coordinator);

impl NeverReplicates {
    fn alone(
        &mut self,
        context: &mut Context<'_>,
        work: impl FnOnce(&mut Coordinator, &mut Context<'_>),
    ) {
        work(&mut self.0, context);
        context.outputs.retain(|output| {
            !matches!(
                output,
                Output::Send(_, Message::Store(_) | Message::Fetch(_))
            )
        });
    }
}

impl Replication for NeverReplicates {
    fn in_flight(&self) -> usize {
        self.0.in_flight()
    }

    fn oldest_write(&self) -> Option<u64> {
        self.0.oldest_write()
    }

    fn may_leave_behind(&self) -> usize {
        self.0.may_leave_behind()
    }

    fn request(&mut self, context: &mut Context<'_>, ticket: Ticket, request: Request) {
        self.alone(context, |it, context| it.request(context, ticket, request));
    }

    fn message(&mut self, context: &mut Context<'_>, from: NodeId, message: Message) {
        self.alone(context, |it, context| it.message(context, from, message));
    }

    fn believed(&mut self, context: &mut Context<'_>, node: NodeId, belief: Belief) {
        self.alone(context, |it, context| it.believed(context, node, belief));
    }

    fn timeout(&mut self, context: &mut Context<'_>) {
        self.alone(context, |it, context| it.timeout(context));
    }

    fn next_timeout(&self) -> Option<Duration> {
        self.0.next_timeout()
    }
}
