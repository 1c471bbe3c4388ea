//! The section `telemetry`, and `logging.file`: where else than to the journal orchd tells what it does.

use std::path::{Path, PathBuf};

use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::fields::Fields;
use super::findings::Findings;
use super::marked::{Node, Tree};
use super::secret::{Surroundings, secret};
use super::table::Presence::{Default, Optional, Required};
use super::table::{Key, Kind, Section, key};
use super::values::{count, one_of, path, refuse, share, url};

/// As [`Rotate::parse`] reads them.
const ROTATIONS: &[&str] = &["daily", "hourly", "never"];

pub(super) static LOG_FILE: Section = Section {
    path: "logging.file",
    help: "A file that the log goes to as well, one JSON object a line; the journal or standard error gets it all the same, so that `journalctl` goes on working. Tokens are taken out of both. A line is written before orchd goes on, so that the last ones are there whatever ends it; those that the disk refused are counted in `orchd_log_lines_lost_total`.",
    keys: &[
        key(
            "path",
            Kind::Path,
            Required,
            "The file, of mode 0640; its directory must exist. Unless `rotate` is `never` this is a link to the newest file, whose name has its date at the end (UTC): `orchd.log.2026-01-31`, every hour `orchd.log.2026-01-31-23`.",
        ),
        key(
            "rotate",
            Kind::OneOf(ROTATIONS),
            Default("daily"),
            "When a new file is begun. orchd does it by itself and needs no signal. With `never` it is left to others: logrotate needs `copytruncate`.",
        ),
        key(
            "keep",
            Kind::Count { least: 1, most: 10_000 },
            Default("14"),
            "Files that are kept, the one that is written to among them; the others whose names begin like it are removed, the oldest first. With `never` nothing is removed.",
        ),
    ],
};

pub(super) static TELEMETRY: Section = Section {
    path: "telemetry",
    help: "What is sent to whom about what orchd does. Nothing, unless it stands here.",
    keys: &[key("otlp", Kind::Section(&OTLP), Optional, "Traces, to a collector of OpenTelemetry.")],
};

pub(super) static OTLP: Section = Section {
    path: "telemetry.otlp",
    help: "Traces, sent to a collector by OTLP over HTTP (protobuf). All spans of one event are one trace, whose id is the event's id: the webhook, its commit, deciding, and each effect with its requests to GitHub. Ids, names of repositories, rules and actions, and outcomes are sent; no payload, title or text of an error is. A collector that does not answer holds nothing up: what it does not take is dropped, and the log says so once a minute.",
    keys: &[
        key(
            "endpoint",
            Kind::Url,
            Required,
            "The collector, such as `http://collector:4318`; `/v1/traces` is added where it does not stand.",
        ),
        key(
            "headers",
            Kind::SecretHeaders,
            Optional,
            "Headers of each request, each with a secret as value: `authorization: {credential: collector-token}`, which holds `Bearer …`.",
        ),
        key(
            "sample",
            Kind::Share,
            Default("1"),
            "Which part of the events is traced: 0.1 is every tenth. An event is traced from its arrival to its last effect, or not at all.",
        ),
    ],
};

/// A file that the log goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    pub path: PathBuf,
    pub rotate: Rotate,
    /// Files; at least one. Default 14.
    pub keep: usize,
}

/// When a new file is begun, by UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotate {
    Daily,
    Hourly,
    Never,
}

impl Rotate {
    fn parse(word: &str) -> Self {
        match word {
            "hourly" => Self::Hourly,
            "never" => Self::Never,
            _ => Self::Daily,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Telemetry {
    /// `None`: nothing is sent.
    pub otlp: Option<Otlp>,
}

/// Where traces go.
#[derive(Clone, Debug)]
pub struct Otlp {
    /// Of the signal: it ends in `/v1/traces`.
    pub endpoint: http::Uri,
    /// Each value is one that a header may have.
    pub headers: Vec<(HeaderName, SecretString)>,
    /// Of all events, 0 to 1.
    pub sample: f64,
}

/// Of headers that both come from the config: how long it takes is nobody's secret.
impl PartialEq for Otlp {
    fn eq(&self, other: &Self) -> bool {
        let plain = |otlp: &Self| -> Vec<_> {
            let headers = otlp.headers.iter();
            headers.map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect()
        };
        (&self.endpoint, self.sample) == (&other.endpoint, other.sample) && plain(self) == plain(other)
    }
}

/// `Some(None)`: none is wanted.
pub(super) fn log_file(fields: &mut Fields<'_>, dir: &Path, findings: &mut Findings) -> Option<Option<LogFile>> {
    let Some(node) = fields.written("file") else {
        fields.shown.insert("file".to_owned(), Value::Null);
        return Some(None);
    };
    let mut inner = Fields::open(node, &LOG_FILE, findings);
    let path = inner.read("path", findings, |node, key, findings| {
        let path = path(dir, node, key, findings)?;
        let named = path.file_name().is_some_and(|name| name.to_str().is_some()) && path.to_str().is_some();
        if named { Some(path) } else { refuse(node, findings, "`path` expects the path of a file, as UTF-8") }
    });
    let rotate = inner.read("rotate", findings, one_of);
    let keep = inner.read("keep", findings, count);
    fields.shown.insert("file".to_owned(), Value::Object(inner.shown));
    Some(Some(LogFile { path: path?, rotate: Rotate::parse(rotate?), keep: usize::try_from(keep?).ok()? }))
}

pub(super) fn telemetry(
    fields: &mut Fields<'_>,
    around: Surroundings<'_>,
    findings: &mut Findings,
) -> Option<Telemetry> {
    let Some(node) = fields.written("otlp") else {
        fields.shown.insert("otlp".to_owned(), Value::Null);
        return Some(Telemetry::default());
    };
    let mut inner = Fields::open(node, &OTLP, findings);
    let endpoint = inner.read("endpoint", findings, |node, key, findings| {
        let url = url(node, key, findings)?;
        let written = url.to_string();
        let base = written.trim_end_matches('/').trim_end_matches("/v1/traces");
        let whole = format!("{base}/v1/traces").parse();
        whole.ok().or_else(|| refuse(node, findings, "`endpoint` expects a URL such as http://collector:4318"))
    });
    let wants_headers = inner.written("headers").is_some();
    let headers = inner.read("headers", findings, |node, key, findings| headers(around, node, key, findings));
    let sample = inner.read("sample", findings, share);
    fields.shown.insert("otlp".to_owned(), Value::Object(inner.shown));
    let headers = if wants_headers { headers? } else { Vec::new() };
    Some(Telemetry { otlp: Some(Otlp { endpoint: endpoint?, headers, sample: sample? }) })
}

fn headers(
    around: Surroundings<'_>,
    node: &Node,
    key: &Key,
    findings: &mut Findings,
) -> Option<Vec<(HeaderName, SecretString)>> {
    let Tree::Map(entries) = &node.tree else {
        return refuse(node, findings, format!("`{}` expects a map of headers, not {}", key.name, node.kind()));
    };
    let mut read = Vec::with_capacity(entries.len());
    for entry in entries {
        let name = HeaderName::from_bytes(entry.key.as_bytes()).ok();
        if name.is_none() {
            findings.report(entry.place, format!("`{}` is not the name of a header", entry.key));
        }
        let value = secret(around, &entry.node, key, findings).and_then(|value| {
            let fits = HeaderValue::from_str(value.expose_secret()).is_ok();
            let refused = "the secret is not the value of a header: one line of ASCII characters";
            if fits { Some(value) } else { refuse(&entry.node, findings, refused) }
        });
        read.push(name.zip(value));
    }
    read.into_iter().collect()
}
