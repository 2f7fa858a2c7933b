//! Laws of storage.

use crate::SHAPE;
use crate::harness::{options, tries};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidemark_node::storage::{self, Kept};
use tidemark_node::versioning::Versions;
use tidemark_proto::registry::Promise;
use tidemark_proto::wire::StoredVersion;

proptest! {
    #![proptest_config(tries())]

    /// If this fails, an engine forgets, invents or resurrects versions, or claims to have kept what it lost.
    #[test]
    fn storage_equals_a_map(steps in prop::collection::vec(step(), 0..60)) {
        for entry in storage::ENTRIES {
            let survives_crash = entry.promises.contains(&Promise::SurvivesCrash);
            let built = (entry.build)(&options(entry, SHAPE));
            let mut engine = built.unwrap_or_else(|error| panic!("{}: {error}", entry.name));
            // Of each key: what was synced, then all that was stored since.
            let mut model: BTreeMap<Bytes, Vec<Versions>> = BTreeMap::new();
            for (number, step) in steps.iter().enumerate() {
                match step {
                    Step::Store(key) => {
                        let versions = versions(number);
                        engine.store(&name(*key), versions.clone());
                        let absent = || vec![Versions::new()];
                        model.entry(name(*key)).or_insert_with(absent).push(versions);
                        prop_assert!(engine.is_dirty() || !survives_crash, "{}", entry.name);
                    }
                    Step::Sync => {
                        engine.sync();
                        prop_assert!(!engine.is_dirty(), "{} is still dirty", entry.name);
                        for stored in model.values_mut() {
                            stored.drain(..stored.len() - 1);
                        }
                    }
                    Step::Crash | Step::PowerLoss => {
                        let is_crash = matches!(step, Step::Crash);
                        let kept = if is_crash { engine.crash() } else { engine.power_loss() };
                        if is_crash && survives_crash {
                            prop_assert_eq!(kept, Kept::Everything, "{}", entry.name);
                        }
                        match kept {
                            Kept::Nothing => model.clear(),
                            Kept::Everything => {
                                for (key, stored) in &mut model {
                                    let held = engine.load(key);
                                    let place = stored.iter().position(|one| *one == held);
                                    prop_assert!(place.is_some(), "{} lost {key:?}", entry.name);
                                    stored.truncate(1 + place.unwrap_or(0));
                                }
                            }
                        }
                    }
                }
                model.retain(|_, stored| stored.iter().any(|versions| !versions.is_empty()));
                let held = |(key, stored): (&Bytes, &Vec<Versions>)| {
                    stored.last().filter(|last| !last.is_empty()).map(|_| key.clone())
                };
                let keys: Vec<_> = model.iter().filter_map(held).collect();
                prop_assert_eq!(engine.keys(), keys, "{} after {:?}", entry.name, step);
                for key in (0..KEYS).map(name) {
                    let expected = model.get(&key).and_then(|stored| stored.last());
                    let expected = expected.cloned().unwrap_or_default();
                    prop_assert_eq!(engine.load(&key), expected, "{}", entry.name);
                }
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Store(u8),
    Sync,
    Crash,
    PowerLoss,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..KEYS).prop_map(Step::Store),
        2 => Just(Step::Sync),
        1 => Just(Step::Crash),
        1 => Just(Step::PowerLoss),
    ]
}

fn name(key: u8) -> Bytes {
    Bytes::from(format!("key {key}"))
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
