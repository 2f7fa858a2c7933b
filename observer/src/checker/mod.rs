//! Verdicts on recordings: whether what clients saw can be explained by one copy of every object, how far it is from that,
//! and which operation cannot be placed.

mod budget;
pub mod causal;
pub mod model;
mod report;
mod score;
mod search;
mod zones;

pub use budget::{Budget, Doubt};
pub use model::{Model, ModelError};
pub use report::{Finding, KeyReport, Report, SmallestK, Unscored, Verdict};
pub use score::stream::{Score, Scores, Stream};
pub use search::search;

use crate::recording::Recording;
use foldhash::fast::FixedState;
use std::collections::HashMap;
use std::sync::Arc;
use zones::{Clustered, Clusters};

/// Checks every key of a recording against a model, as far as the budget goes.
///
/// # Errors
/// The recording has an operation that the model does not know.
pub fn check(
    recording: &Recording,
    model: &Model,
    budget: &mut Budget<'_>,
) -> Result<Report, ModelError> {
    let mut keys = Keys::default();
    for (index, operation) in recording.operations.iter().enumerate() {
        model.admit(operation)?;
        if let Err(doubt) = budget.spend(1) {
            return Ok(Report::of_nothing(doubt));
        }
        keys.add(index, &operation.key);
    }
    let keys = keys.operations;
    let mut verdicts = Vec::with_capacity(keys.len());
    // Verdicts come before scores, for the case that there is not time enough for both.
    for (_, operations) in &keys {
        verdicts.push(place(recording, operations, model, budget));
    }
    let reports = keys.into_iter().zip(verdicts);
    let reports = reports.map(|((key, _), (finding, clusters))| {
        let mut report = KeyReport::new(finding);
        report.score(clusters, recording.times, budget);
        (key, report)
    });
    Ok(Report::new(reports.collect()))
}

/// Looks for a linearization of one key's operations in the quickest way that there is for them; gives also their clusters,
/// or why there are none.
fn place(
    recording: &Recording,
    operations: &[usize],
    model: &Model,
    budget: &mut Budget<'_>,
) -> (Finding, Result<Clusters, Unscored>) {
    if !model.is_register() {
        let finding = search(recording, operations, model, budget);
        return (finding, Err(Unscored::NoRegister));
    }
    let unknown = |doubt| {
        let finding = Finding::unknown(doubt, Vec::new());
        (finding, Err(Unscored::Doubt(doubt)))
    };
    match Clusters::of(recording, operations, model.initial(), budget) {
        Ok(Clustered::Clusters(clusters)) => {
            (zones::check(recording, &clusters, budget), Ok(clusters))
        }
        Ok(Clustered::ValuesRepeat) => {
            let finding = search(recording, operations, model, budget);
            (finding, Err(Unscored::ValuesRepeat))
        }
        Ok(Clustered::Siblings(line)) => unknown(Doubt::Siblings(line)),
        Err(doubt) => unknown(doubt),
    }
}

/// Keys, each with the indices of its operations.
#[derive(Default)]
struct Keys<'a> {
    places: HashMap<&'a str, usize, FixedState>,
    operations: Vec<(Arc<str>, Vec<usize>)>,
}

impl<'a> Keys<'a> {
    fn add(&mut self, index: usize, key: &'a Arc<str>) {
        let next = self.operations.len();
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            self.operations.push((key.clone(), Vec::new()));
        }
        self.operations[place].1.push(index);
    }
}
