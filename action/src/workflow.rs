//! Where and for what the step runs: the runner's variables, read once.
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/variables>

use std::collections::BTreeMap;
use std::path::PathBuf;

use orchd::core::event::RepoName;
use secrecy::SecretString;

use crate::failure::Failure;
use crate::inputs::quoted;

/// A run of a workflow, as far as a step is told.
#[derive(Debug)]
pub struct Workflow {
    /// `pull_request`, `issues`, …
    pub event_name: String,
    /// The event's payload, written by the runner.
    pub event_path: PathBuf,
    pub repository: RepoName,
    /// GitHub's ids; absent on old servers.
    pub repository_id: Option<u64>,
    pub repository_owner_id: Option<u64>,
    /// The commit that the run is about. Of `pull_request` the merge commit that GitHub made.
    pub sha: String,
    /// `refs/heads/main`, `refs/pull/7/merge`, …
    pub git_ref: Option<String>,
    /// Of a pull request only: names of branches.
    pub base_ref: Option<String>,
    pub head_ref: Option<String>,
    pub run_id: u64,
    pub run_attempt: u64,
    pub actor: Option<String>,
    /// The workflow's name, or its path when it has none.
    pub workflow: Option<String>,
    /// `owner/name/.github/workflows/a.yml@refs/heads/main`.
    pub workflow_ref: Option<String>,
    pub job: Option<String>,
    /// `https://api.github.com`, or `https://HOST/api/v3`.
    pub api_url: http::Uri,
    /// `https://github.com`, without a slash at the end.
    pub server_url: String,
    /// The checkout, if the job made one. Never written to.
    pub workspace: Option<PathBuf>,
    /// How to ask for a token that says who we are; only where the job has `permissions: id-token: write`.
    pub id_token: Option<IdToken>,
}

/// Where GitHub gives out OIDC tokens, and the word that gets one.
#[derive(Debug)]
pub struct IdToken {
    pub url: String,
    pub token: SecretString,
}

/// Variables of the runner that hold a secret, if they are there.
pub(crate) const SECRETS: [&str; 3] = ["ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_RUNTIME_TOKEN", "GITHUB_TOKEN"];

impl Workflow {
    /// # Errors
    /// Everything that is missing or cannot be read, at once.
    pub fn read(variables: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let mut read = Reading { variables, missing: Vec::new(), wrong: Vec::new() };
        let event_name = read.needed("GITHUB_EVENT_NAME");
        let event_path = read.needed("GITHUB_EVENT_PATH");
        let repository = read.parsed("GITHUB_REPOSITORY", |text| RepoName::parse(text).ok(), "owner/name");
        let run_id = read.parsed("GITHUB_RUN_ID", |text| text.parse().ok(), "a number");
        let api_url = read.parsed("GITHUB_API_URL", absolute, "an http or https URL");
        let sha = read.needed("GITHUB_SHA");
        let server_url = read.needed("GITHUB_SERVER_URL");
        // Where the outputs go; `files` opens it.
        read.needed("GITHUB_OUTPUT");
        let number = |name| read.text(name).and_then(|text| text.parse().ok());
        let ids = (number("GITHUB_REPOSITORY_ID"), number("GITHUB_REPOSITORY_OWNER_ID"));
        let run_attempt = number("GITHUB_RUN_ATTEMPT").unwrap_or(1);
        let (Some(repository), Some(run_id), Some(api_url), true) =
            (repository, run_id, api_url, read.missing.is_empty())
        else {
            return Err(read.failure());
        };
        let text = |name: &str| read.text(name).map(str::to_owned);
        let id_token = text("ACTIONS_ID_TOKEN_REQUEST_URL").zip(text("ACTIONS_ID_TOKEN_REQUEST_TOKEN"));
        Ok(Self {
            event_name,
            event_path: event_path.into(),
            repository,
            repository_id: ids.0,
            repository_owner_id: ids.1,
            sha,
            git_ref: text("GITHUB_REF"),
            base_ref: text("GITHUB_BASE_REF"),
            head_ref: text("GITHUB_HEAD_REF"),
            run_id,
            run_attempt,
            actor: text("GITHUB_ACTOR"),
            workflow: text("GITHUB_WORKFLOW"),
            workflow_ref: text("GITHUB_WORKFLOW_REF"),
            job: text("GITHUB_JOB"),
            api_url,
            server_url: server_url.trim_end_matches('/').to_owned(),
            workspace: text("GITHUB_WORKSPACE").map(PathBuf::from),
            id_token: id_token.map(|(url, token)| IdToken { url, token: token.into() }),
        })
    }

    /// The page of this run.
    pub fn run_url(&self) -> String {
        format!("{}/{}/actions/runs/{}", self.server_url, self.repository, self.run_id)
    }
}

fn absolute(text: &str) -> Option<http::Uri> {
    let uri: http::Uri = text.trim_end_matches('/').parse().ok()?;
    matches!(uri.scheme_str(), Some("http" | "https")).then_some(uri)
}

struct Reading<'a> {
    variables: &'a BTreeMap<String, String>,
    missing: Vec<&'static str>,
    wrong: Vec<String>,
}

impl Reading<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    fn needed(&mut self, name: &'static str) -> String {
        let text = self.text(name).map(str::to_owned);
        if text.is_none() {
            self.missing.push(name);
        }
        text.unwrap_or_default()
    }

    fn parsed<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Option<T>, what: &str) -> Option<T> {
        let text = self.needed(name);
        if text.is_empty() {
            return None;
        }
        let parsed = parse(&text);
        if parsed.is_none() {
            self.wrong.push(format!("`{name}` is {}, which is not {what}", quoted(&text)));
        }
        parsed
    }

    fn failure(self) -> Failure {
        let mut told = Vec::new();
        if !self.missing.is_empty() {
            let names: Vec<String> = self.missing.iter().map(|name| format!("`{name}`")).collect();
            let outside = self.text("GITHUB_ACTIONS") != Some("true");
            let hint = if outside {
                "this runs as a step of a GitHub workflow (`uses: orchd/orchd/action`); on your own machine use `orchd check` \
                 and `orchd config test`"
            } else {
                "the runner should have set them"
            };
            told.push(format!("not set: {}: {hint}", names.join(", ")));
        }
        told.extend(self.wrong);
        Failure::setup(told.join("; "))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;

    /// What a runner sets.
    pub(crate) fn variables() -> BTreeMap<String, String> {
        let set = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_EVENT_NAME", "issues"),
            ("GITHUB_EVENT_PATH", "/github/workflow/event.json"),
            ("GITHUB_REPOSITORY", "acme/web"),
            ("GITHUB_RUN_ID", "17"),
            ("GITHUB_API_URL", "https://api.github.com"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_SHA", "6dcb09b5b57875f334f61aebed695e2e4193db5e"),
            ("GITHUB_OUTPUT", "/github/file_commands/output"),
        ];
        set.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn what_the_runner_sets_is_read() {
        let run = Workflow::read(&variables()).unwrap();
        assert_eq!((run.run_id, run.run_attempt, run.repository.to_string()), (17, 1, "acme/web".to_owned()));
        assert_eq!(run.run_url(), "https://github.com/acme/web/actions/runs/17");
        assert!(run.id_token.is_none() && run.git_ref.is_none());
    }

    #[test]
    fn what_is_missing_or_wrong_is_told_at_once() {
        let why = |variables: &BTreeMap<String, String>| {
            Workflow::read(variables).unwrap_err().annotations()[0].message.clone()
        };
        let outside = why(&BTreeMap::new());
        assert!(
            outside.starts_with("not set: `GITHUB_EVENT_NAME`, `GITHUB_EVENT_PATH`, `GITHUB_REPOSITORY`"),
            "{outside}"
        );
        assert!(outside.contains("orchd check"), "{outside}");
        let mut odd = variables();
        odd.remove("GITHUB_SHA");
        odd.insert("GITHUB_RUN_ID".to_owned(), "x".to_owned());
        odd.insert("GITHUB_REPOSITORY".to_owned(), "no/such/name".to_owned());
        let told = why(&odd);
        assert!(told.starts_with("not set: `GITHUB_SHA`: the runner should have set them; "), "{told}");
        assert!(told.contains("`GITHUB_REPOSITORY` is `no/such/name`, which is not owner/name"), "{told}");
        assert!(told.contains("`GITHUB_RUN_ID` is `x`, which is not a number"), "{told}");
    }
}
