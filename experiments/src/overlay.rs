//! `tidemark run <plan> --backend predict,sim,real`: one report of what was predicted for a plan and of what back-ends
//! measured of it.

use crate::backend;
use crate::command::exit::{Class, Classed as _};
use crate::plan::{self, Plan};
use crate::prediction::{broken, plan_prediction};
use crate::record::OverlayFolder;
use crate::run::{Ran, Request, Say, carry_out_one, print, replay};
use anyhow::{Context as _, ensure};
use tidemark_observer::overlay::{Overlay, PREDICT, Source};
use tidemark_observer::report::overlay_text;
use tidemark_proto::event::Milestone;
use tidemark_proto::registry::find;

/// Predicts a plan if that is asked for, has each back-end carry it out, and lays what they say over each other. Tells
/// how the runs ended: the first that is interrupted is the last.
pub fn overlay(request: &Request, sources: &[String]) -> anyhow::Result<Milestone> {
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
        let place = folder.path().display().to_string();
        overlay.sources.push(Source::measured(
            &figures,
            (&place, plan.time_scale),
            prediction_asked,
        ));
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
    let (folder, manifest) =
        OverlayFolder::create(&request.out, &overlay.plan, &plan, replayed).class(Class::File)?;
    folder.write(&overlay, &manifest).class(Class::File)?;
    print(&match request.say {
        Say::Text => overlay_text(&overlay, &manifest),
        Say::Json => serde_json::to_string_pretty(&overlay)? + "\n",
    })?;
    Ok(ended)
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
    let Some(cell) = &request.cell else {
        let slugs: Vec<_> = sweep.cells.iter().map(|cell| cell.slug.as_str()).collect();
        let refused = anyhow::anyhow!(
            "{} varies something, and one of its cells can be laid over another back-end's; choose --cell {}",
            sweep.name,
            slugs.join(", ")
        );
        return Err(refused).class(Class::Usage);
    };
    let cell = sweep.cell(cell)?;
    let plan = cell.seeded(request.seed.unwrap_or(sweep.plan.seed));
    Ok((format!("{}-{}", sweep.name, cell.slug), plan))
}
