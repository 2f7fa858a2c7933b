//! Keys on their way to new holders. Every node that holds a key which is to be another's as well offers it: a page of
//! keys with their digests; the new holder asks for what it lacks, is sent that, and says that it holds it. Since every
//! holder offers, the new one ends up with what all of them have together, and most of it travels once. The next
//! page waits while clients wait for their turn.

use super::HandoverOptions;
use crate::admission::Turn;
use crate::context::{Context, digest};
use crate::placed::place;
use crate::versioning::Versions;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::{Message, Method};
use tidemark_proto::upkeep::Chore;
use tidemark_proto::wire;

/// What this node still has to hand over in the present change.
pub(super) struct Moving {
    /// The last key of the pages that were handed over, in the order of their places.
    behind: Option<Bytes>,
    /// The last key of the page that is on its way.
    page_end: Option<Bytes>,
    /// The pages on their way, by who gets them.
    on_their_way: BTreeMap<NodeId, Page>,
    /// Keys behind the cursor that changed by what was not sent to their new holders.
    again: BTreeSet<Bytes>,
    /// Whether the last page has been read.
    at_end: bool,
    reported: bool,
    pages: u64,
    due: Duration,
    turn: Turn,
    sent: BTreeMap<NodeId, (u64, u64)>,
}

/// Keys offered to one new holder.
struct Page {
    number: u64,
    keys: Vec<Bytes>,
    /// When it is offered again if nothing was heard.
    due: Duration,
}

impl Moving {
    /// Begins where the last life of this node was interrupted.
    pub(super) fn new(context: &Context<'_>) -> Self {
        Self {
            behind: cursor(context),
            page_end: None,
            on_their_way: BTreeMap::new(),
            again: BTreeSet::new(),
            at_end: false,
            reported: false,
            pages: 0,
            due: context.now.elapsed,
            turn: Turn::default(),
            sent: BTreeMap::new(),
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        let again = self.on_their_way.values().map(|page| page.due).min();
        again.or((!self.is_over()).then_some(self.due))
    }

    /// Whether all that is to be handed over has been.
    pub(super) fn is_over(&self) -> bool {
        self.at_end && self.on_their_way.is_empty() && self.again.is_empty()
    }

    /// How much of the keys that this node holds it has gone through: their places are spread evenly.
    pub(super) fn percent(&self) -> u32 {
        if self.is_over() {
            return 100;
        }
        let behind = self.behind.as_ref().map_or(0, |key| place(key));
        ((u128::from(behind) * 100) >> u64::BITS) as u32
    }

    /// Whether it is over, and nobody has asked before; notes what was sent.
    pub(super) fn is_newly_over(&mut self, context: &mut Context<'_>) -> bool {
        if self.reported || !self.is_over() {
            return false;
        }
        self.reported = true;
        for (node, (keys, bytes)) in std::mem::take(&mut self.sent) {
            context.note_chore(Chore::HandedOver, node, |upkeep| {
                (upkeep.count, upkeep.bytes) = (keys, bytes);
            });
        }
        true
    }

    /// A key changed that may have been handed over already.
    pub(super) fn again(&mut self, context: &Context<'_>, key: &Bytes) {
        if !targets(context, key).is_empty() {
            self.again.insert(key.clone());
            self.reported = false;
        }
    }

    pub(super) fn timeout(&mut self, context: &mut Context<'_>, options: &HandoverOptions) {
        let now = context.now.elapsed;
        for (node, page) in &mut self.on_their_way {
            if page.due <= now {
                page.due = now + options.retry.0;
                offer(context, *node, page);
            }
        }
        if self.on_their_way.is_empty() && self.due <= now && !self.is_over() {
            match self.turn.put_off(context) {
                Some(later) => self.due = later,
                None => self.next_page(context, options),
            }
        }
    }

    /// A new holder answers an offer, or says that it holds what it asked for.
    pub(super) fn answered(
        &mut self,
        context: &mut Context<'_>,
        from: NodeId,
        reply: &wire::MoveReply,
    ) {
        let Some(page) = self.on_their_way.get(&from) else {
            return;
        };
        if page.number != reply.request {
            return;
        }
        let asked = page.keys.iter().filter(|key| reply.wanted.contains(*key));
        let asked: Vec<_> = asked.cloned().collect();
        let keys: Vec<_> = asked
            .into_iter()
            .map(|key| described(context, key, Clone::clone))
            // What is gone meanwhile is nothing to hand over.
            .filter(|moved| !moved.versions.is_empty())
            .collect();
        if !keys.is_empty() {
            let bytes: usize = keys.iter().map(size).sum();
            let total = self.sent.entry(from).or_default();
            *total = (total.0 + keys.len() as u64, total.1 + bytes as u64);
            let request = reply.request;
            context.send(from, Message::Move(wire::Move { request, keys }));
            return;
        }
        self.on_their_way.remove(&from);
        if self.on_their_way.is_empty() {
            self.behind = self.page_end.take().or(self.behind.take());
            remember(context, self.behind.as_ref());
        }
    }

    /// Offers the next page: what changed behind the cursor first, then what lies ahead of it.
    fn next_page(&mut self, context: &mut Context<'_>, options: &HandoverOptions) {
        let batch = options.batch.max(1) as usize;
        let keys = if self.at_end {
            let keys: Vec<_> = self.again.iter().take(batch).cloned().collect();
            keys.iter().for_each(|key| {
                self.again.remove(key);
            });
            keys
        } else {
            let keys = context
                .storage
                .keys(0..=u64::MAX, self.behind.as_ref(), batch);
            self.at_end = keys.len() < batch;
            self.page_end = keys.last().cloned();
            keys
        };
        let pause =
            Duration::from_secs(1).mul_f64(keys.len() as f64 / f64::from(options.rate.max(1)));
        self.due = context.now.elapsed + pause;
        let mut pages: BTreeMap<NodeId, Vec<Bytes>> = BTreeMap::new();
        for key in keys {
            for node in targets(context, &key) {
                pages.entry(node).or_default().push(key.clone());
            }
        }
        if pages.is_empty() {
            self.behind = self.page_end.take().or(self.behind.take());
        }
        for (node, keys) in pages {
            self.pages += 1;
            let page = Page {
                // No answer to a page of another step is taken for one to this.
                number: context.view.roll().number << 32 | self.pages,
                keys,
                due: context.now.elapsed + options.retry.0,
            };
            offer(context, node, &page);
            self.on_their_way.insert(node, page);
        }
    }
}

/// A new holder is offered keys, or sent them: it asks for what it lacks, holds what it is sent, and says so.
pub(super) fn receive(context: &mut Context<'_>, from: NodeId, part: wire::Move) {
    let mut wanted = Vec::new();
    for wire::MoveKey {
        key,
        versions,
        digest: theirs,
    } in part.keys
    {
        if versions.is_empty() {
            let mine = context.load(&key, OperationId::NONE).unwrap_or_default();
            if digest(&mine) != theirs {
                wanted.push(key);
            }
        } else if !context.versioning.accepts_versions(&versions) {
            context.refuse(
                OperationId::NONE,
                "versions that move are not of this cluster's versioning",
            );
        } else if context
            .hold(&key, &versions, OperationId::NONE, Method::Move)
            .is_err()
        {
            // Not answered, so sent again: by then there may be room.
            return;
        }
    }
    let reply = wire::MoveReply {
        request: part.request,
        wanted,
    };
    context.send(from, Message::MoveReply(reply));
}

fn offer(context: &mut Context<'_>, to: NodeId, page: &Page) {
    let keys = page.keys.iter().cloned();
    let keys = keys.map(|key| described(context, key, |_| Versions::new()));
    let keys = keys.collect();
    let request = page.number;
    context.send(to, Message::Move(wire::Move { request, keys }));
}

fn described(
    context: &mut Context<'_>,
    key: Bytes,
    versions: impl Fn(&Versions) -> Versions,
) -> wire::MoveKey {
    let held = context.load(&key, OperationId::NONE).unwrap_or_default();
    wire::MoveKey {
        digest: digest(&held),
        versions: versions(&held),
        key,
    }
}

fn size(moved: &wire::MoveKey) -> usize {
    let of_version = |version: &tidemark_proto::wire::StoredVersion| {
        version.clock.len() + version.value.as_ref().map_or(0, Bytes::len)
    };
    moved.key.len() + moved.versions.iter().map(of_version).sum::<usize>()
}

/// Who is to hold a key and does not hold it yet, if this node holds it.
fn targets(context: &Context<'_>, key: &[u8]) -> Vec<NodeId> {
    let (before, after) = context.view.holders(key, context.replicas);
    if !before.contains(&context.id) {
        return Vec::new();
    }
    let after = after.into_iter().flatten();
    after.filter(|node| !before.contains(node)).collect()
}

/// How far the present change had come in this node's last life.
fn cursor(context: &Context<'_>) -> Option<Bytes> {
    let record = context.storage.record(CURSOR)?;
    let (number, key) = record.split_at_checked(8)?;
    let is_of_this = number == context.view.roll().number.to_be_bytes();
    (is_of_this && !key.is_empty()).then(|| record.slice(8..))
}

fn remember(context: &mut Context<'_>, cursor: Option<&Bytes>) {
    let mut record = context.view.roll().number.to_be_bytes().to_vec();
    record.extend_from_slice(cursor.map_or(&[], |key| key));
    // On a full disk the next life begins at the first key again.
    let _ = context.storage.write_record(CURSOR, Some(record.into()));
}

const CURSOR: &[u8] = b"handover";
