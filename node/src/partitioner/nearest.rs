//! The nearest neighbour of a key's hash among the nodes' addresses, both as vectors of ten digits; then the next nodes in
//! the order of their addresses.
//!
//! The layout of a course project in the manner of Cassandra; a negative control. A key's vector has the decimal digits of
//! its 32-bit FNV-1 hash from the first on, a node's the last ten digits of its address, divided by their sum; the nearest
//! is the node with the largest dot product. Addresses that differ in the last digit alone lie on a line, of which only
//! the ends are ever nearest: of five sequential ports the first is so for 57 % of keys and the last for 43 %, and when a
//! sixth joins those 43 % move. Since the place is the address, a node that replaces one has another.
//!
//! Reference: Noll, Vo, Eastlake and Hansen, The FNV non-cryptographic hash algorithm, RFC 9923, 2026 (FNV-1).

use super::{Build, Partitioner, PreferenceList, Roster};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use tidemark_proto::id::NodeId;
use tidemark_proto::registry::{Entry, OptionError, Options, Promise, parse, resolve, schema};

/// See the module.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "nearest",
    about: "the address whose digits are nearest to the hash's, and those after it",
    promises: &[Promise::PlacesEveryKey, Promise::MovesFewOwners],
    resolve: resolve::<NearestOptions>,
    schema: schema::<NearestOptions>,
    build,
};

/// The addresses whose digits decide; nothing listens there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct NearestOptions {
    /// Where all nodes are. Its digits weigh on the shares.
    host: Ipv4Addr,
    /// The port of n1; n2 has the next, and so on. Where a digit carries, more nodes than the first and the last own keys.
    #[schemars(range(min = 1))]
    first_port: u16,
}

impl Default for NearestOptions {
    fn default() -> Self {
        Self {
            host: Ipv4Addr::new(10, 0, 0, 1),
            first_port: 10_000,
        }
    }
}

type Digits = [u32; 10];

struct Nearest {
    /// In the order of their addresses.
    nodes: Vec<Address>,
}

struct Address {
    node: NodeId,
    digits: Digits,
    sum: u32,
}

impl Partitioner for Nearest {
    fn preference(&self, key: &[u8], n: usize) -> PreferenceList {
        let key = digits_of(fnv_1(key).into());
        let dot = |address: &Address| -> u32 {
            let products = address.digits.iter().zip(key).map(|(a, b)| a * b);
            products.sum()
        };
        let mut nearest = (0, 0, 1);
        for (index, address) in self.nodes.iter().enumerate() {
            let dot = dot(address);
            // Compared as fractions; of equals the first.
            if dot * nearest.2 > nearest.1 * address.sum {
                nearest = (index, dot, address.sum);
            }
        }
        let (before, after) = self.nodes.split_at(nearest.0);
        let clockwise = after.iter().chain(before);
        clockwise.take(n).map(|address| address.node).collect()
    }
}

fn build(
    options: &Options,
    _seed: u64,
    roster: &Roster,
) -> Result<Box<dyn Partitioner>, OptionError> {
    let NearestOptions { host, first_port } = parse(options)?;
    if first_port == 0 {
        let reason = "first_port is 0, but must be from 1 to 65535";
        return Err(OptionError::of("first_port", reason));
    }
    let mut nodes = roster.nodes().to_vec();
    nodes.sort_unstable();
    let address = |node: NodeId| {
        let port = first_port
            .checked_add(node.number().saturating_sub(1))
            .ok_or_else(|| {
                let reason = format!("first_port is {first_port}, which leaves no port for {node}");
                OptionError::of("first_port", reason)
            })?;
        let mut digits = format!("{host}{port}");
        digits.retain(|c| c != '.');
        let digits = digits_of(digits.parse().expect("17 digits are a number"));
        let sum = digits.iter().sum();
        Ok(Address { node, digits, sum })
    };
    let nodes: Result<_, _> = nodes.into_iter().map(address).collect();
    Ok(Box::new(Nearest { nodes: nodes? }))
}

/// The first digits of a number, and zeros where it has less than ten; the last of one that has more.
fn digits_of(number: u64) -> Digits {
    let count = number.checked_ilog10().map_or(1, |log| log as usize + 1);
    let mut digits = Digits::default();
    let mut rest = number;
    for digit in digits.iter_mut().take(count).rev() {
        *digit = (rest % 10) as u32;
        rest /= 10;
    }
    digits
}

fn fnv_1(bytes: &[u8]) -> u32 {
    let step = |hash: u32, byte: &u8| hash.wrapping_mul(PRIME) ^ u32::from(*byte);
    bytes.iter().fold(OFFSET, step)
}

const OFFSET: u32 = 0x811c_9dc5;
const PRIME: u32 = 0x0100_0193;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The vectors of the algorithm's reference implementation.
    #[test]
    fn the_hash_is_fnv_1() {
        for (text, hash) in [("", OFFSET), ("a", 0x050c_5d7e), ("foobar", 0x31f0_b262)] {
            assert_eq!(fnv_1(text.as_bytes()), hash, "{text:?}");
        }
    }

    #[test]
    fn a_number_is_ten_digits() {
        assert_eq!(digits_of(0), [0; 10]);
        assert_eq!(digits_of(907), [9, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(digits_of(4_294_967_295), [4, 2, 9, 4, 9, 6, 7, 2, 9, 5]);
        assert_eq!(digits_of(12_700_110_004), [2, 7, 0, 0, 1, 1, 0, 0, 0, 4]);
    }

    /// If this fails, a plan whose nodes have no address is not told so.
    #[test]
    fn a_first_port_without_room_for_every_node_is_refused() {
        let check = |first_port: u32, expected: Option<&str>| {
            let options = Options::from_iter([("first_port".to_owned(), json!(first_port))]);
            let roster = Roster::of([3, 1, 2].map(NodeId::node));
            let error = build(&options, 1, &roster).err();
            assert_eq!(error.map(|error| error.reason).as_deref(), expected);
        };
        check(65_533, None);
        let full = "first_port is 65534, which leaves no port for n3";
        check(65_534, Some(full));
        check(0, Some("first_port is 0, but must be from 1 to 65535"));
    }
}
