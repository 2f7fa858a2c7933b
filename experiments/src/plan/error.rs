//! What is wrong with a plan, and where it stands: file, line and column, the text underlined, the choices.

use super::path::Path;
use super::source::{Side, Source, SourceKind};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Something that is wrong with a plan, before it is known where that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// Of what; where it is missing, the table that misses it.
    pub path: Path,
    /// What of it is wrong.
    pub side: Side,
    /// What is wrong; it begins with the path.
    pub reason: String,
    /// What is said beside the underlined text; none: what the value means.
    pub label: Option<String>,
    /// The choices, or what would mend it.
    pub help: Option<String>,
    /// What else has to do with it: if that was written later, it is what is shown.
    pub also: Option<Box<Path>>,
}

impl PlanError {
    /// The value at a path is wrong. What stands behind a semicolon tells how to mend it.
    #[must_use]
    pub fn new(path: Path, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let (reason, help) = match reason.split_once("; ") {
            Some((reason, help)) => (reason.to_owned(), Some(help.to_owned())),
            None => (reason, None),
        };
        Self {
            path,
            side: Side::Value,
            reason,
            label: None,
            help,
            also: None,
        }
    }

    /// With this beside the underlined text.
    #[must_use]
    pub fn label(self, label: impl Into<String>) -> Self {
        Self {
            label: Some(label.into()),
            ..self
        }
    }

    /// With this at its end.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// The key is wrong, not what stands behind it.
    #[must_use]
    pub fn of_key(self) -> Self {
        Self {
            side: Side::Key,
            ..self
        }
    }

    /// It has to do with this as well.
    #[must_use]
    pub fn also(self, path: Path) -> Self {
        Self {
            also: Some(Box::new(path)),
            ..self
        }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        self.help.iter().try_for_each(|help| write!(f, "; {help}"))
    }
}

/// Everything that was found wrong with a plan.
#[derive(Clone, Debug)]
pub struct PlanErrors(pub Vec<Located>);

/// Something that is wrong with a plan, and where.
#[derive(Clone, Debug)]
pub struct Located {
    /// The text that it stands in.
    pub source: Arc<Source>,
    /// Where in the text.
    pub span: Range<usize>,
    /// What is wrong.
    pub error: PlanError,
    /// How the text came into the plan, if it is not the plan itself.
    pub origin: Option<String>,
}

impl PlanErrors {
    /// The same, of a part of the plan that is told of each.
    #[must_use]
    pub fn within(mut self, part: &str) -> Self {
        for located in &mut self.0 {
            located.origin.get_or_insert_with(|| part.to_owned());
        }
        self
    }

    /// The errors as a person reads them: each with the text that is wrong, underlined.
    #[must_use]
    pub fn render(&self, theme: GraphicalTheme, width: usize) -> String {
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(width)
            .with_context_lines(1)
            .with_links(false);
        let one = |located: &Located| located.render(&handler);
        let shown: Vec<_> = self.0.iter().take(SHOWN).map(one).collect();
        let mut text = shown.join("\n");
        if let Some(more) = self.0.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            text += &format!("\nand {more} more\n");
        }
        text
    }
}

impl Located {
    /// `plans/x.toml:14:5: replication.w is 4, but n is 3`.
    fn headline(&self) -> String {
        let Source { name, kind, .. } = &*self.source;
        let (line, column) = self.source.line_and_column(self.span.start);
        match kind {
            SourceKind::File => format!("{name}:{line}:{column}: {}", self.error.reason),
            SourceKind::Set => format!("{name}: {}", self.error.reason),
        }
    }

    fn advice(&self) -> Option<String> {
        let parts = [&self.error.help, &self.origin];
        let parts: Vec<_> = parts.into_iter().flatten().cloned().collect();
        (!parts.is_empty()).then(|| parts.join("\n"))
    }

    fn render(&self, handler: &GraphicalReportHandler) -> String {
        let mut report = String::new();
        let excerpt = Excerpt(self);
        if handler.render_report(&mut report, &excerpt).is_err() {
            return self.headline() + "\n";
        }
        // The handler's first line is its own headline, which is empty.
        let report = report.trim_start_matches('\n');
        let (_, report) = report.split_once('\n').unwrap_or_default();
        format!("{}\n{report}", self.headline())
    }
}

impl fmt::Display for PlanErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |located: &Located| match located.advice() {
            Some(advice) => format!("{}; {}", located.headline(), advice.replace('\n', "; ")),
            None => located.headline(),
        };
        let lines: Vec<_> = self.0.iter().map(line).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for PlanErrors {}

/// What the handler draws: the text, the label and the help.
#[derive(Debug)]
struct Excerpt<'a>(&'a Located);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Excerpt<'_> {}

impl Diagnostic for Excerpt<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.advice().map(|advice| Box::new(advice) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.0.source.text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = self.0.error.label.clone();
        let label = label.or_else(|| Some("here".to_owned()));
        let span = LabeledSpan::new_with_span(label, self.0.span.clone());
        Some(Box::new(std::iter::once(span)))
    }
}

/// A word that somebody may have meant, if it is close to one of the choices.
#[must_use]
pub fn meant<'a>(word: &str, choices: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let rated = choices.into_iter().map(|choice| {
        let is_begun = word.len() > 2 && choice.starts_with(&word);
        let likeness = strsim::normalized_damerau_levenshtein(&word, choice);
        (choice, if is_begun { 1.0 } else { likeness })
    });
    let best = rated.max_by(|one, other| one.1.total_cmp(&other.1));
    best.filter(|(_, likeness)| *likeness > CLOSE)
        .map(|(choice, _)| choice)
}

/// How many errors are shown in full.
const SHOWN: usize = 10;
/// How alike two words must be: 1 is equal.
const CLOSE: f64 = 0.55;
