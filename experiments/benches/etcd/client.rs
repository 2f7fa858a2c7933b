//! Unary gRPC calls straight over HTTP/2, since whatever the client uses of a shared machine no store can use.

use anyhow::{Context as _, bail, ensure};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE};
use http::{Method, Request, Uri};
use prost::Message;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

/// One connection, dialled when it is first needed.
pub(crate) struct Client {
    address: SocketAddr,
    connection: OnceCell<SendRequest<Bytes>>,
}

/// A method, as an address of the store it is called at.
#[derive(Clone)]
pub(crate) struct Call(Uri);

impl Call {
    pub(crate) fn new(path: &'static str) -> anyhow::Result<Self> {
        Ok(Self(format!("http://store{path}").parse()?))
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connection: OnceCell::new(),
        }
    }

    /// Makes a call.
    pub(crate) async fn call<A: Message + Default>(
        &self,
        call: &Call,
        message: &impl Message,
    ) -> anyhow::Result<A> {
        let connection = self.connection.get_or_try_init(|| self.dial()).await?;
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = call.0.clone();
        let headers = request.headers_mut();
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let mut connection = connection.clone().ready().await?;
        let (response, mut body) = connection.send_request(request, false)?;
        body.send_data(framed(message)?, true)?;
        let (head, body) = response.await?.into_parts();
        answered(&head.headers, body).await
    }

    async fn dial(&self) -> anyhow::Result<SendRequest<Bytes>> {
        let socket = TcpStream::connect(self.address).await?;
        socket.set_nodelay(true)?;
        let (sender, connection) = Builder::new()
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .handshake(socket)
            .await?;
        // If it breaks, so do the calls on it.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// A message as gRPC frames it: a byte that says that it is not compressed, and its length.
fn framed(message: &impl Message) -> anyhow::Result<Bytes> {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length)?);
    message.encode(&mut frame)?;
    Ok(frame.freeze())
}

/// The message of an answer whose status is good.
async fn answered<A: Message + Default>(
    head: &HeaderMap,
    mut body: RecvStream,
) -> anyhow::Result<A> {
    let mut frame = BytesMut::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        frame.extend_from_slice(&part);
    }
    let end = body.trailers().await?;
    let status = |name| {
        end.as_ref()
            .and_then(|end| end.get(name))
            .or(head.get(name))
    };
    let code = status("grpc-status").context("an answer has no status")?;
    if code != "0" {
        let why = status("grpc-message").map(HeaderValue::as_bytes);
        let why = String::from_utf8_lossy(why.unwrap_or_default());
        bail!("status {code:?}: {why}");
    }
    ensure!(frame.len() >= PREFIX, "an answer has no message");
    frame.advance(PREFIX);
    Ok(A::decode(frame.freeze())?)
}

/// The bytes before a message.
const PREFIX: usize = 5;
/// So much may be on its way to the client: more than ever is.
const WINDOW: u32 = 1 << 24;
