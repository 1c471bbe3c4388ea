//! The config, and the secrets it names.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;

use chrono::Utc;

use super::{Asked, Finding, Seen};
use crate::actions;
use crate::config::{self, Config, Problem, SecretPlace, SecretSource};

/// Findings about the config and its secrets, and the config when it can be used.
pub(super) fn look(asked: &Asked) -> (Vec<Finding>, Option<Config>) {
    let env = |name: &str| variable(asked, name);
    let path = &asked.config;
    let places = config::secret_places(path, &env);
    let (problems, config) = match config::load_in(path, actions::kinds(), Utc::now(), &env) {
        Ok(config) => (Vec::new(), Some(config)),
        Err(problems) => (problems.0, None),
    };
    let place_of = |problem: &Problem| places.iter().find(|place| place.is_of(problem));
    let (of_secrets, others): (Vec<_>, Vec<_>) =
        problems.iter().map(|problem| (problem, place_of(problem))).partition(|(_, place)| place.is_some());
    let shown = path.display();
    let config_seen = match (reach(path), others.first(), &config) {
        (Err(error), ..) => unread(path, &error),
        (Ok(_), Some((first, _)), _) => {
            let more = match others.len() {
                1 => String::new(),
                count => format!(", and {} more", count - 1),
            };
            let Problem { file, line, column, message } = first;
            let told = format!("{}:{line}:{column}: {message}{more}", file.display());
            Seen::fault(told, format!("mend the file; `orchd config check {shown}` tells all that is wrong with it"))
        }
        (Ok(_), None, Some(config)) => {
            Seen::well(format!("{shown} validates: {} rules, revision {}", config.rules.len(), config.revision.hash))
        }
        (Ok(_), None, None) => Seen::skipped("not before `secrets` is mended"),
    };
    let secrets = of_secrets.iter().filter_map(|(problem, place)| Some(unusable(problem, (*place)?)));
    let readable = match places.len() {
        0 => "the config names none".to_owned(),
        1 => "the one the config names can be read".to_owned(),
        count => format!("all {count} that the config names can be read"),
    };
    let secrets_seen = match reach(path) {
        Ok(()) => Seen::worst(secrets.collect(), readable),
        Err(_) => Seen::skipped("not before `config` is mended"),
    };
    (vec![config_seen.named("config"), secrets_seen.named("secrets")], config)
}

/// A variable of the environment. Credentials are, unless it says otherwise, where systemd shows them to the running service.
pub(super) fn variable(asked: &Asked, name: &str) -> Option<OsString> {
    let credentials = || {
        let asked_for = name == "CREDENTIALS_DIRECTORY" && asked.credentials.is_dir();
        asked_for.then(|| asked.credentials.clone().into_os_string())
    };
    std::env::var_os(name).or_else(credentials)
}

/// Whether the file can be read. A FIFO, which would block, is left to whoever reads the config: it refuses it.
fn reach(path: &Path) -> io::Result<()> {
    if path.metadata()?.is_file() { File::open(path).map(drop) } else { Ok(()) }
}

fn unread(path: &Path, error: &io::Error) -> Seen {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => Seen::fault(
            format!("there is no {shown}"),
            "orchd setup --public-url URL makes one; if it is elsewhere: --config FILE",
        ),
        _ => Seen::fault(
            format!("{shown} cannot be read: {error}"),
            "run this as root or as orchd's user (sudo -u orchd orchd doctor)",
        ),
    }
}

fn unusable(problem: &Problem, place: &SecretPlace) -> Seen {
    let told = format!("`{}` (line {}): {}", place.key, problem.line, problem.message);
    let seen = match &place.source {
        SecretSource::File(path) => Seen::fault(told, filled(&place.key, &path.display().to_string())),
        SecretSource::Credential { file: Some(path), .. } => {
            Seen::fault(told, filled(&place.key, &path.display().to_string()))
        }
        SecretSource::Credential { name, file: None } => Seen::fault(
            told,
            format!(
                "run this as root while the service runs, or with CREDENTIALS_DIRECTORY set to the directory that \
                 holds {name}"
            ),
        ),
        SecretSource::Variable(name) => Seen::fault(told, format!("set the environment variable {name}")),
    };
    if matches!(place.source, SecretSource::File(_)) { seen } else { seen.or(origin(&place.key)) }
}

/// How to come by a secret, for a file.
fn filled(key: &str, path: &str) -> String {
    match key {
        "github.webhook_secrets" => format!(
            "openssl rand -hex 32 > {path} && chmod 600 {path}, and set the same as the App's webhook secret on GitHub"
        ),
        "login.keys" => format!("openssl rand -base64 32 > {path} && chmod 600 {path}"),
        _ => format!("{}; put it into {path} and chmod 600 {path}", origin(key)),
    }
}

fn origin(key: &str) -> String {
    match key {
        "github.private_key" => "GitHub makes one on the App's page: Private keys, Generate a private key".to_owned(),
        "github.client_secret" => {
            "GitHub makes one on the App's page: Client secrets, Generate a new client secret".to_owned()
        }
        "github.webhook_secrets" => "it is the App's webhook secret on GitHub".to_owned(),
        "login.keys" => "openssl rand -base64 32 makes one".to_owned(),
        "database.url" => "it is the database's whole URL: postgres://USER:PASSWORD@HOST/NAME".to_owned(),
        other => format!("it is what `{other}` takes"),
    }
}
