//! A mix of operations on records that are as popular as something says: the engine of most workloads.

use super::{Length, Popularity, RecordNames, unit};
use crate::workload::{Intent, Workload};
use bytes::Bytes;
use rand_xoshiro::Xoshiro256PlusPlus;

/// See the module.
pub struct Mix {
    /// How many records there are.
    pub records: u64,
    /// What their keys are.
    pub names: RecordNames,
    /// How popular each is.
    pub popularity: Box<dyn Popularity>,
    /// How often each operation is asked for.
    pub shares: Shares,
    /// Over how many records a scan goes.
    pub scan_length: Length,
    /// How long a value is.
    pub value_bytes: Length,
}

/// The share of each operation; they sum to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shares {
    /// Reads a record.
    pub read: f64,
    /// Writes a record, in the clients' manner of writing.
    pub update: f64,
    /// Writes a new record.
    pub insert: f64,
    /// Reads consecutive records.
    pub scan: f64,
    /// Reads a record, then writes it.
    pub read_modify_write: f64,
    /// Deletes a record, in the clients' manner of writing.
    pub delete: f64,
}

impl Mix {
    /// Reads and updates of a fixed number of records.
    pub(crate) fn reads_and_updates(
        records: u64,
        popularity: Box<dyn Popularity>,
        reads: f64,
        value_bytes: Length,
    ) -> Self {
        Self::reads_updates_and_deletes(records, popularity, (reads, 0.0), value_bytes)
    }

    /// Reads, updates and deletes of a fixed number of records: the shares of reads and of deletes.
    pub(crate) fn reads_updates_and_deletes(
        records: u64,
        popularity: Box<dyn Popularity>,
        (reads, deletes): (f64, f64),
        value_bytes: Length,
    ) -> Self {
        Self {
            records,
            names: RecordNames::Plain,
            popularity,
            shares: Shares {
                read: reads,
                update: 1.0 - reads - deletes,
                delete: deletes,
                ..Shares::default()
            },
            scan_length: Length::constant(1),
            value_bytes,
        }
    }
}

impl Workload for Mix {
    fn preload(&self) -> Vec<Bytes> {
        (0..self.records)
            .map(|record| self.names.key(record))
            .collect()
    }

    /// The record comes first, whatever is done with it: mixes that differ in their shares alone ask for the same ones.
    fn next(&mut self, chance: &mut Xoshiro256PlusPlus) -> Option<Intent> {
        let record = self.popularity.choose(self.records, chance);
        let key = |record| self.names.key(record);
        Some(match self.shares.choose(unit(chance)) {
            Operation::Read => Intent::Read(key(record)),
            Operation::Update => Intent::Update(key(record)),
            Operation::Delete => Intent::Delete(key(record)),
            Operation::ReadModifyWrite => Intent::ReadModifyWrite(key(record)),
            Operation::Scan => {
                let end = self.records.min(record + self.scan_length.draw(chance));
                Intent::Scan((record..end).map(key).collect())
            }
            // It counts from now on, acknowledged or not: what is asked does not depend on what is answered.
            Operation::Insert => {
                let new = key(self.records);
                self.records += 1;
                Intent::Insert(new)
            }
        })
    }

    fn value_bytes(&self) -> &Length {
        &self.value_bytes
    }
}

#[derive(Clone, Copy)]
enum Operation {
    Read,
    Update,
    Insert,
    Scan,
    ReadModifyWrite,
    Delete,
}

impl Shares {
    /// Which operation a point between 0 and 1 falls on.
    fn choose(&self, point: f64) -> Operation {
        let shares = [
            (self.read, Operation::Read),
            (self.update, Operation::Update),
            (self.insert, Operation::Insert),
            (self.scan, Operation::Scan),
            (self.read_modify_write, Operation::ReadModifyWrite),
            (self.delete, Operation::Delete),
        ];
        let (mut sum, mut last) = (0.0, Operation::Read);
        for (share, operation) in shares.into_iter().filter(|(share, _)| *share > 0.0) {
            sum += share;
            last = operation;
            if point < sum {
                break;
            }
        }
        last
    }
}
