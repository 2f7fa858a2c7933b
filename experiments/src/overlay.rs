//! `tidemark run <plan> --backend predict,sim,real`: one report of what was predicted for a plan and of what back-ends
//! measured of it, and over several seeds whether two back-ends come to the same.

use crate::backend::{self, Progress};
use crate::command::exit::{Class, Classed as _};
use crate::plan::{Sweep, to_toml};
use crate::prediction::{broken, plan_prediction, quorums};
use crate::record::{History, OverlayFolder, RunRecord};
use crate::run::{
    Asked, One, Ran, Request, Say, asked, carry_out_one, print, replay, stopped_by_ctrlc,
};
use anyhow::{Context as _, ensure};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidemark_observer::overlay::{Family, Overlay, PREDICT, Source};
use tidemark_observer::report::{Manifest, family_text, overlay_text};
use tidemark_observer::sweep::{Parity, Sample, Samples};
use tidemark_proto::event::Milestone;
use tidemark_proto::registry::find;

/// Predicts a plan if that is asked for, has each back-end carry it out, and lays what they say over each other; of a plan
/// that varies something, cell by cell. Tells how the runs ended: the first that is interrupted is the last.
pub fn overlay(request: &Request, sources: &[String]) -> anyhow::Result<Milestone> {
    let measured = sources.iter().map(String::as_str);
    let mut backends: Vec<&str> = measured.filter(|name| *name != PREDICT).collect();
    if backends.is_empty() {
        backends.push(PLANNED_FOR);
    }
    let (mut sweeps, mut ones) = (Vec::new(), Vec::new());
    for backend in backends {
        match asked(request, backend)? {
            Asked::Sweep(sweep) => sweeps.push((backend, sweep)),
            Asked::One(one) => ones.push((backend, one)),
        }
    }
    let sheet = Sheet {
        sources,
        progress: stopped_by_ctrlc()?,
    };
    if !sweeps.is_empty() {
        return sheet.family(request, &sweeps);
    }
    let laid = sheet.lay(request, &ones, History::Kept)?;
    print(&match request.say {
        Say::Text => overlay_text(&laid.overlay, &laid.manifest),
        Say::Json => serde_json::to_string_pretty(&laid.overlay)? + "\n",
    })?;
    Ok(laid.ended)
}

/// The sources of one plan or one cell, laid over each other.
struct Laid {
    overlay: Overlay,
    manifest: Manifest,
    /// What a comparison over seeds needs of each run, in the order of the back-ends.
    samples: Vec<Sample>,
    ended: Milestone,
}

/// What is laid over each other.
struct Sheet<'a> {
    sources: &'a [String],
    progress: Arc<Progress>,
}

impl Sheet<'_> {
    /// Lays each cell's sources over each other, with the plan's first seed, and sums them up in one table; if a cell cannot
    /// be carried out, those before it. Two back-ends carry out every seed, and are compared over all of them: it is an
    /// error if they are not shown to come to the same.
    fn family(&self, request: &Request, sweeps: &[(&str, Sweep)]) -> anyhow::Result<Milestone> {
        let (_, sweep) = &sweeps[0];
        let seeds = match sweeps {
            [_, _] => sweep.seeds.clone(),
            _ => vec![request.seed.unwrap_or(sweep.plan.seed)],
        };
        let replayed = replay(request, &self.sources.join(","), None, request.seed);
        let (folder, manifest) = OverlayFolder::create(
            &request.out,
            &sweep.name,
            (seeds[0], sweep.to_toml()?),
            replayed,
        )
        .class(Class::File)?;
        let within = Request {
            out: folder.cells(),
            ..request.clone()
        };
        let (cells, samples, ended) = self.cells(&within, sweeps, &seeds);
        let parity = match sweeps {
            [(one, _), (other, _)] if seeds.len() > 1 => {
                let ran = [(*one, &samples[0]), (*other, &samples[1])];
                Some(Parity::new(&sweep.facts().cells, &seeds, ran))
            }
            _ => None,
        };
        let family = Family {
            plan: sweep.name.clone(),
            question: sweep.plan.question.clone(),
            seed: seeds[0],
            cells,
            parity,
        };
        folder.write_family(&family, &manifest).class(Class::File)?;
        print(&match request.say {
            Say::Text => family_text(&family, &manifest),
            Say::Json => serde_json::to_string_pretty(&family)? + "\n",
        })?;
        let ended = ended?;
        if let (Milestone::Ended, Some(parity)) = (ended, &family.parity) {
            let (missed, all) = (parity.missed(), parity.figures.len());
            let [one, other] = &parity.backends;
            ensure!(
                missed == 0,
                "{missed} of {all} figures are not shown to come to the same in {one} and {other}"
            );
        }
        Ok(ended)
    }

    /// Carries out every cell with every seed: each cell's sources with the first seed, laid over each other, and what each
    /// back-end made of all. Seed by seed, so that what is cut short has all its cells with as many seeds.
    fn cells(
        &self,
        request: &Request,
        sweeps: &[(&str, Sweep)],
        seeds: &[u64],
    ) -> (
        Vec<(String, Overlay)>,
        Vec<Samples>,
        anyhow::Result<Milestone>,
    ) {
        let (_, sweep) = &sweeps[0];
        let mut laid_over = Vec::new();
        let mut samples = vec![vec![BTreeMap::new(); sweep.cells.len()]; sweeps.len()];
        for seed in seeds {
            for (place, cell) in sweep.cells.iter().enumerate() {
                let one = Request {
                    cell: Some(cell.slug.clone()),
                    seed: Some(*seed),
                    ..request.clone()
                };
                let plans = sweeps.iter().map(|(backend, sweep)| {
                    anyhow::Ok((*backend, One::of(sweep, &cell.slug, *seed)?))
                });
                let plans: anyhow::Result<Vec<_>> = plans.collect();
                let laid = plans.and_then(|plans| self.lay(&one, &plans, request.history));
                let laid = match laid {
                    Ok(laid) if laid.ended == Milestone::Ended => laid,
                    cut => return (laid_over, samples, cut.map(|laid| laid.ended)),
                };
                for (of, sample) in samples.iter_mut().zip(laid.samples) {
                    of[place].insert(*seed, sample);
                }
                if *seed == seeds[0] {
                    laid_over.push((cell.label.clone(), laid.overlay));
                }
            }
        }
        (laid_over, samples, Ok(Milestone::Ended))
    }

    /// Lays the sources of one plan, or of one cell, over each other, and writes what comes of it.
    fn lay(
        &self,
        request: &Request,
        plans: &[(&str, One)],
        history: History,
    ) -> anyhow::Result<Laid> {
        // The model has no time but the plan's, which is what the simulator's is.
        let own = plans.iter().find(|(backend, _)| *backend == PLANNED_FOR);
        let (_, One { name, plan, .. }) = own.unwrap_or(&plans[0]);
        let is_asked_for = self.is_asked_for(PREDICT);
        let predicted = is_asked_for.then(|| {
            let predicted = plan_prediction(plan);
            let cannot = || format!("{name} cannot be predicted");
            predicted.with_context(cannot).class(Class::Plan)
        });
        let predicted = predicted.transpose()?;
        let prediction = predicted.as_ref().map(|(_, prediction)| prediction);
        let real = plans.iter().find(|(backend, _)| *backend == "real");
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
        let measured = plans
            .iter()
            .filter(|(backend, _)| self.is_asked_for(backend));
        for (backend, one) in measured {
            if self.progress.is_stopped() {
                ended = Milestone::Interrupted;
                break;
            }
            let backend = find("back-end", backend::ENTRIES, backend)?;
            let Ran {
                folder,
                record,
                ended: how,
            } = carry_out_one(request, backend, one, &self.progress)?;
            let record = RunRecord { history, ..record };
            let analysed = folder.analyse(&record).class(Class::File);
            // Why a run was cut short says more than what is missing for that.
            ended = how?;
            let (figures, _) = analysed?;
            if history == History::Removed {
                folder.remove_history(&record).class(Class::File)?;
            }
            let place = folder.path().display().to_string();
            let histograms = folder.histograms().class(Class::File)?;
            let stretched = (place.as_str(), one.plan.time_scale);
            let measured = Source::measured((&figures, &histograms), stretched, prediction);
            overlay.sources.push(measured?);
            samples.push(Sample::new(&figures, &histograms)?);
            if ended != Milestone::Ended {
                break;
            }
        }
        let replayed = replay(
            request,
            &self.sources.join(","),
            request.cell.as_deref(),
            Some(plan.seed),
        );
        let (folder, manifest) = OverlayFolder::create(
            &request.out,
            &overlay.plan,
            (plan.seed, to_toml(plan)?),
            replayed,
        )
        .class(Class::File)?;
        folder.write(&overlay, &manifest).class(Class::File)?;
        Ok(Laid {
            overlay,
            manifest,
            samples,
            ended,
        })
    }

    fn is_asked_for(&self, source: &str) -> bool {
        self.sources.iter().any(|name| name == source)
    }
}

/// The back-end as which a plan is read that is predicted.
const PLANNED_FOR: &str = "sim";
