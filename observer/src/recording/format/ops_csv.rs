//! The table of a run's operations, `ops.csv`, as [`crate::history`] describes it. What was in flight at the end is not in it.

use super::{Format, RecordingError};
use crate::history::Operations;
use crate::recording::{Recording, run};
use std::io::BufRead;

pub(super) const FORMAT: Format = Format {
    name: "ops-csv",
    about: "the table of a run's operations: operation,purpose,kind,key,…",
    model: "register",
    looks_like: |head| head.starts_with("operation,purpose,kind,key,"),
    read,
};

fn read(input: &mut dyn BufRead) -> Result<Recording, RecordingError> {
    let mut rows = Operations::new(input)?;
    let mut run = run::Run::default();
    while let Some((line, operation)) = rows.next()? {
        run.add(line, &operation)?;
    }
    Ok(run.recording())
}
