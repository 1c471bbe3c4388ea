//! The names of GitHub's webhook events and their actions: what a trigger may wait for, and what a metric may be labelled.

/// The event that is no webhook: once a day orchd tells it of every open item, for rules that wait for time to pass.
pub const SCHEDULE: &str = "schedule";

/// The event that a running workflow sends itself (`mode: forward` of the Action).
pub const WORKFLOW_CONTEXT: &str = "workflow_context";

/// From "Webhook events and payloads" of GitHub's documentation, [`SCHEDULE`] and [`WORKFLOW_CONTEXT`]; sorted.
pub const EVENTS: [&str; 85] = [
    "branch_protection_configuration",
    "branch_protection_rule",
    "bypass_request_push_ruleset",
    "bypass_request_secret_scanning",
    "check_run",
    "check_suite",
    "code_scanning_alert",
    "commit_comment",
    "create",
    "custom_property",
    "custom_property_promoted_to_enterprise",
    "custom_property_values",
    "delete",
    "dependabot_alert",
    "deploy_key",
    "deployment",
    "deployment_protection_rule",
    "deployment_review",
    "deployment_status",
    "discussion",
    "discussion_comment",
    "dismissal_request_code_scanning",
    "dismissal_request_dependabot",
    "dismissal_request_secret_scanning",
    "exemption_request_push_ruleset",
    "exemption_request_secret_scanning",
    "fork",
    "github_app_authorization",
    "gollum",
    "installation",
    "installation_repositories",
    "installation_target",
    "issue_comment",
    "issue_dependencies",
    "issues",
    "label",
    "marketplace_purchase",
    "member",
    "membership",
    "merge_group",
    "meta",
    "milestone",
    "org_block",
    "organization",
    "package",
    "page_build",
    "personal_access_token_request",
    "ping",
    "project",
    "project_card",
    "project_column",
    "projects_v2",
    "projects_v2_item",
    "projects_v2_status_update",
    "public",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "pull_request_review_thread",
    "push",
    "registry_package",
    "release",
    "repository",
    "repository_advisory",
    "repository_dispatch",
    "repository_import",
    "repository_ruleset",
    "repository_vulnerability_alert",
    SCHEDULE,
    "secret_scanning_alert",
    "secret_scanning_alert_location",
    "secret_scanning_scan",
    "security_advisory",
    "security_and_analysis",
    "sponsorship",
    "star",
    "status",
    "sub_issues",
    "team",
    "team_add",
    "watch",
    WORKFLOW_CONTEXT,
    "workflow_dispatch",
    "workflow_job",
    "workflow_run",
];

/// The actions of the events that rules mostly wait for: all that the npm package @octokit/webhooks 14.2.0 knows, and a
/// few that GitHub's documentation added since. Of the other events any action is taken.
const ACTIONS: [(&str, &[&str]); 21] = [
    ("check_run", &["completed", "created", "requested_action", "rerequested"]),
    ("check_suite", &["completed", "requested", "rerequested"]),
    (
        "discussion",
        &[
            "answered",
            "category_changed",
            "closed",
            "created",
            "deleted",
            "edited",
            "labeled",
            "locked",
            "pinned",
            "reopened",
            "transferred",
            "unanswered",
            "unlabeled",
            "unlocked",
            "unpinned",
        ],
    ),
    ("discussion_comment", &["created", "deleted", "edited"]),
    ("installation", &["created", "deleted", "new_permissions_accepted", "suspend", "unsuspend"]),
    ("installation_repositories", &["added", "removed"]),
    ("issue_comment", &["created", "deleted", "edited", "pinned", "unpinned"]),
    (
        "issues",
        &[
            "assigned",
            "closed",
            "deleted",
            "demilestoned",
            "edited",
            "field_added",
            "field_removed",
            "labeled",
            "locked",
            "milestoned",
            "opened",
            "pinned",
            "reopened",
            "transferred",
            "typed",
            "unassigned",
            "unlabeled",
            "unlocked",
            "unpinned",
            "untyped",
        ],
    ),
    ("label", &["created", "deleted", "edited"]),
    ("milestone", &["closed", "created", "deleted", "edited", "opened"]),
    (
        "pull_request",
        &[
            "assigned",
            "auto_merge_disabled",
            "auto_merge_enabled",
            "closed",
            "converted_to_draft",
            "demilestoned",
            "dequeued",
            "edited",
            "enqueued",
            "labeled",
            "locked",
            "milestoned",
            "opened",
            "queued",
            "ready_for_review",
            "reopened",
            "review_request_removed",
            "review_requested",
            "synchronize",
            "unassigned",
            "unlabeled",
            "unlocked",
        ],
    ),
    ("pull_request_review", &["dismissed", "edited", "submitted"]),
    ("pull_request_review_comment", &["created", "deleted", "edited"]),
    ("pull_request_review_thread", &["resolved", "unresolved"]),
    ("release", &["created", "deleted", "edited", "prereleased", "published", "released", "unpublished"]),
    (
        "repository",
        &[
            "archived",
            "created",
            "deleted",
            "edited",
            "privatized",
            "publicized",
            "renamed",
            "transferred",
            "unarchived",
        ],
    ),
    (SCHEDULE, &["daily"]),
    ("star", &["created", "deleted"]),
    (WORKFLOW_CONTEXT, &["cancelled", "failure", "success"]),
    ("workflow_job", &["completed", "in_progress", "queued", "waiting"]),
    ("workflow_run", &["completed", "in_progress", "requested"]),
];

/// The actions of an event, when they are known here.
pub fn actions_of(name: &str) -> Option<&'static [&'static str]> {
    ACTIONS.iter().find(|(event, _)| *event == name).map(|(_, actions)| *actions)
}

pub fn is_known(name: &str) -> bool {
    EVENTS.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{ACTIONS, EVENTS, is_known};

    #[test]
    fn every_event_is_found_by_the_search() {
        assert!(EVENTS.iter().all(|name| is_known(name)));
        assert!(!is_known("pull_requests"));
        assert!(ACTIONS.iter().all(|(name, actions)| is_known(name) && actions.is_sorted()));
    }
}
