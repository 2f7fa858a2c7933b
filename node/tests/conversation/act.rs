//! What clients, the network and nodes do: one random sequence is one conversation.

use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Get {
        client: u8,
        key: u8,
        via: Index,
    },
    Put {
        client: u8,
        key: u8,
        via: Index,
        seen: Seen,
    },
    /// With a context: without, only the coordinator knows what it had seen.
    Delete {
        client: u8,
        key: u8,
        via: Index,
    },
    Deliver(Index),
    Duplicate(Index),
    Drop(Index),
    Wait(u64),
    Crash(Index),
}

/// The context that a client writes with.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    Nothing,
    Once(Index),
    Newest,
}

/// What may happen to messages and nodes.
#[derive(Clone, Copy)]
pub(crate) enum Network {
    /// Messages arrive in any order, some several times, and nobody gives up.
    Disorderly,
    /// Some never arrive, and time passes.
    Lossy,
    /// And nodes die and come back.
    LossyWithCrashes,
}

pub(crate) fn acts(network: Network) -> impl Strategy<Value = Vec<Act>> {
    let asked = || (0..CLIENTS, 0..KEYS, any::<Index>());
    let seen = prop_oneof![
        Just(Seen::Nothing),
        any::<Index>().prop_map(Seen::Once),
        Just(Seen::Newest),
    ];
    let lossy = u32::from(!matches!(network, Network::Disorderly));
    let crashes = u32::from(matches!(network, Network::LossyWithCrashes));
    let act = prop_oneof![
        4 => asked().prop_map(|(client, key, via)| Act::Get { client, key, via }),
        6 => (asked(), seen)
            .prop_map(|((client, key, via), seen)| Act::Put { client, key, via, seen }),
        1 => asked().prop_map(|(client, key, via)| Act::Delete { client, key, via }),
        20 => any::<Index>().prop_map(Act::Deliver),
        2 => any::<Index>().prop_map(Act::Duplicate),
        3 * lossy => any::<Index>().prop_map(Act::Drop),
        lossy => (0..400u64).prop_map(Act::Wait),
        crashes => any::<Index>().prop_map(Act::Crash),
    ];
    prop::collection::vec(act, 0..80)
}

const CLIENTS: u8 = 3;
/// The client that reads and writes last.
pub(crate) const FINAL: u8 = CLIENTS;
pub(crate) const KEYS: u8 = 2;
