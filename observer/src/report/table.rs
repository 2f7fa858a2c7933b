//! Tables of figures: names to the left, numbers to the right.

use maud::{Markup, html};

/// A table with a row of heads; every row has as many cells, of which the first names it.
pub(super) fn table<'a>(
    heads: impl IntoIterator<Item = &'a str>,
    rows: impl IntoIterator<Item: IntoIterator<Item = String>>,
) -> Markup {
    marked(heads, rows.into_iter().map(|cells| (false, cells)))
}

/// As [`table`], with cells of several words that may stand on several lines.
pub(super) fn wordy<'a>(
    heads: impl IntoIterator<Item = &'a str>,
    rows: impl IntoIterator<Item: IntoIterator<Item = String>>,
) -> Markup {
    html! { div.words { (table(heads, rows)) } }
}

/// As [`table`], with some rows marked.
pub(super) fn marked<'a>(
    heads: impl IntoIterator<Item = &'a str>,
    rows: impl IntoIterator<Item = (bool, impl IntoIterator<Item = String>)>,
) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody {
                    @for (mark, cells) in rows {
                        tr.mark[mark] {
                            @for (place, cell) in cells.into_iter().enumerate() {
                                @if place == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
