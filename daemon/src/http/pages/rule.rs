//! `GET /rules/{rule}`: one rule, what it decided and did, and what another text of it would have done.

use askama::Template;
use chrono::{DateTime, Utc};
use http::StatusCode;
use warp::reply::Response;

use super::super::api::endpoints::{DecisionsList, EffectsList, RulesList};
use super::super::api::{MOST_COVERED, RuleShown};
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::hours::Counts;
use super::super::page;
use super::chart::Bars;
use super::parts::{Pager, Pill, Tree, When};
use super::rules::{Trips, deeds, place, place_url, told_of, triggers};
use super::try_rule::TryForm;
use super::{Layout, Visit, states};
use crate::config::yaml;
use crate::core::access::Op;
use crate::core::decide::Verdict;
use crate::core::event::{EventId, RepoName};
use crate::core::explain::Explanation;
use crate::core::intent::as_written;
use crate::core::rule::{Mode, RuleName};
use crate::core::text::{harmless, shortened};
use crate::store::Among;
use crate::store::decided::DecidedRow;
use crate::store::effects::{EffectRow, EffectState};

/// Decisions of a page, effects, and held ones.
const DECISIONS: &str = "20";
const EFFECTS: &str = "15";

/// Repositories that are named.
const NAMED: usize = 20;

#[derive(Template)]
#[template(path = "pages/rule.html")]
struct RulePage {
    layout: Layout,
    name: String,
    /// `None`: it is no rule of the server's config.
    rule: Option<Written>,
    told: &'static str,
    /// In whose own file it is.
    own: Option<RepoName>,
    matches: Bars,
    effects_chart: Bars,
    trips: Trips,
    held: Vec<EffectLine>,
    effects: Vec<EffectLine>,
    decisions: Vec<DecisionLine>,
    pager: Pager,
    may_shadow: bool,
    may_roll_back: bool,
    form: Option<TryForm>,
}

/// A rule of the server's config.
struct Written {
    mode: Pill,
    is_shadow: bool,
    on: String,
    does: String,
    place: String,
    covers: Vec<RepoName>,
    /// Those that are not named.
    more: Option<String>,
    at: Option<String>,
    yaml: String,
}

impl Written {
    fn of(shown: &RuleShown) -> Self {
        Self {
            mode: states::mode(shown.mode),
            is_shadow: shown.mode == Mode::Shadow,
            on: triggers(&shown.rule),
            does: deeds(&shown.rule),
            place: place(shown),
            covers: shown.covers.iter().take(NAMED).cloned().collect(),
            more: match shown.covers.len() {
                0..=NAMED => None,
                MOST_COVERED => Some(format!("{} more at least", MOST_COVERED - NAMED)),
                count => Some(format!("{} more", count - NAMED)),
            },
            at: shown.at.clone(),
            yaml: yaml::write_rule(&shown.rule),
        }
    }
}

struct EffectLine {
    when: When,
    state: Pill,
    what: String,
    about: String,
    url: String,
    note: String,
    event: EventId,
}

impl EffectLine {
    fn of(effect: &EffectRow) -> Self {
        let intent = &effect.intent;
        Self {
            when: When::at(effect.finished_at.unwrap_or(effect.created_at)),
            state: states::effect(effect.state),
            what: shortened(&harmless(&format!("{} {}", intent.action, as_written(&intent.params)))),
            about: intent.target.to_string(),
            url: place_url(&intent.target.repository, intent.target.number),
            note: harmless(effect.note.as_deref().unwrap_or_default()),
            event: intent.event,
        }
    }
}

struct DecisionLine {
    when: When,
    verdict: Pill,
    on: String,
    about: Option<(String, String)>,
    explanation: Explanation,
    event: EventId,
}

impl DecisionLine {
    fn of(row: DecidedRow) -> Self {
        let number = row.number.unwrap_or_default();
        let about = row.repository.as_ref().map(|name| {
            let told = if number == 0 { name.to_string() } else { format!("{name}#{number}") };
            (told, place_url(name, number))
        });
        Self {
            when: When::at(row.decision.decided_at),
            verdict: states::verdict(row.decision.verdict),
            on: harmless(&row.on),
            about,
            explanation: row.decision.explanation,
            event: row.key.event,
        }
    }

    fn tree(&self) -> Tree<'_> {
        Tree::of(&self.explanation)
    }
}

/// The rule that a URL names.
pub(super) fn named(visit: &Visit) -> Result<RuleName, HttpError> {
    RuleName::parse(visit.named(0)).map_err(|_| missing(visit.named(0)))
}

pub(super) fn missing(name: &str) -> HttpError {
    HttpError::NotFound(format!("there is no rule `{}` that you see, and nothing of one", shortened(&harmless(name))))
}

/// The rule as the config has it.
pub(super) async fn find(visit: &Visit, name: &RuleName) -> Result<Option<RuleShown>, HttpError> {
    let rules = visit.ask(RulesList, &[], Vec::new()).await?.rows;
    Ok(rules.into_iter().find(|rule| rule.name == *name))
}

pub(super) async fn show(visit: Visit) -> Result<Response, HttpError> {
    let name = named(&visit)?;
    let shown = find(&visit, &name).await?;
    let of = |more: &[(&str, &str)]| {
        let pairs = [("rule", name.as_str())].into_iter().chain(more.iter().copied());
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect::<Vec<_>>()
    };
    let after = visit.query.get("after").filter(|after| !after.is_empty());
    let mut asked = of(&[("limit", DECISIONS)]);
    asked.extend(after.map(|after| ("after".to_owned(), after.to_owned())));
    let decisions = visit.ask(DecisionsList, &[], asked).await?;
    let effects = visit.ask(EffectsList, &[], of(&[("limit", EFFECTS)])).await?.rows;
    let held = visit.ask(EffectsList, &[], of(&[("limit", EFFECTS), ("state", "held")])).await?.rows;
    let hours = visit.app.hours().of(&visit.app.db, &Among::of(&visit.caller.sight), Utc::now()).await?;
    let matches = points(&hours, |counts| counts.matches.get(&name));
    // Of a rule for other repositories there are decisions here too: that it looks elsewhere. Its name is not theirs to know.
    let acted = decisions.rows.iter().any(|row| row.decision.verdict != Verdict::Skipped)
        || !effects.is_empty()
        || matches.iter().any(|(_, count)| *count > 0);
    if shown.is_none() && !acted {
        return Err(missing(name.as_str()));
    }
    let done = points(&hours, |counts| counts.effects.get(&name));
    let url = format!("/rules/{name}");
    let pager = Pager::new(&url, &[], after, decisions.next.map(|next| next.to_string()));
    let page = RulePage {
        layout: visit.layout("Rules"),
        rule: shown.as_ref().map(Written::of),
        told: told_of(&name),
        own: name.repository(),
        matches: Bars::of("matches", &matches),
        effects_chart: Bars::of("effects", &done),
        trips: Trips::of(&visit, Some(&name)).await?.0,
        held: held.iter().map(EffectLine::of).collect(),
        effects: effects.iter().filter(|effect| effect.state != EffectState::Held).map(EffectLine::of).collect(),
        decisions: decisions.rows.into_iter().map(DecisionLine::of).collect(),
        pager,
        may_shadow: visit.may(Op::ShadowShow),
        may_roll_back: visit.may(Op::RollbacksPlan),
        form: shown.as_ref().and_then(|rule| TryForm::of(&visit, rule)),
        name: name.to_string(),
    };
    page::html(StatusCode::OK, &page)
}

fn points<'c>(
    hours: &'c [(DateTime<Utc>, Counts)],
    count: impl Fn(&'c Counts) -> Option<&'c u64>,
) -> Vec<(String, u64)> {
    let point = |(hour, counts): &'c (DateTime<Utc>, Counts)| {
        (format!("{} UTC", hour.format("%H:%M")), count(counts).copied().unwrap_or_default())
    };
    hours.iter().map(point).collect()
}
