//! The observer process of a run, which is started again when it dies: on the same port and the same folder.

use super::child::Start;
use super::process::{self, Process};
use crate::command::exit::{Class, Classed as _};
use anyhow::bail;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tidemark_observer::service::Reporter;
use tidemark_proto::clock::Clock;
use tidemark_proto::event::{Event, Gap};
use tokio::runtime::Handle;

/// The process that writes the history down.
pub(super) struct Observer {
    process: Process,
    address: SocketAddr,
    folder: PathBuf,
    /// When it was seen alive last.
    seen: Duration,
    deaths: u32,
}

impl Observer {
    /// Starts the process; it binds its port while others are started.
    pub(super) fn spawn() -> anyhow::Result<Process> {
        Process::start(ROLE, NAME, None)
    }

    /// Has the process write the history down in the folder.
    pub(super) fn start(process: Process, folder: PathBuf) -> anyhow::Result<Self> {
        let mut observer = Self {
            process,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            folder,
            seen: Duration::ZERO,
            deaths: 0,
        };
        if let Err(error) = observer.order() {
            observer.start_again(&error)?;
        }
        Ok(observer)
    }

    /// Where it listens, in all its lives.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts it again if it has died, and tells when it was down.
    pub(super) fn keep_up(&mut self, clock: Clock) -> anyhow::Result<Option<Gap>> {
        let Some(status) = self.process.ended() else {
            self.seen = clock.elapsed();
            return Ok(None);
        };
        self.start_again(&anyhow::anyhow!("{status}"))?;
        let from = std::mem::replace(&mut self.seen, clock.elapsed());
        Ok(Some(Gap {
            source: Gap::OBSERVER.to_owned(),
            from,
            until: self.seen,
            count: 0,
        }))
    }

    /// Waits until all that was reported has reached it; tells how many events have not.
    pub(super) fn take_last(&mut self, reporter: Reporter, clock: Clock, runtime: &Handle) -> u64 {
        let closing = runtime.spawn(reporter.close(REPORTED_WITHIN));
        let mut gaps = Vec::new();
        while !closing.is_finished() {
            // One that cannot be kept up shows in how it ends.
            gaps.extend(self.keep_up(clock).ok().flatten());
            process::wait(PAUSE);
        }
        let lost = runtime.block_on(closing);
        let lost = lost.expect("nobody aborts the closing, and it does not panic");
        if gaps.is_empty() {
            return lost;
        }
        let reporter = Reporter::connect(self.address, RUNNER_AT_ITS_END);
        for gap in gaps {
            reporter.report(Event::Gap(Box::new(gap)));
        }
        lost + runtime.block_on(reporter.close(REPORTED_WITHIN))
    }

    /// Ends it, when all that was seen has reached it.
    pub(super) fn stop(&mut self, within: Duration) -> anyhow::Result<()> {
        if self.process.wait_for_end(within) {
            return Ok(());
        }
        bail!("the observer did not end well: the history may lack its last events")
    }

    fn start_again(&mut self, death: &anyhow::Error) -> anyhow::Result<()> {
        let mut death = format!("{death:#}");
        loop {
            self.deaths += 1;
            if self.deaths > MOST_DEATHS {
                let deaths = self.deaths;
                let error = anyhow::anyhow!("the observer has died {deaths} times: {death}");
                return Err(error).class(Class::Process);
            }
            self.process = Process::start(ROLE, NAME, Some(self.address))?;
            match self.order() {
                Ok(()) => return Ok(()),
                Err(error) => death = format!("{error:#}"),
            }
            // The port may be in use for a moment.
            process::wait(PAUSE);
        }
    }

    fn order(&mut self) -> anyhow::Result<()> {
        self.address = self.process.address()?;
        self.process.order(&Start::Observer {
            folder: self.folder.clone(),
        })
    }
}

const ROLE: &str = "observer";
const NAME: &str = "the observer";
const MOST_DEATHS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);
/// How long the last events may take to reach the observer.
const REPORTED_WITHIN: Duration = Duration::from_secs(10);
/// The name under which the runner reports what has happened since it closed its line.
const RUNNER_AT_ITS_END: &str = "runner~end";
