//! The program `tidemark`; what it can do is in `command/`.

use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;

/// Nodes and proxies free on one thread what another has allocated.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    tidemark::command::main()
}
