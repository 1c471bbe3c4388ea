//! What the rules need of GitHub, and the App or an installation of it lacks: permissions and events.

use std::collections::{BTreeMap, BTreeSet};

use super::scene::Scene;
use super::{Check, Seen, installations};
use crate::actions;
use crate::config::Config;
use crate::core::event_names::SCHEDULE;
use crate::core::permission::{Missing, missing, missing_for_files};
use crate::core::rule::Mode;

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

/// Rules that one line has room for.
const MOST_RULES: usize = 5;

fn permissions(scene: &Scene) -> Seen {
    let Some(app) = scene.app.get() else { return Seen::skipped("no App is configured") };
    let web = scene.web();
    let of_app = lacking(&scene.config, &app.permissions);
    let mut faults: Vec<Seen> = of_app.iter().map(|each| app_lacks(each, &app.settings_page(&web))).collect();
    for installation in scene.installations() {
        let account = &installation.account_login;
        for each in lacking(&scene.config, &installation.permissions) {
            // What the App does not ask for nobody can grant.
            if of_app.iter().any(|asked| asked.permission == each.permission) {
                continue;
            }
            let told = format!("the installation on {account} does not grant {}", words(&each));
            let page = installations::page(&web, installation);
            faults.push(Seen::fault(told, format!("whoever owns {account} accepts the App's new permissions: {page}")));
        }
    }
    Seen::worst(faults, "the App has what the active rules write with")
}

fn lacking(config: &Config, granted: &BTreeMap<String, String>) -> Vec<Missing> {
    let mut lacking = missing(config.rules.iter(), actions::kinds(), granted);
    if config.repository_config.enabled {
        lacking.extend(missing_for_files(granted));
    }
    lacking
}

fn app_lacks(each: &Missing, page: &str) -> Seen {
    let told = format!("the App does not ask for {}", words(each));
    let advice = format!(
        "{page}/permissions: {}: {}, then save, and accept it in each installation",
        each.permission, each.level
    );
    Seen::fault(told, advice)
}

/// `issues: write, which the rules a and b need`.
fn words(missing: &Missing) -> String {
    let rules: Vec<&str> = missing.rules.iter().map(|rule| rule.as_str()).collect();
    format!("{}: {}, which {} need", missing.permission, missing.level, list("the rules", &rules))
}

fn list(what: &str, names: &[&str]) -> String {
    let shown: Vec<&str> = names.iter().take(MOST_RULES).copied().collect();
    match names.len().saturating_sub(MOST_RULES) {
        0 => format!("{what} {}", shown.join(", ")),
        more => format!("{what} {} and {more} more", shown.join(", ")),
    }
}

fn events(scene: &Scene) -> Seen {
    let Some(app) = scene.app.get() else { return Seen::skipped("no App is configured") };
    let web = scene.web();
    let awaited = awaited(&scene.config);
    let lacks = |subscribed: &[String], event: &str| !subscribed.iter().any(|each| each == event);
    let mut faults = Vec::new();
    for (event, who) in &awaited {
        let who: Vec<&str> = who.iter().map(String::as_str).collect();
        let who = list("", &who);
        if lacks(&app.events, event) {
            let told = format!("the App does not subscribe to {event}, which{who} wait for");
            let page = app.settings_page(&web);
            faults.push(Seen::fault(told, format!("{page}/permissions: Subscribe to events, {event}, then save")));
            continue;
        }
        for installation in scene.installations().iter().filter(|each| lacks(&each.events, event)) {
            let account = &installation.account_login;
            let told = format!("the installation on {account} is not told of {event}, which{who} wait for");
            let page = installations::page(&web, installation);
            faults.push(Seen::fault(told, format!("whoever owns {account} accepts the App's new permissions: {page}")));
        }
    }
    let names: Vec<&str> = awaited.keys().copied().collect();
    Seen::worst(faults, format!("the App subscribes to what is waited for:{}", list("", &names)))
}

/// Events that the App has to subscribe to, and who waits for them. GitHub tells every App of its installations.
fn awaited(config: &Config) -> BTreeMap<&str, BTreeSet<String>> {
    let mut awaited: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let told_to_all = |name: &str| name == SCHEDULE || name.starts_with("installation") || name == "ping";
    for rule in config.rules.iter().filter(|rule| rule.mode != Mode::Off) {
        let names = rule.on.iter().filter_map(|trigger| trigger.event_name());
        for name in names.filter(|name| !told_to_all(name) && *name != "github_app_authorization") {
            awaited.entry(name).or_default().insert(format!("rule {}", rule.name));
        }
    }
    if config.commands.enabled {
        awaited.entry("issue_comment").or_default().insert("commands".to_owned());
    }
    if config.repository_config.enabled {
        for name in ["pull_request", "push"] {
            awaited.entry(name).or_default().insert("repository_config".to_owned());
        }
    }
    awaited
}
