//! Three nodes in one process, on real sockets and without a proxy: what clients, peers and tools see of the shell.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cluster;
mod garbage;

use bytes::Bytes;
use cluster::{
    AfterEach, Cluster, KV, N1, N2, N3, NODES, bounded, get, operation, put, stored_by, until,
    values,
};
use serde_json::json;
use tidemark_proto::event::{Event, Outcome};
use tidemark_proto::id::OperationId;
use tidemark_proto::message::{Message, Method};
use tidemark_proto::wire::peer_client::PeerClient;
use tidemark_proto::wire::{
    DeleteRequest, Envelope, Fetch, GetRequest, PutRequest, Store, StoreReply,
};
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

/// A node that could not coordinate, or a link that does not carry, would show here.
#[tokio::test]
async fn every_node_coordinates_writes_and_reads_of_every_key() {
    for storage in ["memory", "model"] {
        let mut cluster = Cluster::bind(json!({ "storage": { "kind": storage } }));
        cluster.start_all().await;
        for writer in NODES {
            let key = format!("by {writer}");
            let put = PutRequest {
                write_quorum: Some(3),
                ..put(&key, "v")
            };
            let written = cluster.put(writer, put).await.unwrap();
            assert_eq!(
                (written.coordinator, written.answered.len()),
                (writer.to_string(), 3)
            );
            for reader in NODES {
                let get = GetRequest {
                    read_quorum: Some(3),
                    ..get(&key)
                };
                let read = cluster.get(reader, get).await.unwrap();
                assert_eq!(
                    (values(&read), read.answered.len()),
                    (vec!["v"], 3),
                    "{reader} {key}"
                );
                assert_eq!(read.coordinator, reader.to_string());
            }
        }
        cluster.stop_all().await;
    }
}

/// A message class that did not cross its link would leave forwarded requests without an answer.
#[tokio::test]
async fn a_request_is_forwarded_to_its_coordinator_and_its_answer_comes_back() {
    let replication = json!({ "kind": "strict", "n": 3, "r": 2, "w": 2, "coordinator": "first" });
    let mut cluster = Cluster::bind(json!({ "replication": replication }));
    cluster.start_all().await;
    let written = cluster.put(N1, put("k", "v")).await.unwrap();
    for reader in NODES {
        let read = cluster.get(reader, get("k")).await.unwrap();
        assert_eq!(
            (values(&read), &read.coordinator),
            (vec!["v"], &written.coordinator)
        );
    }
    cluster.stop_all().await;
}

/// A shell that lost contexts or versions on their way would lose one of two concurrent writes.
#[tokio::test]
async fn blind_puts_are_siblings_until_a_put_with_their_context() {
    let mut cluster = Cluster::bind(json!({}));
    cluster.start_all().await;
    for (node, value) in [(N1, "a"), (N2, "b")] {
        cluster.put(node, put("k", value)).await.unwrap();
    }
    let read = cluster.get(N3, get("k")).await.unwrap();
    assert_eq!(values(&read), ["a", "b"]);
    let merged = PutRequest {
        context: read.context,
        return_siblings: true,
        ..put("k", "ab")
    };
    let written = cluster.put(N3, merged).await.unwrap();
    assert_eq!(written.siblings.len(), 1);
    let read = cluster.get(N1, get("k")).await.unwrap();
    assert_eq!((values(&read), &read.clock), (vec!["ab"], &written.clock));
    cluster.stop_all().await;
}

/// A delete that did not reach the store, or reached another call's arm, would leave the key found.
#[tokio::test]
async fn a_deleted_key_is_not_found_and_still_has_a_context() {
    let mut cluster = Cluster::bind(json!({}));
    cluster.start_all().await;
    cluster.put(N1, put("k", "v")).await.unwrap();
    let delete = DeleteRequest {
        key: "k".to_owned(),
        ..DeleteRequest::default()
    };
    cluster.kv(N2).delete(delete).await.unwrap();
    let read = cluster.get(N3, get("k")).await.unwrap();
    assert!(!read.found && read.versions.is_empty() && !read.context.is_empty());
    let never_written = cluster.get(N3, get("other")).await.unwrap();
    assert!(!never_written.found && never_written.context.is_empty());
    cluster.stop_all().await;
}

/// A refusal under the wrong status, or without its reason, would send people looking in the wrong place.
#[tokio::test]
async fn every_refusal_has_its_status_and_its_reason() {
    let mut cluster = Cluster::bind(json!({ "limits": { "value_bytes": 10, "key_bytes": 10 } }));
    cluster.start_all().await;
    let foreign = PutRequest {
        context: "not ours".into(),
        ..put("k", "v")
    };
    let corrupt = PutRequest {
        checksum: Some(1),
        ..put("k", "v")
    };
    let greedy = PutRequest {
        write_quorum: Some(4),
        ..put("k", "v")
    };
    for (request, code, reason) in [
        (put("", "v"), Code::InvalidArgument, "the key is empty"),
        (
            put("12345678901", "v"),
            Code::InvalidArgument,
            "11 bytes; at most 10",
        ),
        (
            put("k", "12345678901"),
            Code::InvalidArgument,
            "11 bytes; at most 10",
        ),
        (greedy, Code::InvalidArgument, "write_quorum is 4"),
        (foreign, Code::InvalidArgument, "context"),
        (corrupt, Code::DataLoss, "checksum"),
    ] {
        let status = cluster.put(N1, request).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(reason), "{status}");
    }
    let refused = GetRequest {
        read_quorum: Some(0),
        ..get("k")
    };
    let status = cluster.get(N1, refused).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    cluster.stop_all().await;
}

/// A node that kept clients waiting for the dead, or took on more than its limit, would show here.
#[tokio::test]
async fn too_few_replicas_end_in_a_deadline_and_one_request_too_many_is_refused() {
    let mut cluster = Cluster::bind(json!({ "limits": { "requests": 1 } }));
    cluster.start(N1, 1).await;
    let unknown = PutRequest {
        operation: operation(1).bits(),
        ..put("k", "v")
    };
    let mut kv = cluster.kv(N1);
    let unknown = tokio::spawn(async move { kv.put(unknown).await });
    cluster
        .sees(N1, |event| stored_by(event, operation(1)))
        .await;
    let status = cluster.get(N1, get("k")).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let status = unknown.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    assert!(status.message().contains("1 of 3 replicas"), "{status}");
    cluster.stop_all().await;
}

/// What is asked by hand could not be judged if no history had it; what a client of the run asks would count twice.
#[tokio::test]
async fn what_names_no_operation_is_named_and_noted_with_what_came_of_it() {
    let mut cluster = Cluster::bind(json!({}));
    cluster.start(N1, 2).await;
    cluster.put(N1, numbered(1)).await.unwrap();
    let by_hand = |value: &str, quorum, context: &Bytes| PutRequest {
        write_quorum: Some(quorum),
        context: context.clone(),
        ..put("k", value)
    };
    let blind = by_hand("a", 1, &Bytes::new());
    let first = cluster.put(N1, blind).await.unwrap();
    for quorum in [1, 3, 9] {
        let answer = by_hand("b", quorum, &first.context);
        assert_eq!(cluster.put(N1, answer).await.is_ok(), quorum == 1);
    }
    let read = GetRequest {
        read_quorum: Some(1),
        ..get("k")
    };
    cluster.get(N1, read).await.unwrap();
    cluster.get(N1, get("k")).await.unwrap_err();

    let named = |number| OperationId::new(N1, 2u64 << 32 | number);
    let (writes, ends) = cluster.by_hand(N1);
    let first = Some(named(1));
    let begun = [
        (named(1), None),
        (named(2), first),
        (named(3), first),
        (named(4), first),
    ];
    assert_eq!(writes, begun);
    let expected = [
        (named(1), Outcome::Ok, vec![]),
        (named(2), Outcome::Ok, vec![]),
        (named(3), Outcome::Unknown, vec![]),
        (named(4), Outcome::Failed, vec![]),
        (named(5), Outcome::Ok, vec![named(2), named(3)]),
        (named(6), Outcome::Failed, vec![]),
    ];
    assert_eq!(ends, expected);
    cluster.stop_all().await;
}

/// grpcurl asks one of the two reflection services and describes what it finds: a node must answer both.
#[tokio::test]
async fn tools_find_the_service_by_reflection_and_its_health() {
    let mut cluster = Cluster::bind(json!({}));
    cluster.start(N1, 1).await;
    let channel = cluster.channel(N1);
    macro_rules! assert_lists_kv {
        ($version:ident) => {
            use $version::server_reflection_request::MessageRequest;
            use $version::server_reflection_response::MessageResponse;
            let ask = |message| $version::ServerReflectionRequest {
                host: String::new(),
                message_request: Some(message),
            };
            let requests = [
                ask(MessageRequest::ListServices(String::new())),
                ask(MessageRequest::FileContainingSymbol(KV.to_owned())),
            ];
            let mut client =
                $version::server_reflection_client::ServerReflectionClient::new(channel.clone());
            let answers = client.server_reflection_info(tokio_stream::iter(requests));
            let mut answers = answers.await.unwrap().into_inner();
            match answers.message().await.unwrap().unwrap().message_response {
                Some(MessageResponse::ListServicesResponse(list)) => {
                    assert!(
                        list.service.iter().any(|service| service.name == KV),
                        "{list:?}"
                    );
                }
                other => panic!("{other:?}"),
            }
            match answers.message().await.unwrap().unwrap().message_response {
                Some(MessageResponse::FileDescriptorResponse(files)) => {
                    assert!(!files.file_descriptor_proto.is_empty());
                }
                other => panic!("{other:?}"),
            }
        };
    }
    {
        assert_lists_kv!(v1);
    }
    {
        assert_lists_kv!(v1alpha);
    }
    for service in ["", KV] {
        assert_eq!(
            cluster.health(N1, service).await.unwrap(),
            "SERVING",
            "{service:?}"
        );
    }
    cluster.stop_all().await;
}

/// A link that gave up on a node that was down once would make a crash last for the rest of the run.
#[tokio::test]
async fn messages_flow_again_whenever_a_node_comes_back() {
    let mut cluster = Cluster::bind(json!({}));
    cluster.start(N1, 1).await;
    let mut sequence = 0;
    for life in 1..=3 {
        sequence += 1;
        cluster.put(N1, numbered(sequence)).await.unwrap();
        cluster.start(N2, life).await;
        let flows = async {
            let stored = |event: &Event| matches!(event, Event::Stored(_));
            while !cluster.nodes[&N2].events().iter().any(stored) {
                sequence += 1;
                cluster.put(N1, numbered(sequence)).await.unwrap();
            }
        };
        bounded(flows).await;
        cluster.stop(N2).await;
    }
    let numbers = cluster.numbers(N1, N2, Method::Store);
    assert!(
        numbers.values().copied().eq(1..=numbers.len() as u64),
        "{numbers:?}"
    );
    cluster.stop_all().await;
}

/// A stream that opened with another number than its first message's would join every message with a wrong fate.
#[tokio::test]
async fn a_stream_opens_with_the_number_of_its_first_message() {
    let mut cluster = Cluster::bind(json!({}));
    let fake = cluster.fake(N2, AfterEach::Close).await;
    cluster.start(N1, 1).await;
    let three_streams = async {
        let mut sequence = 0;
        while fake.seen().len() < 3 {
            sequence += 1;
            cluster.put(N1, numbered(sequence)).await.unwrap();
        }
    };
    bounded(three_streams).await;
    let numbers = cluster.numbers(N1, N2, Method::Store);
    for (from, k, store) in fake.seen().iter() {
        assert_eq!(from, "n1");
        assert_eq!(
            numbers.get(&OperationId::from_bits(store.operation)),
            Some(k)
        );
    }
    cluster.stop_all().await;
}

/// A queue without a bound would grow until the node dies of a peer that is down.
#[tokio::test]
async fn a_full_queue_to_a_dead_peer_drops_and_says_so() {
    let mut cluster = Cluster::bind(json!({ "limits": { "queue": 1 } }));
    cluster.start(N1, 1).await;
    let dropped = |event: &Event| {
        matches!(event, Event::Refused { reason, .. }
            if reason == "a Store message to n2 was dropped: 1 wait")
    };
    // A dial that fails empties the queue: two messages must come between two dials.
    for _ in 0..100 {
        cluster.put(N1, numbered(1)).await.unwrap();
        if cluster.nodes[&N1].events().iter().any(dropped) {
            break;
        }
    }
    cluster.sees(N1, dropped).await;
    cluster.stop_all().await;
}

/// A corrupt message that was stored would poison the data; one that ended its stream would lose those behind it.
#[tokio::test]
async fn a_corrupt_envelope_is_refused_and_the_stream_goes_on() {
    let mut cluster = Cluster::bind(json!({}));
    cluster.start(N1, 1).await;
    let good = Message::Fetch(Fetch {
        request: 1,
        key: "k".into(),
        operation: operation(2).bits(),
        digest: false,
        roll: 0,
    });
    let corrupt = Envelope {
        checksum: 1,
        ..good.seal()
    };
    let mut peer = PeerClient::new(cluster.channel(N1));
    let envelopes = || tokio_stream::iter([corrupt.clone(), good.seal()]);
    peer.fetch(from("n2", envelopes())).await.unwrap();
    let received = |event: &Event| {
        matches!(event, Event::Received { operation: of, from: N2, .. }
            if *of == operation(2))
    };
    cluster.sees(N1, received).await;
    let refused = |event: &&Event| {
        matches!(event, Event::Refused { reason, .. }
            if reason == "from n2: a Fetch message does not match its checksum")
    };
    assert_eq!(
        cluster.nodes[&N1].events().iter().filter(refused).count(),
        1
    );
    for stranger in ["n9", "n1", "nobody"] {
        let status = peer.fetch(from(stranger, envelopes())).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(
            status.message().contains("choose one of: n2, n3"),
            "{status}"
        );
    }
    cluster.stop_all().await;
}

/// A node that hung up on shutdown would turn every write in flight into one of unknown outcome.
#[tokio::test]
async fn shutdown_refuses_new_calls_and_answers_those_in_flight() {
    let mut cluster = Cluster::bind(json!({}));
    let fake = cluster.fake(N2, AfterEach::GoOn).await;
    cluster.start(N1, 1).await;
    let (mut kv, mut peer) = (cluster.kv(N1), PeerClient::new(cluster.channel(N1)));
    let in_flight = PutRequest {
        timeout_ms: Some(60_000),
        ..put("k", "v")
    };
    let in_flight = tokio::spawn(async move { kv.put(in_flight).await });
    until(|| !fake.seen().is_empty()).await;
    let mut channel = HealthClient::new(cluster.channel(N1));
    let check = || HealthCheckRequest {
        service: KV.to_owned(),
    };
    channel.check(check()).await.unwrap();
    let mut late = cluster.kv(N1);
    late.get(GetRequest {
        read_quorum: Some(1),
        ..get("k")
    })
    .await
    .unwrap();

    cluster.nodes.get_mut(&N1).unwrap().shut_down();
    let stops = async {
        while channel
            .check(check())
            .await
            .unwrap()
            .into_inner()
            .status()
            .as_str_name()
            == "SERVING"
        {}
    };
    bounded(stops).await;
    let status = late.get(get("k")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    let Store {
        request, operation, ..
    } = fake.seen()[0].2;
    let reply = Message::StoreReply(StoreReply {
        request,
        operation,
        refusal: None,
        durable: true,
    });
    peer.store_reply(from("n2", tokio_stream::iter([reply.seal()])))
        .await
        .unwrap();
    let written = in_flight.await.unwrap().unwrap().into_inner();
    assert_eq!(written.answered, ["n1", "n2"]);
    cluster.stop_all().await;
}

/// A put that its coordinator's own acknowledgement completes.
fn numbered(sequence: u64) -> PutRequest {
    PutRequest {
        write_quorum: Some(1),
        operation: operation(sequence).bits(),
        ..put(&format!("k{sequence}"), "v")
    }
}

/// What a peer of this name opens its stream with.
fn from<S>(sender: &str, stream: S) -> Request<S> {
    let mut request = Request::new(stream);
    request
        .metadata_mut()
        .insert("tidemark-from", sender.parse().unwrap());
    request
}
