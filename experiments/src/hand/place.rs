//! Whom somebody asks by hand: any address, or a node of the cluster that is up, as its `cluster.json` has it.

use crate::call::call;
use anyhow::{Context as _, anyhow};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidemark_node::request::{Reply, Request};
use tidemark_proto::id::NodeId;
use tidemark_proto::wire::kv_client::KvClient;
use tonic::transport::{Channel, Endpoint};

/// Where to look for whom to ask.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    /// The node to ask, of the cluster that is up; by default its first.
    #[arg(long, value_name = "NAME")]
    pub node: Option<NodeId>,
    /// The address to ask, in place of a cluster's node.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "node")]
    pub address: Option<String>,
    /// The results' folder of the cluster that is up.
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    pub out: PathBuf,
}

/// What `cluster.json` says of the cluster that is up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ClusterFile {
    /// The process that keeps it up.
    pub pid: u32,
    /// Where it takes faults and heals.
    pub control: String,
    /// Where each node and gateway is dialled.
    pub nodes: BTreeMap<NodeId, String>,
}

impl ClusterFile {
    /// Reads it from the results' folder.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn read(out: &Path) -> anyhow::Result<Self> {
        let path = out.join("cluster.json");
        let text = fs::read_to_string(&path).with_context(|| {
            format!(
                "no cluster is up: {} cannot be read; start one with `tidemark cluster up quickstart`, or give --address",
                path.display()
            )
        })?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }

    fn node(&self, wanted: Option<NodeId>) -> anyhow::Result<(NodeId, &str)> {
        let found = match wanted {
            Some(node) => self.nodes.get_key_value(&node),
            None => self.nodes.iter().next(),
        };
        let (node, address) = found.with_context(|| {
            let names: Vec<_> = self.nodes.keys().map(NodeId::to_string).collect();
            let wanted = wanted.map_or("no node".to_owned(), |node| node.to_string());
            format!(
                "{wanted} is not in the cluster; choose one of: {}",
                names.join(", ")
            )
        })?;
        Ok((*node, address))
    }
}

impl Place {
    /// Dials whom it means.
    ///
    /// # Errors
    /// It means nobody, or nobody listens there: nothing was asked of anybody.
    pub async fn dial(&self) -> anyhow::Result<Line> {
        let (name, address) = match &self.address {
            Some(address) => (address.clone(), address.clone()),
            None => {
                let cluster = ClusterFile::read(&self.out)?;
                let (node, address) = cluster.node(self.node)?;
                (format!("{node} at {address}"), address.to_owned())
            }
        };
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .with_context(|| format!("--address is {address:?}; write host:port"))?
            .connect_timeout(DIALLED_WITHIN);
        let channel = endpoint.connect().await.map_err(|error| {
            let error = anyhow::Error::from(error);
            anyhow!("{name} cannot be reached: {}", error.root_cause())
        })?;
        let kv = KvClient::new(channel).max_decoding_message_size(ANSWER_BYTES);
        Ok(Line { name, kv })
    }
}

/// A connection to a node.
#[derive(Clone, Debug)]
pub struct Line {
    name: String,
    kv: KvClient<Channel>,
}

impl Line {
    /// Whom it reaches: `n2 at 127.0.0.1:7002`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks, and waits for the answer a little longer than the node may wait for its quorum.
    pub async fn ask(&self, request: Request) -> Reply {
        let wait = request.timeout.unwrap_or(LONGEST_TIMEOUT) + ON_THE_WAY;
        match request.try_into() {
            Ok(asked) => call(self.kv.clone(), asked, None, wait).await,
            Err(refusal) => Reply::Refused(refusal),
        }
    }
}

const DIALLED_WITHIN: Duration = Duration::from_secs(5);
/// How long a node may wait for its quorum where only its own plan says.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30);
const ON_THE_WAY: Duration = Duration::from_secs(1);
/// All siblings of a key.
const ANSWER_BYTES: usize = 1 << 30;
