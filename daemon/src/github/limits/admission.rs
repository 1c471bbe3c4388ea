//! Lets requests through one by one as budget and breaker allow, the more urgent ones first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::breaker::{Breaker, BreakerTerms, Pass};
use super::budget::{Ask, Report, Why};
use super::{Budgets, Cost, Priority, Refusal, Reply, Resource, Terms, Told, duration};
use crate::github::GitHubError;
use crate::github::transport::Identity;

/// A shorter wait happens inside a request; a longer one is told to the caller, whose job comes back then. Short, because a
/// job that waits keeps a worker from other installations, and shorter than a stop may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon a waiting request looks again: what is under way may end, and another daemon may give back.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Reads granted at once where a step is a trip to a database; doubled from one while they are used up in time.
const MOST_AT_ONCE: u32 = 16;
/// So long may a granted read wait to be sent. The windows are counted at a tenth less than GitHub's, which covers it.
const POCKET_LIFE: Duration = Duration::from_secs(1);
/// Identities remembered, people among them. One that is forgotten while nothing is under way loses its breaker, and what
/// its budget was not told yet.
const MOST_PARTIES: usize = 10_000;

/// Everybody's budgets and breakers at one host.
pub(in crate::github) struct Limits {
    host: String,
    terms: Terms,
    breaker_terms: BreakerTerms,
    budgets: Budgets,
    slots: Arc<Semaphore>,
    parties: Mutex<HashMap<Identity, Arc<Party>>>,
}

/// One identity.
struct Party {
    /// Names its budget.
    name: String,
    /// By priority and cost: within one, who came first goes first, and a change that has to wait holds up no read.
    turnstiles: [[tokio::sync::Mutex<()>; 3]; 3],
    local: Mutex<Local>,
    breaker: Mutex<Breaker>,
    /// What came of the last request that failed.
    failure: Mutex<String>,
    probed: Notify,
}

struct Local {
    /// Not yet told to the budget.
    reports: Vec<Report>,
    /// By priority.
    pockets: [Pocket; 3],
    trouble: Option<(Why, DateTime<Utc>)>,
}

/// Reads that were granted and not sent yet.
#[derive(Clone, Copy)]
struct Pocket {
    left: u32,
    then: i64,
    taken: Instant,
    /// How many to ask for the next time.
    size: u32,
}

/// A request that may be sent. Dropped without an answer, it counts as lost: GitHub may have seen it.
pub(in crate::github) struct Admitted {
    party: Arc<Party>,
    budgets: Budgets,
    terms: Terms,
    resource: Resource,
    probe: bool,
    settled: bool,
    _slot: OwnedSemaphorePermit,
}

/// What is wrong between orchd and GitHub for one identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PartyState {
    /// `installation 5`, `app`, `anonymous`; never a person.
    pub who: String,
    pub trouble: Trouble,
    pub seconds_left: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The circuit breaker is open.
    Open,
    /// The hour's quota is used up.
    Exhausted,
    /// GitHub refused and named a time.
    Refused,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "GitHub does not answer",
            Self::Exhausted => "the hour's quota is used up",
            Self::Refused => "GitHub refused for a limit",
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Limits {
    pub(in crate::github) fn new(host: String, terms: Terms, breaker_terms: BreakerTerms, budgets: Budgets) -> Self {
        // There from the start: of a counter that begins with its first count no rate tells that count.
        metrics::counter!("orchd_github_refused_for_limits_total").increment(0);
        for why in Why::ALL {
            metrics::counter!("orchd_github_postponed_total", "why" => why.word()).increment(0);
        }
        let slots = Arc::new(Semaphore::new(terms.at_once as usize));
        Self { host, terms, breaker_terms, budgets, slots, parties: Mutex::default() }
    }

    fn party(&self, who: Identity) -> Arc<Party> {
        let mut parties = lock(&self.parties);
        if parties.len() >= MOST_PARTIES && !parties.contains_key(&who) {
            parties.retain(|_, party| Arc::strong_count(party) > 1);
        }
        let make = || {
            let pocket = Pocket { left: 0, then: 0, taken: Instant::now(), size: 1 };
            let local = Local { reports: Vec::new(), pockets: [pocket; 3], trouble: None };
            Arc::new(Party {
                name: format!("{} {who}", self.host),
                turnstiles: Default::default(),
                local: Mutex::new(local),
                breaker: Mutex::new(Breaker::new(self.breaker_terms.clone())),
                failure: Mutex::default(),
                probed: Notify::new(),
            })
        };
        Arc::clone(parties.entry(who).or_insert_with(make))
    }

    /// Waits until a request may be sent, at most five seconds.
    ///
    /// # Errors
    /// `Limited` when it would have to wait longer.
    pub(in crate::github) async fn admit(&self, who: Identity, ask: Ask) -> Result<Admitted, GitHubError> {
        let party = self.party(who);
        let deadline = Instant::now() + PATIENCE;
        let crowded = |_| limited(LOOK_AGAIN, "others wait before it");
        let turnstile = &party.turnstiles[ask.priority as usize][ask.cost as usize];
        let _turn = timeout_at(deadline, turnstile.lock()).await.map_err(crowded)?;
        loop {
            let slot = timeout_at(deadline, Arc::clone(&self.slots).acquire_owned()).await.map_err(crowded)?;
            let slot = slot.map_err(|_| GitHubError::Unavailable("the client is closed".to_owned()))?;
            let (wait, why) = match self.take(&party, ask).await? {
                Reply::Granted { probe, .. } => {
                    let (budgets, terms) = (self.budgets.clone(), self.terms.clone());
                    let (party, resource) = (Arc::clone(&party), ask.resource);
                    return Ok(Admitted { party, budgets, terms, resource, probe, settled: false, _slot: slot });
                }
                Reply::Wait { wait, why } => (duration(wait), why),
                Reply::Noted { .. } => (LOOK_AGAIN, Why::Unknown),
            };
            drop(slot);
            if Instant::now() + wait > deadline {
                metrics::counter!("orchd_github_postponed_total", "why" => why.word()).increment(1);
                lock(&party.local).trouble = Some((why, Utc::now() + delta(wait)));
                return Err(limited(wait, &format!("of {}: {}", party.name, why.word())));
            }
            metrics::histogram!("orchd_github_wait_seconds", "why" => why.word()).record(wait);
            tokio::time::sleep(wait.min(LOOK_AGAIN)).await;
        }
    }

    /// From what was granted before, else from the budget.
    async fn take(&self, party: &Party, ask: Ask) -> Result<Reply, GitHubError> {
        let pocketed = self.budgets.is_kept() && ask.cost == Cost::Read && ask.resource == Resource::Core;
        let place = ask.priority as usize;
        let mut ask = ask;
        if pocketed {
            let mut local = lock(&party.local);
            let pocket = &mut local.pockets[place];
            let fresh = pocket.taken.elapsed() < POCKET_LIFE;
            if pocket.left > 0 && fresh {
                pocket.left -= 1;
                return Ok(Reply::Granted { count: 1, then: pocket.then, probe: false });
            }
            pocket.size = if fresh { (pocket.size * 2).min(MOST_AT_ONCE) } else { 1 };
            ask.count = pocket.size;
            put_back(&mut local, place);
        }
        let reply = self.step(party, Some(ask)).await?;
        if let Reply::Granted { count, then, .. } = reply
            && pocketed
        {
            let pocket = &mut lock(&party.local).pockets[place];
            (pocket.left, pocket.then, pocket.taken) = (count - 1, then, Instant::now());
        }
        Ok(reply)
    }

    async fn step(&self, party: &Party, ask: Option<Ask>) -> Result<Reply, GitHubError> {
        step(party, &self.budgets, &self.terms, ask).await
    }

    /// Tells the budgets what has happened since the last step, and gives back what was not used: before a stop.
    pub(in crate::github) async fn settle(&self) {
        let parties: Vec<_> = lock(&self.parties).values().cloned().collect();
        for party in parties {
            (0..Priority::ALL.len()).for_each(|place| put_back(&mut lock(&party.local), place));
            if let Err(error) = self.step(&party, None).await {
                tracing::warn!(%error, "a budget was not settled; what was granted counts as used");
            }
        }
    }

    /// Whether the breaker lets a request through; waits while somebody finds out. Gives whether to find out first.
    ///
    /// # Errors
    /// `Down` while the breaker is open.
    pub(in crate::github) async fn pass(&self, who: Identity, probe_takes: Duration) -> Result<bool, GitHubError> {
        let party = self.party(who);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let news = party.probed.notified();
            let pass = lock(&party.breaker).ask(Utc::now(), probe_takes);
            match pass {
                Pass::Go => return Ok(false),
                Pass::Probe => return Ok(true),
                Pass::Wait(left) => return Err(down(&party, left)),
                Pass::Soon if timeout_at(deadline, news).await.is_ok() => {}
                Pass::Soon => return Err(down(&party, LOOK_AGAIN)),
            }
        }
    }

    /// GitHub gave an answer that is no 5xx; `proof`: to a request that asked for no more than that.
    pub(in crate::github) fn alive(&self, who: Identity, proof: bool) {
        let party = self.party(who);
        let answered = if proof { Breaker::proved_alive } else { Breaker::answered };
        if answered(&mut lock(&party.breaker)) {
            tracing::info!(budget = party.name, "GitHub answers again: the circuit breaker is closed");
        }
        party.probed.notify_waiters();
    }

    /// GitHub gave none, or a 5xx: `cause` is for whoever looks into it.
    pub(in crate::github) fn failed(&self, who: Identity, cause: &str) {
        let party = self.party(who);
        cause.clone_into(&mut lock(&party.failure));
        if let Some(wait) = lock(&party.breaker).failed(Utc::now()) {
            tracing::warn!(
                budget = party.name,
                seconds = wait.as_secs_f64(),
                cause,
                "GitHub does not answer: the circuit breaker is open"
            );
        }
        party.probed.notify_waiters();
    }

    /// Says how long to leave GitHub alone, at least a moment, and why.
    pub(in crate::github) fn down(&self, who: Identity) -> GitHubError {
        let party = self.party(who);
        let open = lock(&party.breaker).open_for(Utc::now());
        down(&party, open.unwrap_or(self.breaker_terms.open).max(LOOK_AGAIN.min(self.breaker_terms.open)))
    }

    /// What is wrong now. People are left out: anybody may read it, and what one of them used up stops nobody else.
    pub(in crate::github) fn troubles(&self) -> Vec<PartyState> {
        let now = Utc::now();
        let parties: Vec<_> = lock(&self.parties)
            .iter()
            .filter(|(who, _)| !is_person(**who))
            .map(|(who, party)| (*who, Arc::clone(party)))
            .collect();
        let mut states = Vec::new();
        for (who, party) in parties {
            let mut tell = |trouble, left: Duration| {
                states.push(PartyState { who: who.to_string(), trouble, seconds_left: left.as_secs() });
            };
            if let Some(left) = lock(&party.breaker).open_for(now) {
                tell(Trouble::Open, left);
            }
            if let Some((why, until)) = lock(&party.local).trouble
                && let Ok(left) = (until - now).to_std()
            {
                match why {
                    Why::Exhausted => tell(Trouble::Exhausted, left),
                    Why::Refused => tell(Trouble::Refused, left),
                    _ => {}
                }
            }
        }
        states.sort_by(|a, b| a.who.cmp(&b.who));
        states
    }
}

fn limited(wait: Duration, which: &str) -> GitHubError {
    GitHubError::Limited { retry_after: wait, message: format!("orchd waits so that GitHub need not refuse ({which})") }
}

fn down(party: &Party, left: Duration) -> GitHubError {
    GitHubError::Down { retry_after: left, cause: lock(&party.failure).clone() }
}

fn is_person(who: Identity) -> bool {
    matches!(who, Identity::User(_))
}

fn delta(wait: Duration) -> TimeDelta {
    TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX)
}

/// What is left in a pocket goes back to the budget with the next step.
fn put_back(local: &mut Local, place: usize) {
    let pocket = &mut local.pockets[place];
    let (count, then) = (std::mem::take(&mut pocket.left), pocket.then);
    if count > 0 {
        local.reports.push(Report::Unused { resource: Resource::Core, then, count });
    }
}

async fn step(party: &Party, budgets: &Budgets, terms: &Terms, ask: Option<Ask>) -> Result<Reply, GitHubError> {
    let reports = std::mem::take(&mut lock(&party.local).reports);
    let again = reports.clone();
    let began = Instant::now();
    let stepped = budgets.step(&party.name, terms, reports, ask).await;
    metrics::histogram!("orchd_github_budget_step_seconds").record(began.elapsed());
    stepped.map_err(|error| {
        // Nothing was changed: it is told the next time.
        lock(&party.local).reports.splice(0..0, again);
        limited(LOOK_AGAIN, &error.to_string())
    })
}

impl Admitted {
    /// An answer that was no refusal for a limit.
    pub(in crate::github) async fn answered(mut self, told: Option<Told>, success: bool) {
        self.report(Report::Answered { resource: self.resource, told, success });
        // Everybody else waits for what this one found out, in other processes too.
        if self.probe
            && let Err(error) = step(&self.party, &self.budgets, &self.terms, None).await
        {
            tracing::warn!(%error, "what GitHub told of its quota is kept later");
        }
    }

    /// GitHub refused for a limit. Gives how long to wait.
    pub(in crate::github) async fn refused(mut self, refusal: Refusal, told: Option<Told>) -> Duration {
        let resource = told.and_then(|told| told.resource).unwrap_or(self.resource);
        self.report(Report::Answered { resource: self.resource, told, success: false });
        {
            // What was granted before is not to be sent any more either.
            let mut local = lock(&self.party.local);
            (0..Priority::ALL.len()).for_each(|place| put_back(&mut local, place));
            local.reports.push(Report::Refused { resource, refusal });
        }
        metrics::counter!("orchd_github_refused_for_limits_total").increment(1);
        let wait = match step(&self.party, &self.budgets, &self.terms, None).await {
            Ok(Reply::Noted { closed }) => duration(closed),
            Ok(_) | Err(_) => Duration::from_secs(60),
        };
        tracing::warn!(budget = self.party.name, seconds = wait.as_secs(), "GitHub refused for a limit");
        lock(&self.party.local).trouble = Some((Why::Refused, Utc::now() + delta(wait)));
        wait
    }

    fn report(&mut self, report: Report) {
        self.settled = true;
        lock(&self.party.local).reports.push(report);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if !self.settled {
            let resource = self.resource;
            self.report(Report::Lost { resource });
        }
    }
}
