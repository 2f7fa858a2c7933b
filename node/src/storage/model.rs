//! A durable engine as the simulator models it: what was stored survives a crash, what was synced a power loss.
//!
//! Like a file written through the page cache: a write reaches the kernel at once and the disk at the next sync.

use super::{Build, Kept, Storage};
use crate::versioning::Versions;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidemark_proto::registry::{Entry, Options, Promise, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "model",
    about: "a disk as the simulator models it: a crash loses nothing, a power loss what was not synced",
    promises: &[Promise::SurvivesCrash],
    resolve: resolve::<ModelOptions>,
    schema: schema::<ModelOptions>,
    build: |options: &Options| {
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
    synced: BTreeMap<Bytes, Versions>,
    /// Stored since the last sync: shadows what is synced.
    unsynced: BTreeMap<Bytes, Versions>,
}

impl Storage for Model {
    fn load(&self, key: &[u8]) -> Versions {
        self.unsynced
            .get(key)
            .or_else(|| self.synced.get(key))
            .cloned()
            .unwrap_or_default()
    }

    fn store(&mut self, key: &Bytes, versions: Versions) {
        self.unsynced.insert(key.clone(), versions);
    }

    fn keys(&self) -> Vec<Bytes> {
        let unseen = self
            .unsynced
            .keys()
            .filter(|key| !self.synced.contains_key(*key));
        let mut keys: Vec<_> = self.synced.keys().chain(unseen).cloned().collect();
        keys.sort_unstable();
        keys
    }

    fn is_dirty(&self) -> bool {
        !self.unsynced.is_empty()
    }

    fn sync(&mut self) {
        self.synced.append(&mut self.unsynced);
    }

    fn crash(&mut self) -> Kept {
        Kept::Everything
    }

    fn power_loss(&mut self) -> Kept {
        self.unsynced.clear();
        Kept::Everything
    }
}
