//! The report of a plan that was predicted and carried out: one HTML page that needs nothing but itself.

use super::table::table;
use super::words::{SPACE, count, milliseconds, none, number, percent};
use super::{Manifest, document, figure, section};
use crate::overlay::{Distance, Figure, Off, Overlay, READS_A_BIN, ROWS, Row, Source};
use crate::plot;
use crate::predict::Quorums;
use maud::html;
use std::fmt::Write as _;

/// The whole page, with the plots drawn in it.
#[must_use]
pub fn overlay_page(overlay: &Overlay, manifest: &Manifest) -> String {
    let plots = plot::render_overlay(overlay);
    let body = html! {
        header {
            h1 { (overlay.plan) }
            p.muted { (facts(overlay)) }
        }
        section.verdict {
            p.first { (overlay.question) }
            p { (verdict(overlay)) }
        }
        section {
            h2 { "Predicted and measured" }
            (figure(&plots, "freshness", "P(fresh | age) as it was predicted and as it was measured."))
            (figure(&plots, "latency", "Latencies of reads and writes as they were predicted and as they were measured."))
            (table(heads(overlay), rows(overlay)))
            p.note {
                "In square brackets: the 95 % interval. In round ones: how far what was measured is from what was predicted. The \
                 curve's distance is the largest of P(fresh | age) in bins of " (count(READS_A_BIN)) " reads or more, if there are \
                 as many. " (ERRORS) " By reads: what they returned. By arrivals: when each write reached the replicas \
                 that its read asked. Of runs whose times were stretched, all times are shortened again."
            }
        }
        @if !overlay.broken.is_empty() {
            section {
                h2 { "What the model supposes, and this plan does not do" }
                (table(["The model supposes that", "but"], broken(overlay)))
            }
        }
        section {
            h2 { "The runs" }
            (table(["", "from", "folder"], overlay.sources.iter().map(|source| {
                [source.name.clone(), source.about.clone(), source.folder.clone().unwrap_or_else(none)]
            })))
        }
        (section::again(manifest))
    };
    document(&format!("{} · {}", overlay.plan, names(overlay)), &body)
}

/// The same for a terminal: figures, and what the plan breaks.
#[must_use]
pub fn overlay_text(overlay: &Overlay, manifest: &Manifest) -> String {
    let mut text = format!("{}\n\n{}\n\n", facts(overlay), verdict(overlay));
    let line = |cells: &[String]| {
        let mut line = format!("{:<30}", cells[0]);
        for cell in &cells[1..] {
            let _ = write!(line, "{cell:>42}");
        }
        line.trim_end().to_owned() + "\n"
    };
    text += &line(&heads(overlay).map(str::to_owned).collect::<Vec<_>>());
    for row in rows(overlay) {
        text += &line(&row);
    }
    if !overlay.broken.is_empty() {
        text += "\nThe model supposes that\n";
        for broken in &overlay.broken {
            let _ = writeln!(text, "  {}, but {}", broken.supposed, broken.by);
        }
    }
    let folder = &manifest.folder;
    text + &format!(
        "\nreport  {folder}/report.html\nreplay  {}\n",
        manifest.replay
    )
}

fn facts(overlay: &Overlay) -> String {
    let Overlay { plan, seed, .. } = overlay;
    let quorums = overlay.quorums.map_or_else(String::new, |quorums| {
        let Quorums { n, r, w } = quorums;
        format!(" · N = {n}, R = {r}, W = {w}")
    });
    format!("{plan} · {}{quorums} · seed {seed}", names(overlay))
}

fn names(overlay: &Overlay) -> String {
    let names = overlay.sources.iter().map(|source| source.name.as_str());
    names.collect::<Vec<_>>().join(", ")
}

/// How far each run is from the prediction, in a sentence.
fn verdict(overlay: &Overlay) -> String {
    if !overlay.sources.iter().any(Source::is_predicted) {
        return "Nothing was predicted.".to_owned();
    }
    let found = overlay.sources.iter().filter_map(|source| {
        let curve = source.distance?.curve?;
        Some(format!(
            "{} is at most {} away from it",
            source.name,
            points(curve)
        ))
    });
    let found: Vec<_> = found.collect();
    let model = match overlay.broken.len() {
        0 => "The plan does all that the model supposes".to_owned(),
        1 => "The plan breaks one of the model's assumptions".to_owned(),
        many => format!("The plan breaks {many} of the model's assumptions"),
    };
    if found.is_empty() {
        return format!("{model}.");
    }
    format!(
        "{model}; of the predicted P(fresh | age), {}.",
        found.join(", ")
    )
}

fn heads(overlay: &Overlay) -> impl Iterator<Item = &str> {
    std::iter::once("").chain(overlay.sources.iter().map(|source| source.name.as_str()))
}

/// A row for each figure that any source has, and one for each distance.
fn rows(overlay: &Overlay) -> Vec<Vec<String>> {
    let predicted = overlay.sources.iter().find(|source| source.is_predicted());
    let has = |place: &usize| {
        let mut measured = overlay
            .sources
            .iter()
            .filter(|source| !source.is_predicted());
        predicted.is_some() && measured.clone().next().is_none()
            || measured.any(|source| source.figures[*place].is_some())
    };
    let figures = (0..ROWS.len()).filter(has).map(|place| {
        let row = &ROWS[place];
        let against = predicted.and_then(|source| source.figures[place]);
        let cells = overlay.sources.iter().map(|source| {
            let figure = source.figures[place];
            let off = figure.zip(against.filter(|_| !source.is_predicted()));
            let off = off.map(|(figure, against)| beside(row, figure.value - against.value));
            figure.map_or_else(none, |figure| said(row, &figure) + &off.unwrap_or_default())
        });
        std::iter::once(row.about.to_owned()).chain(cells).collect()
    });
    let mut rows: Vec<Vec<String>> = figures.collect();
    let of = |of: &dyn Fn(&Distance) -> Option<String>| {
        let cells = overlay.sources.iter();
        let cells = cells.map(|source| source.distance.as_ref().and_then(of));
        cells.collect::<Vec<_>>()
    };
    let errors: [(&str, Part); 3] = [
        (
            "error of t-visibility",
            (|distance| distance.visible, points),
        ),
        ("error of read latency", (|distance| distance.reads, error)),
        (
            "error of write latency",
            (|distance| distance.writes, error),
        ),
    ];
    let distances = [(
        "distance of the curve",
        of(&|distance| distance.curve.map(points)),
    )];
    let errors = errors.into_iter().flat_map(|(name, (part, say))| {
        [
            (name, of(&|distance| Some(say(part(distance)?.error)))),
            (
                "… by chance alone",
                of(&|distance| Some(say(part(distance)?.by_chance))),
            ),
        ]
    });
    for (name, cells) in distances.into_iter().chain(errors) {
        if cells.iter().any(Option::is_some) {
            let said = cells.into_iter().map(|cell| cell.unwrap_or_else(none));
            rows.push(std::iter::once(name.to_owned()).chain(said).collect());
        }
    }
    rows
}

/// A part of a distance, and how it is said.
type Part = (fn(&Distance) -> Option<Off>, fn(f64) -> String);

fn broken(overlay: &Overlay) -> impl Iterator<Item = [String; 2]> {
    let broken = overlay.broken.iter();
    broken.map(|broken| [broken.supposed.clone(), broken.by.clone()])
}

/// A figure with its interval.
fn said(row: &Row, figure: &Figure) -> String {
    let (factor, value) = if row.of.is_share() {
        (100.0, percent(figure.value))
    } else {
        (1.0, milliseconds(figure.value))
    };
    let ends = figure.interval.map(|(low, high)| [low, high]);
    let ends = ends.map(|ends| ends.map(|end| number(end * factor)).join(", "));
    value + &ends.map_or_else(String::new, |ends| format!(" [{ends}]"))
}

/// How far a figure is from what was predicted.
fn beside(row: &Row, off: f64) -> String {
    let sign = if off < 0.0 { "−" } else { "+" };
    let off = off.abs();
    if row.of.is_share() {
        format!(" ({sign}{})", points(off))
    } else {
        format!(" ({sign}{})", milliseconds(off))
    }
}

/// A difference of shares.
pub(super) fn points(difference: f64) -> String {
    format!("{}{SPACE}points", number(difference * 100.0))
}

/// An error in per cent, in as many digits whatever it is.
pub(super) fn error(error: f64) -> String {
    format!("{}{SPACE}%", number(error * 100.0))
}

/// What errors are, and what chance makes of them.
pub(super) const ERRORS: &str = "The error of t-visibility is the root of the mean square distance of P(fresh) at 20 predicted quantiles of t* from \
P(fresh | 0) to 99.9 %; that of latency the root of the mean square distance of the percentiles 1, 2 … 99 and 99.9, as a share of \
the predicted span from 1 to 99.9 %. By chance: the noise floor, which is what the error would be on the root of the mean square if what was \
measured and what was predicted were two samples of one distribution, of as many pairs, operations and trials; chance goes \
beyond twice the floor less often than once in twenty.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::made;
    use crate::report::sample;

    /// If this fails, somebody does not see what was predicted, what was measured, or that they may not be compared.
    #[test]
    fn it_has_both_curves_every_source_and_what_the_plan_breaks() {
        let (overlay, manifest) = (made::overlay(), sample::manifest());
        let page = overlay_page(&overlay, &manifest);
        let text = overlay_text(&overlay, &manifest);
        assert_eq!(page.matches("<svg").count(), 2);
        for part in [
            "predict",
            "fresh at 0, by reads",
            "nothing fails",
            "points)",
            "write latency p99",
        ] {
            assert!(page.contains(part), "{part:?} is not in the page");
            assert!(text.contains(part), "{part:?} is not in the text:\n{text}");
        }
        assert!(!page.contains("<cut>"), "names break out of the page");
        assert!(!page.contains("http"), "it needs a network");
    }

    /// If this fails, a plan that the model fits is told to break it.
    #[test]
    fn a_plan_that_breaks_nothing_says_so() {
        let mut overlay = made::overlay();
        overlay.broken.clear();
        let page = overlay_page(&overlay, &sample::manifest());
        assert!(page.contains("The plan does all that the model supposes"));
        assert!(!page.contains("this plan does not do"));
    }
}
