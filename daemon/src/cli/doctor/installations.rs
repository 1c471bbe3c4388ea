//! Where the App is installed, and whether it may act there.

use super::scene::Scene;
use super::{Check, Seen};
use crate::core::installation::Installation;
use crate::github::installations::all;

pub(super) const CHECK: Check =
    Check { name: "installations", after: &["app"], afar: true, look: |scene| Box::pin(look(scene)) };

async fn look(scene: &Scene) -> Seen {
    let Some(app) = scene.app.get() else { return Seen::skipped("no App is configured") };
    let asked = match scene.github() {
        Ok(github) => all(&github.reader(None)).await,
        Err(error) => Err(error),
    };
    let listed = match asked {
        Ok(listed) => listed.items,
        Err(error) => {
            return Seen::fault(
                format!("GitHub does not tell where it is installed: {error}"),
                "try again in a minute",
            );
        }
    };
    let web = scene.web();
    if listed.is_empty() {
        let told = format!("the App {} is installed nowhere: nothing arrives", app.slug);
        return Seen::fault(told, format!("install it: {}/installations", app.settings_page(&web)));
    }
    let (suspended, active): (Vec<_>, Vec<_>) = listed.into_iter().partition(|each| each.suspended_at.is_some());
    let suspension = |each: &Installation| {
        let told = format!("the installation on {} is suspended: nothing arrives from there", each.account_login);
        let advice = format!("whoever owns {} lifts that: {}", each.account_login, page(&web, each));
        // Somebody's wish, unless it leaves nothing to do.
        if active.is_empty() { Seen::fault(told, advice) } else { Seen::warning(told, advice) }
    };
    let troubles = suspended.iter().map(suspension).collect();
    let names: Vec<&str> = active.iter().map(|each| each.account_login.as_str()).collect();
    let seen = Seen::worst(troubles, format!("the App {} is installed on {}", app.slug, shortened(&names)));
    // Set once: there is one such check.
    let _ = scene.installations.set(active);
    seen
}

/// Names a list has room for.
const MOST: usize = 5;

fn shortened(names: &[&str]) -> String {
    let shown: Vec<&str> = names.iter().take(MOST).copied().collect();
    match names.len().saturating_sub(MOST) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Where whoever owns the account looks after an installation.
pub(super) fn page(web: &str, installation: &Installation) -> String {
    let id = installation.id;
    match installation.account_type.as_str() {
        "Organization" => {
            format!("{web}/organizations/{}/settings/installations/{id}", installation.account_login)
        }
        _ => format!("{web}/settings/installations/{id}"),
    }
}
