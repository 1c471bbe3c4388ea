//! What a rule in shadow would have done, compared with what people did: the figure on which one turns it on.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::repository_config;
use super::why::UnknownRule;
use crate::actions;
use crate::config::Config;
use crate::core::event::{EventId, RepoName};
use crate::core::hand::HandChange;
use crate::core::intent::written;
use crate::core::rule::{Mode, RuleName};
use crate::core::shadow::{Answer, Compared, Figures, Shadowed, compare, figures, in_words};
use crate::store::effects::{EffectFilter, EffectRow, EffectState};
use crate::store::{Db, StoreError};

/// Effects that a report looks at, the newest.
pub const MOST_EFFECTS: usize = 10_000;

/// Effects of one query.
const PAGE: u32 = 1_000;

/// A report on one rule.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Report {
    pub rule: RuleName,
    /// Absent: the running config has no such rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    pub since: DateTime<Utc>,
    /// Newest first; each move once for each item.
    pub rows: Vec<Row>,
    #[serde(flatten)]
    pub figures: Figures,
    /// Effects that were looked at, at most `limit`.
    pub effects: usize,
    pub limit: usize,
    /// Whether there are older ones in the window that were not.
    pub cut: bool,
    /// The figures in words, or what to do to get some.
    pub text: String,
}

/// One move on one item.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Row {
    /// `acme/web#12`, or the commit or repository that was acted on.
    pub target: String,
    pub repository: RepoName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    pub event: EventId,
    pub at: DateTime<Utc>,
    pub action: String,
    pub what: String,
    pub answer: Answer,
    /// What a person did that decides it: "label `bug` was added by alice on 2026-03-10".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand_at: Option<DateTime<Utc>>,
}

impl From<Compared> for Row {
    fn from(row: Compared) -> Self {
        let Compared { target, event, at, action, what, answer, hand } = row;
        Self {
            target: target.to_string(),
            number: (target.number > 0).then_some(target.number),
            repository: target.repository,
            event,
            at,
            action,
            what,
            answer,
            hand: hand.as_ref().map(actions::hand_phrase),
            hand_at: hand.as_ref().map(|hand| hand.at),
            by: hand.map(|hand| hand.by),
        }
    }
}

/// The report on a rule since a time.
///
/// # Errors
/// When the store fails. [`UnknownRule`] when neither the config nor the store knows the rule.
pub async fn report(
    db: &Db,
    config: &Config,
    rule: &RuleName,
    since: DateTime<Utc>,
) -> Result<Result<Report, UnknownRule>, StoreError> {
    let (effects, cut) = effects_of(db, rule, since).await?;
    let mut rules = config.rules.to_vec();
    if let Some(of) = rule.repository() {
        rules.extend(repository_config::shown_rules(db, config, &of).await?);
    }
    let mode = rules.iter().find(|known| known.name == *rule).map(|known| known.mode);
    if mode.is_none() && effects.is_empty() {
        return Ok(Err(UnknownRule::of(rule, &rules)));
    }
    let mut hands: HashMap<(String, u64), Vec<HandChange>> = HashMap::new();
    for change in db.hands_beside_shadow(rule, since).await? {
        hands.entry((change.repository.as_str().to_lowercase(), change.number)).or_default().push(change);
    }
    let looked_at = effects.len();
    let rows = compare(effects.into_iter().map(shadowed).collect(), &hands);
    let figures = figures(&rows);
    let text = if rows.is_empty() { nothing(rule, mode) } else { told(&figures, (rule, mode), cut) };
    let rows = rows.into_iter().map(Row::from).collect();
    let (effects, limit) = (looked_at, MOST_EFFECTS);
    Ok(Ok(Report { rule: rule.clone(), mode, since, rows, figures, effects, limit, cut, text }))
}

/// The rule's effects in shadow, and whether there are more in the window than are looked at.
async fn effects_of(db: &Db, rule: &RuleName, since: DateTime<Utc>) -> Result<(Vec<EffectRow>, bool), StoreError> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let (rule, state) = (Some(rule.clone()), Some(EffectState::Shadow));
        let page = db.effects(&EffectFilter { rule, state, limit: PAGE, after, ..EffectFilter::default() }).await?;
        for effect in page.rows {
            if effect.created_at < since {
                return Ok((found, false));
            }
            if found.len() == MOST_EFFECTS {
                return Ok((found, true));
            }
            found.push(effect);
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok((found, false)),
        }
    }
}

fn shadowed(effect: EffectRow) -> Shadowed {
    let intent = effect.intent;
    Shadowed {
        moves: actions::would_move(&intent.action, &intent.params),
        written: written(&intent.action, &intent.params),
        target: intent.target,
        event: intent.event,
        at: effect.created_at,
        action: intent.action,
        params: intent.params,
    }
}

/// What to do where nothing was recorded.
fn nothing(rule: &RuleName, mode: Option<Mode>) -> String {
    match mode {
        Some(Mode::Shadow) => {
            format!(
                "{rule} is in shadow and matched nothing in this time: `orchd why ITEM --rule {rule}` says why not."
            )
        }
        Some(Mode::Active) => {
            format!("{rule} is active and recorded nothing in shadow in this time: set `mode: shadow` to try a rule.")
        }
        Some(Mode::Off) => {
            format!("{rule} is `mode: off` and is not looked at: set `mode: shadow` to record what it would do.")
        }
        None => format!("{rule} is not in the running config."),
    }
}

fn told(figures: &Figures, (rule, mode): (&RuleName, Option<Mode>), cut: bool) -> String {
    let mut text = in_words(figures);
    if cut {
        text.push_str(&format!(
            " Only the newest {MOST_EFFECTS} effects were looked at: choose a later --since for all."
        ));
    }
    match mode {
        Some(Mode::Shadow) => {}
        Some(Mode::Active) => text.push_str(" The rule is active by now."),
        Some(Mode::Off) => text.push_str(" The rule is off by now."),
        None => text.push_str(&format!(" {rule} is not in the running config any more.")),
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::actions::would_move;
    use crate::core::hand::{Hand, Move, Thing};

    #[test]
    fn what_a_hand_would_do_is_told_by_the_parameters() {
        let put = |thing| Move { thing, hand: Hand::Put };
        let taken = |thing| Move { thing, hand: Hand::Taken };
        let label = |name: &str| Thing::Label(name.to_owned());
        let reviewer = |name: &str| Thing::Reviewer(name.to_owned());
        for (action, params, moves) in [
            ("label", json!({"add": ["a"], "remove": ["b"]}), vec![put(label("a")), taken(label("b"))]),
            ("assign", json!({"add": ["bob"]}), vec![put(Thing::Assignee("bob".to_owned()))]),
            ("close", json!({}), vec![taken(Thing::State)]),
            ("reopen", json!({}), vec![put(Thing::State)]),
            ("merge", json!({}), vec![put(Thing::Merged)]),
            ("lock", json!({}), vec![put(Thing::Lock)]),
            ("draft", json!({}), vec![put(Thing::Draft)]),
            ("ready_for_review", json!({}), vec![taken(Thing::Draft)]),
            ("milestone", json!({"set": "2.0"}), vec![put(Thing::Milestone("2.0".to_owned()))]),
            ("stale", json!({"days": 60}), vec![]),
            (
                "request_review",
                json!({"from": ["bob", "acme/docs", "eve"], "exclude": ["eve"]}),
                vec![put(reviewer("acme/docs")), put(reviewer("bob"))],
            ),
            // Which milestone or title it had, and whom the code owners are, the parameters do not tell.
            ("milestone", json!({"clear": true}), vec![]),
            ("title", json!({"prefix": "WIP "}), vec![]),
            ("request_review", json!({"from": "codeowners"}), vec![]),
            ("request_review", json!({"from": ["bob", "eve"], "count": 1}), vec![]),
            ("comment", json!({"body": "Hello."}), vec![]),
        ] {
            assert_eq!(would_move(action, &params), moves, "{action} {params}");
        }
    }
}
