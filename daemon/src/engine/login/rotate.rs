//! Everybody's tokens, encrypted anew with the first key of the config, so that an old one can be taken away.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::refresh::TokenError;
use super::seal::{Keyring, SealError};
use super::{access_of, refresh_of};
use crate::core::audit::{Actor, Entry, Kind};
use crate::store::users::SealedTokens;
use crate::store::{Db, StoreError};

/// People in one read.
const BATCH: u32 = 100;

/// What a rotation came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// People whose tokens are encrypted anew.
    pub rotated: u64,
    /// Logins of people whose tokens no key opens. They have to sign in again, with the old key or without it.
    pub unopened: Vec<String>,
}

/// Encrypts everybody's tokens that are encrypted with another key with the first one. Tokens that change meanwhile are
/// encrypted with the first key anyway.
///
/// # Errors
/// When there is no key, and when the store fails. Those before it are done.
pub async fn rotate(db: &Db, keyring: &Keyring, by: Actor, now: DateTime<Utc>) -> Result<Rotation, TokenError> {
    let mut rotation = Rotation::default();
    let done = reseal_all(db, keyring, &mut rotation).await;
    if rotation != Rotation::default() {
        let left = match rotation.unopened.len() {
            0 => String::new(),
            many => format!("; no key opens those of {many}"),
        };
        let note = format!("the tokens of {} people, with key {}{left}", rotation.rotated, keyring.first()?);
        db.audit(vec![Entry { note: Some(note), ..Entry::new(Kind::SecretsRotated, by, now) }]).await?;
    }
    done.map(|()| rotation)
}

async fn reseal_all(db: &Db, keyring: &Keyring, rotation: &mut Rotation) -> Result<(), TokenError> {
    let mut after = Uuid::nil();
    loop {
        let found = db.sealed_otherwise(keyring.first()?, after, BATCH).await?;
        let Some((last, _)) = found.last() else { return Ok(()) };
        after = *last;
        for (user, old) in &found {
            match reseal(keyring, *user, old) {
                Ok(new) => rotation.rotated += u64::from(db.replace_tokens(*user, old, &new, None).await?),
                Err(error) => {
                    tracing::warn!(%user, %error, "a person's tokens are not encrypted anew");
                    rotation.unopened.extend(login_of(db, *user).await?);
                }
            }
        }
    }
}

async fn login_of(db: &Db, user: Uuid) -> Result<Option<String>, StoreError> {
    Ok(db.user(user).await?.map(|user| user.login))
}

fn reseal(keyring: &Keyring, user: Uuid, old: &SealedTokens) -> Result<SealedTokens, SealError> {
    let access = keyring.open(access_of(&user), &old.access)?;
    let refresh = old.refresh.as_deref().map(|sealed| keyring.open(refresh_of(&user), sealed)).transpose()?;
    Ok(SealedTokens {
        key: keyring.first()?.to_owned(),
        access: keyring.seal(access_of(&user), &access)?,
        refresh: refresh.map(|token| keyring.seal(refresh_of(&user), &token)).transpose()?,
        ..old.clone()
    })
}
