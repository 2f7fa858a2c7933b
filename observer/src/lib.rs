//! Folds what happened in a run into numbers, and draws them. Knows nothing of how nodes decide or networks fail, and
//! never judges by the clocks under test.

pub mod cause;
pub mod checker;
pub mod equivalence;
pub mod figures;
pub mod history;
pub mod hlog;
mod holdings;
pub mod interval;
pub mod isotonic;
pub mod jackknife;
pub mod judge;
mod lookup;
mod metric;
pub mod observe;
pub mod oracle;
pub mod overlay;
mod phases;
pub mod plot;
pub mod predict;
mod ranges;
pub mod recording;
pub mod report;
pub mod ring;
pub mod rows;
#[cfg(feature = "service")]
pub mod service;
mod spread;
pub mod story;
pub mod summary;
pub mod sweep;
mod tally;
