//! The texts that a plan is made of, and where in them a value stands.

use super::path::{Path, Step};
use std::ops::Range;
use toml_edit::{Document, Item, Table, TableLike, Value};

/// A text that says something of a plan: a file, a built-in plan, a change on the command line.
#[derive(Clone, Debug)]
pub struct Source {
    /// What errors call it.
    pub name: String,
    /// What it says.
    pub text: String,
    /// How its lines count.
    pub kind: SourceKind,
}

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// Lines of TOML.
    File,
    /// One `key=value`.
    Set,
}

/// What of a value is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Its key.
    Key,
    /// The value itself; of a table, its header.
    Value,
}

impl Source {
    /// Where the value of a path stands in the text; none: it says nothing of it.
    #[must_use]
    pub fn find(&self, path: &Path, side: Side) -> Option<Range<usize>> {
        match self.kind {
            SourceKind::File => find(&self.text, path, side),
            SourceKind::Set => {
                let key = self.text.find('=')?;
                let trimmed = self.text[..key].trim();
                let start = self.text.find(trimmed)?;
                let value = self.text[key + 1..].trim();
                let whole = self.text.len() - self.text[key + 1..].trim_start().len();
                match (path.steps(), side) {
                    ([], Side::Key) => Some(start..start + trimmed.len()),
                    ([], Side::Value) => Some(whole..whole + value.len()),
                    // With a key that is as long and has no meaning, the places in the value stay what they are.
                    _ => {
                        let name = "k".repeat(key);
                        let text = format!("{name}{}", &self.text[key..]);
                        let inside = Path::default().key(&name).join(path);
                        find(&text, &inside, side)
                    }
                }
            }
        }
    }

    /// The line and the column of a place, from 1.
    #[must_use]
    pub fn line_and_column(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..at.min(self.text.len())];
        let line = before.rfind('\n').map_or(0, |end| end + 1);
        (
            before.matches('\n').count() + 1,
            before[line..].chars().count() + 1,
        )
    }
}

/// Where a path leads to in a document; of what has more lines, the first.
fn find(text: &str, path: &Path, side: Side) -> Option<Range<usize>> {
    let document = Document::parse(text).ok()?;
    let mut place = Place::Item(document.as_item());
    let mut key = None;
    for step in path.steps() {
        place = match step {
            Step::Key(name) => {
                let (found, item) = place.table()?.get_key_value(name)?;
                key = found.span();
                Place::Item(item)
            }
            Step::Index(index) => place.element(*index)?,
        };
    }
    let whole = if path.steps().is_empty() {
        Some(0..0)
    } else {
        place.span()
    };
    let span = match side {
        Side::Key => key.or(whole),
        Side::Value => whole.or(key),
    }?;
    let line = text[span.clone()].lines().next().unwrap_or_default();
    Some(span.start..span.start + line.trim_end().len())
}

/// A part of a document.
enum Place<'a> {
    Item(&'a Item),
    Table(&'a Table),
    Value(&'a Value),
}

impl<'a> Place<'a> {
    fn table(&self) -> Option<&'a dyn TableLike> {
        match *self {
            Self::Item(item) => item.as_table_like(),
            Self::Table(table) => Some(table),
            Self::Value(value) => value.as_inline_table().map(|table| table as &dyn TableLike),
        }
    }

    fn element(&self, index: usize) -> Option<Self> {
        match *self {
            Self::Item(Item::ArrayOfTables(tables)) => tables.get(index).map(Self::Table),
            Self::Item(Item::Value(value)) | Self::Value(value) => {
                value.as_array()?.get(index).map(Self::Value)
            }
            Self::Item(_) | Self::Table(_) => None,
        }
    }

    fn span(&self) -> Option<Range<usize>> {
        match self {
            Self::Item(item) => item.span(),
            Self::Table(table) => table.span(),
            Self::Value(value) => value.span(),
        }
    }
}
