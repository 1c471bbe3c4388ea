//! The event of a test and what is known of it.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::table::{CHECK, EVENT, FACTS, ITEM, JOB, REVIEW, RUN};
use crate::config::fields::Fields;
use crate::config::findings::Findings;
use crate::config::marked::{Node, Tree};
use crate::config::rules::trigger;
use crate::config::table::{Key, Section};
use crate::config::values::{count, flag, list, one_of, refuse, text};
use crate::core::case::{COMMIT, Happening, made_up};
use crate::core::event::{Event, EventKind, RepoName};
use crate::core::event_names::{SCHEDULE, WORKFLOW_CONTEXT, actions_of};
use crate::core::facts::{
    Check, CheckState, Facts, Item, ItemKind, ItemState, Job, Known, Pull, Review, ReviewState, Run,
};
use crate::core::role::Role;

/// Reads `event`, `item`, `payload` and `facts` of a test.
pub(super) fn scene(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<(Event, Facts)> {
    let happening = fields.read("event", findings, event);
    let payload = fields.read("payload", findings, |node, key, findings| match node.tree {
        Tree::Map(_) => Some(node.to_json()),
        _ => refuse(node, findings, format!("`{}` expects a map, not {}", key.name, node.kind())),
    });
    let mut known = fields.section("facts", &FACTS, findings);
    let files = known.read("files", findings, texts);
    let reviews = known.read("reviews", findings, |node, key, findings| each(node, key, &REVIEW, findings, review));
    let checks = known.read("checks", findings, |node, key, findings| each(node, key, &CHECK, findings, check));
    let role = known.read("role", findings, one_of).and_then(Role::parse);
    let run = known.read("run", findings, |node, _, findings| run(&mut Fields::open(node, &RUN, findings), findings));
    let mut item_fields = fields.section("item", &ITEM, findings);
    let mut happening = happening?;
    let written = fields.written("item");
    if written.is_some() || always_about_an_item(&happening.kind.name) {
        happening.item = Some(item(&mut item_fields, &happening, findings)?);
    }
    happening.payload = payload.unwrap_or_else(|| Value::Object(Map::new()));
    let (event, mut facts) = made_up(&happening);
    if let Some(node) = written.filter(|_| event.item.is_none()) {
        let message = format!("`{}` names no issue or pull request: leave `item` out", happening.kind);
        return refuse(node, findings, message);
    }
    facts.files = files.map_or(Known::NotYet, Known::Is);
    facts.reviews = reviews.map_or(Known::NotYet, Known::Is);
    facts.checks = checks.map_or(Known::NotYet, Known::Is);
    facts.role = role.map_or(Known::NotYet, Known::Is);
    facts.run = run.map_or(Known::NotYet, Known::Is);
    Some((event, facts))
}

fn always_about_an_item(name: &str) -> bool {
    matches!(name, "issues" | "issue_comment" | SCHEDULE) || name.starts_with("pull_request")
}

/// Whether what such an event is about is a pull request, unless the test says otherwise.
fn is_about_pulls(name: &str) -> bool {
    name.starts_with("pull_request") || matches!(name, "check_run" | "check_suite" | "workflow_run" | WORKFLOW_CONTEXT)
}

/// A map, or its `kind` alone.
fn event(node: &Node, _: &Key, findings: &mut Findings) -> Option<Happening> {
    let alone = matches!(node.tree, Tree::Scalar(_));
    let mut fields = if alone { Fields::absent(&EVENT, node.place) } else { Fields::open(node, &EVENT, findings) };
    let kind = match EVENT.key("kind").filter(|_| alone) {
        Some(key) => kind(node, key, findings),
        None => fields.read("kind", findings, kind),
    };
    let repository = fields.read("repository", findings, |node, key, findings| {
        let name = text(node, key, findings)?;
        RepoName::parse(&name).map_or_else(|error| refuse(node, findings, error.to_string()), Some)
    });
    let actor = fields.read("actor", findings, text);
    let received_at = fields.read("received_at", findings, time);
    Some(Happening {
        kind: kind?,
        repository: repository?,
        actor: actor?,
        received_at: received_at?,
        item: None,
        payload: Value::Null,
    })
}

fn kind(node: &Node, key: &Key, findings: &mut Findings) -> Option<EventKind> {
    let on = trigger(node, key, findings)?;
    let Some(name) = on.event_name() else { return refuse(node, findings, "one event, not any: `issues.opened`") };
    match (on.action(), actions_of(name)) {
        (None, Some(known)) => {
            let known = known.join(", ");
            refuse(node, findings, format!("the event `{name}` has an action: write `{name}.ACTION`, one of {known}"))
        }
        (action, _) => Some(EventKind { name: name.to_owned(), action: action.map(str::to_owned) }),
    }
}

fn time(node: &Node, key: &Key, findings: &mut Findings) -> Option<DateTime<Utc>> {
    match node.as_text().map(DateTime::parse_from_rfc3339) {
        Some(Ok(time)) => Some(time.with_timezone(&Utc)),
        _ => refuse(node, findings, format!("`{}` expects a time such as 2026-01-10T12:00:00Z", key.name)),
    }
}

fn item(fields: &mut Fields<'_>, happening: &Happening, findings: &mut Findings) -> Option<Item> {
    let EventKind { name, action } = &happening.kind;
    let is_pull = match fields.read("kind", findings, one_of) {
        Some(word) => word == "pull_request",
        None => is_about_pulls(name),
    };
    let state = match fields.read("state", findings, one_of) {
        Some("merged") => ItemState::Merged,
        Some("closed") => ItemState::Closed,
        None if action.as_deref() == Some("closed") => ItemState::Closed,
        _ => ItemState::Open,
    };
    let number = fields.read("number", findings, count);
    let title = fields.read("title", findings, text);
    let body = fields.read("body", findings, |node, key, findings| match node.as_text() {
        Some(text) => Some(text.to_owned()),
        None => refuse(node, findings, format!("`{}` expects text, not {}", key.name, node.kind())),
    });
    let author = fields.read("author", findings, text);
    let author_association = fields.read("author_association", findings, text);
    let labels = fields.read("labels", findings, texts);
    let assignees = fields.read("assignees", findings, texts);
    let milestone = fields.read("milestone", findings, text);
    let created_at = fields.read("created_at", findings, time);
    let updated_at = fields.read("updated_at", findings, time);
    let pull = pull(fields, is_pull, findings);
    Some(Item {
        kind: if is_pull { ItemKind::PullRequest } else { ItemKind::Issue },
        number: number?,
        title: title?,
        body: body?,
        state,
        author: author.unwrap_or_else(|| happening.actor.clone()),
        author_association: author_association?,
        labels: labels?,
        assignees: assignees?,
        milestone,
        created_at: Some(created_at.unwrap_or(happening.received_at)),
        updated_at: Some(updated_at.unwrap_or(happening.received_at)),
        pull: if is_pull { Known::Is(pull?) } else { Known::NotYet },
    })
}

fn pull(fields: &mut Fields<'_>, is_pull: bool, findings: &mut Findings) -> Option<Pull> {
    for name in ["draft", "base", "head", "fork"] {
        if !is_pull && fields.written(name).is_some() {
            let message = format!("an issue has no `{name}`: add `kind: pull_request` if it is one");
            findings.report(fields.place_of(name), message);
        }
    }
    let draft = fields.read("draft", findings, flag);
    let base = fields.read("base", findings, text);
    let head = fields.read("head", findings, text);
    let fork = fields.read("fork", findings, flag);
    Some(Pull { draft: draft?, base: base?, head: head?, head_sha: COMMIT.to_owned(), same_repository: !fork? })
}

fn texts(node: &Node, key: &Key, findings: &mut Findings) -> Option<Vec<String>> {
    let read: Vec<_> = list(node, key, findings)?.iter().map(|item| text(item, key, findings)).collect();
    read.into_iter().collect()
}

fn each<T>(
    node: &Node,
    key: &Key,
    section: &'static Section,
    findings: &mut Findings,
    read: fn(&mut Fields<'_>, &mut Findings) -> Option<T>,
) -> Option<Vec<T>> {
    let items = list(node, key, findings)?;
    let read: Vec<_> = items.iter().map(|item| read(&mut Fields::open(item, section, findings), findings)).collect();
    read.into_iter().collect()
}

fn review(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Review> {
    let reviewer = fields.read("reviewer", findings, text);
    let state = match fields.read("state", findings, one_of)? {
        "approved" => ReviewState::Approved,
        "changes_requested" => ReviewState::ChangesRequested,
        "commented" => ReviewState::Commented,
        _ => ReviewState::Dismissed,
    };
    Some(Review { reviewer: reviewer?, state })
}

fn check(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Check> {
    let name = fields.read("name", findings, text);
    let state = match fields.read("state", findings, one_of)? {
        "pending" => CheckState::Pending,
        "failing" => CheckState::Failing,
        _ => CheckState::Passing,
    };
    Some(Check { name: name?, state })
}

fn run(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Run> {
    let status = fields.read("status", findings, text);
    let conclusion = fields.read("conclusion", findings, text);
    let event = fields.read("event", findings, text);
    let head_branch = fields.read("head_branch", findings, text);
    let attempt = fields.read("attempt", findings, count);
    let jobs = fields.read("jobs", findings, |node, key, findings| each(node, key, &JOB, findings, job));
    Some(Run {
        status: status?,
        conclusion,
        event: event?,
        head_sha: COMMIT.to_owned(),
        head_branch,
        attempt: attempt?,
        jobs: jobs?,
    })
}

fn job(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Job> {
    let name = fields.read("name", findings, text);
    let status = fields.read("status", findings, text);
    let conclusion = fields.read("conclusion", findings, text);
    Some(Job { name: name?, status: status?, conclusion })
}
