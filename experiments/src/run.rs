//! `tidemark run`: loads a plan, has a back-end carry out its run or its runs, computes the figures and says them.

#![expect(
    clippy::disallowed_methods,
    reason = "a shell: the thread that shows progress"
)]

use crate::backend::{Build, ENTRIES, Progress, Run};
use crate::command::exit::{Class, Classed as _};
use crate::overlay::{say_family, say_overlay};
use crate::plan::{self, Cell, Plan, Sweep};
use crate::record::{Folder, History, Laid, OverlayFolder, RunRecord, SweepFolder, SweepRecord};
use crate::sweep::{carry_out, jobs};
use crate::workload::unhonoured;
use anyhow::{Context as _, bail};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidemark_observer::oracle::Oracle;
use tidemark_observer::summary::{self, Style};
use tidemark_observer::sweep::Samples;
use tidemark_proto::event::Milestone;
use tidemark_proto::registry::{Entry, Options, find};

/// What `tidemark run` was asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// A file, or the name of a built-in plan.
    pub plan: String,
    /// The back-end.
    pub backend: String,
    /// What the command line says of back-ends; none: it leaves them to the plan.
    pub backends: Option<String>,
    /// In place of the plan's seed.
    pub seed: Option<u64>,
    /// Changes to the plan, `key=value`.
    pub sets: Vec<String>,
    /// Where results go.
    pub out: PathBuf,
    /// Of a plan that varies something, the only cell to run.
    pub cell: Option<String>,
    /// What becomes of the histories of a sweep's runs.
    pub history: History,
    /// How many runs of a sweep are carried out at a time; none: as many as suit the back-end.
    pub jobs: Option<NonZeroUsize>,
    /// How the figures are said.
    pub say: Say,
}

/// How figures are said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    /// In words.
    Text,
    /// As `metrics.json` has them.
    Json,
}

impl Say {
    /// As JSON if that is asked for.
    #[must_use]
    pub fn json(is_asked_for: bool) -> Self {
        if is_asked_for { Self::Json } else { Self::Text }
    }
}

/// Carries out a run, or all runs of a plan that varies something, and says what came of it. Tells how it ended.
pub fn run(request: &Request) -> anyhow::Result<Milestone> {
    let backend = find("back-end", ENTRIES, &request.backend)?;
    let one = match asked(request, backend.name, |_| true)? {
        Asked::Sweep(sweep) => return run_sweep(request, &sweep),
        Asked::One(one) => one,
    };
    let progress = stopped_by_ctrlc()?;
    let ran = carry_out_one(request, backend, &one, &progress, &MultiProgress::new())?;
    let said = say(&ran.folder, &ran.record, request.say);
    let milestone = ran.ended?;
    said.map(|()| milestone)
}

/// What is asked for.
pub(crate) enum Asked {
    /// All runs of a plan that varies something.
    Sweep(Sweep),
    /// One run.
    One(One),
}

/// One run of a plan or of a cell, as it is to be carried out.
pub(crate) struct One {
    /// What its results are filed under.
    pub(crate) name: String,
    pub(crate) plan: Plan,
    /// What theory expects of it.
    pub(crate) oracles: Vec<Oracle>,
    /// Of a cell, what it is called in a path.
    pub(crate) cell: Option<String>,
}

impl One {
    /// A run of a sweep's cell.
    pub(crate) fn of(sweep: &Sweep, slug: &str, seed: u64) -> anyhow::Result<Self> {
        let cell = sweep.cell(slug)?;
        Ok(Self {
            name: format!("{}-{}", sweep.name, cell.slug),
            plan: cell.seeded(seed),
            oracles: sweep.facts().oracles_of(&cell.label),
            cell: Some(cell.slug.clone()),
        })
    }
}

/// Loads what is asked for, as a back-end carries it out; of all cells, those that it is for.
pub(crate) fn asked(
    request: &Request,
    backend: &str,
    is_for: impl Fn(&str) -> bool,
) -> anyhow::Result<Asked> {
    let mut sets = request.sets.clone();
    if request.cell.is_none() {
        sets.extend(request.seed.map(|seed| format!("seed={seed}")));
    }
    let sweep = plan::sweep_of(&request.plan, backend, &sets, is_for)?;
    Ok(match (&request.cell, sweep) {
        (None, Some(sweep)) => Asked::Sweep(sweep),
        (None, None) => {
            let (name, plan) = plan::load(&request.plan, backend, &sets)?;
            let oracles = plan::oracles(&request.plan, &sets)?;
            Asked::One(One {
                name,
                plan,
                oracles,
                cell: None,
            })
        }
        (Some(cell), Some(sweep)) => {
            let seed = request.seed.unwrap_or(sweep.plan.seed);
            Asked::One(One::of(&sweep, cell, seed)?)
        }
        (Some(cell), None) => bail!("{} varies nothing: it has no cell {cell:?}", request.plan),
    })
}

/// A run that is over.
pub(crate) struct Ran {
    /// Its folder.
    pub(crate) folder: Folder,
    /// What it was.
    pub(crate) record: RunRecord,
    /// How it ended.
    pub(crate) ended: anyhow::Result<Milestone>,
}

/// Has a back-end carry out one run of a plan, shown among the `bars`, and computes nothing yet.
pub(crate) fn carry_out_one(
    request: &Request,
    backend: &Entry<Build>,
    one: &One,
    progress: &Arc<Progress>,
    bars: &MultiProgress,
) -> anyhow::Result<Ran> {
    let One {
        name,
        plan,
        oracles,
        ..
    } = one;
    say_unhonoured([plan]);
    let (folder, record) = Folder::create(
        &request.out,
        name,
        backend.name,
        plan,
        oracles.clone(),
        replay(
            request,
            Some(backend.name),
            one.cell.as_deref(),
            Some(plan.seed),
        ),
    )
    .class(Class::File)?;
    progress.reach(Duration::ZERO);
    let run = Run {
        plan: plan.clone().scaled(),
        progress: Arc::clone(progress),
    };
    let name = format!("{name} · {}", backend.name);
    let shown = Shown::start(&run.plan, name, Arc::clone(progress), bars);
    let ended = (backend.build)(&Options::new()).run(&run, &folder);
    shown.end();
    let cut = || {
        format!(
            "the run was cut short; {} has what was seen",
            folder.path().display()
        )
    };
    let ended = ended.with_context(cut);
    Ok(Ran {
        folder,
        record,
        ended,
    })
}

/// Carries out the runs of a sweep, and says what they came to together.
fn run_sweep(request: &Request, sweep: &Sweep) -> anyhow::Result<Milestone> {
    say_unhonoured(sweep.cells.iter().map(|cell| &cell.plan));
    let replayed = replay(request, Some(&request.backend), None, request.seed);
    let (folder, record) =
        SweepFolder::create(&request.out, sweep, request.history, replayed).class(Class::File)?;
    let progress = Arc::new(Progress::default());
    let stop = Arc::clone(&progress);
    ctrlc(move || stop.stop())?;
    let jobs = jobs(&sweep.backend, request.jobs);
    let own = |cell: &Cell, seed| {
        replay(
            request,
            Some(&request.backend),
            Some(&cell.slug),
            Some(seed),
        )
    };
    let (samples, ended) = carry_out(sweep, (&folder, &record), jobs, &progress, &own);
    let said = say_sweep(&folder, &record, &samples, request.say);
    let cut = || {
        format!(
            "the sweep was cut short; {} has what was complete",
            folder.path().display()
        )
    };
    let milestone = ended.with_context(cut)?;
    said.map(|()| milestone)
}

/// Names what workloads were asked for and will not do, each once.
fn say_unhonoured<'a>(plans: impl IntoIterator<Item = &'a Plan>) {
    let plans = plans.into_iter();
    let notes: BTreeSet<_> = plans.flat_map(|plan| unhonoured(&plan.workload)).collect();
    for note in notes {
        eprintln!("tidemark: the workload's file asks for more than is done: {note}");
    }
}

/// Computes the figures of a run, a sweep or an overlay that was made before, anew from its files, and says them.
pub fn observe(path: &Path, how: Say) -> anyhow::Result<()> {
    if let Some((folder, record)) = SweepFolder::open(path) {
        let samples = folder.samples(&record).class(Class::File)?;
        return say_sweep(&folder, &record, &samples, how);
    }
    if let Some((folder, manifest, laid)) = OverlayFolder::open(path) {
        return match laid {
            Laid::Family(family) => say_family((&folder, &manifest), &family, how),
            Laid::One(overlay) => say_overlay((&folder, &manifest), &overlay, how),
        };
    }
    let (folder, record) = Folder::open(path).class(Class::File)?;
    say(&folder, &record, how)
}

/// Computes the figures of a sweep, and says them.
fn say_sweep(
    folder: &SweepFolder,
    record: &SweepRecord,
    samples: &Samples,
    how: Say,
) -> anyhow::Result<()> {
    let figures = folder.analyse(record, samples).class(Class::File)?;
    match how {
        Say::Json => print(&(serde_json::to_string_pretty(&figures)? + "\n")),
        Say::Text => {
            let style = style();
            let oracles = summary::oracles(&figures.oracles, style);
            print(&(summary::matrix(&figures, &record.manifest, style) + &oracles))
        }
    }
}

/// Computes the figures of a run, and says them.
pub(crate) fn say(folder: &Folder, record: &RunRecord, how: Say) -> anyhow::Result<()> {
    let (figures, prediction) = folder.analyse(record).class(Class::File)?;
    match how {
        Say::Json => print(&(serde_json::to_string_pretty(&figures)? + "\n")),
        Say::Text => {
            let prediction = prediction
                .map(|prediction| prediction.text())
                .unwrap_or_default();
            let style = style();
            let oracles = summary::oracles(&figures.oracles, style);
            print(&(summary::text(&figures, &record.manifest, style) + &oracles + &prediction))
        }
    }
}

/// Prints to standard output; that nobody reads on is no error.
pub fn print(text: &str) -> anyhow::Result<()> {
    use std::io::{ErrorKind, Write as _};
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// What standard output understands.
fn style() -> Style {
    use std::io::IsTerminal as _;
    let is_plain = !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some();
    if is_plain {
        Style::Plain
    } else {
        Style::Colour
    }
}

/// The command that makes this again: a run, a cell of a sweep, the sweep, or an overlay.
pub(crate) fn replay(
    request: &Request,
    backends: Option<&str>,
    cell: Option<&str>,
    seed: Option<u64>,
) -> String {
    let mut words = vec![
        "tidemark".to_owned(),
        "run".to_owned(),
        quoted(&request.plan),
    ];
    if let Some(backends) = backends {
        words.extend(["--backend".to_owned(), backends.to_owned()]);
    }
    if let Some(cell) = cell {
        words.extend(["--cell".to_owned(), quoted(cell)]);
    }
    if let Some(seed) = seed {
        words.extend(["--seed".to_owned(), seed.to_string()]);
    }
    for set in &request.sets {
        words.extend(["--set".to_owned(), quoted(set)]);
    }
    words.join(" ")
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Progress that a Ctrl-C stops; a second is left to the system, should the first not help.
pub(crate) fn stopped_by_ctrlc() -> anyhow::Result<Arc<Progress>> {
    let progress = Arc::new(Progress::default());
    let stop = Arc::clone(&progress);
    ctrlc(move || stop.stop())?;
    Ok(progress)
}

/// Calls `stop` at the first Ctrl-C; at the second the process ends at once.
pub(crate) fn ctrlc(stop: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let signals = runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        anyhow::Ok((
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        ))
    });
    let (mut interrupt, mut terminate) = signals?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                for _ in 0..2 {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                    stop();
                }
            });
            std::process::exit(130);
        })?;
    Ok(())
}

/// A line that shows how far the run has come; hidden where there is no terminal.
struct Shown {
    over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Shown {
    fn start(plan: &Plan, name: String, progress: Arc<Progress>, bars: &MultiProgress) -> Self {
        let total = plan.duration.0 + plan.settle.0;
        let length = u64::try_from(total.as_millis()).unwrap_or(u64::MAX);
        let bar = bars.add(ProgressBar::new(length));
        let template = "{prefix} {bar:40} {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(name);
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let (elapsed, operations) = progress.read();
                bar.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
                let (now, end) = (elapsed.as_secs_f64(), total.as_secs_f64());
                bar.set_message(format!("{now:.1} of {end:.0} s · {operations} operations"));
                std::thread::park_timeout(SHOWN_EVERY);
            }
            bar.finish_and_clear();
        });
        Self { over, thread }
    }

    fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        // Whether a line could be drawn decides nothing.
        let _ = self.thread.join();
    }
}

const SHOWN_EVERY: Duration = Duration::from_millis(100);
