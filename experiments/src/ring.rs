//! Lays keys out as a plan's partitioner does, and again after nodes have joined or left.

use crate::plan::Plan;
use crate::request::{InsertOrder, RecordNames};
use crate::workload::{self, Intent};
use bytes::Bytes;
use std::collections::BTreeMap;
use tidemark_node::chance;
use tidemark_node::config::{ConfigError, partitioner, partitioner_of};
use tidemark_node::partitioner::{Change, Partitioner, Roster};
use tidemark_observer::ring::{Movement, NodeShares, RingFigures, Shares};
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::OptionError;

/// The keys that are laid out.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Named like YCSB's, whose names have nothing in common.
    keys: Vec<Bytes>,
    /// What as many requests of the plan's workload ask for.
    asked: Vec<Bytes>,
}

impl Sample {
    /// So many keys, and what so many requests of a plan's workload ask for.
    ///
    /// # Errors
    /// What is wrong with the workload's options.
    pub fn of(plan: &Plan, count: usize) -> Result<Self, OptionError> {
        let names = RecordNames::Ycsb(InsertOrder::Hashed, 1);
        let mut workload = workload::build(plan)?;
        let mut chance = chance::stream(plan.seed, "ring", NodeId::client(1));
        let mut asked = Vec::with_capacity(count);
        if let Some(script) = workload.script() {
            let partitioner = partitioner(&plan.config());
            let partitioner = partitioner.map_err(|error| OptionError::new(error.to_string()))?;
            let keys = script.keys(&*partitioner)?;
            asked.extend(keys.iter().cycle().take(count).cloned());
        }
        while let Some(intent) = workload.next(&mut chance)
            && asked.len() < count
        {
            match intent {
                Intent::Scan(keys) => asked.extend(keys),
                Intent::Read(key)
                | Intent::Update(key)
                | Intent::Delete(key)
                | Intent::ReadModifyWrite(key)
                | Intent::Insert(key)
                | Intent::Probe { key, .. } => asked.push(key),
            }
        }
        asked.truncate(count);
        let keys = (0..count as u64).map(|number| names.key(number)).collect();
        Ok(Self { keys, asked })
    }
}

/// The figures of a plan's partitioner: of its nodes, of when `join` more join them, and of when the last `leave` of them
/// leave.
///
/// # Errors
/// It cannot be built for these nodes, or for those that there are after a change.
pub fn measure(
    name: &str,
    plan: &Plan,
    sample: &Sample,
    (join, leave): (u16, u16),
) -> Result<RingFigures, ConfigError> {
    let config = plan.config();
    let roster = Roster::of(plan.nodes());
    let ring = partitioner_of(&config, &roster)?;
    let nodes = shares(&*ring, &roster, plan.replicas(), sample);
    let last = plan.cluster.nodes;
    let change_to = |change: fn(NodeId) -> Change, who: &[NodeId], verb, ideal| {
        let mut next = roster.clone();
        next.extend(who.iter().copied().map(change));
        let after = partitioner_of(&config, &next)?;
        let (moved, copied) = moved(&*ring, &*after, plan.replicas(), &sample.keys);
        Ok::<_, ConfigError>(Movement {
            change: said(who, verb),
            nodes: next.nodes().len(),
            moved,
            ideal,
            copied,
        })
    };
    let mut changes = Vec::new();
    if join > 0 {
        let joiners: Vec<_> = (last + 1..=last + join).map(NodeId::node).collect();
        let ideal = f64::from(join) / f64::from(last + join);
        changes.push(change_to(Change::Join, &joiners, "join", ideal)?);
    }
    if leave > 0 {
        let leavers: Vec<_> = (last + 1 - leave..=last).map(NodeId::node).collect();
        let ideal = f64::from(leave) / f64::from(last);
        changes.push(change_to(Change::Leave, &leavers, "leave", ideal)?);
    }
    Ok(RingFigures {
        plan: name.to_owned(),
        kind: plan.partitioner.kind.clone(),
        seed: plan.seed,
        replicas: plan.replicas(),
        keys: sample.keys.len(),
        max_over_mean: RingFigures::max_over_mean(&nodes),
        nodes,
        changes,
    })
}

/// What each node has of all.
fn shares(ring: &dyn Partitioner, roster: &Roster, n: usize, sample: &Sample) -> Vec<NodeShares> {
    let mut first = Count::default();
    let mut copies = Count::default();
    let mut load = Count::default();
    for key in &sample.keys {
        let list = ring.preference(key, n);
        first.add(&list[..list.len().min(1)]);
        copies.add(&list);
    }
    for key in &sample.asked {
        load.add(&ring.preference(key, n));
    }
    let shares = |node: &NodeId| NodeShares {
        node: *node,
        shares: Shares {
            first: first.share(*node),
            copies: copies.share(*node),
            load: load.share(*node),
        },
    };
    roster.nodes().iter().map(shares).collect()
}

/// The share of keys with another first replica, and of copies that lie where none was.
fn moved(
    before: &dyn Partitioner,
    after: &dyn Partitioner,
    n: usize,
    keys: &[Bytes],
) -> (f64, f64) {
    let (mut moved, mut copied, mut copies) = (0, 0, 0);
    for key in keys {
        let (old, new) = (before.preference(key, n), after.preference(key, n));
        moved += usize::from(old.first() != new.first());
        copied += new.iter().filter(|node| !old.contains(node)).count();
        copies += new.len();
    }
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    (share(moved, keys.len()), share(copied, copies))
}

/// `n6 joins`, `n6 and n7 join`, `n6 to n9 join`.
fn said(who: &[NodeId], verb: &str) -> String {
    match who {
        [] => String::new(),
        [one] => format!("{one} {verb}s"),
        [one, other] => format!("{one} and {other} {verb}"),
        [first, .., last] => format!("{first} to {last} {verb}"),
    }
}

/// How often each node was met.
#[derive(Default)]
struct Count {
    nodes: BTreeMap<NodeId, u64>,
    all: u64,
}

impl Count {
    fn add(&mut self, nodes: &[NodeId]) {
        for node in nodes {
            *self.nodes.entry(*node).or_default() += 1;
            self.all += 1;
        }
    }

    fn share(&self, node: NodeId) -> f64 {
        let own = self.nodes.get(&node).copied().unwrap_or(0);
        own as f64 / self.all.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::load;

    fn figures(kind: &str, changes: (u16, u16)) -> RingFigures {
        let set = format!("partitioner.kind={kind}");
        let (name, plan) = load("quickstart", "sim", &[set]).unwrap();
        let sample = Sample::of(&plan, 10_000).unwrap();
        measure(&name, &plan, &sample, changes).unwrap()
    }

    /// If this fails, a node's share is of something else than what all nodes have.
    #[test]
    fn shares_sum_to_one_and_the_largest_is_told() {
        let figures = figures("fixed-partitions", (0, 0));
        for share in [
            (|shares| shares.first) as fn(&Shares) -> f64,
            |shares| shares.copies,
            |shares| shares.load,
        ] {
            let shares = figures.nodes.iter().map(|node| share(&node.shares));
            assert!((shares.clone().sum::<f64>() - 1.0).abs() < 1e-9);
            let most = shares.fold(0.0, f64::max) * 5.0;
            assert!((share(&figures.max_over_mean) - most).abs() < 1e-9);
        }
        assert_eq!(figures.changes, []);
    }

    /// If this fails, movement is measured against the wrong nodes or the wrong ideal.
    #[test]
    fn what_moves_is_near_the_ideal_where_it_should_be_and_is_not_where_it_should_not() {
        let near = |share: f64, expected: f64| (share - expected).abs() < 0.03;
        let even = figures("rendezvous", (3, 2)).changes;
        let told: Vec<_> = even.iter().map(|c| (c.change.as_str(), c.nodes)).collect();
        assert_eq!(told, [("n6 to n8 join", 8), ("n4 and n5 leave", 3)]);
        assert_eq!((even[0].ideal, even[1].ideal), (3.0 / 8.0, 2.0 / 5.0));
        for change in even {
            assert!(near(change.moved, change.ideal), "{change:?}");
            assert!(near(change.copied, change.ideal), "{change:?}");
        }
        let joined = &figures("digit-sum", (1, 0)).changes[0];
        assert!(near(joined.moved, 5.0 / 6.0), "{joined:?}");
    }
}
