//! How long verdicts and scores take: `cargo bench -p tidemark-observer --bench checkers`.
//!
//! Histories come from a simulated store whose operations take effect at a moment between call and return: they are
//! linearizable. In those that are not, some reads return what was there before. Time is the thread's own on its
//! processor, as Linux tells it, so that what else the machine does counts little. Sorting the same operations by their
//! ends, as a checker cannot do without, is measured in the same run, so that the ratio means something on any machine.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use tidemark_observer::checker::{Budget, Model, Report, Stream, causal, check};
use tidemark_observer::recording::{Call, Recorded, Recording, Times, Value};
use tidemark_proto::event::Outcome;

fn main() {
    println!("checkers: medians of {ROUNDS} rounds");
    let parts: [(&str, fn()); 4] = [
        ("zones", zones),
        ("search", searches),
        ("causal", causal),
        ("stream", stream),
    ];
    let asked: Vec<String> = std::env::args().skip(1).collect();
    for (name, part) in parts {
        let is_asked = asked.iter().any(|word| word == name);
        if is_asked || asked.iter().all(|word| word.starts_with('-')) {
            part();
        }
    }
}

/// Registers whose values are unique.
fn zones() {
    for (keys, stale) in [(1_000, 0), (1_000, 100), (1, 0), (1, 100)] {
        let load = Load {
            operations: 1_000_000,
            keys,
            clients: 100,
            stale,
            ..Load::UNIQUE
        };
        report("zones, Γ, Δ and k", "register", &load);
    }
}

/// What zones cannot tell.
fn searches() {
    for (keys, stale) in [(10, 0), (10, 10), (1, 0), (1, 10)] {
        let load = Load {
            operations: 1_700,
            keys,
            clients: 50,
            stale,
            ..Load::APPEND
        };
        report("search", "kv-append", &load);
    }
    for (clients, stale, unknown) in [(5, 0, 0), (20, 0, 0), (20, 0, 10), (5, 1, 0)] {
        let load = Load {
            operations: 100_000,
            keys: 1,
            clients,
            stale,
            unknown,
            ..Load::SMALL
        };
        report("search", "register", &load);
        report("search", "cas-register", &load);
    }
}

/// What clients do.
#[derive(Clone, Copy)]
struct Load {
    operations: usize,
    keys: u64,
    clients: usize,
    write: Write,
    /// How many reads of 1 000 return what was there ten writes ago.
    stale: u64,
    /// How many writes of 1 000 have no known outcome.
    unknown: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Write {
    /// Every write writes a value of its own.
    Unique,
    /// Writes write one of five values.
    Small,
    /// Writes put a piece to the end.
    Append,
}

impl Load {
    const UNIQUE: Self = Self {
        operations: 0,
        keys: 1,
        clients: 1,
        write: Write::Unique,
        stale: 0,
        unknown: 0,
    };
    const SMALL: Self = Self {
        write: Write::Small,
        ..Self::UNIQUE
    };
    const APPEND: Self = Self {
        write: Write::Append,
        ..Self::UNIQUE
    };

    /// What its clients saw of a store. Each asks for one thing after the other, of any key.
    fn record(&self) -> Recording {
        let mut chance = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut below = |limit: u64| chance.next_u64() % limit;
        let mut clocks: Vec<u64> = (0..self.clients as u64).collect();
        // By the moment at which they take effect.
        let mut operations = Vec::new();
        for index in 0..self.operations {
            let client = index % self.clients;
            let start = clocks[client] + 1 + below(1_000);
            let end = start + 1 + below(10_000);
            clocks[client] = end;
            let moment = start + below(end - start + 1);
            operations.push((
                moment,
                client,
                start,
                end,
                below(self.keys),
                below(2) == 0,
                below(1_000),
            ));
        }
        operations.sort_unstable();
        let initial = match self.write {
            Write::Append => Value::Text("".into()),
            Write::Unique | Write::Small => Value::Integer(0),
        };
        let names: Vec<Arc<str>> = (0..self.keys).map(|key| key.to_string().into()).collect();
        let mut held: Vec<Vec<Value>> = vec![vec![initial]; self.keys as usize];
        let mut recorded = Vec::new();
        for (number, (_, client, start, end, key, is_read, dice)) in (1..).zip(operations) {
            let held = &mut held[key as usize];
            let last = held[held.len() - 1].clone();
            let is_unknown = !is_read && dice < self.unknown;
            let call = match self.write {
                _ if is_read => {
                    let age = if dice < self.stale { 10 } else { 0 };
                    Call::Read(Some(held[held.len().saturating_sub(1 + age)].clone()))
                }
                Write::Unique => Call::Write(Value::Integer(number)),
                Write::Small => Call::Write(Value::Integer(number % 5)),
                Write::Append => Call::Append(Value::Text(format!("x {client} {number} y").into())),
            };
            match (&call, last) {
                (Call::Append(Value::Text(piece)), Value::Text(text)) => {
                    held.push(Value::Text(format!("{text}{piece}").into()));
                }
                (Call::Write(value), _) => held.push(value.clone()),
                _ => {}
            }
            recorded.push(Recorded {
                line: number as u64,
                name: None,
                process: client as u64,
                key: names[key as usize].clone(),
                call,
                start,
                end: if is_unknown { u64::MAX } else { end },
                outcome: if is_unknown {
                    Outcome::Unknown
                } else {
                    Outcome::Ok
                },
            });
        }
        recorded.sort_by_key(|operation| operation.start);
        Recording {
            operations: recorded,
            times: Times::Nanoseconds,
        }
    }
}

fn report(what: &str, name: &str, load: &Load) {
    let recording = load.record();
    let initial = match load.write {
        Write::Append => None,
        Write::Unique | Write::Small => Some(Value::Integer(0)),
    };
    let model = Model::new(name, initial).expect("it is in the list");
    let mut verdict = None;
    let checked = median(|| verdict = Some(checked(&recording, &model)));
    let report = verdict.expect("it was checked");
    let sorted = median(|| {
        let mut ends: Vec<_> = recording
            .operations
            .iter()
            .map(|one| (one.end, one.line))
            .collect();
        ends.sort_unstable();
        black_box(ends);
    });
    println!(
        "{what}, {name}: {} operations of {} clients on {} keys, {} ‰ stale, {} ‰ unknown: valid {:?}: {:.1} ms, {:.0} ns an operation, {:.1} times sorting them; no more than {:.1} ms between two questions to the budget",
        load.operations,
        load.clients,
        load.keys,
        load.stale,
        load.unknown,
        report.valid,
        checked.as_secs_f64() * 1e3,
        checked.as_secs_f64() * 1e9 / load.operations as f64,
        checked.as_secs_f64() / sorted.as_secs_f64(),
        longest_deaf(&recording, &model).as_secs_f64() * 1e3,
    );
}

fn checked(recording: &Recording, model: &Model) -> Report {
    let mut never = || false;
    let mut budget = Budget::new(2 << 30, &mut never);
    check(recording, model, &mut budget).expect("the model knows its calls")
}

/// How long a check goes on at most before it asks again whether its time is over.
fn longest_deaf(recording: &Recording, model: &Model) -> Duration {
    let (mut asked, mut longest) = (on_processor(), Duration::ZERO);
    let mut never = || {
        let now = on_processor();
        longest = longest.max(now - asked);
        asked = now;
        false
    };
    let mut budget = Budget::new(2 << 30, &mut never);
    black_box(check(recording, model, &mut budget)).expect("the model knows its calls");
    longest
}

/// Replicas that apply all writes in one order, each as late as it likes.
fn causal() {
    for (processes, stale) in [(10, 0), (100, 0), (10, 1)] {
        let recording = replicated(100_000, processes, stale);
        let mut found = None;
        let checked = median(|| {
            let mut never = || false;
            let mut budget = Budget::new(2 << 30, &mut never);
            found = Some(causal::check(&recording, &Value::Integer(0), &mut budget));
        });
        let found = found.expect("it was checked");
        println!(
            "causal: {} operations of {processes} processes, {stale} ‰ older than was read before: CC {:?}, CCv {:?}, CM {:?}: {:.0} ms, {:.0} ns an operation",
            recording.operations.len(),
            found.cc.verdict,
            found.ccv.verdict,
            found.cm.verdict,
            checked.as_secs_f64() * 1e3,
            checked.as_secs_f64() * 1e9 / recording.operations.len() as f64,
        );
    }
}

/// What processes saw, each at a replica of its own.
fn replicated(operations: u64, processes: u64, stale: u64) -> Recording {
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut below = |limit: u64| chance.next_u64() % limit;
    let keys: Vec<Arc<str>> = (0..100_u64).map(|key| key.to_string().into()).collect();
    // Of each key its writes, and of each process how many of all writes it has applied.
    let mut writes: Vec<Vec<i64>> = vec![Vec::new(); keys.len()];
    let mut applied = vec![0; processes as usize];
    let mut count = 0;
    let mut recorded = Vec::new();
    for number in 0..operations {
        let process = below(processes);
        let key = below(keys.len() as u64) as usize;
        let applied = &mut applied[process as usize];
        let call = if below(2) == 0 {
            count += 1;
            *applied = count;
            writes[key].push(count);
            Call::Write(Value::Integer(count))
        } else {
            *applied += below((count - *applied) as u64 + 1) as i64;
            let late = if below(1_000) < stale { 1_000 } else { 0 };
            let seen = writes[key].partition_point(|write| *write <= *applied - late);
            Call::Read(Some(Value::Integer(
                writes[key][..seen].last().copied().unwrap_or(0),
            )))
        };
        recorded.push(Recorded {
            line: number + 1,
            name: None,
            process,
            key: keys[key].clone(),
            call,
            start: number,
            end: number + 1,
            outcome: Outcome::Ok,
        });
    }
    Recording {
        operations: recorded,
        times: Times::Order,
    }
}

/// What Γ on line costs, in time and in bytes.
fn stream() {
    let load = Load {
        operations: 10_000_000,
        keys: 1_000,
        clients: 100,
        ..Load::UNIQUE
    };
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut streams = vec![Stream::default(); load.keys as usize];
    let mut latest = vec![None; load.keys as usize];
    let start = on_processor();
    for number in 0..load.operations as u64 {
        let key = (chance.next_u64() % load.keys) as usize;
        if chance.next_u64() % 2 == 0 {
            streams[key].write(number, 10 * number, Some(10 * number + 50));
            latest[key] = Some(number);
        } else {
            let (start, end) = (10 * number + 20, 10 * number + 60);
            match latest[key] {
                Some(value) => streams[key].read(value, start, end),
                None => streams[key].read_nothing(start, end),
            }
        }
    }
    let fed = on_processor() - start;
    let mut never = || false;
    let mut budget = Budget::new(usize::MAX, &mut never);
    let start = on_processor();
    for stream in &streams {
        black_box(stream.scores(&mut budget)).expect("there is time");
    }
    println!(
        "stream: {} operations on {} keys: {:.0} ns to feed one, {:.0} ns of the scores, {} MB for {} values",
        load.operations,
        load.keys,
        fed.as_secs_f64() * 1e9 / load.operations as f64,
        (on_processor() - start).as_secs_f64() * 1e9 / load.operations as f64,
        streams.iter().map(Stream::bytes).sum::<usize>() / 1_000_000,
        load.operations / 2,
    );
}

fn median(mut measured: impl FnMut()) -> Duration {
    let mut rounds: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = on_processor();
            measured();
            on_processor() - start
        })
        .collect();
    rounds.sort_unstable();
    rounds[ROUNDS / 2]
}

/// How long this thread has been on a processor. Linux brings it up to date when the thread yields.
fn on_processor() -> Duration {
    std::thread::yield_now();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells it");
    let nanoseconds = told.split(' ').next().and_then(|time| time.parse().ok());
    Duration::from_nanos(nanoseconds.expect("its first word is a number"))
}

const ROUNDS: usize = 3;
