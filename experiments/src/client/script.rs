//! What clients do where a script says it.

use super::flight::Flight;
use super::{Clients, Task, Want};
use crate::workload::{Deed, Script, Source};
use std::time::Duration;
use tidemark_node::request::{ReadNeeds, WriteNeeds};
use tidemark_proto::event::Kind;
use tidemark_proto::registry::OptionError;

impl Clients {
    /// Plans everything that the workload's script says. Tells whether it has one.
    pub(super) fn plan_script(&mut self) -> Result<bool, OptionError> {
        let Some(script) = self.workload.script() else {
            return Ok(false);
        };
        let keys = self.router.keys(script)?;
        let deeds: Vec<Deed> = script.deeds(&keys).collect();
        for deed in deeds {
            self.plan(deed.at, Task::Step(Box::new(deed)));
        }
        Ok(true)
    }

    /// Does what the script says.
    pub(super) fn step(
        &mut self,
        now: Duration,
        intended: Duration,
        deed: Deed,
        wants: &mut Vec<Want>,
    ) {
        let steps = self.workload.script().map_or(&[][..], Script::steps);
        let Some(step) = steps.get(deed.step).cloned() else {
            return;
        };
        if self.begun.insert(deed.key.clone()) {
            wants.push(self.placed(&deed.key));
        }
        let seen = match step.context {
            Source::Own => self.seen(step.client, &deed.key),
            Source::Nobody => None,
            Source::Other(client) => self.seen(client, &deed.key),
        };
        let beginning = self.beginning(now, intended, step.client, deed.key);
        let writes = WriteNeeds {
            quorum: step.quorum,
            primaries: step.primaries,
            durable: step.durable,
            nodes: None,
        };
        let flight = match step.act {
            Kind::Get if step.local => Flight::probe(beginning),
            Kind::Get => {
                let needs = ReadNeeds {
                    quorum: step.quorum,
                    primaries: step.primaries,
                    not_found_ok: step.not_found_ok,
                    ..ReadNeeds::default()
                };
                Flight::get(beginning, needs)
            }
            Kind::Put => Flight::put(beginning, seen, self.value_bytes(), writes),
            Kind::Delete => Flight::delete(beginning, seen, writes),
        };
        let node = step.node;
        self.begin(Flight { node, ..flight }, wants);
    }
}
