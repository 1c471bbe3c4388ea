//! The GitHub App that rules need: its permissions and events, each with what needs it, and the manifest that GitHub
//! makes the App from.
//!
//! Facts: <https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest> and
//! <https://docs.github.com/en/webhooks/webhook-events-and-payloads>, which says what an App must be allowed to read in
//! order to hear of an event.

pub mod reference;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::event_names::{SCHEDULE, WORKFLOW_CONTEXT};
use super::facts::FactKind;
use super::intent::ActionKind;
use super::permission::{Needs, grants, needed};
use super::rule::{Mode, Rule, Trigger};

/// Longest name of an App, in characters.
pub const LONGEST_NAME: usize = 34;

/// Events that an App can subscribe to, and the permission to read that each takes; none is enough for nothing.
const HEARD_WITH: [(&str, &str); 45] = [
    ("branch_protection_configuration", "administration"),
    ("branch_protection_rule", "administration"),
    ("check_run", "checks"),
    ("check_suite", "checks"),
    ("code_scanning_alert", "security_events"),
    ("commit_comment", "contents"),
    ("create", "contents"),
    ("delete", "contents"),
    ("dependabot_alert", "vulnerability_alerts"),
    ("deployment", "deployments"),
    ("deployment_protection_rule", "deployments"),
    ("deployment_review", "deployments"),
    ("deployment_status", "deployments"),
    ("discussion", "discussions"),
    ("discussion_comment", "discussions"),
    ("fork", "contents"),
    ("gollum", "contents"),
    ("issue_comment", "issues"),
    ("issue_dependencies", "issues"),
    ("issues", "issues"),
    ("label", "metadata"),
    ("member", "members"),
    ("membership", "members"),
    ("merge_group", "merge_queues"),
    ("milestone", "issues"),
    ("organization", "members"),
    ("page_build", "pages"),
    ("public", "metadata"),
    ("pull_request", "pull_requests"),
    ("pull_request_review", "pull_requests"),
    ("pull_request_review_comment", "pull_requests"),
    ("pull_request_review_thread", "pull_requests"),
    ("push", "contents"),
    ("release", "contents"),
    ("repository", "metadata"),
    ("repository_dispatch", "contents"),
    ("repository_ruleset", "administration"),
    ("star", "metadata"),
    ("status", "statuses"),
    ("sub_issues", "issues"),
    ("team", "members"),
    ("team_add", "members"),
    ("workflow_dispatch", "contents"),
    ("workflow_job", "actions"),
    ("workflow_run", "actions"),
];

/// Events that tell of a change of a team, or of who is in an organisation.
const OF_TEAMS: [&str; 5] = ["member", "membership", "organization", "team", "team_add"];

/// Events whose payload only names the pull request that conditions look at.
const NAMED_ONLY: [&str; 4] = ["check_run", "check_suite", WORKFLOW_CONTEXT, "workflow_run"];

/// What signing in is, where a page says what needs something.
const SIGNING_IN: &str = "signing in";

/// What of a config decides which App it needs.
#[derive(Clone, Debug)]
pub struct Wishes<'a> {
    /// Rules that are off need nothing; those in shadow mode need what they would if they were active.
    pub rules: &'a [Rule],
    pub kinds: &'a [ActionKind],
    /// Actions that repositories' own files may name; `None`: there are no such files.
    pub own_files: Option<&'a [String]>,
    /// Whether people may command in comments.
    pub commands: bool,
    /// Whether `access` names teams.
    pub teams: bool,
}

/// What one permission or event is needed for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Of a permission: to write too.
    pub write: bool,
    /// Rules, and features of orchd.
    pub by: BTreeSet<String>,
}

impl Need {
    /// GitHub's word.
    pub fn level(&self) -> &'static str {
        if self.write { "write" } else { "read" }
    }

    /// Who needs it, in a line.
    pub fn whose(&self) -> String {
        self.by.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// The permissions and events of an App.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needed {
    pub permissions: BTreeMap<&'static str, Need>,
    pub events: BTreeMap<&'static str, Need>,
    /// Events that rules wait for and no App can subscribe to: GitHub sends them unasked, or to no App.
    pub unasked: BTreeMap<String, Need>,
}

impl Needed {
    /// All that these need, and nothing that none of them does.
    pub fn by(wishes: &Wishes<'_>) -> Self {
        let mut needed = Self::default();
        needed.read("metadata", SIGNING_IN);
        needed.hear("repository", SIGNING_IN);
        for rule in wishes.rules.iter().filter(|rule| rule.mode != Mode::Off) {
            needed.add_rule(rule, wishes.kinds);
        }
        if let Some(actions) = wishes.own_files {
            needed.add_own_files(actions, wishes.kinds);
        }
        if wishes.commands {
            needed.hear("issue_comment", "commands");
            for kind in wishes.kinds.iter().filter(|kind| !kind.commands.is_empty()) {
                needed.add_any(kind, "commands");
            }
        }
        if wishes.teams {
            for event in OF_TEAMS {
                needed.hear(event, "teams in `access`");
            }
        }
        needed.hear_everything(wishes.rules);
        needed
    }

    fn add_rule(&mut self, rule: &Rule, kinds: &[ActionKind]) {
        let name = rule.name.as_str();
        for trigger in &rule.on {
            match trigger.event_name() {
                Some(SCHEDULE) => {
                    self.read("issues", name);
                    self.read("pull_requests", name);
                }
                // A workflow sends it itself.
                Some(WORKFLOW_CONTEXT) => {}
                Some(event) => self.hear(event, name),
                None => {}
            }
        }
        if rule.when.is_some() && rule.on.iter().filter_map(Trigger::event_name).any(|on| NAMED_ONLY.contains(&on)) {
            self.read("pull_requests", name);
        }
        for permission in needed(rule, kinds) {
            self.write(permission, name);
        }
        for spec in &rule.then {
            let Some(kind) = kinds.iter().find(|kind| kind.name == spec.name) else { continue };
            (kind.reads)(&spec.params).iter().for_each(|permission| self.read(permission, name));
            kind.hears.iter().for_each(|event| self.hear(event, name));
        }
        for fact in rule.when.iter().flat_map(|when| when.may_ask_for()) {
            match fact {
                // Of an issue the payload tells all there is.
                FactKind::Item if !may_be_of_pulls(rule) => {}
                FactKind::Item | FactKind::Files | FactKind::Reviews => self.read("pull_requests", name),
                FactKind::Checks => {
                    self.read("checks", name);
                    self.read("statuses", name);
                }
                FactKind::Role => self.read("metadata", name),
                FactKind::Run => self.read("actions", name),
            }
        }
    }

    /// An action that may be asked for on any issue or pull request.
    fn add_any(&mut self, kind: &ActionKind, by: &str) {
        match (kind.needs)(&Value::Null) {
            Needs::Item => ["issues", "pull_requests"].into_iter().for_each(|each| self.write(each, by)),
            Needs::Write(permission) => self.write(permission, by),
            Needs::WriteAll(permissions) => permissions.iter().for_each(|each| self.write(each, by)),
        }
        kind.hears.iter().for_each(|event| self.hear(event, by));
    }

    fn add_own_files(&mut self, actions: &[String], kinds: &[ActionKind]) {
        const BY: &str = "repository_config";
        self.read("contents", BY);
        self.write("checks", BY);
        ["issues", "pull_request", "push"].into_iter().for_each(|event| self.hear(event, BY));
        for kind in kinds.iter().filter(|kind| actions.iter().any(|name| name == kind.name)) {
            self.add_any(kind, BY);
        }
    }

    /// For rules that wait for any event: all that the permissions let the App hear.
    fn hear_everything(&mut self, rules: &[Rule]) {
        let wants_all = |rule: &&Rule| rule.mode != Mode::Off && rule.on.iter().any(|on| on.event_name().is_none());
        for rule in rules.iter().filter(wants_all) {
            for (event, permission) in HEARD_WITH {
                if self.permissions.contains_key(permission) {
                    self.events.entry(event).or_default().by.insert(rule.name.to_string());
                }
            }
        }
    }

    fn read(&mut self, permission: &'static str, by: &str) {
        self.permissions.entry(permission).or_default().by.insert(by.to_owned());
    }

    fn write(&mut self, permission: &'static str, by: &str) {
        self.read(permission, by);
        self.permissions.entry(permission).or_default().write = true;
    }

    /// With the permission that it takes.
    fn hear(&mut self, event: &str, by: &str) {
        match HEARD_WITH.iter().find(|(name, _)| *name == event) {
            Some((event, permission)) => {
                self.events.entry(event).or_default().by.insert(by.to_owned());
                self.read(permission, by);
            }
            None => {
                self.unasked.entry(event.to_owned()).or_default().by.insert(by.to_owned());
            }
        }
    }

    /// What an App with these permissions and events lacks, in words.
    pub fn missing(&self, permissions: &BTreeMap<String, String>, events: &[String]) -> Vec<String> {
        let lacking = self.permissions.iter().filter(|(name, need)| !grants(permissions, name, need.level()));
        let lacking = lacking.map(|(name, need)| format!("the permission {name}: {} ({})", need.level(), need.whose()));
        let unheard = self.events.iter().filter(|(name, _)| !events.iter().any(|each| each == *name));
        lacking.chain(unheard.map(|(name, need)| format!("the event {name} ({})", need.whose()))).collect()
    }
}

/// Whether something it waits for can be about a pull request.
fn may_be_of_pulls(rule: &Rule) -> bool {
    rule.on.iter().any(|trigger| trigger.event_name() != Some("issues"))
}

/// The manifest of an App of that name for an orchd at `public_url` (without a slash at its end). Only its owner can
/// install the App.
pub fn manifest(needed: &Needed, name: &str, public_url: &str) -> Value {
    let permissions: BTreeMap<_, _> = needed.permissions.iter().map(|(name, need)| (name, need.level())).collect();
    json!({
        "name": name,
        "url": public_url,
        "description": "orchd: rules for issues and pull requests",
        "hook_attributes": {"url": format!("{public_url}/webhooks/github"), "active": true},
        "redirect_url": format!("{public_url}/setup/callback"),
        "callback_urls": [format!("{public_url}/login/callback")],
        "public": false,
        "default_permissions": permissions,
        "default_events": needed.events.keys().collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
