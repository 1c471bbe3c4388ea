//! The proxies themselves: the config as it is shipped, with other addresses, names of files, and nothing else.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::emulator::{Process, spawn};
use crate::port::free_port;

/// The name in the configs.
pub const NAME: &str = "orchd.example.com";

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Nginx,
    Caddy,
    Haproxy,
}

/// A running proxy. Killed when dropped.
pub struct Front {
    pub address: SocketAddr,
    /// PEM of who signed its certificate.
    pub authority: String,
    _process: Process,
    dir: TempDir,
}

impl Drop for Front {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the proxy's log ---\n{}", self.log());
        }
    }
}

impl Front {
    /// Before the daemon on that port.
    pub async fn start(kind: Kind, daemon: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = write_certificate(dir.path());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let written = Shipped { dir: dir.path(), port: address.port(), daemon };
        let mut command = written.command(kind);
        let process = spawn(command.env("HOME", dir.path()).current_dir(dir.path()), &dir.path().join("log"));
        let front = Self { address, authority, _process: process, dir };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "{kind:?} does not listen:\n{}", front.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        front
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

/// A certificate for [`NAME`]: `chain.pem`, `key.pem`, and `both.pem` of the two. Gives who signed it.
fn write_certificate(dir: &Path) -> String {
    let issuer_key = rcgen::KeyPair::generate().unwrap();
    let mut issuer = rcgen::CertificateParams::new([]).unwrap();
    issuer.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = issuer.self_signed(&issuer_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(issuer, issuer_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new([NAME.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let (chain, key) = (leaf.pem(), key.serialize_pem());
    std::fs::write(dir.join("both.pem"), format!("{chain}{key}")).unwrap();
    std::fs::write(dir.join("chain.pem"), chain).unwrap();
    std::fs::write(dir.join("key.pem"), key).unwrap();
    authority
}

/// What a shipped config becomes for a test.
struct Shipped<'a> {
    dir: &'a Path,
    port: u16,
    daemon: u16,
}

impl Shipped<'_> {
    fn command(&self, kind: Kind) -> Command {
        match kind {
            Kind::Nginx => self.nginx(),
            Kind::Caddy => self.caddy(),
            Kind::Haproxy => self.haproxy(),
        }
    }

    fn nginx(&self) -> Command {
        let port = self.port;
        self.write(
            "nginx.conf",
            &[
                ("listen 80;", format!("listen 127.0.0.1:{};", free_port())),
                ("listen [::]:80;", String::new()),
                ("listen 443 ssl http2;", format!("listen 127.0.0.1:{port} ssl http2;")),
                ("listen [::]:443 ssl http2;", String::new()),
                ("/etc/ssl/orchd/fullchain.pem", self.file("chain.pem")),
                ("/etc/ssl/orchd/key.pem", self.file("key.pem")),
            ],
        );
        let user = if self.is_root() { "user root root;" } else { "" };
        let dir = self.dir.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|of| format!("{of}_temp_path {dir}/{of};"))
            .concat();
        let main = format!(
            "{user} daemon off; master_process off; pid {dir}/pid; error_log stderr info;\n\
             events {{}}\nhttp {{ access_log off; {temporary} include {dir}/nginx.conf; }}\n"
        );
        std::fs::write(self.dir.join("main.conf"), main).unwrap();
        let mut command = Command::new("nginx");
        command.args(["-e", "stderr", "-c"]).arg(self.dir.join("main.conf"));
        command
    }

    fn caddy(&self) -> Command {
        let tls = "tls /etc/ssl/orchd/fullchain.pem /etc/ssl/orchd/key.pem";
        let ours = format!("\ttls {} {}", self.file("chain.pem"), self.file("key.pem"));
        self.write(
            "Caddyfile",
            &[
                ("\n\tservers {", "\n\tadmin off\n\tauto_https disable_redirects\n\tservers {".to_owned()),
                // Nobody waits so long here.
                ("read_body 2m", "read_body 10s".to_owned()),
                ("\norchd.example.com {", format!("\norchd.example.com:{} {{\n\tbind 127.0.0.1", self.port)),
                (&format!("\t# A certificate of your own: {tls}"), ours),
            ],
        );
        let mut command = Command::new("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(self.dir.join("Caddyfile"));
        command.env("XDG_DATA_HOME", self.dir).env("XDG_CONFIG_HOME", self.dir);
        command
    }

    fn haproxy(&self) -> Command {
        self.write(
            "haproxy.cfg",
            &[
                ("bind :443,[::]:443 v6only", format!("bind 127.0.0.1:{}", self.port)),
                ("bind :80,[::]:80 v6only", format!("bind 127.0.0.1:{}", free_port())),
                ("/etc/ssl/orchd/orchd.pem", self.file("both.pem")),
            ],
        );
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f"]).arg(self.dir.join("haproxy.cfg"));
        command
    }

    fn write(&self, name: &str, changes: &[(&str, String)]) {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/proxies").join(name);
        let mut text = std::fs::read_to_string(shipped).unwrap();
        let daemon = format!("127.0.0.1:{}", self.daemon);
        for (from, to) in changes.iter().chain([&("127.0.0.1:8080", daemon)]) {
            assert!(text.contains(from), "{name} does not say `{from}` any more");
            text = text.replace(from, to);
        }
        std::fs::write(self.dir.join(name), text).unwrap();
    }

    fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn is_root(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata("/proc/self").unwrap().uid() == 0
    }
}
