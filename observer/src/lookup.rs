//! Maps that are only ever looked up in: their hasher is fixed and their order is never seen.

use foldhash::fast::FixedState;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;
use tidemark_proto::span::Span;

/// A map that is never iterated.
pub(crate) type Lookup<K, V> = HashMap<K, V, FixedState>;

/// What will be asked for soon or never: it forgets what is older than a run's [`memory`].
pub(crate) struct Recent<K, V> {
    entries: Lookup<K, (Duration, V)>,
    sweep_at: usize,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self {
            entries: Lookup::default(),
            sweep_at: LEAST_SWEEP,
        }
    }
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// Puts `value` in place of what `key` had, and now and then forgets what is older than `memory`.
    pub(crate) fn insert(&mut self, now: Duration, memory: Duration, key: K, value: V) {
        self.entries.insert(key, (now, value));
        if self.entries.len() >= self.sweep_at {
            self.entries.retain(|_, (at, _)| *at + memory >= now);
            self.sweep_at = LEAST_SWEEP.max(2 * self.entries.len());
        }
    }

    /// What `key` has.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// Takes what `key` has.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key).map(|(_, value)| value)
    }
}

/// How long what may be asked for is remembered: a minute of the plan's time, in a run whose times were stretched.
pub(crate) fn memory(time_scale: f64) -> Duration {
    MINUTE.scaled(time_scale.max(1.0)).0
}

const MINUTE: Span = Span(Duration::from_secs(60));
const LEAST_SWEEP: usize = 1 << 16;
