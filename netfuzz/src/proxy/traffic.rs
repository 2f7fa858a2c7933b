//! What kind of call a path stands for, and what its messages are counted as.

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One message each way.
    Unary,
    /// Many messages there and nothing but a status back.
    Peer,
    /// Only the messages themselves will tell.
    Unknown,
}

/// The shape of the calls to a path and the name of its method; none: it passes untouched.
pub(super) fn classify(path: &str) -> Option<(Shape, &str)> {
    if UNTOUCHED.iter().any(|prefix| path.starts_with(prefix)) {
        return None;
    }
    let Some((service, method)) = path
        .strip_prefix("/tidemark.v1.")
        .and_then(|rest| rest.split_once('/'))
    else {
        return Some((Shape::Unknown, path));
    };
    let shape = match service {
        "Kv" => Shape::Unary,
        "Peer" => Shape::Peer,
        _ => Shape::Unknown,
    };
    Some((shape, method))
}

const UNTOUCHED: [&str; 4] = [
    "/grpc.health.",
    "/grpc.reflection.",
    "/tidemark.v1.Observer/",
    "/tidemark.v1.Netfuzz/",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_tell_their_traffic() {
        for (path, expected) in [
            ("/tidemark.v1.Kv/Get", Some((Shape::Unary, "Get"))),
            ("/tidemark.v1.Peer/Store", Some((Shape::Peer, "Store"))),
            (
                "/shop.v1.Cart/Add",
                Some((Shape::Unknown, "/shop.v1.Cart/Add")),
            ),
            ("/tidemark.v1.Observer/Report", None),
            ("/grpc.health.v1.Health/Check", None),
            (
                "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                None,
            ),
        ] {
            assert_eq!(classify(path), expected, "{path}");
        }
    }
}
