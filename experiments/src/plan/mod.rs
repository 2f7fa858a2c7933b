//! A plan: the question, the strategies, the network, the faults and the load, as a person writes them.

mod load;
mod vary;

pub use load::{backend, builtin, load, to_toml};
pub use vary::{Cell, Sweep, sweep};

use crate::client::{ClientOptions, Route};
use crate::workload;
use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_netfuzz::{Distribution, Network, RuleSpec, Spec};
use tidemark_node::replica::{Choice, Config, Limits, Replica, storage};
use tidemark_node::{
    membership, partitioner, repair, replication, storage as storages, versioning,
};
use tidemark_proto::event::{Detail, FaultSpan};
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, Options, find};
use tidemark_proto::span::Span;

/// A plan with every default written out. Times are as written; [`Plan::scaled`] stretches them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What the run is to answer.
    pub question: String,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// When the load ends and everything heals.
    pub duration: Span,
    /// The quiet phase after that.
    #[serde(default = "default_settle")]
    pub settle: Span,
    /// The time before the load, in which the keys are written.
    #[serde(default = "default_warmup")]
    pub warmup: Span,
    /// Stretches every time in the plan.
    #[serde(default = "unscaled")]
    pub time_scale: f64,
    /// How much of the run is kept.
    #[serde(default)]
    pub events: Detail,
    /// Who takes part.
    pub cluster: Cluster,
    /// How a write reaches its replicas.
    pub replication: Choice,
    /// Which nodes hold a key.
    pub partitioner: Choice,
    /// What makes one version newer.
    pub versioning: Choice,
    /// Who is in the cluster.
    pub membership: Choice,
    /// Where versions rest.
    pub storage: Choice,
    /// How replicas are made equal again.
    #[serde(default)]
    pub repair: Vec<Choice>,
    /// What bounds tables.
    #[serde(default)]
    pub limits: Limits,
    /// Who asks, how often, of whom.
    pub client: ClientOptions,
    /// What is asked.
    pub workload: Choice,
    /// The weather of every day.
    #[serde(default)]
    pub network: Vec<RuleSpec>,
    /// What goes wrong, when.
    #[serde(default)]
    pub fault: Vec<Fault>,
    /// What only the simulator needs to be told.
    #[serde(default)]
    pub sim: SimOptions,
}

/// Who takes part.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Nodes that hold keys: n1 …
    pub nodes: u16,
    /// Nodes that coordinate and hold none: g1 …
    #[serde(default)]
    pub gateways: u16,
}

/// What only the simulator needs to be told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimOptions {
    /// How long a node is busy with one message; absent: no time at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Distribution>,
}

/// Something that goes wrong: a table with `crash` is of a machine, any other of the network.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Options", untagged)]
pub enum Fault {
    /// Of a machine.
    Crash(Crash),
    /// Of the network.
    Rule(RuleSpec),
}

/// A node's process is killed, and started again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    /// What results call it; absent: `<node> crashes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When it is killed.
    pub at: Span,
    /// Who.
    pub crash: NodeId,
    /// How long it stays away; absent: until everything heals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_after: Option<Span>,
}

/// A machine fault with its times on the run's clock.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineFault {
    /// Who.
    pub node: NodeId,
    /// What results say of it.
    pub span: FaultSpan,
}

impl Plan {
    /// Checks that the parts fit together and writes out every default.
    pub fn resolve(mut self) -> anyhow::Result<Self> {
        ensure!(
            self.time_scale.is_finite() && self.time_scale > 0.0,
            "time_scale is {}, but must be above 0",
            self.time_scale
        );
        ensure!(
            !self.duration.0.is_zero(),
            "duration is 0: nothing would happen"
        );
        ensure!(
            self.warmup < self.duration,
            "warmup is {}, but the run's duration is {}",
            self.warmup,
            self.duration
        );
        ensure!(
            self.cluster.nodes > 0,
            "cluster.nodes is 0, but keys need a node to rest on"
        );
        for (what, count) in [
            ("nodes", self.cluster.nodes),
            ("gateways", self.cluster.gateways),
        ] {
            ensure!(
                count <= MOST_NODES,
                "cluster.{what} is {count}; at most {MOST_NODES}"
            );
        }
        complete("replication", replication::ENTRIES, &mut self.replication)?;
        complete("partitioner", partitioner::ENTRIES, &mut self.partitioner)?;
        complete("versioning", versioning::ENTRIES, &mut self.versioning)?;
        complete("membership", membership::ENTRIES, &mut self.membership)?;
        complete("storage", storages::ENTRIES, &mut self.storage)?;
        for choice in &mut self.repair {
            complete("repair", repair::ENTRIES, choice)?;
        }
        complete("workload", workload::ENTRIES, &mut self.workload)?;
        self.client.check()?;
        self.check_times()?;
        let n = self.replicas();
        ensure!(
            n <= usize::from(self.cluster.nodes),
            "replication.n is {n}, but cluster.nodes is {}",
            self.cluster.nodes
        );
        let needs_gateway = self.replication.options.get("coordinator");
        if needs_gateway.and_then(Value::as_str) == Some("gateway") && self.cluster.gateways == 0 {
            bail!("replication.coordinator is \"gateway\", but cluster.gateways is 0");
        }
        if self.client.route == Route::TokenAware && self.cluster.gateways > 0 {
            bail!("client.route is \"token-aware\", but clients ask gateways, which hold no keys");
        }
        if self.client.move_after.is_some() && self.coordinators().len() == 1 {
            let only = self.coordinators()[0];
            bail!("client.move_after has nowhere to go: {only} is the only node that clients ask");
        }
        Network::new(self.seed, &self.spec())?;
        let config = self.config();
        Replica::new(&config, NodeId::node(1), 1, storage(&config)?)?;
        workload::build(&self)?;
        Ok(self)
    }

    /// The plan with every time multiplied by `time_scale` and rates divided by it; the network's rules are stretched
    /// by [`Network`] itself.
    #[must_use]
    pub fn scaled(mut self) -> Self {
        let scale = self.time_scale;
        if scale == 1.0 {
            return self;
        }
        let stretch = |span: &mut Span| *span = span.scaled(scale);
        for span in [&mut self.duration, &mut self.settle, &mut self.warmup] {
            stretch(span);
        }
        self.client.stretch(scale);
        let choices = [
            &mut self.replication,
            &mut self.membership,
            &mut self.workload,
        ];
        for choice in choices.into_iter().chain(&mut self.repair) {
            stretch_options(&mut choice.options, scale);
        }
        for fault in &mut self.fault {
            if let Fault::Crash(crash) = fault {
                stretch(&mut crash.at);
                crash.restart_after.iter_mut().for_each(stretch);
            }
        }
        self
    }

    /// How many replicas a key has.
    #[must_use]
    pub fn replicas(&self) -> usize {
        let n = self.replication.options.get("n").and_then(Value::as_u64);
        n.and_then(|n| usize::try_from(n).ok())
            .unwrap_or(usize::from(self.cluster.nodes))
    }

    /// The nodes that hold keys.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeId> {
        (1..=self.cluster.nodes).map(NodeId::node).collect()
    }

    /// The nodes that hold none.
    #[must_use]
    pub fn gateways(&self) -> Vec<NodeId> {
        (1..=self.cluster.gateways).map(NodeId::gateway).collect()
    }

    /// Everybody that runs a replica: nodes, then gateways.
    #[must_use]
    pub fn members(&self) -> Vec<NodeId> {
        let mut members = self.nodes();
        members.extend(self.gateways());
        members
    }

    /// Those whom clients ask: gateways if there are any, otherwise nodes.
    #[must_use]
    pub fn coordinators(&self) -> Vec<NodeId> {
        if self.cluster.gateways > 0 {
            self.gateways()
        } else {
            self.nodes()
        }
    }

    /// The clients.
    #[must_use]
    pub fn clients(&self) -> Vec<NodeId> {
        (1..=self.client.count).map(NodeId::client).collect()
    }

    /// What every node is told.
    #[must_use]
    pub fn config(&self) -> Config {
        Config {
            seed: self.seed,
            nodes: self.nodes(),
            gateways: self.gateways(),
            partitioner: self.partitioner.clone(),
            versioning: self.versioning.clone(),
            membership: self.membership.clone(),
            replication: self.replication.clone(),
            repair: self.repair.clone(),
            storage: self.storage.clone(),
            limits: self.limits.clone(),
        }
    }

    /// What the network is told; its times are not scaled yet.
    #[must_use]
    pub fn spec(&self) -> Spec {
        let mut participants = self.members();
        participants.extend(self.clients());
        let rules = self.fault.iter().filter_map(|fault| match fault {
            Fault::Rule(rule) => Some(rule.clone()),
            Fault::Crash(_) => None,
        });
        Spec {
            participants,
            time_scale: self.time_scale,
            network: self.network.clone(),
            fault: rules.collect(),
        }
    }

    /// The faults of machines, in the order in which they begin; every one is over when the plan heals.
    #[must_use]
    pub fn machine_faults(&self) -> Vec<MachineFault> {
        let mut faults: Vec<MachineFault> = self
            .fault
            .iter()
            .filter_map(|fault| match fault {
                Fault::Crash(crash) => Some(crash),
                Fault::Rule(_) => None,
            })
            .map(|crash| {
                let until = crash
                    .restart_after
                    .map_or(self.duration.0, |after| crash.at.0 + after.0);
                MachineFault {
                    node: crash.crash,
                    span: FaultSpan {
                        name: crash.name(),
                        kind: "crash".to_owned(),
                        from: crash.at.0,
                        until: until.min(self.duration.0),
                        about: crash.crash.to_string(),
                    },
                }
            })
            .collect();
        faults.sort_by_key(|fault| (fault.span.from, fault.node));
        faults
    }

    fn check_times(&self) -> anyhow::Result<()> {
        let members = self.members();
        for fault in &self.fault {
            let (name, at) = match fault {
                Fault::Crash(crash) => {
                    ensure!(
                        members.contains(&crash.crash),
                        "fault {:?}: crash names {}, but the cluster has {}",
                        crash.name(),
                        crash.crash,
                        members
                            .iter()
                            .map(NodeId::to_string)
                            .collect::<Vec<_>>()
                            .join(", ")
                    );
                    (crash.name(), crash.at.0)
                }
                Fault::Rule(rule) => {
                    let name = rule.name.clone().unwrap_or_else(|| rule.kind.clone());
                    let period = rule
                        .period
                        .with_context(|| format!("fault {name:?} has no at"))?;
                    (name, period.from)
                }
            };
            ensure!(
                at < self.duration.0,
                "fault {name:?} begins at {}, but the run's duration is {}",
                Span(at),
                self.duration
            );
        }
        if let Some(rule) = self.network.iter().find(|rule| rule.period.is_some()) {
            let name = rule.name.as_deref().unwrap_or(&rule.kind);
            bail!("network {name:?} has an at; what comes and goes is a fault");
        }
        let spans = self.machine_faults();
        let overlap = spans.iter().enumerate().find_map(|(i, fault)| {
            spans[..i]
                .iter()
                .find(|other| other.node == fault.node && other.span.until > fault.span.from)
                .map(|other| (other, fault))
        });
        if let Some((first, second)) = overlap {
            bail!(
                "fault {:?} crashes {} while {:?} still keeps it down",
                second.span.name,
                second.node,
                first.span.name
            );
        }
        Ok(())
    }
}

impl TryFrom<Options> for Fault {
    type Error = serde_json::Error;

    fn try_from(table: Options) -> Result<Self, Self::Error> {
        let is_crash = table.contains_key("crash");
        let table = Value::Object(table);
        if is_crash {
            Crash::deserialize(table).map(Self::Crash)
        } else {
            RuleSpec::deserialize(table).map(Self::Rule)
        }
    }
}

impl Crash {
    fn name(&self) -> String {
        self.name
            .clone()
            .unwrap_or_else(|| format!("{} crashes", self.crash))
    }
}

/// Writes out the defaults of a choice.
fn complete<B>(
    seam: &'static str,
    entries: &[Entry<B>],
    choice: &mut Choice,
) -> anyhow::Result<()> {
    let entry = find(seam, entries, &choice.kind)?;
    choice.options = (entry.resolve)(&choice.options)
        .map_err(|error| anyhow::anyhow!("{seam} {:?}: {error}", choice.kind))?;
    Ok(())
}

/// Stretches every option that is written as a time.
fn stretch_options(options: &mut Options, scale: f64) {
    for value in options.values_mut() {
        match value {
            Value::String(text) => {
                if let Ok(span) = text.parse::<Span>() {
                    *text = span.scaled(scale).to_string();
                }
            }
            Value::Object(inner) => stretch_options(inner, scale),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {}
        }
    }
}

fn default_settle() -> Span {
    Span(Duration::from_secs(2))
}

fn default_warmup() -> Span {
    Span(Duration::from_secs(1))
}

fn unscaled() -> f64 {
    1.0
}

/// What one back-end is told in place of what the plan says: paths and values.
type Overrides = BTreeMap<String, toml::Table>;

const MOST_NODES: u16 = 1_000;
