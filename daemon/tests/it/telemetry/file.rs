//! The log's own file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use orchd_fake::NewItem;

use super::{lines, message, prepare};
use crate::road::DOCS_RULE;
use crate::story::{Story, WEB, run_cli};

fn log_to(story: &mut Story, path: &str, more: &str) {
    story.replace_more(&format!("logging:\n  file: {{path: {path}{more}}}\n"));
    story.write_rules(DOCS_RULE);
}

#[tokio::test]
async fn the_log_is_in_the_file_as_well_to_its_last_line_and_without_tokens() {
    let mut story = prepare(DOCS_RULE, "", "orchd=debug,info").await;
    let directory = story.path("logs");
    fs::create_dir(&directory).unwrap();
    for day in 1..=5 {
        fs::write(directory.join(format!("own.log.2020-01-0{day}")), "{}\n").unwrap();
    }
    let path = directory.join("own.log");
    log_to(&mut story, path.to_str().unwrap(), ", keep: 3");
    story.start();
    story.github.person("alice").opens_pull(WEB, NewItem::titled("Docs").file("docs/guide.md"));
    story.settles().await;
    let is_told = |_: &Story| fs::read_to_string(&path).unwrap().contains("label on acme/web#1: applied");
    story.until("the effect is told", is_told).await;
    // No chance to write down anything.
    story.kill();
    assert!(is_told(&story));
    story.start();
    assert_eq!(story.stop(), Some(0));

    let (file, usual) = (fs::read_to_string(&path).unwrap(), story.log());
    let told = lines(&file);
    assert_eq!(message(told.last().unwrap()), "stopped");
    let messages = |text: &str| {
        let lines = lines(text);
        let since = lines.iter().rposition(|line| message(line) == "orchd starts").unwrap();
        let mut messages: Vec<String> = lines[since..].iter().map(|line| message(line).to_owned()).collect();
        messages.sort();
        messages
    };
    assert_eq!(messages(&file), messages(&usual), "the one says what the other says");
    assert!(!file.contains("ghs_") && !file.contains(crate::story::SECRET));

    let newest = fs::read_link(&path).unwrap();
    assert_eq!(fs::metadata(&newest).unwrap().permissions().mode() & 0o137, 0, "not more than 0640");
    let kept = fs::read_dir(&directory)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with("own.log."));
    assert_eq!(kept.count(), 3);
}

#[tokio::test]
async fn a_log_file_that_cannot_be_written_is_a_clear_error_at_start() {
    let mut story = prepare(DOCS_RULE, "", "info").await;
    let path = story.path("no/such/directory/orchd.log");
    log_to(&mut story, path.to_str().unwrap(), "");
    let out = run_cli(&story.config(), &["serve"]);
    assert!(!out.status.success());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    for part in [path.to_str().unwrap(), "logging.file", "directory"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!story.path("no").exists(), "no directory is made up");
}

#[tokio::test]
async fn lines_that_a_full_disk_refuses_are_counted_and_nothing_else_suffers() {
    let mut story = prepare(DOCS_RULE, "", "info").await;
    log_to(&mut story, "/dev/full", ", rotate: never");
    story.start();
    story.github.person("alice").opens_pull(WEB, NewItem::titled("Docs").file("docs/guide.md"));
    story.settles().await;
    assert_eq!(story.github.issue(WEB, 1).labels(), ["documentation"]);
    story.until_metric("orchd_log_lines_lost_total ", |lost| lost >= 1.0).await;
    story.until("the effect is told", |story| story.log().contains("label on acme/web#1: applied")).await;
}
