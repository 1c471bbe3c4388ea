//! The load: the published example payloads, signed, sent by wrk.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;

pub const SECRET: &str = "a secret for benchmarks only";

/// npm packages the report needs, pinned.
const EXAMPLES: &str = "@octokit/webhooks-examples@7.6.1";
pub const PROBOT: &str = "probot@14.3.2";

/// Installs an npm package below `target/` once; returns its `node_modules`.
pub fn npm(package: &str) -> Result<PathBuf> {
    let name = package.rsplit_once('@').map_or(package, |(name, _)| name);
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/npm").join(package.replace(['/', '@'], "_"));
    let modules = dir.join("node_modules");
    if !modules.join(name).join("package.json").exists() {
        std::fs::create_dir_all(&dir)?;
        let done = Command::new("npm")
            .args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--prefix"])
            .arg(&dir)
            .arg(package)
            .status()
            .context("npm is needed for the comparison")?;
        ensure!(done.success(), "npm could not install {package}");
    }
    Ok(modules)
}

/// A payload and its event name.
pub struct Example {
    pub event: String,
    pub body: String,
}

pub fn examples() -> Result<Vec<Example>> {
    let index = npm(EXAMPLES)?.join("@octokit/webhooks-examples/api.github.com/index.json");
    let index: Vec<Value> = serde_json::from_slice(&std::fs::read(index)?)?;
    let mut all = Vec::new();
    for event in &index {
        let name = event["name"].as_str().context("an example without a name")?;
        for body in event["examples"].as_array().into_iter().flatten() {
            all.push(Example { event: name.to_owned(), body: body.to_string() });
        }
    }
    ensure!(all.len() == 329, "expected 329 examples, found {}", all.len());
    Ok(all)
}

/// Writes what wrk sends: each request split around its delivery id, so that every request sent is a new delivery.
pub fn write_requests(examples: &[Example], path: &str, to: &Path) -> Result<()> {
    let mut file = Vec::new();
    for example in examples {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes())?;
        mac.update(example.body.as_bytes());
        let mut signature = String::new();
        for byte in mac.finalize().into_bytes() {
            write!(signature, "{byte:02x}")?;
        }
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nContent-Type: application/json\r\n\
             User-Agent: GitHub-Hookshot/044aadd\r\nX-GitHub-Event: {}\r\nX-GitHub-Hook-ID: 292430182\r\n\
             X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {}\r\nX-GitHub-Delivery: ",
            example.event,
            example.body.len()
        );
        let tail = format!("\r\n\r\n{}", example.body);
        file.extend(format!("{} {}\n", head.len(), tail.len()).into_bytes());
        file.extend(head.into_bytes());
        file.extend(tail.into_bytes());
    }
    std::fs::write(to, file)?;
    Ok(())
}

const SCRIPT: &str = r#"
local heads, tails, count, sent = {}, {}, 0, 0
function init(args)
  local file = io.open(args[1], "rb")
  while true do
    local head, tail = file:read("*n", "*n")
    if not head then break end
    file:read(1)
    count = count + 1
    heads[count] = file:read(head)
    tails[count] = file:read(tail)
  end
  run = tonumber(args[2])
end
function request()
  sent = sent + 1
  local i = sent % count + 1
  return heads[i] .. string.format("%08x-7a11-11ef-8000-%012x", run, sent) .. tails[i]
end
function done(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    summary.errors.status, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"#;

/// What wrk saw.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub requests: u64,
    pub seconds: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

impl Load {
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }
}

/// Runs wrk for `seconds`; every answer must be a 2xx.
pub fn wrk(dir: &Path, requests: &Path, port: u16, connections: u32, seconds: u32) -> Result<Load> {
    let script = dir.join("load.lua");
    std::fs::write(&script, SCRIPT)?;
    // A delivery id must be new in every run against the same database.
    let run = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis() as u32;
    let out = Command::new("wrk")
        .args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "--timeout", "10s", "-s"])
        .arg(&script)
        .arg(format!("http://127.0.0.1:{port}"))
        .arg("--")
        .arg(requests)
        .arg(run.to_string())
        .output()
        .context("wrk is needed (Debian package wrk)")?;
    let text = String::from_utf8_lossy(&out.stdout);
    let line =
        text.lines().find_map(|line| line.strip_prefix("RESULT ")).with_context(|| format!("wrk said: {text}"))?;
    let n: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [requests, micros, p50, p99, refused, broken] = n[..] else { bail!("wrk said: {line}") };
    ensure!(refused == 0.0 && broken == 0.0, "{refused} requests were refused and {broken} broke: {text}");
    Ok(Load { requests: requests as u64, seconds: micros / 1e6, p50_ms: p50 / 1e3, p99_ms: p99 / 1e3 })
}
