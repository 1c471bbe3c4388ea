//! A PostgreSQL server for tests.
//!
//! `ORCHD_TEST_POSTGRES` names a server (the URL of a maintenance database). Without it the first test that asks starts
//! a throwaway cluster, other test processes share it, and it is stopped when the last of them ends. Its files stay in the
//! temporary directory until the next start makes them anew.
//! A test never goes on without one: it fails and says what to install.

use std::fs::{self, File, OpenOptions};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::port::free_port;

/// A database of its own, on the server of the tests.
pub(crate) struct Database {
    maintenance: String,
    name: String,
    pub(crate) url: String,
}

impl Database {
    pub(crate) async fn create() -> Self {
        let maintenance = tokio::task::spawn_blocking(server).await.unwrap();
        let name = format!("orchd_test_{}", Uuid::now_v7().simple());
        run(&maintenance, format!("CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")).await;
        let (start, query) = maintenance.split_once('?').map_or((&*maintenance, ""), |(start, query)| (start, query));
        let (server, _) = start.rsplit_once('/').expect("ORCHD_TEST_POSTGRES is postgres://HOST/DATABASE");
        let url = format!("{server}/{name}?{query}");
        Self { maintenance, name, url }
    }

    pub(crate) async fn drop(self) {
        run(&self.maintenance, format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

async fn run(url: &str, sql: String) {
    let mut connection = PgConnection::connect(url).await.expect("the PostgreSQL server of the tests can be reached");
    sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
}

fn server() -> String {
    static SERVER: OnceLock<(String, Option<File>)> = OnceLock::new();
    let start = || match std::env::var("ORCHD_TEST_POSTGRES") {
        Ok(url) => (url, None),
        Err(_) => {
            let (url, user) = share_cluster();
            (url, Some(user))
        }
    };
    SERVER.get_or_init(start).0.clone()
}

/// URL of the shared cluster, and the lock that says it is in use for as long as this process lives.
fn share_cluster() -> (String, File) {
    // One for each target directory: checkouts side by side do not meet. Not inside it: the server's user must get there.
    let checkout = Uuid::new_v5(&Uuid::NAMESPACE_URL, env!("CARGO_TARGET_TMPDIR").as_bytes());
    let home = std::env::temp_dir().join(format!("orchd-test-postgres-{}", &checkout.simple().to_string()[..12]));
    fs::create_dir_all(&home).unwrap();
    let open = |name: &str| OpenOptions::new().write(true).create(true).truncate(false).open(home.join(name)).unwrap();
    let in_use = open("in-use.lock");
    // Waits while the cluster is being stopped.
    in_use.lock_shared().unwrap();
    let starting = open("starting.lock");
    starting.lock().unwrap();
    let port = running(&home).unwrap_or_else(|| start(&home));
    (format!("postgres://orchd@127.0.0.1:{port}/postgres"), in_use)
}

fn running(home: &Path) -> Option<u16> {
    let port = fs::read_to_string(home.join("port")).ok()?.trim().parse().ok()?;
    TcpStream::connect(("127.0.0.1", port)).ok().map(|_| port)
}

fn start(home: &Path) -> u16 {
    let bin = binaries();
    let data = home.join("data");
    let _ = fs::remove_dir_all(&data);
    fs::create_dir(&data).unwrap();
    // PostgreSQL refuses to run as root: Debian's package has a user for it.
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if root {
        succeed(Command::new("chown").args(["-R", "postgres"]).arg(&data));
    }
    let command = |program: &str| {
        let mut command = if root { Command::new("runuser") } else { Command::new(bin.join(program)) };
        if root {
            command.args(["-u", "postgres", "--"]).arg(bin.join(program));
        }
        command.current_dir("/");
        command
    };
    succeed(command("initdb").arg("-D").arg(&data).args(["-U", "orchd", "--auth=trust", "--no-sync", "-E", "UTF8"]));
    let port = free_port();
    // Only what the machine's crash would lose is given up for speed.
    let options =
        format!("-c listen_addresses=127.0.0.1 -p {port} -k {} -c fsync=off -c max_connections=300", data.display());
    succeed(
        command("pg_ctl").arg("-D").arg(&data).arg("-l").arg(data.join("log")).args(["-w", "-o", &options, "start"]),
    );
    fs::write(home.join("port"), port.to_string()).unwrap();
    stop_after_the_last(home, command("pg_ctl").arg("-D").arg(&data).args(["-m", "immediate", "stop"]));
    port
}

/// Leaves a process behind that waits until no test process holds the lock any more.
fn stop_after_the_last(home: &Path, stop: &Command) {
    let mut watch = Command::new("flock");
    watch.arg(home.join("in-use.lock")).arg(stop.get_program()).args(stop.get_args()).current_dir("/");
    // Neither a runner that waits for the tests' output nor Ctrl-C on the terminal is to reach it.
    std::os::unix::process::CommandExt::process_group(&mut watch, 0);
    watch.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    #[expect(clippy::zombie_processes, reason = "it is to outlive this process")]
    watch.spawn().expect("flock of util-linux");
}

/// Debian keeps them out of the path, a folder for each version; the newest wins.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    if let Some(version) = newest {
        return format!("/usr/lib/postgresql/{version}/bin").into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file());
    found.expect(
        "PostgreSQL is not installed: install Debian's `postgresql`, or set ORCHD_TEST_POSTGRES to a server's URL",
    )
}

fn succeed(command: &mut Command) {
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
