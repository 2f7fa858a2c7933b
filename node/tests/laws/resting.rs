//! Laws of storage.

use crate::SHAPE;
use crate::harness::{options, tries};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use tidemark_node::storage::{self, Build, Kept, Storage, place};
use tidemark_node::versioning::Versions;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, Promise};
use tidemark_proto::wire::StoredVersion;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..tries() })]

    /// If this fails, an engine forgets, invents or resurrects versions, or claims to have kept what it lost.
    #[test]
    fn storage_equals_a_map(
        steps in prop::collection::vec(step(), 0..60),
        recent in prop::sample::select(vec![0, TWO_KEYS, 1 << 20]),
    ) {
        for entry in storage::ENTRIES {
            let survives_crash = entry.promises.contains(&Promise::SurvivesCrash);
            let folder = tempfile::tempdir().expect("there is room for a folder");
            let own = folder.path().join("n1");
            let mut engine = Some(open(entry, &own, recent));
            // What was synced, then what was held after each write since; and which of them the engine was given last.
            let (mut states, mut given) = (vec![State::default()], 0);
            for (number, step) in steps.iter().enumerate() {
                let held = engine.as_mut().expect("it is open between steps");
                let mut last = states.last().cloned().unwrap_or_default();
                let mut least = None;
                match step {
                    Step::Write(write) => {
                        write.to(&mut **held, &mut last, number);
                        states.push(last);
                        prop_assert!(held.is_dirty() || !survives_crash, "{}", entry.name);
                    }
                    Step::Commit => {
                        prop_assert_eq!(held.commit(), Ok(()), "{}", entry.name);
                        prop_assert!(!held.is_dirty(), "{} is still dirty", entry.name);
                        given = states.len() - 1;
                    }
                    Step::Sync => {
                        prop_assert_eq!(held.sync(), Ok(()), "{}", entry.name);
                        prop_assert!(!held.is_dirty(), "{} is still dirty", entry.name);
                        (states, given) = (vec![last], 0);
                    }
                    Step::Crash => least = Some((held.crash(), given)),
                    Step::PowerLoss => least = Some((held.power_loss(), 0)),
                    Step::Reopen => {
                        drop(engine.take());
                        let kept = if own.exists() { Kept::Everything } else { Kept::Nothing };
                        engine = Some(open(entry, &own, recent));
                        least = Some((kept, given));
                    }
                }
                let held = engine.as_ref().expect("it is open between steps");
                if let Some((kept, least)) = least {
                    if matches!(step, Step::Crash) && survives_crash {
                        prop_assert_eq!(kept, Kept::Everything, "{}", entry.name);
                    }
                    if kept == Kept::Nothing {
                        (states, given) = (vec![State::default()], 0);
                    } else {
                        let now = State::of(&**held);
                        let place = states[least..].iter().rposition(|state| *state == now);
                        let place = place.map(|place| least + place);
                        prop_assert!(place.is_some(), "{} kept {now:?} of {states:?}", entry.name);
                        states.truncate(1 + place.unwrap_or(0));
                        given = given.min(states.len() - 1);
                    }
                }
                let expected = states.last().cloned().unwrap_or_default();
                prop_assert_eq!(State::of(&**held), expected, "{} after {:?}", entry.name, step);
            }
        }
    }

    /// If this fails, a sweep or a hand-over leaves out keys, or goes over them for ever.
    #[test]
    fn keys_come_in_pages_by_their_places(
        written in prop::collection::btree_set(0..40_u8, 0..30),
        removed in prop::collection::btree_set(0..40_u8, 0..10),
        range in (0..40_u8, 0..40_u8),
        limit in 1..5_usize,
    ) {
        let ends = [range.0, range.1].map(|key| place(&name(key)));
        let range = ends[0].min(ends[1])..=ends[0].max(ends[1]);
        let mut expected: Vec<_> = written.difference(&removed).map(|key| name(*key)).collect();
        expected.retain(|key| range.contains(&place(key)));
        expected.sort_by_key(|key| place(key));
        for entry in storage::ENTRIES {
            let folder = tempfile::tempdir().expect("there is room for a folder");
            let mut engine = open(entry, folder.path(), TWO_KEYS);
            for key in &written {
                prop_assert_eq!(engine.store(&name(*key), versions(1)), Ok(()));
                if key % 2 == 0 {
                    prop_assert_eq!(engine.commit(), Ok(()));
                }
            }
            for key in &removed {
                prop_assert_eq!(engine.store(&name(*key), Versions::new()), Ok(()));
            }
            let found = keys(&*engine, range.clone(), limit);
            prop_assert_eq!(found, expected.clone(), "{}", entry.name);
        }
    }
}

/// The engine of n1 in a folder, which keeps so many bytes in memory too, if it is one that does.
fn open(entry: &Entry<Build>, folder: &Path, recent: u64) -> Box<dyn Storage> {
    let resolved = (entry.resolve)(&options(entry, SHAPE));
    let mut options = resolved.unwrap_or_else(|error| panic!("{}: {error}", entry.name));
    if let Some(bytes) = options.get_mut("recent_bytes") {
        *bytes = recent.into();
    }
    let built = (entry.build)(&options, NodeId::node(1), Some(folder));
    built.unwrap_or_else(|error| panic!("{}: {error}", entry.name))
}

/// All that a storage holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    keys: BTreeMap<Bytes, Versions>,
    pub(crate) records: BTreeMap<Bytes, Bytes>,
}

impl State {
    pub(crate) fn of(engine: &dyn Storage) -> Self {
        let keys = keys(engine, 0..=u64::MAX, 3).into_iter();
        let load = |key: &Bytes| engine.load(key).expect("nothing is damaged");
        let mut records: BTreeMap<Bytes, Bytes> = BTreeMap::new();
        loop {
            let after = records.last_key_value().map(|(name, _)| name.clone());
            let page = engine.records(b"record ", after.as_deref(), 3);
            assert!(page.iter().all(|(name, _)| Some(name) > after.as_ref()));
            if page.is_empty() {
                break;
            }
            records.extend(page);
        }
        for (name, value) in &records {
            assert_eq!(engine.record(name).as_ref(), Some(value));
        }
        Self {
            keys: keys.map(|key| (key.clone(), load(&key))).collect(),
            records,
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write(Write),
    Commit,
    Sync,
    Crash,
    PowerLoss,
    Reopen,
}

#[derive(Clone, Debug)]
pub(crate) enum Write {
    Store(u8),
    Remove(u8),
    Record(u8),
    RemoveRecord(u8),
}

impl Write {
    /// Writes the same to an engine and to what it is expected to hold.
    pub(crate) fn to(&self, engine: &mut dyn Storage, state: &mut State, number: usize) {
        let written = match self {
            Self::Store(key) => {
                state.keys.insert(name(*key), versions(number));
                engine.store(&name(*key), versions(number))
            }
            Self::Remove(key) => {
                state.keys.remove(&name(*key));
                engine.store(&name(*key), Versions::new())
            }
            Self::Record(key) => {
                let value = Bytes::from(number.to_string());
                state.records.insert(record(*key), value.clone());
                engine.write_record(&record(*key), Some(value))
            }
            Self::RemoveRecord(key) => {
                state.records.remove(&record(*key));
                engine.write_record(&record(*key), None)
            }
        };
        assert_eq!(written, Ok(()));
    }
}

fn step() -> impl Strategy<Value = Step> {
    let write = prop_oneof![
        3 => (0..KEYS).prop_map(Write::Store),
        1 => (0..KEYS).prop_map(Write::Remove),
        2 => (0..KEYS).prop_map(Write::Record),
        1 => (0..KEYS).prop_map(Write::RemoveRecord),
    ];
    prop_oneof![
        6 => write.prop_map(Step::Write),
        2 => Just(Step::Commit),
        2 => Just(Step::Sync),
        1 => Just(Step::Crash),
        1 => Just(Step::PowerLoss),
        1 => Just(Step::Reopen),
    ]
}

/// All keys of a range, in pages.
fn keys(engine: &dyn Storage, range: RangeInclusive<u64>, limit: usize) -> Vec<Bytes> {
    let mut found: Vec<Bytes> = Vec::new();
    loop {
        let page = engine.keys(range.clone(), found.last(), limit);
        assert!(page.len() <= limit, "{} keys, {limit} asked", page.len());
        if page.is_empty() {
            return found;
        }
        found.extend(page);
    }
}

pub(crate) fn name(key: u8) -> Bytes {
    Bytes::from(format!("key {key}"))
}

fn record(key: u8) -> Bytes {
    Bytes::from(format!("record {key}"))
}

fn versions(number: usize) -> Versions {
    let version = StoredVersion {
        clock: Bytes::from_static(b"a clock"),
        value: number
            .is_multiple_of(3)
            .then(|| Bytes::from(number.to_string())),
        operation: number as u64,
    };
    vec![version]
}

const KEYS: u8 = 4;
/// The bytes that about two of them take in memory.
const TWO_KEYS: u64 = 400;
