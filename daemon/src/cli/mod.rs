//! The command line: one file a command.
//!
//! Owns what a person types and reads. Everything but `serve`, `setup`, `config`, `check`, `doctor`, `backup`, `restore` and
//! `migrate` asks the running daemon, over its admin socket or from afar with a key. Nothing here opens the database: `doctor` has the
//! store look at it, and the last three, which must work without a daemon, have the store do their work. Invariant: text that
//! came from outside reaches no terminal with control characters in it.

mod audit;
mod backtest;
mod backup;
mod check;
mod ci;
mod completions;
mod config;
mod connection;
mod daemon;
pub(crate) mod doctor;
mod effects;
mod events;
mod failure;
mod git;
mod guards;
mod health;
mod init;
mod installations;
mod jobs;
mod keys;
mod manual;
mod migrate;
mod output;
mod pr;
mod program;
mod recover;
mod restore;
mod rollback;
mod serve;
mod setup;
mod shadow;
mod state;
mod status;
mod when;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::daemon::Daemon;
use self::failure::Failure;

const EXIT_CODES: &str = "\
Exit codes:
  0  it worked
  1  it failed or was refused (`config check`: the config has errors; `config test`: a test failed; `check`: there are
     findings; `doctor`: something has to be mended)
  2  the command line is wrong
  3  the daemon cannot be reached
  4  there is no such thing";

/// The config of an installed daemon.
const USUAL_CONFIG: &str = "/etc/orchd/orchd.yaml";

/// Heading of the options that every command takes.
const GLOBAL: &str = "Global options";

/// A GitHub orchestrator you run yourself: it never loses a webhook, does the repetitive repository work you describe
/// in YAML, tells you why it did each thing, and can take it back.
#[derive(Debug, Parser)]
#[command(name = "orchd", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Global {
    /// The config file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ORCHD_CONFIG",
        hide_env_values = true,
        default_value = USUAL_CONFIG,
        help_heading = GLOBAL
    )]
    config: PathBuf,
    /// The daemon's admin socket [default: `server.admin_socket` of the config].
    #[arg(long, global = true, value_name = "PATH", help_heading = GLOBAL)]
    socket: Option<PathBuf>,
    /// Ask the daemon at this URL instead, from anywhere, with a key [env: ORCHD_URL].
    #[arg(long, global = true, value_name = "URL", conflicts_with = "socket", help_heading = GLOBAL)]
    url: Option<String>,
    /// The file that holds the key for --url, which only you may read [default: the key is in ORCHD_KEY].
    #[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL)]
    key_file: Option<PathBuf>,
    /// Write JSON: one document, or one line for each row of a list.
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon.
    Serve,
    /// Create a GitHub App, store its secrets and write a config: from nothing to a list that says all is well.
    #[command(after_help = setup::EXIT_CODES)]
    Setup(setup::Setup),
    /// Check or show the config.
    #[command(subcommand)]
    Config(config::Command),
    /// Look at the setup of a repository that lies on this disk: what it lacks, what is wrong in it, and what to do.
    #[command(after_help = check::ABOUT)]
    Check(check::Check),
    /// What arrived from GitHub.
    #[command(subcommand)]
    Events(events::Command),
    /// Work that is queued, running, or given up.
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// What was done to GitHub, or would have been.
    #[command(subcommand)]
    Effects(effects::Command),
    /// Rules that are stopped because they run in circles.
    #[command(subcommand)]
    Guards(guards::Command),
    /// Where the App is installed.
    #[command(subcommand)]
    Installations(installations::Command),
    /// Who did what: the audit chain.
    #[command(subcommand)]
    Audit(audit::Command),
    /// What a changed config would have done: actions added, removed and unchanged on what is recorded.
    Backtest(backtest::Backtest),
    /// Why rules did or did not match.
    Why(why::Why),
    /// Whether people agree with a rule that only records what it would do (`mode: shadow`).
    #[command(subcommand)]
    Shadow(shadow::Command),
    /// Fetch what GitHub could not deliver.
    #[command(after_help = recover::EXIT_CODES)]
    Recover(recover::Recover),
    /// Take back what rules did.
    #[command(subcommand)]
    Rollback(rollback::Command),
    /// Keys for scripts and for this command line from afar.
    #[command(subcommand)]
    Keys(keys::Command),
    /// The daemon at a glance.
    Status,
    /// Whether the daemon can do its work, as an exit code: for what watches it.
    ///
    /// 0: it can, also when a person should look (`degraded`). 1: it cannot. 3: nobody answers.
    Health,
    /// Copy the database and the large payloads into a new directory, while the daemon goes on.
    #[command(after_help = backup::ABOUT)]
    Backup(backup::Backup),
    /// Put a backup in the place of the database and the large payloads.
    #[command(after_help = restore::ABOUT)]
    Restore(restore::Restore),
    /// Bring the database's tables to this version, or say what that would do.
    #[command(after_help = migrate::ABOUT)]
    Migrate(migrate::Migrate),
    /// Look at everything that has to be well, and say how to mend what is not.
    Doctor(doctor::Doctor),
    /// Put templates into a repository, and bring them up to date later: never over what people changed.
    #[command(after_help = init::ABOUT)]
    Init(init::Init),
    /// Run what a workflow runs, on this machine: the `run:` steps of its jobs.
    #[command(after_help = ci::ABOUT)]
    Ci(ci::Ci),
    /// Open a pull request with a text made from the branch and the repository's template.
    #[command(after_help = pr::ABOUT)]
    Pr(pr::Pr),
    /// Print shell completions.
    Completions(completions::Completions),
    /// Write manual pages, one a command.
    #[command(hide = true)]
    Manual(manual::Manual),
}

/// Parses the command line and runs the command.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            failure.code.into()
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Serve => serve::run(&global.config),
        Command::Setup(setup) => setup.run(&global),
        Command::Config(command) => command.run(&global),
        Command::Check(check) => check.run(&global),
        Command::Completions(completions) => completions.run(),
        Command::Manual(manual) => manual.run(),
        Command::Doctor(doctor) => doctor.run(&global),
        Command::Init(init) => init.run(global.json),
        Command::Ci(ci) => ci.run(global.json),
        Command::Pr(pr) => pr.run(global.json),
        Command::Events(command) => ask(async move { command.run(&Daemon::find(&global)?, global.json).await }),
        Command::Jobs(command) => ask(async move { command.run(&Daemon::find(&global)?, global.json).await }),
        Command::Effects(command) => ask(async move { command.run(&Daemon::find(&global)?, global.json).await }),
        Command::Guards(command) => ask(async move { command.run(&Daemon::find(&global)?, global.json).await }),
        Command::Installations(command) => ask(async move { command.run(&Daemon::find(&global)?, global.json).await }),
        Command::Audit(command) => ask(async move { command.run(&Daemon::find(&global)?, global.json).await }),
        Command::Backtest(backtest) => ask(async move { backtest.run(&global).await }),
        Command::Why(why) => ask(async move { why.run(&Daemon::find(&global)?, global.json).await }),
        Command::Shadow(command) => ask(async move { command.run(&Daemon::find(&global)?, global.json).await }),
        Command::Recover(recover) => ask(async move { recover.run(&Daemon::find(&global)?, global.json).await }),
        Command::Rollback(command) => ask(async move { command.run(&Daemon::find(&global)?, global.json).await }),
        Command::Keys(command) => ask(async move { command.run(&Daemon::find(&global)?, global.json).await }),
        Command::Health => ask(async move { health::run(&Daemon::find(&global)?, global.json).await }),
        Command::Backup(backup) => ask(async move { backup.run(&global).await }),
        Command::Restore(restore) => ask(async move { restore.run(&global).await }),
        Command::Migrate(migrate) => ask(async move { migrate.run(&global).await }),
        Command::Status => ask(async move { status::run(&Daemon::find(&global)?, global.json).await }),
    }
}

/// Runs a conversation with the daemon; one thread is plenty.
fn ask(conversation: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::failed(format!("the runtime cannot be started: {error}")))?.block_on(conversation)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_of_every_command() {
        fn push(command: &mut clap::Command, path: &str, all: &mut String) {
            let help = command.render_long_help().to_string();
            all.push_str(&format!("===== {path} =====\n{help}\n"));
            let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
            for name in names {
                push(command.find_subcommand_mut(&name).unwrap(), &format!("{path} {name}"), all);
            }
        }
        let mut command = Cli::command().term_width(100).version("VERSION");
        // Global arguments reach subcommands when the tree is built.
        command.build();
        let mut all = String::new();
        push(&mut command, "orchd", &mut all);
        insta::assert_snapshot!(all);
    }
}
