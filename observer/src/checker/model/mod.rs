//! What the objects of a recording are: the seam of models. One says which functions there are and what they do.

mod cas_register;
mod counter;
mod kv_append;
mod register;
mod set;

use crate::recording::{Call, Recorded, Value};

/// What every object of a recording is, and what it is at the beginning.
#[derive(Clone, Debug)]
pub struct Model {
    entry: &'static Entry,
    initial: Value,
}

/// A model as the list has it. Its name is its file's name.
#[derive(Debug)]
pub struct Entry {
    /// What `--model` takes.
    pub name: &'static str,
    /// One sentence for tables.
    pub about: &'static str,
    /// The functions that it knows.
    pub functions: &'static [&'static str],
    /// What an object is at the beginning unless it is said.
    pub initial: fn() -> Value,
    /// What an object may be at the beginning.
    pub begins: Admitted,
    /// What its functions but `read` take.
    pub takes: Admitted,
    /// Whether a read can only return what was there at the beginning or what somebody wrote, as it was written.
    pub reads_what_was_written: bool,
    /// When an operation of unknown outcome takes effect, if it does.
    pub(crate) pending: Pending,
    /// The object of one key, by what it is at the beginning and the calls that there are, no two of them equal.
    pub(crate) object: fn(&Value, &[&Call]) -> Box<dyn Object>,
}

/// Values that may stand somewhere.
#[derive(Clone, Copy, Debug)]
pub struct Admitted {
    /// Which ones, in words: `an integer`.
    pub words: &'static str,
    /// Whether it is one of them.
    pub admits: fn(&Value) -> bool,
}

/// When a search lets an operation of unknown outcome take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pending {
    /// Just before a read that needs it: nothing else can tell that it has.
    WhenRead,
    /// At any moment.
    Anywhere,
}

/// The object of one key as a search takes it: calls and states are numbers, and it begins in state 0.
pub(crate) trait Object {
    /// The state after a call took effect in a state; none: it would have answered something else.
    fn step(&mut self, state: u32, call: u32) -> Option<u32>;

    /// Whether a read can follow after this state at all, if nothing overwrites it in between.
    fn may_lead(&mut self, state: u32, read: u32) -> bool {
        let _ = (state, read);
        true
    }

    /// Whether some call, or the beginning, leaves a state that the read can follow. Only an object all of whose other calls are
    /// always possible may say no: else it is not certain that this read is what cannot be placed.
    fn is_possible(&self, read: u32) -> bool {
        let _ = read;
        true
    }

    /// The calls that, taking effect just before, let a read answer as it did in a state where it otherwise would not;
    /// nothing if none do. Asked only of those which are [`Pending::WhenRead`].
    fn help(&mut self, state: u32, read: u32) -> Vec<u32> {
        let _ = (state, read);
        Vec::new()
    }

    /// Whether anybody can tell that a call which changes the object took effect.
    fn is_noticed(&self, call: u32) -> bool {
        let _ = call;
        true
    }

    /// Whether nothing is left after a call of what was before it: whatever that was, the call is possible.
    fn overwrites(&self, call: u32) -> bool {
        let _ = call;
        false
    }

    /// Whether a call only reads.
    fn only_reads(&self, call: u32) -> bool;

    /// How many bytes it has come to take, about.
    fn bytes(&self) -> usize;
}

/// What a model cannot take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// There is no such model.
    #[error("there is no model {name:?}; choose one of: {}", names().join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// Its objects cannot be this at the beginning.
    #[error("the initial value is {value}, but a {model} begins as {begins}")]
    Initial {
        /// The model's name.
        model: &'static str,
        /// What was asked for.
        value: Value,
        /// What it may be.
        begins: &'static str,
    },
    /// An operation calls a function that it does not know.
    #[error(
        "a {model} has no function {function:?}; it has: {}",
        functions.join(", ")
    )]
    Function {
        /// Where the operation begins.
        line: u64,
        /// The model's name.
        model: &'static str,
        /// What was called.
        function: &'static str,
        /// The functions that it knows.
        functions: &'static [&'static str],
    },
    /// An operation calls one of its functions with what that does not take.
    #[error("the {function} of a {model} takes {takes}, not {value}")]
    Argument {
        /// Where the operation begins.
        line: u64,
        /// The model's name.
        model: &'static str,
        /// What was called.
        function: &'static str,
        /// What it takes.
        takes: &'static str,
        /// What it was given.
        value: Value,
    },
}

impl ModelError {
    /// The line of the file that it is about, if it is about one.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::Unknown { .. } | Self::Initial { .. } => None,
            Self::Function { line, .. } | Self::Argument { line, .. } => Some(*line),
        }
    }
}

impl Model {
    /// The model of a name, whose objects begin as said, or as the model has it.
    ///
    /// # Errors
    /// There is no such model, or its objects cannot be that.
    pub fn new(name: &str, initial: Option<Value>) -> Result<Self, ModelError> {
        let Some(entry) = ENTRIES.iter().find(|entry| entry.name == name) else {
            let name = name.to_owned();
            return Err(ModelError::Unknown { name });
        };
        let initial = initial.unwrap_or_else(entry.initial);
        if !(entry.begins.admits)(&initial) {
            return Err(ModelError::Initial {
                model: entry.name,
                value: initial,
                begins: entry.begins.words,
            });
        }
        Ok(Self { entry, initial })
    }

    /// Its line of the list.
    #[must_use]
    pub fn entry(&self) -> &'static Entry {
        self.entry
    }

    /// What its objects are at the beginning.
    #[must_use]
    pub fn initial(&self) -> &Value {
        &self.initial
    }

    /// Whether it is a register that is only read and written.
    #[must_use]
    pub fn is_register(&self) -> bool {
        self.entry.name == register::ENTRY.name
    }

    /// Tells whether it knows the function of an operation, and what that is called with.
    ///
    /// # Errors
    /// It does not.
    pub fn admit(&self, operation: &Recorded) -> Result<(), ModelError> {
        let Entry {
            name: model,
            functions,
            takes,
            ..
        } = self.entry;
        let (line, function) = (operation.line, operation.call.function());
        if !functions.contains(&function) {
            return Err(ModelError::Function {
                line,
                model,
                function,
                functions,
            });
        }
        // What a read returned may be wrong: it says something of the store, not of the file.
        let given = match &operation.call {
            Call::Read(_) => [None, None],
            Call::Write(value) | Call::Append(value) | Call::Add(value) => [Some(value), None],
            Call::Cas(from, to) => [Some(from), Some(to)],
        };
        let wrong = given
            .into_iter()
            .flatten()
            .find(|value| !(takes.admits)(value));
        wrong.map_or(Ok(()), |value| {
            Err(ModelError::Argument {
                line,
                model,
                function,
                takes: takes.words,
                value: value.clone(),
            })
        })
    }
}

/// Any value.
const ANYTHING: Admitted = Admitted {
    words: "any value",
    admits: |_| true,
};

/// The names of all models.
#[must_use]
pub fn names() -> Vec<&'static str> {
    ENTRIES.iter().map(|entry| entry.name).collect()
}

/// Every model.
pub const ENTRIES: &[Entry] = &[
    register::ENTRY,
    cas_register::ENTRY,
    kv_append::ENTRY,
    counter::ENTRY,
    set::ENTRY,
];
