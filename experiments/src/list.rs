//! `tidemark list`: what can be run, and what a plan can choose from.

use crate::plan::builtin;
use crate::plan::machine::Harm;
use crate::plan::members::MemberChange;
use crate::{backend, workload};
use std::fmt::Write as _;
use tidemark_netfuzz::rule;
use tidemark_node::{deletion, membership, partitioner, repair, replication, storage, versioning};
use tidemark_observer::checker::model;
use tidemark_observer::recording::format::FORMATS;
use tidemark_proto::registry::Entry;

/// One row of a seam: its entry's name, what it is for, what it promises.
pub type Row = (&'static str, &'static str, Vec<&'static str>);

/// Every seam with its entries.
#[must_use]
pub fn seams() -> Vec<(&'static str, Vec<Row>)> {
    vec![
        ("replication", rows(replication::ENTRIES)),
        ("partitioner", rows(partitioner::ENTRIES)),
        ("versioning", rows(versioning::ENTRIES)),
        ("membership", rows(membership::ENTRIES)),
        ("deletion", rows(deletion::ENTRIES)),
        ("repair", rows(repair::ENTRIES)),
        ("storage", rows(storage::ENTRIES)),
        ("network, fault", rows(rule::ENTRIES)),
        (
            "fault of machines",
            keys(Harm::KINDS.into_iter().zip(Harm::ABOUT)),
        ),
        (
            "change of members",
            keys(MemberChange::KINDS.into_iter().zip(MemberChange::ABOUT)),
        ),
        ("workload", rows(workload::ENTRIES)),
        ("back-end", rows(backend::ENTRIES)),
    ]
}

/// What `tidemark check` reads, and what it checks that against.
#[must_use]
pub fn recordings() -> Vec<(&'static str, Vec<Row>)> {
    let formats = FORMATS.iter().map(|format| (format.name, format.about));
    let models = model::ENTRIES.iter().map(|model| (model.name, model.about));
    vec![
        ("format of a history", keys(formats)),
        ("model of a history", keys(models)),
    ]
}

/// The list as the terminal shows it.
#[must_use]
pub fn text() -> String {
    let mut text = String::from("plans\n");
    for (name, question) in builtin() {
        writeln!(text, "  {name:<18}{question}").expect("memory takes every write");
    }
    for (seam, rows) in seams().into_iter().chain(recordings()) {
        writeln!(text, "\n{seam}").expect("memory takes every write");
        for (name, about, promises) in rows {
            writeln!(text, "  {name:<18}{about}").expect("memory takes every write");
            for promise in promises {
                writeln!(text, "  {:<18}promises: {promise}", "")
                    .expect("memory takes every write");
            }
        }
    }
    text
}

/// What is told apart by the keys of a table.
fn keys(rows: impl Iterator<Item = (&'static str, &'static str)>) -> Vec<Row> {
    rows.map(|(kind, about)| (kind, about, Vec::new()))
        .collect()
}

fn rows<B>(entries: &[Entry<B>]) -> Vec<Row> {
    let row = |entry: &Entry<B>| {
        let promises = entry
            .promises
            .iter()
            .map(|promise| promise.text())
            .collect();
        (entry.name, entry.about, promises)
    };
    entries.iter().map(row).collect()
}
