//! How each store is called: the same client and the same calls in flight, whatever the messages are.

use crate::Options;
use crate::client::{Call, Client};
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use prost::Message;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use tidemark_proto::wire;
use xxhash_rust::xxh3::xxh3_64;

/// What a store is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    /// Write a value.
    Put,
    /// Read what a quorum holds: linearizable in etcd.
    QuorumRead,
    /// Read what the node that is asked holds: serializable in etcd.
    LocalRead,
}

/// A store as its client sees it.
pub(crate) struct Store {
    clients: Vec<Client>,
    value: Bytes,
    keys: Vec<String>,
    dialect: Dialect,
    /// How it is asked to write, and to read.
    put: Call,
    get: Call,
}

/// What a store speaks.
pub(crate) enum Dialect {
    /// Tidemark's service.
    Tidemark {
        /// By key, the context of the last write: a write supersedes the one before it, as in etcd.
        contexts: Vec<Mutex<Bytes>>,
    },
    /// etcd's service.
    Etcd {
        /// Whether reads are asked too.
        reads: bool,
    },
}

impl Work {
    pub(crate) const ALL: [Self; 3] = [Self::Put, Self::QuorumRead, Self::LocalRead];
}

impl Dialect {
    pub(crate) fn tidemark(keys: usize) -> Self {
        let contexts = (0..keys).map(|_| Mutex::default()).collect();
        Self::Tidemark { contexts }
    }
}

impl Store {
    pub(crate) fn new(
        addresses: &[SocketAddr],
        options: &Options,
        dialect: Dialect,
    ) -> anyhow::Result<Self> {
        let connections = addresses.len() * options.channels.get();
        let (put, get) = match &dialect {
            Dialect::Tidemark { .. } => ("/tidemark.v1.Kv/Put", "/tidemark.v1.Kv/Get"),
            Dialect::Etcd { .. } => ("/etcdserverpb.KV/Put", "/etcdserverpb.KV/Range"),
        };
        Ok(Self {
            put: Call::new(put)?,
            get: Call::new(get)?,
            clients: (addresses.iter().cycle().take(connections))
                .map(|address| Client::new(*address))
                .collect(),
            value: vec![b'v'; options.value_bytes].into(),
            keys: (0..options.keys.get())
                .map(|key| format!("key-{key:08}"))
                .collect(),
            dialect,
        })
    }

    pub(crate) fn offers(&self, work: Work) -> bool {
        match &self.dialect {
            Dialect::Tidemark { .. } => true,
            Dialect::Etcd { reads } => *reads || work == Work::Put,
        }
    }

    pub(crate) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// Carries out the `turn`-th call of a client that takes nodes in turn. If somebody else writes the key meanwhile, both
    /// versions are kept.
    pub(crate) async fn call(&self, work: Work, turn: usize, key: usize) -> anyhow::Result<()> {
        let client = &self.clients[turn % self.clients.len()];
        match &self.dialect {
            Dialect::Tidemark { contexts } => {
                self.call_tidemark(client, work, key, &contexts[key]).await
            }
            Dialect::Etcd { .. } => self.call_etcd(client, work, key).await,
        }
    }

    async fn call_tidemark(
        &self,
        client: &Client,
        work: Work,
        key: usize,
        context: &Mutex<Bytes>,
    ) -> anyhow::Result<()> {
        let name = self.keys[key].clone();
        if work == Work::Put {
            let put = wire::PutRequest {
                key: name,
                value: self.value.clone(),
                context: context
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone(),
                checksum: Some(xxh3_64(&self.value)),
                ..Default::default()
            };
            let reply: wire::PutReply = client.call(&self.put, &put).await?;
            *context.lock().unwrap_or_else(PoisonError::into_inner) = reply.context;
            return Ok(());
        }
        let get = wire::GetRequest {
            key: name,
            read_quorum: (work == Work::LocalRead).then_some(1),
            ..Default::default()
        };
        let reply: wire::GetReply = client.call(&self.get, &get).await?;
        // In an open loop, a write that took long may have met the next one: then there are two versions for a while.
        let versions = &reply.versions;
        ensure!(!versions.is_empty(), "{} was not found", self.keys[key]);
        ensure!(
            versions.iter().all(|version| version.value == self.value),
            "{} has another value",
            self.keys[key]
        );
        Ok(())
    }

    async fn call_etcd(&self, client: &Client, work: Work, key: usize) -> anyhow::Result<()> {
        let name = self.keys[key].clone().into_bytes();
        if work == Work::Put {
            let put = Put {
                key: name,
                value: self.value.clone(),
            };
            let Done {} = client.call(&self.put, &put).await?;
            return Ok(());
        }
        let range = Range {
            key: name,
            serializable: work == Work::LocalRead,
        };
        let found: Found = client.call(&self.get, &range).await?;
        let pair = found.pairs.first().context("a key was not found")?;
        ensure!(
            pair.value == self.value,
            "{} has another value",
            self.keys[key]
        );
        Ok(())
    }
}

/// etcd's `RangeRequest`, as far as it is used here.
#[derive(Clone, PartialEq, Message)]
struct Range {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bool, tag = "7")]
    serializable: bool,
}

/// etcd's `RangeResponse`, as far as it is used here.
#[derive(Clone, PartialEq, Message)]
struct Found {
    #[prost(message, repeated, tag = "2")]
    pairs: Vec<Pair>,
}

/// etcd's `KeyValue`, as far as it is used here.
#[derive(Clone, PartialEq, Message)]
struct Pair {
    #[prost(bytes = "bytes", tag = "5")]
    value: Bytes,
}

/// etcd's `PutRequest`, as far as it is used here.
#[derive(Clone, PartialEq, Message)]
struct Put {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// etcd's `PutResponse`, of which nothing is used.
#[derive(Clone, PartialEq, Message)]
struct Done {}
