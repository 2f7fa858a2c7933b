//! A place in a plan, as `--set` and errors write it: `replication.w`, `fault[0].at`.

use std::fmt;
use std::str::FromStr;

/// The way from a plan's root to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(Vec<Step>);

/// One step on that way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To what stands at a key of a table.
    Key(String),
    /// To an element of a list, from 0.
    Index(usize),
}

impl Path {
    /// The steps, from the root on.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The place at a key of this table.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    /// The place of an element of this list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    /// The place that another path leads to from here.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        Self([&self.0[..], &below.0].concat())
    }

    /// The first `count` steps.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        Self(self.0[..count].to_vec())
    }

    /// What is left of this path behind another with which it begins.
    #[must_use]
    pub fn behind(&self, start: &Self) -> Option<Self> {
        self.0
            .strip_prefix(&start.0[..])
            .map(|rest| Self(rest.to_vec()))
    }

    fn then(&self, step: Step) -> Self {
        Self([&self.0[..], &[step]].concat())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    let dot = if place == 0 { "" } else { "." };
                    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                    if !key.is_empty() && key.chars().all(is_bare) {
                        write!(f, "{dot}{key}")?;
                    } else {
                        write!(f, "{dot}{key:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Text that is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key {text:?} {why}; write it like replication.w or fault[0].at")]
pub struct PathError {
    text: String,
    why: &'static str,
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let refuse = |why| PathError {
            text: text.to_owned(),
            why,
        };
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (key, mut indices) = part.split_at(part.find('[').unwrap_or(part.len()));
            if key.is_empty() {
                return Err(refuse("has an empty part"));
            }
            steps.push(Step::Key(key.to_owned()));
            while let Some(rest) = indices.strip_prefix('[') {
                let (index, rest) = rest.split_once(']').ok_or_else(|| refuse("has no ]"))?;
                let index = index.parse().map_err(|_| refuse("has no number in []"))?;
                steps.push(Step::Index(index));
                indices = rest;
            }
            if !indices.is_empty() {
                return Err(refuse("goes on behind a ]"));
            }
        }
        Ok(Self(steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, a path in an error cannot be given to `--set`.
    #[test]
    fn a_path_is_read_as_it_is_written() {
        for text in ["seed", "replication.w", "fault[0].at", "a[1][2].b-c.d_e"] {
            assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
        }
        let quoted = Path::default().key("on").key("client.rate");
        assert_eq!(quoted.to_string(), "on.\"client.rate\"");
        for text in [
            "", ".a", "a.", "a..b", "a[", "a[x]", "a[0]b", "[0]", "a[-1]",
        ] {
            assert!(text.parse::<Path>().is_err(), "{text}");
        }
    }
}
