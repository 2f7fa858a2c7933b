//! What a plan is made of: the plans that it extends, itself, `[on.<back-end>]` and `--set`, one laid over the other.

use super::error::{Located, PlanError, PlanErrors};
use super::path::{Path, Step};
use super::schema;
use super::shape::meanings;
use super::source::{Side, Source, SourceKind};
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::{Table, Value as Toml};

/// The layers of a plan, and what they come to.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// What they come to so far.
    pub(super) table: Table,
    /// The lowest first.
    layers: Vec<Layer>,
}

/// A text, or a part of one, that says what a part of the plan is.
#[derive(Debug)]
struct Layer {
    source: Arc<Source>,
    /// Which part of the text.
    inside: Path,
    /// Which part of the plan.
    root: Path,
    /// How it came into the plan.
    origin: Option<String>,
}

impl Layers {
    /// Lays a whole plan over what there is.
    pub(super) fn lay(&mut self, source: Arc<Source>, table: Table, origin: Option<String>) {
        lay_over(&mut self.table, table);
        self.layers.push(Layer {
            source,
            inside: Path::default(),
            root: Path::default(),
            origin,
        });
    }

    /// Changes the value at a path to what stands in a part of a source.
    pub(super) fn change(
        &mut self,
        source: &Arc<Source>,
        inside: &Path,
        path: &str,
        value: Toml,
    ) -> Result<(), PlanErrors> {
        let changed = path
            .parse::<Path>()
            .map_err(|error| error.to_string())
            .and_then(|root| put(&mut self.table, &root, value).map(|()| root));
        match changed {
            Ok(root) => {
                self.layers.push(Layer {
                    source: Arc::clone(source),
                    inside: inside.clone(),
                    root,
                    origin: None,
                });
                Ok(())
            }
            Err(reason) => {
                let error = PlanError::new(inside.clone(), reason).of_key();
                Err(in_source(source, error))
            }
        }
    }

    /// The source that a path was written in last.
    pub(super) fn source_of(&self, path: &Path) -> Arc<Source> {
        let found = self.find(path, Side::Key);
        let place = found.map_or(self.layers.len() - 1, |(place, _)| place);
        Arc::clone(&self.layers[place].source)
    }

    /// Says where each of these errors stands.
    pub(super) fn locate(&self, errors: Vec<PlanError>) -> PlanErrors {
        let value = serde_json::to_value(&self.table).unwrap_or_default();
        let meanings = meanings(schema::whole(), &value);
        let errors = errors.into_iter();
        let mut errors: Vec<_> = errors.map(|error| self.place(error, &meanings)).collect();
        errors.sort_by(|one, other| {
            let place = |located: &Located| (located.source.name.clone(), located.span.start);
            place(one).cmp(&place(other))
        });
        PlanErrors(errors)
    }

    fn place(&self, mut error: PlanError, meanings: &BTreeMap<String, String>) -> Located {
        let lengths = (0..=error.path.steps().len()).rev();
        let mut paths = lengths.map(|length| error.path.first(length).to_string());
        let meaning = paths.find_map(|path| meanings.get(&path));
        error.label = error.label.or_else(|| meaning.cloned());
        let mut path = self.existing(&error.path);
        let mut side = error.side;
        let (layer, span) = loop {
            if let Some(found) = self.find(&path, side) {
                let also = error
                    .also
                    .as_ref()
                    .and_then(|also| self.find(also, Side::Value));
                break match also {
                    Some(later) if later.0 > found.0 => later,
                    Some(_) | None => found,
                };
            }
            // Nobody wrote it, since it is a default: its table will do.
            match path.steps().len() {
                0 => break (self.layers.len() - 1, 0..0),
                length => path = path.first(length - 1),
            }
            side = Side::Value;
        };
        let layer = &self.layers[layer];
        Located {
            source: Arc::clone(&layer.source),
            span,
            error,
            origin: layer.origin.clone(),
        }
    }

    /// As much of a path as leads to something.
    fn existing(&self, path: &Path) -> Path {
        let mut place: Option<&Toml> = None;
        for (length, step) in path.steps().iter().enumerate() {
            let next = match (place, step) {
                (None, Step::Key(key)) => self.table.get(key),
                (None, Step::Index(_)) => None,
                (Some(place), Step::Key(key)) => place.get(key),
                (Some(place), Step::Index(index)) => place.get(*index),
            };
            match next {
                Some(_) => place = next,
                None => return path.first(length),
            }
        }
        path.clone()
    }

    /// The last layer that wrote the value of a path, and where; or the last that wrote a part of it.
    fn find(&self, path: &Path, side: Side) -> Option<(usize, std::ops::Range<usize>)> {
        let layers = || self.layers.iter().enumerate().rev();
        let whole = layers().find_map(|(place, layer)| {
            let inside = layer.inside.join(&path.behind(&layer.root)?);
            Some((place, layer.source.find(&inside, side)?))
        });
        whole.or_else(|| {
            layers().find_map(|(place, layer)| {
                layer.root.behind(path)?;
                Some((place, layer.source.find(&layer.inside, Side::Key)?))
            })
        })
    }
}

/// An error of which it is known where it stands.
pub(super) fn in_source(source: &Arc<Source>, error: PlanError) -> PlanErrors {
    let span = source.find(&error.path, error.side);
    PlanErrors(vec![Located {
        source: Arc::clone(source),
        span: span.unwrap_or(0..0),
        error,
        origin: None,
    }])
}

/// The text as a table, or where it is none.
pub(super) fn parse(source: &Arc<Source>) -> Result<Table, PlanErrors> {
    source.text.parse().map_err(|error: toml::de::Error| {
        let reason = error.message().replace('\n', ", ");
        PlanErrors(vec![Located {
            source: Arc::clone(source),
            span: error.span().unwrap_or(0..0),
            error: PlanError::new(Path::default(), format!("this is no TOML: {reason}")),
            origin: None,
        }])
    })
}

/// `--set key=value`; the value as TOML has it, a bare word is text.
pub(super) fn set(text: &str) -> Result<(Arc<Source>, String, Toml), PlanErrors> {
    let source = Arc::new(Source {
        name: format!("--set {text}"),
        text: text.to_owned(),
        kind: SourceKind::Set,
    });
    let Some((path, value)) = text.split_once('=') else {
        let reason = format!("--set {text:?} is not written as key=value");
        return Err(in_source(&source, PlanError::new(Path::default(), reason)));
    };
    let value = value.trim();
    let parsed: Result<Table, _> = format!("value = {value}").parse();
    let parsed = parsed.ok().and_then(|mut table| table.remove("value"));
    let value = parsed.unwrap_or_else(|| Toml::String(value.to_owned()));
    Ok((source, path.trim().to_owned(), value))
}

/// Tables are merged; a table of another `kind`, and everything else, takes the place of what was there.
fn lay_over(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Toml::Table(old)), Toml::Table(new))
                if new
                    .get("kind")
                    .is_none_or(|kind| Some(kind) == old.get("kind")) =>
            {
                lay_over(old, new);
            }
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

/// Puts a value at a path; tables on the way are made, elements of lists must be there.
fn put(table: &mut Table, path: &Path, value: Toml) -> Result<(), String> {
    let (first, rest) = match path.steps() {
        [Step::Key(first), rest @ ..] => (first, rest),
        [] | [Step::Index(_), ..] => return Err(format!("{path} is no key")),
    };
    if rest.is_empty() {
        lay_over(table, Table::from_iter([(first.clone(), value)]));
        return Ok(());
    }
    let empty = || Toml::Table(Table::new());
    let mut place = table.entry(first.clone()).or_insert_with(empty);
    for (at, step) in rest.iter().enumerate() {
        let here = path.first(at + 1);
        let is_last = at + 1 == rest.len();
        place = match (place, step) {
            (Toml::Table(inner), Step::Key(key)) if is_last => {
                lay_over(inner, Table::from_iter([(key.clone(), value)]));
                return Ok(());
            }
            (Toml::Table(inner), Step::Key(key)) => inner.entry(key.clone()).or_insert_with(empty),
            (Toml::Array(list), Step::Index(index)) => {
                let length = list.len();
                list.get_mut(*index).ok_or_else(|| {
                    format!("{here} has {length} elements, counted from 0, but no element {index}")
                })?
            }
            (Toml::Array(_), Step::Key(key)) => {
                return Err(format!(
                    "{here} is a list; name an element, like {here}[0].{key}"
                ));
            }
            (other, _) => return Err(format!("{here} is {other}, not a table")),
        };
    }
    *place = value;
    Ok(())
}
