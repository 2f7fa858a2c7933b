//! Whether two back-ends say the same, figure by figure: a section of the page, and the same for a terminal.

use super::overlay::points;
use super::table::marked;
use super::words::count;
use crate::sweep::words::{difference_within, seeds, value, verdict_on};
use crate::sweep::{MARGIN, Pair, Parity, metric};
use maud::{Markup, html};
use std::fmt::Write as _;

/// A row for each figure, those marked that are not shown to come to the same.
pub(super) fn section(parity: &Parity) -> Markup {
    let row = |pair: &Pair| (!pair.is_equivalent(), cells(pair));
    html! {
        section {
            h2 { (title(parity)) }
            p { (verdict(parity)) }
            (marked(heads(parity).iter().map(String::as_str), parity.figures.iter().map(row)))
            p.note { (meaning(parity)) }
        }
    }
}

/// The same as text.
pub(super) fn text(parity: &Parity) -> String {
    let mut text = format!("{}\n\n", verdict(parity));
    let labels = parity.figures.iter().map(|pair| pair.cell.chars().count());
    let width = labels.max().unwrap_or_default();
    let mut line = |cells: [String; 7]| {
        let [cell, figure, one, other, of, difference, verdict] = cells;
        let line = format!(
            "{cell:<width$} {figure:<25} {one:>7} {other:>7} {of:>17}   {difference:<30} {verdict}"
        );
        text += &(line.trim_end().to_owned() + "\n");
    };
    line(heads(parity));
    let mut last = "";
    for pair in &parity.figures {
        let mut cells = cells(pair);
        // A cell is named once.
        if pair.cell == last {
            cells[0].clear();
        }
        last = &pair.cell;
        line(cells);
    }
    let _ = writeln!(text, "\n{}", meaning(parity));
    text
}

fn title(parity: &Parity) -> String {
    let [first, second] = &parity.backends;
    format!("The same in {first} and {second}?")
}

fn verdict(parity: &Parity) -> String {
    let [first, second] = &parity.backends;
    let all = parity.figures.len();
    let same = match parity.missed() {
        0 => format!("all {all} figures come to the same"),
        missed => format!(
            "{} of {all} figures are shown to come to the same",
            all - missed
        ),
    };
    format!(
        "In {first} and {second}, {same} within {}, over {}.",
        points(MARGIN),
        seeds(&parity.seeds)
    )
}

fn heads(parity: &Parity) -> [String; 7] {
    let [first, second] = &parity.backends;
    let difference = format!("{second} − {first} [90 %]");
    let heads = ["", "", first, second, "of", &difference, ""];
    heads.map(str::to_owned)
}

fn cells(pair: &Pair) -> [String; 7] {
    let [one, other] = &pair.estimates;
    let about = metric(&one.metric).map_or("", |metric| metric.about);
    [
        pair.cell.clone(),
        about.to_owned(),
        value(one),
        value(other),
        [one, other]
            .map(|estimate| count(estimate.count))
            .join(" / "),
        difference_within(pair.equivalence.as_ref()),
        verdict_on(pair.equivalence.as_ref()).to_owned(),
    ]
}

fn meaning(parity: &Parity) -> String {
    let [first, second] = &parity.backends;
    format!(
        "Shares are means over the seeds that both have; of: how many observations they rest on. In brackets: the 90 % interval of \
         {second} less {first} over pairs of the same seed. Equivalent: it lies within ±{}, so that both one-sided tests refuse \
         at 5 % that they differ by as much. P(fresh | 0): how likely a read is fresh at the very moment a write completes; \
         stale reads are 1 − P(fresh) over all ages.",
        points(MARGIN)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::parity::made;

    /// If this fails, somebody takes for the same what nobody has shown to be.
    #[test]
    fn each_figure_stands_with_its_difference_and_whether_it_matters() {
        let parity = made::parity();
        let text = text(&parity).replace('\u{a0}', " ");
        for line in [
            "In sim and real, 1 of 4 figures are shown to come to the same within 3 points, over 3 seeds from 1 to 3.",
            "stale reads 4 % 5 % 300 / 300 +1 points [+1, +1] equivalent",
            "availability 100 % 92.0 % 300 / 300 −8 points [−11.4, −4.63] different",
            "reads with siblings – – 0 / 0 – cannot be told",
        ] {
            let words: Vec<_> = line.split(' ').collect();
            let mut lines = text.lines();
            let is_said = lines.any(|said| {
                said.split_whitespace()
                    .collect::<Vec<_>>()
                    .ends_with(&words)
            });
            assert!(is_said, "{line:?} is not in\n{text}");
        }
        let page = section(&parity).into_string();
        assert_eq!(page.matches("class=\"mark\"").count(), 3, "{page}");
    }
}
