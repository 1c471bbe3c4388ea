//! How the command line finds the daemon, follows it, and says what went wrong.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use orchd_fake::{Fault, NewItem};
use serde_json::Value;

use super::{RULES, err, fails, orchd, out, says, text};
use crate::story::{Database, Story, WEB};

const NOBODY: &str = "01980a2b-7c4d-7e5f-8a9b-0c1d2e3f4a5b";

#[tokio::test]
async fn exit_codes_say_what_went_wrong() {
    let story = Story::begin(Database::Sqlite, RULES).await;
    for wrong in [
        &["events", "list", "--limit", "0"][..],
        &["events", "list", "--status", "done"],
        &["events", "list", "--since", "yesterday"],
        &["events", "list", "--repo", "acme"],
        &["events", "show", "12"],
        &["effects", "list", "--state", "gone"],
        &["why", "acme"],
        &["no-such-command"],
        &[],
    ] {
        assert_eq!(fails(&story, wrong).0, 2, "{wrong:?}");
    }
    for (nothing, complaint) in [
        (&["events", "show", NOBODY][..], "there is no event"),
        (&["events", "replay", NOBODY], "there is no event"),
        (&["why", NOBODY], "there is no event"),
        (&["why", "acme/web#77"], "no rule has looked at acme/web#77"),
        (&["effects", "show", NOBODY], "there is no effect"),
        (&["jobs", "show", NOBODY], "there is no job"),
        (&["jobs", "retry", NOBODY], "there is no job"),
        (&["jobs", "discard", NOBODY], "there is no job"),
    ] {
        let (code, said) = fails(&story, nothing);
        assert!(code == 4 && said.starts_with(&format!("orchd: {complaint}")), "{nothing:?}: {code} {said}");
    }
    assert_eq!(says(&story, &["events", "list"]), "", "an empty list is no failure");
}

#[tokio::test]
async fn the_daemon_is_found_by_config_by_environment_and_by_socket() {
    let story = Story::begin(Database::Sqlite, RULES).await;
    let (config, socket) = (story.config(), story.socket());
    let ways = [
        orchd(&["status", "--config"]).arg(&config).output().unwrap(),
        orchd(&["status"]).env("ORCHD_CONFIG", &config).output().unwrap(),
        orchd(&["status", "--socket"]).arg(&socket).output().unwrap(),
        orchd(&["status", "--config", "/no/such/file", "--socket"]).arg(&socket).output().unwrap(),
    ];
    for output in ways {
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        assert!(out(&output).contains(&format!("127.0.0.1:{}", story.port)));
    }
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_said_in_a_sentence() {
    let mut story = Story::begin(Database::Sqlite, RULES).await;
    assert_eq!(story.stop(), Some(0));
    let socket = story.socket().display().to_string();
    for args in [&["status"][..], &["events", "tail"], &["jobs", "list"], &["why", "acme/web#1"]] {
        let (code, said) = fails(&story, args);
        assert_eq!(code, 3, "{args:?}");
        assert_eq!(
            said,
            format!(
                "orchd: no daemon listens on {socket}: start it (systemctl start orchd, or orchd serve), or pass --socket\n"
            )
        );
    }
    let lost = orchd(&["status", "--config", "/no/such/file"]).output().unwrap();
    assert_eq!(lost.status.code(), Some(3));
    assert!(err(&lost).starts_with("orchd: /no/such/file cannot be read to find the daemon"), "{}", err(&lost));
}

/// On threads of its own: reading what the CLI prints blocks, and GitHub must go on delivering meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tail_shows_events_as_they_arrive_and_ends_on_ctrl_c() {
    let story = Story::begin(Database::Sqlite, RULES).await;
    let alice = story.github.person("alice");
    alice.opens_issue(WEB, NewItem::titled("Before"));
    story.settles().await;
    for json in [false, true] {
        let mut command = orchd(&["events", "tail", "--type", "issues", "--action", "opened", "--config"]);
        command.arg(story.config()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if json {
            command.arg("--json");
        }
        let mut tail = command.spawn().unwrap();
        let mut hint = String::new();
        BufReader::new(tail.stderr.take().unwrap()).read_line(&mut hint).unwrap();
        assert_eq!(hint, "Following what arrives from now on; Ctrl-C ends.\n");

        let mut lines = BufReader::new(tail.stdout.take().unwrap());
        for _ in 0..2 {
            let number = alice.opens_issue(WEB, NewItem::titled("Now"));
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            if json {
                assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["number"], number);
            } else {
                assert!(line.contains("issues.opened") && line.contains(&format!("acme/web#{number} ")), "{line}");
            }
        }
        assert!(Command::new("kill").args(["-INT", &tail.id().to_string()]).status().unwrap().success());
        assert_eq!(tail.wait().unwrap().code(), Some(0));
        let mut rest = String::new();
        lines.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
}

#[tokio::test]
async fn what_outsiders_write_moves_no_cursor() {
    let rules = "
  - name: look
    on: issues.opened
    if: {title: \"(?i)pay\"}
    then:
      - comment: {body: Thank you.}
";
    let story = Story::begin(Database::Sqlite, rules).await;
    let title = "\u{1b}]0;owned\u{7}\u{1b}[2JPay\r\n\u{202e}drawer\u{9b}31m\u{200b}\u{0}\t!";
    story.github.person("alice").opens_issue(WEB, NewItem::titled(title).body(title));
    story.github.fault(Fault::on("POST", "/repos/acme/web/issues/").status(422));
    story.settles().await;
    let event = story.json_lines(&["events", "list", "--action", "opened"]).remove(0);
    let id = text(&event, "id");
    for args in [
        &["events", "list"][..],
        &["events", "show", id],
        &["events", "show", id, "--payload"],
        &["why", id],
        &["why", "acme/web#1"],
        &["effects", "list"],
        &["jobs", "list"],
        &["audit", "list"],
        &["audit", "export"],
        &["audit", "export", "--format", "csv"],
        &["--json", "events", "show", id, "--payload"],
        &["--json", "why", id],
    ] {
        let shown = says(&story, args);
        let bad =
            shown.chars().find(|&c| (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{202e}' | '\u{200b}'));
        assert_eq!(bad, None, "{args:?}: {shown:?}");
    }
    let payload = story.json(&["events", "show", id, "--payload"]);
    assert_eq!(payload["payload"]["issue"]["title"], title, "JSON keeps what was sent");
    assert!(says(&story, &["why", id]).contains("Pay"), "and a person still reads the words");
}
