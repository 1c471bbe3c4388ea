//! Faults on this machine: the config, secrets, file modes, the database, the disk, the socket, the address. No daemon runs.

use std::process::Command;

use sqlx::Connection as _;

use super::{edit, examine, prepare, set_mode};
use crate::story::{Database, Story};

/// A fault on this machine, and what the doctor says of it. `PATH` stands for the story's directory.
struct Planted {
    plant: fn(&Story),
    check: &'static str,
    told: &'static str,
    advice: &'static str,
}

const PLANTED: &[Planted] = &[
    Planted {
        plant: |story| std::fs::remove_file(story.config()).unwrap(),
        check: "config",
        told: "there is no PATH/orchd.yaml",
        advice: "orchd setup --public-url URL makes one",
    },
    Planted {
        plant: |story| edit(story, "rules:\n", "rulez: []\nrules:\n"),
        check: "config",
        told: "PATH/orchd.yaml:",
        advice: "`orchd config check PATH/orchd.yaml` tells all that is wrong",
    },
    Planted {
        plant: |story| std::fs::remove_file(story.path("webhook-secret")).unwrap(),
        check: "secrets",
        told: "`github.webhook_secrets`",
        advice: "openssl rand -hex 32 > PATH/webhook-secret && chmod 600 PATH/webhook-secret",
    },
    Planted {
        plant: |story| std::fs::write(story.path("client-secret"), "\n").unwrap(),
        check: "secrets",
        told: "is empty",
        advice: "put it into PATH/client-secret",
    },
    Planted {
        plant: |story| std::fs::write(story.path("github-app.pem"), "no key").unwrap(),
        check: "secrets",
        told: "is not an RSA private key",
        advice: "Generate a private key; put it into PATH/github-app.pem",
    },
    Planted {
        plant: |story| edit(story, &format!("{{file: {}}}", story.path("client-secret").display()), "{env: NO_SUCH}"),
        check: "secrets",
        told: "the environment variable `NO_SUCH` is not set",
        advice: "set the environment variable NO_SUCH",
    },
    Planted {
        plant: |story| set_mode(&story.path("github-app.pem"), 0o644),
        check: "file modes",
        told: "others may use PATH/github-app.pem (mode 0644)",
        advice: "chmod 600 PATH/github-app.pem",
    },
    Planted {
        plant: |story| set_mode(story.dir.path(), 0o777),
        check: "file modes",
        told: "anybody may write PATH (mode 0777)",
        advice: "chmod o-w PATH",
    },
    Planted {
        plant: |story| {
            std::fs::write(story.path("orchd.db"), "this was a database before ".repeat(400)).unwrap();
            set_mode(&story.path("orchd.db"), 0o600);
        },
        check: "database",
        told: "PATH/orchd.db is damaged: ",
        advice: "systemctl stop orchd, keep a copy of PATH/orchd.db",
    },
    Planted {
        plant: |story| edit(story, "orchd.db\"", "gone/orchd.db\""),
        check: "database",
        told: "there is no directory PATH/gone",
        advice: "install -d -o orchd -g orchd -m 700 PATH/gone",
    },
    Planted {
        plant: |story| std::fs::write(story.socket(), "not a socket").unwrap(),
        check: "socket",
        told: "PATH/orchd.sock is not a socket",
        advice: "rm PATH/orchd.sock",
    },
    Planted {
        plant: |story| {
            drop(std::os::unix::net::UnixListener::bind(story.socket()).unwrap());
            set_mode(&story.socket(), 0o666);
        },
        check: "socket",
        told: "anybody on this machine may command the daemon",
        advice: "chmod 660 PATH/orchd.sock",
    },
];

#[tokio::test]
async fn each_fault_on_this_machine_is_found_alone() {
    for Planted { plant, check, told, advice } in PLANTED {
        let story = prepare(Database::Sqlite, "https://localhost").await;
        plant(&story);
        let here = story.dir.path().display().to_string();
        let report = examine(&story, &["--offline"]).await;
        report.is_alone_without_a_daemon(check, &told.replace("PATH", &here), &advice.replace("PATH", &here));
    }
}

#[tokio::test]
async fn a_socket_left_behind_says_that_no_daemon_runs() {
    let story = prepare(Database::Sqlite, "https://localhost").await;
    drop(std::os::unix::net::UnixListener::bind(story.socket()).unwrap());
    set_mode(&story.socket(), 0o660);
    let report = examine(&story, &["--offline"]).await;
    assert_eq!((report.code, report.in_state("warning")), (Some(0), vec!["daemon", "socket"]), "{report:#?}");
    assert!(report.findings["socket"]["told"].as_str().unwrap().contains("left behind by one that is gone"));
    assert_eq!(report.findings["socket"]["advice"][0], "systemctl start orchd");
}

#[tokio::test]
async fn what_signing_in_lacks_is_worth_a_look() {
    let story = prepare(Database::Sqlite, "https://localhost").await;
    edit(&story, "\nlogin: {keys:", "\n# login: {keys:");
    let report = examine(&story, &["--offline"]).await;
    assert_eq!((report.code, report.state("sign-in")), (Some(0), "warning"), "{report:#?}");
    let advice = report.findings["sign-in"]["advice"][0].as_str().unwrap();
    assert!(advice.contains("openssl rand -base64 32") && advice.contains("login.keys"), "{advice}");
}

#[tokio::test]
async fn another_program_on_our_address_is_found() {
    let story = prepare(Database::Sqlite, "https://localhost").await;
    let _other = std::net::TcpListener::bind(("127.0.0.1", story.port)).unwrap();
    let report = examine(&story, &["--offline"]).await;
    let advice = format!("ss -ltnp 'sport = :{}'", story.port);
    report.is_alone_without_a_daemon("daemon", "another program listens on 127.0.0.1:", &advice);
}

async fn used_by_a_newer_orchd(database: Database) {
    let mut story = prepare(database, "https://localhost").await;
    story.start();
    assert_eq!(story.stop(), Some(0));
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9000, 'of tomorrow', TRUE, ";
    let url = story.database();
    match database {
        Database::Sqlite => {
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            let insert = sqlx::AssertSqlSafe(format!("{newer}x'00', 1)"));
            sqlx::query(insert).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
        Database::Postgres => {
            let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
            let insert = sqlx::AssertSqlSafe(format!("{newer}'\\x00', 1)"));
            sqlx::query(insert).execute(&mut connection).await.unwrap();
        }
    }
    let report = examine(&story, &["--offline"]).await;
    let advice = "install that newer orchd";
    report.is_alone_without_a_daemon("database", "its version 9000 is unknown to", advice);
}

crate::on_both_databases!(a_database_that_a_newer_orchd_has_used_is_found, used_by_a_newer_orchd);

/// A small disk of the test's own, which needs root: `make test` runs as root in CI. Elsewhere a user namespace serves.
#[tokio::test]
async fn a_disk_that_is_nearly_full_is_found() {
    let story = prepare(Database::Sqlite, "https://localhost").await;
    let disk = story.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m,mode=700", "orchd-test"]).arg(&disk).status();
    assert!(mounted.unwrap().success(), "this test mounts a small tmpfs: run it as root");
    struct Unmount(std::path::PathBuf);
    impl Drop for Unmount {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }
    let _unmount = Unmount(disk.clone());
    edit(&story, "orchd.db\"", "disk/orchd.db\"");
    let report = examine(&story, &["--offline"]).await;
    let advice = format!("free space there (df -h {})", disk.display());
    report.is_alone_without_a_daemon("disk", "2 MB are left for ", &advice);
}
