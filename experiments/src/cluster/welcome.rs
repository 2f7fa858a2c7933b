//! What is said when a cluster is up: where it is dialled, and lines to paste into another terminal.

use super::UpRequest;
use crate::plan::Plan;
use crate::record::ClusterRecord;
use crate::run::quoted;
use std::fmt::Write as _;
use std::path::Path;
use tidemark_node::config::partitioner;
use tidemark_proto::id::NodeId;

/// The whole text. The lines are about one key: one of its replicas writes it, another reads it.
pub(super) fn text(
    request: &UpRequest,
    plan: &Plan,
    up: &ClusterRecord,
    left_out: usize,
) -> anyhow::Result<String> {
    let mut text = format!("{} is up, and no load runs.", up.plan);
    if left_out > 0 {
        let these = if left_out == 1 { "fault" } else { "faults" };
        write!(
            text,
            " The plan's {these} will not happen: break it yourself."
        )?;
    }
    text += "\n\n";
    for (node, address) in &up.nodes {
        writeln!(text, "  {:<8} {address}", node.to_string())?;
    }
    writeln!(text, "  control  {}", up.control)?;

    let replicas = partitioner(&plan.config())?;
    let replicas = replicas.preference(KEY.as_bytes(), plan.replicas());
    let names: Vec<String> = replicas.iter().map(NodeId::to_string).collect();
    let (first, last) = match (replicas.first(), replicas.last()) {
        (Some(first), Some(last)) => (*first, *last),
        _ => (NodeId::node(1), NodeId::node(1)),
    };
    let address = |node: &NodeId| up.nodes.get(node).cloned().unwrap_or_default();
    let (writer, reader) = (address(&first), address(&last));
    writeln!(
        text,
        "
In another terminal, with any gRPC client (values are base64; the key {KEY:?} rests on {}):

  grpcurl -plaintext {writer} list
  grpcurl -plaintext -d '{{\"key\": \"{KEY}\", \"value\": \"djE=\"}}' {writer} tidemark.v1.Kv/Put
  grpcurl -plaintext -d '{{\"key\": \"{KEY}\"}}' {reader} tidemark.v1.Kv/Get
  buf curl --protocol grpc --http2-prior-knowledge -d '{{\"key\": \"{KEY}\"}}' http://{reader}/tidemark.v1.Kv/Get

or with tidemark itself: write, cut {last} off, write again, and read the old value from {last}:
",
        names.join(", ")
    )?;
    let out = match &request.out {
        out if out == Path::new(DEFAULT_OUT) => String::new(),
        out => format!(" --out {}", quoted(&out.display().to_string())),
    };
    let program = program();
    for words in [
        format!("put{out} {KEY} v1 --node {first}"),
        format!("cluster fault{out} 'partition = {{ isolate = \"{last}\" }}'"),
        format!("put{out} {KEY} v2 --node {first}"),
        format!("get{out} {KEY} --node {last}"),
        format!("cluster heal{out}"),
        format!("cluster status{out}"),
    ] {
        writeln!(text, "  {program} {words}")?;
    }
    writeln!(
        text,
        "
Ctrl-C here, or `{program} cluster down{out}` there, ends it and writes {}.
It ends by itself after {}.",
        up.folder.display(),
        request.length
    )?;
    Ok(text)
}

/// How a shell finds this program: by its name if that is in one of its folders, else by where it is.
fn program() -> String {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&folders).any(|folder| folder.join(PROGRAM).is_file()) {
        return PROGRAM.to_owned();
    }
    let here = std::env::current_dir().unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_else(|_| PROGRAM.into());
    let nearer = program.strip_prefix(&here).unwrap_or(&program);
    quoted(&nearer.display().to_string())
}

const PROGRAM: &str = "tidemark";
const KEY: &str = "k";
/// Where results go if nothing else is said.
pub(crate) const DEFAULT_OUT: &str = "results";
