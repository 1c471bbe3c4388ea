//! Once a day, tells the rules that wait for `schedule.daily` of every open issue and pull request.
//!
//! What a rule says no to by what the list tells is not stored: most items of most days. So `orchd why` knows of an item what
//! was decided on the days on which something was to be done, or more had to be asked.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Engine;
use super::ingest::new_event;
use super::recover::stop::{FAILURES_IN_A_ROW, Stop, delta};
use crate::core::decide::{Outcome, Verdict, decide};
use crate::core::event::{Event, EventId, RepoName};
use crate::core::event_names::SCHEDULE;
use crate::core::facts::Facts;
use crate::core::rule::{Mode, Rule};
use crate::github::GitHubError;
use crate::github::client::Reader;
use crate::github::items::{self, Item, Place, Telling, Which};
use crate::github::limits::Priority;
use crate::store::events::Source;
use crate::store::recovery::{Progress, Scope, SweptRepository};

const DAILY: &str = "daily";

/// How often is looked whether a repository is due: its day may end at any time, and a reload may bring the first such rule.
const LOOK: Duration = Duration::from_secs(30);
/// Where days are shorter than that, as in tests.
const LEAST_LOOK: Duration = Duration::from_millis(100);
/// After a round that could not be finished.
const REST: Duration = Duration::from_secs(3_600);

/// Runs until told to stop.
pub async fn keep(engine: Engine, stop: CancellationToken) {
    let mut pause = LEAST_LOOK;
    loop {
        let run = async {
            tokio::time::sleep(pause).await;
            tell_due(&engine).await
        };
        let whole = tokio::select! {
            () = stop.cancelled() => return,
            whole = run => whole,
        };
        let every = engine.config.current().schedule.every;
        pause = if whole { (every / 10).clamp(LEAST_LOOK, LOOK) } else { every.min(REST) };
    }
}

/// Tells of the repositories that are due. False: not of all of them, they stay due.
async fn tell_due(engine: &Engine) -> bool {
    let config = engine.config.current();
    let waits = |rule: &&Rule| rule.mode != Mode::Off && rule.on.iter().any(|on| on.event_name() == Some(SCHEDULE));
    let rules: Vec<Rule> = config.rules.iter().filter(waits).cloned().collect();
    if rules.is_empty() {
        return true;
    }
    let turn = match engine.db.alone_at(SCHEDULE).await {
        Ok(Some(turn)) => turn,
        Ok(None) => return true,
        Err(error) => {
            tracing::warn!(%error, "the day's items could not be told");
            return false;
        }
    };
    let mut day = Day { engine, rules, left: config.schedule.max_requests, every: config.schedule.every };
    let told = day.go().await;
    let whole = told.is_ok();
    match told {
        Ok(()) => {}
        Err(Stop::Budget) => tracing::info!("the day's items are told later: schedule.max_requests is used up"),
        Err(Stop::Limited(seconds)) => tracing::warn!(seconds, "the day's items are told later: GitHub asked to wait"),
        Err(Stop::Failed(reason)) => tracing::warn!(reason, "the day's items are told later"),
    }
    turn.end().await;
    whole
}

struct Day<'a> {
    engine: &'a Engine,
    rules: Vec<Rule>,
    /// Requests that may still be sent.
    left: u32,
    every: Duration,
}

impl Day<'_> {
    async fn go(&mut self) -> Result<(), Stop> {
        let mut failures = 0;
        for repository in self.engine.db.swept_repositories().await? {
            if !self.rules.iter().any(|rule| rule.repositories.includes(&repository.name)) {
                continue;
            }
            let (scope, now) = (Scope::Daily(repository.github_id), (self.engine.clock)());
            let last = self.engine.db.recovery_progress(&scope).await?.map(|known| known.seen_until);
            if last.is_some_and(|last| now - last < delta(self.every)) {
                continue;
            }
            match self.repository(&repository, now).await {
                Ok(()) => failures = 0,
                // What it says may be about this one only: the others get their turn, and it stays due.
                Err(Stop::Failed(reason)) if failures + 1 < FAILURES_IN_A_ROW => {
                    tracing::warn!(repository = %repository.name, reason, "the items of a repository could not be told");
                    failures += 1;
                    continue;
                }
                Err(stop) => return Err(stop),
            }
            let done = Progress { seen_until: now, resume: None, lost: None };
            self.engine.db.save_recovery(&scope, &done, now).await?;
        }
        Ok(())
    }

    async fn repository(&mut self, repository: &SweptRepository, now: DateTime<Utc>) -> Result<(), Stop> {
        let github = self.engine.github.load_full();
        let reader = github.reader(Some(repository.installation)).at(Priority::Sweep);
        let described = match self.described(&reader, &repository.name).await {
            Err(GitHubError::NotFound(_)) => return Ok(()),
            described => described?,
        };
        let mut place = Some(Place::since(DateTime::UNIX_EPOCH));
        // What a rule changes meanwhile comes by once more, at the end.
        let mut told = HashSet::new();
        while let Some(here) = place {
            self.spend()?;
            let items = items::page(&reader, &repository.name, Which::Open, here).await?;
            for item in items.iter().filter(|item| told.insert(item.number)) {
                self.item(repository, &described, item, now).await?;
            }
            place = here.after(&items);
        }
        Ok(())
    }

    async fn described(&mut self, reader: &Reader, name: &RepoName) -> Result<Value, GitHubError> {
        self.left = self.left.saturating_sub(1);
        items::described(reader, name).await
    }

    async fn item(
        &self,
        repository: &SweptRepository,
        described: &Value,
        item: &Item,
        now: DateTime<Utc>,
    ) -> Result<(), Stop> {
        let delivery_id = format!("{SCHEDULE}:{}:{}:{}", repository.github_id, item.number, now.timestamp_millis());
        let telling = Telling {
            event: Some(SCHEDULE),
            action: DAILY,
            item,
            pull: None,
            repository: described,
            installation: repository.installation,
            delivery_id: &delivery_id,
        };
        let (named, envelope, payload) = telling.told().map_err(|error| Stop::Failed(error.to_string()))?;
        let value = serde_json::from_slice(&payload).map_err(|error| Stop::Failed(error.to_string()))?;
        let event = Event::from_payload(EventId(uuid::Uuid::nil()), SCHEDULE, now, value);
        if matters(&self.rules, &event) {
            self.engine.ingest.submit(new_event(named, envelope, payload, Source::Scheduled, now)).await?;
        }
        Ok(())
    }

    fn spend(&mut self) -> Result<(), Stop> {
        self.left = self.left.checked_sub(1).ok_or(Stop::Budget)?;
        Ok(())
    }
}

/// Whether a rule says yes to the item, or must ask for more before it can say no.
fn matters(rules: &[Rule], event: &Event) -> bool {
    match decide(rules, event, &Facts::from_event(event)) {
        Outcome::Decided(decisions) => decisions.iter().any(|decision| decision.verdict == Verdict::Matched),
        Outcome::Needs(_) => true,
    }
}
