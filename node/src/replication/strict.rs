//! Strict quorum: the first N nodes of the preference list and no others; R answer a read, W acknowledge a write.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.5, before the quorum is made sloppy; Gifford, Weighted voting for
//! replicated data, SOSP 1979.

use super::{Build, Replication};
use crate::context::Context;
use crate::coordinator::{Coordinator, Requester, Route};
use crate::request::{Code, Refusal, Reply, Request, Ticket};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidemark_proto::id::{NodeId, Role};
use tidemark_proto::message::Message;
use tidemark_proto::registry::{Entry, OptionError, Options, Promise, parse, resolve, schema};
use tidemark_proto::span::Span;

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "strict",
    about: "N replicas, R answer a read, W acknowledge a write; nobody stands in for a replica that is down",
    promises: &[Promise::FreshWhenQuorumsOverlap],
    resolve: resolve::<StrictOptions>,
    schema: schema::<StrictOptions>,
    build,
};

/// How many replicas hold a key and how many must answer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StrictOptions {
    /// N: replicas of a key. Too few: lost with their nodes; too many: every write costs more messages.
    n: usize,
    /// R: replicas that must answer a read. R + W > N: no stale reads; smaller: faster and staler.
    r: usize,
    /// W: replicas that must acknowledge a write. Smaller: faster, staler and sooner lost.
    w: usize,
    /// How long a coordinator waits for them. Too short: false refusals; too long: clients that wait for the dead.
    #[serde(default = "default_timeout")]
    timeout: Span,
    /// Who coordinates.
    #[serde(default)]
    coordinator: Place,
}

/// Who coordinates a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Place {
    /// Whoever is asked.
    #[default]
    Any,
    /// The first node of the key's preference list; others forward to it.
    First,
    /// A gateway, which holds no keys; nodes forward to one.
    Gateway,
}

struct Strict {
    options: StrictOptions,
    coordinator: Coordinator,
}

impl Replication for Strict {
    fn in_flight(&self) -> usize {
        self.coordinator.in_flight()
    }

    fn request(&mut self, context: &mut Context<'_>, ticket: Ticket, request: Request) {
        let route = self.route(context, &request.key);
        let coordinator = match self.options.coordinator {
            Place::Any => Some(context.id),
            Place::First => route.replicas.first().copied(),
            Place::Gateway if context.id.role() == Role::Gateway => Some(context.id),
            Place::Gateway => gateway_of(context, route.replicas.first().copied()),
        };
        match coordinator {
            Some(node) if node == context.id => {
                self.coordinator
                    .begin(context, Requester::Client(ticket), request, route);
            }
            Some(node) => {
                self.coordinator
                    .forward(context, ticket, request, node, route.timeout);
            }
            None => {
                let message = "no node may coordinate: the cluster has no gateway";
                let refusal = Refusal::new(Code::FailedPrecondition, message);
                context.reply(ticket, Reply::Refused(refusal));
            }
        }
    }

    fn message(&mut self, context: &mut Context<'_>, from: NodeId, message: Message) {
        let Message::Forward(forward) = message else {
            return self.coordinator.answered(context, from, message);
        };
        let operation = Message::Forward(forward.clone()).operation();
        match forward.call.map(Request::from) {
            Some(request) => {
                let route = self.route(context, &request.key);
                let requester = Requester::Peer(from, forward.request);
                self.coordinator.begin(context, requester, request, route);
            }
            None => context.refuse(operation, "a forwarded request is empty"),
        }
    }

    fn timeout(&mut self, context: &mut Context<'_>) {
        self.coordinator.timeout(context);
    }

    fn next_timeout(&self) -> Option<Duration> {
        self.coordinator.next_timeout()
    }
}

impl Strict {
    fn route(&self, context: &Context<'_>, key: &[u8]) -> Route {
        let StrictOptions {
            n,
            r,
            w,
            timeout,
            coordinator: _,
        } = self.options;
        Route {
            replicas: context.view.preference(key, n),
            r,
            w,
            timeout: timeout.0,
        }
    }
}

fn build(options: &Options) -> Result<Box<dyn Replication>, OptionError> {
    let options: StrictOptions = parse(options)?;
    let StrictOptions {
        n,
        r,
        w,
        timeout,
        coordinator: _,
    } = options;
    if n == 0 {
        return Err(OptionError::of("n", "n is 0; a key has at least 1 replica"));
    }
    for (name, quorum) in [("r", r), ("w", w)] {
        if !(1..=n).contains(&quorum) {
            let reason = format!("{name} is {quorum}, but n is {n}; choose 1 to {n}");
            return Err(OptionError::of(name, reason));
        }
    }
    if timeout.0.is_zero() {
        let reason = "timeout is 0s; nothing would ever be answered";
        return Err(OptionError::of("timeout", reason));
    }
    Ok(Box::new(Strict {
        options,
        coordinator: Coordinator::default(),
    }))
}

/// The gateway for a key, by its first replica: the same for every node that forwards.
fn gateway_of(context: &Context<'_>, first: Option<NodeId>) -> Option<NodeId> {
    let gateways = context.view.gateways();
    let index = usize::from(first?.number()).checked_rem(gateways.len())?;
    gateways.get(index).copied()
}

fn default_timeout() -> Span {
    Span(Duration::from_millis(500))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// If this fails, a plan whose quorums cannot be met runs, and measures nothing but refusals.
    #[test]
    fn quorums_that_cannot_be_are_refused_by_name() {
        let check = |options: serde_json::Value, expected: Option<&str>| {
            let table = options.as_object().cloned().unwrap_or_default();
            let error = build(&table).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), expected, "{options}");
        };
        check(json!({ "n": 3, "r": 1, "w": 3 }), None);
        check(
            json!({ "n": 3, "r": 1, "w": 4 }),
            Some("w is 4, but n is 3; choose 1 to 3"),
        );
        check(
            json!({ "n": 3, "r": 0, "w": 1 }),
            Some("r is 0, but n is 3; choose 1 to 3"),
        );
        check(
            json!({ "n": 0, "r": 1, "w": 1 }),
            Some("n is 0; a key has at least 1 replica"),
        );
        check(
            json!({ "n": 1, "r": 1, "w": 1, "timeout": "0s" }),
            Some("timeout is 0s; nothing would ever be answered"),
        );
    }
}
