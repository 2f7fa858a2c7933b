//! The seam of rules: what can happen to a message. Rules fold over its [`Fate`] in the order in which they are written.

mod latency;
mod loss;
mod partition;

use crate::draw::Draw;
use crate::fate::Fate;
use crate::packet::Packet;
use std::time::Duration;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options};

/// Something that can happen to a message. It decides by its arguments alone: the same ones give the same fate.
pub trait Rule: Send + Sync {
    /// What it does, in words, with its options.
    fn about(&self) -> String;

    /// Whether it can do anything to messages from this sender to this receiver.
    fn concerns(&self, _sender: NodeId, _receiver: NodeId) -> bool {
        true
    }

    /// Changes the fate of a message that was sent while the rule is in force; tells whether it did.
    fn apply(&self, packet: &Packet, draw: &mut Draw, fate: &mut Fate) -> bool;

    /// Changes the fate of a message that was sent before `period`, in which the rule will be in force; tells whether
    /// it did. Of later rules' delays it knows nothing.
    fn foresee(&self, _packet: &Packet, _period: Period, _fate: &mut Fate) -> bool {
        false
    }
}

/// When a rule is in force: `from` is in it, `until` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its begin.
    pub from: Duration,
    /// Its end.
    pub until: Duration,
}

impl Period {
    /// All of a run.
    pub const ALWAYS: Self = Self {
        from: Duration::ZERO,
        until: Duration::MAX,
    };

    /// Whether the time lies in it.
    #[must_use]
    pub fn contains(self, time: Duration) -> bool {
        self.from <= time && time < self.until
    }
}

/// What a rule is built for.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Everybody who takes part.
    pub participants: &'a [NodeId],
    /// How much longer than written every time is.
    pub time_scale: f64,
}

/// How an entry of this seam is built.
pub struct Build {
    /// The option that a value which is no table stands for: `loss = 0.05`.
    pub shorthand: Option<&'static str>,
    /// Makes the rule, or tells what is wrong with its options.
    pub rule: fn(&Options, Setting<'_>) -> Built,
}

/// A rule, or what is wrong with its options.
pub type Built = Result<Box<dyn Rule>, OptionError>;

/// Every rule.
pub const ENTRIES: &[Entry<Build>] = &[latency::ENTRY, loss::ENTRY, partition::ENTRY];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::LaneSeed;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use tidemark_proto::event::Direction;

    /// Options of every entry; an entry without any fails the test.
    fn examples() -> Vec<(&'static Entry<Build>, Options)> {
        let of = |name: &str| match name {
            "latency" => vec![
                json!({ "exponential": "5ms" }),
                json!({ "constant": "2ms" }),
            ],
            "loss" => vec![json!({ "probability": 0.3 })],
            "partition" => vec![
                json!({ "isolate": "n2" }),
                json!({ "groups": [["n1"], ["n2"]], "in_flight": "lost" }),
                json!({ "one_way": ["n1 -> *"] }),
            ],
            other => panic!("{other} has no examples"),
        };
        let table = |value| match value {
            Value::Object(options) => options,
            other => panic!("{other} is no table"),
        };
        let pair = |entry: &'static Entry<Build>| {
            of(entry.name)
                .into_iter()
                .map(move |value| (entry, table(value)))
        };
        ENTRIES.iter().flat_map(pair).collect()
    }

    fn rule(entry: &Entry<Build>, options: &Options) -> Box<dyn Rule> {
        let setting = Setting {
            participants: &[NodeId::node(1), NodeId::node(2)],
            time_scale: 1.0,
        };
        (entry.build.rule)(options, setting).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn resolving_options_twice_changes_nothing() {
        for (entry, options) in examples() {
            let once = (entry.resolve)(&options).unwrap();
            assert_eq!((entry.resolve)(&once).unwrap(), once, "{}", entry.name);
        }
    }

    #[test]
    fn an_unknown_option_is_refused_by_name() {
        for (entry, mut options) in examples() {
            options.insert("colour".to_owned(), json!("red"));
            let error = (entry.resolve)(&options).unwrap_err().to_string();
            assert!(
                error.contains("colour") || error.contains("single key"),
                "{error}"
            );
        }
    }

    #[test]
    fn every_rule_says_what_it_does() {
        for (entry, options) in examples() {
            assert!(!rule(entry, &options).about().is_empty() && !entry.about.is_empty());
        }
    }

    proptest! {
        #[test]
        fn the_same_arguments_give_the_same_fate(seed: u64, k: u64, at in 0u64..1000) {
            let (from, to) = (NodeId::node(1), NodeId::node(2));
            let direction = Direction::Request;
            let packet = Packet { from, to, direction, k, size: 10, at: Duration::from_millis(at) };
            let period = Period { from: Duration::from_secs(1), until: Duration::from_secs(2) };
            for (entry, options) in examples() {
                let lane = LaneSeed::new(seed, entry.name, from, to, "Store", direction);
                let ask = |rule: &dyn Rule| {
                    let mut fate = Fate::delivered();
                    let touched = rule.apply(&packet, &mut Draw::new(lane, k), &mut fate);
                    prop_assert_eq!(touched, fate != Fate::delivered(), "{}", entry.name);
                    let mut early = Fate::delivered();
                    rule.foresee(&packet, period, &mut early);
                    Ok((fate, early))
                };
                let one = rule(entry, &options);
                let first = ask(one.as_ref())?;
                prop_assert_eq!(&first, &ask(one.as_ref())?);
                prop_assert_eq!(first, ask(rule(entry, &options).as_ref())?);
            }
        }

        #[test]
        fn what_is_lost_already_is_touched_by_nobody(seed: u64) {
            let (from, to) = (NodeId::node(1), NodeId::node(2));
            let direction = Direction::Request;
            let packet = Packet { from, to, direction, k: 1, size: 10, at: Duration::ZERO };
            for (entry, options) in examples() {
                let lane = LaneSeed::new(seed, entry.name, from, to, "Store", direction);
                let mut fate = Fate::delivered();
                fate.copies.clear();
                let touched = rule(entry, &options).apply(&packet, &mut Draw::new(lane, 1), &mut fate);
                prop_assert!(!touched && fate.copies.is_empty(), "{}", entry.name);
            }
        }
    }
}
