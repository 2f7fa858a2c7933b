//! The figures that every source of an overlay may have, in the order in which they are told.

use serde::{Deserialize, Serialize};
use tidemark_proto::event::Kind;

/// A figure that every source may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// What it is, as people read it.
    pub about: &'static str,
    /// What it is of.
    pub of: Of,
}

/// What a figure is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Of {
    /// P(fresh) at once, by what reads returned.
    FreshByReads,
    /// The same, by when writes arrived.
    FreshByArrivals,
    /// t-visibility at a probability, by what reads returned.
    VisibleByReads(f64),
    /// The same, by when writes arrived.
    VisibleByArrivals(f64),
    /// A quantile of latency.
    Latency(Kind, f64),
}

/// A figure and its 95 % interval: Wilson's of a share, order statistics of a quantile. t-visibility by reads has none: it
/// is where a fitted curve crosses a line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct Figure {
    pub value: f64,
    pub interval: Option<(f64, f64)>,
}

/// The figures of every source.
pub const ROWS: [Row; 14] = {
    use Of::{FreshByArrivals, FreshByReads, Latency, VisibleByArrivals, VisibleByReads};
    const fn row(about: &'static str, of: Of) -> Row {
        Row { about, of }
    }
    [
        row("fresh at 0, by reads", FreshByReads),
        row("fresh at 0, by arrivals", FreshByArrivals),
        row("90 % visible, by reads", VisibleByReads(0.9)),
        row("90 % visible, by arrivals", VisibleByArrivals(0.9)),
        row("99 % visible, by reads", VisibleByReads(0.99)),
        row("99 % visible, by arrivals", VisibleByArrivals(0.99)),
        row("99.9 % visible, by reads", VisibleByReads(0.999)),
        row("99.9 % visible, by arrivals", VisibleByArrivals(0.999)),
        row("read latency p50", Latency(Kind::Get, 0.5)),
        row("read latency p99", Latency(Kind::Get, 0.99)),
        row("read latency p99.9", Latency(Kind::Get, 0.999)),
        row("write latency p50", Latency(Kind::Put, 0.5)),
        row("write latency p99", Latency(Kind::Put, 0.99)),
        row("write latency p99.9", Latency(Kind::Put, 0.999)),
    ]
};

impl Of {
    /// Whether it is a share; otherwise it is in milliseconds.
    #[must_use]
    pub fn is_share(self) -> bool {
        matches!(self, Self::FreshByReads | Self::FreshByArrivals)
    }
}
