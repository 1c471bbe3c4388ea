//! What people do to installations of the App: each verb changes the state and yields the deliveries GitHub would send.

use chrono::Utc;
use serde_json::{Value, json};

use super::GitHub;
use super::world::World;
use crate::model::UserKind;
use crate::payload::events;
use crate::payload::objects::{node_id, time, user, with};

impl World {
    /// An installation as GitHub shows it now.
    pub(crate) fn shown_installation(&self, id: i64) -> Option<Value> {
        let found = self.installations.get(&id)?;
        let shown = events::installation(id, self.app.id, &self.app.slug, &found.account, self.app.created_at);
        let mut now = json!({
            "client_id": self.app.client_id,
            "permissions": found.permissions,
            "suspended_at": found.suspended_at.map(time),
            "updated_at": time(found.updated_at),
        });
        if !self.app.events.is_empty() {
            now["events"] = self.app.events.clone().into();
        }
        Some(with(shown, now))
    }

    fn tell_of_installation(&mut self, id: i64, event: &str, by: &str, fields: Value) {
        let sender = self.user(by, UserKind::User);
        let Some(shown) = self.shown_installation(id) else { return };
        let payload = with(json!({"installation": shown, "sender": user(&sender)}), fields);
        self.deliver(event, &payload);
    }

    fn names_of(&self, repositories: &[&str]) -> Vec<Value> {
        let found = repositories.iter().filter_map(|name| self.repository(name));
        let shown = found.map(|each| {
            json!({
                "id": each.id, "node_id": node_id("R", each.id), "name": each.name,
                "full_name": each.full_name(), "private": each.private,
            })
        });
        shown.collect()
    }
}

impl GitHub {
    /// The App can do nothing there, and hears nothing of its repositories, until [`GitHub::unsuspend`]. Delivered.
    pub fn suspend(&self, installation: i64, by: &str) {
        self.change_installation(installation, by, "suspend", |found| found.suspended_at = Some(Utc::now()));
    }

    pub fn unsuspend(&self, installation: i64, by: &str) {
        self.change_installation(installation, by, "unsuspend", |found| found.suspended_at = None);
    }

    /// The App is granted this from now on. Delivered.
    pub fn grant(&self, installation: i64, by: &str, permissions: &Value) {
        self.change_installation(installation, by, "new_permissions_accepted", |found| {
            found.permissions = permissions.clone();
        });
    }

    fn change_installation(
        &self,
        id: i64,
        by: &str,
        action: &str,
        change: impl FnOnce(&mut super::world::Installation),
    ) {
        self.inner.update(|world| {
            let Some(found) = world.installations.get_mut(&id) else { return };
            change(found);
            found.updated_at = Utc::now();
            world.tell_of_installation(id, "installation", by, json!({"action": action}));
        });
    }

    /// Somebody takes the App off the account: its tokens stop working. Delivered.
    pub fn uninstall(&self, installation: i64, by: &str) {
        self.inner.update(|world| {
            let told = json!({"action": "deleted", "repositories": []});
            world.tell_of_installation(installation, "installation", by, told);
            world.installations.remove(&installation);
        });
    }

    /// As [`GitHub::uninstall`], and GitHub's delivery is lost.
    pub fn uninstall_silently(&self, installation: i64) {
        self.inner.update(|world| world.installations.remove(&installation));
    }

    /// The installation covers these repositories (made when missing) as well. Delivered.
    pub fn cover(&self, installation: i64, by: &str, repositories: &[&str]) {
        self.inner.update(|world| {
            repositories.iter().for_each(|name| world.add_repository(name));
            if let Some(found) = world.installations.get_mut(&installation) {
                found.repositories.extend(repositories.iter().map(|name| name.to_lowercase()));
                found.updated_at = Utc::now();
            }
            let fields = json!({
                "action": "added", "repository_selection": "selected", "requester": null,
                "repositories_added": world.names_of(repositories), "repositories_removed": [],
            });
            world.tell_of_installation(installation, "installation_repositories", by, fields);
        });
    }

    /// The installation covers these repositories no longer. Delivered.
    pub fn uncover(&self, installation: i64, by: &str, repositories: &[&str]) {
        self.inner.update(|world| {
            if let Some(found) = world.installations.get_mut(&installation) {
                found.repositories.retain(|name| !repositories.iter().any(|each| each.eq_ignore_ascii_case(name)));
                found.updated_at = Utc::now();
            }
            let fields = json!({
                "action": "removed", "repository_selection": "selected", "requester": null,
                "repositories_added": [], "repositories_removed": world.names_of(repositories),
            });
            world.tell_of_installation(installation, "installation_repositories", by, fields);
        });
    }

    /// The account the App is installed on takes another login; its repositories keep their names here. Delivered.
    pub fn rename_account(&self, installation: i64, login: &str) {
        self.inner.update(|world| {
            let Some(found) = world.installations.get_mut(&installation) else { return };
            let from = std::mem::replace(&mut found.account.login, login.to_owned());
            found.updated_at = Utc::now();
            let fields = json!({
                "action": "renamed", "account": user(&found.account), "target_type": found.account.kind.as_str(),
                "changes": {"login": {"from": from}}, "installation": {"id": installation},
            });
            world.tell_of_installation(installation, "installation_target", login, fields);
        });
    }
}
