//! What keeps orchd from acting in a repository, or lets it: the installation that covers it, and its own config file.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::columns::{Micros, from_json, time};
use super::dialect::Bulk;
use super::repository_configs::FileProblem;
use super::{Db, StoreError};
use crate::core::event::InstallationId;

/// An installation, by what it lets orchd do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Cover {
    pub installation: InstallationId,
    pub account_login: String,
    pub is_suspended: bool,
    pub suspended_at: Option<DateTime<Utc>>,
    pub deleted_at: Option<DateTime<Utc>>,
    /// As of when GitHub told its permissions and events; `None`: it did not yet.
    pub known_at: Option<DateTime<Utc>>,
    #[serde(skip)]
    pub permissions: BTreeMap<String, String>,
    #[serde(skip)]
    pub events: Vec<String>,
}

impl Cover {
    /// Whether it lets anything be done.
    pub fn acts(&self) -> bool {
        !self.is_suspended && self.deleted_at.is_none()
    }
}

/// What a repository has of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnFile {
    pub path: String,
    /// Whether a version of it validated and is in use.
    pub is_used: bool,
    pub problems: Vec<FileProblem>,
}

/// Of one repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetupRow {
    /// The installation that covers it, first of all one that may act; `None`: none does.
    pub cover: Option<Cover>,
    /// `None`: nobody looked for it yet.
    pub file: Option<OwnFile>,
}

/// One repository and one of the installations that cover it.
#[derive(sqlx::FromRow)]
struct SetupSql {
    github_id: i64,
    installation_id: Option<i64>,
    account_login: Option<String>,
    permissions: Option<String>,
    events: Option<String>,
    is_suspended: Option<bool>,
    suspended_at: Option<Micros>,
    deleted_at: Option<Micros>,
    known_at: Option<Micros>,
    path: Option<String>,
    good_sha: Option<String>,
    problems: Option<String>,
}

impl SetupSql {
    fn cover(&self) -> Result<Option<Cover>, StoreError> {
        let Some(id) = self.installation_id else { return Ok(None) };
        Ok(Some(Cover {
            installation: InstallationId(id),
            account_login: self.account_login.clone().unwrap_or_default(),
            is_suspended: self.is_suspended == Some(true),
            suspended_at: time(self.suspended_at)?,
            deleted_at: time(self.deleted_at)?,
            known_at: time(self.known_at.filter(|at| at.0 > 0))?,
            permissions: from_json("permissions", self.permissions.as_deref().unwrap_or("{}"))?,
            events: from_json("events", self.events.as_deref().unwrap_or("[]"))?,
        }))
    }

    fn file(&self) -> Result<Option<OwnFile>, StoreError> {
        let Some(path) = self.path.clone() else { return Ok(None) };
        let problems = from_json("problems", self.problems.as_deref().unwrap_or("[]"))?;
        Ok(Some(OwnFile { path, is_used: self.good_sha.is_some(), problems }))
    }
}

impl Db {
    /// Of these repositories, by GitHub's ids.
    pub async fn setups_of(&self, github_ids: &[i64]) -> Result<HashMap<i64, SetupRow>, StoreError> {
        // repositories_github_id, installation_repositories_repository; installations, repository_configs: primary keys.
        static SQL: LazyLock<Bulk> = LazyLock::new(|| {
            Bulk::new(
                "SELECT r.github_id, i.installation_id, i.account_login, i.permissions, i.events, i.is_suspended,
                    i.suspended_at, i.deleted_at, i.known_at, c.path, c.good_sha, c.problems
                 FROM repositories r
                 LEFT JOIN installation_repositories l ON l.repository_id = r.id AND l.removed_at IS NULL
                 LEFT JOIN installations i ON i.id = l.installation_id
                 LEFT JOIN repository_configs c ON c.repository_id = r.id WHERE r.github_id IN (",
                "#",
                ") ORDER BY i.id",
            )
        });
        let mut setups: HashMap<i64, SetupRow> = HashMap::new();
        for (sql, chunk) in SQL.chunks(self.dialect(), github_ids) {
            let found: Vec<SetupSql> = on_db!(self, conn => {
                let mut query = sqlx::query_as(sql);
                for id in chunk {
                    query = query.bind(*id);
                }
                query.fetch_all(conn).await
            })?;
            for row in found {
                let setup = setups.entry(row.github_id).or_default();
                setup.file = row.file()?;
                let known = setup.cover.as_ref().is_some_and(Cover::acts);
                if !known && let Some(cover) = row.cover()? {
                    setup.cover = Some(cover);
                }
            }
        }
        Ok(setups)
    }
}
