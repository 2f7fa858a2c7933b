//! What theory expects of a plan's figures: `[[oracle]]`, held against what the plan varies and what sweeps measure.

use super::error::{PlanError, meant};
use super::layers::Layers;
use super::load::draft;
use super::path::Path;
use super::shape;
use serde::Deserialize as _;
use serde_json::{Value, json};
use tidemark_observer::oracle::Oracle;
use tidemark_observer::sweep::{METRICS, Metric, Unit};

/// The oracles of a plan that varies nothing.
pub fn oracles(plan: &str, sets: &[String]) -> anyhow::Result<Vec<Oracle>> {
    let draft = draft(plan, sets)?;
    Ok(read(&draft, &[]).map_err(|errors| draft.locate(errors))?)
}

/// The oracles of a plan with these cells; none: it varies nothing.
pub(super) fn read(draft: &Layers, cells: &[&str]) -> Result<Vec<Oracle>, Vec<PlanError>> {
    let Some(tables) = draft.table.get(ORACLE) else {
        return Ok(Vec::new());
    };
    let root = Path::default().key(ORACLE);
    let unreadable = |reason: String| vec![PlanError::new(root.clone(), reason)];
    let tables = serde_json::to_value(tables).map_err(|error| unreadable(error.to_string()))?;
    let mut whole = json!({ "type": "object", "properties": { ORACLE: schema() } });
    // Which figures there are is told by a list of its own, since they are many.
    whole["properties"][ORACLE]["items"]["properties"]["metric"] = json!({ "type": "string" });
    let errors = shape::check(&whole, &json!({ ORACLE: tables }));
    if !errors.is_empty() {
        return Err(errors);
    }
    let oracles = Vec::<Oracle>::deserialize(tables);
    let oracles = oracles.map_err(|error| unreadable(error.to_string()))?;
    let each = oracles.iter().enumerate();
    let errors: Vec<_> = each
        .flat_map(|(place, oracle)| {
            let path = root.index(place);
            let metric = METRICS.iter().find(|metric| metric.name == oracle.metric);
            let expectation = match metric {
                Some(metric) => expectation(&path, oracle, metric),
                None => Some(no_metric(&path, &oracle.metric)),
            };
            [expectation, cell(&path, oracle, cells)]
                .into_iter()
                .flatten()
        })
        .collect();
    if errors.is_empty() {
        Ok(oracles)
    } else {
        Err(errors)
    }
}

fn no_metric(path: &Path, name: &str) -> PlanError {
    let choices = || METRICS.iter().map(|metric| metric.name);
    let reason = format!("{path}.metric is {name:?}, but no figure is called so");
    let error = PlanError::new(path.key("metric"), reason);
    let choose = format!(
        "choose one of: {}",
        choices().collect::<Vec<_>>().join(", ")
    );
    suggested(error, name, choices()).help(choose)
}

/// With what may have been meant.
fn suggested<'a>(
    error: PlanError,
    name: &str,
    choices: impl Iterator<Item = &'a str>,
) -> PlanError {
    match meant(name, choices) {
        Some(choice) => error.label(format!("did you mean `{choice}`?")),
        None => error,
    }
}

/// What is wrong with the value or the bounds.
fn expectation(path: &Path, oracle: &Oracle, metric: &Metric) -> Option<PlanError> {
    let given = [
        ("value", oracle.value),
        ("at_least", oracle.at_least),
        ("at_most", oracle.at_most),
    ];
    let given: Vec<_> = given
        .into_iter()
        .filter_map(|(key, bound)| Some((key, bound?)))
        .collect();
    match given[..] {
        [] => {
            let reason =
                format!("{path} expects nothing; write value, or at_least or at_most or both");
            return Some(PlanError::new(path.clone(), reason).label("something is missing here"));
        }
        [("value", _), (other, _), ..] => {
            let reason = format!("{path} has both value and {other}; leave one of them out");
            return Some(PlanError::new(path.key(other), reason).of_key());
        }
        [(_, least), (_, most)] if least > most => {
            let reason = format!("{path}.at_most is {most}, but {path}.at_least is {least}");
            return Some(PlanError::new(path.key("at_most"), reason));
        }
        _ => {}
    }
    let (least, most) = metric.unit.bounds();
    let (key, bound) = given
        .into_iter()
        .find(|(_, bound)| !(least..=most).contains(bound))?;
    let range = if most.is_finite() {
        format!("from {least} to {most}")
    } else {
        format!("{least} or more")
    };
    let reason = format!("{path}.{key} is {bound}, but {} is {range}", metric.name);
    let error = PlanError::new(path.key(key), reason);
    Some(match metric.unit {
        Unit::Share => error.label("37 % is 0.37"),
        _ => error,
    })
}

/// What is wrong with the cell's name.
fn cell(path: &Path, oracle: &Oracle, cells: &[&str]) -> Option<PlanError> {
    let choices = format!("choose one of: {}", cells.join(", "));
    match &oracle.cell {
        None if cells.len() < 2 => None,
        None => {
            let reason = format!("{path}.cell is missing");
            let error = PlanError::new(path.clone(), reason).label("of which cell?");
            Some(error.help(choices))
        }
        Some(label) if cells.contains(&label.as_str()) => None,
        Some(label) if cells.is_empty() => {
            let reason = format!("{path}.cell is {label:?}, but the plan varies nothing");
            Some(PlanError::new(path.key("cell"), reason).label("leave it out"))
        }
        Some(label) => {
            let reason = format!("{path}.cell is {label:?}, but no cell is called so");
            let error = PlanError::new(path.key("cell"), reason).help(choices);
            Some(suggested(error, label, cells.iter().copied()))
        }
    }
}

/// What `[[oracle]]` may say.
pub(super) fn schema() -> Value {
    let metric = |metric: &Metric| json!({ "const": metric.name, "description": metric.about });
    let number = |about: &str| json!({ "type": "number", "description": about });
    let text = |about: &str| json!({ "type": "string", "description": about });
    json!({
        "type": "array",
        "description": "What theory expects of a figure, so that the run can refute it.",
        "items": {
            "type": "object",
            "properties": {
                "cell": text("The label of a cell; absent if there is only one."),
                "metric": {
                    "description": "The figure.",
                    "oneOf": METRICS.iter().map(metric).collect::<Vec<_>>(),
                },
                "value": number("What it is: its 95 % interval over seeds must contain it."),
                "at_least": number("What it is at least, with its whole interval."),
                "at_most": number("What it is at most, with its whole interval."),
                "formula": text("Where the expectation comes from."),
                "ablated": {
                    "type": "boolean",
                    "description": "Whether the cell is that in which the cause is taken away.",
                },
            },
            "required": ["metric"],
            "additionalProperties": false,
        },
    })
}

pub(super) const ORACLE: &str = "oracle";
