//! The connection to a link's receiver: dialled when first needed and again whenever it has broken.

use super::body::{Outgoing, reason};
use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;

/// Where a link leads.
pub(super) struct Upstream {
    state: Mutex<State>,
    dialling: tokio::sync::Mutex<()>,
}

struct State {
    target: String,
    connection: Option<SendRequest<Bytes>>,
}

/// Why there is no response.
pub(super) enum Failure {
    /// The receiver cannot be reached, or went away.
    Unreachable(String),
    /// The receiver reset the call.
    Reset(Reason),
}

impl Failure {
    /// The call ended with the proxy.
    pub(super) fn gone() -> Self {
        Self::Unreachable("the proxy is shutting down".to_owned())
    }
}

impl Upstream {
    /// Leads to `target`, host:port.
    pub(super) fn new(target: String) -> Self {
        Self {
            state: Mutex::new(State {
                target,
                connection: None,
            }),
            dialling: tokio::sync::Mutex::new(()),
        }
    }

    /// Leads to `target` from now on; calls that are open stay where they are.
    pub(super) fn redirect(&self, target: String) {
        let mut state = self.state();
        if state.target != target {
            *state = State {
                target,
                connection: None,
            };
        }
    }

    /// Makes the call.
    pub(super) async fn send(
        &self,
        request: Request<Outgoing>,
    ) -> Result<Response<RecvStream>, Failure> {
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts, ());
        let mut connection = self.connection().await?;
        let (response, stream) =
            connection
                .send_request(request, body.is_empty())
                .map_err(|error| {
                    self.forget();
                    failure(&error)
                })?;
        if !body.is_empty() {
            body.send(stream);
        }
        response.await.map_err(|error| failure(&error))
    }

    /// A connection that takes calls.
    async fn connection(&self) -> Result<SendRequest<Bytes>, Failure> {
        if let Some(connection) = self.open().await {
            return Ok(connection);
        }
        let _one_at_a_time = self.dialling.lock().await;
        if let Some(connection) = self.open().await {
            return Ok(connection);
        }
        let target = self.state().target.clone();
        let unreachable = |why: String| Failure::Unreachable(format!("{target}: {why}"));
        let connection = tokio::time::timeout(DIAL, dial(&target))
            .await
            .map_err(|_| unreachable("no answer".to_owned()))?
            .map_err(|error| unreachable(error.to_string()))?;
        let mut state = self.state();
        if state.target == target {
            state.connection = Some(connection.clone());
        }
        Ok(connection)
    }

    /// The connection that there is, unless it has broken.
    async fn open(&self) -> Option<SendRequest<Bytes>> {
        let connection = self.state().connection.clone()?;
        connection.ready().await.ok()
    }

    fn forget(&self) {
        self.state().connection = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn dial(
    target: &str,
) -> Result<SendRequest<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = Builder::new()
        .initial_window_size(super::link::STREAM_WINDOW)
        .initial_connection_window_size(super::link::CONNECTION_WINDOW)
        .max_header_list_size(super::link::HEADER_BYTES)
        .max_send_buffer_size(SEND_BUFFER)
        .max_local_error_reset_streams(None)
        .enable_push(false)
        .handshake(stream)
        .await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection broke");
        }
    });
    Ok(sender)
}

fn failure(error: &h2::Error) -> Failure {
    if error.is_reset() {
        Failure::Reset(reason(error))
    } else {
        Failure::Unreachable(error.to_string())
    }
}

const DIAL: Duration = Duration::from_secs(5);
/// The bytes of a body that wait for the socket.
const SEND_BUFFER: usize = 1 << 20;
