//! A backup from its first byte to its name: copied by the store, its audit chain proved, the oldest ones removed.

use std::num::NonZeroUsize;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::audit::{self, Anchors, ProofError};
use crate::core::audit::Report;
use crate::store::StoreOptions;
use crate::store::backup::{self, BackupError, Draft, Finished, Thinned};

/// What making a backup came to.
#[derive(Debug)]
pub struct BackedUp {
    pub backup: Finished,
    /// `None`: there is no audit chain yet.
    pub proof: Option<Report>,
    pub thinned: Thinned,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error("the copy's audit chain could not be looked through: {0}")]
    Proof(#[from] ProofError),
}

/// Makes a backup in `into`, and removes the oldest ones there beyond the newest `keep`.
///
/// A chain that does not hold is no reason to be without a backup: it is told, and then no older one is removed.
pub async fn back_up(
    options: &StoreOptions,
    into: &Path,
    keep: Option<NonZeroUsize>,
    now: DateTime<Utc>,
) -> Result<BackedUp, Failed> {
    let draft = Draft::begin(options, into, now).await?;
    let proof = match draft.has_audit() {
        // Anchors are newer than the copy, and say nothing of it.
        true => audit::verify(draft.db(), &Anchors::default(), &|_| std::future::ready(true)).await?,
        false => None,
    };
    let proved = proof.as_ref().is_none_or(Report::is_proved);
    let backup = draft.finish(proved).await?;
    let thinned = match keep {
        Some(keep) if proved => backup::thin(into, keep, &backup.path).await?,
        _ => Thinned::default(),
    };
    Ok(BackedUp { backup, proof, thinned })
}
