//! What a key is for.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! scopes {
    ($($name:ident = $word:literal: $help:literal,)*) => {
        /// What a key may be used for. A person's session and the admin socket have all.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(try_from = "String", into = "&'static str")]
        pub enum Scope {
            $(#[doc = $help] $name,)*
        }

        impl Scope {
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As it is written.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// What it is for, in one phrase.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)* }
            }
        }
    };
}

scopes! {
    StatusRead = "status:read": "the daemon at a glance, its metrics",
    EventsRead = "events:read": "what arrived from GitHub",
    EventsWrite = "events:write": "replay events",
    DecisionsRead = "decisions:read": "what was decided and why, rules, shadow reports",
    EffectsRead = "effects:read": "what was done to GitHub",
    JobsRead = "jobs:read": "what is queued, running, or given up",
    JobsWrite = "jobs:write": "retry and discard dead letters",
    GuardsWrite = "guards:write": "reset breakers",
    RepositoriesRead = "repositories:read": "repositories and installations",
    RepositoriesWrite = "repositories:write": "ask GitHub for the installations anew",
    AutomationRun = "automation:run": "look for what never arrived, let rules look at an item, backtests",
    RollbackRead = "rollback:read": "planned and carried out rollbacks",
    RollbackExecute = "rollback:execute": "plan rollbacks and carry them out",
    ConfigRead = "config:read": "the config in use, and those before it",
    ConfigWrite = "config:write": "change, confirm and put back the config",
    AuditRead = "audit:read": "who did what",
    KeysRead = "keys:read": "one's own keys and sessions",
    KeysWrite = "keys:write": "make and revoke keys, end sessions",
}

/// Why a text is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no scope: a scope is one of {all}", all = Scope::ALL.iter().map(|scope| scope.word()).collect::<Vec<_>>().join(", "))]
pub struct NotAScope(String);

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(word: &str) -> Result<Self, NotAScope> {
        let refuse = || NotAScope(word.chars().take(40).collect());
        Self::ALL.iter().find(|scope| scope.word() == word).copied().ok_or_else(refuse)
    }
}

impl TryFrom<String> for Scope {
    type Error = NotAScope;

    fn try_from(word: String) -> Result<Self, NotAScope> {
        word.parse()
    }
}

impl From<Scope> for &'static str {
    fn from(scope: Scope) -> Self {
        scope.word()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Scopes of a key or token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    pub fn all() -> Self {
        Scope::ALL.iter().copied().collect()
    }

    pub fn has(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// Those that both have.
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).copied().collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = Scope> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn scopes_print_as_they_parse() {
        for scope in Scope::ALL {
            assert_eq!(scope.word().parse::<Scope>().unwrap(), *scope);
        }
        assert!("events:rea".parse::<Scope>().unwrap_err().to_string().contains("events:read"));
        let scopes: Scopes = serde_json::from_str(r#"["jobs:write","events:read"]"#).unwrap();
        assert_eq!(serde_json::to_string(&scopes).unwrap(), r#"["events:read","jobs:write"]"#);
        assert!(serde_json::from_str::<Scopes>(r#"["everything"]"#).is_err());
    }
}
