//! A plan on the command line: shells complete the built-in ones, and any file is taken.

use crate::plan::builtin;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use std::ffi::OsStr;

#[derive(Clone)]
pub(super) struct PlanName;

impl TypedValueParser for PlanName {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let known = |(name, question)| PossibleValue::new(name).help(question);
        Some(Box::new(builtin().map(known)))
    }
}
