//! The plots of a run, a sweep, an overlay or a layout, each as SVG and as PNG; a plot that would show nothing is not made.

mod availability;
mod axis;
mod cells;
mod freshness;
mod latency;
mod overlay;
mod ring;
mod sheet;
mod siblings;
mod stacked;
mod staleness;

use crate::figures::Figures;
use crate::overlay::{Family, Overlay};
use crate::ring::RingFigures;
use crate::sweep::SweepFigures;
use overlay::family::Group;
use plotters::backend::{BitMapBackend, SVGBackend};
use plotters::drawing::IntoDrawingArea as _;
use plotters::style::{FontStyle, register_font};
use sheet::{SIZE, Sheet};

/// A finished plot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plot {
    /// Its file's name without the extension.
    pub name: String,
    /// As vectors.
    pub svg: String,
    /// As pixels, two to a logical one.
    pub png: Vec<u8>,
}

/// All plots of a run that have something to show.
#[must_use]
pub fn render(figures: &Figures) -> Vec<Plot> {
    drawn(KINDS, figures)
}

/// All plots of a sweep that have something to show.
#[must_use]
pub fn render_sweep(figures: &SweepFigures) -> Vec<Plot> {
    drawn(SWEEP_KINDS, figures)
}

/// All plots of a plan that was predicted and carried out.
#[must_use]
pub fn render_overlay(overlay: &Overlay) -> Vec<Plot> {
    drawn(OVERLAY_KINDS, overlay)
}

/// A plot of each group of a plan that varies something, every cell of which was predicted and carried out; it is called as the
/// group is, in letters that a path may have.
#[must_use]
pub fn render_family(family: &Family) -> Vec<Plot> {
    let kind = Kind {
        name: "family",
        applies: |_: &Group<'_>| true,
        size: |_| overlay::family::SIZE,
        vectors: |sheet, group| overlay::family::draw(sheet, group),
        pixels: |sheet, group| overlay::family::draw(sheet, group),
    };
    let groups = family.groups().into_iter().flat_map(|(name, cells)| {
        let (title, file) = match name {
            "" => (family.plan.clone(), family.plan.as_str()),
            name => (format!("{}: {name}", family.plan), name),
        };
        let words = file.split(|c: char| !c.is_alphanumeric());
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        let name = words.join("-");
        drawn(std::slice::from_ref(&kind), &Group { title, cells })
            .into_iter()
            .map(move |plot| Plot {
                name: name.clone(),
                ..plot
            })
    });
    groups.collect()
}

/// The plot of a layout, if it has nodes.
#[must_use]
pub fn render_ring(figures: &RingFigures) -> Option<Plot> {
    drawn(RING_KINDS, figures).pop()
}

fn drawn<F>(kinds: &[Kind<F>], figures: &F) -> Vec<Plot> {
    // It fails only for bytes that are no font; then the drawing itself says so.
    let _ = register_font(sheet::FONT, FontStyle::Normal, notosans::REGULAR_TTF);
    let _ = register_font(sheet::FONT, FontStyle::Bold, notosans::BOLD_TTF);
    kinds
        .iter()
        .filter(|kind| (kind.applies)(figures))
        .map(|kind| kind.plot(figures))
        .collect()
}

/// A kind of plot: one file each.
struct Kind<F> {
    name: &'static str,
    applies: fn(&F) -> bool,
    size: fn(&F) -> (u32, u32),
    vectors: fn(&Sheet<'_, SVGBackend<'_>>, &F),
    pixels: fn(&Sheet<'_, BitMapBackend<'_>>, &F),
}

impl<F> Kind<F> {
    fn plot(&self, figures: &F) -> Plot {
        Plot {
            name: self.name.to_owned(),
            svg: self.svg(figures),
            png: self.png(figures),
        }
    }

    /// Drawn finer than it is shown, because the backend knows only whole pixels.
    fn svg(&self, figures: &F) -> String {
        let shown = (self.size)(figures);
        let fine = (shown.0 * FINE, shown.1 * FINE);
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, fine).into_drawing_area();
            (self.vectors)(&Sheet::new(&area, f64::from(FINE)), figures);
        }
        let size = |(width, height)| format!("width=\"{width}\" height=\"{height}\"");
        svg.replacen(&size(fine), &size(shown), 1)
    }

    fn png(&self, figures: &F) -> Vec<u8> {
        let (width, height) = (self.size)(figures);
        let (width, height) = (width * SHARP, height * SHARP);
        let mut pixels = vec![0; (width * height * 3) as usize];
        {
            let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
            (self.pixels)(&Sheet::new(&area, f64::from(SHARP)), figures);
        }
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(png::ColorType::Rgb);
        let written = encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&pixels));
        written.expect("the buffer has the image's size, and memory takes it");
        file
    }
}

macro_rules! kinds {
    ($($name:ident),*) => {
        &[$(Kind {
            name: stringify!($name),
            applies: $name::applies,
            size: |_| SIZE,
            vectors: |sheet, figures| $name::draw(sheet, figures),
            pixels: |sheet, figures| $name::draw(sheet, figures),
        }),*]
    };
}

const KINDS: &[Kind<Figures>] = kinds![staleness, availability, freshness, latency, siblings];
const RING_KINDS: &[Kind<RingFigures>] = kinds![ring];
const OVERLAY_KINDS: &[Kind<Overlay>] = &[
    Kind {
        name: "freshness",
        applies: overlay::freshness::applies,
        size: |_| SIZE,
        vectors: |sheet, overlay| overlay::freshness::draw(sheet, overlay),
        pixels: |sheet, overlay| overlay::freshness::draw(sheet, overlay),
    },
    Kind {
        name: "latency",
        applies: overlay::latency::applies,
        size: |_| SIZE,
        vectors: |sheet, overlay| overlay::latency::draw(sheet, overlay),
        pixels: |sheet, overlay| overlay::latency::draw(sheet, overlay),
    },
];
const SWEEP_KINDS: &[Kind<SweepFigures>] = &[
    Kind {
        name: "cells",
        applies: cells::applies,
        size: cells::size,
        vectors: |sheet, figures| cells::draw(sheet, figures),
        pixels: |sheet, figures| cells::draw(sheet, figures),
    },
    Kind {
        name: "detection",
        applies: |figures| stacked::applies(figures, &stacked::DETECTION),
        size: |_| stacked::size(&stacked::DETECTION),
        vectors: |sheet, figures| stacked::draw(sheet, figures, &stacked::DETECTION),
        pixels: |sheet, figures| stacked::draw(sheet, figures, &stacked::DETECTION),
    },
    Kind {
        name: "load",
        applies: |figures| figures.is_about_load() && stacked::applies(figures, &stacked::LOAD),
        size: |_| stacked::size(&stacked::LOAD),
        vectors: |sheet, figures| stacked::draw(sheet, figures, &stacked::LOAD),
        pixels: |sheet, figures| stacked::draw(sheet, figures, &stacked::LOAD),
    },
];
const FINE: u32 = 4;
const SHARP: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::ring::{Movement, NodeShares, Shares};
    use crate::sweep::made;
    use tidemark_proto::id::NodeId;

    #[test]
    fn every_plot_is_a_well_formed_file_of_its_size() {
        let plots = render(&sample::figures());
        assert_eq!(
            plots.len(),
            KINDS.len(),
            "the sample has data for every plot"
        );
        for plot in plots {
            let document = roxmltree::Document::parse(&plot.svg).expect(&plot.name);
            let root = document.root_element();
            assert_eq!(root.attribute("width"), Some("800"), "{}", plot.name);
            let drawn = root.descendants().filter(|node| node.is_element()).count();
            assert!(drawn > 20, "{} shows only {drawn} things", plot.name);

            let reader = png::Decoder::new(plot.png.as_slice())
                .read_info()
                .expect(&plot.name);
            assert_eq!(
                (reader.info().width, reader.info().height),
                (1_600, 840),
                "{}",
                plot.name
            );
        }
    }

    #[test]
    fn a_sweep_has_a_dot_for_each_cell_and_panel_and_no_more_rows_than_can_be_read() {
        let mut figures = made::figures();
        let circles = |figures: &SweepFigures| {
            let plots = render_sweep(figures);
            plots
                .first()
                .map(|plot| plot.svg.matches("<circle").count())
        };
        // Two of them are the legend's.
        assert_eq!(circles(&figures), Some(2 * 4 + 2));
        figures.facts.axes.remove(0);
        assert_eq!(circles(&figures), Some(2 * 4));
        let cell = figures.facts.cells[0].clone();
        figures.facts.cells.extend(std::iter::repeat_n(cell, 64));
        assert_eq!(circles(&figures), None);
    }

    #[test]
    fn a_layout_has_three_bars_a_node_or_one_if_there_are_many() {
        let shares = Shares {
            first: 0.01,
            ..Shares::default()
        };
        let mut figures = RingFigures {
            plan: "quickstart".to_owned(),
            kind: "token-ring".to_owned(),
            seed: 7,
            replicas: 3,
            keys: 1_000,
            nodes: Vec::new(),
            max_over_mean: shares,
            changes: vec![Movement {
                change: "n6 joins".to_owned(),
                nodes: 6,
                moved: 0.2,
                ideal: 0.1667,
                copied: 0.17,
            }],
        };
        assert_eq!(render_ring(&figures), None);
        // The sheet itself and the bar of what moves are two more.
        for (nodes, bars) in [(5, 3 * 5 + 2), (100, 100 + 2)] {
            let node = |number| NodeShares {
                node: NodeId::node(number),
                shares,
            };
            figures.nodes = (1..=nodes).map(node).collect();
            let svg = render_ring(&figures).expect("it has nodes").svg;
            assert_eq!(svg.matches("<rect").count(), bars);
        }
    }

    #[test]
    fn texts_begin_on_the_sheet_however_long_they_are() {
        let mut figures = sample::figures();
        figures.phases[1].name = "a name that goes on ".repeat(20);
        figures.faults[0].name = figures.phases[1].name.clone();
        for plot in render(&figures) {
            let document = roxmltree::Document::parse(&plot.svg).expect(&plot.name);
            for text in document
                .descendants()
                .filter(|node| node.has_tag_name("text"))
            {
                let [x, y] = ["x", "y"]
                    .map(|name| text.attribute(name).and_then(|at| at.parse::<u32>().ok()));
                let inside =
                    x.is_some_and(|x| x < SIZE.0 * FINE) && y.is_some_and(|y| y < SIZE.1 * FINE);
                assert!(
                    inside,
                    "{:?} of {} is off the sheet",
                    text.text(),
                    plot.name
                );
            }
        }
    }

    #[test]
    fn a_run_without_data_has_no_plots() {
        let mut figures = sample::figures();
        figures.over_time.clear();
        figures.phases.clear();
        figures.freshness.curve.clear();
        figures.latency.clear();
        figures.siblings.retain(|count| count.versions == 1);
        assert_eq!(render(&figures), []);
    }

    #[test]
    fn a_fault_is_named_in_its_shade_and_markup_in_a_name_is_text() {
        let mut figures = sample::figures();
        figures.faults[0].name = "n3 & <n4>".to_owned();
        let staleness = &render(&figures)[0];
        let document = roxmltree::Document::parse(&staleness.svg).expect("well-formed");
        let mut texts = document.descendants().filter_map(|node| node.text());
        assert!(texts.any(|text| text.trim() == "n3 & <n4>"));
    }
}
