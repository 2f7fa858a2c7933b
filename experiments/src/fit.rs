//! The legs that `--fit` names: published ones, exponentials, those in a file, those that a run measured.

use crate::command::exit::{Class, Classed as _};
use crate::record::Folder;
use anyhow::{Context as _, bail};
use std::fs::File;
use std::path::Path;
use tidemark_observer::predict::Legs;
use tidemark_observer::predict::fit::{ENTRIES, exponential, file};

/// The legs of a fit.
///
/// # Errors
/// There is no such fit (class usage), its file or run cannot be read (class file), or has no legs (class usage).
pub fn fit(text: &str) -> anyhow::Result<Legs> {
    if let Some(entry) = ENTRIES.iter().find(|entry| entry.name == text) {
        return Ok((entry.legs)());
    }
    match text.split_once(':') {
        Some(("exp", means)) => exponentials(text, means).class(Class::Usage),
        Some(("file", path)) => table(Path::new(path)),
        Some(("run", path)) => measured(Path::new(path)),
        _ => unknown(text).class(Class::Usage),
    }
}

/// The forms of fits that need more than their name, and what they are of.
pub const FORMS: [(&str, &str); 3] = [
    (
        "exp:<W>,<A=R=S>",
        "exponential legs of these means in milliseconds",
    ),
    (
        "file:<csv>",
        "latencies in milliseconds, in columns w, a, r and s",
    ),
    (
        "run:<folder>",
        "what a run measured that kept all its events",
    ),
];

fn unknown(text: &str) -> anyhow::Result<Legs> {
    let names = ENTRIES.iter().map(|entry| entry.name);
    let forms = FORMS.iter().map(|(form, _)| *form);
    let choices: Vec<_> = names.chain(forms).collect();
    let (last, others) = choices.split_last().expect("there are fits");
    bail!(
        "unknown fit {text:?}; choose {} or {last}",
        others.join(", ")
    )
}

fn exponentials(text: &str, means: &str) -> anyhow::Result<Legs> {
    let legs = means.split_once(',').and_then(|(w, ars)| {
        let [w, ars] = [w, ars].map(|mean| mean.trim().parse().ok());
        exponential(w?, ars?)
    });
    legs.with_context(|| {
        format!(
            "the fit is {text:?}, but exp takes two means from 0 to 2.6e9 milliseconds, that of W and that of A, R and S, like exp:10,1"
        )
    })
}

fn table(path: &Path) -> anyhow::Result<Legs> {
    let name = || path.display().to_string();
    let table = File::open(path).with_context(name).class(Class::File)?;
    file(table)
        .map_err(|error| anyhow::anyhow!("{}:{error}", path.display()))
        .class(Class::Usage)
}

fn measured(path: &Path) -> anyhow::Result<Legs> {
    let figures = Folder::open(path)
        .and_then(|(folder, _)| folder.figures())
        .class(Class::File)?;
    let legs = figures.legs.known().and_then(|legs| Legs::measured(legs));
    let none = || {
        format!(
            "{} did not measure its legs; have it again with --set events=all",
            path.display()
        )
    };
    legs.with_context(none).class(Class::Usage)
}
