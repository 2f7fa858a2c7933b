//! Scripts with the whole expected conversation: `scenarios/*.txt`, one story a file. `UPDATE=1` rewrites what they
//! expect, to be read as a diff.
//!
//! A block is commands, `----` and what came of them. The commands:
//!
//! - `cluster nodes=3 gateways=1 n=3 r=1 w=2 coordinator=any timeout=500ms repair=read`: what is written out is the
//!   default; `requests`, `siblings`, `warn_siblings`, `counters` and `hints` set limits; `repair=none` runs none, `repair=read+hint`
//!   both, `repair=blocking` one before the reply; `replication=sloppy versioning=vector deletion=keep storage=model` choose
//!   those, every option of a quorum strategy has its name, and `deletion.pace.every=5s` sets one of the others;
//!   `down=n3@2s`: from then on everybody believes that n3 is down.
//! - `c1 put x a via n1`, `c1 get x via n1`, `c1 delete x via n1`; then, as wanted, `seen=c1.1` (the context of that
//!   operation's answer), `quorum=2`, `primaries=2`, `durable=2`, `timeout=100ms`, `siblings` (answer them), `unnamed`
//!   (no operation is sent), `local` (of a get: what the node itself holds).
//! - `deliver all` (until nothing is on its way); `deliver`, `drop` or `duplicate` with `n1->n2`, `*->n2`, a method,
//!   an operation, or several of these: the messages on their way that fit.
//! - `disk n2 full`, `disk n2 free`, `disk n2 flips x` (a bit of what it holds of x).
//! - `ahead n1 1s` (its wall clock, from now on); `tick 500ms`; `crash n2`, `restart n2`; `where x` (its preference list), `show x` (what its replicas hold).

mod harness;

use bytes::Bytes;
use harness::{Cluster, Parcel, SEAT, Shape, config};
use serde_json::json;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use tidemark_node::config::Choice;
use tidemark_node::replica::Output;
use tidemark_node::request::{
    Answer, Call, ReadNeeds, Reply, Request, Siblings, Ticket, WriteNeeds,
};
use tidemark_node::storage::Kept;
use tidemark_node::versioning::{self, Versioning, Versions};
use tidemark_proto::event::Event;
use tidemark_proto::id::{Actor, NodeId, OperationId};
use tidemark_proto::message::Message;
use tidemark_proto::registry::{Options, find};
use tidemark_proto::span::Span;
use tidemark_proto::wire::{self, sweep::Body};

/// If this fails, nodes say something else to each other or to clients than was reviewed; the diff shows what.
#[test]
fn every_scenario_goes_as_it_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let files = std::fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut differences = String::new();
    for file in &files {
        let written = std::fs::read_to_string(file).unwrap();
        let played = play(&written);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(file, played).unwrap();
        } else if let Some((number, (expected, came))) = first_difference(&written, &played) {
            let name = file.file_name().unwrap_or_default().display();
            writeln!(differences, "{name}:{number}:\n- {expected}\n+ {came}").unwrap();
        }
    }
    assert!(!files.is_empty(), "there are no scenarios");
    assert!(
        differences.is_empty(),
        "\n{differences}UPDATE=1 rewrites what is expected"
    );
}

/// The script with what comes of it now.
fn play(script: &str) -> String {
    let mut stage = None;
    let blocks = script.trim_end().split("\n\n").map(|block| {
        let commands = block.lines().take_while(|line| *line != "----");
        let commands: Vec<_> = commands.collect();
        let mut played = commands.join("\n");
        let mut said = Vec::new();
        for command in commands.iter().filter(|line| !line.starts_with('#')) {
            let words: Vec<_> = command.split_whitespace().collect();
            if words[0] == "cluster" {
                stage = Some(Stage::new(&words[1..]));
            } else {
                let stage = stage.as_mut().expect("a script begins with a cluster");
                stage.obey(&words);
                said.append(&mut stage.said);
            }
        }
        if !said.is_empty() {
            write!(played, "\n----\n{}", said.join("\n")).expect("a string takes it");
        }
        played
    });
    blocks.collect::<Vec<_>>().join("\n\n") + "\n"
}

/// A cluster, its clients, and what was said since the last command.
struct Stage {
    cluster: Cluster,
    n: usize,
    versioning: Box<dyn Versioning>,
    /// How many operations each client has issued.
    issued: BTreeMap<NodeId, u64>,
    asked: BTreeMap<Ticket, OperationId>,
    /// The contexts that operations were answered with.
    contexts: BTreeMap<OperationId, Bytes>,
    said: Vec<String>,
}

impl Stage {
    fn new(words: &[&str]) -> Self {
        let number = |name, default| option(words, name).map_or(default, parse);
        let shape = Shape {
            nodes: number("nodes", 3),
            gateways: number("gateways", 1),
            n: number("n", 3).into(),
            r: number("r", 1).into(),
            w: number("w", 2).into(),
        };
        let mut replication = json!({ "coordinator": "any", "timeout": "500ms" });
        let options = words.iter().filter_map(|word| word.split_once('='));
        for (name, value) in options.filter(|(name, _)| OF_REPLICATION.contains(name)) {
            let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
            replication[name] = value;
        }
        let repair = option(words, "repair").unwrap_or("read");
        let repairs: Vec<_> = repair
            .split('+')
            .filter(|repair| *repair != "none")
            .map(|repair| match repair {
                "blocking" => "read",
                other => other,
            })
            .collect();
        let mut config = config(shape, replication, &repairs);
        config.versioning = choice(words, "versioning", config.versioning);
        config.deletion = choice(words, "deletion", config.deletion);
        for choice in &mut config.repair {
            if choice.kind == "read" && repair.contains("blocking") {
                choice.options.insert("mode".to_owned(), json!("blocking"));
            }
            if let ("hint", Some(most)) = (&*choice.kind, option(words, "hints")) {
                choice
                    .options
                    .insert("max_hints".to_owned(), parse::<u32>(most).into());
            }
        }
        if let Some(kind) = option(words, "replication") {
            config.replication.kind = kind.to_owned();
        }
        config.storage = choice(words, "storage", config.storage);
        let down = words.iter().filter_map(|word| word.strip_prefix("down="));
        let down: serde_json::Map<_, _> = down
            .map(|who| who.split_once('@').unwrap_or((who, "0s")))
            .map(|(node, at)| (node.to_owned(), json!(at)))
            .collect();
        if !down.is_empty() {
            let options = &mut config.membership.options;
            options.insert("down".to_owned(), down.into());
        }
        config.limits.requests = number("requests", 1_000).into();
        config.limits.siblings = number("siblings", 1_000).into();
        config.limits.warn_siblings = number("warn_siblings", 1_000).into();
        config.limits.counters = number("counters", 1_000).into();
        let versioning = find("versioning", versioning::ENTRIES, &config.versioning.kind)
            .expect("the cluster has one");
        Self {
            versioning: (versioning.build)(&config.versioning.options, SEAT).expect("it builds"),
            cluster: Cluster::new(config),
            n: shape.n,
            issued: BTreeMap::new(),
            asked: BTreeMap::new(),
            contexts: BTreeMap::new(),
            said: Vec::new(),
        }
    }

    fn obey(&mut self, words: &[&str]) {
        match words {
            ["deliver", "all"] => {
                while !self.cluster.bag.is_empty() {
                    self.deliver(0);
                }
            }
            ["deliver", pattern @ ..] => {
                // What is sent meanwhile waits behind what was there.
                let mut left = self.cluster.bag.len();
                let mut index = 0;
                while index < left {
                    if fits(&self.cluster.bag[index], pattern) {
                        self.deliver(index);
                        left -= 1;
                    } else {
                        index += 1;
                    }
                }
            }
            ["drop", pattern @ ..] => {
                let bag = std::mem::take(&mut self.cluster.bag);
                let (lost, kept) = bag.into_iter().partition(|parcel| fits(parcel, pattern));
                self.cluster.bag = kept;
                self.say_of_parcels(&lost, "is lost");
            }
            ["duplicate", pattern @ ..] => {
                let copies: Vec<_> = self
                    .cluster
                    .bag
                    .iter()
                    .filter(|parcel| fits(parcel, pattern))
                    .cloned()
                    .collect();
                self.say_of_parcels(&copies, "will arrive once more");
                self.cluster.bag.extend(copies);
            }
            ["tick", time] => {
                for (node, outputs) in self.cluster.wait(parse::<Span>(time).0) {
                    self.said.push(format!("{node}: its alarm rings"));
                    self.tell(&outputs);
                }
                self.said
                    .push(format!("it is {}", Span(self.cluster.elapsed)));
            }
            ["ahead", node, time] => {
                let time = parse::<Span>(time);
                self.cluster.ahead.insert(parse(node), time.0);
                self.said
                    .push(format!("{node}'s wall clock is {time} ahead"));
            }
            ["crash", node] => {
                let kept = match self.cluster.crash(parse(node)) {
                    Some(Kept::Everything) => "everything",
                    Some(Kept::Nothing) => "nothing",
                    None => panic!("{node} is down"),
                };
                self.said.push(format!("{node} dies and keeps {kept}"));
            }
            ["disk", node, "full"] => {
                self.cluster.disk(parse(node)).limit(Some(0));
                self.said.push(format!("the disk of {node} is full"));
            }
            ["disk", node, "free"] => {
                self.cluster.disk(parse(node)).limit(None);
                self.said.push(format!("the disk of {node} has room"));
            }
            ["disk", node, "flips", key] => {
                let is_there = self.cluster.disk(parse(node)).damage(key.as_bytes(), 100);
                assert!(is_there, "{node} holds nothing of {key}");
                self.said
                    .push(format!("a bit of what {node} holds of {key} flips"));
            }
            ["restart", node] => {
                let life = self.cluster.restart(parse(node));
                self.said.push(format!("{node} begins its life {life}"));
            }
            ["where", key] => {
                let replicas = self.cluster.replicas(key, self.n);
                self.said.push(format!("{key} is on {}", list(&replicas)));
            }
            ["show", key] => {
                for node in self.cluster.replicas(key, self.n) {
                    let held = self.cluster.held_or_damaged(node, key);
                    let held = held.map_or_else(|damage| damage.to_string(), |v| self.versions(&v));
                    self.said.push(format!("{node}: {held}"));
                }
            }
            [client, verb, key, rest @ ..] => self.ask(client, verb, key, rest),
            other => panic!("no command: {}", other.join(" ")),
        }
    }

    fn ask(&mut self, client: &str, verb: &str, key: &str, rest: &[&str]) {
        let issuer: NodeId = parse(client);
        let issued = self.issued.entry(issuer).or_default();
        *issued += 1;
        let operation = OperationId::new(issuer, *issued);
        let context = option(rest, "seen").map_or_else(Bytes::new, |seen| {
            let context = self.contexts.get(&parse(seen));
            context
                .unwrap_or_else(|| panic!("{seen} was not answered"))
                .clone()
        });
        let number = |name| option(rest, name).map(parse);
        let quorum = number("quorum");
        let needs = WriteNeeds {
            quorum,
            primaries: number("primaries"),
            durable: number("durable"),
            nodes: None,
        };
        let call = match verb {
            "get" if rest.contains(&"local") => Call::Probe,
            "get" => Call::Get {
                needs: ReadNeeds {
                    quorum,
                    primaries: number("primaries"),
                    ..ReadNeeds::default()
                },
            },
            "put" => Call::Put {
                value: Bytes::copy_from_slice(rest[0].as_bytes()),
                context,
                needs,
                checksum: None,
                siblings: match rest.contains(&"siblings") {
                    true => Siblings::Returned,
                    false => Siblings::Omitted,
                },
            },
            "delete" => Call::Delete {
                context,
                read_quorum: None,
                needs,
            },
            other => panic!("clients get, put and delete, and do not {other}"),
        };
        let via = rest
            .iter()
            .position(|word| *word == "via")
            .expect("a request goes via a node");
        let request = Request {
            operation: if rest.contains(&"unnamed") {
                OperationId::NONE
            } else {
                operation
            },
            key: Bytes::copy_from_slice(key.as_bytes()),
            timeout: option(rest, "timeout").map(|time| parse::<Span>(time).0),
            call,
        };
        self.said
            .push(format!("{operation} asks {}", rest[via + 1]));
        // A reply may come at once, so the ticket must be known before the outputs are told.
        let (ticket, outputs) = self.cluster.ask(parse(rest[via + 1]), request);
        self.asked.insert(ticket, operation);
        self.tell(&outputs);
    }

    fn deliver(&mut self, index: usize) {
        let parcel = self.cluster.bag[index].clone();
        self.say_of_parcels(std::slice::from_ref(&parcel), "arrives");
        let outputs = self.cluster.deliver(index);
        self.tell(&outputs);
    }

    fn say_of_parcels(&mut self, parcels: &[Parcel], fate: &str) {
        for Parcel { from, to, message } in parcels {
            let (method, operation) = (message.method(), message.operation());
            self.said
                .push(format!("{from}->{to} {method} {operation} {fate}"));
        }
    }

    fn tell(&mut self, outputs: &[Output]) {
        for output in outputs {
            let line = match output {
                Output::Reply(ticket, reply) => {
                    let operation = self.asked[ticket];
                    if let Reply::Got(answer) | Reply::Written(answer) = reply {
                        self.contexts.insert(operation, answer.context.clone());
                    }
                    format!("answers {operation}: {}", self.reply(reply))
                }
                Output::Send(to, message) => format!("to {to}: {}", self.message(message)),
                Output::Note(Event::Stored(stored)) => {
                    let key = String::from_utf8_lossy(&stored.key);
                    format!(
                        "holds {key} of {} ({})",
                        list(&stored.versions),
                        stored.method
                    )
                }
                Output::Note(Event::Refused {
                    operation, reason, ..
                }) => {
                    format!("notes of {operation}: {reason}")
                }
                Output::Note(Event::Placed { key, nodes }) => {
                    format!("places {} on {}", String::from_utf8_lossy(key), list(nodes))
                }
                Output::Note(Event::Upkeep(upkeep)) => {
                    let chore = serde_json::to_value(upkeep.chore).expect("it has a name");
                    let of = match upkeep.operation {
                        operation if operation.is_none() => String::new(),
                        operation => format!(" of {operation}"),
                    };
                    let peer = upkeep.peer.map(|peer| format!(" for {peer}"));
                    let chore = chore.as_str().unwrap_or_default();
                    format!("notes {chore}{of}{}", peer.unwrap_or_default())
                }
                Output::Enrolled(_, enrolled) => format!("members {enrolled:?}"),
                Output::Note(other) => format!("notes {other:?}"),
            };
            self.said.push(format!("  {line}"));
        }
    }

    fn sweep(&self, sweep: &wire::Sweep) -> String {
        let body = match &sweep.body {
            Some(Body::Hashes(m)) => format!("hashes of {:?} on level {}", m.nodes, m.level),
            Some(Body::Differing(m)) => format!("{:?} differ", m.nodes),
            Some(Body::Keys(m)) => format!("{} keys of leaves {:?}", m.keys.len(), m.leaves),
            Some(Body::Missing(m)) => format!("{} of {} are missing", m.keys.len(), m.compared),
            Some(Body::Value(m)) => self.object(&m.key, &m.versions),
            None => "nothing".to_owned(),
        };
        format!("step {}: {body}", sweep.step)
    }

    fn message(&self, message: &Message) -> String {
        let (method, operation) = (message.method(), message.operation());
        let (request, body) = match message {
            Message::Store(m) => {
                let object = self.object(&m.key, &m.versions);
                let replica = m.hint_for.map(|bits| NodeId::from_bits(bits as u16));
                let place = replica.map(|replica| format!(" in the place of {replica}"));
                (m.request, object + &place.unwrap_or_default())
            }
            Message::StoreReply(m) if m.refusal.is_some() => {
                (m.request, refusal(m.refusal.as_ref()))
            }
            Message::StoreReply(m) if m.durable => (m.request, "on disk".to_owned()),
            Message::StoreReply(m) => (m.request, String::new()),
            Message::Fetch(m) => {
                let what = if m.digest { "hash of " } else { "" };
                (
                    m.request,
                    format!("{what}{}", String::from_utf8_lossy(&m.key)),
                )
            }
            Message::FetchReply(m) if m.refusal.is_some() => {
                (m.request, refusal(m.refusal.as_ref()))
            }
            Message::FetchReply(m) => match m.digest {
                Some(_) => (m.request, "a hash".to_owned()),
                None => (m.request, self.versions(&m.versions)),
            },
            Message::Forward(m) => {
                let request = m.call.clone().map(Request::from);
                (
                    m.request,
                    request.map_or_else(String::new, |request| self.request(&request)),
                )
            }
            Message::ForwardReply(m) => {
                let reply = m.result.clone().map(Reply::from);
                (
                    m.request,
                    reply.map_or_else(String::new, |reply| self.reply(&reply)),
                )
            }
            Message::Repair(m) => (m.request, self.object(&m.key, &m.versions)),
            Message::Handoff(m) => (m.request, self.object(&m.key, &m.versions)),
            Message::HandoffReply(m) => (m.request, String::new()),
            Message::Gossip(m) => (0, format!("{} bytes", m.body.len())),
            Message::Sweep(m) => (m.exchange, self.sweep(m)),
            Message::Bulk(m) => (m.request, format!("behind {}", key_or_nothing(&m.after))),
            Message::BulkReply(m) => {
                let keys = m
                    .keys
                    .iter()
                    .map(|key| self.object(&key.key, &key.versions));
                let keys = keys.collect::<Vec<_>>().join(" · ");
                (
                    m.request,
                    format!("{keys} through {}", key_or_nothing(&m.through)),
                )
            }
            Message::Collect(m) => {
                let key = String::from_utf8_lossy(&m.key);
                (0, format!("{key} {}", m.step().as_str_name()))
            }
            Message::Members(m) => (0, String::from_utf8_lossy(&m.roll).into_owned()),
            Message::MembersReply(m) => (0, format!("at {} moved {}", m.number, m.moved)),
            Message::Move(m) => {
                let keys = m.keys.iter().map(|key| match &key.versions[..] {
                    [] => format!("offers {}", String::from_utf8_lossy(&key.key)),
                    versions => self.object(&key.key, &versions.to_vec()),
                });
                (0, keys.collect::<Vec<_>>().join(" · "))
            }
            Message::MoveReply(m) => {
                let wanted = m.wanted.iter().map(|key| String::from_utf8_lossy(key));
                (0, format!("wants {}", wanted.collect::<Vec<_>>().join(" ")))
            }
        };
        // A request's number: its slot, and how often that has been used.
        let number = match request {
            0 => String::new(),
            request => format!(" #{}.{}", request & u64::from(u32::MAX), request >> 32),
        };
        let space = if body.is_empty() { "" } else { " " };
        format!("{method} {operation}{number}{space}{body}")
    }

    fn request(&self, request: &Request) -> String {
        let key = String::from_utf8_lossy(&request.key);
        match &request.call {
            Call::Get { .. } => format!("get {key}"),
            Call::Probe => format!("probe {key}"),
            Call::Put { value, context, .. } => {
                let clock = clock(&self.versioning.describe(context));
                format!(
                    "put {key} = {} seen {clock}",
                    String::from_utf8_lossy(value)
                )
            }
            Call::Delete { context, .. } => {
                format!(
                    "delete {key} seen {}",
                    clock(&self.versioning.describe(context))
                )
            }
        }
    }

    fn reply(&self, reply: &Reply) -> String {
        let (verb, answer) = match reply {
            Reply::Got(answer) => ("got", answer),
            Reply::Written(answer) => ("written", answer),
            Reply::Refused(refusal) => {
                return format!("{}, {}", refusal.code.name(), refusal.message);
            }
        };
        let Answer {
            versions,
            clock: covered,
            answered,
            coordinator,
            ..
        } = answer;
        let versions: Vec<_> = versions
            .iter()
            .map(|version| {
                let value = String::from_utf8_lossy(&version.value);
                format!("{value} of {}", version.operation)
            })
            .collect();
        let coordinator = coordinator.map_or_else(|| "nobody".to_owned(), |node| node.to_string());
        let (versions, covered) = (versions.join(" | "), clock(covered));
        let space = if versions.is_empty() { "" } else { " " };
        let heard = list(answered);
        let heard = if heard.is_empty() { "nobody" } else { &heard };
        format!("{verb}{space}{versions} {covered}, coordinated by {coordinator}, heard {heard}")
    }

    fn object(&self, key: &[u8], versions: &Versions) -> String {
        format!(
            "{} = {}",
            String::from_utf8_lossy(key),
            self.versions(versions)
        )
    }

    fn versions(&self, versions: &Versions) -> String {
        let version = |version: &tidemark_proto::wire::StoredVersion| {
            let value = version.value.as_deref().map(String::from_utf8_lossy);
            let operation = OperationId::from_bits(version.operation);
            let clock = clock(&self.versioning.describe(&version.clock));
            format!("{} of {operation} {clock}", value.unwrap_or("gone".into()))
        };
        match versions.as_slice() {
            [] => "nothing".to_owned(),
            some => some.iter().map(version).collect::<Vec<_>>().join(" | "),
        }
    }
}

/// What a cluster's words may say of its replication.
const OF_REPLICATION: &[&str] = &[
    "basic_quorum",
    "coordinator",
    "durable_write",
    "failed_write",
    "not_found_ok",
    "preferred_reads",
    "preferred_within",
    "preferred_writes",
    "primary_read",
    "primary_write",
    "read_set",
    "retarget",
    "speculate_after",
    "timeout",
];

/// Whether a message is one of those that a pattern's words mean.
fn fits(parcel: &Parcel, pattern: &[&str]) -> bool {
    let is = |word: &str, what: &dyn std::fmt::Display| word == "*" || word == what.to_string();
    pattern.iter().all(|word| match word.split_once("->") {
        Some((from, to)) => is(from, &parcel.from) && is(to, &parcel.to),
        None => is(word, &parcel.message.method()) || is(word, &parcel.message.operation()),
    })
}

fn option<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words
        .iter()
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// A strategy as a script chooses it: `seam=kind`, and `seam.option=value` for its options and those within them.
fn choice(words: &[&str], seam: &str, default: Choice) -> Choice {
    let mut choice = option(words, seam).map_or(default, |kind| Choice {
        kind: kind.to_owned(),
        options: Options::new(),
    });
    for word in words {
        let rest = word
            .strip_prefix(seam)
            .and_then(|rest| rest.strip_prefix('.'));
        let Some((path, value)) = rest.and_then(|rest| rest.split_once('=')) else {
            continue;
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        let path: Vec<_> = path.split('.').collect();
        let (last, tables) = path.split_last().expect("a path has a last part");
        let inner = tables.iter().fold(&mut choice.options, |table, name| {
            let inner = table.entry(*name).or_insert_with(|| json!({}));
            inner.as_object_mut().expect("it is a table")
        });
        inner.insert((*last).to_owned(), value);
    }
    choice
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> T {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn clock(entries: &[(Actor, u64)]) -> String {
    let entries: Vec<_> = entries
        .iter()
        .map(|(actor, counter)| format!("{actor}:{counter}"))
        .collect();
    format!("{{{}}}", entries.join(" "))
}

/// What a replica's answer refuses.
fn refusal(refusal: Option<&wire::Refusal>) -> String {
    refusal.map_or_else(String::new, |refusal| {
        format!("refused: {}", refusal.message)
    })
}

fn list(things: &[impl std::fmt::Display]) -> String {
    things
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The number of the first line in which two texts differ, and that line of each.
fn first_difference<'a>(a: &'a str, b: &'a str) -> Option<(usize, (&'a str, &'a str))> {
    let lines = a.lines().count().max(b.lines().count());
    let end = || std::iter::repeat("(the end)");
    let pairs = a
        .lines()
        .chain(end())
        .zip(b.lines().chain(end()))
        .take(lines);
    (1..).zip(pairs).find(|(_, (a, b))| a != b)
}

fn key_or_nothing(key: &Option<Bytes>) -> Cow<'_, str> {
    key.as_ref()
        .map_or("nothing".into(), |key| String::from_utf8_lossy(key))
}
