//! Brings the events of a run's files into the order of their times.

use super::read::READERS;
use super::row::{HistoryError, Rows};
use super::{COLUMNS, FILES};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::io::Read;
use std::time::Duration;
use tidemark_proto::event::Event;

/// The events of a run's files, by their times.
///
/// Sources report in batches, so the lines of a file are only nearly in order. An event waits until every file has been
/// read ten seconds past it; one that is later still is given as it comes, and counted. A fault may be written down when it
/// ends, however long it was: the file of the faults, which is short, is read before all others.
pub struct Events<R> {
    tables: Vec<Table<R>>,
    waiting: BinaryHeap<Reverse<Waiting>>,
    given: Duration,
    late: u64,
    truncated: u64,
}

impl<R: Read> Events<R> {
    /// The events in files that [`Tables`](super::Tables) wrote, in the order of [`FILES`].
    ///
    /// # Errors
    /// A file cannot be read, or is no such table.
    pub fn new(files: [R; FILES.len()]) -> Result<Self, HistoryError> {
        let tables = files.into_iter().enumerate().map(|(index, file)| {
            Ok(Table {
                index,
                rows: Rows::new(file, FILES[index], COLUMNS[index])?,
                reached: Duration::ZERO,
            })
        });
        Ok(Self {
            tables: tables.collect::<Result<_, _>>()?,
            waiting: BinaryHeap::new(),
            given: Duration::ZERO,
            late: 0,
            truncated: 0,
        })
    }

    /// How many last lines were cut short, in the files that have been read to their end.
    pub fn truncated(&self) -> u64 {
        self.truncated
    }

    /// How many events came too late to be put in order, so far.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Reads on in the table that is furthest behind; one that is at its end is closed.
    fn read(&mut self, furthest_behind: usize) -> Result<(), HistoryError> {
        let table = &mut self.tables[furthest_behind];
        let Some(mut row) = table.rows.next()? else {
            self.truncated += u64::from(table.rows.is_truncated());
            self.tables.remove(furthest_behind);
            return Ok(());
        };
        let (line, event) = (row.line(), READERS[table.index](&mut row)?);
        let at = event.at();
        if table.index != FAULTS {
            table.reached = table.reached.max(at);
        }
        self.waiting.push(Reverse(Waiting {
            order: (at, RANK[table.index], line),
            event,
        }));
        Ok(())
    }
}

impl<R: Read> Iterator for Events<R> {
    type Item = Result<Event, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((index, behind)) =
            (self.tables.iter().enumerate()).min_by_key(|(_, table)| table.reached)
        {
            match self.waiting.peek() {
                Some(Reverse(first)) if first.order.0 + WINDOW < behind.reached => break,
                _ => {
                    if let Err(error) = self.read(index) {
                        return Some(Err(error));
                    }
                }
            }
        }
        let Reverse(Waiting { order, event }) = self.waiting.pop()?;
        let is_timeless = matches!(event, Event::Placed { .. });
        self.late += u64::from(order.0 < self.given && !is_timeless);
        self.given = self.given.max(order.0);
        Some(Ok(event))
    }
}

struct Table<R> {
    /// Its place in [`FILES`].
    index: usize,
    rows: Rows<R>,
    /// The latest time read from it; of the faults' nothing, so that it is read first.
    reached: Duration,
}

/// An event that waits for those before it.
struct Waiting {
    /// Its time, its table's rank and its line.
    order: (Duration, u8, u64),
    event: Event,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order.cmp(&other.order)
    }
}

/// The place of the faults in [`FILES`].
const FAULTS: usize = 3;
/// How long an event waits for those before it.
const WINDOW: Duration = Duration::from_secs(10);
/// At one time: faults, then operations' ends (one may begin because another has ended), then what nodes saw, then
/// fates, then what nodes did for the cluster's sake; in the order of [`FILES`].
const RANK: [u8; FILES.len()] = [1, 2, 3, 0, 4];
