//! The section `forward`: which workflows may send their context as an event, and how they prove who they are.

use std::time::Duration;

use secrecy::SecretString;

use super::GitHub;
use super::fields::Fields;
use super::findings::Findings;
use super::marked::Node;
use super::rules::repositories;
use super::secret::{Surroundings, secret};
use super::table::Presence::{Default, Optional, Required};
use super::table::{Key, Kind, Section, key};
use super::values::{duration, list, refuse, size, text, url};
use crate::core::forward::Workflows;
use crate::core::rule::Repositories;

/// Who makes out the tokens of workflows on github.com.
const ISSUER: &str = "https://token.actions.githubusercontent.com";

pub(super) static FORWARD: Section = Section {
    path: "forward",
    help: "Which workflows may send their context to `POST /events/forward`, where it becomes the event `workflow_context` (`mode: forward` of the Action). Off unless `repositories` or `secrets` is written. A repository must be known besides: the App is installed on it, or a webhook told of it. See forward.md.",
    keys: &[
        key(
            "repositories",
            Kind::Repositories,
            Optional,
            "Repositories whose workflows may send, proved by the token (OIDC) that GitHub makes out to their run: globs over `owner/name`; `!` excludes, and the last one that fits decides.",
        ),
        key(
            "workflows",
            Kind::Texts,
            Default("[\"**\"]"),
            "Which of their workflows: `FILE@REF`, globs over the file and over the ref it was taken from (`.github/workflows/ci.yml@refs/heads/main`). Without a repository before it the file is one of the repository that runs; with one (`acme/shared/.github/workflows/tell.yml@refs/tags/v*`) it can be a reusable workflow that the job is of. `**`: any, so that whoever may push a branch may send.",
        ),
        key(
            "issuer",
            Kind::Url,
            Optional,
            "Who makes out the tokens. Default: GitHub's, which follows from `github.api_url`: of an Enterprise Server `https://HOST/_services/token`.",
        ),
        key("audience", Kind::Text, Optional, "To whom tokens must be made out. Default: `server.public_url`."),
        key(
            "max_age",
            Kind::Duration { least: "10s", most: "1h" },
            Default("10m"),
            "How old a token, or a body signed with a secret, may be at most.",
        ),
        key(
            "max_body",
            Kind::Size { least: "1KiB", most: "1MiB" },
            Default("256KiB"),
            "Largest body that a workflow may send.",
        ),
        key(
            "secrets",
            Kind::List(&FORWARD_SECRET),
            Default("[]"),
            "Where no token can be had: secrets to sign with, each good for its repositories only. Whoever has one may claim anything of these repositories' runs.",
        ),
    ],
};

pub(super) static FORWARD_SECRET: Section = Section {
    path: "forward.secrets[]",
    help: "A secret that a workflow signs with (HMAC-SHA256).",
    keys: &[
        key("secret", Kind::Secret, Required, "The secret."),
        key("repositories", Kind::Repositories, Required, "What it may speak for: globs over `owner/name`."),
    ],
};

/// Which workflows may forward.
#[derive(Clone, Debug)]
pub struct Forward {
    /// By token; `None`: none.
    pub repositories: Option<Repositories>,
    pub workflows: Workflows,
    pub issuer: http::Uri,
    /// `None`: `server.public_url`, which is there when `repositories` is.
    pub audience: Option<String>,
    /// Default 10 min.
    pub max_age: Duration,
    /// Bytes; default 256 KiB.
    pub max_body: u64,
    pub secrets: Vec<ForwardSecret>,
}

/// A secret, and what it may speak for.
#[derive(Clone, Debug)]
pub struct ForwardSecret {
    pub secret: SecretString,
    pub repositories: Repositories,
}

impl Forward {
    /// Whether anything may be forwarded.
    pub fn is_on(&self) -> bool {
        self.repositories.is_some() || !self.secrets.is_empty()
    }
}

pub(super) fn forward(
    fields: &mut Fields<'_>,
    around: Surroundings<'_>,
    github: Option<&GitHub>,
    public_url: Option<&str>,
    findings: &mut Findings,
) -> Option<Forward> {
    let by_token = fields.written("repositories").is_some();
    let repositories = fields.read("repositories", findings, repositories);
    let workflows = fields.read("workflows", findings, workflows);
    let issuer = fields.read("issuer", findings, url);
    let audience = fields.read("audience", findings, text);
    let max_age = fields.read("max_age", findings, duration);
    let max_body = fields.read("max_body", findings, size);
    let secrets = fields.read("secrets", findings, |node, key, findings| secrets(around, node, key, findings));
    if by_token && audience.is_none() && public_url.is_none() {
        let message = "`forward.repositories` needs `server.public_url`, or `audience`: to whom tokens are made out";
        findings.report(fields.place_of("repositories"), message);
    }
    let issuer = issuer.or_else(|| issuer_of(&github?.api_url));
    Some(Forward {
        repositories: if by_token { Some(repositories?) } else { None },
        workflows: workflows?,
        issuer: issuer?,
        audience: audience.or_else(|| public_url.map(str::to_owned)),
        max_age: max_age?,
        max_body: max_body?,
        secrets: secrets?,
    })
}

/// Who makes out tokens where the API is there. `None`: never.
/// <https://docs.github.com/en/enterprise-server/actions/reference/security/oidc>
fn issuer_of(api_url: &http::Uri) -> Option<http::Uri> {
    let api = api_url.to_string();
    let api = api.trim_end_matches('/');
    let issuer = match (api.strip_suffix("/api/v3"), api.strip_prefix("https://api.")) {
        (Some(server), _) => format!("{server}/_services/token"),
        (None, Some(host)) if host.ends_with(".ghe.com") => format!("https://token.actions.{host}"),
        _ => ISSUER.to_owned(),
    };
    issuer.parse().ok()
}

fn workflows(node: &Node, key: &Key, findings: &mut Findings) -> Option<Workflows> {
    let items = list(node, key, findings)?;
    if items.is_empty() {
        return refuse(
            node,
            findings,
            "`workflows` is empty, so that nothing may be sent: leave it out for any workflow",
        );
    }
    let one = |item: &Node, findings: &mut Findings| {
        let written = text(item, key, findings)?;
        match Workflows::parse(&[&written]) {
            Ok(_) => Some(written),
            Err(error) => refuse(item, findings, error.to_string()),
        }
    };
    let read: Vec<_> = items.iter().map(|item| one(item, findings)).collect();
    Workflows::parse(&read.into_iter().collect::<Option<Vec<_>>>()?).ok()
}

fn secrets(around: Surroundings<'_>, node: &Node, key: &Key, findings: &mut Findings) -> Option<Vec<ForwardSecret>> {
    let one = |item: &Node, findings: &mut Findings| {
        let mut fields = Fields::open(item, &FORWARD_SECRET, findings);
        let secret = fields.read("secret", findings, |node, key, findings| secret(around, node, key, findings));
        let repositories = fields.read("repositories", findings, repositories);
        Some(ForwardSecret { secret: secret?, repositories: repositories? })
    };
    let read: Vec<_> = list(node, key, findings)?.iter().map(|item| one(item, findings)).collect();
    read.into_iter().collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_follows_from_the_api() {
        for (api, issuer) in [
            ("https://api.github.com", "https://token.actions.githubusercontent.com/"),
            ("https://ghe.example.com/api/v3", "https://ghe.example.com/_services/token"),
            ("https://api.acme.ghe.com", "https://token.actions.acme.ghe.com/"),
        ] {
            assert_eq!(issuer_of(&api.parse().unwrap()).unwrap().to_string(), issuer);
        }
    }
}
