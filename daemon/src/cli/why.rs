//! `orchd why`: explanations, with the effects under each rule.

use std::str::FromStr;

use clap::Args;
use serde::Deserialize;
use uuid::Uuid;

use super::daemon::Daemon;
use super::failure::{Code, Failure};
use super::output::{self, Rows, word};
use crate::core::event::RepoName;
use crate::core::rule::RuleName;
use crate::core::text::harmless;
use crate::engine::why::Story;

#[derive(Debug, Args)]
pub(super) struct Why {
    /// An event, or an issue or pull request; a repository, or nothing, for a table of its or all latest events.
    #[arg(value_name = "EVENT_ID|OWNER/REPO#N|OWNER/REPO")]
    subject: Option<Subject>,
    /// One rule only, and why it did nothing. A rule of a repository's own file is named owner/repo:name.
    #[arg(long, value_name = "NAME", value_parser = RuleName::parse, requires = "subject")]
    rule: Option<RuleName>,
    /// How many events the table tells of.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    latest: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Event(Uuid),
    Item { repository: RepoName, number: u64 },
    Repository(RepoName),
}

impl FromStr for Subject {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = Uuid::parse_str(text) {
            return Ok(Self::Event(id));
        }
        let found = match text.rsplit_once('#') {
            Some((repository, number)) => RepoName::parse(repository)
                .ok()
                .and_then(|repository| Some(Self::Item { repository, number: number.parse().ok()? })),
            None => RepoName::parse(text).ok().map(Self::Repository),
        };
        found.ok_or("write the id of an event, owner/repository#number, or owner/repository")
    }
}

#[derive(Deserialize)]
struct Answer {
    events: Vec<Story>,
    text: Option<String>,
}

impl Why {
    pub(super) async fn run(&self, daemon: &Daemon, json: bool) -> Result<(), Failure> {
        let of_many = matches!(self.subject, None | Some(Subject::Repository(_)));
        if self.rule.is_some() && of_many {
            let message = "--rule needs what it is about: an event's id or owner/repository#number".to_owned();
            return Err(Failure { code: Code::Usage, message });
        }
        let latest = ("latest", Some(self.latest.to_string()));
        let mut parameters = match &self.subject {
            None => vec![latest],
            Some(Subject::Repository(repository)) => vec![("repo", Some(repository.to_string())), latest],
            Some(Subject::Event(id)) => vec![("event", Some(id.to_string()))],
            Some(Subject::Item { repository, number }) => vec![("item", Some(format!("{repository}#{number}")))],
        };
        parameters.push(("rule", self.rule.as_ref().map(ToString::to_string)));
        let answer = daemon.get("/api/why", parameters).await?;
        if json {
            return output::print_json(&answer);
        }
        let answer: Answer = output::read(answer)?;
        match answer.text {
            Some(text) if !of_many => output::print(&harmless_lines(&text)),
            _ => table(&answer.events).print(),
        }
    }
}

/// The daemon's text is harmless already; a terminal need not take its word for it.
fn harmless_lines(text: &str) -> String {
    text.lines().map(|line| harmless(line) + "\n").collect()
}

/// A row for each decision: event → rule → why → effect, oldest first, as things happened.
fn table(stories: &[Story]) -> Rows {
    let mut rows = Rows::new(["event", "rule", "why", "effect"]);
    for Story { event, decisions, effects, .. } in stories.iter().rev() {
        let about = match (&event.repository, event.number) {
            (Some(repository), Some(number)) => format!("{} {repository}#{number}", event.kind()),
            (Some(repository), None) => format!("{} {repository}", event.kind()),
            (None, _) => event.kind(),
        };
        if decisions.is_empty() {
            rows.push([about.clone(), "-".to_owned(), "no rule was triggered".to_owned(), "-".to_owned()]);
        }
        for decision in decisions {
            let of_rule = effects.iter().filter(|effect| effect.intent.rule == decision.rule);
            let done: Vec<String> =
                of_rule.map(|effect| format!("{} {}", effect.intent.action, word(&effect.state))).collect();
            rows.push([
                about.clone(),
                decision.rule.to_string(),
                format!("{}: {}", word(&decision.verdict).replace('_', " "), decision.explanation.reason()),
                if done.is_empty() { "-".to_owned() } else { done.join(", ") },
            ]);
        }
    }
    rows
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_an_event_an_item_or_a_repository() {
        let id = Uuid::from_u128(7);
        assert_eq!(id.to_string().parse(), Ok(Subject::Event(id)));
        let item = Subject::Item { repository: RepoName::parse("acme/api").unwrap(), number: 12 };
        assert_eq!("acme/api#12".parse(), Ok(item));
        assert_eq!("acme/api".parse(), Ok(Subject::Repository(RepoName::parse("acme/api").unwrap())));
        for odd in ["", "acme", "acme/a/b", "acme#12", "acme/api#x", "acme/api#-1", "acme/a pi#1"] {
            assert!(odd.parse::<Subject>().is_err(), "{odd}");
        }
    }
}
