//! The table of a run's operations, `ops.csv`, as [`crate::history`] describes it. What was in flight at the end is not in it.

use super::{Format, RecordingError};
use crate::history::Operations;
use crate::recording::{Recording, Run};
use std::io::BufRead;

pub(super) const FORMAT: Format = Format {
    name: "ops-csv",
    about: "the table of a run's operations: operation,purpose,kind,key,…",
    model: "register",
    looks_like: |head| head.starts_with("operation,purpose,kind,key,"),
    read,
};

fn read(input: &mut dyn BufRead) -> Result<Recording, RecordingError> {
    let mut run = Run::default();
    let mut rows = Operations::new(input)?;
    run.add_all(&mut rows)?;
    rows.whole()?;
    Ok(run.recording())
}
