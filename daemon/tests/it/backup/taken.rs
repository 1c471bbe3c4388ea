//! What a backup holds, and what is kept of them.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use super::*;
use crate::on_both_databases;

/// Deliveries on their way at once.
const SENDERS: usize = 8;

/// Sends until told to stop; GUIDs that were answered 202 go into `acknowledged`.
async fn send_without_end(story: &Story, stop: &AtomicBool, acknowledged: &std::sync::Mutex<BTreeSet<String>>) {
    let alice = story.github.person("alice");
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..SENDERS {
            alice.stars("acme/api");
            alice.opens_issue("acme/api", NewItem::titled("More"));
        }
        let deliveries = story.github.take_deliveries();
        join_all(deliveries.iter().map(|delivery| async move {
            if story.github.send(delivery).await == 202 {
                acknowledged.lock().unwrap().insert(delivery.guid.clone());
            }
        }))
        .await;
        // Others' stories run on this machine too.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

on_both_databases!(what_was_acknowledged_before_a_backup_began_is_in_it, |database: Database| async move {
    let mut story = a_morning(database).await;
    let effect = story.json_lines(&["effects", "list"]).remove(0);
    story.github.hold_deliveries();
    let (stop, acknowledged) = (AtomicBool::new(false), std::sync::Mutex::new(BTreeSet::new()));
    let into = story.path("backups");
    let (backup, told, before) = {
        let story = &story;
        let taking = async {
            story.until("deliveries arrive", |_| acknowledged.lock().unwrap().len() > 50).await;
            let before = acknowledged.lock().unwrap().clone();
            let (backup, told) = back_up(story, &into).await;
            let arrived = acknowledged.lock().unwrap().len() - before.len();
            stop.store(true, Ordering::Relaxed);
            assert!(arrived > 0, "ingest stood still while the backup was taken");
            println!("{} before, {arrived} meanwhile, backup in {}", before.len(), told["took_seconds"]);
            (backup, told, before)
        };
        tokio::join!(taking, send_without_end(story, &stop, &acknowledged)).0
    };
    assert_eq!(told["manifest"]["audit_proved"], true, "{told}");
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o700);
    let large = told["manifest"]["files"].as_array().unwrap().len() - 1;
    assert!(large >= 1 && told["lost_objects"] == serde_json::json!([]), "{told}");
    story.kill();

    lose_the_state(&mut story, database).await;
    let restored = runs(&story, &["restore", text(&backup)]).await;
    assert!(restored.contains("recovery fetches after the start"), "{restored}");
    story.github.release_deliveries();
    story.start();
    let there = stored(&story);
    let lost: Vec<_> = before.difference(&there).take(3).collect();
    assert!(lost.is_empty(), "acknowledged before the backup and not in it: {lost:?}");
    story.settles().await;

    // The large payload, the chain, and a rollback of what was done before.
    let opened = story.json_lines(&["events", "list", "--repo", WEB, "--action", "opened"]);
    let large = opened.last().unwrap()["id"].as_str().unwrap().to_owned();
    let payload = story.json(&["events", "show", &large, "--payload"]);
    assert_eq!(payload["payload"]["issue"]["body"].as_str().map(str::len), Some(2 << 20));
    runs(&story, &["audit", "verify"]).await;
    let number = effect["intent"]["number"].as_u64().unwrap_or(2);
    let plan =
        runs(&story, &["--json", "rollback", "plan", "--effect", effect["intent"]["id"].as_str().unwrap()]).await;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    runs(&story, &["rollback", "execute", plan["rollback"]["id"].as_str().unwrap(), "--yes", "--wait"]).await;
    story.settles().await;
    assert!(!story.github.issue(WEB, number).has_label("triage"), "{plan}");
});

#[tokio::test]
async fn what_is_set_aside_by_a_restore_is_whole() {
    let mut story = a_morning(Database::Sqlite).await;
    let (backup, _) = back_up(&story, &story.path("backups")).await;
    story.github.person("alice").opens_issue(WEB, NewItem::titled("After the backup"));
    story.settles().await;
    let later = stored(&story);
    story.kill();
    let refused = refuses(&story, &["restore", text(&backup)]).await;
    assert!(refused.contains("orchd.db") && refused.contains("--replace"), "{refused}");
    runs(&story, &["restore", text(&backup), "--replace"]).await;
    let aside: Vec<String> =
        names(story.dir.path()).into_iter().filter(|name| name.contains(".before-restore-")).collect();
    assert!(aside.iter().any(|name| name.starts_with("orchd.db.")), "{aside:?}");
    assert!(aside.iter().any(|name| name.starts_with("objects.")), "{aside:?}");
    story.start();
    assert!(stored(&story).len() < later.len());
    story.kill();

    // Put back by hand, with its log: nothing is missing.
    for name in names(story.dir.path()).iter().filter(|name| name.starts_with("orchd.db")) {
        if !name.contains(".before-restore-") {
            fs::remove_file(story.path(name)).unwrap();
        }
    }
    for name in aside.iter().filter(|name| name.starts_with("orchd.db.")) {
        let (start, end) = name.split_once(".before-restore-").unwrap();
        let log = end.split_once('-').map(|(_, log)| format!("-{log}")).unwrap_or_default();
        fs::rename(story.path(name), story.path(&format!("{start}{log}"))).unwrap();
    }
    story.start();
    assert_eq!(stored(&story), later);
}

on_both_databases!(killed_in_the_middle_it_leaves_nothing_that_looks_like_a_backup, |database: Database| async move {
    let story = a_morning(database).await;
    let into = story.path("backups");
    let (_, told) = back_up(&story, &into).await;
    let whole = told["took_seconds"].as_f64().unwrap();
    for round in 0..12_u32 {
        let mut killed = Command::new(env!("CARGO_BIN_EXE_orchd"));
        killed.arg("--config").arg(story.config()).arg("backup").arg(&into);
        let mut killed = killed.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_secs_f64(whole * f64::from(round) / 11.0)).await;
        killed.kill().unwrap();
        killed.wait().unwrap();
        for name in names(&into).iter().filter(|name| name.starts_with("orchd-")) {
            let inside = names(&into.join(name));
            assert!(inside.contains("manifest.json") && inside.contains("manifest.json.sha256"), "{name}: {inside:?}");
        }
    }
    back_up(&story, &into).await;
    assert!(names(&into).iter().all(|name| name.starts_with("orchd-")), "swept: {:?}", names(&into));
});

#[tokio::test]
async fn keep_removes_the_oldest_backups_and_nothing_else() {
    let story = a_morning(Database::Sqlite).await;
    let into = story.path("backups");
    let mut made = Vec::new();
    for _ in 0..4 {
        made.push(back_up(&story, &into).await.0);
    }
    // What looks like a backup and is none, what is older than all, and what somebody keeps inside a backup.
    fs::create_dir(into.join("orchd-20010101T000000Z")).unwrap();
    fs::write(into.join("orchd-20010101T000000Z/thesis.tex"), "years of work").unwrap();
    fs::write(into.join("orchd-20020101T000000Z"), "a file").unwrap();
    fs::create_dir(into.join("photos")).unwrap();
    fs::write(into.join("photos/one"), "a photo").unwrap();
    std::os::unix::fs::symlink(&made[3], into.join("orchd-20030101T000000Z")).unwrap();
    fs::create_dir(into.join(".orchd-20040101T000000Z.partial")).unwrap();
    fs::write(made[1].join("note"), "why this one matters").unwrap();

    let told = runs(&story, &["backup", text(&into), "--keep", "2"]).await;
    assert!(told.contains(&format!("removed         {}", made[0].display())), "{told}");
    assert!(told.contains(&format!("{} was not removed", made[1].display())), "{told}");
    let kept = names(&into);
    for kept_one in ["orchd-20010101T000000Z", "orchd-20020101T000000Z", "orchd-20030101T000000Z", "photos"] {
        assert!(kept.contains(kept_one), "{kept_one}: {kept:?}");
    }
    assert_eq!(fs::read_to_string(into.join("orchd-20010101T000000Z/thesis.tex")).unwrap(), "years of work");
    assert!(
        !made[0].exists() && !made[2].exists() && made[1].join("orchd.db").exists() && made[3].exists(),
        "{kept:?}"
    );
    assert!(!kept.contains(".orchd-20040101T000000Z.partial"), "nobody writes that one: {kept:?}");
    assert_eq!(runs(&story, &["backup", text(&into)]).await.lines().count(), 6);
}

// A payload that its age took while the backup was made is no fault; one that nothing took is.
on_both_databases!(a_large_payload_that_is_gone_is_told, |database: Database| async move {
    let mut story = a_morning(database).await;
    let objects = story.path("objects");
    let object = names(&objects).pop_first().unwrap();
    fs::rename(objects.join(&object), story.path("object")).unwrap();
    let told = refuses(&story, &["backup", text(&story.path("backups"))]).await;
    assert!(told.contains("the backup was made, but 1 payloads over 1 MiB") && told.contains(&object), "{told}");
    // It can be restored all the same.
    let backup = story.path("backups").join(names(&story.path("backups")).pop_first().unwrap());
    assert_eq!(story.stop(), Some(0));
    lose_the_state(&mut story, database).await;
    runs(&story, &["restore", text(&backup)]).await;
    story.start();
    assert!(!stored(&story).is_empty());
});

/// A disk of 1 MiB of the test's own, which needs root.
#[tokio::test]
async fn a_disk_with_too_little_room_is_told_before_anything_is_written() {
    let story = a_morning(Database::Sqlite).await;
    let disk = story.path("disk");
    fs::create_dir(&disk).unwrap();
    let mount = |args: &[&str]| Command::new("mount").args(args).arg(&disk).status().unwrap().success();
    assert!(mount(&["-t", "tmpfs", "-o", "size=1m", "orchd-test"]), "this test mounts a small tmpfs: run it as root");
    let told = refuses(&story, &["backup", text(&disk.join("backups"))]).await;
    let left = names(&disk);
    let unmounted = Command::new("umount").arg("-l").arg(&disk).status().unwrap();
    assert!(unmounted.success());
    assert!(told.contains("1 MB free, and") && told.contains("make room there"), "{told}");
    assert!(left.is_empty(), "{left:?}");
}
