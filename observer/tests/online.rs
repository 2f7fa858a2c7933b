//! Figures are the same whether a run is observed as it goes or read back from its files.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Duration;
use tidemark_observer::history::{FILES, Tables};
use tidemark_observer::observe::{Observation, RunFacts, observe, observe_files};
use tidemark_observer::rows::rows;
use tidemark_proto::event::{
    Detail, Direction, Event, FaultSpan, Invocation, Kind, MachineChange, Milestone, Operation,
    Outcome, Passage, Purpose, Stored, Verdict,
};
use tidemark_proto::id::{Actor, NodeId, OperationId};
use tidemark_proto::message::Method;
use tidemark_proto::upkeep::{Chore, Upkeep};

fn time() -> impl Strategy<Value = Duration> {
    (0_u64..40_000).prop_map(|tenths| Duration::from_micros(100 * tenths))
}

fn node() -> impl Strategy<Value = NodeId> {
    (1_u16..4).prop_map(NodeId::node)
}

/// Few, so that events are about each other.
fn id() -> impl Strategy<Value = OperationId> {
    (1_u16..4, 1_u64..9)
        .prop_map(|(client, sequence)| OperationId::new(NodeId::client(client), sequence))
}

fn key() -> impl Strategy<Value = Bytes> {
    select(vec!["x", "y"]).prop_map(Bytes::from)
}

fn method() -> impl Strategy<Value = Method> {
    select(Method::ALL.to_vec())
}

prop_compose! {
    fn invocation()(
        id in id(), key in key(), invoked in time(), context_from in option::of(id()),
        purpose in select(vec![Purpose::Load, Purpose::Load, Purpose::Preload, Purpose::ReadFirst]),
        kind in select(vec![Kind::Put, Kind::Put, Kind::Delete]),
    ) -> Invocation {
        Invocation { id, purpose, kind, key, intended: invoked, invoked, context_from }
    }
}

prop_compose! {
    fn operation()(
        begin in invocation(), length in 0_u64..500, coordinator in option::of(node()), is_read: bool,
        outcome in select(vec![Outcome::Ok, Outcome::Ok, Outcome::Ok, Outcome::Failed, Outcome::Unknown]),
        answered in vec(node(), 0..3), versions in vec(id(), 0..3), context_bytes in 0_u32..99,
        clock in vec((node(), 1_u64..9), 0..3),
    ) -> Operation {
        let entry = |(node, counter)| (Actor::new(node, 1, 1), counter);
        Operation {
            id: begin.id, purpose: begin.purpose, kind: if is_read { Kind::Get } else { begin.kind },
            key: begin.key, intended: begin.intended, invoked: begin.invoked,
            returned: begin.invoked + Duration::from_millis(length), outcome, status: "OK".into(),
            asked: NodeId::node(1), coordinator, answered, versions,
            context_from: begin.context_from.filter(|_| !is_read),
            clock: clock.into_iter().map(entry).collect(), context_bytes, value_bytes: 10, attempts: 1,
        }
    }
}

prop_compose! {
    fn stored()(
        at in time(), node in node(), operation in id(), method in method(), key in key(), digest in 0_u64..4,
        versions in vec(id(), 0..3),
    ) -> Stored {
        Stored { at, node, operation, method, key, digest, versions }
    }
}

prop_compose! {
    fn passage()(
        at in time(), from in node(), to in node(), k in 1_u64..9, faulty: bool, method in method(),
        verdict in select(vec![Verdict::Delivered, Verdict::Lost]),
    ) -> Passage {
        Passage {
            at, from, to, method: method.name().into(), direction: Direction::Request, k, size: 100, verdict,
            intended: Duration::ZERO, achieved: None, rules: if faulty { "cut" } else { "" }.into(), faulty,
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    let message = || (time(), id(), node(), node(), method());
    let changes = vec![
        MachineChange::Crashed,
        MachineChange::Restarted,
        MachineChange::RestartedEmpty,
    ];
    prop_oneof![
        4 => invocation().prop_map(|it| Event::Invoked(Box::new(it))),
        12 => operation().prop_map(|it| Event::Returned(Box::new(it))),
        1 => (key(), Just(vec![NodeId::node(1), NodeId::node(2)]))
            .prop_map(|(key, nodes)| Event::Placed { key, nodes }),
        5 => stored().prop_map(|it| Event::Stored(Box::new(it))),
        2 => (message(), 1_u64..9).prop_map(|((at, operation, from, to, method), k)| {
            Event::Sent { at, operation, from, to, method, k }
        }),
        2 => message().prop_map(|(at, operation, from, to, method)| {
            Event::Received { at, operation, from, to, method }
        }),
        2 => passage().prop_map(|it| Event::Fate(Box::new(it))),
        1 => (time(), node(), select(changes))
            .prop_map(|(at, node, change)| Event::Machine { at, node, change }),
        1 => (time(), node(), select(Chore::ALL.to_vec()), node(), id(), key(), 0_u64..9).prop_map(
            |(at, node, chore, peer, operation, key, count)| {
                let (peer, bytes) = (Some(peer), count);
                Event::Upkeep(Box::new(Upkeep { at, node, chore, peer, operation, key, count, bytes }))
            }
        ),
        1 => (time(), time()).prop_map(|(from, until)| {
            Event::Fault(Box::new(FaultSpan {
                name: "cut".to_owned(),
                kind: "partition".to_owned(),
                from: from.min(until),
                until: from.max(until),
                about: "n1".to_owned(),
                series: None,
            }))
        }),
    ]
}

/// In the order in which the tables give them: at one time by their files, in a file as they were written.
fn in_order(mut events: Vec<Event>) -> Vec<Event> {
    let at = Duration::ZERO;
    let milestone = Milestone::Started;
    events.insert(0, Event::Milestone { at, milestone });
    let rank = |event: &Event| match event {
        Event::Fault(_) => 0,
        Event::Returned(_) => 1,
        Event::Fate(_) => 3,
        Event::Upkeep(_) => 4,
        _ => 2,
    };
    events.sort_by_key(|event| (event.at(), rank(event)));
    events
}

fn facts() -> RunFacts {
    RunFacts {
        plan: "random".to_owned(),
        backend: "sim".to_owned(),
        seed: 3,
        detail: Detail::All,
        ..RunFacts::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// If this fails, `tidemark observe` tells other figures of a run than the run itself did.
    #[test]
    fn files_give_the_figures_that_observing_gave(events in vec(event(), 0..80)) {
        let events = in_order(events);
        let mut files: [Vec<u8>; FILES.len()] = Default::default();
        let mut tables = Tables::new(files.each_mut()).expect("memory can be written");
        for event in &events {
            tables.write(event).expect("memory can be written");
        }
        tables.flush().expect("memory can be written");
        drop(tables);
        let online = observe(&facts(), events);
        let files = files.each_ref().map(Vec::as_slice);
        let offline = observe_files(&facts(), files).expect("what was written can be read");
        prop_assert_eq!(offline, online);
    }

    /// If this fails, asking for figures during a run changes those at its end.
    #[test]
    fn figures_do_not_depend_on_when_they_were_asked_for(events in vec(event(), 0..60), place: prop::sample::Index) {
        let events = in_order(events);
        let until = place.index(events.len());
        let mut observation = Observation::new(facts());
        for event in &events[..until] {
            observation.observe(event);
        }
        let so_far = observation.report();
        prop_assert_eq!(&so_far, &observe(&facts(), events[..until].to_vec()));
        events[until..].iter().for_each(|event| observation.observe(event));
        let all = observe(&facts(), events);
        prop_assert_eq!(rows(&observation.report().figures), rows(&all.figures));
    }
}
