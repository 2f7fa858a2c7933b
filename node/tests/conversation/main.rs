//! Laws of whole clusters: whatever clients say and the network does, nothing concurrent is lost, overlapping quorums
//! are fresh, and what was read is repaired. Every versioning and replication strategy is held to what it promises.

#[path = "../harness/mod.rs"]
mod harness;

mod act;
mod layout;
mod talk;

use act::{Network, acts};
use harness::tries;
use layout::layout;
use proptest::prelude::*;
use talk::{Talk, Writes};

proptest! {
    #![proptest_config(tries())]

    /// If this fails, a write that reached everybody is gone though nobody who had seen it wrote: with messages that
    /// arrive in any order, and more than once.
    #[test]
    fn when_all_is_delivered_nothing_concurrent_is_lost(
        layout in layout(), acts in acts(Network::Disorderly),
    ) {
        for config in layout.configs() {
            let mut talk = Talk::held(config, layout.shape, &acts)?;
            talk.finish()?;
            let owed = talk.written.clone();
            talk.check_last_reads(&owed)?;
        }
    }

    /// If this fails, messages that never arrive or coordinators that give up make the store forget a write that it
    /// acknowledged, or a read is stale though R + W > N.
    #[test]
    fn loss_and_timeouts_lose_nothing_that_was_acknowledged(
        layout in layout(), acts in acts(Network::Lossy),
    ) {
        for config in layout.configs() {
            let mut talk = Talk::held(config, layout.shape, &acts)?;
            talk.finish()?;
            let owed = talk.acknowledged.clone();
            talk.check_last_reads(&owed)?;
        }
    }

    /// If this fails, a node that comes back with an empty memory makes others forget, or counts what it had counted.
    #[test]
    fn a_node_that_forgot_everything_takes_nothing_from_the_others(
        layout in layout(), acts in acts(Network::LossyWithCrashes),
    ) {
        for config in layout.configs() {
            let mut talk = Talk::held(config, layout.shape, &acts)?;
            talk.finish()?;
            talk.check_last_reads(&Writes::new())?;
        }
    }
}
