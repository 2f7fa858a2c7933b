//! A run's folder: `results/<plan>/<UTC time>-<seed>/`. Nothing else writes below `results/`.

mod ledger;
mod overlay;
mod recordings;
mod sweep;

pub use ledger::{Begun, Ledger};
pub use overlay::{Laid, OverlayFolder};
pub use sweep::{SweepFolder, SweepRecord};

use crate::plan::{Plan, to_toml};
use crate::prediction::{PredictionRecord, compare};
use crate::ring::sides;
use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, test_kill_process};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tidemark_observer::figures::Figures;
use tidemark_observer::history::{CLOCKS, Correction, FILES, Tables};
use tidemark_observer::hlog;
use tidemark_observer::observe::{Observed, RunFacts, observe_files};
use tidemark_observer::oracle::Oracle;
use tidemark_observer::overlay::Times;
use tidemark_observer::plot::{self, Plot};
use tidemark_observer::report::{Manifest, page};
use tidemark_proto::event::Event;
use tidemark_proto::id::NodeId;

/// The folder of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder(PathBuf);

/// What `manifest.json` says: enough to have the run again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// The plan's short name.
    pub name: String,
    /// The back-end that carried it out.
    pub backend: String,
    /// The plan, every default written out, its times as written.
    pub plan: Plan,
    /// What becomes of the history once the figures are computed.
    #[serde(default)]
    pub history: History,
    /// What theory expects of it.
    #[serde(default)]
    pub oracles: Vec<Oracle>,
    /// What the report says of the run's origin.
    #[serde(flatten)]
    pub manifest: Manifest,
}

/// What becomes of a run's history, its four largest files, once the figures are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum History {
    /// It stays.
    #[default]
    Kept,
    /// It is removed.
    Removed,
}

impl Folder {
    /// Makes the folder of a new run below `out`, and writes its manifest.
    pub fn create(
        out: &Path,
        name: &str,
        backend: &str,
        plan: &Plan,
        oracles: Vec<Oracle>,
        replay: String,
    ) -> anyhow::Result<(Self, RunRecord)> {
        let started_utc = utc_now();
        let path = fresh(&out.join(name), &started_utc, plan.seed)?;
        let manifest = manifest(&path, started_utc, to_toml(plan)?, replay);
        let record = RunRecord {
            name: name.to_owned(),
            backend: backend.to_owned(),
            plan: plan.clone(),
            history: History::Kept,
            oracles,
            manifest,
        };
        Ok((Self::begin(path, &record)?, record))
    }

    /// Writes the manifest of a run into its new folder.
    fn begin(path: PathBuf, record: &RunRecord) -> anyhow::Result<Self> {
        let folder = Self(path);
        folder.write_json("manifest.json", record)?;
        Ok(folder)
    }

    /// The folder of a run that was made before, and its manifest.
    pub fn open(path: &Path) -> anyhow::Result<(Self, RunRecord)> {
        let folder = Self(path.to_owned());
        let mut record: RunRecord = folder
            .read_json("manifest.json")
            .with_context(|| format!("{} is not the folder of a run", path.display()))?;
        record.manifest.folder = path.display().to_string();
        Ok((folder, record))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// How many operations are written down so far.
    pub fn operations(&self) -> anyhow::Result<u64> {
        let path = self.0.join(FILES[0]);
        let mut file = File::open(&path).with_context(|| path.display().to_string())?;
        let mut lines = 0u64;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(lines.saturating_sub(1)),
                read => {
                    lines += buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64
                }
            }
        }
    }

    /// The figures of a run that was made before, as they were computed last.
    pub fn figures(&self) -> anyhow::Result<Figures> {
        self.read_json("metrics.json")
    }

    /// The log of its histograms, as it was computed last.
    pub fn histograms(&self) -> anyhow::Result<String> {
        self.read(hlog::FILE)
    }

    /// How long its operations took, one by one; its times were stretched by `scale`.
    pub(crate) fn times(&self, figures: &Figures, scale: f64) -> anyhow::Result<Times> {
        let path = self.0.join(FILES[0]);
        let name = || path.display().to_string();
        let table = File::open(&path).with_context(name)?;
        Times::of(figures, table, scale).with_context(name)
    }

    /// Computes every figure from the history, and writes all that is made from them.
    pub fn analyse(
        &self,
        record: &RunRecord,
    ) -> anyhow::Result<(Figures, Option<PredictionRecord>)> {
        let figures = self.compute(record)?;
        self.write_plots(&plot::render(&figures))?;
        self.write("report.html", page(&figures, &record.manifest))?;
        let prediction = compare(&record.plan, &figures)?;
        if let Some(prediction) = &prediction {
            self.write_json("prediction.json", prediction)?;
        }
        Ok((figures, prediction))
    }

    /// Computes every figure from the history, and writes nothing.
    pub(crate) fn observe(&self, record: &RunRecord) -> anyhow::Result<Observed> {
        let facts = RunFacts {
            plan: record.name.clone(),
            backend: record.backend.clone(),
            seed: record.plan.seed,
            time_scale: record.plan.time_scale,
            detail: record.plan.events,
            corrections: self.corrections()?,
            sides: sides(&record.plan)?,
            oracles: record.oracles.clone(),
        };
        Ok(observe_files(&facts, self.history(record)?)?)
    }

    /// Computes every figure from the history, and writes the tables that are made from them.
    fn compute(&self, record: &RunRecord) -> anyhow::Result<Figures> {
        let Observed {
            figures,
            histograms,
        } = self.observe(record)?;
        if record.history == History::Kept {
            self.write_recordings(record)?;
        }
        self.write_json("metrics.json", &figures)?;
        self.write_csv("summary.csv", tidemark_observer::rows::rows(&figures))?;
        for (name, text) in histograms {
            self.write(&name, text)?;
        }
        Ok(figures)
    }

    /// Removes the run's history, and says so in its manifest.
    pub fn remove_history(&self, record: &RunRecord) -> anyhow::Result<()> {
        let record = RunRecord {
            history: History::Removed,
            ..record.clone()
        };
        self.write_json("manifest.json", &record)?;
        for name in FILES {
            let path = self.0.join(name);
            fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
        self.remove_recordings()?;
        Ok(())
    }

    /// How the times of those who read other clocks were corrected; nobody does if all of them are on one machine.
    fn corrections(&self) -> anyhow::Result<Vec<Correction>> {
        let path = self.0.join(CLOCKS);
        match path.exists() {
            true => {
                Correction::read(&self.read(CLOCKS)?).with_context(|| path.display().to_string())
            }
            false => Ok(Vec::new()),
        }
    }

    /// The files of the run's history.
    pub(crate) fn history(&self, record: &RunRecord) -> anyhow::Result<[File; FILES.len()]> {
        let open = |name: &&str| {
            let path = self.0.join(name);
            File::open(&path).with_context(|| match record.history {
                History::Kept => path.display().to_string(),
                History::Removed => format!(
                    "{}: this run's history was not kept; have it again by {}",
                    path.display(),
                    record.manifest.replay
                ),
            })
        };
        every(open)
    }

    fn write_plots(&self, drawn: &[Plot]) -> anyhow::Result<()> {
        let plots = self.0.join("plots");
        fs::create_dir_all(&plots).with_context(|| plots.display().to_string())?;
        for plot in drawn {
            self.write(&format!("plots/{}.svg", plot.name), &plot.svg)?;
            self.write(&format!("plots/{}.png", plot.name), &plot.png)?;
        }
        Ok(())
    }

    fn write_csv<R: Serialize>(
        &self,
        name: &str,
        rows: impl IntoIterator<Item = R>,
    ) -> anyhow::Result<()> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        for row in rows {
            csv.serialize(row)?;
        }
        let text = csv.into_inner();
        self.write(
            name,
            text.map_err(|error| anyhow::anyhow!("{name}: {error}"))?,
        )
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> anyhow::Result<()> {
        self.write(name, serde_json::to_string_pretty(value)? + "\n")
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> anyhow::Result<T> {
        let text = self.read(name)?;
        serde_json::from_str(&text).with_context(|| self.0.join(name).display().to_string())
    }

    fn read(&self, name: &str) -> anyhow::Result<String> {
        let path = self.0.join(name);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> anyhow::Result<()> {
        let path = self.0.join(name);
        fs::write(&path, text).with_context(|| path.display().to_string())
    }
}

/// Writes a history while it happens.
pub struct Recorder {
    tables: Tables<File>,
    unflushed: u32,
    /// The first thing that went wrong.
    failed: Option<io::Error>,
}

/// What `cluster.json` says while a cluster is up to be poked by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// The process that keeps it up.
    pub pid: u32,
    /// Where its control service listens.
    pub control: SocketAddr,
    /// The run's folder.
    pub folder: PathBuf,
    /// The plan's short name.
    pub plan: String,
    /// Where clients dial nodes and gateways.
    pub nodes: BTreeMap<NodeId, String>,
}

impl ClusterRecord {
    /// The cluster that is up with these results.
    pub fn read(out: &Path) -> anyhow::Result<Self> {
        let path = out.join(CLUSTER);
        let none = || {
            format!(
                "no cluster is up with results in {}; start one with `tidemark cluster up quickstart`",
                out.display()
            )
        };
        let Ok(text) = fs::read_to_string(&path) else {
            bail!(none());
        };
        ensure!(!text.is_empty(), "{}, or wait until it has started", none());
        let record: Self =
            serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        let lives = i32::try_from(record.pid).ok().and_then(Pid::from_raw);
        ensure!(
            lives.is_some_and(|pid| test_kill_process(pid).is_ok()),
            none()
        );
        Ok(record)
    }
}

/// The right to keep a cluster up with its results in a folder. `cluster.json` is removed when it is dropped.
pub struct ClusterClaim {
    path: PathBuf,
    file: File,
}

impl ClusterClaim {
    /// Takes it, unless a living process has it.
    pub fn take(out: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(out).with_context(|| out.display().to_string())?;
        let path = out.join(CLUSTER);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let file = options
            .open(&path)
            .with_context(|| path.display().to_string())?;
        // Whoever keeps a cluster up holds the lock, and loses it even when killed.
        if file.try_lock().is_err() {
            let who = ClusterRecord::read(out)?;
            bail!(
                "a cluster of {} is up already with results in {}, kept by process {}; \
                 end it with `tidemark cluster down`, or give another folder with --out",
                who.plan,
                out.display(),
                who.pid
            );
        }
        file.set_len(0)?;
        Ok(Self { path, file })
    }

    /// Says where the cluster is.
    pub fn say(&self, record: &ClusterRecord) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(record)? + "\n";
        (&self.file)
            .write_all(text.as_bytes())
            .with_context(|| self.path.display().to_string())
    }
}

impl Drop for ClusterClaim {
    fn drop(&mut self) {
        // The lock goes with the process: a file that is left does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

impl Recorder {
    /// Makes the files of a run's history.
    pub fn create(folder: &Folder) -> anyhow::Result<Self> {
        let create = |name: &&str| {
            let path = folder.0.join(name);
            File::create_new(&path).with_context(|| path.display().to_string())
        };
        Ok(Self::over(Tables::new(every(create)?)?))
    }

    fn over(tables: Tables<File>) -> Self {
        Self {
            tables,
            unflushed: 0,
            failed: None,
        }
    }

    /// Adds an event.
    pub fn write(&mut self, event: &Event) {
        let written = self.tables.write(event);
        self.note(written);
        self.unflushed += 1;
        if self.unflushed == FLUSH_EVERY {
            self.flush_tables();
        }
    }

    /// Hands everything to the kernel, and says if anything went wrong.
    pub fn close(mut self) -> anyhow::Result<()> {
        self.flush_tables();
        self.failed.map_or(Ok(()), |error| {
            Err(error).context("the history cannot be written")
        })
    }

    fn flush_tables(&mut self) {
        self.unflushed = 0;
        let flushed = self.tables.flush();
        self.note(flushed);
    }

    fn note(&mut self, result: io::Result<()>) {
        if let (Err(error), None) = (result, &self.failed) {
            self.failed = Some(error);
        }
    }
}

/// The files of a history, each opened in the same way.
fn every(open: impl FnMut(&&str) -> anyhow::Result<File>) -> anyhow::Result<[File; FILES.len()]> {
    let files = FILES.iter().map(open).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(files.try_into().expect("as many files as there are names"))
}

/// What the report says of a run's or a sweep's origin.
fn manifest(path: &Path, started_utc: String, plan_toml: String, replay: String) -> Manifest {
    Manifest {
        plan_toml,
        replay,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: env!("TIDEMARK_COMMIT").to_owned(),
        started_utc,
        folder: path.display().to_string(),
    }
}

/// A new folder: if two runs start in one second, the second gets a number.
fn fresh(parent: &Path, started_utc: &str, seed: u64) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    let stem = format!("{}-{seed}", started_utc.replace(':', "-"));
    for number in 1..=MOST_PER_SECOND {
        let path = match number {
            1 => parent.join(&stem),
            _ => parent.join(format!("{stem}.{number}")),
        };
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    bail!(
        "{} has {MOST_PER_SECOND} runs of this second already",
        parent.display()
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "a folder is named after the time of its making"
)]
fn utc_now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// Where it is said which cluster is up.
const CLUSTER: &str = "cluster.json";
const FLUSH_EVERY: u32 = 10_000;
const MOST_PER_SECOND: u32 = 1_000;
