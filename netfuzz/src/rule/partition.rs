//! Cuts links: isolates nodes, splits them into groups, or silences one direction.

use super::{Build, Built, Period, Rule, Setting};
use crate::draw::Draw;
use crate::fate::Fate;
use crate::packet::Packet;
use crate::selector::{End, LinkPattern, check_participant, has_client, joined};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidemark_proto::id::{NodeId, Role};
use tidemark_proto::registry::{Entry, OptionError, Options, parse, resolve, schema};

/// The rule and its options: exactly one of `isolate`, `groups` and `one_way`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Partition {
    /// Cuts these off from everybody, and from each other: `"n3"` or a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    isolate: Option<OneOrMore>,
    /// Cuts every link between two of these groups; who is in none keeps all links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<Vec<NodeId>>>,
    /// Cuts what goes from left to right: `["n1 -> n2", "n3 -> *"]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    one_way: Option<Vec<LinkPattern>>,
    /// Whether links with a client at one end are cut too.
    #[serde(default)]
    clients: bool,
    /// What becomes of messages that are under way when the cut begins and would arrive before it ends.
    #[serde(default)]
    in_flight: InFlight,
}

/// Names in a plan: one, or a list.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "write one participant like \"n3\", or a list of them"
)]
enum OneOrMore {
    One(NodeId),
    More(Vec<NodeId>),
}

#[derive(Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum InFlight {
    #[default]
    Delivered,
    Lost,
}

impl Partition {
    fn isolated(&self) -> &[NodeId] {
        match &self.isolate {
            None => &[],
            Some(OneOrMore::One(id)) => std::slice::from_ref(id),
            Some(OneOrMore::More(ids)) => ids,
        }
    }

    fn group_of(&self, participant: NodeId) -> Option<usize> {
        let groups = self.groups.iter().flatten();
        groups
            .into_iter()
            .position(|group| group.contains(&participant))
    }

    fn named(&self) -> Vec<NodeId> {
        let ends = self
            .one_way
            .iter()
            .flatten()
            .flat_map(|link| [link.from, link.to]);
        let ends = ends.filter_map(|end| match end {
            End::One(id) => Some(id),
            End::Anyone | End::Role(_) => None,
        });
        let grouped = self.groups.iter().flatten().flatten();
        self.isolated()
            .iter()
            .chain(grouped)
            .copied()
            .chain(ends)
            .collect()
    }

    fn check(&self, participants: &[NodeId]) -> Result<(), String> {
        let ways = [
            self.isolate.is_some(),
            self.groups.is_some(),
            self.one_way.is_some(),
        ];
        if ways.into_iter().filter(|given| *given).count() != 1 {
            return Err("give exactly one of: isolate, groups, one_way".to_owned());
        }
        let named = self.named();
        for id in &named {
            check_participant(*id, participants)?;
            if id.role() == Role::Client && !self.clients {
                return Err(format!("{id} is a client, but clients is false"));
            }
        }
        if let Some(groups) = &self.groups {
            if groups.len() < 2 {
                return Err(format!(
                    "groups has {} group, but needs 2 or more",
                    groups.len()
                ));
            }
            let twice = |id: &&NodeId| named.iter().filter(|other| other == id).count() > 1;
            if let Some(id) = named.iter().find(twice) {
                return Err(format!("{id} stands twice in groups"));
            }
        }
        Ok(())
    }
}

impl Rule for Partition {
    fn about(&self) -> String {
        let whom = if self.clients {
            "everybody"
        } else {
            "all peers"
        };
        let grouped = |group: &Vec<NodeId>| joined(group);
        match (&self.groups, &self.one_way) {
            (Some(groups), _) => groups.iter().map(grouped).collect::<Vec<_>>().join(" | "),
            (_, Some(links)) => format!("no message {}", joined(links)),
            (None, None) => format!("{} cut off from {whom}", joined(self.isolated())),
        }
    }

    fn concerns(&self, sender: NodeId, receiver: NodeId) -> bool {
        if has_client(sender, receiver) && !self.clients {
            return false;
        }
        let isolated = self.isolated();
        let apart = match (self.group_of(sender), self.group_of(receiver)) {
            (Some(one), Some(other)) => one != other,
            (None, _) | (_, None) => false,
        };
        let silenced = |link: &LinkPattern| link.matches(sender, receiver);
        isolated.contains(&sender)
            || isolated.contains(&receiver)
            || apart
            || self.one_way.iter().flatten().any(silenced)
    }

    fn apply(&self, _packet: &Packet, _draw: &mut Draw, fate: &mut Fate) -> bool {
        let cut = !fate.copies.is_empty();
        fate.copies.clear();
        cut
    }

    fn foresee(&self, packet: &Packet, period: Period, fate: &mut Fate) -> bool {
        if self.in_flight == InFlight::Delivered {
            return false;
        }
        let before = fate.copies.len();
        let arrival = |delay| packet.at.saturating_add(delay);
        fate.copies
            .retain(|copy| !period.contains(arrival(copy.delay)));
        fate.copies.len() < before
    }
}

fn build(options: &Options, setting: Setting<'_>) -> Built {
    let partition: Partition = parse(options)?;
    partition
        .check(setting.participants)
        .map_err(OptionError::new)?;
    Ok(Box::new(partition))
}

pub(super) const ENTRY: Entry<Build> = Entry {
    name: "partition",
    about: "cuts links: isolates nodes, splits them into groups, or silences one direction",
    promises: &[],
    resolve: resolve::<Partition>,
    schema: schema::<Partition>,
    build: Build {
        shorthand: None,
        rule: build,
    },
};
