//! A table in memory: fast, and gone with its process.

use super::{Build, Damage, Failed, Full, Kept, Storage};
use crate::durability::{Durability, Sync};
use crate::placed::{Placed, records, write_record};
use crate::versioning::Versions;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, Options, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "memory",
    about: "a table in memory; a crash loses all of it",
    promises: &[],
    resolve: resolve::<MemoryOptions>,
    schema: schema::<MemoryOptions>,
    build: |options: &Options, _: NodeId, _: Option<&Path>| {
        let MemoryOptions {} = parse(options)?;
        Ok(Box::new(Memory::default()))
    },
};

/// It has no options.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MemoryOptions {}

#[derive(Default)]
struct Memory {
    keys: Placed<Versions>,
    records: BTreeMap<Bytes, Bytes>,
}

impl Storage for Memory {
    fn load(&self, key: &[u8]) -> Result<Versions, Damage> {
        Ok(self.keys.get(key).cloned().unwrap_or_default())
    }

    fn store(&mut self, key: &Bytes, versions: Versions) -> Result<(), Full> {
        let versions = Some(versions).filter(|versions| !versions.is_empty());
        self.keys.replace(key, versions);
        Ok(())
    }

    fn keys(&self, places: RangeInclusive<u64>, after: Option<&Bytes>, limit: usize) -> Vec<Bytes> {
        self.keys.keys(places, after, limit)
    }

    fn record(&self, name: &[u8]) -> Option<Bytes> {
        self.records.get(name).cloned()
    }

    fn write_record(&mut self, name: &[u8], value: Option<Bytes>) -> Result<(), Full> {
        write_record(&mut self.records, name, value);
        Ok(())
    }

    fn records(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<(Bytes, Bytes)> {
        records(&self.records, prefix, after, limit)
    }

    /// There is no disk.
    fn durability(&self) -> Durability {
        Durability {
            sync: Sync::Off,
            ..Durability::default()
        }
    }

    fn is_dirty(&self) -> bool {
        false
    }

    fn commit(&mut self) -> Result<(), Failed> {
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Failed> {
        Ok(())
    }

    fn crash(&mut self) -> Kept {
        *self = Self::default();
        Kept::Nothing
    }

    fn power_loss(&mut self) -> Kept {
        self.crash()
    }
}
