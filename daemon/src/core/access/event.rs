//! Which events GitHub shows only to some of those who see a repository.

use super::Level;

/// What a person must hold in a repository to be told of an event of it. GitHub shows alerts to those who may write or
/// administer, and settings to administrators; the stricter of both is taken for all of these, since a level does not
/// tell writers from those who triage.
/// <https://docs.github.com/en/code-security/dependabot/dependabot-alerts/viewing-and-updating-dependabot-alerts>,
/// <https://docs.github.com/en/organizations/managing-user-access-to-your-organizations-repositories/managing-repository-roles/repository-roles-for-an-organization>
pub fn level_to_see(event: &str) -> Level {
    const FOR_ADMINS: [&str; 27] = [
        "branch_protection_configuration",
        "branch_protection_rule",
        "bypass_request_push_ruleset",
        "bypass_request_secret_scanning",
        "code_scanning_alert",
        "custom_property_values",
        "dependabot_alert",
        "deploy_key",
        "dismissal_request_code_scanning",
        "dismissal_request_dependabot",
        "dismissal_request_secret_scanning",
        "exemption_request_push_ruleset",
        "exemption_request_secret_scanning",
        "github_app_authorization",
        "installation_target",
        "member",
        "membership",
        "meta",
        "org_block",
        "personal_access_token_request",
        "repository_advisory",
        "repository_ruleset",
        "repository_vulnerability_alert",
        "secret_scanning_alert",
        "secret_scanning_alert_location",
        "secret_scanning_scan",
        "security_and_analysis",
    ];
    if FOR_ADMINS.contains(&event) { Level::Admin } else { Level::Viewer }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event_names::EVENTS;

    /// A new kind of alert must not be shown to everybody because nobody thought of it.
    #[test]
    fn whatever_is_called_an_alert_a_secret_or_a_key_is_for_administrators() {
        for name in EVENTS {
            let telling = ["alert", "secret", "key", "ruleset", "protection_rule", "dismissal", "bypass", "exemption"];
            let hushed = telling.iter().any(|word| name.contains(word)) && name != "deployment_protection_rule";
            assert!(!hushed || level_to_see(name) == Level::Admin, "{name}");
        }
        assert_eq!(level_to_see("issues"), Level::Viewer);
    }
}
