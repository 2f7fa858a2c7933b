//! Whom somebody asks by hand: any address, or a node of the cluster that is up, as its `cluster.json` has it.

use crate::call::call;
use crate::record::ClusterRecord;
use anyhow::{Context as _, anyhow};
use std::path::PathBuf;
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

impl Place {
    /// Dials whom it means.
    ///
    /// # Errors
    /// It means nobody, or nobody listens there: nothing was asked of anybody.
    pub async fn dial(&self) -> anyhow::Result<Line> {
        let (name, address) = match &self.address {
            Some(address) => (address.clone(), address.clone()),
            None => {
                let nodes = ClusterRecord::read(&self.out)?.nodes;
                let found = match self.node {
                    Some(node) => nodes.get_key_value(&node),
                    None => nodes.iter().next(),
                };
                let (node, address) = found.with_context(|| {
                    let names: Vec<_> = nodes.keys().map(NodeId::to_string).collect();
                    let wanted = self.node.map(|node| format!("--node is {node}, but "));
                    format!(
                        "{}the cluster has {}",
                        wanted.unwrap_or_default(),
                        names.join(", ")
                    )
                })?;
                (format!("{node} at {address}"), address.clone())
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
