//! `tidemark run <plan> --backend predict,sim,real`: one report of what was predicted for a plan and of what back-ends
//! measured of it.

use crate::backend;
use crate::command::exit::{Class, Classed as _};
use crate::plan::{self, Plan, Sweep, to_toml};
use crate::prediction::{broken, plan_prediction};
use crate::record::{History, OverlayFolder};
use crate::run::{Ran, Request, Say, carry_out_one, print, replay};
use anyhow::{Context as _, ensure};
use tidemark_observer::overlay::{Family, Overlay, PREDICT, Source};
use tidemark_observer::report::{Manifest, family_text, overlay_text};
use tidemark_proto::event::Milestone;
use tidemark_proto::registry::find;

/// Predicts a plan if that is asked for, has each back-end carry it out, and lays what they say over each other; of a plan
/// that varies something, cell by cell. Tells how the runs ended: the first that is interrupted is the last.
pub fn overlay(request: &Request, sources: &[String]) -> anyhow::Result<Milestone> {
    if request.cell.is_none() {
        let backend = sources.iter().find(|name| *name != PREDICT);
        let backend = backend.map_or("sim", String::as_str);
        let seed = request.seed.map(|seed| format!("seed={seed}"));
        let sets: Vec<String> = request.sets.iter().cloned().chain(seed).collect();
        if let Some(sweep) = plan::sweep(&request.plan, backend, &sets)? {
            return family(request, sources, &sweep);
        }
    }
    let (overlay, manifest, ended) = lay(request, sources, History::Kept)?;
    print(&match request.say {
        Say::Text => overlay_text(&overlay, &manifest),
        Say::Json => serde_json::to_string_pretty(&overlay)? + "\n",
    })?;
    Ok(ended)
}

/// Lays each cell's sources over each other, with the plan's first seed, and sums them up in one table.
fn family(request: &Request, sources: &[String], sweep: &Sweep) -> anyhow::Result<Milestone> {
    let seed = request.seed.unwrap_or(sweep.plan.seed);
    let replayed = replay(request, &sources.join(","), None, Some(seed));
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
    let mut ended = Milestone::Ended;
    for cell in &sweep.cells {
        let one = Request {
            cell: Some(cell.slug.clone()),
            seed: Some(seed),
            out: folder.cells(),
            ..request.clone()
        };
        let (overlay, _, how) = lay(&one, sources, request.history)?;
        ended = how;
        if ended != Milestone::Ended {
            break;
        }
        family.cells.push((cell.label.clone(), overlay));
    }
    folder.write_family(&family, &manifest).class(Class::File)?;
    print(&match request.say {
        Say::Text => family_text(&family, &manifest),
        Say::Json => serde_json::to_string_pretty(&family)? + "\n",
    })?;
    Ok(ended)
}

/// Lays the sources of one plan, or of one cell, over each other, and writes what comes of it.
fn lay(
    request: &Request,
    sources: &[String],
    history: History,
) -> anyhow::Result<(Overlay, Manifest, Milestone)> {
    let measured: Vec<&str> = sources
        .iter()
        .map(String::as_str)
        .filter(|name| *name != PREDICT)
        .collect();
    let plans = measured
        .iter()
        .map(|backend| Ok((*backend, load(request, backend)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    // The model has no time but the plan's, which is what the simulator's is.
    let (name, plan) = match plans.first() {
        Some((_, loaded)) => loaded.clone(),
        None => load(request, "sim")?,
    };
    let (model, prediction) = plan_prediction(&plan)
        .with_context(|| format!("{name} cannot be predicted"))
        .class(Class::Plan)?;
    let is_asked_for = sources.iter().any(|name| name == PREDICT);
    let prediction_asked = is_asked_for.then_some(&prediction);
    let mut overlay = Overlay {
        plan: name,
        question: plan.question.clone(),
        seed: plan.seed,
        quorums: prediction.quorums,
        sources: prediction_asked
            .map(Source::predicted)
            .into_iter()
            .collect(),
        broken: Vec::new(),
    };
    let real = plans.iter().find(|(backend, _)| *backend == "real");
    if is_asked_for {
        let real = real.map(|(_, (_, plan))| plan);
        overlay.broken = broken(&plan, (&model, &prediction), real);
    }
    let mut ended = Milestone::Ended;
    for (backend, (name, plan)) in &plans {
        let backend = find("back-end", backend::ENTRIES, backend)?;
        let oracles = match request.cell {
            None => plan::oracles(&request.plan, &request.sets)?,
            Some(_) => Vec::new(),
        };
        let ran = carry_out_one(request, backend, (name, plan), oracles)?;
        let Ran { folder, record, .. } = &ran;
        let (figures, _) = folder.analyse(record).class(Class::File)?;
        if history == History::Removed {
            folder.remove_history(record).class(Class::File)?;
        }
        let place = folder.path().display().to_string();
        let measured = Source::measured(
            (&figures, &folder.histograms().class(Class::File)?),
            (&place, plan.time_scale),
            prediction_asked,
        );
        overlay.sources.push(measured?);
        ended = ran.ended?;
        if ended != Milestone::Ended {
            break;
        }
    }
    let replayed = replay(
        request,
        &sources.join(","),
        request.cell.as_deref(),
        Some(plan.seed),
    );
    let (folder, manifest) = OverlayFolder::create(
        &request.out,
        &overlay.plan,
        (plan.seed, to_toml(&plan)?),
        replayed,
    )
    .class(Class::File)?;
    folder.write(&overlay, &manifest).class(Class::File)?;
    Ok((overlay, manifest, ended))
}

/// The plan as a back-end carries it out: itself, or the cell that is asked for.
fn load(request: &Request, backend: &str) -> anyhow::Result<(String, Plan)> {
    let mut sets = request.sets.clone();
    if request.cell.is_none() {
        sets.extend(request.seed.map(|seed| format!("seed={seed}")));
    }
    let Some(sweep) = plan::sweep(&request.plan, backend, &sets)? else {
        ensure!(
            request.cell.is_none(),
            "{} varies nothing: it has no cell {:?}",
            request.plan,
            request.cell.as_deref().unwrap_or_default()
        );
        return plan::load(&request.plan, backend, &sets);
    };
    let cell = request.cell.as_deref().unwrap_or_default();
    let cell = sweep.cell(cell)?;
    let plan = cell.seeded(request.seed.unwrap_or(sweep.plan.seed));
    Ok((format!("{}-{}", sweep.name, cell.slug), plan))
}
