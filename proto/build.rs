//! Compiles the `.proto` files with protox, so that no protoc has to be installed.

use prost::Message as _;
use std::error::Error;
use std::path::PathBuf;

const FILES: [&str; 6] = [
    "kv.proto",
    "peer.proto",
    "observer.proto",
    "netfuzz.proto",
    "cluster.proto",
    "members.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let rpc = std::env::var_os("CARGO_FEATURE_RPC").is_some();
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let descriptors = protox::compile(FILES, ["."])?;
    std::fs::write(out.join("tidemark.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_client(rpc)
        .build_server(rpc)
        .bytes(".")
        .codec_path("crate::codec::Codec")
        .compile_fds(descriptors)?;
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    Ok(())
}
