//! The servers under load: orchd on either database, the same server with HMAC only, and Probot.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::load::{PROBOT, SECRET, npm};

/// A server process, killed when dropped.
pub struct Server {
    pub port: u16,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn spawn(mut command: Command, port: u16, log: &Path) -> Result<Self> {
        let log = std::fs::File::create(log)?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let server = Self { port, child };
        let give_up = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_err() {
            if Instant::now() > give_up {
                bail!("the server did not open port {port}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(server)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU seconds used so far, user and system.
    pub fn cpu(&self) -> Result<f64> {
        cpu_of(self.pid())
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kib * 1024)
    }

    /// SIGTERM, and wait for the end.
    pub fn stop(mut self) -> Result<()> {
        Command::new("kill").arg(self.pid().to_string()).status()?;
        self.child.wait()?;
        Ok(())
    }
}

/// Linux counts process times in hundredths of a second.
const TICKS: f64 = 100.0;

fn cpu_of(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').context("odd stat")?.1.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / TICKS)
}

pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Writes a config into a directory of its own (the daemon watches it), and starts the daemon on it.
pub fn orchd(dir: &Path, database: &str, rules: &str, github: &str) -> Result<Server> {
    orchd_at(dir, database, rules, github, "")
}

/// As [`orchd`], with lines below `server:`.
pub fn orchd_at(dir: &Path, database: &str, rules: &str, github: &str, lines: &str) -> Result<Server> {
    let port = free_port()?;
    let etc = dir.join("etc");
    std::fs::create_dir_all(&etc)?;
    let secret = etc.join("webhook-secret");
    std::fs::write(&secret, SECRET)?;
    let config = etc.join("orchd.yaml");
    std::fs::write(
        &config,
        format!(
            "server:\n  listen: 127.0.0.1:{port}\n  admin_socket: {}\n{lines}database:\n  url: \"{database}\"\n  objects: {}\n\
             github:\n  webhook_secrets: [{{file: {}}}]\n{github}{rules}",
            dir.join("orchd.sock").display(),
            dir.join("objects").display(),
            secret.display(),
        ),
    )?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchd"));
    command.args(["serve", "--config"]).arg(&config).env("ORCHD_LOG", "warn");
    Server::spawn(command, port, &dir.join("orchd.log"))
}

/// This very binary, serving the webhook route with nothing behind the signature.
pub fn hmac_only(dir: &Path) -> Result<Server> {
    let port = free_port()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--hmac-only", &port.to_string()]);
    Server::spawn(command, port, &dir.join("hmac-only.log"))
}

const PROBOT_APP: &str = r"
import { run } from 'probot';
run((app) => { app.onAny(async () => {}); });
";

/// Probot from npm, production settings, a handler that does nothing; events live in its memory only.
pub fn probot(dir: &Path) -> Result<Server> {
    let modules = npm(PROBOT)?;
    let home = modules.parent().context("node_modules has a parent")?.to_path_buf();
    std::fs::write(home.join("app.mjs"), PROBOT_APP)?;
    let port = free_port()?;
    let mut command = Command::new("node");
    command
        .arg("app.mjs")
        .current_dir(&home)
        .envs([("NODE_ENV", "production"), ("APP_ID", "1"), ("WEBHOOK_SECRET", SECRET), ("LOG_LEVEL", "fatal")])
        .envs([("PORT", port.to_string()), ("PRIVATE_KEY", std::fs::read_to_string(app_key(dir)?)?)]);
    Server::spawn(command, port, &dir.join("probot.log"))
}

/// A throwaway RSA key: Probot does not start without one.
pub fn app_key(dir: &Path) -> Result<PathBuf> {
    let key = dir.join("app-key.pem");
    if !key.exists() {
        Command::new("openssl")
            .args(["genrsa", "-traditional", "-out"])
            .arg(&key)
            .arg("2048")
            .stderr(Stdio::null())
            .status()?;
    }
    Ok(key)
}
