//! Plans as people write them: the built-in ones resolve and print as they were read, a wrong one is refused by name,
//! value and choices, and `extends`, `[on.<back-end>]` and `--set` change what they say and nothing else.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use boon::{Compiler, Schemas};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tidemark::backend;
use tidemark::plan::text::{explained, starter};
use tidemark::plan::{Plan, aside, builtin, load, schema, to_toml};

#[test]
fn every_built_in_plan_resolves_and_prints_as_a_plan_that_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for (name, question) in builtin() {
        assert!(question.ends_with('?'), "{name} asks nothing: {question:?}");
        let is_anomaly = name.starts_with("anomalies/");
        for backend in backend::ENTRIES {
            // An anomaly may need what only the simulator has.
            if is_anomaly && backend.name != "sim" {
                continue;
            }
            let (short, plan) = load(name, backend.name, &[]).unwrap();
            assert_eq!((short.as_str(), &plan.question), (name, &question));
            for text in [
                to_toml(&plan).unwrap(),
                explained(&plan, &toml::Table::new()).unwrap(),
            ] {
                let again = folder.path().join(format!("{name}.toml"));
                fs::create_dir_all(again.parent().unwrap()).unwrap();
                fs::write(&again, &text).unwrap();
                let (short, again) = load(again.to_str().unwrap(), backend.name, &[])
                    .unwrap_or_else(|error| panic!("{name} does not load again: {error}\n{text}"));
                assert!(name.ends_with(&short), "{name} is called {short}");
                assert_eq!(
                    value(&again),
                    value(&plan),
                    "{name} changed when it was printed"
                );
            }
        }
    }
}

#[test]
fn a_plan_that_is_shown_says_of_every_key_what_it_means() {
    for (name, _) in builtin() {
        let shown = explained(&good(name, &[]), &toml::Table::new()).unwrap();
        for line in shown.lines().filter(|line| !line.is_empty()) {
            assert!(line.contains(" # "), "{name}: no meaning in: {line}");
        }
    }
}

#[test]
fn a_new_plan_loads_and_is_a_variant_of_the_quickstart() {
    let files = Files::new();
    let text = starter("mine").unwrap();
    let path = files.write("mine.toml", &text);
    let mut mine = value(&good(&path, &[]));
    let mut quickstart = value(&good("quickstart", &[]));
    assert_eq!(mine["fault"][0]["crash"], json!("n2"));
    for plan in [&mut mine, &mut quickstart] {
        for own in ["question", "seed", "fault"] {
            plan.as_object_mut().unwrap().remove(own);
        }
    }
    assert_eq!(mine, quickstart);

    // Every value that is offered can be taken, and is that of the quickstart.
    let (head, offered) = text.split_once("# The values of the quickstart").unwrap();
    let (offered, _) = offered.split_once("# Lists are taken whole").unwrap();
    let offered = offered.lines().skip(1);
    let offered = offered.map(|line| line.strip_prefix("# ").unwrap_or(line));
    let taken = format!("{head}\n{}", offered.collect::<Vec<_>>().join("\n"));
    let mut taken = value(&good(&files.write("taken.toml", &taken), &[]));
    let mut quickstart = value(&good("quickstart", &[]));
    for plan in [&mut taken, &mut quickstart] {
        for own in ["question", "seed"] {
            plan.as_object_mut().unwrap().remove(own);
        }
    }
    assert_eq!(taken, quickstart);
}

#[test]
fn the_schema_takes_every_plan_and_refuses_what_is_wrong() {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("plan.json", schema::file()).unwrap();
    let schema = compiler.compile("plan.json", &mut schemas).unwrap();
    let read = |text: &str| -> Value {
        let table: toml::Table = text.parse().unwrap();
        serde_json::to_value(table).unwrap()
    };
    let check = |name: &str, text: &str| {
        let plan = read(text);
        let valid = schemas.validate(&plan, schema);
        assert!(valid.is_ok(), "{name}: {:#}", valid.unwrap_err());
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    for (name, _) in builtin() {
        check(
            name,
            &fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap(),
        );
        check(
            name,
            &explained(&good(name, &[]), &aside(name, &[]).unwrap()).unwrap(),
        );
    }
    check("starter", &starter("mine").unwrap());
    for wrong in [
        "question = 'Why?'",
        "extends = 'quickstart'\nduratoin = '1s'",
        "extends = 'quickstart'\n[replication]\nkind = 'stict'",
        "extends = 'quickstart'\n[replication]\nq = 3",
        "extends = 'quickstart'\n[client]\nrate = 0",
        "extends = 'quickstart'\n[[fault]]\nat = '1s'",
        "extends = 'quickstart'\n[[fault]]\nat = '1s'\nfor = '2 s'\nloss = 0.5",
        "extends = 'quickstart'\n[[fault]]\nat = '1s'\ncrash = 'n1'\nfor = '2s'",
        "extends = 'quickstart'\n[[network]]\nat = '1s'\nfor = '2s'\nloss = 0.5",
        "extends = 'quickstart'\n[[network]]\nlatency = { normal = '2s' }",
    ] {
        assert!(schemas.validate(&read(wrong), schema).is_err(), "{wrong}");
    }
}

#[test]
fn every_plan_file_is_built_in() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let files = [root.clone(), root.join("anomalies")].map(|folder| fs::read_dir(folder).unwrap());
    let files = files.into_iter().flatten().map(|file| file.unwrap().path());
    let mut names: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .map(|path| {
            path.strip_prefix(&root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    names.sort();
    let mut built_in: Vec<_> = builtin().map(|(name, _)| format!("{name}.toml")).collect();
    built_in.sort();
    assert_eq!(names, built_in);
}

#[test]
fn the_quickstart_and_the_strict_plan_differ_in_their_quorums_alone() {
    let [mut quickstart, mut strict] = ["quickstart", "strict"].map(|name| value(&good(name, &[])));
    for (plan, quorum) in [(&mut quickstart, 1), (&mut strict, 2)] {
        let options = plan["replication"].as_object_mut().unwrap();
        for key in ["r", "w"] {
            assert_eq!(options.remove(key), Some(json!(quorum)));
        }
        plan.as_object_mut().unwrap().remove("question");
    }
    assert_eq!(quickstart, strict);
}

#[test]
fn what_cannot_be_is_refused_with_its_path_its_value_and_the_choices() {
    for (sets, parts) in [
        // Keys that are not there.
        (
            &["duratoin=1s"][..],
            &["unknown key duratoin", "duration"][..],
        ),
        (&["client.rte=3"], &["unknown key client.rte", "rate"]),
        (&["cluster.gatways=1"], &["cluster.gatways", "gateways"]),
        (&["limits.valu=1"], &["limits.valu", "value_bytes"]),
        (&["sim.servce=1"], &["sim.servce", "service"]),
        (
            &["replication.q=2"],
            &["replication.q", "n, node_confirms, not_found_ok"],
        ),
        (&["workload.kees=3"], &["workload.kees", "keys"]),
        (&["extends=strict"], &["extends"]),
        (
            &["fault=[{ at = '1s', for = '1s', partiton = 1 }]"],
            &["fault[0]", "partiton", "partition"],
        ),
        (
            &["fault=[{ at = '1s', crash = 'n1', restart = '2s' }]"],
            &["fault[0].restart", "restart_after"],
        ),
        // Kinds that are not there.
        (
            &["replication.kind=stict"],
            &["replication", "\"stict\"", "strict"],
        ),
        (
            &["partitioner.kind=ring"],
            &["partitioner", "\"ring\"", "token-ring"],
        ),
        (
            &["versioning.kind=victor"],
            &["versioning", "\"victor\"", "vector"],
        ),
        (
            &["membership.kind=fxed"],
            &["membership", "\"fxed\"", "fixed"],
        ),
        (&["storage.kind=disk"], &["storage", "\"disk\"", "memory"]),
        (
            &["repair=[{ kind = 'red' }]"],
            &["repair", "\"red\"", "read"],
        ),
        (
            &["workload.kind=unifrom"],
            &["workload", "\"unifrom\"", "zipf"],
        ),
        (
            &["client.route=nearest"],
            &["client.route", "\"nearest\"", "token-aware"],
        ),
        (
            &["client.update=never"],
            &["client.update", "\"never\"", "read-first"],
        ),
        (&["events=some"], &["events", "\"some\"", "faults"]),
        (
            &["replication.coordinator=anybody"],
            &["replication.coordinator", "\"anybody\"", "gateway"],
        ),
        // Values out of bounds.
        (&["seed=-1"], &["seed", "-1"]),
        (&["duration=20"], &["duration", "20", "500ms"]),
        (&["duration=soon"], &["duration", "\"soon\""]),
        (&["duration=0s"], &["duration", "0"]),
        (&["time_scale=0"], &["time_scale", "0", "above 0"]),
        (&["cluster.nodes=0"], &["cluster.nodes", "0"]),
        (
            &["cluster.nodes=1001"],
            &["cluster.nodes", "1001", "1 to 1000"],
        ),
        (
            &["cluster.gateways=1001"],
            &["cluster.gateways", "1001", "0 to 1000"],
        ),
        (&["client.rate=0"], &["client.rate", "0", "above 0"]),
        (&["client.rate=fast"], &["client.rate", "\"fast\""]),
        (&["client.count=0"], &["client.count", "0", "1 to"]),
        (&["client.timeout=0s"], &["client.timeout", "0"]),
        (
            &["client.retries=101"],
            &["client.retries", "101", "0 to 100"],
        ),
        (
            &["workload.keys=0"],
            &["workload", "keys", "0", "from 1 to"],
        ),
        (
            &["workload.reads=1.5"],
            &["workload", "reads", "1.5", "0 to 1"],
        ),
        (
            &["network=[{ loss = 1.1 }]"],
            &["network", "loss", "1.1", "0 to 1"],
        ),
        // Parts that do not fit together.
        (&["warmup=20s"], &["warmup", "20s", "duration"]),
        (&["warmup=21s"], &["warmup", "21s", "duration", "20s"]),
        (
            &["replication.r=4"],
            &["replication.r is 4", "n is 3", "1 to 3"],
        ),
        (
            &["replication.w=4"],
            &["replication.w is 4", "n is 3", "1 to 3"],
        ),
        (&["replication.r=0"], &["replication.r is 0", "1 to 3"]),
        (
            &["replication.n=6"],
            &["replication.n", "6", "cluster.nodes", "5"],
        ),
        (
            &["cluster.nodes=2", "fault=[]"],
            &["replication.n", "3", "cluster.nodes", "2"],
        ),
        (
            &["replication.coordinator=gateway"],
            &[
                "replication.coordinator",
                "\"gateway\"",
                "cluster.gateways",
                "0",
            ],
        ),
        (
            &["cluster.gateways=1", "client.route=token-aware"],
            &["client.route", "\"token-aware\"", "gateways"],
        ),
        (
            &["network=[{ links = ['n1 -> n7'], loss = 0.1 }]"],
            &["network", "links", "n7", "n1 to n5"],
        ),
        (
            &["network=[{ methods = ['Stroe'], loss = 0.1 }]"],
            &["network", "methods", "\"Stroe\"", "Store"],
        ),
        (
            &["network=[{ at = '1s', for = '1s', loss = 0.1 }]"],
            &["network[0].at", "[[fault]]"],
        ),
        (
            &["fault=[{ at = '1s', for = '1s', partition = { isolate = 'n9' } }]"],
            &["fault", "partition", "n9", "n1 to n5"],
        ),
        (
            &["fault=[{ at = '1s', for = '1s', partition = {} }]"],
            &["fault", "isolate, groups, one_way"],
        ),
        (
            &["fault=[{ partition = { isolate = 'n3' } }]"],
            &["fault", "partition", "at"],
        ),
        (
            &["fault=[{ at = '1s', partition = { isolate = 'n3' } }]"],
            &["fault[0]", "for is missing", "until"],
        ),
        (
            &["fault=[{ name = 'late', at = '20s', for = '1s', loss = 1 }]"],
            &["fault[0].at", "20s", "duration"],
        ),
        (
            &["fault=[{ at = '1s', crash = 'n9' }]"],
            &["fault", "n9", "n1 to n5"],
        ),
        (
            &["fault=[{ at = '30s', crash = 'n1' }]"],
            &["fault[0].at", "30s", "20s"],
        ),
        (
            &["fault=[{ at = '1s', crash = 'n1' }, { name = 'again', at = '2s', crash = 'n1' }]"],
            &["fault[1].crash", "\"n1 crashes\"", "1s"],
        ),
        // `--set` itself.
        (&["nonsense"], &["--set", "\"nonsense\"", "key=value"]),
        (&["=3"], &["--set", "\"\"", "empty"]),
        (&["client.=3"], &["--set", "\"client.\""]),
        (&["client..rate=3"], &["--set", "\"client..rate\"", "empty"]),
        (
            &["client.rate.x=3"],
            &["--set", "client.rate.x", "500", "table"],
        ),
    ] {
        let owned: Vec<String> = sets.iter().map(ToString::to_string).collect();
        let Err(error) = load("quickstart", "sim", &owned) else {
            panic!("{sets:?} was taken");
        };
        check_error(&format!("{sets:?}"), &format!("{error:#}"), parts);
    }
}

#[test]
fn an_error_in_a_file_names_the_file() {
    let files = Files::new();
    for (text, parts) in [
        (
            "extends = 'quickstart'\nduratoin = '1s'",
            &[":2:1: unknown key duratoin", "duration"][..],
        ),
        ("extends = 'quickstart'\nduration = ", &[":2:"]),
        (
            "extends = 'quickstart'\n[on.simm]\nseed = 3",
            &["on.simm", "real, sim"],
        ),
        ("extends = 'quickstart'\non = 3", &["on"]),
        (
            "extends = 'quickstart'\n[on.sim]\n'client..rate' = 3",
            &[":3:1:", "client..rate"],
        ),
        (
            "extends = 'quickstart'\n[on.sim]\n'seed.x' = 3",
            &[":3:1:", "seed is 7", "table"],
        ),
        (
            "extends = 'quickstart'\n[on.sim]\nsede = 3",
            &[":3:1: unknown key sede", "seed"],
        ),
        ("extends = 'quickstrat'", &["\"quickstrat\"", "visibility"]),
        ("extends = 3", &["extends"]),
        ("question = 'Why?'", &["cluster", "missing"]),
    ] {
        let path = files.write("wrong.toml", text);
        let error = load(&path, "sim", &[]).err();
        let error = error.unwrap_or_else(|| panic!("{text:?} was taken"));
        check_error(
            text,
            &format!("{error:#}"),
            &[&["wrong.toml:"], parts].concat(),
        );
    }
    let error = load("quickstrat", "sim", &[]).unwrap_err().to_string();
    check_error("no plan", &error, &["\"quickstrat\"", "visibility"]);
}

#[test]
fn plans_that_extend_each_other_in_a_circle_are_refused() {
    let files = Files::new();
    let own = files.write("own.toml", "extends = 'own.toml'");
    let first = files.write("first.toml", "extends = 'second.toml'");
    files.write("second.toml", "extends = 'first.toml'");
    for path in [own, first] {
        let error = load(&path, "sim", &[]).unwrap_err();
        check_error(
            &path,
            &format!("{error:#}"),
            &[".toml", "extends", "circle"],
        );
    }
}

#[test]
fn a_plan_that_extends_another_changes_only_what_it_says() {
    let files = Files::new();
    files.write(
        "base.toml",
        "extends = 'quickstart'\nseed = 8\n[client]\nrate = 100\n[on.sim]\n'client.count' = 3",
    );
    let top = files.write(
        "top.toml",
        "extends = 'base.toml'\n[client]\nroute = 'random'\n[workload]\nkind = 'zipf'\nkeys = 5\n\
         reads = 0.5\nvalue_bytes = 9\n[[network]]\nloss = 0.5\n[on.sim]\nseed = 9",
    );
    let mut expected = value(&good("quickstart", &[]));
    expected["seed"] = json!(9);
    expected["client"]["rate"] = json!(100.0);
    expected["client"]["count"] = json!(3);
    expected["client"]["route"] = json!("random");
    // Another kind takes the place of the whole table, and a list that of the whole list.
    expected["workload"] =
        json!({ "kind": "zipf", "keys": 5, "exponent": 0.99, "reads": 0.5, "value_bytes": 9 });
    expected["network"] = json!([{ "links": "all", "loss": { "probability": 0.5 } }]);
    assert_eq!(value(&good(&top, &[])), expected);
    let (name, real) = load(&top, "real", &[]).unwrap();
    assert_eq!(name, "top");
    assert_eq!(
        (real.seed, real.client.count),
        (8, 15),
        "[on.sim] is for sim alone"
    );
}

#[test]
fn a_set_goes_over_the_plan_and_over_what_it_says_of_the_back_end() {
    let files = Files::new();
    let plan = "extends = 'quickstart'\n[client]\nrate = 100\n[on.sim]\n'client.rate' = 200";
    let path = files.write("rates.toml", plan);
    let rate = |sets| good(&path, sets).client.rate;
    assert_eq!(rate(&[]), 200.0, "[on.sim]");
    assert_eq!(rate(&["client.rate=30"]), 30.0);
    assert_eq!(
        rate(&["client.rate=30", " client.rate = 40 "]),
        40.0,
        "the last one counts"
    );
    assert_eq!(load(&path, "real", &[]).unwrap().1.client.rate, 100.0);

    let mut expected = value(&good("quickstart", &[]));
    expected["replication"]["r"] = json!(2);
    expected["question"] = json!("a = b?");
    expected["duration"] = json!("21s");
    expected["storage"] = json!({ "kind": "model", "sync": "batch", "interval": "1s" });
    expected["fault"] = json!([]);
    let sets = [
        "replication.r=2",
        "question=a = b?",
        "duration='21s'",
        "storage.kind=model",
        "fault=[]",
    ];
    assert_eq!(value(&good("quickstart", &sets)), expected);
}

/// A folder for plans.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn good(plan: &str, sets: &[&str]) -> Plan {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let loaded = load(plan, "sim", &sets);
    loaded
        .unwrap_or_else(|error| panic!("{plan} {sets:?}: {error:#}"))
        .1
}

fn value(plan: &Plan) -> Value {
    serde_json::to_value(plan).unwrap()
}

fn check_error(what: &str, error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "{what}: {part} is not in: {error}");
    }
    assert!(
        !error.ends_with('.'),
        "{what}: ends with a full stop: {error}"
    );
}
