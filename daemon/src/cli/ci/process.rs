//! One script as a process of its own group, with what it writes line by line and an end in time.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, PipeReader, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// Longest line that is shown whole, in bytes.
const MAX_LINE: u64 = 64 << 10;
/// How often it is looked whether it has ended, or should.
const LOOK: Duration = Duration::from_millis(20);
/// How long a script may tidy up before it is killed.
const TIDIES_UP_WITHIN: Duration = Duration::from_secs(2);
/// How long what it started may go on writing, once it has ended itself.
const TAIL: Duration = Duration::from_millis(200);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    /// The text says how.
    Badly(String),
    TooLate,
    Interrupted,
}

/// What is run, where, and with which environment: nothing is inherited.
pub(super) struct Script<'a> {
    pub(super) words: &'a [String],
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) directory: &'a Path,
    pub(super) limit: Duration,
}

/// Processes that scripts left behind; they live as long as their job, as on a runner.
#[derive(Default)]
pub(super) struct LeftBehind(Vec<Pid>);

impl Drop for LeftBehind {
    fn drop(&mut self) {
        for group in &self.0 {
            // It may have ended since.
            let _ = kill_process_group(*group, Signal::KILL);
        }
    }
}

/// Runs it to its end.
pub(super) fn run(script: &Script<'_>, stop: &AtomicBool, left: &mut LeftBehind, line: &mut dyn FnMut(&str)) -> Ended {
    let (mut child, lines) = match start(script) {
        Ok(started) => started,
        Err(error) => return Ended::Badly(format!("it cannot be started: {error}")),
    };
    let group = Pid::from_child(&child);
    let (begun, mut asked_to_end, mut reason) = (Instant::now(), None, None);
    let (mut open, mut ended) = (true, None);
    while ended.is_none() {
        match lines.recv_timeout(if open { LOOK } else { Duration::ZERO }) {
            Ok(text) => line(&text),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                if !open {
                    std::thread::sleep(LOOK);
                }
                open = false;
            }
        }
        ended = match child.try_wait() {
            Ok(status) => status.map(Ok),
            Err(error) => Some(Err(error)),
        };
        let too_late = begun.elapsed() > script.limit;
        if reason.is_none() && (too_late || stop.load(Ordering::Relaxed)) {
            reason = Some(if too_late { Ended::TooLate } else { Ended::Interrupted });
            asked_to_end = Some(Instant::now());
            let _ = kill_process_group(group, Signal::TERM);
        }
        if asked_to_end.is_some_and(|asked: Instant| asked.elapsed() > TIDIES_UP_WITHIN) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
    if !drain(&lines, line) {
        left.0.push(group);
    }
    match (reason, ended) {
        (Some(reason), _) => reason,
        (None, Some(Ok(status))) if status.success() => Ended::Well,
        (None, Some(Ok(status))) => Ended::Badly(match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("ended by signal {signal}"),
            (None, None) => status.to_string(),
        }),
        (None, Some(Err(error))) => Ended::Badly(format!("how it ended cannot be told: {error}")),
        (None, None) => Ended::Interrupted,
    }
}

/// The last lines. Whether nobody can write any more.
fn drain(lines: &Receiver<String>, line: &mut dyn FnMut(&str)) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < TAIL {
        match lines.recv_timeout(TAIL.saturating_sub(begun.elapsed())) {
            Ok(text) => line(&text),
            Err(RecvTimeoutError::Disconnected) => return true,
            Err(RecvTimeoutError::Timeout) => return false,
        }
    }
    false
}

fn start(script: &Script<'_>) -> io::Result<(Child, Receiver<String>)> {
    let (reader, writer) = io::pipe()?;
    let (program, rest) = script.words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(rest).env_clear().envs(script.env).current_dir(script.directory);
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    // A group of its own: what it started is ended with it.
    let child = command.process_group(0).spawn()?;
    // The command holds the pipe's other end.
    drop(command);
    let (send, lines) = mpsc::sync_channel(1_000);
    std::thread::spawn(move || read(reader, |line| send.send(line).is_ok()));
    Ok((child, lines))
}

/// Both of its outputs, in the order they were written.
fn read(reader: PipeReader, mut take: impl FnMut(String) -> bool) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        if !take(text.trim_end_matches(['\n', '\r']).to_owned()) {
            return;
        }
    }
}
