//! A durable engine as the simulator models it: a crash leaves what the kernel was given, a power loss what was synced.
//!
//! It keeps the same bytes as an engine on a disk, so that a flipped bit is found in the same way.

use super::{Build, Damage, Failed, Full, Kept, Storage};
use crate::durability::{Durability, Sync, default_interval};
use crate::placed::{Placed, records, write_record};
use crate::sealed;
use crate::versioning::Versions;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options, Promise, parse, resolve, schema};
use tidemark_proto::span::Span;

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "model",
    about: "a disk as the simulator models it: a crash loses nothing, a power loss what was not synced",
    promises: &[Promise::SurvivesCrash],
    resolve: resolve::<ModelOptions>,
    schema: schema::<ModelOptions>,
    build: |options: &Options, _: NodeId, _: Option<&Path>| {
        Ok(Box::new(Model::new(parse(options)?)?))
    },
};

/// How durable it is, and how much it holds.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ModelOptions {
    /// What an acknowledgement waits for.
    #[serde(default)]
    sync: Sync,
    /// How long a write may wait for the disk with sync = "interval". Short: many syncs; long: more is lost with the power.
    #[serde(default = "default_interval")]
    interval: Span,
    /// How many bytes of keys, versions and records fit; absent: any number. Too few: writes are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capacity: Option<u64>,
}

/// The model of an engine with these options, of which it takes those that it has too.
///
/// # Errors
/// One of them is wrong.
pub fn modelled(options: &Options) -> Result<Box<dyn Storage>, OptionError> {
    let mut options = options.clone();
    options.retain(|name, _| ["sync", "interval", "capacity"].contains(&name.as_str()));
    Ok(Box::new(Model::new(parse(&options)?)?))
}

struct Model {
    durability: Durability,
    capacity: Option<u64>,
    /// In place of the capacity.
    limit: Option<u64>,
    keys: Placed<Bytes>,
    records: BTreeMap<Bytes, Bytes>,
    /// Bytes of keys, names and what is under them.
    used: u64,
    /// Written, and not given to the kernel yet.
    staged: Undo,
    /// Given to the kernel, and not on the disk yet.
    unsynced: Undo,
}

/// What was there before, of all that was written since.
#[derive(Default)]
struct Undo {
    keys: BTreeMap<Bytes, Option<Bytes>>,
    records: BTreeMap<Bytes, Option<Bytes>>,
}

impl Model {
    fn new(options: ModelOptions) -> Result<Self, OptionError> {
        let ModelOptions {
            sync,
            interval,
            capacity,
        } = options;
        Ok(Self {
            durability: Durability::new(sync, interval)?,
            capacity,
            limit: None,
            keys: Placed::default(),
            records: BTreeMap::new(),
            used: 0,
            staged: Undo::default(),
            unsynced: Undo::default(),
        })
    }

    /// Whether something fits in place of something else; what takes less room always does.
    fn fits(&self, name: &[u8], old: Option<&Bytes>, new: Option<&Bytes>) -> Result<(), Full> {
        let used = self.used + size(name, new) - size(name, old);
        match self.limit.or(self.capacity) {
            Some(most) if used > most && used > self.used => Err(Full),
            Some(_) | None => Ok(()),
        }
    }

    fn put_key(&mut self, key: &Bytes, value: Option<Bytes>) -> Option<Bytes> {
        self.used += size(key, value.as_ref());
        let old = self.keys.replace(key, value);
        self.used -= size(key, old.as_ref());
        old
    }

    fn put_record(&mut self, name: &[u8], value: Option<Bytes>) -> Option<Bytes> {
        self.used += size(name, value.as_ref());
        let old = write_record(&mut self.records, name, value);
        self.used -= size(name, old.as_ref());
        old
    }

    fn undo(&mut self, Undo { keys, records }: Undo) {
        for (key, old) in keys {
            self.put_key(&key, old);
        }
        for (name, old) in records {
            self.put_record(&name, old);
        }
    }
}

impl Storage for Model {
    fn load(&self, key: &[u8]) -> Result<Versions, Damage> {
        let sealed = self.keys.get(key);
        sealed.map_or(Ok(Versions::new()), |sealed| sealed::open(key, sealed))
    }

    fn store(&mut self, key: &Bytes, versions: Versions) -> Result<(), Full> {
        let sealed = sealed::seal(key, versions);
        self.fits(key, self.keys.get(key), sealed.as_ref())?;
        let old = self.put_key(key, sealed);
        self.staged.keys.entry(key.clone()).or_insert(old);
        Ok(())
    }

    fn keys(&self, places: RangeInclusive<u64>, after: Option<&Bytes>, limit: usize) -> Vec<Bytes> {
        self.keys.keys(places, after, limit)
    }

    fn record(&self, name: &[u8]) -> Option<Bytes> {
        self.records.get(name).cloned()
    }

    fn write_record(&mut self, name: &[u8], value: Option<Bytes>) -> Result<(), Full> {
        self.fits(name, self.records.get(name), value.as_ref())?;
        let old = self.put_record(name, value);
        let name = Bytes::copy_from_slice(name);
        self.staged.records.entry(name).or_insert(old);
        Ok(())
    }

    fn records(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<(Bytes, Bytes)> {
        records(&self.records, prefix, after, limit)
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn is_dirty(&self) -> bool {
        !self.staged.keys.is_empty() || !self.staged.records.is_empty()
    }

    fn commit(&mut self) -> Result<(), Failed> {
        let Undo { keys, records } = std::mem::take(&mut self.staged);
        for (key, old) in keys {
            self.unsynced.keys.entry(key).or_insert(old);
        }
        for (name, old) in records {
            self.unsynced.records.entry(name).or_insert(old);
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Failed> {
        self.staged = Undo::default();
        self.unsynced = Undo::default();
        Ok(())
    }

    fn crash(&mut self) -> Kept {
        let staged = std::mem::take(&mut self.staged);
        self.undo(staged);
        Kept::Everything
    }

    fn power_loss(&mut self) -> Kept {
        self.crash();
        let unsynced = std::mem::take(&mut self.unsynced);
        self.undo(unsynced);
        Kept::Everything
    }

    fn limit(&mut self, bytes: Option<u64>) {
        self.limit = bytes;
    }

    fn damage(&mut self, key: &[u8], bit: u64) -> bool {
        let key = Bytes::copy_from_slice(key);
        let Some(sealed) = self.keys.get(&key) else {
            return false;
        };
        let mut flipped = sealed.to_vec();
        let bit = bit % (flipped.len() as u64 * 8);
        flipped[(bit / 8) as usize] ^= 1 << (bit % 8);
        self.keys.replace(&key, Some(flipped.into()));
        true
    }
}

/// The room that something takes under a name.
fn size(name: &[u8], value: Option<&Bytes>) -> u64 {
    value.map_or(0, |value| (name.len() + value.len()) as u64)
}
