//! What plots are drawn on: a sheet of logical pixels with a title, axes and a small set of marks, on any backend.

use plotters::coord::Shift;
use plotters::element::{Circle, DashedPathElement, PathElement, Polygon, Rectangle};
use plotters::prelude::{Color, DrawingArea, DrawingBackend, RGBColor, ShapeStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontDesc, FontFamily, FontStyle, TextStyle};

/// A drawing area whose positions and sizes are in logical pixels.
pub(super) struct Sheet<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    scale: f64,
}

/// One axis: its range, and where it is labelled.
pub(super) struct Axis {
    /// The value at the left or the bottom.
    pub(super) from: f64,
    /// The value at the right or the top.
    pub(super) until: f64,
    /// Where it has a line and what stands there.
    pub(super) ticks: Vec<(f64, String)>,
    /// What it shows, with its unit.
    pub(super) label: &'static str,
}

/// The part of a sheet that two axes span.
pub(super) struct Frame {
    x: (f64, f64),
    y: (f64, f64),
    /// Its left edge on the sheet.
    pub(super) left: f64,
    /// Its right edge.
    pub(super) right: f64,
    /// Its upper edge.
    pub(super) top: f64,
    /// Its lower edge.
    pub(super) bottom: f64,
}

/// Which end of a text stands at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    /// Its left end.
    Start,
    /// Its middle.
    Middle,
    /// Its right end.
    End,
}

/// How a text looks.
#[derive(Clone, Copy)]
pub(super) struct Type {
    size: f64,
    colour: RGBColor,
    style: FontStyle,
}

/// The size of every plot in logical pixels.
pub(super) const SIZE: (u32, u32) = (800, 420);
/// Text and marks.
pub(super) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Text that explains.
pub(super) const MUTED: RGBColor = RGBColor(0x66, 0x66, 0x66);
/// Lines behind the data.
pub(super) const GRID: RGBColor = RGBColor(0xE2, 0xE2, 0xE2);
/// The background.
pub(super) const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
/// Colours that stay apart for the colour-blind, by Okabe and Ito: blue, vermillion, green, purple, sky blue, orange.
pub(super) const SERIES: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0xE6, 0x9F, 0x00),
];
/// Where a fault was in force.
pub(super) const FAULT: RGBColor = RGBColor(0xE6, 0x9F, 0x00);

impl Type {
    /// Text in the size of labels.
    #[must_use]
    pub(super) const fn label(colour: RGBColor) -> Self {
        Self {
            size: 16.0,
            colour,
            style: FontStyle::Normal,
        }
    }

    /// As it is, but bold.
    #[must_use]
    pub(super) const fn bold(self) -> Self {
        Self {
            style: FontStyle::Bold,
            ..self
        }
    }
}

impl<'a, DB: DrawingBackend> Sheet<'a, DB> {
    /// A blank sheet over an area with `scale` physical pixels to a logical one.
    pub(super) fn new(area: &'a DrawingArea<DB, Shift>, scale: f64) -> Self {
        area.fill(&PAPER).expect(IN_MEMORY);
        Self { area, scale }
    }

    /// Draws the title and the axes between `left` and `right` margins.
    pub(super) fn frame(
        &self,
        title: &str,
        (left, right): (f64, f64),
        x: &Axis,
        y: &Axis,
    ) -> Frame {
        let (width, height) = (f64::from(SIZE.0), f64::from(SIZE.1));
        let muted = Type::label(MUTED);
        self.title(title);
        self.text((16.0, 54.0), y.label, Anchor::Start, muted);
        self.text((width - right, height - 14.0), x.label, Anchor::End, muted);
        self.chart((left, width - right), (80.0, height - 56.0), x, y)
    }

    /// Draws the axes of one of several charts, without their labels.
    pub(super) fn chart(
        &self,
        (left, right): (f64, f64),
        (top, bottom): (f64, f64),
        x: &Axis,
        y: &Axis,
    ) -> Frame {
        let frame = Frame {
            x: (x.from, x.until),
            y: (y.from, y.until),
            left,
            right,
            top,
            bottom,
        };
        let muted = Type::label(MUTED);
        for (value, name) in &y.ticks {
            let at = frame.y(*value);
            self.line(&[(left, at), (right, at)], GRID, 1.0);
            self.text((left - 8.0, at), name, Anchor::End, muted);
        }
        for (value, name) in &x.ticks {
            let at = frame.x(*value);
            self.line(&[(at, bottom), (at, bottom + 5.0)], MUTED, 1.0);
            self.text((at, bottom + 17.0), name, Anchor::Middle, muted);
        }
        self.line(&[(left, bottom), (right, bottom)], MUTED, 1.0);
        frame
    }

    /// Draws one of several panels, whose rows have values from 0, at the top, to `rows`, with its axis below.
    pub(super) fn panel(
        &self,
        (left, right): (f64, f64),
        (top, bottom): (f64, f64),
        x: &Axis,
        rows: f64,
    ) -> Frame {
        let frame = Frame {
            x: (x.from, x.until),
            y: (rows, 0.0),
            left,
            right,
            top,
            bottom,
        };
        let muted = Type::label(MUTED);
        self.text((left, top - 16.0), x.label, Anchor::Start, Type::label(INK));
        for (value, name) in &x.ticks {
            let at = frame.x(*value);
            self.line(&[(at, top), (at, bottom)], GRID, 1.0);
            self.text((at, bottom + 17.0), name, Anchor::Middle, muted);
        }
        self.line(&[(left, bottom), (right, bottom)], MUTED, 1.0);
        frame
    }

    /// Writes the title.
    pub(super) fn title(&self, title: &str) {
        let look = Type {
            size: 21.0,
            ..Type::label(INK)
        };
        self.text((16.0, 22.0), title, Anchor::Start, look.bold());
    }

    /// Draws a line through points.
    pub(super) fn line(&self, points: &[(f64, f64)], colour: RGBColor, width: f64) {
        self.put(&PathElement::new(
            self.pixels(points),
            self.stroke(colour, width),
        ));
    }

    /// Draws a dashed line through points.
    pub(super) fn dashes(&self, points: &[(f64, f64)], colour: RGBColor, width: f64) {
        let (dash, gap) = (self.length(7.0), self.length(5.0));
        let style = self.stroke(colour, width);
        self.put(&DashedPathElement::new(
            self.pixels(points),
            dash,
            gap,
            style,
        ));
    }

    /// Fills what points surround, so that what lies below shows through.
    pub(super) fn area(&self, points: &[(f64, f64)], colour: RGBColor, opacity: f64) {
        self.put(&Polygon::new(
            self.pixels(points),
            colour.mix(opacity).filled(),
        ));
    }

    /// Fills a rectangle between two corners.
    pub(super) fn bar(&self, from: (f64, f64), to: (f64, f64), colour: RGBColor, opacity: f64) {
        let corners = [self.pixel(from), self.pixel(to)];
        self.put(&Rectangle::new(corners, colour.mix(opacity).filled()));
    }

    /// Draws a filled dot.
    pub(super) fn dot(&self, at: (f64, f64), colour: RGBColor, radius: f64) {
        self.put(&Circle::new(
            self.pixel(at),
            self.length(radius),
            colour.filled(),
        ));
    }

    /// Writes a text whose vertical middle is at a position.
    pub(super) fn text(&self, at: (f64, f64), text: &str, anchor: Anchor, look: Type) {
        let across = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let style = self.style(look).pos(Pos::new(across, VPos::Center));
        // The backends centre small letters: capitals and digits would stand too high.
        self.area
            .draw_text(text, &style, self.pixel((at.0, at.1 + 1.5)))
            .expect(IN_MEMORY);
    }

    /// How wide a text is.
    pub(super) fn width(&self, text: &str, look: Type) -> f64 {
        let size = self
            .area
            .estimate_text_size(text, &self.style(look))
            .expect(IN_MEMORY);
        f64::from(size.0) / self.scale
    }

    /// How much room it is given: the letters of a reader who has other fonts may be wider.
    pub(super) fn room(&self, text: &str, look: Type) -> f64 {
        let wider = if matches!(look.style, FontStyle::Bold) {
            1.35
        } else {
            1.15
        };
        wider * self.width(text, look)
    }

    /// A text, cut short if it is wider than `room`.
    pub(super) fn clip(&self, text: &str, look: Type, room: f64) -> String {
        let fits = |text: &str| self.width(text, look) <= room;
        if fits(text) {
            return text.to_owned();
        }
        let mut cuts = text
            .char_indices()
            .rev()
            .map(|(end, _)| format!("{}…", &text[..end]));
        cuts.find(|cut| fits(cut)).unwrap_or_default()
    }

    fn style(&self, look: Type) -> TextStyle<'static> {
        FontDesc::new(FontFamily::SansSerif, look.size * self.scale, look.style).color(&look.colour)
    }

    fn stroke(&self, colour: RGBColor, width: f64) -> ShapeStyle {
        colour.stroke_width(self.length(width))
    }

    fn length(&self, length: f64) -> u32 {
        (length * self.scale).round() as u32
    }

    fn pixels(&self, points: &[(f64, f64)]) -> Vec<(i32, i32)> {
        points.iter().map(|point| self.pixel(*point)).collect()
    }

    fn pixel(&self, (x, y): (f64, f64)) -> (i32, i32) {
        (
            (x * self.scale).round() as i32,
            (y * self.scale).round() as i32,
        )
    }

    fn put<'b, E>(&self, element: &'b E)
    where
        &'b E: plotters::element::PointCollection<'b, (i32, i32)>,
        E: plotters::element::Drawable<DB>,
    {
        self.area.draw(element).expect(IN_MEMORY);
    }
}

impl Frame {
    /// Where a value of the x axis is on the sheet.
    #[must_use]
    pub(super) fn x(&self, value: f64) -> f64 {
        self.left + share(value, self.x) * (self.right - self.left)
    }

    /// Where a value of the y axis is.
    #[must_use]
    pub(super) fn y(&self, value: f64) -> f64 {
        self.bottom - share(value, self.y) * (self.bottom - self.top)
    }

    /// Where a pair of values is.
    #[must_use]
    pub(super) fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x(x), self.y(y))
    }
}

fn share(value: f64, (from, until): (f64, f64)) -> f64 {
    ((value - from) / (until - from)).clamp(0.0, 1.0)
}

/// The family under which the embedded font is registered, and that a browser finds for itself.
pub(super) const FONT: &str = "sans-serif";
const IN_MEMORY: &str = "a drawing in memory does not fail";
