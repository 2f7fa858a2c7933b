//! The history as the observer process writes it, so that the next one goes on where a killed one stopped.
//!
//! Before a source gets a receipt, the ledger notes in `receipts.jsonl` up to which number the source's events are in the
//! tables, and how long the tables are. Who opens it again cuts the tables to these lengths: what is beyond them has no
//! receipt and is sent again, whether it is a row cut short or a whole batch. So no event is lost, and none is there twice.
//! What is noted has been handed to the kernel: it survives the process, not the machine.

use super::{Folder, Recorder, every};
use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidemark_observer::history::{CLOCKS, Correction, FILES, Tables};
use tidemark_observer::service::Sink;
use tidemark_proto::event::Event;
use tidemark_proto::time::nanoseconds;

/// A history that grows receipt by receipt.
pub struct Ledger {
    recorder: Recorder,
    /// Locked: two who write one history spoil it.
    receipts: File,
    /// The file of the corrections, made with the first of them.
    clocks: PathBuf,
    line: Vec<u8>,
    reached: Duration,
}

/// What a history has that somebody goes on with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Begun {
    /// Up to which number the events of each source are written down.
    pub settled: BTreeMap<String, u64>,
    /// The time of the last of them.
    pub reached: Duration,
}

/// A line of the receipts.
#[derive(Serialize, Deserialize)]
struct Settled {
    source: String,
    /// All events of the source before this number are in the tables.
    next: u64,
    /// How long the tables are with them.
    lengths: [u64; FILES.len()],
    /// The time of the last event in them.
    reached_ns: u64,
}

impl Ledger {
    /// Begins the history of a run, or goes on with one whose observer died; tells what it has.
    pub fn open(folder: &Folder) -> anyhow::Result<(Self, Begun)> {
        let path = path(folder);
        if !path.exists() {
            // The receipts come first: a history without them is complete, and nobody's to go on with.
            let receipts = File::create_new(&path).with_context(|| path.display().to_string())?;
            lock(&receipts, &path)?;
            let begun = Begun::default();
            let ledger = Self::over(folder, Recorder::create(folder)?, receipts, &begun);
            return Ok((ledger, begun));
        }
        let receipts = File::options().read(true).write(true).open(&path);
        let receipts = receipts.with_context(|| path.display().to_string())?;
        lock(&receipts, &path)?;
        let (begun, lengths) = read(&receipts).with_context(|| path.display().to_string())?;
        let mut lengths_left = lengths.iter();
        let files = every(|name| {
            let path = folder.path().join(name);
            let length = lengths_left.next().copied().unwrap_or_default();
            cut(&path, length).with_context(|| path.display().to_string())
        })?;
        let tables = match lengths.iter().all(|length| *length == 0) {
            true => Tables::new(files)?,
            false => Tables::resume(files),
        };
        let ledger = Self::over(folder, Recorder::over(tables), receipts, &begun);
        mend(&ledger.clocks).with_context(|| ledger.clocks.display().to_string())?;
        Ok((ledger, begun))
    }

    /// Whether the folder has a history that is not complete.
    #[must_use]
    pub fn is_open(folder: &Folder) -> bool {
        path(folder).exists()
    }

    /// The history in the folder is complete: nobody goes on with it.
    pub fn close(folder: &Folder) -> anyhow::Result<()> {
        let path = path(folder);
        fs::remove_file(&path).with_context(|| path.display().to_string())
    }

    fn over(folder: &Folder, recorder: Recorder, receipts: File, begun: &Begun) -> Self {
        Self {
            recorder,
            receipts,
            clocks: folder.path().join(CLOCKS),
            line: Vec::new(),
            reached: begun.reached,
        }
    }

    fn check(&self) -> io::Result<()> {
        let failed = self.recorder.failed.as_ref();
        failed.map_or(Ok(()), |error| {
            Err(io::Error::new(error.kind(), error.to_string()))
        })
    }
}

impl Sink for Ledger {
    fn take(&mut self, _source: &str, event: Event) {
        self.reached = self.reached.max(event.at());
        self.recorder.write(&event);
    }

    fn correct(&mut self, correction: &Correction) {
        let noted = add(&self.clocks, correction);
        self.recorder.note(noted);
    }

    fn settle(&mut self, source: &str, next: u64) -> io::Result<()> {
        self.recorder.flush_tables();
        self.check()?;
        let mut lengths = [0; FILES.len()];
        for (length, mut file) in lengths.iter_mut().zip(self.recorder.tables.writers()) {
            *length = file.stream_position()?;
        }
        let settled = Settled {
            source: source.to_owned(),
            next,
            lengths,
            reached_ns: nanoseconds(self.reached),
        };
        self.line.clear();
        serde_json::to_writer(&mut self.line, &settled)?;
        self.line.push(b'\n');
        let noted = self.receipts.write_all(&self.line);
        // Half a line would spoil those after it.
        self.recorder.note(noted);
        self.check()
    }
}

/// Adds a correction to the file.
fn add(path: &Path, correction: &Correction) -> io::Result<()> {
    let mut file = File::options().append(true).create(true).open(path)?;
    file.write_all(&correction.line()?)
}

/// Cuts off what one that was killed left of a last correction.
fn mend(path: &Path) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let lines = fs::read(path)?;
    let end = lines.iter().rposition(|byte| *byte == b'\n');
    let file = File::options().write(true).open(path)?;
    file.set_len(end.map_or(0, |end| end as u64 + 1))
}

/// Who goes on with a history does so alone.
fn lock(receipts: &File, path: &Path) -> anyhow::Result<()> {
    let locked = receipts.try_lock();
    locked.with_context(|| format!("{}: somebody else writes this history", path.display()))
}

/// What the receipts say, with the lengths of the last; a last line cut short is cut off.
fn read(mut receipts: &File) -> anyhow::Result<(Begun, [u64; FILES.len()])> {
    let mut begun = Begun::default();
    let mut lengths = [0; FILES.len()];
    let mut whole = 0;
    let mut lines = BufReader::new(receipts);
    let mut line = String::new();
    for number in 1.. {
        line.clear();
        let length = lines.read_line(&mut line)?;
        if !line.ends_with('\n') {
            break;
        }
        let settled: Settled =
            serde_json::from_str(&line).with_context(|| format!("line {number} is no receipt"))?;
        begun.settled.insert(settled.source, settled.next);
        begun.reached = Duration::from_nanos(settled.reached_ns);
        lengths = settled.lengths;
        whole += length as u64;
    }
    receipts.set_len(whole)?;
    receipts.seek(SeekFrom::Start(whole))?;
    Ok((begun, lengths))
}

/// Opens a table to go on after so many bytes.
fn cut(path: &Path, length: u64) -> anyhow::Result<File> {
    let mut options = File::options();
    let mut file = (options.write(true).create(true).truncate(false)).open(path)?;
    let has = file.metadata()?.len();
    ensure!(
        has >= length,
        "it has {has} bytes, but {length} were there when the last receipt was given"
    );
    file.set_len(length)?;
    file.seek(SeekFrom::Start(length))?;
    Ok(file)
}

fn path(folder: &Folder) -> PathBuf {
    folder.path().join(RECEIPTS)
}

const RECEIPTS: &str = "receipts.jsonl";

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_observer::history::Events;
    use tidemark_proto::event::MachineChange;
    use tidemark_proto::id::NodeId;

    fn numbered(number: u64) -> Event {
        Event::Machine {
            at: Duration::from_nanos(number),
            node: NodeId::node(1),
            change: MachineChange::Started,
        }
    }

    fn take(ledger: &mut Ledger, source: &str, numbers: std::ops::Range<u64>) {
        for number in numbers {
            ledger.take(source, numbered(number));
        }
    }

    fn append(folder: &Folder, name: &str, text: &str) {
        let file = File::options().append(true).open(folder.path().join(name));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn events(folder: &Folder) -> Vec<Event> {
        let files = every(|name| Ok(File::open(folder.path().join(name))?)).unwrap();
        let mut events = Events::new(files).unwrap();
        let all = events.by_ref().collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(events.truncated(), 0, "no row is cut short");
        all
    }

    #[test]
    fn whoever_goes_on_has_what_was_settled_and_nothing_else() {
        let out = tempfile::tempdir().unwrap();
        let folder = Folder(out.path().to_owned());
        let (mut first, begun) = Ledger::open(&folder).unwrap();
        assert_eq!(begun, Begun::default());
        assert!(Ledger::open(&folder).is_err(), "two write one history");
        take(&mut first, "n1~1", 0..3);
        first.settle("n1~1", 3).unwrap();
        take(&mut first, "a \"source\"\n", 3..5);
        first.settle("a \"source\"\n", 2).unwrap();
        // A batch that reached the tables, and has no receipt; more of it, cut short; a receipt cut short.
        take(&mut first, "n1~1", 5..9);
        first.recorder.flush_tables();
        drop(first);
        append(&folder, FILES[1], "5,mach");
        append(&folder, FILES[0], "c1.");
        append(&folder, RECEIPTS, "{\"source\":\"n1~1\",\"next\":7");

        let (mut second, begun) = Ledger::open(&folder).unwrap();
        let expected = [("a \"source\"\n", 2), ("n1~1", 3)];
        let expected = expected.map(|(source, next)| (source.to_owned(), next));
        assert_eq!(begun.settled, BTreeMap::from(expected));
        assert_eq!(begun.reached, Duration::from_nanos(4));
        take(&mut second, "n1~1", 5..9);
        second.settle("n1~1", 7).unwrap();
        drop(second);
        let (third, begun) = Ledger::open(&folder).unwrap();
        assert_eq!(
            begun.settled["n1~1"], 7,
            "what the second noted can be read"
        );
        drop(third);
        assert_eq!(events(&folder), (0..9).map(numbered).collect::<Vec<_>>());

        Ledger::close(&folder).unwrap();
        assert!(
            Ledger::open(&folder).is_err(),
            "a history is never written over"
        );
    }

    #[test]
    fn one_that_was_killed_before_its_first_receipt_begins_again() {
        let out = tempfile::tempdir().unwrap();
        let folder = Folder(out.path().to_owned());
        File::create_new(folder.path().join(RECEIPTS)).unwrap();
        fs::write(folder.path().join(FILES[0]), "operation,pur").unwrap();
        let (mut ledger, begun) = Ledger::open(&folder).unwrap();
        assert_eq!(begun, Begun::default());
        take(&mut ledger, "n1~1", 0..2);
        ledger.settle("n1~1", 2).unwrap();
        assert_eq!(events(&folder), [numbered(0), numbered(1)]);
    }

    #[test]
    fn corrections_go_on_after_a_line_that_was_cut_short() {
        let out = tempfile::tempdir().unwrap();
        let folder = Folder(out.path().to_owned());
        let (mut ledger, _) = Ledger::open(&folder).unwrap();
        assert_eq!(
            folder.corrections().unwrap(),
            [],
            "all read one clock so far"
        );
        let correction = |offset_ns| Correction {
            from_ns: 1,
            source: "n1~1".to_owned(),
            clock: "another".to_owned(),
            offset_ns,
            bound_ns: 3,
            operations: true,
        };
        ledger.correct(&correction(-7));
        append(&folder, CLOCKS, "{\"from_ns\":7,");
        assert_eq!(folder.corrections().unwrap(), [correction(-7)]);
        drop(ledger);
        let (mut ledger, _) = Ledger::open(&folder).unwrap();
        ledger.correct(&correction(8));
        ledger.settle("n1~1", 0).unwrap();
        assert_eq!(folder.corrections().unwrap(), [-7, 8].map(correction));
    }

    #[test]
    fn a_table_that_lost_what_has_a_receipt_is_refused() {
        let out = tempfile::tempdir().unwrap();
        let folder = Folder(out.path().to_owned());
        let (mut ledger, _) = Ledger::open(&folder).unwrap();
        take(&mut ledger, "n1~1", 0..2);
        ledger.settle("n1~1", 2).unwrap();
        File::options()
            .write(true)
            .open(folder.path().join(FILES[1]))
            .unwrap()
            .set_len(9)
            .unwrap();
        drop(ledger);
        let error = Ledger::open(&folder).err().expect("it is short");
        let error = format!("{error:#}");
        assert!(error.contains("events.csv: it has 9 bytes"), "{error}");
    }
}
