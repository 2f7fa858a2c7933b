//! Laws of whole clusters: whatever clients say and the network does, nothing concurrent is lost, overlapping quorums
//! are fresh, and what was read is repaired. Every versioning and replication strategy is held to what it promises.

#[path = "../harness/mod.rs"]
mod harness;

mod act;
mod layout;
mod talk;

use act::{Act, Network, acts};
use harness::{Shape, tries};
use layout::layout;
use proptest::prelude::*;
use talk::{Talk, Writes};
use tidemark_node::config::Config;

proptest! {
    #![proptest_config(tries())]

    /// If this fails, a write that reached everybody is gone though nobody who had seen it wrote: with messages that
    /// arrive in any order, and more than once.
    #[test]
    fn when_all_is_delivered_nothing_concurrent_is_lost(
        layout in layout(), acts in acts(Network::Disorderly),
    ) {
        for config in layout.configs() {
            check(config, layout.shape, &acts, |talk| talk.written.clone())?;
        }
    }

    /// If this fails, messages that never arrive or coordinators that give up make the store forget a write that it
    /// acknowledged, or a read is stale though R + W > N.
    #[test]
    fn loss_and_timeouts_lose_nothing_that_was_acknowledged(
        layout in layout(), acts in acts(Network::Lossy),
    ) {
        for config in layout.configs() {
            check(config, layout.shape, &acts, Talk::acknowledged)?;
        }
    }

    /// If this fails, a node that comes back with an empty memory makes others forget, or counts what it had counted.
    #[test]
    fn a_node_that_forgot_everything_takes_nothing_from_the_others(
        layout in layout(), acts in acts(Network::LossyWithCrashes),
    ) {
        for config in layout.configs() {
            check(config, layout.shape, &acts, |_| Writes::new())?;
        }
    }
}

/// Holds the conversation to its end, and then to what its strategies promise of the writes that are owed.
fn check(
    config: Config,
    shape: Shape,
    acts: &[Act],
    owed: impl FnOnce(&Talk) -> Writes,
) -> Result<(), TestCaseError> {
    let kinds = [
        &config.versioning,
        &config.replication,
        &config.deletion,
        &config.storage,
    ]
    .map(|choice| format!("{} {:?}", choice.kind, choice.options));
    let hold = || {
        let mut talk = Talk::held(config, shape, acts)?;
        talk.finish()?;
        let owed = owed(&talk);
        talk.check_last_reads(&owed)
    };
    hold().map_err(|error| match error {
        TestCaseError::Fail(reason) => {
            TestCaseError::fail(format!("{}: {reason}", kinds.join(", ")))
        }
        TestCaseError::Reject(_) => error,
    })
}
