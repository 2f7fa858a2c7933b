//! What is no request, no message and no HTTP/2 comes to the door of a node: it answers or hangs up, and goes on.

use crate::cluster::{Cluster, N1, bounded, get, put, values};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use serde_json::json;
use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use tidemark_proto::message::Method;
use tidemark_proto::wire::{GetRequest, PutRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::{Service as _, http};
use tonic::transport::Channel;

/// If this fails, a client that speaks gRPC wrongly is not told so, or ends its connection or the node for others.
#[tokio::test]
async fn whoever_speaks_wrongly_is_told_what_is_wrong() {
    let mut place = Place::new().await;
    let sound = framed(
        0,
        &PutRequest {
            key: "other".into(),
            ..Default::default()
        }
        .encode_to_vec(),
    );
    let [mut lied, mut cut, mut packed, mut unknown] = [(); 4].map(|()| sound.to_vec());
    lied[1..5].copy_from_slice(&[0xff; 4]);
    cut.pop();
    packed[0] = 1;
    unknown[0] = 7;
    let too_much = framed(0, &vec![0; 8 << 20]);
    for (path, body, code, reason) in [
        (PUT, lied.into(), Code::OutOfRange, "4294967295"),
        (PUT, cut.into(), Code::Internal, "EOF"),
        (PUT, packed.into(), Code::Internal, "compressed"),
        (PUT, unknown.into(), Code::Internal, "7"),
        (PUT, too_much, Code::OutOfRange, "8388608"),
        (PUT, framed(0, &[0xff; 9]), Code::Internal, "decode"),
        (PUT, Bytes::new(), Code::Internal, "Missing"),
        (
            "/tidemark.v1.Kv/Steal",
            sound.clone(),
            Code::Unimplemented,
            "",
        ),
        (
            "/tidemark.v1.Peer/Steal",
            sound.clone(),
            Code::Unimplemented,
            "",
        ),
        ("/", sound.clone(), Code::Unimplemented, ""),
    ] {
        let said = place.say(path, GRPC, body).await;
        let told = said
            .status
            .unwrap_or_else(|| panic!("{path} {reason}: no status"));
        assert!(told.1.contains(reason), "{path} {reason}: {told:?}");
        assert_eq!(told.0, code, "{path} {reason}: {told:?}");
    }
    for kind in ["text/plain", "", "application/json"] {
        let said = place.say(PUT, kind, sound.clone()).await;
        assert_eq!(
            said.http,
            http::StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{kind:?}"
        );
    }
    place.check().await;
}

/// If this fails, some bytes in the place of a request or of a peer's messages are not answered, or change what is stored.
#[test]
fn whatever_bytes_come_in_a_call_are_answered() {
    let runtime = Runtime::new().unwrap();
    let place = AssertUnwindSafe(RefCell::new(runtime.block_on(Place::new())));
    let runtime = AssertUnwindSafe(runtime);
    let mut paths: Vec<String> = ["Get", "Put", "Delete"]
        .map(|method| format!("/tidemark.v1.Kv/{method}"))
        .into();
    paths.extend(
        Method::PEER
            .iter()
            .map(|method| format!("/tidemark.v1.Peer/{method}")),
    );
    bolero::check!()
        .with_iterations(600)
        .with_type::<(u8, u8, Vec<u8>)>()
        .for_each(|(path, shape, bytes)| {
            let path = &paths[usize::from(*path) % paths.len()];
            let body = match shape % 4 {
                // No frame at all, one frame, several, and one that is cut short.
                0 => Bytes::copy_from_slice(bytes),
                1 => framed(0, bytes),
                2 => bytes
                    .chunks(7)
                    .map(|part| framed(0, part))
                    .collect::<Vec<_>>()
                    .concat()
                    .into(),
                _ => {
                    let whole = framed(shape / 4 % 3, bytes);
                    whole.slice(..whole.len() - 1)
                }
            };
            let said = runtime.block_on(place.borrow_mut().say(path, GRPC, body));
            assert!(said.status.is_some(), "{path}: no status");
        });
    runtime.block_on(place.borrow_mut().check());
}

/// If this fails, whoever connects and says anything at all ends the node, or keeps others out.
#[test]
fn whatever_bytes_come_on_a_connection_the_node_goes_on() {
    let runtime = Runtime::new().unwrap();
    let mut place = runtime.block_on(Place::new());
    let address = place.cluster.address(N1).to_owned();
    let runtime = AssertUnwindSafe(runtime);
    bolero::check!()
        .with_iterations(300)
        .with_type::<(u8, Vec<(u8, u8, u32, Vec<u8>)>)>()
        .for_each(|(shape, frames)| {
            let mut bytes = BytesMut::new();
            if shape % 8 > 0 {
                bytes.put_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
                bytes.put_slice(&frame(4, 0, 0, &[]));
            }
            if shape % 8 > 2 {
                bytes.put_slice(&frame(1, 4, 1, &headers()));
            }
            for (kind, flags, stream, payload) in frames.iter().take(8) {
                // Frames of every kind, mostly on streams that are open or may be.
                bytes.put_slice(&frame(kind % 12, *flags, stream % 5, payload));
            }
            if shape % 16 == 15 {
                let last = bytes.len() - 1;
                bytes.truncate(last);
            }
            runtime.block_on(async {
                let mut stream = bounded(TcpStream::connect(&address)).await.unwrap();
                // It may hang up before it has heard all.
                let _ = bounded(stream.write_all(&bytes)).await;
                let _ = stream.shutdown().await;
                let _ = bounded(stream.read_to_end(&mut Vec::new())).await;
            });
        });
    runtime.block_on(place.check());
}

/// A node that holds something, and a client's connection to it.
struct Place {
    cluster: Cluster,
    channel: Channel,
}

/// What the node said.
struct Said {
    http: http::StatusCode,
    status: Option<(Code, String)>,
}

impl Place {
    async fn new() -> Self {
        let replication = json!({ "kind": "strict", "n": 3, "r": 1, "w": 1, "timeout": "50ms" });
        let limits = json!({ "value_bytes": 1_000, "key_bytes": 100 });
        let mut cluster = Cluster::bind(
            json!({ "replication": replication, "limits": limits, "storage": { "kind": "model" } }),
        );
        cluster.start(N1, 1).await;
        cluster.put(N1, put("k", "v")).await.unwrap();
        let channel = cluster.channel(N1);
        Self { cluster, channel }
    }

    async fn say(&mut self, path: &str, kind: &str, body: Bytes) -> Said {
        let request = http::Request::post(format!("http://{}{path}", self.cluster.address(N1)))
            .header("content-type", kind)
            .header("te", "trailers")
            .header("tidemark-from", "n2")
            .body(Body::new(Full::new(body)))
            .unwrap();
        let answer = bounded(async {
            std::future::poll_fn(|context| self.channel.poll_ready(context))
                .await
                .unwrap();
            self.channel.call(request).await
        });
        let (head, body) = answer.await.unwrap().into_parts();
        let trailers = bounded(body.collect()).await.unwrap().trailers().cloned();
        let mut fields = trailers.unwrap_or_default();
        fields.extend(head.headers);
        let text = |name: &str| Some(fields.get(name)?.to_str().ok()?.to_owned());
        let status = text("grpc-status").map(|code| {
            let code = Code::from_i32(code.parse().unwrap());
            (code, text("grpc-message").unwrap_or_default())
        });
        Said {
            http: head.status,
            status,
        }
    }

    /// What was stored is there, and the node takes more.
    async fn check(&mut self) {
        let only_here = |key| GetRequest {
            read_quorum: Some(1),
            ..get(key)
        };
        let read = self.cluster.get(N1, only_here("k")).await.unwrap();
        assert_eq!(values(&read), ["v"]);
        self.cluster.put(N1, put("last", "w")).await.unwrap();
        let read = self.cluster.get(N1, only_here("last")).await.unwrap();
        assert_eq!(values(&read), ["w"]);
        self.cluster.stop_all().await;
    }
}

/// Bytes as one gRPC message, its first byte as given.
fn framed(flag: u8, bytes: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(flag);
    frame.put_u32(bytes.len() as u32);
    frame.put_slice(bytes);
    frame.freeze()
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_uint(payload.len() as u64, 3);
    frame.put_u8(kind);
    frame.put_u8(flags);
    frame.put_u32(stream);
    frame.put_slice(payload);
    frame.freeze()
}

/// The fields that open a call, each as a literal that is never indexed (RFC 7541, §6.2.3).
fn headers() -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", PUT),
        (":authority", "localhost"),
        ("content-type", GRPC),
        ("te", "trailers"),
    ];
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0x10);
        for text in [name, value] {
            block.push(text.len() as u8);
            block.extend(text.as_bytes());
        }
    }
    block
}

const PUT: &str = "/tidemark.v1.Kv/Put";
const GRPC: &str = "application/grpc";
