//! One run over GitHub's list of deliveries: list newest first, ask the ledger, fetch what is missing oldest first.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::report::{How, count_gap, count_recovered, count_unrecoverable, show_lost, show_missing};
use super::stop::{FAILURES_IN_A_ROW, Stop, delta};
use super::{Order, Outcome, Report, Span};
use crate::config;
use crate::engine::Engine;
use crate::engine::ingest::new_event;
use crate::github::GitHubError;
use crate::github::client::Reader;
use crate::github::deliveries::{self, Attempt, Cursor, Pulled};
use crate::store::events::{IngestStatus, Source};
use crate::store::recovery::{Lost, Progress, Resume, Scope};

/// A delivery enters GitHub's list when its attempt has ended, ten seconds and more after it began, and not always in
/// order: what was looked through this long before is looked through again.
pub(super) const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// Pages of the list in one run, however much it may cost: what they hold is kept in memory meanwhile. 200,000 deliveries.
const MOST_PAGES: u32 = 2_000;

/// Looks through GitHub's list once. Never fails: what went wrong is in the report.
pub(super) async fn look_through(engine: &Engine, order: Order) -> Report {
    let config = engine.config.current();
    let now = (engine.clock)();
    let mut report = Report::new(now, order.dry_run);
    let github = engine.github.load_full();
    if !github.has_app() {
        report.outcome = Outcome::NoApp;
        return report;
    }
    let turn = match engine.db.alone_at("recovery").await {
        Ok(Some(turn)) => turn,
        Ok(None) => {
            report.outcome = Outcome::Elsewhere;
            return report;
        }
        Err(error) => {
            report.outcome = Outcome::Failed { reason: error.to_string() };
            return report;
        }
    };
    let mut run = Run { engine, app: github.reader(None), left: config.recovery.max_requests, order, report };
    if let Err(stop) = run.go(&config).await {
        run.report.outcome = stop.into();
    }
    turn.end().await;
    run.report.finished_at = (engine.clock)();
    run.report
}

struct Run<'a> {
    engine: &'a Engine,
    app: Reader,
    /// Requests that may still be sent.
    left: u32,
    order: Order,
    report: Report,
}

/// What GitHub's list held.
struct Listing {
    /// Not in the ledger, newest first, the newest attempt of each.
    missing: Vec<Attempt>,
    /// Where the list goes on, when the run had to stop before its end.
    rest: Option<Cursor>,
}

impl Run<'_> {
    async fn go(&mut self, config: &config::Config) -> Result<(), Stop> {
        let now = self.report.started_at;
        let horizon = if self.order.at_start { now } else { now - delta(config.recovery.grace) };
        let known = self.engine.db.recovery_progress(&Scope::Deliveries).await?;
        // What retention has dropped is not missing.
        let reach = (now - delta(config.recovery.window)).max(now - delta(config.retention.events));
        let floor = self.floor(known.as_ref(), reach, horizon).await?;
        self.report.looked = Span { from: floor, until: horizon };
        let resume = known.as_ref().filter(|_| self.order.since.is_none()).and_then(|known| known.resume.clone());

        let mut listing = self.list(resume.as_ref(), floor, horizon).await?;
        self.report.missing = listing.missing.len() as u64;
        self.report.left = self.report.missing;
        if self.order.dry_run {
            return if listing.rest.is_some() { Err(Stop::Budget) } else { Ok(()) };
        }
        listing.missing.sort_unstable_by_key(|attempt| (attempt.delivered_at, attempt.id));
        let (undone, fetched) = self.fetch(&listing.missing).await;
        let seen = seen_until(&listing, undone, resume.as_ref(), horizon);
        self.keep(known, floor, seen, delta(config.recovery.window)).await?;
        show_missing(self.report.left);
        fetched?;
        if listing.rest.is_some() { Err(Stop::Budget) } else { Ok(()) }
    }

    /// The oldest moment to look at. Nothing from before orchd's first event is fetched unasked: that was not missed.
    async fn floor(
        &mut self,
        known: Option<&Progress>,
        reach: DateTime<Utc>,
        horizon: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, Stop> {
        if let Some(since) = self.order.since {
            return Ok(since.max(reach).min(horizon));
        }
        let Some(known) = known else {
            let first = self.engine.db.first_event_at().await?;
            return Ok(first.unwrap_or(horizon).max(reach).min(horizon));
        };
        if known.seen_until < reach {
            self.report.lose(known.seen_until, reach);
            tracing::warn!(
                from = %known.seen_until,
                until = %reach,
                "deliveries of this time can no longer be looked through: GitHub (recovery.window) or orchd \
                 (retention.events) keeps them no longer; a sweep finds what issues and pull requests became"
            );
        }
        Ok((known.seen_until - OVERLAP).max(reach))
    }

    /// Half of what the run may cost is for the list, so that a long one never leaves nothing for what is missing.
    async fn list(
        &mut self,
        resume: Option<&Resume>,
        floor: DateTime<Utc>,
        horizon: DateTime<Utc>,
    ) -> Result<Listing, Stop> {
        let mut pages = (self.left / 2).clamp(1, MOST_PAGES);
        let mut from = resume.and_then(|resume| Cursor::parse(&resume.cursor));
        let mut seen = HashSet::new();
        let mut missing = Vec::new();
        loop {
            if pages == 0 {
                return Ok(Listing { missing, rest: from });
            }
            pages -= 1;
            self.spend()?;
            let page = match deliveries::list(&self.app, from.as_ref()).await {
                // A cursor of an earlier run that GitHub no longer takes: from the top again.
                Err(GitHubError::Refused { .. } | GitHubError::NotFound(_)) if seen.is_empty() && from.is_some() => {
                    from = None;
                    continue;
                }
                page => page?,
            };
            if page.unreadable > 0 {
                tracing::warn!(entries = page.unreadable, "GitHub's list of deliveries holds what cannot be read");
            }
            let newest = page.attempts.iter().map(|attempt| attempt.delivered_at).max();
            let new: Vec<Attempt> = page
                .attempts
                .into_iter()
                .filter(|attempt| (floor..=horizon).contains(&attempt.delivered_at))
                .filter(|attempt| seen.insert(attempt.guid.clone()))
                .collect();
            self.report.found += new.len() as u64;
            let guids: Vec<&str> = new.iter().map(|attempt| attempt.guid.as_str()).collect();
            let unknown = self.engine.db.unknown_deliveries(&guids).await?;
            missing.extend(new.into_iter().filter(|attempt| unknown.contains(&attempt.guid)));
            // Not strictly in order of time: only a page that is too old as a whole is the end.
            if page.next.is_none() || newest.is_some_and(|newest| newest < floor) {
                return Ok(Listing { missing, rest: None });
            }
            from = page.next;
        }
    }

    /// Fetches what is missing, oldest first. Tells when the first one was delivered that is still to be done.
    async fn fetch(&mut self, missing: &[Attempt]) -> (Option<DateTime<Utc>>, Result<(), Stop>) {
        let mut undone: Option<DateTime<Utc>> = None;
        let mut failures = 0;
        for attempt in missing {
            match self.fetch_one(attempt).await {
                Ok(()) => {
                    failures = 0;
                    self.report.left -= 1;
                }
                // What it says may be about this one only, so the others get their turn, and it gets another.
                Err(Stop::Failed(reason)) if failures + 1 < FAILURES_IN_A_ROW => {
                    tracing::warn!(delivery_id = attempt.guid, reason, "a missing delivery could not be fetched yet");
                    failures += 1;
                    undone.get_or_insert(attempt.delivered_at);
                }
                Err(stop) => return (undone.or(Some(attempt.delivered_at)), Err(stop)),
            }
        }
        let ended = match failures {
            0 => Ok(()),
            _ => Err(Stop::Failed("some missing deliveries could not be fetched".to_owned())),
        };
        (undone, ended)
    }

    async fn fetch_one(&mut self, attempt: &Attempt) -> Result<(), Stop> {
        self.spend()?;
        let most = self.engine.config.current().server.max_body;
        match deliveries::pull(&self.app, attempt).await {
            Ok(Pulled::Event { payload, .. }) if payload.len() as u64 > most => {
                self.lose(attempt, "its payload is larger than server.max_body");
                Ok(())
            }
            Ok(Pulled::Event { named, envelope, payload }) => {
                let now = (self.engine.clock)();
                let event = new_event(named, *envelope, payload, Source::Recovered, now);
                let ingested = self.engine.ingest.submit(event).await?;
                match ingested.status {
                    IngestStatus::Accepted => {
                        tracing::info!(event_id = %ingested.id, delivery_id = attempt.guid, event = attempt.event, delivered_at = %attempt.delivered_at, "a delivery that had not arrived was recovered");
                        self.report.recovered += 1;
                        count_gap();
                        count_recovered(How::Pulled);
                    }
                    IngestStatus::Duplicate | IngestStatus::Requeued => self.report.arrived += 1,
                }
                Ok(())
            }
            Ok(Pulled::NoPayload) => self.ask_again(attempt).await,
            Ok(Pulled::Unusable(bad)) => {
                self.lose(attempt, &bad.to_string());
                Ok(())
            }
            Err(GitHubError::NotFound(_)) => {
                self.lose(attempt, "GitHub no longer has it");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Unasked, only once: what comes of it is a new attempt in the list, and asking again each time would go on for ever.
    async fn ask_again(&mut self, attempt: &Attempt) -> Result<(), Stop> {
        if attempt.redelivery && self.order.since.is_none() {
            self.lose(attempt, "GitHub has no payload to give, and delivered it once more in vain");
            return Ok(());
        }
        self.spend()?;
        match deliveries::ask_again(&self.app, attempt.id).await {
            Ok(()) => {
                tracing::info!(delivery_id = attempt.guid, "GitHub was asked to deliver once more");
                self.report.redelivery_asked += 1;
                count_gap();
                count_recovered(How::Redelivery);
            }
            Err(error @ (GitHubError::NotFound(_) | GitHubError::Refused { .. })) => {
                self.lose(attempt, &error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn lose(&mut self, attempt: &Attempt, reason: &str) {
        let (delivery_id, event, at) = (&attempt.guid, &attempt.event, attempt.delivered_at);
        tracing::error!(delivery_id, event, delivered_at = %at, reason, "a delivery cannot be recovered");
        self.report.unrecoverable += 1;
        count_unrecoverable();
        count_gap();
        self.report.lose(at, at);
    }

    fn spend(&mut self) -> Result<(), Stop> {
        self.left = self.left.checked_sub(1).ok_or(Stop::Budget)?;
        self.report.requests += 1;
        Ok(())
    }

    /// Keeps how far was looked, and what is lost.
    async fn keep(
        &mut self,
        known: Option<Progress>,
        floor: DateTime<Utc>,
        seen: SeenUntil,
        window: TimeDelta,
    ) -> Result<(), Stop> {
        let now = (self.engine.clock)();
        let lost = self.report.lost.map(|span| Lost { from: span.from, until: span.until, noticed_at: now });
        let old = known.as_ref().and_then(|known| known.lost).filter(|lost| now - lost.noticed_at < window);
        let lost = match (old, lost) {
            (Some(old), Some(new)) => {
                Some(Lost { from: old.from.min(new.from), until: old.until.max(new.until), ..new })
            }
            (old, new) => new.or(old),
        };
        // A look at the latest hour by hand says nothing about what lies between it and the last run.
        let gap = known.as_ref().is_some_and(|known| known.seen_until < floor && self.order.since.is_some());
        let mut progress = known.unwrap_or(Progress { seen_until: floor, resume: None, lost: None });
        progress.lost = lost;
        match seen {
            _ if gap => {}
            SeenUntil::Unchanged => {}
            SeenUntil::Here(at) => {
                progress = Progress { seen_until: at.max(progress.seen_until), resume: None, ..progress }
            }
            SeenUntil::GoOn(resume) => progress.resume = Some(resume),
        }
        self.engine.db.save_recovery(&Scope::Deliveries, &progress, now).await?;
        show_lost(progress.lost.map(|lost| lost.from), now);
        Ok(())
    }
}

/// How far a run has come.
#[derive(Debug, PartialEq, Eq)]
enum SeenUntil {
    /// What was listed has to be listed again.
    Unchanged,
    /// Nothing up to here is missing.
    Here(DateTime<Utc>),
    /// The newer part of a long list is done.
    GoOn(Resume),
}

/// `undone`: when the oldest delivery was made that is still missing.
fn seen_until(
    listing: &Listing,
    undone: Option<DateTime<Utc>>,
    resume: Option<&Resume>,
    horizon: DateTime<Utc>,
) -> SeenUntil {
    let top = resume.map_or(horizon, |resume| resume.top);
    match (undone, &listing.rest) {
        (None, None) => SeenUntil::Here(top),
        (None, Some(rest)) => SeenUntil::GoOn(Resume { cursor: rest.as_str().to_owned(), top }),
        (Some(undone), None) if resume.is_none() => SeenUntil::Here(undone - TimeDelta::microseconds(1)),
        (Some(_), _) => SeenUntil::Unchanged,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(minute * 60, 0).unwrap()
    }

    #[test]
    fn how_far_was_seen_never_passes_what_is_missing() {
        let cursor = || Cursor::parse("v1_5");
        let go_on = |top| SeenUntil::GoOn(Resume { cursor: "v1_5".to_owned(), top });
        let earlier = Resume { cursor: "v1_9".to_owned(), top: at(50) };
        let just_before = SeenUntil::Here(at(40) - TimeDelta::microseconds(1));
        for (rest, undone, resume, expected) in [
            (None, None, None, SeenUntil::Here(at(60))),
            (None, Some(at(40)), None, just_before),
            // A list too long for one run: nothing is seen before its end, but its newer part need not be read again.
            (cursor(), None, None, go_on(at(60))),
            (cursor(), Some(at(40)), None, SeenUntil::Unchanged),
            // Its older part, with what was the newest then.
            (None, None, Some(&earlier), SeenUntil::Here(at(50))),
            (None, Some(at(40)), Some(&earlier), SeenUntil::Unchanged),
            (cursor(), None, Some(&earlier), go_on(at(50))),
        ] {
            let listing = Listing { missing: Vec::new(), rest };
            let seen = seen_until(&listing, undone, resume, at(60));
            assert_eq!(seen, expected, "{:?} {undone:?} {resume:?}", listing.rest);
        }
    }
}
