//! Where the App's deliveries go, and how.

use super::scene::Scene;
use super::{Check, Seen, webhook};
use crate::github::GitHubError;
use crate::github::app::{Hook, hook};

pub(super) const CHECK: Check =
    Check { name: "app webhook", after: &["app"], afar: true, look: |scene| Box::pin(look(scene)) };

async fn look(scene: &Scene) -> Seen {
    let Some(_) = scene.app.get() else { return Seen::skipped("no App is configured") };
    let asked = match scene.github() {
        Ok(github) => hook(&github.reader(None)).await,
        Err(error) => Err(error),
    };
    let page = scene.settings_page();
    match asked {
        Ok(hook) => judge(scene, &hook, &page),
        Err(GitHubError::NotFound(_)) => {
            Seen::fault("the App has no webhook: nothing arrives", format!("{page}: Webhook, Active{}", url_of(scene)))
        }
        Err(error) => Seen::fault(format!("GitHub does not tell of the webhook: {error}"), "try again in a minute"),
    }
}

/// `, and Webhook URL …`.
fn url_of(scene: &Scene) -> String {
    wanted(scene).map(|url| format!(", and Webhook URL {url}")).unwrap_or_default()
}

fn wanted(scene: &Scene) -> Option<String> {
    scene.config.server.public_url.as_ref().map(|base| format!("{base}{}", webhook::PATH))
}

fn judge(scene: &Scene, hook: &Hook, page: &str) -> Seen {
    let Some(url) = hook.url.as_deref().filter(|url| !url.is_empty()) else {
        let advice = format!("{page}: Webhook, Active{}", url_of(scene));
        return Seen::fault("the App's webhook has no URL: nothing arrives", advice);
    };
    let mut troubles = Vec::new();
    if let Some(wanted) = wanted(scene).filter(|wanted| wanted != url) {
        let told = format!("the App delivers to {url}, not to {wanted}");
        troubles.push(Seen::fault(told, format!("{page}: set Webhook URL to {wanted}")));
    }
    if hook.is_insecure() {
        let told = "GitHub delivers to whoever shows any certificate (insecure_ssl is 1)";
        troubles.push(Seen::fault(told, format!("{page}: SSL verification, Enable")));
    }
    // orchd takes forms too; they are a third larger.
    if hook.content_type.as_deref() == Some("form") {
        let told = "the App delivers forms (content_type is form), and JSON is what it should";
        troubles.push(Seen::warning(told, format!("{page}: set the webhook's content type to application/json")));
    }
    Seen::worst(troubles, format!("the App delivers JSON to {url}"))
}
