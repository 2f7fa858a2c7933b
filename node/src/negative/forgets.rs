//! Forgets: a modelled disk that says that it has synced, and has not: a crash takes back the last writes, though they
//! were acknowledged.

use crate::durability::Durability;
use crate::storage::{Build, Damage, Failed, Full, Kept, Storage, modelled};
use crate::versioning::Versions;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::path::Path;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "forgets",
    about: "a modelled disk that does one of every so many syncs and says that it has done all",
    promises: &[],
    resolve: resolve::<ForgetsOptions>,
    schema: schema::<ForgetsOptions>,
    build: |options: &Options, _: NodeId, _: Option<&Path>| {
        let ForgetsOptions { every, disk } = parse(options)?;
        if every == 0 {
            return Err(OptionError::of(
                "every",
                "every is 0; choose 1 to do all syncs, or more",
            ));
        }
        Ok(Box::new(Forgets {
            disk: modelled(&disk)?,
            every,
            asked: 0,
            is_dirty: false,
        }))
    },
};

/// How much it forgets, and what a modelled disk has.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct ForgetsOptions {
    /// Of so many syncs, one is done. One: nothing is wrong.
    every: u64,
    #[serde(flatten)]
    disk: Options,
}

struct Forgets {
    disk: Box<dyn Storage>,
    every: u64,
    /// How many syncs it was asked for.
    asked: u64,
    is_dirty: bool,
}

impl Storage for Forgets {
    fn load(&self, key: &[u8]) -> Result<Versions, Damage> {
        self.disk.load(key)
    }

    fn store(&mut self, key: &Bytes, versions: Versions) -> Result<(), Full> {
        self.is_dirty = true;
        self.disk.store(key, versions)
    }

    fn keys(&self, places: RangeInclusive<u64>, after: Option<&Bytes>, limit: usize) -> Vec<Bytes> {
        self.disk.keys(places, after, limit)
    }

    fn record(&self, name: &[u8]) -> Option<Bytes> {
        self.disk.record(name)
    }

    fn write_record(&mut self, name: &[u8], value: Option<Bytes>) -> Result<(), Full> {
        self.is_dirty = true;
        self.disk.write_record(name, value)
    }

    fn records(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<(Bytes, Bytes)> {
        self.disk.records(prefix, after, limit)
    }

    fn durability(&self) -> Durability {
        self.disk.durability()
    }

    fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    fn commit(&mut self) -> Result<(), Failed> {
        self.sync()
    }

    fn sync(&mut self) -> Result<(), Failed> {
        self.is_dirty = false;
        self.asked += 1;
        if self.asked.is_multiple_of(self.every) {
            return self.disk.sync();
        }
        Ok(())
    }

    fn crash(&mut self) -> Kept {
        self.is_dirty = false;
        self.disk.crash()
    }

    fn power_loss(&mut self) -> Kept {
        self.is_dirty = false;
        self.disk.power_loss()
    }

    fn limit(&mut self, bytes: Option<u64>) {
        self.disk.limit(bytes);
    }

    fn damage(&mut self, key: &[u8], bit: u64) -> bool {
        self.disk.damage(key, bit)
    }
}
