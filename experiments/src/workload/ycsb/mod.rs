//! YCSB's core workload: its presets A to F, its property files, or its properties one by one.
//!
//! What a plan says goes over what its preset or file says, and that over the defaults of YCSB. Popularity, keys and
//! lengths are drawn as in YCSB. It departs from YCSB where a store of versions under a strategy does:
//! - The load is open: `client` says at what rate operations begin, and the plan's `duration` when they end.
//! - An update is written as `client.update` says: on top of what was just read, so that siblings come to an end. YCSB's
//!   own overwrites blindly; say `update = "blind"` for that. A read-modify-write reads first in any case.
//! - A record is one value, read and written whole; a scan is a read of each of its records, by number, at once.
//! - An inserted record can be asked for from the moment its insert begins: to meet it too early is what is measured.
//!
//! Reference: Cooper et al., "Benchmarking cloud serving systems with YCSB", SoCC 2010, §4 and §5.

mod preset;
mod properties;

use super::{Build, check_records, check_share};
use crate::request::{
    Exponential, Hotspot, InsertOrder, Latest, Length, Mix, Popularity, RecordNames, Scrambled,
    Sequential, Shares, Uniform,
};
use preset::Preset;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, from_value};
use tidemark_proto::registry::{Entry, OptionError, Options, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "ycsb",
    about: "YCSB's core workload: presets A to F, its property files, or its properties one by one",
    promises: &[],
    resolve: |options: &Options| resolve::<YcsbOptions>(&laid_over(options)?),
    schema: schema::<YcsbOptions>,
    build: |options: &Options| {
        let options: YcsbOptions = parse(&laid_over(options)?)?;
        options.check()?;
        Ok(Box::new(options.mix()?))
    },
};

/// YCSB's properties. A default holds where neither the plan nor its preset or file says anything.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct YcsbOptions {
    /// One of YCSB's six workloads, in place of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preset: Option<Preset>,
    /// A property file of YCSB, looked for beside the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// How many records there are; they are written in the first half of the warm-up. A preset has 1000.
    records: u64,
    /// The share of operations that read a record. The five shares sum to 1.
    #[serde(default = "mostly")]
    read: f64,
    /// The share that writes a record, as `client.update` says.
    #[serde(default = "rarely")]
    update: f64,
    /// The share that writes a new record.
    #[serde(default)]
    insert: f64,
    /// The share that reads consecutive records, each for itself. One scan is many reads: mind the load.
    #[serde(default)]
    scan: f64,
    /// The share that reads a record, then writes it.
    #[serde(default)]
    read_modify_write: f64,
    /// How popular each record is.
    #[serde(default)]
    request_distribution: RequestDistribution,
    /// Over how many records a scan goes; it ends at the last one.
    #[serde(default = "scan_length")]
    scan_length: Length,
    /// A value's length in bytes: all fields of a record.
    #[serde(default = "record_length")]
    value_bytes: Length,
    /// Of `hotspot`: the share of the records that is hot.
    #[serde(default = "fifth")]
    hotspot_data_fraction: f64,
    /// Of `hotspot`: the share of the operations that goes to hot records.
    #[serde(default = "four_fifths")]
    hotspot_operation_fraction: f64,
    /// Of `exponential`: the percentage of the operations that goes to the newest records.
    #[serde(default = "ninety_five")]
    exponential_percentile: f64,
    /// Of `exponential`: the share of the records that is meant by the newest.
    #[serde(default = "six_sevenths")]
    exponential_fraction: f64,
    /// Which number a key has.
    #[serde(default)]
    insert_order: InsertOrder,
    /// To how many digits a key's number is filled up.
    #[serde(default = "one")]
    zero_padding: usize,
    /// What the file asks for and is not done; filled in when the file is read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unhonoured: Vec<String>,
}

/// How popular each record is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum RequestDistribution {
    /// All as popular.
    #[default]
    Uniform,
    /// A few very popular ones, spread over all.
    Zipfian,
    /// The newest is the most popular.
    Latest,
    /// A share of the records takes a share of the operations.
    Hotspot,
    /// One after the other.
    Sequential,
    /// The newer the more popular, by a constant factor.
    Exponential,
}

/// The options over those of the preset or the file that they name, which are then named no more.
fn laid_over(options: &Options) -> Result<Options, OptionError> {
    let mut below = match (options.get("preset"), options.get("file")) {
        (Some(_), Some(_)) => {
            return Err(OptionError::of(
                "file",
                "file and preset are both given; choose one",
            ));
        }
        (Some(preset), None) => from_value::<Preset>(preset.clone())
            .map_err(|error| OptionError::of("preset", format!("preset: {error}")))?
            .options(),
        (None, Some(Value::String(file))) => properties::read(file)?,
        (None, Some(other)) => {
            return Err(OptionError::of(
                "file",
                format!("file is {other}, but must be the name of one"),
            ));
        }
        (None, None) => Options::new(),
    };
    let own = options
        .iter()
        .filter(|(name, _)| !["preset", "file"].contains(&name.as_str()));
    below.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    if !below.contains_key("records") {
        let reason = "records is missing; say how many there are, or choose a preset (a to f) or a file that says it";
        return Err(OptionError::of("records", reason));
    }
    Ok(below)
}

impl YcsbOptions {
    fn check(&self) -> Result<(), OptionError> {
        check_records("records", self.records)?;
        let shares = [
            ("read", self.read),
            ("update", self.update),
            ("insert", self.insert),
            ("scan", self.scan),
            ("read_modify_write", self.read_modify_write),
        ];
        for (name, share) in shares {
            check_share(name, share)?;
        }
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        if (sum - 1.0).abs() > 1e-6 {
            let said = shares
                .map(|(name, share)| format!("{name} {share}"))
                .join(", ");
            let reason =
                format!("the shares of operations sum to {sum}, but must sum to 1: {said}");
            return Err(OptionError::new(reason));
        }
        check_share("hotspot_data_fraction", self.hotspot_data_fraction)?;
        check_share(
            "hotspot_operation_fraction",
            self.hotspot_operation_fraction,
        )?;
        if self.scan_length.least() == 0 {
            return Err(OptionError::of(
                "scan_length",
                "scan_length may be 0; choose 1 or more",
            ));
        }
        if self.scan_length.greatest() > MOST_SCANNED {
            let reason = format!(
                "scan_length may be {}; at most {MOST_SCANNED}",
                self.scan_length.greatest()
            );
            return Err(OptionError::of("scan_length", reason));
        }
        if self.zero_padding > MOST_DIGITS {
            let reason = format!(
                "zero_padding is {}; at most {MOST_DIGITS}",
                self.zero_padding
            );
            return Err(OptionError::of("zero_padding", reason));
        }
        Ok(())
    }

    fn mix(self) -> Result<Mix, OptionError> {
        Ok(Mix {
            popularity: self.popularity()?,
            records: self.records,
            names: RecordNames::Ycsb(self.insert_order, self.zero_padding),
            shares: Shares {
                read: self.read,
                update: self.update,
                insert: self.insert,
                scan: self.scan,
                read_modify_write: self.read_modify_write,
                delete: 0.0,
            },
            scan_length: self.scan_length,
            value_bytes: self.value_bytes,
        })
    }

    fn popularity(&self) -> Result<Box<dyn Popularity>, OptionError> {
        let records = self.records;
        Ok(match self.request_distribution {
            RequestDistribution::Uniform => Box::new(Uniform),
            RequestDistribution::Zipfian => Box::new(Scrambled::new(records)),
            RequestDistribution::Latest => Box::new(Latest::new(records)),
            RequestDistribution::Sequential => Box::new(Sequential::default()),
            RequestDistribution::Hotspot => {
                let fraction = self.hotspot_data_fraction;
                let hot = (records as f64 * fraction) as u64;
                if !(1..records).contains(&hot) {
                    let reason = format!(
                        "hotspot_data_fraction is {fraction}: of {records} records {hot} would be hot; choose one that leaves some hot and some not"
                    );
                    return Err(OptionError::of("hotspot_data_fraction", reason));
                }
                let share = self.hotspot_operation_fraction;
                Box::new(Hotspot { hot, share })
            }
            RequestDistribution::Exponential => {
                let (percentile, fraction) =
                    (self.exponential_percentile, self.exponential_fraction);
                if !(percentile > 0.0 && percentile < 100.0) {
                    let reason = format!(
                        "exponential_percentile is {percentile}; choose one above 0 and below 100"
                    );
                    return Err(OptionError::of("exponential_percentile", reason));
                }
                if !(fraction.is_finite() && fraction > 0.0) {
                    let reason = format!("exponential_fraction is {fraction}; choose one above 0");
                    return Err(OptionError::of("exponential_fraction", reason));
                }
                Box::new(Exponential::new(
                    percentile / 100.0,
                    records as f64 * fraction,
                ))
            }
        })
    }
}

fn mostly() -> f64 {
    0.95
}

fn rarely() -> f64 {
    0.05
}

fn scan_length() -> Length {
    Length::uniform(1, 1000)
}

fn record_length() -> Length {
    Length::constant(1000)
}

fn fifth() -> f64 {
    0.2
}

fn four_fifths() -> f64 {
    0.8
}

fn ninety_five() -> f64 {
    95.0
}

fn six_sevenths() -> f64 {
    0.857_142_857_1
}

fn one() -> usize {
    1
}

const MOST_SCANNED: u64 = 10_000;
const MOST_DIGITS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn options(value: Value) -> Options {
        let Value::Object(options) = value else {
            panic!("{value} is no table");
        };
        options
    }

    fn resolved(value: Value) -> Options {
        (ENTRY.resolve)(&options(value)).unwrap()
    }

    fn file(name: &str) -> String {
        format!("{}/tests/ycsb/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    /// If this fails, a preset is not the workload that YCSB publishes under its letter.
    #[test]
    fn a_preset_is_its_file() {
        for letter in ["a", "b", "c", "d", "e", "f"] {
            let preset = resolved(json!({ "preset": letter }));
            let mut read = resolved(json!({ "file": file(&format!("workload{letter}")) }));
            let unhonoured = read.remove("unhonoured");
            assert_eq!(
                unhonoured,
                Some(json!([
                    "operationcount = 1000: the load ends with the plan's duration"
                ]))
            );
            assert_eq!(preset, read, "{letter}");
            assert_eq!(
                resolved(Value::Object(read)),
                preset,
                "{letter} resolves again"
            );
        }
    }

    #[test]
    fn a_plan_s_own_options_go_over_its_preset_and_its_file() {
        for base in [
            json!({ "preset": "a" }),
            json!({ "file": file("workloada") }),
        ] {
            let mut changed = options(base);
            changed.extend(options(json!({ "read": 0.9, "update": 0.1, "records": 5 })));
            let resolved = resolved(Value::Object(changed));
            for (name, value) in [
                ("read", json!(0.9)),
                ("update", json!(0.1)),
                ("records", json!(5)),
            ] {
                assert_eq!(resolved[name], value);
            }
            assert_eq!(resolved["request_distribution"], json!("zipfian"));
        }
    }

    #[test]
    fn what_makes_no_workload_is_refused_with_the_option() {
        for (value, option, parts) in [
            (json!({}), "records", &["records", "preset", "file"][..]),
            (json!({ "preset": "a", "file": "x" }), "file", &["preset"]),
            (json!({ "preset": "g" }), "preset", &["`g`", "`f`"]),
            (json!({ "file": 3 }), "file", &["3"]),
            (json!({ "file": "no/such" }), "file", &["no/such"]),
            (
                json!({ "preset": "a", "read": 0.6 }),
                "",
                &["1.1", "read 0.6", "update 0.5"],
            ),
            (
                json!({ "preset": "a", "read": 1.6 }),
                "read",
                &["1.6", "0 to 1"],
            ),
            (
                json!({ "preset": "a", "records": 0 }),
                "records",
                &["0", "1 to"],
            ),
            (
                json!({ "preset": "a", "request_distribution": "zipf" }),
                "request_distribution",
                &["`zipf`", "`zipfian`"],
            ),
            (
                json!({ "preset": "e", "scan_length": 0 }),
                "scan_length",
                &["0", "1 or more"],
            ),
            (
                json!({ "preset": "e", "scan_length": 20_000 }),
                "scan_length",
                &["20000", "10000"],
            ),
            (
                json!({ "records": 4, "request_distribution": "hotspot" }),
                "hotspot_data_fraction",
                &["0.2", "4", "0 would"],
            ),
            (
                json!({ "records": 4, "request_distribution": "exponential", "exponential_percentile": 100 }),
                "exponential_percentile",
                &["100"],
            ),
        ] {
            let built = (ENTRY.resolve)(&options(value.clone()))
                .and_then(|all| (ENTRY.build)(&all).map(|_| ()));
            let error = built.expect_err(&value.to_string());
            assert!(
                error.option.is_none_or(|named| named == option),
                "{value}: {}",
                error.reason
            );
            for part in parts {
                assert!(
                    error.reason.contains(part),
                    "{value}: {part} is not in {}",
                    error.reason
                );
            }
        }
    }
}
