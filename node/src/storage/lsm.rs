//! A log-structured merge tree on disk, in a folder of the node's own.
//!
//! Reference: O'Neil et al., The log-structured merge-tree, Acta Informatica 1996. The engine is fjall's. It is given what
//! one batch wrote as one atomic batch of its own, and syncs when it is told to; until then, this holds what was written.
//! Of what the engine has, this keeps in memory what was lately read or written.

use super::{Build, Damage, Failed, Full, Kept, Storage, place};
use crate::durability::{Durability, Sync, default_interval};
use crate::sealed;
use crate::versioning::Versions;
use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use foldhash::fast::RandomState;
use quick_cache::Weighter;
use quick_cache::unsync::{Cache, DefaultLifecycle};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::ops::{Bound, RangeInclusive};
use std::path::{Path, PathBuf};
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options, Promise, parse, resolve, schema};
use tidemark_proto::span::Span;

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "lsm",
    about: "a log-structured merge tree on disk, in the node's own folder; in sim, its model",
    promises: &[Promise::SurvivesCrash],
    resolve: resolve::<LsmOptions>,
    schema: schema::<LsmOptions>,
    build: |options: &Options, id: NodeId, folder: Option<&Path>| {
        let options = parse(options)?;
        let Some(folder) = folder else {
            let reason = "it keeps its data in a folder, and was given none; name one with --data";
            return Err(OptionError::new(reason));
        };
        Ok(Box::new(Lsm::open(options, id, folder)?))
    },
};

/// How durable it is, and what it may use.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LsmOptions {
    /// What an acknowledgement waits for.
    #[serde(default)]
    sync: Sync,
    /// How long a write may wait for the disk with sync = "interval". Short: many syncs; long: more is lost with the power.
    #[serde(default = "default_interval")]
    interval: Span,
    /// Bytes of blocks kept in memory. Few: reads go to the disk; many: memory.
    #[serde(default = "default_cache")]
    cache_bytes: u64,
    /// Bytes of what was lately read or written, kept in memory as it is. Few: the engine is searched for what it has just
    /// taken; many: memory.
    #[serde(default = "default_recent")]
    recent_bytes: u64,
    /// Bytes written before they become a table on disk. Few: many small tables to merge; many: memory, up to four times.
    #[serde(default = "default_memtable")]
    memtable_bytes: u64,
    /// Bytes of the file system to be left free: beyond it, writes are refused. Too few: the engine itself finds the disk
    /// full, and the node ends; too many: a disk that is full too soon.
    #[serde(default = "default_reserve")]
    reserve_bytes: u64,
}

struct Lsm {
    durability: Durability,
    folder: PathBuf,
    reserve: u64,
    is_full: bool,
    /// Keys' versions, sealed, under their places and keys.
    keys: Shelf,
    records: Shelf,
    /// Why the engine cannot go on; once it cannot, it never can.
    failed: OnceCell<Failed>,
    engine: Database,
}

impl Lsm {
    fn open(options: LsmOptions, id: NodeId, folder: &Path) -> Result<Self, OptionError> {
        let durability = Durability::new(options.sync, options.interval)?;
        let refuse = |reason: String| {
            OptionError::new(format!("the data in {}: {reason}", folder.display()))
        };
        let wrong = |error: fjall::Error| refuse(format!("it cannot be opened: {error}"));
        let engine = Database::builder(folder)
            .cache_size(options.cache_bytes)
            .manual_journal_persist(true)
            .worker_threads(1)
            .open()
            .map_err(wrong)?;
        let memtable = options.memtable_bytes;
        let keyspace = |name| {
            let options = || KeyspaceCreateOptions::default().max_memtable_size(memtable);
            engine.keyspace(name, options).map_err(wrong)
        };
        let (about, keys, records) = (keyspace("about")?, keyspace("keys")?, keyspace("records")?);
        for (name, own, unit) in [
            ("format", FORMAT.to_owned(), "format"),
            ("node", id.to_string(), "node"),
        ] {
            match about.get(name).map_err(wrong)? {
                Some(written) if *written == *own.as_bytes() => {}
                Some(written) => {
                    let written = String::from_utf8_lossy(&written);
                    return Err(refuse(format!(
                        "it is of {unit} {written}, and this is {unit} {own}"
                    )));
                }
                None => about.insert(name, own).map_err(wrong)?,
            }
        }
        engine.persist(PersistMode::SyncAll).map_err(wrong)?;
        let mut lsm = Self {
            durability,
            folder: folder.to_owned(),
            reserve: options.reserve_bytes,
            is_full: false,
            keys: Shelf::new(keys, options.recent_bytes),
            records: Shelf::new(records, 0),
            failed: OnceCell::new(),
            engine,
        };
        lsm.measure().map_err(|Failed(reason)| refuse(reason))?;
        Ok(lsm)
    }

    /// Finds out whether the disk is full.
    fn measure(&mut self) -> Result<(), Failed> {
        let disk = rustix::fs::statvfs(&self.folder).map_err(|error| {
            Failed(format!(
                "{} cannot be measured: {error}",
                self.folder.display()
            ))
        })?;
        self.is_full = disk.f_bavail.saturating_mul(disk.f_frsize) < self.reserve;
        Ok(())
    }

    /// Gives all that was written to the engine, and to the disk in this way.
    fn write(&mut self, mode: PersistMode) -> Result<(), Failed> {
        if let Some(failed) = self.failed.get() {
            return Err(failed.clone());
        }
        let mut batch = self.engine.batch().durability(Some(PersistMode::Buffer));
        self.keys.unload(&mut batch);
        self.records.unload(&mut batch);
        let written = batch.commit().and_then(|()| match mode {
            PersistMode::Buffer => Ok(()),
            PersistMode::SyncData | PersistMode::SyncAll => self.engine.persist(mode),
        });
        written.map_err(|error| self.fail(error))?;
        self.measure()
    }

    /// Remembers why the engine cannot go on.
    fn fail(&self, error: fjall::Error) -> Failed {
        let failed = || Failed(format!("{}: {error}", self.folder.display()));
        self.failed.get_or_init(failed).clone()
    }

    fn check_room(&self, value: Option<&Bytes>) -> Result<(), Full> {
        if self.is_full && value.is_some() {
            return Err(Full);
        }
        Ok(())
    }

    /// What can be read; what cannot is an end of the engine at the next write, and until then is not there.
    fn read<T: Default>(&self, read: fjall::Result<T>) -> T {
        read.unwrap_or_else(|error| {
            self.fail(error);
            T::default()
        })
    }
}

impl Storage for Lsm {
    fn load(&self, key: &[u8]) -> Result<Versions, Damage> {
        match self.keys.get(&placed(key)) {
            Ok(Some(sealed)) => sealed::open(key, &sealed),
            Ok(None) => Ok(Versions::new()),
            // A block that is damaged is damage of the keys in it.
            Err(fjall::Error::Storage(_)) => Err(Damage),
            Err(error) => {
                self.fail(error);
                Err(Damage)
            }
        }
    }

    fn store(&mut self, key: &Bytes, versions: Versions) -> Result<(), Full> {
        let sealed = sealed::seal(key, versions);
        self.check_room(sealed.as_ref())?;
        self.keys.put(placed(key), sealed);
        Ok(())
    }

    fn keys(&self, places: RangeInclusive<u64>, after: Option<&Bytes>, limit: usize) -> Vec<Bytes> {
        let first = Bytes::copy_from_slice(&places.start().to_be_bytes());
        let after = after.map(|key| placed(key));
        let is_within = |placed: &[u8]| placed[..PLACE] <= places.end().to_be_bytes()[..];
        let found = self.read(self.keys.range(first, after, limit, is_within));
        found
            .into_iter()
            .map(|(placed, _)| placed.slice(PLACE..))
            .collect()
    }

    fn record(&self, name: &[u8]) -> Option<Bytes> {
        self.read(self.records.get(name))
    }

    fn write_record(&mut self, name: &[u8], value: Option<Bytes>) -> Result<(), Full> {
        self.check_room(value.as_ref())?;
        self.records.put(Bytes::copy_from_slice(name), value);
        Ok(())
    }

    fn records(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<(Bytes, Bytes)> {
        let first = Bytes::copy_from_slice(prefix);
        let after = after.map(Bytes::copy_from_slice);
        self.read(
            self.records
                .range(first, after, limit, |name| name.starts_with(prefix)),
        )
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn is_dirty(&self) -> bool {
        !self.keys.staged.is_empty()
            || !self.records.staged.is_empty()
            || self.failed.get().is_some()
    }

    fn commit(&mut self) -> Result<(), Failed> {
        self.write(PersistMode::Buffer)
    }

    fn sync(&mut self) -> Result<(), Failed> {
        self.write(PersistMode::SyncData)
    }

    /// Its process dies with it, but for tests.
    fn crash(&mut self) -> Kept {
        self.keys.staged.clear();
        self.records.staged.clear();
        Kept::Everything
    }

    /// The power is not its to take away: all that the kernel has is kept.
    fn power_loss(&mut self) -> Kept {
        self.crash()
    }
}

/// A keyspace of the engine, and what was written since the last batch.
struct Shelf {
    keyspace: Keyspace,
    /// What of it is in memory too: a search of the engine costs more than all else that a replica does with a key.
    recent: RefCell<Recent>,
    /// Shadows what is in the engine; none: removed.
    staged: BTreeMap<Bytes, Option<Bytes>>,
}

impl Shelf {
    fn new(keyspace: Keyspace, recent_bytes: u64) -> Self {
        let items = usize::try_from(recent_bytes / SMALL).unwrap_or(usize::MAX);
        let (hash, lifecycle) = (RandomState::default(), DefaultLifecycle::default());
        Self {
            keyspace,
            recent: Cache::with(items, recent_bytes, InMemory, hash, lifecycle).into(),
            staged: BTreeMap::new(),
        }
    }

    fn put(&mut self, name: Bytes, value: Option<Bytes>) {
        self.staged.insert(name, value);
    }

    fn get(&self, name: &[u8]) -> fjall::Result<Option<Bytes>> {
        if let Some(staged) = self.staged.get(name) {
            return Ok(staged.clone());
        }
        let mut recent = self.recent.borrow_mut();
        if let Some(value) = recent.get(name) {
            return Ok(Some(value.clone()));
        }
        let Some(value) = self.keyspace.get(name)? else {
            return Ok(None);
        };
        let value = Bytes::copy_from_slice(&value);
        recent.insert(Bytes::copy_from_slice(name), value.clone());
        Ok(Some(value))
    }

    /// At most `limit` entries from `first` on, those behind `after`, as long as they are within.
    fn range(
        &self,
        first: Bytes,
        after: Option<Bytes>,
        limit: usize,
        is_within: impl Fn(&[u8]) -> bool,
    ) -> fjall::Result<Vec<(Bytes, Bytes)>> {
        let first = match after {
            Some(after) if after >= first => Bound::Excluded(after),
            Some(_) | None => Bound::Included(first),
        };
        let range = (first, Bound::Unbounded);
        let mut found = Vec::new();
        for entry in self.keyspace.range::<Bytes, _>(range.clone()) {
            let (name, value) = entry.into_inner()?;
            if found.len() == limit || !is_within(&name) {
                break;
            }
            if !self.staged.contains_key(&*name) {
                found.push((
                    Bytes::copy_from_slice(&name),
                    Bytes::copy_from_slice(&value),
                ));
            }
        }
        let staged = self.staged.range::<Bytes, _>(range);
        let staged = staged.take_while(|(name, _)| is_within(name));
        found.extend(staged.filter_map(|(name, value)| Some((name.clone(), value.clone()?))));
        found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        found.truncate(limit);
        Ok(found)
    }

    fn unload(&mut self, batch: &mut OwnedWriteBatch) {
        let recent = self.recent.get_mut();
        for (name, value) in std::mem::take(&mut self.staged) {
            match value {
                Some(value) => {
                    batch.insert(&self.keyspace, &name[..], &value[..]);
                    recent.insert(name, value);
                }
                None => {
                    batch.remove(&self.keyspace, &name[..]);
                    recent.remove(&name);
                }
            }
        }
    }
}

/// Values that were lately read or written, under their names.
type Recent = Cache<Bytes, Bytes, InMemory, RandomState>;

/// Weighs what is kept by the memory that it takes.
#[derive(Clone, Copy)]
struct InMemory;

impl Weighter<Bytes, Bytes> for InMemory {
    fn weight(&self, name: &Bytes, value: &Bytes) -> u64 {
        (name.len() + value.len() + ENTRY_BYTES) as u64
    }
}

/// Where a key stands in the engine: keys come in the order of their places.
fn placed(key: &[u8]) -> Bytes {
    [&place(key).to_be_bytes(), key].concat().into()
}

fn default_cache() -> u64 {
    32 << 20
}

fn default_recent() -> u64 {
    16 << 20
}

fn default_memtable() -> u64 {
    16 << 20
}

fn default_reserve() -> u64 {
    64 << 20
}

/// What keyspaces and names mean; a folder of another format is refused.
const FORMAT: &str = "1";
/// What an entry takes in memory beside its bytes, about: two handles, a place in the table, two allocations.
const ENTRY_BYTES: usize = 128;
/// The bytes of a small entry.
const SMALL: u64 = 256;
/// The bytes of a place.
const PLACE: usize = 8;
