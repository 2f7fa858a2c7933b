//! Legs from a table of latencies: columns `w`, `a`, `r` and `s` in milliseconds, one row for each that was seen.
//!
//! A leg is drawn from its own column, whatever stands beside it. A field may be empty: columns may have as many
//! latencies as they like.

use super::LONGEST_MS;
use crate::predict::{Latencies, Legs};
use std::io::Read;
use thiserror::Error;

/// Why a table has no legs, and where.
#[derive(Debug, Error)]
#[error("{line}: {reason}")]
pub struct FileError {
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Reads a table.
pub fn file(table: impl Read) -> Result<Legs, FileError> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(table);
    let headers = reader.headers().map_err(|error| wrong(&error))?.clone();
    if let Some(other) = headers.iter().find(|name| !COLUMNS.contains(name)) {
        let reason = format!("unknown column {other:?}; a table of legs has w, a, r and s");
        return Err(FileError { line: 1, reason });
    }
    let mut places = [0; 4];
    for (place, name) in places.iter_mut().zip(COLUMNS) {
        let mut found = (0..headers.len()).filter(|column| headers[*column] == *name);
        let reason = match (found.next(), found.next()) {
            (Some(column), None) => {
                *place = column;
                continue;
            }
            (Some(_), Some(_)) => format!("there are two columns {name}"),
            (None, _) => format!("there is no column {name}; a table of legs has w, a, r and s"),
        };
        return Err(FileError { line: 1, reason });
    }
    let mut legs: [Vec<f64>; 4] = Default::default();
    for record in reader.records() {
        let record = record.map_err(|error| wrong(&error))?;
        let line = record.position().map_or(0, csv::Position::line);
        for ((leg, place), name) in legs.iter_mut().zip(places).zip(COLUMNS) {
            let text = &record[place];
            if text.is_empty() {
                continue;
            }
            match text.parse::<f64>() {
                Ok(ms) if (0.0..=LONGEST_MS).contains(&ms) => leg.push(ms),
                _ => {
                    let reason = format!(
                        "{name} is {text:?}, but must be milliseconds from 0 to {LONGEST_MS}"
                    );
                    return Err(FileError { line, reason });
                }
            }
        }
    }
    let end = reader.position().line();
    let leg = |place: usize| {
        let leg = Latencies::samples(&legs[place]);
        leg.ok_or_else(|| FileError {
            line: end,
            reason: format!("column {} has no latency", COLUMNS[place]),
        })
    };
    Ok(Legs {
        w: leg(0)?,
        a: leg(1)?,
        r: leg(2)?,
        s: leg(3)?,
        abroad_ms: 0.0,
    })
}

fn wrong(error: &csv::Error) -> FileError {
    let line = error.position().map_or(1, csv::Position::line);
    let reason = match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("there are {len} fields, but {expected_len} columns"),
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8".to_owned(),
        _ => error.to_string(),
    };
    FileError { line, reason }
}

const COLUMNS: [&str; 4] = ["w", "a", "r", "s"];

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, a table's columns are taken for others, or one that is well is refused.
    #[test]
    fn columns_are_legs_by_their_names() {
        let constant = Latencies::constant;
        let legs = file("s, a,r,w\n4,2,3,1\n".as_bytes()).unwrap();
        assert_eq!(
            [legs.w, legs.a, legs.r, legs.s],
            [1.0, 2.0, 3.0, 4.0].map(constant)
        );
        let legs = file("w,a,r,s\n1,2,3,4\n5,,,\n".as_bytes()).unwrap();
        assert_eq!(legs.w, Latencies::samples(&[1.0, 5.0]).unwrap());
        assert_eq!(legs.a, constant(2.0));
    }

    /// If this fails, a table is taken for another, or nobody finds what is wrong with it.
    #[test]
    fn what_is_no_table_of_legs_is_refused_with_its_line() {
        for (text, said) in [
            ("", "1: there is no column w"),
            ("w,a,r\n1,2,3\n", "1: there is no column s"),
            ("w,a,r,s,t\n", "1: unknown column \"t\""),
            ("w,a,r,s,w\n", "1: there are two columns w"),
            ("w,a,r,s\n", "2: column w has no latency"),
            ("w,a,r,s\n1,2,3,4\n1,x,3,4\n", "3: a is \"x\""),
            ("w,a,r,s\n1,2,-3,4\n", "2: r is \"-3\""),
            ("w,a,r,s\n1,2,3,NaN\n", "2: s is \"NaN\""),
            ("w,a,r,s\n1,2,3,inf\n", "2: s is \"inf\""),
            (
                "w,a,r,s\n\n1,2,3,4\n1,2,3\n",
                "4: there are 3 fields, but 4 columns",
            ),
        ] {
            let error = file(text.as_bytes()).expect_err(text).to_string();
            assert!(error.starts_with(said), "{text:?}: {error}");
        }
        let error = file(&b"w,a,r,s\n1,2,3,4\n1,\xff,3,4\n"[..]).expect_err("no text");
        assert_eq!(error.to_string(), "3: it is not UTF-8");
    }
}
