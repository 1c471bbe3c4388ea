//! What rules decided on an event and what they did about it, as pages draw it.

use std::fmt::Write as _;

use askama::Template;
use askama::filters::HtmlSafe;
use serde_json::Value;

use super::json::Json;
use super::parts::{Pill, Tree, When};
use super::{Visit, states};
use crate::actions;
use crate::core::access::Op;
use crate::core::decide::Verdict;
use crate::core::explain::Explanation;
use crate::core::intent::written;
use crate::core::rule::RuleName;
use crate::core::subject::Subject;
use crate::core::text::harmless;
use crate::engine::why::{Story, why_so};
use crate::store::decisions::DecisionRow;
use crate::store::effects::{EffectRow, EffectState};

/// Rules drawn of one event.
const MOST_RULES: usize = 40;

/// Effects drawn of one rule.
const MOST_EFFECTS: usize = 20;

/// Characters of what an effect does, or of what was noted of it.
const LONGEST: usize = 300;

/// Bytes of a state before or after an effect.
const STATE_BYTES: usize = 1_200;

/// About the bytes of a rule, of an effect and of a line of a tree without what they tell.
const FRAME_BYTES: usize = 420;
const LINE_BYTES: usize = 110;

/// Bytes of HTML that are left of a page's share.
pub(super) struct Room(pub(super) usize);

impl Room {
    fn take(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.0;
        self.0 = self.0.saturating_sub(if fits { bytes } else { 0 });
        fits
    }
}

/// What is drawn of a story beside the story.
pub(super) struct Manner<'v> {
    pub(super) visit: &'v Visit,
    /// The whole: what matched unfolded, with the states before and after.
    pub(super) is_whole: bool,
}

/// An event's decisions with their effects. Stands where a list may.
#[derive(Template)]
#[template(path = "pages/decided.html")]
pub(super) struct Decided<'e> {
    rules: Vec<Ruling<'e>>,
    /// Rules that are not drawn, and where they are told.
    more: usize,
    more_url: String,
}

impl HtmlSafe for Decided<'_> {}

/// What one rule decided and did.
struct Ruling<'e> {
    rule: RuleLink,
    verdict: Option<Pill>,
    mode: Option<Pill>,
    reason: String,
    is_open: bool,
    tree: Option<Tree<'e>>,
    decision_url: String,
    effects: Vec<Done>,
    more_effects: usize,
}

/// A rule's name, and where it is shown.
pub(super) struct RuleLink {
    pub(super) name: String,
    pub(super) url: Option<String>,
}

/// An effect.
pub(super) struct Done {
    pub(super) what: String,
    pub(super) state: Pill,
    pub(super) note: Option<String>,
    /// Where it was done.
    pub(super) place: String,
    pub(super) when: When,
    pub(super) rule: RuleLink,
    pub(super) event_url: String,
    before: Option<Json>,
    after: Option<Json>,
    /// Where one may take it back.
    pub(super) take_back: Option<String>,
    /// The rollback that asked for it.
    pub(super) rollback: Option<String>,
}

impl RuleLink {
    /// A rule of a repository's own file is shown there; orchd's own rules have no page.
    pub(super) fn of(rule: &RuleName) -> Self {
        let url = match rule.repository() {
            _ if rule.is_ours() => None,
            Some(repository) => Some(format!("/repositories/{repository}")),
            None => Some(format!("/rules/{rule}")),
        };
        Self { name: rule.to_string(), url }
    }
}

impl Done {
    pub(super) fn of(effect: &EffectRow, visit: &Visit) -> Self {
        let target = &effect.intent.target;
        let place = match &target.subject {
            Subject::Item => format!("{}#{}", target.repository, target.number),
            Subject::Commit(id) => format!("{} at commit {:.12}", target.repository, id.as_str()),
            Subject::Repository => target.repository.to_string(),
        };
        let may = effect.state == EffectState::Applied
            && actions::kinds().iter().any(|kind| kind.name == effect.intent.action && kind.undoable)
            && visit.may_in(Op::RollbacksPlan, Some(&target.repository));
        Self {
            what: cut(&harmless(&written(&effect.intent.action, &effect.intent.params))),
            state: states::effect(effect.state),
            note: why_so(effect).map(|note| cut(&harmless(note))),
            place,
            when: When::at(effect.finished_at.or(effect.started_at).unwrap_or(effect.created_at)),
            rule: RuleLink::of(&effect.intent.rule),
            event_url: format!("/events/{}", effect.intent.event),
            before: None,
            after: None,
            take_back: may.then(|| format!("/rollbacks/new?effect={}", effect.intent.id)),
            rollback: effect.rollback.map(|id| format!("/rollbacks/{}", id.0)),
        }
    }

    fn with_states(mut self, effect: &EffectRow, room: &mut Room) -> Self {
        let mut drawn = |value: &Option<Value>| {
            let json = value.as_ref().map(|value| Json::of(value, STATE_BYTES))?;
            room.take(json.bytes()).then_some(json)
        };
        (self.before, self.after) = (drawn(&effect.before), drawn(&effect.after));
        self
    }
}

impl<'e> Decided<'e> {
    /// As much as there is room for, what matched first.
    pub(super) fn of(story: &'e Story, manner: &Manner<'_>, room: &mut Room) -> Self {
        let mut decisions: Vec<&DecisionRow> = story.decisions.iter().collect();
        decisions.sort_by_key(|decision| match decision.verdict {
            Verdict::Matched => 0,
            Verdict::NotMatched => 1,
            Verdict::Skipped => 2,
        });
        let decided = |rule: &RuleName| story.decisions.iter().any(|decision| decision.rule == *rule);
        let mut alone: Vec<&RuleName> =
            story.effects.iter().map(|effect| &effect.intent.rule).filter(|rule| !decided(rule)).collect();
        alone.sort_unstable();
        alone.dedup();
        let all = decisions.len() + alone.len();
        let mut rules = Vec::new();
        for (rule, decision) in decisions
            .into_iter()
            .map(|decision| (&decision.rule, Some(decision)))
            .chain(alone.into_iter().map(|rule| (rule, None)))
            .take(MOST_RULES)
        {
            if !room.take(FRAME_BYTES) {
                break;
            }
            rules.push(ruling(story, (rule, decision), manner, room));
        }
        let more_url = format!("/api/decisions?event={}", story.event.id);
        Self { more: all - rules.len(), rules, more_url }
    }
}

fn ruling<'e>(
    story: &'e Story,
    (rule, decision): (&'e RuleName, Option<&'e DecisionRow>),
    manner: &Manner<'_>,
    room: &mut Room,
) -> Ruling<'e> {
    // From the first to the last, as they were wanted.
    let of_rule: Vec<&EffectRow> = story.effects.iter().rev().filter(|effect| effect.intent.rule == *rule).collect();
    let mut effects = Vec::new();
    for effect in of_rule.iter().take(MOST_EFFECTS) {
        if !room.take(FRAME_BYTES) {
            break;
        }
        let done = Done::of(effect, manner.visit);
        effects.push(if manner.is_whole { done.with_states(effect, room) } else { done });
    }
    let explanation = decision.map(|decision| &decision.explanation);
    Ruling {
        rule: RuleLink::of(rule),
        verdict: decision.map(|decision| states::verdict(decision.verdict)),
        mode: decision.and_then(|decision| states::unusual_mode(decision.mode)),
        reason: explanation.map(|explanation| cut(explanation.reason())).unwrap_or_default(),
        is_open: manner.is_whole && decision.is_some_and(|decision| decision.verdict == Verdict::Matched),
        tree: explanation.filter(|explanation| room.take(weight(explanation))).map(Tree::of),
        decision_url: decision.map(|each| format!("/api/decisions/{}.{}", each.event, each.id)).unwrap_or_default(),
        more_effects: of_rule.len() - effects.len(),
        effects,
    }
}

/// About the bytes of a tree.
fn weight(explanation: &Explanation) -> usize {
    LINE_BYTES + explanation.phrase.len() + explanation.parts.iter().map(weight).sum::<usize>()
}

fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        // Writing to a String cannot fail.
        let _ = write!(short, "… ({} characters)", text.chars().count());
    }
    short
}

/// Whether something of it is still to come.
pub(super) fn goes_on(story: &Story) -> bool {
    use crate::store::events::EventStatus::{Processing, Received};
    matches!(story.event.processing_status, Received | Processing)
        || story
            .effects
            .iter()
            .any(|effect| matches!(effect.state, EffectState::Planned | EffectState::Writing | EffectState::Waiting))
}
