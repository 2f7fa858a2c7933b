//! A node that starts, new or with what its disk has kept, asks others for the keys that it is to hold, page by page.
//!
//! A page that is lost is asked for again, from where the last one ended. A node whose clients wait for their turn leaves
//! questions unanswered.
//!
//! Reference: Cassiopeia, a store in the manner of Cassandra, whose new and revived nodes pull from their successor in
//! place of hints. Departs from it: each key has a successor of its own, so that any partitioner will do.

use super::{Build, News, Repair};
use crate::admission::Turn;
use crate::context::{Context, bytes_of};
use crate::membership::Seat;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::{Message, Method};
use tidemark_proto::registry::{Entry, OptionError, Options, parse, resolve, schema};
use tidemark_proto::span::Span;
use tidemark_proto::upkeep::Chore;
use tidemark_proto::wire;

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "pull",
    about: "a node that starts asks others for the keys that it is to hold",
    promises: &[],
    resolve: resolve::<PullOptions>,
    schema: schema::<PullOptions>,
    build,
};

/// Whom it asks, and how fast.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct PullOptions {
    /// Who is asked for a key.
    from: Source,
    /// Keys in a page. Too few: a message a key; too many: large messages.
    #[schemars(range(min = 1))]
    batch: u32,
    /// Keys pulled per second, from each node. Too few: a start that lasts; too many: the others' clients feel it.
    #[schemars(range(min = 1))]
    rate: u32,
    /// How long a page is waited for before it is asked for again. Too short: pages sent twice; too long: lost time.
    retry: Span,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Source {
    /// The node behind this one in the key's preference list, behind whose end it begins again.
    #[default]
    Successor,
    /// Whoever holds it.
    All,
}

impl Default for PullOptions {
    fn default() -> Self {
        Self {
            from: Source::default(),
            batch: 100,
            rate: 10_000,
            retry: Span(Duration::from_millis(500)),
        }
    }
}

struct Pull {
    options: PullOptions,
    /// Whom there is still something to ask; none: it has not begun.
    asked: Option<BTreeMap<NodeId, Asked>>,
    /// The number of the last question; no other life has it.
    number: u64,
    /// For answering others.
    turn: Turn,
}

/// How far another node has told what it has.
#[derive(Default)]
struct Asked {
    after: Option<Bytes>,
    /// The number of the question that is waited for.
    number: u64,
    /// When it is asked, or asked again.
    due: Duration,
}

impl Repair for Pull {
    fn hear(&mut self, _: &mut Context<'_>, _: &News) {}

    fn message(
        &mut self,
        context: &mut Context<'_>,
        from: NodeId,
        message: Message,
    ) -> Option<Message> {
        match message {
            Message::Bulk(_) if self.turn.put_off(context).is_some() => {}
            Message::Bulk(bulk) => tell(context, from, bulk, self.options.batch as usize),
            Message::BulkReply(reply) => self.told(context, from, reply),
            other => return Some(other),
        }
        None
    }

    fn timeout(&mut self, context: &mut Context<'_>) {
        let now = context.now.elapsed;
        let asked = self.asked.get_or_insert_with(|| {
            let nodes = context.view.nodes();
            let is_of_them = nodes.contains(&context.id);
            let others = nodes
                .iter()
                .filter(|node| is_of_them && **node != context.id);
            others.map(|node| (*node, Asked::default())).collect()
        });
        for (node, asked) in asked.iter_mut().filter(|(_, asked)| asked.due <= now) {
            self.number += 1;
            asked.number = self.number;
            asked.due = now + self.options.retry.0;
            let bulk = wire::Bulk {
                request: asked.number,
                after: asked.after.clone(),
                limit: self.options.batch,
                successor: self.options.from == Source::Successor,
            };
            context.send(*node, Message::Bulk(bulk));
        }
    }

    fn next_timeout(&self) -> Option<Duration> {
        match &self.asked {
            None => Some(Duration::ZERO),
            Some(asked) => asked.values().map(|asked| asked.due).min(),
        }
    }
}

impl Pull {
    /// Holds a page that was asked for. What is late or repeated is ignored.
    fn told(&mut self, context: &mut Context<'_>, from: NodeId, reply: wire::BulkReply) {
        let Some(all) = &mut self.asked else { return };
        let Some(asked) = all
            .get_mut(&from)
            .filter(|asked| asked.number == reply.request)
        else {
            return;
        };
        let (mut count, mut bytes) = (0, 0);
        for wire::BulkKey { key, versions } in reply.keys {
            if !context.versioning.accepts_versions(&versions) {
                let reason = "a page's versions are not of this cluster's versioning";
                context.refuse(OperationId::NONE, reason);
                continue;
            }
            count += 1;
            bytes += bytes_of(&key, &versions);
            // What cannot be held is noted.
            let _ = context.hold(&key, &versions, OperationId::NONE, Method::BulkReply);
        }
        if count > 0 {
            context.note_chore(Chore::Pulled, from, |note| {
                note.count = count;
                note.bytes = bytes;
            });
        }
        if reply.through.is_none() {
            all.remove(&from);
            return;
        }
        let pace = Duration::from_secs(1) / self.options.rate;
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        *asked = Asked {
            after: reply.through,
            number: 0,
            due: context.now.elapsed + pace.saturating_mul(count),
        };
    }
}

/// Sends a page of what another node is to hold.
fn tell(context: &mut Context<'_>, to: NodeId, bulk: wire::Bulk, most: usize) {
    let limit = most.min(bulk.limit as usize).max(1);
    let looked_at = limit * MOST_LOOKED_AT;
    let keys = context
        .storage
        .keys(0..=u64::MAX, bulk.after.as_ref(), looked_at);
    let is_end = keys.len() < looked_at;
    let (mut page, mut through) = (Vec::new(), None);
    for key in keys {
        if page.len() == limit {
            break;
        }
        if is_owed(context, to, &key, bulk.successor) {
            let held = context.load(&key, OperationId::NONE).unwrap_or_default();
            page.push((key.clone(), held));
        }
        through = Some(key);
    }
    let is_over = is_end && page.len() < limit;
    let page = page.into_iter().filter(|(_, held)| !held.is_empty());
    let reply = wire::BulkReply {
        request: bulk.request,
        keys: page
            .map(|(key, versions)| wire::BulkKey { key, versions })
            .collect(),
        through: through.filter(|_| !is_over),
    };
    context.send(to, Message::BulkReply(reply));
}

/// Whether a node is to hold a key, and if so only this one's successor counts, whether this is it.
fn is_owed(context: &Context<'_>, to: NodeId, key: &[u8], successor: bool) -> bool {
    let list = context.view.preference(key, context.replicas);
    let Some(index) = list.iter().position(|node| *node == to) else {
        return false;
    };
    !successor || list[(index + 1) % list.len()] == context.id
}

fn build(options: &Options, seat: Seat) -> Result<Box<dyn Repair>, OptionError> {
    let options: PullOptions = parse(options)?;
    for (name, number) in [("batch", options.batch), ("rate", options.rate)] {
        if number == 0 {
            let reason = format!("{name} is 0; no key would ever be pulled");
            return Err(OptionError::of(name, reason));
        }
    }
    if options.retry.0.is_zero() {
        let reason = "retry is 0s; pages would be asked for without end";
        return Err(OptionError::of("retry", reason));
    }
    Ok(Box::new(Pull {
        options,
        asked: None,
        number: u64::from(seat.life) << 32,
        turn: Turn::default(),
    }))
}

/// Keys that are looked at for each that a page may have: others are for others to hold.
const MOST_LOOKED_AT: usize = 16;
