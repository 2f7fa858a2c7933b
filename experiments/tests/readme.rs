//! What the README quotes is what there is: the tables of seams, the conversation by reflection, the partitioners'
//! figures.

#![expect(
    clippy::unwrap_used,
    reason = "a test: what cannot be unwrapped fails it"
)]

use std::fmt::Write as _;
use std::process::Command;
use std::sync::Mutex;
use tidemark::list::{recordings, seams};

/// If this fails, the README promises strategies that are not there, or hides some: `UPDATE=1 cargo test` rewrites it.
#[test]
fn the_readme_lists_every_strategy() {
    quote("seams", &tables());
}

/// If this fails, the README quotes a conversation that nobody had: `UPDATE=1 cargo test` rewrites it.
#[test]
fn the_readme_quotes_the_conversation_by_reflection() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/by_hand/transcript-buf.txt");
    let transcript = std::fs::read_to_string(path).unwrap();
    quote(
        "reflection",
        &format!(
            "\n```text\n{}```\n\n",
            transcript.trim_end().to_owned() + "\n"
        ),
    );
}

/// If this fails, the README compares partitioners by figures that are not theirs: `UPDATE=1 cargo test` rewrites it.
#[test]
fn the_readme_compares_partitioners() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    command.args(["ring", "compare", "quickstart"]);
    let comparison = String::from_utf8(command.output().unwrap().stdout).unwrap();
    quote("ring", &format!("\n```text\n{comparison}```\n\n"));
}

/// If this fails, the README quotes another prediction than is made: `UPDATE=1 cargo test` rewrites it.
#[test]
fn the_readme_quotes_predictions() {
    let quoted = [
        "",
        " --cheapest --fresh-at 10ms=99.5% --read-latency p99.9=5ms",
    ]
    .map(|more| {
        let arguments = format!("predict --fit lnkd-disk{more}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
        let output = command.args(arguments.split(' ')).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        format!("\n```text\n$ tidemark {arguments}\n{said}```\n")
    });
    quote("predict", &(quoted.concat() + "\n"));
}

/// If this fails, the README quotes another verdict, or other formats and models: `UPDATE=1 cargo test` rewrites it.
#[test]
fn the_readme_quotes_a_verdict_and_what_can_be_checked() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/check"));
    let output = command.args(["check", "late-read.edn"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    let mut text = format!("\n```text\n$ tidemark check late-read.edn\n{said}```\n");
    for (what, rows) in recordings() {
        write!(text, "\n| {what} | what it is |\n|---|---|\n").unwrap();
        for (name, about, _) in rows {
            writeln!(text, "| `{name}` | {} |", about.replace('\t', " ")).unwrap();
        }
    }
    quote("check", &(text + "\n"));
}

/// Holds the README to have this text, and no other, between the marks of this name.
fn quote(name: &str, text: &str) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _writing = ONE_AT_A_TIME.lock().unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = readme
        .split_once(&open)
        .expect("the README marks where the quotation begins");
    let (_, after) = rest
        .split_once(&close)
        .expect("the README marks where the quotation ends");
    let current = format!("{before}{open}{text}{close}{after}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, current).unwrap();
    } else {
        assert!(
            readme == current,
            "between the marks of {name}, the README should have:\n{text}"
        );
    }
}

fn tables() -> String {
    let mut text = String::new();
    for (seam, rows) in seams() {
        write!(
            text,
            "\n**{seam}**\n\n| kind | what it is | promises |\n|---|---|---|\n"
        )
        .unwrap();
        for (name, about, promises) in rows {
            writeln!(text, "| `{name}` | {about} | {} |", promises.join("; ")).unwrap();
        }
    }
    text.push('\n');
    text
}
