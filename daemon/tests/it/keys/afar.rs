//! The command line from another machine.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use super::*;
use crate::tls::end_tls_before;

/// The CLI on another machine: no config, no socket, a URL and a key.
struct Afar {
    key_file: PathBuf,
    url: String,
}

impl Afar {
    fn new(story: &Story, key: &str) -> Self {
        let key_file = story.path("afar.key");
        let mut file = std::fs::File::create(&key_file).unwrap();
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
        writeln!(file, "{key}").unwrap();
        Self { key_file, url: story.url() }
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).arg("--key-file").arg(&self.key_file).output().unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orchd"));
        command.args(args).arg("--url").arg(&self.url).stdin(Stdio::null());
        command.env_remove("ORCHD_KEY").env_remove("ORCHD_URL").env("ORCHD_CONFIG", "/no/such/file");
        command
    }
}

fn complaint(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn the_command_line_works_from_afar() {
    let story = begin(Database::Sqlite, "api: {endpoints: [\"status.show 1/h\"]}").await;
    story.github.person("alice").opens_issue(WEB, NewItem::titled("One"));
    story.settles().await;
    let key = key(&story, &["--scope", "events:read,status:read,keys:write"]);
    let afar = Afar::new(&story, &key);

    let here = story.json_lines(&["events", "list"]);
    let there = afar.run(&["events", "list", "--json"]);
    assert_eq!(there.status.code(), Some(0), "{}", complaint(&there).1);
    let rows: Vec<Value> = there
        .stdout
        .split(|&b| b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(rows, here);
    let by_environment = afar.command(&["events", "list"]).env("ORCHD_KEY", &key).output().unwrap();
    assert_eq!(by_environment.status.code(), Some(0));
    let by_url = Command::new(env!("CARGO_BIN_EXE_orchd"))
        .args(["events", "list"])
        .env("ORCHD_URL", story.url())
        .env("ORCHD_KEY", &key)
        .output()
        .unwrap();
    assert_eq!(by_url.status.code(), Some(0), "{}", complaint(&by_url).1);

    // A key for another script, made from afar; its text alone on standard output.
    let made = afar.run(&["keys", "create", "second", "--scope", "events:read", "--expires", "1d"]);
    let text = String::from_utf8(made.stdout.clone()).unwrap();
    assert!(text.trim().parse::<KeyText>().is_ok(), "{}", complaint(&made).1);
    assert!(complaint(&made).1.contains("Keep it now"));

    let (code, said) = complaint(&afar.run(&["jobs", "list"]));
    assert_eq!((code, said.as_str()), (Some(1), "orchd: the key lacks the scope `jobs:read`\n"));
    assert_eq!(afar.run(&["status"]).status.code(), Some(0));
    let (code, said) = complaint(&afar.run(&["status"]));
    assert!(code == Some(1) && said.contains("try again in 3600 s") | said.contains("try again in 35"), "{said}");

    let (code, said) = complaint(&afar.command(&["events", "list"]).output().unwrap());
    assert!(code == Some(2) && said.contains("set ORCHD_KEY, or pass --key-file"), "{said}");
    std::fs::set_permissions(&afar.key_file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (code, said) = complaint(&afar.run(&["events", "list"]));
    assert!(code == Some(2) && said.contains("chmod 600"), "{said}");
    let wrong = KeyText::new([1; 32]);
    let (code, said) = complaint(&Afar::new(&story, wrong.expose()).run(&["events", "list"]));
    assert!(
        code == Some(1) && said.contains("the key was refused: there is no such key; `orchd keys create`"),
        "{said}"
    );
    let nobody = Afar { url: "http://127.0.0.1:1".to_owned(), ..Afar::new(&story, &key) };
    let (code, said) = complaint(&nobody.run(&["events", "list"]));
    assert!(code == Some(3) && said.starts_with("orchd: http://127.0.0.1:1 cannot be reached: "), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_network_the_machines_certificates_count() {
    let story = begin(Database::Sqlite, "").await;
    let authority = story.path("ca.pem");
    let front = end_tls_before(story.url().trim_start_matches("http://").parse().unwrap(), &authority).await;
    let url = format!("https://localhost:{}", front.port());
    let afar = Afar { url, ..Afar::new(&story, &key(&story, &["--scope", "events:read"])) };
    let run = |trusted: bool| {
        let mut command = afar.command(&["events", "list"]);
        command.arg("--key-file").arg(&afar.key_file);
        if trusted {
            command.env("SSL_CERT_FILE", &authority);
        }
        command.output().unwrap()
    };
    let (code, said) = complaint(&tokio::task::block_in_place(|| run(false)));
    assert!(code == Some(3) && said.contains("certificate"), "{said}");
    let trusted = tokio::task::block_in_place(|| run(true));
    assert_eq!(trusted.status.code(), Some(0), "{}", complaint(&trusted).1);
}
