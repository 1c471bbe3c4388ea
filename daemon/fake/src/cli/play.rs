//! The stories that people play on the simulated GitHub.

use std::time::Duration;

use orchd_fake::seed::Seed;
use orchd_fake::{GitHub, NewItem};
use tokio::time::sleep;

pub(super) const REPOSITORIES: [&str; 2] = ["acme/web", "acme/api"];
pub(super) const PEOPLE: [&str; 5] = ["alice", "bob", "chidi", "dmitri", "eun-ji"];

/// At most this many items stay open.
const MOST_OPEN: usize = 25;

const PULLS: [(&str, &[&str]); 8] = [
    ("Fix typo in the install guide", &["docs/install.md"]),
    ("Say what `timeout` means in the reference", &["docs/reference/settings.md", "README.md"]),
    ("Retry the upload once when the server closes the connection", &["src/upload.rs", "tests/upload.rs"]),
    ("🚀 Faster startup by loading plugins lazily", &["src/main.rs", "src/plugins.rs", "docs/plugins.md"]),
    ("Bump the parser to 2.4.1", &["Cargo.toml", "Cargo.lock"]),
    ("WIP: try the new layout", &["web/app.tsx", "web/style.css"]),
    ("Run the slow checks at night only", &[".github/workflows/test.yml"]),
    ("إصلاح ترتيب النتائج في صفحة البحث", &["src/search.rs"]),
];
const ISSUES: [&str; 6] = [
    "Crash when the config file is empty",
    "Search returns nothing for words with accents: é, ü, ø",
    "Memory grows by 3 MB an hour on the worker",
    "Question: how do I run it behind a proxy?",
    "Timer drifts after the laptop sleeps 😴",
    "Windows: paths with spaces break the build step",
];
const COMMENTS: [&str; 5] = [
    "I can reproduce this with the latest version.",
    "Thanks, looking into it.",
    "Could you add the last lines of the log?",
    "This works for me now. 🎉",
    "I would rather keep the old name and add an alias.",
];
const LABELS: [&str; 4] = ["bug", "question", "enhancement", "help wanted"];

/// Eleven deliveries: pull requests and an issue live their lives, quickly. The same every time.
pub(super) async fn once(github: &GitHub, pace: Duration) {
    let [alice, bob, chidi] = ["alice", "bob", "chidi"].map(|login| github.person(login));
    let web = "acme/web";
    let guide = NewItem::titled(PULLS[0].0).body("Only words change.").head("fix-typo").file("docs/install.md");
    let guide = alice.opens_pull(web, guide);
    sleep(pace).await;
    let crash = bob.opens_issue(web, NewItem::titled(ISSUES[0]).body("The log ends with `unexpected end of file`."));
    sleep(pace).await;
    bob.comments(web, crash, "It also happens with a file of one space.");
    sleep(pace).await;
    let startup = NewItem::titled(PULLS[3].0).body("Before: 1.8 s. After: 0.4 s.").head("faster").draft();
    let startup = chidi.opens_pull(web, startup.file("src/main.rs"));
    sleep(pace).await;
    chidi.pushes(web, startup, &["src/plugins.rs"]);
    sleep(pace).await;
    alice.labels(web, crash, "question");
    sleep(pace).await;
    bob.unlabels(web, crash, "question");
    sleep(pace).await;
    bob.closes(web, crash);
    sleep(pace).await;
    bob.reopens(web, crash);
    sleep(pace).await;
    bob.approves(web, guide);
}

struct Open {
    repository: &'static str,
    number: u64,
    is_pull: bool,
}

/// People work until the future is dropped, one step every `pace`.
pub(super) async fn forever(github: &GitHub, seed: u64, pace: Duration) {
    let mut seed = Seed::new(seed);
    let mut open = Vec::new();
    loop {
        step(github, &mut seed, &mut open);
        sleep(pace).await;
    }
}

fn step(github: &GitHub, seed: &mut Seed, open: &mut Vec<Open>) {
    let opens = open.len() < 3 || (open.len() < MOST_OPEN && seed.chance(30));
    if opens {
        open.push(opening(github, seed));
        return;
    }
    let place = usize::try_from(seed.below(open.len() as u64)).unwrap_or(0);
    let Open { repository, number, is_pull } = open[place];
    let who = seed.pick(&PEOPLE);
    let person = github.person(who);
    let item = github.issue(repository, number);
    match seed.below(20) {
        0..=5 => {
            person.comments(repository, number, seed.pick(&COMMENTS));
        }
        6..=8 => {
            person.labels(repository, number, seed.pick(&LABELS));
        }
        9..=11 => match item.labels().first() {
            Some(label) => drop(person.unlabels(repository, number, label)),
            None => drop(person.assigns(repository, number, who)),
        },
        12..=14 if is_pull => drop(person.pushes(repository, number, PULLS[place % PULLS.len()].1)),
        15 | 16 if is_pull => drop(person.approves(repository, number)),
        17 if is_pull => {
            person.merges(repository, number);
            open.remove(place);
        }
        18 => drop(person.stars(repository)),
        _ if item.is_open() => {
            person.closes(repository, number);
            // Half of what is closed may be reopened later.
            if seed.chance(50) {
                open.remove(place);
            }
        }
        _ => drop(person.reopens(repository, number)),
    }
}

fn opening(github: &GitHub, seed: &mut Seed) -> Open {
    let person = github.person(seed.pick(&PEOPLE));
    let repository = seed.pick(&REPOSITORIES);
    if seed.chance(60) {
        let (title, paths) = seed.pick(&PULLS);
        let mut new = NewItem::titled(title).body(seed.pick(&COMMENTS)).head(&format!("work-{}", seed.below(1_000)));
        for path in paths {
            new = new.file(path);
        }
        let new = if title.starts_with("WIP") { new.draft() } else { new };
        Open { repository, number: person.opens_pull(repository, new), is_pull: true }
    } else {
        let new = NewItem::titled(seed.pick(&ISSUES)).body(seed.pick(&COMMENTS));
        Open { repository, number: person.opens_issue(repository, new), is_pull: false }
    }
}
