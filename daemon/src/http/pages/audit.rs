//! `/audit`: who did what, and a row of it with the states before and after.

use std::collections::BTreeMap;

use askama::Template;
use chrono::Utc;
use http::StatusCode;
use serde_json::Value;
use warp::reply::Response;

use super::super::api::endpoints::{AuditList, AuditShow, AuditSummary};
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::page;
use super::form::{Field, asked, filters};
use super::parts::{Pager, When, thousands, whole};
use super::visit::url;
use super::{Layout, Visit};
use crate::core::access::Op;
use crate::core::audit::Kind;
use crate::core::event::RepoName;
use crate::core::text::{harmless, shortened};
use crate::store::audit::AuditRow;

/// Names that the API's list takes, and the form has fields for.
pub(super) const FILTERS: [&str; 5] = ["actor", "kind", "repo", "since", "until"];

/// Differences of two states that are shown.
const MOST_CHANGES: usize = 100;

#[derive(Template)]
#[template(path = "pages/audit.html")]
struct AuditPage {
    layout: Layout,
    fields: Vec<Field>,
    is_filtered: bool,
    summary: Option<Summary>,
    rows: Vec<AuditLine>,
    may_verify: bool,
    /// The same rows as files.
    as_lines: String,
    as_table: String,
    pager: Pager,
    /// Rows may be further back: a page looks at so many only.
    goes_on: bool,
}

/// What the last day was like.
struct Summary {
    rows: String,
    actors: Vec<Share>,
    kinds: Vec<Share>,
}

struct Share {
    name: String,
    count: String,
    url: String,
}

/// A row of the chain.
struct AuditLine {
    seq: i64,
    when: When,
    kind: String,
    actor: String,
    about: Option<About>,
    rule: String,
    note: String,
}

/// What a row is about, and where that is shown; a name of long ago may be none.
struct About {
    name: String,
    url: Option<String>,
}

#[derive(Template)]
#[template(path = "pages/audit_row.html")]
struct RowPage {
    layout: Layout,
    row: AuditLine,
    facts: Vec<Fact>,
    note: Option<String>,
    changes: Vec<Change>,
    more_changes: usize,
    before: Option<String>,
    after: Option<String>,
    pseudonymised: bool,
    hash: String,
}

/// Something that a row names.
struct Fact {
    name: &'static str,
    value: String,
    url: Option<String>,
}

/// What differs between before and after.
#[derive(Debug, PartialEq)]
struct Change {
    what: String,
    before: String,
    after: String,
}

pub(super) async fn list(visit: Visit) -> Result<Response, HttpError> {
    let filters = filters(&visit, &FILTERS);
    let after = visit.query.get("after").filter(|after| !after.is_empty());
    let mut asked = asked(&filters, Utc::now());
    asked.extend(after.map(|after| ("after".to_owned(), after.to_owned())));
    let found = visit.ask(AuditList, &[], asked).await?;
    let summary = match visit.may(Op::AuditSummary) && filters.is_empty() && after.is_none() {
        true => Some(Summary::of(&visit).await?),
        false => None,
    };
    let export = |format: &str| {
        let mut query = filters.clone();
        query.push(("format".to_owned(), format.to_owned()));
        url("/audit/export", &query)
    };
    let shown = AuditPage {
        layout: visit.layout("Audit"),
        fields: fields(&visit),
        is_filtered: !filters.is_empty(),
        summary,
        rows: found.rows.iter().map(AuditLine::of).collect(),
        may_verify: visit.may(Op::AuditVerify),
        as_lines: export("jsonl"),
        as_table: export("csv"),
        goes_on: found.next.is_some(),
        pager: Pager::new("/audit", &filters, after, found.next.map(|next| next.to_string())),
    };
    page::html(StatusCode::OK, &shown)
}

fn fields(visit: &Visit) -> Vec<Field> {
    let given = |name| visit.query.get(name).unwrap_or_default();
    let kinds = Kind::WORDS.iter().map(|word| (*word, spoken(word)));
    vec![
        Field::text("actor", "By", given("actor"), "login, orchd, person or key"),
        Field::choice("kind", "What", given("kind"), [("", "anything".to_owned())].into_iter().chain(kinds)),
        Field::text("repo", "Repository", given("repo"), "acme/web"),
        Field::text("since", "Since (UTC)", given("since"), "2026-01-31, or 2h"),
        Field::text("until", "Before (UTC)", given("until"), "2026-02-01"),
    ]
}

/// The word of a kind as people read it.
fn spoken(word: &str) -> String {
    harmless(&word.replace('_', " "))
}

impl Summary {
    async fn of(visit: &Visit) -> Result<Self, HttpError> {
        let counts = visit.ask(AuditSummary, &[], Vec::new()).await?.counts;
        let shares = |filter: &str, counts: &BTreeMap<String, u64>| {
            let mut shares: Vec<_> = counts.iter().collect();
            shares.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            let query = |word: &str| [(filter.to_owned(), word.to_owned()), ("since".to_owned(), "1d".to_owned())];
            let share = |(word, count): (&String, &u64)| Share {
                name: spoken(word),
                count: thousands(*count),
                url: url("/audit", &query(word)),
            };
            shares.into_iter().take(6).map(share).collect()
        };
        Ok(Self {
            rows: thousands(counts.rows),
            actors: shares("actor", &counts.actors),
            kinds: shares("kind", &counts.kinds),
        })
    }
}

impl AuditLine {
    fn of(row: &AuditRow) -> Self {
        let actor = match row.actor_name.as_deref() {
            Some(name) if row.actor == "person" => harmless(name),
            Some(name) => format!("{} {}", harmless(&row.actor), harmless(name)),
            None => harmless(&row.actor),
        };
        Self {
            seq: row.seq,
            when: When::at(row.at),
            kind: spoken(&row.kind),
            actor: shortened(&actor),
            about: About::of(row),
            rule: shortened(&harmless(row.rule.as_deref().unwrap_or_default())),
            note: shortened(&harmless(row.note.as_deref().unwrap_or_default())),
        }
    }
}

impl About {
    fn of(row: &AuditRow) -> Option<Self> {
        let written = row.repository.as_deref()?;
        let name = harmless(written);
        // 0: of a repository as a whole.
        let number = row.number.filter(|number| *number > 0);
        let known = RepoName::parse(written).ok();
        let url = known.map(|name| match number {
            Some(number) => format!("/items/{name}/{number}"),
            None => format!("/repositories/{name}"),
        });
        Some(Self { name: number.map_or_else(|| name.clone(), |number| format!("{name}#{number}")), url })
    }
}

pub(super) async fn show(visit: Visit) -> Result<Response, HttpError> {
    let row = visit.ask(AuditShow, &[visit.named(0)], Vec::new()).await?;
    let mut changes = match (&row.before, &row.after) {
        (Some(before), Some(after)) => differences(before, after),
        _ => Vec::new(),
    };
    let more_changes = changes.len().saturating_sub(MOST_CHANGES);
    changes.truncate(MOST_CHANGES);
    let shown = RowPage {
        layout: visit.layout("Audit"),
        facts: facts(&row),
        note: row.note.as_deref().map(whole),
        changes,
        more_changes,
        before: row.before.as_ref().map(pretty),
        after: row.after.as_ref().map(pretty),
        pseudonymised: row.pseudonymised,
        hash: row.hash.to_string(),
        row: AuditLine::of(&row),
    };
    page::html(StatusCode::OK, &shown)
}

fn facts(row: &AuditRow) -> Vec<Fact> {
    let fact = |name, value: Option<String>, url: Option<String>| Some(Fact { name, value: harmless(&value?), url });
    // The undos of a rollback have its id where others have their event's.
    let event = row.event.map(|id| match row.rule.as_deref() {
        Some("orchd:rollback") => ("Rollback", format!("/rollbacks/{id}")),
        _ => ("Event", format!("/events/{id}")),
    });
    let rollback = row.after.as_ref().and_then(|after| after.get("rollback")?.as_str()).map(str::to_owned);
    let undone = row.effect.map(|id| url("/rollbacks/new", &[("effect".to_owned(), id.to_string())]));
    let undone = undone.filter(|_| row.kind == Kind::EffectApplied.word());
    [
        event.and_then(|(name, url)| fact(name, row.event.map(|id| id.to_string()), Some(url))),
        fact("Action", row.action.clone(), None),
        fact("Effect", row.effect.map(|id| id.to_string()), None),
        fact("Rule", row.rule.clone(), None),
        fact("Config", row.config_revision.clone(), None),
        rollback.and_then(|id| {
            fact("Rollback", Some(id.clone()), uuid::Uuid::parse_str(&id).ok().map(|id| format!("/rollbacks/{id}")))
        }),
        undone.and_then(|url| fact("It stands", Some("plan to take it back".to_owned()), Some(url))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn pretty(state: &Value) -> String {
    serde_json::to_string_pretty(state).map_or_else(|_| String::new(), |text| whole(&text))
}

/// What differs between two states, field by field.
fn differences(before: &Value, after: &Value) -> Vec<Change> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    flatten(String::new(), before, &mut old);
    flatten(String::new(), after, &mut new);
    let mut names: Vec<_> = old.keys().chain(new.keys()).cloned().collect();
    names.sort();
    names.dedup();
    let told = |value: Option<&String>| value.map_or_else(|| "–".to_owned(), |text| shortened(&harmless(text)));
    let changed = names.into_iter().filter(|name| old.get(name) != new.get(name));
    changed
        .map(|name| Change {
            before: told(old.get(&name)),
            after: told(new.get(&name)),
            what: shortened(&harmless(&name)),
        })
        .collect()
}

/// Fields of fields by their path; a list is one value.
fn flatten(path: String, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(path, value, into);
            }
        }
        Value::String(text) => drop(into.insert(path, text.clone())),
        other => drop(into.insert(path, other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn states_differ_field_by_field() {
        let before = json!({"labels": ["bug"], "issue": {"state": "open", "title": "It"}, "gone": 1});
        let after = json!({"labels": ["bug", "docs"], "issue": {"state": "closed", "title": "It"}});
        let change = |what: &str, before: &str, after: &str| Change {
            what: what.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
        };
        assert_eq!(
            differences(&before, &after),
            [
                change("gone", "1", "–"),
                change("issue.state", "open", "closed"),
                change("labels", "[\"bug\"]", "[\"bug\",\"docs\"]"),
            ]
        );
        assert_eq!(differences(&before, &before), []);
    }
}
