//! `/why`: what was decided here lately, told as the command line tells it.

use std::fmt::Write as _;

use crate::core::event::Event;
use crate::core::rule::RuleName;
use crate::engine::why::{Story, stories_of, tell};
use crate::store::{Db, StoreError};

/// Events that an answer tells of.
const MOST: usize = 3;
/// Decisions that are looked through for them.
const LOOKED_AT: u32 = 50;
/// GitHub takes 65,536 characters in a comment; nobody reads as many.
const LONGEST: usize = 12_000;

/// The answer in Markdown.
pub(super) async fn explain(db: &Db, event: &Event, rule: Option<&str>) -> Result<String, StoreError> {
    let (Some(repository), Some(number)) = (&event.repository, event.item) else { return Ok(String::new()) };
    let named = rule.map(RuleName::parse).and_then(Result::ok);
    let mut stories = stories_of(db, repository, number, (named.as_ref(), LOOKED_AT)).await?;
    for Story { decisions, effects, .. } in &mut stories {
        // A command that did nothing but hear, or answer, is nothing to ask about.
        let acted = |rule: &RuleName| {
            let deeds = effects.iter().filter(|effect| effect.intent.rule == *rule);
            !rule.is_answer() && deeds.into_iter().any(|effect| effect.intent.action != "react")
        };
        decisions.retain(|decision| match rule {
            Some(rule) => decision.rule.as_str() == rule,
            None => !decision.rule.is_of_command() || acted(&decision.rule),
        });
    }
    stories.retain(|story| story.event.id != event.id && !story.decisions.is_empty());
    let whose =
        rule.map(|rule| format!(" rule `{}`", rule.replace('`', "'"))).unwrap_or_else(|| " any rule".to_owned());
    if stories.is_empty() {
        return Ok(format!("No event about this was decided on by{whose}."));
    }
    Ok(answer(&stories, repository.as_str(), number))
}

fn answer(stories: &[Story], repository: &str, number: u64) -> String {
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
    // What a stranger wrote must neither end the block nor pass for a hidden line of ours.
    let mut text: String = told.replace("<!--", "<! --").chars().take(LONGEST).collect();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    let mut answer = format!("What orchd decided here lately, newest first:\n\n{fence}text\n{text}{fence}\n");
    if count < stories.len() {
        // Writing to a String cannot fail.
        let _ = write!(answer, "\nMore: `orchd why {repository}#{number}`");
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
