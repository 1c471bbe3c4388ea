//! Restores that are refused: whatever the reason, nothing was touched.

use std::process::Command;

use sha2::{Digest, Sha256};

use super::*;
use crate::on_both_databases;

fn write_manifest(backup: &Path, text: &str) {
    fs::write(backup.join("manifest.json"), text).unwrap();
    let sum: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(backup.join("manifest.json.sha256"), format!("{sum}  manifest.json\n")).unwrap();
}

/// Everything of the story's directory but the backup and the log.
fn state(story: &Story) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = files(story.dir.path());
    all.retain(|(path, _)| !path.starts_with(story.path("backups")) && !path.ends_with("orchd.db.lock"));
    all
}

on_both_databases!(a_flipped_byte_anywhere_is_found_and_nothing_is_touched, |database: Database| async move {
    let mut story = a_morning(database).await;
    let (backup, _) = back_up(&story, &story.path("backups")).await;
    assert_eq!(story.stop(), Some(0));
    if database == Database::Postgres {
        lose_the_state(&mut story, database).await;
    }
    let before = state(&story);
    let all = files(&backup);
    assert!(all.len() >= 4, "the database, a large payload, the manifest and its sum");
    for (path, whole) in &all {
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(path, &flipped).unwrap();
            let told = refuses(&story, &["restore", text(&backup), "--replace"]).await;
            let name = path.file_name().unwrap().to_str().unwrap().trim_end_matches(".sha256");
            assert!(told.contains(name) && told.contains("is not what was written"), "{name} at {at}: {told}");
        }
        fs::write(path, &whole[..whole.len() - 1]).unwrap();
        refuses(&story, &["restore", text(&backup), "--replace"]).await;
        fs::remove_file(path).unwrap();
        refuses(&story, &["restore", text(&backup), "--replace"]).await;
        fs::write(path, whole).unwrap();
    }
    assert!(before == state(&story), "nothing was touched");
    runs(&story, &["restore", text(&backup), "--replace"]).await;
});

#[tokio::test]
async fn while_a_daemon_runs_nothing_is_restored() {
    let mut story = a_morning(Database::Sqlite).await;
    let (backup, _) = back_up(&story, &story.path("backups")).await;
    let told = refuses(&story, &["restore", text(&backup), "--replace"]).await;
    assert!(told.contains("another orchd runs on") && told.contains("orchd.db.lock"), "{told}");
    let told = refuses(&story, &["migrate"]).await;
    assert!(told.contains("another orchd runs on"), "{told}");
    story.github.person("alice").opens_issue(WEB, NewItem::titled("It goes on"));
    story.settles().await;
    assert_eq!(story.stop(), Some(0));
}

on_both_databases!(what_a_manifest_names_elsewhere_is_refused, |database: Database| async move {
    let mut story = a_morning(database).await;
    let (backup, _) = back_up(&story, &story.path("backups")).await;
    assert_eq!(story.stop(), Some(0));
    if database == Database::Postgres {
        lose_the_state(&mut story, database).await;
    }
    let manifest = fs::read_to_string(backup.join("manifest.json")).unwrap();
    let object = format!("objects/{}", names(&backup.join("objects")).pop_first().unwrap());
    fs::write(story.path("backups").join("x"), fs::read(backup.join(&object)).unwrap()).unwrap();
    let before = state(&story);
    for hostile in ["../x", "objects/../../x", "/etc/passwd", "objects/.hidden"] {
        write_manifest(&backup, &manifest.replace(&object, hostile));
        let told = refuses(&story, &["restore", text(&backup), "--replace"]).await;
        assert!(told.contains("is not a file of a backup"), "{hostile}: {told}");
    }
    // A link in the place of a file leads elsewhere too.
    write_manifest(&backup, &manifest);
    fs::rename(backup.join(&object), story.path("backups").join("y")).unwrap();
    std::os::unix::fs::symlink(story.path("backups").join("y"), backup.join(&object)).unwrap();
    let told = refuses(&story, &["restore", text(&backup), "--replace"]).await;
    assert!(told.contains("cannot be read"), "{told}");
    fs::remove_file(backup.join(&object)).unwrap();
    fs::rename(story.path("backups").join("y"), backup.join(&object)).unwrap();

    // Tables of a newer version, a newer form, the other kind of database.
    write_manifest(&backup, &manifest.replace("\"schema\": ", "\"schema\": 9"));
    let told = refuses(&story, &["restore", text(&backup), "--replace"]).await;
    assert!(told.contains("has the tables of a newer orchd"), "{told}");
    write_manifest(&backup, &manifest.replace("\"format\": 1", "\"format\": 2"));
    let told = refuses(&story, &["restore", text(&backup), "--replace"]).await;
    assert!(told.contains("of a newer orchd's form 2"), "{told}");
    write_manifest(&backup, &manifest.replace("\"schema\": 1", "\"schema\": "));
    let told = refuses(&story, &["restore", text(&backup), "--replace"]).await;
    assert!(told.contains("is not as the manifest says") || told.contains("does not open"), "{told}");
    assert!(before == state(&story) || database == Database::Postgres, "nothing was touched");
});

#[tokio::test]
async fn postgresql_is_restored_into_an_empty_database_only() {
    let mut story = a_morning(Database::Postgres).await;
    let (backup, _) = back_up(&story, &story.path("backups")).await;
    assert_eq!(story.stop(), Some(0));
    for args in [&["restore", text(&backup)][..], &["restore", text(&backup), "--replace"]] {
        let told = refuses(&story, args).await;
        assert!(told.contains("is not empty") && told.contains("createdb"), "{told}");
    }
    let url = story.database();
    story.keep_state_at(&format!("sqlite://{}", story.path("orchd.db").display()));
    story.write_rules(RULES);
    let told = refuses(&story, &["restore", text(&backup)]).await;
    assert!(told.contains("the backup is of PostgreSQL") && told.contains("names SQLite"), "{told}");
    story.keep_state_at(&url);
    story.write_rules(RULES);

    // Without PostgreSQL's programs there is a word of what is missing.
    let mut bare = Command::new(env!("CARGO_BIN_EXE_orchd"));
    bare.env("PATH", story.path("nothing"))
        .arg("--config")
        .arg(story.config())
        .args(["backup", text(&story.path("b"))]);
    let output = bare.output().unwrap();
    let debian = Path::new("/usr/lib/postgresql").exists();
    assert!(output.status.success() == debian, "{}", said(&output));
    assert!(debian || said(&output).contains("postgresql-client"), "{}", said(&output));
}

/// The machine went down between the old database and the new one.
#[tokio::test]
async fn after_an_interrupted_restore_no_empty_database_is_made() {
    let mut story = a_morning(Database::Sqlite).await;
    let (backup, _) = back_up(&story, &story.path("backups")).await;
    let all = stored(&story);
    assert_eq!(story.stop(), Some(0));
    fs::rename(story.path("orchd.db"), story.path("orchd.db.before-restore-20261122T003000Z")).unwrap();
    fs::write(story.path("orchd.db.restoring"), "half").unwrap();
    let started = story.cli_and_github(&["serve"]).await;
    assert!(!started.status.success());
    assert!(said(&started).contains("a restore was interrupted"), "{}", said(&started));
    assert!(!story.path("orchd.db").exists());
    runs(&story, &["restore", text(&backup), "--replace"]).await;
    assert!(!story.path("orchd.db.restoring").exists());
    story.start();
    assert_eq!(stored(&story), all);
}
