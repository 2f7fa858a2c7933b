//! What machine faults do in the simulated world.

use super::world::{World, operation_of};
use crate::plan::machine::Blow;
use tidemark_node::replica::Input;
use tidemark_proto::event::{Detail, Event, MachineChange};
use tidemark_proto::id::NodeId;
use tidemark_proto::message::Method;

impl World<'_> {
    /// A machine fault strikes a node.
    pub(super) fn strike(&mut self, node: usize, blow: Blow) {
        let machine = &mut self.machines[node];
        let Some(change) = machine.strike(blow, self.now, &self.config) else {
            return;
        };
        self.note_machine(node, change);
        if !self.machines[node].is_up() {
            for call in self.calls.close_all(node) {
                self.unavailable(call);
            }
        }
    }

    /// A machine fault of a node is over.
    pub(super) fn mend(&mut self, node: usize, blow: Blow) {
        match blow {
            Blow::Crash | Blow::PowerLoss | Blow::Wipe => self.restart(node),
            Blow::Pause => self.resume(node),
            Blow::Skew(_) | Blow::SlowSync(_) | Blow::FillDisk => {
                if let Some(change) = self.machines[node].mend(blow) {
                    self.note_machine(node, change);
                }
            }
        }
    }

    fn restart(&mut self, node: usize) {
        let Some(change) = self.machines[node].restart(&self.config) else {
            return;
        };
        self.note_machine(node, change);
        if self.detail >= Detail::Arrivals {
            for stored in self.machines[node].inventory(self.now) {
                self.note(stored);
            }
        }
        self.arm(node, self.machines[node].next_timeout());
    }

    /// A paused node goes on: first what its disk has done and its alarm, then what came, in order.
    fn resume(&mut self, node: usize) {
        let Some(paused) = self.machines[node].paused.take() else {
            return;
        };
        self.note_machine(node, MachineChange::Resumed);
        if paused.is_disk_done {
            self.end_disk_work(node);
        }
        let due = self.machines[node].next_timeout();
        if due.is_some_and(|due| due <= self.now) {
            self.handle(node, Input::Timeout, None);
        }
        for (input, about) in paused.inputs {
            self.work(node, input, about);
        }
        self.arm(node, self.machines[node].next_timeout());
    }

    /// A paused node takes an input up later; if its queue has no room, whoever asked waits in vain.
    pub(super) fn hold(&mut self, to: usize, input: Input, about: Option<(NodeId, Method)>) {
        let limit = self.config.limits.queue as usize;
        let machine = &mut self.machines[to];
        let node = machine.id;
        let inputs = &mut machine.paused.get_or_insert_default().inputs;
        if inputs.len() < limit {
            return inputs.push_back((input, about));
        }
        let operation = operation_of(&input);
        if let Input::Request(ticket, _) = input {
            self.calls.close(ticket);
        }
        self.note(Event::Refused {
            at: self.now,
            node,
            operation,
            reason: format!("an input was dropped: {limit} wait for the paused node").into(),
        });
    }

    fn note_machine(&mut self, node: usize, change: MachineChange) {
        let (at, node) = (self.now, self.machines[node].id);
        self.note(Event::Machine { at, node, change });
    }
}
