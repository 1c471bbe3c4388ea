//! Who may read the secrets and the database, and who may write the config.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::scene::Scene;
use super::{Check, Seen};
use crate::config::{self, SecretSource};

pub(super) const CHECK: Check =
    Check { name: "file modes", after: &[], afar: false, look: |scene| Box::pin(async move { look(scene) }) };

/// Group and others may do nothing.
const PRIVATE: u32 = 0o077;
/// Where systemd shows services their credentials: systemd.exec(5).
const SYSTEMDS: &str = "/run/credentials";
/// Others may not write.
const WRITTEN_BY_OTHERS: u32 = 0o002;

fn look(scene: &Scene) -> Seen {
    let path = &scene.config.revision.path;
    let mut faults = Vec::new();
    let mut seen = 0;
    for file in secrets(scene).into_iter().chain(database(scene)) {
        let Some(mode) = mode(&file) else { continue };
        seen += 1;
        if mode & PRIVATE != 0 {
            let shown = file.display();
            faults.push(Seen::fault(format!("others may use {shown} (mode {mode:04o})"), format!("chmod 600 {shown}")));
        }
    }
    let files = config::sources(path).files;
    let directories = files.iter().filter_map(|file| Some(file.parent()?.to_owned()));
    let mut written: Vec<PathBuf> = directories.chain([path.clone()]).collect();
    written.sort();
    written.dedup();
    for place in &written {
        let Some(mode) = mode(place).filter(|mode| mode & WRITTEN_BY_OTHERS != 0) else { continue };
        let shown = place.display();
        faults.push(Seen::fault(format!("anybody may write {shown} (mode {mode:04o})"), format!("chmod o-w {shown}")));
    }
    Seen::worst(
        faults,
        format!("{seen} secret files are their owner's alone, and the config is not anybody's to write"),
    )
}

/// Files of secrets. Those that systemd shows a service are systemd's to guard.
fn secrets(scene: &Scene) -> Vec<PathBuf> {
    let env = |name: &str| super::config::variable(&scene.asked, name);
    let places = config::secret_places(&scene.config.revision.path, &env);
    let files = places.into_iter().filter_map(|place| match place.source {
        SecretSource::File(path) => Some(path),
        SecretSource::Credential { file, .. } => file.filter(|file| !file.starts_with(SYSTEMDS)),
        SecretSource::Variable(_) => None,
    });
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    files.dedup();
    files
}

/// SQLite's file and its log.
fn database(scene: &Scene) -> Vec<PathBuf> {
    let Some(file) = scene.config.database.sqlite_file() else { return Vec::new() };
    let mut log = file.clone().into_os_string();
    log.push("-wal");
    vec![file, log.into()]
}

/// `None`: it is not there, or nothing may be known of it.
fn mode(path: &Path) -> Option<u32> {
    // A directory for everybody in which only owners remove files, such as /tmp, is as good as one's own.
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    (mode & 0o1000 == 0).then_some(mode & 0o777)
}
