//! Looks through issues and pull requests for changes that no delivery told, and tells them as events of source `swept`.
//!
//! The last net: for what GitHub never tried to deliver, or dropped before orchd could ask. It sees what an item became,
//! not what happened to it: several changes are one event, who made them is not known, and what leaves no trace in
//! `updated_at` is not seen.

use std::collections::HashMap;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde_json::Value;

use super::deliveries::OVERLAP;
use super::report::{How, count_recovered};
use super::stop::{FAILURES_IN_A_ROW, Stop, delta};
use crate::config::Config;
use crate::engine::Engine;
use crate::engine::ingest::new_event;
use crate::github::GitHubError;
use crate::github::client::Reader;
use crate::github::items::{self, Item, Place, SAME_MOMENT, State, Telling, Which};
use crate::github::limits::Priority;
use crate::store::events::{IngestStatus, Source};
use crate::store::recovery::{Progress, Scope, SweptRepository, Told};

/// Sweeps the repositories that are due, up to `horizon`: what is newer may still be on its way. Never fails: what could
/// not be swept is due again.
pub(super) async fn sweep(engine: &Engine, horizon: DateTime<Utc>) {
    let config = engine.config.current();
    if config.recovery.sweep.is_none() {
        return;
    }
    let turn = match engine.db.alone_at("sweep").await {
        Ok(Some(turn)) => turn,
        Ok(None) => return,
        Err(error) => return tracing::warn!(%error, "nothing could be swept"),
    };
    let mut sweep = Sweep { engine, horizon, left: config.recovery.max_requests };
    match sweep.due(&config).await {
        Ok(()) => {}
        Err(Stop::Budget) => tracing::info!("the sweep goes on later: recovery.max_requests is used up"),
        Err(Stop::Limited(seconds)) => tracing::warn!(seconds, "the sweep goes on later: GitHub asked to wait"),
        Err(Stop::Failed(reason)) => tracing::warn!(reason, "the sweep goes on later"),
    }
    turn.end().await;
}

struct Sweep<'a> {
    engine: &'a Engine,
    horizon: DateTime<Utc>,
    /// Requests that may still be sent.
    left: u32,
}

impl Sweep<'_> {
    async fn due(&mut self, config: &Config) -> Result<(), Stop> {
        let Some(terms) = &config.recovery.sweep else { return Ok(()) };
        let mut failures = 0;
        for repository in self.engine.db.swept_repositories().await? {
            if !terms.repositories.includes(&repository.name) {
                continue;
            }
            let scope = Scope::Items(repository.github_id);
            let known = self.engine.db.recovery_progress(&scope).await?;
            let seen_until = known.map(|known| known.seen_until);
            if seen_until.is_some_and(|seen| self.horizon - seen < delta(terms.every)) {
                continue;
            }
            // A first sweep asks for what changed since orchd has known the repository: before that nothing was missed.
            let since = seen_until.unwrap_or(repository.known_since);
            match self.repository(&repository, since - OVERLAP).await {
                Ok(()) => failures = 0,
                // What it says may be about this one only: the others get their turn, and it stays due.
                Err(Stop::Failed(reason)) if failures + 1 < FAILURES_IN_A_ROW => {
                    tracing::warn!(repository = %repository.name, reason, "a repository could not be swept");
                    failures += 1;
                    continue;
                }
                Err(stop) => return Err(stop),
            }
            self.keep(&scope, self.horizon).await?;
        }
        Ok(())
    }

    /// Goes through what changed, the oldest first, so that it can go on from any point.
    async fn repository(&mut self, repository: &SweptRepository, since: DateTime<Utc>) -> Result<(), Stop> {
        let github = self.engine.github.load_full();
        let reader = github.reader(Some(repository.installation)).at(Priority::Sweep);
        let mut place = Place::since(since);
        let mut described = None;
        loop {
            self.spend()?;
            let items = match items::page(&reader, &repository.name, Which::All, place).await {
                Err(GitHubError::NotFound(_)) => {
                    tracing::info!(repository = %repository.name, "not swept: it is gone, or has no issues");
                    return Ok(());
                }
                items => items?,
            };
            let numbers: Vec<u64> = items.iter().map(|item| item.number).collect();
            let told = self.engine.db.told_items(repository.github_id, &numbers).await?;
            let horizon = self.horizon;
            for item in items.iter().filter(|item| item.updated_at <= horizon) {
                self.item(&reader, repository, item, &told, &mut described).await?;
            }
            let Some(next) = place.after(&items) else { return Ok(()) };
            place = next;
            self.keep(&Scope::Items(repository.github_id), place.since.min(self.horizon)).await?;
        }
    }

    async fn item(
        &mut self,
        reader: &Reader,
        repository: &SweptRepository,
        item: &Item,
        told: &HashMap<u64, Told>,
        described: &mut Option<Value>,
    ) -> Result<(), Stop> {
        let told = told.get(&item.number);
        if told.is_some_and(|told| item.updated_at <= told.at) {
            return Ok(());
        }
        let state = match told {
            Some(told) => self.engine.db.payload(told.event).await?.and_then(|payload| items::state_in(&payload)),
            None => None,
        };
        let known = told.map(|told| (told.at, state));
        let Some(action) = action(item, known, repository.known_since) else { return Ok(()) };
        let repository_json = match described {
            Some(described) => &*described,
            None => {
                self.spend()?;
                &*described.insert(items::described(reader, &repository.name).await?)
            }
        };
        let pull = if item.is_pull {
            self.spend()?;
            match items::pull_request(reader, &repository.name, item.number).await {
                // Deleted or moved since it was listed.
                Err(GitHubError::NotFound(_)) => return Ok(()),
                pull => Some(pull?),
            }
        } else {
            None
        };
        let delivery_id = delivery_id(repository.github_id, item);
        let telling = Telling {
            event: None,
            action,
            item,
            pull: pull.as_ref(),
            repository: repository_json,
            installation: repository.installation,
            delivery_id: &delivery_id,
        };
        let (named, envelope, payload) = telling.told().map_err(|error| Stop::Failed(error.to_string()))?;
        let event = new_event(named, envelope, payload, Source::Swept, (self.engine.clock)());
        let ingested = self.engine.ingest.submit(event).await?;
        if ingested.status == IngestStatus::Accepted {
            let (name, number) = (&repository.name, item.number);
            tracing::warn!(event_id = %ingested.id, repository = %name, item = number, delivery_id, event_action = action, updated_at = %item.updated_at, "a change that no delivery told");
            count_recovered(How::Swept);
        }
        Ok(())
    }

    async fn keep(&self, scope: &Scope, seen_until: DateTime<Utc>) -> Result<(), Stop> {
        let progress = Progress { seen_until, resume: None, lost: None };
        Ok(self.engine.db.save_recovery(scope, &progress, (self.engine.clock)()).await?)
    }

    fn spend(&mut self) -> Result<(), Stop> {
        self.left = self.left.checked_sub(1).ok_or(Stop::Budget)?;
        Ok(())
    }
}

/// The same change is the same delivery, however often it is found.
fn delivery_id(repository: i64, item: &Item) -> String {
    format!("sweep:{repository}:{}:{}", item.number, item.updated_at.timestamp())
}

/// What to call a change, given when the item was last told about and in which state it was then. `None`: no news.
fn action(
    item: &Item,
    told: Option<(DateTime<Utc>, Option<State>)>,
    known_since: DateTime<Utc>,
) -> Option<&'static str> {
    let Some((at, state)) = told else {
        // GitHub's times have seconds.
        let known_since = known_since.trunc_subsecs(0);
        let new = item.created_at >= known_since;
        return (item.updated_at >= known_since).then_some(match item.state {
            State::Open if new => "opened",
            State::Closed if new => "closed",
            _ => "edited",
        });
    };
    let since = item.updated_at - at;
    match (state, item.state) {
        _ if since <= TimeDelta::zero() => None,
        (Some(State::Open), State::Closed) => Some("closed"),
        (Some(State::Closed), State::Open) => Some("reopened"),
        _ => (since > delta(SAME_MOMENT)).then_some("edited"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(minute: u32) -> DateTime<Utc> {
        format!("2026-03-01T12:{minute:02}:00Z").parse().unwrap()
    }

    #[test]
    fn a_change_is_named_by_what_is_known() {
        use State::{Closed, Open};
        let known = at(10);
        for (created, updated, state, told, expected) in [
            (11, 12, Open, None, Some("opened")),
            (11, 12, Closed, None, Some("closed")),
            // Older than orchd's knowledge of the repository: its opening was not missed.
            (5, 12, Open, None, Some("edited")),
            (5, 12, Closed, None, Some("edited")),
            (5, 9, Closed, None, None),
            (5, 12, Closed, Some((11, Some(Open))), Some("closed")),
            (5, 12, Open, Some((11, Some(Closed))), Some("reopened")),
            (5, 12, Open, Some((11, Some(Open))), Some("edited")),
            (5, 12, Closed, Some((11, None)), Some("edited")),
            (5, 12, Open, Some((12, Some(Open))), None),
            // A newer event told it.
            (5, 12, Closed, Some((13, Some(Open))), None),
        ] {
            let item = items::stand_in(7, state, at(created), at(updated));
            let told = told.map(|(minute, state)| (at(minute), state));
            assert_eq!(action(&item, told, known), expected, "{created} {updated} {state:?} {told:?}");
        }
        let item = items::stand_in(7, Open, at(5), at(12));
        let just_before = at(12) - TimeDelta::seconds(3);
        assert_eq!(action(&item, Some((just_before, Some(Open))), known), None);
        assert_eq!(action(&item, Some((just_before, Some(Closed))), known), Some("reopened"));
        assert_eq!(
            delivery_id(55, &item),
            "sweep:55:7:1772366400".replace("1772366400", &at(12).timestamp().to_string())
        );
    }
}
