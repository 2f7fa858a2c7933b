//! A table in memory: fast, and gone with its process.

use super::{Build, Kept, Storage};
use crate::versioning::Versions;
use bytes::Bytes;
use foldhash::fast::FixedState;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tidemark_proto::registry::{Entry, Options, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "memory",
    about: "a table in memory; a crash loses all of it",
    promises: &[],
    resolve: resolve::<MemoryOptions>,
    schema: schema::<MemoryOptions>,
    build: |options: &Options| {
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
    /// Never iterated unsorted.
    keys: HashMap<Bytes, Versions, FixedState>,
}

impl Storage for Memory {
    fn load(&self, key: &[u8]) -> Versions {
        self.keys.get(key).cloned().unwrap_or_default()
    }

    fn store(&mut self, key: &Bytes, versions: Versions) {
        self.keys.insert(key.clone(), versions);
    }

    fn keys(&self) -> Vec<Bytes> {
        let mut keys: Vec<_> = self.keys.keys().cloned().collect();
        keys.sort_unstable();
        keys
    }

    fn is_dirty(&self) -> bool {
        false
    }

    fn sync(&mut self) {}

    fn crash(&mut self) -> Kept {
        self.keys.clear();
        Kept::Nothing
    }

    fn power_loss(&mut self) -> Kept {
        self.crash()
    }
}
