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

    /// Everybody who is named, and in which option.
    fn named(&self) -> Vec<(String, NodeId)> {
        let isolated = self.isolated().iter().enumerate();
        let isolated = isolated.map(|(i, id)| match self.isolate {
            Some(OneOrMore::More(_)) => (format!("isolate[{i}]"), *id),
            Some(OneOrMore::One(_)) | None => ("isolate".to_owned(), *id),
        });
        let groups = self.groups.iter().flatten().enumerate();
        let grouped = groups.flat_map(|(i, group)| {
            let place = move |(j, id): (usize, &NodeId)| (format!("groups[{i}][{j}]"), *id);
            group.iter().enumerate().map(place)
        });
        let links = self.one_way.iter().flatten().enumerate();
        let ends = links.flat_map(|(i, link)| [(i, link.from), (i, link.to)]);
        let ends = ends.filter_map(|(i, end)| match end {
            End::One(id) => Some((format!("one_way[{i}]"), id)),
            End::Anyone | End::Role(_) => None,
        });
        isolated.chain(grouped).chain(ends).collect()
    }

    fn check(&self, participants: &[NodeId]) -> Result<(), OptionError> {
        let ways = [
            self.isolate.is_some(),
            self.groups.is_some(),
            self.one_way.is_some(),
        ];
        if ways.into_iter().filter(|given| *given).count() != 1 {
            return Err(OptionError::new(
                "give exactly one of: isolate, groups, one_way",
            ));
        }
        let named = self.named();
        for (place, id) in &named {
            let refuse = |reason| OptionError::of(place, reason);
            check_participant(*id, participants).map_err(refuse)?;
            if id.role() == Role::Client && !self.clients {
                let reason =
                    format!("{id} is a client, but clients is false; write clients = true");
                return Err(refuse(reason));
            }
        }
        if let Some(groups) = &self.groups {
            if groups.len() < 2 {
                return Err(OptionError::of(
                    "groups",
                    format!("groups has {} group, but needs 2 or more", groups.len()),
                ));
            }
            for (i, (place, id)) in named.iter().enumerate() {
                if named[..i].iter().any(|(_, other)| other == id) {
                    return Err(OptionError::of(
                        place,
                        format!("{id} stands twice in groups"),
                    ));
                }
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
    partition.check(setting.participants)?;
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
