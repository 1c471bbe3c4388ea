//! The database: whether it opens, whose tables it has, whether it takes writes and is sound.

use std::time::Duration;

use super::scene::Scene;
use super::{Check, Seen, daemon};
use crate::store::StoreError;
use crate::store::examine::{Examined, Soundness, Tables, examine};

pub(super) const CHECK: Check =
    Check { name: "database", after: &[], afar: false, look: |scene| Box::pin(look(scene)) };

/// Longer than the looks inside it take together.
const ANSWERS_WITHIN: Duration = Duration::from_secs(25);

async fn look(scene: &Scene) -> Seen {
    let database = &scene.config.database;
    let file = database.sqlite_file();
    let name = file.as_ref().map_or_else(|| "PostgreSQL".to_owned(), |file| file.display().to_string());
    let examined = match tokio::time::timeout(ANSWERS_WITHIN, examine(&database.url)).await {
        Ok(Ok(examined)) => examined,
        Ok(Err(error)) => return fails(&name, file.is_some(), &error),
        Err(_elapsed) => {
            let told = format!("{name} does not answer within {} s", ANSWERS_WITHIN.as_secs());
            return Seen::fault(told, "look at the database's server, its load and the way to it (`database`)");
        }
    };
    match examined {
        Examined::Absent => match file.as_ref().and_then(|file| file.parent()) {
            Some(directory) if !directory.is_dir() => Seen::fault(
                format!("{name} cannot be made: there is no directory {}", directory.display()),
                format!("install -d -o orchd -g orchd -m 700 {}", directory.display()),
            ),
            _ => Seen::well(format!("{name} is not there yet: the first start makes it")),
        },
        Examined::Held(patience) => held(scene, &name, patience).await,
        Examined::Present { soundness: Soundness::Damaged(complaint), .. } => damaged(&name, &complaint),
        Examined::Present { tables, soundness } => judge(&name, tables, &soundness),
    }
}

/// A daemon that hangs may do so in the middle of a write: that is one fault, and not two.
async fn held(scene: &Scene, name: &str, patience: Duration) -> Seen {
    if daemon::ask(scene).await.is_err() {
        return Seen::skipped("not before `daemon` is mended, which holds it for writing");
    }
    Seen::fault(
        format!("somebody has been writing to {name} for {} s and lets nobody else", patience.as_secs()),
        format!("fuser -v {name} tells who: stop it, unless it is orchd and ends soon"),
    )
}

fn judge(name: &str, tables: Tables, soundness: &Soundness) -> Seen {
    let sound = match soundness {
        Soundness::Sound => ", is sound",
        Soundness::TooLarge(_) => ", is too large to be looked through here",
        Soundness::Damaged(_) | Soundness::NotAsked => "",
    };
    match tables {
        Tables::Current => Seen::well(format!("{name} opens{sound}, takes writes and has this version's tables")),
        Tables::None => Seen::well(format!("{name} opens and is empty: the first start makes its tables")),
        Tables::Behind(steps) => Seen::warning(
            format!("{name} is {steps} versions behind the tables of orchd {}", env!("CARGO_PKG_VERSION")),
            "systemctl restart orchd: the start brings it up to date",
        ),
        Tables::Newer(version) => Seen::fault(
            format!("a newer orchd has used {name}: its version {version} is unknown to {}", env!("CARGO_PKG_VERSION")),
            "install that newer orchd, or put back a copy of the database from before it",
        ),
        Tables::Other(version) => Seen::fault(
            format!("version {version} of the tables of {name} is not this orchd's, or was not made to its end"),
            "install the orchd that made it, or put back a copy of the database from before it",
        ),
    }
}

fn damaged(name: &str, complaint: &str) -> Seen {
    Seen::fault(
        format!("{name} is damaged: {complaint}"),
        format!(
            "systemctl stop orchd, keep a copy of {name}, then put back your last good one; without one: sqlite3 {name} \
             .recover | sqlite3 {name}.new, and put that in its place"
        ),
    )
}

fn fails(name: &str, is_file: bool, error: &StoreError) -> Seen {
    match (error, is_file) {
        (StoreError::Corrupt(complaint), true) => damaged(name, complaint),
        (error, true) => Seen::fault(
            format!("{name} does not open for writing: {error}"),
            format!("run this as orchd's user (sudo -u orchd orchd doctor); if it is so again: chown orchd: {name}*"),
        ),
        (error, false) => Seen::fault(
            format!("{name} does not open for writing: {error}"),
            "see that its server runs and that `database` names it, its user and its database rightly",
        ),
    }
}
