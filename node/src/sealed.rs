//! What is held of a key as bytes that rest: a checksum tells whether they are still what was stored there.
//!
//! Layout: a byte that names the format, XXH3 of key and body, and the body, which is a `StoredVersions` of `peer.proto`.

use crate::storage::Damage;
use crate::versioning::Versions;
use bytes::{BufMut, Bytes, BytesMut};
use prost::Message as _;
use tidemark_proto::wire::StoredVersions;
use xxhash_rust::xxh3::Xxh3;

/// What rests of a key that holds these versions; nothing of none.
#[must_use]
pub fn seal(key: &[u8], versions: Versions) -> Option<Bytes> {
    if versions.is_empty() {
        return None;
    }
    let body = StoredVersions { versions };
    let mut sealed = BytesMut::with_capacity(HEADER + body.encoded_len());
    sealed.put_u8(FORMAT);
    sealed.put_u64(0);
    body.encode(&mut sealed)
        .expect("a buffer in memory takes every message");
    let checksum = checksum(key, &sealed[HEADER..]);
    sealed[1..HEADER].copy_from_slice(&checksum.to_be_bytes());
    Some(sealed.freeze())
}

/// The versions that were sealed for this key.
///
/// # Errors
/// These bytes are not what was sealed for it.
pub fn open(key: &[u8], sealed: &Bytes) -> Result<Versions, Damage> {
    let header = sealed.get(..HEADER).ok_or(Damage)?;
    let body = sealed.slice(HEADER..);
    if header[0] != FORMAT || header[1..] != checksum(key, &body).to_be_bytes() {
        return Err(Damage);
    }
    let StoredVersions { versions } = StoredVersions::decode(body).map_err(|_| Damage)?;
    Ok(versions)
}

fn checksum(key: &[u8], body: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&(key.len() as u64).to_be_bytes());
    hash.update(key);
    hash.update(body);
    hash.digest()
}

/// The layout above.
const FORMAT: u8 = 1;
const HEADER: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_proto::wire::StoredVersion;

    /// If this fails, damage is returned as if it had been written, or another key's versions are.
    #[test]
    fn only_what_was_sealed_for_the_key_opens() {
        let version = StoredVersion {
            clock: Bytes::from_static(b"a clock"),
            value: Some(Bytes::from_static(b"a value")),
            operation: 7,
        };
        let tombstone = StoredVersion {
            value: None,
            ..version.clone()
        };
        let versions = vec![version, tombstone];
        let sealed = seal(b"k", versions.clone()).unwrap();
        assert_eq!(open(b"k", &sealed), Ok(versions));
        assert_eq!(open(b"l", &sealed), Err(Damage));
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(b"k", &flipped.into()), Err(Damage), "bit {bit}");
        }
        for length in 0..sealed.len() {
            let cut = sealed.slice(..length);
            assert_eq!(open(b"k", &cut), Err(Damage), "{length} bytes");
        }
    }

    /// If this fails, bytes of a damaged disk end the node.
    #[test]
    fn arbitrary_bytes_are_versions_or_damage() {
        bolero::check!()
            .with_iterations(10_000)
            .for_each(|bytes: &[u8]| {
                let _ = open(b"k", &Bytes::copy_from_slice(bytes));
                let mut sealed = BytesMut::new();
                sealed.put_u8(FORMAT);
                sealed.put_u64(checksum(b"k", bytes));
                sealed.put_slice(bytes);
                if let Ok(versions) = open(b"k", &sealed.freeze()) {
                    let again = seal(b"k", versions.clone());
                    let opened = again.map_or(Ok(Versions::new()), |again| open(b"k", &again));
                    assert_eq!(opened, Ok(versions));
                }
            });
    }
}
