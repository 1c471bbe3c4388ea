//! How much somebody may do, and where.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::core::event::RepoName;
use crate::core::role::Role;

/// Each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Sees.
    Viewer,
    /// Replays, retries, takes back.
    Operator,
    /// Changes the config.
    Admin,
}

impl Level {
    /// What GitHub's role in a repository means here; `None`: the repository is not there for them.
    pub fn of_role(role: Role) -> Option<Self> {
        match role {
            Role::None => None,
            Role::Read => Some(Self::Viewer),
            Role::Triage | Role::Write | Role::Maintain => Some(Self::Operator),
            Role::Admin => Some(Self::Admin),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        })
    }
}

/// What somebody may do in which repositories, and on the site as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// By the config: in every repository, and for what is of no repository. `None`: only in those below.
    pub site: Option<Level>,
    /// They have more on GitHub than was looked at.
    pub is_short: bool,
    /// By GitHub. Keys are names in small letters: GitHub's names differ by more than case.
    repositories: BTreeMap<String, (RepoName, Level)>,
}

impl Sight {
    /// Of whoever may do everything: the owner of the machine.
    pub fn everything() -> Self {
        Self { site: Some(Level::Admin), ..Self::default() }
    }

    /// By the config and by GitHub. Of a repository that is named twice, the higher level counts.
    pub fn new(site: Option<Level>, repositories: impl IntoIterator<Item = (RepoName, Level)>) -> Self {
        let mut sight = Self { site, ..Self::default() };
        for (name, level) in repositories {
            let key = name.as_str().to_ascii_lowercase();
            let known = sight.repositories.entry(key).or_insert((name, level));
            known.1 = known.1.max(level);
        }
        sight
    }

    /// `None`: the repository is not there for them.
    pub fn level_in(&self, repository: &RepoName) -> Option<Level> {
        let own = self.repositories.get(&repository.as_str().to_ascii_lowercase()).map(|(_, level)| *level);
        own.max(self.site)
    }

    /// The highest level anywhere; `None`: nothing is there for them.
    pub fn highest(&self) -> Option<Level> {
        self.repositories.values().map(|(_, level)| *level).max().max(self.site)
    }

    /// The repositories to which a list is to be cut; `None`: they see all.
    pub fn only(&self) -> Option<impl Iterator<Item = &RepoName>> {
        self.site.is_none().then(|| self.repositories.values().map(|(name, _)| name))
    }

    /// The repositories where the level is held; `None`: it is held in all.
    pub fn where_at_least(&self, level: Level) -> Option<impl Iterator<Item = &RepoName>> {
        let held = self.repositories.values().filter(move |(_, own)| *own >= level).map(|(name, _)| name);
        (self.site < Some(level)).then_some(held)
    }

    /// No more than those repositories, and nothing of the site. Of repositories that are not there, nothing.
    pub fn cut_to(&self, names: &[RepoName]) -> Self {
        let seen = names.iter().filter_map(|name| Some((name.clone(), self.level_in(name)?)));
        Self::new(None, seen)
    }

    /// No more than this level.
    pub fn at_most(mut self, level: Level) -> Self {
        self.site = self.site.map(|own| own.min(level));
        for (_, own) in self.repositories.values_mut() {
            *own = level.min(*own);
        }
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn repo(name: &str) -> RepoName {
        RepoName::parse(name).unwrap()
    }

    #[test]
    fn github_roles_have_levels() {
        let levels =
            [Role::None, Role::Read, Role::Triage, Role::Write, Role::Maintain, Role::Admin].map(Level::of_role);
        let (viewer, operator) = (Some(Level::Viewer), Some(Level::Operator));
        assert_eq!(levels, [None, viewer, operator, operator, operator, Some(Level::Admin)]);
    }

    #[test]
    fn invariant_12_another_repository_is_not_there() {
        let sight = Sight::new(None, [(repo("acme/Web"), Level::Operator)]);
        assert_eq!(sight.level_in(&repo("ACME/web")), Some(Level::Operator));
        assert_eq!(sight.level_in(&repo("acme/api")), None);
        assert_eq!(sight.only().unwrap().count(), 1);
        let viewer = Sight::new(Some(Level::Viewer), [(repo("acme/web"), Level::Admin)]);
        assert_eq!(viewer.level_in(&repo("acme/api")), Some(Level::Viewer));
        assert_eq!(viewer.level_in(&repo("acme/web")), Some(Level::Admin));
        assert!(viewer.only().is_none(), "whoever sees the site sees all");
    }

    #[test]
    fn a_key_may_never_do_more_than_its_owner() {
        let owner = Sight::new(Some(Level::Viewer), [(repo("acme/web"), Level::Admin)]);
        let cut = owner.cut_to(&[repo("acme/web"), repo("acme/api")]);
        assert_eq!((cut.site, cut.level_in(&repo("acme/web"))), (None, Some(Level::Admin)));
        assert_eq!(cut.level_in(&repo("acme/api")), Some(Level::Viewer));
        assert_eq!(owner.at_most(Level::Operator).level_in(&repo("acme/web")), Some(Level::Operator));
        assert_eq!(Sight::default().cut_to(&[repo("acme/web")]), Sight::default());
        assert_eq!(Sight::default().highest(), None);
    }
}
