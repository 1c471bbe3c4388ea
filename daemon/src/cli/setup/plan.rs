//! From the command line, and a config that may be there, to what is to be set up.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use chrono::Utc;
use http::Uri;
use serde::Deserialize;

use super::Setup;
use crate::actions;
use crate::cli::Global;
use crate::cli::connection::is_loopback;
use crate::cli::failure::{Code, Failure};
use crate::config::CREDENTIALS;
use crate::config::{self, Ruleset, parse_duration};
use crate::core::manifest::{LONGEST_NAME, Needed, Wishes};
use crate::engine::setup::{Places, Plan, starter_rules};

const USUAL_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Of a config, what decides which App it needs. Its secrets need not be there yet.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Present {
    server: Server,
    repository_config: OwnFiles,
    commands: Commands,
    access: Access,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Server {
    listen: Option<SocketAddr>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OwnFiles {
    enabled: bool,
    allow: Allow,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct Allow {
    actions: Vec<String>,
}

impl Default for Allow {
    /// As the config has it.
    fn default() -> Self {
        Self { actions: ["label", "comment"].map(str::to_owned).to_vec() }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Commands {
    enabled: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Access {
    admins: Vec<String>,
    operators: Vec<String>,
    viewers: Vec<String>,
}

impl Access {
    fn names_teams(&self) -> bool {
        [&self.admins, &self.operators, &self.viewers].into_iter().flatten().any(|name| name.contains('/'))
    }
}

impl Setup {
    /// # Errors
    /// When something on the command line is not what it should be, or the rules of a config that is there are wrong.
    pub(super) fn plan(&self, global: &Global) -> Result<Plan, Failure> {
        let public_url = address("--public-url", &self.public_url)?;
        let web_url = address("--github-url", &self.github_url)?;
        let absolute = |path: &Path| std::path::absolute(path).map_err(|error| usage(error.to_string()));
        let config = absolute(&global.config)?;
        let credentials = absolute(&self.credentials_beside(&config))?;
        let (present, rules) = self.read(&config)?;
        let own = &present.repository_config;
        let wishes = Wishes {
            rules: &rules.rules,
            kinds: actions::kinds(),
            own_files: own.enabled.then_some(own.allow.actions.as_slice()),
            commands: present.commands.enabled,
            teams: present.access.names_teams(),
        };
        Ok(Plan {
            name: self.app_name(&public_url)?,
            organization: self.organization.as_deref().map(login).transpose()?,
            api_url: api_url(&web_url)?,
            needed: Needed::by(&wishes),
            listen: self.listen.or(present.server.listen).unwrap_or(USUAL_LISTEN),
            repositories: self.repositories.clone(),
            places: Places { config, credentials, replace: self.force },
            patience: parse_duration(&self.wait)
                .ok_or_else(|| usage("--wait is a duration, such as 30m".to_owned()))?,
            public_url,
            web_url,
        })
    }

    fn credentials_beside(&self, config: &Path) -> PathBuf {
        let given = self.credentials.clone().or_else(|| std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from));
        given.unwrap_or_else(|| config.parent().unwrap_or(Path::new("/")).join(CREDENTIALS))
    }

    /// The config that is there, as far as it matters here, and its rules; without one, those that will be written.
    fn read(&self, config: &Path) -> Result<(Present, Ruleset), Failure> {
        let refused = |why: &dyn std::fmt::Display| {
            Failure::failed(format!("what {} needs cannot be told:\n{}", config.display(), why.to_string().trim_end()))
        };
        if self.force || !config.exists() {
            let text = starter_rules(&self.repositories);
            let rules = config::load_rules_text(config, &text, actions::kinds(), Utc::now());
            let wrong = |problems: &dyn std::fmt::Display| usage(format!("--repositories: {problems}"));
            return Ok((Present::default(), rules.map_err(|problems| wrong(&problems))?));
        }
        let rules = config::load_rules(config, actions::kinds(), Utc::now()).map_err(|problems| refused(&problems))?;
        let text = std::fs::read_to_string(config).map_err(|error| refused(&error))?;
        let present: Option<Present> = serde_yaml::from_str(&text).map_err(|error| refused(&error))?;
        Ok((present.unwrap_or_default(), rules))
    }

    fn app_name(&self, public_url: &str) -> Result<String, Failure> {
        let host = public_url.parse::<Uri>().ok().and_then(|url| url.host().map(str::to_owned)).unwrap_or_default();
        match self.name.as_deref().map(str::trim) {
            None => Ok(format!("orchd {host}").chars().take(LONGEST_NAME).collect()),
            Some(name) if (1..=LONGEST_NAME).contains(&name.chars().count()) => Ok(name.to_owned()),
            Some(_) => Err(usage(format!("--name has 1 to {LONGEST_NAME} characters"))),
        }
    }
}

fn usage(message: String) -> Failure {
    Failure { code: Code::Usage, message }
}

/// Scheme, host and port, without a slash at the end. Secrets go there and come from there.
fn address(option: &str, written: &str) -> Result<String, Failure> {
    let refuse = || usage(format!("{option} is https://, a host and nothing more, such as https://orchd.example.com"));
    let url: Uri = written.parse().map_err(|_| refuse())?;
    let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else { return Err(refuse()) };
    let bare = !authority.as_str().contains('@') && url.query().is_none() && matches!(url.path(), "" | "/");
    let safe = scheme == "https" || scheme == "http" && is_loopback(authority.host());
    if bare && safe { Ok(format!("{scheme}://{authority}")) } else { Err(refuse()) }
}

/// An organisation's login, as it stands in a URL.
fn login(written: &str) -> Result<String, Failure> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_login = (1..=100).contains(&written.len()) && written.bytes().all(fits);
    if is_login { Ok(written.to_owned()) } else { Err(usage("--organization is a login".to_owned())) }
}

/// Where the API of that GitHub is. A host below `ghe.com` is GitHub's own, too.
/// <https://docs.github.com/en/enterprise-server/rest/using-the-rest-api/getting-started-with-the-rest-api>
fn api_url(web_url: &str) -> Result<Uri, Failure> {
    let ours = web_url == "https://github.com" || web_url.ends_with(".ghe.com");
    let api = if ours { web_url.replacen("://", "://api.", 1) } else { format!("{web_url}/api/v3") };
    api.parse().map_err(|_| usage("--github-url is no URL".to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_that_nobody_listens_to() {
        for (good, read) in [
            ("https://orchd.example.com", "https://orchd.example.com"),
            ("https://orchd.example.com:8443/", "https://orchd.example.com:8443"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ] {
            assert_eq!(address("--public-url", good).unwrap(), read);
        }
        for bad in ["", "orchd.example.com", "http://orchd.example.com", "https://a@b", "https://a/b", "https://a?b=c"]
        {
            let failure = address("--public-url", bad).unwrap_err();
            assert!(failure.code == Code::Usage && failure.message.contains("--public-url"), "{bad}");
        }
    }

    #[test]
    fn each_github_has_its_api() {
        for (web, api) in [
            ("https://github.com", "https://api.github.com/"),
            ("https://acme.ghe.com", "https://api.acme.ghe.com/"),
            ("https://github.acme.example", "https://github.acme.example/api/v3"),
        ] {
            assert_eq!(api_url(web).unwrap().to_string(), api);
        }
    }
}
