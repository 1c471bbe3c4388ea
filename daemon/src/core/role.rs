//! What a person may do in a repository: GitHub's roles, in order.
//! <https://docs.github.com/en/organizations/managing-user-access-to-your-organizations-repositories/managing-repository-roles/repository-roles-for-an-organization>

use std::fmt;

use serde::{Deserialize, Serialize};

/// Each may do what those before it may. Whoever is not known to the repository has the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    None,
    Read,
    Triage,
    Write,
    Maintain,
    Admin,
}

/// Roles as they are written, in order.
pub const ROLES: [(&str, Role); 6] = [
    ("none", Role::None),
    ("read", Role::Read),
    ("triage", Role::Triage),
    ("write", Role::Write),
    ("maintain", Role::Maintain),
    ("admin", Role::Admin),
];

impl Role {
    /// GitHub's word; `None` for the name of an organisation's own role.
    pub fn parse(word: &str) -> Option<Self> {
        ROLES.iter().find(|(known, _)| *known == word).map(|(_, role)| *role)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ROLES[*self as usize].0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn roles_print_as_they_parse_and_have_an_order() {
        for (word, role) in ROLES {
            assert_eq!((Role::parse(word), role.to_string().as_str()), (Some(role), word));
        }
        assert!(ROLES.is_sorted_by_key(|(_, role)| *role));
        assert_eq!(Role::parse("security-engineer"), None);
    }
}
