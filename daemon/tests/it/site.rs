//! The daemon's HTTP side in this process: a real store in a temporary directory, real listeners, nothing mocked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use chrono::Utc;
use hmac::{Hmac, KeyInit, Mac};
use orchd::app::client::Shared;
use orchd::config::live::LiveConfig;
use orchd::engine::ingest::Ingest;
use orchd::engine::sight::Sights;
use orchd::github::client::GitHub;
use orchd::http::allowlist::Allowlist;
use orchd::http::listen::{self, Limits, Listener};
use orchd::http::{App, Site, routes};
use orchd::store::{Db, StoreOptions};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) const SECRET: &str = "It's a Secret to Everybody";

/// A running site. Stops when dropped.
pub(crate) struct Running {
    pub(crate) db: Db,
    pub(crate) address: SocketAddr,
    pub(crate) socket: PathBuf,
    /// What the world sees, on a socket whose buffers are small.
    pub(crate) narrow: PathBuf,
    pub(crate) allowlist: Arc<Allowlist>,
    pub(crate) config: Arc<LiveConfig>,
    pub(crate) stop: CancellationToken,
    _directory: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A site with these lines more under `server:` of its config.
pub(crate) async fn spawn_site(server: &[&str]) -> Running {
    spawn_site_with(server, Limits::default()).await
}

pub(crate) async fn spawn_site_with(server: &[&str], limits: Limits) -> Running {
    let directory = tempfile::tempdir().unwrap();
    let path = write_config(directory.path(), server, "", "");
    spawn_in(directory, &path, limits).await
}

/// A site with these lines more under `server:` and `github:`, and these sections.
pub(crate) async fn spawn_site_signing_in(server: &[&str], github: &str, sections: &str) -> Running {
    let directory = tempfile::tempdir().unwrap();
    let path = write_config(directory.path(), server, github, sections);
    spawn_in(directory, &path, Limits::default()).await
}

async fn spawn_in(directory: tempfile::TempDir, path: &Path, limits: Limits) -> Running {
    let config = orchd::config::load(path, orchd::actions::kinds(), Utc::now()).unwrap();
    let options = StoreOptions { url: config.database.url.clone(), objects: config.database.objects.clone() };
    let db = Db::open(&options).await.unwrap();
    let allowlist = Arc::new(Allowlist::default());
    let shared = Shared::new(&config, &db);
    let github = GitHub::new(shared.settings(&config)).unwrap();
    let stop = CancellationToken::new();
    let live = Arc::new(LiveConfig::new(config));
    let public = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let github = Arc::new(ArcSwap::from_pointee(github));
    let ingest = Ingest::start(db.clone(), Arc::clone(&live), Arc::new(Notify::new()), shared.heard);
    let app = App::new(Site {
        db: db.clone(),
        sights: Sights::new(Arc::clone(&live), Arc::clone(&github), ingest.sights(), orchd::engine::system_clock()),
        ingest,
        wake: Arc::new(Notify::new()),
        refresh: Arc::new(Notify::new()),
        // Nobody takes orders here.
        recovery: orchd::engine::recover::desk().0,
        rollbacks: Arc::new(Notify::new()),
        reload: tokio::sync::mpsc::channel(1).0,
        config: Arc::clone(&live),
        allowlist: Arc::clone(&allowlist),
        github,
        metrics: orchd::telemetry::install_metrics().unwrap(),
        started_at: Utc::now(),
        listens_on: public.address(),
        stopping: stop.clone(),
    });
    let address = public.address().unwrap();
    let socket = directory.path().join("orchd.sock");
    let admin = Listener::unix(&socket).unwrap();
    tokio::spawn(listen::serve(public, routes::public(&app), limits, stop.clone()));
    let narrow = directory.path().join("public.sock");
    tokio::spawn(listen::serve(Listener::unix(&narrow).unwrap(), routes::public(&app), limits, stop.clone()));
    tokio::spawn(listen::serve(admin, routes::admin(&app), limits, stop.clone()));
    Running { db, address, socket, narrow, allowlist, config: live, stop, _directory: directory }
}

fn write_config(directory: &Path, server: &[&str], github: &str, sections: &str) -> PathBuf {
    std::fs::write(directory.join("webhook-secret"), SECRET).unwrap();
    let server: String = server.iter().map(|line| format!("  {line}\n")).collect();
    let yaml = format!(
        "server:\n  listen: 127.0.0.1:8080\n  admin_socket: orchd.sock\n{server}\
         database: sqlite://{}/orchd.db\n\
         github:\n  webhook_secrets: [{{file: webhook-secret}}]\n{github}{sections}\
         # So that every event has a job.\n\
         rules:\n  - {{name: watch, mode: shadow, on: [\"*\"], then: [{{label: {{add: [seen]}}}}]}}\n",
        directory.display()
    );
    let path = directory.join("orchd.yaml");
    std::fs::write(&path, yaml).unwrap();
    path
}

/// `sha256=…` of a body, as GitHub signs it.
pub(crate) fn signature(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body);
    let digest = mac.finalize().into_bytes();
    format!("sha256={}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// A delivery to send, well formed until a test spoils it.
pub(crate) struct Delivery {
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What the answer says is wrong.
    pub(crate) fn detail(&self) -> String {
        self.json()["detail"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Delivery {
    /// Signed JSON with a GUID and an event name.
    pub(crate) fn of(guid: &str, event: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let headers = vec![
            ("Host", "orchd.test".to_owned()),
            ("Content-Type", "application/json".to_owned()),
            ("X-GitHub-Event", event.to_owned()),
            ("X-GitHub-Delivery", guid.to_owned()),
            ("X-Hub-Signature-256", signature(&body)),
            ("Content-Length", body.len().to_string()),
        ];
        Self { headers, body }
    }

    /// With another value of a header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self = self.without(name);
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn without(mut self, name: &'static str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self
    }

    /// With another body under the same headers.
    pub(crate) fn but_sending(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// In chunks instead of under a `Content-Length`.
    pub(crate) fn chunked(self) -> Self {
        let mut body = Vec::new();
        for chunk in self.body.chunks(1000) {
            body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            body.extend_from_slice(chunk);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"0\r\n\r\n");
        self.without("Content-Length").with("Transfer-Encoding", "chunked").but_sending(body)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut bytes = format!("POST /webhooks/github HTTP/1.1\r\n{headers}Connection: close\r\n\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    pub(crate) async fn send(&self, site: &Running) -> Answer {
        exchange(site.address, &self.bytes()).await
    }
}

/// Sends bytes and reads the answer to the end of the connection. A server may answer and close before it has read
/// everything, so an error while writing is no failure.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let bytes = bytes.to_vec();
    let writer = tokio::spawn(async move {
        let _ = writing.write_all(&bytes).await;
        writing
    });
    let answer = read_answer(&mut reading).await;
    drop(writer);
    answer
}

pub(crate) async fn read_answer(reading: &mut (impl AsyncReadExt + Unpin)) -> Answer {
    let mut raw = Vec::new();
    let mut piece = [0; 4096];
    // A reset after the answer is an end like any other.
    while let Ok(count @ 1..) = reading.read(&mut piece).await {
        raw.extend_from_slice(&piece[..count]);
    }
    let text = String::from_utf8_lossy(&raw).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
