//! A process of a run as its parent sees it: started from this very program, told what to do on its standard input,
//! gone when that input closes, when its parent dies, or when it is killed.

#![expect(
    clippy::disallowed_methods,
    reason = "a shell: processes need threads and waiting"
)]

use super::child::{Said, Start};
use crate::command::exit::{Class, Classed as _};
use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A child process.
pub struct Process {
    name: String,
    child: Child,
    /// Closing it asks the child to end.
    orders: Option<ChildStdin>,
    said: Receiver<String>,
}

impl Process {
    /// Starts this program as `tidemark <role>`, to listen at an address if that is given.
    pub(super) fn start(
        role: &str,
        name: &str,
        listen: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        Self::spawn(Path::new("/proc/self/exe"), role, name, listen)
    }

    /// Starts a program as `tidemark <role>` in a process group of its own; it binds a port and says which.
    ///
    /// A node gets one thread for its sockets, beside the one that decides: a machine has many nodes, and threads of
    /// one node that wake each other for every message cost more than they carry.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start_program(program: &Path, role: &str, name: &str) -> anyhow::Result<Self> {
        Self::spawn(program, role, name, None)
    }

    fn spawn(
        program: &Path,
        role: &str,
        name: &str,
        listen: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .arg(role)
            .arg("--supervised")
            .args(listen.map(|address| address.to_string()))
            .envs((role == "node").then_some(("TOKIO_WORKER_THREADS", "1")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))
            .class(Class::Process)?;
        let orders = child.stdin.take();
        let stdout = child
            .stdout
            .take()
            .context("a child has no standard output")?;
        let (say, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if say.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            name: name.to_owned(),
            child,
            orders,
            said,
        })
    }

    /// Where it listens; the first thing it says.
    ///
    /// # Errors
    /// It says nothing, or something else.
    pub fn address(&mut self) -> anyhow::Result<SocketAddr> {
        match self.hear().class(Class::Process)? {
            Said::Listening(address) => Ok(address),
            Said::Ready => bail!("{} was ready before it listened", self.name),
        }
    }

    /// Tells it what to do, and waits until it does.
    ///
    /// # Errors
    /// It is gone, or does not say that it is ready.
    pub fn order(&mut self, start: &Start) -> anyhow::Result<()> {
        self.tell(start)?;
        match self.hear().class(Class::Process)? {
            Said::Ready => Ok(()),
            Said::Listening(_) => bail!("{} listened twice", self.name),
        }
    }

    /// Tells it something, and does not wait for what it does.
    pub(super) fn tell(&mut self, order: &impl Serialize) -> anyhow::Result<()> {
        let line = serde_json::to_string(order)? + "\n";
        let orders = self
            .orders
            .as_mut()
            .context("a child that was ended takes no orders")?;
        orders
            .write_all(line.as_bytes())
            .with_context(|| format!("{} is gone", self.name))
            .class(Class::Process)
    }

    /// The number that the system gave it.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: Signal) {
        // As long as nobody has waited for it, its number is nobody else's; whoever is dead already need not be told.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// Kills it as the kernel kills: it has no say.
    pub(super) fn kill(&mut self) {
        // Whoever is dead already need not be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end.
    pub(super) fn ask_to_end(&mut self) {
        self.orders = None;
    }

    /// Waits until it has ended; kills it if it takes longer. Tells whether it ended by itself and well.
    pub fn wait_for_end(&mut self, within: Duration) -> bool {
        self.wait_for_end_and_meanwhile(within, || {})
    }

    /// The same, and does something else again and again until then.
    pub(super) fn wait_for_end_and_meanwhile(
        &mut self,
        within: Duration,
        mut meanwhile: impl FnMut(),
    ) -> bool {
        self.ask_to_end();
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Some(status) = self.ended() {
                return status.success();
            }
            meanwhile();
            wait(Duration::from_millis(5));
        }
        self.kill();
        false
    }

    fn hear(&mut self) -> anyhow::Result<Said> {
        match self.said.recv_timeout(HEARD_WITHIN) {
            Ok(line) => {
                serde_json::from_str(&line).with_context(|| format!("{} said {line:?}", self.name))
            }
            Err(RecvTimeoutError::Timeout) => {
                bail!(
                    "{} has said nothing for {} s",
                    self.name,
                    HEARD_WITHIN.as_secs()
                )
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait()?;
                bail!("{} has ended at its start: {status}", self.name)
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Lets time pass.
pub(super) fn wait(time: Duration) {
    std::thread::sleep(time);
}

const HEARD_WITHIN: Duration = Duration::from_secs(20);
