//! The connection to a link's receiver: dialled when first needed and again whenever it has broken.

use super::body::{Outgoing, cause, reason};
use h2::Reason;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
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
    connection: Option<SendRequest<Outgoing>>,
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
        mut request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, Failure> {
        for last in [false, true] {
            match self.connection().await?.try_send_request(request).await {
                Ok(response) => return Ok(response),
                // The connection had broken unnoticed and took nothing: the call is made on a new one.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !last => {
                        request = unsent;
                        self.state().connection = None;
                    }
                    _ => return Err(failure(&error.into_error())),
                },
            }
        }
        unreachable!("the second attempt returns")
    }

    async fn connection(&self) -> Result<SendRequest<Outgoing>, Failure> {
        if let Some(connection) = self.open() {
            return Ok(connection);
        }
        let _one_at_a_time = self.dialling.lock().await;
        if let Some(connection) = self.open() {
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

    fn open(&self) -> Option<SendRequest<Outgoing>> {
        let state = self.state();
        state
            .connection
            .clone()
            .filter(|connection| !connection.is_closed())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn dial(
    target: &str,
) -> Result<SendRequest<Outgoing>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = Builder::new(TokioExecutor::new())
        .initial_stream_window_size(super::link::STREAM_WINDOW)
        .initial_connection_window_size(super::link::CONNECTION_WINDOW)
        .max_local_error_reset_streams(None)
        .handshake(TokioIo::new(stream))
        .await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection broke");
        }
    });
    Ok(sender)
}

fn failure(error: &hyper::Error) -> Failure {
    match cause(error) {
        Some(cause) if cause.is_reset() => Failure::Reset(reason(error)),
        _ => Failure::Unreachable(error.to_string()),
    }
}

const DIAL: Duration = Duration::from_secs(5);
