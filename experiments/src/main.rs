//! The program `tidemark`; what it can do is in `command/`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tidemark::command::main()
}
