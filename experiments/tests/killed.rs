//! Whoever of a run is killed, whenever: no process is left, what was seen is on disk, and the next run works.

#![expect(
    clippy::disallowed_methods,
    reason = "processes are killed and watched by the wall clock"
)]

use anyhow::{Context as _, bail, ensure};
use rand::Rng as _;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tidemark::cluster;
use tidemark::plan::load;
use tidemark::plan::machine::{Blow, Strike, strikes};
use tidemark::record::{ClusterRecord, Folder};
use tidemark_node::chance;
use tidemark_observer::history::{Events, FILES};
use tidemark_proto::event::{Event, Gap, Kind, MachineChange, Milestone};
use tidemark_proto::id::NodeId;

#[test]
fn whoever_is_killed_nothing_is_left_behind_but_what_was_seen() {
    let mut chance = chance::stream(20, "moments", NodeId::client(1));
    let mut moment =
        |most: Duration| most.mul_f64((chance.next_u64() >> 11) as f64 / 2f64.powi(53));
    let mut trials = Vec::new();
    for number in 0..TRIALS_OF_A_KIND {
        for victim in VICTIMS {
            let when = match number {
                0 => When::AtItsStart(moment(START)),
                _ => When::UnderLoad(moment(LOAD)),
            };
            trials.push((victim, when));
        }
    }
    let failures = Mutex::new(Vec::new());
    let left = Mutex::new(trials.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((victim, when)) = left.lock().unwrap().next() else {
                        return;
                    };
                    if let Err(error) = disturbed(victim, when) {
                        let failure = format!("{victim:?} killed {when:?}: {error:#}");
                        failures.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    undisturbed().expect("a run that nobody disturbs works after all that");
}

#[test]
fn a_run_whose_observer_dies_again_and_again_says_so_and_not_what_is_missing_for_it() {
    let out = Arc::new(tempfile::tempdir().expect("a folder"));
    // So long that it cannot end before.
    let run = Run::start_in(&out, &["run", "quickstart"], &["duration=60s"]);
    let mut run = run.expect("the runner starts");
    let mut status = None;
    run.wait_for("the end of the run", |run| {
        for process in run.processes() {
            if process.role == "observer" {
                // Whoever is dead already need not be killed.
                let _ = kill_process(process.pid, Signal::KILL);
            }
        }
        status = run.runner.try_wait().ok().flatten();
        status.is_some()
    })
    .expect("it ends");
    let complaint = run.complaint();
    assert_eq!(
        status.and_then(|status| status.code()),
        Some(5),
        "{complaint}"
    );
    assert!(
        complaint.contains("the observer has died 11 times"),
        "{complaint}"
    );
}

#[test]
fn a_cluster_that_is_up_leaves_nothing_behind_however_it_ends() {
    let out = Arc::new(tempfile::tempdir().expect("a folder"));
    // What a killed one leaves is taken over by the next.
    for signal in [Signal::KILL, Signal::INT, Signal::TERM] {
        ended_by(signal, &out).unwrap_or_else(|error| panic!("{signal:?}: {error:#}"));
    }
}

/// If this fails, the plan's machine faults do not reach real processes, or strike others than in the simulator.
#[test]
fn machines_pause_crash_and_tell_wrong_times_as_the_plan_draws_them() {
    struck().expect("every strike leaves its trace");
}

fn struck() -> anyhow::Result<()> {
    let faults = "fault=[{ at = '700ms', for = '500ms', pause = 'n2' }, \
                  { at = '1300ms', crash = 'some', every = '700ms', until = '2800ms', restart_after = '200ms' }, \
                  { at = '600ms', clock = { node = 'a-coordinator', offset = '1h' } }]";
    let sets = [
        faults,
        "versioning={ kind = 'last-write' }",
        "client.update=blind",
    ];
    let out = Arc::new(tempfile::tempdir()?);
    let mut run = Run::start_in(&out, &["run", "quickstart"], &sets)?;
    let status = run.wait_for_end()?;
    ensure!(status.success(), "{status}: {}", run.complaint());
    let events = run.check_history(Some(Milestone::Ended))?;

    let sets: Vec<String> = PLAN.iter().chain(&sets).map(ToString::to_string).collect();
    let (_, plan) = load("quickstart", "sim", &sets)?;
    let strikes = strikes(&plan);
    let due: Vec<_> = strikes.iter().map(|strike| &strike.span).collect();
    let noted: Vec<_> = (events.iter())
        .filter_map(|event| match event {
            Event::Fault(span) => Some(&**span),
            _ => None,
        })
        .collect();
    ensure!(noted == due, "noted {noted:?}, due {due:?}");
    let mut expected = BTreeMap::new();
    for Strike { nodes, blow, .. } in &strikes {
        for node in nodes {
            let after = match blow {
                Blow::Crash => MachineChange::RestartedEmpty,
                Blow::Pause => MachineChange::Resumed,
                _ => MachineChange::ClockMended,
            };
            for change in [blow.change(), after] {
                *expected.entry((*node, change)).or_insert(0) += 1;
            }
        }
    }
    let mut seen = BTreeMap::new();
    for event in &events {
        if let Event::Machine { node, change, .. } = event
            && *change != MachineChange::Started
        {
            *seen.entry((*node, *change)).or_insert(0) += 1;
        }
    }
    ensure!(seen == expected, "seen {seen:?}, expected {expected:?}");

    let stamps = events.iter().filter_map(|event| match event {
        Event::Returned(operation) if operation.kind == Kind::Put => operation.clock.first(),
        _ => None,
    });
    let stamps: Vec<u64> = stamps.map(|(_, stamp)| *stamp).collect();
    let (least, most) = (stamps.iter().min(), stamps.iter().max());
    let half_an_hour = 30 * 60 * 1_000_000_000;
    ensure!(
        least
            .zip(most)
            .is_some_and(|(least, most)| most - least > half_an_hour),
        "no clock was an hour ahead"
    );
    Ok(())
}

/// If this fails, kill -9 takes back what was acknowledged as being on disk, or leaves a disk that a node cannot start on.
#[test]
fn nodes_that_are_killed_again_and_again_lose_nothing_that_they_acknowledged() {
    killed_again_and_again().expect("nothing acknowledged is lost");
}

fn killed_again_and_again() -> anyhow::Result<()> {
    let fault = "fault=[{ at = '600ms', every = '200ms', until = '4s', crash = 'some', restart_after = '50ms' }]";
    let sets = ["duration=4500ms", "settle=2s", fault];
    let out = Arc::new(tempfile::tempdir()?);
    let mut run = Run::start_in(&out, &["run", "kill", "--cell", "sync-batch"], &sets)?;
    let status = run.wait_for_end()?;
    ensure!(status.success(), "{status}: {}", run.complaint());
    let mut changes = BTreeMap::new();
    for event in run.check_history(Some(Milestone::Ended))? {
        if let Event::Machine { change, .. } = event {
            *changes.entry(change).or_insert(0) += 1;
        }
    }
    let crashed = changes.get(&MachineChange::Crashed).copied();
    let started = [
        MachineChange::Started,
        MachineChange::Crashed,
        MachineChange::Restarted,
    ];
    ensure!(crashed >= Some(20), "too few were killed: {changes:?}");
    ensure!(changes.keys().copied().eq(started), "{changes:?}");
    ensure!(
        crashed == changes.get(&MachineChange::Restarted).copied(),
        "{changes:?}"
    );
    let metrics = json(&run.folder()?.join("metrics.json"))?;
    let (lost, convergence) = (
        &metrics["lost_writes"]["known"],
        &metrics["convergence"]["known"],
    );
    ensure!(
        lost["lost"]["of"].as_u64() > Some(50),
        "too few were acknowledged: {lost}"
    );
    ensure!(lost["lost"]["count"] == 0, "{lost}");
    ensure!(convergence["diverged_at_end"] == 0, "{convergence}");
    Ok(())
}

/// If this fails, what the observer had given receipts for is lost with it or written down twice, or a node's next life is
/// taken for a repetition of the one before.
#[test]
fn whatever_becomes_of_the_observer_all_is_written_down_once() {
    observed_in_many_lives().expect("nothing is lost, and nothing is there twice");
}

fn observed_in_many_lives() -> anyhow::Result<()> {
    let crash = "fault=[{ at = '1500ms', crash = 'n2', restart_after = '300ms' }]";
    let out = Arc::new(tempfile::tempdir()?);
    let mut run = Run::start_in(
        &out,
        &["run", "quickstart"],
        &["client.rate=1000", "events=all", crash],
    )?;
    let mut written = 0;
    for _ in 0..KILLS {
        run.wait_for("more operations", |run| {
            run.operations() > written + BETWEEN_KILLS
        })?;
        run.kill(Victim::Observer)?;
        written = run.operations();
    }
    let status = run.wait_for_end()?;
    ensure!(status.success(), "{status}: {}", run.complaint());
    let events = run.check_history(Some(Milestone::Ended))?;

    let gaps = observer_gaps(&events);
    ensure!(gaps.len() == KILLS, "it was down: {gaps:?}");
    let all = events.iter().filter(|event| matches!(event, Event::Gap(_)));
    ensure!(all.count() == KILLS, "more gaps than those of the observer");
    let report = fs::read_to_string(run.folder()?.join("report.html"))?;
    let stated = format!("The observer was down {KILLS} times");
    ensure!(
        report.contains(&stated),
        "the report does not say: {stated}"
    );

    let n2 = NodeId::node(2);
    let mut operations: BTreeMap<NodeId, Vec<u64>> = BTreeMap::new();
    let mut messages: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    let mut lives = [0u64; 2];
    let mut has_crashed = false;
    for event in &events {
        match event {
            Event::Returned(operation) => {
                let id = operation.id;
                operations
                    .entry(id.issuer())
                    .or_default()
                    .push(id.sequence());
            }
            Event::Machine { node, change, .. } if *node == n2 => {
                has_crashed |= *change == MachineChange::Crashed;
            }
            Event::Sent { from, .. } if *from == n2 => lives[usize::from(has_crashed)] += 1,
            Event::Sent {
                from,
                to,
                method,
                k,
                ..
            } => messages.entry((*from, *to, *method)).or_default().push(*k),
            _ => {}
        }
    }
    for (client, numbers) in &mut operations {
        each_once(numbers).with_context(|| format!("operations of {client}"))?;
    }
    for (lane, numbers) in &mut messages {
        each_once(numbers).with_context(|| format!("messages on {lane:?}"))?;
    }
    let returned: usize = operations.values().map(Vec::len).sum();
    ensure!(returned as u64 > BETWEEN_KILLS * KILLS as u64, "{returned}");
    ensure!(
        lives.iter().all(|sent| *sent > 0),
        "of n2's lives are there {lives:?}"
    );
    Ok(())
}

/// The numbers are 1, 2, 3, … without a hole and without a repetition, in any order.
fn each_once(numbers: &mut [u64]) -> anyhow::Result<()> {
    numbers.sort_unstable();
    let wrong = (1..).zip(&*numbers).find(|(due, number)| due != *number);
    match wrong {
        None => Ok(()),
        Some((due, number)) => bail!("in the place of {due} is {number}"),
    }
}

fn ended_by(signal: Signal, out: &Arc<tempfile::TempDir>) -> anyhow::Result<()> {
    let mut run = Run::start_in(out, &["cluster", "up", "quickstart"], &[])?;
    let folder = out.path();
    run.wait_for("the cluster", |_| ClusterRecord::read(folder).is_ok())?;
    run.kill(Victim::Node)?;
    run.wait_for("the loss of a node", |_| {
        let status = cluster::status(folder);
        status.is_ok_and(|status| status.nodes.iter().any(|node| node.pid.is_none()))
    })?;
    ensure!(run.complaint().contains("has died"), "{}", run.complaint());
    kill_process(Pid::from_child(&run.runner), signal)?;
    let status = run.wait_for_end()?;
    run.wait_for("the end of every process", |run| run.processes().is_empty())?;
    ensure!(
        ClusterRecord::read(folder).is_err(),
        "it is said to be up still"
    );
    if signal == Signal::KILL {
        return Ok(());
    }
    ensure!(status.success(), "{status}: {}", run.complaint());
    ensure!(!folder.join("cluster.json").exists(), "it left its file");
    ensure!(run.reported()? == 0, "nobody asked for anything");
    Ok(())
}

/// Who is killed with SIGKILL; or the runner is interrupted with Ctrl-C's signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Node,
    Netfuzz,
    Observer,
    Runner,
    RunnerByCtrlC,
}

/// When the victim is killed.
#[derive(Clone, Copy, Debug)]
enum When {
    /// So long after the runner was started and the victim exists.
    AtItsStart(Duration),
    /// So long after the first operation was written down.
    UnderLoad(Duration),
}

fn disturbed(victim: Victim, when: When) -> anyhow::Result<()> {
    let mut run = Run::start()?;
    let moment = match when {
        When::AtItsStart(moment) => moment,
        When::UnderLoad(moment) => {
            run.wait_for("the first operation", |run| run.has_operation())?;
            moment
        }
    };
    let from = Instant::now();
    run.wait_for("the moment", |_| from.elapsed() >= moment)?;
    run.kill(victim)?;
    let status = run.wait_for_end()?;
    run.wait_for("the end of every process", |run| run.processes().is_empty())
        .with_context(|| format!("left: {:?}", run.processes()))?;
    match when {
        // A run that had hardly begun has little to show.
        When::AtItsStart(_) => Ok(()),
        When::UnderLoad(_) => run
            .check(victim, status)
            .with_context(|| format!("{status}; {}", run.complaint())),
    }
}

fn undisturbed() -> anyhow::Result<()> {
    let mut run = Run::start()?;
    let status = run.wait_for_end()?;
    ensure!(status.success(), "{status}: {}", run.complaint());
    run.wait_for("the end of every process", |run| run.processes().is_empty())?;
    run.check_history(Some(Milestone::Ended))?;
    run.check_report()
}

/// A run on real processes, each of which carries a mark in its environment.
struct Run {
    runner: Child,
    out: Arc<tempfile::TempDir>,
    mark: String,
}

impl Run {
    fn start() -> anyhow::Result<Self> {
        Self::start_in(&Arc::new(tempfile::tempdir()?), &["run", "quickstart"], &[])
    }

    fn start_in(
        out: &Arc<tempfile::TempDir>,
        words: &[&str],
        sets: &[&str],
    ) -> anyhow::Result<Self> {
        let out = Arc::clone(out);
        let mark = format!("{MARK}={}", out.path().display());
        let mut command = tidemark();
        command.args(words).arg("--out").arg(out.path());
        for set in PLAN.iter().chain(sets) {
            command.args(["--set", set]);
        }
        let runner = command
            .env(MARK, out.path())
            .stderr(File::create(out.path().join(STDERR))?)
            .spawn()?;
        Ok(Self { runner, out, mark })
    }

    /// Kills its victim, once it is there.
    fn kill(&mut self, victim: Victim) -> anyhow::Result<()> {
        let (role, signal) = match victim {
            Victim::Runner | Victim::RunnerByCtrlC => {
                let pid = Pid::from_child(&self.runner);
                let is_interrupted = victim == Victim::RunnerByCtrlC;
                let signal = if is_interrupted {
                    Signal::INT
                } else {
                    Signal::KILL
                };
                return Ok(kill_process(pid, signal)?);
            }
            Victim::Node => ("node", Signal::KILL),
            Victim::Netfuzz => ("netfuzz", Signal::KILL),
            Victim::Observer => ("observer", Signal::KILL),
        };
        let mut found = None;
        self.wait_for(role, |run| {
            let mut processes = run.processes().into_iter();
            found = processes.find(|process| process.role == role);
            found.is_some()
        })?;
        let victim = found.context("it was just there")?;
        Ok(kill_process(victim.pid, signal)?)
    }

    fn wait_for_end(&mut self) -> anyhow::Result<ExitStatus> {
        let mut status = None;
        self.wait_for("the end of the run", |run| {
            status = run.runner.try_wait().ok().flatten();
            status.is_some()
        })?;
        status.context("it has just ended")
    }

    /// Looks again and again, within bounds.
    fn wait_for(
        &mut self,
        what: &str,
        mut is_so: impl FnMut(&mut Self) -> bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            if Instant::now() > deadline {
                bail!("waited {PATIENCE:?} for {what}; {}", self.complaint());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// The living processes of the run: those with its mark.
    fn processes(&self) -> Vec<Process> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let process = |entry: fs::DirEntry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let environment = fs::read(entry.path().join("environ")).ok()?;
            let mut variables = environment.split(|byte| *byte == 0);
            variables.find(|variable| *variable == self.mark.as_bytes())?;
            let command = fs::read(entry.path().join("cmdline")).ok()?;
            let role = command.split(|byte| *byte == 0).nth(1)?;
            Some(Process {
                pid: Pid::from_raw(pid)?,
                role: String::from_utf8_lossy(role).into_owned(),
            })
        };
        entries.filter_map(process).collect()
    }

    fn folder(&self) -> anyhow::Result<PathBuf> {
        let within = |folder: &Path| -> anyhow::Result<Vec<PathBuf>> {
            let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
            entries.collect()
        };
        let mut plans = within(self.out.path())?.into_iter();
        let plan = plans
            .find(|path| path.is_dir())
            .context("no plan has a folder")?;
        (within(&plan)?.into_iter().max()).context("no folder of a run was made")
    }

    fn has_operation(&self) -> bool {
        self.operations() > 0
    }

    /// How many operations are written down so far.
    fn operations(&self) -> u64 {
        let folder = self.folder().and_then(|path| Folder::open(&path));
        let count = folder.and_then(|(folder, _)| folder.operations());
        count.unwrap_or(0)
    }

    fn complaint(&self) -> String {
        fs::read_to_string(self.out.path().join(STDERR)).unwrap_or_default()
    }

    fn check(&self, victim: Victim, status: ExitStatus) -> anyhow::Result<()> {
        let (code, ended) = match victim {
            Victim::Node | Victim::Observer => (Some(0), Some(Milestone::Ended)),
            Victim::Netfuzz => (Some(5), Some(Milestone::Aborted)),
            Victim::Runner => (None, None),
            Victim::RunnerByCtrlC => (Some(130), Some(Milestone::Interrupted)),
        };
        ensure!(status.code() == code, "its exit code should be {code:?}");
        let history = self.check_history(ended)?;
        let died = |event: &Event| {
            matches!(
                event,
                Event::Machine {
                    change: MachineChange::Died,
                    ..
                }
            )
        };
        let deaths = history.iter().filter(|event| died(event)).count();
        let due = usize::from(victim == Victim::Node);
        ensure!(
            deaths == due,
            "{deaths} nodes are said to have died, not {due}"
        );
        let gaps = observer_gaps(&history).len();
        let due = usize::from(victim == Victim::Observer);
        ensure!(gaps == due, "the observer was down {gaps} times, not {due}");
        if victim == Victim::Runner {
            let folder = self.folder()?;
            ensure!(!folder.join("report.html").exists(), "who wrote a report?");
            let observed = tidemark().arg("observe").arg(&folder).status()?;
            ensure!(observed.success(), "tidemark observe: {observed}");
        }
        self.check_report()
    }

    /// The folder has the run's manifest and its history, of which every complete line can be read.
    fn check_history(&self, ended: Option<Milestone>) -> anyhow::Result<Vec<Event>> {
        let folder = self.folder()?;
        json(&folder.join("manifest.json"))?;
        let open = |name: &&'static str| File::open(folder.join(name)).context(*name);
        let files = FILES.iter().map(open).collect::<anyhow::Result<Vec<_>>>()?;
        let files = <[File; 5]>::try_from(files).expect("as many files as there are names");
        let events = Events::new(files)?.collect::<Result<Vec<_>, _>>()?;
        let returned = |event: &&Event| matches!(event, Event::Returned(_));
        ensure!(
            events.iter().any(|event| returned(&event)),
            "no operation was written down"
        );
        let milestones = events.iter().filter_map(|event| match event {
            Event::Milestone { milestone, .. } => Some(*milestone),
            _ => None,
        });
        let last = milestones.last();
        ensure!(
            ended.is_none() || last == ended,
            "the history ends with {last:?}, not {ended:?}"
        );
        Ok(events)
    }

    fn check_report(&self) -> anyhow::Result<()> {
        let operations = self.reported()?;
        ensure!(operations > 0, "metrics.json has no operations");
        Ok(())
    }

    /// How many operations the report is of.
    fn reported(&self) -> anyhow::Result<u64> {
        let folder = self.folder()?;
        let page = fs::read_to_string(folder.join("report.html")).context("report.html")?;
        ensure!(
            page.trim_end().ends_with("</html>"),
            "report.html is cut short"
        );
        let metrics = json(&folder.join("metrics.json"))?;
        let operations = metrics["run"]["operations"].as_u64();
        operations.context("metrics.json does not count operations")
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Only after a failure is anybody left; whoever is gone need not be killed.
        for process in self.processes() {
            let _ = kill_process(process.pid, Signal::KILL);
        }
        let _ = self.runner.wait();
    }
}

/// The times in which the observer was down.
fn observer_gaps(events: &[Event]) -> Vec<&Gap> {
    let gaps = events.iter().filter_map(|event| match event {
        Event::Gap(gap) if gap.source == Gap::OBSERVER => Some(&**gap),
        _ => None,
    });
    gaps.collect()
}

#[derive(Debug)]
struct Process {
    pid: Pid,
    /// `run`, `node`, `netfuzz` or `observer`.
    role: String,
}

fn tidemark() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn json(path: &Path) -> anyhow::Result<serde_json::Value> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

const VICTIMS: [Victim; 5] = [
    Victim::Node,
    Victim::Netfuzz,
    Victim::Observer,
    Victim::Runner,
    Victim::RunnerByCtrlC,
];
/// The first of each kind at the run's start, the others under load.
const TRIALS_OF_A_KIND: usize = 5;
const AT_ONCE: usize = 4;
/// How often the observer is killed in one run, and how many operations are written down between two times.
const KILLS: usize = 4;
const BETWEEN_KILLS: u64 = 200;
const MARK: &str = "TIDEMARK_TEST_RUN";
const STDERR: &str = "stderr";
const START: Duration = Duration::from_millis(150);
/// Well below the load's length, so that the run still goes on.
const LOAD: Duration = Duration::from_millis(2_000);
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);
const PLAN: [&str; 5] = [
    "duration=3s",
    "warmup=500ms",
    "settle=500ms",
    "client.rate=200",
    "fault=[{ at = '1s', for = '1s', partition = { isolate = 'n3' } }]",
];
