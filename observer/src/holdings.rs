//! What each replica holds of each key, as it last said; after a restart, what it then says.

use crate::lookup::Lookup;
use bytes::Bytes;
use smallvec::SmallVec;
use tidemark_proto::event::{Event, MachineChange};
use tidemark_proto::id::{NodeId, OperationId};

/// What replicas hold.
#[derive(Default)]
pub(crate) struct Holdings {
    keys: Vec<Key>,
    places: Lookup<Bytes, usize>,
}

#[derive(Default)]
pub(crate) struct Key {
    /// Its preference list.
    pub(crate) replicas: SmallVec<[NodeId; 3]>,
    held: SmallVec<[Held; 3]>,
}

/// What one node holds of one key.
pub(crate) struct Held {
    node: NodeId,
    pub(crate) digest: u64,
    pub(crate) versions: SmallVec<[OperationId; 1]>,
}

impl Holdings {
    /// Takes in an event.
    pub(crate) fn observe(&mut self, event: &Event) {
        match event {
            Event::Placed { key, nodes } => {
                self.key(key).replicas = SmallVec::from_slice(nodes);
            }
            Event::Stored(stored) => {
                let held = &mut self.key(&stored.key).held;
                held.retain(|held| held.node != stored.node);
                if !stored.versions.is_empty() {
                    held.push(Held {
                        node: stored.node,
                        digest: stored.digest,
                        versions: SmallVec::from_slice(&stored.versions),
                    });
                }
            }
            Event::Machine {
                node,
                change: MachineChange::Restarted | MachineChange::RestartedEmpty,
                ..
            } => {
                for key in &mut self.keys {
                    key.held.retain(|held| held.node != *node);
                }
            }
            _ => {}
        }
    }

    /// What is held of a key of which the replicas are known.
    pub(crate) fn of(&self, key: &Bytes) -> Option<&Key> {
        let place = self.places.get(key)?;
        Some(&self.keys[*place]).filter(|key| !key.replicas.is_empty())
    }

    /// All versions that anybody holds of a key.
    pub(crate) fn versions(&self, key: &Bytes) -> Vec<OperationId> {
        let place = self.places.get(key);
        let held = place.map_or(&[][..], |place| &self.keys[*place].held);
        let versions = held.iter().flat_map(|held| held.versions.iter());
        versions.copied().collect()
    }

    fn key(&mut self, key: &Bytes) -> &mut Key {
        let place = match self.places.get(key) {
            Some(place) => *place,
            None => {
                self.keys.push(Key::default());
                self.places.insert(key.clone(), self.keys.len() - 1);
                self.keys.len() - 1
            }
        };
        &mut self.keys[place]
    }
}

impl Key {
    /// What a node holds, if it holds any of it.
    pub(crate) fn held(&self, node: NodeId) -> Option<&Held> {
        self.held.iter().find(|held| held.node == node)
    }
}
