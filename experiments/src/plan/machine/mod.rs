//! Faults of machines as plans write them: whom they strike, with what, when, and how often.

pub(super) mod check;
mod strike;
mod whom;

pub use strike::{Blow, Strike, strikes};
pub use whom::{Lot, Whom};

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;
use tidemark_proto::registry::{Options, schema};
use tidemark_proto::skew::{Offset, Skew};
use tidemark_proto::span::Span;

/// A fault of machines, its times as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Table", into = "Table")]
pub struct MachineFault {
    /// What results call it; none: whom it strikes, and how.
    pub name: Option<String>,
    /// When it first strikes.
    pub at: Span,
    /// How long it lasts; none: until everything heals.
    pub length: Option<Span>,
    /// How long after it has struck it strikes again; none: never.
    pub every: Option<Span>,
    /// When it strikes no more; none: when everything heals.
    pub until: Option<Span>,
    /// By how much each strike may come later, drawn anew each time; none: not at all.
    pub jitter: Option<Span>,
    /// What it does.
    pub harm: Harm,
}

/// What is done to machines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// Whose process is killed, and started again on what its storage kept.
    Crash(Whom),
    /// Who loses power, and with it what was not synced; only in the simulator.
    PowerLoss(Whom),
    /// Who is killed, loses all that is on the disk, and is started again.
    Wipe(Whom),
    /// Who stops where it stands, and then goes on with all that came meanwhile.
    Pause(Whom),
    /// Whose wall clock is wrong, and how.
    Clock(ClockFault),
    /// Whose syncs take longer, and by how much.
    SlowSync(SlowSync),
    /// Whose disk takes nothing more. What is to be stored there is refused.
    DiskFull(Whom),
}

/// A wrong wall clock: exactly one of `offset`, `drift` and `strobe`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockFault {
    /// Whose.
    pub node: Whom,
    /// By how much it is ahead: `"200ms"`, or behind: `"-200ms"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<Offset>,
    /// What it gains, in seconds a second; it loses below 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<f64>,
    /// It jumps ahead and back again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strobe: Option<Strobe>,
}

/// A clock that jumps to and fro.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Strobe {
    /// By how much it is ahead in every other turn.
    pub by: Offset,
    /// The length of a turn.
    pub every: Span,
}

/// Slow syncs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowSync {
    /// Whose.
    pub node: Whom,
    /// How much longer each of them takes.
    pub by: Span,
}

impl MachineFault {
    /// What results call it.
    #[must_use]
    pub fn called(&self) -> String {
        let name = self.name.clone();
        name.unwrap_or_else(|| self.harm.whom().told(self.harm.verbs()))
    }

    /// The same with every time `scale` times as long.
    pub(super) fn stretch(&mut self, scale: f64) {
        let Self {
            at,
            length,
            every,
            until,
            jitter,
            harm,
            ..
        } = self;
        *at = at.scaled(scale);
        for span in [length, every, until, jitter].into_iter().flatten() {
            *span = span.scaled(scale);
        }
        match harm {
            Harm::Clock(clock) => clock.stretch(scale),
            Harm::SlowSync(slow) => slow.by = slow.by.scaled(scale),
            Harm::Crash(_)
            | Harm::PowerLoss(_)
            | Harm::Wipe(_)
            | Harm::Pause(_)
            | Harm::DiskFull(_) => {}
        }
    }

    /// A fault's table, if it has one of the keys of machine faults.
    pub(super) fn read(table: &Options) -> Option<Result<Self, serde_json::Error>> {
        Harm::KINDS
            .iter()
            .any(|kind| table.contains_key(*kind))
            .then(|| Self::deserialize(Value::Object(table.clone())))
    }

    /// The JSON Schemas of their tables, one for each kind.
    pub(super) fn schemas() -> Vec<Schema> {
        let mut harms = schema::<Harm>();
        let branches = harms.get_mut("oneOf").and_then(Value::as_array_mut);
        let branches = std::mem::take(branches.expect("it is an enum"));
        let branch = |(kind, harm): (&&str, Value)| {
            let mut table = schema::<Table>();
            let keys = table.get_mut("properties").and_then(Value::as_object_mut);
            let keys = keys.expect("it has keys");
            keys.shift_remove(if Harm::is_killing(kind) {
                "for"
            } else {
                "restart_after"
            });
            let mut key = harm["properties"][*kind].clone();
            key["description"] = harm["description"].clone();
            keys.insert((*kind).to_owned(), key);
            table.insert("description".to_owned(), harm["description"].clone());
            table.insert("additionalProperties".to_owned(), false.into());
            table.insert("required".to_owned(), vec![*kind, "at"].into());
            table
        };
        Harm::KINDS.iter().zip(branches).map(branch).collect()
    }
}

impl Harm {
    /// The keys that stand for them in a plan, in their order.
    pub const KINDS: [&str; 7] = [
        "crash",
        "power_loss",
        "wipe",
        "pause",
        "clock",
        "slow_sync",
        "disk_full",
    ];

    /// What each of them does.
    pub const ABOUT: [&str; 7] = [
        "kills a process, which starts again on what its storage kept",
        "takes what was not synced as well; in `sim` alone",
        "kills a process, which starts again on an empty disk",
        "stops a machine where it stands; what comes meanwhile waits",
        "sets a wall clock wrong: by an `offset`, a `drift` or a `strobe`; timers go on as they were",
        "makes every sync take longer",
        "leaves a disk no room: what is to be stored is refused",
    ];

    /// The key that stands for it in a plan, and its kind in results.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        Self::KINDS[match self {
            Self::Crash(_) => 0,
            Self::PowerLoss(_) => 1,
            Self::Wipe(_) => 2,
            Self::Pause(_) => 3,
            Self::Clock(_) => 4,
            Self::SlowSync(_) => 5,
            Self::DiskFull(_) => 6,
        }]
    }

    /// Whom it strikes.
    #[must_use]
    pub fn whom(&self) -> &Whom {
        match self {
            Self::Crash(whom)
            | Self::PowerLoss(whom)
            | Self::Wipe(whom)
            | Self::Pause(whom)
            | Self::DiskFull(whom)
            | Self::Clock(ClockFault { node: whom, .. })
            | Self::SlowSync(SlowSync { node: whom, .. }) => whom,
        }
    }

    /// Whom it strikes, to be changed.
    pub fn whom_mut(&mut self) -> &mut Whom {
        match self {
            Self::Crash(whom)
            | Self::PowerLoss(whom)
            | Self::Wipe(whom)
            | Self::Pause(whom)
            | Self::DiskFull(whom)
            | Self::Clock(ClockFault { node: whom, .. })
            | Self::SlowSync(SlowSync { node: whom, .. }) => whom,
        }
    }

    /// Whether a kind ends processes, which are then started again.
    #[must_use]
    pub fn is_killing(kind: &str) -> bool {
        ["crash", "power_loss", "wipe"].contains(&kind)
    }

    /// Where in the fault's table it is said whom it strikes.
    fn place(&self) -> String {
        match self {
            Self::Clock(_) | Self::SlowSync(_) => format!("{}.node", self.kind()),
            _ => self.kind().to_owned(),
        }
    }

    /// What one machine does, and what several do.
    fn verbs(&self) -> [&'static str; 2] {
        match self {
            Self::Crash(_) => ["crashes", "crash"],
            Self::PowerLoss(_) => ["loses power", "lose power"],
            Self::Wipe(_) => ["is wiped", "are wiped"],
            Self::Pause(_) => ["pauses", "pause"],
            Self::Clock(_) => ["has a wrong clock", "have wrong clocks"],
            Self::SlowSync(_) => ["syncs slowly", "sync slowly"],
            Self::DiskFull(_) => ["has a full disk", "have full disks"],
        }
    }
}

impl ClockFault {
    /// What is wrong with a clock that was right at `since`.
    fn skew(&self, since: Duration) -> Skew {
        match (self.offset, self.drift, self.strobe) {
            (Some(offset), _, _) => Skew::Offset(offset),
            (_, Some(rate), _) => Skew::Drift { since, rate },
            (_, _, Some(Strobe { by, every })) => Skew::Strobe {
                since,
                by,
                every: every.0,
            },
            (None, None, None) => Skew::None,
        }
    }

    fn stretch(&mut self, scale: f64) {
        if let Some(offset) = &mut self.offset {
            *offset = offset.scaled(scale);
        }
        if let Some(Strobe { by, every }) = &mut self.strobe {
            (*by, *every) = (by.scaled(scale), every.scaled(scale));
        }
    }
}

/// A machine fault's table in a plan.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Table {
    /// What results call it; absent: whom it strikes, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// When it strikes.
    at: Span,
    /// How long it lasts; absent: until everything heals.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    length: Option<Span>,
    /// How long who is struck stays away; absent: until everything heals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restart_after: Option<Span>,
    /// After what time it strikes again, and again, whom chance then draws; who is struck already is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    every: Option<Span>,
    /// When it strikes no more; absent: when everything heals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Span>,
    /// By how much each strike may come later, drawn anew each time; absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jitter: Option<Span>,
    #[serde(flatten)]
    #[schemars(skip)]
    harm: Options,
}

impl TryFrom<Table> for MachineFault {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        let known = |key: &&String| !Harm::KINDS.contains(&key.as_str());
        let kind = table.harm.keys().find(|key| !known(key)).cloned();
        let kind = kind.unwrap_or_default();
        if let Some(unknown) = table.harm.keys().find(known) {
            return Err(format!("unknown key {unknown:?}; {kind} takes: {KEYS}"));
        }
        if let Some(second) = table.harm.keys().find(|key| **key != kind) {
            return Err(format!(
                "{kind} and {second} are two faults; write each in a table of its own"
            ));
        }
        let (length, other, right) = match Harm::is_killing(&kind) {
            true => (table.restart_after, table.length, "restart_after"),
            false => (table.length, table.restart_after, "for"),
        };
        if other.is_some() {
            return Err(format!("how long a {kind} lasts is said by {right}"));
        }
        Ok(Self {
            name: table.name,
            at: table.at,
            length,
            every: table.every,
            until: table.until,
            jitter: table.jitter,
            harm: Harm::deserialize(Value::Object(table.harm))
                .map_err(|error| error.to_string())?,
        })
    }
}

impl From<MachineFault> for Table {
    fn from(fault: MachineFault) -> Self {
        let (length, restart_after) = match Harm::is_killing(fault.harm.kind()) {
            true => (None, fault.length),
            false => (fault.length, None),
        };
        let harm = serde_json::to_value(&fault.harm).expect("a harm is a table");
        Self {
            name: fault.name,
            at: fault.at,
            length,
            restart_after,
            every: fault.every,
            until: fault.until,
            jitter: fault.jitter,
            harm: harm.as_object().cloned().unwrap_or_default(),
        }
    }
}

const KEYS: &str = "name, at, for, restart_after, every, until, jitter";
