//! The objects that every payload shares: users, repositories, labels. URL templates are GitHub's documented ones.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::SecondsFormat;
use serde_json::{Map, Value, json};

use crate::model::{Label, Milestone, Repository, Team, Time, User, UserKind};

pub(crate) const API: &str = "https://api.github.com";
pub(crate) const WEB: &str = "https://github.com";

/// Keys of a user that are URLs, in GitHub's order, below the user's own URL.
pub(crate) const USER_URLS: [(&str, &str); 8] = [
    ("followers_url", "/followers"),
    ("following_url", "/following{/other_user}"),
    ("gists_url", "/gists{/gist_id}"),
    ("starred_url", "/starred{/owner}{/repo}"),
    ("subscriptions_url", "/subscriptions"),
    ("organizations_url", "/orgs"),
    ("repos_url", "/repos"),
    ("events_url", "/events{/privacy}"),
];

/// Keys of a repository that are URLs, in GitHub's order, below the repository's own URL.
pub(crate) const REPOSITORY_URLS: [(&str, &str); 38] = [
    ("forks_url", "/forks"),
    ("keys_url", "/keys{/key_id}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("teams_url", "/teams"),
    ("hooks_url", "/hooks"),
    ("issue_events_url", "/issues/events{/number}"),
    ("events_url", "/events"),
    ("assignees_url", "/assignees{/user}"),
    ("branches_url", "/branches{/branch}"),
    ("tags_url", "/tags"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("trees_url", "/git/trees{/sha}"),
    ("statuses_url", "/statuses/{sha}"),
    ("languages_url", "/languages"),
    ("stargazers_url", "/stargazers"),
    ("contributors_url", "/contributors"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("commits_url", "/commits{/sha}"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("comments_url", "/comments{/number}"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("contents_url", "/contents/{+path}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("merges_url", "/merges"),
    ("archive_url", "/{archive_format}{/ref}"),
    ("downloads_url", "/downloads"),
    ("issues_url", "/issues{/number}"),
    ("pulls_url", "/pulls{/number}"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("labels_url", "/labels{/name}"),
    ("releases_url", "/releases{/id}"),
    ("deployments_url", "/deployments"),
    ("properties_url", "/properties/values"),
    ("rulesets_url", "/rulesets"),
];

/// A GraphQL node id: a prefix for the type and the number, as GitHub shapes them.
pub(crate) fn node_id(prefix: &str, id: i64) -> String {
    format!("{prefix}_kwDO{}", URL_SAFE_NO_PAD.encode(id.to_be_bytes()))
}

pub(crate) fn time(at: Time) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

pub(crate) fn maybe_time(at: Option<Time>) -> Value {
    at.map_or(Value::Null, |at| Value::String(time(at)))
}

/// Adds fields to an object; what is no object stays as it is.
pub(crate) fn with(mut object: Value, fields: Value) -> Value {
    if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
        object.extend(fields);
    }
    object
}

pub(crate) fn user(user: &User) -> Value {
    let escaped = user.login.replace('[', "%5B").replace(']', "%5D");
    let url = format!("{API}/users/{escaped}");
    let page = match user.kind {
        UserKind::Bot => format!("{WEB}/apps/{}", user.login.trim_end_matches("[bot]")),
        UserKind::User | UserKind::Organization => format!("{WEB}/{}", user.login),
    };
    let mut object = Map::new();
    for (key, suffix) in USER_URLS {
        object.insert(key.to_owned(), format!("{url}{suffix}").into());
    }
    let rest = json!({
        "login": user.login,
        "id": user.id,
        "node_id": node_id("U", user.id),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{}?v=4", user.id),
        "gravatar_id": "",
        "url": url,
        "html_url": page,
        "received_events_url": format!("{url}/received_events"),
        "type": user.kind.as_str(),
        "user_view_type": "public",
        "site_admin": false,
    });
    with(Value::Object(object), rest)
}

pub(crate) fn repository(repository: &Repository) -> Value {
    let full = repository.full_name();
    let url = format!("{API}/repos/{full}");
    let mut object = Map::new();
    for (key, suffix) in REPOSITORY_URLS {
        object.insert(key.to_owned(), format!("{url}{suffix}").into());
    }
    let identity = json!({
        "id": repository.id,
        "node_id": node_id("R", repository.id),
        "name": repository.name,
        "full_name": full,
        "private": repository.private,
        "owner": user(&repository.owner),
        "html_url": format!("{WEB}/{full}"),
        "description": repository.description,
        "fork": false,
        "url": url,
        "created_at": time(repository.created_at),
        "updated_at": time(repository.created_at),
        "pushed_at": time(repository.created_at),
        "git_url": format!("git://github.com/{full}.git"),
        "ssh_url": format!("git@github.com:{full}.git"),
        "clone_url": format!("{WEB}/{full}.git"),
        "svn_url": format!("{WEB}/{full}"),
        "homepage": repository.homepage,
    });
    with(with(Value::Object(object), identity), repository_numbers(repository))
}

fn repository_numbers(repository: &Repository) -> Value {
    let open = repository.open_items();
    json!({
        "size": repository.size,
        "stargazers_count": repository.stars,
        "watchers_count": repository.stars,
        "language": repository.language,
        "has_issues": true,
        "has_projects": true,
        "has_downloads": true,
        "has_wiki": false,
        "has_pages": false,
        "has_discussions": false,
        "forks_count": repository.stars / 9,
        "mirror_url": null,
        "archived": false,
        "disabled": false,
        "open_issues_count": open,
        "license": {
            "key": "mit", "name": "MIT License", "spdx_id": "MIT",
            "url": format!("{API}/licenses/mit"), "node_id": "MDc6TGljZW5zZTEz"
        },
        "allow_forking": true,
        "is_template": false,
        "web_commit_signoff_required": false,
        "topics": repository.topics,
        "visibility": if repository.private { "private" } else { "public" },
        "forks": repository.stars / 9,
        "open_issues": open,
        "watchers": repository.stars,
        "default_branch": repository.default_branch,
        "custom_properties": {},
    })
}

pub(crate) fn organization(owner: &User) -> Value {
    let url = format!("{API}/orgs/{}", owner.login);
    json!({
        "login": owner.login,
        "id": owner.id,
        "node_id": node_id("O", owner.id),
        "url": url,
        "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events"),
        "hooks_url": format!("{url}/hooks"),
        "issues_url": format!("{url}/issues"),
        "members_url": format!("{url}/members{{/member}}"),
        "public_members_url": format!("{url}/public_members{{/member}}"),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{}?v=4", owner.id),
        "description": "",
    })
}

pub(crate) fn label(repository: &Repository, label: &Label) -> Value {
    let name: String = percent_encoding::utf8_percent_encode(&label.name, percent_encoding::NON_ALPHANUMERIC).collect();
    json!({
        "id": label.id,
        "node_id": node_id("LA", label.id),
        "url": format!("{API}/repos/{}/labels/{name}", repository.full_name()),
        "name": label.name,
        "color": label.color,
        "default": label.description.is_none(),
        "description": label.description,
    })
}

pub(crate) fn milestone(repository: &Repository, milestone: &Milestone) -> Value {
    let full = repository.full_name();
    let url = format!("{API}/repos/{full}/milestones/{}", milestone.number);
    json!({
        "url": url,
        "html_url": format!("{WEB}/{full}/milestone/{}", milestone.number),
        "labels_url": format!("{url}/labels"),
        "id": milestone.id,
        "node_id": node_id("MI", milestone.id),
        "number": milestone.number,
        "title": milestone.title,
        "description": null,
        "creator": user(&repository.owner),
        "open_issues": 3,
        "closed_issues": 5,
        "state": "open",
        "created_at": time(repository.created_at),
        "updated_at": time(repository.created_at),
        "due_on": null,
        "closed_at": null,
    })
}

pub(crate) fn team(team: &Team) -> Value {
    let url = format!("{API}/organizations/1/team/{}", team.id);
    json!({
        "id": team.id,
        "node_id": node_id("T", team.id),
        "name": team.slug,
        "slug": team.slug,
        "description": null,
        "privacy": "closed",
        "notification_setting": "notifications_enabled",
        "permission": "push",
        "url": url,
        "html_url": format!("{WEB}/orgs/{}/teams/{}", team.organization, team.slug),
        "members_url": format!("{url}/members{{/member}}"),
        "repositories_url": format!("{url}/repos"),
        "parent": null,
    })
}
