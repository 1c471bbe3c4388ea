//! The sections `access`, `login` and `api`: who may come in, how long for, and how often.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretBox, SecretString};

use super::fields::Fields;
use super::findings::Findings;
use super::marked::Node;
use super::secret::{Surroundings, secret, secrets};
use super::suggest::did_you_mean;
use super::table::Presence::{Default, Optional};
use super::table::{Key, Kind, Section, key};
use super::values::{count, duration, list, parse_duration, refuse, text};
use crate::core::access::{Level, OPERATIONS};

pub(super) static ACCESS: Section = Section {
    path: "access",
    help: "Who may see and do more than GitHub says. Everybody who signs in sees the repositories of the App's installations that GitHub shows them: with `read` as viewer, with `triage`, `write` or `maintain` as operator, with `admin` as admin. Whoever is listed here has that level in every repository, and for what is of no repository: the config, the audit chain, the daemon itself.",
    keys: &[
        key("admins", Kind::Texts, Default("[]"), "Logins, and teams as `org/team`. They may change the config."),
        key("operators", Kind::Texts, Default("[]"), "The same for those who may replay, retry and take back."),
        key("viewers", Kind::Texts, Default("[]"), "The same for those who may look."),
        key(
            "cache",
            Kind::Duration { least: "1s", most: "1h" },
            Default("5m"),
            "How long what GitHub says of a person is believed. Events that tell of a change end it at once.",
        ),
    ],
};

pub(super) static LOGIN: Section = Section {
    path: "login",
    help: "How people sign in with GitHub. It takes `github.client_id`, `github.client_secret`, `server.public_url` and `login.keys`; the App's callback URL is `PUBLIC_URL/login/callback`.",
    keys: &[
        key(
            "keys",
            Kind::Secrets,
            Optional,
            "Keys with which people's GitHub tokens are encrypted and short-lived tokens are signed: 32 bytes as base64 or 64 hexadecimal digits (`openssl rand -base64 32`). The first is used, the others are still understood: put a new one first, then `orchd keys rotate`, then take the old one away.",
        ),
        key(
            "session",
            Kind::Duration { least: "1m", most: "365d" },
            Default("30d"),
            "When a session ends that is not used.",
        ),
        key(
            "session_cap",
            Kind::Duration { least: "1m", most: "3650d" },
            Default("90d"),
            "When a session ends however much it is used.",
        ),
        key(
            "failures_a_minute",
            Kind::Count { least: 1, most: 10_000 },
            Default("20"),
            "Failed attempts to sign in or to use a key from one address (an IPv6 network of 64 bits counts as one) before it is told to wait.",
        ),
        key(
            "web_url",
            Kind::Url,
            Optional,
            "Where people sign in to GitHub. Default: `https://github.com`, or the host of `github.api_url` on an Enterprise Server.",
        ),
    ],
};

pub(super) static API: Section = Section {
    path: "api",
    help: "How much a key may ask. People in a browser and the admin socket are not counted.",
    keys: &[
        key(
            "requests_an_hour",
            Kind::Count { least: 1, most: 100_000_000 },
            Default("1000"),
            "Requests of one key in an hour.",
        ),
        key(
            "burst_a_minute",
            Kind::Count { least: 1, most: 100_000_000 },
            Default("100"),
            "Requests of one key in a minute.",
        ),
        key(
            "endpoints",
            Kind::Texts,
            Default("[]"),
            "Stricter limits for single operations, beside those above: `events.list 30/m` or `rollbacks.plan 10/h`, by the names in `/api/openapi.json`.",
        ),
        key(
            "token_lifetime",
            Kind::Duration { least: "1m", most: "1d" },
            Default("15m"),
            "How long a token of `POST /api/auth/token` is good for.",
        ),
    ],
};

/// Somebody the config names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    Login(String),
    Team { organisation: String, team: String },
}

/// Who has which level on the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub admins: Vec<Named>,
    pub operators: Vec<Named>,
    pub viewers: Vec<Named>,
    /// Default 5 min.
    pub cache: Duration,
}

impl Access {
    /// All that are named, the highest level first.
    pub fn named(&self) -> impl Iterator<Item = (&Named, Level)> {
        let lists = [(&self.admins, Level::Admin), (&self.operators, Level::Operator), (&self.viewers, Level::Viewer)];
        lists.into_iter().flat_map(|(list, level)| list.iter().map(move |named| (named, level)))
    }
}

/// How people sign in.
#[derive(Clone, Debug)]
pub struct Login {
    /// The first is used, the others are still understood. Empty: nobody can sign in.
    pub keys: Vec<SecretKey>,
    /// Default 30 days.
    pub session: Duration,
    /// Default 90 days.
    pub session_cap: Duration,
    /// Of one address; default 20.
    pub failures_a_minute: u32,
    /// Without a slash at its end.
    pub web_url: Option<String>,
}

/// 32 secret bytes.
#[derive(Clone, Debug)]
pub struct SecretKey(pub Arc<SecretBox<[u8; 32]>>);

/// Of keys that both come from the config: how long it takes is nobody's secret.
impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

/// How much a key may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// Default 1,000.
    pub requests_an_hour: u32,
    /// Default 100.
    pub burst_a_minute: u32,
    /// Of single operations.
    pub endpoints: BTreeMap<&'static str, Vec<Rate>>,
    /// Default 15 min.
    pub token_lifetime: Duration,
}

/// So many in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub requests: u32,
    pub within: Duration,
}

pub(super) fn access(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Access> {
    let admins = fields.read("admins", findings, named);
    let operators = fields.read("operators", findings, named);
    let viewers = fields.read("viewers", findings, named);
    let cache = fields.read("cache", findings, duration);
    Some(Access { admins: admins?, operators: operators?, viewers: viewers?, cache: cache? })
}

pub(super) fn login(fields: &mut Fields<'_>, around: Surroundings<'_>, findings: &mut Findings) -> Option<Login> {
    let keys = fields.read("keys", findings, |node, key, findings| secret_keys(around, node, key, findings));
    let session = fields.read("session", findings, duration);
    let session_cap = fields.read("session_cap", findings, duration);
    let failures = fields.read("failures_a_minute", findings, count);
    let web_url = fields.read("web_url", findings, super::values::url);
    if let (Some(session), Some(cap)) = (session, session_cap)
        && session > cap
    {
        findings.report(fields.place_of("session"), "`session` is longer than `session_cap`");
    }
    Some(Login {
        keys: keys.unwrap_or_default(),
        session: session?,
        session_cap: session_cap?,
        failures_a_minute: u32::try_from(failures?).ok()?,
        web_url: web_url.map(|url| url.to_string().trim_end_matches('/').to_owned()),
    })
}

pub(super) fn api(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Api> {
    let an_hour = fields.read("requests_an_hour", findings, count);
    let a_minute = fields.read("burst_a_minute", findings, count);
    let endpoints = fields.read("endpoints", findings, endpoints);
    let token_lifetime = fields.read("token_lifetime", findings, duration);
    Some(Api {
        requests_an_hour: u32::try_from(an_hour?).ok()?,
        burst_a_minute: u32::try_from(a_minute?).ok()?,
        endpoints: endpoints?,
        token_lifetime: token_lifetime?,
    })
}

fn named(node: &Node, key: &Key, findings: &mut Findings) -> Option<Vec<Named>> {
    let one = |item: &Node, findings: &mut Findings| {
        let written = text(item, key, findings)?;
        let fits = |part: &str| {
            !part.is_empty()
                && part.len() <= 100
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        match written.trim_start_matches('@').split_once('/') {
            None if fits(written.trim_start_matches('@')) => {
                Some(Named::Login(written.trim_start_matches('@').to_owned()))
            }
            Some((organisation, team)) if fits(organisation) && fits(team) => {
                Some(Named::Team { organisation: organisation.to_owned(), team: team.to_owned() })
            }
            _ => refuse(item, findings, format!("`{}` expects logins, and teams as org/team", key.name)),
        }
    };
    let read: Vec<_> = list(node, key, findings)?.iter().map(|item| one(item, findings)).collect();
    read.into_iter().collect()
}

fn secret_keys(around: Surroundings<'_>, node: &Node, key: &Key, findings: &mut Findings) -> Option<Vec<SecretKey>> {
    secrets(around, node, key, findings)?;
    let one = |item: &Node, findings: &mut Findings| {
        let written = secret(around, item, key, findings)?;
        let read = SecretKey::parse(&written);
        read.or_else(|| refuse(item, findings, "a key is 32 bytes, as base64 or as 64 hexadecimal digits"))
    };
    let read: Vec<_> = list(node, key, findings)?.iter().map(|item| one(item, findings)).collect();
    read.into_iter().collect()
}

impl SecretKey {
    fn parse(written: &SecretString) -> Option<Self> {
        use base64::Engine as _;
        use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
        let written = written.expose_secret().trim();
        let bytes = match written.len() {
            64 => (0..64).step_by(2).map(|at| u8::from_str_radix(written.get(at..at + 2)?, 16).ok()).collect(),
            _ => STANDARD.decode(written).or_else(|_| STANDARD_NO_PAD.decode(written)).ok(),
        };
        let key: [u8; 32] = bytes.and_then(|bytes: Vec<u8>| bytes.try_into().ok())?;
        Some(Self(Arc::new(SecretBox::new(Box::new(key)))))
    }
}

fn endpoints(node: &Node, key: &Key, findings: &mut Findings) -> Option<BTreeMap<&'static str, Vec<Rate>>> {
    let mut read: BTreeMap<&'static str, Vec<Rate>> = BTreeMap::new();
    let mut whole = true;
    for item in list(node, key, findings)? {
        match text(item, key, findings).and_then(|written| endpoint(item, &written, findings)) {
            Some((name, rate)) => read.entry(name).or_default().push(rate),
            None => whole = false,
        }
    }
    whole.then_some(read)
}

fn endpoint(item: &Node, written: &str, findings: &mut Findings) -> Option<(&'static str, Rate)> {
    let Some((name, rate)) = written.split_once(' ') else {
        return refuse(item, findings, "write an operation and its limit, such as `events.list 30/m`");
    };
    let Some(operation) = OPERATIONS.iter().find(|operation| operation.name == name) else {
        let hint = did_you_mean(name, OPERATIONS.iter().map(|operation| operation.name));
        return refuse(item, findings, format!("there is no operation `{name}`{hint}"));
    };
    let read = rate.trim().split_once('/').and_then(|(requests, unit)| {
        let requests = requests.parse::<u32>().ok().filter(|requests| *requests > 0)?;
        let within = parse_duration(&format!("1{unit}")).filter(|_| matches!(unit, "s" | "m" | "h" | "d"))?;
        Some(Rate { requests, within })
    });
    match read {
        Some(rate) => Some((operation.name, rate)),
        None => refuse(
            item,
            findings,
            format!("`{rate}` is no limit: write a number, a slash and s, m, h or d, such as 30/m"),
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_however_it_is_written() {
        let read = |text: &str| SecretKey::parse(&text.into()).map(|key| *key.0.expose_secret());
        assert_eq!(read(&"0f".repeat(32)), Some([15; 32]));
        assert_eq!(read("Dw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8="), Some([15; 32]));
        assert_eq!(read("Dw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8\n"), Some([15; 32]));
        for odd in ["", "short", &"0f".repeat(31), &"0g".repeat(32), &"é".repeat(32)] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
