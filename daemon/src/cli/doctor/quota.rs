//! What is left of GitHub's quota of the hour.

use chrono::{DateTime, Utc};
use futures_util::future::join_all;

use super::scene::Scene;
use super::{Check, Seen};
use crate::core::installation::Installation;
use crate::github::GitHubError;
use crate::github::app::quota;

pub(super) const CHECK: Check =
    Check { name: "quota", after: &["installations"], afar: true, look: |scene| Box::pin(look(scene)) };

/// Installations that are asked for: each takes a token.
const MOST: usize = 5;

/// Less than this part of the quota left is worth a look.
const LITTLE: u64 = 10;

async fn look(scene: &Scene) -> Seen {
    let asked = scene.installations().iter().take(MOST);
    if asked.len() == 0 {
        return Seen::skipped("there is no installation to ask for");
    }
    let seen = join_all(asked.map(|installation| ask(scene, installation))).await;
    let (well, troubles): (Vec<Seen>, Vec<Seen>) = seen.into_iter().partition(|seen| seen.state == super::State::Well);
    let told: Vec<String> = well.into_iter().map(|seen| seen.told).collect();
    Seen::worst(troubles, told.join(", "))
}

async fn ask(scene: &Scene, installation: &Installation) -> Seen {
    let account = &installation.account_login;
    let asked = match scene.github() {
        Ok(github) => quota(&github.reader(Some(installation.id))).await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(quota) if quota.remaining < quota.limit / LITTLE => {
            let reset = DateTime::<Utc>::from_timestamp(quota.reset, 0).unwrap_or_default().format("%H:%M UTC");
            let told = format!("{account} has {} of {} requests left until {reset}", quota.remaining, quota.limit);
            Seen::warning(told, "jobs wait for it by themselves; see what else uses this App, and github.limits")
        }
        Ok(quota) => Seen::well(format!("{account} has {} of {} requests left", quota.remaining, quota.limit)),
        Err(GitHubError::NotFound(_)) => Seen::well(format!("{account} has no limit")),
        Err(error) => Seen::warning(
            format!("GitHub does not tell what {account} has left: {error}"),
            "run orchd doctor again in a minute",
        ),
    }
}
