//! `orchd-fake`: the fake GitHub as a process of its own, sample payloads, and a small sender of deliveries.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a command-line program")]

mod cli;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "orchd-fake", about = "A simulated GitHub for trying and testing orchd")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the simulated GitHub, and play a story on it
    Github(cli::github::Options),
    /// Write sample payloads, one file each
    Payloads(cli::payloads::Options),
    /// Post signed deliveries and measure the answers
    Send(cli::send::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Github(options) => cli::github::run(options).await,
        Command::Payloads(options) => cli::payloads::run(&options),
        Command::Send(options) => cli::send::run(options).await,
    }
}
