//! GitHub's event names: what a metric's label may say. Anything else is "other", so that no sender can grow the metrics.

/// Label of a name that GitHub does not document.
const OTHER: &str = "other";

/// The webhook events of GitHub's documentation (github.com and Enterprise Server), sorted.
pub(super) const EVENTS: [&str; 77] = [
    "branch_protection_configuration",
    "branch_protection_rule",
    "check_run",
    "check_suite",
    "code_scanning_alert",
    "commit_comment",
    "content_reference",
    "create",
    "custom_property",
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
    "merge_queue_entry",
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
    "workflow_dispatch",
    "workflow_job",
    "workflow_run",
];

/// Where the name stands in [`EVENTS`]; one past its end for any other.
pub(super) fn position(name: &[u8]) -> usize {
    EVENTS.binary_search_by(|event| event.as_bytes().cmp(name)).unwrap_or(EVENTS.len())
}

/// The label of a position.
pub(super) fn label(position: usize) -> &'static str {
    EVENTS.get(position).copied().unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_keep_their_name_and_all_others_share_one() {
        assert!(EVENTS.is_sorted());
        for event in EVENTS {
            assert_eq!(label(position(event.as_bytes())), event);
        }
        assert_eq!(label(position(b"made_up")), "other");
        assert_eq!(label(position(b"\xff")), "other");
    }
}
