//! Write, wait t, read: how likely a read meets a write that was acknowledged t ago.
//!
//! Each probe has a key of its own, written long before by all replicas, so that probes do not disturb each other and
//! a stale answer is an old value, never none. t is exactly 0 for a share of the probes, where most of the interest
//! is, and uniform over a range for the others.
//!
//! Reference: Bailis et al., Probabilistically bounded staleness, VLDB 2012, §5.2; Wada et al., CIDR 2011, §3.

use super::{Build, Intent, Workload, check_share};
use crate::request::{Length, unit};
use bytes::Bytes;
use rand_xoshiro::Xoshiro256PlusPlus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidemark_proto::registry::{Entry, Options, parse, resolve, schema};
use tidemark_proto::span::Span;

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "visibility-probe",
    about: "write, wait t, read, each on a key of its own: measures t-visibility",
    promises: &[],
    resolve: resolve::<ProbeOptions>,
    schema: schema::<ProbeOptions>,
    build: |options: &Options| {
        let options: ProbeOptions = parse(options)?;
        check_share("immediate", options.immediate)?;
        Ok(Box::new(VisibilityProbe { options, probes: 0 }))
    },
};

/// When a probe reads.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ProbeOptions {
    /// The share of probes that read at once when their write is acknowledged.
    immediate: f64,
    /// The others wait for a time drawn evenly from 0 to this.
    range: Span,
    /// How long before its write a probe's key is written for the first time. Too short: that write is still under way.
    #[serde(default = "default_lead")]
    lead: Span,
    /// A value's length in bytes.
    value_bytes: Length,
}

struct VisibilityProbe {
    options: ProbeOptions,
    probes: u64,
}

impl Workload for VisibilityProbe {
    fn preload(&self) -> Vec<Bytes> {
        Vec::new()
    }

    fn next(&mut self, chance: &mut Xoshiro256PlusPlus) -> Option<Intent> {
        self.probes += 1;
        let wait = if unit(chance) < self.options.immediate {
            Duration::ZERO
        } else {
            self.options.range.0.mul_f64(unit(chance))
        };
        Some(Intent::Probe {
            key: Bytes::from(format!("p{}", self.probes)),
            wait,
        })
    }

    fn lead(&self) -> Duration {
        self.options.lead.0
    }

    fn value_bytes(&self) -> &Length {
        &self.options.value_bytes
    }
}

fn default_lead() -> Span {
    Span(Duration::from_secs(1))
}
