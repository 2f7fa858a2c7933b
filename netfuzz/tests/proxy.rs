//! The proxy between real clients and servers: what passes unchanged, and what each fate does to a call.
#![cfg(feature = "proxy")]
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod harness;

use bytes::Bytes;
use harness::{Proxy, echo, listener};
use serde_json::json;
use std::time::Duration;
use tidemark_proto::event::{Direction, Verdict};
use tidemark_proto::wire::kv_client::KvClient;
use tidemark_proto::wire::peer_client::PeerClient;
use tidemark_proto::wire::{
    DeleteRequest, Envelope, GetRequest, HealRequest, LoadRequest, OpenRequest, PutRequest,
    StatusRequest,
};
use tonic::transport::Channel;
use tonic::{Code, Request};

fn put(key: &str, k: Option<u64>) -> Request<PutRequest> {
    let mut request = Request::new(PutRequest {
        key: key.to_owned(),
        ..PutRequest::default()
    });
    if let Some(k) = k {
        request.metadata_mut().insert("tidemark-k", k.into());
    }
    request
}

fn store(
    bodies: &[&'static str],
    k: u64,
) -> Request<tokio_stream::Iter<std::vec::IntoIter<Envelope>>> {
    let envelope = |body: &&'static str| Envelope {
        checksum: 0,
        body: Bytes::from_static(body.as_bytes()),
    };
    let envelopes: Vec<_> = bodies.iter().map(envelope).collect();
    let mut request = Request::new(tokio_stream::iter(envelopes));
    request.metadata_mut().insert("tidemark-k", k.into());
    request
}

async fn client(address: &str) -> KvClient<Channel> {
    KvClient::connect(format!("http://{address}"))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_unary_call_passes_and_is_journalled_both_ways() {
    let (upstream, address) = listener().await;
    let (_server, mut seen) = echo(upstream);
    let mut proxy = Proxy::start().await;
    let mut client = client(&proxy.open("c1", "n1", address, false).await).await;
    let reply = client
        .put(put("with a number", Some(41)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(reply.coordinator, "with a number");
    assert_eq!(seen.recv().await.unwrap(), "with a number");
    client.put(put("without", None)).await.unwrap();
    let passages = proxy.passages(4).await;
    let brief: Vec<_> = passages
        .iter()
        .map(|p| (&*p.method, p.direction, p.k))
        .collect();
    let (request, response) = (Direction::Request, Direction::Response);
    let expected = [
        ("Put", request, 1),
        ("Put", request, 41),
        ("Put", response, 1),
        ("Put", response, 41),
    ];
    assert_eq!(brief, expected);
    for passage in &passages {
        assert_eq!(
            (passage.from.to_string(), passage.to.to_string()),
            ("c1".into(), "n1".into())
        );
        assert_eq!(passage.verdict, Verdict::Delivered);
        assert!(passage.achieved.is_some() && passage.intended.is_zero() && passage.size > 0);
        assert!(passage.rules.is_empty() && !passage.faulty);
    }
}

#[tokio::test]
async fn statuses_trailers_and_deadlines_pass_unchanged() {
    let (upstream, address) = listener().await;
    let (_server, _seen) = echo(upstream);
    let mut proxy = Proxy::start().await;
    let mut client = client(&proxy.open("c1", "n1", address, false).await).await;
    let get = GetRequest {
        key: "k".to_owned(),
        ..GetRequest::default()
    };
    let status = client.get(get).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "no k"));
    assert_eq!(
        status.metadata().get("why").unwrap(),
        "an echo holds nothing"
    );
    let mut request = put("k", None);
    request.set_timeout(Duration::from_secs(30));
    let reply = client.put(request).await.unwrap();
    assert_eq!(reply.metadata().get("timeout").unwrap(), "30000000u");
    let mut endless = Request::new(DeleteRequest::default());
    endless.set_timeout(Duration::from_millis(50));
    let status = client.delete(endless).await.unwrap_err();
    assert!(
        matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{status}"
    );
}

#[tokio::test]
async fn a_lost_answer_leaves_the_call_open_until_the_deadline() {
    let (upstream, address) = listener().await;
    let (_server, mut seen) = echo(upstream);
    let mut proxy = Proxy::start().await;
    let mut client = client(&proxy.open("c1", "n1", address, false).await).await;
    proxy
        .load(json!([{ "direction": "response", "loss": 1 }]), json!([]))
        .await;
    let mut request = put("seen", Some(1));
    request.set_timeout(Duration::from_millis(500));
    let status = client.put(request).await.unwrap_err();
    assert!(
        matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{status}"
    );
    assert_eq!(seen.recv().await.unwrap(), "seen");
    let passages = proxy.passages(2).await;
    let verdicts: Vec<_> = passages
        .iter()
        .map(|p| (p.verdict, p.achieved.is_some()))
        .collect();
    assert_eq!(
        verdicts,
        [(Verdict::Delivered, true), (Verdict::Lost, false)]
    );
    assert_eq!(passages[1].rules, "loss-1");
}

#[tokio::test]
async fn a_lost_request_reaches_nobody_and_healing_ends_the_loss() {
    let (upstream, address) = listener().await;
    let (_server, mut seen) = echo(upstream);
    let mut proxy = Proxy::start().await;
    let mut client = client(&proxy.open("c1", "n1", address, false).await).await;
    let cut = json!({ "isolate": "n1", "clients": true });
    let fault = json!([{ "name": "cut", "at": "0s", "for": "1h", "partition": cut }]);
    proxy.load(json!([]), fault).await;
    let mut request = put("lost", Some(1));
    request.set_timeout(Duration::from_millis(100));
    client.put(request).await.unwrap_err();
    let status = proxy
        .control
        .status(StatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (status.messages, status.lost, status.in_force),
        (1, 1, vec!["cut".to_owned()])
    );
    proxy.control.heal(HealRequest {}).await.unwrap();
    client.put(put("healed", Some(2))).await.unwrap();
    assert_eq!(seen.recv().await.unwrap(), "healed");
    let status = proxy
        .control
        .status(StatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(status.in_force.is_empty(), "{status:?}");
    assert!(proxy.passages(1).await[0].faulty);
}

#[tokio::test]
async fn a_request_under_way_arrives_though_the_caller_gave_up() {
    let (upstream, address) = listener().await;
    let (_server, mut seen) = echo(upstream);
    let mut proxy = Proxy::start().await;
    let mut client = client(&proxy.open("c1", "n1", address, false).await).await;
    let slow = json!({ "constant": "150ms" });
    proxy
        .load(
            json!([{ "direction": "request", "latency": slow }]),
            json!([]),
        )
        .await;
    let mut request = put("late", Some(1));
    request.set_timeout(Duration::from_millis(50));
    client.put(request).await.unwrap_err();
    assert_eq!(seen.recv().await.unwrap(), "late");
    let passage = &proxy.passages(1).await[0];
    assert_eq!(passage.intended, Duration::from_millis(150));
    assert!(passage.achieved.unwrap() >= passage.intended);
}

#[tokio::test]
async fn an_upstream_that_is_down_is_unavailable_at_once_and_dialled_again() {
    let (first, address) = listener().await;
    let (server, _seen) = echo(first);
    let mut proxy = Proxy::start().await;
    let link = proxy.open("c1", "n1", address, false).await;
    let mut client = client(&link).await;
    client.put(put("up", None)).await.unwrap();
    drop(server);
    let status = loop {
        if let Err(status) = client.put(put("down", None)).await {
            break status;
        }
    };
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    let (second, address) = listener().await;
    let (server, _seen) = echo(second);
    assert_eq!(
        proxy.open("c1", "n1", address, false).await,
        link,
        "a link keeps its address"
    );
    client.put(put("moved", None)).await.unwrap();
    drop(server);
    while client.put(put("down again", None)).await.is_ok() {}
    let third = tokio::net::TcpListener::bind(address).await.unwrap();
    let (_server, _seen) = echo(third);
    client.put(put("back in its place", None)).await.unwrap();
}

#[tokio::test]
async fn streamed_messages_overtake_only_where_each_is_on_its_own() {
    for (datagram, expected) in [
        (true, ["1", "3", "5", "2", "4", "6"]),
        (false, ["1", "2", "3", "4", "5", "6"]),
    ] {
        let (upstream, address) = listener().await;
        let (_server, mut seen) = echo(upstream);
        let mut proxy = Proxy::start().await;
        let link = proxy.open("n1", "n2", address, datagram).await;
        let slow = json!({ "constant": "150ms" });
        proxy
            .load(
                json!([{ "methods": ["Store"], "every": 2, "latency": slow }]),
                json!([]),
            )
            .await;
        let mut client = PeerClient::connect(format!("http://{link}")).await.unwrap();
        client
            .store(store(&["1", "2", "3", "4", "5", "6"], 101))
            .await
            .unwrap();
        let mut order = Vec::new();
        for _ in 0..6 {
            order.push(seen.recv().await.unwrap());
        }
        assert_eq!(order, expected, "datagram {datagram}");
        let numbers: Vec<_> = proxy.passages(6).await.iter().map(|p| p.k).collect();
        assert_eq!(numbers, [101, 102, 103, 104, 105, 106]);
    }
}

#[tokio::test]
async fn a_lost_streamed_message_is_skipped_and_its_number_is_not() {
    let (upstream, address) = listener().await;
    let (_server, mut seen) = echo(upstream);
    let mut proxy = Proxy::start().await;
    let link = proxy.open("n1", "n2", address, true).await;
    proxy
        .load(json!([{ "every": 3, "loss": 1 }]), json!([]))
        .await;
    let mut client = PeerClient::connect(format!("http://{link}")).await.unwrap();
    client.store(store(&["1", "2", "3", "4"], 1)).await.unwrap();
    client.store(store(&["5", "6", "7"], 5)).await.unwrap();
    let mut arrived = Vec::new();
    for _ in 0..5 {
        arrived.push(seen.recv().await.unwrap());
    }
    assert_eq!(arrived, ["1", "2", "4", "5", "7"]);
    let passages = proxy.passages(7).await;
    let lost: Vec<_> = passages
        .iter()
        .filter(|p| p.verdict == Verdict::Lost)
        .map(|p| p.k)
        .collect();
    assert_eq!((passages.len(), lost), (7, vec![3, 6]));
}

#[tokio::test]
async fn what_cannot_be_opened_or_loaded_is_refused_by_name() {
    let mut proxy = Proxy::start().await;
    let link = tidemark_proto::wire::Link {
        from: "m1".to_owned(),
        ..Default::default()
    };
    let status = proxy
        .control
        .open(OpenRequest { links: vec![link] })
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(
        status.message().contains("\"m1\" names no participant"),
        "{status}"
    );
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let link = tidemark_proto::wire::Link {
        from: "c1".to_owned(),
        to: "n1".to_owned(),
        port: port.into(),
        ..Default::default()
    };
    let status = proxy
        .control
        .open(OpenRequest { links: vec![link] })
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
    let named = format!("c1 -> n1 cannot listen on 127.0.0.1:{port}");
    assert!(status.message().contains(&named), "{status}");
    for (rules, part) in [
        (
            json!({ "participants": ["n1"], "network": [{ "loss": 3 }] }),
            "network \"loss-1\": loss.probability is 3",
        ),
        (
            json!({ "participants": ["n1"], "fault": [{ "los": 3 }] }),
            "unknown key \"los\"",
        ),
    ] {
        let request = LoadRequest {
            rules_json: rules.to_string(),
            seed: 1,
            epoch_ns: 0,
        };
        let status = proxy.control.load(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(part), "{status}");
    }
}
