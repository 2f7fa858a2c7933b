//! The run's files: which event stands in which table, and the events again in the order of their times.
//!
//! Five CSV files hold a run's events; every time is in nanoseconds since the run's epoch. Lists are separated by spaces, an empty
//! cell is none. Names are as in a plan: `n3`, `g1`, `c12`; operations `c3.17`, none `-`. A key is text where that is
//! plain (printable ASCII but space, quote and comma, not beginning with `0x`), otherwise `0x` and its bytes in hex.
//!
//! **`ops.csv`**: one row per client operation that returned.
//! `operation` · `purpose` (load, preload, read-first, reconcile) · `kind` (get, put, delete) · `key` · `intended_ns` when
//! the workload wanted it to start · `invoked_ns` when it did · `returned_ns` · `outcome` (ok, failed, unknown) · `status`
//! of gRPC · `asked` node · `coordinator` · `answered` replicas in their order · `versions` a read returned or a put was told of ·
//! `context_from` the operation whose context it carried · `clock` that came back, as `actor:counter` · `context_bytes` ·
//! `value_bytes` · `attempts`.
//!
//! **`events.csv`**: what else was seen. `at_ns`, then `event` says what the other columns hold:
//!
//! | event | operation | node | to | method | k | key | versions | digest | word | intended_ns | context_from |
//! |---|---|---|---|---|---|---|---|---|---|---|---|
//! | invoked (a write began) | it | | | its kind | | of it | | | purpose | of it | of it |
//! | placed (at 0) | | preference list | | | | of it | | | | | |
//! | stored | that changed it | replica | | that brought it | | of it | now held | of all held, hex | | | |
//! | sent | it serves | sender | receiver | of it | sender's count | | | | | | |
//! | received | it serves | sender | receiver | of it | | | | | | | |
//! | refused | refused | that refused | | | | | | | reason | | |
//! | machine | | changed | | | | | | | change | | |
//! | milestone | | | | | | | | | reached | | |
//! | gap (until then) | | | | | events missing | | | | source | its begin | |
//!
//! **`fates.csv`**: what the network did with a message. `at_ns` · `from` and `to`, sender and receiver · `method` ·
//! `direction` (request, response) · `k` · `size_bytes` · `verdict` (delivered, lost, duplicated, answered, reset) · `intended_ns` the
//! delay asked for · `achieved_ns` the delay had · `rules` that touched it, joined by `+` · `faulty` (a fault's rule among them).
//!
//! **`faults.csv`**: `name` · `kind` · `from_ns` · `until_ns` · `about` whom it concerns · `series_from_ns` and `series_until_ns`
//! of a fault that comes again and again: from when to when it does.
//!
//! **`upkeep.csv`**: what nodes did for the cluster's sake. `at_ns` · `node` · `chore` (believes-up, suspects, hint-kept, swept, …; see
//! [`Chore`](tidemark_proto::upkeep::Chore)) · `peer` it is about · `operation` and `key` it is about, if any · `count` the chore says of what ·
//! `bytes` moved.
//!
//! **`clocks.jsonl`** is there only where a source read another clock than the observer: a line whenever a correction of its times
//! begins, is replaced, or is used for another source. See [`Correction`].
//!
//! A write in `events.csv` that is not in `ops.csv` was in flight when the run ended: its outcome is unknown and it has no
//! finish. A process that is killed leaves a last line cut short: it is dropped and counted.

mod cell;
pub(crate) mod clocks;
mod order;
mod read;
mod row;
mod write;

pub(crate) use cell::{Key, Word};
pub use clocks::{CLOCKS, Correction};
pub use order::Events;
pub(crate) use read::{Invocations, Operations};
pub use row::HistoryError;
pub use write::Tables;

/// The files of a run's history, in the order in which [`Tables`] and [`Events`] take them.
pub const FILES: [&str; 5] = [
    "ops.csv",
    "events.csv",
    "fates.csv",
    "faults.csv",
    "upkeep.csv",
];

const COLUMNS: [&[&str]; FILES.len()] = [
    &[
        "operation",
        "purpose",
        "kind",
        "key",
        "intended_ns",
        "invoked_ns",
        "returned_ns",
        "outcome",
        "status",
        "asked",
        "coordinator",
        "answered",
        "versions",
        "context_from",
        "clock",
        "context_bytes",
        "value_bytes",
        "attempts",
    ],
    &[
        "at_ns",
        "event",
        "operation",
        "node",
        "to",
        "method",
        "k",
        "key",
        "versions",
        "digest",
        "word",
        "intended_ns",
        "context_from",
    ],
    &[
        "at_ns",
        "from",
        "to",
        "method",
        "direction",
        "k",
        "size_bytes",
        "verdict",
        "intended_ns",
        "achieved_ns",
        "rules",
        "faulty",
    ],
    &[
        "name",
        "kind",
        "from_ns",
        "until_ns",
        "about",
        "series_from_ns",
        "series_until_ns",
    ],
    &[
        "at_ns",
        "node",
        "chore",
        "peer",
        "operation",
        "key",
        "count",
        "bytes",
    ],
];
