//! Delays every copy of a message by a draw from a distribution.

use super::{Build, Built, Rule, Setting};
use crate::distribution::Distribution;
use crate::draw::Draw;
use crate::fate::Fate;
use crate::packet::Packet;
use tidemark_proto::registry::{Entry, Options, parse, resolve, schema};

/// The rule; its options are the distribution itself.
struct Latency(Distribution);

impl Rule for Latency {
    fn about(&self) -> String {
        format!("delayed by {}", self.0)
    }

    fn apply(&self, _packet: &Packet, draw: &mut Draw, fate: &mut Fate) -> bool {
        for copy in &mut fate.copies {
            copy.delay = copy.delay.saturating_add(self.0.sample(draw));
        }
        !fate.copies.is_empty()
    }
}

fn build(options: &Options, setting: Setting<'_>) -> Built {
    let written: Distribution = parse(options)?;
    Ok(Box::new(Latency(written.scaled(setting.time_scale))))
}

pub(super) const ENTRY: Entry<Build> = Entry {
    name: "latency",
    about: "delays every copy of a message by a draw from a distribution",
    promises: &[],
    resolve: resolve::<Distribution>,
    schema: schema::<Distribution>,
    build: Build {
        shorthand: None,
        rule: build,
    },
};
