//! The App: whether GitHub knows it by the config's words and key.

use super::scene::Scene;
use super::{Check, Seen};
use crate::github::GitHubError;
use crate::github::app::{ShownApp, shown};

pub(super) const CHECK: Check =
    Check { name: "app", after: &["github", "clock"], afar: true, look: |scene| Box::pin(look(scene)) };

async fn look(scene: &Scene) -> Seen {
    if !scene.has_app() {
        return Seen::warning(
            "the config names no App: events are kept, and nothing can be done",
            "set github.client_id and github.private_key, or let orchd setup make an App",
        );
    }
    let asked = match scene.github() {
        Ok(github) => shown(&github.reader(None)).await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(app) => {
            let seen = compare(scene, &app);
            // Set once: there is one such check.
            let _ = scene.app.set(app);
            seen
        }
        Err(error) => refused(scene, &error),
    }
}

fn compare(scene: &Scene, app: &ShownApp) -> Seen {
    let github = &scene.config.github;
    let mut wrong = Vec::new();
    if let (Some(ours), Some(theirs)) = (&github.client_id, &app.client_id)
        && ours != theirs
    {
        let told = format!("github.client_id is {ours}, and that of the App {} is {theirs}", app.slug);
        wrong.push(Seen::fault(told, format!("set github.client_id: {theirs}")));
    }
    if let Some(ours) = github.app_id.filter(|ours| *ours != app.id) {
        let told = format!("github.app_id is {ours}, and that of the App {} is {}", app.slug, app.id);
        wrong.push(Seen::fault(told, format!("set github.app_id: {}", app.id)));
    }
    Seen::worst(wrong, format!("GitHub knows the App {} by its key", app.slug))
}

/// As GitHub tells it: an id that no App has is "Integration not found"; a key that does not fit the id makes "A JSON web token
/// could not be decoded".
fn refused(scene: &Scene, error: &GitHubError) -> Seen {
    let github = &scene.config.github;
    let id = match (&github.client_id, github.app_id) {
        (Some(client_id), _) => format!("github.client_id: {client_id}"),
        (None, Some(app_id)) => format!("github.app_id: {app_id}"),
        (None, None) => "the App's id".to_owned(),
    };
    let page = scene.settings_page();
    match error {
        GitHubError::NotFound(_) => Seen::fault(
            format!("GitHub has no App of {id}"),
            format!("set github.client_id to what the App's page shows: {page}"),
        ),
        GitHubError::Credentials(why) if why.contains("could not be decoded") => Seen::fault(
            format!("GitHub does not take the signature: github.private_key is not a key of the App of {id} ({why})"),
            format!("generate a private key at {page} and put it in the place of github.private_key"),
        )
        .or(format!("or, if the key is right, set {} to what that page shows", id.split(':').next().unwrap_or(&id))),
        GitHubError::Credentials(why) if why.contains("('iss')") => Seen::fault(
            format!("GitHub has no App of {id} ({why})"),
            format!("set github.client_id to what the App's page shows: {page}"),
        ),
        GitHubError::Credentials(why) => Seen::fault(
            format!("GitHub does not take what the App signs: {why}"),
            format!("see this machine's clock (timedatectl), then the key and the client id at {page}"),
        ),
        other => Seen::fault(format!("GitHub does not tell of the App: {other}"), "try again in a minute"),
    }
}
