//! Brings the events of a run's files into the order of their times.

use super::read::READERS;
use super::row::{HistoryError, Rows};
use super::{COLUMNS, FILES};
use std::io::Read;
use std::time::Duration;
use std::vec;
use tidemark_proto::event::Event;

/// The events of a run's files, by their times.
///
/// Sources report in batches, so the lines of a file are only nearly in order. An event waits until every file has been
/// read ten seconds past it; one that is later still is given before those that wait, and counted. A fault may be written down
/// when it ends, however long it was: the file of the faults, which is short, is read before all others.
pub struct Events<R> {
    tables: Vec<Table<R>>,
    /// In order up to where they were sorted last: to sort them again takes little more than to look at them.
    waiting: Vec<Waiting>,
    /// Those that need not wait, in order.
    ready: vec::IntoIter<Waiting>,
    /// How far every file has to be read before some need not wait any more.
    wanted: Duration,
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
            waiting: Vec::new(),
            ready: Vec::new().into_iter(),
            wanted: WINDOW + STEP,
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
        self.waiting.push(Waiting {
            order: (at, RANK[table.index], line),
            event,
        });
        Ok(())
    }

    /// What is earlier by a window than what every file has reached need not wait, and nothing once they are at their ends.
    fn make_ready(&mut self, reached: Option<Duration>) {
        let earlier = reached.map(|reached| reached.saturating_sub(WINDOW));
        self.waiting.sort_by_key(|waiting| waiting.order);
        let is_ready = |waiting: &Waiting| earlier.is_none_or(|it| waiting.order.0 < it);
        let rest = self.waiting.partition_point(is_ready);
        let rest = self.waiting.split_off(rest);
        self.ready = std::mem::replace(&mut self.waiting, rest).into_iter();
    }
}

impl<R: Read> Iterator for Events<R> {
    type Item = Result<Event, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.as_slice().is_empty() {
            let tables = self.tables.iter().enumerate();
            match tables.min_by_key(|(_, table)| table.reached) {
                Some((index, behind)) if behind.reached < self.wanted => {
                    if let Err(error) = self.read(index) {
                        return Some(Err(error));
                    }
                }
                Some((_, behind)) => {
                    let reached = behind.reached;
                    self.wanted = reached.saturating_add(STEP);
                    self.make_ready(Some(reached));
                }
                None if self.waiting.is_empty() => return None,
                None => self.make_ready(None),
            }
        }
        let Waiting { order, event } = self.ready.next()?;
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

/// The place of the faults in [`FILES`].
const FAULTS: usize = 3;
/// How long an event waits for those before it.
const WINDOW: Duration = Duration::from_secs(10);
/// How much further every file is read at a time.
const STEP: Duration = Duration::from_secs(1);
/// At one time: faults, then operations' ends (one may begin because another has ended), then what nodes saw, then
/// fates, then what nodes did for the cluster's sake; in the order of [`FILES`].
const RANK: [u8; FILES.len()] = [1, 2, 3, 0, 4];
