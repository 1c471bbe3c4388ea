//! `GET /rules`: every rule with what it did of late, and the breakers that are tripped; resetting these.

use std::collections::HashMap;

use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use serde_json::Value;
use warp::reply::Response;

use super::super::api::endpoints::{EffectsList, GuardsList, GuardsReset, GuardsResetAll, RulesList};
use super::super::api::{MOST_COVERED, RuleShown};
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::hours::Counts;
use super::super::page;
use super::chart::Spark;
use super::parts::{Pager, Pill, When, thousands};
use super::visit::query;
use super::{Layout, Visit, states};
use crate::core::access::Op;
use crate::core::event::RepoName;
use crate::core::intent::as_written;
use crate::core::rule::RuleName;
use crate::core::text::{harmless, shortened};
use crate::store::Among;
use crate::store::effects::EffectRow;
use crate::store::guards::{Guard, TripRow};

/// Rules of a page.
const ROWS: usize = 30;

/// Held effects and breakers that are looked at.
const LOOKED_AT: &str = "200";

/// Breakers that are shown.
const MOST_TRIPS: usize = 50;

/// Triggers and actions that are named of a rule.
const NAMED: usize = 3;

#[derive(Template)]
#[template(path = "pages/rules.html")]
struct RulesPage {
    layout: Layout,
    rows: Vec<RuleLine>,
    /// Rules that are not of the server's config, or not of it any more.
    others: Vec<OtherLine>,
    trips: Trips,
    name: String,
    mode: String,
    is_filtered: bool,
    total: usize,
    pager: Pager,
}

/// A rule as a row.
struct RuleLine {
    name: String,
    mode: Pill,
    on: String,
    does: String,
    place: String,
    matches: String,
    effects: String,
    chart: Spark,
    held: Option<String>,
    tripped: Option<String>,
}

struct OtherLine {
    name: String,
    told: &'static str,
    matches: String,
    effects: String,
}

/// Breakers that are tripped.
#[derive(Template)]
#[template(path = "pages/trips.html")]
pub(super) struct Trips {
    rows: Vec<TripLine>,
    /// Breakers that are not shown.
    more: usize,
    may_reset_all: bool,
    csrf: String,
    /// The rule on whose page they stand.
    of: Option<String>,
}

impl askama::filters::HtmlSafe for Trips {}

struct TripLine {
    id: String,
    rule: String,
    place: String,
    url: String,
    guard: &'static str,
    note: String,
    since: When,
    until: Option<When>,
    may_reset: bool,
}

impl Trips {
    /// `of`: those of one rule.
    pub(super) async fn of(visit: &Visit, of: Option<&RuleName>) -> Result<(Self, Vec<TripRow>), HttpError> {
        let tripped = visit.ask(GuardsList, &[], query([("limit", LOOKED_AT)])).await?.rows;
        let tripped: Vec<TripRow> =
            tripped.into_iter().filter(|trip| of.is_none_or(|rule| trip.rule == *rule)).collect();
        let trips = Self {
            rows: tripped.iter().take(MOST_TRIPS).map(|trip| TripLine::of(trip, visit)).collect(),
            more: tripped.len().saturating_sub(MOST_TRIPS),
            may_reset_all: of.is_none() && visit.may_in(Op::GuardsResetAll, None),
            csrf: visit.csrf(),
            of: of.map(RuleName::to_string),
        };
        Ok((trips, tripped))
    }
}

impl TripLine {
    fn of(trip: &TripRow, visit: &Visit) -> Self {
        Self {
            id: trip.id.to_string(),
            rule: trip.rule.to_string(),
            place: trip.place(),
            url: place_url(&trip.repository, trip.number),
            guard: match trip.guard {
                Guard::Depth => "a chain of effects",
                Guard::FlipFlop => "back and forth",
            },
            note: harmless(&trip.note),
            since: When::at(trip.tripped_at),
            until: When::maybe(trip.ends_at),
            may_reset: visit.may_in(Op::GuardsReset, Some(&trip.repository)),
        }
    }
}

/// Where an item is shown, or its repository where the number is 0.
pub(super) fn place_url(repository: &RepoName, number: u64) -> String {
    if number == 0 { format!("/repositories/{repository}") } else { format!("/items/{repository}/{number}") }
}

/// What triggers a rule, in a phrase.
pub(super) fn triggers(rule: &Value) -> String {
    let on = rule.get("on").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    some_of(on.map(str::to_owned).collect())
}

/// What it does, in a phrase.
pub(super) fn deeds(rule: &Value) -> String {
    let then = rule.get("then").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    let written = then.flatten().map(|(name, params)| match as_written(params).as_str() {
        "" | "{}" => name.clone(),
        params => shortened(&harmless(&format!("{name} {params}"))),
    });
    some_of(written.collect())
}

fn some_of(mut all: Vec<String>) -> String {
    let more = all.len().saturating_sub(NAMED);
    all.truncate(NAMED);
    let named = all.join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

/// Where it acts: as the rule says it, or how many of one's own repositories.
pub(super) fn place(shown: &RuleShown) -> String {
    let globs = shown.rule.get("repositories").and_then(Value::as_array);
    let globs: Vec<String> = globs.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    match (globs.as_slice(), shown.covers.as_slice()) {
        ([all], _) if all == "**" => "every repository".to_owned(),
        ([], [one]) => one.to_string(),
        ([], covers) if covers.len() == MOST_COVERED => format!("{MOST_COVERED} of your repositories or more"),
        ([], covers) => format!("{} of your repositories", covers.len()),
        _ => shortened(&globs.join(", ")),
    }
}

/// What happened of late, by rule.
struct Late {
    hours: Vec<(DateTime<Utc>, Counts)>,
    held: HashMap<RuleName, u64>,
    /// There may be more of them than were counted.
    held_is_cut: bool,
    tripped: HashMap<RuleName, u64>,
}

impl Late {
    fn matches(&self, rule: &RuleName) -> Vec<u64> {
        self.hours.iter().map(|(_, counts)| counts.matches.get(rule).copied().unwrap_or_default()).collect()
    }

    fn effects(&self, rule: &RuleName) -> u64 {
        self.hours.iter().filter_map(|(_, counts)| counts.effects.get(rule)).sum()
    }
}

pub(super) async fn show(visit: Visit) -> Result<Response, HttpError> {
    let now = Utc::now();
    let rules = visit.ask(RulesList, &[], Vec::new()).await?.rows;
    let (trips, tripped) = Trips::of(&visit, None).await?;
    let hours = visit.app.hours().of(&visit.app.db, &Among::of(&visit.caller.sight), now).await?;
    let held = visit.ask(EffectsList, &[], query([("state", "held"), ("limit", LOOKED_AT)])).await?;
    let of_late = |effect: &&EffectRow| effect.created_at > now - TimeDelta::days(1);
    let late = Late {
        hours,
        held_is_cut: held.next.is_some() && held.rows.last().as_ref().is_some_and(of_late),
        held: counted(held.rows.iter().filter(of_late).map(|effect| &effect.intent.rule)),
        tripped: counted(tripped.iter().map(|trip| &trip.rule)),
    };
    let filters: Vec<(String, String)> =
        visit.query.filled().into_iter().filter(|(name, _)| matches!(name.as_str(), "name" | "mode")).collect();
    let (name, wanted) = (visit.query.get("name").unwrap_or_default(), visit.query.get("mode").unwrap_or_default());
    let fits = |rule: &&RuleShown| {
        rule.name.as_str().to_lowercase().contains(&name.trim().to_lowercase())
            && (wanted.is_empty() || states::mode(rule.mode).is(wanted))
    };
    let fitting: Vec<&RuleShown> = rules.iter().filter(fits).collect();
    let after = visit.query.get("after").filter(|after| !after.is_empty());
    let begin =
        after.and_then(|after| fitting.iter().position(|rule| rule.name.as_str() == after)).map_or(0, |at| at + 1);
    let shown: Vec<_> = fitting.iter().skip(begin).take(ROWS).collect();
    let next = shown.last().filter(|_| fitting.len() > begin + ROWS).map(|rule| rule.name.to_string());
    let page = RulesPage {
        layout: visit.layout("Rules"),
        rows: shown.into_iter().map(|rule| RuleLine::of(rule, &late)).collect(),
        others: others(&rules, &late),
        trips,
        name: name.to_owned(),
        mode: wanted.to_owned(),
        is_filtered: !filters.is_empty(),
        total: rules.len(),
        pager: Pager::new("/rules", &filters, after, next),
    };
    page::html(StatusCode::OK, &page)
}

fn counted<'r>(rules: impl Iterator<Item = &'r RuleName>) -> HashMap<RuleName, u64> {
    let mut counts = HashMap::new();
    for rule in rules {
        *counts.entry(rule.clone()).or_default() += 1;
    }
    counts
}

/// What acted in the last day and is no rule of the list, the busiest first.
fn others(rules: &[RuleShown], late: &Late) -> Vec<OtherLine> {
    let known = |name: &RuleName| rules.iter().any(|rule| rule.name == *name);
    let counts = late.hours.iter().flat_map(|(_, counts)| counts.matches.keys().chain(counts.effects.keys()));
    let mut names: Vec<&RuleName> = counts.filter(|name| !known(name)).collect();
    names.sort();
    names.dedup();
    let mut found: Vec<_> =
        names.into_iter().map(|name| (name, late.matches(name).iter().sum::<u64>(), late.effects(name))).collect();
    found.sort_by_key(|(_, matches, effects)| std::cmp::Reverse((*effects, *matches)));
    let line = |(name, matches, effects): (&RuleName, u64, u64)| OtherLine {
        name: name.to_string(),
        told: told_of(name),
        matches: thousands(matches),
        effects: thousands(effects),
    };
    found.into_iter().take(ROWS).map(line).collect()
}

/// Whose rule it is when it is none of the server's config.
pub(super) fn told_of(name: &RuleName) -> &'static str {
    match () {
        () if name.is_of_command() => "a command in a comment",
        () if name.is_ours() => "orchd's own",
        () if name.repository().is_some() => "of the repository's own file",
        () => "no longer in the config",
    }
}

impl RuleLine {
    fn of(shown: &RuleShown, late: &Late) -> Self {
        let matches = late.matches(&shown.name);
        let held = late.held.get(&shown.name).map(|count| thousands(*count));
        Self {
            name: shown.name.to_string(),
            mode: states::mode(shown.mode),
            on: triggers(&shown.rule),
            does: deeds(&shown.rule),
            place: place(shown),
            matches: thousands(matches.iter().sum::<u64>()),
            effects: thousands(late.effects(&shown.name)),
            chart: Spark::of("matches", &matches),
            held: held.map(|count| if late.held_is_cut { format!("{count} or more") } else { count }),
            tripped: late.tripped.get(&shown.name).map(|count| thousands(*count)),
        }
    }
}

/// `POST /breakers/{id}/reset`.
pub(super) async fn reset(visit: Visit) -> Result<Response, HttpError> {
    visit.ask(GuardsReset, &[visit.named(0)], Vec::new()).await?;
    let rule = visit.form.get("rule").and_then(|rule| RuleName::parse(rule).ok());
    visit.done(&rule.map_or_else(|| "/rules".to_owned(), |rule| format!("/rules/{rule}")), "breaker-reset")
}

/// `POST /breakers/reset`.
pub(super) async fn reset_all(visit: Visit) -> Result<Response, HttpError> {
    visit.ask(GuardsResetAll, &[], Vec::new()).await?;
    visit.done("/rules", "breakers-reset")
}
