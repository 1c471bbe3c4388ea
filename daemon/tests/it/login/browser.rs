//! A real browser, a third party's GitHub, TLS in between: what no stand-in of ours could hide.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::KEY;
use crate::dashboard::PLAYWRIGHT;
use crate::emulator::{self, Process, spawn, wait_for_port};
use crate::npm;
use crate::port::free_port;
use crate::tls::end_tls_before;

const CLIENT_ID: &str = "Iv1.0123456789abcdef";
const CLIENT_SECRET: &str = "a client secret";

fn start_emulator(dir: &Path, port: u16, site: &str) -> Process {
    let seed = json!({"github": {
        "users": [{"login": "alice", "name": "Alice"}, {"login": "bob", "name": "Bob"}],
        "oauth_apps": [{
            "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "name": "orchd",
            "redirect_uris": [format!("{site}/login/callback")],
        }],
    }});
    std::fs::write(dir.join("seed.json"), seed.to_string()).unwrap();
    let script = npm::install(emulator::PACKAGE).join("emulate/dist/index.js");
    let mut command = Command::new("node");
    command.arg(script).args(["start", "-s", "github", "-p", &port.to_string(), "--seed"]).arg(dir.join("seed.json"));
    let emulator = spawn(&mut command, &dir.join("emulator.log"));
    wait_for_port(port, dir);
    emulator
}

fn start_daemon(dir: &Path, port: u16, github: u16, site: &str) -> Process {
    for (name, text) in [("secret", "a webhook secret"), ("client-secret", CLIENT_SECRET), ("key", KEY)] {
        std::fs::write(dir.join(name), text).unwrap();
    }
    let config = format!(
        "server: {{listen: \"127.0.0.1:{port}\", admin_socket: {dir}/orchd.sock, public_url: \"{site}\"}}
database: sqlite://{dir}/orchd.db
github:
  client_id: {CLIENT_ID}
  client_secret: {{file: {dir}/client-secret}}
  api_url: http://127.0.0.1:{github}
  webhook_secrets: [{{file: {dir}/secret}}]
login: {{keys: [{{file: {dir}/key}}]}}
rules: []
",
        dir = dir.display()
    );
    std::fs::write(dir.join("orchd.yaml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchd"));
    command.args(["serve", "--config"]).arg(dir.join("orchd.yaml")).env("ORCHD_LOG", "orchd=debug,info");
    let daemon = spawn(&mut command, &dir.join("orchd.log"));
    wait_for_port(port, dir);
    daemon
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_signs_in_with_a_real_browser_and_out_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let (port, github) = (free_port(), free_port());
    let front = end_tls_before(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), &dir.path().join("ca.pem")).await;
    let site = format!("https://localhost:{}", front.port());
    let _emulator = start_emulator(dir.path(), github, &site);
    let _daemon = start_daemon(dir.path(), port, github, &site);
    let modules = npm::install(PLAYWRIGHT);
    // Kept below `target/`, for whoever wants to look at them.
    let shots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
    let profiles = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/login/browser.mjs");
    let mut command = Command::new("node");
    command.arg(script).arg(&site).arg(profiles.path()).arg(modules);
    let seen = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    std::fs::create_dir_all(&shots).unwrap();
    for entry in std::fs::read_dir(profiles.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "png") {
            std::fs::copy(&path, shots.join(path.file_name().unwrap())).unwrap();
        }
    }
    let log = || std::fs::read_to_string(dir.path().join("orchd.log")).unwrap_or_default();
    let (out, err) = (String::from_utf8_lossy(&seen.stdout), String::from_utf8_lossy(&seen.stderr));
    assert!(seen.status.success() && out.contains("all of it was seen"), "{out}\n{err}\n{}", log());
}
