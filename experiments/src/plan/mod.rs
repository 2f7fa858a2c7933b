//! A plan: the question, the strategies, the network, the faults and the load, as a person writes them.

mod carrier;
mod check;
pub mod error;
mod form;
mod layers;
mod load;
pub mod machine;
pub mod members;
mod oracle;
pub mod path;
pub mod schema;
mod shape;
pub mod source;
pub mod text;
mod vary;

pub use carrier::{Carrier, carriers};
pub use error::PlanErrors;
pub use load::{NoPlan, aside, builtin, load};
pub use oracle::oracles;
pub use text::to_toml;
pub use vary::{Cell, Sweep, sweep};
pub(crate) use vary::{slug, sweep_of};

use crate::client::ClientOptions;
use machine::MachineFault;
use members::MemberChange;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;
use tidemark_netfuzz::{Distribution, RuleSpec, Spec};
use tidemark_node::admission::AdmissionOptions;
use tidemark_node::config::{Choice, Config, Limits};
use tidemark_node::handover::HandoverOptions;
use tidemark_proto::event::Detail;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::Options;
use tidemark_proto::span::Span;

/// A plan with every default written out. Times are as written; [`Plan::scaled`] stretches them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
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
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub time_scale: f64,
    /// How much of the run is kept.
    #[serde(default)]
    pub events: Detail,
    /// Who takes part.
    pub cluster: Cluster,
    /// How a write reaches its replicas.
    #[schemars(schema_with = "schema::replication")]
    pub replication: Choice,
    /// Which nodes hold a key.
    #[schemars(schema_with = "schema::partitioner")]
    pub partitioner: Choice,
    /// What makes one version newer.
    #[schemars(schema_with = "schema::versioning")]
    pub versioning: Choice,
    /// Who is in the cluster.
    #[schemars(schema_with = "schema::membership")]
    pub membership: Choice,
    /// What becomes of tombstones.
    #[schemars(schema_with = "schema::deletion")]
    pub deletion: Choice,
    /// Where versions rest.
    #[schemars(schema_with = "schema::storage")]
    pub storage: Choice,
    /// How replicas are made equal again.
    #[serde(default)]
    #[schemars(schema_with = "schema::repair")]
    pub repair: Vec<Choice>,
    /// How keys move when members come and go.
    #[serde(default)]
    pub handover: HandoverOptions,
    /// What bounds tables.
    #[serde(default)]
    pub limits: Limits,
    /// When a node refuses requests, and when it puts background work off, because clients wait for their turn.
    #[serde(default)]
    pub admission: AdmissionOptions,
    /// Who asks, how often, of whom.
    pub client: ClientOptions,
    /// What is asked.
    #[schemars(schema_with = "schema::workload")]
    pub workload: Choice,
    /// The weather of every day.
    #[serde(default)]
    #[schemars(schema_with = "schema::network")]
    pub network: Vec<RuleSpec>,
    /// What goes wrong, when.
    #[serde(default)]
    #[schemars(schema_with = "schema::fault")]
    pub fault: Vec<Fault>,
    /// What only the simulator needs to be told.
    #[serde(default)]
    pub sim: SimOptions,
}

/// Who takes part.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Nodes that hold keys: n1 …
    #[schemars(range(min = 1, max = 1_000))]
    pub nodes: u16,
    /// Nodes that coordinate and hold none: g1 …
    #[serde(default)]
    #[schemars(range(max = 1_000))]
    pub gateways: u16,
    /// Nodes that run beside them and hold none until they join: those numbered after the others.
    #[serde(default)]
    #[schemars(range(max = 1_000))]
    pub spares: u16,
}

/// What only the simulator needs to be told.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimOptions {
    /// How long a node is busy with one message; absent: no time at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Distribution>,
    /// How long a sync of a disk takes; what comes meanwhile is one batch. Absent: no time at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_latency: Option<Distribution>,
}

/// Something that goes wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Options", untagged)]
pub enum Fault {
    /// Of machines.
    Machine(Box<MachineFault>),
    /// Members come and go: it stays so.
    Members(Box<MemberChange>),
    /// Of the network.
    Rule(Box<RuleSpec>),
}

impl Plan {
    /// Writes out every default, and checks that the parts fit together.
    ///
    /// # Errors
    /// What does not fit, without where it was written.
    pub fn resolve(mut self) -> anyhow::Result<Self> {
        let errors = check::resolve(&mut self);
        let reasons: Vec<_> = errors.iter().map(ToString::to_string).collect();
        anyhow::ensure!(reasons.is_empty(), reasons.join("\n"));
        Ok(self)
    }

    /// Checks that a back-end can do what the plan asks of it.
    ///
    /// # Errors
    /// What it cannot do.
    pub fn check_backend(&self, backend: &str) -> anyhow::Result<()> {
        let errors = machine::check::in_backend(self, backend);
        let reasons: Vec<_> = errors.iter().map(ToString::to_string).collect();
        anyhow::ensure!(reasons.is_empty(), reasons.join("\n"));
        Ok(())
    }

    /// The plan with every time multiplied by `time_scale` and rates divided by it; the network's rules are stretched
    /// by [`Network`](tidemark_netfuzz::Network) itself.
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
        self.admission.stretch(scale);
        let choices = [
            &mut self.replication,
            &mut self.versioning,
            &mut self.deletion,
            &mut self.storage,
            &mut self.membership,
            &mut self.workload,
        ];
        for choice in choices.into_iter().chain(&mut self.repair) {
            stretch_options(&mut choice.options, scale);
        }
        for fault in &mut self.fault {
            match fault {
                Fault::Machine(fault) => fault.stretch(scale),
                Fault::Members(change) => change.at = change.at.scaled(scale),
                Fault::Rule(_) => {}
            }
        }
        let HandoverOptions {
            rate, retry, keep, ..
        } = &mut self.handover;
        *rate = ((f64::from(*rate) / scale) as u32).max(1);
        (*retry, *keep) = (retry.scaled(scale), keep.scaled(scale));
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

    /// The nodes that may join while the run goes on.
    #[must_use]
    pub fn spares(&self) -> Vec<NodeId> {
        let Cluster { nodes, spares, .. } = self.cluster;
        (nodes + 1..=nodes + spares).map(NodeId::node).collect()
    }

    /// Everybody that runs a replica: nodes, those that may join, then gateways.
    #[must_use]
    pub fn members(&self) -> Vec<NodeId> {
        [self.nodes(), self.spares(), self.gateways()].concat()
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
            spares: self.spares(),
            handover: self.handover.clone(),
            gateways: self.gateways(),
            partitioner: self.partitioner.clone(),
            versioning: self.versioning.clone(),
            membership: self.membership.clone(),
            replication: self.replication.clone(),
            repair: self.repair.clone(),
            deletion: self.deletion.clone(),
            storage: self.storage.clone(),
            limits: self.limits.clone(),
            admission: self.admission.clone(),
            detail: self.events,
        }
    }

    /// What the network is told; its times are not scaled yet.
    #[must_use]
    pub fn spec(&self) -> Spec {
        let mut participants = self.members();
        participants.extend(self.clients());
        let rules = self.fault.iter().filter_map(|fault| match fault {
            Fault::Rule(rule) => Some((**rule).clone()),
            Fault::Machine(_) | Fault::Members(_) => None,
        });
        Spec {
            participants,
            time_scale: self.time_scale,
            network: self.network.clone(),
            fault: rules.collect(),
        }
    }
}

impl TryFrom<Options> for Fault {
    type Error = serde_json::Error;

    fn try_from(table: Options) -> Result<Self, Self::Error> {
        if let Some(change) = MemberChange::read(&table) {
            return change.map(|change| Self::Members(Box::new(change)));
        }
        match MachineFault::read(&table) {
            Some(fault) => fault.map(|fault| Self::Machine(Box::new(fault))),
            None => {
                let rule = RuleSpec::deserialize(Value::Object(table))?;
                Ok(Self::Rule(Box::new(rule)))
            }
        }
    }
}

/// Stretches every option that is written as a time.
fn stretch_options(options: &mut Options, scale: f64) {
    for value in options.values_mut() {
        stretch(value, scale);
    }
}

fn stretch(value: &mut Value, scale: f64) {
    match value {
        Value::String(text) => {
            if let Ok(span) = text.parse::<Span>() {
                *text = span.scaled(scale).to_string();
            }
        }
        Value::Object(inner) => stretch_options(inner, scale),
        Value::Array(items) => items.iter_mut().for_each(|item| stretch(item, scale)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
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
