//! Tells the program which commit it was built from.

use std::process::Command;

fn main() {
    let commit = Command::new("git").args(["rev-parse", "HEAD"]).output();
    let commit = commit.ok().filter(|output| output.status.success());
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    println!(
        "cargo:rustc-env=TIDEMARK_COMMIT={}",
        commit.unwrap_or_default()
    );
    println!("cargo:rerun-if-changed=../.git/logs/HEAD");
    println!("cargo:rerun-if-changed=plans");
}
