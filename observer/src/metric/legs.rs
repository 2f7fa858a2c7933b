//! Measured legs: how long messages between nodes took, from when one was handed to its link until it began to be handled.
//!
//! W is `Store`, A its reply, R is `Fetch`, S its reply (Bailis et al., VLDB 2012). What a coordinator does by itself has no
//! leg. A message that was lost has none either; of several sent for one operation on one link the last counts.

use super::{Metric, Run, Seen};
use crate::figures::{Leg, Measured};
use crate::lookup::Recent;
use crate::spread::{Distribution, MS};
use std::time::Duration;
use tidemark_proto::event::{Detail, Event};
use tidemark_proto::id::{NodeId, OperationId};
use tidemark_proto::message::Method;

#[derive(Default)]
pub(crate) struct Legs {
    sent: Recent<(OperationId, NodeId, NodeId, Method), Duration>,
    legs: [Distribution; 4],
}

impl Metric for Legs {
    type Figures = Measured<Vec<Leg>>;

    fn observe(&mut self, seen: &Seen<'_>) {
        match *seen.event {
            Event::Sent {
                at,
                operation,
                from,
                to,
                method,
                ..
            } if LEGS.iter().any(|(_, leg)| *leg == method) => {
                self.sent
                    .insert(at, seen.memory, (operation, from, to, method), at);
            }
            Event::Received {
                at,
                operation,
                from,
                to,
                method,
            } => {
                let leg = LEGS.iter().position(|(_, leg)| *leg == method);
                let sent = self.sent.remove(&(operation, from, to, method));
                if let (Some(leg), Some(sent)) = (leg, sent) {
                    self.legs[leg].add_time(at.saturating_sub(sent));
                }
            }
            _ => {}
        }
    }

    fn report(&self, run: &Run<'_>) -> Measured<Vec<Leg>> {
        if let Some(reason) = run.lacks(Detail::All) {
            return Measured::Missing(reason);
        }
        let legs = LEGS
            .iter()
            .zip(&self.legs)
            .filter_map(|((name, method), leg)| {
                Some(Leg {
                    name: (*name).to_owned(),
                    method: method.name().to_owned(),
                    ms: leg.spread(MS)?,
                    quantiles_ms: (0..=PARTS)
                        .map(|part| leg.quantile(f64::from(part) / f64::from(PARTS), MS))
                        .collect(),
                })
            });
        Measured::Known(legs.collect())
    }
}

const LEGS: [(&str, Method); 4] = [
    ("W", Method::Store),
    ("A", Method::StoreReply),
    ("R", Method::Fetch),
    ("S", Method::FetchReply),
];
const PARTS: u32 = 1000;
