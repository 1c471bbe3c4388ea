//! Files to a [`Config`]: reads, includes, checks across sections.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::audit::{AUDIT, audit};
use super::commands::{self, COMMANDS};
use super::fields::Fields;
use super::findings::Findings;
use super::forward::{FORWARD, forward};
use super::guards::{GUARDS, guards};
use super::marked::Node;
use super::origins::{Origins, Written, origins};
use super::people::{self, ACCESS, API, LOGIN};
use super::repository_table::{REPOSITORY_ALLOW, REPOSITORY_CONFIG};
use super::revision::{Source, git_commit, hash};
use super::rule_files::{directory, read_all_rules, read_root};
use super::rules::Rulebook;
use super::schedule::{self, SCHEDULE};
use super::secret::Surroundings;
use super::table::{GITHUB, LOGGING, QUEUE, RECOVERY, RETENTION, ROOT, SERVER};
use super::telemetry::{TELEMETRY, telemetry};
use super::{Config, Problem, Problems, Revision, database, sections};
use crate::core::intent::ActionKind;
use crate::core::rule::{Mode, Rule};

/// Reads, includes, validates. `now` becomes the revision's `loaded_at`.
///
/// # Errors
/// Everything that is wrong in all files, not just the first.
pub fn load(path: &Path, actions: &[ActionKind], now: DateTime<Utc>) -> Result<Config, Problems> {
    load_in(path, actions, now, &|name| std::env::var_os(name))
}

/// As [`load`], with `text` for what stands in the file at `path`: all that it names is looked for from there.
///
/// # Errors
/// As [`load`].
#[cfg(feature = "server")]
pub fn load_text(path: &Path, text: &str, actions: &[ActionKind], now: DateTime<Utc>) -> Result<Config, Problems> {
    load_whole(path, Some(text), actions, now, &|name| std::env::var_os(name)).map(|(config, _)| config)
}

/// As [`load`], with the environment passed in.
///
/// # Errors
/// As [`load`].
pub fn load_in(
    path: &Path,
    actions: &[ActionKind],
    now: DateTime<Utc>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Config, Problems> {
    load_whole(path, None, actions, now, env).map(|(config, _)| config)
}

/// As [`load`], with where each value of its `effective` came from.
///
/// # Errors
/// As [`load`].
pub fn load_with_origins(
    path: &Path,
    actions: &[ActionKind],
    now: DateTime<Utc>,
) -> Result<(Config, Origins), Problems> {
    load_whole(path, None, actions, now, &|name| std::env::var_os(name))
}

/// `text`: what stands in the file at `path`; `None`: it is read.
pub(super) fn load_whole(
    path: &Path,
    text: Option<&str>,
    actions: &[ActionKind],
    now: DateTime<Utc>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<(Config, Origins), Problems> {
    let mut findings = Findings::default();
    let mut sources = Vec::new();
    let Some(root) = read_root(path, text, &mut sources, &mut findings) else {
        return Err(findings.finish().err().unwrap_or_else(|| unexplained(path)));
    };
    let dir = directory_of(path);
    let parts = build(&root, path, Surroundings { dir: &dir, env }, actions, &mut sources, &mut findings);
    let files = findings.files().to_vec();
    let notes = findings.finish()?;
    // Every part that is missing was reported, so there are parts when there is no problem.
    let parts = parts.ok_or_else(|| unexplained(path))?;
    let (mut config, rules) = parts(revision(path, &sources, now), notes);
    let written = Written { root: &root, rules: &rules, files: &files, dir: directory(path) };
    let origins = origins(&config.effective, &written);
    config.places = rules.iter().map(|rule| written.name(rule.place)).collect();
    Ok((config, origins))
}

/// The rules of a config alone.
#[derive(Clone, Debug)]
pub struct Ruleset {
    /// As that of the config the file is.
    pub revision: Revision,
    pub rules: Arc<[Rule]>,
    /// The rules with every default filled in.
    pub shown: Value,
}

/// Reads the rules of a config and of what it includes and extends, whatever the rest of it holds: neither its secrets nor its
/// database need be there. `now` becomes the revision's `loaded_at`.
///
/// # Errors
/// Everything that is wrong with the rules, and keys that no config has.
pub fn load_rules(path: &Path, actions: &[ActionKind], now: DateTime<Utc>) -> Result<Ruleset, Problems> {
    rules_in(path, None, actions, now)
}

/// As [`load_rules`], with `text` for what stands in the file at `path`.
///
/// # Errors
/// As [`load_rules`].
#[cfg(feature = "server")]
pub fn load_rules_text(
    path: &Path,
    text: &str,
    actions: &[ActionKind],
    now: DateTime<Utc>,
) -> Result<Ruleset, Problems> {
    rules_in(path, Some(text), actions, now)
}

/// Where a config keeps state: what backups are made of.
#[cfg(feature = "server")]
#[derive(Clone, Debug)]
pub struct State {
    pub database: super::Database,
    /// The file of the audit chain's anchors.
    pub anchors: Option<PathBuf>,
    /// For how long GitHub is asked for what never arrived.
    pub window: std::time::Duration,
}

/// Reads where a config keeps state, whatever the rest of it holds: no secret but the database's own need be there.
///
/// # Errors
/// Everything that is wrong with these sections, and keys that no config has.
#[cfg(feature = "server")]
pub fn load_state(path: &Path, env: &dyn Fn(&str) -> Option<OsString>) -> Result<State, Problems> {
    let mut findings = Findings::default();
    let Some(root) = read_root(path, None, &mut Vec::new(), &mut findings) else {
        return Err(findings.finish().err().unwrap_or_else(|| unexplained(path)));
    };
    let dir = directory_of(path);
    let around = Surroundings { dir: &dir, env };
    let mut top = Fields::open(&root, &ROOT, &mut findings);
    let database =
        top.read("database", &mut findings, |node, key, findings| database::database(around, node, key, findings));
    let audit = audit(&mut top.section("audit", &AUDIT, &mut findings), &dir, &mut findings);
    let recovery = sections::recovery(&mut top.section("recovery", &RECOVERY, &mut findings), &mut findings);
    findings.finish()?;
    match (database, audit, recovery) {
        (Some(database), Some(audit), Some(recovery)) => {
            Ok(State { database: database.database, anchors: audit.anchor, window: recovery.window })
        }
        _ => Err(unexplained(path)),
    }
}

fn rules_in(path: &Path, text: Option<&str>, actions: &[ActionKind], now: DateTime<Utc>) -> Result<Ruleset, Problems> {
    let mut findings = Findings::default();
    let mut sources = Vec::new();
    let Some(root) = read_root(path, text, &mut sources, &mut findings) else {
        return Err(findings.finish().err().unwrap_or_else(|| unexplained(path)));
    };
    let mut top = Fields::open(&root, &ROOT, &mut findings);
    let mut rulebook = Rulebook::new(actions);
    read_all_rules(&mut top, path, &mut sources, &mut rulebook, &mut findings);
    findings.finish()?;
    let revision = revision(path, &sources, now);
    Ok(Ruleset { revision, rules: rulebook.rules.into(), shown: rulebook.shown.into() })
}

fn revision(path: &Path, sources: &[Source], now: DateTime<Utc>) -> Revision {
    Revision {
        hash: hash(directory(path), sources),
        git_commit: git_commit(&directory_of(path)),
        path: path.to_owned(),
        loaded_at: now,
    }
}

/// Refuses a config of which a part is missing without a word: a fault of ours, but no reason to go on.
fn unexplained(path: &Path) -> Problems {
    let message = "the config could not be read, for a reason that was lost".to_owned();
    Problems(vec![Problem { file: path.to_owned(), line: 1, column: 1, message }])
}

/// The config once it has its revision, and what each rule was read from.
fn build(
    root: &Node,
    path: &Path,
    around: Surroundings<'_>,
    actions: &[ActionKind],
    sources: &mut Vec<Source>,
    findings: &mut Findings,
) -> Option<impl FnOnce(Revision, Vec<Problem>) -> (Config, Vec<Node>) + use<>> {
    let mut top = Fields::open(root, &ROOT, findings);
    let mut server_fields = top.section("server", &SERVER, findings);
    let server = sections::server(&mut server_fields, around.dir, findings);
    let database =
        top.read("database", findings, |node, key, findings| database::database(around, node, key, findings));
    let mut github_fields = top.section("github", &GITHUB, findings);
    let github = sections::github(&mut github_fields, around, findings);
    let mut retention_fields = top.section("retention", &RETENTION, findings);
    let retention = sections::retention(&mut retention_fields, findings);
    let mut audit_fields = top.section("audit", &AUDIT, findings);
    let audit = audit(&mut audit_fields, around.dir, findings);
    let mut queue_fields = top.section("queue", &QUEUE, findings);
    let queue = sections::queue(&mut queue_fields, findings);
    let mut own_fields = top.section("repository_config", &REPOSITORY_CONFIG, findings);
    let mut allow_fields = own_fields.section("allow", &REPOSITORY_ALLOW, findings);
    let own = sections::repository_config(&mut own_fields, &mut allow_fields, actions, findings);
    own_fields.shown.insert("allow".to_owned(), Value::Object(allow_fields.shown));
    let mut command_fields = top.section("commands", &COMMANDS, findings);
    let commands = commands::commands(&mut command_fields, findings);
    let mut schedule_fields = top.section("schedule", &SCHEDULE, findings);
    let schedule = schedule::schedule(&mut schedule_fields, findings);
    let mut recovery_fields = top.section("recovery", &RECOVERY, findings);
    let recovery = sections::recovery(&mut recovery_fields, findings);
    let mut forward_fields = top.section("forward", &FORWARD, findings);
    let forward = {
        let public_url = server.as_ref().and_then(|server| server.public_url.as_deref());
        forward(&mut forward_fields, around, github.as_ref(), public_url, findings)
    };
    let mut guards_fields = top.section("guards", &GUARDS, findings);
    let guards = guards(&mut guards_fields, findings);
    let mut access_fields = top.section("access", &ACCESS, findings);
    let access = people::access(&mut access_fields, findings);
    let mut login_fields = top.section("login", &LOGIN, findings);
    let login = people::login(&mut login_fields, around, findings);
    let mut api_fields = top.section("api", &API, findings);
    let api = people::api(&mut api_fields, findings);
    let mut logging_fields = top.section("logging", &LOGGING, findings);
    let logging = sections::logging(&mut logging_fields, around.dir, findings);
    let mut telemetry_fields = top.section("telemetry", &TELEMETRY, findings);
    let telemetry = telemetry(&mut telemetry_fields, around, findings);
    let mut rulebook = Rulebook::new(actions);
    read_all_rules(&mut top, path, sources, &mut rulebook, findings);
    check_credentials(&github_fields, &rulebook, findings);
    let database = database?;
    let effective = json!({
        "server": server_fields.shown,
        "database": database.shown,
        "github": github_fields.shown,
        "retention": retention_fields.shown,
        "audit": audit_fields.shown,
        "queue": queue_fields.shown,
        "repository_config": own_fields.shown,
        "commands": command_fields.shown,
        "schedule": schedule_fields.shown,
        "recovery": recovery_fields.shown,
        "forward": forward_fields.shown,
        "guards": guards_fields.shown,
        "access": access_fields.shown,
        "login": login_fields.shown,
        "api": api_fields.shown,
        "logging": logging_fields.shown,
        "telemetry": telemetry_fields.shown,
        "extends": top.shown.get("extends").cloned().unwrap_or(Value::Null),
        "include": top.shown.get("include").cloned().unwrap_or(Value::Null),
        "rules": rulebook.shown,
    });
    let (server, github, retention, queue, recovery, logging) =
        (server?, github?, retention?, queue?, recovery?, logging?);
    let (repository_config, audit, commands, schedule, guards) = (own?, audit?, commands?, schedule?, guards?);
    let (access, login, api, telemetry, forward) = (access?, login?, api?, telemetry?, forward?);
    let (database, rules, nodes) = (database.database, rulebook.rules.into(), rulebook.nodes);
    Some(move |revision, notes| {
        let config = Config {
            revision,
            stands_in: false,
            server,
            database,
            github,
            retention,
            audit,
            queue,
            repository_config,
            commands,
            schedule,
            recovery,
            forward,
            guards,
            access,
            login,
            api,
            logging,
            telemetry,
            rules,
            places: Arc::default(),
            effective,
            notes,
        };
        (config, nodes)
    })
}

/// Events can be kept with a webhook secret alone; a rule that acts needs to sign in as the App.
fn check_credentials(github: &Fields<'_>, rulebook: &Rulebook<'_>, findings: &mut Findings) {
    let mut missing = Vec::new();
    if github.written("client_id").is_none() && github.written("app_id").is_none() {
        missing.push("`client_id` (or `app_id`)");
    }
    if github.written("private_key").is_none() {
        missing.push("`private_key`");
    }
    if missing.is_empty() {
        return;
    }
    let missing = missing.join(" and ");
    match rulebook.rules.iter().find(|rule| rule.mode == Mode::Active) {
        Some(rule) => {
            let message = format!("`github` lacks {missing}, which the active rule `{}` needs to act", rule.name);
            findings.report(github.place, message);
        }
        None => findings.note(github.place, format!("`github` lacks {missing}: events are kept, nothing can be done")),
    }
}

pub(super) fn directory_of(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.parent().unwrap_or(Path::new("/")).to_owned()
}
