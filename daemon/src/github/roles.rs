//! What a person may do in a repository.
//! <https://docs.github.com/en/rest/collaborators/collaborators#get-repository-permissions-for-a-user>

use std::collections::BTreeMap;

use serde::Deserialize;

use super::client::Reader;
use super::{GitHubError, path};
use crate::core::event::RepoName;
use crate::core::role::Role;

#[derive(Deserialize)]
struct Permission {
    /// `admin`, `write`, `read` or `none`: `maintain` is told as `write`, `triage` as `read`.
    permission: String,
    /// A role's name, which an organisation may have made up.
    role_name: Option<String>,
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    /// `pull`, `triage`, `push`, `maintain` and `admin`: true or false. Of a made-up role too.
    #[serde(default)]
    permissions: BTreeMap<String, bool>,
}

/// GitHub's words for what each role may, the highest first.
const GRANTS: [(&str, Role); 5] = [
    ("admin", Role::Admin),
    ("maintain", Role::Maintain),
    ("push", Role::Write),
    ("triage", Role::Triage),
    ("pull", Role::Read),
];

/// One request. Whoever GitHub does not know there has [`Role::None`].
///
/// # Errors
/// As the request fails. "Not found" is an answer.
pub async fn role_of(reader: &Reader, repository: &RepoName, login: &str) -> Result<Role, GitHubError> {
    let below = format_args!("/collaborators/{}/permission", path::segment(login)).to_string();
    match reader.get(&path::repository(repository, below)).await {
        Ok(permission) => Ok(highest(&permission)),
        Err(GitHubError::NotFound(_)) => Ok(Role::None),
        Err(error) => Err(error),
    }
}

/// The highest role that is granted.
pub(super) fn granted(permissions: &BTreeMap<String, bool>) -> Role {
    let holds = |name: &str| permissions.get(name).copied().unwrap_or(false);
    GRANTS.iter().find(|(name, _)| holds(name)).map_or(Role::None, |(_, role)| *role)
}

fn highest(told: &Permission) -> Role {
    let told_of = told.user.as_ref().map(|user| &user.permissions).filter(|granted| !granted.is_empty());
    if let Some(permissions) = told_of {
        return granted(permissions);
    }
    let named = told.role_name.as_deref().and_then(Role::parse);
    named.or_else(|| Role::parse(&told.permission)).unwrap_or(Role::None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_highest_role_that_github_tells() {
        let none = json!({"pull": false, "triage": false, "push": false, "maintain": false, "admin": false});
        for (told, role) in [
            (json!({"permission": "write", "role_name": "maintain"}), Role::Maintain),
            (json!({"permission": "read", "role_name": "triage", "user": null}), Role::Triage),
            (json!({"permission": "write", "role_name": "release-captain", "user": {}}), Role::Write),
            (
                json!({"permission": "read", "role_name": "helper", "user": {"permissions": {"pull": true, "triage": true}}}),
                Role::Triage,
            ),
            (json!({"permission": "none", "role_name": "", "user": {"permissions": none}}), Role::None),
            (json!({"permission": "sudo"}), Role::None),
        ] {
            assert_eq!(highest(&serde_json::from_value(told.clone()).unwrap()), role, "{told}");
        }
    }
}
