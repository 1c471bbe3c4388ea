//! What is told of a run: the log as `orchd why` has it, the summary as a table, and hints at what will not work here.

use orchd::core::decide::{Decision, Verdict};
use orchd::core::event::Event;
use orchd::core::rule::{Mode, Rule, RuleName};

use super::effect::{Effect, State};
use super::rules::Rules;
use super::token;
use crate::annotation::Annotation;
use crate::summary::Summary;

/// Everything that there is to tell.
pub(super) struct Story<'a> {
    pub(super) event: &'a Event,
    pub(super) config: &'a str,
    pub(super) rules: &'a Rules,
    pub(super) decisions: &'a [Decision],
    pub(super) effects: &'a [Effect],
}

impl Story<'_> {
    /// Line by line.
    pub(super) fn text(&self) -> String {
        let mut lines = vec![self.about()];
        if self.decisions.is_empty() {
            lines.push(format!("  no rule waits for {}", self.event.kind));
        }
        for decision in self.decisions {
            let mode = if decision.mode == Mode::Shadow { " (shadow)" } else { "" };
            lines.push(format!("  rule {}{mode}: {}", decision.rule, verdict(decision.verdict)));
            lines.extend(decision.explanation.lines().iter().map(|reason| format!("    {reason}")));
            lines.extend(self.of(&decision.rule).map(|effect| format!("    {}", effect.line())));
        }
        lines.join("\n")
    }

    /// The table, and below it the whole of it.
    pub(super) fn summary(&self, dry_run: bool) -> Summary {
        let mut summary = Summary::default();
        let matched = self.decisions.iter().filter(|decision| decision.verdict == Verdict::Matched).count();
        let applied = self.effects.iter().filter(|effect| effect.is_applied()).count();
        let dry = if dry_run { ", dry run" } else { "" };
        summary.heading(&format!("orchd: {matched} of {} rules matched, {applied} changes{dry}", self.decisions.len()));
        summary.paragraph(&format!("{}; {}", self.about(), self.rules.told(self.config)));
        if self.decisions.is_empty() {
            summary.paragraph(&format!("No rule waits for {}.", self.event.kind));
            return summary;
        }
        let row = |decision: &Decision| {
            let mode = if decision.mode == Mode::Shadow { " (shadow)" } else { "" };
            let done: Vec<String> = self.of(&decision.rule).map(Effect::line).collect();
            [
                format!("{}{mode}", short(&decision.rule)),
                verdict(decision.verdict).to_owned(),
                decision.explanation.reason().to_owned(),
                done.join("\n"),
            ]
        };
        summary.table(["Rule", "Decision", "Why", "What was done"], self.decisions.iter().map(row));
        summary.folded("Every condition, as it was seen", &self.text());
        summary
    }

    /// What the rules that this event triggers will not do here.
    pub(super) fn hints(&self) -> Vec<Annotation> {
        let mut told: Vec<Annotation> = Vec::new();
        let limited = |rule: &Rule| rule.limits.actions_per_hour.is_some() || rule.limits.items_per_run.is_some();
        for rule in self.triggered().iter().filter(|rule| rule.mode == Mode::Active && limited(rule)) {
            let name = short(&rule.name);
            let message = format!(
                "rule `{name}`: `limits` count over an hour, which needs the daemon; here each run counts anew"
            );
            told.push(Annotation::warning(message));
        }
        for effect in self.effects.iter().filter(|effect| effect.state == State::NeedsDaemon) {
            let message = format!("rule `{}`: {}", short(&effect.intent.rule), effect.line());
            told.push(Annotation::warning(message));
        }
        told
    }

    /// Rules that the token did not let be decided.
    pub(super) fn undecided(&self) -> Vec<Annotation> {
        let skipped = self.decisions.iter().filter(|decision| decision.verdict == Verdict::Skipped);
        let refused = skipped.filter(|decision| token::is_refusal(decision.explanation.reason()));
        let told = |decision: &Decision| {
            let (rule, reason) = (short(&decision.rule), decision.explanation.reason());
            Annotation::error(format!("rule `{rule}` could not be decided: {reason}"))
        };
        refused.map(told).collect()
    }

    /// The rules that decided.
    pub(super) fn triggered(&self) -> Vec<Rule> {
        let decided = |rule: &&Rule| self.decisions.iter().any(|decision| decision.rule == rule.name);
        self.rules.rules.iter().filter(decided).cloned().collect()
    }

    fn of(&self, rule: &RuleName) -> impl Iterator<Item = &Effect> {
        self.effects.iter().filter(move |effect| effect.intent.rule == *rule)
    }

    /// `issues.opened on acme/web#1 by alice`
    fn about(&self) -> String {
        let item = self.event.item.map(|number| format!("#{number}")).unwrap_or_default();
        let on = self.event.repository.as_ref().map(|name| format!(" on {name}{item}")).unwrap_or_default();
        let by = self.event.actor.as_ref().map(|actor| format!(" by {}", actor.login)).unwrap_or_default();
        format!("{}{on}{by}", self.event.kind)
    }
}

/// The rule's name as its file has it.
fn short(name: &RuleName) -> &str {
    name.as_str().split_once(':').map_or(name.as_str(), |(_, short)| short)
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Matched => "matched",
        Verdict::NotMatched => "not matched",
        Verdict::Skipped => "skipped",
    }
}
