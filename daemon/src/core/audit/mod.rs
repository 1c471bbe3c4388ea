//! The audit chain: what is recorded, how a row is sealed to the one before it, and how a sequence of rows is proved.
//!
//! Owns the kinds of rows, the bytes that are hashed, and the verdict over a chain. Refuses to know where rows are kept, the
//! clock, and where randomness comes from: whoever appends passes the time and the salt in.
//!
//! Invariant 10: a row that was changed, removed or put elsewhere is named, unless everything from there to the end was
//! written anew; an anchor kept elsewhere finds that out.

mod chain;
#[cfg(test)]
mod tests;
mod verify;

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

pub use chain::{Digest, NotADigest, Personal, Row};
pub use verify::{Anchor, Cut, Fault, NotAnAnchor, Report, Verifier};

/// Declares [`Kind`] with the word of each kind, as it is stored, hashed and shown.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $word:literal,)*) => {
        /// What a row tells. A word that was written once is never given another meaning; new ones come at the end.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$kind => $word,)*
                }
            }
        }
    };
}

kinds! {
    /// A rule matched, and effects were planned for it.
    Decision = "decision",
    /// What an effect came to, from here on.
    EffectApplied = "effect_applied",
    EffectUnchanged = "effect_unchanged",
    EffectHeld = "effect_held",
    EffectGated = "effect_gated",
    EffectFailed = "effect_failed",
    EffectQuarantined = "effect_quarantined",
    EffectUndone = "effect_undone",
    /// A config came into use: at start, or by a reload.
    ConfigLoaded = "config_loaded",
    /// A changed config did not validate, and the old one goes on.
    ConfigRefused = "config_refused",
    /// What a person did through the admin socket.
    JobRetried = "job_retried",
    JobDiscarded = "job_discarded",
    EventReplayed = "event_replayed",
    RecoveryAsked = "recovery_asked",
    GuardReset = "guard_reset",
    ConfigConfirmed = "config_confirmed",
    ConfigRolledBack = "config_rolled_back",
    /// A changed config would have acted on too much, and waits for a person.
    ConfigHeld = "config_held",
    /// Personal data of older rows was dropped.
    AuditPseudonymised = "audit_pseudonymised",
    /// The oldest rows were dropped: where the chain begins from now on.
    AuditCut = "audit_cut",
    /// A person had a rollback planned; that writes nothing.
    RollbackPlanned = "rollback_planned",
    /// Somebody signed in with GitHub, or tried to; a session ended before its time.
    SignedIn = "signed_in",
    SignInFailed = "sign_in_failed",
    SignedOut = "signed_out",
    /// A key was made, revoked, or refused.
    KeyCreated = "key_created",
    KeyRevoked = "key_revoked",
    KeyRefused = "key_refused",
    /// People's GitHub tokens were encrypted with another key.
    SecretsRotated = "secrets_rotated",
    /// The config's file was written over the API, and the commit that it is in.
    ConfigWritten = "config_written",
    /// A person had a plan carried out. What its undos come to is told as of any effect.
    RollbackExecuted = "rollback_executed",
    /// The config's file is about to be written over the API, and what that changes.
    ConfigWriting = "config_writing",
}

impl Kind {
    /// Rows about the chain itself. They hold nothing personal and are never pseudonymised: what they say is needed to verify.
    pub const OF_THE_CHAIN: [Self; 2] = [Self::AuditPseudonymised, Self::AuditCut];
}

/// Why a text is not the word of a kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a kind of audit row: it is one of {words}", words = Kind::WORDS.join(", "))]
pub struct NotAKind(String);

impl FromStr for Kind {
    type Err = NotAKind;
    fn from_str(text: &str) -> Result<Self, NotAKind> {
        Self::ALL
            .iter()
            .find(|kind| kind.word() == text)
            .copied()
            .ok_or_else(|| NotAKind(text.chars().take(40).collect()))
    }
}

/// Who did it. The kind of actor is kept in clear for ever, the name is personal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The daemon by itself: a rule, a reload, its upkeep.
    Orchd,
    /// Whoever came through the admin socket: the user id of that process, where the system tells it.
    Operator(Option<u32>),
    /// Somebody who signed in with GitHub: their login.
    Person(String),
    /// A key, by its name, and the login of its owner where it has one.
    Key { name: String, owner: Option<String> },
}

impl Actor {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Orchd => "orchd",
            Self::Operator(_) => "operator",
            Self::Person(_) => "person",
            Self::Key { .. } => "key",
        }
    }

    /// As the column has it.
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Orchd | Self::Operator(None) => None,
            Self::Operator(Some(uid)) => Some(format!("uid {uid}")),
            Self::Person(login) => Some(login.clone()),
            Self::Key { name, owner: None } => Some(name.clone()),
            Self::Key { name, owner: Some(owner) } => Some(format!("{name} of {owner}")),
        }
    }
}

/// What led to it: texts and ids as they stand in the columns, since what is hashed must be what is read back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    pub event: Option<Uuid>,
    pub rule: Option<String>,
    pub effect: Option<Uuid>,
    pub action: Option<String>,
    pub config_revision: Option<String>,
}

/// What is to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: Kind,
    pub actor: Actor,
    /// By the clock of the daemon that appends: microseconds since 1970, UTC.
    pub at: i64,
    pub cause: Cause,
    pub repository: Option<String>,
    pub number: Option<i64>,
    /// JSON, as these two are stored.
    pub before: Option<String>,
    pub after: Option<String>,
    pub note: Option<String>,
}

impl Entry {
    pub fn new(kind: Kind, actor: Actor, at: DateTime<Utc>) -> Self {
        let (cause, repository, number) = (Cause::default(), None, None);
        Self {
            kind,
            actor,
            at: at.timestamp_micros(),
            cause,
            repository,
            number,
            before: None,
            after: None,
            note: None,
        }
    }

    /// States as JSON.
    #[must_use]
    pub fn states(self, before: Option<Value>, after: Option<Value>) -> Self {
        Self { before: before.map(|state| state.to_string()), after: after.map(|state| state.to_string()), ..self }
    }

    /// Rows up to and with `until` are no longer in the chain.
    pub fn cut(cut: &Cut) -> Self {
        Self::new(Kind::AuditCut, Actor::Orchd, cut.at).states(None, Some(json!(cut)))
    }

    /// Rows up to and with `until` lose what is personal in them.
    pub fn pseudonymised(until: i64, older_than: TimeDelta, now: DateTime<Utc>) -> Self {
        let after = json!(Pseudonymised { until, older_than_days: older_than.num_days() });
        Self::new(Kind::AuditPseudonymised, Actor::Orchd, now).states(None, Some(after))
    }
}

/// What a row of kind `audit_pseudonymised` says.
#[derive(Debug, Serialize, Deserialize)]
struct Pseudonymised {
    until: i64,
    older_than_days: i64,
}

/// Up to where the text of an `audit_pseudonymised` row says that personal data is gone.
pub fn pseudonymised_until(after: &str) -> Option<i64> {
    serde_json::from_str::<Pseudonymised>(after).ok().map(|said| said.until)
}
