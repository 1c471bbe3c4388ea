//! What signing in takes and the config lacks.

use super::scene::Scene;
use super::{Check, Seen};

pub(super) const CHECK: Check =
    Check { name: "sign-in", after: &[], afar: false, look: |scene| Box::pin(async move { look(scene) }) };

fn look(scene: &Scene) -> Seen {
    let config = &scene.config;
    let Some(public) = &config.server.public_url else {
        return Seen::warning(
            "nobody can sign in: server.public_url is not set",
            "set server.public_url: https://HOST",
        );
    };
    let page = scene.settings_page();
    let parts = [
        (config.github.client_id.is_none(), "github.client_id", format!("set github.client_id to what {page} shows")),
        (
            config.github.client_secret.is_none(),
            "github.client_secret",
            format!("make a client secret at {page}, and set github.client_secret: {{file: PATH}}"),
        ),
        (
            config.login.keys.is_empty(),
            "login.keys",
            "openssl rand -base64 32 > PATH && chmod 600 PATH, and set login.keys: [{file: PATH}]".to_owned(),
        ),
    ];
    let lacking = parts.into_iter().filter(|(lacks, ..)| *lacks);
    let lacking = lacking.map(|(_, key, advice)| Seen::warning(format!("{key} is not set"), advice)).collect();
    let mut seen =
        Seen::worst(lacking, format!("people can sign in; the App's callback URL is {public}/login/callback"));
    if !seen.advice.is_empty() {
        seen.told = format!("nobody can sign in: {}", seen.told);
    }
    seen
}
