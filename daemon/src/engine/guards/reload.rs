//! Whether a changed config may be taken up, or would touch so much that a person has to say so first.

use std::collections::{HashMap, HashSet};
use std::future::ready;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::oneshot;

use crate::actions;
use crate::config::hold::{HeldRule, Hold};
use crate::config::{Config, Revision};
use crate::core::backtest::Difference;
use crate::core::rule::{Rule, RuleName};
use crate::engine::backtest::{self, Backtest};
use crate::store::recorded::Span;
use crate::store::{Db, StoreError};

/// Events of so long are counted.
const LOOK_BACK: TimeDelta = TimeDelta::days(1);

/// Counting ends after this, with what was found by then.
const COUNTS_FOR: Duration = Duration::from_secs(5);

/// What somebody asks for, and waits until it is over.
#[derive(Debug)]
pub enum Asked {
    Reload(oneshot::Sender<()>),
    /// Put this config in the place of the one in use. It is answered why that cannot be.
    RollBack(Box<RollBack>),
}

/// A wish to put an earlier config back.
#[derive(Debug)]
pub struct RollBack {
    /// The revision in use that it was judged by.
    pub from: String,
    pub earlier: Config,
    /// What is on disk, when that is known.
    pub hold: Option<Hold>,
    pub done: oneshot::Sender<Result<(), String>>,
}

/// Why `new` may not take the place of `old`; `None`: it may. A revision that was held stays held, whatever would be
/// counted now, until a person lets it in.
///
/// # Errors
/// When the store does not tell what happened.
pub async fn review(db: &Db, old: &Config, new: &Config, now: DateTime<Utc>) -> Result<Option<Hold>, StoreError> {
    // Only its secrets are others, or another daemon put aside what runs here.
    if new.revision.hash == old.revision.hash && !old.stands_in {
        return Ok(None);
    }
    match db.config_hold(&new.revision.hash).await? {
        Some((_, true)) => return Ok(None),
        Some((told, false)) => {
            let hold: Hold =
                serde_json::from_value(told).map_err(|error| StoreError::Corrupt(format!("column hold: {error}")))?;
            // What was only counted stays held as long as anything is; what a person put aside does so anyway.
            if hold.rolled_back_to.is_some() || old.guards.hold_reload_over.is_some() {
                return Ok(Some(hold));
            }
        }
        None => {}
    }
    let Some(most) = old.guards.hold_reload_over else { return Ok(None) };
    let rules = new.rules_changed_since(old);
    if rules.is_empty() {
        return Ok(None);
    }
    let wrote = !old.github.dry_run && !old.github.read_only;
    let counted = count(db, rules, wrote, now).await?;
    let items: HashSet<_> = counted.items.values().flatten().collect();
    if items.len() as u64 <= u64::from(most) {
        return Ok(None);
    }
    let mut touched: Vec<HeldRule> =
        counted.items.iter().map(|(rule, items)| HeldRule { rule: rule.clone(), items: items.len() as u64 }).collect();
    touched.sort_by(|a, b| b.items.cmp(&a.items).then_with(|| a.rule.cmp(&b.rule)));
    let hold = Hold {
        revision: new.revision.hash.clone(),
        git_commit: new.revision.git_commit.clone(),
        items: items.len() as u64,
        most,
        complete: counted.complete,
        rules: touched,
        held_at: now,
        rolled_back_to: None,
    };
    let told = serde_json::to_value(&hold).map_err(|error| StoreError::Failed(error.to_string()))?;
    db.hold_config(&hold.revision, &told, now).await?;
    Ok(Some(hold))
}

/// What to start with: the config on disk, or with what ran last in place of what would be held.
///
/// # Errors
/// When the store does not tell what ran.
pub async fn start_with(db: &Db, disk: Config, now: DateTime<Utc>) -> Result<Config, StoreError> {
    let path = disk.revision.path.display().to_string();
    let Some(last) = db.last_config(&path).await?.filter(|last| last.revision != disk.revision.hash) else {
        return Ok(disk);
    };
    let revision = Revision { hash: last.revision, git_commit: last.git_commit, ..disk.revision.clone() };
    let earlier = match disk.acting_as(revision, &last.effective, actions::kinds()) {
        Ok(earlier) => earlier,
        Err(problems) => {
            tracing::warn!(%problems, "the rules that ran last can no longer be read: the config on disk is taken as it is");
            return Ok(disk);
        }
    };
    Ok(if review(db, &earlier, &disk, now).await?.is_some() { earlier } else { disk })
}

/// What rules would have acted on that was left alone.
#[derive(Default)]
struct Counted {
    items: HashMap<RuleName, HashSet<String>>,
    complete: bool,
}

/// Tries rules on the events of the last day. Where what was known of an event does not settle a rule, it is taken to act.
async fn count(db: &Db, rules: Vec<Rule>, wrote: bool, now: DateTime<Utc>) -> Result<Counted, StoreError> {
    let until = Instant::now() + COUNTS_FOR;
    let span = Span { since: now - LOOK_BACK, until: now + TimeDelta::hours(1), repository: None };
    let trial = Backtest { rules: rules.into(), span, gated_counts: wrote };
    let mut counted = Counted::default();
    let items = &mut counted.items;
    let summary = backtest::run(db, &trial, |part| {
        for difference in part.differences {
            if !matches!(difference, Difference::Removed(_)) {
                items.entry(difference.rule().clone()).or_default().insert(difference.about());
            }
        }
        let time_is_up = Instant::now() > until;
        ready(if time_is_up { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    counted.complete = summary.await?.complete;
    Ok(counted)
}
