//! One form that a value may have, as the schema says it: what it asks for, in JSON and in words.

use serde_json::Value;

/// The first sentence of what a schema says of itself.
pub(super) fn meaning(schema: &Value) -> Option<String> {
    let text = schema["description"].as_str()?.replace('\n', " ");
    let sentence = text
        .split_once(". ")
        .map_or(text.as_str(), |(first, _)| first);
    Some(sentence.trim_end_matches('.').to_owned())
}

/// The alternatives of a table beside the keys that all of them have.
pub(super) fn alternatives(form: &Value) -> Option<&Vec<Value>> {
    form.get("properties")?;
    ["oneOf", "anyOf"]
        .into_iter()
        .find_map(|key| form[key].as_array())
}

/// The `kind` of a seam's entry.
pub(super) fn kind(form: &Value) -> Option<&str> {
    form["properties"]["kind"]["const"].as_str()
}

/// The keys that a table must have.
pub(super) fn required(form: &Value) -> impl Iterator<Item = &str> {
    form["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// The words that a form consists of; none: it is no list of words.
pub(super) fn words(form: &Value) -> impl Iterator<Item = &str> {
    let listed = form["enum"].as_array().into_iter().flatten();
    form.get("const")
        .into_iter()
        .chain(listed)
        .filter_map(Value::as_str)
}

/// Whether a value is of the form's type.
pub(super) fn fits(form: &Value, value: &Value) -> bool {
    let name = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match form["type"].as_str() {
        Some("integer") => value.is_u64() || value.is_i64(),
        Some(wanted) => wanted == name,
        None => words(form).next().is_none() || value.is_string(),
    }
}

/// A value as an error shows it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "no finite number".to_owned(),
        Value::Object(fields) => match fields.get(DATE) {
            Some(date) => format!("the date {date}"),
            None => "a table".to_owned(),
        },
        Value::Array(_) => "a list".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// What a value must be.
pub(super) fn wanted(forms: &[&Value]) -> String {
    let choices: Vec<_> = forms.iter().flat_map(|form| words(form)).collect();
    let mut wanted: Vec<String> = Vec::new();
    if !choices.is_empty() {
        wanted.push(format!("one of: {}", choices.join(", ")));
    }
    let others = forms.iter().filter(|form| words(form).next().is_none());
    wanted.extend(others.map(|form| match form["type"].as_str() {
        Some("string") => form["title"].as_str().unwrap_or("text").to_owned(),
        Some("integer") => format!("a whole number{}", bounds(form)),
        Some("number") => format!("a number{}", bounds(form)),
        Some("boolean") => "true or false".to_owned(),
        Some("array") => "a list".to_owned(),
        _ => "a table".to_owned(),
    }));
    wanted.dedup();
    let tags: Vec<_> = forms.iter().flat_map(|form| required(form)).collect();
    if forms.len() > 1 && wanted == ["a table"] && tags.len() == forms.len() {
        return format!("a table with one of: {}", tags.join(", "));
    }
    wanted.join(", or ")
}

fn bounds(form: &Value) -> String {
    let [least, most, below] = ["minimum", "maximum", "exclusiveMinimum"].map(|key| form.get(key));
    match (least, most, below) {
        (Some(least), Some(most), _) => format!(" from {least} to {most}"),
        (Some(least), None, _) => format!(" of {least} or more"),
        (None, Some(most), Some(below)) => format!(" above {below} and at most {most}"),
        (None, Some(most), None) => format!(" of at most {most}"),
        (None, None, Some(below)) => format!(" above {below}"),
        (None, None, None) => String::new(),
    }
}

/// What `toml` makes of a date: a table with this key.
const DATE: &str = "$__toml_private_datetime";
