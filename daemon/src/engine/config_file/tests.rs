#![allow(clippy::unwrap_used)]

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::SystemTime;

use super::*;

const GOOD: &str = "github: {webhook_secrets: [{file: secret}]}\n";

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("secret"), "hush").unwrap();
    let config = directory.path().join("orchd.yaml");
    fs::write(&config, GOOD).unwrap();
    (directory, config)
}

fn running(path: &Path) -> Config {
    config::load(path, actions::kinds(), at()).unwrap()
}

fn longer() -> String {
    format!("{GOOD}retention: {{events: 30d, payloads: 30d, decisions: 30d}}\n")
}

#[test]
fn what_does_not_validate_is_told_with_its_place_and_nothing_is_written() {
    let (directory, config) = place();
    let draft = draft(&running(&config), "github: {webhook_secrts: 1}\n".to_owned(), true, at());
    let Err(Unwritten::Invalid(problems)) = draft else { panic!("{draft:?}") };
    assert!(problems.to_string().contains(&format!("{}:1:10:", config.display())), "{problems}");
    assert_eq!(fs::read_to_string(&config).unwrap(), GOOD);
    assert_eq!(directory.path().read_dir().unwrap().count(), 2, "no draft is left behind");
}

#[test]
fn a_checked_one_is_put_in_place_with_its_mode_and_owner() {
    let (directory, config) = place();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o640)).unwrap();
    // Only who owns the machine can give a file away.
    let given = std::os::unix::fs::chown(&config, Some(1234), Some(1235)).is_ok();
    let old = config.metadata().unwrap();
    let placed = draft(&running(&config), longer(), true, at()).unwrap().put_in_place().unwrap();
    assert_eq!((placed.notes.as_slice(), fs::read_to_string(&config).unwrap()), (&[][..], longer()));
    let new = config.metadata().unwrap();
    assert_eq!((new.mode(), new.uid(), new.gid()), (old.mode(), old.uid(), old.gid()));
    assert_ne!((given, new.uid()), (true, 0));
    assert_eq!(placed.commit(&Author::of(&crate::core::audit::Actor::Orchd), None), None, "no checkout");
    assert_eq!(directory.path().read_dir().unwrap().count(), 2);
}

#[test]
fn whoever_saves_the_file_meanwhile_is_not_written_over() {
    let (_directory, config) = place();
    let running = running(&config);
    let draft = |based| draft(&running, longer(), based, at());
    let early = draft(true).unwrap();
    let saved = format!("{GOOD}# by hand\n");
    fs::write(&config, &saved).unwrap();
    assert!(matches!(early.put_in_place(), Err(Unwritten::Changed)));
    assert_eq!(fs::read_to_string(&config).unwrap(), saved);

    // It was made from what runs, and that is not what would be replaced.
    let edited = draft(true);
    assert!(matches!(&edited, Err(Unwritten::NotWhatRuns(Some(_)))), "{edited:?}");
    fs::write(&config, "nonsense: 1\n").unwrap();
    let refused = draft(true);
    assert!(matches!(&refused, Err(Unwritten::NotWhatRuns(None))), "{refused:?}");
    draft(false).unwrap().put_in_place().unwrap();
    assert_eq!(fs::read_to_string(&config).unwrap(), longer(), "whoever names no base means whatever is there");
}

#[test]
fn what_a_linked_config_names_is_looked_for_beside_the_link() {
    let (directory, config) = place();
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("orchd.yaml");
    fs::rename(&config, &target).unwrap();
    symlink(&target, &config).unwrap();
    fs::write(directory.path().join("more.yaml"), "rules: []\n").unwrap();
    let text = format!("{GOOD}include: more.yaml\n");
    let draft = draft(&running(&config), text.clone(), true, at()).unwrap();
    let revision = draft.config.revision.hash.clone();
    draft.put_in_place().unwrap();
    assert!(config.is_symlink() && fs::read_to_string(&target).unwrap() == text, "the link stays");
    assert_eq!(running(&config).revision.hash, revision, "what was checked is what is loaded");
}

#[test]
fn drafts_of_a_crash_are_removed_and_nothing_else() {
    let (directory, config) = place();
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    for (name, old) in [
        (".orchd-a1B2c3.yaml", true),
        (".orchd-d4E5f6.yaml", false),
        (".orchd-rules.yaml", true),
        (".orchd-a1B2c3.yml", true),
    ] {
        let file = File::create(directory.path().join(name)).unwrap();
        if old {
            file.set_modified(hour_ago).unwrap();
        }
    }
    draft(&running(&config), longer(), true, at()).unwrap().put_in_place().unwrap();
    let mut left: Vec<_> = directory.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [".orchd-a1B2c3.yml", ".orchd-d4E5f6.yaml", ".orchd-rules.yaml", "orchd.yaml", "secret"]);
}

#[test]
fn files_elsewhere_and_another_github_are_for_an_editor_on_the_machine() {
    let (_directory, config) = place();
    let running = running(&config);
    let foreign = draft(&running, format!("{GOOD}include: /etc/*.yaml\n"), true, at());
    assert!(matches!(foreign, Err(Unwritten::Invalid(_))), "{foreign:?}");
    let moved = draft(&running, GOOD.replace("github: {", "github: {api_url: https://evil.example.com, "), true, at());
    assert!(matches!(&moved, Err(Unwritten::Redirected(keys)) if *keys == ["github.api_url"]), "{moved:?}");
}
