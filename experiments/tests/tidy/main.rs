//! What a program can check of the house's style and of the arrows between its parts, over every source of the tree.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod breaches;
mod rules;
mod source;

use rules::SEAMS;
use source::{Offence, Source};
use std::fs;
use std::path::{Path, PathBuf};
use tidemark::list::seams;
use tidemark::plan::load;

#[test]
fn every_file_opens_with_what_it_is() {
    hold(rules::opening);
}

#[test]
fn no_file_is_longer_than_a_reader_can_bear() {
    hold(rules::size);
}

#[test]
fn no_file_is_a_drawer() {
    hold(rules::name);
}

#[test]
fn nothing_is_left_to_be_done() {
    hold(rules::leftovers);
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    hold(rules::unwraps);
}

#[test]
fn nothing_is_imported_by_a_glob_outside_tests() {
    hold(rules::globs);
}

#[test]
fn nobody_imports_against_the_arrows() {
    let sources = sources();
    let imports = sources.iter().flat_map(rules::arrows);
    let manifests = crates().into_iter().flat_map(|name| {
        let path = format!("{name}/Cargo.toml");
        let manifest = fs::read_to_string(top().join(&path)).unwrap();
        rules::dependencies(&path, &manifest)
    });
    report(imports.chain(manifests).chain(rules::siblings(&sources)));
}

#[test]
fn every_strategy_is_in_its_list_under_its_files_name() {
    let seams = seams();
    // Machine faults and changes of members are keys of one table each, not a file each.
    let listed: Vec<_> = (seams.iter())
        .filter(|(seam, _)| !["fault of machines", "change of members"].contains(seam))
        .map(|(seam, rows)| (*seam, rows.iter().map(|(name, ..)| *name).collect()))
        .collect();
    report(rules::lists(&sources(), &listed));
    let missing = SEAMS
        .iter()
        .filter(|(seam, _)| !listed.iter().any(|(known, _)| known == seam));
    report(missing.map(|(seam, folder)| {
        Offence::new(
            folder,
            1,
            format!("tidemark list does not show the seam {seam:?}"),
        )
    }));
}

#[test]
fn every_strategy_is_a_kind_in_a_plan() {
    for (seam, rows) in seams().into_iter().filter(|(seam, _)| *seam != "back-end") {
        let set = |name: &str| match seam {
            "network, fault" => format!("network=[{{ {name} = {{}} }}]"),
            "fault of machines" | "change of members" => format!("fault=[{{ {name} = {{}} }}]"),
            "repair" => format!("repair=[{{ kind = '{name}' }}]"),
            _ => format!("{seam}={{ kind = '{name}' }}"),
        };
        let is_known = |name| {
            let error = load("quickstart", "sim", &[set(name)]).err();
            let error = error.map(|error| format!("{error:#}")).unwrap_or_default();
            !error.contains("has no kind") && !error.contains("unknown key")
        };
        assert!(!is_known("nobody"), "a {seam} that is in no list was taken");
        for (name, ..) in rows {
            assert!(is_known(name), "no plan can choose the {seam} {name:?}");
        }
    }
}

#[test]
fn every_file_is_compiled() {
    report(rules::dead(&sources()));
}

#[test]
fn every_crate_has_its_clippy_toml_and_nothing_else_stands_at_the_top() {
    let bare = crates()
        .into_iter()
        .filter(|name| !top().join(name).join("clippy.toml").exists());
    report(bare.map(|name| Offence::new(&name, 1, "it has no clippy.toml")));
    let names = entries(&top()).into_iter();
    let names = names.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    report(rules::top(&names.collect::<Vec<_>>()));
}

fn hold(rule: impl Fn(&Source) -> Vec<Offence>) {
    report(sources().iter().flat_map(rule));
}

fn report(offences: impl IntoIterator<Item = Offence>) {
    let lines: Vec<_> = offences
        .into_iter()
        .map(|offence| offence.to_string())
        .collect();
    assert!(lines.is_empty(), "\n{}", lines.join("\n"));
}

/// Every source of the workspace; those that only tests declare are known as tests.
fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    for name in crates() {
        collect(&top().join(name), &mut files);
    }
    let top = top();
    let mut sources: Vec<Source> = files
        .iter()
        .map(|file| {
            let path = file.strip_prefix(&top).unwrap().to_str().unwrap();
            Source::new(path, &fs::read_to_string(file).unwrap())
        })
        .collect();
    assert!(sources.len() > 100, "only {} sources found", sources.len());
    let tests: Vec<String> = sources
        .iter()
        .flat_map(|source| {
            let modules = source.modules().into_iter();
            modules
                .filter(|module| module.is_test)
                .flat_map(|module| source.places(&module))
        })
        .collect();
    for source in sources
        .iter_mut()
        .filter(|source| tests.contains(&source.path))
    {
        source.set_test();
    }
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The crates of the workspace.
fn crates() -> Vec<String> {
    let folders = entries(&top()).into_iter();
    let crates = folders.filter(|folder| folder.join("Cargo.toml").exists());
    let names: Vec<String> = crates
        .map(|folder| folder.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        ["experiments", "netfuzz", "node", "observer", "proto"]
    );
    names
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}
