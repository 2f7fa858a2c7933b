//! A sweep's folder: `results/<plan>/<UTC time>-<seed>/`, with the folder of a run for each cell and seed below `runs/`.

use super::{Folder, History, RunRecord, fresh, manifest, utc_now};
use crate::plan::{Cell, Sweep};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tidemark_observer::history::FILES;
use tidemark_observer::hlog;
use tidemark_observer::plot::render_sweep;
use tidemark_observer::report::{Manifest, sweep_page};
use tidemark_observer::sweep::{Sample, Samples, SweepFacts, SweepFigures, rows};

/// The folder of one sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepFolder(Folder);

/// What its `manifest.json` says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SweepRecord {
    /// What it is.
    pub sweep: SweepFacts,
    /// What becomes of its runs' histories.
    pub history: History,
    /// What the report says of its origin.
    #[serde(flatten)]
    pub manifest: Manifest,
}

impl SweepFolder {
    /// Makes the folder of a new sweep below `out`, and writes its manifest.
    pub fn create(
        out: &Path,
        sweep: &Sweep,
        history: History,
        replay: String,
    ) -> anyhow::Result<(Self, SweepRecord)> {
        let started_utc = utc_now();
        let path = fresh(&out.join(&sweep.name), &started_utc, sweep.plan.seed)?;
        let record = SweepRecord {
            sweep: sweep.facts(),
            history,
            manifest: manifest(&path, started_utc, sweep.to_toml()?, replay),
        };
        let folder = Folder(path);
        folder.write_json("manifest.json", &record)?;
        Ok((Self(folder), record))
    }

    /// The folder of a sweep that was made before, and its manifest; none if it is the folder of something else.
    #[must_use]
    pub fn open(path: &Path) -> Option<(Self, SweepRecord)> {
        let folder = Folder(path.to_owned());
        let mut record: SweepRecord = folder.read_json("manifest.json").ok()?;
        record.manifest.folder = path.display().to_string();
        Some((Self(folder), record))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Makes the folder of one of its runs.
    pub fn begin_run(
        &self,
        record: &SweepRecord,
        cell: &Cell,
        seed: u64,
        replay: String,
    ) -> anyhow::Result<(Folder, RunRecord)> {
        let plan = cell.seeded(seed);
        let path = self.run(&cell.slug, seed);
        fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        let run = RunRecord {
            name: format!("{} · {}", record.sweep.plan, cell.label),
            backend: record.sweep.backend.clone(),
            history: record.history,
            oracles: record.sweep.oracles_of(&cell.label),
            manifest: manifest(&path, utc_now(), super::to_toml(&plan)?, replay),
            plan,
        };
        Ok((Folder::begin(path, &run)?, run))
    }

    /// Takes what the sweep needs of a run that is complete, and removes its history unless that is kept.
    pub fn end_run(&self, folder: &Folder, run: &RunRecord) -> anyhow::Result<Sample> {
        folder.compute(run)?;
        if run.history == History::Removed {
            folder.remove_history(run)?;
        }
        sample(folder)
    }

    /// Removes a run that was cut short.
    pub fn drop_run(&self, folder: &Folder) -> anyhow::Result<()> {
        fs::remove_dir_all(&folder.0).with_context(|| folder.0.display().to_string())
    }

    /// The runs that are complete; where a history was kept, their figures are computed anew.
    pub fn samples(&self, record: &SweepRecord) -> anyhow::Result<Samples> {
        let cells = record.sweep.cells.iter().map(|cell| {
            let mut samples = BTreeMap::new();
            for seed in &record.sweep.seeds {
                let path = self.run(&cell.slug, *seed);
                if !path.join(hlog::FILE).exists() {
                    continue;
                }
                let (folder, run) = Folder::open(&path)?;
                if path.join(FILES[0]).exists() {
                    folder.compute(&run)?;
                }
                samples.insert(*seed, sample(&folder)?);
            }
            Ok(samples)
        });
        cells.collect()
    }

    /// Computes the figures of the sweep, and writes all that is made from them.
    pub fn analyse(&self, record: &SweepRecord, samples: &Samples) -> anyhow::Result<SweepFigures> {
        let Self(folder) = self;
        let figures = SweepFigures::new(record.sweep.clone(), samples);
        folder.write_csv("cells.csv", rows::runs(&record.sweep, samples))?;
        folder.write_csv("summary.csv", rows::cells(&figures))?;
        folder.write_csv("differences.csv", rows::differences(&figures))?;
        folder.write_csv("oracles.csv", rows::oracles(&figures.oracles))?;
        folder.write_json("metrics.json", &figures)?;
        folder.write_plots(&render_sweep(&figures))?;
        folder.write("report.html", sweep_page(&figures, &record.manifest))?;
        Ok(figures)
    }

    fn run(&self, cell: &str, seed: u64) -> PathBuf {
        self.path().join("runs").join(format!("{cell}-{seed}"))
    }
}

fn sample(folder: &Folder) -> anyhow::Result<Sample> {
    let figures = folder.figures()?;
    let path = || folder.0.join(hlog::FILE).display().to_string();
    Sample::new(&figures, &folder.histograms()?).with_context(path)
}
