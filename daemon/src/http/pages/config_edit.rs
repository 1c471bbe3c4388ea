//! `/config/edit`: the config's file as a text: checked, tried on the past, and saved.

use askama::Template;
use http::StatusCode;
use serde_json::{Value, json};
use warp::reply::Response;

use super::super::api::endpoints::{Ask, AutomationConfig, ConfigFile, ConfigShow};
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::page;
use super::changes::{Changes, Problems};
use super::trial::{DAYS, Trial, Trying, USUAL_DAYS};
use super::try_rule::{days, text};
use super::visit::query;
use super::{Layout, Visit};
use crate::config;
use crate::core::text::harmless;

/// The name that the text has in the line for a shell.
const FILE: &str = "changed.yaml";

/// What the API says of a config.
type Written = <AutomationConfig as Ask>::Answer;

#[derive(Template)]
#[template(path = "pages/config_edit.html")]
struct EditPage {
    layout: Layout,
    path: String,
    draft: Draft,
    offered: [u32; 3],
    /// What is on disk is not what runs.
    is_astray: bool,
    problems: Option<Problems>,
    /// Why it was not done.
    refused: Option<String>,
    /// Somebody else was faster.
    is_stale: bool,
    checked: Option<Checked>,
    trial: Option<Trial>,
}

/// What stands in the form.
#[derive(Clone, Default)]
struct Draft {
    text: String,
    /// The revision that it was made from; empty: what was on disk did not run.
    base: String,
    /// SHA-256 of the file that it was made from.
    file: String,
    message: String,
    days: u32,
}

/// A text that is valid.
struct Checked {
    changes: Changes,
    notes: Vec<String>,
}

impl Draft {
    fn of(visit: &Visit) -> Self {
        let field = |name: &str| visit.form.get(name).unwrap_or_default().to_owned();
        Self {
            text: text(visit),
            base: field("base"),
            file: field("file"),
            message: field("message"),
            days: days(visit),
        }
    }

    /// As the API takes it.
    fn document(&self) -> Value {
        let filled = |text: &String| Some(text.clone()).filter(|text| !text.trim().is_empty());
        json!({"text": self.text, "base": filled(&self.base), "file": filled(&self.file), "message": filled(&self.message)})
    }
}

impl EditPage {
    fn of(visit: &Visit, draft: Draft) -> Self {
        Self {
            layout: visit.layout("Config"),
            path: visit.app.config().revision.path.display().to_string(),
            is_astray: draft.base.is_empty(),
            draft,
            offered: DAYS,
            problems: None,
            refused: None,
            is_stale: false,
            checked: None,
            trial: None,
        }
    }

    fn is_picked(&self, days: &u32) -> bool {
        *days == self.draft.days
    }

    fn shown(&self) -> Result<Response, HttpError> {
        let status = match (&self.problems, self.is_stale) {
            (Some(_), _) => StatusCode::UNPROCESSABLE_ENTITY,
            (None, true) => StatusCode::CONFLICT,
            (None, false) => StatusCode::OK,
        };
        page::html(status, self)
    }

    /// The page with why the text was not taken.
    fn refuse(mut self, error: HttpError) -> Result<Response, HttpError> {
        match error {
            HttpError::Invalid(problems) => {
                self.problems = Some(self.wrong(&problems));
                self.shown()
            }
            HttpError::Unprocessable(reason) => {
                self.refused = Some(harmless(&reason));
                self.shown()
            }
            HttpError::Conflict(reason) => {
                (self.refused, self.is_stale) = (Some(harmless(&reason)), true);
                self.shown()
            }
            other => Err(other),
        }
    }

    fn wrong(&self, problems: &config::Problems) -> Problems {
        Problems::in_text(problems, &self.path, &self.draft.text)
    }
}

pub(super) async fn show(visit: Visit) -> Result<Response, HttpError> {
    let found = visit.ask(ConfigFile, &[], Vec::new()).await?;
    let draft = Draft {
        text: found.text,
        base: found.base.unwrap_or_default(),
        file: found.sha256,
        days: USUAL_DAYS,
        ..Draft::default()
    };
    EditPage::of(&visit, draft).shown()
}

pub(super) async fn send(visit: Visit) -> Result<Response, HttpError> {
    let draft = Draft::of(&visit);
    match visit.form.get("step") {
        Some("save") => save(&visit, draft).await,
        Some("backtest") => check(&visit, draft, true).await,
        _ => check(&visit, draft, false).await,
    }
}

/// Tells what would change, and if it is asked for what would have been done.
async fn check(visit: &Visit, draft: Draft, and_try: bool) -> Result<Response, HttpError> {
    let told = visit.send(AutomationConfig, query([("dry_run", "true")]), &draft.document()).await;
    let mut page = EditPage::of(visit, draft);
    let told = match told {
        Ok(told) => told,
        Err(error) => return page.refuse(error),
    };
    let running = visit.ask(ConfigShow, &[], Vec::new()).await?.effective;
    let proposed = told.proposed.unwrap_or_default();
    page.checked = Some(Checked {
        changes: Changes::in_full(&told.rules, &told.values, (&running["rules"], &proposed)),
        notes: told.notes,
    });
    if and_try {
        let trying = Trying { rules: &proposed, of: None, days: page.draft.days, repository: None, file: FILE };
        match Trial::run(visit, &trying).await {
            Ok(trial) => page.trial = Some(trial),
            Err(HttpError::Conflict(reason) | HttpError::BadRequest(reason)) => page.refused = Some(harmless(&reason)),
            Err(other) => return Err(other),
        }
    }
    page.shown()
}

async fn save(visit: &Visit, draft: Draft) -> Result<Response, HttpError> {
    match visit.send(AutomationConfig, Vec::new(), &draft.document()).await {
        Ok(written) => visit.done("/config", became(&written)),
        Err(error) => EditPage::of(visit, draft).refuse(error),
    }
}

/// The notice of what became of it.
fn became(written: &Written) -> &'static str {
    match written {
        _ if written.config.held.is_some() => "config-held",
        _ if written.config.error.is_some() => "config-not-taken-up",
        _ if written.not_committed.is_some() => "config-not-committed",
        _ if written.commit.is_some() => "config-committed",
        _ => "config-in-use",
    }
}
