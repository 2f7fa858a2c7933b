//! Puts node, network and observer together: plan → workload → back-end → results. The only crate that sees all others.

pub mod administrator;
pub mod anomalies;
pub mod backend;
pub mod calibrate;
pub mod call;
pub mod check;
pub mod client;
pub mod cluster;
pub mod command;
pub mod fit;
pub mod hand;
pub mod list;
pub mod overlay;
pub mod plan;
pub mod prediction;
pub mod record;
pub mod request;
pub mod ring;
pub mod run;
pub mod sweep;
pub mod workload;
