//! A run's operations as others read them: `history.edn` and `history.jsonl`.

use super::{Folder, RunRecord};
use anyhow::Context as _;
use std::fs::{self, File};
use std::io::BufWriter;
use tidemark_observer::history::FILES;
use tidemark_observer::recording::format::RecordingError;
use tidemark_observer::recording::{self, Recording};

impl Folder {
    /// The operations of the run, with those that were in flight at its end.
    pub fn recording(&self, record: &RunRecord) -> anyhow::Result<Recording> {
        let [returned, begun, ..] = self.history(record)?;
        let mut run = recording::Run::default();
        let at = |place: usize| {
            move |error: RecordingError| {
                let file = self.0.join(FILES[place]);
                anyhow::anyhow!("{}:{error}", file.display())
            }
        };
        run.returned(returned).map_err(at(0))?;
        run.begun(begun).map_err(at(1))?;
        Ok(run.recording())
    }

    /// Writes the operations as others read them.
    pub(super) fn write_recordings(&self, record: &RunRecord) -> anyhow::Result<()> {
        let recording = self.recording(record)?;
        let create = |name| {
            let path = self.0.join(name);
            let file = File::create(&path).with_context(|| path.display().to_string())?;
            anyhow::Ok(BufWriter::new(file))
        };
        recording::write_edn(&recording, create(RECORDINGS[0])?)?;
        recording::write_jsonl(&recording, create(RECORDINGS[1])?)?;
        Ok(())
    }

    /// Removes what was written so, if it was.
    pub(super) fn remove_recordings(&self) -> anyhow::Result<()> {
        let paths = RECORDINGS.map(|name| self.0.join(name));
        for path in paths.iter().filter(|path| path.exists()) {
            fs::remove_file(path).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}

const RECORDINGS: [&str; 2] = ["history.edn", "history.jsonl"];
