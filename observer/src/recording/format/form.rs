//! The forms of a text in EDN, one after the other, each with its line; and what the plain ones mean as values.
//!
//! Reference: Hickey, extensible data notation (`edn-format`).

use super::RecordingError;
use crate::recording::Value;
use clojure_reader::edn::{self, Edn};
use clojure_reader::error::{Code, Error};

/// The forms of a text: those at its top, or if one vector or list is all there is, those in it.
pub(super) struct Forms<'e> {
    text: &'e str,
    line: u64,
    /// What ends the vector or list around the forms, and the line that it begins on.
    around: Option<(char, u64)>,
    is_over: bool,
}

impl<'e> Forms<'e> {
    pub(super) fn new(text: &'e str) -> Self {
        let mut forms = Self {
            text,
            line: 1,
            around: None,
            is_over: false,
        };
        forms.skip();
        let end = match forms.text.chars().next() {
            Some('[') => ']',
            Some('(') => ')',
            _ => return forms,
        };
        // A vector of operations, or one operation that is a vector: that begins with a process, not with a form.
        let mut inside = Self {
            around: Some((end, forms.line)),
            ..forms
        };
        inside.advance(1);
        inside.skip();
        if inside.text.starts_with(['{', '[', '(', '#', end]) {
            return inside;
        }
        forms
    }

    /// The next form and the line that it begins on; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Edn<'e>)>, RecordingError> {
        self.skip();
        let first = self.text.chars().next();
        match (first, self.around) {
            (None, None) => return Ok(None),
            (None, Some((end, line))) if !self.is_over => {
                let what = format!("the file ends before the {end:?} that closes line {line}");
                return Err(RecordingError::new(self.line, what));
            }
            (None, Some(_)) => return Ok(None),
            (Some(_), Some(_)) if self.is_over => {
                let what = "something follows after the end of the operations";
                return Err(RecordingError::new(self.line, what));
            }
            (Some(found), Some((end, _))) if found == end => {
                self.is_over = true;
                self.advance(1);
                return self.next();
            }
            (Some(_), _) => {}
        }
        let line = self.line;
        let (form, rest) = edn::read(self.text).map_err(|error| self.error(line, &error))?;
        if is_too_deep(&form) {
            return Err(RecordingError::new(line, TOO_DEEP));
        }
        self.advance(self.text.len() - rest.len());
        Ok(Some((line, form)))
    }

    /// Goes on to the next form: past space, commas, comments and what is discarded by `#_`.
    fn skip(&mut self) {
        loop {
            let blank = |c: char| c.is_whitespace() || c == ',';
            let rest = self.text.trim_start_matches(blank);
            self.advance(self.text.len() - rest.len());
            if self.text.starts_with(';') {
                let end = self.text.find('\n').unwrap_or(self.text.len());
                self.advance(end);
            } else if let Some(Ok((_, rest))) = self.text.strip_prefix("#_").map(edn::read) {
                self.advance(self.text.len() - rest.len());
            } else {
                return;
            }
        }
    }

    fn advance(&mut self, bytes: usize) {
        let (before, rest) = self.text.split_at(bytes);
        self.line += before.bytes().filter(|byte| *byte == b'\n').count() as u64;
        self.text = rest;
    }

    fn error(&self, line: u64, error: &Error) -> RecordingError {
        let at = match error.code {
            Code::UnexpectedEOF => line,
            _ => line + error.line.map_or(0, |line| line as u64).saturating_sub(1),
        };
        let what = match error.code {
            Code::UnexpectedEOF => {
                format!("the file ends within the form that begins on line {line}")
            }
            Code::UnmatchedDelimiter(found) => format!("{found:?} closes nothing that is open"),
            Code::HashMapDuplicateKey => "a map has a key twice".to_owned(),
            Code::SetDuplicateKey => "a set has a value twice".to_owned(),
            ref code => format!("it is no EDN: {code:?}"),
        };
        RecordingError::new(at, what)
    }
}

/// The value of a form.
///
/// What is not a number, a text or several of them is the text that stands for it: `:a` is `":a"`.
pub(super) fn value_of(form: &Edn<'_>) -> Value {
    match form {
        Edn::Nil => Value::Nil,
        Edn::Int(number) => Value::Integer(*number),
        Edn::Str(text) => Value::Text(text.as_ref().into()),
        Edn::Vector(forms) | Edn::List(forms) => Value::List(forms.iter().map(value_of).collect()),
        Edn::Set(forms) => Value::List(forms.iter().map(value_of).collect()),
        Edn::Tagged(_, form) => value_of(form),
        other => Value::Text(other.to_string().into()),
    }
}

/// Whether forms lie in one another deeper than is taken.
fn is_too_deep(form: &Edn<'_>) -> bool {
    let mut open = vec![(form, 0)];
    while let Some((form, depth)) = open.pop() {
        if depth > DEPTH {
            return true;
        }
        let inside = depth + 1;
        match form {
            Edn::Vector(forms) | Edn::List(forms) => {
                open.extend(forms.iter().map(|form| (form, inside)));
            }
            Edn::Set(forms) => open.extend(forms.iter().map(|form| (form, inside))),
            Edn::Map(forms) => {
                let both = forms.iter().flat_map(|(key, value)| [key, value]);
                open.extend(both.map(|form| (form, inside)));
            }
            Edn::Tagged(_, form) => open.push((form, inside)),
            _ => {}
        }
    }
    false
}

/// The value that a text in EDN stands for.
///
/// # Errors
/// It is not EDN, more than one value, or too deep.
pub fn value(text: &str) -> Result<Value, RecordingError> {
    let error = |what: &str| RecordingError::new(1, format!("{text:?} is {what}"));
    match edn::read(text) {
        Ok((form, _)) if is_too_deep(&form) => Err(RecordingError::new(1, TOO_DEEP)),
        Ok((form, rest)) if rest.trim().is_empty() => Ok(value_of(&form)),
        Ok(_) => Err(error("more than one value")),
        Err(_) => Err(error("no value; write it like 3, \"text\" or nil")),
    }
}

/// So deep may forms lie in one another; a line could hold millions.
const DEPTH: usize = 128;
const TOO_DEEP: &str = "values lie in one another more than 128 deep";
