//! Parses the command line and runs the command.

use std::process::ExitCode;

/// Payloads of some ten kilobytes come and go by the thousand: the system's allocators (musl's above all) are slow at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    orchd::cli::run()
}
