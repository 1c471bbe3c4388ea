//! Logs, traces and metrics of the process: where they go and what is taken out of them.
//!
//! One line of the log goes to the journal or to standard error (`lines`, `journal`), and to a file where the config names
//! one (`file`); spans of an event go to a collector where the config names one (`otlp`, `trace`). What every line of one
//! event carries are the fields of the spans around it: those are spans of level error, so that no filter that lets a line
//! through takes its fields.
//!
//! Invariant 11: whatever looks like a GitHub token leaves no log, also when it came in an error of a library (`redact`).

mod file;
mod journal;
mod lines;
mod metrics;
mod otlp;
mod redact;
pub mod trace;

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry};

pub use self::metrics::install_metrics;
pub use self::otlp::Traces;

use self::file::LogFile;
use self::journal::JournalLayer;
use self::lines::Flat;
use self::redact::Redacting;
use crate::config::{Config, LogFormat};

/// Environment variable with the level, as `info` or `orchd=debug,sqlx=warn`.
pub const LEVEL_VARIABLE: &str = "ORCHD_LOG";

/// Where lines go, beside the file.
enum Sink {
    /// Lines for people, on standard error.
    Text,
    /// One JSON object a line, on standard error.
    Json,
    /// systemd's journal, with fields as ORCHD_… journal fields.
    Journal,
}

impl Sink {
    fn of(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
            LogFormat::Auto if systemd_journal_logger::connected_to_journal() => Self::Journal,
            LogFormat::Auto if io::stderr().is_terminal() => Self::Text,
            LogFormat::Auto => Self::Json,
        }
    }
}

/// Why logging or tracing could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("the log level cannot be read: {0}; write it as info or as orchd=debug,sqlx=warn")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    #[error("the journal cannot be reached: {0}; log as text or JSON instead")]
    Journal(io::Error),
    #[error(
        "the log file {} cannot be written: {reason}; make its directory and let orchd's user write there, or change `logging.file`", path.display()
    )]
    File { path: PathBuf, reason: String },
    #[error("traces cannot be sent (`telemetry.otlp`): {0}")]
    Traces(String),
    #[error("logging is set up already: {0}")]
    Twice(#[from] TryInitError),
}

type Output = Box<dyn Layer<Registry> + Send + Sync>;

/// Sets up logging and tracing for the process. Call once, within the runtime. `ORCHD_LOG` goes before the config's level.
///
/// # Errors
/// When the level cannot be read, the journal not be reached, the log file not be written, or TLS not be set up.
pub fn install(config: &Config) -> Result<Traces, TelemetryError> {
    let written = std::env::var(LEVEL_VARIABLE).unwrap_or_else(|_| config.logging.level.clone());
    let level: Targets = written.parse()?;
    let stderr = || Redacting(io::stderr());
    let mut outputs: Vec<Output> = vec![match Sink::of(config.logging.format) {
        Sink::Text => {
            tracing_subscriber::fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(stderr).boxed()
        }
        Sink::Json => tracing_subscriber::fmt::layer().json().event_format(Flat).with_writer(stderr).boxed(),
        Sink::Journal => {
            JournalLayer(systemd_journal_logger::JournalLog::new().map_err(TelemetryError::Journal)?).boxed()
        }
    }];
    if let Some(file) = &config.logging.file {
        let file = LogFile::open(file)?;
        // What cannot be written is counted, and told to nobody for each line.
        let lines = tracing_subscriber::fmt::layer().json().event_format(Flat).log_internal_errors(false);
        outputs.push(lines.with_writer(file).boxed());
    }
    let traces = Traces::start(config.telemetry.otlp.as_ref())?;
    outputs.extend(traces.layer());
    // One filter for all outputs: one for each remembers in the thread what it said of the last callsite, and `tracing::enabled!`,
    // which sqlx asks before it logs, leaves that behind for the next line of the thread, which is lost then. Spans are sent
    // whatever the level of the log.
    let sends = traces.are_sent();
    let most = Layer::<Registry>::max_level_hint(&level).unwrap_or(LevelFilter::TRACE);
    let most = if sends { most.max(LevelFilter::DEBUG) } else { most };
    let wanted = filter_fn(move |of| level.would_enable(of.target(), of.level()) || (sends && otlp::is_sent(of)))
        .with_max_level_hint(most);
    tracing_subscriber::registry().with(outputs).with(wanted).try_init()?;
    log_panics();
    Ok(traces)
}

/// A panic is told on standard error by Rust itself; the file and the fields of the journal get it here.
fn log_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        let said = panic.payload_as_str().unwrap_or("for a reason that is no text");
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a panic, which is a fault of orchd: {said}");
    }));
}
