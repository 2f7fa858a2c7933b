//! A durable engine as the simulator models it: what was stored survives a crash, what was synced a power loss.
//!
//! Like a file written through the page cache: a write reaches the kernel at once and the disk at the next sync.

use super::{Build, Damage, Failed, Full, Kept, Storage};
use crate::placed::{Placed, records};
use crate::versioning::Versions;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, Options, Promise, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "model",
    about: "a disk as the simulator models it: a crash loses nothing, a power loss what was not synced",
    promises: &[Promise::SurvivesCrash],
    resolve: resolve::<ModelOptions>,
    schema: schema::<ModelOptions>,
    build: |options: &Options, _: NodeId, _: Option<&Path>| {
        let ModelOptions {} = parse(options)?;
        Ok(Box::new(Model::default()))
    },
};

/// It has no options.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ModelOptions {}

#[derive(Default)]
struct Model {
    keys: Placed<Versions>,
    records: BTreeMap<Bytes, Bytes>,
    unsynced: Undo,
}

/// What was there before, of all that was written since.
#[derive(Default)]
struct Undo {
    keys: BTreeMap<Bytes, Option<Versions>>,
    records: BTreeMap<Bytes, Option<Bytes>>,
}

impl Storage for Model {
    fn load(&self, key: &[u8]) -> Result<Versions, Damage> {
        Ok(self.keys.get(key).cloned().unwrap_or_default())
    }

    fn store(&mut self, key: &Bytes, versions: Versions) -> Result<(), Full> {
        let versions = Some(versions).filter(|versions| !versions.is_empty());
        let old = self.keys.replace(key, versions);
        self.unsynced.keys.entry(key.clone()).or_insert(old);
        Ok(())
    }

    fn keys(&self, places: RangeInclusive<u64>, after: Option<&Bytes>, limit: usize) -> Vec<Bytes> {
        self.keys.keys(places, after, limit)
    }

    fn record(&self, name: &[u8]) -> Option<Bytes> {
        self.records.get(name).cloned()
    }

    fn write_record(&mut self, name: &[u8], value: Option<Bytes>) -> Result<(), Full> {
        let name = Bytes::copy_from_slice(name);
        let old = write(&mut self.records, &name, value);
        self.unsynced.records.entry(name).or_insert(old);
        Ok(())
    }

    fn records(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<(Bytes, Bytes)> {
        records(&self.records, prefix, after, limit)
    }

    fn is_dirty(&self) -> bool {
        !self.unsynced.keys.is_empty() || !self.unsynced.records.is_empty()
    }

    fn sync(&mut self) -> Result<(), Failed> {
        self.unsynced = Undo::default();
        Ok(())
    }

    fn crash(&mut self) -> Kept {
        Kept::Everything
    }

    fn power_loss(&mut self) -> Kept {
        let Undo { keys, records } = std::mem::take(&mut self.unsynced);
        for (key, old) in keys {
            self.keys.replace(&key, old);
        }
        for (name, old) in records {
            write(&mut self.records, &name, old);
        }
        Kept::Everything
    }
}

fn write(
    records: &mut BTreeMap<Bytes, Bytes>,
    name: &Bytes,
    value: Option<Bytes>,
) -> Option<Bytes> {
    match value {
        Some(value) => records.insert(name.clone(), value),
        None => records.remove(name),
    }
}
