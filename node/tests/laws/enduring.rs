//! Laws of storage on disk: what it keeps through kill -9, and what it refuses to open.

use crate::resting::{State, Write};
use bytes::Bytes;
use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use tidemark_node::chance::{self, below};
use tidemark_node::storage::{self, Damage, Full, Storage, place};
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::find;

/// If this fails, a node that is killed forgets what it acknowledged, keeps half a batch, or makes something up.
#[test]
fn a_killed_writer_has_written_what_it_acknowledged_and_at_most_one_batch_more() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return write_for_ever(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut moments = chance::stream(SEED, "moments", NodeId::node(1));
    let mut written = 0;
    for round in 0..ROUNDS {
        // After so many batches, or while it opens what its predecessor has left.
        let acknowledged = below(&mut moments, MOST_ACKNOWLEDGED);
        let last = killed_after(acknowledged, folder.path());
        let held = State::of(&*open(folder.path(), json!({})).unwrap());
        let least = last.map_or(written, |last| last + 1);
        let batches = (least..=least + 1).find(|batches| held == state(*batches));
        let Some(batches) = batches else {
            panic!("round {round}, after {last:?}: {held:?}");
        };
        assert!(
            last.is_none_or(|last| last >= written),
            "a batch was written twice"
        );
        written = batches;
    }
    assert!(written > ROUNDS, "only {written} batches were written");
}

/// Starts a writer and kills it. Gives the last batch of which it said that a crash would leave it, if it came to any.
fn killed_after(acknowledged: usize, folder: &Path) -> Option<usize> {
    let own = std::env::current_exe().expect("it runs");
    let mut child = Command::new(own)
        .args(["--exact", "--nocapture", NAME])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let said = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let (mut last, mut heard) = (None, 0);
    // What it said before it died counts, whenever it is read.
    for line in said.map_while(Result::ok) {
        let Some(number) = line.strip_prefix(SAYS) else {
            continue;
        };
        last = number.parse::<usize>().ok();
        if heard == acknowledged {
            child.kill().expect("it was started");
        }
        heard += 1;
    }
    child.wait().expect("it was started");
    assert!(
        heard > acknowledged,
        "the writer ended after {heard} batches"
    );
    last
}

/// The process that is killed: goes on from what the folder has, and says which batches a crash would leave.
fn write_for_ever(folder: &Path) {
    if !say("nothing yet") {
        return;
    }
    let mut engine = open(folder, json!({})).expect("the folder opens");
    let done = engine.record(DONE).map_or(0, |done| {
        let done = String::from_utf8_lossy(&done);
        done.parse::<usize>().expect("it is a number")
    });
    let mut state = state(done);
    for number in done..MOST_BATCHES {
        batch(&mut *engine, &mut state, number);
        // The kernel is enough: the machine goes on.
        let written = match number % 2 {
            0 => engine.commit(),
            _ => engine.sync(),
        };
        written.expect("the disk works");
        // Whoever started it has gone if it cannot be told.
        if !say(&number.to_string()) {
            return;
        }
    }
}

fn say(what: &str) -> bool {
    let mut out = std::io::stdout().lock();
    let said = writeln!(out, "\n{SAYS}{what}");
    said.and_then(|()| out.flush()).is_ok()
}

/// One batch of random writes, the same for the same number.
fn batch(engine: &mut dyn Storage, state: &mut State, number: usize) {
    let mut chance = chance::stream(SEED, &format!("batch {number}"), NodeId::node(1));
    for _ in 0..1 + below(&mut chance, 8) {
        let key = below(&mut chance, 50) as u8;
        let write = match below(&mut chance, 6) {
            0 => Write::Remove(key),
            1 => Write::Record(key),
            2 => Write::RemoveRecord(key),
            _ => Write::Store(key),
        };
        write.to(engine, state, number);
    }
    let done = Bytes::from((number + 1).to_string());
    let written = engine.write_record(DONE, Some(done.clone()));
    assert_eq!(written, Ok(()));
    state.records.insert(Bytes::from_static(DONE), done);
}

/// What the model of the engine holds after so many batches.
fn state(batches: usize) -> State {
    let model = find("storage", storage::ENTRIES, "model").expect("it is listed");
    let options = serde_json::Map::new();
    let mut model = (model.build)(&options, NodeId::node(1), None).expect("it opens");
    let mut state = State::default();
    for number in 0..batches {
        batch(&mut *model, &mut state, number);
    }
    assert_eq!(State::of(&*model), state, "the model itself");
    state
}

/// If this fails, a node serves what another node has written, or what it cannot read.
#[test]
fn a_folder_of_another_node_or_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), json!({})).unwrap());
    let why = |id| {
        let lsm = find("storage", storage::ENTRIES, "lsm").unwrap();
        let built = (lsm.build)(&serde_json::Map::new(), id, Some(folder.path()));
        built.err().map(|error| error.to_string())
    };
    let at = folder.path().display();
    assert_eq!(
        why(NodeId::node(2)),
        Some(format!(
            "the data in {at}: it is of node n1, and this is node n2"
        ))
    );
    assert_eq!(why(NodeId::node(1)), None);
    raw(folder.path(), "about", |about| {
        about.insert("format", "2").unwrap();
    });
    assert_eq!(
        why(NodeId::node(1)),
        Some(format!(
            "the data in {at}: it is of format 2, and this is format 1"
        ))
    );
    let lsm = find("storage", storage::ENTRIES, "lsm").unwrap();
    let nowhere = (lsm.build)(&serde_json::Map::new(), NodeId::node(1), None);
    let error = nowhere.err().unwrap().to_string();
    assert!(error.contains("--data"), "{error}");
}

/// If this fails, damage of a disk is served as if it had been written.
#[test]
fn a_flipped_bit_on_the_disk_is_damage_and_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let (key, mut state) = (crate::resting::name(1), State::default());
    let mut engine = open(folder.path(), json!({})).unwrap();
    Write::Store(1).to(&mut *engine, &mut state, 3);
    engine.sync().unwrap();
    drop(engine);
    raw(folder.path(), "keys", |keys| {
        let name = [&place(&key).to_be_bytes(), &key[..]].concat();
        let mut value = keys.get(&name).unwrap().unwrap().to_vec();
        *value.last_mut().unwrap() ^= 1;
        keys.insert(name, value).unwrap();
    });
    let mut engine = open(folder.path(), json!({})).unwrap();
    assert_eq!(engine.load(&key), Err(Damage));
    Write::Store(1).to(&mut *engine, &mut state, 6);
    assert_eq!(State::of(&*engine), state);
}

/// If this fails, a node ends, or acknowledges nothing, where it could have refused writes and served reads.
#[test]
fn a_full_disk_takes_nothing_but_removals() {
    let folder = tempfile::tempdir().unwrap();
    let (key, mut state) = (crate::resting::name(1), State::default());
    let mut engine = open(folder.path(), json!({})).unwrap();
    Write::Store(1).to(&mut *engine, &mut state, 3);
    engine.sync().unwrap();
    let versions = engine.load(&key).unwrap();
    drop(engine);
    let mut engine = open(folder.path(), json!({ "reserve_bytes": u64::MAX })).unwrap();
    assert_eq!(engine.store(&key, versions.clone()), Err(Full));
    assert_eq!(engine.write_record(b"name", Some(key.clone())), Err(Full));
    assert_eq!(engine.load(&key), Ok(versions));
    assert_eq!(engine.store(&key, Vec::new()), Ok(()));
    assert_eq!(engine.sync(), Ok(()));
    assert_eq!(engine.load(&key), Ok(Vec::new()));
}

/// The engine of n1 in a folder.
fn open(folder: &Path, options: Value) -> Result<Box<dyn Storage>, String> {
    let lsm = find("storage", storage::ENTRIES, "lsm").expect("it is listed");
    let options = options.as_object().cloned().expect("a table");
    let built = (lsm.build)(&options, NodeId::node(1), Some(folder));
    built.map_err(|error| error.to_string())
}

/// Does something to a keyspace behind the engine's back.
fn raw(folder: &Path, keyspace: &str, work: impl FnOnce(fjall::Keyspace)) {
    let database = Database::builder(folder).open().expect("it opens");
    let options = KeyspaceCreateOptions::default;
    work(database.keyspace(keyspace, options).expect("it opens"));
    let synced = database.persist(PersistMode::SyncAll);
    synced.expect("the disk works");
}

const NAME: &str =
    "enduring::a_killed_writer_has_written_what_it_acknowledged_and_at_most_one_batch_more";
/// Where the process that is killed writes.
const FOLDER: &str = "TIDEMARK_TEST_FOLDER";
const SAYS: &str = "kept: ";
const DONE: &[u8] = b"record done";
const SEED: u64 = 11;
const ROUNDS: usize = 40;
const MOST_ACKNOWLEDGED: usize = 60;
const MOST_BATCHES: usize = 100_000;
