//! What has to allow a write beside the action itself: the rule as it is now, the gate, the guards, and the limits of the hour.

use chrono::TimeDelta;

use super::Step;
use crate::actions;
use crate::config::Config;
use crate::core::intent::Intent;
use crate::core::rule::{Mode, Rule, RuleName};
use crate::engine::{Engine, JobError, commands, guards, repository_config};
use crate::github::client::WriteTerms;
use crate::store::allowance::{Allowance, UsedUp};
use crate::store::effects::{EffectRow, EffectState};

/// The rule as it is now, on the server or in the repository's own file: one that was removed since it decided may not
/// act any more.
pub(super) async fn rule_of(engine: &Engine, config: &Config, intent: &Intent) -> Result<Option<Rule>, JobError> {
    let named = |rules: &[Rule]| rules.iter().find(|known| known.name == intent.rule).cloned();
    if intent.rule.repository().is_none() && !intent.rule.is_ours() {
        return Ok(named(&config.rules));
    }
    if intent.rule == RuleName::person_wins() {
        return Ok(guards::person::rule());
    }
    if intent.rule.is_ours() {
        let repository = &intent.target.repository;
        let of_check = named(&repository_config::check_rules(config, Some(repository)));
        return Ok(of_check.or_else(|| commands::standing(config, &intent.rule, repository)));
    }
    let own = repository_config::known_rules(engine, config, &intent.target.repository).await?;
    Ok(named(&own.rules))
}

/// What may be written in the hour: by the rule, and by all of them. `None`: what orchd does for a person counts against
/// nobody, and what had begun before a crash has its place already.
pub(super) fn allowance<'a>(
    engine: &Engine,
    config: &Config,
    rule: Option<&Rule>,
    effect: &'a EffectRow,
) -> Option<Allowance<'a>> {
    let intent = &effect.intent;
    if intent.rule.is_ours() || effect.state == EffectState::Writing {
        return None;
    }
    let limits = rule.map(|rule| rule.limits).unwrap_or_default();
    Some(Allowance {
        intent,
        since: (engine.clock)() - TimeDelta::hours(1),
        of_rule: limits.actions_per_hour,
        items: limits.items_per_run,
        of_all: config.guards.actions_per_hour,
    })
}

pub(super) fn over(used_up: UsedUp) -> String {
    let (key, most, used) = match used_up {
        UsedUp::OfRule { most, used } => ("the rule's `limits.actions_per_hour`", most, used.to_string()),
        UsedUp::Items { most, used } => ("the rule's `limits.items_per_run`", most, format!("{used} items")),
        UsedUp::OfAll { most, used } => ("`guards.actions_per_hour`", most, format!("{used} of all rules")),
    };
    format!("{key} of {most} is used up ({used} in the last hour)")
}

/// Why a guard does not let the step be written. What orchd does of its own accord, or for a person who asked, no guard
/// stops. Only an item can be sticky, and fought over.
pub(super) async fn guarded(
    engine: &Engine,
    config: &Config,
    intent: &Intent,
    step: &Step<'_>,
) -> Result<Option<String>, JobError> {
    if intent.rule.is_ours() {
        return Ok(None);
    }
    let (guards, moves) = (&config.guards, step.action.moves(step.before, step.change));
    if !intent.target.subject.is_item() {
        return guards::stopped(engine, guards, intent, &[]).await;
    }
    let held = actions::left_alone(&guards.sticky_label, (step.action, step.before), &moves, step.writer).await?;
    if held.is_some() {
        return Ok(held);
    }
    guards::stopped(engine, guards, intent, &moves).await
}

/// A person wants an undo, whatever became of the rule that did it.
pub(super) fn terms(config: &Config, rule: Option<&Rule>, effect: &EffectRow) -> WriteTerms {
    let mode = match effect.intent.undoes {
        Some(_) => Mode::Active,
        None => rule.map_or(Mode::Off, |rule| rule.mode),
    };
    WriteTerms { dry_run: config.github.dry_run, read_only: config.github.read_only, mode }
}
