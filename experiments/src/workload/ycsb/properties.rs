//! YCSB's property files in our words. What is not honoured is named.

use java_properties::{LineContent, PropertiesIter};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tidemark_proto::registry::{OptionError, Options};

/// The options that a property file says; what it does not say is left out, but for the shares of operations.
pub(super) fn read(file: &str) -> Result<Options, OptionError> {
    let bytes = std::fs::read(file)
        .map_err(|error| OptionError::of("file", format!("{file} cannot be read: {error}")))?;
    Properties::parse(file, &bytes)?.options()
}

/// What a file says and nobody has taken yet.
struct Properties<'a> {
    file: &'a str,
    /// Each property with its line and its value; if it is there twice, the last.
    values: BTreeMap<String, (usize, String)>,
    unhonoured: Vec<String>,
}

/// A property's value, or what there is to choose from.
type Reading<T> = Result<T, String>;

impl<'a> Properties<'a> {
    fn parse(file: &'a str, bytes: &[u8]) -> Result<Self, OptionError> {
        let mut values = BTreeMap::new();
        for line in PropertiesIter::new(bytes) {
            let line = line.map_err(|error| {
                let number = error.line_number().unwrap_or_default();
                OptionError::of("file", format!("{file}:{number}: {error}"))
            })?;
            let number = line.line_number();
            if let LineContent::KVPair(property, value) = line.consume_content() {
                // Java keeps blanks at the end, and YCSB then takes no such number.
                values.insert(property, (number, value.trim().to_owned()));
            }
        }
        Ok(Self {
            file,
            values,
            unhonoured: Vec::new(),
        })
    }

    fn options(mut self) -> Result<Options, OptionError> {
        self.take("workload", |class| match class.rsplit('.').next() {
            Some("CoreWorkload") => Ok(()),
            _ => Err("choose site.ycsb.workloads.CoreWorkload".to_owned()),
        })?;
        let mut options = Options::new();
        for (property, option, reading) in PLAIN {
            let value = self.take(property, reading)?;
            options.extend(value.map(|value| ((*option).to_owned(), value)));
        }
        for (share, (_, option, _)) in self.shares()?.into_iter().zip(SHARES) {
            options.insert(option.to_owned(), json!(share));
        }
        let value_bytes = self.value_bytes()?;
        options.extend(value_bytes.map(|length| ("value_bytes".to_owned(), length)));
        let scan_length = self.scan_length()?;
        options.extend(scan_length.map(|length| ("scan_length".to_owned(), length)));
        let unhonoured = self.unhonoured();
        if !unhonoured.is_empty() {
            options.insert("unhonoured".to_owned(), json!(unhonoured));
        }
        Ok(options)
    }

    /// A property that is honoured.
    fn take<T>(
        &mut self,
        property: &str,
        reading: impl FnOnce(&str) -> Reading<T>,
    ) -> Result<Option<T>, OptionError> {
        let Some((line, value)) = self.values.remove(property) else {
            return Ok(None);
        };
        reading(&value).map(Some).map_err(|why| {
            let file = self.file;
            OptionError::of(
                "file",
                format!("{file}:{line}: {property} is {value:?}; {why}"),
            )
        })
    }

    /// The shares of operations. As in YCSB, each is a part of their sum, whatever that is.
    fn shares(&mut self) -> Result<[f64; 5], OptionError> {
        let mut shares = [0.0; 5];
        for (share, (property, _, default)) in shares.iter_mut().zip(SHARES) {
            *share = self.take(property, not_negative)?.unwrap_or(default);
        }
        let sum: f64 = shares.iter().sum();
        if sum == 0.0 {
            let reason = format!("{}: the proportions of operations are all 0", self.file);
            return Err(OptionError::of("file", reason));
        }
        if (sum - 1.0).abs() > 1e-9 {
            let said = SHARES.iter().zip(shares);
            let said = said.map(|((property, _, _), share)| format!("{property} {share}"));
            self.unhonoured.push(format!(
                "the proportions sum to {sum}, and are divided by that, as YCSB does ({})",
                said.collect::<Vec<_>>().join(", ")
            ));
            shares = shares.map(|share| share / sum);
        }
        Ok(shares)
    }

    fn value_bytes(&mut self) -> Result<Option<Value>, OptionError> {
        let count = self.take("fieldcount", positive)?;
        let least = self.take("minfieldlength", whole)?;
        let greatest = self.take("fieldlength", |text| at_least(least, text))?;
        let law = self.take("fieldlengthdistribution", |text| {
            one_of(&["constant", "uniform", "zipfian"], text)
        })?;
        if (count, greatest, &law) == (None, None, &None) {
            return Ok(None);
        }
        let (count, greatest) = (count.unwrap_or(10), greatest.unwrap_or(100));
        Ok(Some(match law.as_deref() {
            None | Some("constant") => json!(count.saturating_mul(greatest)),
            Some(law) => {
                let bounds = json!({ "from": least.unwrap_or(1), "to": greatest });
                json!({ "fields": { "count": count, "length": { law: bounds } } })
            }
        }))
    }

    fn scan_length(&mut self) -> Result<Option<Value>, OptionError> {
        let least = self.take("minscanlength", positive)?;
        let greatest = self.take("maxscanlength", |text| at_least(least, text))?;
        let law = self.take("scanlengthdistribution", |text| {
            one_of(&["uniform", "zipfian"], text)
        })?;
        if (least, greatest, &law) == (None, None, &None) {
            return Ok(None);
        }
        let bounds = json!({ "from": least.unwrap_or(1), "to": greatest.unwrap_or(1000) });
        Ok(Some(json!({ law.unwrap_or("uniform".to_owned()): bounds })))
    }

    /// What is left and asks for something else than what is done anyway, in the file's order.
    fn unhonoured(mut self) -> Vec<String> {
        for (property, value) in ANYWAY {
            if self
                .values
                .get(*property)
                .is_some_and(|(_, said)| said == value)
            {
                self.values.remove(*property);
            }
        }
        let mut left: Vec<_> = self.values.into_iter().collect();
        left.sort_by_key(|(_, (line, _))| *line);
        let why = |property: &str| {
            let known = INSTEAD
                .iter()
                .find(|(start, _)| property.starts_with(start));
            known.map_or("not a property of the core workload", |(_, why)| *why)
        };
        let left = left
            .iter()
            .map(|(property, (_, value))| format!("{property} = {value}: {}", why(property)));
        self.unhonoured.extend(left);
        self.unhonoured
    }
}

fn whole(text: &str) -> Reading<u64> {
    text.parse().map_err(|_| "choose a whole number".to_owned())
}

fn positive(text: &str) -> Reading<u64> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "choose a whole number above 0".to_owned())
}

fn at_least(least: Option<u64>, text: &str) -> Reading<u64> {
    let least = least.unwrap_or_default();
    let number = text.parse().ok().filter(|number| *number >= least);
    number.ok_or_else(|| format!("choose a whole number, {least} or more"))
}

fn not_negative(text: &str) -> Reading<f64> {
    let number = text
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "choose a number, 0 or more".to_owned())
}

fn one_of(choices: &[&str], text: &str) -> Reading<String> {
    if choices.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("choose one of: {}", choices.join(", ")))
}

/// A property, our option, and how its value is read.
type Plain = (&'static str, &'static str, fn(&str) -> Reading<Value>);

const PLAIN: &[Plain] = &[
    ("recordcount", "records", |text| {
        positive(text).map(Value::from)
    }),
    ("requestdistribution", "request_distribution", |text| {
        let choices = [
            "uniform",
            "zipfian",
            "latest",
            "hotspot",
            "sequential",
            "exponential",
        ];
        one_of(&choices, text).map(Value::from)
    }),
    ("insertorder", "insert_order", |text| {
        one_of(&["hashed", "ordered"], text).map(Value::from)
    }),
    ("zeropadding", "zero_padding", |text| {
        whole(text).map(Value::from)
    }),
    ("hotspotdatafraction", "hotspot_data_fraction", |text| {
        not_negative(text).map(Value::from)
    }),
    ("hotspotopnfraction", "hotspot_operation_fraction", |text| {
        not_negative(text).map(Value::from)
    }),
    ("exponential.percentile", "exponential_percentile", |text| {
        not_negative(text).map(Value::from)
    }),
    ("exponential.frac", "exponential_fraction", |text| {
        not_negative(text).map(Value::from)
    }),
];
/// A property, our option, and YCSB's default.
const SHARES: [(&str, &str, f64); 5] = [
    ("readproportion", "read", 0.95),
    ("updateproportion", "update", 0.05),
    ("insertproportion", "insert", 0.0),
    ("scanproportion", "scan", 0.0),
    ("readmodifywriteproportion", "read_modify_write", 0.0),
];
/// What is done whether a file asks for it or not.
const ANYWAY: &[(&str, &str)] = &[
    ("dataintegrity", "false"),
    ("insertstart", "0"),
    ("readallfields", "true"),
    ("readallfieldsbyname", "false"),
    ("writeallfields", "true"),
];
/// How properties begin that are not honoured, and what holds in their place.
const INSTEAD: &[(&str, &str)] = &[
    ("operationcount", "the load ends with the plan's duration"),
    ("maxexecutiontime", "the load ends with the plan's duration"),
    (
        "threadcount",
        "client.count says how many clients there are",
    ),
    (
        "target",
        "client.rate says how many operations begin in a second",
    ),
    ("insertstart", "all records are written before the load"),
    ("insertcount", "all records are written before the load"),
    (
        "core_workload_insertion_retry",
        "client.retries says how often an operation is sent again",
    ),
    (
        "readallfields",
        "a record is one value, which is read whole",
    ),
    (
        "writeallfields",
        "a record is one value, which is written whole",
    ),
    ("field", "a record is one value"),
    ("table", "there are no tables"),
    ("columnfamily", "there are no tables"),
    (
        "dataintegrity",
        "a value names its writer, which is checked always",
    ),
    (
        "measurement",
        "every operation is kept, and the report has histograms",
    ),
    (
        "histogram",
        "every operation is kept, and the report has histograms",
    ),
    (
        "hdrhistogram",
        "every operation is kept, and the report has histograms",
    ),
    (
        "timeseries",
        "every operation is kept, and the report has histograms",
    ),
    ("reportlatency", "every operation is kept with its status"),
    (
        "latencytrackederrors",
        "every operation is kept with its status",
    ),
    ("status", "the run shows its progress by itself"),
    (
        "exporter",
        "the run's folder has its figures in several forms",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Options, String> {
        let properties = Properties::parse("w", text.as_bytes());
        let options = properties.and_then(Properties::options);
        options.map_err(|error| error.reason)
    }

    /// If this fails, a file that YCSB takes is not read, or read as something else.
    #[test]
    fn the_syntax_is_that_of_java() {
        let text = "# a comment\n  ! another\n\nrecordcount : 7\r\n  request\\\n    distribution=lat\\u0065st\n\
                    zeropadding 3  \nzero\\\n# padding=9\nreadproportion\\\n  =1\nupdateproportion=0\nreadproportion = 0.5\n\
                    insertproportion\t0.5";
        let options = read(text).unwrap();
        for (option, value) in [
            ("records", json!(7)),
            ("request_distribution", json!("latest")),
            ("zero_padding", json!(3)),
            ("read", json!(0.5)),
            ("update", json!(0.0)),
            ("insert", json!(0.5)),
            (
                "unhonoured",
                json!(["zero# = padding=9: not a property of the core workload"]),
            ),
        ] {
            assert_eq!(options.get(option), Some(&value), "{option}");
        }
    }

    #[test]
    fn lengths_are_put_together() {
        for (text, option, value) in [
            ("fieldcount=5", "value_bytes", json!(500)),
            ("fieldlength=7", "value_bytes", json!(70)),
            (
                "fieldlengthdistribution=zipfian\nfieldcount=3\nfieldlength=50\nminfieldlength=4",
                "value_bytes",
                json!({ "fields": { "count": 3, "length": { "zipfian": { "from": 4, "to": 50 } } } }),
            ),
            (
                "fieldlengthdistribution=uniform",
                "value_bytes",
                json!({ "fields": { "count": 10, "length": { "uniform": { "from": 1, "to": 100 } } } }),
            ),
            (
                "scanlengthdistribution=zipfian\nminscanlength=2",
                "scan_length",
                json!({ "zipfian": { "from": 2, "to": 1000 } }),
            ),
            ("", "value_bytes", Value::Null),
            ("", "scan_length", Value::Null),
        ] {
            let options = read(text).unwrap();
            assert_eq!(
                options.get(option).unwrap_or(&Value::Null),
                &value,
                "{text}"
            );
        }
    }

    #[test]
    fn shares_that_do_not_sum_to_1_are_made_to_as_ycsb_does_and_that_is_said() {
        let options = read("readproportion=1").unwrap();
        assert_eq!(options["read"], json!(1.0 / 1.05));
        assert_eq!(options["update"], json!(0.05 / 1.05));
        let said = options["unhonoured"][0].as_str().unwrap();
        assert!(
            said.contains("sum to 1.05") && said.contains("updateproportion 0.05"),
            "{said}"
        );
    }

    #[test]
    fn what_is_not_honoured_is_named_in_the_order_of_the_file() {
        let text = "target=100\nreadallfields=true\nthreadcount=4\nreadallfields=false\nmongodb.url=x\nwriteallfields=true";
        let options = read(text).unwrap();
        let named: Vec<_> = options["unhonoured"].as_array().unwrap().iter().collect();
        let starts = [
            "target = 100: ",
            "threadcount = 4: ",
            "readallfields = false: ",
            "mongodb.url = x: ",
        ];
        assert_eq!(named.len(), starts.len());
        for (note, start) in named.iter().zip(starts) {
            assert!(note.as_str().unwrap().starts_with(start), "{note}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_file_line_value_and_choices() {
        for (text, parts) in [
            (
                "\nrecordcount=many",
                &["w:2: ", "recordcount", "\"many\"", "whole"][..],
            ),
            (
                "recordcount=0",
                &["w:1: ", "recordcount", "\"0\"", "above 0"],
            ),
            (
                "# x\nreadproportion=half",
                &["w:2: ", "\"half\"", "0 or more"],
            ),
            ("readproportion=-1", &["w:1: ", "\"-1\""]),
            ("readproportion=NaN", &["w:1: ", "\"NaN\""]),
            (
                "requestdistribution=zipf",
                &["w:1: ", "\"zipf\"", "zipfian", "latest"],
            ),
            (
                "fieldlengthdistribution=histogram",
                &["w:1: ", "\"histogram\"", "uniform"],
            ),
            (
                "minscanlength=5\nmaxscanlength=4",
                &["w:2: ", "maxscanlength", "\"4\"", "5 or more"],
            ),
            (
                "workload=site.ycsb.workloads.TimeSeriesWorkload",
                &["w:1: ", "TimeSeries", "CoreWorkload"],
            ),
            ("readproportion=0\nupdateproportion=0", &["w: ", "0"]),
            ("a=\\u12", &["w:1: "]),
        ] {
            let error = read(text).expect_err(text);
            for part in parts {
                assert!(error.contains(part), "{text:?}: {part} is not in {error}");
            }
        }
    }
}
