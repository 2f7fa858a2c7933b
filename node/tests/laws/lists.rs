//! What holds for every entry whatever its seam: its name, its options, what it refuses.

use crate::SHAPE;
use crate::harness::{SEAT, options};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tidemark_node::config::{self, Choice, Config};
use tidemark_node::membership;
use tidemark_node::replica::Replica;
use tidemark_node::{deletion, partitioner, repair, replication, storage, versioning};
use tidemark_proto::event::Detail;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options};

/// If this fails, a strategy cannot be found by the name that the results show, or a file is in no list.
#[test]
fn names_are_kebab_case_and_those_of_the_files() {
    for_each_seam(|seam, entries| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(seam);
        let files = std::fs::read_dir(folder).expect("a seam is a folder");
        let files: BTreeSet<String> = files
            .map(|file| file.expect("it can be listed").file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .filter(|name| name != "mod.rs")
            .collect();
        let named: BTreeSet<String> = entries
            .iter()
            .map(|entry| format!("{}.rs", entry.name.replace('-', "_")))
            .collect();
        assert_eq!(files, named, "the files of {seam} and its list differ");
        assert_eq!(named.len(), entries.len(), "{seam} lists a name twice");
        for Listed { name, about, .. } in entries {
            let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(name.chars().all(kebab), "{name} is not kebab-case");
            let sentence = !about.is_empty() && !about.ends_with('.');
            assert!(
                sentence,
                "{name}: the tables want words without a full stop"
            );
        }
    });
}

/// If this fails, a run's manifest is not the plan it came from, or a misspelt option is silently ignored.
#[test]
fn options_resolve_once_and_for_all_and_unknown_ones_are_refused_by_name() {
    for_each_seam(|_, entries| {
        for Listed {
            name,
            options,
            resolve,
            ..
        } in entries
        {
            let resolved = resolve(options).expect("the options are the entry's");
            assert_eq!(
                resolve(&resolved),
                Ok(resolved.clone()),
                "{name} resolves twice"
            );
            let mut misspelt = resolved;
            misspelt.insert("no-such-option".to_owned(), json!(1));
            let error = resolve(&misspelt).expect_err(name).to_string();
            assert!(error.contains("no-such-option"), "{name}: {error}");
        }
    });
}

/// If this fails, a plan with a mistyped kind does not tell what could have been meant.
#[test]
fn an_unknown_kind_is_refused_with_the_choices() {
    for_each_seam(|seam, entries| {
        let mut config = config();
        *choice_of(&mut config, seam) = choice("no-such-kind", Options::new());
        let error = build(&config).expect_err(seam);
        let choices: Vec<_> = entries.iter().map(|entry| entry.name).collect();
        let choices = choices.join(", ");
        let expected = format!("{seam} has no kind \"no-such-kind\"; choose one of: {choices}");
        assert_eq!(error, expected);
    });
}

/// If this fails, a strategy is listed that no node can be built with, or accepts an option that it does not know.
#[test]
fn every_entry_builds_a_node_and_names_itself_when_it_refuses() {
    for_each_seam(|seam, entries| {
        for Listed { name, options, .. } in entries {
            let mut config = config();
            *choice_of(&mut config, seam) = choice(name, options.clone());
            assert_eq!(build(&config), Ok(()), "{seam} {name}");
            let mut options = options.clone();
            options.insert("no-such-option".to_owned(), json!(1));
            *choice_of(&mut config, seam) = choice(name, options);
            let error = build(&config).expect_err(name);
            assert!(error.starts_with(&format!("{seam} {name:?}: ")), "{error}");
        }
    });
}

/// If this fails, a strategy has nothing to do, or has it too late: it never comes to its turn.
#[test]
fn what_acts_by_itself_asks_for_its_first_turn_at_once() {
    let at_once = |due: Option<Duration>| due.is_none_or(|due| due.is_zero());
    for entry in membership::ENTRIES {
        let built = (entry.build)(&options(entry, SHAPE), SEAT);
        let built = built.unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        assert!(at_once(built.next_timeout()), "{}", entry.name);
    }
    for entry in deletion::ENTRIES {
        let built = (entry.build)(&options(entry, SHAPE), SEAT);
        let built = built.unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        assert!(at_once(built.next_timeout()), "{}", entry.name);
    }
    for entry in repair::ENTRIES {
        let built = (entry.build)(&options(entry, SHAPE), SEAT);
        let built = built.unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        assert!(at_once(built.next_timeout()), "{}", entry.name);
    }
}

/// An entry without the type of what it builds.
struct Listed {
    name: &'static str,
    about: &'static str,
    options: Options,
    resolve: fn(&Options) -> Result<Options, OptionError>,
}

fn for_each_seam(mut check: impl FnMut(&'static str, &[Listed])) {
    check("partitioner", &listed(partitioner::ENTRIES));
    check("versioning", &listed(versioning::ENTRIES));
    check("membership", &listed(membership::ENTRIES));
    check("replication", &listed(replication::ENTRIES));
    check("repair", &listed(repair::ENTRIES));
    check("deletion", &listed(deletion::ENTRIES));
    check("storage", &listed(storage::ENTRIES));
}

fn listed<B>(entries: &[Entry<B>]) -> Vec<Listed> {
    let list = |entry: &Entry<B>| Listed {
        name: entry.name,
        about: entry.about,
        options: options(entry, SHAPE),
        resolve: entry.resolve,
    };
    entries.iter().map(list).collect()
}

/// A node of the first entry of each seam.
fn config() -> Config {
    fn first<B>(entries: &[Entry<B>]) -> Choice {
        choice(entries[0].name, options(&entries[0], SHAPE))
    }
    Config {
        seed: 1,
        nodes: (1..=SHAPE.nodes).map(NodeId::node).collect(),
        gateways: Vec::new(),
        partitioner: first(partitioner::ENTRIES),
        versioning: first(versioning::ENTRIES),
        membership: first(membership::ENTRIES),
        replication: first(replication::ENTRIES),
        repair: vec![first(repair::ENTRIES)],
        deletion: first(deletion::ENTRIES),
        storage: first(storage::ENTRIES),
        spares: Vec::new(),
        handover: tidemark_node::handover::HandoverOptions::default(),
        admission: Default::default(),
        limits: config::Limits::default(),
        detail: Detail::All,
    }
}

fn choice(kind: &str, options: Options) -> Choice {
    Choice {
        kind: kind.to_owned(),
        options,
    }
}

fn choice_of<'a>(config: &'a mut Config, seam: &str) -> &'a mut Choice {
    match seam {
        "partitioner" => &mut config.partitioner,
        "versioning" => &mut config.versioning,
        "membership" => &mut config.membership,
        "replication" => &mut config.replication,
        "repair" => &mut config.repair[0],
        "deletion" => &mut config.deletion,
        "storage" => &mut config.storage,
        other => panic!("{other} is no seam"),
    }
}

fn build(config: &Config) -> Result<(), String> {
    let id = NodeId::node(1);
    let storage = config::simulated_storage(config, id).map_err(|error| error.to_string())?;
    let replica = Replica::new(config, id, 1, storage);
    replica.map(drop).map_err(|error| error.to_string())
}
