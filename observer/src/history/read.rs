//! Reads events out of the rows of the tables.

use super::row::{HistoryError, Row, Rows};
use super::{COLUMNS, FILES};
use std::borrow::Cow;
use std::io::Read;
use std::time::Duration;
use tidemark_proto::event::{Event, FaultSpan, Invocation, Operation, Passage, Stored};
use tidemark_proto::message::Method;
use tidemark_proto::upkeep::Upkeep;

type Reader = fn(&Row) -> Result<Event, HistoryError>;

/// What reads the rows of each table, in the order of [`super::FILES`].
pub(super) const READERS: [Reader; FILES.len()] = [operation, other, passage, span, upkeep];

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
    /// A row is none of such a table, or the last was cut short.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Operation)>, HistoryError> {
        match self.0.next()? {
            Some(row) => Ok(Some((row.line(), whole(&row)?))),
            None => self.0.whole().map(|()| None),
        }
    }
}

fn operation(row: &Row) -> Result<Event, HistoryError> {
    Ok(Event::Returned(Box::new(whole(row)?)))
}

fn whole(row: &Row) -> Result<Operation, HistoryError> {
    Ok(Operation {
        id: row.value("operation")?,
        purpose: row.word("purpose")?,
        kind: row.word("kind")?,
        key: row.key()?,
        intended: row.time("intended_ns")?,
        invoked: row.time("invoked_ns")?,
        returned: row.time("returned_ns")?,
        outcome: row.word("outcome")?,
        status: row.text("status")?.to_owned().into(),
        asked: row.value("asked")?,
        coordinator: row.maybe("coordinator")?,
        answered: row.list("answered")?,
        versions: row.list("versions")?,
        context_from: row.maybe("context_from")?,
        clock: row.clock()?,
        context_bytes: row.value("context_bytes")?,
        value_bytes: row.value("value_bytes")?,
        attempts: row.value("attempts")?,
    })
}

fn passage(row: &Row) -> Result<Event, HistoryError> {
    Ok(Event::Fate(Box::new(Passage {
        at: row.time("at_ns")?,
        from: row.value("from")?,
        to: row.value("to")?,
        method: method_name(row.text("method")?),
        direction: row.word("direction")?,
        k: row.value("k")?,
        size: row.value("size_bytes")?,
        verdict: row.word("verdict")?,
        intended: row.time("intended_ns")?,
        achieved: row.maybe("achieved_ns")?.map(Duration::from_nanos),
        rules: row.text("rules")?.to_owned().into(),
        faulty: row.value("faulty")?,
    })))
}

fn span(row: &Row) -> Result<Event, HistoryError> {
    Ok(Event::Fault(Box::new(FaultSpan {
        name: row.text("name")?.to_owned(),
        kind: row.text("kind")?.to_owned(),
        from: row.time("from_ns")?,
        until: row.time("until_ns")?,
        about: row.text("about")?.to_owned(),
        series: match row.maybe("series_from_ns")?.map(Duration::from_nanos) {
            Some(from) => Some((from, row.time("series_until_ns")?)),
            None => None,
        },
    })))
}

fn upkeep(row: &Row) -> Result<Event, HistoryError> {
    Ok(Event::Upkeep(Box::new(Upkeep {
        at: row.time("at_ns")?,
        node: row.value("node")?,
        chore: row.word("chore")?,
        peer: row.maybe("peer")?,
        operation: row.value("operation")?,
        key: row.key()?,
        count: row.value("count")?,
        bytes: row.value("bytes")?,
    })))
}

fn other(row: &Row) -> Result<Event, HistoryError> {
    let at = row.time("at_ns")?;
    Ok(match row.text("event")? {
        "invoked" => Event::Invoked(Box::new(Invocation {
            id: row.value("operation")?,
            purpose: row.word("word")?,
            kind: row.word("method")?,
            key: row.key()?,
            intended: row.time("intended_ns")?,
            invoked: at,
            context_from: row.maybe("context_from")?,
        })),
        "placed" => Event::Placed {
            key: row.key()?,
            nodes: row.list("node")?,
        },
        "stored" => Event::Stored(Box::new(Stored {
            at,
            node: row.value("node")?,
            operation: row.value("operation")?,
            method: row.value("method")?,
            key: row.key()?,
            digest: row.hex("digest")?,
            versions: row.list("versions")?,
        })),
        "sent" => Event::Sent {
            at,
            operation: row.value("operation")?,
            from: row.value("node")?,
            to: row.value("to")?,
            method: row.value("method")?,
            k: row.value("k")?,
        },
        "received" => Event::Received {
            at,
            operation: row.value("operation")?,
            from: row.value("node")?,
            to: row.value("to")?,
            method: row.value("method")?,
        },
        "refused" => Event::Refused {
            at,
            node: row.value("node")?,
            operation: row.value("operation")?,
            reason: row.text("word")?.to_owned().into(),
        },
        "machine" => Event::Machine {
            at,
            node: row.value("node")?,
            change: row.word("word")?,
        },
        "milestone" => Event::Milestone {
            at,
            milestone: row.word("word")?,
        },
        other => {
            return Err(row.error(format_args!(
                "there is no event {other:?}; choose one of: invoked, placed, stored, sent, \
                 received, refused, machine, milestone"
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
