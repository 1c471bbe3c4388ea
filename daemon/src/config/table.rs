//! The one table of keys: names, kinds, defaults and help. Reading, the refusal of unknown keys, the JSON Schema and
//! `docs/configuration.md` all come from it.

/// A map of known keys.
#[derive(Debug)]
pub(super) struct Section {
    /// As a path from the top of the file, for messages and headings: `server`, `rules[]`.
    pub(super) path: &'static str,
    pub(super) help: &'static str,
    pub(super) keys: &'static [Key],
}

#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) presence: Presence,
    pub(super) help: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Presence {
    Required,
    Optional,
    /// Stands in when the key is not written: YAML, read by the same reader.
    Default(&'static str),
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Section(&'static Section),
    /// Text with at least one character.
    Text,
    Flag,
    /// A whole number within these bounds.
    Count {
        least: u64,
        most: u64,
    },
    /// A span of time within these bounds (each written as a user would).
    Duration {
        least: &'static str,
        most: &'static str,
    },
    /// Bytes within these bounds.
    Size {
        least: &'static str,
        most: &'static str,
    },
    Address,
    /// Of the file system; a relative one starts at the config file's directory.
    Path,
    /// `http://` or `https://`.
    Url,
    OneOf(&'static [&'static str]),
    /// A list of texts.
    Texts,
    Secret,
    Secrets,
    /// Names of HTTP headers, each with a secret.
    SecretHeaders,
    /// A part of a whole, from 0 to 1.
    Share,
    /// Networks, or the word `github`.
    Allow,
    Networks,
    Database,
    DatabaseUrl,
    Includes,
    RuleName,
    Repositories,
    Triggers,
    Condition,
    Actions,
    Rules,
    /// Presets and files of one's own.
    Extends,
    /// What a preset asks for: names, with help and default.
    Parameters,
    /// What is given to a preset: names, with values.
    Values,
    /// Anything.
    Any,
    /// A list of maps.
    List(&'static Section),
    /// RFC 3339.
    Time,
    /// What rules should do, in a test.
    Expected,
}

impl Section {
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }
}

use Presence::{Default, Optional, Required};

use super::audit::{AUDIT, AUDIT_ANCHOR};
use super::commands::COMMANDS;
use super::extends::table::{EXTENDED, EXTENDS_KEY, PARAMETER, PRESET_FILE};
use super::forward::{FORWARD, FORWARD_SECRET};
use super::guards::GUARDS;
use super::people::{ACCESS, API, LOGIN};
use super::repository_table::{REPOSITORY_ALLOW, REPOSITORY_CONFIG};
use super::schedule::SCHEDULE;
use super::telemetry::{LOG_FILE, OTLP, TELEMETRY};

pub(super) const fn key(name: &'static str, kind: Kind, presence: Presence, help: &'static str) -> Key {
    Key { name, kind, presence, help }
}

/// The config file itself.
pub(super) static ROOT: Section = Section {
    path: "",
    help: "The top of the config file. Only `github.webhook_secrets` must be written; everything else has a default.",
    keys: &[
        key("server", Kind::Section(&SERVER), Optional, "Where orchd listens and whom it lets in."),
        key(
            "database",
            Kind::Database,
            Default("sqlite:///var/lib/orchd/orchd.db"),
            "Where all state is kept: the URL of a SQLite file or of a PostgreSQL database, or a map with `url` and `objects`.",
        ),
        key("github", Kind::Section(&GITHUB), Optional, "The GitHub App and how to reach GitHub."),
        key("retention", Kind::Section(&RETENTION), Optional, "How long things are kept."),
        key("audit", Kind::Section(&AUDIT), Optional, "How long the audit chain is kept, and where it is anchored."),
        key("queue", Kind::Section(&QUEUE), Optional, "How jobs are run and tried again."),
        key(
            "repository_config",
            Kind::Section(&REPOSITORY_CONFIG),
            Optional,
            "Rules that repositories keep in a file of their own.",
        ),
        key("commands", Kind::Section(&COMMANDS), Optional, "What people may tell orchd in a comment."),
        key(
            "schedule",
            Kind::Section(&SCHEDULE),
            Optional,
            "When rules that wait for time to pass are told of open items.",
        ),
        key("recovery", Kind::Section(&RECOVERY), Optional, "How what GitHub could not deliver is found and fetched."),
        key("forward", Kind::Section(&FORWARD), Optional, "Which workflows may send their context as an event."),
        key("guards", Kind::Section(&GUARDS), Optional, "How much may happen before a person has to look."),
        key("access", Kind::Section(&ACCESS), Optional, "Who may see and do more than GitHub says."),
        key("login", Kind::Section(&LOGIN), Optional, "How people sign in with GitHub."),
        key("api", Kind::Section(&API), Optional, "How much a key may ask."),
        key("logging", Kind::Section(&LOGGING), Optional, "What is logged, and in which form."),
        key("telemetry", Kind::Section(&TELEMETRY), Optional, "What is sent to whom about what orchd does."),
        EXTENDS_KEY,
        key(
            "include",
            Kind::Includes,
            Default("[]"),
            "Files with more rules: paths, or globs in which `*` and `?` stay within one path segment, relative to this file. A glob may match nothing; a path must exist. An included file holds `extends` and `rules` only.",
        ),
        key("rules", Kind::Rules, Default("[]"), "What orchd does: see the keys of a rule."),
    ],
};

/// A file that `include` names.
pub(super) static RULES_FILE: Section = Section {
    path: "included file",
    help: "",
    keys: &[EXTENDS_KEY, key("rules", Kind::Rules, Default("[]"), "More rules.")],
};

pub(super) static SERVER: Section = Section {
    path: "server",
    help: "Where orchd listens and whom it lets in.",
    keys: &[
        key(
            "listen",
            Kind::Address,
            Default("127.0.0.1:8080"),
            "Address and port to listen on. TLS is a reverse proxy's work.",
        ),
        key("public_url", Kind::Url, Optional, "The URL under which people and GitHub reach orchd."),
        key(
            "admin_socket",
            Kind::Path,
            Optional,
            "Unix socket of the admin API, which the commands of `orchd` use. Without it there is none.",
        ),
        key(
            "webhook_allow",
            Kind::Allow,
            Default("[]"),
            "Networks that may send webhooks: CIDRs, addresses, or `github` for the list GitHub publishes. Empty: anyone (the signature is what counts).",
        ),
        key(
            "trusted_proxies",
            Kind::Networks,
            Default("[]"),
            "Proxies whose `X-Forwarded-For` is believed: CIDRs or addresses.",
        ),
        key(
            "max_body",
            Kind::Size { least: "1KiB", most: "25MiB" },
            Default("25MiB"),
            "Largest webhook body. GitHub sends nothing above 25 MB.",
        ),
        key(
            "read_timeout",
            Kind::Duration { least: "1s", most: "5m" },
            Default("10s"),
            "Time for a whole request to arrive.",
        ),
        key(
            "max_pending",
            Kind::Count { least: 1, most: 1_000_000 },
            Default("4096"),
            "Deliveries waiting for the disk at once before a new one is answered with 503.",
        ),
    ],
};

pub(super) static DATABASE: Section = Section {
    path: "database",
    help: "The long form of `database`.",
    keys: &[
        key(
            "url",
            Kind::DatabaseUrl,
            Default("sqlite:///var/lib/orchd/orchd.db"),
            "`sqlite:///PATH` (a relative path starts at the config file's directory) or `postgres://USER@HOST/NAME`; a secret where it holds a password.",
        ),
        key(
            "objects",
            Kind::Path,
            Optional,
            "Directory for payloads over 1 MiB. Default: `objects` beside the SQLite file, with PostgreSQL `/var/lib/orchd/objects`.",
        ),
    ],
};

pub(super) static GITHUB: Section = Section {
    path: "github",
    help: "The GitHub App and how to reach GitHub. Rules that act need `private_key` and `client_id` or `app_id`.",
    keys: &[
        key("app_id", Kind::Count { least: 1, most: i64::MAX as u64 }, Optional, "The App's id."),
        key("client_id", Kind::Text, Optional, "The App's client id; preferred over `app_id` for signing in."),
        key("private_key", Kind::Secret, Optional, "The App's private key: an RSA key as PEM."),
        key(
            "webhook_secrets",
            Kind::Secrets,
            Required,
            "Secrets a webhook may be signed with, at least one; the old and the new one during a rotation.",
        ),
        key("client_secret", Kind::Secret, Optional, "The App's OAuth client secret, for people signing in."),
        key(
            "api_url",
            Kind::Url,
            Default("https://api.github.com"),
            "GitHub's REST API; of an Enterprise Server `https://HOST/api/v3`.",
        ),
        key(
            "timeout",
            Kind::Duration { least: "100ms", most: "5m" },
            Default("10s"),
            "Time for one request to GitHub, connecting included.",
        ),
        key(
            "refresh_installations",
            Kind::Duration { least: "1m", most: "7d" },
            Default("1h"),
            "How often the App's installations and their repositories are listed anew. Events tell of changes at once.",
        ),
        key(
            "cache",
            Kind::Size { least: "0B", most: "16GiB" },
            Default("64MiB"),
            "Memory for GitHub's answers, compressed: what has not changed costs nothing of the quota. `0B` keeps none.",
        ),
        key("limits", Kind::Section(&GITHUB_LIMITS), Optional, "What GitHub allows beside the hour's quota."),
        key("breaker", Kind::Section(&BREAKER), Optional, "When GitHub is left alone because it does not answer."),
        key("dry_run", Kind::Flag, Default("false"), "Decide and record everything, write nothing to GitHub."),
        key("read_only", Kind::Flag, Default("false"), "Refuse every write to GitHub, those of commands too."),
    ],
};

pub(super) static GITHUB_LIMITS: Section = Section {
    path: "github.limits",
    help: "What GitHub allows one installation beside the hour's quota, which it tells itself. orchd stays a tenth below. 0: no such limit (an Enterprise Server).",
    keys: &[
        key(
            "points_a_minute",
            Kind::Count { least: 0, most: 1_000_000 },
            Default("900"),
            "Points a minute: a read is one, a change five.",
        ),
        key(
            "content_a_minute",
            Kind::Count { least: 0, most: 1_000_000 },
            Default("80"),
            "Issues, comments, reviews and the like made in a minute.",
        ),
        key("content_an_hour", Kind::Count { least: 0, most: 1_000_000 }, Default("500"), "The same in an hour."),
        key(
            "write_spacing",
            Kind::Duration { least: "0ms", most: "1m" },
            Default("1s"),
            "Time between two changes in the long run; a few may follow each other at once.",
        ),
        key(
            "at_once",
            Kind::Count { least: 1, most: 100 },
            Default("50"),
            "Requests under way at once: of each installation over all daemons, and of one daemon over all installations.",
        ),
    ],
};

pub(super) static BREAKER: Section = Section {
    path: "github.breaker",
    help: "When GitHub does not answer, it is left alone for a while; jobs wait and no attempt of theirs is counted.",
    keys: &[
        key(
            "failures",
            Kind::Count { least: 1, most: 20 },
            Default("5"),
            "Failures in a row after which GitHub is left alone; half of the last twenty are too many as well.",
        ),
        key(
            "open",
            Kind::Duration { least: "1ms", most: "1h" },
            Default("5s"),
            "How long, the first time; doubled each time GitHub still does not answer.",
        ),
        key("open_cap", Kind::Duration { least: "1ms", most: "1h" }, Default("1m"), "The longest it is left alone."),
    ],
};

pub(super) static RETENTION: Section = Section {
    path: "retention",
    help: "How long things are kept, counted from when the event arrived.",
    keys: &[
        key(
            "events",
            Kind::Duration { least: "1d", most: "36500d" },
            Default("365d"),
            "Events, with their jobs and effects. On PostgreSQL they go by the month: once the last day of theirs is that old.",
        ),
        key(
            "payloads",
            Kind::Duration { least: "1d", most: "36500d" },
            Default("90d"),
            "GitHub's payloads, which go with their event at the latest. Without its payload an event can no longer be replayed.",
        ),
        key(
            "decisions",
            Kind::Duration { least: "1d", most: "36500d" },
            Default("365d"),
            "Decisions with their explanations, which go with their event at the latest.",
        ),
        key(
            "every",
            Kind::Duration { least: "1s", most: "7d" },
            Default("1h"),
            "How often what is over its age is looked for. It is dropped in small steps, and deliveries go before.",
        ),
    ],
};

pub(super) static QUEUE: Section = Section {
    path: "queue",
    help: "How jobs are run and tried again.",
    keys: &[
        key("workers", Kind::Count { least: 1, most: 1_024 }, Default("8"), "Repositories worked on at once."),
        key(
            "max_attempts",
            Kind::Count { least: 1, most: 100 },
            Default("8"),
            "Attempts at a job before it becomes a dead letter.",
        ),
        key(
            "lease",
            Kind::Duration { least: "1s", most: "1h" },
            Default("30s"),
            "How long a claimed job is held without a sign of life; then another worker takes it.",
        ),
        key(
            "backoff",
            Kind::Duration { least: "1ms", most: "1h" },
            Default("1s"),
            "Wait after the first failed attempt; doubled after each further one.",
        ),
        key(
            "backoff_cap",
            Kind::Duration { least: "1ms", most: "1d" },
            Default("5m"),
            "Longest wait between two attempts.",
        ),
    ],
};

pub(super) static RECOVERY: Section = Section {
    path: "recovery",
    help: "How what GitHub could not deliver is found and fetched. GitHub never delivers twice by itself, so orchd compares GitHub's list of deliveries with what it has. Needs the App's `private_key`.",
    keys: &[
        key(
            "every",
            Kind::Duration { least: "0s", most: "1d" },
            Default("5m"),
            "How often GitHub's list of deliveries is looked through, and at start. `0s`: only by `orchd recover`.",
        ),
        key(
            "window",
            Kind::Duration { least: "1h", most: "30d" },
            Default("3d"),
            "How long GitHub keeps deliveries: 3 days, on an Enterprise Server 7.",
        ),
        key(
            "grace",
            Kind::Duration { least: "0s", most: "1h" },
            Default("1m"),
            "Deliveries younger than this may still be on their way and are left for the next time.",
        ),
        key(
            "max_requests",
            Kind::Count { least: 10, most: 1_000_000 },
            Default("2000"),
            "Requests to GitHub in one run, at most; the next run goes on. One page of the list holds 100 deliveries, and each missing one is a request.",
        ),
        key(
            "sweep",
            Kind::Section(&SWEEP),
            Optional,
            "Looks through issues and pull requests for changes that no delivery told.",
        ),
    ],
};

pub(super) static SWEEP: Section = Section {
    path: "recovery.sweep",
    help: "Looks through issues and pull requests for changes that no delivery told. What is found becomes an event of source `swept`.",
    keys: &[
        key(
            "repositories",
            Kind::Repositories,
            Optional,
            "Which repositories, as in a rule. Without it none are swept.",
        ),
        key(
            "every",
            Kind::Duration { least: "1s", most: "30d" },
            Default("1d"),
            "How often a repository is swept, at most as often as `recovery.every`.",
        ),
    ],
};

pub(super) static LOGGING: Section = Section {
    path: "logging",
    help: "What is logged, and in which form.",
    keys: &[
        key(
            "format",
            Kind::OneOf(&["auto", "json", "text"]),
            Default("auto"),
            "`auto` is the journal under systemd, text on a terminal and JSON elsewhere.",
        ),
        key(
            "level",
            Kind::Text,
            Default("info"),
            "A level (`error`, `warn`, `info`, `debug`, `trace`), or levels by module: `info,orchd::engine=debug`.",
        ),
        key("file", Kind::Section(&LOG_FILE), Optional, "A file that the log goes to as well."),
    ],
};

pub(super) static RULE: Section = Section {
    path: "rules[]",
    help: "A rule: on which events, if what holds, then do what.",
    keys: &[
        key("name", Kind::RuleName, Required, "Unique; 1 to 100 of the characters a-z A-Z 0-9 . _ -"),
        key(
            "repositories",
            Kind::Repositories,
            Default("[\"**\"]"),
            "Globs over `owner/name`, letters' case ignored; `!` excludes, the last one that fits decides.",
        ),
        key(
            "on",
            Kind::Triggers,
            Required,
            "One or several triggers: `event.action`, `event.*` (or just `event`) or `*`, with GitHub's names.",
        ),
        key("if", Kind::Condition, Optional, "What must hold: see the conditions. Without it: always."),
        key("then", Kind::Actions, Required, "What to do, in this order: see the actions."),
        key(
            "mode",
            Kind::OneOf(&["active", "shadow", "off"]),
            Default("active"),
            "`shadow` decides and records but never writes; `off` is not looked at.",
        ),
        key("limits", Kind::Section(&LIMITS), Optional, "How much the rule may do."),
    ],
};

pub(super) static LIMITS: Section = Section {
    path: "rules[].limits",
    help: "How much a rule may do.",
    keys: &[
        key(
            "actions_per_hour",
            Kind::Count { least: 1, most: 1_000_000 },
            Optional,
            "Effects an hour; without it as many as the rule likes.",
        ),
        key(
            "items_per_run",
            Kind::Count { least: 1, most: 1_000_000 },
            Optional,
            "Different issues and pull requests it may act on in one run, which is the last hour, whatever brought the events: deliveries, a sweep, replays. Without it as many as the rule likes.",
        ),
    ],
};

/// Every section a file can hold, in the order of the documentation.
pub(super) static SECTIONS: [&Section; 31] = [
    &ROOT,
    &SERVER,
    &DATABASE,
    &GITHUB,
    &GITHUB_LIMITS,
    &BREAKER,
    &RETENTION,
    &AUDIT,
    &AUDIT_ANCHOR,
    &QUEUE,
    &RECOVERY,
    &SWEEP,
    &REPOSITORY_CONFIG,
    &REPOSITORY_ALLOW,
    &COMMANDS,
    &SCHEDULE,
    &FORWARD,
    &FORWARD_SECRET,
    &GUARDS,
    &ACCESS,
    &LOGIN,
    &API,
    &LOGGING,
    &LOG_FILE,
    &TELEMETRY,
    &OTLP,
    &RULE,
    &LIMITS,
    &EXTENDED,
    &PRESET_FILE,
    &PARAMETER,
];
