//! A person and orchd at the same moment: the person wins.
//!
//! What a person changed is left alone by every plan that knows of it. This is about effects that did not know: they were
//! under way when the person acted, or GitHub's word of it came late. The event, once it comes, puts back what they
//! overwrote, as an effect of a rule of orchd's own.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::bound;
use crate::actions::{Bound, Origin, Plan, overwritten_title};
use crate::core::decide::{Decision, Verdict};
use crate::core::event::Event;
use crate::core::explain::Explanation;
use crate::core::hand::{Hand, HandChange, Move, Thing};
use crate::core::intent::{ActionSpec, Intent, Target};
use crate::core::pattern::{Case, Globs};
use crate::core::rule::{Limits, Mode, Repositories, Rule, RuleName};
use crate::core::subject::SubjectKind;
use crate::engine::{Engine, JobError, installations};
use crate::store::effects::{EffectRow, EffectState};

/// GitHub tells times by the second, and its clock and ours differ a little.
const SLACK: TimeDelta = TimeDelta::seconds(5);

/// Orchd's own rule, as `apply` asks for it.
pub(in crate::engine) fn rule() -> Option<Rule> {
    let repositories = Repositories(Globs::parse(&["**"], Case::Insensitive).ok()?);
    Some(Rule {
        name: RuleName::person_wins(),
        repositories,
        on: Vec::new(),
        when: None,
        then: Vec::new(),
        mode: Mode::Active,
        limits: Limits::default(),
    })
}

/// What the event's change by hand asks for: nothing, unless an effect that began after it took it back and GitHub still
/// shows that. GitHub is asked only where there is such an effect.
pub(in crate::engine) async fn wins(
    engine: &Engine,
    event: &Event,
    change: &HandChange,
) -> Result<Option<Decision>, JobError> {
    let (from, now) = (change.at - SLACK, (engine.clock)());
    let written = engine.db.written_on(&change.repository, change.number, from, now).await?;
    let stands = written.iter().filter(|effect| effect.state != EffectState::Undone);
    let overwrote = stands.filter_map(|effect| Some((effect, restoring(effect, event, change)?))).next();
    let Some((effect, spec)) = overwrote else { return Ok(None) };
    if event.installation.is_none() || installations::stop_of(engine, event.installation).await?.is_some() {
        return Ok(None);
    }
    let repository = change.repository.clone();
    let target = Target::item(repository, event.installation, change.number);
    let intent = Intent::new(event.id, &RuleName::person_wins(), &spec, target);
    if !shows_otherwise(engine, &intent, change).await? {
        return Ok(None);
    }
    let phrase = format!("{} wanted it so, and rule {} overwrote it at the same moment", change.by, effect.intent.rule);
    Ok(Some(Decision {
        rule: RuleName::person_wins(),
        mode: Mode::Active,
        verdict: Verdict::Matched,
        explanation: Explanation::leaf(true, phrase),
        intents: vec![intent],
    }))
}

/// Whether GitHub shows something else than the person wanted, and nobody changed it by hand since.
async fn shows_otherwise(engine: &Engine, intent: &Intent, change: &HandChange) -> Result<bool, JobError> {
    let origin = Origin { rule: intent.rule.clone(), intent: intent.id, at: change.at };
    let Ok(action) = Bound::new(&intent.action, &intent.params, intent.target.clone(), origin) else {
        return Ok(false);
    };
    let mut hands = engine.db.hands_on(&change.repository, change.number).await?;
    hands.push(change.clone());
    let state = action.read(&engine.github.load_full().reader(intent.target.installation)).await?;
    Ok(matches!(action.plan(&state, &hands), Plan::Change(_)))
}

/// The action that makes it as the person wanted again, if the effect took that back.
fn restoring(effect: &EffectRow, event: &Event, change: &HandChange) -> Option<ActionSpec> {
    let (before, written) = effect.before.as_ref().zip(effect.change.as_ref())?;
    if let Thing::Title(_) = change.thing {
        let wanted =
            ["/issue/title", "/pull_request/title"].iter().find_map(|at| event.payload.pointer(at)?.as_str())?;
        let ours = overwritten_title(before, written, wanted).filter(|_| effect.intent.action == "title")?;
        let params = json!({"set": wanted, "instead_of": ours});
        return Some(ActionSpec { name: "title".to_owned(), params, acts_on: SubjectKind::Item });
    }
    let back = Move { thing: change.thing.clone(), hand: change.hand }.back();
    let took_it_back = bound(effect)?.moves(before, written).iter().any(|it| it.is(&back));
    if took_it_back { as_action(change, event) } else { None }
}

/// The action that makes it as the person wanted. `None`: rules that overwrite this do not say so (`Action::moves`).
fn as_action(change: &HandChange, event: &Event) -> Option<ActionSpec> {
    let names = |name: &str| match change.hand {
        Hand::Put => json!({"add": [name]}),
        Hand::Taken => json!({"remove": [name]}),
    };
    let (name, params) = match (&change.thing, change.hand) {
        (Thing::Label(name), _) => ("label", names(name)),
        (Thing::Assignee(login), _) => ("assign", names(login)),
        (Thing::State, Hand::Put) => ("reopen", json!({})),
        (Thing::State, Hand::Taken) => {
            let reason = event.payload.pointer("/issue/state_reason").and_then(Value::as_str);
            let reason = reason.filter(|reason| *reason == "not_planned").unwrap_or("completed");
            ("close", json!({"reason": reason}))
        }
        (
            Thing::Reviewer(_) | Thing::Lock | Thing::Milestone(_) | Thing::Title(_) | Thing::Draft | Thing::Merged,
            _,
        ) => return None,
    };
    Some(ActionSpec { name: name.to_owned(), params, acts_on: SubjectKind::Item })
}
