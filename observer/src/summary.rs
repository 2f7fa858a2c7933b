//! The summary of a run for the terminal: at most 32 lines of 100 columns, with the figures of the report and what they
//! mean, in a sentence each.

mod matrix;
mod oracles;

pub use matrix::matrix;
pub use oracles::oracles;

use crate::figures::{Figures, LatencyRow, Measured, PhaseFigures, WHOLE};
use crate::report::Manifest;
use crate::report::verdict::{facts, verdict};
use crate::report::words::{
    SPACE, count, kind, level, milliseconds, none, rate, share, spread, spread_ms,
};
use tidemark_proto::event::Outcome;

/// Whether the terminal understands colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Nothing but text.
    Plain,
    /// With ANSI colours.
    Colour,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

/// The summary, each line ended.
#[must_use]
pub fn text(figures: &Figures, manifest: &Manifest, style: Style) -> String {
    let title = format!("{} · {}", figures.run.plan, facts(figures, manifest));
    let mut lines = vec![style.paint(BOLD, &clipped(&title, COLUMNS)), String::new()];
    lines.extend(wrapped(&verdict(figures).join(" "), VERDICT_LINES));
    lines.push(String::new());

    let mut foot = vec![String::new()];
    foot.extend(side_by_side(&visibility(figures), &latency(figures)));
    foot.push(String::new());
    foot.extend(MEANINGS.map(|line| style.paint(DIM, line)));
    foot.extend([
        String::new(),
        format!("report  {}/report.html", manifest.folder),
    ]);
    foot.push(format!("replay  {}", manifest.replay));

    lines.extend(phases(figures, LINES - lines.len() - foot.len(), style));
    lines.extend(foot);
    ended(&lines)
}

/// The lines as the terminal takes them.
fn ended(lines: &[String]) -> String {
    let text: String = lines
        .iter()
        .flat_map(|line| [line.trim_end(), "\n"])
        .collect();
    text.replace(SPACE, " ")
}

/// The table of phases in so many lines; if there are more, the last says so.
fn phases(figures: &Figures, lines: usize, style: Style) -> Vec<String> {
    let heads = [
        "",
        "available",
        "reads",
        "stale",
        "t-stale p50 / p99",
        "k p50 / max",
        "siblings",
    ];
    let room = lines - 2;
    let shown = if figures.phases.len() > room {
        room - 1
    } else {
        figures.phases.len()
    };
    let mut table = vec![style.paint(DIM, &row(&heads.map(str::to_owned)))];
    table.extend(figures.phases[..shown].iter().map(|phase| {
        let line = row(&cells(phase));
        if phase.fault {
            style.paint(YELLOW, &line)
        } else {
            line
        }
    }));
    if shown < figures.phases.len() {
        table.push(style.paint(
            DIM,
            &format!(
                "… and {} more phases in the report",
                figures.phases.len() - shown
            ),
        ));
    }
    table.push(row(&cells(&figures.whole)));
    table
}

fn cells(phase: &PhaseFigures) -> [String; 7] {
    [
        phase.name.clone(),
        share(&phase.availability),
        count(phase.reads),
        rate(&phase.stale),
        spread_ms(phase.t_staleness_ms.as_ref()),
        spread(phase.k_staleness.as_ref()),
        share(&phase.siblings),
    ]
}

fn row(cells: &[String; 7]) -> String {
    let [name, numbers @ ..] = cells;
    let mut line = pad(&clipped(name, WIDTHS[0]), WIDTHS[0], false);
    for (cell, width) in numbers.iter().zip(&WIDTHS[1..]) {
        line.push(' ');
        line.push_str(&pad(cell, *width, true));
    }
    line
}

/// From which age reads are fresh, by both estimates.
fn visibility(figures: &Figures) -> Vec<[String; 5]> {
    let freshness = &figures.freshness;
    let zero = freshness
        .arrivals
        .known()
        .map_or_else(none, |arrivals| share(&arrivals.at_zero));
    let mut rows = [
        ("fresh", "at 0".to_owned()),
        ("by reads", share(&freshness.at_zero)),
        ("by arrivals", zero),
    ]
    .map(|(name, zero)| {
        [
            name.to_owned(),
            zero,
            String::new(),
            String::new(),
            String::new(),
        ]
    });
    let time = |ms: &Measured<f64>| ms.known().map_or_else(none, |ms| milliseconds(*ms));
    for (place, visibility) in freshness
        .t_visibility
        .iter()
        .filter(|visibility| visibility.p > 0.5)
        .take(3)
        .enumerate()
    {
        let cells = [
            level(visibility.p),
            time(&visibility.from_reads_ms),
            time(&visibility.from_arrivals_ms),
        ];
        for (row, cell) in rows.iter_mut().zip(cells) {
            row[place + 2] = cell;
        }
    }
    rows.to_vec()
}

fn latency(figures: &Figures) -> Vec<[String; 5]> {
    let whole = |row: &&LatencyRow| row.phase == WHOLE && row.outcome == Outcome::Ok;
    let rows = figures.latency.iter().filter(whole).take(KINDS).map(|row| {
        let [p50, p99, p999, max] =
            [row.ms.p50, row.ms.p99, row.ms.p999, row.ms.max].map(milliseconds);
        [kind(row.kind).to_owned(), p50, p99, p999, max]
    });
    [["latency", "p50", "p99", "p99.9", "max"].map(str::to_owned)]
        .into_iter()
        .chain(rows)
        .collect()
}

fn side_by_side(left: &[[String; 5]], right: &[[String; 5]]) -> impl Iterator<Item = String> {
    let half = |cells: Option<&[String; 5]>, name: usize| {
        let [first, numbers @ ..] = cells.cloned().unwrap_or_default();
        numbers
            .iter()
            .fold(pad(&first, name, false), |line, number| {
                line + &pad(number, 9, true)
            })
    };
    let rows = 0..left.len().max(right.len());
    rows.map(move |row| {
        format!(
            "{}     {}",
            half(left.get(row), 13),
            half(right.get(row), 8)
        )
    })
}

fn pad(text: &str, width: usize, right: bool) -> String {
    let blank = " ".repeat(width.saturating_sub(text.chars().count()));
    if right {
        blank + text
    } else {
        text.to_owned() + &blank
    }
}

fn clipped(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// Breaks a text into at most so many lines.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(clipped(word, COLUMNS)),
        }
    }
    if lines.len() > most {
        lines.truncate(most);
        lines[most - 1] = clipped(&lines[most - 1], COLUMNS - 1) + "…";
    }
    lines
}

const LINES: usize = 32;
const COLUMNS: usize = 100;
const MEANINGS: [&str; 6] = [
    "stale     reads that missed a write complete before they began, of the reads that could have [95 %]",
    "t-stale   for how long the first write they missed had been complete; k: how many they missed",
    "siblings  reads that returned several versions: concurrent writes are kept side by side",
    "fresh     the share of reads that see a write at once, and its age when 90, 99, 99.9 % see it:",
    "          by what reads returned, and by when the write arrived at the replicas that a read asks",
    "latency   from when the load wanted an operation to start until its answer, waiting included",
];
const VERDICT_LINES: usize = 6;
const KINDS: usize = 3;
const WIDTHS: [usize; 7] = [19, 9, 9, 20, 18, 10, 8];
const BOLD: &str = "1";
const DIM: &str = "2";
const YELLOW: &str = "33";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn check(figures: &Figures) -> String {
        let text = text(figures, &sample::manifest(), Style::Plain);
        assert!(text.lines().count() <= LINES, "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= COLUMNS, "{line:?}");
        }
        text
    }

    #[test]
    fn it_shows_the_verdict_every_phase_and_where_the_rest_is() {
        let text = check(&sample::figures());
        for part in [
            "During “n3 is cut off”, 11.9 %",
            "\nquiet ",
            "\nn3 is cut off ",
            "\nafter n3 is cut off ",
            "\nwhole ",
            "by arrivals     70.2 %  10.2 ms",
            "p99.9",
            "results/quickstart/20260301T120000Z-7/report.html",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn it_keeps_its_size_whatever_the_run() {
        let mut figures = sample::figures();
        let mut long = figures.phases[1].clone();
        long.name = "a fault with a name that goes on and on and on".to_owned();
        figures.phases.extend(std::iter::repeat_n(long, 30));
        let fault = figures.faults[0].clone();
        figures.faults.extend(std::iter::repeat_n(fault, 30));
        for fault in &mut figures.faults {
            fault.vacuous = Measured::Known(true);
        }
        assert!(check(&figures).contains("more phases in the report"));
        figures.phases.clear();
        figures.latency.clear();
        figures.freshness.t_visibility.clear();
        check(&figures);
    }

    #[test]
    fn colour_comes_only_when_asked_for() {
        let (figures, manifest) = (sample::figures(), sample::manifest());
        let coloured = text(&figures, &manifest, Style::Colour);
        assert!(coloured.contains("\u{1b}[33mn3 is cut off"));
        assert!(!text(&figures, &manifest, Style::Plain).contains('\u{1b}'));
    }
}
