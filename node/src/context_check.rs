//! What is asked of the context that a client sends with a write.

use crate::dated_set::dots;
use crate::dot_set;
use bytes::{BufMut, Bytes, BytesMut};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

/// Which contexts are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ContextCheck {
    /// None that is well formed, though it be of another key.
    #[default]
    Off,
    /// Those that the store did not give out for the key: they carry a checksum of key and context, keyed with the seed.
    RejectUnknown,
    /// And those that do not cover all that the coordinator holds: put is then compare-and-set at each coordinator, and
    /// one that holds no replica of the key compares with nothing.
    RejectStale,
}

impl ContextCheck {
    /// The context as a client is given it for a key. Nothing read stays nothing.
    pub(crate) fn seal(self, seed: u64, key: &[u8], context: Bytes) -> Bytes {
        if self == Self::Off || context.is_empty() {
            return context;
        }
        let mut sealed = BytesMut::with_capacity(context.len() + SEAL);
        sealed.put_slice(&context);
        sealed.put_u64(checksum(seed, key, &context));
        sealed.freeze()
    }

    /// The context in what a client sent for a key; none if this store did not give it out.
    pub(crate) fn open(self, seed: u64, key: &[u8], given: &Bytes) -> Option<Bytes> {
        if self == Self::Off || given.is_empty() {
            return Some(given.clone());
        }
        let (context, seal) = given.split_last_chunk::<SEAL>()?;
        let is_ours = u64::from_be_bytes(*seal) == checksum(seed, key, context);
        is_ours.then(|| given.slice(..context.len()))
    }

    /// Whether a write with this context may be stamped onto an object with this clock.
    pub(crate) fn admits(self, context: &[u8], clock: &[u8]) -> bool {
        self != Self::RejectStale || dot_set::covers(dots(context), dots(clock))
    }
}

/// It tells mistakes, not forgeries: who knows the seed can make it.
fn checksum(seed: u64, key: &[u8], context: &[u8]) -> u64 {
    let mut hash = Xxh3::with_seed(seed);
    hash.update(&(key.len() as u64).to_be_bytes());
    hash.update(key);
    hash.update(context);
    hash.digest()
}

const SEAL: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, a context of one key is taken for another's, or the store refuses what it gave out.
    #[test]
    fn a_sealed_context_opens_for_its_key_and_seed_alone() {
        let check = ContextCheck::RejectUnknown;
        let context = Bytes::from_static(b"context");
        let sealed = check.seal(7, b"a", context.clone());
        let open = |seed, key: &[u8], given: &Bytes| check.open(seed, key, given);
        assert_eq!(open(7, b"a", &sealed), Some(context.clone()));
        assert_eq!(open(7, b"b", &sealed), None);
        assert_eq!(open(8, b"a", &sealed), None);
        assert_eq!(open(7, b"a", &context), None);
        assert_eq!(open(7, b"a", &sealed.slice(1..)), None);
        assert_eq!(check.seal(7, b"a", Bytes::new()), Bytes::new());
        assert_eq!(open(7, b"a", &Bytes::new()), Some(Bytes::new()));
        assert_eq!(ContextCheck::Off.seal(7, b"a", context.clone()), context);
    }
}
