//! Loses messages at random, each on its own (Bernoulli).

use super::{Build, Built, Rule, Setting};
use crate::draw::Draw;
use crate::fate::Fate;
use crate::packet::Packet;
use crate::selector::check_probability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::registry::{Entry, Options, parse, resolve, schema};

/// The rule and its options.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Loss {
    /// The share of messages that are lost, 0 to 1; `loss = 0.05` is short for it.
    probability: f64,
}

impl Rule for Loss {
    fn about(&self) -> String {
        format!("lost with probability {}", self.probability)
    }

    fn apply(&self, _packet: &Packet, draw: &mut Draw, fate: &mut Fate) -> bool {
        let lost = draw.happens(self.probability) && !fate.copies.is_empty();
        if lost {
            fate.copies.clear();
        }
        lost
    }
}

fn build(options: &Options, _setting: Setting<'_>) -> Built {
    let loss: Loss = parse(options)?;
    check_probability("probability", loss.probability)?;
    Ok(Box::new(loss))
}

pub(super) const ENTRY: Entry<Build> = Entry {
    name: "loss",
    about: "loses messages at random, each on its own",
    promises: &[],
    resolve: resolve::<Loss>,
    schema: schema::<Loss>,
    build: Build {
        shorthand: Some("probability"),
        rule: build,
    },
};
