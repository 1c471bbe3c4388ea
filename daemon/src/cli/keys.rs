//! `orchd keys`: make, list and revoke keys for scripts.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::daemon::Daemon;
use super::failure::Failure;
use super::output::{self, Rows};
use crate::core::access::{Level, Scope};
use crate::core::event::RepoName;
use crate::core::text;
use crate::store::api_keys::{KeyRow, KeyTerms};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key. It is printed this once, alone on standard output.
    ///
    /// A key may do what its maker may, or less. Made on the daemon's machine it is bound to no person.
    Create(Create),
    /// List keys, the newest first: your own, or as an admin everybody's.
    List {
        /// Keys at most, up to 1000.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only keys older than this one: where the last list ended.
        #[arg(long, value_name = "ID")]
        after: Option<Uuid>,
    },
    /// End a key for good, and its tokens with it.
    Revoke {
        /// The key's id.
        id: Uuid,
    },
    /// Encrypt people's GitHub tokens anew, with the first of `login.keys`; then the others may go.
    Rotate,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What it is for, to tell it from others.
    name: String,
    /// What it may be used for; more than once, or with commas between.
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
    scopes: Vec<Scope>,
    /// Only in this repository; more than once for several.
    #[arg(long = "repo", value_name = "OWNER/REPO", value_parser = repository)]
    repositories: Vec<RepoName>,
    /// No more than that [default: as much as you].
    #[arg(long, value_parser = ["viewer", "operator", "admin"])]
    level: Option<String>,
    /// How long it is good for, such as 90d [default: as long as it is not revoked].
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
}

fn repository(written: &str) -> Result<RepoName, String> {
    RepoName::parse(written).map_err(|error| error.to_string())
}

/// A key that was made.
#[derive(Deserialize)]
struct Made {
    id: Uuid,
    name: String,
    key: String,
    #[serde(flatten)]
    terms: KeyTerms,
}

impl Command {
    pub(super) async fn run(&self, daemon: &Daemon, json: bool) -> Result<(), Failure> {
        match self {
            Self::Create(create) => made(daemon.post_document("/api/keys", &create.wish()).await?, json),
            Self::List { limit, after } => {
                let parameters = vec![("limit", Some(limit.to_string())), ("after", after.map(|id| id.to_string()))];
                output::print_page(daemon.get("/api/keys", parameters).await?, json, table)
            }
            Self::Revoke { id } => {
                let answer = daemon.delete(&format!("/api/keys/{id}")).await?;
                if json {
                    return output::print_json(&answer);
                }
                let now = answer.get("revoked").and_then(Value::as_bool).unwrap_or(false);
                output::print(if now { "revoked\n" } else { "revoked before\n" })
            }
            Self::Rotate => {
                let answer = daemon.post("/api/keys/rotate").await?;
                if json {
                    return output::print_json(&answer);
                }
                let people = answer.get("rotated").and_then(Value::as_u64).unwrap_or(0);
                output::print(&format!("the tokens of {people} people are encrypted anew\n"))?;
                let unopened = answer.get("unopened").and_then(Value::as_array).into_iter().flatten();
                let unopened: Vec<_> = unopened.filter_map(Value::as_str).collect();
                if unopened.is_empty() {
                    return Ok(());
                }
                output::print(&format!("no key opens those of {}: they have to sign in again\n", unopened.join(", ")))
            }
        }
    }
}

impl Create {
    /// As the API takes it.
    fn wish(&self) -> Value {
        let mut wish = json!({"name": self.name, "scopes": self.scopes});
        if !self.repositories.is_empty() {
            wish["repositories"] = json!(self.repositories);
        }
        if let Some(level) = &self.level {
            wish["level"] = json!(level);
        }
        if let Some(expires) = &self.expires {
            wish["expires_in"] = json!(expires);
        }
        wish
    }
}

/// The key alone where a script reads it, and what it is for where a person does.
fn made(answer: Value, json: bool) -> Result<(), Failure> {
    if json {
        return output::print_json(&answer);
    }
    let Made { id, name, key, terms } = output::read(answer)?;
    let end =
        terms.expires_at.map_or_else(|| "until it is revoked".to_owned(), |end| format!("until {}", text::time(end)));
    output::note(&format!("Key `{name}` ({id}), {}, good {end}. Keep it now: it is not told again.", terms.level));
    output::print(&format!("{}\n", text::harmless(&key)))
}

fn table(keys: &[KeyRow]) -> Rows {
    let mut rows =
        Rows::new(["created (UTC)", "name", "of", "begins", "may", "level", "in", "last used (UTC)", "state", "id"]);
    let now = Utc::now();
    for key in keys {
        let KeyTerms { level, scopes, repositories, .. } = &key.terms;
        let scopes: Vec<&str> = scopes.iter().map(Scope::word).collect();
        let names = repositories.iter().flatten().map(RepoName::as_str).collect::<Vec<_>>().join(" ");
        rows.push([
            text::time(key.created_at),
            key.name.clone(),
            key.owner.as_ref().map_or_else(|| "the machine".to_owned(), |owner| owner.login.clone()),
            format!("{}…", key.beginning),
            scopes.join(" "),
            Level::to_string(level),
            if repositories.is_some() { names } else { "all it sees".to_owned() },
            key.last_used_at.map_or_else(|| "never".to_owned(), text::time),
            state(key, now),
            key.id.to_string(),
        ]);
    }
    rows
}

fn state(key: &KeyRow, now: DateTime<Utc>) -> String {
    match (key.revoked_at, key.terms.expires_at) {
        (Some(at), _) => format!("revoked {}", text::time(at)),
        (None, Some(end)) if end <= now => format!("expired {}", text::time(end)),
        (None, Some(end)) => format!("good until {}", text::time(end)),
        (None, None) => "good".to_owned(),
    }
}
