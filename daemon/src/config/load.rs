//! Files to a [`Config`]: reads, includes, checks across sections.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::audit::{AUDIT, audit};
use super::commands::{self, COMMANDS};
use super::fields::Fields;
use super::findings::{Findings, Place};
use super::guards::{GUARDS, guards};
use super::include::expand;
use super::marked::{self, Node};
use super::repository_table::{REPOSITORY_ALLOW, REPOSITORY_CONFIG};
use super::revision::{Source, git_commit, hash};
use super::rules::Rulebook;
use super::schedule::{self, SCHEDULE};
use super::secret::{Surroundings, files};
use super::table::{GITHUB, Key, LOGGING, QUEUE, RECOVERY, RETENTION, ROOT, RULES_FILE, SERVER};
use super::{Config, Problem, Problems, Revision, database, sections, values};
use crate::core::intent::ActionKind;
use crate::core::rule::{Mode, Rule};

/// Largest config file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// What a config is made of on disk, as far as it can be told even when it is wrong: what to watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The config file, what it includes, and the files its secrets are in.
    pub files: Vec<PathBuf>,
    /// The patterns of `include`, joined to the config file's directory.
    pub patterns: Vec<PathBuf>,
}

/// Reads, includes, validates. `now` becomes the revision's `loaded_at`.
///
/// # Errors
/// Everything that is wrong in all files, not just the first.
pub fn load(path: &Path, actions: &[ActionKind], now: DateTime<Utc>) -> Result<Config, Problems> {
    load_in(path, actions, now, &|name| std::env::var_os(name))
}

/// As [`load`], with the environment passed in.
pub(super) fn load_in(
    path: &Path,
    actions: &[ActionKind],
    now: DateTime<Utc>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Config, Problems> {
    let mut findings = Findings::default();
    let mut sources = Vec::new();
    let Some(root) = read_root(path, &mut sources, &mut findings) else {
        return Err(findings.finish().err().unwrap_or_else(|| unexplained(path)));
    };
    let dir = directory_of(path);
    let parts = build(&root, path, Surroundings { dir: &dir, env }, actions, &mut sources, &mut findings);
    let notes = findings.finish()?;
    // Every part that is missing was reported, so there are parts when there is no problem.
    let parts = parts.ok_or_else(|| unexplained(path))?;
    Ok(parts(revision(path, &sources, now), notes))
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

/// Reads the rules of a config and of what it includes, whatever the rest of it holds: neither its secrets nor its
/// database need be there. `now` becomes the revision's `loaded_at`.
///
/// # Errors
/// Everything that is wrong with the rules, and keys that no config has.
pub fn load_rules(path: &Path, actions: &[ActionKind], now: DateTime<Utc>) -> Result<Ruleset, Problems> {
    let mut findings = Findings::default();
    let mut sources = Vec::new();
    let Some(root) = read_root(path, &mut sources, &mut findings) else {
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
        hash: hash(path.parent().unwrap_or(Path::new("")), sources),
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

/// What to watch for changes of the config at `path`. Patterns that cannot be read now are simply not in it.
pub fn sources(path: &Path) -> Sources {
    let mut findings = Findings::default();
    let mut read = Vec::new();
    let mut found = Sources { files: vec![path.to_owned()], patterns: Vec::new() };
    let Some(root) = read_root(path, &mut read, &mut findings) else { return found };
    let mut fields = Fields::open(&root, &ROOT, &mut findings);
    let here = path.parent().unwrap_or(Path::new(""));
    let written = fields.read("include", &mut findings, patterns);
    for (_, pattern) in written.unwrap_or_default() {
        found.files.extend(expand(here, &pattern).unwrap_or_default());
        found.patterns.push(here.join(pattern));
    }
    let around = Surroundings { dir: &directory_of(path), env: &|name| std::env::var_os(name) };
    found
        .files
        .extend(["github", "database"].iter().filter_map(|key| root.get(key)).flat_map(|node| files(around, node)));
    found
}

fn build(
    root: &Node,
    path: &Path,
    around: Surroundings<'_>,
    actions: &[ActionKind],
    sources: &mut Vec<Source>,
    findings: &mut Findings,
) -> Option<impl FnOnce(Revision, Vec<Problem>) -> Config + use<>> {
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
    let mut guards_fields = top.section("guards", &GUARDS, findings);
    let guards = guards(&mut guards_fields, findings);
    let mut logging_fields = top.section("logging", &LOGGING, findings);
    let logging = sections::logging(&mut logging_fields, findings);
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
        "guards": guards_fields.shown,
        "logging": logging_fields.shown,
        "include": top.shown.get("include").cloned().unwrap_or(Value::Null),
        "rules": rulebook.shown,
    });
    let (server, github, retention, queue, recovery, logging) =
        (server?, github?, retention?, queue?, recovery?, logging?);
    let (repository_config, audit, commands, schedule, guards) = (own?, audit?, commands?, schedule?, guards?);
    let (database, rules) = (database.database, rulebook.rules.into());
    Some(move |revision, notes| Config {
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
        guards,
        logging,
        rules,
        effective,
        notes,
    })
}

/// The rules of the file itself, then those of what it includes.
fn read_all_rules(
    top: &mut Fields<'_>,
    path: &Path,
    sources: &mut Vec<Source>,
    rulebook: &mut Rulebook<'_>,
    findings: &mut Findings,
) {
    top.read("rules", findings, |node, key, findings| rulebook.read(node, key, findings));
    include(top, path, sources, rulebook, findings);
}

/// Reads the files that `include` names, each once, and their rules.
fn include(
    top: &mut Fields<'_>,
    path: &Path,
    sources: &mut Vec<Source>,
    rulebook: &mut Rulebook<'_>,
    findings: &mut Findings,
) {
    let here = path.parent().unwrap_or(Path::new(""));
    let written = top.read("include", findings, patterns);
    let mut seen = vec![real(path)];
    for (place, pattern) in written.unwrap_or_default() {
        let files = match expand(here, &pattern) {
            Ok(files) => files,
            Err(reason) => {
                findings.report(place, reason);
                continue;
            }
        };
        for file in files {
            if seen.contains(&real(&file)) {
                continue;
            }
            seen.push(real(&file));
            match read_text(&file) {
                Ok(text) => read_rules(Source { path: file, text }, sources, rulebook, findings),
                Err(Unreadable::Content { line, column, message }) => {
                    let file = findings.add_file(&file);
                    findings.report(Place { file, line, column }, message);
                }
                Err(Unreadable::File(reason)) => {
                    findings.report(place, format!("{} cannot be included: {reason}", file.display()));
                }
            }
        }
    }
}

fn patterns(node: &Node, key: &Key, findings: &mut Findings) -> Option<Vec<(Place, String)>> {
    let items = values::one_or_more(node, key, findings)?;
    Some(items.iter().filter_map(|item| Some((item.place, values::text(item, key, findings)?))).collect())
}

fn read_rules(source: Source, sources: &mut Vec<Source>, rulebook: &mut Rulebook<'_>, findings: &mut Findings) {
    let file = findings.add_file(&source.path);
    if let Some(root) = marked::parse(&source.text, file, findings) {
        let mut fields = Fields::open(&root, &RULES_FILE, findings);
        fields.read("rules", findings, |node, key, findings| rulebook.read(node, key, findings));
    }
    sources.push(source);
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

fn read_root(path: &Path, sources: &mut Vec<Source>, findings: &mut Findings) -> Option<Node> {
    let file = findings.add_file(path);
    match read_text(path) {
        Ok(text) => {
            let root = marked::parse(&text, file, findings);
            sources.push(Source { path: path.to_owned(), text });
            root
        }
        Err(Unreadable::Content { line, column, message }) => {
            findings.report(Place { file, line, column }, message);
            None
        }
        Err(Unreadable::File(reason)) => {
            findings.report(Place::start_of(file), format!("the config cannot be read: {reason}"));
            None
        }
    }
}

enum Unreadable {
    File(String),
    Content { line: usize, column: usize, message: String },
}

fn read_text(path: &Path) -> Result<String, Unreadable> {
    let failed = |error: std::io::Error| Unreadable::File(error.to_string());
    // A FIFO would block for ever.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(Unreadable::File("it is not a file".to_owned()));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Unreadable::File("it is larger than 1 MiB".to_owned()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).into_owned();
        let last = valid.rsplit('\n').next().unwrap_or_default();
        Unreadable::Content {
            line: valid.matches('\n').count() + 1,
            column: last.chars().count() + 1,
            message: "not UTF-8".to_owned(),
        }
    })
}

fn directory_of(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.parent().unwrap_or(Path::new("/")).to_owned()
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
