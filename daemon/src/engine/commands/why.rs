//! `/why`: what was decided here lately, told as the command line tells it.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use crate::config::Config;
use crate::core::event::Event;
use crate::core::rule::RuleName;
use crate::engine::why::{Asked, Story, ask, stories_of, tell};
use crate::store::{Db, StoreError};

/// Events that an answer tells of.
const MOST: usize = 3;
/// Decisions that are looked through for them.
const LOOKED_AT: u32 = 50;
/// GitHub takes 65,536 characters in a comment; nobody reads as many.
const LONGEST: usize = 12_000;

/// The answer in Markdown: of everything, or about one rule.
pub(super) async fn explain(
    db: &Db,
    (config, now): (&Config, DateTime<Utc>),
    event: &Event,
    rule: Option<&str>,
) -> Result<String, StoreError> {
    let (Some(repository), Some(number)) = (&event.repository, event.item) else { return Ok(String::new()) };
    let Some(rule) = rule else { return of_all(db, event).await };
    // What is no name is told as it was written, and must stay a quotation.
    let rule = match RuleName::parse(&rule.replace(['`', '<'], "'")) {
        Ok(rule) => rule,
        Err(error) => return Ok(format!("{error}.")),
    };
    let asked = Asked::Item { repository: repository.clone(), number };
    match ask(db, (config, now), &asked, &rule, Some(event.id)).await? {
        Err(unknown) => Ok(format!("{unknown}")),
        Ok(told) => {
            let more = told.stories.len().saturating_sub(MOST);
            let command = (more > 0).then(|| format!("orchd why {repository}#{number} --rule {rule}"));
            Ok(fenced(&format!("What rule `{rule}` did here:"), &told.text(MOST), command))
        }
    }
}

async fn of_all(db: &Db, event: &Event) -> Result<String, StoreError> {
    let (Some(repository), Some(number)) = (&event.repository, event.item) else { return Ok(String::new()) };
    let mut stories = stories_of(db, repository, number, (None, LOOKED_AT)).await?;
    for Story { decisions, effects, .. } in &mut stories {
        // A command that did nothing but hear, or answer, is nothing to ask about.
        let acted = |rule: &RuleName| {
            let deeds = effects.iter().filter(|effect| effect.intent.rule == *rule);
            !rule.is_answer() && deeds.into_iter().any(|effect| effect.intent.action != "react")
        };
        decisions.retain(|decision| !decision.rule.is_of_command() || acted(&decision.rule));
    }
    stories.retain(|story| story.event.id != event.id && !story.decisions.is_empty());
    if stories.is_empty() {
        return Ok("No event about this was decided on by any rule.".to_owned());
    }
    let mut told = String::new();
    let mut count = 0;
    for text in stories.iter().take(MOST).map(tell) {
        if count > 0 && told.len() + text.len() > LONGEST {
            break;
        }
        told.push_str(if count > 0 { "\n" } else { "" });
        told.push_str(&text);
        count += 1;
    }
    let command = (count < stories.len()).then(|| format!("orchd why {repository}#{number}"));
    Ok(fenced("What orchd decided here lately, newest first:", &told, command))
}

/// A text as a block of code; `more` is the command that tells the rest.
fn fenced(head: &str, told: &str, more: Option<String>) -> String {
    // What a stranger wrote must neither end the block nor pass for a hidden line of ours.
    let mut text: String = told.replace("<!--", "<! --").chars().take(LONGEST).collect();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    let mut answer = format!("{head}\n\n{fence}text\n{text}{fence}\n");
    if let Some(command) = more {
        // Writing to a String cannot fail.
        let _ = write!(answer, "\nMore: `{command}`");
    }
    answer
}

/// Length of the longest run of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_backticks_are_counted() {
        assert_eq!(longest_run(""), 0);
        assert_eq!(longest_run("a `b` ```` c"), 4);
    }
}
