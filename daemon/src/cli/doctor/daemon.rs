//! The running daemon: that it answers, is of this version, runs the config that is on disk, and listens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use serde::Deserialize;
use tokio::net::TcpStream;

use super::scene::Scene;
use super::{Check, Seen, socket};
use crate::cli::connection::{Connection, Question};
use crate::config::hold::Hold;

pub(super) const CHECK: Check =
    Check { name: "daemon", after: &["socket"], afar: false, look: |scene| Box::pin(look(scene)) };

const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// What of `/api/status` is looked at.
#[derive(Deserialize)]
pub(super) struct Status {
    version: String,
    started_at: DateTime<Utc>,
    config: Running,
}

#[derive(Deserialize)]
struct Running {
    revision: String,
    error: Option<String>,
    held: Option<Hold>,
    needs_restart: Vec<String>,
}

async fn look(scene: &Scene) -> Seen {
    let listens = listens(scene.config.server.listen).await;
    let listen = scene.config.server.listen;
    let status = match ask(scene).await {
        Ok(Some(status)) => status,
        Ok(None) if listens => {
            let told = format!("orchd does not run, and another program listens on {listen}");
            return Seen::fault(
                told,
                format!("ss -ltnp 'sport = :{}' tells which: stop it, or set another server.listen", listen.port()),
            );
        }
        Ok(None) => return Seen::warning("it does not run", socket::START),
        Err(why) => return Seen::fault(why, "systemctl restart orchd; journalctl -u orchd says what it met"),
    };
    // Set once: there is one such check.
    let _ = scene.running.set(status.config.revision.clone());
    let _ = scene.started.set(status.started_at);
    let mut troubles = config_of(scene, &status.config);
    if status.version != env!("CARGO_PKG_VERSION") {
        let told = format!("version {} runs, and {} is installed", status.version, env!("CARGO_PKG_VERSION"));
        troubles.push(Seen::warning(told, "systemctl restart orchd"));
    }
    if !listens {
        let told = format!("it runs, and nobody listens on {listen}, as the config says");
        troubles.push(Seen::warning(told, "systemctl restart orchd (or see the address in the unit's .socket)"));
    }
    let revision = status.config.revision;
    Seen::worst(troubles, format!("version {} listens on {listen} and runs revision {revision}", status.version))
}

fn config_of(scene: &Scene, running: &Running) -> Vec<Seen> {
    let on_disk = &scene.config.revision.hash;
    let mut troubles = Vec::new();
    if let Some(held) = &running.held {
        let told = format!("revision {} is on disk and held back; {} runs", held.revision, running.revision);
        let advice = format!("orchd status says why; orchd config confirm {} lets it in", held.revision);
        troubles.push(Seen::warning(told, advice));
    } else if let Some(error) = &running.error {
        let first = error.lines().next().unwrap_or_default();
        let told = format!("it refused the config on disk and runs revision {}: {first}", running.revision);
        troubles.push(Seen::fault(told, "systemctl reload orchd; if it is refused again, orchd status says why"));
    } else if running.revision != *on_disk {
        let told = format!("revision {} runs, and {on_disk} is on disk", running.revision);
        troubles.push(Seen::warning(told, "systemctl reload orchd (or was another file meant: --config FILE?)"));
    }
    if !running.needs_restart.is_empty() {
        let told = format!("new values of {} wait for a restart", running.needs_restart.join(", "));
        troubles.push(Seen::warning(told, "systemctl restart orchd"));
    }
    troubles
}

/// `None`: nobody is there. The error says why somebody is and does not answer.
pub(super) async fn ask(scene: &Scene) -> Result<Option<Status>, String> {
    let Some(path) = socket::path(scene) else { return Ok(None) };
    if tokio::net::UnixStream::connect(&path).await.is_err() {
        return Ok(None);
    }
    let connection = Connection::Socket(path);
    let question = Question { method: Method::GET, target: "/api/status", body: Bytes::new() };
    let whole = tokio::time::timeout(ANSWERS_WITHIN, async {
        let answer = connection.send(question).await.map_err(|failure| failure.message)?;
        answer.whole().await
    });
    let whole = whole.await.map_err(|_| format!("it does not answer within {} s", ANSWERS_WITHIN.as_secs()))??;
    if !whole.status.is_success() {
        return Err(format!("it answers {} when asked how it is", whole.status));
    }
    let status = serde_json::from_slice(&whole.body);
    status.map(Some).map_err(|_| "what answers on the socket is not orchd, or of another version".to_owned())
}

/// Whether a connection to the address is taken.
async fn listens(address: SocketAddr) -> bool {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let connecting = TcpStream::connect(SocketAddr::new(ip, address.port()));
    tokio::time::timeout(CONNECTS_WITHIN, connecting).await.is_ok_and(|connected| connected.is_ok())
}
