//! The sections of the config file, read into their types.

use std::path::Path;
use std::time::Duration;

use jsonwebtoken::EncodingKey;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tracing_subscriber::filter::Targets;

use super::fields::Fields;
use super::findings::Findings;
use super::marked::Node;
use super::rules::repositories;
use super::secret::{Surroundings, secret, secrets};
use super::suggest::did_you_mean;
use super::table::{BREAKER, GITHUB_LIMITS, Key, SWEEP};
use super::telemetry::log_file;
use super::values::{address, allow, count, duration, flag, list, networks, one_of, path, refuse, size, text, url};
use super::{
    Breaker, FileTerms, GitHub, GitHubLimits, LogFormat, Logging, Queue, Recovery, RepositoryConfig, Retention, Server,
    Sweep,
};
use crate::core::intent::ActionKind;

/// The kernel's limit on the path of a Unix socket: `sun_path` of unix(7), without its final NUL.
const MAX_SOCKET_PATH: usize = 107;

/// Of the file that repositories keep; git's own limits are far above.
const MAX_REPOSITORY_PATH: usize = 255;

/// With a public URL and only this machine listened to, whoever comes from outside comes through a proxy.
const ALL_ONE_ADDRESS: &str = "`server.public_url` is set and `listen` is this machine alone, so everybody comes through a proxy and counts as its address: one stranger who shows bad keys locks all others out. List the proxy: `trusted_proxies: [127.0.0.1]`";

pub(super) fn server(fields: &mut Fields<'_>, dir: &Path, findings: &mut Findings) -> Option<Server> {
    let listen = fields.read("listen", findings, address);
    let public_url = fields.read("public_url", findings, url);
    let admin_socket = fields.read("admin_socket", findings, |node, key, findings| {
        let socket = path(dir, node, key, findings)?;
        if socket.as_os_str().len() > MAX_SOCKET_PATH {
            return refuse(node, findings, format!("the path of a socket has at most {MAX_SOCKET_PATH} bytes"));
        }
        Some(socket)
    });
    let webhook_allow = fields.read("webhook_allow", findings, allow);
    let trusted_proxies = fields.read("trusted_proxies", findings, networks);
    let max_body = fields.read("max_body", findings, size);
    let read_timeout = fields.read("read_timeout", findings, duration);
    let max_pending = fields.read("max_pending", findings, count);
    let is_local = listen.is_some_and(|listen| listen.ip().is_loopback());
    if is_local && public_url.is_some() && trusted_proxies.as_ref().is_some_and(Vec::is_empty) {
        findings.note(fields.place, ALL_ONE_ADDRESS);
    }
    Some(Server {
        listen: listen?,
        public_url: public_url.map(|url| url.to_string().trim_end_matches('/').to_owned()),
        admin_socket,
        webhook_allow: webhook_allow?,
        trusted_proxies: trusted_proxies?,
        max_body: max_body?,
        read_timeout: read_timeout?,
        max_pending: usize::try_from(max_pending?).ok()?,
    })
}

pub(super) fn github(fields: &mut Fields<'_>, around: Surroundings<'_>, findings: &mut Findings) -> Option<GitHub> {
    let app_id = fields.read("app_id", findings, count);
    let client_id = fields.read("client_id", findings, text);
    let private_key = fields.read("private_key", findings, |node, key, findings| rsa_key(around, node, key, findings));
    let webhook_secrets =
        fields.read("webhook_secrets", findings, |n, key, findings| secrets(around, n, key, findings));
    let client_secret = fields.read("client_secret", findings, |n, key, findings| secret(around, n, key, findings));
    let api_url = fields.read("api_url", findings, url);
    let timeout = fields.read("timeout", findings, duration);
    let refresh_installations = fields.read("refresh_installations", findings, duration);
    let cache = fields.read("cache", findings, size);
    let limits = github_limits(fields, findings);
    let breaker = breaker(fields, findings);
    let dry_run = fields.read("dry_run", findings, flag);
    let read_only = fields.read("read_only", findings, flag);
    Some(GitHub {
        app_id,
        client_id,
        private_key,
        webhook_secrets: webhook_secrets?,
        client_secret,
        api_url: api_url?,
        timeout: timeout?,
        refresh_installations: refresh_installations?,
        cache: cache?,
        limits: limits?,
        breaker: breaker?,
        dry_run: dry_run?,
        read_only: read_only?,
    })
}

fn github_limits(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<GitHubLimits> {
    let mut inner = fields.section("limits", &GITHUB_LIMITS, findings);
    let points_a_minute = inner.read("points_a_minute", findings, count);
    let content_a_minute = inner.read("content_a_minute", findings, count);
    let content_an_hour = inner.read("content_an_hour", findings, count);
    let write_spacing = inner.read("write_spacing", findings, duration);
    let at_once = inner.read("at_once", findings, count);
    fields.shown.insert("limits".to_owned(), Value::Object(inner.shown));
    Some(GitHubLimits {
        points_a_minute: u32::try_from(points_a_minute?).ok()?,
        content_a_minute: u32::try_from(content_a_minute?).ok()?,
        content_an_hour: u32::try_from(content_an_hour?).ok()?,
        write_spacing: write_spacing?,
        at_once: u32::try_from(at_once?).ok()?,
    })
}

fn breaker(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Breaker> {
    let mut inner = fields.section("breaker", &BREAKER, findings);
    let failures = inner.read("failures", findings, count);
    let open = inner.read("open", findings, duration);
    let open_cap = inner.read("open_cap", findings, duration);
    if let (Some(open), Some(cap)) = (open, open_cap)
        && open > cap
    {
        findings.report(inner.place_of("open"), "`open` is longer than `open_cap`");
    }
    fields.shown.insert("breaker".to_owned(), Value::Object(inner.shown));
    Some(Breaker { failures: u32::try_from(failures?).ok()?, open: open?, open_cap: open_cap? })
}

/// Found out at load, not at the first request.
fn rsa_key(around: Surroundings<'_>, node: &Node, key: &Key, findings: &mut Findings) -> Option<SecretString> {
    let pem = secret(around, node, key, findings)?;
    match EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes()) {
        Ok(_) => Some(pem),
        Err(_) => {
            refuse(node, findings, "`private_key` is not an RSA private key in PEM, as GitHub gives it for download")
        }
    }
}

pub(super) fn retention(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Retention> {
    let events = fields.read("events", findings, duration);
    let payloads = fields.read("payloads", findings, duration);
    let decisions = fields.read("decisions", findings, duration);
    let every = fields.read("every", findings, duration);
    Some(Retention { events: events?, payloads: payloads?, decisions: decisions?, every: every? })
}

pub(super) fn queue(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Queue> {
    let workers = fields.read("workers", findings, count);
    let max_attempts = fields.read("max_attempts", findings, count);
    let lease = fields.read("lease", findings, duration);
    let backoff = fields.read("backoff", findings, duration);
    let backoff_cap = fields.read("backoff_cap", findings, duration);
    if let (Some(backoff), Some(cap)) = (backoff, backoff_cap)
        && backoff > cap
    {
        findings.report(fields.place_of("backoff"), "`backoff` is longer than `backoff_cap`");
    }
    Some(Queue {
        workers: u32::try_from(workers?).ok()?,
        max_attempts: u32::try_from(max_attempts?).ok()?,
        lease: lease?,
        backoff: backoff?,
        backoff_cap: backoff_cap?,
    })
}

pub(super) fn repository_config(
    fields: &mut Fields<'_>,
    allow: &mut Fields<'_>,
    actions: &[ActionKind],
    findings: &mut Findings,
) -> Option<RepositoryConfig> {
    let enabled = fields.read("enabled", findings, flag);
    let path = fields.read("path", findings, |node, key, findings| {
        let path = text(node, key, findings)?;
        let fits = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.chars().any(char::is_control);
        if path.split('/').all(fits) && path.len() <= MAX_REPOSITORY_PATH {
            return Some(path);
        }
        refuse(node, findings, "`path` is a path within the repository, such as .github/orchd.yml")
    });
    let refresh = fields.read("refresh", findings, duration);
    let repositories = allow.read("repositories", findings, repositories);
    let actions = allow.read("actions", findings, |node, key, findings| action_names(actions, node, key, findings));
    let max_rules = allow.read("max_rules", findings, count);
    let max_size = allow.read("max_size", findings, size);
    Some(RepositoryConfig {
        enabled: enabled?,
        path: path?,
        refresh: refresh?,
        repositories: repositories?,
        terms: FileTerms { actions: actions?, max_rules: usize::try_from(max_rules?).ok()?, max_size: max_size? },
    })
}

fn action_names(kinds: &[ActionKind], node: &Node, key: &Key, findings: &mut Findings) -> Option<Vec<String>> {
    let names = || kinds.iter().map(|kind| kind.name);
    let one = |item: &Node, findings: &mut Findings| {
        let name = text(item, key, findings)?;
        // The list of actions is empty where only the rest of a config is read.
        if kinds.is_empty() || names().any(|known| known == name) {
            return Some(name);
        }
        let hint = did_you_mean(&name, names());
        refuse(item, findings, format!("there is no action `{name}`{hint}"))
    };
    let read: Vec<_> = list(node, key, findings)?.iter().map(|item| one(item, findings)).collect();
    read.into_iter().collect()
}

/// Faster would ask GitHub for a list that cannot have changed much.
const SHORTEST_RECOVERY: Duration = Duration::from_secs(1);

pub(super) fn recovery(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Recovery> {
    let every = fields.read("every", findings, |node, key, findings| {
        let every = duration(node, key, findings)?;
        if !every.is_zero() && every < SHORTEST_RECOVERY {
            return refuse(node, findings, "`every` must be at least 1s, or 0s for never");
        }
        Some(every)
    });
    let window = fields.read("window", findings, duration);
    let grace = fields.read("grace", findings, duration);
    let max_requests = fields.read("max_requests", findings, count);
    let mut inner = fields.section("sweep", &SWEEP, findings);
    let chosen = inner.read("repositories", findings, repositories);
    let sweep_every = inner.read("every", findings, duration);
    fields.shown.insert("sweep".to_owned(), Value::Object(inner.shown));
    Some(Recovery {
        every: Some(every?).filter(|every| !every.is_zero()),
        window: window?,
        grace: grace?,
        max_requests: u32::try_from(max_requests?).ok()?,
        sweep: chosen.zip(sweep_every).map(|(repositories, every)| Sweep { repositories, every }),
    })
}

pub(super) fn logging(fields: &mut Fields<'_>, dir: &Path, findings: &mut Findings) -> Option<Logging> {
    let format = fields.read("format", findings, one_of);
    let level = fields.read("level", findings, |node, key, findings| {
        let level = text(node, key, findings)?;
        match level.parse::<Targets>() {
            Ok(_) => Some(level),
            Err(error) => refuse(node, findings, format!("`level` is not a log filter: {error}")),
        }
    });
    let file = log_file(fields, dir, findings);
    let format = match format? {
        "json" => LogFormat::Json,
        "text" => LogFormat::Text,
        _ => LogFormat::Auto,
    };
    Some(Logging { format, level: level?, file: file? })
}
