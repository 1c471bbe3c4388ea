//! While it runs: the config is taken up when its files change or somebody asks, and the end is awaited.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::Utc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc};

use super::client::Shared;
use super::ranges::wants_ranges;
use crate::actions;
use crate::config::Config;
use crate::config::hold::Hold;
use crate::config::live::{Objection, ReloadOutcome};
use crate::config::watch::Watch;
use crate::core::audit::{Actor, Cause, Entry, Kind};
use crate::engine::Engine;
use crate::engine::guards::reload::{self, Asked, RollBack};
use crate::github::client::GitHub;
use crate::store::Db;
use crate::store::config_revisions::ConfigRevisionRow;

/// What a person or a service manager tells the process.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// What there is to follow.
pub(super) struct News {
    pub(super) changed: mpsc::Receiver<()>,
    pub(super) signals: Signals,
    pub(super) asked: mpsc::Receiver<Asked>,
}

/// Reloads when asked or when files change; returns when told to stop.
pub(super) async fn steer(
    path: &Path,
    engine: &Engine,
    shared: &Shared,
    ranges_wanted: &Notify,
    mut watch: Watch,
    mut news: News,
) {
    // What changed between the first look at the files and the watch over them would be missed.
    take_up(path.to_path_buf(), engine, shared, ranges_wanted).await;
    loop {
        let mut asked = None;
        tokio::select! {
            _ = news.signals.terminate.recv() => return,
            _ = news.signals.interrupt.recv() => return,
            _ = news.signals.hangup.recv() => tracing::info!("reload asked for by SIGHUP"),
            Some(()) = news.changed.recv() => {}
            Some(wish) = news.asked.recv() => match wish {
                Asked::Reload(answer) => asked = Some(answer),
                Asked::RollBack(wish) => {
                    let RollBack { from, earlier, hold, done } = *wish;
                    // Whoever asked may be gone.
                    let _ = done.send(roll_back(&from, earlier, hold, engine, shared).await);
                    continue;
                }
            },
        }
        take_up(path.to_path_buf(), engine, shared, ranges_wanted).await;
        if let Some(answer) = asked {
            // Whoever asked may be gone.
            let _ = answer.send(());
        }
        if let Err(error) = watch.rearm() {
            tracing::warn!(%error, "the config's directories cannot be watched; SIGHUP reloads");
        }
    }
}

async fn take_up(path: PathBuf, engine: &Engine, shared: &Shared, ranges_wanted: &Notify) {
    let refused_before = engine.config.status().refused.map(|refusal| refusal.problems);
    let (live, github, shared) = (Arc::clone(&engine.config), Arc::clone(&engine.github), shared.clone());
    // Before the config: whoever sees its rules must not reach GitHub on the terms of the old one.
    let (db, old, runtime) = (engine.db.clone(), live.current(), tokio::runtime::Handle::current());
    let before = live.status().held.map(|held| held.revision);
    let prepare = move |new: &Config| {
        let unusable = |what: &str, why: &dyn std::fmt::Display| Objection::Unusable(format!("{what}: {why}"));
        match runtime.block_on(reload::review(&db, &old, new, Utc::now())) {
            Ok(None) => {}
            Ok(Some(hold)) => return Err(Objection::Hold(Box::new(hold))),
            Err(error) => return Err(unusable("what its rules would touch cannot be counted", &error)),
        }
        let made =
            GitHub::new(shared.settings(new)).map_err(|error| unusable("GitHub cannot be reached so", &error))?;
        let old = github.swap(Arc::new(made));
        tokio::spawn(async move { old.settle().await });
        Ok(())
    };
    let read = tokio::task::spawn_blocking(move || live.reload(&path, actions::kinds(), Utc::now(), prepare)).await;
    match read {
        Ok(ReloadOutcome::Same) => {}
        Ok(ReloadOutcome::Refused(problems)) => {
            let running = engine.config.current().revision.hash.clone();
            tracing::error!(running, "the changed config is refused and the old one goes on:\n{problems}");
            // An editor's save is often several changes of the file.
            if refused_before.as_ref() != Some(&problems) {
                record_refusal(&engine.db, running, problems.to_string()).await;
            }
        }
        Ok(ReloadOutcome::Held(hold)) if before.as_ref() != Some(&hold.revision) => tell_of(&hold),
        Ok(ReloadOutcome::Held(_)) => {}
        Ok(ReloadOutcome::Swapped { old, new, needs_restart }) => {
            if wants_ranges(&new) && !wants_ranges(&old) {
                ranges_wanted.notify_one();
            }
            tracing::info!(
                from = old.revision.hash,
                to = new.revision.hash,
                git_commit = new.revision.git_commit.as_deref(),
                rules = new.rules.len(),
                "config reloaded"
            );
            if !needs_restart.is_empty() {
                tracing::warn!(keys = needs_restart.join(", "), "these take effect at the next start only");
            }
            announce_config(&engine.db, &new).await;
        }
        Err(error) => tracing::error!(%error, "the reload ended badly; the old config goes on"),
    }
}

/// Puts an earlier config in the place of the one in use.
async fn roll_back(
    from: &str,
    earlier: Config,
    hold: Option<Hold>,
    engine: &Engine,
    shared: &Shared,
) -> Result<(), String> {
    if engine.config.current().revision.hash != from {
        return Err("another config was taken up meanwhile: look at `orchd config history` and ask again".to_owned());
    }
    let made =
        GitHub::new(shared.settings(&earlier)).map_err(|error| format!("GitHub cannot be reached so: {error}"))?;
    // Before the config: whoever sees its rules must not reach GitHub on the terms of the other one.
    let github = engine.github.swap(Arc::new(made));
    tokio::spawn(async move { github.settle().await });
    let (old, new) = engine.config.roll_back(earlier, hold);
    tracing::warn!(from = old.revision.hash, to = new.revision.hash, "a person rolled the config back");
    announce_config(&engine.db, &new).await;
    Ok(())
}

fn tell_of(hold: &Hold) {
    let rules: Vec<String> = hold.rules.iter().map(|each| format!("{} ({})", each.rule, each.items)).collect();
    tracing::warn!(
        held = hold.revision,
        items = hold.items,
        rules = rules.join(", "),
        "the changed config is held and the old one goes on: its new or changed rules would have acted on more than {} \
         issues and pull requests in the last day; `orchd config confirm {}` takes it up",
        hold.most,
        hold.revision
    );
}

pub(super) async fn announce_config(db: &Db, config: &Config) {
    for note in &config.notes {
        tracing::warn!("{}:{}:{}: {}", note.file.display(), note.line, note.column, note.message);
    }
    let row = ConfigRevisionRow {
        revision: config.revision.hash.clone(),
        git_commit: config.revision.git_commit.clone(),
        path: config.revision.path.display().to_string(),
        effective: config.effective.clone(),
        loaded_at: config.revision.loaded_at,
    };
    if let Err(error) = db.record_config(&row).await {
        tracing::warn!(%error, "the config revision could not be recorded");
    }
}

async fn record_refusal(db: &Db, running: String, problems: String) {
    let cause = Cause { config_revision: Some(running), ..Cause::default() };
    let entry = Entry::new(Kind::ConfigRefused, Actor::Orchd, Utc::now());
    if let Err(error) = db.audit(vec![Entry { cause, note: Some(problems), ..entry }]).await {
        tracing::warn!(%error, "the refusal of the config could not be recorded");
    }
}
