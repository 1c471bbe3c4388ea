//! What people see of the App's installations with their own tokens, and how that changes.

use serde_json::{Value, json};

use super::GitHub;
use super::call::{Answer, Call};
use super::world::World;
use crate::model::{Repository, UserKind};
use crate::payload::objects::{self, user, with};

/// GitHub's roles, the lowest first.
const ROLES: [&str; 5] = ["read", "triage", "write", "maintain", "admin"];

/// The role that somebody was given in a repository. What is public counts for nothing here.
fn given(repository: &Repository, login: &str) -> Option<usize> {
    let role = match repository.roles.get(login) {
        Some(role) => role.as_str(),
        None if repository.owner.login == login => "admin",
        None if repository.collaborators.contains(login) => "write",
        None => return None,
    };
    ROLES.iter().position(|each| *each == role)
}

/// `/user/installations` and below.
pub(super) fn installations(world: &World, call: &Call, login: &str, rest: &[&str]) -> Answer {
    let seen = |id: i64| {
        let names = world.installations.get(&id).map(|found| &found.repositories).into_iter().flatten();
        let repositories = names.filter_map(|name| world.repositories.get(name));
        repositories.filter_map(|each| Some((each, given(each, login)?))).collect::<Vec<_>>()
    };
    match rest {
        [] => {
            let ids = world.installations.keys().filter(|id| !seen(**id).is_empty());
            Answer::named_page(call, "installations", ids.filter_map(|id| world.shown_installation(*id)).collect())
        }
        [id, "repositories"] => {
            let seen = id.parse().map(seen).unwrap_or_default();
            if seen.is_empty() {
                return Answer::not_found();
            }
            let shown = seen.into_iter().map(|(repository, role)| {
                let may = |least: usize| role >= least;
                let permissions =
                    json!({"pull": true, "triage": may(1), "push": may(2), "maintain": may(3), "admin": may(4)});
                with(objects::repository(repository), json!({"permissions": permissions}))
            });
            Answer::named_page(call, "repositories", shown.collect())
        }
        _ => Answer::not_found(),
    }
}

/// `GET /orgs/{org}/teams/{slug}/memberships/{login}`, where the App may read the organisation's members.
pub(super) fn membership(world: &World, organization: &str, slug: &str, login: &str) -> Answer {
    let may = world.installations.values().any(|found| {
        found.account.login.eq_ignore_ascii_case(organization) && found.permissions.get("members").is_some()
    });
    if !may {
        return Answer::error(403, "Resource not accessible by integration");
    }
    let team = world.teams.get(&format!("{organization}/{slug}").to_lowercase());
    let is_member = team.is_some_and(|team| team.members.iter().any(|each| each.eq_ignore_ascii_case(login)));
    if is_member { Answer::ok(json!({"state": "active", "role": "member"})) } else { Answer::not_found() }
}

impl World {
    /// Whose user token this is; `None`: nobody's, or it has ended.
    pub(super) fn person_with(&self, token: &str) -> Option<&str> {
        self.user_tokens.get(token).map(String::as_str)
    }

    /// Tells the webhook of something in a repository.
    fn tell_of(&mut self, full_name: &str, event: &str, by: &str, fields: Value) {
        let sender = self.user(by, UserKind::User);
        let installation = self.installation_of(full_name);
        let Some(repository) = self.repository(full_name) else { return };
        let about = json!({
            "repository": objects::repository(repository),
            "sender": user(&sender),
            "installation": {"id": installation},
        });
        if installation.is_some() {
            self.deliver(event, &with(about, fields));
        }
    }
}

impl GitHub {
    /// A token with which the App asks in somebody's name.
    pub fn user_token(&self, login: &str) -> String {
        let mut world = self.inner.world();
        let token = format!("ghu_{}", world.seed.hex(36));
        world.user_tokens.insert(token.clone(), login.to_owned());
        token
    }

    /// Nobody's token is taken any more. Nothing is delivered.
    pub fn revoke_user_tokens(&self) {
        self.inner.world().user_tokens.clear();
    }

    /// Somebody has another role in a repository from now on; `None`: none at all. Delivered.
    pub fn change_role(&self, repository: &str, login: &str, role: Option<&str>, by: &str) {
        self.inner.update(|world| {
            let member = world.user(login, UserKind::User);
            let Some(found) = world.repository_mut(repository) else { panic!("the fake GitHub has no {repository}") };
            match role {
                Some(role) => {
                    found.collaborators.insert(login.to_owned());
                    found.roles.insert(login.to_owned(), role.to_owned());
                }
                None => {
                    found.collaborators.remove(login);
                    found.roles.remove(login);
                }
            }
            let action = if role.is_some() { "edited" } else { "removed" };
            world.tell_of(repository, "member", by, json!({"action": action, "member": user(&member)}));
        });
    }

    /// A repository has another name from now on, of the same owner. Delivered.
    pub fn rename_repository(&self, full_name: &str, name: &str, by: &str) {
        self.inner.update(|world| {
            let key = full_name.to_lowercase();
            let Some(mut found) = world.repositories.remove(&key) else { panic!("the fake GitHub has no {full_name}") };
            let from = std::mem::replace(&mut found.name, name.to_owned());
            let now = found.full_name();
            world.repositories.insert(now.to_lowercase(), found);
            for installation in world.installations.values_mut() {
                if installation.repositories.remove(&key) {
                    installation.repositories.insert(now.to_lowercase());
                }
            }
            let changes = json!({"repository": {"name": {"from": from}}});
            world.tell_of(&now, "repository", by, json!({"action": "renamed", "changes": changes}));
        });
    }

    /// Somebody leaves a team. Delivered by the installation on its organisation.
    pub fn leave_team(&self, organization: &str, slug: &str, login: &str) {
        self.inner.update(|world| {
            let member = world.user(login, UserKind::User);
            let Some(team) = world.teams.get_mut(&format!("{organization}/{slug}").to_lowercase()) else { return };
            team.members.retain(|each| each != login);
            let of = |found: &super::world::Installation| found.account.login.eq_ignore_ascii_case(organization);
            let installation = world.installations.iter().find(|(_, found)| of(found)).map(|(id, _)| *id);
            let payload = json!({
                "action": "removed", "scope": "team", "member": user(&member), "sender": user(&member),
                "team": {"slug": slug}, "organization": {"login": organization}, "installation": {"id": installation},
            });
            world.deliver("membership", &payload);
        });
    }
}
