//! Laws of versioning, over the sets of versions that random conversations lead to.
//!
//! What a write may replace is judged by the contexts that clients used, never by a clock.

use crate::harness::{SEAT, tries};
use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidemark_node::versioning::{self, Stamp, Versioning, Versions, Write};
use tidemark_proto::id::{Actor, NodeId, OperationId};
use tidemark_proto::message::Method;
use tidemark_proto::registry::{Entry, Options, Promise};
use tidemark_proto::time::{Now, Timestamp};
use tidemark_proto::wire::StoredVersion;

proptest! {
    #![proptest_config(tries())]

    /// If this fails, what replicas end up with depends on who told whom first, or never settles.
    #[test]
    fn sync_is_commutative_associative_and_idempotent(
        acts in acts(), pick: [Index; 3],
    ) {
        for strategy in strategies() {
            let talk = Talk::held(&strategy, &acts)?;
            let clocks = &talk.versioning;
            let [a, b, c] = pick.map(|index| index.get(&talk.states));
            let ab = clocks.sync(a, b);
            prop_assert_eq!(&ab, &clocks.sync(b, a), "{} does not commute", strategy.name);
            let (left, right) = (clocks.sync(&ab, c), clocks.sync(a, &clocks.sync(b, c)));
            prop_assert_eq!(left, right, "{} does not associate", strategy.name);
            prop_assert_eq!(&clocks.sync(a, a), a, "{} is not idempotent", strategy.name);
            prop_assert_eq!(&clocks.sync(&ab, b), &ab, "{} does not absorb", strategy.name);
        }
    }

    /// If this fails, a client that has read everything cannot reconcile: its write leaves siblings behind.
    #[test]
    fn a_write_with_the_context_of_a_read_leaves_exactly_one_version(
        acts in acts(), pick: [Index; 2], by in 0..COORDINATORS,
    ) {
        for strategy in strategies() {
            let mut talk = Talk::held(&strategy, &acts)?;
            let [a, b] = pick.map(|index| index.get(&talk.states).clone());
            let read = talk.versioning.sync(&a, &b);
            let seen = talk.versioning.resolve(&read);
            let written = talk.write(by, &seen, &read);
            for stale in [&a, &b, &read] {
                let after = talk.receive(stale, &written.sent);
                let left: Vec<_> = operations(&after).into_iter().collect();
                prop_assert_eq!(left, [talk.last], "{} by coordinator {}", strategy.name, by);
            }
        }
    }

    /// If this fails, the store refuses a context that it gave out itself, or what a peer rightly sends.
    #[test]
    fn what_is_given_out_is_accepted(acts in acts()) {
        for strategy in strategies() {
            let talk = Talk::held(&strategy, &acts)?;
            for (context, _) in &talk.contexts {
                let given = talk.versioning.seal(KEY, context.clone());
                let opened = talk.versioning.open(KEY, &given);
                prop_assert_eq!(opened.as_ref(), Some(context), "{}", strategy.name);
            }
            for state in &talk.states {
                prop_assert!(talk.versioning.accepts_versions(state), "{}", strategy.name);
            }
        }
    }

    /// If this fails, a strategy keeps more versions of a key than it promises.
    #[test]
    fn versions_stand_beside_each_other_as_is_promised(acts in acts()) {
        for strategy in strategies() {
            let talk = Talk::held(&strategy, &acts)?;
            for state in &talk.states {
                let held = operations(state);
                let single = !strategy.keeps(Promise::NoSiblings) || state.len() <= 1;
                prop_assert!(single, "{}: {held:?}", strategy.name);
                let had_read = |write: &OperationId| talk.ancestors[write].intersection(&held).next();
                let read = held.iter().find_map(had_read);
                let superseded = !strategy.keeps(Promise::SupersedesWhatWasRead) || read.is_none();
                prop_assert!(superseded, "{}: {read:?} of {held:?}", strategy.name);
            }
        }
    }

    /// If this fails, the clock that people and metrics see goes backwards when replicas meet.
    #[test]
    fn a_joined_context_describes_no_less_than_its_parts(acts in acts(), pick: [Index; 2]) {
        for strategy in strategies().filter(|one| one.keeps(Promise::KeepsConcurrent)) {
            let talk = Talk::held(&strategy, &acts)?;
            let describe = |state: &Versions| -> BTreeMap<Actor, u64> {
                let context = talk.versioning.resolve(state);
                talk.versioning.describe(&context).into_iter().collect()
            };
            let [a, b] = pick.map(|index| index.get(&talk.states));
            let joined = describe(&talk.versioning.sync(a, b));
            for (actor, counter) in describe(a).into_iter().chain(describe(b)) {
                let least = joined.get(&actor).copied().unwrap_or(0);
                prop_assert!(least >= counter, "{}: {actor} fell to {least}", strategy.name);
            }
        }
    }

    /// If this fails, a client that sends a damaged context can stop a node or make it hold what its peers refuse.
    #[test]
    fn a_damaged_context_is_refused_or_does_no_harm(
        acts in acts(), pick: Index, at: Index, junk in junk(), by in 0..COORDINATORS,
    ) {
        for strategy in strategies() {
            let mut talk = Talk::held(&strategy, &acts)?;
            let context = pick.get(&talk.contexts).0.clone();
            let mut context = talk.versioning.seal(KEY, context).to_vec();
            let start = at.index(context.len() + 1);
            let end = context.len().min(start + junk.len());
            context.splice(start..end, junk.iter().copied());
            let Some(mut context) = talk.versioning.open(KEY, &context.into()) else {
                continue;
            };
            let mut held = talk.replicas[usize::from(by) % talk.replicas.len()].clone();
            for _ in 0..3 {
                let written = talk.write(by, &context, &held);
                held = talk.receive(&held, &written.sent);
                let sound = talk.versioning.accepts_versions(&held)
                    && talk.versioning.accepts_versions(&written.held);
                prop_assert!(sound, "{}: {context:?}", strategy.name);
                context = written.context;
                let given = talk.versioning.seal(KEY, context.clone());
                prop_assert!(talk.versioning.open(KEY, &given).is_some(), "{}", strategy.name);
            }
        }
    }
}

/// An entry with some of its options.
struct Chosen {
    name: String,
    entry: &'static Entry<versioning::Build>,
    options: Options,
}

impl Chosen {
    fn keeps(&self, promise: Promise) -> bool {
        self.entry.promises.contains(&promise)
    }
}

/// Every entry as it is by default, and with each option that changes how versions compare and keeps what is promised.
fn strategies() -> impl Iterator<Item = Chosen> {
    let tables = [
        json!({}),
        json!({ "epochs": "key", "context_check": "reject-unknown" }),
        json!({ "clock": "hybrid" }),
        json!({ "stamp": "replica" }),
    ];
    tables.into_iter().flat_map(|table| {
        versioning::ENTRIES.iter().filter_map(move |entry| {
            let options = table.as_object()?.clone();
            (entry.resolve)(&options).ok()?;
            let name = format!("{} {table}", entry.name);
            Some(Chosen {
                name,
                entry,
                options,
            })
        })
    })
}

/// A conversation about one key, with the true history of who had seen what.
struct Talk {
    versioning: Box<dyn Versioning>,
    keeps_concurrent: bool,
    replicas: Vec<Versions>,
    /// Writes of coordinators outside, and of replicas, on their way.
    sent: Vec<Versions>,
    /// Everything that was ever held or on its way.
    states: Vec<Versions>,
    /// Contexts given to clients, each with the writes that it covers.
    contexts: Vec<(Bytes, BTreeSet<OperationId>)>,
    /// Of each write: the writes that its client had seen.
    ancestors: BTreeMap<OperationId, BTreeSet<OperationId>>,
    /// Of each replica: every write that ever reached it.
    reached: Vec<BTreeSet<OperationId>>,
    counters: [u32; COORDINATORS as usize],
    /// How many actors began to count, beyond the first of each node.
    epochs: u32,
    /// No two things happen at once.
    now: Duration,
    last: OperationId,
}

#[derive(Clone, Debug)]
enum Act {
    /// A client writes through a coordinator; no context: blind.
    Write {
        by: u8,
        seen: Option<Index>,
        is_delete: bool,
    },
    /// The client of the newest context writes.
    Answer { by: u8 },
    /// A message with a write arrives, perhaps not for the first time.
    Arrive { at: u8, sent: Index },
    /// A replica is told all that another holds.
    Exchange { at: u8, from: u8 },
    /// A client reads one or two replicas.
    Read { one: u8, other: u8 },
}

impl Talk {
    fn held(strategy: &Chosen, acts: &[Act]) -> Result<Self, TestCaseError> {
        let built = (strategy.entry.build)(&strategy.options, SEAT);
        let mut talk = Self {
            versioning: built.unwrap_or_else(|error| panic!("{}: {error}", strategy.name)),
            keeps_concurrent: strategy.keeps(Promise::KeepsConcurrent),
            replicas: vec![Versions::new(); REPLICAS.into()],
            sent: Vec::new(),
            states: vec![Versions::new()],
            contexts: vec![(Bytes::new(), BTreeSet::new())],
            ancestors: BTreeMap::new(),
            reached: vec![BTreeSet::new(); REPLICAS.into()],
            counters: [0; COORDINATORS as usize],
            epochs: 0,
            now: Duration::ZERO,
            last: OperationId::NONE,
        };
        for act in acts {
            talk.act(act)?;
        }
        Ok(talk)
    }

    fn act(&mut self, act: &Act) -> Result<(), TestCaseError> {
        match act {
            Act::Write {
                by,
                seen,
                is_delete,
            } => {
                let seen = seen.map_or(0, |index| index.index(self.contexts.len()));
                self.client_writes(*by, seen, *is_delete)
            }
            Act::Answer { by } => self.client_writes(*by, self.contexts.len() - 1, false),
            Act::Arrive { at, sent } => {
                let Some(index) = self.sent.len().checked_sub(1) else {
                    return Ok(());
                };
                let versions = self.sent[sent.index(index + 1)].clone();
                self.arrive((*at).into(), &versions)
            }
            Act::Exchange { at, from } => {
                let versions = self.replicas[usize::from(*from)].clone();
                self.arrive((*at).into(), &versions)
            }
            Act::Read { one, other } => {
                let (one, other) = (usize::from(*one), usize::from(*other));
                let read = self
                    .versioning
                    .sync(&self.replicas[one], &self.replicas[other]);
                let covered = self.with_ancestors(&operations(&read));
                self.contexts
                    .push((self.versioning.resolve(&read), covered));
                self.states.push(read);
                Ok(())
            }
        }
    }

    fn client_writes(&mut self, by: u8, seen: usize, is_delete: bool) -> Result<(), TestCaseError> {
        let (seen, mut covered) = self.contexts[seen].clone();
        let at = usize::from(by);
        let held = self.replicas.get(at).cloned().unwrap_or_default();
        let updated = self.stamp(by, &seen, &held, is_delete);
        self.ancestors.insert(self.last, covered.clone());
        covered.insert(self.last);
        self.contexts.push((updated.context.clone(), covered));
        self.states.push(updated.sent.clone());
        self.sent.push(updated.sent);
        if at < self.replicas.len() {
            self.states.push(updated.held.clone());
            self.replace(at, updated.held)?;
        }
        Ok(())
    }

    fn arrive(&mut self, at: usize, versions: &Versions) -> Result<(), TestCaseError> {
        self.reached[at].extend(operations(versions));
        let held = self.replicas[at].clone();
        let joined = self.receive(&held, versions);
        self.states.push(joined.clone());
        self.replace(at, joined)
    }

    /// A replica holds something new: whatever reached it is held, or was seen by a writer of what is held.
    fn replace(&mut self, at: usize, versions: Versions) -> Result<(), TestCaseError> {
        let held = operations(&versions);
        self.reached[at].extend(&held);
        self.replicas[at] = versions;
        let accounted = self.with_ancestors(&held);
        let lost: Vec<_> = self.reached[at].difference(&accounted).collect();
        prop_assert!(
            !self.keeps_concurrent || lost.is_empty(),
            "replica {at} lost {lost:?} and holds {held:?}: their writers had not seen it",
        );
        Ok(())
    }

    fn with_ancestors(&self, writes: &BTreeSet<OperationId>) -> BTreeSet<OperationId> {
        let seen = writes.iter().filter_map(|write| self.ancestors.get(write));
        seen.flatten().chain(writes).copied().collect()
    }

    fn receive(&mut self, held: &Versions, came: &Versions) -> Versions {
        let now = self.tick();
        self.versioning.receive(now, held, came, Method::Store)
    }

    fn tick(&mut self) -> Now {
        self.now += Duration::from_nanos(1);
        Now::at(Timestamp(0), self.now)
    }

    fn write(&mut self, by: u8, seen: &[u8], held: &Versions) -> versioning::Updated {
        self.stamp(by, seen, held, false)
    }

    fn stamp(
        &mut self,
        by: u8,
        seen: &[u8],
        held: &Versions,
        is_delete: bool,
    ) -> versioning::Updated {
        let at = usize::from(by);
        self.last = OperationId::new(NodeId::client(1), self.last.sequence() + 1);
        let (held, stamp) = if by < REPLICAS {
            let actor = |epoch| Actor::new(NodeId::node(u16::from(by) + 1), 1, epoch);
            let counts_as = self.versioning.actor(held, actor(1)).unwrap_or_else(|| {
                self.epochs += 1;
                actor(1 + self.epochs)
            });
            (held.clone(), Stamp::Replica(counts_as))
        } else {
            self.counters[at] += 1;
            let actor = Actor::new(NodeId::gateway(u16::from(by) + 1), 1, 1);
            (Versions::new(), Stamp::Outside(actor, self.counters[at]))
        };
        let value = (!is_delete).then(|| Bytes::from(self.last.to_string()));
        let write = Write {
            context: seen,
            value,
            operation: self.last,
            stamp,
            now: self.tick(),
        };
        self.versioning.update(&held, write)
    }
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let replica = || 0..REPLICAS;
    let act = prop_oneof![
        4 => (0..COORDINATORS, any::<Option<Index>>(), prop::bool::weighted(0.1))
            .prop_map(|(by, seen, is_delete)| Act::Write { by, seen, is_delete }),
        2 => (0..COORDINATORS).prop_map(|by| Act::Answer { by }),
        4 => (replica(), any::<Index>()).prop_map(|(at, sent)| Act::Arrive { at, sent }),
        2 => (replica(), replica()).prop_map(|(at, from)| Act::Exchange { at, from }),
        3 => (replica(), replica()).prop_map(|(one, other)| Act::Read { one, other }),
    ];
    prop::collection::vec(act, 0..40)
}

/// Bytes that upset: the ends of what numbers can be, and anything.
fn junk() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0..9usize).prop_map(|length| vec![0xff; length]),
        (0..9usize).prop_map(|length| vec![0; length]),
        prop::collection::vec(any::<u8>(), 0..20),
    ]
}

fn operations(versions: &Versions) -> BTreeSet<OperationId> {
    let operation = |version: &StoredVersion| OperationId::from_bits(version.operation);
    versions.iter().map(operation).collect()
}

const KEY: &[u8] = b"key";
const REPLICAS: u8 = 3;
/// The replicas, and two coordinators that are none.
const COORDINATORS: u8 = 5;
