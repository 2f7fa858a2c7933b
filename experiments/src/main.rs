//! The program `tidemark`; what it can do is in `command/`.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// Nodes and proxies free on one thread what another has allocated.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    tidemark::command::main()
}
