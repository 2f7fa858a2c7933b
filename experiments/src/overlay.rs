//! `tidemark run <plan> --backend predict,sim,real`: one report of what was predicted for a plan and of what back-ends
//! measured of it.

use crate::backend::{self, Progress};
use crate::command::exit::{Class, Classed as _};
use crate::plan::{Sweep, to_toml};
use crate::prediction::{broken, plan_prediction, quorums};
use crate::record::{History, OverlayFolder, RunRecord};
use crate::run::{
    Asked, One, Ran, Request, Say, asked, carry_out_one, print, replay, stopped_by_ctrlc,
};
use anyhow::Context as _;
use std::sync::Arc;
use tidemark_observer::overlay::{Family, Overlay, PREDICT, Source};
use tidemark_observer::report::{Manifest, family_text, overlay_text};
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
    let (overlay, manifest, ended) = sheet.lay(request, &ones, History::Kept)?;
    print(&match request.say {
        Say::Text => overlay_text(&overlay, &manifest),
        Say::Json => serde_json::to_string_pretty(&overlay)? + "\n",
    })?;
    Ok(ended)
}

/// What is laid over each other.
struct Sheet<'a> {
    sources: &'a [String],
    progress: Arc<Progress>,
}

impl Sheet<'_> {
    /// Lays each cell's sources over each other, with the plan's first seed, and sums them up in one table; if a cell cannot
    /// be carried out, those before it.
    fn family(&self, request: &Request, sweeps: &[(&str, Sweep)]) -> anyhow::Result<Milestone> {
        let (_, sweep) = &sweeps[0];
        let seed = request.seed.unwrap_or(sweep.plan.seed);
        let replayed = replay(request, &self.sources.join(","), None, Some(seed));
        let (folder, manifest) = OverlayFolder::create(
            &request.out,
            &sweep.name,
            (seed, sweep.to_toml()?),
            replayed,
        )
        .class(Class::File)?;
        let mut family = Family {
            plan: sweep.name.clone(),
            question: sweep.plan.question.clone(),
            seed,
            cells: Vec::new(),
        };
        let mut ended = Ok(Milestone::Ended);
        for cell in &sweep.cells {
            let one = Request {
                cell: Some(cell.slug.clone()),
                seed: Some(seed),
                out: folder.cells(),
                ..request.clone()
            };
            let plans = sweeps
                .iter()
                .map(|(backend, sweep)| anyhow::Ok((*backend, One::of(sweep, &cell.slug, seed)?)));
            let plans: Vec<_> = plans.collect::<Result<_, _>>()?;
            match self.lay(&one, &plans, request.history) {
                Ok((overlay, _, Milestone::Ended)) => {
                    family.cells.push((cell.label.clone(), overlay));
                }
                cut => {
                    ended = cut.map(|(.., how)| how);
                    break;
                }
            }
        }
        folder.write_family(&family, &manifest).class(Class::File)?;
        print(&match request.say {
            Say::Text => family_text(&family, &manifest),
            Say::Json => serde_json::to_string_pretty(&family)? + "\n",
        })?;
        ended
    }

    /// Lays the sources of one plan, or of one cell, over each other, and writes what comes of it.
    fn lay(
        &self,
        request: &Request,
        plans: &[(&str, One)],
        history: History,
    ) -> anyhow::Result<(Overlay, Manifest, Milestone)> {
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
        let mut ended = Milestone::Ended;
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
            let measured = Source::measured(
                (&figures, &folder.histograms().class(Class::File)?),
                (&place, one.plan.time_scale),
                prediction,
            );
            overlay.sources.push(measured?);
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
        Ok((overlay, manifest, ended))
    }

    fn is_asked_for(&self, source: &str) -> bool {
        self.sources.iter().any(|name| name == source)
    }
}

/// The back-end as which a plan is read that is predicted.
const PLANNED_FOR: &str = "sim";
