//! Made-up people, repositories and texts, drawn from a seed. All text is our own.

use chrono::{DateTime, Duration, Utc};

use crate::model::{CheckRun, Comment, File, Item, Milestone, Pull, Repository, Review, Status, Time, User, UserKind};
use crate::seed::Seed;

const LOGINS: [&str; 24] = [
    "alice",
    "bob-builds",
    "chidi",
    "dmitri-k",
    "eun-ji",
    "fatima",
    "grace-h",
    "hiro",
    "ines-m",
    "jonas",
    "kwame",
    "lena",
    "mohamed-a",
    "nadia",
    "olu",
    "priya-s",
    "quentin",
    "rosa",
    "sven-o",
    "tuan",
    "uma",
    "viktor",
    "wen",
    "yara",
];
const OWNERS: [&str; 12] = [
    "acme",
    "northwind-labs",
    "tidepool",
    "harbour-io",
    "quarry",
    "lumen-works",
    "papercrane",
    "saltmarsh",
    "brightfen",
    "ferrous-co",
    "oakline",
    "meridian",
];
const NAMES: [&str; 20] = [
    "web",
    "api",
    "docs",
    "cli",
    "infra",
    "billing",
    "mobile-app",
    "sdk-python",
    "sdk.js",
    "parser",
    "scheduler",
    "design-system",
    "charts",
    "gateway",
    "worker",
    "search",
    "auth",
    "playbooks",
    "website",
    "data_pipeline",
];
const LANGUAGES: [&str; 8] = ["Rust", "TypeScript", "Go", "Python", "Java", "Ruby", "C++", "Kotlin"];
const TOPICS: [&str; 10] =
    ["http", "automation", "cli", "database", "testing", "kubernetes", "docs", "parser", "security", "web"];
const TITLES: [&str; 20] = [
    "Fix typo in the install guide",
    "Crash when the config file is empty",
    "Retry the upload once when the server closes the connection",
    "Add a flag to skip the slow checks",
    "Bump the parser to 2.4.1",
    "Search returns nothing for words with accents: é, ü, ø",
    "🚀 Faster startup by loading plugins lazily",
    "🐛 Timer drifts after the laptop sleeps 😴",
    "إصلاح ترتيب النتائج في صفحة البحث",
    "תיקון כיוון הטקסט בתפריט",
    "設定画面で保存ボタンが反応しない",
    "<b>Bold</b> & \"quotes\" are not escaped in the preview",
    "<script>alert('title')</script> shows up as text, as it should",
    "docs: say what `timeout` means, in which unit, and what happens at zero",
    "refactor(core): split the reader from the writer",
    "Revert \"Cache the user list\"",
    "WIP: try the new layout",
    "Memory grows by 3 MB an hour on the worker",
    "Windows: paths with spaces break the build step",
    "Allow `owner/repo#123` references in commit messages",
];
const SENTENCES: [&str; 22] = [
    "I followed the guide step by step and it stops at the third command.",
    "The log shows the request was sent twice within a second.",
    "With the previous version this worked, so it is a regression.",
    "This changes only the documentation; no code is touched.",
    "Before: 1.8 s. After: 0.4 s, measured on a laptop with a warm cache.",
    "The fix is small, but the test that shows the problem is long.",
    "Could someone with a Windows machine try this?",
    "- [ ] tests added\n- [x] docs updated\n- [ ] changelog entry",
    "```rust\nlet reply = client.get(url).send().await?;\nassert_eq!(reply.status(), 200);\n```",
    "```text\nerror: connection closed before the message was complete\n  at line 42, column 7\n```",
    "See the discussion in #118 and the earlier attempt in #97.",
    "Thanks for looking at this so quickly! 🙏",
    "> Does it also happen without the proxy?\n\nYes, in the same way.",
    "| case | before | after |\n|---|---|---|\n| empty | crash | message |\n| large | 30 s | 2 s |",
    "Steps to reproduce:\n1. start with an empty directory\n2. run `make build`\n3. look at the last line",
    "<details><summary>Full output</summary>\n\nNothing else of interest.\n</details>",
    "I would rather keep the old name and add an alias.",
    "Closes #214.",
    "@alice could you check the wording of the second paragraph?",
    "هذا يحدث فقط عندما تكون اللغة عربية.",
    "再現手順は次のとおりです。",
    "![screenshot](https://images.example.com/before-after.png)",
];
const PATHS: [&str; 16] = [
    "README.md",
    "docs/install.md",
    "docs/reference/settings.md",
    "src/main.rs",
    "src/server/mod.rs",
    "src/parser.rs",
    "tests/story.rs",
    "web/app.tsx",
    "web/style.css",
    ".github/workflows/test.yml",
    "Cargo.toml",
    "package.json",
    "scripts/release.sh",
    "migrations/0007_names.sql",
    "assets/logo.svg",
    "internal/queue/queue.go",
];
const CHECKS: [&str; 6] = ["test (linux)", "test (windows)", "lint", "build", "docs", "security scan"];
const BRANCHES: [&str; 8] = [
    "fix-typo",
    "feature/faster-start",
    "bob/retry-upload",
    "deps/parser-2.4.1",
    "main-backport",
    "release/2.x",
    "wip",
    "docs/timeouts",
];

/// A seeded moment between 2024 and 2026, so that samples do not depend on the clock.
pub(crate) fn moment(seed: &mut Seed) -> Time {
    let start = DateTime::<Utc>::from_timestamp(1_704_067_200, 0).unwrap_or_default();
    start + Duration::seconds(i64::try_from(seed.below(70_000_000)).unwrap_or(0))
}

pub(crate) fn person(seed: &mut Seed) -> User {
    let base = seed.pick(&LOGINS);
    let (login, kind) = match seed.below(10) {
        0 => (format!("{base}[bot]"), UserKind::Bot),
        1..=4 => (format!("{base}{}", seed.below(99)), UserKind::User),
        _ => (base.to_owned(), UserKind::User),
    };
    User { id: seed.id() >> 12, login, kind }
}

pub(crate) fn repository(seed: &mut Seed) -> Repository {
    let kind = if seed.chance(70) { UserKind::Organization } else { UserKind::User };
    let owner = User { id: seed.id() >> 12, login: seed.pick(&OWNERS).to_owned(), kind };
    let name = seed.pick(&NAMES);
    let created = moment(seed);
    let mut repo = Repository::new(seed, owner, name, created);
    repo.private = seed.chance(25);
    repo.language = seed.chance(90).then(|| seed.pick(&LANGUAGES).to_owned());
    repo.description = seed.chance(70).then(|| seed.pick(&TITLES).to_owned());
    repo.homepage = seed.chance(30).then(|| format!("https://{name}.example.com"));
    repo.topics = (0..seed.below(5)).map(|_| seed.pick(&TOPICS).to_owned()).collect();
    if seed.chance(15) {
        repo.default_branch = "master".to_owned();
    }
    repo
}

/// One title in twelve is as long as GitHub allows.
pub(crate) fn title(seed: &mut Seed) -> String {
    if !seed.chance(8) {
        return seed.pick(&TITLES).to_owned();
    }
    let mut long = String::new();
    while long.chars().count() < 256 {
        long.push_str(seed.pick(&TITLES));
        long.push_str(", and ");
    }
    long.chars().take(256).collect()
}

/// Mostly a few sentences; now and then an essay of several kilobytes.
pub(crate) fn text(seed: &mut Seed) -> String {
    let sentences = if seed.chance(6) { seed.between(30, 90) } else { seed.between(1, 7) };
    let parts: Vec<&str> = (0..sentences).map(|_| seed.pick(&SENTENCES)).collect();
    parts.join("\n\n")
}

pub(crate) fn issue(seed: &mut Seed, repo: &Repository) -> Item {
    let author = person(seed);
    let created = repo.created_at + Duration::hours(i64::try_from(seed.below(9_000)).unwrap_or(0));
    let open = seed.chance(75);
    let all: Vec<_> = repo.labels.values().collect();
    let milestone = seed.chance(15).then(|| Milestone { id: seed.id(), number: 3, title: "2.0".to_owned() });
    Item {
        id: seed.id(),
        number: seed.between(1, 9_000),
        title: title(seed),
        body: seed.chance(90).then(|| text(seed)),
        open,
        state_reason: (!open).then(|| "completed".to_owned()),
        author_association: seed.pick(&["OWNER", "MEMBER", "CONTRIBUTOR", "NONE", "COLLABORATOR"]).to_owned(),
        labels: (0..seed.below(3)).map(|_| seed.pick(&all).clone()).collect(),
        assignees: (0..seed.below(2)).map(|_| person(seed)).collect(),
        author,
        milestone,
        locked: seed.chance(3),
        lock_reason: None,
        comments: Vec::new(),
        timeline: Vec::new(),
        created_at: created,
        updated_at: created + Duration::minutes(i64::try_from(seed.below(90_000)).unwrap_or(0)),
        closed_at: (!open).then_some(created),
        pull: None,
    }
}

pub(crate) fn pull(seed: &mut Seed, repo: &Repository) -> Item {
    let mut item = issue(seed, repo);
    item.state_reason = None;
    let merged = !item.open && seed.chance(70);
    item.pull = Some(Pull {
        id: seed.id(),
        draft: seed.chance(15),
        base_ref: repo.default_branch.clone(),
        base_sha: seed.sha(),
        head_ref: seed.pick(&BRANCHES).to_owned(),
        head_sha: seed.sha(),
        fork_owner: seed.chance(35).then(|| person(seed)),
        merged_at: merged.then_some(item.updated_at),
        merged_by: merged.then(|| person(seed)),
        merge_sha: None,
        conflicts: false,
        unknown: 0,
        commits: seed.between(1, 9),
        files: paths(seed).into_iter().map(File::modified).collect(),
        reviews: Vec::new(),
        requested_reviewers: (0..seed.below(2)).map(|_| person(seed)).collect(),
        requested_teams: Vec::new(),
    });
    item
}

pub(crate) fn paths(seed: &mut Seed) -> Vec<String> {
    let mut paths: Vec<String> = (0..seed.between(1, 6)).map(|_| seed.pick(&PATHS).to_owned()).collect();
    paths.sort();
    paths.dedup();
    paths
}

pub(crate) fn branch(seed: &mut Seed) -> String {
    seed.pick(&BRANCHES).to_owned()
}

pub(crate) fn comment(seed: &mut Seed, at: Time) -> Comment {
    Comment { id: seed.id(), author: person(seed), body: text(seed), created_at: at, updated_at: at }
}

pub(crate) fn review(seed: &mut Seed, at: Time) -> Review {
    let state = seed.pick(&["APPROVED", "CHANGES_REQUESTED", "COMMENTED"]).to_owned();
    Review { id: seed.id(), author: person(seed), state, body: text(seed), commit: seed.sha(), submitted_at: at }
}

pub(crate) fn check_run(seed: &mut Seed, at: Time) -> CheckRun {
    let done = seed.chance(70);
    let conclusion = seed.pick(&["success", "success", "success", "failure", "cancelled", "skipped"]);
    CheckRun {
        id: seed.id(),
        name: seed.pick(&CHECKS).to_owned(),
        sha: seed.sha(),
        status: if done { "completed" } else { "in_progress" }.to_owned(),
        conclusion: done.then(|| conclusion.to_owned()),
        external_id: None,
        started_at: at,
        output: None,
    }
}

pub(crate) fn status(seed: &mut Seed, at: Time) -> Status {
    let id = seed.id();
    Status {
        id,
        context: format!("ci/{}", seed.pick(&CHECKS)),
        sha: seed.sha(),
        state: seed.pick(&["pending", "success", "failure", "error"]).to_owned(),
        description: seed.pick(&TITLES).to_owned(),
        target_url: Some(format!("https://ci.example.com/{id}")),
        at,
    }
}
