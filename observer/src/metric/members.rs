//! Changes of the members: how long each took, what moved, and what would have had to.
//!
//! What moved are the copies of keys that lie, when a change is over, where nothing of the key was when it began, however
//! they came there; who held a key before it was written again in between does not count. The ideal is what consistent
//! hashing moves if keys lie evenly (Karger et al., STOC 1997): of n members one more takes over 1 / (n + 1) of all
//! copies; one that leaves, or is replaced, had 1 / n of them. What was sent is what nodes say that they have handed
//! over. The members before the first change are the nodes that held something then.

use super::{Metric, Run, Seen};
use crate::figures::{Measured, MemberChange};
use crate::tally::deflated;
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidemark_proto::event::{Detail, Event, FaultSpan, MachineChange};
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Method;
use tidemark_proto::upkeep::Chore;

#[derive(Default)]
pub(crate) struct Members {
    keys: BTreeMap<Bytes, Key>,
    /// N, and the members, when the first change began.
    before: Option<(usize, BTreeSet<NodeId>)>,
    /// By when a change was asked for.
    moved: BTreeMap<Duration, Moved>,
}

struct Key {
    /// When it was first held by anybody.
    born: Duration,
    holders: SmallVec<[NodeId; 3]>,
}

#[derive(Default)]
struct Moved {
    /// Of each node that comes to hold keys, those.
    copies: BTreeSet<(NodeId, Bytes)>,
    sent: (u64, u64),
}

impl Metric for Members {
    type Figures = Vec<MemberChange>;

    fn observe(&mut self, seen: &Seen<'_>) {
        match seen.event {
            Event::Fault(span) if span.is_change_of_members() && self.before.is_none() => {
                let holders = self.keys.values().map(|key| &key.holders);
                let n = holders.clone().map(|holders| holders.len()).max();
                let members = holders.flatten().copied().collect();
                self.before = Some((n.unwrap_or(0), members));
            }
            Event::Stored(stored) => {
                let at = stored.at;
                let key = self.keys.entry(stored.key.clone()).or_insert(Key {
                    born: at,
                    holders: SmallVec::new(),
                });
                let place = key.holders.iter().position(|node| *node == stored.node);
                match place {
                    Some(place) if stored.versions.is_empty() => {
                        key.holders.remove(place);
                    }
                    None if !stored.versions.is_empty() => {
                        key.holders.push(stored.node);
                        // What a node tells after its start it held before.
                        if stored.method != Method::FetchReply
                            && let Some(span) = under_way(seen, at)
                            && key.born < span.from
                        {
                            let moved = self.moved.entry(span.from).or_default();
                            moved.copies.insert((stored.node, stored.key.clone()));
                        }
                    }
                    Some(_) | None => {}
                }
            }
            Event::Machine {
                node,
                change: MachineChange::Restarted | MachineChange::RestartedEmpty,
                ..
            } => {
                for key in self.keys.values_mut() {
                    key.holders.retain(|other| other != node);
                }
            }
            Event::Upkeep(upkeep) if upkeep.chore == Chore::HandedOver => {
                if let Some(span) = under_way(seen, upkeep.at) {
                    let sent = &mut self.moved.entry(span.from).or_default().sent;
                    *sent = (sent.0 + upkeep.count, sent.1 + upkeep.bytes);
                }
            }
            _ => {}
        }
    }

    fn report(&self, run: &Run<'_>) -> Vec<MemberChange> {
        let spans = run.faults.iter();
        let spans = spans.filter(|span| span.is_change_of_members());
        let (n, mut members) = self.before.clone().unwrap_or_default();
        let nothing = Moved::default();
        let change = |span: &FaultSpan| {
            let count = members.len() as u64;
            let whom = whom(span);
            let holders = if span.kind == "join" {
                count + 1
            } else {
                count
            };
            let is_complete = whom.len() == span.about.split(", ").count();
            for node in whom.iter().filter(|_| is_complete) {
                // Who joins was none, who leaves was one; of a replacement's two, one was.
                if !members.remove(node) {
                    members.insert(*node);
                }
            }
            let moved = self.moved.get(&span.from).unwrap_or(&nothing);
            let born = |key: &&Key| key.born < span.from;
            let copies = self.keys.values().filter(born).count() * n;
            MemberChange {
                name: span.name.clone(),
                kind: span.kind.clone(),
                about: span.about.clone(),
                from_s: span.from.as_secs_f64(),
                until_s: span.until.as_secs_f64(),
                is_complete,
                members: count,
                moved: match run.lacks(Detail::Arrivals) {
                    Some(reason) => Measured::Missing(reason),
                    None => {
                        let moved = moved.copies.len() as u64;
                        Measured::Known(deflated((moved, copies as u64), 1.0))
                    }
                },
                ideal: 1.0 / holders.max(1) as f64,
                sent_keys: moved.sent.0,
                sent_bytes: moved.sent.1,
            }
        };
        spans.map(change).collect()
    }
}

/// The change that is under way at a time: never more than one is.
fn under_way<'a>(seen: &Seen<'a>, at: Duration) -> Option<&'a FaultSpan> {
    let spans = seen.phases.spans().iter().rev();
    let mut spans = spans.filter(|span| span.is_change_of_members());
    spans.find(|span| span.from <= at && at <= span.until)
}

/// The nodes that a change names.
fn whom(span: &FaultSpan) -> Vec<NodeId> {
    let names = span.about.split(", ");
    names.map_while(|name| name.parse().ok()).collect()
}
