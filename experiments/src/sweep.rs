//! Carries out a plan that varies something: every cell with every seed, then the figures of all together.
//!
//! Simulated runs go to all cores, one thread a run; what comes out depends neither on how many there are nor on their
//! order. Real runs would disturb each other: they follow one another.

use crate::backend::{self, Progress, Run};
use crate::plan::{Cell, Sweep};
use crate::record::{SweepFolder, SweepRecord};
use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tidemark_observer::sweep::{Sample, Samples};
use tidemark_proto::event::Milestone;
use tidemark_proto::registry::{Options, find};

/// How many runs are carried out at a time: as many as are asked for, or one a core, if they do not disturb each other.
#[must_use]
pub fn jobs(backend: &str, asked: Option<NonZeroUsize>) -> usize {
    match backend {
        "sim" => asked.map_or_else(
            || thread::available_parallelism().map_or(1, usize::from),
            NonZeroUsize::get,
        ),
        _ => 1,
    }
}

/// Carries out the runs of a sweep, `jobs` at a time, and tells of those that are complete, and how it ended.
///
/// The first run that fails ends the sweep, as does a request to stop; what is complete by then is kept.
pub fn carry_out(
    sweep: &Sweep,
    (folder, record): (&SweepFolder, &SweepRecord),
    jobs: usize,
    progress: &Arc<Progress>,
    replay: &(dyn Fn(&Cell, u64) -> String + Sync),
) -> (Samples, anyhow::Result<Milestone>) {
    // Seed by seed, so that a sweep that is cut short has all its cells with as many seeds.
    let seeds = sweep.seeds.iter();
    let runs: Vec<_> = seeds
        .flat_map(|seed| (0..sweep.cells.len()).map(|cell| (cell, *seed)))
        .collect();
    let shown = shown(sweep, runs.len());
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Done::new(sweep)));
    let work = || {
        while !progress.is_stopped() {
            let Some((cell, seed)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) else {
                return;
            };
            let about = &sweep.cells[*cell];
            let replay = replay(about, *seed);
            let ran = run(sweep, about, *seed, (folder, record), progress, replay);
            let ran = ran.with_context(|| format!("the cell “{}” with seed {seed}", about.label));
            if ran.is_err() {
                progress.stop();
            }
            done.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .note(*cell, *seed, ran);
            shown.inc(1);
            shown.set_message(format!("{} operations", progress.read().1));
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, runs.len()) {
            scope.spawn(work);
        }
    });
    shown.finish_and_clear();
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let ended = match done.failed {
        Some(error) => Err(error),
        None if progress.is_stopped() => Ok(Milestone::Interrupted),
        None => Ok(Milestone::Ended),
    };
    (done.samples, ended)
}

/// What has come of the runs so far.
struct Done {
    samples: Samples,
    /// Why the first run that failed did.
    failed: Option<anyhow::Error>,
}

impl Done {
    fn new(sweep: &Sweep) -> Self {
        Self {
            samples: vec![BTreeMap::new(); sweep.cells.len()],
            failed: None,
        }
    }

    fn note(&mut self, cell: usize, seed: u64, ran: anyhow::Result<Option<Sample>>) {
        match ran {
            Ok(sample) => self.samples[cell].extend(sample.map(|sample| (seed, sample))),
            Err(error) => {
                self.failed.get_or_insert(error);
            }
        }
    }
}

/// Carries out one run; none if it was asked to stop.
fn run(
    sweep: &Sweep,
    cell: &Cell,
    seed: u64,
    (folder, record): (&SweepFolder, &SweepRecord),
    progress: &Arc<Progress>,
    replay: String,
) -> anyhow::Result<Option<Sample>> {
    let backend = find("back-end", backend::ENTRIES, &sweep.backend)?;
    let (place, own) = folder.begin_run(record, cell, seed, replay)?;
    let run = Run {
        plan: own.plan.clone().scaled(),
        progress: Arc::clone(progress),
    };
    match (backend.build)(&Options::new()).run(&run, &place)? {
        Milestone::Ended => folder.end_run(&place, &own).map(Some),
        Milestone::Interrupted => folder.drop_run(&place).map(|()| None),
        other => bail!("it could not go on: it ended as {other:?}"),
    }
}

fn shown(sweep: &Sweep, runs: usize) -> ProgressBar {
    let bar = ProgressBar::new(runs as u64);
    if let Ok(style) =
        ProgressStyle::with_template("{prefix} {bar:40} {pos} of {len} runs · {eta} left · {msg}")
    {
        bar.set_style(style);
    }
    bar.set_prefix(format!("{} · {}", sweep.name, sweep.backend));
    bar.tick();
    bar
}
