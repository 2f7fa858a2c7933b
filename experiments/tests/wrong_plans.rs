//! What users do wrong in plans, and what they are told: every plan in `wrong_plans/` has one mistake (`many-mistakes`
//! several), and beside it stands its error, from which alone a stranger shall be able to mend it.
//!
//! A new error is taken over with `INSTA_UPDATE=always cargo test -p tidemark --test wrong_plans`, and read.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use miette::GraphicalTheme;
use std::fs;
use tidemark::command::exit::Class;
use tidemark::plan::{PlanErrors, carriers, load, sweep};

#[test]
fn every_wrong_plan_is_told_what_is_wrong_where_and_how_to_mend_it() {
    let mut names: Vec<_> = fs::read_dir(FOLDER)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter_map(|file| Some(file.strip_suffix(".toml")?.to_owned()))
        .collect();
    names.sort();
    assert!(names.len() >= 30, "only {} plans", names.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(FOLDER.strip_prefix("tests/").unwrap());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for name in names {
        let error = refused(&format!("{FOLDER}/{name}.toml"), &[]);
        settings.bind(|| insta::assert_snapshot!(name, error));
    }
}

#[test]
fn a_change_on_the_command_line_is_told_what_is_wrong_with_it() {
    let sets = [
        "replication.w=4",
        "client.route=nearest",
        "client.rte=3",
        "fault[0].at=30s",
        "fault[1].at=3s",
        "fault.at=3s",
        "fault=[{ at = '5s', for = '2s', partition = { isolate = 'n9' } }]",
        "cluster.nodes=2",
        "client.rate.x=3",
        "client..rate=3",
        "nonsense",
        "extends=strict",
    ];
    let errors = sets.map(|set| refused("quickstart", &[set.to_owned()]));
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(FOLDER.strip_prefix("tests/").unwrap());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("on-the-command-line", errors.join("\n")));
}

/// What somebody is told who loads this plan, without colours.
fn refused(plan: &str, sets: &[String]) -> String {
    let loaded = carriers(plan, sets)
        .and_then(|_| load(plan, "sim", sets))
        .map(|_| ());
    let error = match loaded.and_then(|()| sweep(plan, "sim", sets)) {
        Ok(_) => panic!("{plan} {sets:?} was taken"),
        Err(error) => error,
    };
    assert_eq!(Class::of(&error), Class::Plan, "{plan}: {error:#}");
    let errors = error.downcast_ref::<PlanErrors>().unwrap();
    for line in error.to_string().lines() {
        assert!(
            !line.ends_with('.'),
            "{plan}: ends with a full stop: {line}"
        );
        if line.contains("this is no TOML") {
            continue;
        }
        for jargon in [
            "expected",
            "invalid type",
            "struct",
            "variant",
            "f64",
            "u16",
        ] {
            assert!(!line.contains(jargon), "{plan}: {jargon} in: {line}");
        }
    }
    errors.render(GraphicalTheme::unicode_nocolor(), 100)
}

const FOLDER: &str = "tests/wrong_plans";
