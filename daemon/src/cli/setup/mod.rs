//! `orchd setup`: serves the pages of the first run, and says how far it is.

mod plan;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::{Global, output};
use crate::core::text::harmless;
use crate::engine::setup::{self as first_run, Line, Standing};
use crate::http::listen::{self, Limits, Listener};
use crate::http::setup::{Door, routes};

pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  everything is as it should be
  1  something is not, or it was stopped: the same command goes on where this one stopped
  2  the command line is wrong";

/// One person and GitHub.
const CONNECTIONS: usize = 64;

/// How long the browser gets to see that all is well.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

/// How often it is seen whether there is something new to tell.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(super) struct Setup {
    /// The URL under which people and GitHub reach orchd, such as `https://orchd.example.com`: that of your reverse proxy.
    #[arg(long, value_name = "URL")]
    public_url: String,
    /// Where the secrets go [default: $CREDENTIALS_DIRECTORY, else `credentials` beside the config].
    #[arg(long, value_name = "DIR")]
    credentials: Option<std::path::PathBuf>,
    /// Where to listen, behind the proxy [default: `server.listen` of the config, else 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<std::net::SocketAddr>,
    /// The organisation whose App it becomes [default: yours].
    #[arg(long, value_name = "LOGIN")]
    organization: Option<String>,
    /// GitHub: of an Enterprise Server, its web address.
    #[arg(long, value_name = "URL", default_value = "https://github.com")]
    github_url: String,
    /// The App's name, of at most 34 characters; no other App on GitHub may have it [default: `orchd` and your host].
    #[arg(long)]
    name: Option<String>,
    /// Repositories of the config's first rules: globs over owner/name.
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    repositories: Vec<String>,
    /// How long to wait for the webhook and the installation, once there is an App.
    #[arg(long, value_name = "DURATION", default_value = "30m")]
    wait: String,
    /// Create another App, though there is one. Secrets and config that are there are set aside under another name.
    #[arg(long)]
    force: bool,
}

/// Why it ended.
enum Ended {
    /// Nothing more to wait for.
    Followed,
    Stopped,
}

impl Setup {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let plan = self.plan(global)?;
        super::ask(set_up(plan, global.json))
    }
}

async fn set_up(plan: first_run::Plan, json: bool) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(error.to_string());
    let listener = Listener::tcp(plan.listen).await.map_err(|error| failed(&error))?;
    let setup = Arc::new(first_run::Setup::open(plan).map_err(|error| failed(&error))?);
    let door = Arc::new(Door::new(Arc::clone(&setup)));
    let stop = CancellationToken::new();
    let limits = Limits { connections: CONNECTIONS, ..Limits::default() };
    let server = tokio::spawn(listen::serve(listener, routes(&door), limits, stop.clone()));
    greet(&setup, &door, json)?;

    let ended = tokio::select! {
        followed = setup.follow() => {
            followed.map_err(|error| failed(&error))?;
            Ended::Followed
        }
        stopped = stopped() => {
            stopped?;
            Ended::Stopped
        }
        () = tell_progress(&setup) => Ended::Stopped,
    };
    if setup.is_done() && door.has_visitor() {
        // Whether it was seen or the time is up, that was it.
        let _ = tokio::time::timeout(SHOWN_WITHIN, door.shown()).await;
    }
    stop.cancel();
    let _ = server.await;
    close(&setup, &ended, json)
}

/// Where to go on. The URL lets one browser in, and is told to nobody else.
fn greet(setup: &first_run::Setup, door: &Door, json: bool) -> Result<(), Failure> {
    let mut lines = Vec::new();
    if let Some(app) = setup.app() {
        lines.push(format!("The App {} is there already: this goes on from there.", app.record.slug));
    }
    lines.push("Open this in your browser. It is for you alone, and good once:".to_owned());
    lines.push(format!("  {}", door.url().expose_secret()));
    lines.push(format!(
        "Your reverse proxy must lead {} to {}. Ctrl-C stops; the same command goes on.",
        setup.plan().public_url,
        setup.plan().listen
    ));
    let text: String = lines.iter().map(|line| harmless(line) + "\n").collect();
    if json {
        output::note(&text);
        return Ok(());
    }
    output::print(&text)
}

/// Says what has come to be, as it does. Never ends.
async fn tell_progress(setup: &first_run::Setup) {
    let mut told: Vec<&'static str> = Vec::new();
    loop {
        for line in setup.list().iter().filter(|line| line.standing == Standing::Done) {
            if !told.contains(&line.what) {
                told.push(line.what);
                output::note(&format!("{}: {}", line.what, line.detail));
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn stopped() -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("signals cannot be heard: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

/// The list at the end, and what to do next.
fn close(setup: &first_run::Setup, ended: &Ended, json: bool) -> Result<(), Failure> {
    let lines = setup.list();
    let done = setup.is_done();
    if json {
        output::print_json(&json!({"done": done, "list": lines.iter().map(as_json).collect::<Vec<_>>()}))?;
    } else {
        output::print(&lines.iter().map(as_text).collect::<String>())?;
    }
    let start = setup.plan().start_command();
    match (done, ended) {
        (true, _) if json => Ok(()),
        (true, _) => output::print(
            &(harmless(&format!("All is well. Start it: {start}, and then let orchd doctor look at the rest")) + "\n"),
        ),
        (false, Ended::Stopped) => Err(Failure::failed("stopped: the same command goes on from here")),
        (false, Ended::Followed) => {
            Err(Failure::failed("not everything is as it should be yet: do what the list says, and run this again"))
        }
    }
}

fn mark(line: &Line) -> &'static str {
    match line.standing {
        Standing::Done => "ok",
        Standing::Waits => "waiting",
        Standing::Wrong => "to do",
    }
}

fn as_text(line: &Line) -> String {
    let detail: String = line.detail.lines().map(|text| format!("         {}\n", harmless(text))).collect();
    format!("{:<8} {}\n{detail}", mark(line), line.what)
}

fn as_json(line: &Line) -> serde_json::Value {
    json!({"what": line.what, "standing": mark(line), "detail": line.detail})
}
