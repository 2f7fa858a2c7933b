//! The network of a run: all its rules, when each is in force, and the fate of every message.

use crate::draw::{Draw, LaneSeed};
use crate::fate::{Fate, RuleSet};
use crate::packet::{Packet, travel};
use crate::rule::{ENTRIES, Period, Rule, Setting};
use crate::selector::{Links, Selector};
use crate::spec::{Part, RuleSpec, Spec, SpecError};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_proto::event::{Direction, FaultSpan, Passage};
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Method;
use tidemark_proto::registry::{OptionError, find};
use tidemark_proto::span::Span;

/// Tells what becomes of every message of a run.
///
/// The fate of a message depends on the seed, the rules, the message's lane and number and the time: not on what was asked before.
pub struct Network {
    seed: u64,
    rules: Vec<Placed>,
    lanes: Vec<Lane>,
    known: BTreeMap<(NodeId, NodeId, Direction), Vec<LaneId>>,
}

/// One direction of one method on one link, in one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(u32);

impl Network {
    /// A network with these rules, those of `network` first, in the order in which they are written.
    ///
    /// # Errors
    /// The rule that cannot be, and why.
    pub fn new(seed: u64, spec: &Spec) -> Result<Self, SpecError> {
        if !(spec.time_scale > 0.0 && spec.time_scale.is_finite()) {
            return Err(SpecError {
                part: None,
                rule: "network".to_owned(),
                error: OptionError::new(format!(
                    "time_scale is {}, but must be above 0",
                    spec.time_scale
                )),
            });
        }
        let mut rules: Vec<Placed> = Vec::new();
        let network = spec.network.iter().enumerate();
        let fault = spec.fault.iter().enumerate();
        let listed = (network.map(|(place, rule)| (rule, Part::Network, place)))
            .chain(fault.map(|(place, rule)| (rule, Part::Fault, place)));
        let mut numbers = BTreeMap::<&str, usize>::new();
        for (rule, part, place) in listed {
            let number = numbers.entry(&rule.kind).or_default();
            *number += 1;
            let name = rule
                .name
                .clone()
                .unwrap_or_else(|| format!("{}-{number}", rule.kind));
            let refuse = |error| SpecError {
                part: Some((part, place)),
                rule: format!("{part} {name:?}"),
                error,
            };
            if rules.len() == RuleSet::LIMIT {
                let reason = format!("one rule too many; the limit is {}", RuleSet::LIMIT);
                return Err(refuse(OptionError::new(reason)));
            }
            if name.is_empty() || name.contains('+') {
                let reason = format!("name is {name:?}, but must not be empty or have a + in it");
                return Err(refuse(OptionError::of("name", reason)));
            }
            if rules.iter().any(|other| other.name == name) {
                let reason = format!("name is {name:?}, but another rule has the same name");
                return Err(refuse(OptionError::of("name", reason)));
            }
            let placed = Placed::new(name.clone(), part, rule, spec).map_err(refuse)?;
            rules.push(placed);
        }
        Ok(Self {
            seed,
            rules,
            lanes: Vec::new(),
            known: BTreeMap::new(),
        })
    }

    /// A network with one rule, always in force, that no plan can ask for.
    #[cfg(all(test, feature = "proxy"))]
    pub(crate) fn of(rule: Box<dyn Rule>) -> Self {
        Self {
            seed: 0,
            rules: vec![Placed {
                name: "test".to_owned(),
                part: Part::Network,
                kind: "test",
                selector: Selector::default(),
                period: Period::ALWAYS,
                rule,
            }],
            lanes: Vec::new(),
            known: BTreeMap::new(),
        }
    }

    /// The lane of one direction of `method` on the link between a caller and a callee. A method is called by its short
    /// name (`Store`), a foreign one by its full path.
    pub fn lane(&mut self, from: NodeId, to: NodeId, method: &str, direction: Direction) -> LaneId {
        let siblings = self.known.entry((from, to, direction)).or_default();
        let same = |lane: &&LaneId| self.lanes[lane.0 as usize].method == method;
        if let Some(lane) = siblings.iter().find(same) {
            return *lane;
        }
        let id = LaneId(u32::try_from(self.lanes.len()).expect("fewer lanes than 2³²"));
        siblings.push(id);
        let (sender, receiver) = travel(from, to, direction);
        let concerned = |(place, rule): (usize, &Placed)| {
            let concerned = rule.selector.concerns(from, to, method, direction)
                && rule.rule.concerns(sender, receiver);
            let seed = || LaneSeed::new(self.seed, &rule.name, from, to, method, direction);
            concerned.then(|| (place, seed()))
        };
        self.lanes.push(Lane {
            from,
            to,
            direction,
            method: method.parse().map_or_else(
                |_| Cow::Owned(method.to_owned()),
                |known: Method| Cow::Borrowed(known.name()),
            ),
            rules: self
                .rules
                .iter()
                .enumerate()
                .filter_map(concerned)
                .collect(),
        });
        id
    }

    /// What becomes of message `k` of a lane, `size` bytes of payload, sent at `at`.
    pub fn fate(&mut self, at: Duration, lane: LaneId, k: u64, size: usize) -> Fate {
        let lane = &self.lanes[lane.0 as usize];
        let mut fate = Fate::delivered();
        let packet = Packet {
            from: lane.from,
            to: lane.to,
            direction: lane.direction,
            k,
            size,
            at,
        };
        for (place, seed) in &lane.rules {
            let Placed {
                rule,
                selector,
                period,
                ..
            } = &self.rules[*place];
            if at >= period.until {
                continue;
            }
            let mut draw = Draw::new(*seed, k);
            if !selector.takes(k, &mut draw) {
                continue;
            }
            let touched = if at >= period.from {
                rule.apply(&packet, &mut draw, &mut fate)
            } else {
                rule.foresee(&packet, *period, &mut fate)
            };
            if touched {
                fate.touched_by.insert(*place);
            }
        }
        fate
    }

    /// What is reported of a message whose fate was asked for.
    #[must_use]
    pub fn passage(
        &self,
        at: Duration,
        lane: LaneId,
        k: u64,
        size: usize,
        fate: &Fate,
        achieved: Option<Duration>,
    ) -> Passage {
        let lane = &self.lanes[lane.0 as usize];
        Passage {
            at,
            from: lane.from,
            to: lane.to,
            method: lane.method.clone(),
            direction: lane.direction,
            k,
            size: u32::try_from(size).unwrap_or(u32::MAX),
            verdict: fate.verdict(),
            intended: fate.delay(),
            achieved,
            rules: self.names(fate.touched_by),
            faulty: self.is_faulty(fate.touched_by),
        }
    }

    /// The spans in which faults are in force, as far as they begin before the network heals.
    #[must_use]
    pub fn spans(&self) -> Vec<FaultSpan> {
        let faults = self.rules.iter().filter(|rule| rule.part == Part::Fault);
        faults
            .filter(|rule| rule.period.from < rule.period.until)
            .map(|rule| FaultSpan {
                name: rule.name.clone(),
                kind: rule.kind.to_owned(),
                from: rule.period.from,
                until: rule.period.until,
                about: rule.about(),
                series: None,
            })
            .collect()
    }

    /// No fault's rule is in force from `at` on; the base network stays as it is.
    pub fn heal(&mut self, at: Duration) {
        for rule in &mut self.rules {
            if rule.part == Part::Fault {
                rule.period.until = rule.period.until.min(at);
            }
        }
    }

    /// The names of the rules in force at a time, in their order.
    #[must_use]
    pub fn in_force(&self, at: Duration) -> Vec<&str> {
        let in_force = self.rules.iter().filter(|rule| rule.period.contains(at));
        in_force.map(|rule| rule.name.as_str()).collect()
    }

    /// The names of these rules, joined by `+`.
    #[must_use]
    pub fn names(&self, rules: RuleSet) -> Cow<'static, str> {
        if rules.is_empty() {
            return Cow::Borrowed("");
        }
        let names: Vec<_> = rules
            .places()
            .map(|place| self.rules[place].name.as_str())
            .collect();
        Cow::Owned(names.join("+"))
    }

    /// Whether one of these rules belongs to a fault.
    #[must_use]
    pub fn is_faulty(&self, rules: RuleSet) -> bool {
        rules
            .places()
            .any(|place| self.rules[place].part == Part::Fault)
    }
}

struct Lane {
    from: NodeId,
    to: NodeId,
    direction: Direction,
    method: Cow<'static, str>,
    rules: Vec<(usize, LaneSeed)>,
}

struct Placed {
    name: String,
    part: Part,
    kind: &'static str,
    selector: Selector,
    period: Period,
    rule: Box<dyn Rule>,
}

impl Placed {
    fn new(name: String, part: Part, spec: &RuleSpec, all: &Spec) -> Result<Self, OptionError> {
        let scale = |time| Span(time).scaled(all.time_scale).0;
        let period = match (part, spec.period) {
            (Part::Network, None) => Period::ALWAYS,
            (Part::Fault, Some(period)) => Period {
                from: scale(period.from),
                until: scale(period.until),
            },
            (Part::Network, Some(_)) => {
                let reason = "the base network is always in force; what comes and goes is a fault";
                return Err(OptionError::of("at", reason));
            }
            (Part::Fault, None) => {
                return Err(OptionError::new("at is missing: when does it begin"));
            }
        };
        spec.selector.check(&all.participants)?;
        let entry = find("rule", ENTRIES, &spec.kind)
            .map_err(|error| OptionError::new(error.to_string()))?;
        let setting = Setting {
            participants: &all.participants,
            time_scale: all.time_scale,
        };
        let within = |error: OptionError| OptionError {
            option: Some(match error.option {
                Some(option) => format!("{}.{option}", spec.kind),
                None => spec.kind.clone(),
            }),
            reason: error.reason,
        };
        let rule = (entry.build.rule)(&spec.options, setting).map_err(within)?;
        if part == Part::Fault && !spec.selector.concerns_any(rule.as_ref(), &all.participants) {
            let reason = format!("{} concerns no link: nothing would happen", spec.kind);
            return Err(OptionError::of(&spec.kind, reason));
        }
        Ok(Self {
            name,
            part,
            kind: entry.name,
            selector: spec.selector.clone(),
            period,
            rule,
        })
    }

    fn about(&self) -> String {
        match &self.selector.links {
            Links::All => self.rule.about(),
            links @ (Links::Peers | Links::Clients | Links::Listed(_)) => {
                format!("{} ({links})", self.rule.about())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use tidemark_proto::event::Verdict;

    const N1: NodeId = NodeId::node(1);
    const N2: NodeId = NodeId::node(2);
    const N3: NodeId = NodeId::node(3);
    const C1: NodeId = NodeId::client(1);
    const MS: Duration = Duration::from_millis(1);

    fn spec(network: Value, fault: Value) -> Spec {
        let participants = [N1, N2, N3, C1];
        let spec = json!({ "participants": participants, "network": network, "fault": fault });
        serde_json::from_value(spec).unwrap_or_else(|error| panic!("{error}"))
    }

    fn build(network: Value, fault: Value) -> Network {
        Network::new(7, &spec(network, fault)).unwrap_or_else(|error| panic!("{error}"))
    }

    fn fate(network: &mut Network, at: Duration, from: NodeId, to: NodeId, k: u64) -> Fate {
        let lane = network.lane(from, to, "Store", Direction::Request);
        network.fate(at, lane, k, 100)
    }

    #[test]
    fn rules_fold_in_the_order_in_which_they_are_written() {
        let mut network = build(
            json!([
                { "links": "peers", "latency": { "constant": "2ms" } },
                { "links": ["n1 -> *"], "latency": { "constant": "3ms" } },
            ]),
            json!([{ "name": "cut", "at": "1s", "for": "1s", "partition": { "isolate": "n3" } }]),
        );
        for (at, to, copies, names, faulty) in [
            (0, N2, vec![5], "latency-1+latency-2", false),
            (0, N3, vec![5], "latency-1+latency-2", false),
            (999, N3, vec![5], "latency-1+latency-2", false),
            (1000, N2, vec![5], "latency-1+latency-2", false),
            (1000, N3, vec![], "latency-1+latency-2+cut", true),
            (1999, N3, vec![], "latency-1+latency-2+cut", true),
            (2000, N3, vec![5], "latency-1+latency-2", false),
        ] {
            let fate = fate(&mut network, at * MS, N1, to, 1);
            let delays: Vec<_> = fate
                .copies
                .iter()
                .map(|copy| copy.delay.as_millis())
                .collect();
            assert_eq!(delays, copies, "{at}");
            assert_eq!(network.names(fate.touched_by), names, "{at}");
            assert_eq!(network.is_faulty(fate.touched_by), faulty, "{at}");
        }
        assert!(fate(&mut network, MS, C1, N1, 1).touched_by.is_empty());
        assert_eq!(network.in_force(MS), ["latency-1", "latency-2"]);
        assert_eq!(
            network.in_force(1000 * MS),
            ["latency-1", "latency-2", "cut"]
        );
    }

    #[test]
    fn partitions_cut_the_links_that_they_name() {
        let links = [(N1, N2), (N2, N1), (N1, N3), (N3, N1), (C1, N3)];
        for (partition, cut, about) in [
            (
                json!({ "isolate": "n3" }),
                [0, 0, 1, 1, 0],
                "n3 cut off from all peers",
            ),
            (
                json!({ "isolate": ["n3"], "clients": true }),
                [0, 0, 1, 1, 1],
                "n3 cut off from everybody",
            ),
            (
                json!({ "groups": [["n1"], ["n2"]] }),
                [1, 1, 0, 0, 0],
                "n1 | n2",
            ),
            (
                json!({ "groups": [["n1", "n2"], ["n3"]] }),
                [0, 0, 1, 1, 0],
                "n1, n2 | n3",
            ),
            (
                json!({ "one_way": ["n1 -> *"] }),
                [1, 0, 1, 0, 0],
                "no message n1 -> *",
            ),
            (
                json!({ "one_way": ["* -> n3"], "clients": true }),
                [0, 0, 1, 0, 1],
                "no message * -> n3",
            ),
        ] {
            let fault = json!([{ "at": "0s", "for": "1s", "partition": partition }]);
            let mut network = build(json!([]), fault);
            let seen = links.map(|(from, to)| {
                i32::from(fate(&mut network, MS, from, to, 1).verdict() == Verdict::Lost)
            });
            assert_eq!(seen, cut, "{partition}");
            assert_eq!(network.spans()[0].about, about);
        }
    }

    #[test]
    fn a_response_travels_against_its_link() {
        let one_way = json!({ "one_way": ["n1 -> c1"], "clients": true });
        let mut network = build(
            json!([]),
            json!([{ "at": "0s", "for": "1s", "partition": one_way }]),
        );
        let lost = [Direction::Request, Direction::Response].map(|direction| {
            let lane = network.lane(C1, N1, "Get", direction);
            network.fate(MS, lane, 1, 0).copies.is_empty()
        });
        assert_eq!(lost, [false, true]);
    }

    #[test]
    fn a_cut_takes_what_is_in_flight_only_if_told_to() {
        for (in_flight, lost) in [("delivered", [0, 0, 0, 1, 0]), ("lost", [0, 1, 1, 1, 0])] {
            let partition = json!({ "isolate": "n3", "in_flight": in_flight });
            let mut network = build(
                json!([{ "latency": { "constant": "10ms" } }]),
                json!([{ "at": "100ms", "for": "5ms", "partition": partition }]),
            );
            let seen = [89, 90, 94, 100, 105]
                .map(|at| i32::from(fate(&mut network, at * MS, N1, N3, 1).copies.is_empty()));
            assert_eq!(seen, lost, "{in_flight}");
        }
    }

    #[test]
    fn healing_ends_faults_and_leaves_the_weather() {
        let mut network = build(
            json!([{ "latency": { "constant": "1ms" } }]),
            json!([
                { "name": "early", "at": "1s", "for": "4s", "loss": 1.0 },
                { "name": "late", "at": "3s", "until": "4s", "loss": 1.0 },
            ]),
        );
        network.heal(2000 * MS);
        assert_eq!(
            fate(&mut network, 1999 * MS, N1, N2, 1).verdict(),
            Verdict::Lost
        );
        assert_eq!(fate(&mut network, 3500 * MS, N1, N2, 1).delay(), MS);
        let spans = network.spans();
        assert_eq!(spans.len(), 1, "{spans:?}");
        assert_eq!(
            (spans[0].name.as_str(), spans[0].until),
            ("early", 2000 * MS)
        );
    }

    #[test]
    fn the_time_scale_stretches_delays_and_spans() {
        let mut spec = spec(
            json!([{ "latency": { "constant": "1ms" } }]),
            json!([{ "at": "1s", "for": "1s", "loss": { "probability": 1 } }]),
        );
        spec.time_scale = 10.0;
        let mut network = Network::new(7, &spec).unwrap();
        assert_eq!(
            fate(&mut network, Duration::ZERO, N1, N2, 1).delay(),
            10 * MS
        );
        let span = &network.spans()[0];
        assert_eq!((span.from, span.until), (10_000 * MS, 20_000 * MS));
        assert_eq!((span.name.as_str(), span.kind.as_str()), ("loss-1", "loss"));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name_and_value() {
        let rule = json!({ "loss": 0.5 });
        for (network, fault, parts) in [
            (
                json!([{ "loss": 1.5 }]),
                json!([]),
                ["network \"loss-1\"", "probability is 1.5"],
            ),
            (
                json!([{ "loss": 1, "links": ["n9 -> *"] }]),
                json!([]),
                ["no n9", "n1 to n3, c1"],
            ),
            (
                json!([{ "name": "a+b", "loss": 1 }]),
                json!([]),
                ["\"a+b\"", "+"],
            ),
            (
                json!([{ "name": "a", "loss": 1 }, { "name": "a", "loss": 1 }]),
                json!([]),
                ["\"a\"", "same name"],
            ),
            (
                json!([{ "at": "1s", "for": "1s", "loss": 1 }]),
                json!([]),
                [": at: ", "always"],
            ),
            (
                json!([]),
                json!([{ "loss": 1 }]),
                ["fault \"loss-1\"", "at is missing"],
            ),
            (
                json!(vec![rule; 65]),
                json!([]),
                ["\"loss-65\"", "the limit is 64"],
            ),
            (
                json!([{ "partition": {} }]),
                json!([]),
                ["partition: give", "isolate, groups, one_way"],
            ),
            (
                json!([{ "partition": { "isolate": "n9" } }]),
                json!([]),
                ["no n9", "n1 to n3, c1"],
            ),
            (
                json!([{ "partition": { "isolate": 3 } }]),
                json!([]),
                ["partition.isolate:", "like \"n3\""],
            ),
            (
                json!([{ "partition": { "isolate": "c1" } }]),
                json!([]),
                ["c1 is a client", "clients is false"],
            ),
            (
                json!([{ "partition": { "groups": [["n1"]] } }]),
                json!([]),
                ["groups has 1", "2 or more"],
            ),
            (
                json!([{ "partition": { "groups": [["n1"], ["n1"]] } }]),
                json!([]),
                ["n1 stands twice", "groups"],
            ),
            (
                json!([{ "partition": { "isolat": "n1" } }]),
                json!([]),
                ["isolat", "isolate"],
            ),
            (
                json!([{ "latency": { "normal": "1ms" } }]),
                json!([]),
                ["latency: unknown", "exponential"],
            ),
        ] {
            let Err(error) = Network::new(1, &spec(network.clone(), fault)) else {
                panic!("{network} was taken");
            };
            let error = error.to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
    }

    #[test]
    fn the_fates_are_those_that_results_were_made_with() {
        let mut network = build(
            json!([{ "name": "peer legs", "links": "peers", "latency": { "exponential": "5ms" } }]),
            json!([{ "at": "0s", "for": "1s", "loss": 0.2 }]),
        );
        let seen: Vec<_> = (1..=6)
            .map(|k| {
                fate(&mut network, MS, N1, N2, k)
                    .copies
                    .first()
                    .map(|copy| copy.delay.as_nanos())
            })
            .collect();
        let golden = [
            Some(1_357_665),
            Some(5_032_549),
            Some(12_412_950),
            None,
            Some(2_852_348),
            Some(7_585_603),
        ];
        assert_eq!(seen, golden);
    }

    proptest! {
        #[test]
        fn the_order_of_asking_does_not_matter(
            mut asked in prop::collection::vec((0u64..3000, 1u16..4, 1u16..4, 0u64..50), 1..40),
            seed: u64,
        ) {
            let spec = spec(
                json!([
                    { "latency": { "exponential": "5ms" }, "probability": 0.7 },
                    { "loss": 0.1, "every": 2 },
                ]),
                json!([{ "at": "1s", "for": "1s", "partition": { "isolate": "n3", "in_flight": "lost" } }]),
            );
            let ask = |asked: &[(u64, u16, u16, u64)]| {
                let mut network = Network::new(seed, &spec).unwrap();
                let mut fates: Vec<_> = asked
                    .iter()
                    .map(|(at, from, to, k)| {
                        let (from, to) = (NodeId::node(*from), NodeId::node(*to));
                        let fate = fate(&mut network, Duration::from_millis(*at), from, to, *k);
                        ((*at, from, to, *k), format!("{fate:?}"))
                    })
                    .collect();
                fates.sort();
                fates
            };
            let forwards = ask(&asked);
            asked.reverse();
            prop_assert_eq!(forwards, ask(&asked));
        }
    }
}
