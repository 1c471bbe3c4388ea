//! What other rules would have done: a backtest, read as far as a page waits for it.

use std::collections::BTreeMap;
use std::time::Duration;

use askama::Template;
use askama::filters::HtmlSafe;
use chrono::{SecondsFormat, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::super::api::endpoints::BacktestsRun;
use super::super::error::HttpError;
use super::Visit;
use super::parts::{Pill, Tone, thousands};
use crate::core::backtest::{Counts, Deed, Difference, Unknown, add_counts};
use crate::core::event::{EventId, RepoName};
use crate::core::intent::as_written;
use crate::core::rule::RuleName;
use crate::core::text::{harmless, shortened};
use crate::engine::backtest::Summary;

/// How long a page waits for it.
const WAITS: Duration = Duration::from_secs(20);

/// Differences that are shown.
const MOST_ROWS: usize = 100;

/// Days that are offered, and which is picked unless somebody picks.
pub(super) const DAYS: [u32; 3] = [1, 7, 30];
pub(super) const USUAL_DAYS: u32 = 7;

/// What to try.
pub(super) struct Trying<'a> {
    /// As `config show` shows them.
    pub(super) rules: &'a Value,
    /// Whose differences are shown; `None`: everybody's.
    pub(super) of: Option<&'a [RuleName]>,
    pub(super) days: u32,
    pub(super) repository: Option<&'a RepoName>,
    /// How it is asked for in a shell.
    pub(super) file: &'a str,
}

/// What it came to.
#[derive(Template)]
#[template(path = "pages/trial.html")]
pub(in crate::http) struct Trial {
    days: u32,
    events: String,
    /// How far it came, in per cent, when it did not come to its end in time.
    cut_at: Option<u32>,
    command: String,
    failed: Option<String>,
    rules: Vec<RuleCounts>,
    rows: Vec<Row>,
    /// Differences that are not shown.
    more: u64,
    /// Differences of rules that are not looked at here.
    others: u64,
    notes: Vec<String>,
}

impl HtmlSafe for Trial {}

struct RuleCounts {
    rule: String,
    added: String,
    removed: String,
    unchanged: String,
    unknown: String,
    shadow: String,
}

/// A difference.
struct Row {
    state: Pill,
    rule: String,
    about: String,
    url: Option<String>,
    what: String,
    event: EventId,
}

/// A line of the answer.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Progress { events: u64, done: f64 },
    Summary(Summary),
    Failed(String),
    Added(Deed),
    Removed(Deed),
    Unknown(Unknown),
}

/// What was read so far.
#[derive(Default)]
struct Heard {
    rows: Vec<Row>,
    more: u64,
    others: u64,
    counts: BTreeMap<RuleName, Counts>,
    events: u64,
    done: f64,
    summary: Option<Summary>,
    failed: Option<String>,
}

impl Trial {
    /// Runs it as whoever visits. When the page waits no longer, nobody reads on, and it ends.
    ///
    /// # Errors
    /// As the API's.
    pub(super) async fn run(visit: &Visit, trying: &Trying<'_>) -> Result<Self, HttpError> {
        let ends = Instant::now() + WAITS;
        let since = Utc::now() - TimeDelta::days(trying.days.into());
        let mut query = vec![("since".to_owned(), since.to_rfc3339_opts(SecondsFormat::Micros, true))];
        query.extend(trying.repository.map(|name| ("repo".to_owned(), name.to_string())));
        let mut lines = visit.send(BacktestsRun, query, &json!({"rules": trying.rules})).await?;
        let mut heard = Heard::default();
        while let Ok(Some(part)) = timeout_at(ends, lines.recv()).await {
            for line in part.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let line = serde_json::from_slice(line)
                    .map_err(|error| HttpError::Internal { cause: format!("a backtest's line: {error}") })?;
                heard.take(line, trying.of);
            }
        }
        Ok(heard.told(trying))
    }
}

impl Heard {
    fn take(&mut self, line: Line, of: Option<&[RuleName]>) {
        match line {
            Line::Progress { events, done } => (self.events, self.done) = (events, done),
            Line::Summary(summary) => self.summary = Some(summary),
            Line::Failed(reason) => self.failed = Some(reason),
            Line::Added(deed) => self.note(&Difference::Added(deed), of),
            Line::Removed(deed) => self.note(&Difference::Removed(deed), of),
            Line::Unknown(unknown) => self.note(&Difference::Unknown(unknown), of),
        }
    }

    fn note(&mut self, difference: &Difference, of: Option<&[RuleName]>) {
        let one = match difference {
            Difference::Added(_) => Counts { added: 1, ..Counts::default() },
            Difference::Removed(_) => Counts { removed: 1, ..Counts::default() },
            Difference::Unknown(_) => Counts { unknown: 1, ..Counts::default() },
        };
        add_counts(&mut self.counts, &BTreeMap::from([(difference.rule().clone(), one)]));
        if of.is_some_and(|rules| !rules.contains(difference.rule())) {
            self.others += 1;
        } else if self.rows.len() == MOST_ROWS {
            self.more += 1;
        } else {
            self.rows.push(Row::of(difference));
        }
    }

    fn told(self, trying: &Trying<'_>) -> Trial {
        let whole = self.summary.filter(|summary| summary.complete);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share, 0 to 1")]
        let cut_at = (whole.is_none() && self.failed.is_none()).then_some((self.done * 100.0) as u32);
        let notes = whole.as_ref().map(left_open).unwrap_or_default();
        let events = whole.as_ref().map_or(self.events, |summary| summary.events);
        let counts = whole.map_or(self.counts, |summary| summary.rules);
        let shown = counts.iter().filter(|(rule, _)| trying.of.is_none_or(|rules| rules.contains(rule)));
        let repo = trying.repository.map(|name| format!(" --repo {name}")).unwrap_or_default();
        Trial {
            days: trying.days,
            events: thousands(events),
            cut_at,
            command: format!("orchd backtest --config {} --since {}d{repo}", trying.file, trying.days),
            failed: self.failed,
            rules: shown.take(MOST_ROWS).map(|(rule, counts)| RuleCounts::of(rule, *counts)).collect(),
            rows: self.rows,
            more: self.more,
            others: self.others,
            notes,
        }
    }
}

/// What a summary leaves open.
fn left_open(summary: &Summary) -> Vec<String> {
    let Summary { without_payload, not_processed, .. } = summary;
    let mut notes = Vec::new();
    if *without_payload > 0 {
        let count = thousands(*without_payload);
        notes.push(format!("{count} events could not be decided on: their payloads are dropped, or cannot be read."));
    }
    if *not_processed > 0 {
        notes.push(format!("{} events still wait to be decided on, and were left out.", thousands(*not_processed)));
    }
    notes
}

impl RuleCounts {
    fn of(rule: &RuleName, counts: Counts) -> Self {
        let Counts { added, removed, unchanged, unknown, shadow } = counts;
        let [added, removed, unchanged, unknown, shadow] = [added, removed, unchanged, unknown, shadow].map(thousands);
        Self { rule: rule.to_string(), added, removed, unchanged, unknown, shadow }
    }
}

impl Row {
    fn of(difference: &Difference) -> Self {
        let written = |deed: &Deed| shortened(&harmless(&format!("{} {}", deed.action, as_written(&deed.params))));
        let (state, what, event, place) = match difference {
            Difference::Added(deed) => (
                Pill::new(Tone::Good, "would do"),
                written(deed),
                deed.event,
                Some((deed.target.repository.clone(), deed.target.number)),
            ),
            Difference::Removed(deed) => (
                Pill::new(Tone::Look, "would not do"),
                written(deed),
                deed.event,
                Some((deed.target.repository.clone(), deed.target.number)),
            ),
            Difference::Unknown(Unknown { event, repository, number, needs, .. }) => {
                let needs: Vec<String> = needs.iter().map(ToString::to_string).collect();
                let what = format!("it hangs on {}, which nobody asked for then", needs.join(" and "));
                let place = repository.clone().map(|name| (name, number.unwrap_or_default()));
                (Pill::new(Tone::Quiet, "cannot tell"), what, *event, place)
            }
        };
        let url = place.map(|(name, number)| super::rules::place_url(&name, number));
        Self { state, rule: difference.rule().to_string(), about: difference.about(), url, what, event }
    }
}
