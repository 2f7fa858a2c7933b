//! YCSB's six workloads, as its files `workloada` to `workloadf` have them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tidemark_proto::registry::Options;

/// One of YCSB's workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Preset {
    /// Update heavy: half reads, half updates, zipfian.
    A,
    /// Read mostly: 95 % reads, 5 % updates, zipfian.
    B,
    /// Read only, zipfian.
    C,
    /// Read latest: 95 % reads, 5 % inserts, the newest records are the most popular.
    D,
    /// Short ranges: 95 % scans of up to 100 records, 5 % inserts, zipfian.
    E,
    /// Read-modify-write: half reads, half read-modify-writes, zipfian.
    F,
}

impl Preset {
    /// What it says, in our names.
    pub(super) fn options(self) -> Options {
        let (read, update, insert, scan, read_modify_write) = match self {
            Self::A => (0.5, 0.5, 0.0, 0.0, 0.0),
            Self::B => (0.95, 0.05, 0.0, 0.0, 0.0),
            Self::C => (1.0, 0.0, 0.0, 0.0, 0.0),
            Self::D => (0.95, 0.0, 0.05, 0.0, 0.0),
            Self::E => (0.0, 0.0, 0.05, 0.95, 0.0),
            Self::F => (0.5, 0.0, 0.0, 0.0, 0.5),
        };
        let distribution = if self == Self::D { "latest" } else { "zipfian" };
        let longest_scan = if self == Self::E { 100 } else { 1000 };
        let options = [
            ("records", json!(1000)),
            ("read", json!(read)),
            ("update", json!(update)),
            ("insert", json!(insert)),
            ("scan", json!(scan)),
            ("read_modify_write", json!(read_modify_write)),
            ("request_distribution", json!(distribution)),
            (
                "scan_length",
                json!({ "uniform": { "from": 1, "to": longest_scan } }),
            ),
        ];
        let named = options.into_iter();
        named
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}
