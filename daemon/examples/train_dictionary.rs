//! Trains a payload dictionary: `train_dictionary OUTPUT [DIRECTORY]`.
//!
//! Reads every `*.json` file of the directory, one payload each. Without a directory it makes payloads up: objects with
//! the keys that GitHub documents and random values. Nothing of anybody's real payloads may get into a dictionary, for
//! it is published with the program.
//!
//! A dictionary that was released never changes: write a new file with the next number.

#![recursion_limit = "512"]

use std::path::Path;

use anyhow::Context;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};

/// Bytes. Larger ones gain little and cost cache.
const SIZE: usize = 24 << 10;
const SAMPLES: usize = 3_000;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let output = arguments.next().context("usage: train_dictionary OUTPUT [DIRECTORY]")?;
    let samples = match arguments.next() {
        Some(directory) => read(Path::new(&directory))?,
        None => {
            let mut random = StdRng::seed_from_u64(1);
            (0..SAMPLES).map(|_| payload(&mut random).to_string().into_bytes()).collect()
        }
    };
    let dictionary = zstd::dict::from_samples(&samples, SIZE)?;
    let before: usize = samples.iter().map(Vec::len).sum();
    for level in [-3, -1, 1, 3] {
        let mut compressor = zstd::bulk::Compressor::with_dictionary(level, &dictionary)?;
        let begun = std::time::Instant::now();
        let mut after = 0;
        for sample in &samples {
            after += compressor.compress(sample)?.len();
        }
        let each = begun.elapsed() / u32::try_from(samples.len())?;
        eprintln(&format!(
            "level {level}: {} to {} bytes, {each:?} a payload",
            before / samples.len(),
            after / samples.len()
        ));
    }
    std::fs::write(output, dictionary)?;
    Ok(())
}

#[allow(clippy::print_stderr, reason = "a program for people who work on the project")]
fn eprintln(line: &str) {
    eprintln!("{line}");
}

fn read(directory: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut paths: Vec<_> =
        std::fs::read_dir(directory)?.map(|entry| entry.map(|it| it.path())).collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    // The same files give the same dictionary.
    paths.sort();
    Ok(paths.iter().map(std::fs::read).collect::<Result<_, _>>()?)
}

const API: &str = "https://api.github.com";

const REPOSITORY_URLS: &str = "archive_url assignees_url blobs_url branches_url collaborators_url comments_url commits_url \
    compare_url contents_url contributors_url deployments_url downloads_url events_url forks_url git_commits_url \
    git_refs_url git_tags_url hooks_url issue_comment_url issue_events_url issues_url keys_url labels_url languages_url \
    merges_url milestones_url notifications_url pulls_url releases_url stargazers_url statuses_url subscribers_url \
    subscription_url tags_url teams_url trees_url";
const USER_URLS: &str = "events_url followers_url following_url gists_url organizations_url received_events_url repos_url \
    starred_url subscriptions_url";
const WORDS: &str = "add fix the a in of build test docs error release update crash when page list parser cache token query \
    config support remove rename slow missing wrong empty field value";

/// What follows the owner's URL in GitHub's URL templates.
fn path_of(key: &str) -> String {
    let path = key.trim_end_matches("_url");
    match path {
        "archive" => "{archive_format}{/ref}".to_owned(),
        "assignees" | "hooks" => format!("{path}{{/user}}"),
        "blobs" | "git_refs" | "git_tags" | "trees" => {
            format!("git/{}{{/sha}}", path.trim_start_matches("git_"))
        }
        "branches" => "branches{/branch}".to_owned(),
        "comments" | "issues" | "pulls" | "milestones" => format!("{path}{{/number}}"),
        "commits" | "statuses" => format!("{path}{{/sha}}"),
        "compare" => "compare/{base}...{head}".to_owned(),
        "contents" => "contents/{+path}".to_owned(),
        "git_commits" => "git/commits{/sha}".to_owned(),
        "issue_comment" => "issues/comments{/number}".to_owned(),
        "issue_events" => "issues/events{/number}".to_owned(),
        "keys" => "keys{/key_id}".to_owned(),
        "labels" => "labels{/name}".to_owned(),
        "notifications" => "notifications{?since,all,participating}".to_owned(),
        "releases" => "releases{/id}".to_owned(),
        "events" => "events{/privacy}".to_owned(),
        "following" => "following{/other_user}".to_owned(),
        "gists" => "gists{/gist_id}".to_owned(),
        "organizations" => "orgs".to_owned(),
        "starred" => "starred{/owner}{/repo}".to_owned(),
        other => other.to_owned(),
    }
}

fn word(random: &mut StdRng) -> &'static str {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    words[random.random_range(0..words.len())]
}

fn words(random: &mut StdRng, most: usize) -> String {
    let count = random.random_range(1..=most);
    (0..count).map(|_| word(random)).collect::<Vec<_>>().join(" ")
}

fn name(random: &mut StdRng) -> String {
    let mut letters =
        |count: usize| (0..count).map(|_| char::from(random.random_range(b'a'..=b'z'))).collect::<String>();
    format!("{}-{}", letters(5), letters(4))
}

fn id(random: &mut StdRng) -> u64 {
    random.random_range(1_000_000..3_000_000_000)
}

fn node(random: &mut StdRng, prefix: &str) -> String {
    let tail: String = (0..16).map(|_| char::from(random.random_range(b'A'..=b'Z'))).collect();
    format!("{prefix}_kwDO{tail}")
}

fn time(random: &mut StdRng) -> String {
    let mut part = |from: u32, to: u32| random.random_range(from..to);
    format!(
        "20{}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        part(18, 28),
        part(1, 13),
        part(1, 29),
        part(0, 24),
        part(0, 60),
        part(0, 60)
    )
}

fn sha(random: &mut StdRng) -> String {
    (0..40).map(|_| char::from(b"0123456789abcdef"[random.random_range(0..16)])).collect()
}

fn user(random: &mut StdRng) -> Value {
    let login = name(random);
    let number = id(random);
    let kind = ["User", "User", "User", "Organization", "Bot"][random.random_range(0..5)];
    let mut user = json!({
        "login": login, "id": number, "node_id": node(random, "U"),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{number}?v=4"), "gravatar_id": "",
        "url": format!("{API}/users/{login}"), "html_url": format!("https://github.com/{login}"),
        "type": kind, "user_view_type": "public", "site_admin": false,
    });
    for key in USER_URLS.split_whitespace() {
        user[key] = json!(format!("{API}/users/{login}/{}", path_of(key)));
    }
    user
}

fn repository(random: &mut StdRng) -> Value {
    let owner = user(random);
    let (login, title) = (owner["login"].as_str().unwrap_or_default().to_owned(), name(random));
    let (full, site) = (format!("{login}/{title}"), format!("github.com/{login}/{title}"));
    let mut repository = json!({
        "id": id(random), "node_id": node(random, "R"), "name": title, "full_name": full, "owner": owner,
        "private": random.random_bool(0.3), "html_url": format!("https://{site}"), "description": words(random, 8),
        "fork": false, "url": format!("{API}/repos/{full}"), "created_at": time(random), "updated_at": time(random),
        "pushed_at": time(random), "git_url": format!("git://{site}.git"), "ssh_url": format!("git@github.com:{full}.git"),
        "clone_url": format!("https://{site}.git"), "svn_url": format!("https://{site}"), "homepage": null,
        "size": random.random_range(0..90_000), "stargazers_count": random.random_range(0..900),
        "watchers_count": random.random_range(0..900), "language": "Rust", "has_issues": true, "has_projects": true,
        "has_downloads": true, "has_wiki": true, "has_pages": false, "has_discussions": false,
        "forks_count": random.random_range(0..90), "mirror_url": null, "archived": false, "disabled": false,
        "open_issues_count": random.random_range(0..90),
        "license": {"key": "mit", "name": "MIT License", "spdx_id": "MIT", "url": format!("{API}/licenses/mit"),
            "node_id": node(random, "L")},
        "allow_forking": true, "is_template": false, "web_commit_signoff_required": false, "topics": [],
        "visibility": "public", "forks": 3, "open_issues": 4, "watchers": 5, "default_branch": "main",
        "custom_properties": {},
    });
    for key in REPOSITORY_URLS.split_whitespace() {
        repository[key] = json!(format!("{API}/repos/{full}/{}", path_of(key)));
    }
    repository
}

fn label(random: &mut StdRng, repository: &str) -> Value {
    let name = word(random);
    json!({"id": id(random), "node_id": node(random, "LA"), "url": format!("{repository}/labels/{name}"), "name": name,
        "color": "d73a4a", "default": false, "description": words(random, 6)})
}

/// What issues and pull requests share.
fn item(random: &mut StdRng, repository: &str, kind: &str, number: u64) -> Map<String, Value> {
    let issue = format!("{repository}/issues/{number}");
    let html = format!("{}/{kind}/{number}", repository.replace("api.github.com/repos", "github.com"));
    let closed = random.random_bool(0.3);
    let item = json!({
        "url": issue, "id": id(random), "node_id": node(random, "I"), "html_url": html, "number": number,
        "state": if closed { "closed" } else { "open" }, "locked": false, "title": words(random, 8), "user": user(random),
        "body": words(random, 60), "created_at": time(random), "updated_at": time(random),
        "closed_at": if closed { json!(time(random)) } else { Value::Null }, "assignee": null,
        "assignees": if random.random_bool(0.3) { json!([user(random)]) } else { json!([]) },
        "labels": if random.random_bool(0.6) { json!([label(random, repository)]) } else { json!([]) },
        "milestone": null, "author_association": (["OWNER", "MEMBER", "CONTRIBUTOR", "NONE"][random.random_range(0..4)]),
        "active_lock_reason": null, "comments": 2, "comments_url": format!("{issue}/comments"),
    });
    match item {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn reactions(url: &str) -> Value {
    json!({"url": format!("{url}/reactions"), "total_count": 0, "+1": 0, "-1": 0, "laugh": 0, "hooray": 0, "confused": 0,
        "heart": 0, "rocket": 0, "eyes": 0})
}

fn issue(random: &mut StdRng, repository: &str, number: u64) -> Value {
    let mut issue = item(random, repository, "issues", number);
    let url = format!("{repository}/issues/{number}");
    issue.extend([
        ("repository_url".to_owned(), json!(repository)),
        ("labels_url".to_owned(), json!(format!("{url}/labels{{/name}}"))),
        ("events_url".to_owned(), json!(format!("{url}/events"))),
        ("timeline_url".to_owned(), json!(format!("{url}/timeline"))),
        ("reactions".to_owned(), reactions(&url)),
        ("performed_via_github_app".to_owned(), Value::Null),
        ("state_reason".to_owned(), Value::Null),
        ("sub_issues_summary".to_owned(), json!({"total": 0, "completed": 0, "percent_completed": 0})),
    ]);
    Value::Object(issue)
}

fn side(random: &mut StdRng, repository: &Value) -> Value {
    json!({"label": format!("{}:{}", name(random), word(random)), "ref": word(random), "sha": sha(random),
        "user": user(random), "repo": repository})
}

fn pull(random: &mut StdRng, repository: &Value, number: u64) -> Value {
    let base = repository["url"].as_str().unwrap_or_default().to_owned();
    let mut pull = item(random, &base, "pull", number);
    let url = format!("{base}/pulls/{number}");
    let html = pull["html_url"].as_str().unwrap_or_default().to_owned();
    let commit = sha(random);
    let more = json!({
        "url": url, "diff_url": format!("{html}.diff"), "patch_url": format!("{html}.patch"),
        "issue_url": format!("{base}/issues/{number}"), "merged_at": null, "merge_commit_sha": sha(random),
        "requested_reviewers": [], "requested_teams": [], "draft": random.random_bool(0.2),
        "commits_url": format!("{url}/commits"), "review_comments_url": format!("{url}/comments"),
        "review_comment_url": format!("{base}/pulls/comments{{/number}}"),
        "statuses_url": format!("{base}/statuses/{commit}"), "head": side(random, repository),
        "base": side(random, repository),
        "_links": {"self": {"href": url}, "html": {"href": html}, "issue": {"href": format!("{base}/issues/{number}")},
            "comments": {"href": format!("{base}/issues/{number}/comments")},
            "review_comments": {"href": format!("{url}/comments")},
            "review_comment": {"href": format!("{base}/pulls/comments{{/number}}")},
            "commits": {"href": format!("{url}/commits")}, "statuses": {"href": format!("{base}/statuses/{commit}")}},
        "auto_merge": null, "merged": false, "mergeable": null, "rebaseable": null, "mergeable_state": "unknown",
        "merged_by": null, "review_comments": 0, "maintainer_can_modify": false, "commits": 1, "additions": 12,
        "deletions": 3, "changed_files": 2,
    });
    if let Value::Object(more) = more {
        pull.extend(more);
    }
    Value::Object(pull)
}

fn check(random: &mut StdRng, repository: &str) -> Value {
    let number = id(random);
    json!({"id": number, "name": word(random), "node_id": node(random, "CR"), "head_sha": sha(random), "external_id": "",
        "url": format!("{repository}/check-runs/{number}"), "html_url": format!("{repository}/runs/{number}"),
        "details_url": format!("{repository}/actions/runs/{number}/job/1"), "status": "completed",
        "conclusion": "success", "started_at": time(random), "completed_at": time(random),
        "output": {"title": null, "summary": null, "text": null, "annotations_count": 0, "annotations_url":
            format!("{repository}/check-runs/{number}/annotations")},
        "check_suite": {"id": id(random), "node_id": node(random, "CS"), "head_branch": word(random),
            "head_sha": sha(random), "status": "completed", "conclusion": "success", "before": sha(random),
            "after": sha(random), "pull_requests": [], "created_at": time(random), "updated_at": time(random)},
        "app": {"id": 15368, "slug": "ci", "owner": user(random), "name": words(random, 2), "permissions":
            {"checks": "write", "contents": "read", "issues": "write", "metadata": "read", "pull_requests": "write"},
            "events": ["check_run", "check_suite", "push", "pull_request"]},
        "pull_requests": []})
}

fn commit(random: &mut StdRng, repository: &str) -> Value {
    let sha = sha(random);
    let person =
        json!({"name": words(random, 2), "email": format!("{}@example.com", name(random)), "username": name(random)});
    json!({"id": sha, "tree_id": sha, "distinct": true, "message": words(random, 12), "timestamp": time(random),
        "url": format!("{repository}/commit/{sha}"), "author": person, "committer": person, "added": [],
        "removed": [], "modified": [format!("src/{}.rs", word(random))]})
}

fn payload(random: &mut StdRng) -> Value {
    let repository = repository(random);
    let url = repository["url"].as_str().unwrap_or_default().to_owned();
    let number = random.random_range(1..5_000);
    let mut payload = match random.random_range(0..10) {
        0..4 => {
            json!({"action": (["opened", "synchronize", "closed", "labeled"][random.random_range(0..4)]),
            "number": number, "pull_request": pull(random, &repository, number)})
        }
        4..6 => {
            json!({"action": (["opened", "edited", "labeled", "assigned"][random.random_range(0..4)]),
            "issue": issue(random, &url, number)})
        }
        6 => json!({"action": "created", "issue": issue(random, &url, number),
            "comment": {"url": format!("{url}/issues/comments/{}", id(random)), "id": id(random), "user": user(random),
                "node_id": node(random, "IC"), "created_at": time(random), "updated_at": time(random),
                "author_association": "MEMBER", "body": words(random, 40), "reactions": reactions(&url)}}),
        7 => json!({"action": "submitted", "pull_request": pull(random, &repository, number),
            "review": {"id": id(random), "node_id": node(random, "PRR"), "user": user(random), "body": words(random, 20),
                "commit_id": sha(random), "submitted_at": time(random), "state": "approved",
                "author_association": "MEMBER", "pull_request_url": format!("{url}/pulls/{number}")}}),
        8 => json!({"action": "completed", "check_run": check(random, &url)}),
        _ => {
            json!({"ref": "refs/heads/main", "before": sha(random), "after": sha(random), "created": false,
            "deleted": false, "forced": false, "base_ref": null, "compare": format!("{url}/compare/a...b"),
            "commits": [commit(random, &url)], "head_commit": commit(random, &url),
            "pusher": {"name": name(random), "email": "someone@example.com"}})
        }
    };
    if random.random_bool(0.5) {
        payload["organization"] = json!({"login": name(random), "id": id(random), "node_id": node(random, "O"),
            "url": format!("{API}/orgs/x"), "repos_url": format!("{API}/orgs/x/repos"), "description": words(random, 5)});
    }
    payload["repository"] = repository;
    payload["installation"] = json!({"id": id(random), "node_id": node(random, "MDIz")});
    payload["sender"] = user(random);
    payload
}
