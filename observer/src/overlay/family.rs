//! A plan that varies something, every cell of it laid over its prediction; cells that differ in all but the first thing that
//! varies are a group.

use super::{Of, Off, Overlay, Source};
use crate::sweep::Parity;
use serde::{Deserialize, Serialize};

/// A plan that varies something: each of its cells from several sources.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Family {
    /// The plan's name.
    pub plan: String,
    /// What it asks.
    pub question: String,
    /// The seed, or the first of several.
    pub seed: u64,
    /// What the sources say of each cell with this seed.
    pub cells: Vec<FamilyCell>,
    /// Whether two back-ends come to the same over several seeds; none if that was not asked for.
    pub parity: Option<Parity>,
}

/// A cell of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FamilyCell {
    /// What it is called.
    pub cell: String,
    /// The first of its cases, if it has several.
    pub group: String,
    /// The others.
    pub case: String,
    /// What the sources say of it.
    pub overlay: Overlay,
}

/// A cell as one back-end measured it, beside what was predicted; times in milliseconds. See [`super::Distance`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct FamilyRow {
    pub cell: String,
    pub source: String,
    pub pairs: u64,
    pub fresh_at_0_predicted: Option<f64>,
    pub fresh_at_0: Option<f64>,
    pub fresh_at_0_low: Option<f64>,
    pub fresh_at_0_high: Option<f64>,
    pub visible_p999_ms_predicted: Option<f64>,
    pub visible_p999_ms: Option<f64>,
    pub visible_p999_ms_low: Option<f64>,
    pub visible_p999_ms_high: Option<f64>,
    pub visible_error: Option<f64>,
    pub visible_by_chance: Option<f64>,
    pub reads: u64,
    pub read_error: Option<f64>,
    pub read_by_chance: Option<f64>,
    pub writes: u64,
    pub write_error: Option<f64>,
    pub write_by_chance: Option<f64>,
}

/// A predicted quantile of t* in one cell, and what one back-end measured there, with its 95 % interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct QuantileRow {
    pub cell: String,
    pub source: String,
    pub pairs: u64,
    pub age_ms: f64,
    pub predicted: f64,
    pub measured: f64,
    pub low: f64,
    pub high: f64,
}

/// What one back-end's errors are in the mean over some cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Means {
    /// The back-end.
    pub source: String,
    /// Of t-visibility, over the cells in which a read may be stale.
    pub visible: Option<Mean>,
    /// Of read latency.
    pub reads: Option<Mean>,
    /// Of write latency.
    pub writes: Option<Mean>,
}

/// A mean over cells, and the cell that is the worst.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub struct Mean {
    pub cells: usize,
    pub error: f64,
    pub by_chance: f64,
    pub worst: Off,
}

impl Family {
    /// A row for each cell and back-end.
    #[must_use]
    pub fn rows(&self) -> Vec<FamilyRow> {
        self.cells.iter().flat_map(FamilyCell::rows).collect()
    }

    /// A row for each cell, back-end and predicted quantile.
    #[must_use]
    pub fn quantiles(&self) -> Vec<QuantileRow> {
        let measured = self.cells.iter().flat_map(|cell| {
            let measured = cell.measured();
            measured.map(move |source| (cell, source))
        });
        let rows = measured.flat_map(|(cell, source)| {
            source.quantiles.iter().map(|quantile| QuantileRow {
                cell: cell.cell.clone(),
                source: source.name.clone(),
                pairs: source.pairs,
                age_ms: quantile.age_ms,
                predicted: quantile.predicted,
                measured: quantile.measured,
                low: quantile.low,
                high: quantile.high,
            })
        });
        rows.collect()
    }

    /// The groups, in the order of the cells.
    #[must_use]
    pub fn groups(&self) -> Vec<(&str, Vec<&FamilyCell>)> {
        let mut groups: Vec<(&str, Vec<&FamilyCell>)> = Vec::new();
        for cell in &self.cells {
            match groups.iter_mut().find(|(group, _)| *group == cell.group) {
                Some((_, cells)) => cells.push(cell),
                None => groups.push((&cell.group, vec![cell])),
            }
        }
        groups
    }

    /// The means over all cells, back-end by back-end.
    #[must_use]
    pub fn means(&self) -> Vec<Means> {
        let mut names: Vec<&str> = Vec::new();
        for source in self.cells.iter().flat_map(FamilyCell::measured) {
            if !names.contains(&source.name.as_str()) {
                names.push(&source.name);
            }
        }
        let means = names.into_iter().map(|name| Means {
            source: name.to_owned(),
            visible: self.mean(name, |cell, source| {
                let may_be_stale = cell.predicted()?.figure(Of::FreshByArrivals)?.value < 1.0;
                source.distance?.visible.filter(|_| may_be_stale)
            }),
            reads: self.mean(name, |_, source| source.distance?.reads),
            writes: self.mean(name, |_, source| source.distance?.writes),
        });
        means.collect()
    }

    fn mean(&self, name: &str, off: impl Fn(&FamilyCell, &Source) -> Option<Off>) -> Option<Mean> {
        let of_cell = |cell: &FamilyCell| {
            let source = cell.measured().find(|source| source.name == name)?;
            off(cell, source)
        };
        let all: Vec<Off> = self.cells.iter().filter_map(of_cell).collect();
        let worst = all
            .iter()
            .max_by(|one, other| one.error.total_cmp(&other.error))?;
        let mean = |of: fn(&Off) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
        Some(Mean {
            cells: all.len(),
            error: mean(|off| off.error),
            by_chance: mean(|off| off.by_chance),
            worst: *worst,
        })
    }
}

impl FamilyCell {
    /// The prediction, if there is one.
    #[must_use]
    pub fn predicted(&self) -> Option<&Source> {
        let mut sources = self.overlay.sources.iter();
        sources.find(|source| source.is_predicted())
    }

    /// What back-ends measured.
    pub fn measured(&self) -> impl Iterator<Item = &Source> {
        let sources = self.overlay.sources.iter();
        sources.filter(|source| !source.is_predicted())
    }

    /// A row for each back-end.
    #[must_use]
    pub fn rows(&self) -> Vec<FamilyRow> {
        let predicted = |of: Of| Some(self.predicted()?.figure(of)?.value);
        let rows = self.measured().map(|source| {
            let [zero, last] = [Of::FreshByArrivals, Of::VisibleByArrivals(0.999)];
            let bounds = |of| source.figure(of).and_then(|figure| figure.interval).unzip();
            let (zero_low, zero_high) = bounds(zero);
            let (last_low, last_high) = bounds(last);
            let off = |of: fn(&super::Distance) -> Option<Off>| {
                let off = source.distance.as_ref().and_then(of);
                off.map(|off| (off.error, off.by_chance)).unzip()
            };
            let (visible_error, visible_by_chance) = off(|distance| distance.visible);
            let (read_error, read_by_chance) = off(|distance| distance.reads);
            let (write_error, write_by_chance) = off(|distance| distance.writes);
            FamilyRow {
                cell: self.cell.clone(),
                source: source.name.clone(),
                pairs: source.pairs,
                fresh_at_0_predicted: predicted(zero),
                fresh_at_0: source.figure(zero).map(|figure| figure.value),
                fresh_at_0_low: zero_low,
                fresh_at_0_high: zero_high,
                visible_p999_ms_predicted: predicted(last),
                visible_p999_ms: source.figure(last).map(|figure| figure.value),
                visible_p999_ms_low: last_low,
                visible_p999_ms_high: last_high,
                visible_error,
                visible_by_chance,
                reads: source.reads.count,
                read_error,
                read_by_chance,
                writes: source.writes.count,
                write_error,
                write_by_chance,
            }
        });
        rows.collect()
    }
}
