//! What machine faults do to a simulated cluster is what their names say; whom they strike is drawn from the plan alone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tidemark::backend::sim::{Pace, simulate};
use tidemark::backend::{Progress, Run};
use tidemark::plan::machine::{Blow, Strike, strikes};
use tidemark::plan::{Plan, load};
use tidemark_observer::observe::{RunFacts, observe};
use tidemark_proto::event::{Event, FaultSpan, MachineChange, Operation, Outcome, Stored};
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Method;

#[test]
fn a_paused_node_answers_nothing_and_then_everything_in_order() {
    let events = events(&["fault=[{ at = '2s', for = '1s', pause = 'n2' }]"]);
    assert_eq!(
        changes(&events, N2),
        [
            (0, MachineChange::Started),
            (2_000, MachineChange::Paused),
            (3_000, MachineChange::Resumed)
        ]
    );
    let does = |event: &&Event| match event {
        Event::Sent { from: node, .. } | Event::Received { to: node, .. } => *node == N2,
        Event::Stored(stored) => stored.node == N2,
        _ => false,
    };
    let done: Vec<&Event> = events.iter().filter(does).collect();
    let while_paused = done.iter().filter(|event| within(event.at(), 2_000, 3_000));
    assert_eq!(
        while_paused.count(),
        0,
        "it does something while it is paused"
    );
    let at_once =
        |event: &&&Event| event.at() == ms(3_000) && matches!(event, Event::Received { .. });
    let late: Vec<_> = done.iter().filter(at_once).collect();
    assert!(late.len() > 20, "{} messages waited", late.len());
    // Every leg takes 1 ms, so what one node sent comes in the order of its sending.
    let sent = |method: Method| {
        let of = events.iter().filter_map(move |event| match event {
            Event::Sent {
                at,
                operation,
                from,
                to,
                method: by,
                ..
            } if *to == N2 && *by == method && within(*at + ms(1), 2_000, 3_000) => {
                Some((*from, *operation))
            }
            _ => None,
        });
        of.collect::<Vec<_>>()
    };
    let received = late.iter().filter_map(|event| match event {
        Event::Received {
            operation,
            from,
            method: Method::Store,
            ..
        } => Some((*from, *operation)),
        _ => None,
    });
    assert_eq!(received.collect::<Vec<_>>(), sent(Method::Store));
}

#[test]
fn a_paused_node_keeps_no_more_than_its_queue_holds() {
    let paused = "fault=[{ at = '2s', for = '1s', pause = 'n2' }]";
    let events = events(&[paused, "limits.queue=5"]);
    let received = |event: &&Event| {
        matches!(event, Event::Received { to, .. } if *to == N2) && event.at() == ms(3_000)
    };
    assert!(events.iter().filter(received).count() <= 5);
    let refused = |event: &&Event| matches!(event, Event::Refused { node, reason, .. } if *node == N2 && reason.contains("paused"));
    assert!(events.iter().filter(refused).count() > 20);
}

#[test]
fn a_wrong_clock_moves_stamps_and_no_timers() {
    let last_write = "versioning={ kind = 'last-write' }";
    let right = events(&[last_write, "fault=[]"]);
    let fault = "fault=[{ at = '2s', for = '1s', clock = { node = 'n2', offset = '-1h' } }]";
    let wrong = events(&[last_write, fault]);
    let messages = |events: &[Event]| {
        let of = events
            .iter()
            .filter(|event| matches!(event, Event::Sent { .. } | Event::Received { .. }));
        of.cloned().collect::<Vec<_>>()
    };
    assert!(
        messages(&right) == messages(&wrong),
        "messages go at other times"
    );
    let stamps = |events: &[Event]| -> BTreeMap<_, u64> {
        let stamp = |operation: &Operation| {
            let is_write = operation.kind == tidemark_proto::event::Kind::Put;
            let (_, stamp) = *operation.clock.first().filter(|_| is_write)?;
            let by_n2 = operation.coordinator == Some(N2);
            let is_then = within(operation.invoked, 2_000, 2_990);
            Some((operation.id, (stamp, by_n2 && is_then)))
        };
        let all = returned(events).filter_map(stamp);
        all.filter(|(_, (_, is_its))| *is_its)
            .map(|(id, (stamp, _))| (id, stamp))
            .collect()
    };
    let (right, wrong) = (stamps(&right), stamps(&wrong));
    assert!(wrong.len() > 20, "n2 coordinated {} writes", wrong.len());
    let behind = wrong
        .iter()
        .filter(|(id, stamp)| right.get(id).is_some_and(|right| right > stamp));
    assert_eq!(behind.count(), wrong.len(), "every stamp is an hour behind");
}

#[test]
fn a_power_loss_takes_what_was_not_synced_and_a_crash_does_not() {
    let lost = |kind: &str, storage: &str| {
        let fault = format!("fault=[{{ at = '3s', {kind} = 'n2', restart_after = '500ms' }}]");
        let events = events(&[&fault, storage]);
        let before = held(&events, N2, ms(3_000));
        let after = inventory(&events, N2);
        assert!(before.len() > 20, "{} keys", before.len());
        before
            .iter()
            .filter(|(key, versions)| after.get(*key) != Some(*versions))
            .count()
    };
    let batch = "storage={ kind = 'model', sync = 'batch' }";
    let interval = "storage={ kind = 'model', sync = 'interval', interval = '2s' }";
    assert_eq!(lost("crash", batch), 0);
    assert_eq!(lost("power_loss", batch), 0, "all was synced");
    assert_eq!(lost("crash", interval), 0, "the kernel has it");
    assert!(
        lost("power_loss", interval) > 0,
        "nothing of 1 s was synced"
    );
}

#[test]
fn a_wiped_node_comes_back_with_nothing_and_a_crashed_one_tells_what_it_holds() {
    let after = |kind: &str| {
        let fault = format!("fault=[{{ at = '3s', {kind} = 'n2', restart_after = '500ms' }}]");
        let events = events(&[&fault, "storage.kind=model"]);
        (
            changes(&events, N2)[1..].to_vec(),
            inventory(&events, N2).len(),
        )
    };
    let (wiped, held) = after("wipe");
    let empty = (3_500, MachineChange::RestartedEmpty);
    assert_eq!(wiped, [(3_000, MachineChange::Wiped), empty]);
    assert_eq!(held, 0);
    let (crashed, held) = after("crash");
    let kept = (3_500, MachineChange::Restarted);
    assert_eq!(crashed, [(3_000, MachineChange::Crashed), kept]);
    assert!(held > 20, "{held} keys");
}

#[test]
fn a_full_disk_takes_nothing_and_says_so() {
    let events = events(&["fault=[{ at = '2s', for = '1s', disk_full = 'n2' }]"]);
    let stores = |from, until| {
        let by_n2 = |event: &&Event| {
            matches!(event, Event::Stored(stored) if stored.node == N2)
                && within(event.at(), from, until)
        };
        events.iter().filter(by_n2).count()
    };
    assert!(stores(1_000, 2_000) > 20);
    assert_eq!(stores(2_000, 3_000), 0);
    assert!(stores(3_000, 4_000) > 20, "it has room again");
    let refused = |event: &&Event| matches!(event, Event::Refused { node, reason, .. } if *node == N2 && reason.contains("disk of n2 is full"));
    assert!(events.iter().filter(refused).count() > 20);
}

#[test]
fn a_slow_disk_holds_back_what_waits_for_it() {
    let fault = "fault=[{ at = '2s', for = '1s', slow_sync = { node = 'n2', by = '40ms' } }]";
    let events = events(&[fault, "storage.kind=model"]);
    let mut taken = BTreeMap::new();
    let mut took = Vec::new();
    for event in &events {
        match event {
            Event::Received {
                at,
                operation,
                to: N2,
                method: Method::Store,
                ..
            } => {
                taken.insert(*operation, *at);
            }
            Event::Sent {
                at,
                operation,
                from: N2,
                method: Method::StoreReply,
                ..
            } => {
                let since = taken.remove(operation).unwrap();
                took.push((since, *at - since));
            }
            _ => {}
        }
    }
    let among = |from, until| {
        let (from, until) = (ms(from), ms(until));
        let among = took.iter().filter(move |(at, _)| from < *at && *at < until);
        among.map(|(_, took)| *took).collect::<Vec<_>>()
    };
    let (before, slow, after) = (
        among(1_000, 2_000),
        among(2_000, 2_950),
        among(3_100, 4_000),
    );
    assert!(before.len() > 20 && slow.len() > 20 && after.len() > 20);
    assert!(
        before
            .iter()
            .chain(&after)
            .all(|took| *took == Duration::ZERO)
    );
    // Who comes while a sync is under way waits for it as well, from the next batch on.
    assert!(slow.iter().all(|took| *took >= ms(40)), "{slow:?}");
}

#[test]
fn a_process_cannot_lose_power() {
    let set = "fault=[{ at = '2s', power_loss = 'n2' }]".to_owned();
    let error = load("quickstart", "real", &[set]).unwrap_err().to_string();
    for part in ["fault[0].power_loss", "sim", "crash", "wipe"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn every_fault_ends_when_the_plan_heals() {
    let fault = "fault=[{ at = '1s', pause = 'n1' }, { at = '1s', crash = 'n2' }, { at = '1s', disk_full = 'n3' }, \
                 { at = '1s', clock = { node = 'n3', drift = 0.5 } }, { at = '1s', slow_sync = { node = 'n3', by = '5ms' } }]";
    let events = events(&[fault, "storage.kind=model"]);
    let ends: Vec<(u64, NodeId, MachineChange)> = (1..=3)
        .map(NodeId::node)
        .flat_map(|node| {
            changes(&events, node)
                .into_iter()
                .map(move |(at, change)| (at, node, change))
        })
        .filter(|(at, ..)| *at == 4_500)
        .collect();
    let [n1, n2, n3] = [1, 2, 3].map(NodeId::node);
    for end in [
        (n1, MachineChange::Resumed),
        (n2, MachineChange::Restarted),
        (n3, MachineChange::DiskFreed),
        (n3, MachineChange::ClockMended),
        (n3, MachineChange::SyncMended),
    ] {
        assert!(ends.contains(&(4_500, end.0, end.1)), "{end:?}: {ends:?}");
    }
}

#[test]
fn the_report_counts_the_machines_that_were_struck_and_sees_what_a_power_loss_took() {
    let fault = "fault=[{ name = 'blackout', at = '3s', power_loss = 'all', restart_after = '200ms' }, \
                 { name = 'naps', at = '1s', pause = 'any', for = '50ms', every = '100ms', until = '2s' }]";
    let storage = "storage={ kind = 'model', sync = 'interval', interval = '10s' }";
    let sets = [fault, storage, "workload.keys=2000", "workload.reads=0.1"];
    let plan = plan(&sets);
    let facts = RunFacts {
        plan: "quickstart".to_owned(),
        backend: "sim".to_owned(),
        seed: plan.seed,
        detail: plan.events,
        ..RunFacts::default()
    };
    let figures = observe(&facts, events(&sets)).figures;
    let struck: Vec<_> = figures
        .faults
        .iter()
        .map(|fault| (fault.name.as_str(), fault.machines))
        .collect();
    assert_eq!(
        struck,
        [("naps", 10), ("blackout", 5)],
        "a series is one fault"
    );
    let lost = figures.lost_writes.known().unwrap().lost.count;
    assert!(
        lost > 0,
        "all that was written in the last seconds was lost at once"
    );
    let names: Vec<_> = figures
        .phases
        .iter()
        .map(|phase| phase.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["quiet", "naps", "after naps", "blackout", "after blackout"]
    );
}

#[test]
fn who_is_struck_is_drawn_anew_of_those_who_are_not_struck_yet() {
    let drawn = |whom: &str| {
        let fault = format!(
            "fault=[{{ at = '1s', crash = '{whom}', restart_after = '350ms', every = '100ms', until = '4s' }}]"
        );
        strikes(&plan(&[&fault]))
    };
    let nodes: Vec<NodeId> = (1..=5).map(NodeId::node).collect();
    for (whom, most_at_once) in [
        ("any", 4),
        ("any-two", 5),
        ("minority", 2),
        ("some", 5),
        ("all", 5),
    ] {
        let strikes = drawn(whom);
        let mut ends: BTreeMap<NodeId, Duration> = BTreeMap::new();
        let (mut struck, mut sizes) = (BTreeSet::new(), BTreeSet::new());
        for Strike { nodes, blow, span } in &strikes {
            assert_eq!(*blow, Blow::Crash);
            assert!(span.from < ms(4_000) && span.until <= ms(4_500));
            for node in nodes {
                let end = ends.insert(*node, span.until).unwrap_or_default();
                assert!(end <= span.from, "{whom}: {node} is down already");
            }
            let down = ends.values().filter(|end| **end > span.from).count();
            assert!(down <= most_at_once, "{whom}: {down} are down");
            struck.extend(nodes.clone());
            sizes.insert(nodes.len());
        }
        assert_eq!(struck.into_iter().collect::<Vec<_>>(), nodes, "{whom}");
        let largest = *sizes.last().unwrap();
        let is_so = match whom {
            "any" => largest == 1,
            "any-two" | "minority" => largest == 2,
            "all" => largest == 5,
            _ => largest >= 2,
        };
        assert!(is_so, "{whom}: {sizes:?}");
        assert_eq!(strikes, drawn(whom), "{whom}: the same seed draws the same");
    }
    let seed = |seed: &str| {
        strikes(&plan(&[
            seed,
            "fault=[{ at = '1s', crash = 'some', every = '100ms', restart_after = '50ms' }]",
        ]))
    };
    assert_ne!(seed("seed=7"), seed("seed=8"));
}

/// If this fails, what strikes at random moments strikes at the same in every run, or outside its span.
#[test]
fn strikes_come_later_by_a_draw_of_at_most_their_jitter() {
    let moments = |jitter: &str, seed: &str| {
        let fault = format!(
            "fault=[{{ at = '1s', crash = 'n2', restart_after = '1ms', every = '100ms', until = '4s', jitter = '{jitter}' }}]"
        );
        let strikes = strikes(&plan(&[&fault, seed]));
        let moments = strikes.iter().map(|strike| strike.span.from);
        moments.collect::<Vec<_>>()
    };
    let (even, drawn) = (moments("0s", "seed=7"), moments("90ms", "seed=7"));
    assert_eq!(drawn.len(), 30);
    let late: Vec<Duration> = drawn
        .iter()
        .zip(&even)
        .map(|(drawn, even)| *drawn - *even)
        .collect();
    assert!(late.iter().all(|late| *late < ms(90)), "{late:?}");
    assert!(late.iter().any(|late| *late < ms(20)) && late.iter().any(|late| *late > ms(70)));
    assert_eq!(
        drawn,
        moments("90ms", "seed=7"),
        "the same seed draws the same"
    );
    assert_ne!(drawn, moments("90ms", "seed=8"));
    // What would come after all has healed does not come.
    let healed = moments("4s", "seed=7");
    assert!(healed.len() < 30 && healed.iter().all(|at| *at < ms(4_500)));
}

#[test]
fn every_strike_is_a_row_with_who_it_was() {
    let fault =
        "fault=[{ at = '1s', pause = 'some', for = '50ms', every = '200ms', until = '3s' }]";
    let spans: Vec<FaultSpan> = strikes(&plan(&[fault]))
        .into_iter()
        .map(|strike| strike.span)
        .collect();
    let noted = |event: Event| match event {
        Event::Fault(span) => Some(*span),
        _ => None,
    };
    let noted: Vec<FaultSpan> = events(&[fault]).into_iter().filter_map(noted).collect();
    assert_eq!(noted, spans);
    assert_eq!(spans.len(), 10);
    assert!(
        spans.iter().any(|span| span.about.contains(", ")),
        "several at once"
    );
    let series = Some((ms(1_000), ms(2_850)));
    assert!(
        spans
            .iter()
            .all(|span| span.name == "some nodes pause" && span.series == series)
    );
}

#[test]
fn a_plan_that_is_stretched_draws_the_same() {
    let fault = "fault=[{ at = '1s', crash = 'some', every = '100ms', restart_after = '150ms' }]";
    let plan = |scale: &str| plan(&[fault, scale]).scaled();
    let (plain, stretched) = (
        strikes(&plan("time_scale=1")),
        strikes(&plan("time_scale=3")),
    );
    let nodes = |strikes: &[Strike]| {
        strikes
            .iter()
            .map(|strike| strike.nodes.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(nodes(&plain), nodes(&stretched));
    assert_eq!(stretched[1].span.from, ms(3_300));
}

#[test]
fn spares_run_and_hold_nothing() {
    let events = events(&[
        "fault=[]",
        "cluster={ nodes = 5, gateways = 1, spares = 2 }",
    ]);
    for spare in [6, 7].map(NodeId::node) {
        assert_eq!(changes(&events, spare), [(0, MachineChange::Started)]);
        assert_eq!(stored(&events, spare).count(), 0);
    }
    assert!(stored(&events, N2).count() > 20);
}

/// What a node has last said that it holds of each key, before a time.
fn held(events: &[Event], node: NodeId, before: Duration) -> BTreeMap<Vec<u8>, Stored> {
    stored(events, node)
        .filter(|stored| stored.at < before)
        .map(|stored| (stored.key.to_vec(), bare(stored)))
        .collect()
}

/// What a node says after its restart.
fn inventory(events: &[Event], node: NodeId) -> BTreeMap<Vec<u8>, Stored> {
    stored(events, node)
        .filter(|stored| stored.method == Method::FetchReply)
        .map(|stored| (stored.key.to_vec(), bare(stored)))
        .collect()
}

fn stored(events: &[Event], node: NodeId) -> impl Iterator<Item = &Stored> {
    events.iter().filter_map(move |event| match event {
        Event::Stored(stored) if stored.node == node => Some(&**stored),
        _ => None,
    })
}

/// Only what is held, not since when.
fn bare(stored: &Stored) -> Stored {
    Stored {
        at: Duration::ZERO,
        operation: tidemark_proto::id::OperationId::NONE,
        method: Method::FetchReply,
        ..stored.clone()
    }
}

fn returned(events: &[Event]) -> impl Iterator<Item = &Operation> {
    events.iter().filter_map(|event| match event {
        Event::Returned(operation) if operation.outcome == Outcome::Ok => Some(&**operation),
        _ => None,
    })
}

/// When, in milliseconds, a machine changed how.
fn changes(events: &[Event], of: NodeId) -> Vec<(u64, MachineChange)> {
    let change = |event: &Event| match event {
        Event::Machine { at, node, change } if *node == of => {
            Some((u64::try_from(at.as_millis()).unwrap(), *change))
        }
        _ => None,
    };
    events.iter().filter_map(change).collect()
}

fn within(at: Duration, from: u64, until: u64) -> bool {
    ms(from) < at && at < ms(until)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn events(sets: &[&str]) -> Vec<Event> {
    let run = Run {
        plan: plan(sets).scaled(),
        progress: Arc::new(Progress::default()),
    };
    let mut events = Vec::new();
    simulate(&run, &mut Pace::default(), &mut |event| events.push(event)).unwrap();
    events
}

/// A short quickstart in which every leg takes 1 ms and nothing repairs.
fn plan(sets: &[&str]) -> Plan {
    let base = [
        "duration=4500ms",
        "warmup=500ms",
        "settle=500ms",
        "repair=[]",
        "network=[{ latency = { constant = '1ms' } }]",
    ];
    let sets: Vec<String> = base.iter().chain(sets).map(ToString::to_string).collect();
    load("quickstart", "sim", &sets)
        .unwrap_or_else(|error| panic!("{error:#}"))
        .1
}

const N2: NodeId = NodeId::node(2);
