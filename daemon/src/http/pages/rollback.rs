//! `/rollbacks/{id}`: what a plan came to, the word that has it carried out, and how far it is.

use askama::Template;
use http::StatusCode;
use warp::reply::Response;

use super::super::api::endpoints::{RollbacksExecute, RollbacksItems, RollbacksShow};
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::page;
use super::parts::{Pager, Pill, Tone, When, thousands};
use super::rollbacks::sentence;
use super::visit::url;
use super::{Layout, Visit};
use crate::core::access::Op;
use crate::core::text::{harmless, shortened};
use crate::store::effects::EffectState;
use crate::store::rollbacks::{RollbackCounts, RollbackFilter, RollbackItem, RollbackRow, Verdict};

/// Repositories that are named.
const NAMED: usize = 10;

#[derive(Template)]
#[template(path = "pages/rollback.html")]
struct RollbackPage {
    layout: Layout,
    id: String,
    what: String,
    created: When,
    executed: Option<When>,
    repositories: Vec<String>,
    more_repositories: usize,
    phase: Phase,
    /// What planning waits for.
    note: Option<String>,
    counts: Vec<Count>,
    /// How many effects are to be taken back.
    undo: u64,
    /// Only the newest so many are in the plan.
    cut_off: Option<String>,
    gate: Option<String>,
    still_active: Vec<String>,
    may_execute: bool,
    /// Where a plan of what is left begins, and one that brings back what this one took.
    again: Option<String>,
    redo: Option<String>,
    items: Vec<ItemLine>,
    pager: Pager,
}

/// How far a rollback is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Planning(Progress),
    Planned,
    Running(Progress),
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    done: u64,
    of: u64,
}

/// A figure.
struct Count {
    name: &'static str,
    figure: String,
    beside: &'static str,
    class: &'static str,
}

/// An effect of a rollback as a row.
struct ItemLine {
    target: String,
    url: String,
    action: String,
    rule: String,
    state: Pill,
    why: String,
}

impl Phase {
    fn of(row: &RollbackRow, counts: &RollbackCounts) -> Self {
        if row.planned_at.is_none() {
            return Self::Planning(Progress { done: counts.effects - counts.unjudged, of: counts.effects });
        }
        if row.executed_at.is_none() {
            return Self::Planned;
        }
        let of = counts.undos.values().sum();
        match counts.left() + undos(counts, &["waiting"]) {
            0 => Self::Over,
            left => Self::Running(Progress { done: of - left, of }),
        }
    }

    /// Without a script the page is asked for again until nothing moves any more.
    fn is_moving(&self) -> bool {
        matches!(self, Self::Planning(_) | Self::Running(_))
    }
}

fn undos(counts: &RollbackCounts, states: &[&str]) -> u64 {
    states.iter().filter_map(|state| counts.undos.get(*state)).sum()
}

/// Those that were to be taken back, and were not.
fn failed(counts: &RollbackCounts) -> u64 {
    undos(counts, &["held", "gated", "failed", "quarantined"])
}

pub(super) async fn show(visit: Visit) -> Result<Response, HttpError> {
    let id = visit.named(0);
    let after = visit.query.get("after").filter(|after| !after.is_empty());
    let asked = after.map(|after| ("after".to_owned(), after.to_owned())).into_iter().collect();
    let told = visit.ask(RollbacksShow, &[id], Vec::new()).await?;
    let items = visit.ask(RollbacksItems, &[id], asked).await?;
    let (row, counts) = (&told.row, &told.counts);
    let phase = Phase::of(row, counts);
    let is_executed = row.executed_at.is_some();
    let is_left = counts.cannot + counts.changed + failed(counts) > 0 || row.cut_off;
    let may_plan = visit.may(Op::RollbacksPlan);
    let may = |name| visit.may_in(Op::RollbacksExecute, Some(name));
    let may_execute = match told.repositories.is_empty() {
        true => visit.may_in(Op::RollbacksExecute, None),
        false => told.repositories.iter().all(may),
    };
    let redo = || url("/rollbacks/new", &[("rollback".to_owned(), row.id.to_string())]);
    let shown = RollbackPage {
        layout: visit.layout("Rollbacks"),
        id: row.id.to_string(),
        what: sentence(&row.filter),
        created: When::at(row.created_at),
        executed: When::maybe(row.executed_at),
        repositories: told.repositories.iter().take(NAMED).map(ToString::to_string).collect(),
        more_repositories: told.repositories.len().saturating_sub(NAMED),
        note: row.note.as_deref().map(harmless),
        counts: figures(counts, is_executed),
        undo: counts.undo,
        cut_off: row.cut_off.then(|| thousands(row.most_effects)),
        gate: told.gate.as_deref().map(harmless).filter(|_| !is_executed),
        still_active: told.still_active.iter().map(ToString::to_string).collect(),
        may_execute,
        again: (may_plan && phase == Phase::Over && is_left).then(|| url("/rollbacks/new", &written(&row.filter))),
        redo: (may_plan && phase == Phase::Over && undos(counts, &["applied"]) > 0).then(redo),
        items: items.rows.iter().map(|item| ItemLine::of(item, is_executed)).collect(),
        pager: Pager::new(&format!("/rollbacks/{id}"), &[], after, items.next.map(|next| next.to_string())),
        phase,
    };
    page::html(StatusCode::OK, &shown)
}

/// A filter as a URL has it.
fn written(filter: &RollbackFilter) -> Vec<(String, String)> {
    // It is made of texts, and is written as an object.
    let object = serde_json::to_value(filter).unwrap_or_default();
    let pairs = object.as_object().into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// Before it is carried out what would be done, then what was done. What is nought is left out, but for the first.
fn figures(counts: &RollbackCounts, is_executed: bool) -> Vec<Count> {
    let count = |name, figure: u64, beside, class| (name, figure, beside, class);
    let mut all = if is_executed {
        vec![
            count("Taken back", undos(counts, &["applied", "undone"]), "on GitHub", "good"),
            count("Still to do", undos(counts, &["planned", "writing"]), "one after the other, in their lanes", ""),
            count("Waiting", undos(counts, &["waiting"]), "for people or for GitHub", "look"),
            count("Already so", undos(counts, &["unchanged"]), "somebody was faster", ""),
            count("Left as they are", undos(counts, &["held"]), "people changed them since the plan", "look"),
            count("Not written", undos(counts, &["gated"]), "the gate to GitHub is closed", "look"),
            count("Failed", undos(counts, &["failed"]), "see the reasons below", "bad"),
            count("Unclear", undos(counts, &["quarantined"]), "whether it happened: look at them", "bad"),
        ]
    } else {
        vec![
            count("To take back", counts.undo, "if you confirm it", ""),
            count("Not looked at yet", counts.unjudged, "being planned", ""),
        ]
    };
    all.extend([
        count("As before", counts.as_before, "nothing to take back any more", ""),
        count("Changed by people", counts.changed, "left alone", "look"),
        count("Cannot be taken back", counts.cannot, "see why below", "look"),
    ]);
    let kept = all.into_iter().enumerate().filter(|(at, (_, figure, ..))| *at == 0 || *figure > 0);
    let shown = kept.map(|(_, (name, figure, beside, class))| Count { name, figure: thousands(figure), beside, class });
    shown.collect()
}

impl ItemLine {
    fn of(item: &RollbackItem, is_executed: bool) -> Self {
        let url = match item.number {
            0 => format!("/repositories/{}", item.repository),
            number => format!("/items/{}/{number}", item.repository),
        };
        let target = match item.number {
            0 => item.repository.to_string(),
            number => format!("{}#{number}", item.repository),
        };
        let why = item.undo_note.as_deref().or(item.note.as_deref()).unwrap_or_default();
        let state = match item.undo_state {
            Some(state) => carried_out(state),
            None => judged(item.verdict, is_executed),
        };
        Self {
            target,
            url,
            action: harmless(&item.action),
            rule: item.rule.to_string(),
            state,
            why: shortened(&harmless(why)),
        }
    }
}

fn judged(verdict: Option<Verdict>, is_executed: bool) -> Pill {
    match verdict {
        None => Pill::new(Tone::Busy, "not looked at yet"),
        // Between plan and word something else took it back.
        Some(Verdict::Undo) if is_executed => Pill::new(Tone::Quiet, "gone before"),
        Some(Verdict::Undo) => Pill::new(Tone::Look, "to take back"),
        Some(Verdict::AsBefore) => Pill::new(Tone::Quiet, "as before"),
        Some(Verdict::Changed) => Pill::new(Tone::Look, "changed since"),
        Some(Verdict::Cannot) => Pill::new(Tone::Bad, "cannot"),
    }
}

fn carried_out(state: EffectState) -> Pill {
    match state {
        EffectState::Planned => Pill::new(Tone::Busy, "to do"),
        EffectState::Writing => Pill::new(Tone::Busy, "being written"),
        EffectState::Applied => Pill::new(Tone::Good, "taken back"),
        EffectState::Unchanged => Pill::new(Tone::Quiet, "already so"),
        EffectState::Waiting => Pill::new(Tone::Look, "waiting"),
        EffectState::Held => Pill::new(Tone::Look, "left alone"),
        EffectState::Gated | EffectState::Shadow => Pill::new(Tone::Look, "not written"),
        EffectState::Failed => Pill::new(Tone::Bad, "failed"),
        EffectState::Quarantined => Pill::new(Tone::Bad, "unclear"),
        EffectState::Undone => Pill::new(Tone::Quiet, "brought back since"),
    }
}

pub(super) async fn execute(visit: Visit) -> Result<Response, HttpError> {
    let told = visit.ask(RollbacksExecute, &[visit.named(0)], Vec::new()).await?;
    visit.done(&format!("/rollbacks/{}", told.row.id), "executed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_is_over_when_every_undo_came_to_an_end() {
        let row = RollbackRow {
            id: crate::store::rollbacks::RollbackId(uuid::Uuid::nil()),
            filter: RollbackFilter::default(),
            most_effects: 10,
            cut_off: false,
            note: None,
            created_at: chrono::DateTime::UNIX_EPOCH,
            planned_at: None,
            executed_at: None,
        };
        let mut counts = RollbackCounts { effects: 5, unjudged: 2, ..RollbackCounts::default() };
        assert_eq!(Phase::of(&row, &counts), Phase::Planning(Progress { done: 3, of: 5 }));
        let planned = RollbackRow { planned_at: Some(row.created_at), ..row };
        assert_eq!(Phase::of(&planned, &counts), Phase::Planned);
        let executed = RollbackRow { executed_at: Some(planned.created_at), ..planned };
        counts.undos = [("applied".to_owned(), 3), ("waiting".to_owned(), 1), ("planned".to_owned(), 1)].into();
        assert_eq!(Phase::of(&executed, &counts), Phase::Running(Progress { done: 3, of: 5 }));
        counts.undos = [("applied".to_owned(), 3), ("failed".to_owned(), 2)].into();
        assert_eq!(Phase::of(&executed, &counts), Phase::Over);
    }
}
