//! Two nodes on disk find out in what they differ: `examples/sweep.rs` at a size for tests.

#[path = "harness/pair.rs"]
mod pair;

use pair::{Pair, formula, name};
use std::collections::BTreeSet;
use tidemark_node::merkle;

/// If this fails, a sweep of what is on disk compares other keys than those of the leaves that differ, sends values that the
/// other has, or leaves differences behind.
#[test]
fn a_sweep_of_what_is_on_disk_compares_by_the_formula_and_sends_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    // The second life has to count the hashes of what the first has left.
    for life in 1..=2 {
        let mut pair = Pair::open(folder.path(), LEAVES, life).unwrap();
        if life == 1 {
            pair.write(KEYS, 100);
        }
        let differing: Vec<u64> = (0..DIFFERING)
            .map(|place| place * (KEYS / DIFFERING) + u64::from(life))
            .collect();
        pair.differ(differing.iter().copied(), 100);
        assert!(differing.iter().all(|key| !pair.agree(*key)));

        let swept = pair.sweep();
        let tree = merkle::Shape::new(LEAVES, 32).unwrap();
        let leaves: BTreeSet<u32> = differing.iter().map(|key| tree.leaf(&name(*key))).collect();
        let in_them = (0..KEYS).filter(|key| leaves.contains(&tree.leaf(&name(*key))));
        assert_eq!(swept.compared, in_them.count() as u64);
        let expected = formula(KEYS, DIFFERING, LEAVES);
        let off = (swept.compared as f64 / expected - 1.0).abs();
        assert!(
            off < 0.15,
            "{} keys were compared, {expected} by the formula",
            swept.compared
        );
        assert!(
            swept.values.iter().all(|values| *values <= DIFFERING),
            "{swept:?}"
        );
        assert!((0..KEYS).all(|key| pair.agree(key)), "they differ still");
    }
}

const KEYS: u64 = 20_000;
const DIFFERING: u64 = 50;
const LEAVES: u32 = 256;
