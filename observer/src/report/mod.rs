//! The report of a run or a sweep: one HTML page that needs nothing but itself.

mod causes;
mod family;
mod members;
mod oracles;
mod overlay;
mod parity;
mod reads;
#[cfg(test)]
pub(crate) mod sample;
mod section;
mod sweep;
mod table;
pub mod verdict;
pub mod words;

pub use family::{family_markdown, family_page, family_text};
pub use overlay::{overlay_page, overlay_text};
pub use sweep::sweep_page;

use crate::figures::Figures;
use crate::plot::{self, Plot};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::{Deserialize, Serialize};

/// Where a run came from and how to have it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The plan as it was resolved, every default written out.
    pub plan_toml: String,
    /// The command that runs it again.
    pub replay: String,
    /// The version that ran it.
    pub version: String,
    /// The commit that ran it; empty if nobody knows.
    pub commit: String,
    /// When it started, in UTC.
    pub started_utc: String,
    /// The folder with its files.
    pub folder: String,
}

/// The whole page, with the plots drawn in it.
#[must_use]
pub fn page(figures: &Figures, manifest: &Manifest) -> String {
    let plots = plot::render(figures);
    let run = &figures.run;
    let body = html! {
        header {
            h1 { (run.plan) }
            p.muted { (verdict::facts(figures, manifest)) }
        }
        (section::verdict(figures))
        (oracles::oracles(&figures.oracles))
        (section::phases(figures, &plots))
        (section::freshness(figures, &plots))
        (section::latency(figures, &plots))
        (section::versions(figures, &plots))
        (reads::oddities(figures))
        (reads::guarantees(figures))
        (reads::lifecycle(figures))
        (reads::atomicity(figures))
        (section::aftermath(figures))
        (causes::section(figures))
        (reads::divergence(figures))
        (section::sides(figures))
        (members::section(figures))
        (section::detection(figures))
        (section::repairs(figures))
        (section::faults(figures))
        (section::legs(figures))
        (section::limits(figures))
        (section::again(manifest))
    };
    document(
        &format!("{} · {} · seed {}", run.plan, run.backend, run.seed),
        &body,
    )
}

/// A page with its title and its style.
fn document(title: &str, body: &Markup) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    };
    markup.into_string()
}

/// A plot in the page, with its words for those who cannot see it; nothing if it was not made.
fn figure(plots: &[Plot], name: &str, words: &str) -> Markup {
    let drawn = plots.iter().find(|plot| plot.name == name);
    html! {
        @if let Some(plot) = drawn {
            figure role="img" aria-label=(words) {
                (PreEscaped(plot.svg.replacen(NAMESPACE, "", 1)))
            }
        }
    }
}

const STYLE: &str = include_str!("style.css");
/// HTML knows it by itself.
const NAMESPACE: &str = " xmlns=\"http://www.w3.org/2000/svg\"";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Measured;
    use crate::summary;

    /// The page's text without its tags.
    fn text(page: &str) -> String {
        let body = &page[page.find("<body>").unwrap()..];
        let mut text = String::new();
        for part in body.split('<') {
            text.push_str(part.split_once('>').map_or(part, |(_, text)| text));
            text.push(' ');
        }
        text.replace("&lt;", "<")
            .replace("&quot;", "\"")
            .replace('\u{a0}', " ")
    }

    fn sample() -> String {
        page(&sample::figures(), &sample::manifest())
    }

    #[test]
    fn it_needs_no_network() {
        let page = sample();
        for word in ["http", "<script", "<link", "url(", "src="] {
            assert!(!page.contains(word), "{word}");
        }
    }

    #[test]
    fn it_says_all_that_a_reader_needs() {
        let text = text(&sample());
        for words in [
            "During “n3 is cut off”, 11.9 % [10.8, 13.0] of 5 968 reads were stale",
            "after n3 is cut off",
            "tidemark run quickstart --backend real --seed 7",
            "question = \"How stale do reads get",
            "31 reads of a key before its first complete write",
            "never reached within the ages that were read",
            "n3 from all other nodes",
            "StoreReply",
        ] {
            assert!(text.contains(words), "{words:?} is not in the page");
        }
    }

    #[test]
    fn every_figure_of_the_terminal_stands_in_the_page() {
        let (figures, manifest) = (sample::figures(), sample::manifest());
        let page = text(&page(&figures, &manifest));
        let summary = summary::text(&figures, &manifest, summary::Style::Plain);
        let figures = summary
            .split(|c: char| !c.is_ascii_digit() && c != '.')
            .filter(|word| word.contains(|c: char| c.is_ascii_digit()));
        for figure in figures {
            assert!(
                page.contains(figure.trim_matches('.')),
                "{figure} is not in the page"
            );
        }
    }

    #[test]
    fn what_is_missing_is_told_with_its_reason() {
        let mut figures = sample::figures();
        let reason = "the plan kept no message events";
        figures.legs = Measured::Missing(reason.to_owned());
        figures.convergence = Measured::Missing(reason.to_owned());
        figures.whole.operations_touched = Measured::Missing(reason.to_owned());
        figures.freshness.curve.clear();
        let text = text(&page(&figures, &sample::manifest()));
        assert_eq!(text.matches(reason).count(), 3);
    }

    #[test]
    fn names_cannot_break_out_of_the_page() {
        let mut figures = sample::figures();
        figures.phases[1].name = "<b>&".to_owned();
        figures.faults[0].name = "<b>&".to_owned();
        assert!(!page(&figures, &sample::manifest()).contains("<b>"));
    }
}
