//! The config that a first run leaves: commented, valid, and without a rule that acts.

use std::path::Path;

use serde_json::Value;

use super::files::{AppRecord, NAMES};
use super::{Places, Plan};
use crate::config::CREDENTIALS;

/// GitHub's own API, which no config need name.
const PUBLIC_API: &str = "https://api.github.com";

/// Where an installed daemon's config is; its state has a place of its own then.
const INSTALLED: &str = "/etc";

/// The kernel's limit on the path of a Unix socket: `sun_path` of unix(7), without its final NUL.
const MAX_SOCKET_PATH: usize = 107;

/// The whole config.
pub(super) fn config(plan: &Plan, app: &AppRecord) -> String {
    let directory = plan.places.config.parent().unwrap_or(Path::new("/"));
    let installed = directory.starts_with(INSTALLED);
    let database = match installed {
        true => "sqlite:///var/lib/orchd/orchd.db".to_owned(),
        false => format!("sqlite://{}", directory.join("orchd.db").display()),
    };
    let socket = if installed { "/run/orchd/orchd.sock".into() } else { directory.join("orchd.sock") };
    let socket = match socket.as_os_str().len() <= MAX_SOCKET_PATH {
        true => format!("  admin_socket: {}\n", quoted(&socket.display().to_string())),
        false => String::new(),
    };
    let proxies = match plan.listen.ip().is_loopback() {
        true => format!("  # The reverse proxy, which does TLS.\n  trusted_proxies: [{}]\n", plan.listen.ip()),
        false => String::new(),
    };
    let (listen, public_url, sections) = (plan.listen, quoted(&plan.public_url), sections(plan, app));
    format!(
        "# Written by `orchd setup`. `orchd config check` says what is wrong with it, with line and column;\n\
         # docs/configuration.md lists every key.\n\n\
         server:\n  listen: {listen}\n  public_url: {public_url}\n{proxies}\
         \x20 # Where the commands `orchd events`, `orchd why` and so on find the daemon.\n{socket}\n\
         # One file, or PostgreSQL: postgres://orchd@db/orchd\n\
         database: {}\n\n\
         {sections}\n{}",
        quoted(&database),
        rules(&plan.repositories)
    )
}

/// What names the App, and lets people sign in.
pub(super) fn sections(plan: &Plan, app: &AppRecord) -> String {
    let [key, webhook_secret, client_secret, login_key] = NAMES.map(|name| secret(&plan.places, name));
    let api = plan.api_url.to_string();
    let api = match api.trim_end_matches('/') {
        PUBLIC_API => String::new(),
        api => format!("  api_url: {}\n", quoted(api)),
    };
    // An organisation cannot sign in: whoever owns it is named by its login, or by a team, by hand.
    let admins = match app.owner_type.as_str() {
        "Organization" => format!("[]   # logins, and teams as {}/TEAM", app.owner),
        _ => format!("[{}]", quoted(&app.owner)),
    };
    format!(
        "github:\n\
         \x20 # The App {name}: {url}\n\
         \x20 app_id: {id}\n  client_id: {client_id}\n{api}\
         \x20 # Secrets are never written here: a credential is what systemd hands over, or lies in `credentials` beside this file.\n\
         \x20 private_key: {key}\n  webhook_secrets: [{webhook_secret}]\n  client_secret: {client_secret}\n\n\
         # People sign in with GitHub at PUBLIC_URL/login. They see the repositories that GitHub shows them.\n\
         login:\n  keys: [{login_key}]\n\n\
         # Who may more than their role on GitHub says; admins may change the config.\n\
         access:\n  admins: {admins}\n",
        name = one_line(&app.name),
        url = one_line(&app.html_url),
        id = app.id,
        client_id = quoted(&app.client_id),
    )
}

/// The section `rules`, for repositories that these globs select; none: all.
pub fn rules(repositories: &[String]) -> String {
    let globs: Vec<_> = repositories.iter().map(|glob| quoted(glob)).collect();
    let chosen = if globs.is_empty() { quoted("**") } else { globs.join(", ") };
    format!(
        "# Two rules to begin with. In shadow mode they record what they would do and do nothing: `orchd why OWNER/REPO#1`\n\
         # shows it, `orchd shadow report docs-label` whether people agree. `mode: active` lets a rule act.\n\
         rules:\n\
         \x20 - name: docs-label\n    repositories: [{chosen}]\n    on: [pull_request.opened, pull_request.synchronize]\n\
         \x20   if:\n      files: [\"docs/**\", \"*.md\"]\n    then:\n      - label: {{add: [documentation]}}\n    mode: shadow\n\
         \x20 - name: triage\n    repositories: [{chosen}]\n    on: [issues.opened]\n    then:\n      - label: {{add: [needs-triage]}}\n    mode: shadow\n"
    )
}

/// Where a secret is: a credential where these are looked for, else a file.
fn secret(places: &Places, name: &str) -> String {
    let handed_over =
        std::env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|given| Path::new(&given) == places.credentials);
    let beside = places.config.parent().and_then(|directory| places.credentials.strip_prefix(directory).ok());
    if handed_over || beside == Some(Path::new(CREDENTIALS)) {
        return format!("{{credential: {name}}}");
    }
    let path = beside.unwrap_or(&places.credentials).join(name);
    format!("{{file: {}}}", quoted(&path.display().to_string()))
}

/// A text that YAML takes as it is, whatever is in it: JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// For a comment.
fn one_line(text: &str) -> String {
    crate::core::text::harmless(text)
}
