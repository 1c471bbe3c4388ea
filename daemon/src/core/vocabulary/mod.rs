//! The vocabulary of rules: everything a condition or an expression may look at, with its type, where it comes from and
//! what it costs. The documentation, the JSON Schema and the check of expressions are all made from this one list.
//!
//! Owns the list of facts and the shapes of GitHub's payloads. Refuses to know values: what a fact is at some event,
//! `condition` looks up. Invariant: an expression that passes the check names only what is listed here.

mod kinds;
mod payload;

pub(crate) use kinds::{Fields, Kinds, Type};
pub use payload::Payloads;

use super::event_names::EVENTS;
use super::facts::FactKind;

/// Where a fact comes from, and so what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The delivery that is decided on.
    Event,
    /// The delivery's payload where it describes the issue or pull request, else a request.
    Item,
    /// GitHub is asked.
    Asked(FactKind),
}

impl Source {
    /// In words for a table.
    pub fn told(self) -> &'static str {
        match self {
            Self::Event => "the event",
            Self::Item => "the payload, or GitHub when it only names the pull request",
            Self::Asked(_) => "GitHub",
        }
    }

    pub fn cost(self) -> &'static str {
        match self {
            Self::Event => "nothing",
            Self::Item => "at most one request",
            Self::Asked(kind) => kind.cost(),
        }
    }
}

/// Something a rule may look at.
#[derive(Clone, Copy, Debug)]
pub struct Fact {
    /// As an expression writes it: `item.title`, `reviews[].state`.
    pub name: &'static str,
    /// In the letters of [`Type`].
    letters: &'static str,
    pub source: Source,
    pub help: &'static str,
    /// Conditions that look at it, beside expressions.
    pub conditions: &'static [&'static str],
}

impl Fact {
    /// In words: `text or null`.
    pub fn kind(&self) -> String {
        Type::read(self.letters).told()
    }
}

const fn fact(
    name: &'static str,
    letters: &'static str,
    source: Source,
    conditions: &'static [&'static str],
    help: &'static str,
) -> Fact {
    Fact { name, letters, source, help, conditions }
}

/// Every fact, in the order of the documentation. What stands before the dot is a variable.
pub const FACTS: [Fact; 39] = [
    fact("event.name", "s", Source::Event, &[], "GitHub's name of the event: `pull_request`."),
    fact("event.action", "s?", Source::Event, &[], "Its action: `opened`."),
    fact("event.kind", "s", Source::Event, &[], "Both: `pull_request.opened`."),
    fact("event.actor", "s?", Source::Event, &[], "Login of whoever caused it."),
    fact("event.actor_is_bot", "b", Source::Event, &[], "Whether that is an App or another bot."),
    fact("event.repository", "s?", Source::Event, &[], "`owner/name`."),
    fact("event.number", "i?", Source::Event, &[], "Of the issue or pull request that it is about."),
    fact("event.received_at", "t", Source::Event, &["age"], "When it arrived: the only \"now\" there is."),
    fact("item.kind", "s", Source::Item, &[], "`issue` or `pull_request`."),
    fact("item.number", "i", Source::Item, &[], "Its number."),
    fact("item.title", "s", Source::Item, &["title"], "Its title."),
    fact("item.body", "s", Source::Item, &["body"], "What its author wrote; empty when nothing."),
    fact("item.state", "s", Source::Item, &["state"], "`open`, `closed` or `merged`."),
    fact("item.author", "s", Source::Item, &["author"], "Login of whoever opened it."),
    fact("item.author_association", "s", Source::Item, &["author_association"], "GitHub's word: `MEMBER`, `NONE`, …"),
    fact("item.labels", "[s]", Source::Item, &["label"], "Names of its labels; also as `labels`."),
    fact("item.assignees", "[s]", Source::Item, &["assignee"], "Logins."),
    fact("item.milestone", "s?", Source::Item, &["milestone"], "Title of its milestone."),
    fact("item.created_at", "t?", Source::Item, &["age"], "When it was opened."),
    fact("item.updated_at", "t?", Source::Item, &["age"], "When it last changed, by GitHub's clock."),
    fact(
        "item.draft",
        "b?",
        Source::Asked(FactKind::Item),
        &["draft"],
        "Whether the pull request is a draft; null of an issue.",
    ),
    fact("item.base", "s?", Source::Asked(FactKind::Item), &["base"], "The branch it goes to; null of an issue."),
    fact("item.head", "s?", Source::Asked(FactKind::Item), &["head"], "The branch it comes from; null of an issue."),
    fact(
        "item.from_fork",
        "b?",
        Source::Asked(FactKind::Item),
        &[],
        "Whether that branch is in another repository; null of an issue.",
    ),
    fact("labels", "[s]", Source::Item, &["label"], "`item.labels`."),
    fact("files", "[s]", Source::Asked(FactKind::Files), &["files"], "Paths that the pull request changes."),
    fact(
        "reviews[].reviewer",
        "s",
        Source::Asked(FactKind::Reviews),
        &["review"],
        "Login; each reviewer's latest review is there.",
    ),
    fact(
        "reviews[].state",
        "s",
        Source::Asked(FactKind::Reviews),
        &["review"],
        "`approved`, `changes_requested`, `commented` or `dismissed`.",
    ),
    fact(
        "checks[].name",
        "s",
        Source::Asked(FactKind::Checks),
        &["checks"],
        "Of a check run, or the context of a commit status, on the head commit.",
    ),
    fact("checks[].state", "s", Source::Asked(FactKind::Checks), &["checks"], "`passing`, `failing` or `pending`."),
    fact(
        "role",
        "s",
        Source::Asked(FactKind::Role),
        &["role"],
        "Of whoever caused the event: `none`, `read`, `triage`, `write`, `maintain` or `admin`.",
    ),
    fact(
        "run.status",
        "s",
        Source::Asked(FactKind::Run),
        &[],
        "Of the workflow run that a `workflow_context`, `workflow_run` or `workflow_job` is about, as GitHub tells it now: `in_progress`, `completed`, …",
    ),
    fact(
        "run.conclusion",
        "s?",
        Source::Asked(FactKind::Run),
        &[],
        "`success`, `failure`, `cancelled`, …; null before it is completed.",
    ),
    fact("run.event", "s", Source::Asked(FactKind::Run), &[], "What started it: `push`, `pull_request`, …"),
    fact(
        "run.head_sha",
        "s",
        Source::Asked(FactKind::Run),
        &[],
        "The commit it is about; of a pull request the head, and not the merge commit.",
    ),
    fact("run.head_branch", "s?", Source::Asked(FactKind::Run), &[], "The branch of that commit."),
    fact("run.attempt", "i", Source::Asked(FactKind::Run), &[], "Which attempt at it the event is about."),
    fact(
        "run.jobs",
        "[<s?>]",
        Source::Asked(FactKind::Run),
        &[],
        "The jobs of that attempt, each with `name`, `status` and `conclusion` (null before it is completed).",
    ),
    fact(
        "payload",
        "<*>",
        Source::Event,
        &["comment", "star"],
        "The whole payload; `payload[\"key\"]` looks at what is not listed here.",
    ),
];

/// A variable that is made of facts, and not of the payload.
pub(crate) fn variable(name: &str) -> Option<Type> {
    let mut fields = Vec::new();
    let mut is_list = false;
    for fact in &FACTS {
        let (variable, field) = fact.name.split_once('.').unwrap_or((fact.name, ""));
        if variable.trim_end_matches("[]") != name {
            continue;
        }
        if field.is_empty() {
            return Some(Type::read(fact.letters));
        }
        is_list |= variable.ends_with("[]");
        fields.push((field, Type::read(fact.letters)));
    }
    if fields.is_empty() {
        return None;
    }
    let map = Type::map(Fields::Listed(fields));
    Some(if is_list { Type::list(map) } else { map })
}

/// The names of such variables.
pub(crate) fn variables() -> impl Iterator<Item = &'static str> {
    FACTS.iter().map(|fact| fact.name.split(['.', '[']).next().unwrap_or(fact.name))
}

/// Variables and fields as an expression writes them, for completion: facts, then the keys of payloads.
pub fn completions() -> Vec<String> {
    let facts = FACTS.iter().map(|fact| fact.name.to_owned());
    let payloads = Payloads::of(EVENTS.iter().copied());
    let keys = payloads.keys().into_iter().map(str::to_owned);
    facts.chain(keys).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::core::condition;

    #[test]
    fn every_condition_looks_at_a_fact_of_the_list_and_every_one_named_exists() {
        for kind in condition::kinds().iter().filter(|kind| kind.name != "expr") {
            assert!(FACTS.iter().any(|fact| fact.conditions.contains(&kind.name)), "{}", kind.name);
        }
        for name in FACTS.iter().flat_map(|fact| fact.conditions) {
            assert!(condition::kinds().iter().any(|kind| kind.name == *name), "{name}");
        }
    }

    #[test]
    fn facts_are_told_with_type_source_and_cost() {
        let told: Vec<_> = FACTS.iter().map(|fact| (fact.name, fact.kind(), fact.source.cost())).collect();
        assert!(told.contains(&("event.action", "text or null".to_owned(), "nothing")));
        assert!(told.contains(&("item.labels", "list of text".to_owned(), "at most one request")));
        assert!(told.contains(&("files", "list of text".to_owned(), "a request for each 100 files")));
        assert!(FACTS.iter().all(|fact| fact.help.ends_with(['.', '…'])));
    }

    #[test]
    fn completion_knows_facts_and_keys_of_payloads() {
        let all = completions();
        for name in ["item.title", "reviews[].state", "pull_request", "workflow_run", "ref"] {
            assert!(all.iter().any(|each| each == name), "{name}");
        }
    }
}
