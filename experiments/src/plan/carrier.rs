//! Who carries a plan out: `backend`, one back-end's name or a list, whose measurements are laid over each other and over
//! the prediction.

use super::error::{PlanError, meant};
use super::layers::Layers;
use super::load::{backends, draft};
use super::path::Path;
use super::vary::slug;
use crate::backend::{self, Build};
use serde_json::{Value, json};
use tidemark_observer::overlay::PREDICT;
use tidemark_proto::registry::Entry;
use toml::{Table, Value as Toml};

/// A back-end, or the prediction, and the cells that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carrier {
    /// Its name.
    pub name: &'static str,
    /// The only cells that it is for, as paths have their names; none: the whole plan.
    cells: Option<Vec<String>>,
}

impl Carrier {
    /// Of the whole plan; none: nothing carries a plan out that is called so.
    #[must_use]
    pub fn whole(name: &str) -> Option<Self> {
        let name = names().find(|known| *known == name)?;
        Some(Self { name, cells: None })
    }

    /// Whether it carries nothing out, but says what the model makes of it.
    #[must_use]
    pub fn predicts(&self) -> bool {
        self.name == PREDICT
    }

    /// Whether it is for the cell that is called so in a path; none: for a plan that varies nothing.
    #[must_use]
    pub fn is_for(&self, cell: Option<&str>) -> bool {
        let is_one = |cells: &Vec<String>| cells.iter().any(|own| Some(own.as_str()) == cell);
        self.cells.as_ref().is_none_or(is_one)
    }

    fn read(path: &Path, value: &Toml) -> Result<Self, PlanError> {
        let (named, name, cells) = match value {
            Toml::Table(table) => {
                if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
                    let reason = format!(
                        "unknown key {}; {path} takes: {}",
                        path.key(key),
                        KEYS.join(", ")
                    );
                    return Err(PlanError::new(path.key(key), reason).of_key());
                }
                let Some(kind) = table.get(KIND) else {
                    let reason = format!(
                        "{path} has no kind; choose one of: {}",
                        choices().join(", ")
                    );
                    return Err(PlanError::new(path.clone(), reason));
                };
                (path.key(KIND), kind, read_cells(path, table)?)
            }
            name => (path.clone(), name, None),
        };
        let known = name.as_str().and_then(Self::whole);
        let Some(known) = known else {
            let reason = format!(
                "{named} is {name}, but must be one of: {}",
                choices().join(", ")
            );
            return Err(PlanError::new(named, reason));
        };
        Ok(Self { cells, ..known })
    }
}

/// Who shall carry a plan out; nobody if the plan does not say.
pub fn carriers(plan: &str, sets: &[String]) -> anyhow::Result<Vec<Carrier>> {
    let draft = draft(plan, sets)?;
    Ok(read(&draft).map_err(|error| draft.locate(vec![error]))?)
}

/// That every cell that `backend` names is there: by their names in paths, or none if the plan varies nothing.
pub(super) fn check(draft: &Layers, cells: &[&str]) -> Result<(), PlanError> {
    let carriers = read(draft)?;
    let mut named = carriers.iter().enumerate().flat_map(|(place, carrier)| {
        let named = carrier.cells.iter().flatten().enumerate();
        named.map(move |(index, cell)| (place, index, cell))
    });
    let stranger = named.find(|(.., cell)| !cells.contains(&cell.as_str()));
    let Some((place, index, cell)) = stranger else {
        return Ok(());
    };
    let root = Path::default().key(BACKEND).index(place).key(CELLS);
    let path = root.index(index);
    let reason = match cells {
        [] => format!("{path} is {cell:?}, but the plan varies nothing"),
        _ => format!(
            "{path} is {cell:?}, but no cell is called so; choose from: {}",
            cells.join(", ")
        ),
    };
    let error = PlanError::new(path, reason);
    Err(match meant(cell, cells.iter().copied()) {
        Some(choice) => error.label(format!("did you mean `{choice}`?")),
        None => error,
    })
}

fn read(draft: &Layers) -> Result<Vec<Carrier>, PlanError> {
    let path = Path::default().key(BACKEND);
    let carriers = match draft.table.get(BACKEND) {
        None => return Ok(Vec::new()),
        Some(Toml::Array(list)) if list.is_empty() => {
            let reason = format!(
                "{path} is [], so that nothing would carry the plan out; choose from: {}",
                choices().join(", ")
            );
            return Err(PlanError::new(path, reason));
        }
        Some(Toml::Array(list)) => {
            let each = list.iter().enumerate();
            let each = each.map(|(place, value)| Carrier::read(&path.index(place), value));
            each.collect::<Result<Vec<_>, _>>()?
        }
        Some(one) => vec![Carrier::read(&path, one)?],
    };
    for (place, carrier) in carriers.iter().enumerate() {
        if carriers[..place]
            .iter()
            .any(|other| other.name == carrier.name)
        {
            let here = path.index(place);
            let reason = format!("{here} is {:?}, which is in the list before", carrier.name);
            return Err(PlanError::new(here, reason));
        }
    }
    let is_whole = |carrier: &Carrier| carrier.cells.is_none() && !carrier.predicts();
    if carriers.iter().all(Carrier::predicts) || carriers.iter().any(is_whole) {
        return Ok(carriers);
    }
    let reason = format!(
        "{path} carries out some cells only; name a back-end without {CELLS} for the others: {}",
        backends().collect::<Vec<_>>().join(", ")
    );
    Err(PlanError::new(path, reason))
}

/// The names of cells, as paths have them.
fn read_cells(path: &Path, table: &Table) -> Result<Option<Vec<String>>, PlanError> {
    let Some(cells) = table.get(CELLS) else {
        return Ok(None);
    };
    let names = cells.as_array().filter(|cells| !cells.is_empty());
    let names: Option<Vec<_>> = names.and_then(|cells| {
        let names = cells.iter().map(|cell| Some(slug(cell.as_str()?)));
        names.collect()
    });
    if names.is_none() {
        let path = path.key(CELLS);
        let reason =
            format!("{path} is {cells}; choose a list of cells, by the names of their cases");
        return Err(PlanError::new(path, reason));
    }
    Ok(names)
}

/// What `backend` may be.
pub(super) fn schema() -> Value {
    let entry = |entry: &Entry<Build>| json!({ "const": entry.name, "description": entry.about });
    let predicted = json!({ "const": PREDICT, "description": "carries nothing out: what the WARS model makes of the plan" });
    let names: Vec<_> = backend::ENTRIES
        .iter()
        .map(entry)
        .chain([predicted])
        .collect();
    let cells = json!({
        "type": "array",
        "description": "The only cells that it carries out, by the names of their cases, joined by \" · \"; absent: all.",
        "minItems": 1,
        "items": { "type": "string" },
    });
    let table = json!({
        "type": "object",
        "properties": { KIND: { "oneOf": names }, CELLS: cells },
        "required": [KIND],
        "additionalProperties": false,
    });
    let mut one = names.clone();
    one.push(table);
    json!({
        "description": "What carries the plan out, unless the command line says otherwise; several, with \"predict\" among them, \
                        are laid over each other in one report.",
        "anyOf": [{ "oneOf": one }, { "type": "array", "minItems": 1, "items": { "oneOf": one } }],
    })
}

fn names() -> impl Iterator<Item = &'static str> {
    backends().chain([PREDICT])
}

fn choices() -> Vec<&'static str> {
    names().collect()
}

/// The key of a plan.
pub(super) const BACKEND: &str = "backend";
const KIND: &str = "kind";
const CELLS: &str = "cells";
const KEYS: [&str; 2] = [KIND, CELLS];
