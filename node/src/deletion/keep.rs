//! Tombstones are kept for ever: a delete is a write like any other.
//!
//! Reference: DeCandia et al., Dynamo, SOSP 2007, §4.4, which lets nothing but a later version take a version's place.

use super::{Build, Deletion};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::registry::{Entry, Options, Promise, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "keep",
    about: "tombstones are kept for ever",
    promises: &[Promise::DeletesForGood],
    resolve: resolve::<Keep>,
    schema: schema::<Keep>,
    build: |options: &Options, _| Ok(Box::new(parse::<Keep>(options)?)),
};

/// It has no options.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Keep {}

impl Deletion for Keep {}
