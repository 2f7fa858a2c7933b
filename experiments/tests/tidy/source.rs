//! A source file as the rules see it: its code without comments and strings, its tests, its modules and its imports.

use std::fmt;
use std::path::Path;

/// One `.rs` file.
pub(crate) struct Source {
    /// From the repository's top, with `/`.
    pub(crate) path: String,
    /// As it is written.
    pub(crate) text: String,
    /// The same lines, with spaces in place of comments, strings and characters.
    pub(crate) code: String,
    /// Which lines belong to a test.
    tests: Vec<bool>,
}

/// A breach of a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Offence {
    path: String,
    line: usize,
    rule: String,
}

/// A file that a file declares: `mod name;`.
pub(crate) struct Module {
    /// Its name.
    pub(crate) name: String,
    /// Where it is, if `#[path]` says so.
    pub(crate) path: Option<String>,
    /// Whether it is for tests only.
    pub(crate) is_test: bool,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = blank(text);
        let is_test = ["tests", "benches", "examples"]
            .iter()
            .any(|folder| path.split('/').any(|part| part == *folder));
        let tests = if is_test {
            vec![true; code.lines().count()]
        } else {
            tests(&code)
        };
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            tests,
        }
    }

    /// Says that the whole file is a test.
    pub(crate) fn set_test(&mut self) {
        self.tests.fill(true);
    }

    pub(crate) fn is_test(&self) -> bool {
        self.tests.iter().all(|is_test| *is_test)
    }

    /// The lines of code with their numbers, without those of tests.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = (1..).zip(self.code.lines()).zip(&self.tests);
        lines.filter_map(|(line, is_test)| (!is_test).then_some(line))
    }

    /// The imports outside tests, each on one line, with the numbers of the lines where they begin.
    pub(crate) fn imports(&self) -> Vec<(usize, String)> {
        let mut imports: Vec<(usize, String)> = Vec::new();
        let mut is_open = false;
        for (number, line) in self.lines() {
            let line = line.trim();
            let visible = line
                .strip_prefix("pub")
                .map(|rest| match rest.split_once(')') {
                    Some((scope, rest)) if scope.starts_with('(') => rest.trim_start(),
                    _ => rest.trim_start(),
                });
            if visible.unwrap_or(line).starts_with("use ") {
                imports.push((number, String::new()));
                is_open = true;
            }
            if let (true, Some((_, import))) = (is_open, imports.last_mut()) {
                *import += line;
                is_open = !line.ends_with(';');
            }
        }
        imports
    }

    /// The files that it declares, those of tests among them.
    pub(crate) fn modules(&self) -> Vec<Module> {
        let mut attributes = Vec::new();
        let mut modules = Vec::new();
        for (code, text) in self.code.lines().zip(self.text.lines()) {
            let line = code.trim();
            if line.starts_with("#[") {
                attributes.push(text.trim());
                continue;
            }
            let name = line
                .strip_suffix(';')
                .and_then(|line| line.rsplit_once("mod "));
            if let Some((_, name)) =
                name.filter(|(before, _)| before.is_empty() || before.starts_with("pub"))
            {
                let path = attributes
                    .iter()
                    .find_map(|attribute| attribute.strip_prefix("#[path = \""));
                modules.push(Module {
                    name: name.to_owned(),
                    path: path.and_then(|path| Some(path.split_once('"')?.0.to_owned())),
                    is_test: attributes
                        .iter()
                        .any(|attribute| is_test_attribute(attribute)),
                });
            }
            attributes.clear();
        }
        modules
    }

    /// The files in which a declared module can be.
    pub(crate) fn places(&self, module: &Module) -> Vec<String> {
        let path = Path::new(&self.path);
        let folder = path.parent().unwrap_or(Path::new(""));
        let places = match (&module.path, self.is_root()) {
            (Some(place), _) => vec![folder.join(place)],
            (None, is_root) => {
                let inside = if is_root {
                    folder.to_owned()
                } else {
                    path.with_extension("")
                };
                let name = &module.name;
                vec![
                    inside.join(format!("{name}.rs")),
                    inside.join(name).join("mod.rs"),
                ]
            }
        };
        places.iter().map(|place| plain(place)).collect()
    }

    /// Whether it is the first file of a crate, which nobody declares.
    pub(crate) fn is_crate(&self) -> bool {
        let parts: Vec<&str> = self.path.split('/').collect();
        matches!(
            parts[..],
            [_, "build.rs"]
                | [_, "src", "lib.rs" | "main.rs"]
                | [_, "tests" | "benches" | "examples", _]
                | [_, "tests" | "benches" | "examples", _, "main.rs"]
        )
    }

    /// Whether the modules that it declares are beside it.
    fn is_root(&self) -> bool {
        self.is_crate() || self.path.ends_with("/mod.rs")
    }

    pub(crate) fn offence(&self, line: usize, rule: impl Into<String>) -> Offence {
        Offence::new(&self.path, line, rule)
    }
}

impl Offence {
    pub(crate) fn new(path: &str, line: usize, rule: impl Into<String>) -> Self {
        let (path, rule) = (path.to_owned(), rule.into());
        Self { path, line, rule }
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.rule)
    }
}

/// Whether a path or name occurs in code, not as a part of a longer name.
pub(crate) fn mentions(code: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        !before.ends_with(is_part) && (name.ends_with(':') || !after.starts_with(is_part))
    })
}

/// A path without `..`.
fn plain(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.iter().map(|part| part.to_string_lossy()) {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part.into_owned());
        }
    }
    parts.join("/")
}

fn is_test_attribute(attribute: &str) -> bool {
    attribute.starts_with("#[cfg(test)]") || attribute.starts_with("#[cfg(all(test")
}

/// Which lines belong to an item under `#[cfg(test)]`.
fn tests(code: &str) -> Vec<bool> {
    let mut tests = Vec::new();
    let mut depth = None;
    for line in code.lines() {
        if depth.is_none() && is_test_attribute(line.trim()) {
            depth = Some(0);
            tests.push(true);
            continue;
        }
        tests.push(depth.is_some());
        let Some(open) = &mut depth else { continue };
        let mut is_over = false;
        for c in line.chars() {
            match c {
                '{' | '(' | '[' => *open += 1,
                '}' | ')' | ']' => *open -= 1,
                _ => {}
            }
            is_over |= *open == 0 && (c == ';' || c == '}' || c == ',');
        }
        if is_over {
            depth = None;
        }
    }
    tests
}

/// The same text with spaces in place of comments, strings and characters.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let hidden = hidden(rest);
        if hidden == 0 {
            code.push(c);
        }
        let spaces = rest[..hidden]
            .chars()
            .map(|c| if c == '\n' { c } else { ' ' });
        code.extend(spaces);
        rest = &rest[hidden.max(c.len_utf8())..];
    }
    code
}

/// How many bytes at the beginning are a comment, a string or a character.
fn hidden(text: &str) -> usize {
    let until = |end: &str, from: usize| {
        let found = text[from..].find(end);
        found.map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return until("*/", 2);
    }
    if text.starts_with('"') {
        return quoted(text, '"');
    }
    if let Some(raw) = text.strip_prefix('r') {
        let fence = raw.len() - raw.trim_start_matches('#').len();
        if raw[fence..].starts_with('"') {
            return until(&format!("\"{}", "#".repeat(fence)), fence + 2);
        }
    }
    let mut character = text.chars().skip(1);
    let is_character = text.starts_with('\'')
        && (character.next() == Some('\\') || character.next() == Some('\''));
    if is_character { quoted(text, '\'') } else { 0 }
}

/// How many bytes there are to the end of what is quoted.
fn quoted(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let is_end = *c == quote && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |(at, _)| at + quote.len_utf8())
}

#[test]
fn comments_strings_and_characters_are_no_code() {
    let check = |text: &str, code: &str| assert_eq!(blank(text), code, "{text}");
    check("a // b\nc", "a     \nc");
    check("a /* b\n */ c", "a     \n    c");
    check(r#"f("a \" b", x)"#, "f(        , x)");
    check("f(r#\"a \" b\"#, x)", "f(          , x)");
    check(r"['\'', '\\', 'é', x]", "[    ,     ,    , x]");
    check("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)");
}

#[test]
fn tests_end_where_their_item_ends() {
    let text = "a\n#[cfg(test)]\nmod tests {\n    fn f() {}\n}\nb\n#[cfg(test)]\nmod more;\nc";
    let source = Source::new("node/src/x.rs", text);
    let lines: Vec<_> = source.lines().collect();
    assert_eq!(lines, [(1, "a"), (6, "b"), (9, "c")]);
    assert!(Source::new("node/tests/x.rs", text).is_test());
}

#[test]
fn imports_and_modules_are_found() {
    let text = "use a::b;\npub(crate) use c::{\n    d,\n    e,\n};\nlet used = f;\n#[path = \"../x.rs\"]\nmod y;\nmod z {}";
    let source = Source::new("node/src/deep/file.rs", text);
    let imports = [(1, "use a::b;"), (2, "pub(crate) use c::{d,e,};")];
    assert_eq!(
        source.imports(),
        imports.map(|(line, import)| (line, import.to_owned()))
    );
    let modules = source.modules();
    assert_eq!(modules.len(), 1);
    assert_eq!(source.places(&modules[0]), ["node/src/x.rs"]);
    let plain = Module {
        path: None,
        name: "y".to_owned(),
        is_test: false,
    };
    assert_eq!(
        source.places(&plain),
        ["node/src/deep/file/y.rs", "node/src/deep/file/y/mod.rs"]
    );
    let folder = Source::new("node/src/deep/mod.rs", "");
    assert_eq!(
        folder.places(&plain),
        ["node/src/deep/y.rs", "node/src/deep/y/mod.rs"]
    );
}
