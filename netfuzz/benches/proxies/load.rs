//! The load: so many calls open at once, or one stream as fast as it goes; and what a turn of it showed.

use crate::side::Side;
use bytes::Bytes;
use hdrhistogram::Histogram;
use std::time::Duration;
use tidemark_netfuzz::timer::now;
use tidemark_proto::wire::kv_client::KvClient;
use tidemark_proto::wire::peer_client::PeerClient;
use tidemark_proto::wire::{Envelope, PutRequest};
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

/// What the client does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// This many unary calls are open at once; each is followed by the next.
    Calls(usize),
    /// One stream of messages, none waiting for an answer.
    Stream,
}

/// What one turn showed.
pub(crate) struct Sample {
    /// Calls, or streamed messages.
    pub(crate) count: u64,
    pub(crate) elapsed: Duration,
    /// Of the proxy.
    pub(crate) processor: Option<Duration>,
    /// Of calls, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Load {
    /// One turn of a side.
    pub(crate) async fn run(self, side: &Side, turn: Duration) -> Sample {
        let address = match self {
            Self::Calls(_) => side.calls,
            Self::Stream => side.streams.unwrap(),
        };
        let channel = Endpoint::from_shared(format!("http://{address}"))
            .unwrap()
            .initial_stream_window_size(2 << 20)
            .initial_connection_window_size(8 << 20)
            .connect()
            .await
            .unwrap();
        let (used, start) = (side.processor(), now());
        let (count, latency) = match self {
            Self::Calls(open) => calls(channel, open, start + turn).await,
            Self::Stream => (stream(channel, start + turn).await, empty()),
        };
        let elapsed = now() - start;
        let processor = side
            .processor()
            .zip(used)
            .map(|(after, before)| after - before);
        Sample {
            count,
            elapsed,
            processor,
            latency,
        }
    }
}

async fn calls(channel: Channel, open: usize, until: Duration) -> (u64, Histogram<u64>) {
    let mut callers = JoinSet::new();
    for _ in 0..open {
        let mut client = KvClient::new(channel.clone());
        callers.spawn(async move {
            let mut latency = empty();
            let mut start = now();
            while start < until {
                let value = Bytes::from_static(&PAYLOAD);
                let put = PutRequest {
                    value,
                    ..PutRequest::default()
                };
                client.put(put).await.unwrap();
                let end = now();
                latency.record((end - start).as_nanos() as u64).unwrap();
                start = end;
            }
            latency
        });
    }
    let mut all = empty();
    while let Some(one) = callers.join_next().await {
        all.add(one.unwrap()).unwrap();
    }
    (all.len(), all)
}

async fn stream(channel: Channel, until: Duration) -> u64 {
    let (sender, count) = std::sync::mpsc::channel();
    let mut sent = 0u64;
    let messages = std::iter::from_fn(move || {
        if sent.is_multiple_of(LOOK) && now() >= until {
            sender.send(sent).unwrap();
            return None;
        }
        sent += 1;
        let body = Bytes::from_static(&PAYLOAD);
        Some(Envelope { checksum: 1, body })
    });
    let stream = tokio_stream::iter(messages);
    // The answer comes when the server has taken in the last message.
    PeerClient::new(channel).store(stream).await.unwrap();
    count.recv().unwrap()
}

fn empty() -> Histogram<u64> {
    Histogram::new(3).unwrap()
}

const PAYLOAD: [u8; 100] = [7; 100];
/// How many messages are sent between two looks at the clock.
const LOOK: u64 = 64;
