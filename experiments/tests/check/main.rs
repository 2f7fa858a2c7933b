//! `tidemark check` on histories of others: what is read, what the verdict is, and how what is wrong is told.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A file of this name with this text.
fn file(folder: &TempDir, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

fn tidemark(path: &PathBuf, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidemark"))
        .arg("check")
        .arg(path)
        .args(arguments)
        .output()
        .unwrap()
}

/// Checks a text, and gives the exit code and what `--json` says.
#[track_caller]
fn check(name: &str, text: &str, arguments: &[&str]) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, name, text);
    let output = tidemark(&path, &[arguments, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout);
    let json = json.unwrap_or_else(|error| panic!("{error}: {said}"));
    (output.status.code().unwrap(), json)
}

/// Checks a text that is wrong, in every way that a user can ask: nothing may be said but where and why.
#[track_caller]
fn refuse(name: &str, text: impl AsRef<[u8]>, arguments: &[&str], said: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, name, text);
    for json in [&[][..], &["--json"]] {
        let output = tidemark(&path, &[arguments, json].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(254), "{error}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{error}");
        assert!(error.contains(said), "{error} does not say {said}");
    }
}

/// Two clients of one register: 1 is read after 2 has been written and read.
const STALE: &str = "
{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 1}
{:process 0, :type :invoke, :f :write, :value 2} ; the second
{:process 0, :type :ok, :f :write, :value 2}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value 1}
";

#[test]
fn a_stale_read_is_the_operation_that_cannot_be_placed() {
    let (code, json) = check("history.edn", STALE, &[]);
    assert_eq!(code, 1);
    assert_eq!(json["valid"], false);
    assert_eq!(
        (&json["model"], &json["format"]),
        (&"register".into(), &"edn".into())
    );
    let key = &json["keys"][""];
    assert_eq!(key["linearizable"], false);
    // It returned the last but one of two values.
    assert_eq!(key["k"], 2);
    assert_eq!(key["gamma_ns"], Value::Null, "there are no times");
    assert_eq!(
        (&key["failing_op"]["line"], &key["failing_op"]["op"]),
        (&6.into(), &"read 1".into())
    );
}

#[test]
fn edn_comes_alone_in_vectors_in_lists_as_tuples_tagged_and_keyed() {
    let fresh = STALE.replace(":read, :value 1", ":read, :value 2");
    for (open, close) in [
        ("", ""),
        ("[", "]"),
        ("(", ")"),
        ("; all of it\n#_ nil [", "]"),
    ] {
        assert_eq!(
            check("h", &format!("{open}{STALE}{close}"), &[]).0,
            1,
            "{open}"
        );
        assert_eq!(
            check("h", &format!("{open}{fresh}{close}"), &[]).0,
            0,
            "{open}"
        );
    }
    let tagged = STALE.replace("{:", "#jepsen.history.Op{:index 7, :");
    assert_eq!(check("h", &tagged, &["--format", "edn"]).0, 1);
    let tuples = "[[0 :invoke :write 1] [0 :ok :write 1] [0 :invoke :write 2] [0 :ok :write 2]
                   [:nemesis :info :kill nil] [1 :invoke :read nil] [1 :ok :read 1]]";
    assert_eq!(check("h", tuples, &[]).0, 1);
    assert_eq!(
        check("h", &tuples[1..tuples.len() - 1], &["--format", "edn"]).0,
        1
    );

    // Of another key the same values say nothing.
    let keyed = STALE
        .replace(":value 1}", ":value [x 1]}")
        .replace(":value 2}", ":value [y 2]}");
    let keyed = keyed.replace(":value nil}", ":value [x nil]}");
    let (code, json) = check("h", &keyed, &[]);
    assert_eq!(
        (code, &json["keys"]["x"]["k"], &json["keys"]["y"]["k"]),
        (0, &1.into(), &1.into())
    );
    let named = STALE.replace(":f ", ":key 7, :f ");
    let (code, json) = check("h", &named, &[]);
    assert_eq!(
        (code, &json["keys"]["7"]["linearizable"]),
        (1, &false.into())
    );
}

#[test]
fn what_failed_did_not_happen_what_is_unknown_may_have_and_a_read_of_nil_matches_anything() {
    let write = |outcome: &str| STALE.replace(":ok, :f :write, :value 2", outcome);
    assert_eq!(check("h", &write(":fail, :f :write, :value 2"), &[]).0, 0);
    assert_eq!(
        check("h", &write(":info, :f :write, :value :timed-out"), &[]).0,
        0
    );
    assert_eq!(
        check(
            "h",
            &STALE.replace(":read, :value 1", ":read, :value nil"),
            &[]
        )
        .0,
        0
    );
    assert_eq!(
        check(
            "h",
            &STALE.replace(":read, :value 1", ":read, :value :not-found"),
            &[]
        )
        .0,
        1
    );
    // An initial value can be read before anything was written.
    let early = "{:process 1, :type :invoke, :f :read} {:process 1, :type :ok, :f :read, :value 9}";
    assert_eq!(check("h", early, &["--initial", "9"]).0, 0);
}

#[test]
fn times_in_nanoseconds_give_scores() {
    let timed = "{:process 0, :type :invoke, :f :write, :value 1, :time 0}
                 {:process 0, :type :ok, :f :write, :value 1, :time 10}
                 {:process 0, :type :invoke, :f :write, :value 2, :time 20}
                 {:process 0, :type :ok, :f :write, :value 2, :time 30}
                 {:process 1, :type :invoke, :f :read, :value nil, :time 45}
                 {:process 1, :type :ok, :f :read, :value 1, :time 50}";
    // The zone of 1 is forward, from 10 to 45, that of 2 is its write's, backward, from 20 to 30. They conflict by
    // min(45 - 30, 20 - 10) = 10: Γ. For Δ the second does not count, since 2 was not yet being written at 10: 15.
    let (code, json) = check("h", timed, &[]);
    assert_eq!(code, 1);
    assert_eq!(json["keys"][""]["gamma_ns"], 10);
    assert_eq!(json["keys"][""]["delta_ns"], 15);
    assert_eq!(json["keys"][""]["k"], 2);
}

const LOG: &str = "INFO  jepsen.core - Running test
INFO  jepsen.util - 0\t:invoke\t:write\t3
INFO  jepsen.util - 1\t:invoke\t:read\tnil
INFO  jepsen.util - 1\t:ok\t:read\tnil
INFO  jepsen.util - 0\t:ok\t:write\t3
INFO  jepsen.util - :nemesis\t:info\t:start\t\"Cut off\"
INFO  jepsen.util - 2\t:invoke\t:cas\t[3 4]
INFO  jepsen.util - 3\t:invoke\t:read\tnil
INFO  jepsen.util - 3\t:fail\t:read\t:timed-out
INFO  jepsen.util - 4\t:invoke\t:cas\t[9 1]
INFO  jepsen.util - 4\t:fail\t:cas\t[9 1]
INFO  jepsen.util - 1\t:invoke\t:read\tnil
INFO  jepsen.util - 1\t:ok\t:read\t4
";

#[test]
fn a_log_of_jepsen_has_a_cas_register_whose_open_calls_may_have_taken_effect() {
    let (code, json) = check("etcd.log", LOG, &[]);
    assert_eq!(code, 0);
    assert_eq!(
        (&json["model"], &json["format"]),
        (&"cas-register".into(), &"jepsen-log".into())
    );
    // A read of nil found nothing: after the write it cannot be placed.
    let late = LOG.replace(":ok\t:read\t4", ":ok\t:read\tnil");
    let (code, json) = check("etcd.log", &late, &[]);
    assert_eq!(
        (code, &json["keys"][""]["failing_op"]["line"]),
        (1, &12.into())
    );
    // The cas has 4 only after 3.
    let failed = LOG.replace("4\t:fail\t:cas\t[9 1]", "4\t:ok\t:cas\t[9 1]");
    assert_eq!(check("etcd.log", &failed, &[]).0, 1);
}

const KV: &str = r#"{:process 0, :type :invoke, :f :put, :key "7", :value "a"}
{:process 0, :type :ok, :f :put, :key "7", :value "a"}
{:process 1, :type :invoke, :f :append, :key "7", :value "b"}
{:process 2, :type :invoke, :f :append, :key "7", :value "c"}
{:process 1, :type :ok, :f :append, :key "7", :value "b"}
{:process 3, :type :invoke, :f :get, :key "7", :value nil}
{:process 3, :type :ok, :f :get, :key "7", :value "acb"}
{:process 3, :type :invoke, :f :get, :key "8", :value nil}
{:process 3, :type :ok, :f :get, :key "8", :value ""}
"#;

#[test]
fn porcupines_store_appends_and_begins_empty() {
    let (code, json) = check("c10.txt", KV, &[]);
    assert_eq!((code, &json["model"]), (0, &"kv-append".into()));
    let wrong = KV.replace("\"acb\"", "\"ab\"").replace(
        "3, :type :invoke, :f :get, :key \"8\"",
        "3, :type :invoke, :f :get, :key \"7\"",
    );
    let wrong = wrong.replace(":key \"8\", :value \"\"", ":key \"7\", :value \"a\"");
    let (code, json) = check("c10.txt", &wrong, &[]);
    assert_eq!(
        (code, &json["keys"]["7"]["failing_op"]["line"]),
        (1, &8.into())
    );
}

#[test]
fn counters_and_sets_have_models_too() {
    let add = "{:process 0, :type :invoke, :f :add, :value 2} {:process 0, :type :ok, :f :add, :value 2}
               {:process 0, :type :invoke, :f :read} {:process 0, :type :ok, :f :read, :value VALUE}";
    for (model, right, wrong) in [("counter", "2", "3"), ("set", "#{2}", "[1 2]")] {
        assert_eq!(
            check("h", &add.replace("VALUE", right), &["--model", model]).0,
            0,
            "{model}"
        );
        assert_eq!(
            check("h", &add.replace("VALUE", wrong), &["--model", model]).0,
            1,
            "{model}"
        );
    }
}

const LINES: &str = r#"{"process":0,"key":"x","f":"write","value":3,"start_ns":0,"end_ns":10,"outcome":"ok"}
{"process":0,"key":"x","f":"write","value":4,"start_ns":20,"end_ns":30,"outcome":"ok"}
{"process":1,"key":"x","f":"read","value":3,"start_ns":45,"end_ns":50,"outcome":"ok"}
{"process":2,"key":"y","f":"write","value":3,"start_ns":45,"outcome":"unknown"}
{"process":1,"key":"y","f":"read","value":null,"start_ns":51,"end_ns":52,"outcome":"ok"}
"#;

#[test]
fn lines_of_json_have_a_verdict_a_key() {
    let (code, json) = check("h.jsonl", LINES, &[]);
    assert_eq!(
        (code, &json["valid"], &json["format"]),
        (1, &false.into(), &"jsonl".into())
    );
    let (x, y) = (&json["keys"]["x"], &json["keys"]["y"]);
    assert_eq!(
        (&x["linearizable"], &x["gamma_ns"], &x["k"]),
        (&false.into(), &10.into(), &2.into())
    );
    assert_eq!(
        (&y["linearizable"], &y["gamma_ns"], &y["delta_ns"], &y["k"]),
        (&true.into(), &0.into(), &0.into(), &1.into())
    );
    assert_eq!(y["failing_op"], Value::Null);
}

#[test]
fn every_metric_of_a_run_is_one_of_a_history_too() {
    // Of two reads the second returns 1, 3 ms after 2 had taken its place and 1 ms after
    // its process had read that.
    let text = include_str!("late-read.edn");
    let (code, json) = check("h.edn", text, &["--metrics"]);
    let metrics = &json["metrics"];
    let value = |name: &str| (&metrics[name]["value"], &metrics[name]["count"]);
    assert_eq!(code, 1);
    assert_eq!(value("stale"), (&0.5.into(), &2.into()));
    assert_eq!(value("stale_single_value"), (&0.5.into(), &2.into()));
    // Three digits of a histogram.
    let (t_ms, count) = value("t_staleness_max_ms");
    assert!((t_ms.as_f64().unwrap() - 3.0).abs() < 0.003, "{t_ms}");
    assert_eq!(count, &1);
    assert_eq!(value("k_staleness_max"), (&1.0.into(), &1.into()));
    assert_eq!(value("monotonic_reads_broken"), (&1.0.into(), &1.into()));
    assert_eq!(
        check("h.edn", text, &[]).1["metrics"],
        serde_json::json!({})
    );
    refuse(
        "h.edn",
        STALE,
        &["--metrics"],
        "--metrics: the file has no times",
    );
    refuse(
        "h.jsonl",
        LINES.replace("\"value\":4", "\"value\":3"),
        &["--metrics"],
        "--metrics: line 2 writes 3, which was there before",
    );
}

#[test]
fn a_search_that_has_no_time_is_unknown_and_never_valid() {
    let (code, json) = check("c10.txt", KV, &["--timeout", "0", "--memory", "0"]);
    assert_eq!((code, &json["valid"]), (2, &"unknown".into()));
    assert_eq!(json["keys"]["7"]["linearizable"], "unknown");
}

#[test]
fn what_is_no_whole_history_is_refused_with_its_line_and_its_reason() {
    let cut = |text: &str, bytes| text[..text.len() - bytes].to_owned();
    refuse(
        "h.edn",
        cut(STALE, 10),
        &[],
        "h.edn:7: the file ends within the form that begins on line 7",
    );
    refuse(
        "h.edn",
        format!("[{STALE}"),
        &[],
        "h.edn:8: the file ends before the ']' that closes line 1",
    );
    refuse(
        "h.log",
        cut(LOG, 3),
        &[],
        "h.log:13: the file ends within this line",
    );
    refuse(
        "h.jsonl",
        cut(LINES, 9),
        &[],
        "h.jsonl:5: the line ends within its operation",
    );
    refuse(
        "h.txt",
        "once upon a time",
        &[],
        "h.txt:1: it looks like none of the formats; say which it is: ops-csv, jepsen-log, porcupine-kv, edn, jsonl",
    );
    refuse("h.txt", "", &[], "h.txt:1: the file is empty");
    refuse(
        "h.edn",
        STALE,
        &["--format", "xml"],
        "there is no format \"xml\"; choose one of: ops-csv",
    );
    refuse(
        "h.edn",
        STALE,
        &["--model", "queue"],
        "there is no model \"queue\"; choose one of:",
    );
    refuse(
        "h.edn",
        STALE,
        &["--initial", "1 2"],
        "--initial: \"1 2\" is more than one value",
    );
    refuse("h.edn", STALE, &["--initials", "1"], "--initials");
    refuse(
        "h.edn",
        STALE.replace("1, :type :ok", "2, :type :ok"),
        &[],
        "h.edn:7: process 2 returns from read, but has invoked nothing",
    );
    refuse(
        "h.edn",
        STALE
            .replace("1, :type :invoke", "0, :type :invoke")
            .replace(
                "0, :type :ok, :f :write, :value 2",
                "1, :type :invoke, :f :write, :value 2",
            ),
        &[],
        "h.edn:6: process 0 invokes read ?, but what it invoked on line 4 has not returned",
    );
    refuse(
        "h.edn",
        STALE.replace(":read, :value 1", ":read, :value 7"),
        &[],
        "h.edn:6: it reads 7, which nothing in the file writes",
    );
    refuse(
        "h.edn",
        STALE.replace(":f :read", ":f :txn"),
        &[],
        "h.edn:6: there is no function \"txn\"; there are read (get)",
    );
    refuse(
        "h.edn",
        STALE
            .replace(":type :info", ":type :maybe")
            .replace(":type :ok", ":type :done"),
        &[],
        "h.edn:3: :type is \"done\"; it is one of :invoke, :ok, :fail, :info",
    );
    refuse(
        "h.edn",
        STALE.replace(":process 1", ":process \"a\""),
        &[],
        "h.edn:6: :process \"a\" is no number from 0",
    );
    refuse(
        "h.edn",
        STALE.replace(":f :read", ":f :append"),
        &["--model", "register"],
        "h.edn:6: a register has no function \"append\"",
    );
    let deep = "[".repeat(100_000);
    refuse(
        "h.edn",
        STALE.replace(
            ":value nil",
            &format!(":value {deep}{}", deep.replace('[', "]")),
        ),
        &[],
        "h.edn:6: values lie in one another more than 128 deep",
    );
    refuse(
        "h.edn",
        STALE,
        &[
            "--initial",
            &format!("{0}1{1}", &deep[..1_000], "]".repeat(1_000))[..],
        ],
        "--initial: values lie in one another more than 128 deep",
    );
    refuse(
        "h.txt",
        "nothing of it\n",
        &["--format", "jepsen-log"],
        "h.txt:1: there is no operation in it, read as jepsen-log",
    );
    let early = LINES.replace("\"end_ns\":30", "\"end_ns\":19");
    refuse(
        "h.jsonl",
        early,
        &[],
        "h.jsonl:2: it returns at 19 ns, before it is invoked at 20 ns",
    );
    let twice = LINES.replace("{\"process\":0", "{\"operation\":\"a\",\"process\":0");
    refuse(
        "h.jsonl",
        twice,
        &[],
        "h.jsonl:2: operation \"a\" stands on line 1 already",
    );
    refuse(
        "h.jsonl",
        LINES.replace("\"unknown\"", "\"ok\""),
        &[],
        "h.jsonl:4: it has no end_ns, and its outcome is not unknown",
    );
    refuse(
        "h.jsonl",
        LINES.replace("\"unknown\"", "\"lost\""),
        &[],
        "h.jsonl:4: it is no operation: unknown variant `lost`, expected one of `ok`, `failed`, `unknown`",
    );
    refuse(
        "h.jsonl",
        [b"{\"process\":0}\n".as_slice(), b"\xff\n"].concat(),
        &[],
        "h.jsonl:1: it is no operation: missing field",
    );
    refuse(
        "h.edn",
        [b"{:process \xff}".as_slice()].concat(),
        &["--format", "edn"],
        "h.edn:1: it is not text in UTF-8",
    );
    let missing = Command::new(env!("CARGO_BIN_EXE_tidemark"))
        .args(["check", "no-such-file"])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(254));
}

#[test]
fn a_line_without_end_is_refused_before_it_fills_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.jsonl");
    // Nothing is written but its size: a gibibyte of zeros, on one line.
    let mut text = fs::File::create(&path).unwrap();
    std::io::Write::write_all(&mut text, b"{\"process\":").unwrap();
    text.set_len(1 << 30).unwrap();
    let output = tidemark(&path, &[]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(254), "{error}");
    assert!(
        error.contains("long.jsonl:1: a line of more than 64 MiB"),
        "{error}"
    );
}

/// The operations of a run say the same whichever way they are written down.
#[test]
fn a_runs_own_files_go_back_in_with_equal_verdicts() {
    let out = tempfile::tempdir().unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_tidemark"))
        .args([
            "run",
            "quickstart",
            "--backend",
            "sim",
            "--set",
            "workload.keys=20",
            "--out",
        ])
        .arg(out.path())
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let plan = out.path().join("quickstart");
    let folder = fs::read_dir(plan).unwrap().next().unwrap().unwrap().path();
    let verdicts = ["", "history.edn", "history.jsonl"].map(|name| {
        let output = tidemark(&folder.join(name), &["--json"]);
        let mut json: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!(
                "{name}: {error}: {}",
                String::from_utf8_lossy(&output.stderr)
            )
        });
        let keys = json["keys"].as_object_mut().unwrap();
        // Lines differ from file to file.
        let kept = ["linearizable", "gamma_ns", "delta_ns", "k"];
        keys.values_mut().for_each(|key| {
            key.as_object_mut()
                .unwrap()
                .retain(|name, _| kept.contains(&name.as_str()))
        });
        (output.status.code(), json["keys"].clone())
    });
    assert_eq!(verdicts[0].1.as_object().unwrap().len(), 20);
    assert_eq!(verdicts[0], verdicts[1]);
    assert_eq!(verdicts[0], verdicts[2]);
    // Whether siblings were read, and what was not answered, is kept as well.
    let metrics = |name: &str| {
        let output = tidemark(&folder.join(name), &["--json", "--metrics"]);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let reads = json["metrics"]["siblings"].clone();
        (
            json["metrics"]["stale_single_value"]["value"].clone(),
            reads["value"].clone(),
        )
    };
    assert_eq!(metrics("history.edn"), metrics("history.jsonl"));
    let refused = tidemark(&folder, &["--format", "edn"]);
    assert_eq!(refused.status.code(), Some(254));
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(why.contains("--format is edn, but"), "{why}");
    let ops = fs::read(folder.join("ops.csv")).unwrap();
    let cut = &ops[..ops.len() - 4];
    let line = cut.iter().filter(|byte| **byte == b'\n').count() + 1;
    let said = format!("ops.csv:{line}: the file ends within this row");
    refuse("ops.csv", cut, &[], &said);
    let is_stale = |key: &Value| key["linearizable"] == false;
    assert!(
        verdicts[0].1.as_object().unwrap().values().any(is_stale),
        "no key says anything"
    );
}
