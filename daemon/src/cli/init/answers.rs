//! What the templates need to know of a repository: told by flags, remembered from last time, or found out here.

use std::fs;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::super::failure::Failure;
use super::super::git::Checkout;
use crate::core::event::RepoName;
use crate::core::text::harmless;

/// The commit of this release, whose Action the workflow names. A build that is of no release knows none.
const RELEASED: Option<&str> = option_env!("ORCHD_ACTION_COMMIT");
/// Stands for that commit where there is none: no action has it, so that a workflow with it fails and says so.
pub(super) const STAND_IN: &str = "0000000000000000000000000000000000000000";

/// What fills the placeholders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answers {
    pub(super) project: String,
    /// `owner/name`
    pub(super) repository: String,
    pub(super) host: String,
    /// Whom CODEOWNERS names.
    pub(super) owner: String,
    /// The default branch.
    pub(super) branch: String,
    /// Where a weakness is reported: a URL, or an address.
    pub(super) contact: String,
    /// The command that tests the project.
    pub(super) test: String,
    /// The commit of the Action, and its version behind it.
    pub(super) action: String,
}

/// What a person says of it.
#[derive(Debug, Default, Args)]
pub(super) struct Said {
    /// What the project is called [default: the repository's name].
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// The repository on GitHub [default: that of the remote `upstream` or `origin`].
    #[arg(long, value_name = "OWNER/NAME")]
    repository: Option<String>,
    /// Who reviews what nobody else is named for: @PERSON or @ORGANISATION/TEAM [default: the owner of the repository].
    #[arg(long, value_name = "@WHO")]
    owner: Option<String>,
    /// The default branch [default: that of the remote, or main].
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    /// Where a weakness is reported: a URL or a mail address [default: GitHub's form for it].
    #[arg(long, value_name = "URL|MAIL")]
    contact: Option<String>,
    /// The command that tests the project [default: as its files say].
    #[arg(long, value_name = "COMMAND")]
    test: Option<String>,
    /// The commit of the Action that the workflow uses [default: that of this release].
    #[arg(long, value_name = "COMMIT")]
    action: Option<String>,
}

impl Answers {
    /// Each by its name in a template.
    pub(super) fn placeholders(&self) -> [(&'static str, String); 8] {
        let url = format!("https://{}/{}", self.host, self.repository);
        [
            ("project", self.project.clone()),
            ("repository", self.repository.clone()),
            ("owner", self.owner.clone()),
            ("branch", self.branch.clone()),
            ("contact", self.contact.clone()),
            ("test", self.test.clone()),
            ("action", self.action.clone()),
            ("url", url),
        ]
    }

    /// What the person says, else what was said before, else what is found here.
    pub(super) fn find(said: &Said, before: Option<&Self>, checkout: &Checkout) -> Result<Self, Failure> {
        let remote = checkout.remote();
        let of =
            |said: &Option<String>, known: fn(&Self) -> &String| said.clone().or_else(|| before.map(known).cloned());
        let host = before.map(|before| before.host.clone());
        let host = host.or_else(|| Some(remote.as_ref()?.host.clone())).unwrap_or_else(|| "github.com".to_owned());
        let repository = of(&said.repository, |it| &it.repository)
            .or_else(|| remote.as_ref().map(|remote| format!("{}/{}", remote.owner, remote.repository)))
            .ok_or_else(|| Failure::failed("no remote says where this is on GitHub: give --repository OWNER/NAME"))?;
        let (owner, name) = repository.split_once('/').unwrap_or((&repository, &repository));
        let answers = Self {
            project: of(&said.project, |it| &it.project).unwrap_or_else(|| name.to_owned()),
            owner: of(&said.owner, |it| &it.owner).unwrap_or_else(|| format!("@{owner}")),
            branch: of(&said.branch, |it| &it.branch)
                .or_else(|| checkout.default_branch())
                .or_else(|| checkout.branch())
                .unwrap_or_else(|| "main".to_owned()),
            contact: of(&said.contact, |it| &it.contact)
                .unwrap_or_else(|| format!("https://{host}/{repository}/security/advisories/new")),
            test: of(&said.test, |it| &it.test).unwrap_or_else(|| usual_test(checkout).to_owned()),
            action: action(said.action.as_deref(), before),
            repository,
            host,
        };
        answers.check()?;
        Ok(answers)
    }

    /// Whether the workflow would name an action that is not there.
    pub(super) fn has_no_action(&self) -> bool {
        self.action.starts_with(STAND_IN)
    }

    /// What is filled in must not become more than a word of a YAML file, a page or a script.
    fn check(&self) -> Result<(), Failure> {
        let only =
            |text: &str, more: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || more.contains(c));
        let refused = |flag: &str, value: &str, must: &str| {
            Err(Failure::failed(format!("--{flag}: `{}` is not {must}", harmless(value))))
        };
        let commit = self.action.split(' ').next().unwrap_or_default();
        if self.project.trim() != self.project || !only(&self.project, " ._-") {
            return refused(
                "project",
                &self.project,
                "a name of letters, digits, spaces, dots, hyphens and underscores",
            );
        }
        if RepoName::parse(&self.repository).is_err() || !only(&self.repository, "/._-") {
            return refused("repository", &self.repository, "OWNER/NAME");
        }
        if !self.owner.split(' ').all(|owner| owner.strip_prefix('@').is_some_and(|name| only(name, "/-_."))) {
            return refused("owner", &self.owner, "@PERSON or @ORGANISATION/TEAM");
        }
        if !only(&self.branch, "/._-") {
            return refused(
                "branch",
                &self.branch,
                "a branch of letters, digits, slashes, dots, hyphens and underscores",
            );
        }
        if !(self.contact.starts_with("https://") || self.contact.contains('@'))
            || !only(&self.contact, ":/@.-_+?=&%#~")
        {
            return refused("contact", &self.contact, "a URL that begins with https://, or a mail address");
        }
        if self.test.trim() != self.test
            || self.test.is_empty()
            || self.test.contains("${{")
            || self.test.chars().any(char::is_control)
        {
            return refused("test", &self.test, "a command on one line");
        }
        if commit.len() != 40 || !commit.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
            return refused("action", &self.action, "a commit: 40 hexadecimal digits");
        }
        Ok(())
    }
}

/// A commit and its version. What this release knows counts more than what was written before.
fn action(said: Option<&str>, before: Option<&Answers>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    match (said, RELEASED, before) {
        (Some(commit), ..) | (None, Some(commit), _) => format!("{commit} # v{version}"),
        (None, None, Some(before)) => before.action.clone(),
        (None, None, None) => format!("{STAND_IN} # v{version}"),
    }
}

/// How what lies here is tested, most likely.
fn usual_test(checkout: &Checkout) -> &'static str {
    let has = |name: &str| checkout.root.join(name).is_file();
    let makefile = fs::read_to_string(checkout.root.join("Makefile")).unwrap_or_default();
    if makefile.lines().any(|line| line.starts_with("test:")) {
        return "make test";
    }
    let known = [
        ("Cargo.toml", "cargo test --workspace"),
        ("package.json", "npm ci && npm test"),
        ("go.mod", "go test ./..."),
        ("pyproject.toml", "pip install --editable . pytest && python -m pytest"),
    ];
    known.into_iter().find(|(file, _)| has(file)).map_or("make test", |(_, command)| command)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::templates::tests::answers;
    use super::*;

    #[test]
    fn what_would_become_more_than_a_word_is_refused() {
        assert!(answers().check().is_ok());
        let with = |change: fn(&mut Answers, String), value: &str| {
            let mut answers = answers();
            change(&mut answers, value.to_owned());
            answers.check().map_err(|failure| failure.message)
        };
        for bad in ["", " a", "a\nb: c", "a`b", "${{ x }}", "<b>", "a\"", "a: b"] {
            assert!(with(|it, value| it.project = value, bad).is_err(), "{bad}");
            assert!(with(|it, value| it.branch = value, bad).is_err(), "{bad}");
            assert!(with(|it, value| it.owner = value, bad).is_err(), "{bad}");
            assert!(with(|it, value| it.contact = value, bad).is_err(), "{bad}");
            assert!(with(|it, value| it.repository = value, bad).is_err(), "{bad}");
            assert!(with(|it, value| it.action = value, bad).is_err(), "{bad}");
        }
        for bad in ["", "a\nb", "echo ${{ github.token }}", " a"] {
            assert!(with(|it, value| it.test = value, bad).is_err(), "{bad}");
        }
        assert!(with(|it, value| it.owner = value, "@mona @acme/web-team").is_ok());
        assert!(with(|it, value| it.contact = value, "security@acme.example").is_ok());
        let told = with(|it, value| it.repository = value, "web").unwrap_err();
        assert_eq!(told, "--repository: `web` is not OWNER/NAME");
    }
}
