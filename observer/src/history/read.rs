//! Reads events out of the rows of the tables.

use super::row::{Column, HistoryError, Row, Rows};
use super::{COLUMNS, FILES};
use std::borrow::Cow;
use std::io::Read;
use std::time::Duration;
use tidemark_proto::event::{Event, FaultSpan, Gap, Invocation, Operation, Passage, Stored};
use tidemark_proto::message::Method;
use tidemark_proto::upkeep::Upkeep;

type Reader = fn(&mut Row<'_>) -> Result<Event, HistoryError>;

/// What reads the rows of each table, in the order of [`super::FILES`].
pub(super) const READERS: [Reader; FILES.len()] = [operation, other, passage, span, upkeep];

const OPS: &[&str] = COLUMNS[0];
const EVENTS: &[&str] = COLUMNS[1];
const FATES: &[&str] = COLUMNS[2];
const FAULTS: &[&str] = COLUMNS[3];
const UPKEEP: &[&str] = COLUMNS[4];

/// The operations of the table of operations, alone.
pub(crate) struct Operations<R>(Rows<R>);

impl<R: Read> Operations<R> {
    /// # Errors
    /// It is no such table.
    pub(crate) fn new(input: R) -> Result<Self, HistoryError> {
        Rows::new(input, FILES[0], COLUMNS[0]).map(Self)
    }

    /// The next operation and its line; none at the end.
    ///
    /// # Errors
    /// A row is none of such a table.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Operation)>, HistoryError> {
        match self.0.next()? {
            Some(mut row) => Ok(Some((row.line(), whole(&mut row)?))),
            None => Ok(None),
        }
    }

    /// That the last row was not cut short, once all have been read.
    pub(crate) fn whole(&self) -> Result<(), HistoryError> {
        self.0.whole()
    }
}

/// The invocations in the table of what else was seen, alone.
pub(crate) struct Invocations<R>(Rows<R>);

impl<R: Read> Invocations<R> {
    /// # Errors
    /// It is no such table.
    pub(crate) fn new(input: R) -> Result<Self, HistoryError> {
        Rows::new(input, FILES[1], COLUMNS[1]).map(Self)
    }

    /// The next invocation and its line; none at the end, of which a row that was cut short is no part.
    ///
    /// # Errors
    /// A row is none of such a table.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Invocation)>, HistoryError> {
        while let Some(mut row) = self.0.next()? {
            let line = row.line();
            if let Event::Invoked(invocation) = other(&mut row)? {
                return Ok(Some((line, *invocation)));
            }
        }
        Ok(None)
    }
}

fn operation(row: &mut Row<'_>) -> Result<Event, HistoryError> {
    Ok(Event::Returned(Box::new(whole(row)?)))
}

fn whole(row: &mut Row<'_>) -> Result<Operation, HistoryError> {
    Ok(Operation {
        id: row.value(const { Column::of(OPS, "operation") })?,
        purpose: row.word(const { Column::of(OPS, "purpose") })?,
        kind: row.word(const { Column::of(OPS, "kind") })?,
        key: row.key(const { Column::of(OPS, "key") })?,
        intended: row.time(const { Column::of(OPS, "intended_ns") })?,
        invoked: row.time(const { Column::of(OPS, "invoked_ns") })?,
        returned: row.time(const { Column::of(OPS, "returned_ns") })?,
        outcome: row.word(const { Column::of(OPS, "outcome") })?,
        status: status(row.text(const { Column::of(OPS, "status") })?),
        asked: row.value(const { Column::of(OPS, "asked") })?,
        coordinator: row.maybe(const { Column::of(OPS, "coordinator") })?,
        answered: row.list(const { Column::of(OPS, "answered") })?,
        versions: row.list(const { Column::of(OPS, "versions") })?,
        context_from: row.maybe(const { Column::of(OPS, "context_from") })?,
        clock: row.clock(const { Column::of(OPS, "clock") })?,
        context_bytes: row.value(const { Column::of(OPS, "context_bytes") })?,
        value_bytes: row.value(const { Column::of(OPS, "value_bytes") })?,
        attempts: row.value(const { Column::of(OPS, "attempts") })?,
    })
}

fn passage(row: &mut Row<'_>) -> Result<Event, HistoryError> {
    Ok(Event::Fate(Box::new(Passage {
        at: row.time(const { Column::of(FATES, "at_ns") })?,
        from: row.value(const { Column::of(FATES, "from") })?,
        to: row.value(const { Column::of(FATES, "to") })?,
        method: method_name(row.text(const { Column::of(FATES, "method") })?),
        direction: row.word(const { Column::of(FATES, "direction") })?,
        k: row.value(const { Column::of(FATES, "k") })?,
        size: row.value(const { Column::of(FATES, "size_bytes") })?,
        verdict: row.word(const { Column::of(FATES, "verdict") })?,
        intended: row.time(const { Column::of(FATES, "intended_ns") })?,
        achieved: row
            .maybe(const { Column::of(FATES, "achieved_ns") })?
            .map(Duration::from_nanos),
        rules: row
            .text(const { Column::of(FATES, "rules") })?
            .to_owned()
            .into(),
        faulty: row.value(const { Column::of(FATES, "faulty") })?,
    })))
}

fn span(row: &mut Row<'_>) -> Result<Event, HistoryError> {
    Ok(Event::Fault(Box::new(FaultSpan {
        name: row.text(const { Column::of(FAULTS, "name") })?.to_owned(),
        kind: row.text(const { Column::of(FAULTS, "kind") })?.to_owned(),
        from: row.time(const { Column::of(FAULTS, "from_ns") })?,
        until: row.time(const { Column::of(FAULTS, "until_ns") })?,
        about: row.text(const { Column::of(FAULTS, "about") })?.to_owned(),
        series: match row
            .maybe(const { Column::of(FAULTS, "series_from_ns") })?
            .map(Duration::from_nanos)
        {
            Some(from) => Some((
                from,
                row.time(const { Column::of(FAULTS, "series_until_ns") })?,
            )),
            None => None,
        },
    })))
}

fn upkeep(row: &mut Row<'_>) -> Result<Event, HistoryError> {
    Ok(Event::Upkeep(Box::new(Upkeep {
        at: row.time(const { Column::of(UPKEEP, "at_ns") })?,
        node: row.value(const { Column::of(UPKEEP, "node") })?,
        chore: row.word(const { Column::of(UPKEEP, "chore") })?,
        peer: row.maybe(const { Column::of(UPKEEP, "peer") })?,
        operation: row.value(const { Column::of(UPKEEP, "operation") })?,
        key: row.key(const { Column::of(UPKEEP, "key") })?,
        count: row.value(const { Column::of(UPKEEP, "count") })?,
        bytes: row.value(const { Column::of(UPKEEP, "bytes") })?,
    })))
}

fn other(row: &mut Row<'_>) -> Result<Event, HistoryError> {
    let at = row.time(const { Column::of(EVENTS, "at_ns") })?;
    Ok(match row.text(const { Column::of(EVENTS, "event") })? {
        "invoked" => Event::Invoked(Box::new(Invocation {
            id: row.value(const { Column::of(EVENTS, "operation") })?,
            purpose: row.word(const { Column::of(EVENTS, "word") })?,
            kind: row.word(const { Column::of(EVENTS, "method") })?,
            key: row.key(const { Column::of(EVENTS, "key") })?,
            intended: row.time(const { Column::of(EVENTS, "intended_ns") })?,
            invoked: at,
            context_from: row.maybe(const { Column::of(EVENTS, "context_from") })?,
        })),
        "placed" => Event::Placed {
            key: row.key(const { Column::of(EVENTS, "key") })?,
            nodes: row.list(const { Column::of(EVENTS, "node") })?,
        },
        "stored" => Event::Stored(Box::new(Stored {
            at,
            node: row.value(const { Column::of(EVENTS, "node") })?,
            operation: row.value(const { Column::of(EVENTS, "operation") })?,
            method: row.value(const { Column::of(EVENTS, "method") })?,
            key: row.key(const { Column::of(EVENTS, "key") })?,
            digest: row.hex(const { Column::of(EVENTS, "digest") })?,
            versions: row.list(const { Column::of(EVENTS, "versions") })?,
        })),
        "sent" => Event::Sent {
            at,
            operation: row.value(const { Column::of(EVENTS, "operation") })?,
            from: row.value(const { Column::of(EVENTS, "node") })?,
            to: row.value(const { Column::of(EVENTS, "to") })?,
            method: row.value(const { Column::of(EVENTS, "method") })?,
            k: row.value(const { Column::of(EVENTS, "k") })?,
        },
        "received" => Event::Received {
            at,
            operation: row.value(const { Column::of(EVENTS, "operation") })?,
            from: row.value(const { Column::of(EVENTS, "node") })?,
            to: row.value(const { Column::of(EVENTS, "to") })?,
            method: row.value(const { Column::of(EVENTS, "method") })?,
        },
        "refused" => Event::Refused {
            at,
            node: row.value(const { Column::of(EVENTS, "node") })?,
            operation: row.value(const { Column::of(EVENTS, "operation") })?,
            reason: row
                .text(const { Column::of(EVENTS, "word") })?
                .to_owned()
                .into(),
        },
        "machine" => Event::Machine {
            at,
            node: row.value(const { Column::of(EVENTS, "node") })?,
            change: row.word(const { Column::of(EVENTS, "word") })?,
        },
        "milestone" => Event::Milestone {
            at,
            milestone: row.word(const { Column::of(EVENTS, "word") })?,
        },
        "gap" => Event::Gap(Box::new(Gap {
            source: row.text(const { Column::of(EVENTS, "word") })?.to_owned(),
            from: row.time(const { Column::of(EVENTS, "intended_ns") })?,
            until: at,
            count: row.value(const { Column::of(EVENTS, "k") })?,
        })),
        other => {
            return Err(row.error(format_args!(
                "there is no event {other:?}; choose one of: invoked, placed, stored, sent, \
                 received, refused, machine, milestone, gap"
            )));
        }
    })
}

/// The name of one of our methods is not stored again for every message.
fn method_name(text: &str) -> Cow<'static, str> {
    match text.parse::<Method>() {
        Ok(method) => Cow::Borrowed(method.name()),
        Err(_) => Cow::Owned(text.to_owned()),
    }
}

/// The status of most operations is not stored again for each.
fn status(text: &str) -> Cow<'static, str> {
    let known = STATUSES.iter().find(|status| **status == text);
    known.map_or_else(
        || Cow::Owned(text.to_owned()),
        |status| Cow::Borrowed(*status),
    )
}

/// The statuses of gRPC that operations end with, the most frequent first.
const STATUSES: [&str; 5] = [
    "OK",
    "DEADLINE_EXCEEDED",
    "UNAVAILABLE",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
];
