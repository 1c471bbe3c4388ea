//! Keeps true what is known of the App's installations, and lets work wait for those that may not act.
//!
//! An event says that something changed; what is so now, GitHub is asked. So an event that comes late, twice or out of
//! order does no harm. Where GitHub cannot be asked, the event is believed unless something newer is known, and the
//! whole list is taken over at start and every `github.refresh_installations`.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Engine, JobError};
use crate::config::Config;
use crate::core::event::{Event, InstallationId};
use crate::core::installation::{News, Stop, news};
use crate::github::limits::Priority;
use crate::github::{GitHubError, installations as github};
use crate::store::StoreError;
use crate::store::installations::Word;

/// How often work is looked for whose installation may act again. The rule is that it goes on at once; this finds what
/// was held in the moment of the change, and what another daemon learnt.
const LOOK: Duration = Duration::from_secs(30);

/// How soon the list is asked for again when GitHub did not give it, or another daemon was at it.
const RETRY: Duration = Duration::from_secs(120);

/// Why the installation of an event or effect can do nothing; `None`: nothing is known against it.
pub(super) async fn stop_of(engine: &Engine, id: Option<InstallationId>) -> Result<Option<Stop>, StoreError> {
    match id {
        Some(id) => engine.db.stop_of(id).await,
        None => Ok(None),
    }
}

/// Takes up what an event tells of an installation. May be done again.
///
/// # Errors
/// When the store fails: what GitHub does not tell, the event does.
pub(super) async fn follow(engine: &Engine, event: &Event) -> Result<(), JobError> {
    let Some(told) = news(event) else { return Ok(()) };
    if !has_app(&engine.config.current()) || !ask(engine, told.id).await? {
        believe(engine, &told).await?;
    }
    resume(engine, told.id).await?;
    Ok(())
}

/// GitHub's words for a request as a suspended installation: "This installation has been suspended". They can come
/// before the event that says so.
pub(super) fn says_suspended(refusal: &str) -> bool {
    refusal.contains("installation has been suspended")
}

/// Asks GitHub how the installation is now, for what just met a refusal.
pub(super) async fn look(engine: &Engine, id: Option<InstallationId>) -> Result<(), StoreError> {
    if let Some(id) = id {
        ask(engine, id).await?;
    }
    Ok(())
}

/// The event is to be decided anew once its installation may act again.
pub(super) async fn decide_later(engine: &Engine, event: &Event) -> Result<(), StoreError> {
    match event.installation {
        Some(id) => engine.db.hold_event(event.id, id, (engine.clock)()).await,
        None => Ok(()),
    }
}

/// Asks GitHub how the installation is now, and which repositories it covers. False: GitHub did not say.
async fn ask(engine: &Engine, id: InstallationId) -> Result<bool, StoreError> {
    let github = engine.github.load_full();
    let asked_at = (engine.clock)();
    match github::one(&github.reader(None), id).await {
        Ok(told) => {
            engine.db.take_over_installation(&told, Word::Asked, asked_at).await?;
            if told.suspended_at.is_none()
                && let Err(error) = ask_repositories(engine, id).await?
            {
                tracing::warn!(installation = id.0, %error, "the repositories of an installation could not be read");
            }
            Ok(true)
        }
        Err(GitHubError::NotFound(_)) => {
            engine.db.mark_installation_deleted(id, asked_at).await?;
            Ok(true)
        }
        Err(error) => {
            tracing::warn!(installation = id.0, %error, "GitHub does not tell of an installation; its event is believed");
            Ok(false)
        }
    }
}

/// The outer error is the store's, the inner one GitHub's.
async fn ask_repositories(engine: &Engine, id: InstallationId) -> Result<Result<(), GitHubError>, StoreError> {
    let asked_at = (engine.clock)();
    let reader = engine.github.load_full().reader(Some(id)).at(Priority::Sweep);
    match github::repositories(&reader).await {
        Ok(listed) => engine.db.take_over_repositories(id, &listed.items, listed.complete, asked_at).await.map(Ok),
        Err(error) => Ok(Err(error)),
    }
}

async fn believe(engine: &Engine, told: &News) -> Result<(), StoreError> {
    let db = &engine.db;
    if told.deleted {
        return db.mark_installation_deleted(told.id, told.at).await;
    }
    if let Some(installation) = &told.installation {
        db.take_over_installation(installation, Word::Told, told.at).await?;
    }
    if let Some(login) = &told.renamed {
        db.rename_account(told.id, login, told.at).await?;
    }
    db.take_over_repositories(told.id, &told.added, false, told.at).await?;
    db.unlink_repositories(told.id, &told.removed, told.at).await
}

async fn resume(engine: &Engine, id: InstallationId) -> Result<(), StoreError> {
    let jobs = engine.db.resume(id, (engine.clock)()).await?;
    if jobs > 0 {
        tracing::info!(installation = id.0, jobs, "the installation may act again: what waited for it goes on");
        engine.wake.notify_one();
    }
    Ok(())
}

/// Takes the list over at start, then every `github.refresh_installations` and whenever `engine.refresh` is rung.
pub async fn keep(engine: Engine) {
    let mut due = (engine.clock)();
    let mut told_without = false;
    loop {
        let config = engine.config.current();
        if !has_app(&config) {
            if !std::mem::replace(&mut told_without, true) {
                tracing::info!("no GitHub App is configured: its installations are known from events only");
            }
        } else if (engine.clock)() >= due {
            due = (engine.clock)() + refresh_in_turn(&engine, &config).await;
        }
        if let Err(error) = resume_all(&engine).await {
            tracing::warn!(%error, "what waits for installations could not be looked through");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = engine.refresh.notified() => due = DateTime::<Utc>::MIN_UTC,
        }
    }
}

async fn resume_all(engine: &Engine) -> Result<(), StoreError> {
    for id in engine.db.resumable().await? {
        resume(engine, id).await?;
    }
    Ok(())
}

/// Refreshes unless another daemon does; says how long until the next time.
async fn refresh_in_turn(engine: &Engine, config: &Config) -> Duration {
    let alone = match engine.db.alone_at("installations").await {
        Ok(Some(alone)) => alone,
        Ok(None) => return RETRY,
        Err(error) => {
            tracing::warn!(%error, "installations are not refreshed");
            return RETRY;
        }
    };
    let done = refresh(engine).await;
    alone.end().await;
    match done {
        Ok(()) => config.github.refresh_installations,
        Err(error) => {
            tracing::warn!(%error, "the App's installations could not be refreshed");
            RETRY.min(config.github.refresh_installations)
        }
    }
}

/// Takes over every installation that GitHub lists, with its repositories, and marks those it no longer lists.
///
/// # Errors
/// When GitHub does not give the list of installations, or the store fails.
async fn refresh(engine: &Engine) -> Result<(), JobError> {
    let asked_at = (engine.clock)();
    let listed = github::all(&engine.github.load_full().reader(None).at(Priority::Sweep)).await?;
    for told in &listed.items {
        engine.db.take_over_installation(told, Word::Asked, asked_at).await?;
    }
    // A list that was cut off says nothing about what is not on it.
    let gone = if listed.complete { engine.db.mark_unlisted_deleted(asked_at).await? } else { 0 };
    let running = listed.items.iter().filter(|told| told.suspended_at.is_none());
    for told in running.clone() {
        if let Err(error) = ask_repositories(engine, told.id).await? {
            let id = told.id.0;
            tracing::warn!(installation = id, %error, "the repositories of an installation could not be read");
        }
    }
    let suspended = listed.items.len() - running.count();
    tracing::info!(
        installations = listed.items.len(),
        suspended,
        gone,
        "the App's installations are as GitHub lists them"
    );
    Ok(())
}

fn has_app(config: &Config) -> bool {
    let github = &config.github;
    github.private_key.is_some() && (github.client_id.is_some() || github.app_id.is_some())
}
