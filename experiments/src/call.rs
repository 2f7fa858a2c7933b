//! One client's call over gRPC, in the core's own words: what is asked, and what came of it.

use std::time::Duration;
use tidemark_node::request::{Code, Refusal, Reply};
use tidemark_proto::message::Method;
use tidemark_proto::wire::forward::Call;
use tidemark_proto::wire::kv_client::KvClient;
use tonic::transport::Channel;

/// Makes the call and waits for its answer, at most so long. `k` is its number on its lane, where the caller counts.
pub async fn call(
    mut kv: KvClient<Channel>,
    call: Call,
    k: Option<u64>,
    timeout: Duration,
) -> Reply {
    let answer = match call {
        Call::Get(get) => {
            let answer = kv.get(dressed(get, k, timeout)).await;
            answer.map(|reply| Reply::Got(reply.into_inner().into()))
        }
        Call::Put(put) => {
            let answer = kv.put(dressed(put, k, timeout)).await;
            answer.map(|reply| Reply::Written(reply.into_inner().into()))
        }
        Call::Delete(delete) => {
            let answer = kv.delete(dressed(delete, k, timeout)).await;
            answer.map(|reply| Reply::Written(reply.into_inner().into()))
        }
    };
    answer.unwrap_or_else(|status| Reply::Refused(refusal(&status)))
}

/// The method by which a call goes out.
#[must_use]
pub fn method(call: &Call) -> Method {
    match call {
        Call::Get(_) => Method::Get,
        Call::Put(_) => Method::Put,
        Call::Delete(_) => Method::Delete,
    }
}

/// A request with its message number and its deadline.
fn dressed<T>(message: T, k: Option<u64>, timeout: Duration) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    if let Some(k) = k {
        request.metadata_mut().insert("tidemark-k", k.into());
    }
    request.set_timeout(timeout);
    request
}

fn refusal(status: &tonic::Status) -> Refusal {
    let code = match status.code() {
        tonic::Code::InvalidArgument => Code::InvalidArgument,
        tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => Code::DeadlineExceeded,
        tonic::Code::ResourceExhausted => Code::ResourceExhausted,
        // Whoever does not know the call has not carried it out.
        tonic::Code::FailedPrecondition | tonic::Code::Unimplemented => Code::FailedPrecondition,
        tonic::Code::DataLoss => Code::DataLoss,
        // Whatever else went wrong on the way, the request may have been carried out.
        _ => Code::Unavailable,
    };
    let message = match status.message() {
        "" => status.code().description(),
        message => message,
    };
    Refusal::new(code, message.to_owned())
}
