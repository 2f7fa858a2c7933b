//! A cluster that is up: what people do to it by hand is judged like any other load.

#![expect(
    clippy::disallowed_methods,
    reason = "processes are watched by the wall clock"
)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tidemark::cluster;
use tidemark::record::ClusterRecord;
use tidemark_node::partitioner::Change;
use tidemark_proto::id::NodeId;
use tidemark_proto::wire::kv_client::KvClient;
use tidemark_proto::wire::{
    ClusterFaultRequest, ClusterStatusReply, DeleteRequest, GetReply, GetRequest, PutReply,
    PutRequest,
};
use tokio::runtime::Runtime;
use tonic::transport::Channel;

/// If this fails, what a person sees and what the report says are two things.
#[test]
fn a_stale_read_by_hand_is_a_stale_read_in_the_report() {
    let up = Up::start(&[]);
    let (n1, n3) = (NodeId::node(1), NodeId::node(3));
    assert!(!up.get(n3, 1).found);
    let first = up.put(n1, "old", &[], 3);
    assert_eq!(values(&up.get(n3, 1)), ["old"]);

    let fault = up.fault("partition = { isolate = \"n3\" }", "", "n3 is cut off");
    assert_eq!(fault.expect("it is a rule"), "n3 is cut off");
    let second = up.put(n1, "new", &first.context, 2);
    let stale = up.get(n3, 1);
    assert_eq!(values(&stale), ["old"], "n3 has heard of nothing else");
    assert_eq!(values(&up.get(n1, 1)), ["new"]);
    let healed = cluster::heal(up.out()).expect("it heals");
    assert_eq!(healed.faults, ["n3 is cut off"]);
    assert_eq!(values(&up.get(n3, 3)), ["new"], "all three are asked");
    // Another node brings back the context that n1 gave: it is no blind write.
    up.put(n3, "newest", &second.context, 3);
    assert_eq!(values(&up.get(n1, 1)), ["newest"]);
    up.delete(n3);
    assert!(!up.get(n3, 1).found);

    let metrics = up.down();
    let whole = &metrics["whole"];
    assert_eq!(whole["operations"], 11);
    assert_eq!(whole["availability"]["count"], 11);
    assert_eq!(
        (&whole["stale"]["count"], &whole["stale"]["of"]),
        (&1.into(), &6.into())
    );
    let phases = metrics["phases"].as_array().expect("there are phases");
    let stale: Vec<_> = phases
        .iter()
        .map(|phase| {
            (
                phase["name"].as_str().expect("a name"),
                phase["stale"]["count"].as_u64(),
            )
        })
        .collect();
    let expected = [
        ("quiet", Some(0)),
        ("n3 is cut off", Some(1)),
        ("after n3 is cut off", Some(0)),
    ];
    assert_eq!(stale, expected);
    assert_eq!(
        metrics["faults"][0]["vacuous"]["known"], false,
        "it cut off messages"
    );
    assert_eq!(metrics["convergence"]["known"]["keys"], 1);
    assert_eq!(metrics["lost_writes"]["known"]["lost"]["count"], 0);
    let excluded = metrics["excluded"].as_array().expect("a list");
    assert_eq!(excluded.len(), 1, "{excluded:?}");
    assert_eq!(
        excluded[0]["count"], 1,
        "only the first read came before any write"
    );
}

/// If this fails, a mistyped fault either does nothing unnoticed, or ends the cluster.
#[test]
fn a_fault_is_refused_as_in_a_plan_and_the_cluster_stays_up() {
    let up = Up::start(&["network=[{ loss = 0.0, links = 'peers' }]"]);
    for (rule, length, parts) in [
        (
            "partition = { isolate = \"n9\" }",
            "",
            &["partition.isolate: there is no n9", "n1 to n3"][..],
        ),
        (
            "latence = 3",
            "",
            &["unknown key \"latence\"", "latency, loss, partition"],
        ),
        ("loss = ", "", &["cannot be read", "write it like"]),
        ("loss = 1, at = \"1s\"", "", &["at is given", "begins now"]),
        ("loss = 1", "soon", &["\"soon\" is no length of time"]),
        ("crash = \"n9\"", "", &["crash is \"n9\"", "n1 to n3"]),
        (
            "power_loss = \"n2\"",
            "",
            &["power_loss cannot be done to a process", "crash"],
        ),
        (
            "crash = \"any\", every = \"1s\"",
            "",
            &["every is given", "once"],
        ),
        (
            "pause = \"n2\", whenever = 3",
            "",
            &["unknown key \"whenever\"", "pause takes"],
        ),
        (
            "loss = 1 }\nb = { c = 1",
            "",
            &["cannot be read", "unknown field"],
        ),
    ] {
        let error = up.fault(rule, length, "").expect_err(rule);
        assert!(
            parts.iter().all(|part| error.contains(part)),
            "{rule}: {error}"
        );
    }
    assert_eq!(up.fault("loss = 0.0", "1ms", "").as_deref(), Ok("loss-2"));
    assert_eq!(
        up.fault("crash = \"n2\"", "", "").as_deref(),
        Ok("n2 crashes")
    );
    assert_eq!(
        up.fault("pause = \"n1\"", "10s", "").as_deref(),
        Ok("n1 pauses")
    );
    assert_eq!(
        up.fault("clock = { node = \"any\", offset = \"-1s\" }", "10s", "")
            .as_deref(),
        Ok("a node has a wrong clock")
    );
    let error = up
        .fault("crash = \"n2\"", "", "again")
        .expect_err("it is down");
    assert!(error.contains("n2, which is down already"), "{error}");
    up.until("the first fault is over", |status| status.faults.len() == 3);
    let status = cluster::status(up.out()).expect("it is up");
    assert_eq!(status.nodes[1].pid, None);
    cluster::heal(up.out()).expect("it heals");
    up.until("n2 lives again", |status| {
        let n2 = &status.nodes[1];
        n2.life == 2 && n2.pid.is_some() && status.faults.is_empty()
    });
    let metrics = up.down();
    let names: Vec<_> = (metrics["faults"].as_array().into_iter().flatten())
        .map(|fault| fault["name"].as_str().unwrap_or_default())
        .collect();
    let expected = [
        "loss-2",
        "n2 crashes",
        "n1 pauses",
        "a node has a wrong clock",
    ];
    assert_eq!(names, expected);
    assert_eq!(metrics["faults"][1]["machines"], 1);
}

/// If this fails, two clusters write into one folder, or a port that is taken shows as a riddle.
#[test]
fn what_is_in_the_way_of_a_cluster_is_named() {
    let up = Up::start(&[]);
    let pid = up.record.pid.to_string();
    let out = up.out().display().to_string();
    let complaint = |arguments: &[&str]| {
        let output = tidemark().args(arguments).output().expect("it starts");
        let code = if arguments[1] == "up" { 1 } else { 6 };
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let second = complaint(&["cluster", "up", "quickstart", "--out", &out]);
    assert!(second.contains(&format!("process {pid}")), "{second}");

    let other = tempfile::tempdir().expect("a folder");
    let other = other.path().display().to_string();
    let none = complaint(&["cluster", "status", "--out", &other]);
    assert!(none.contains("`tidemark cluster up quickstart`"), "{none}");
    let (_, port) = up.record.nodes[&NodeId::node(1)]
        .rsplit_once(':')
        .expect("host:port");
    let below = (port.parse::<u16>().expect("a port") - 1).to_string();
    let taken = complaint(&[
        "cluster",
        "up",
        "quickstart",
        "--out",
        &other,
        "--port",
        &below,
    ]);
    assert!(
        taken.contains(&format!("cannot listen on 127.0.0.1:{port}")),
        "{taken}"
    );
    assert!(!Path::new(&other).join("cluster.json").exists());
    up.down();
}

/// If this fails, members cannot be changed by hand, or the report does not say that they were.
#[test]
fn members_come_and_go_by_hand() {
    let up = Up::start(&["cluster.spares=2"]);
    let [n1, n4, n5] = [1, 4, 5].map(NodeId::node);
    up.put(n1, "value", &[], 3);
    let members = |status: &ClusterStatusReply| {
        let roll = status.roll.clone().expect("a node answers");
        let is_at_rest = roll.change.is_empty();
        is_at_rest.then_some(roll.members)
    };
    let is = |names: &'static [&'static str]| {
        move |status: &ClusterStatusReply| members(status).is_some_and(|all| all == names)
    };
    let begin = |change: Change| {
        let begun = cluster::change(up.out(), change);
        begun.map_err(|error| error.to_string())
    };
    let roll = begin(Change::Join(n4)).expect("n4 is a spare").roll;
    assert_eq!(roll.expect("it is told").change, "+n4");
    up.until("n4 has joined", is(&["n1", "n2", "n3", "n4"]));
    let wrong = begin(Change::Join(n4)).expect_err("it is a member");
    assert!(wrong.contains("n4 is a member already"), "{wrong}");
    let wrong = begin(Change::Leave(n5)).expect_err("it is none");
    assert!(wrong.contains("n5 is no member"), "{wrong}");
    // Whoever asks is not to begin what nobody has heard of yet: who keeps the roll may still be telling the last.
    wait("n1 may leave", || begin(Change::Leave(n1)).ok());
    up.until("n1 has left", is(&["n2", "n3", "n4"]));
    assert_eq!(values(&up.get(n4, 2)), ["value"]);
    let fault = up
        .fault("join = \"n5\"", "", "")
        .expect_err("it is no fault");
    assert!(fault.contains("tidemark cluster join"), "{fault}");

    let metrics = up.down();
    let changes = metrics["member_changes"].as_array().expect("there are");
    let told: Vec<_> = changes
        .iter()
        .map(|change| (&change["name"], &change["is_complete"]))
        .map(|(name, complete)| (name.as_str(), complete.as_bool()))
        .collect();
    assert_eq!(
        told,
        [
            (Some("n4 joins"), Some(true)),
            (Some("n1 leaves"), Some(true))
        ]
    );
    assert_eq!(metrics["false_not_found"]["count"], 0);
}

/// Three nodes that all hold every key, on a network without delays; a read or write needs one of them unless it says more.
struct Up {
    process: Child,
    out: tempfile::TempDir,
    record: ClusterRecord,
    runtime: Runtime,
}

impl Up {
    fn start(sets: &[&str]) -> Self {
        let out = tempfile::tempdir().expect("a folder");
        let mut command = tidemark();
        command.args(["cluster", "up", "quickstart", "--for", "10m", "--out"]);
        command.arg(out.path());
        for set in [
            "cluster.nodes=3",
            "client.count=1",
            "repair=[]",
            "network=[]",
        ]
        .iter()
        .chain(sets)
        {
            command.args(["--set", set]);
        }
        let process = command.spawn().expect("it starts");
        let record = wait("the cluster is up", || ClusterRecord::read(out.path()).ok());
        let runtime = Runtime::new().expect("a runtime");
        Self {
            process,
            out,
            record,
            runtime,
        }
    }

    fn out(&self) -> &Path {
        self.out.path()
    }

    fn client(&self, node: NodeId) -> KvClient<Channel> {
        let address = format!("http://{}", self.record.nodes[&node]);
        let client = self.runtime.block_on(KvClient::connect(address));
        client.expect("the node is dialled")
    }

    fn get(&self, node: NodeId, quorum: u32) -> GetReply {
        let request = GetRequest {
            key: "k".to_owned(),
            read_quorum: Some(quorum),
            ..Default::default()
        };
        let reply = self.runtime.block_on(self.client(node).get(request));
        reply.expect("it is answered").into_inner()
    }

    fn put(&self, node: NodeId, value: &'static str, context: &[u8], quorum: u32) -> PutReply {
        let request = PutRequest {
            key: "k".to_owned(),
            value: value.into(),
            context: context.to_vec().into(),
            write_quorum: Some(quorum),
            ..Default::default()
        };
        let reply = self.runtime.block_on(self.client(node).put(request));
        reply.expect("it is written").into_inner()
    }

    fn delete(&self, node: NodeId) {
        let request = DeleteRequest {
            key: "k".to_owned(),
            write_quorum: Some(3),
            ..Default::default()
        };
        let reply = self.runtime.block_on(self.client(node).delete(request));
        reply.expect("it is deleted");
    }

    /// The name of the fault that is in force now, or why it is not.
    fn fault(&self, rule: &str, length: &str, name: &str) -> Result<String, String> {
        let request = ClusterFaultRequest {
            rule: rule.to_owned(),
            length: length.to_owned(),
            name: name.to_owned(),
        };
        let reply = cluster::fault(self.out(), request).map_err(|error| error.to_string())?;
        Ok(reply.fault.expect("it is told").name)
    }

    fn until(&self, what: &str, is_so: impl Fn(&ClusterStatusReply) -> bool) {
        wait(what, || {
            let status = cluster::status(self.out()).expect("it is up");
            is_so(&status).then_some(())
        });
    }

    /// Ends it; gives its figures.
    fn down(mut self) -> serde_json::Value {
        let down = cluster::down(self.out()).expect("it ends");
        let status = wait("the process ends", || {
            self.process.try_wait().ok().flatten()
        });
        assert!(status.success(), "{status}");
        assert!(!self.out().join("cluster.json").exists());
        let page = Path::new(&down.folder).join("report.html");
        assert!(page.exists(), "{}", page.display());
        let metrics = fs::read_to_string(page.with_file_name("metrics.json")).expect("figures");
        serde_json::from_str(&metrics).expect("they are JSON")
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It is still there only after a failure; its own processes die with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn tidemark() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn values(reply: &GetReply) -> Vec<String> {
    let versions = reply.versions.iter();
    versions
        .map(|version| String::from_utf8_lossy(&version.value).into_owned())
        .collect()
}

/// Looks again and again, within bounds.
fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} until {what}"
        );
        std::thread::sleep(LOOK_EVERY);
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
