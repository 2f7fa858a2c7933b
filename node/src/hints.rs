//! Versions that a node keeps in other nodes' places, apart from what it holds for itself, until they can be reached.
//!
//! They are records of its storage, so they outlive a crash as far as that does.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.6: hints are kept "in a separate local database that is scanned
//! periodically". Limits of their number, bytes and age are Cassandra's and Voldemort's.

use crate::context::bytes_of;
use crate::storage::{Full, Storage};
use crate::versioning::Versions;
use bytes::{Buf, BufMut, Bytes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::{Message, Method};
use tidemark_proto::time::nanoseconds;
use tidemark_proto::wire;
use xxhash_rust::xxh3::xxh3_64;

/// The hints of one node.
#[derive(Debug, Default)]
pub struct Hints {
    limits: Option<HintLimits>,
    kept: BTreeMap<NodeId, BTreeMap<Bytes, Hint>>,
    /// The same, the oldest first.
    ages: BTreeSet<(Duration, NodeId, Bytes)>,
    bytes: u64,
}

/// What is kept of a key for a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Hint {
    /// All that it was to hold, joined.
    pub versions: Versions,
    /// The latest operation that brought some of it.
    pub operation: OperationId,
    /// When the first was kept.
    pub since: Duration,
}

/// How many hints a node keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HintLimits {
    /// Keys, counted for each node that they are kept for.
    pub hints: usize,
    /// Bytes of keys, values and clocks.
    pub bytes: u64,
    /// What becomes of one more.
    pub overflow: Overflow,
}

/// What becomes of a hint for which there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Overflow {
    /// It is refused, and does not count towards W.
    #[default]
    Refuse,
    /// It is acknowledged and forgotten. Not safe: the write may be nowhere.
    Drop,
}

impl Hints {
    /// What a storage has of them. Without limits nobody delivers hints, and none are kept.
    #[must_use]
    pub fn new(limits: Option<HintLimits>, storage: &dyn Storage) -> Self {
        let mut hints = Self {
            limits,
            ..Self::default()
        };
        let mut after = None;
        loop {
            let records = storage.records(PREFIX, after.as_deref(), RESTORED_AT_ONCE);
            let is_end = records.len() < RESTORED_AT_ONCE;
            for (name, record) in records {
                if let Some((replica, key, hint)) = decode(&name, record) {
                    hints.insert(replica, &key, hint);
                }
                after = Some(name);
            }
            if is_end {
                return hints;
            }
        }
    }

    /// What bounds them; none: none are kept.
    #[must_use]
    pub fn limits(&self) -> Option<HintLimits> {
        self.limits
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ages.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ages.is_empty()
    }

    /// The nodes that something is kept for, and how many keys.
    pub fn replicas(&self) -> impl Iterator<Item = (NodeId, usize)> {
        self.kept
            .iter()
            .map(|(replica, keys)| (*replica, keys.len()))
    }

    /// What is kept for a node, in the order of keys.
    pub fn of(&self, replica: NodeId) -> impl Iterator<Item = (&Bytes, &Hint)> {
        self.kept.get(&replica).into_iter().flatten()
    }

    /// What is kept of a key, for whomever.
    pub fn of_key(&self, key: &[u8]) -> impl Iterator<Item = &Hint> {
        self.kept.values().filter_map(move |keys| keys.get(key))
    }

    /// What is kept of a key for a node.
    #[must_use]
    pub fn get(&self, replica: NodeId, key: &[u8]) -> Option<&Hint> {
        self.kept.get(&replica)?.get(key)
    }

    /// The one that has been kept for longest.
    #[must_use]
    pub fn oldest(&self) -> Option<(Duration, NodeId, &Bytes)> {
        let (since, replica, key) = self.ages.first()?;
        Some((*since, *replica, key))
    }

    /// Whether there is room for a hint in place of what is kept of the key for the node.
    #[must_use]
    pub fn has_room(&self, replica: NodeId, key: &Bytes, hint: &Hint) -> bool {
        let old = self.get(replica, key);
        let count = self.len() + usize::from(old.is_none());
        let old_bytes = old.map_or(0, |old| bytes_of(key, &old.versions));
        let bytes = self.bytes - old_bytes + bytes_of(key, &hint.versions);
        self.limits
            .is_some_and(|limits| count <= limits.hints && bytes <= limits.bytes)
    }

    /// Keeps a hint in place of what was kept of the key for the node.
    ///
    /// # Errors
    /// The disk is full, and what was kept is kept as before.
    pub fn keep(
        &mut self,
        storage: &mut dyn Storage,
        replica: NodeId,
        key: &Bytes,
        hint: Hint,
    ) -> Result<(), Full> {
        storage.write_record(&name(replica, key), Some(encode(key, &hint)))?;
        self.remove(replica, key);
        self.insert(replica, key, hint);
        Ok(())
    }

    /// Forgets what is kept of a key for a node.
    pub fn forget(
        &mut self,
        storage: &mut dyn Storage,
        replica: NodeId,
        key: &Bytes,
    ) -> Option<Hint> {
        // A disk that is full cannot be so by what is taken away.
        let _ = storage.write_record(&name(replica, key), None);
        self.remove(replica, key)
    }

    fn insert(&mut self, replica: NodeId, key: &Bytes, hint: Hint) {
        self.bytes += bytes_of(key, &hint.versions);
        self.ages.insert((hint.since, replica, key.clone()));
        self.kept
            .entry(replica)
            .or_default()
            .insert(key.clone(), hint);
    }

    fn remove(&mut self, replica: NodeId, key: &Bytes) -> Option<Hint> {
        let keys = self.kept.get_mut(&replica)?;
        let hint = keys.remove(key)?;
        if keys.is_empty() {
            self.kept.remove(&replica);
        }
        self.ages.remove(&(hint.since, replica, key.clone()));
        self.bytes -= bytes_of(key, &hint.versions);
        Some(hint)
    }
}

/// The name of a hint's record: whom it is for, then the key.
fn name(replica: NodeId, key: &[u8]) -> Vec<u8> {
    let mut name = PREFIX.to_vec();
    name.put_u16(replica.bits());
    name.put_slice(key);
    name
}

/// A hint's record: since when, in nanoseconds, then the message that will deliver it.
fn encode(key: &Bytes, hint: &Hint) -> Bytes {
    let handoff = wire::Handoff {
        request: 0,
        key: key.clone(),
        versions: hint.versions.clone(),
        operation: hint.operation.bits(),
    };
    let mut record = nanoseconds(hint.since).to_be_bytes().to_vec();
    record.extend(Message::Handoff(handoff).seal().body);
    record.into()
}

/// None: not what was written.
fn decode(name: &Bytes, mut record: Bytes) -> Option<(NodeId, Bytes, Hint)> {
    let mut name = name.slice(PREFIX.len()..);
    let replica = NodeId::from_bits(name.try_get_u16().ok()?);
    let since = Duration::from_nanos(record.try_get_u64().ok()?);
    let checksum = xxh3_64(&record);
    let envelope = wire::Envelope {
        checksum,
        body: record,
    };
    let Ok(Message::Handoff(handoff)) = Message::open(Method::Handoff, envelope) else {
        return None;
    };
    let hint = Hint {
        versions: handoff.versions,
        operation: OperationId::from_bits(handoff.operation),
        since,
    };
    Some((replica, name, hint))
}

const PREFIX: &[u8] = b"hint/";
const RESTORED_AT_ONCE: usize = 1_000;
