//! The processes of a store under test; they end with it, and with whoever started them.

use anyhow::Context as _;
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tidemark::backend::real::child::{NodeStart, Reporting, Start};
use tidemark::backend::real::process::Process;
use tidemark::plan::load;
use tidemark::record::Folder;
use tidemark_node::config::Config;
use tidemark_proto::clock::Clock;
use tidemark_proto::event::Detail;
use tidemark_proto::id::NodeId;

/// The processes of one store.
pub(crate) enum System {
    /// Nodes that dial each other directly, and the observer, if there is one, with their data below folders.
    Tidemark {
        processes: Vec<Process>,
        _folders: Vec<TempDir>,
    },
    /// Members with their data below a folder.
    Etcd {
        members: Vec<Child>,
        _folder: TempDir,
    },
}

impl System {
    /// Starts nodes: N is their number up to 3, R and W are majorities. In memory, reads ask all replicas, and whoever is
    /// behind is sent what it lacks; on disk, below a folder, as many as must answer. Nodes tell an observer so much of what
    /// they see, who writes it down below a folder; or there is none.
    pub(crate) fn tidemark(
        program: &Path,
        nodes: u16,
        disk: Option<&Path>,
        observed: Option<(Detail, &Path)>,
    ) -> anyhow::Result<(Self, Vec<SocketAddr>)> {
        let folder = disk.map(fresh_folder).transpose()?;
        let (storage, read_set) = match &folder {
            Some(_) => (json!({ "kind": "lsm", "sync": "batch" }), "quorum"),
            None => (json!({ "kind": "memory" }), "all"),
        };
        let ids: Vec<NodeId> = (1..=nodes).map(NodeId::node).collect();
        let n = nodes.min(3);
        let quorum = n / 2 + 1;
        let config: Config = serde_json::from_value(json!({
            "seed": 7, "nodes": ids, "gateways": [],
            "partitioner": { "kind": "token-ring" }, "versioning": { "kind": "vector" },
            "membership": { "kind": "fixed" }, "storage": storage,
            "replication": {
                "kind": "strict", "n": n, "r": quorum, "w": quorum, "timeout": "10s", "read_set": read_set
            },
            "repair": [{ "kind": "read", "mode": "asynchronous" }], "limits": {},
        }))?;
        let mut started = Vec::new();
        for id in &ids {
            let mut process = Process::start_program(program, "node", &id.to_string())?;
            started.push((*id, process.address()?, process));
        }
        let observer = match observed {
            Some((detail, below)) => Some((detail, Observer::start(program, below)?)),
            None => None,
        };
        let addresses: Vec<_> = started
            .iter()
            .map(|(id, address, _)| (*id, *address))
            .collect();
        let epoch_ns = Clock::start().epoch_ns();
        for (id, _, process) in &mut started {
            let others = addresses.iter().filter(|(other, _)| other != id);
            process.order(&Start::Node(Box::new(NodeStart {
                conditions: Default::default(),
                config: config.clone(),
                id: *id,
                life: 1,
                links: others
                    .map(|(to, address)| (*to, address.to_string()))
                    .collect(),
                epoch_ns,
                reporting: observer.as_ref().map(|(detail, observer)| Reporting {
                    observer: observer.address,
                    source: format!("{id}~1"),
                    detail: *detail,
                }),
                data: folder
                    .as_ref()
                    .map(|folder| folder.path().join(id.to_string())),
            })))?;
        }
        let mut processes: Vec<_> = started.into_iter().map(|(_, _, process)| process).collect();
        let mut folders: Vec<_> = folder.into_iter().collect();
        if let Some((_, observer)) = observer {
            processes.push(observer.process);
            folders.push(observer.folder);
        }
        let addresses = addresses.into_iter().map(|(_, address)| address).collect();
        let started = Self::Tidemark {
            processes,
            _folders: folders,
        };
        Ok((started, addresses))
    }

    /// Starts etcd on fresh data in a folder of its own; it need not be ready yet.
    pub(crate) fn etcd(nodes: u16, folder: &Path) -> anyhow::Result<(Self, Vec<SocketAddr>)> {
        let folder = fresh_folder(folder)?;
        let mut members = Vec::new();
        for number in 1..=nodes {
            let name = format!("e{number}");
            members.push((folder.path().join(&name), name, free_port()?, free_port()?));
        }
        let cluster = members
            .iter()
            .map(|(_, name, _, peers)| format!("{name}=http://{peers}"));
        let cluster = cluster.collect::<Vec<_>>().join(",");
        let mut started = Self::Etcd {
            members: Vec::new(),
            _folder: folder,
        };
        for (data, name, clients, peers) in &members {
            let [clients, peers] = [clients, peers].map(|address| format!("http://{address}"));
            let arguments = format!(
                "--pdeathsig KILL etcd --logger zap --log-level error --name {name}
                --initial-cluster {cluster} --initial-advertise-peer-urls {peers}
                --listen-client-urls {clients} --advertise-client-urls {clients}
                --listen-peer-urls {peers} --data-dir"
            );
            let mut command = Command::new("setpriv");
            command.args(arguments.split_whitespace()).arg(data);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            if let Self::Etcd { members, .. } = &mut started {
                members.push(
                    command
                        .spawn()
                        .context("etcd cannot be started by setpriv")?,
                );
            }
        }
        Ok((
            started,
            members.iter().map(|(_, _, clients, _)| *clients).collect(),
        ))
    }

    /// The processor time that its processes have used so far.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        let ids: Vec<u32> = match self {
            Self::Tidemark { processes, .. } => processes.iter().map(Process::id).collect(),
            Self::Etcd { members, .. } => members.iter().map(Child::id).collect(),
        };
        let mut ticks = 0;
        for id in ids {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
            let (_, fields) = stat.rsplit_once(')').context("a process has no name")?;
            // proc(5): user and system time are the 14th and 15th field, counted from 1.
            for field in fields.split_whitespace().skip(11).take(2) {
                ticks += field.parse::<u64>()?;
            }
        }
        Ok(TICK * u32::try_from(ticks)?)
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if let Self::Etcd { members, .. } = self {
            for member in members {
                // Whoever is dead already need not be killed.
                let _ = member.kill();
                let _ = member.wait();
            }
        }
    }
}

/// Who writes down what nodes see.
struct Observer {
    process: Process,
    address: SocketAddr,
    folder: TempDir,
}

impl Observer {
    fn start(program: &Path, below: &Path) -> anyhow::Result<Self> {
        let folder = fresh_folder(below)?;
        // Any plan will do: nobody computes figures of it.
        let (name, plan) = load("quickstart", "real", &[])?;
        let out = folder.path();
        let (run, _) = Folder::create(out, &name, "real", &plan, Vec::new(), String::new())?;
        let mut process = Process::start_program(program, "observer", "the observer")?;
        let address = process.address()?;
        process.order(&Start::Observer {
            folder: run.path().to_owned(),
        })?;
        Ok(Self {
            process,
            address,
            folder,
        })
    }
}

/// An empty folder, which goes with the processes that use it.
fn fresh_folder(below: &Path) -> std::io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("tidemark-etcd-")
        .tempdir_in(below)
}

/// A port that was free just now; etcd cannot be asked which one it was given.
fn free_port() -> std::io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

/// The unit of times in /proc: Linux's USER_HZ.
const TICK: Duration = Duration::from_millis(10);
