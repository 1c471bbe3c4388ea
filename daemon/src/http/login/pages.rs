//! The pages about signing in, and what they look like.

use askama::Template;

use crate::core::text;
use crate::http::assets::{icon, script, stylesheet};
use crate::store::sessions::SessionRow;

/// `GET /login`.
#[derive(Template)]
#[template(path = "login.html")]
pub(super) struct LoginPage<'a> {
    pub(super) return_to: &'a str,
    /// What nobody can sign in without; empty: they can.
    pub(super) missing: &'a [&'static str],
    pub(super) broken: Option<&'a str>,
    pub(super) signed_out: bool,
}

/// Why somebody is not signed in, and what to do.
#[derive(Template)]
#[template(path = "problem.html")]
pub(super) struct ProblemPage<'a> {
    pub(super) title: &'a str,
    pub(super) happened: &'a str,
    pub(super) advice: &'a str,
}

/// `GET /account`.
#[derive(Template)]
#[template(path = "account.html")]
pub(super) struct AccountPage<'a> {
    pub(super) login: &'a str,
    pub(super) csrf: &'a str,
    /// Whether GitHub can be asked as them.
    pub(super) can_ask: bool,
    pub(super) sessions: &'a [SessionLine],
}

/// A session as its owner sees it.
pub(super) struct SessionLine {
    pub(super) id: String,
    pub(super) this: bool,
    pub(super) browser: String,
    pub(super) agent: String,
    pub(super) address: String,
    pub(super) since: String,
    pub(super) used: String,
}

impl SessionLine {
    pub(super) fn of(row: &SessionRow, this: bool) -> Self {
        let agent = text::harmless(row.agent.as_deref().unwrap_or_default());
        Self {
            id: row.id.to_string(),
            this,
            browser: browser(&agent),
            address: row.address.clone().unwrap_or_else(|| "unknown".to_owned()),
            since: text::time(row.created_at),
            used: text::time(row.last_activity_at),
            agent,
        }
    }
}

/// A browser's name and system as far as its `User-Agent` tells them. The order matters: many claim to be others, too.
pub(in crate::http) fn browser(agent: &str) -> String {
    let first =
        |table: &[(&str, &'static str)]| table.iter().find(|(word, _)| agent.contains(word)).map(|(_, name)| *name);
    let name = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chromium/", "Chromium"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("iPad", "iPadOS"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (name, system) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "An unknown browser".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_named_as_people_call_it() {
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
        assert_eq!(browser(chrome), "Chrome on Linux");
        assert_eq!(
            browser("Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"),
            "Firefox on Windows"
        );
        assert_eq!(browser("curl/8.9"), "curl");
        assert_eq!(browser(""), "An unknown browser");
    }
}
