//! Room for what arrives.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, StatVfs};

use super::scene::Scene;
use super::{Check, Seen};
use crate::core::text::size;
use crate::http::{DISK_FAILING, DISK_WARNING};

pub(super) const CHECK: Check = Check {
    name: "disk",
    after: &[],
    afar: false,
    look: |scene| {
        let places = places(scene);
        Box::pin(async move {
            let looked = tokio::task::spawn_blocking(move || look(&places)).await;
            looked.unwrap_or_else(|_| Seen::skipped("it could not be looked at"))
        })
    },
};

/// Fewer free inodes than this are worth a warning: a payload over 1 MiB takes one.
const FEW_INODES: u64 = 1_000;

/// Directories of the database and of large payloads.
fn places(scene: &Scene) -> Vec<PathBuf> {
    let database = &scene.config.database;
    let file = database.sqlite_file().and_then(|file| Some(file.parent()?.to_owned()));
    let mut places: Vec<PathBuf> = file.into_iter().chain([database.objects.clone()]).collect();
    places.dedup();
    places
}

fn look(places: &[PathBuf]) -> Seen {
    let mut troubles: Vec<Seen> = Vec::new();
    let mut free = Vec::new();
    let mut seen = Vec::new();
    for place in places {
        // What is not there yet is made by the first start, in the nearest one above it.
        let Some(there) = place.ancestors().find(|place| place.is_dir()) else { continue };
        if rustix::fs::access(there, Access::WRITE_OK | Access::EXEC_OK).is_err() {
            let shown = there.display();
            let told = format!("{shown} cannot be written by whoever runs this");
            troubles.push(Seen::fault(
                told,
                format!(
                    "run this as orchd's user (sudo -u orchd orchd doctor); if it is so again: chown orchd: {shown}"
                ),
            ));
        }
        match rustix::fs::statvfs(there) {
            // Two directories on one file system have one trouble.
            Ok(stat) if seen.contains(&(stat.f_fsid, stat.f_blocks)) => {}
            Ok(stat) => {
                seen.push((stat.f_fsid, stat.f_blocks));
                let bytes = stat.f_bavail.saturating_mul(stat.f_frsize);
                troubles.extend(room(there, bytes, &stat));
                free.push(format!("{} free for {}", size(bytes), place.display()));
            }
            Err(error) => troubles.push(Seen::warning(
                format!("the room in {} cannot be told: {error}", there.display()),
                format!("df -h {}", there.display()),
            )),
        }
    }
    Seen::worst(troubles, free.join(", "))
}

fn room(place: &Path, bytes: u64, stat: &StatVfs) -> Option<Seen> {
    let shown = place.display();
    let advice = format!(
        "free space there (df -h {shown}), move the database to a larger disk, or keep payloads for less long \
         (retention.payloads)"
    );
    if bytes < DISK_FAILING {
        let told = format!("{} are left for {shown}, and deliveries are refused when none are", size(bytes));
        return Some(Seen::fault(told, advice));
    }
    if bytes < DISK_WARNING {
        return Some(Seen::warning(format!("only {} are left for {shown}", size(bytes)), advice));
    }
    // Some file systems have no such number.
    if stat.f_files > 0 && stat.f_favail < FEW_INODES {
        let told = format!("only {} more files fit where {shown} is", stat.f_favail);
        return Some(Seen::warning(told, format!("remove small files there (df -i {shown})")));
    }
    None
}
