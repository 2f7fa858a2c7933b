//! The run's files hold every event, to the last bit, and say where they are broken.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Duration;
use tidemark_observer::history::{Events, FILES, Tables};
use tidemark_proto::event::{
    Direction, Event, FaultSpan, Gap, Invocation, Kind, MachineChange, Milestone, Operation,
    Outcome, Passage, Purpose, Stored, Verdict,
};
use tidemark_proto::id::{Actor, NodeId, OperationId};
use tidemark_proto::message::Method;
use tidemark_proto::upkeep::{Chore, Upkeep};

fn written(events: &[Event]) -> [Vec<u8>; 5] {
    let mut files: [Vec<u8>; 5] = Default::default();
    let mut tables = Tables::new(files.each_mut()).expect("memory can be written");
    for event in events {
        tables.write(event).expect("memory can be written");
    }
    tables.flush().expect("memory can be written");
    drop(tables);
    files
}

fn read(files: &[Vec<u8>; 5]) -> Result<(Vec<Event>, u64, u64), String> {
    let files = files.each_ref().map(Vec::as_slice);
    let mut events = Events::new(files).map_err(|error| error.to_string())?;
    let all: Result<Vec<Event>, _> = events.by_ref().collect();
    let all = all.map_err(|error| error.to_string())?;
    Ok((all, events.truncated(), events.late()))
}

fn time() -> impl Strategy<Value = Duration> {
    any::<u64>().prop_map(Duration::from_nanos)
}

fn node() -> impl Strategy<Value = NodeId> {
    let build = select(vec![NodeId::node, NodeId::gateway, NodeId::client]);
    (build, 1..=NodeId::MAX_NUMBER).prop_map(|(build, number)| build(number))
}

fn id() -> impl Strategy<Value = OperationId> {
    (node(), 0_u64..1 << 48).prop_map(|(issuer, sequence)| OperationId::new(issuer, sequence))
}

fn key() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        vec(any::<u8>(), 0..9).prop_map(Bytes::from),
        "(0x)?[ -~]{0,9}".prop_map(Bytes::from),
    ]
}

fn method() -> impl Strategy<Value = Method> {
    select(Method::ALL.to_vec())
}

/// Text with everything in it that a table could trip over.
fn text() -> impl Strategy<Value = String> {
    "[a-z \",\\\\\r\n'#é]{0,9}"
}

prop_compose! {
    fn invocation()(
        id in id(), key in key(), intended in time(), invoked in time(), context_from in option::of(id()),
        purpose in select(vec![Purpose::Load, Purpose::Preload, Purpose::ReadFirst, Purpose::Reconcile]),
        kind in select(vec![Kind::Get, Kind::Put, Kind::Delete]),
    ) -> Invocation {
        Invocation { id, purpose, kind, key, intended, invoked, context_from }
    }
}

prop_compose! {
    fn operation()(
        begin in invocation(), returned in time(), asked in node(), coordinator in option::of(node()),
        outcome in select(vec![Outcome::Ok, Outcome::Failed, Outcome::Unknown]), status in text(),
        answered in vec(node(), 0..3), versions in vec(id(), 0..3), sizes in any::<[u32; 3]>(),
        clock in vec((node(), 1_u32..9, 1_u32..9, any::<u64>()), 0..3),
    ) -> Operation {
        let entry = |(node, life, epoch, counter)| (Actor::new(node, life, epoch), counter);
        Operation {
            id: begin.id, purpose: begin.purpose, kind: begin.kind, key: begin.key, intended: begin.intended,
            invoked: begin.invoked, returned, outcome, status: status.into(), asked, coordinator, answered,
            versions, context_from: begin.context_from, clock: clock.into_iter().map(entry).collect(),
            context_bytes: sizes[0], value_bytes: sizes[1], attempts: sizes[2],
        }
    }
}

prop_compose! {
    fn stored()(
        at in time(), node in node(), operation in id(), method in method(), key in key(), digest: u64,
        versions in vec(id(), 0..3),
    ) -> Stored {
        Stored { at, node, operation, method, key, digest, versions }
    }
}

prop_compose! {
    fn passage()(
        at in time(), from in node(), to in node(), k: u64, size: u32, faulty: bool, rules in text(),
        method in prop_oneof![method().prop_map(|method| method.to_string()), "/[a-z.]{1,9}/[A-Z]{1,3}"],
        direction in select(vec![Direction::Request, Direction::Response]),
        verdict in select(vec![Verdict::Delivered, Verdict::Lost, Verdict::Duplicated, Verdict::Answered, Verdict::Reset]),
        intended in time(), achieved in option::of(time()),
    ) -> Passage {
        Passage {
            at, from, to, method: method.into(), direction, k, size, verdict, intended, achieved,
            rules: rules.into(), faulty,
        }
    }
}

prop_compose! {
    fn fault()(
        name in text(), kind in text(), from in time(), until in time(), about in text(),
        series in option::of((time(), time())),
    ) -> FaultSpan {
        FaultSpan { name, kind, from, until, about, series }
    }
}

prop_compose! {
    fn upkeep()(
        at in time(), node in node(), chore in select(Chore::ALL.to_vec()), peer in option::of(node()),
        operation in id(), key in key(), count: u64, bytes: u64,
    ) -> Upkeep {
        Upkeep { at, node, chore, peer, operation, key, count, bytes }
    }
}

fn event() -> impl Strategy<Value = Event> {
    let message = || (time(), id(), node(), node(), method());
    let milestones = vec![
        Milestone::Started,
        Milestone::Healed,
        Milestone::Ended,
        Milestone::Interrupted,
        Milestone::Aborted,
    ];
    prop_oneof![
        invocation().prop_map(|it| Event::Invoked(Box::new(it))),
        operation().prop_map(|it| Event::Returned(Box::new(it))),
        upkeep().prop_map(|it| Event::Upkeep(Box::new(it))),
        (key(), vec(node(), 0..4)).prop_map(|(key, nodes)| Event::Placed { key, nodes }),
        stored().prop_map(|it| Event::Stored(Box::new(it))),
        (message(), any::<u64>()).prop_map(|((at, operation, from, to, method), k)| {
            Event::Sent {
                at,
                operation,
                from,
                to,
                method,
                k,
            }
        }),
        message().prop_map(|(at, operation, from, to, method)| {
            Event::Received {
                at,
                operation,
                from,
                to,
                method,
            }
        }),
        (time(), node(), id(), text()).prop_map(|(at, node, operation, reason)| {
            Event::Refused {
                at,
                node,
                operation,
                reason: reason.into(),
            }
        }),
        passage().prop_map(|it| Event::Fate(Box::new(it))),
        fault().prop_map(|it| Event::Fault(Box::new(it))),
        (time(), node(), select(MachineChange::ALL.to_vec()))
            .prop_map(|(at, node, change)| Event::Machine { at, node, change }),
        (time(), select(milestones)).prop_map(|(at, milestone)| Event::Milestone { at, milestone }),
        ("[a-z0-9~]{0,9}", time(), time(), any::<u64>()).prop_map(
            |(source, from, until, count)| {
                Event::Gap(Box::new(Gap {
                    source,
                    from,
                    until,
                    count,
                }))
            }
        ),
    ]
}

proptest! {
    #[test]
    fn an_event_comes_back_as_it_was(event in event()) {
        let files = written(std::slice::from_ref(&event));
        prop_assert_eq!(read(&files), Ok((vec![event], 0, 0)));
    }

    #[test]
    fn events_come_back_by_their_times(mut events in vec(event(), 0..30)) {
        let (mut found, _, _) = read(&written(&events)).expect("what was written can be read");
        let times: Vec<Duration> = found.iter().map(Event::at).collect();
        // All that is in one file is in order; what is ten seconds apart is in order across files.
        prop_assert_eq!(found.len(), events.len());
        if events.is_sorted_by_key(Event::at) {
            prop_assert!(times.is_sorted());
        }
        let text = |event: &Event| format!("{event:?}");
        events.sort_by_key(text);
        found.sort_by_key(text);
        prop_assert_eq!(found, events);
    }

    #[test]
    fn a_file_may_end_anywhere(events in vec(event(), 1..6), cut in any::<prop::sample::Index>(), table in 0..4_usize) {
        let mut files = written(&events);
        let length = cut.index(files[table].len() + 1);
        files[table].truncate(length);
        let (found, truncated, _) = read(&files).expect("a cut line is dropped");
        prop_assert!(truncated <= 1);
        prop_assert!(found.iter().all(|event| events.contains(event)));
        prop_assert!(found.len() <= events.len());
    }
}

fn received(ms: u64) -> Event {
    Event::Received {
        at: Duration::from_millis(ms),
        operation: OperationId::new(NodeId::client(1), ms),
        from: NodeId::node(1),
        to: NodeId::node(2),
        method: Method::Store,
    }
}

#[test]
fn the_order_of_reports_is_not_the_order_of_events() {
    let order = |ms: &[u64]| {
        let events: Vec<Event> = ms.iter().map(|ms| received(*ms)).collect();
        let (found, _, late) = read(&written(&events)).unwrap();
        let ms: Vec<u128> = found.iter().map(|event| event.at().as_millis()).collect();
        (ms, late)
    };
    assert_eq!(order(&[300, 100, 200]), (vec![100, 200, 300], 0));
    // Later than ten seconds it is too late.
    assert_eq!(
        order(&[1, 20_000, 40_000, 5, 60_000]),
        (vec![1, 20_000, 5, 40_000, 60_000], 1)
    );
}

/// If this fails, operations during a fault that is written down at its end count as if there had been none.
#[test]
fn a_fault_that_is_written_down_when_it_ends_comes_when_it_began() {
    let fault = |from: u64, until: u64| {
        Event::Fault(Box::new(FaultSpan {
            name: format!("from {from}"),
            kind: "loss".to_owned(),
            from: Duration::from_secs(from),
            until: Duration::from_secs(until),
            about: String::new(),
            series: None,
        }))
    };
    let events: Vec<Event> = (0..100).map(|s| received(1_000 * s)).collect();
    let mut reported = events.clone();
    reported.extend([fault(50, 60), fault(5, 90)]);
    let (mut found, _, late) = read(&written(&reported)).unwrap();
    assert_eq!(late, 0);
    assert_eq!(found.remove(5), fault(5, 90));
    assert_eq!(found.remove(50), fault(50, 60));
    assert_eq!(found, events);
}

#[test]
fn a_line_cut_short_is_dropped_and_counted() {
    let mut files = written(&[received(1), received(2)]);
    let length = files[1].len();
    files[1].truncate(length - 1);
    assert_eq!(read(&files), Ok((vec![received(1)], 1, 0)));
}

#[test]
fn errors_name_the_file_the_line_and_the_choices() {
    let broken = |table: usize, from: &str, to: &str| {
        let mut files = written(&[received(1), received(2)]);
        let text = String::from_utf8(files[table].clone()).unwrap();
        files[table] = text.replacen(from, to, 1).into_bytes();
        read(&files).expect_err("it is broken")
    };
    let error = broken(1, "2000000,received", "2000000,recieved");
    assert!(
        error.starts_with("events.csv:3: there is no event \"recieved\""),
        "{error}"
    );
    assert!(error.ends_with("machine, milestone, gap"), "{error}");
    let error = broken(1, "1000000,received", "1000000,1000000,received");
    assert_eq!(
        error,
        "events.csv:2: it has 14 cells, the table has 13 columns"
    );
    let error = broken(1, "Store", "Hoard");
    assert!(
        error.starts_with("events.csv:2: method \"Hoard\": there is no method"),
        "{error}"
    );
    let error = broken(0, "purpose", "porpoise");
    assert!(
        error.starts_with("ops.csv:1: its columns are not operation,purpose"),
        "{error}"
    );
}

#[test]
fn the_columns_are_those_that_are_documented() {
    let files = written(&[]);
    let documented = include_str!("../src/history.rs");
    for (file, name) in files.iter().zip(FILES) {
        let header = String::from_utf8(file.clone()).unwrap();
        for column in header.trim_end().split(',') {
            let found = documented.contains(&format!("`{column}`"))
                || documented.contains(&format!("| {column} |"));
            assert!(found, "{name}: {column} is documented nowhere");
        }
    }
}
