//! `orchd completions SHELL`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::failure::Failure;
use super::{Cli, output};

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell, for example: orchd completions bash > /etc/bash_completion.d/orchd
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "orchd", &mut script);
        output::print(&String::from_utf8_lossy(&script))
    }
}
