//! Values that tell who wrote them: the operation's name, then padding.

use bytes::Bytes;
use std::io::Write as _;
use tidemark_proto::id::OperationId;

/// The value that an operation writes, at least as long as its name.
pub(super) fn value_of(operation: OperationId, length: usize) -> Bytes {
    let mut value = Vec::with_capacity(length.max(24));
    write!(value, "{operation} ").expect("memory takes every write");
    let padding = length.max(value.len());
    value.resize(padding, b'.');
    Bytes::from(value)
}

/// Who wrote a value; none: not one of ours.
pub(super) fn writer_of(value: &[u8]) -> Option<OperationId> {
    let end = value.iter().position(|byte| *byte == b' ')?;
    std::str::from_utf8(&value[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_proto::id::NodeId;

    #[test]
    fn a_value_names_its_writer_whatever_its_length() {
        let operation = OperationId::new(NodeId::client(3), 17);
        for length in [0, 6, 7, 100] {
            let value = value_of(operation, length);
            assert_eq!(writer_of(&value), Some(operation));
            assert_eq!(value.len(), length.max(6));
        }
        assert_eq!(writer_of(b"somebody else's"), None);
    }
}
