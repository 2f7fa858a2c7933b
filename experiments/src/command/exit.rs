//! How the program ends: a class for every way in which a command can end other than well, and an exit code for each.

use crate::plan::{NoPlan, PlanErrors};
use miette::GraphicalTheme;
use std::io::IsTerminal as _;
use std::process::ExitCode;

/// How a command ended that did not do what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Anything else.
    Other = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The plan is wrong.
    Plan = 3,
    /// A plan, a run or a file is not there, or cannot be read or written.
    File = 4,
    /// A process of the run could not be started, or died.
    Process = 5,
    /// The cluster cannot be reached, or refuses.
    Cluster = 6,
    /// A write may have happened or not.
    Unknown = 7,
    /// There is no such key or operation.
    NotFound = 8,
    /// It was interrupted.
    Interrupted = 130,
    /// Of `tidemark check`, whose codes are Jepsen's: its command line or the file that it is to check is wrong.
    Check = 254,
}

impl Class {
    /// The class of an error, by the types of its causes.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        let class = error.chain().find_map(|cause| {
            if let Some(failure) = cause.downcast_ref::<Failure>() {
                Some(failure.class)
            } else if cause.is::<PlanErrors>() {
                Some(Self::Plan)
            } else {
                cause.is::<NoPlan>().then_some(Self::File)
            }
        });
        class.unwrap_or(Self::Other)
    }
}

impl From<Class> for ExitCode {
    fn from(class: Class) -> Self {
        Self::from(class as u8)
    }
}

/// An error with its class.
#[derive(Debug, thiserror::Error)]
#[error("{error:#}")]
struct Failure {
    class: Class,
    error: anyhow::Error,
}

/// Gives the class to an error that has none yet.
pub trait Classed<T> {
    /// The same, and if it is an error, of this class.
    fn class(self, class: Class) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Classed<T> for Result<T, E> {
    fn class(self, class: Class) -> anyhow::Result<T> {
        self.map_err(|error| {
            let error = error.into();
            match Class::of(&error) {
                Class::Other => Failure { class, error }.into(),
                _ => error,
            }
        })
    }
}

/// Says on standard error what went wrong, and ends with the exit code of its class.
pub(super) fn fail(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<PlanErrors>() {
        Some(errors) => {
            let is_coloured =
                std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let theme = if is_coloured {
                GraphicalTheme::unicode()
            } else {
                GraphicalTheme::unicode_nocolor()
            };
            eprint!("{}", errors.render(theme, WIDTH));
        }
        None => eprintln!("tidemark: {error:#}"),
    }
    Class::of(error).into()
}

/// Says what is wrong with the command line, or the help that it asks for.
pub(super) fn misused(error: &clap::Error) -> ExitCode {
    // Nobody reads what cannot be printed.
    let _ = error.print();
    let is_check = std::env::args().nth(1).is_some_and(|word| word == "check");
    match error.use_stderr() {
        false => ExitCode::SUCCESS,
        true if is_check => Class::Check.into(),
        true => Class::Usage.into(),
    }
}

/// The exit codes, as `tidemark --help` lists them.
pub(super) const HELP: &str = "Exit codes:
    0  done
    1  failed in a way that is not listed here
    2  the command line is wrong
    3  the plan is wrong
    4  a plan, a run or a file is not there, or cannot be read or written
    5  a process of the run could not be started, or died
    6  the cluster cannot be reached, or refuses: nothing was written
    7  it is unknown whether a write happened
    8  the key or the operation was not found
  130  interrupted
`tidemark check` has Jepsen's instead: 0 valid, 1 invalid, 2 unknown, 254 the command line or the file is wrong.";
/// Where the lines of advice are broken.
const WIDTH: usize = 100;
