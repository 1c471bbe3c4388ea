//! The log's own file, and when a new one is begun.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tracing_appender::rolling::{RollingFileAppender, RollingWriter, Rotation};
use tracing_subscriber::fmt::MakeWriter;

use super::TelemetryError;
use super::redact::redact;
use crate::config::{LogFile as Wanted, Rotate};

/// Its group may read it, others not: it names repositories and people.
const MODE: u32 = 0o640;

/// How long before it is needed the next file is made.
const AHEAD: TimeDelta = TimeDelta::seconds(2);

/// Where lines are written before whoever logs goes on: a line is never only in memory, so that nothing is lost by a
/// full channel, a panic or a `kill -9`.
pub(super) struct LogFile {
    appender: RollingFileAppender,
    path: PathBuf,
    rotate: Rotate,
    /// The newest file that was made.
    made: Mutex<PathBuf>,
}

impl LogFile {
    pub(super) fn open(wanted: &Wanted) -> Result<Self, TelemetryError> {
        let Wanted { path, rotate, keep } = wanted;
        let now = Utc::now();
        let refused = |reason: String| TelemetryError::File { path: path.clone(), reason };
        let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
            return Err(refused("it is not the path of a file".to_owned()));
        };
        continue_what_was(path, &file_at(path, *rotate, now)).map_err(refused)?;
        let newest = file_at(path, *rotate, now + AHEAD);
        for file in [&file_at(path, *rotate, now), &newest] {
            make(file).map_err(|error| refused(error.to_string()))?;
        }
        let appender = RollingFileAppender::builder().filename_prefix(name);
        let appender = match rotate {
            Rotate::Never => appender.rotation(Rotation::NEVER),
            // One is taken away for the file that it is about to make, and ours is there already.
            Rotate::Hourly => appender.rotation(Rotation::HOURLY).latest_symlink(name).max_log_files(keep + 1),
            Rotate::Daily => appender.rotation(Rotation::DAILY).latest_symlink(name).max_log_files(keep + 1),
        };
        let appender = appender.build(directory).map_err(|error| refused(error.to_string()))?;
        Ok(Self { appender, path: path.clone(), rotate: *rotate, made: Mutex::new(newest) })
    }

    /// The appender makes its files with whatever mode the process's umask leaves. One that is there already it opens.
    fn make_ahead(&self) {
        let next = file_at(&self.path, self.rotate, Utc::now() + AHEAD);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if *made != next {
            // The appender tells of what keeps a file from being made.
            let _ = make(&next);
            *made = next;
        }
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Lines<'a>;

    fn make_writer(&'a self) -> Lines<'a> {
        self.make_ahead();
        Lines(self.appender.make_writer())
    }
}

/// Takes whole lines, and tokens out of them.
pub(super) struct Lines<'a>(RollingWriter<'a>);

impl Write for Lines<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = self.0.write_all(&redact(line));
        if written.is_err() {
            metrics::counter!("orchd_log_lines_lost_total").increment(1);
        }
        written.map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The file of a moment: as `tracing-appender` names them.
fn file_at(path: &Path, rotate: Rotate, at: DateTime<Utc>) -> PathBuf {
    let format = match rotate {
        Rotate::Never => return path.to_owned(),
        Rotate::Daily => "%Y-%m-%d",
        Rotate::Hourly => "%Y-%m-%d-%H",
    };
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", at.format(format)));
    name.into()
}

fn make(file: &Path) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(file).map(drop)
}

/// A file that was not rotated so far stands where the link is to be: it becomes the first of those that are.
fn continue_what_was(path: &Path, first: &Path) -> Result<(), String> {
    let is_file = path.symlink_metadata().is_ok_and(|found| found.is_file());
    if path == first || !is_file {
        return Ok(());
    }
    if first.exists() {
        return Err(format!("it is a file and would be a link to {}: move it away", first.display()));
    }
    fs::rename(path, first).map_err(|error| error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn wanted(directory: &Path, rotate: Rotate, keep: usize) -> Wanted {
        Wanted { path: directory.join("orchd.log"), rotate, keep }
    }

    fn names(directory: &Path) -> Vec<String> {
        let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_line_goes_to_the_file_of_today_which_the_path_links_to_and_others_cannot_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = LogFile::open(&wanted(directory.path(), Rotate::Daily, 3)).unwrap();
        file.make_writer().write_all(b"one ghs_0123456789abcdefghijABCDEFGHIJ0123456789\n").unwrap();
        let path = directory.path().join("orchd.log");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one [redacted]\n");
        let newest = fs::read_link(&path).unwrap();
        assert!(newest.to_str().unwrap().contains("orchd.log.2"), "{newest:?}");
        assert_eq!(fs::metadata(&newest).unwrap().permissions().mode() & 0o777, MODE & !umask());
    }

    /// As the process has it: a stricter one than ours is left so.
    fn umask() -> u32 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap();
        u32::from_str_radix(line.trim(), 8).unwrap()
    }

    #[test]
    fn what_is_older_than_the_files_that_are_kept_goes_and_what_is_another_s_stays() {
        let directory = tempfile::tempdir().unwrap();
        for day in 1..=6 {
            fs::write(directory.path().join(format!("orchd.log.2020-01-0{day}")), "old").unwrap();
        }
        // Age is when a file was made, by a clock that ticks every few milliseconds.
        let other = directory.path().join("other.log");
        let made = |path: &Path| fs::metadata(path).unwrap().created().ok();
        let last = made(&directory.path().join("orchd.log.2020-01-06"));
        fs::write(&other, "").unwrap();
        while last.is_some() && made(&other) <= last {
            fs::remove_file(&other).unwrap();
            fs::write(&other, "").unwrap();
        }
        for _ in 0..2 {
            // A restart within the day takes nothing more.
            drop(LogFile::open(&wanted(directory.path(), Rotate::Daily, 3)).unwrap());
            let names = names(directory.path());
            let dated = names.iter().filter(|name| name.starts_with("orchd.log.2")).count();
            assert!(dated == 3 && names.contains(&"other.log".to_owned()), "{names:?}");
        }
    }

    #[test]
    fn a_file_that_was_never_rotated_is_gone_on_with() {
        let directory = tempfile::tempdir().unwrap();
        let never = LogFile::open(&wanted(directory.path(), Rotate::Never, 1)).unwrap();
        never.make_writer().write_all(b"before\n").unwrap();
        assert_eq!(names(directory.path()), ["orchd.log"]);
        let hourly = LogFile::open(&wanted(directory.path(), Rotate::Hourly, 5)).unwrap();
        hourly.make_writer().write_all(b"after\n").unwrap();
        let all: String = names(directory.path())
            .iter()
            .filter(|name| *name != "orchd.log")
            .map(|name| fs::read_to_string(directory.path().join(name)).unwrap())
            .collect();
        assert_eq!(all, "before\nafter\n");
    }

    #[test]
    fn the_next_file_is_named_as_the_appender_names_it() {
        let at = DateTime::parse_from_rfc3339("2026-01-31T23:59:59Z").unwrap().to_utc();
        let name = |rotate, at| file_at(Path::new("/var/log/orchd.log"), rotate, at).display().to_string();
        assert_eq!(name(Rotate::Daily, at), "/var/log/orchd.log.2026-01-31");
        assert_eq!(name(Rotate::Hourly, at), "/var/log/orchd.log.2026-01-31-23");
        assert_eq!(name(Rotate::Hourly, at + AHEAD), "/var/log/orchd.log.2026-02-01-00");
    }
}
