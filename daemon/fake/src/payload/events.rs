//! Whole payloads: what an event is about, then repository, organisation, sender and installation.

use serde_json::{Value, json};

use super::items::{comment, issue, pull_in_list, pull_request, review};
use super::objects::{API, WEB, label, node_id, organization, repository, user, with};
use super::{ci, objects};
use crate::model::{CheckRun, Comment, Item, Repository, Review, Status, Time, User, UserKind};

/// What every payload of a repository ends with.
pub(crate) struct Envelope<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) sender: &'a User,
    pub(crate) installation: Option<i64>,
}

impl Envelope<'_> {
    /// Puts `fields` before the shared end.
    pub(crate) fn close(&self, fields: Value) -> Value {
        let mut end = json!({"repository": repository(self.repository), "sender": user(self.sender)});
        if self.repository.owner.kind == UserKind::Organization {
            end["organization"] = organization(&self.repository.owner);
        }
        if let Some(id) = self.installation {
            end["installation"] = json!({"id": id, "node_id": node_id("IN", id)});
        }
        with(fields, end)
    }

    /// `issues.*` for an issue, `pull_request.*` for a pull request.
    pub(crate) fn item(&self, action: &str, item: &Item, extra: Value) -> (&'static str, Value) {
        let fields = match &item.pull {
            None => json!({"action": action, "issue": issue(self.repository, item)}),
            Some(pull) => json!({
                "action": action,
                "number": item.number,
                "pull_request": pull_request(self.repository, item, pull),
            }),
        };
        let name = if item.is_pull() { "pull_request" } else { "issues" };
        (name, self.close(with(fields, extra)))
    }

    pub(crate) fn comment(&self, action: &str, item: &Item, text: &Comment) -> (&'static str, Value) {
        let fields = json!({
            "action": action,
            "issue": issue(self.repository, item),
            "comment": comment(self.repository, item, text),
        });
        ("issue_comment", self.close(fields))
    }

    /// `pull_request_review.submitted` or `.dismissed`.
    pub(crate) fn review(&self, action: &str, item: &Item, text: &Review) -> Option<(&'static str, Value)> {
        let pull = item.pull.as_ref()?;
        let mut shown = review(self.repository, item, text);
        shown["state"] = text.state.to_lowercase().into();
        let fields = json!({
            "action": action,
            "review": shown,
            "pull_request": pull_in_list(self.repository, item, pull),
        });
        Some(("pull_request_review", self.close(fields)))
    }

    pub(crate) fn check_run(&self, action: &str, run: &CheckRun) -> (&'static str, Value) {
        ("check_run", self.close(json!({"action": action, "check_run": ci::check_run(self.repository, run)})))
    }

    pub(crate) fn check_suite(&self, run: &CheckRun) -> (&'static str, Value) {
        let repo = self.repository;
        let suite = ci::check_suite(repo, &run.sha, run.id / 3, &run.status, run.conclusion.as_deref());
        ("check_suite", self.close(json!({"action": "completed", "check_suite": suite})))
    }

    pub(crate) fn workflow_run(&self, run: &CheckRun) -> (&'static str, Value) {
        let full = self.repository.full_name();
        let workflow = json!({
            "id": run.id / 11, "node_id": node_id("W", run.id / 11), "name": run.name,
            "path": ".github/workflows/test.yml", "state": "active",
            "url": format!("{API}/repos/{full}/actions/workflows/{}", run.id / 11),
            "html_url": format!("{WEB}/{full}/blob/main/.github/workflows/test.yml"),
            "badge_url": format!("{WEB}/{full}/workflows/test/badge.svg"),
        });
        let action = if run.status == "completed" { "completed" } else { "requested" };
        let shown = ci::workflow_run(self.repository, self.sender, run);
        ("workflow_run", self.close(json!({"action": action, "workflow_run": shown, "workflow": workflow})))
    }

    pub(crate) fn status(&self, status: &Status) -> (&'static str, Value) {
        let repo = self.repository;
        let fields = json!({
            "id": status.id, "sha": status.sha, "name": repo.full_name(), "context": status.context,
            "description": status.description, "state": status.state,
            "target_url": status.target_url,
            "commit": ci::commit(repo, self.sender, &status.sha, "Say what the setting does", &[], status.at),
            "branches": [{"name": repo.default_branch, "commit": {"sha": status.sha}, "protected": false}],
            "created_at": objects::time(status.at), "updated_at": objects::time(status.at),
        });
        ("status", self.close(fields))
    }

    pub(crate) fn push(&self, push: &Push<'_>) -> (&'static str, Value) {
        let repo = self.repository;
        let full = repo.full_name();
        let commits: Vec<Value> = (push.messages.iter().zip(&push.shas))
            .map(|(message, sha)| ci::commit(repo, self.sender, sha, message, push.paths, push.at))
            .collect();
        let after = push.shas.last().cloned().unwrap_or_default();
        let fields = json!({
            "ref": format!("refs/heads/{}", push.branch),
            "before": push.before,
            "after": after,
            "base_ref": null,
            "created": false,
            "deleted": false,
            "forced": false,
            "compare": format!("{WEB}/{full}/compare/{:.12}...{after:.12}", push.before),
            "head_commit": commits.last(),
            "commits": commits,
            "pusher": {"name": self.sender.login, "email": format!("{}@example.com", self.sender.login)},
        });
        ("push", self.close(fields))
    }

    pub(crate) fn star(&self, action: &str, at: Time) -> (&'static str, Value) {
        let starred = (action == "created").then(|| objects::time(at));
        ("star", self.close(json!({"action": action, "starred_at": starred})))
    }

    pub(crate) fn reference(&self, name: &'static str, branch: &str) -> (&'static str, Value) {
        let mut fields = json!({"ref": branch, "ref_type": "branch", "pusher_type": "user"});
        if name == "create" {
            fields["master_branch"] = self.repository.default_branch.clone().into();
            fields["description"] = self.repository.description.clone().into();
        }
        (name, self.close(fields))
    }

    pub(crate) fn repository_label(&self, action: &str, name: &str) -> Option<(&'static str, Value)> {
        let found = self.repository.labels.get(&name.to_lowercase())?;
        Some(("label", self.close(json!({"action": action, "label": label(self.repository, found)}))))
    }

    pub(crate) fn release(&self, id: i64, tag: &str, notes: &str, at: Time) -> (&'static str, Value) {
        let full = self.repository.full_name();
        let url = format!("{API}/repos/{full}/releases/{id}");
        let release = json!({
            "url": url,
            "assets_url": format!("{url}/assets"),
            "upload_url": format!("https://uploads.github.com/repos/{full}/releases/{id}/assets{{?name,label}}"),
            "html_url": format!("{WEB}/{full}/releases/tag/{tag}"),
            "id": id, "node_id": node_id("RE", id), "tag_name": tag,
            "target_commitish": self.repository.default_branch, "name": tag, "draft": false,
            "prerelease": tag.contains('-'), "author": user(self.sender), "assets": [],
            "created_at": objects::time(at), "published_at": objects::time(at),
            "tarball_url": format!("{API}/repos/{full}/tarball/{tag}"),
            "zipball_url": format!("{API}/repos/{full}/zipball/{tag}"), "body": notes,
        });
        ("release", self.close(json!({"action": "published", "release": release})))
    }
}

/// Commits that reach a branch.
pub(crate) struct Push<'a> {
    pub(crate) branch: &'a str,
    pub(crate) before: &'a str,
    pub(crate) shas: Vec<String>,
    pub(crate) messages: Vec<String>,
    pub(crate) paths: &'a [String],
    pub(crate) at: Time,
}

/// An installation as GitHub shows it.
pub(crate) fn installation(id: i64, app_id: i64, slug: &str, account: &User, at: Time) -> Value {
    let target = if account.kind == UserKind::Organization { "organizations" } else { "users" };
    json!({
        "id": id,
        "client_id": format!("Iv1.{app_id:016x}"),
        "account": user(account),
        "repository_selection": "selected",
        "access_tokens_url": format!("{API}/app/installations/{id}/access_tokens"),
        "repositories_url": format!("{API}/installation/repositories"),
        "html_url": format!("{WEB}/{target}/{}/settings/installations/{id}", account.login),
        "app_id": app_id,
        "app_slug": slug,
        "target_id": account.id,
        "target_type": account.kind.as_str(),
        "permissions": {"issues": "write", "metadata": "read", "pull_requests": "write", "checks": "read"},
        "events": ["issues", "issue_comment", "pull_request", "push"],
        "created_at": objects::time(at),
        "updated_at": objects::time(at),
        "single_file_name": null,
        "has_multiple_single_files": false,
        "single_file_paths": [],
        "suspended_by": null,
        "suspended_at": null,
    })
}

/// `installation.*`: no repository of its own, a list of them instead.
pub(crate) fn installed(
    action: &str,
    shown: Value,
    sender: &User,
    repositories: &[&Repository],
) -> (&'static str, Value) {
    let list: Vec<Value> = repositories
        .iter()
        .map(|each| {
            json!({
                "id": each.id, "node_id": node_id("R", each.id), "name": each.name,
                "full_name": each.full_name(), "private": each.private,
            })
        })
        .collect();
    let fields = json!({
        "action": action, "installation": shown, "repositories": list, "requester": null, "sender": user(sender),
    });
    ("installation", fields)
}

pub(crate) fn ping(hook_id: i64, app_id: i64, url: &str, at: Time) -> (&'static str, Value) {
    let hook = json!({
        "type": "App", "id": hook_id, "name": "web", "active": true, "app_id": app_id,
        "events": ["issues", "issue_comment", "pull_request", "push"],
        "config": {"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": url},
        "created_at": objects::time(at), "updated_at": objects::time(at),
        "deliveries_url": format!("{API}/app/hook/deliveries"),
    });
    ("ping", json!({"zen": "Small steps arrive.", "hook_id": hook_id, "hook": hook}))
}
