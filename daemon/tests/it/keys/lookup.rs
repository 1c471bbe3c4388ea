//! What looking a key up tells of it: nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use super::*;

/// What stands behind the name of the table in each statement about keys that was sent since the log was so long.
fn lookups(story: &Story, since: usize) -> Vec<String> {
    let log = story.log();
    let statements = log[since..].lines().filter(|line| line.contains("sqlx::query"));
    let conditions = statements.filter_map(|line| line.split("api_keys").nth(1)?.split('"').next());
    conditions.map(str::to_owned).collect()
}

/// Timing of key look-up: a daemon that looked for the beginning first, or compared part by part, would answer a nearly
/// right key otherwise than a wrong one. Here each goes the same way: one statement, by the SHA-256 of the whole key.
///
/// The index is searched by that hash, and may be the quicker the earlier it differs from all that are there. That leaks
/// nothing: whoever wants a hash that begins like a stored one has to try keys until one has it, learns some bits of a
/// hash, and a hash leads back to no key. To guess the 256 random bits is as hard as before.
#[tokio::test]
async fn timing_of_key_look_up_is_the_same_however_much_of_a_key_is_right() {
    let mut story = begin(Database::Sqlite, "").await;
    story.stop();
    story.set_environment("ORCHD_LOG", Path::new("info,sqlx::query=debug"));
    story.start();
    let right = key(&story, &["--scope", "events:read"]);
    let expired = key(&story, &["--scope", "events:read", "--expires", "1s"]);
    let began = Instant::now();
    while reads(&story, &expired, "/api/events").await.detail() != "the key has expired" {
        assert!(began.elapsed() < Duration::from_secs(30), "it never expires");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let nearly = with_right_checksum(&right[..48], &right);
    let of_no_key = KeyText::new([1; 32]).expose().to_owned();
    let mut ways = Vec::new();
    for (wrong, why) in
        [(of_no_key, "there is no such key"), (nearly, "there is no such key"), (expired, "the key has expired")]
    {
        let since = story.log().len();
        let refused = reads(&story, &wrong, "/api/events").await;
        assert_eq!((refused.status, refused.detail()), (StatusCode::UNAUTHORIZED, why));
        // The log is written aside.
        story.wait_for("the look-up in the log", |story| !lookups(story, since).is_empty());
        ways.push(lookups(&story, since));
    }
    assert!(ways[0].len() == 1 && ways[0][0].contains("key_hash = $1"), "{ways:#?}");
    assert!(ways.iter().all(|way| *way == ways[0]), "{ways:#?}");
}
