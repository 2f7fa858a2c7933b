//! The rules: each takes sources and tells who breaks it.

use crate::source::{Offence, Source, mentions};
use std::collections::BTreeSet;

/// A part of the tree and what it never imports.
struct Arrow {
    part: &'static str,
    /// The shells in it.
    but: &'static [&'static str],
    never: &'static [&'static str],
}

/// The table “who may import whom”.
const ARROWS: &[Arrow] = &[
    Arrow {
        part: "proto/",
        but: &[],
        never: &[
            "tidemark_node",
            "tidemark_netfuzz",
            "tidemark_observer",
            "tidemark",
        ],
    },
    Arrow {
        part: "node/",
        but: &[],
        never: &["tidemark_netfuzz", "tidemark_observer", "tidemark"],
    },
    Arrow {
        part: "node/src/",
        but: &["node/src/server/", "node/src/storage/lsm"],
        never: &[
            "tokio",
            "tonic",
            "Instant",
            "SystemTime",
            "thread::",
            "rand::rng",
            "crate::server",
            "super::server",
        ],
    },
    Arrow {
        part: "netfuzz/",
        but: &[],
        never: &["tidemark_node", "tidemark_observer", "tidemark"],
    },
    Arrow {
        part: "netfuzz/src/",
        but: &["netfuzz/src/proxy/", "netfuzz/src/timer"],
        never: &[
            "tokio",
            "tonic",
            "Instant",
            "SystemTime",
            "thread::",
            "rand::rng",
        ],
    },
    Arrow {
        part: "observer/",
        but: &[],
        never: &["tidemark_node", "tidemark_netfuzz", "tidemark"],
    },
    Arrow {
        part: "observer/src/",
        but: &["observer/src/service"],
        never: &[
            "tokio",
            "tonic",
            "Instant",
            "SystemTime",
            "thread::",
            "rand::rng",
        ],
    },
];

/// The folders of the seams, and what `tidemark list` calls each.
pub(crate) const SEAMS: &[(&str, &str)] = &[
    ("partitioner", "node/src/partitioner"),
    ("versioning", "node/src/versioning"),
    ("membership", "node/src/membership"),
    ("replication", "node/src/replication"),
    ("deletion", "node/src/deletion"),
    ("repair", "node/src/repair"),
    ("storage", "node/src/storage"),
    ("network, fault", "netfuzz/src/rule"),
    ("workload", "experiments/src/workload"),
    ("back-end", "experiments/src/backend"),
];

/// Every file opens with a sentence that says what it is.
pub(crate) fn opening(source: &Source) -> Vec<Offence> {
    let opens = source.text.starts_with("//! ");
    let offence = || source.offence(1, "a file opens with //! and a sentence");
    (!opens).then(offence).into_iter().collect()
}

/// No file is long.
pub(crate) fn size(source: &Source) -> Vec<Offence> {
    let lines = source.lines().count();
    let rule = format!("{lines} lines without tests; at most {LONGEST}: split it along a concept");
    (lines > LONGEST)
        .then(|| source.offence(1, rule))
        .into_iter()
        .collect()
}

/// No drawer for anything.
pub(crate) fn name(source: &Source) -> Vec<Offence> {
    let mut parts = source.path.split('/');
    let drawer = parts.find(|part| DRAWERS.contains(&part.trim_end_matches(".rs")));
    let offence = |drawer| source.offence(1, format!("{drawer} is a drawer that holds everything"));
    drawer.map(offence).into_iter().collect()
}

/// Nothing is left to be done, and nothing is silenced; tests neither.
pub(crate) fn leftovers(source: &Source) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (number, (text, code)) in (1..).zip(source.text.lines().zip(source.code.lines())) {
        let noted = NOTES.iter().find(|note| mentions(text, note));
        let called = CALLS.iter().find(|call| code.contains(**call));
        let left = noted.or(called);
        offences.extend(left.map(|left| source.offence(number, format!("{left} on main"))));
    }
    offences
}

/// Nothing outside tests takes a value that may not be there.
pub(crate) fn unwraps(source: &Source) -> Vec<Offence> {
    let unwraps = source
        .lines()
        .filter(|(_, code)| code.contains(".unwrap()"));
    unwraps
        .map(|(line, _)| source.offence(line, "unwrap() outside tests; say why with expect"))
        .collect()
}

/// Every imported name is written out.
pub(crate) fn globs(source: &Source) -> Vec<Offence> {
    let imports = source.imports().into_iter();
    imports
        .filter(|(_, import)| import.contains('*'))
        .map(|(line, import)| {
            source.offence(line, format!("{import}: a glob import outside tests"))
        })
        .collect()
}

/// Who imports what is not for them, by the table.
pub(crate) fn arrows(source: &Source) -> Vec<Offence> {
    let mut offences = Vec::new();
    for arrow in ARROWS.iter().filter(|arrow| arrow.holds(&source.path)) {
        for (number, code) in source.lines() {
            let taken = arrow.never.iter().filter(|never| mentions(code, never));
            offences.extend(taken.map(|never| {
                let but = arrow.but.join(", ");
                let but = if but.is_empty() {
                    but
                } else {
                    format!(" outside {but}")
                };
                source.offence(number, format!("{} never imports {never}{but}", arrow.part))
            }));
        }
    }
    offences
}

/// A crate's manifest depends on nothing that its sources may not import.
pub(crate) fn dependencies(path: &str, manifest: &str) -> Vec<Offence> {
    let mut offences = Vec::new();
    let whole = ARROWS.iter().filter(|arrow| arrow.but.is_empty());
    for never in whole
        .filter(|arrow| path.starts_with(arrow.part))
        .flat_map(|arrow| arrow.never)
    {
        let name = never.replace('_', "-");
        for (number, line) in (1..).zip(manifest.lines()) {
            let key = line.split(['.', '=', ' ']).next().unwrap_or("");
            if key.trim_matches('"') == name {
                offences.push(Offence::new(
                    path,
                    number,
                    format!("it never depends on {name}"),
                ));
            }
        }
    }
    offences
}

/// A strategy imports no other of its seam.
pub(crate) fn siblings(sources: &[Source]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (_, folder) in SEAMS {
        let seam = folder.rsplit('/').next().unwrap_or(folder);
        for (own, source) in strategies(folder, sources) {
            for (other, _) in strategies(folder, sources).filter(|(other, _)| *other != own) {
                let rule = format!("{own} imports {other}, a strategy of the same seam");
                let ways =
                    ["super", &format!("crate::{seam}")].map(|way| format!("{way}::{other}"));
                let named = source
                    .lines()
                    .filter(|(_, code)| ways.iter().any(|way| mentions(code, way)));
                offences.extend(named.map(|(line, _)| source.offence(line, &*rule)));
                let groups = ["use super::{", &format!("use crate::{seam}::{{")].map(str::to_owned);
                let grouped = source.imports().into_iter().filter(|(_, import)| {
                    let rest = groups
                        .iter()
                        .find_map(|group| import.split_once(group.as_str()));
                    rest.is_some_and(|(_, names)| mentions(names, other))
                });
                offences.extend(grouped.map(|(line, _)| source.offence(line, &*rule)));
            }
        }
    }
    offences
}

/// The files of a seam are its list, and each has its name in its ENTRY.
pub(crate) fn lists(sources: &[Source], listed: &[(&str, Vec<&str>)]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (seam, names) in listed {
        let Some((_, folder)) = SEAMS.iter().find(|(known, _)| known == seam) else {
            offences.push(Offence::new(
                "experiments/src/list.rs",
                1,
                format!("no folder is known for {seam:?}"),
            ));
            continue;
        };
        let list = format!("{folder}/mod.rs");
        let kind = |file: &str| file.replace('_', "-");
        for (file, source) in strategies(folder, sources) {
            if !names.contains(&kind(file).as_str()) {
                offences.push(source.offence(
                    1,
                    format!("ENTRIES of {list} does not have {:?}", kind(file)),
                ));
            }
            let entry = format!("name: \"{}\",", kind(file));
            if !source.text.contains(&entry) {
                offences.push(source.offence(1, format!("its ENTRY does not say {entry}")));
            }
        }
        for name in names {
            if !strategies(folder, sources).any(|(file, _)| kind(file) == *name) {
                offences.push(Offence::new(
                    &list,
                    1,
                    format!("{name:?} of ENTRIES has no file of its name"),
                ));
            }
        }
    }
    offences
}

/// Every file is reached from the first file of its crate.
pub(crate) fn dead(sources: &[Source]) -> Vec<Offence> {
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut next: Vec<&Source> = sources.iter().filter(|source| source.is_crate()).collect();
    while let Some(source) = next.pop() {
        if !reached.insert(&source.path) {
            continue;
        }
        for places in source.modules().iter().map(|module| source.places(module)) {
            next.extend(sources.iter().filter(|other| places.contains(&other.path)));
        }
    }
    let dead = sources
        .iter()
        .filter(|source| !reached.contains(source.path.as_str()));
    dead.map(|source| source.offence(1, "no mod declares it: it is never compiled"))
        .collect()
}

/// Only what is allowed stands at the top of the repository.
pub(crate) fn top(names: &[String]) -> Vec<Offence> {
    let others = names.iter().filter(|name| !TOP.contains(&name.as_str()));
    others
        .map(|name| {
            Offence::new(
                name,
                1,
                format!("at the top there is only: {}", TOP.join(", ")),
            )
        })
        .collect()
}

impl Arrow {
    fn holds(&self, path: &str) -> bool {
        path.starts_with(self.part) && !self.but.iter().any(|shell| path.starts_with(shell))
    }
}

/// The strategies of a seam by their files' names: a file, or a folder's `mod.rs`.
fn strategies<'a>(
    folder: &'a str,
    sources: &'a [Source],
) -> impl Iterator<Item = (&'a str, &'a Source)> {
    sources
        .iter()
        .filter(|source| !source.is_test())
        .filter_map(move |source| {
            let file = source.path.strip_prefix(folder)?.strip_prefix('/')?;
            let name = file
                .strip_suffix("/mod.rs")
                .or_else(|| file.strip_suffix(".rs"))?;
            (name != "mod" && !name.contains('/')).then_some((name, source))
        })
}

const LONGEST: usize = 500;
const DRAWERS: &[&str] = &[
    "utils", "util", "common", "types", "helpers", "helper", "misc",
];
// In two parts, lest this file breaks the rule itself.
pub(crate) const NOTES: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];
const CALLS: &[&str] = &["dbg!", "todo!", "unimplemented!", "#[ignore"];
const TOP: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "proto",
    "node",
    "observer",
    "netfuzz",
    "experiments",
    "results",
    "notebooks",
    "deploy",
    "README.md",
    "CONTRIBUTING.md",
    "LICENSE",
    ".ci",
    ".git",
    ".gitignore",
    "target",
];
