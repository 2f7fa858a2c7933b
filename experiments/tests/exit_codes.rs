//! What the program says of itself, and what its exit codes say of how it ended.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::process::{Command, Output};

#[test]
fn the_help_lists_the_commands_and_the_exit_codes() {
    let help = tidemark(&["--help"]);
    assert!(help.status.success());
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let help = String::from_utf8(help.stdout).unwrap();
    settings.bind(|| insta::assert_snapshot!("help", help));
}

#[test]
fn every_class_of_error_has_a_code_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mine = path("mine");
    fs::write(path("wrong.toml"), "extends = 'quickstart'\nsede = 3").unwrap();
    fs::write(path("text.toml"), [0xff, 0xfe]).unwrap();
    fs::write(path("legs.csv"), "w,a,r,s\n1,2,3,4\n1,2,x,4\n").unwrap();
    for (arguments, code, said) in [
        (&["plan", "check", "quickstart"][..], 0, ""),
        (&["plan", "new", &mine], 0, ""),
        (&["plan", "check", &format!("{mine}.toml")], 0, ""),
        (&["plan", "check"], 2, "Usage"),
        (
            &["plan", "check", "quickstart", "--backend", "simm"],
            2,
            "sim",
        ),
        (
            &["plan", "check", &path("wrong.toml")],
            3,
            "wrong.toml:2:1: unknown key sede",
        ),
        (&["run", &path("wrong.toml")], 3, "did you mean `seed`?"),
        (
            &["plan", "show", "quickstart", "--set", "replication.w=4"],
            3,
            "--set replication.w=4: ",
        ),
        (
            &["plan", "check", "quickstrat"],
            4,
            "did you mean quickstart?",
        ),
        (&["plan", "check", &path("text.toml")], 4, "text.toml"),
        (&["plan", "new", &mine], 4, "mine.toml"),
        (&["observe", &path("no-run")], 4, "no-run"),
        (
            &[
                "ring",
                "show",
                "quickstart",
                "--keys",
                "100",
                "--plot",
                &path("ring.svg"),
            ],
            0,
            "",
        ),
        (
            &["ring", "show", "quickstart", "--plot", "ring.pdf"],
            2,
            "--plot is ring.pdf; choose a file that ends in .svg or .png",
        ),
        (
            &["ring", "show", "quickstart", "--leave", "5"],
            2,
            "--leave is 5, but quickstart has 5 nodes; choose 0 to 4",
        ),
        (&["ring", "show", "quickstart", "--join", "0"], 2, "--join"),
        (
            &["ring", "compare", "quickstrat"],
            4,
            "did you mean quickstart?",
        ),
        (
            &[
                "ring",
                "show",
                "quickstart",
                "--plot",
                &path("no-folder/ring.png"),
            ],
            4,
            "no-folder",
        ),
        (
            &[
                "ring",
                "show",
                "quickstart",
                "--set",
                "partitioner={ kind = 'fixed-partitions', partitions = 5 }",
            ],
            3,
            "partitions is 5, but 6 nodes need one each",
        ),
        (&["predict", "--fit", "lnkd-disk", "--trials", "10"], 0, ""),
        (
            &["predict", "--fit", "lnkd", "-r", "1", "-w", "1"],
            2,
            "unknown fit \"lnkd\"; choose lnkd-ssd,",
        ),
        (
            &["predict", "--fit", "wan", "-r", "4", "-w", "1"],
            2,
            "-r is 4, but N is 3; choose 1 to 3",
        ),
        (
            &["predict", "--fit", "wan", "-r", "0", "-w", "1"],
            2,
            "-r is 0",
        ),
        (&["predict", "--fit", "wan", "-r", "1"], 2, "-r needs -w"),
        (&["predict", "--fit", "wan", "-w", "1"], 2, "-w needs -r"),
        (
            &["predict", "--fit", "wan", "--trials", "0"],
            2,
            "--trials is 0",
        ),
        (&["predict", "--fit", "exp:10"], 2, "exp:10,1"),
        (&["predict", "--fit", "exp:-1,1"], 2, "exp:10,1"),
        (
            &["predict", "--fit", &format!("file:{}", path("legs.csv"))],
            2,
            "legs.csv:3: r is \"x\"",
        ),
        (
            &["predict", "--fit", &format!("file:{}", path("none.csv"))],
            4,
            "none.csv",
        ),
        (&["predict", "--fit", "run:no-run"], 4, "no-run"),
        (
            &["predict", "--fit", "wan", "--cheapest"],
            2,
            "--cheapest needs a goal",
        ),
        (
            &[
                "predict",
                "--fit",
                "wan",
                "--cheapest",
                "--fresh-at",
                "10ms",
            ],
            2,
            "write one like 10ms=99.9%",
        ),
        (
            &["predict", "--fit", "wan", "--read-latency", "p99=1ms"],
            2,
            "--cheapest",
        ),
    ] {
        let output = tidemark(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
}

/// If this fails, the README shows an error that nobody gets: `UPDATE=1 cargo test` rewrites it.
#[test]
fn the_readme_shows_an_error_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.toml"), MISTAKEN).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    command
        .args(["plan", "check", "mine.toml"])
        .current_dir(folder.path());
    let error = String::from_utf8(command.output().unwrap().stderr).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = fs::read_to_string(path).unwrap();
    let (before, rest) = readme.split_once(OPEN).unwrap();
    let (_, after) = rest.split_once(CLOSE).unwrap();
    let current = format!("{before}{OPEN}\n```text\n{error}```\n\n{CLOSE}{after}");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, current).unwrap();
    } else {
        assert!(
            readme == current,
            "the README shows another error than:\n{error}"
        );
    }
}

fn tidemark(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    command.args(arguments).env_remove("TIDEMARK_LOG");
    command.output().unwrap()
}

const OPEN: &str = "<!-- error -->\n";
const CLOSE: &str = "<!-- /error -->";
const MISTAKEN: &str = r#"extends  = "quickstart"
question = "What do stricter quorums buy?"
duration = "30"

[replication]
r = 2
w = 2

[client]
rout = "random"
"#;
