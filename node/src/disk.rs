//! The disk under an engine: while it is full, the engine is asked for nothing that needs room.

use crate::conditions::Shared;
use crate::durability::Durability;
use crate::storage::{Damage, Failed, Full, Kept, Storage};
use crate::versioning::Versions;
use bytes::Bytes;
use std::ops::RangeInclusive;

/// An engine on a disk whose conditions may change.
pub struct Disk {
    engine: Box<dyn Storage>,
    conditions: Shared,
}

impl Disk {
    /// Puts an engine on a disk.
    #[must_use]
    pub fn under(engine: Box<dyn Storage>, conditions: Shared) -> Box<dyn Storage> {
        Box::new(Self { engine, conditions })
    }

    /// Whether there is room for something.
    fn room_for(&self, takes_room: bool) -> Result<(), Full> {
        if takes_room && self.conditions.get().disk_full {
            return Err(Full);
        }
        Ok(())
    }
}

impl Storage for Disk {
    fn load(&self, key: &[u8]) -> Result<Versions, Damage> {
        self.engine.load(key)
    }

    fn store(&mut self, key: &Bytes, versions: Versions) -> Result<(), Full> {
        self.room_for(!versions.is_empty())?;
        self.engine.store(key, versions)
    }

    fn keys(&self, places: RangeInclusive<u64>, after: Option<&Bytes>, limit: usize) -> Vec<Bytes> {
        self.engine.keys(places, after, limit)
    }

    fn record(&self, name: &[u8]) -> Option<Bytes> {
        self.engine.record(name)
    }

    fn write_record(&mut self, name: &[u8], value: Option<Bytes>) -> Result<(), Full> {
        self.room_for(value.is_some())?;
        self.engine.write_record(name, value)
    }

    fn records(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<(Bytes, Bytes)> {
        self.engine.records(prefix, after, limit)
    }

    fn durability(&self) -> Durability {
        self.engine.durability()
    }

    fn is_dirty(&self) -> bool {
        self.engine.is_dirty()
    }

    fn commit(&mut self) -> Result<(), Failed> {
        self.engine.commit()
    }

    fn sync(&mut self) -> Result<(), Failed> {
        self.engine.sync()
    }

    fn crash(&mut self) -> Kept {
        self.engine.crash()
    }

    fn power_loss(&mut self) -> Kept {
        self.engine.power_loss()
    }

    fn limit(&mut self, bytes: Option<u64>) {
        self.engine.limit(bytes);
    }

    fn damage(&mut self, key: &[u8], bit: u64) -> bool {
        self.engine.damage(key, bit)
    }
}
