//! What the check of a repository's setup asks GitHub.

use serde::Deserialize;

use super::client::Reader;
use super::{GitHubError, path};
use crate::core::checkup::{Protection, TokenDefaults, Told, UnknownOwner};
use crate::core::event::RepoName;
use crate::core::facts::Known;

/// More labels or rules than any repository has.
const MOST_PAGES: u32 = 20;

#[derive(Deserialize)]
struct Repository {
    default_branch: String,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Branch {
    protected: bool,
    /// Of old; a server may leave it out.
    protection: Option<Classic>,
}

#[derive(Deserialize)]
struct Classic {
    enabled: bool,
}

#[derive(Deserialize)]
struct OwnerErrors {
    errors: Vec<OwnerError>,
}

#[derive(Deserialize)]
struct OwnerError {
    kind: String,
    /// Counted from 1.
    column: usize,
    source: Option<String>,
    suggestion: Option<String>,
}

#[derive(Deserialize)]
struct Workflows {
    default_workflow_permissions: String,
    #[serde(default)]
    can_approve_pull_request_reviews: bool,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Asks everything that can be asked; at most some ten requests beside the pages of labels. `reference`: the commit whose
/// CODEOWNERS is meant, `None` when the repository has none. What GitHub will not say is in the answer as such.
///
/// # Errors
/// When GitHub does not take the token at all: every answer would be the same.
pub async fn ask(reader: &Reader, repository: &RepoName, reference: Option<&str>) -> Result<Told, GitHubError> {
    let shown = reader.get::<Repository>(&path::repository(repository, "")).await;
    if let Err(error @ (GitHubError::Credentials(_) | GitHubError::Refused { status: 401, .. })) = shown {
        return Err(error);
    }
    let default_branch = known(shown.map(|shown| shown.default_branch));
    let protection = match &default_branch {
        Known::Is(branch) => known(protection(reader, repository, branch).await),
        Known::Unavailable(why) => Known::Unavailable(why.clone()),
        Known::NotYet => Known::NotYet,
    };
    let owners = match reference {
        Some(reference) => known(unknown_owners(reader, repository, reference).await),
        None => Known::Is(Vec::new()),
    };
    Ok(Told {
        default_branch,
        labels: known(labels(reader, repository).await),
        protection,
        owners,
        token: known(token(reader, repository).await),
        inherited: known(inherited(reader, repository).await),
    })
}

fn known<T>(answer: Result<T, GitHubError>) -> Known<T> {
    answer.map_or_else(|error| Known::Unavailable(error.to_string()), Known::Is)
}

async fn labels(reader: &Reader, repository: &RepoName) -> Result<Vec<String>, GitHubError> {
    let url = path::repository(repository, "/labels");
    let labels: Vec<Label> = reader.get_all(&url, None, MOST_PAGES).await?.whole("labels")?;
    Ok(labels.into_iter().map(|label| label.name).collect())
}

async fn protection(reader: &Reader, repository: &RepoName, branch: &str) -> Result<Protection, GitHubError> {
    let branch = path::segment(branch);
    let url = path::repository(repository, format_args!("/rules/branches/{branch}"));
    let rules: Vec<Rule> = reader.get_all(&url, None, MOST_PAGES).await?.whole("rules")?;
    let shown: Branch = reader.get(&path::repository(repository, format_args!("/branches/{branch}"))).await?;
    // What no ruleset guards and is protected all the same has protection of old.
    let classic = shown.protection.map_or(shown.protected && rules.is_empty(), |classic| classic.enabled);
    Ok(Protection { rules: rules.into_iter().map(|rule| rule.kind).collect(), classic })
}

/// GitHub's own list of what is wrong with CODEOWNERS, as far as it is about people: the rest we see ourselves.
async fn unknown_owners(reader: &Reader, repository: &RepoName, at: &str) -> Result<Vec<UnknownOwner>, GitHubError> {
    let url = path::repository(repository, format_args!("/codeowners/errors?ref={}", path::segment(at)));
    let told: OwnerErrors = reader.get(&url).await?;
    let unknown = told.errors.into_iter().filter(|error| error.kind == "Unknown owner");
    Ok(unknown.filter_map(unknown_owner).collect())
}

fn unknown_owner(error: OwnerError) -> Option<UnknownOwner> {
    let source = error.source?;
    let from: String = source.chars().skip(error.column.checked_sub(1)?).collect();
    let owner = from.split_whitespace().next()?.to_owned();
    let message = error.suggestion.unwrap_or_else(|| "it does not exist, or has no write access".to_owned());
    Some(UnknownOwner { owner, message })
}

async fn token(reader: &Reader, repository: &RepoName) -> Result<TokenDefaults, GitHubError> {
    let told: Workflows = reader.get(&path::repository(repository, "/actions/permissions/workflow")).await?;
    Ok(TokenDefaults {
        may_write: told.default_workflow_permissions == "write",
        may_approve: told.can_approve_pull_request_reviews,
    })
}

/// What the owner's repository `.github` has for all others. Not to have one is an answer.
async fn inherited(reader: &Reader, repository: &RepoName) -> Result<Vec<String>, GitHubError> {
    let owner = path::segment(repository.owner());
    let mut found = Vec::new();
    for folder in ["", "/.github", "/docs"] {
        match reader.get::<Vec<Entry>>(&format!("/repos/{owner}/.github/contents{folder}")).await {
            Ok(entries) => found.extend(entries.into_iter().map(|entry| {
                let end = if entry.kind == "dir" { "/" } else { "" };
                format!("{}{end}", entry.name)
            })),
            Err(GitHubError::NotFound(_)) if folder.is_empty() => break,
            Err(GitHubError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::github::client::GitHub;
    use crate::github::stand_in::{Reply, Seen, StandIn, reply};

    async fn asked(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Result<Told, GitHubError> {
        let server = StandIn::start(answer).await;
        let reader = GitHub::new(server.settings()).unwrap().anonymous();
        ask(&reader, &RepoName::parse("acme/web").unwrap(), Some("abc")).await
    }

    #[tokio::test]
    async fn what_github_tells() {
        let told = asked(|seen| match seen.path.as_str() {
            "/repos/acme/web" => reply(200, &json!({"default_branch": "rel/1"})),
            "/repos/acme/web/labels?per_page=100" => reply(200, &json!([{"name": "bug"}, {"name": "é"}])),
            "/repos/acme/web/rules/branches/rel%2F1?per_page=100" => reply(200, &json!([{"type": "deletion"}])),
            "/repos/acme/web/branches/rel%2F1" => reply(200, &json!({"protected": true, "protection": {"enabled": true}})),
            "/repos/acme/web/codeowners/errors?ref=abc" => reply(200, &json!({"errors": [
                {"line": 3, "column": 1, "kind": "Invalid pattern", "source": "***/*.rb @monalisa", "suggestion": "x"},
                {"line": 4, "column": 3, "kind": "Unknown owner", "source": "* @a @acme/gone # x", "suggestion": null},
            ]})),
            "/repos/acme/web/actions/permissions/workflow" => {
                reply(200, &json!({"default_workflow_permissions": "write", "can_approve_pull_request_reviews": true}))
            }
            "/repos/acme/.github/contents" => reply(200, &json!([{"name": "SECURITY.md", "type": "file"}])),
            "/repos/acme/.github/contents/.github" => reply(200, &json!([{"name": "ISSUE_TEMPLATE", "type": "dir"}])),
            _ => reply(404, &json!({"message": "Not Found"})),
        })
        .await
        .unwrap();
        assert_eq!(told.default_branch, Known::Is("rel/1".to_owned()));
        assert_eq!(told.labels, Known::Is(vec!["bug".to_owned(), "é".to_owned()]));
        assert_eq!(told.protection, Known::Is(Protection { rules: vec!["deletion".to_owned()], classic: true }));
        let message = "it does not exist, or has no write access".to_owned();
        assert_eq!(told.owners, Known::Is(vec![UnknownOwner { owner: "@a".to_owned(), message }]));
        assert_eq!(told.token, Known::Is(TokenDefaults { may_write: true, may_approve: true }));
        assert_eq!(told.inherited, Known::Is(vec!["SECURITY.md".to_owned(), "ISSUE_TEMPLATE/".to_owned()]));
    }

    #[tokio::test]
    async fn what_github_will_not_tell_is_not_known_and_no_error() {
        let refuse = |seen: &Seen| match seen.path.as_str() {
            "/repos/acme/web" => reply(200, &json!({"default_branch": "main"})),
            path if path.contains("/.github/") => reply(404, &json!({"message": "Not Found"})),
            _ => reply(403, &json!({"message": "Resource not accessible by integration"})),
        };
        let told = asked(refuse).await.unwrap();
        let why = "GitHub refused (403): Resource not accessible by integration".to_owned();
        assert_eq!(told.labels, Known::Unavailable(why.clone()));
        assert_eq!(told.protection, Known::Unavailable(why.clone()));
        assert_eq!(told.owners, Known::Unavailable(why.clone()));
        assert_eq!(told.token, Known::Unavailable(why));
        assert_eq!(told.inherited, Known::Is(Vec::new()), "the owner has no repository for all others");
    }

    #[tokio::test]
    async fn a_token_that_github_does_not_take_is_an_error() {
        let refused = asked(|_| reply(401, &json!({"message": "Bad credentials"}))).await.unwrap_err();
        assert!(matches!(refused, GitHubError::Refused { status: 401, .. } | GitHubError::Credentials(_)), "{refused}");
    }
}
