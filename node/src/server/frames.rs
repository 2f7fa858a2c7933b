//! The peers' messages on the wire: sealed as they leave, and as they come only cut out, since what is decoded later can be
//! corrupt without an end to its stream.

use bytes::{Buf as _, Bytes};
use prost::Message as _;
use tidemark_proto::message::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Takes messages, or none for a stream's empty answer, and gives bytes.
#[derive(Clone, Copy)]
pub(super) struct Frames;

impl Codec for Frames {
    type Encode = Option<Message>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Frames {
    type Item = Option<Message>;
    type Error = Status;

    fn encode(&mut self, item: Option<Message>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let encoded = item.map_or(Ok(()), |message| message.seal().encode(buffer));
        encoded.map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Frames {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        // A slice would keep the stream's whole receive buffer for as long as a value in it is stored.
        let frame = Bytes::copy_from_slice(buffer.chunk());
        buffer.advance(frame.len());
        Ok(Some(frame))
    }
}
