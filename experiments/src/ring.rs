//! Lays keys out as a plan's partitioner does, again after nodes have joined or left, and on the sides of its partitions.

use crate::client::Update;
use crate::plan::Plan;
use crate::request::{InsertOrder, RecordNames};
use crate::workload::{self, Intent};
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;
use tidemark_netfuzz::Network;
use tidemark_node::chance;
use tidemark_node::config::{ConfigError, partitioner, partitioner_of};
use tidemark_node::partitioner::{Change, Partitioner, Roster};
use tidemark_observer::observe::Side;
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
        let asked = requests(plan, count)?.into_iter();
        Ok(Self {
            keys: (0..count as u64).map(|number| names.key(number)).collect(),
            asked: asked.map(|(key, _)| key).collect(),
        })
    }
}

/// What a request does with its key.
#[derive(Clone, Copy)]
enum Ask {
    Read,
    Write,
    /// It reads, and if that succeeds it writes.
    Both,
}

/// What so many requests of a plan's workload ask for.
fn requests(plan: &Plan, count: usize) -> Result<Vec<(Bytes, Ask)>, OptionError> {
    let mut workload = workload::build(plan)?;
    let mut chance = chance::stream(plan.seed, "ring", NodeId::client(1));
    let mut asked = Vec::with_capacity(count);
    let update = match plan.client.update {
        Update::ReadFirst => Ask::Both,
        Update::Remembered | Update::Blind => Ask::Write,
    };
    if let Some(script) = workload.script() {
        let partitioner = partitioner(&plan.config());
        let partitioner = partitioner.map_err(|error| OptionError::new(error.to_string()))?;
        let keys = script.keys(&*partitioner)?;
        let keys = keys.iter().cycle().take(count).cloned();
        asked.extend(keys.map(|key| (key, Ask::Both)));
    }
    while let Some(intent) = workload.next(&mut chance)
        && asked.len() < count
    {
        match intent {
            Intent::Scan(keys) => asked.extend(keys.into_iter().map(|key| (key, Ask::Read))),
            Intent::Read(key) => asked.push((key, Ask::Read)),
            Intent::Update(key) => asked.push((key, update)),
            Intent::Insert(key) | Intent::Delete(key) => asked.push((key, Ask::Write)),
            Intent::ReadModifyWrite(key) | Intent::Probe { key, .. } => {
                asked.push((key, Ask::Both));
            }
        }
    }
    asked.truncate(count);
    Ok(asked)
}

/// The groups into which a plan's partitions split nodes. Of operations that ask a node of a group, placement lets those
/// succeed for whose key R or W of the N replicas are in it; whoever writes only after a read needs as many for both.
///
/// # Errors
/// The plan's parts do not fit together.
pub fn sides(plan: &Plan) -> anyhow::Result<Vec<Side>> {
    let spec = plan.spec();
    let spans = Network::new(plan.seed, &spec)?.spans();
    let groups = spec.fault.iter().zip(spans).filter_map(|(rule, span)| {
        let groups = rule.options.get("groups")?.clone();
        let groups: Vec<Vec<NodeId>> = serde_json::from_value(groups).ok()?;
        Some((span.name, groups))
    });
    let groups: Vec<_> = groups.collect();
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let ring = partitioner_of(&plan.config(), &Roster::of(plan.nodes()))?;
    let option = |name| plan.replication.options.get(name).and_then(Value::as_u64);
    let quorums = option("r").zip(option("w"));
    let requests = requests(plan, REQUESTS)?;
    let mut lists = BTreeMap::new();
    let mut expected = |group: &[NodeId], (r, w): (u64, u64)| {
        let (mut served, mut all) = (0, 0);
        for (key, ask) in &requests {
            let list = lists
                .entry(key)
                .or_insert_with(|| ring.preference(key, plan.replicas()));
            let there = list.iter().filter(|node| group.contains(node)).count() as u64;
            let needs: &[u64] = match ask {
                Ask::Read => &[r],
                Ask::Write => &[w],
                Ask::Both => &[r, r.max(w)],
            };
            served += needs.iter().filter(|need| there >= **need).count();
            all += needs.len();
        }
        served as f64 / all as f64
    };
    let mut sides = Vec::new();
    for (fault, groups) in groups {
        for nodes in groups {
            sides.push(Side {
                fault: fault.clone(),
                expected: quorums.map(|quorums| expected(&nodes, quorums)),
                nodes,
            });
        }
    }
    Ok(sides)
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

/// As many requests are drawn as make the chance in drawing them small beside that in a run's own.
const REQUESTS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::load;

    /// If this fails, placement gives a key to both sides or to none, though two of its three replicas are on one.
    #[test]
    fn two_sides_share_all_keys_if_the_quorum_is_a_majority() {
        for seed in 1..=5 {
            let (_, plan) = load("split", "sim", &[format!("seed={seed}")]).unwrap();
            let sides = sides(&plan).unwrap();
            let told: Vec<_> = sides.iter().map(|side| side.nodes.len()).collect();
            assert_eq!(told, [2, 3]);
            let shares = sides.iter().map(|side| side.expected.unwrap());
            assert!((shares.sum::<f64>() - 1.0).abs() < 1e-9);
            // The side of two nodes has two of three replicas of a key with 3/10, if nodes are as likely as each other.
            let few = sides[0].expected.unwrap();
            assert!((0.1..0.5).contains(&few), "{few}");
        }
        let (_, alone) = load("quickstart", "sim", &[]).unwrap();
        assert_eq!(sides(&alone).unwrap(), []);
    }

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
