//! Every rule finds who breaks it, and nobody else.

use crate::rules::{
    NOTES, arrows, dead, dependencies, globs, leftovers, lists, name, opening, siblings, size, top,
    unwraps,
};
use crate::source::{Offence, Source};

/// What a rule says of a file, as lines and words.
fn said(rule: impl Fn(&Source) -> Vec<Offence>, path: &str, text: &str) -> Vec<String> {
    let offences = rule(&Source::new(path, text));
    offences.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check(
    rule: impl Fn(&Source) -> Vec<Offence>,
    path: &str,
    good: &str,
    bad: &str,
    line: usize,
    word: &str,
) {
    assert_eq!(said(&rule, path, good), [""; 0], "this is allowed");
    let offences = said(&rule, path, bad);
    assert_eq!(offences.len(), 1, "one offence, not {offences:?}");
    let place = format!("{path}:{line}: ");
    assert!(
        offences[0].starts_with(&place) && offences[0].contains(word),
        "{offences:?}"
    );
}

#[test]
fn every_rule_about_one_file_finds_who_breaks_it() {
    let file = "node/src/x.rs";
    check(
        opening,
        file,
        "//! A file.\n",
        "// A file.\nuse a;",
        1,
        "//!",
    );
    let (long, tests) = ("a;\n".repeat(500), "#[cfg(test)]\nmod tests {\n    a;\n}\n");
    check(
        size,
        file,
        &(long.clone() + tests),
        &(long.clone() + "a;\n"),
        1,
        "501",
    );
    assert_eq!(said(size, "node/tests/x.rs", &(long + "a;\n")), [""; 0]);
    let drawer = said(name, "node/src/utils.rs", "");
    assert_eq!(
        drawer,
        ["node/src/utils.rs:1: utils.rs is a drawer that holds everything"]
    );
    assert_eq!(said(name, "node/src/helpers/mod.rs", "").len(), 1);
    assert_eq!(said(name, "node/src/typesetting.rs", ""), [""; 0]);
    let note = format!("a\n// {}: later", NOTES[0]);
    check(
        leftovers,
        file,
        "let s = \"dbg!(a)\"; // dbg!",
        &note,
        2,
        NOTES[0],
    );
    check(leftovers, file, "", "a\ndbg!(b)", 2, "dbg!");
    check(
        leftovers,
        "node/tests/x.rs",
        "",
        "#[test]\n#[ignore]\nfn f() {}",
        2,
        "#[ignore",
    );
    let tested = "#[cfg(test)]\nmod tests {\n    use super::*;\n    fn f() { a.unwrap() }\n}\n";
    check(
        unwraps,
        file,
        tested,
        &format!("{tested}fn f() {{\n    a.unwrap()\n}}"),
        7,
        "unwrap",
    );
    check(
        globs,
        file,
        tested,
        &format!("{tested}pub use a::{{\n    b,\n    c::*,\n}};"),
        6,
        "glob",
    );
}

#[test]
fn every_arrow_finds_who_goes_against_it() {
    let check = |path, good, bad, word| check(arrows, path, good, bad, 1, word);
    check(
        "proto/src/x.rs",
        "use tonic::a;",
        "use tidemark_node::a;",
        "tidemark_node",
    );
    check(
        "node/src/x.rs",
        "use tidemark_proto::a; // tokio",
        "let a = tokio::b();",
        "tokio",
    );
    check(
        "node/src/x.rs",
        "use std::time::Duration;",
        "use std::time::{Duration, Instant};",
        "Instant",
    );
    check(
        "node/src/x.rs",
        "read::ahead()",
        "std::thread::spawn(f)",
        "thread",
    );
    check(
        "node/src/x.rs",
        "pub mod server;",
        "use crate::server::a;",
        "crate::server",
    );
    check(
        "node/src/server/x.rs",
        "use tokio::a;",
        "use tidemark_netfuzz::a;",
        "tidemark_netfuzz",
    );
    check(
        "node/src/x.rs",
        "use tidemark_proto::a;",
        "use tidemark::plan;",
        "tidemark",
    );
    check(
        "netfuzz/src/x.rs",
        "use serde::a;",
        "use tonic::a;",
        "tonic",
    );
    check(
        "netfuzz/src/proxy/x.rs",
        "use tonic::a;",
        "use tidemark_observer::a;",
        "tidemark_observer",
    );
    check("observer/src/x.rs", "use csv::a;", "use tokio::a;", "tokio");
    check(
        "observer/src/service.rs",
        "use tokio::a;",
        "use tidemark_node::a;",
        "tidemark_node",
    );
    assert_eq!(
        said(
            arrows,
            "experiments/src/x.rs",
            "use tidemark_node::a; use tokio::b;"
        ),
        [""; 0]
    );
    let manifest =
        "[dependencies]\ntidemark-proto.workspace = true\ntidemark-node = { path = \"../node\" }";
    assert_eq!(dependencies("observer/Cargo.toml", manifest).len(), 1);
    assert_eq!(dependencies("experiments/Cargo.toml", manifest), []);
}

#[test]
fn every_rule_about_the_tree_finds_who_breaks_it() {
    let sources = |files: &[(&str, &str)]| -> Vec<Source> {
        files
            .iter()
            .map(|(path, text)| Source::new(path, text))
            .collect()
    };
    let ring = ("node/src/partitioner/slot_ring.rs", "name: \"slot-ring\",");
    let good = sources(&[
        ("node/src/lib.rs", "mod partitioner;"),
        (
            "node/src/partitioner/mod.rs",
            "mod slot_ring;\nmod nearest;",
        ),
        ring,
        (
            "node/src/partitioner/nearest.rs",
            "use super::{Build, position};\nname: \"nearest\",",
        ),
    ]);
    let listed = |names: &[&'static str]| vec![("partitioner", names.to_vec())];
    assert_eq!(siblings(&good), []);
    assert_eq!(dead(&good), []);
    assert_eq!(lists(&good, &listed(&["nearest", "slot-ring"])), []);
    assert_eq!(
        lists(&good, &listed(&["nearest"])).len(),
        1,
        "a file that is not in its list"
    );
    let more = listed(&["nearest", "slot-ring", "digit-sum"]);
    assert_eq!(lists(&good, &more).len(), 1, "an entry without a file");
    assert_eq!(
        lists(&good, &[("portioner", vec![])]).len(),
        1,
        "a seam without a folder"
    );

    for import in [
        "use super::slot_ring::a;",
        "use super::{\n    Build,\n    slot_ring,\n};",
        "crate::partitioner::slot_ring::f()",
    ] {
        let bad = sources(&[ring, ("node/src/partitioner/nearest.rs", import)]);
        let offences = siblings(&bad);
        assert_eq!(offences.len(), 1, "{import}: {offences:?}");
        assert_eq!(dead(&bad).len(), 2, "nobody declares them");
        assert_eq!(
            lists(&bad, &listed(&["nearest", "slot-ring"])).len(),
            1,
            "no name in the ENTRY"
        );
    }
    assert_eq!(top(&["node".to_owned(), "scripts".to_owned()]).len(), 1);
}
