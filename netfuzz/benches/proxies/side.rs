//! What is measured: no proxy, the fault proxy, another proxy; with the processor time that its processes have used.

use crate::child::{Child, Journalling};
use crate::load::Load;
use serde_json::json;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;
use tidemark_proto::clock::Clock;
use tidemark_proto::wire::netfuzz_client::NetfuzzClient;
use tidemark_proto::wire::{Link, LoadRequest, OpenRequest};

/// Another proxy, which somebody else has started.
#[derive(Clone)]
pub(crate) struct Rival {
    name: String,
    address: SocketAddr,
    pid: u32,
}

impl FromStr for Rival {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split('=').collect();
        let [name, address, pid] = parts[..] else {
            return Err(format!("{text:?} is not name=address=pid"));
        };
        let refuse = |error: &dyn std::fmt::Display| format!("{text:?}: {error}");
        Ok(Self {
            name: name.to_owned(),
            address: address.parse().map_err(|error| refuse(&error))?,
            pid: pid.parse().map_err(|error| refuse(&error))?,
        })
    }
}

/// One way from the client to the server.
pub(crate) struct Side {
    pub(crate) name: String,
    /// Where calls go.
    pub(crate) calls: SocketAddr,
    /// Where streams go, if it takes part in that.
    pub(crate) streams: Option<SocketAddr>,
    /// The process in between, with its children.
    pid: Option<u32>,
    /// Lives as long as the side.
    _child: Option<Child>,
}

impl Side {
    /// The server and every way to it.
    pub(crate) async fn all(server: SocketAddr, rivals: Vec<Rival>) -> (Child, Vec<Self>) {
        let (child, server) = Child::start(&["server", &server.to_string()]);
        let mut sides = vec![Self {
            name: "direct".to_owned(),
            calls: server,
            streams: Some(server),
            pid: None,
            _child: None,
        }];
        for journalling in [Journalling::Counted, Journalling::Off] {
            sides.push(Self::netfuzz(journalling, server).await);
        }
        sides.extend(rivals.into_iter().map(|rival| Self {
            name: rival.name,
            calls: rival.address,
            streams: None,
            pid: Some(rival.pid),
            _child: None,
        }));
        (child, sides)
    }

    /// The fault proxy as a run has it: its network is loaded, and the only rule is not in force yet.
    async fn netfuzz(journalling: Journalling, server: SocketAddr) -> Self {
        let (child, control) = Child::start(&["proxy", journalling.name()]);
        let mut control = NetfuzzClient::connect(format!("http://{control}"))
            .await
            .unwrap();
        let link = |from: &str, datagram| Link {
            from: from.to_owned(),
            to: "n1".to_owned(),
            upstream: server.to_string(),
            datagram,
            port: 0,
        };
        let links = vec![link("c1", false), link("n2", true)];
        let opened = control.open(OpenRequest { links }).await.unwrap();
        let listeners = opened.into_inner().listeners;
        let later =
            json!({ "at": "1h", "for": "1s", "links": "all", "latency": { "constant": "1ms" } });
        let rules = json!({ "participants": ["c1", "n1", "n2"], "fault": [later] });
        let request = LoadRequest {
            rules_json: rules.to_string(),
            seed: 7,
            epoch_ns: Clock::start().epoch_ns(),
        };
        control.load(request).await.unwrap();
        let address = |place: usize| listeners[place].parse().unwrap();
        Self {
            name: match journalling {
                Journalling::Counted => "netfuzz".to_owned(),
                Journalling::Off => "netfuzz, no journal".to_owned(),
            },
            calls: address(0),
            streams: Some(address(1)),
            pid: Some(child.id()),
            _child: Some(child),
        }
    }

    /// Whether it takes part.
    pub(crate) fn takes(&self, load: Load) -> bool {
        match load {
            Load::Calls(_) => true,
            Load::Stream => self.streams.is_some(),
        }
    }

    /// The processor time that its processes have used, all their threads together.
    pub(crate) fn processor(&self) -> Option<Duration> {
        self.pid.map(|pid| family(pid).into_iter().map(used).sum())
    }
}

/// A process and its descendants.
fn family(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let children = children
        .split_whitespace()
        .flat_map(|child| family(child.parse().unwrap()));
    [pid].into_iter().chain(children).collect()
}

/// User and system time of a process, in the kernel's ticks of 10 ms: fields 14 and 15.
fn used(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}
