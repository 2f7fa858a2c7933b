//! A deployment made by hand on loopback: an observer, a proxy, three nodes; and what `get`, `put`, `delete` and `shell`
//! say of it.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test watches processes by the wall clock; what cannot be unwrapped fails it"
)]

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;

/// If this fails, nobody can deploy a store by hand, or what it did is not on disk.
#[test]
fn three_nodes_a_proxy_and_an_observer_started_by_hand_are_a_store_with_a_history() {
    let mut deployment = Deployment::start();
    let put = deployment.ask(1, &["put", "cart", "apples", "--w", "3", "--json"]);
    assert_eq!(put.code, 0, "{put:?}");
    let put: Value = serde_json::from_str(&put.said).unwrap();
    assert_eq!(put["asked"], "put");
    assert_eq!(put["coordinator"], "n1");
    assert_eq!(put["clock"], serde_json::json!({ "n1": 1 }));
    assert_eq!(put["answered"].as_array().unwrap().len(), 3);
    let got = deployment.ask(3, &["get", "cart"]);
    assert_eq!(got.code, 0, "{got:?}");
    for part in [
        "cart: 1 version\n",
        "  apples   clock n1: 1   operation n1.",
        "coordinator  n3\n",
    ] {
        assert!(got.said.contains(part), "{part:?} in {}", got.said);
    }

    let ended = deployment.end();
    assert!(ended.iter().all(ExitStatus::success), "{ended:?}");
    let observed = tidemark(&["observe", deployment.folder.to_str().unwrap(), "--json"]);
    assert_eq!(observed.code, 0, "{observed:?}");
    let figures: Value = serde_json::from_str(&observed.said).unwrap();
    assert_eq!(figures["run"]["ended"], "ended");
    assert_eq!(figures["run"]["operations"], 2);
    assert_eq!(figures["run"]["clock_error_ms"], 0.0);
    assert!(
        !deployment.folder.join("clocks.jsonl").exists(),
        "all of them read one clock"
    );
    let table = |name: &str| std::fs::read_to_string(deployment.folder.join(name)).unwrap();
    assert!(table("events.csv").contains("n3"), "nodes reported nothing");
    assert!(
        table("fates.csv").lines().count() > 6,
        "the proxy reported nothing"
    );
}

/// If this fails, what a node on another machine saw stands at another time, or nobody can tell how exactly it is known.
#[test]
fn times_of_a_node_with_another_clock_are_those_of_the_observer() {
    let another = Command::new("unshare").args(AHEAD).arg("true").status();
    if !another.is_ok_and(|status| status.success()) {
        eprintln!(
            "skipped: this user may not make a time namespace, so all processes read one clock"
        );
        return;
    }
    let mut deployment = Deployment::start_with(Some("n2"));
    for (node, value) in [(1, "first"), (2, "second"), (1, "third")] {
        let put = deployment.ask(node, &["put", "cart", value, "--w", "3"]);
        assert_eq!(put.code, 0, "{put:?}");
    }
    let ended = deployment.end();
    assert!(ended.iter().all(ExitStatus::success), "{ended:?}");
    let folder = deployment.folder.to_str().unwrap();
    let observed = tidemark(&["observe", folder, "--json"]);
    assert_eq!(observed.code, 0, "{observed:?}");
    let figures: Value = serde_json::from_str(&observed.said).unwrap();
    let clock = &figures["clocks"][0];
    assert_eq!(clock["sources"], serde_json::json!(["n2~1"]));
    let [offset, bound] = ["offset_ms", "bound_ms"].map(|name| clock[name].as_f64().unwrap());
    assert!(
        (offset + A_DAY_MS).abs() <= bound,
        "a day less, to within {bound} ms: {offset}"
    );
    assert!(bound < 1000.0, "{bound} ms on one machine");
    let error = figures["run"]["clock_error_ms"].as_f64();
    assert_eq!(
        error,
        Some(2.0 * bound),
        "it may be early once and late another time"
    );
    let operations = std::fs::read_to_string(deployment.folder.join("ops.csv")).unwrap();
    let rows = operations
        .lines()
        .skip(1)
        .map(|row| row.split(',').collect::<Vec<_>>());
    let mut puts: Vec<(f64, &str)> = rows.map(|row| (row[5].parse().unwrap(), row[9])).collect();
    puts.sort_by(|a, b| a.0.total_cmp(&b.0));
    let asked: Vec<_> = puts.iter().map(|(_, asked)| *asked).collect();
    assert_eq!(
        asked,
        ["n1", "n2", "n1"],
        "in the order in which they were asked for"
    );
    let said = tidemark(&["observe", folder]).said;
    let sentence = "n2~1 reads another clock: its times are corrected by −86 400 s, to within";
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.replace('\u{a0}', " ").contains(sentence), "{said}");
}

/// If this fails, the history of a deployment ends with its observer, or has something twice when another goes on with it.
#[test]
fn an_observer_started_by_hand_goes_on_where_one_that_died_stopped() {
    let mut deployment = Deployment::start();
    let folder = deployment.folder.display().to_string();
    let put = |deployment: &mut Deployment| {
        let put = deployment.ask(1, &["put", "cart", "apples", "--w", "3"]);
        assert_eq!(put.code, 0, "{put:?}");
    };
    put(&mut deployment);
    let again = ["observer", "--plan", "quickstart", "--resume", &folder];
    let other = tidemark(&again);
    assert!(other.complained.contains("is of another plan"), "{other:?}");
    let again = [
        &again[..],
        &["--set", "cluster.nodes=3", "--set", "network=[]"],
    ]
    .concat();
    let second = tidemark(&again);
    assert!(
        second.complained.contains("somebody else writes"),
        "{second:?}"
    );

    deployment.kill("observer");
    put(&mut deployment);
    let address = deployment.observer.clone();
    deployment.spawn(
        "observer",
        &[&again[..], &["--listen", &address]].concat(),
        2,
    );
    put(&mut deployment);
    let ended = deployment.end();
    assert!(ended.iter().all(ExitStatus::success), "{ended:?}");

    let observed = tidemark(&["observe", &folder, "--json"]);
    assert_eq!(observed.code, 0, "{observed:?}");
    let figures: Value = serde_json::from_str(&observed.said).unwrap();
    assert_eq!(figures["run"]["ended"], "ended");
    assert_eq!(figures["run"]["operations"], 3);
    let gaps = figures["gaps"].as_array().unwrap();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(
        (&gaps[0]["source"], &gaps[0]["times"]),
        (&"observer".into(), &1.into())
    );
    let complete = tidemark(&again);
    assert!(complete.complained.contains("is complete"), "{complete:?}");
}

/// If this fails, a script cannot tell what came of an operation, or a context that was printed is not taken back.
#[test]
fn what_is_printed_can_be_sent_back_and_codes_tell_what_came_of_it() {
    let mut deployment = Deployment::start();
    let absent = deployment.ask(1, &["get", "cart", "--json"]);
    assert_eq!(
        (absent.code, &*absent.json()["found"].to_string()),
        (8, "false")
    );
    let first = deployment.ask(1, &["put", "cart", "apples", "--w", "3"]);
    let context = first
        .said
        .lines()
        .find_map(|line| line.strip_prefix("context "));
    let context = context.unwrap().trim();
    for value in ["pears", "plums"] {
        let put = ["put", "cart", value, "--w", "3", "--context", context];
        assert_eq!(deployment.ask(2, &put).code, 0);
    }
    let both = deployment.ask(3, &["get", "cart"]);
    for part in ["2 siblings", "  pears   clock ", "  plums   clock "] {
        assert!(both.said.contains(part), "{part:?} in {}", both.said);
    }
    // A whole answer on standard input stands for its context.
    let one = [
        "put",
        "cart",
        "both",
        "--w",
        "3",
        "--siblings",
        "--context",
        "-",
    ];
    let one = deployment.ask_with(&both.said, 1, &one);
    assert!(one.said.contains("written; 1 version"), "{one:?}");
    let json = deployment.ask(2, &["get", "cart", "--json"]);
    let versions = &json.json()["versions"];
    assert_eq!(
        (versions[0]["text"].as_str(), versions[1].as_object()),
        (Some("both"), None)
    );
    let deleted = deployment.ask_with(
        &json.said,
        2,
        &["delete", "cart", "--w", "3", "--context", "-"],
    );
    assert_eq!(deleted.code, 0, "{deleted:?}");
    let absent = deployment.ask(1, &["get", "cart"]);
    assert_eq!(absent.code, 8, "{absent:?}");
    assert!(
        absent.said.contains("not found: it was deleted"),
        "{absent:?}"
    );

    let refused = deployment.ask(1, &["get", "cart", "--r", "9"]);
    assert_eq!(refused.code, 6, "{refused:?}");
    assert!(
        refused.complained.contains("INVALID_ARGUMENT"),
        "{refused:?}"
    );
    let nonsense = deployment.ask(1, &["put", "cart", "x", "--context", "no context"]);
    assert!(
        nonsense
            .complained
            .contains("\"no context\" is not one that was printed"),
        "{nonsense:?}"
    );

    deployment.kill("n2");
    deployment.kill("n3");
    let unknown = [
        "put",
        "cart",
        "x",
        "--w",
        "2",
        "--timeout",
        "50ms",
        "--json",
    ];
    let unknown = deployment.ask(1, &unknown);
    assert_eq!(unknown.code, 7, "{unknown:?}");
    let error = &unknown.json()["error"];
    assert_eq!(
        (&error["status"], &error["outcome"]),
        (&"DEADLINE_EXCEEDED".into(), &"unknown".into())
    );
    let unknown = deployment.ask(1, &["delete", "cart", "--w", "2", "--timeout", "50ms"]);
    assert!(
        unknown.complained.contains("may still take effect"),
        "{unknown:?}"
    );
}

/// If this fails, the shell forgets what it read, or a mistake ends it.
#[test]
fn the_shell_remembers_contexts_and_survives_mistakes() {
    let mut deployment = Deployment::start();
    let lines = [
        "put cart apples --w 3",
        "put cart '#1 pears' --w 3   # supersedes the apples",
        "get cart",
        "put cart plums blind --w 3",
        "get cart",
        "put cart both --w 3",
        "get cart",
        "pt cart x",
        "use n2",
        &format!("use {}", deployment.address(2).clone()),
        "forget cart",
        "context cart",
        "quit",
        "get never",
    ];
    let shell = deployment.ask_with(&lines.join("\n"), 1, &["shell"]);
    assert_eq!(shell.code, 0, "{shell:?}");
    let said = |part: &str| {
        let place = shell.said.find(part);
        place.unwrap_or_else(|| panic!("{part:?} is missing in {}", shell.said))
    };
    assert!(said("cart: 1 version\n  #1 pears ") < said("cart: 2 siblings"));
    assert!(said("put cart <value> supersedes them all") < said("cart: 1 version\n  both "));
    assert!(said("unrecognized subcommand 'pt'") < said("no cluster is up"));
    said("nothing of cart was seen");
    assert!(!shell.said.contains("never"), "{}", shell.said);
}

/// If this fails, a stale read cannot be made and seen in one session.
#[test]
fn a_shell_breaks_and_heals_the_cluster_that_is_up() {
    let mut up = Deployment::empty();
    let out = up.out.path().display().to_string();
    let plan = [
        "--set",
        "cluster.nodes=3",
        "--set",
        "network=[]",
        "--set",
        "fault=[]",
    ];
    let patient = ["--set", "replication.timeout=10s"];
    let start = [
        &["cluster", "up", "quickstart", "--out", &out],
        &plan[..],
        &patient,
    ]
    .concat();
    up.spawn("cluster", &start, 1);
    let lines = [
        "put cart old --w 3",
        "fault partition = { isolate = \"n3\" }",
        "put cart new --w 2",
        "use n3",
        "get cart",
        "heal",
        "get cart --r 3",
        "fault 'lost = 1'",
        "status",
    ];
    let shell = run(&lines.join("\n"), &["shell", "--out", &out, "--node", "n1"]);
    assert_eq!(shell.code, 0, "{shell:?}");
    let mut rest = &*shell.said;
    for part in [
        "partition-1",
        "written",
        "  old ",
        "over: partition-1",
        "  new ",
        "unknown key \"lost\"",
        "no fault is in force",
    ] {
        let place = rest.find(part);
        let place = place.unwrap_or_else(|| panic!("{part:?} is missing in {}", shell.said));
        rest = &rest[place + part.len()..];
    }
    assert!(up.end().iter().all(ExitStatus::success));
}

/// If this fails, a mistake in deploying is not told from a store that does not answer.
#[test]
fn what_cannot_be_deployed_is_refused_with_the_reason() {
    for (arguments, part) in [
        (
            &[
                "node",
                "--id",
                "n1",
                "--plan",
                "quickstart",
                "--listen",
                "0.0.0.0:7001",
            ][..],
            "not on loopback",
        ),
        (
            &["node", "--id", "n9", "--plan", "quickstart"],
            "--id is n9; the plan has n1, n2, n3",
        ),
        (
            &[
                "node",
                "--id",
                "n1",
                "--plan",
                "quickstart",
                "--peer",
                "n2=127.0.0.1:7002",
            ],
            "no --peer says where n3 is",
        ),
        (
            &["node", "--id", "n1", "--plan", "nothing"],
            "there is no plan \"nothing\"",
        ),
        (
            &[
                "netfuzz",
                "--plan",
                "quickstart",
                "--link",
                "n1 = 127.0.0.1:7001",
            ],
            "write it like n1 -> n2 = 127.0.0.1:7002",
        ),
        (
            &[
                "netfuzz",
                "--plan",
                "quickstart",
                "--link",
                "c1 -> n9 = 127.0.0.1:7001",
            ],
            "--link names n9; the plan has n1, n2, n3",
        ),
        (
            &["get", "cart", "--address", "127.0.0.1:1"],
            "127.0.0.1:1 cannot be reached",
        ),
        (&["get", "cart", "--out", "/nowhere"], "no cluster is up"),
    ] {
        let refused = tidemark(arguments);
        assert_ne!(refused.code, 0, "{arguments:?}");
        assert!(
            refused.complained.contains(part),
            "{part:?} in {}",
            refused.complained
        );
    }
}

/// If this fails, a command has no page in the manual or no completion.
#[test]
fn manual_and_completions_know_every_command() {
    let out = tempfile::tempdir().unwrap();
    let man = tidemark(&["man", "--out", out.path().to_str().unwrap()]);
    assert_eq!(man.code, 0, "{man:?}");
    let help = tidemark(&["--help"]).said;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands: Vec<_> = commands
        .lines()
        .map_while(|line| line.strip_prefix("  ")?.split(' ').next())
        .collect();
    assert!(
        commands.contains(&"shell") && commands.contains(&"man"),
        "{commands:?}"
    );
    for shell in ["bash", "fish", "zsh"] {
        let completions = tidemark(&["completions", shell]).said;
        for command in commands.iter().filter(|command| **command != "help") {
            assert!(
                completions.contains(command),
                "{shell} does not complete {command}"
            );
            assert!(
                out.path().join(format!("tidemark-{command}.1")).exists(),
                "no page for {command}"
            );
        }
        assert!(
            completions.contains("quickstart"),
            "{shell} does not complete plans"
        );
    }
}

/// Processes that were started by hand; whoever is left is killed in the end.
struct Deployment {
    processes: BTreeMap<&'static str, Child>,
    /// Who is to read a clock of its own.
    ahead: Option<&'static str>,
    /// Where c1 dials each node, through the proxy.
    doors: BTreeMap<u16, String>,
    folder: PathBuf,
    /// Where the observer listens.
    observer: String,
    out: tempfile::TempDir,
}

impl Deployment {
    fn empty() -> Self {
        Self {
            processes: BTreeMap::new(),
            ahead: None,
            doors: BTreeMap::new(),
            folder: PathBuf::new(),
            observer: String::new(),
            out: tempfile::tempdir().unwrap(),
        }
    }

    fn start() -> Self {
        Self::start_with(None)
    }

    /// One of whose nodes may read a clock that is a day ahead of the others'.
    fn start_with(ahead: Option<&'static str>) -> Self {
        let mut deployment = Self::empty();
        deployment.ahead = ahead;
        let plan = [
            "--plan",
            "quickstart",
            "--set",
            "cluster.nodes=3",
            "--set",
            "network=[]",
        ];
        let results = deployment.out.path().display().to_string();
        let said = deployment.spawn(
            "observer",
            &[&["observer", "--out", &results], &plan[..]].concat(),
            2,
        );
        let observer = last_word(&said[0]);
        deployment.folder = last_word(&said[1]).into();
        deployment.observer.clone_from(&observer);

        let reserved = [1, 2, 3].map(|_| reserve());
        let address = |node: u16| {
            reserved[usize::from(node) - 1]
                .local_addr()
                .unwrap()
                .to_string()
        };
        let mut links = Vec::new();
        for to in 1..=3 {
            let senders = (1..=3)
                .filter(|from| *from != to)
                .map(|from| format!("n{from}"));
            for from in senders.chain(["c1".to_owned()]) {
                links.extend([
                    "--link".to_owned(),
                    format!("{from} -> n{to} = {}", address(to)),
                ]);
            }
        }
        let links: Vec<&str> = links.iter().map(String::as_str).collect();
        let netfuzz = [&["netfuzz", "--observer", &observer], &plan[..], &links].concat();
        let said = deployment.spawn("netfuzz", &netfuzz, 1 + links.len() / 2);
        let listener = |from: &str, to: u16| {
            let link = format!("{from} -> n{to} listens at ");
            let line = said.iter().find_map(|line| line.strip_prefix(&link));
            line.unwrap().split(',').next().unwrap().to_owned()
        };
        for (node, name) in (1..=3).zip(["n1", "n2", "n3"]) {
            let (listen, mut arguments) = (address(node), vec!["node", "--id", name]);
            arguments.extend(["--observer", &observer, "--listen", &listen]);
            arguments.extend(plan);
            let others = (1..=3).filter(|other| *other != node);
            let peers: Vec<_> = others
                .map(|to| format!("n{to}={}", listener(name, to)))
                .collect();
            arguments.extend(peers.iter().flat_map(|peer| ["--peer", peer]));
            let said = deployment.spawn(name, &arguments, 1);
            assert_eq!(said[0], format!("{name} listens at {listen}"));
            deployment.doors.insert(node, listener("c1", node));
        }
        deployment
    }

    /// Starts a process and reads its first lines.
    fn spawn(&mut self, name: &'static str, arguments: &[&str], lines: usize) -> Vec<String> {
        let program = env!("CARGO_BIN_EXE_tidemark");
        let mut command = match self.ahead == Some(name) {
            true => {
                let mut command = Command::new("unshare");
                command.args(AHEAD).arg(program);
                command
            }
            false => Command::new(program),
        };
        let mut child = command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .take(lines);
        let said: Vec<_> = said.map(Result::unwrap).collect();
        self.processes.insert(name, child);
        assert_eq!(said.len(), lines, "{name} ended after {said:?}");
        said
    }

    fn address(&self, node: u16) -> &String {
        &self.doors[&node]
    }

    fn ask(&mut self, node: u16, arguments: &[&str]) -> Answered {
        self.ask_with("", node, arguments)
    }

    /// Asks a node through the proxy, with this on standard input.
    fn ask_with(&mut self, input: &str, node: u16, arguments: &[&str]) -> Answered {
        let place = ["--address", self.address(node)];
        run(input, &[arguments, &place].concat())
    }

    fn kill(&mut self, name: &str) {
        let mut child = self.processes.remove(name).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Interrupts everybody as Ctrl-C does, the observer last.
    fn end(&mut self) -> Vec<ExitStatus> {
        let mut ended = Vec::new();
        for name in ["cluster", "n1", "n2", "n3", "netfuzz", "observer"] {
            let Some(mut child) = self.processes.remove(name) else {
                continue;
            };
            kill_process(Pid::from_child(&child), Signal::INT).unwrap();
            let deadline = Instant::now() + PATIENCE;
            let status = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break status;
                }
                assert!(Instant::now() < deadline, "{name} does not end");
                std::thread::sleep(Duration::from_millis(5));
            };
            ended.push(status);
        }
        ended
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        for child in self.processes.values_mut() {
            // Whoever is gone need not be killed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[derive(Debug)]
struct Answered {
    code: i32,
    said: String,
    complained: String,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_str(&self.said).unwrap()
    }
}

fn tidemark(arguments: &[&str]) -> Answered {
    run("", arguments)
}

fn run(input: &str, arguments: &[&str]) -> Answered {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidemark"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    Answered {
        code: status.code().unwrap(),
        said: String::from_utf8(stdout).unwrap(),
        complained: String::from_utf8(stderr).unwrap(),
    }
}

/// A port that nobody else is given while the socket lives: bound, and never listening.
fn reserve() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    socket
}

fn last_word(line: &str) -> String {
    line.rsplit(' ').next().unwrap().to_owned()
}

const PATIENCE: Duration = Duration::from_secs(30);
/// What makes a process read a clock that is a day ahead.
const AHEAD: [&str; 3] = ["--time", "--monotonic", "86400"];
const A_DAY_MS: f64 = 86_400_000.0;
