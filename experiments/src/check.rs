//! Checks a history that somebody wrote down, of our runs or not: is it linearizable, and if not, how far is it from that?

#![expect(clippy::disallowed_methods, reason = "a shell: it keeps to a time")]

mod json;
mod text;

use crate::record::{Folder, RunRecord};
use anyhow::{Context as _, bail};
use std::fmt::Display;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tidemark_observer::checker::causal::{self, CausalReport};
use tidemark_observer::checker::{Budget, Model, Report, Verdict, check};
use tidemark_observer::figures::{SummaryRow, WHOLE};
use tidemark_observer::observe::{RunFacts, observe};
use tidemark_observer::recording::Recording;
use tidemark_observer::recording::format::{self, FORMATS, Format};
use tidemark_observer::rows::rows;

/// What is to be checked, and against what.
#[derive(Clone, Debug)]
pub struct Question {
    /// A file, or the folder of a run.
    pub path: PathBuf,
    /// The model's name; none: the format's.
    pub model: Option<String>,
    /// What an object is at the beginning, in EDN; none: as the model has it.
    pub initial: Option<String>,
    /// The format's name; none: what the file looks like.
    pub format: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// How many bytes a search may remember.
    pub memory: usize,
    /// What else is to be computed.
    pub figures: Figures,
}

/// What is computed besides the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figures {
    /// The scores of each key.
    Scores,
    /// And every metric that operations alone give.
    Metrics,
}

/// What a check has come to.
pub struct Checked {
    path: PathBuf,
    format: &'static Format,
    model: Model,
    recording: Recording,
    report: Report,
    /// Of registers that are only read and written.
    causal: Option<CausalReport>,
    /// Every metric, if they were asked for.
    metrics: Vec<SummaryRow>,
}

/// Reads a history and checks it.
///
/// # Errors
/// There is no such file, model or format, or the file is no whole history: nothing is said of it then.
pub fn carry_out(question: &Question) -> anyhow::Result<Checked> {
    let format = question.format.as_deref().map(named).transpose()?;
    let path = &question.path;
    let Source {
        recording,
        format,
        run,
    } = read(path, format)?;
    let name = question.model.as_deref().unwrap_or(format.model);
    let initial = question.initial.as_deref().map(format::value).transpose();
    let initial = initial.map_err(|error| anyhow::anyhow!("--initial: {}", error.what))?;
    let model = Model::new(name, initial)?;
    if model.entry().reads_what_was_written
        && let Some((line, value)) = recording.never_written(model.initial())
    {
        let what = format!("it reads {value}, which nothing in the file writes");
        return Err(at(path, line, what));
    }
    let began = Instant::now();
    let mut is_over = || began.elapsed() >= question.timeout;
    let mut budget = Budget::new(question.memory, &mut is_over);
    let report = check(&recording, &model, &mut budget).map_err(|error| match error.line() {
        Some(line) => at(path, line, error),
        None => error.into(),
    })?;
    let causal =
        (model.is_register()).then(|| causal::check(&recording, model.initial(), &mut budget));
    let metrics = match question.figures {
        Figures::Scores => Vec::new(),
        Figures::Metrics => {
            let metrics = metrics(run, &recording, &model);
            metrics.with_context(|| format!("{}: --metrics", path.display()))?
        }
    };
    Ok(Checked {
        path: path.clone(),
        format,
        model,
        recording,
        report,
        causal,
        metrics,
    })
}

/// What stands in a file, or in a run's folder.
struct Source {
    recording: Recording,
    format: &'static Format,
    run: Option<(Folder, RunRecord)>,
}

/// Reads a file, or what a run's folder has: there, what was in flight at the end is known too.
fn read(path: &Path, format: Option<&'static Format>) -> anyhow::Result<Source> {
    if path.is_dir() {
        let of_runs = named("ops-csv")?;
        if let Some(format) = format.filter(|format| format.name != of_runs.name) {
            bail!(
                "--format is {}, but {} is a folder: of a run, {} is read",
                format.name,
                path.display(),
                of_runs.name
            );
        }
        let (folder, record) = Folder::open(path)?;
        return Ok(Source {
            recording: folder.recording(&record)?,
            format: of_runs,
            run: Some((folder, record)),
        });
    }
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let read = format::read(BufReader::new(file), format);
    let (recording, format) = read.map_err(|error| at(path, error.line, error.what))?;
    Ok(Source {
        recording,
        format,
        run: None,
    })
}

fn named(name: &str) -> anyhow::Result<&'static Format> {
    let Some(format) = FORMATS.iter().find(|format| format.name == name) else {
        let names = format::names().collect::<Vec<_>>().join(", ");
        bail!("there is no format {name:?}; choose one of: {names}");
    };
    Ok(format)
}

/// That something is wrong in a line of a file.
fn at(path: &Path, line: u64, what: impl Display) -> anyhow::Error {
    anyhow::anyhow!("{}:{line}: {what}", path.display())
}

/// Every metric of the whole history that rests on anything: of a run's folder what the run has, else what operations alone
/// give.
fn metrics(
    run: Option<(Folder, RunRecord)>,
    recording: &Recording,
    model: &Model,
) -> anyhow::Result<Vec<SummaryRow>> {
    let figures = match run {
        Some((folder, record)) => folder.observe(&record)?.figures,
        None => {
            let events = recording.events(model.initial());
            observe(&RunFacts::default(), events.map_err(anyhow::Error::msg)?).figures
        }
    };
    let mut rows = rows(&figures);
    rows.retain(|row| row.phase == WHOLE && row.count > 0 && row.value.is_some());
    Ok(rows)
}

impl Checked {
    /// Whether the history is valid.
    #[must_use]
    pub fn valid(&self) -> Verdict {
        self.report.valid
    }
}
