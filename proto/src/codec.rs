//! How messages become bytes in clients and servers: prost's way, with buffers as small as most messages are.

use prost::Message;
use std::marker::PhantomData;
use tonic::codec::{self, BufferSettings};
use tonic_prost::{ProstDecoder, ProstEncoder};

/// Encodes `T` and decodes `U`.
///
/// tonic gives each message of a unary call a buffer of 8 KiB, which costs more than all that is done with it: memory
/// of that size comes from the allocator's slow path.
#[derive(Clone, Copy, Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(buffers())
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(buffers())
    }
}

fn buffers() -> BufferSettings {
    BufferSettings::new(BUFFER, YIELD)
}

/// What is longer makes its buffer grow.
const BUFFER: usize = 1 << 10;
/// A stream's messages leave together up to this length: tonic's own.
const YIELD: usize = 32 << 10;
