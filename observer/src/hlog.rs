//! Whole distributions of a run in HdrHistogram's log format, so that they can be merged over many runs.

use crate::spread::Distribution;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};
use std::collections::BTreeMap;
use std::time::Duration;

/// That a text is no log of histograms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of {FILE} is no histogram")]
pub struct HlogError {
    line: usize,
}

/// The distributions over one span of time, each with its name.
pub(crate) fn write(
    from: Duration,
    length: Duration,
    distributions: &[(String, Distribution)],
) -> String {
    let (mut text, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment("in nanoseconds; begins and lasts so many seconds of the run")
        .with_max_value_divisor(1e6);
    let mut log = builder
        .begin_log_with(&mut text, &mut serializer)
        .expect(IN_MEMORY);
    for (name, distribution) in distributions {
        let tag = Tag::new(name).expect("names of metrics have no blanks");
        log.write_histogram(distribution.histogram(), from, length, Some(tag))
            .expect(IN_MEMORY);
    }
    String::from_utf8(text).expect("it is base64 and figures")
}

/// The distributions of a log by their names.
pub(crate) fn read(text: &str) -> Result<BTreeMap<String, Histogram<u64>>, HlogError> {
    let mut histograms = BTreeMap::new();
    for (line, entry) in (1..).zip(IntervalLogIterator::new(text.as_bytes())) {
        let Ok(LogEntry::Interval(entry)) = entry else {
            entry.map_err(|_| HlogError { line })?;
            continue;
        };
        let bytes = STANDARD
            .decode(entry.encoded_histogram())
            .map_err(|_| HlogError { line })?;
        let histogram = Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(|_| HlogError { line })?;
        let name = entry
            .tag()
            .map_or_else(String::new, |tag| tag.as_str().to_owned());
        histograms.insert(name, histogram);
    }
    Ok(histograms)
}

/// The file's name.
pub const FILE: &str = "histograms.hlog";
const IN_MEMORY: &str = "memory takes every histogram";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_to_the_last_count() {
        let mut times = Distribution::default();
        for ms in 0..500 {
            times.add(ms * ms * 1_000);
        }
        let second = Duration::from_secs(1);
        let text = write(
            second,
            19 * second,
            &[
                ("a".to_owned(), times.clone()),
                ("none".to_owned(), Distribution::default()),
            ],
        );
        let read = read(&text).unwrap();
        assert_eq!(&read["a"], times.histogram());
        assert_eq!(read["none"].len(), 0);
    }

    #[test]
    fn what_is_no_log_is_refused() {
        assert!(read("Tag=a,1.0,2.0,3.0,nonsense\n").is_err());
        assert!(read("nonsense\n").is_err());
    }
}
