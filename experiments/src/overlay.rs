//! `tidemark run <plan> --backend predict,sim,real`, or a plan that says so: one report of what was predicted for a plan and of
//! what back-ends measured of it, and over several seeds whether two back-ends come to the same.
//!
//! Of a plan that varies something, cells that are only simulated go to all cores; real processes have the machine to
//! themselves, after all others.

use crate::backend::{self, PLANNED_FOR, Progress};
use crate::command::exit::{Class, Classed as _};
use crate::plan::{Carrier, Cell, Sweep, slug, to_toml};
use crate::prediction::{broken, plan_prediction, quorums};
use crate::record::{History, OverlayFolder, RunRecord};
use crate::run::{
    Asked, One, Ran, Request, Say, asked, carry_out_one, print, replay, stopped_by_ctrlc,
};
use crate::sweep::jobs;
use anyhow::{Context as _, ensure};
use indicatif::MultiProgress;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tidemark_observer::overlay::{Family, FamilyCell, Overlay, Source};
use tidemark_observer::predict::Prediction;
use tidemark_observer::report::{Manifest, family_text, overlay_text};
use tidemark_observer::sweep::{Parity, Sample, Samples};
use tidemark_proto::event::Milestone;
use tidemark_proto::registry::find;

/// Predicts a plan if that is asked for, has each back-end carry it out, and lays what they say over each other; of a plan
/// that varies something, cell by cell. Tells how the runs ended: no other is begun once one is interrupted.
pub fn overlay(request: &Request, carriers: &[Carrier]) -> anyhow::Result<Milestone> {
    let only = request.cell.as_deref().map(slug);
    let is_asked_for = |carrier: &&Carrier| only.is_none() || carrier.is_for(only.as_deref());
    let measured = carriers.iter().filter(|carrier| !carrier.predicts());
    let mut measured: Vec<_> = measured.filter(is_asked_for).cloned().collect();
    if measured.is_empty() {
        measured.extend(Carrier::whole(PLANNED_FOR));
    }
    let (mut sweeps, mut ones) = (Vec::new(), Vec::new());
    for carrier in measured {
        match asked(request, carrier.name, |cell| carrier.is_for(Some(cell)))? {
            Asked::Sweep(sweep) => sweeps.push((carrier, sweep)),
            Asked::One(one) => ones.push((carrier.name, one)),
        }
    }
    let sheet = Sheet {
        request,
        carriers,
        progress: stopped_by_ctrlc()?,
        bars: MultiProgress::new(),
    };
    if !sweeps.is_empty() {
        return sheet.family(&sweeps);
    }
    let laid = sheet.lay(request, &ones, History::Kept)?;
    say_overlay((&laid.folder, &laid.manifest), &laid.overlay, request.say)?;
    Ok(laid.ended)
}

/// Writes all that is made from what the sources say of a plan, and says it.
pub(crate) fn say_overlay(
    (folder, manifest): (&OverlayFolder, &Manifest),
    overlay: &Overlay,
    how: Say,
) -> anyhow::Result<()> {
    folder.write(overlay, manifest).class(Class::File)?;
    print(&match how {
        Say::Text => overlay_text(overlay, manifest),
        Say::Json => serde_json::to_string_pretty(overlay)? + "\n",
    })
}

/// The same of a plan that varies something.
pub(crate) fn say_family(
    (folder, manifest): (&OverlayFolder, &Manifest),
    family: &Family,
    how: Say,
) -> anyhow::Result<()> {
    folder.write_family(family, manifest).class(Class::File)?;
    print(&match how {
        Say::Text => family_text(family, manifest),
        Say::Json => serde_json::to_string_pretty(family)? + "\n",
    })
}

/// What is laid over each other.
struct Sheet<'a> {
    request: &'a Request,
    carriers: &'a [Carrier],
    progress: Arc<Progress>,
    bars: MultiProgress,
}

/// The sources of one plan or one cell, laid over each other.
struct Overlaid {
    overlay: Overlay,
    folder: OverlayFolder,
    manifest: Manifest,
    /// What a comparison over seeds needs of each run, in the order of the back-ends.
    samples: Vec<Sample>,
    ended: Milestone,
}

impl Sheet<'_> {
    /// Lays each cell's sources over each other, with the plan's first seed, and sums them up in one table; if a cell cannot
    /// be carried out, those that could be until then. Two back-ends that carry out all cells do so with every seed, and are
    /// compared over all of them: it is an error if they are not shown to come to the same.
    fn family(&self, sweeps: &[(Carrier, Sweep)]) -> anyhow::Result<Milestone> {
        let request = self.request;
        let (_, sweep) = whole(sweeps);
        let both = match sweeps {
            [(one, all), (other, others)] if all.cells.len() == others.cells.len() => {
                Some([one, other])
            }
            _ => None,
        };
        let seeds = match both {
            Some(_) => sweep.seeds.clone(),
            None => vec![request.seed.unwrap_or(sweep.plan.seed)],
        };
        let said = (seeds.len() == 1).then_some(seeds[0]).or(request.seed);
        let replayed = replay(request, request.backends.as_deref(), None, said);
        let (folder, manifest) = OverlayFolder::create(
            &request.out,
            &sweep.name,
            (seeds[0], sweep.to_toml()?),
            replayed,
        )
        .class(Class::File)?;
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Done::default()));
        let work = |places: &[(u64, usize)]| {
            while !self.progress.is_stopped() {
                let Some(&(seed, place)) = places.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    return;
                };
                let laid = self.cell(sweeps, place, seed, &folder);
                if !matches!(&laid, Ok((_, laid)) if laid.ended == Milestone::Ended) {
                    self.progress.stop();
                }
                done.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .note((place, seed), laid);
            }
        };
        // Seed by seed, so that what is cut short has all its cells with as many seeds.
        let places = seeds
            .iter()
            .flat_map(|seed| (0..sweep.cells.len()).map(move |place| (*seed, place)));
        let (alone, beside): (Vec<_>, Vec<_>) =
            places.partition(|(_, place)| self.needs_the_machine(&sweep.cells[*place]));
        thread::scope(|scope| {
            for _ in 0..jobs(PLANNED_FOR, request.jobs).min(beside.len()) {
                scope.spawn(|| work(&beside));
            }
        });
        next.store(0, Ordering::Relaxed);
        work(&alone);
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        let parity = both.filter(|_| seeds.len() > 1).map(|both| {
            let of = |which: usize| -> Samples {
                let places = 0..sweep.cells.len();
                places.map(|place| done.of(place, which)).collect()
            };
            let [one, other] = both.map(|carrier| carrier.name);
            let cells = &sweep.facts().cells;
            Parity::new(cells, &seeds, [(one, &of(0)), (other, &of(1))])
        });
        let first = done.cells.into_iter();
        let first = first.filter(|((_, seed), _)| *seed == seeds[0]);
        let family = Family {
            plan: sweep.name.clone(),
            question: sweep.plan.question.clone(),
            seed: seeds[0],
            cells: first.map(|(_, (cell, _))| cell).collect(),
            parity,
        };
        say_family((&folder, &manifest), &family, request.say)?;
        if let Some(cut) = done.cut {
            return cut;
        }
        if self.progress.is_stopped() {
            return Ok(Milestone::Interrupted);
        }
        if let Some(parity) = &family.parity {
            let (missed, all) = (parity.missed(), parity.figures.len());
            let [one, other] = &parity.backends;
            ensure!(
                missed == 0,
                "{missed} of {all} figures are not shown to come to the same in {one} and {other}"
            );
        }
        Ok(Milestone::Ended)
    }

    /// Lays the sources of one cell over each other.
    fn cell(
        &self,
        sweeps: &[(Carrier, Sweep)],
        place: usize,
        seed: u64,
        folder: &OverlayFolder,
    ) -> anyhow::Result<(FamilyCell, Overlaid)> {
        let (_, sweep) = whole(sweeps);
        let cell = &sweep.cells[place];
        let one = Request {
            cell: Some(cell.slug.clone()),
            seed: Some(seed),
            out: folder.cells(),
            ..self.request.clone()
        };
        let sweeps = sweeps.iter();
        let plans = sweeps
            .filter(|(carrier, _)| carrier.is_for(Some(&cell.slug)))
            .map(|(carrier, sweep)| anyhow::Ok((carrier.name, One::of(sweep, &cell.slug, seed)?)));
        let plans: Vec<_> = plans.collect::<Result<_, _>>()?;
        let laid = self.lay(&one, &plans, self.request.history)?;
        let written = laid.folder.write(&laid.overlay, &laid.manifest);
        written.class(Class::File)?;
        let cases = sweep.axes.iter().zip(&cell.cases);
        let mut cases: Vec<_> = cases
            .map(|(axis, case)| axis.cases[*case].as_str())
            .collect();
        let group = if cases.len() > 1 { cases.remove(0) } else { "" };
        let cell = FamilyCell {
            cell: cell.label.clone(),
            group: group.to_owned(),
            case: cases.join(" · "),
            overlay: laid.overlay.clone(),
        };
        Ok((cell, laid))
    }

    /// Lays the sources of one plan, or of one cell, over each other; in the folder it writes no more than the manifest.
    fn lay(
        &self,
        request: &Request,
        plans: &[(&str, One)],
        history: History,
    ) -> anyhow::Result<Overlaid> {
        let own = plans.iter().find(|(backend, _)| *backend == PLANNED_FOR);
        let (
            _,
            One {
                name, plan, cell, ..
            },
        ) = own.unwrap_or(&plans[0]);
        let is_asked_for = |carrier: &Carrier| carrier.is_for(cell.as_deref());
        let carriers: Vec<_> = self
            .carriers
            .iter()
            .filter(|carrier| is_asked_for(carrier))
            .collect();
        let is_predicted = carriers.iter().any(|carrier| carrier.predicts());
        let predicted = is_predicted.then(|| {
            let predicted = plan_prediction(plan);
            let cannot = || format!("{name} cannot be predicted");
            predicted.with_context(cannot).class(Class::Plan)
        });
        let predicted = predicted.transpose()?;
        let prediction = predicted.as_ref().map(|(_, prediction)| prediction);
        let measured = || {
            let is_carrier = |name| carriers.iter().any(|carrier| carrier.name == name);
            plans
                .iter()
                .filter(move |(backend, _)| is_carrier(*backend))
        };
        let real = measured().find(|(backend, _)| *backend == REAL);
        let real = real.map(|(_, one)| &one.plan);
        let mut overlay = Overlay {
            plan: name.clone(),
            question: plan.question.clone(),
            seed: plan.seed,
            quorums: quorums(plan).ok(),
            sources: prediction.map(Source::predicted).into_iter().collect(),
            broken: match &predicted {
                Some((model, prediction)) => broken(plan, (model, prediction), real),
                None => Vec::new(),
            },
        };
        let (mut samples, mut ended) = (Vec::new(), Milestone::Ended);
        for (backend, one) in measured() {
            if self.progress.is_stopped() {
                ended = Milestone::Interrupted;
                break;
            }
            let (source, sample, how) =
                self.measure(request, (backend, one), prediction, history)?;
            ended = how;
            overlay.sources.push(source);
            samples.push(sample);
            if ended != Milestone::Ended {
                break;
            }
        }
        let replayed = replay(
            request,
            request.backends.as_deref(),
            cell.as_deref(),
            Some(plan.seed),
        );
        let created = OverlayFolder::create(
            &request.out,
            &overlay.plan,
            (plan.seed, to_toml(plan)?),
            replayed,
        );
        let (folder, manifest) = created.class(Class::File)?;
        Ok(Overlaid {
            overlay,
            folder,
            manifest,
            samples,
            ended,
        })
    }

    /// Has a back-end carry out a plan, and lays what it measured over the prediction.
    fn measure(
        &self,
        request: &Request,
        (backend, one): (&str, &One),
        prediction: Option<&Prediction>,
        history: History,
    ) -> anyhow::Result<(Source, Sample, Milestone)> {
        let backend = find("back-end", backend::ENTRIES, backend)?;
        let progress = Arc::new(self.progress.another());
        let Ran {
            folder,
            record,
            ended,
        } = carry_out_one(request, backend, one, &progress, &self.bars)?;
        let record = RunRecord { history, ..record };
        let analysed = folder.analyse(&record).class(Class::File);
        // Why a run was cut short says more than what is missing for that.
        let ended = ended?;
        let (figures, _) = analysed?;
        let scale = one.plan.time_scale;
        let times = folder.times(&figures, scale).class(Class::File)?;
        let sample = Sample::new(&figures, &folder.histograms().class(Class::File)?)?;
        if history == History::Removed {
            folder.remove_history(&record).class(Class::File)?;
        }
        let place = folder.path().display().to_string();
        let source = Source::measured((&figures, &times), (&place, scale), prediction);
        Ok((source, sample, ended))
    }

    /// Whether real processes carry a cell out, which anything beside them would slow down.
    fn needs_the_machine(&self, cell: &Cell) -> bool {
        let mut real = self.carriers.iter().filter(|carrier| carrier.name == REAL);
        real.any(|carrier| carrier.is_for(Some(&cell.slug)))
    }
}

/// The sweep that has all cells: there is one, or the plan would have been refused.
fn whole(sweeps: &[(Carrier, Sweep)]) -> &(Carrier, Sweep) {
    let most = sweeps
        .iter()
        .rev()
        .max_by_key(|(_, sweep)| sweep.cells.len());
    most.expect("somebody carries the plan out")
}

/// What has come of the cells so far.
#[derive(Default)]
struct Done {
    /// Those that are complete, by their places and seeds, and what a comparison needs of their runs.
    cells: BTreeMap<(usize, u64), (FamilyCell, Vec<Sample>)>,
    /// How the first ended that was cut short.
    cut: Option<anyhow::Result<Milestone>>,
}

impl Done {
    fn note(&mut self, place: (usize, u64), laid: anyhow::Result<(FamilyCell, Overlaid)>) {
        match laid {
            Ok((cell, laid)) if laid.ended == Milestone::Ended => {
                self.cells.insert(place, (cell, laid.samples));
            }
            cut => {
                self.cut.get_or_insert(cut.map(|(_, laid)| laid.ended));
            }
        }
    }

    /// What one of the back-ends made of a cell, by seed.
    fn of(&self, place: usize, which: usize) -> BTreeMap<u64, Sample> {
        let seeds = self.cells.range((place, 0)..=(place, u64::MAX));
        seeds
            .map(|((_, seed), (_, samples))| (*seed, samples[which].clone()))
            .collect()
    }
}

const REAL: &str = "real";
