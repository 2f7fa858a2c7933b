//! The definitions, word by word: all orders are tried.

use tidemark_observer::recording::{Call, Recorded, Recording, Value};
use tidemark_proto::event::Outcome;

/// What a call makes of an object; none: it would not have answered so.
pub(crate) fn apply(state: &Value, call: &Call) -> Option<Value> {
    match (call, state) {
        (Call::Read(None), _) => Some(state.clone()),
        (Call::Read(Some(Value::List(read))), Value::List(held)) => {
            let is_equal = read.iter().all(|element| held.contains(element))
                && held.iter().all(|element| read.contains(element));
            is_equal.then(|| state.clone())
        }
        (Call::Read(Some(read)), _) => (read == state).then(|| state.clone()),
        (Call::Write(value), _) => Some(value.clone()),
        (Call::Cas(from, to), _) => (from == state).then(|| to.clone()),
        (Call::Append(Value::Text(piece)), Value::Text(text)) => {
            Some(Value::Text(format!("{text}{piece}").into()))
        }
        (Call::Add(Value::Integer(number)), Value::Integer(sum)) => {
            Some(Value::Integer(sum + number))
        }
        (Call::Add(element), Value::List(held)) => {
            let mut held = held.clone();
            held.push(element.clone());
            Some(Value::List(held))
        }
        _ => panic!("{call} of {state}"),
    }
}

/// An operation with times that can be moved.
#[derive(Clone, Debug)]
pub(crate) struct Timed {
    pub(crate) call: Call,
    pub(crate) start: i64,
    /// None: it may have taken effect at any time, or never.
    pub(crate) end: Option<i64>,
}

/// The operations that count: what failed did not happen, and an unknown read says nothing.
pub(crate) fn timed(recording: &Recording) -> Vec<Timed> {
    let counts = |operation: &&Recorded| match operation.outcome {
        Outcome::Ok => true,
        Outcome::Failed => false,
        Outcome::Unknown => !matches!(operation.call, Call::Read(_)),
    };
    recording
        .operations
        .iter()
        .filter(counts)
        .map(|operation| Timed {
            call: operation.call.clone(),
            start: operation.start as i64,
            end: (operation.outcome == Outcome::Ok).then_some(operation.end as i64),
        })
        .collect()
}

/// Whether some order of the operations explains them.
pub(crate) fn is_linearizable(operations: &[Timed], initial: &Value) -> bool {
    let admits = |states: &Vec<Value>, call: &Call| {
        let mut states = states.clone();
        let last = states.last().expect("the initial one is there");
        states.push(apply(last, call)?);
        Some(states)
    };
    orders(operations, &vec![initial.clone()], &admits)
}

/// The smallest k for which some order explains a register whose reads return one of the k latest values.
pub(crate) fn smallest_k(operations: &[Timed], initial: &Value) -> u64 {
    let explains = |k: &usize| {
        let admits = |written: &Vec<Value>, call: &Call| match call {
            Call::Write(value) => Some([&**written, std::slice::from_ref(value)].concat()),
            Call::Read(Some(value)) => {
                let latest = written.iter().rev().take(*k);
                latest
                    .into_iter()
                    .any(|one| one == value)
                    .then(|| written.clone())
            }
            Call::Read(None) => Some(written.clone()),
            _ => panic!("a register is written and read"),
        };
        orders(operations, &vec![initial.clone()], &admits)
    };
    (1..=operations.len() + 1)
        .find(explains)
        .expect("all values are enough") as u64
}

/// What a call makes of what was there, from the first value on; none: it cannot come next.
type Admits<'a> = dyn Fn(&Vec<Value>, &Call) -> Option<Vec<Value>> + 'a;

/// Tries all orders that agree with the times.
fn orders(left: &[Timed], state: &Vec<Value>, admits: &Admits<'_>) -> bool {
    if left.iter().all(|operation| operation.end.is_none()) {
        return true;
    }
    let first_end = left.iter().filter_map(|operation| operation.end).min();
    let may_be_next = |operation: &Timed| first_end.is_none_or(|end| operation.start <= end);
    (0..left.len())
        .filter(|place| may_be_next(&left[*place]))
        .any(|place| {
            admits(state, &left[place].call).is_some_and(|state| {
                let rest = [&left[..place], &left[place + 1..]].concat();
                orders(&rest, &state, admits)
            })
        })
}

/// The operation at whose return there is no order any more for what had returned.
pub(crate) fn failing(recording: &Recording, initial: &Value) -> Option<usize> {
    let mut returns: Vec<usize> = (0..recording.operations.len()).collect();
    returns.retain(|index| recording.operations[*index].outcome == Outcome::Ok);
    returns.sort_by_key(|index| (recording.operations[*index].end, *index));
    let is_explained = |count: usize| {
        let mut prefix = recording.clone();
        for index in &returns[count..] {
            prefix.operations[*index].outcome = Outcome::Unknown;
        }
        is_linearizable(&timed(&prefix), initial)
    };
    (1..=returns.len())
        .find(|count| !is_explained(*count))
        .map(|count| returns[count - 1])
}

/// Whether a prefix has all that returned before an operation did, and its order explains it.
pub(crate) fn is_prefix(
    recording: &Recording,
    initial: &Value,
    prefix: &[usize],
    failing: usize,
) -> bool {
    let of = |index: usize| &recording.operations[index];
    let returned = |index: usize| (of(index).end, index);
    let tells =
        |index: usize| of(index).outcome == Outcome::Ok && of(index).call != Call::Read(None);
    let mut needed = (0..recording.operations.len())
        .filter(|index| tells(*index) && returned(*index) < returned(failing));
    let is_whole = needed.all(|index| prefix.contains(&index));
    let in_order = prefix.iter().enumerate().all(|(place, index)| {
        prefix[..place]
            .iter()
            .all(|before| before != index && of(*before).start <= of(*index).end)
    });
    let mut state = Some(initial.clone());
    for index in prefix {
        state = state.and_then(|state| apply(&state, &of(*index).call));
    }
    is_whole && in_order && state.is_some()
}

/// By how much all operations have to be stretched to be explained: half of it at each end.
pub(crate) fn gamma(operations: &[Timed], initial: &Value) -> u64 {
    least(|gamma| {
        let stretched: Vec<Timed> = operations
            .iter()
            .map(|operation| Timed {
                call: operation.call.clone(),
                start: 2 * operation.start - gamma,
                end: operation.end.map(|end| 2 * end + gamma),
            })
            .collect();
        is_linearizable(&stretched, initial)
    })
}

/// By how much earlier all reads would have to have started to be explained.
pub(crate) fn delta(operations: &[Timed], initial: &Value) -> u64 {
    least(|delta| {
        let mut moved = operations.to_vec();
        for operation in &mut moved {
            if let Call::Read(_) = operation.call {
                operation.start -= delta;
            }
        }
        is_linearizable(&moved, initial)
    })
}

fn least(explains: impl Fn(i64) -> bool) -> u64 {
    (0..1000)
        .find(|time| explains(*time))
        .expect("all times are shorter") as u64
}

/// Γ value by value and Δ, from all pairs of zones: of each value its write, all its operations, and χ with all others.
pub(crate) fn by_pairs(operations: &[Timed], initial: &Value) -> (Vec<i64>, i64) {
    struct Cluster {
        write: i64,
        f: i64,
        s: i64,
    }
    let mut clusters = Vec::new();
    let writes = operations
        .iter()
        .filter_map(|operation| match &operation.call {
            Call::Write(value) => Some((value, operation.start, operation.end)),
            _ => None,
        });
    for (value, write, end) in [(initial, BEFORE_ALL, Some(BEFORE_ALL))]
        .into_iter()
        .chain(writes)
    {
        let is_read = |operation: &&Timed| operation.call == Call::Read(Some(value.clone()));
        let reads = || operations.iter().filter(is_read);
        let f = reads().filter_map(|read| read.end).chain(end).min();
        let s = reads().map(|read| read.start).chain([write]).max();
        if let (Some(f), Some(s)) = (f, s) {
            clusters.push(Cluster { write, f, s });
        }
    }
    let mut gammas = Vec::new();
    let mut greatest = 0;
    for (place, a) in clusters.iter().enumerate() {
        let mut gamma = 0;
        for b in clusters
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != place)
            .map(|(_, b)| b)
        {
            let is_forward = a.f < a.s || b.f < b.s;
            if a.f < b.s && b.f < a.s && is_forward {
                gamma = gamma.max((a.s - b.f).min(b.s - a.f));
                let choices = [(a.write <= b.f, a.s - b.f), (b.write <= a.f, b.s - a.f)];
                let delta = choices
                    .into_iter()
                    .filter(|(may, _)| *may)
                    .map(|(_, delta)| delta)
                    .min();
                greatest = greatest.max(delta.expect("one of the two may be moved"));
            }
        }
        if gamma > 0 {
            gammas.push(gamma);
        }
    }
    gammas.sort_unstable();
    (gammas, greatest)
}

const BEFORE_ALL: i64 = -1_000_000;
