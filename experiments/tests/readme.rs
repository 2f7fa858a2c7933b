//! The README's tables of seams are what the lists say.

#![expect(
    clippy::unwrap_used,
    reason = "a test: what cannot be unwrapped fails it"
)]

use std::fmt::Write as _;
use tidemark::list::seams;

/// If this fails, the README promises strategies that are not there, or hides some: `UPDATE=1 cargo test` rewrites it.
#[test]
fn the_readme_lists_every_strategy() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (before, rest) = readme
        .split_once(OPEN)
        .expect("the README marks where the tables begin");
    let (_, after) = rest
        .split_once(CLOSE)
        .expect("the README marks where the tables end");
    let current = format!("{before}{OPEN}{}{CLOSE}{after}", tables());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, current).unwrap();
    } else {
        assert!(
            readme == current,
            "the README's tables are not those of the lists:\n{}",
            tables()
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

const OPEN: &str = "<!-- seams -->\n";
const CLOSE: &str = "<!-- /seams -->";
