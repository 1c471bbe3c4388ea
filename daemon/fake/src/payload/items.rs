//! Issues, pull requests and what hangs on them, as GitHub shows them.

use serde_json::{Value, json};

use super::mergeable;
use super::objects::{API, WEB, label, maybe_time, milestone, node_id, repository, team, time, user, with};
use crate::model::{Comment, File, Item, Moment, Pull, Repository, Review, User};

/// The fields an issue and a pull request have in common.
fn shared(repo: &Repository, item: &Item) -> Value {
    let labels: Vec<Value> = item.labels.iter().map(|each| label(repo, each)).collect();
    let assignees: Vec<Value> = item.assignees.iter().map(user).collect();
    json!({
        "number": item.number,
        "title": item.title,
        "user": user(&item.author),
        "labels": labels,
        "state": if item.open { "open" } else { "closed" },
        "locked": item.locked,
        "assignee": assignees.first(),
        "assignees": assignees,
        "milestone": item.milestone.as_ref().map(|each| milestone(repo, each)),
        "comments": item.comments.len(),
        "created_at": time(item.created_at),
        "updated_at": time(item.updated_at),
        "closed_at": maybe_time(item.closed_at),
        "author_association": item.author_association,
        "active_lock_reason": item.lock_reason,
        "body": item.body,
    })
}

/// An issue; a pull request seen as one has `pull_request` in it.
pub(crate) fn issue(repo: &Repository, item: &Item) -> Value {
    let full = repo.full_name();
    let url = format!("{API}/repos/{full}/issues/{}", item.number);
    let kind = if item.is_pull() { "pull" } else { "issues" };
    let page = format!("{WEB}/{full}/{kind}/{}", item.number);
    let mut object = with(
        shared(repo, item),
        json!({
            "url": url,
            "repository_url": format!("{API}/repos/{full}"),
            "labels_url": format!("{url}/labels{{/name}}"),
            "comments_url": format!("{url}/comments"),
            "events_url": format!("{url}/events"),
            "html_url": page,
            "id": item.id,
            "node_id": node_id("I", item.id),
            "state_reason": item.state_reason,
            "reactions": reactions(&url),
            "timeline_url": format!("{url}/timeline"),
            "performed_via_github_app": null,
            "closed_by": null,
        }),
    );
    if let Some(pull) = &item.pull {
        let fields = json!({
            "draft": pull.draft,
            "pull_request": {
                "url": format!("{API}/repos/{full}/pulls/{}", item.number),
                "html_url": page,
                "diff_url": format!("{page}.diff"),
                "patch_url": format!("{page}.patch"),
                "merged_at": maybe_time(pull.merged_at),
            }
        });
        object = with(object, fields);
    }
    object
}

fn reactions(url: &str) -> Value {
    json!({
        "url": format!("{url}/reactions"), "total_count": 0, "+1": 0, "-1": 0, "laugh": 0,
        "hooray": 0, "confused": 0, "heart": 0, "rocket": 0, "eyes": 0,
    })
}

/// A pull request as in lists and in payloads of reviews.
pub(crate) fn pull_in_list(repo: &Repository, item: &Item, pull: &Pull) -> Value {
    let full = repo.full_name();
    let url = format!("{API}/repos/{full}/pulls/{}", item.number);
    let issue_url = format!("{API}/repos/{full}/issues/{}", item.number);
    let page = format!("{WEB}/{full}/pull/{}", item.number);
    let statuses = format!("{API}/repos/{full}/statuses/{}", pull.head_sha);
    let reviewers: Vec<Value> = pull.requested_reviewers.iter().map(user).collect();
    with(
        shared(repo, item),
        json!({
            "url": url,
            "id": pull.id,
            "node_id": node_id("PR", pull.id),
            "html_url": page,
            "diff_url": format!("{page}.diff"),
            "patch_url": format!("{page}.patch"),
            "issue_url": issue_url,
            "merged_at": maybe_time(pull.merged_at),
            "merge_commit_sha": pull.merged_at.map(|_| pull.merge_sha.as_ref().unwrap_or(&pull.head_sha)),
            "requested_reviewers": reviewers,
            "requested_teams": pull.requested_teams.iter().map(team).collect::<Vec<_>>(),
            "draft": pull.draft,
            "commits_url": format!("{url}/commits"),
            "review_comments_url": format!("{url}/comments"),
            "review_comment_url": format!("{API}/repos/{full}/pulls/comments{{/number}}"),
            "comments_url": format!("{issue_url}/comments"),
            "statuses_url": statuses,
            "head": head(repo, pull),
            "base": side(repo, &repo.owner, &pull.base_ref, &pull.base_sha),
            "_links": {
                "self": {"href": url}, "html": {"href": page}, "issue": {"href": issue_url},
                "comments": {"href": format!("{issue_url}/comments")},
                "review_comments": {"href": format!("{url}/comments")},
                "review_comment": {"href": format!("{API}/repos/{full}/pulls/comments{{/number}}")},
                "commits": {"href": format!("{url}/commits")}, "statuses": {"href": statuses},
            },
            "auto_merge": null,
        }),
    )
}

/// A pull request with the numbers that only the single view has.
pub(crate) fn pull_request(repo: &Repository, item: &Item, pull: &Pull) -> Value {
    let (mergeable, state) = mergeable::state(repo, item, pull);
    with(
        pull_in_list(repo, item, pull),
        json!({
            "merged": pull.merged_at.is_some(),
            "mergeable": mergeable,
            "rebaseable": mergeable,
            "mergeable_state": state,
            "merged_by": pull.merged_by.as_ref().map(user),
            "review_comments": 0,
            "maintainer_can_modify": pull.fork_owner.is_some(),
            "commits": pull.commits,
            "additions": pull.files.iter().map(|file| file.additions).sum::<u64>(),
            "deletions": pull.files.iter().map(|file| file.deletions).sum::<u64>(),
            "changed_files": pull.files.len(),
        }),
    )
}

fn head(repo: &Repository, pull: &Pull) -> Value {
    match &pull.fork_owner {
        None => side(repo, &repo.owner, &pull.head_ref, &pull.head_sha),
        Some(owner) => {
            let mut fork = repo.clone();
            fork.id = repo.id + owner.id;
            fork.owner = owner.clone();
            let mut object = side(&fork, owner, &pull.head_ref, &pull.head_sha);
            object["repo"]["fork"] = true.into();
            object
        }
    }
}

fn side(repo: &Repository, owner: &User, branch: &str, sha: &str) -> Value {
    json!({
        "label": format!("{}:{branch}", owner.login),
        "ref": branch,
        "sha": sha,
        "user": user(owner),
        "repo": with(repository(repo), json!({
            "allow_squash_merge": true, "allow_merge_commit": true, "allow_rebase_merge": true,
            "allow_auto_merge": false, "delete_branch_on_merge": true, "allow_update_branch": false,
            "use_squash_pr_title_as_default": false, "squash_merge_commit_message": "COMMIT_MESSAGES",
            "squash_merge_commit_title": "COMMIT_OR_PR_TITLE", "merge_commit_message": "PR_TITLE",
            "merge_commit_title": "MERGE_MESSAGE",
        })),
    })
}

pub(crate) fn comment(repo: &Repository, item: &Item, comment: &Comment) -> Value {
    let full = repo.full_name();
    let kind = if item.is_pull() { "pull" } else { "issues" };
    let url = format!("{API}/repos/{full}/issues/comments/{}", comment.id);
    let association = if comment.author == repo.owner { "OWNER" } else { "NONE" };
    json!({
        "url": url,
        "html_url": format!("{WEB}/{full}/{kind}/{}#issuecomment-{}", item.number, comment.id),
        "issue_url": format!("{API}/repos/{full}/issues/{}", item.number),
        "id": comment.id,
        "node_id": node_id("IC", comment.id),
        "user": user(&comment.author),
        "created_at": time(comment.created_at),
        "updated_at": time(comment.updated_at),
        "author_association": association,
        "body": comment.body,
        "reactions": reactions(&url),
        "performed_via_github_app": null,
    })
}

pub(crate) fn review(repo: &Repository, item: &Item, review: &Review) -> Value {
    let full = repo.full_name();
    let page = format!("{WEB}/{full}/pull/{}#pullrequestreview-{}", item.number, review.id);
    let pull = format!("{API}/repos/{full}/pulls/{}", item.number);
    json!({
        "id": review.id,
        "node_id": node_id("PRR", review.id),
        "user": user(&review.author),
        "body": review.body,
        "state": review.state,
        "html_url": page,
        "pull_request_url": pull,
        "author_association": "MEMBER",
        "_links": {"html": {"href": page}, "pull_request": {"href": pull}},
        "submitted_at": time(review.submitted_at),
        "commit_id": review.commit,
    })
}

pub(crate) fn file(repo: &Repository, sha: &str, file: &File) -> Value {
    let full = repo.full_name();
    json!({
        "sha": sha,
        "filename": file.path,
        "status": file.status,
        "additions": file.additions,
        "deletions": file.deletions,
        "changes": file.additions + file.deletions,
        "blob_url": format!("{WEB}/{full}/blob/{sha}/{}", file.path),
        "raw_url": format!("{WEB}/{full}/raw/{sha}/{}", file.path),
        "contents_url": format!("{API}/repos/{full}/contents/{}?ref={sha}", file.path),
        "patch": "@@ -1,2 +1,7 @@\n # Title\n+One more line.\n",
    })
}

/// An entry of an item's timeline.
pub(crate) fn moment(repo: &Repository, item: &Item, moment: &Moment) -> Value {
    let url = format!("{API}/repos/{}/issues/events/{}", repo.full_name(), moment.id);
    let object = json!({
        "id": moment.id,
        "node_id": node_id("TE", moment.id),
        "url": url,
        "actor": user(&moment.actor),
        "event": moment.event,
        "commit_id": null,
        "commit_url": null,
        "created_at": time(moment.at),
        "performed_via_github_app": null,
    });
    let subject = moment.subject.clone().unwrap_or_default();
    let fields = match moment.event.as_str() {
        "labeled" | "unlabeled" => json!({"label": {"name": subject, "color": "ededed"}}),
        "assigned" | "unassigned" => json!({"assignee": {"login": subject}, "assigner": user(&moment.actor)}),
        "milestoned" | "demilestoned" => json!({"milestone": {"title": subject}}),
        "commented" => {
            let found = item.comments.iter().find(|each| each.id.to_string() == subject);
            found.map_or_else(|| json!({}), |each| comment(repo, item, each))
        }
        "committed" => json!({"sha": subject}),
        "reviewed" => json!({"state": subject.to_lowercase(), "user": user(&moment.actor)}),
        _ => json!({"state_reason": moment.subject}),
    };
    with(object, fields)
}
