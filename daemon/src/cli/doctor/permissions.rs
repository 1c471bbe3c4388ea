//! What rules and features need of GitHub, and the App or an installation of it lacks: permissions and events.

use super::scene::Scene;
use super::{Check, Seen, installations};
use crate::actions;
use crate::config::{Config, Named};
use crate::core::manifest::{Need, Needed, Wishes};
use crate::core::permission::grants;

pub(super) const PERMISSIONS: Check = Check {
    name: "permissions",
    after: &["installations"],
    afar: true,
    look: |scene| Box::pin(async move { permissions(scene) }),
};

pub(super) const EVENTS: Check = Check {
    name: "events",
    after: &["installations"],
    afar: true,
    look: |scene| Box::pin(async move { events(scene) }),
};

/// Names that one line has room for.
const MOST_NAMES: usize = 5;

/// The same list as `orchd setup` makes an App from. Rules in shadow need what they would if they acted: else nobody may
/// make them act.
fn needed(config: &Config) -> Needed {
    let files = &config.repository_config;
    Needed::by(&Wishes {
        rules: &config.rules,
        kinds: actions::kinds(),
        own_files: files.enabled.then_some(files.terms.actions.as_slice()),
        commands: config.commands.enabled,
        teams: config.access.named().any(|(named, _)| matches!(named, Named::Team { .. })),
    })
}

fn permissions(scene: &Scene) -> Seen {
    let Some(app) = scene.app.get() else { return Seen::skipped("no App is configured") };
    let web = scene.web();
    let mut faults = Vec::new();
    for (name, need) in needed(&scene.config).permissions {
        let level = need.level();
        let words = format!("{name}: {level}, which {} needs", whose(&need));
        if !grants(&app.permissions, name, level) {
            let page = app.settings_page(&web);
            let advice = format!("{page}/permissions: {name}: {level}, then save, and accept it in each installation");
            faults.push(Seen::fault(format!("the App does not ask for {words}"), advice));
            // What the App does not ask for nobody can grant.
            continue;
        }
        for installation in scene.installations().iter().filter(|each| !grants(&each.permissions, name, level)) {
            let account = &installation.account_login;
            let told = format!("the installation on {account} does not grant {words}");
            let page = installations::page(&web, installation);
            faults.push(Seen::fault(told, format!("whoever owns {account} accepts the App's new permissions: {page}")));
        }
    }
    Seen::worst(faults, "the App has what the rules need")
}

/// `rule bugs, rule docs and 3 more`.
fn whose(need: &Need) -> String {
    list(&need.by.iter().map(String::as_str).collect::<Vec<_>>())
}

fn list(names: &[&str]) -> String {
    let shown = names[..names.len().min(MOST_NAMES)].join(", ");
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn events(scene: &Scene) -> Seen {
    let Some(app) = scene.app.get() else { return Seen::skipped("no App is configured") };
    let web = scene.web();
    let needed = needed(&scene.config);
    let lacks = |subscribed: &[String], event: &str| !subscribed.iter().any(|each| each == event);
    let mut faults = Vec::new();
    for (event, need) in &needed.events {
        let who = whose(need);
        if lacks(&app.events, event) {
            let told = format!("the App does not subscribe to {event}, for which {who} waits");
            let page = app.settings_page(&web);
            faults.push(Seen::fault(told, format!("{page}/permissions: Subscribe to events, {event}, then save")));
            continue;
        }
        for installation in scene.installations().iter().filter(|each| lacks(&each.events, event)) {
            let account = &installation.account_login;
            let told = format!("the installation on {account} is not told of {event}, for which {who} waits");
            let page = installations::page(&web, installation);
            faults.push(Seen::fault(told, format!("whoever owns {account} accepts the App's new permissions: {page}")));
        }
    }
    let names: Vec<&str> = needed.events.keys().copied().collect();
    Seen::worst(faults, format!("the App subscribes to what is waited for: {}", list(&names)))
}
